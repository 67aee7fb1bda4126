//! SELinux as the rootfs shows it: whether there is a policy to enforce, and how new files are labelled.

use bstr::{BString, ByteSlice};
use regex::bytes::Regex;

use crate::edit::{Draft, Stop};
use crate::rootfs::{InodeId, Node, Rootfs};

/// Whether `path` is the file that says how SELinux starts, by any of the names that it has in images.
pub(crate) fn is_config(path: &str) -> bool {
    path.ends_with("/selinux/config")
}

/// What would go wrong if SELinux enforced the policy that a config text names; the system would not boot without it.
pub(crate) fn policy_missing(draft: &Draft<'_>, config: &[u8]) -> Option<String> {
    let policy = policy(config);
    let rootfs = draft.rootfs();
    let found = ["/etc/selinux", "/usr/lib/selinux"]
        .into_iter()
        .any(|directory| {
            let policies = rootfs.open(format!("{directory}/{policy}/policy"));
            policies.is_some_and(|id| {
                rootfs.children(id).any(|(name, child)| {
                    name.starts_with(b"policy.")
                        && matches!(rootfs.inode(child.inode).node, Node::File(_))
                })
            })
        });
    (!found).then(|| {
        format!(
            "the image has no SELinux policy `{policy}`; with SELINUX=enforcing it would not boot"
        )
    })
}

/// The policy that a config text names.
fn policy(config: &[u8]) -> String {
    let mut names = config
        .lines()
        .filter_map(|line| line.trim().strip_prefix(b"SELINUXTYPE="));
    names.next_back().map_or_else(
        || "targeted".into(),
        |name| name.trim().to_str_lossy().into_owned(),
    )
}

const LABEL: &str = "security.selinux";

/// Gives every new file the label that its neighbours make expected: under an enforcing policy a file without one cannot be
/// used. The policy's own file_contexts says which, else the nearest of its kind in the directory, else the directory.
pub(crate) fn label_new(draft: &mut Draft<'_>, before: &Rootfs) -> Result<(), Stop> {
    let known = before.inodes().len();
    let new: Vec<(BString, InodeId)> = draft
        .rootfs()
        .walk(Rootfs::ROOT)
        .into_iter()
        .filter(|(_, id)| id.index() >= known)
        .collect();
    if new.is_empty()
        || !before
            .inodes()
            .any(|(_, inode)| inode.meta.xattr(LABEL).is_some())
    {
        return Ok(());
    }
    let contexts = FileContexts::read(draft)?;
    for (path, id) in new {
        let rootfs = draft.rootfs();
        let Some((directory, _)) = rootfs.inode(id).names().first() else {
            continue;
        };
        let Some(near) = neighbour(rootfs, *directory, rootfs.inode(id).type_bits()) else {
            continue;
        };
        let label = contexts
            .label(&path, rootfs.inode(id).type_bits())
            .unwrap_or(near);
        draft.add_xattr(id, LABEL, label);
    }
    Ok(())
}

/// The label of something of the same kind in the directory, else of the directory itself.
fn neighbour(rootfs: &Rootfs, directory: InodeId, type_bits: u32) -> Option<BString> {
    let alike = rootfs
        .children(directory)
        .map(|(_, child)| rootfs.inode(child.inode))
        .filter(|inode| inode.type_bits() == type_bits);
    let mut all = alike.chain(std::iter::once(rootfs.inode(directory)));
    all.find_map(|inode| inode.meta.xattr(LABEL))
        .map(Into::into)
}

/// The policy's list of paths and labels (file_contexts(5)): a pattern, a file type or none, a label. The last that fits counts.
#[derive(Default)]
struct FileContexts {
    lines: Vec<(Regex, Option<u32>, BString)>,
}

impl FileContexts {
    /// Reads that of the policy which the image is configured for; none where it has no policy.
    fn read(draft: &Draft<'_>) -> Result<Self, Stop> {
        let config = draft.read_path("/etc/selinux/config")?.unwrap_or_default();
        let policy = policy(&config);
        for directory in ["/etc/selinux", "/usr/lib/selinux"] {
            if let Some(text) = draft.read_path(&format!(
                "{directory}/{policy}/contexts/files/file_contexts"
            ))? {
                return Ok(Self::parse(&text));
            }
        }
        Ok(Self::default())
    }

    fn parse(text: &[u8]) -> Self {
        let lines = text.lines().filter_map(|line| {
            let words: Vec<&str> = line
                .fields()
                .filter_map(|word| word.to_str().ok())
                .collect();
            let (pattern, kind, label) = match words[..] {
                [pattern, label] if !pattern.starts_with('#') => (pattern, None, label),
                [pattern, kind, label] if !pattern.starts_with('#') => {
                    (pattern, Some(type_bits(kind)?), label)
                }
                _ => return None,
            };
            let regex = Regex::new(&format!("^(?:{pattern})$")).ok()?;
            Some((regex, kind, label.into()))
        });
        Self {
            lines: lines.collect(),
        }
    }

    fn label(&self, path: &BString, type_bits: u32) -> Option<BString> {
        let fits = |(regex, kind, _): &&(Regex, Option<u32>, BString)| {
            kind.is_none_or(|kind| kind == type_bits) && regex.is_match(path)
        };
        let (_, _, label) = self.lines.iter().rfind(fits)?;
        (label != "<<none>>").then(|| [label.as_slice(), b"\0"].concat().into())
    }
}

fn type_bits(kind: &str) -> Option<u32> {
    Some(match kind {
        "--" => 0o100_000,
        "-d" => 0o040_000,
        "-l" => 0o120_000,
        "-c" => 0o020_000,
        "-b" => 0o060_000,
        "-p" => 0o010_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PlanOptions;
    use crate::recipe::Recipe;
    use crate::rules::harness::open;

    const IMAGE: &str = "
dir ./ xattr:security.selinux=system_u:object_r:root_t:s0\\x00
dir etc xattr:security.selinux=system_u:object_r:etc_t:s0\\x00
file etc/passwd xattr:security.selinux=system_u:object_r:passwd_t:s0\\x00
dir plain
";

    fn label_after(image: &str, path: &str) -> Option<String> {
        let rule = format!("[Recipe]\nSchema=1\n[WriteFile {path}]\nLine=x\n");
        let (image, recipe) = (open(image), Recipe::parse("test", &rule).unwrap());
        let plan = image.plan_with(&recipe, &PlanOptions::new()).unwrap();
        let id = plan.after.open(path).unwrap();
        let label = plan.after.inode(id).meta.xattr(LABEL);
        label.map(|label| label.to_string().trim_end_matches('\0').to_owned())
    }

    #[test]
    fn new_files_are_labelled_as_their_neighbours() {
        assert_eq!(
            label_after(IMAGE, "/etc/new").as_deref(),
            Some("system_u:object_r:passwd_t:s0")
        );
        assert_eq!(
            label_after(IMAGE, "/etc/new.d/x").as_deref(),
            Some("system_u:object_r:etc_t:s0")
        );
        assert_eq!(label_after(IMAGE, "/plain/x"), None);
        assert_eq!(label_after("dir etc\n", "/etc/x"), None);
    }

    #[test]
    fn the_policy_says_it_better() {
        let image = format!(
            "{IMAGE}file etc/selinux/config\n| SELINUXTYPE=mcs\nfile etc/selinux/mcs/contexts/files/file_contexts\n\
             | # c\n| /etc(/.*)? system_u:object_r:generic_t:s0\n| /etc/.*[.]conf -- system_u:object_r:conf_t:s0\n| /etc/none <<none>>\n"
        );
        assert_eq!(
            label_after(&image, "/etc/a.conf").as_deref(),
            Some("system_u:object_r:conf_t:s0")
        );
        assert_eq!(
            label_after(&image, "/etc/a").as_deref(),
            Some("system_u:object_r:generic_t:s0")
        );
    }
}
