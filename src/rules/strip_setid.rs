//! `StripSetid`: no file that gives privileges to whoever runs it, but for those kept.

use std::collections::BTreeSet;

use bstr::{BStr, BString, ByteSlice};

use super::support::put_file;
use crate::edit::{Applied, Draft, ResidualKind, Verdict};
use crate::error::Stop;
use crate::recipe::{Check, Fields, KeySchema, Rule, RuleKind, value};
use crate::rootfs::InodeId;
use crate::rootfs::glob::is_glob;
use crate::system::packages;
use crate::system::setid_scripts::setid_makers;

pub(super) static KIND: RuleKind = RuleKind {
    name: "StripSetid",
    summary: "no program gains privileges from its file, but for those kept",
    about: "Clears the SUID and SGID bits of regular files, and removes file capabilities in both \
        of the spellings that PAX archives have. SGID directories are left: there the bit only \
        hands down a group. All names and headers of a hard-linked file change together, since \
        extractors differ in which one they apply.",
    keys: &[
        KeySchema::new("Keep", "PATH|GLOB", Check::Is(value::path_or_glob))
            .list()
            .about(
                "A file to leave as it is, also through symbolic links. The report notes a path that \
                    keeps nothing; a glob may well stand for files that only other images have.",
            ),
        KeySchema::new(
            "Capabilities",
            "strip|keep",
            Check::OneOf(&["strip", "keep"]),
        )
        .about("Whether file capabilities go too; they do by default."),
        KeySchema::new("StatOverride", "yes|no", Check::OneOf(&["yes", "no"])).about(
            "Whether dpkg is told to keep the modes of stripped files when it upgrades their \
                packages; it is not by default.",
        ),
    ],
    waived: Some(("a path", "/usr/bin/su")),
    example: "[StripSetid]\nKeep=/usr/bin/sudo\nReason=nothing but sudo may change the user\n",
    ..RuleKind::of::<StripSetid>()
};

const SETID: u32 = 0o6000;
const CAPABILITY: &str = "security.capability";

/// What is kept, and how much of the rest is told to dpkg.
#[derive(Debug)]
struct StripSetid {
    /// Paths and globs of files to leave as they are.
    keep: Vec<String>,
    strip_capabilities: bool,
    stat_override: bool,
}

impl Rule for StripSetid {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            keep: fields.texts("Keep"),
            strip_capabilities: !fields.is("Capabilities", "keep"),
            stat_override: fields.is("StatOverride", "yes"),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let privileged = privileged(draft, self.strip_capabilities);
        let mut kept = BTreeSet::new();
        for keep in &self.keep {
            let matching = kept_by(draft, keep);
            if privileged.is_disjoint(&matching) && !is_glob(keep) {
                draft.note(format!(
                    "Keep={keep} keeps nothing: no set-id file or capability is there"
                ));
            }
            kept.extend(matching);
        }
        let mut stripped = Vec::new();
        for id in privileged.difference(&kept) {
            let paths: Vec<BString> = draft.rootfs().paths(*id);
            let names: Vec<&BStr> = paths.iter().map(|path| path.as_bstr()).collect();
            if draft.waived_as(&names) {
                continue;
            }
            draft.clear_mode(*id, SETID);
            if self.strip_capabilities {
                draft.remove_xattr(*id, CAPABILITY);
            }
            stripped.extend(paths);
        }
        if self.stat_override {
            keep_modes(draft, &stripped)?;
        }
        for place in setid_makers(draft) {
            let message = "makes a set-id program or one with capabilities at boot";
            draft.residual(ResidualKind::RevertedAtBoot, place, message);
        }
        Ok(Verdict::Holds)
    }
}

/// Adds a line to dpkg's statoverride for each stripped file that a package owns, in place of one
/// that is there for it.
fn keep_modes(draft: &mut Draft<'_>, stripped: &[BString]) -> Result<(), Stop> {
    let owners = packages::owners(draft, draft.rootfs(), stripped)?;
    if !stripped.is_empty() && !draft.rootfs().exists(packages::DPKG) {
        draft.note("StatOverride=yes tells no package manager anything: the image has no dpkg");
    }
    let lines: Vec<(BString, String)> = owners
        .iter()
        .filter(|(_, owner)| owner.dpkg)
        .filter_map(|(path, owner)| {
            let meta = &draft.rootfs().inode(draft.rootfs().open(path)?).meta;
            let [user, group] = [meta.uid, meta.gid].map(|id| {
                if id == 0 {
                    "root".into()
                } else {
                    format!("#{id}")
                }
            });
            let line = format!("{user} {group} {:04o} {}\n", meta.mode, owner.listed);
            Some((owner.listed.clone(), line))
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let old = draft.text_at(packages::STATOVERRIDE)?.unwrap_or_default();
    let ours = |line: &&[u8]| {
        lines
            .iter()
            .any(|(path, _)| line.fields().nth(3) == Some(path.as_slice()))
    };
    let mut text: Vec<u8> = old
        .lines_with_terminator()
        .filter(|line| !ours(line))
        .flatten()
        .copied()
        .collect();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend(lines.iter().flat_map(|(_, line)| line.bytes()));
    let path = packages::STATOVERRIDE;
    put_file(draft, path, &[path], &text, None)
}

/// The regular files that any of their headers gives privileges.
fn privileged(draft: &Draft<'_>, capabilities: bool) -> BTreeSet<InodeId> {
    let rootfs = draft.rootfs();
    let files = rootfs
        .inodes()
        .filter(|(_, inode)| inode.is_file() && inode.links() > 0);
    files
        .filter(|(_, inode)| {
            inode.metas().any(|meta| {
                meta.mode & SETID != 0 || (capabilities && meta.xattr(CAPABILITY).is_some())
            })
        })
        .map(|(id, _)| id)
        .collect()
}

/// The inodes that a Keep stands for: what its paths are, and what they lead to.
fn kept_by(draft: &Draft<'_>, keep: &str) -> BTreeSet<InodeId> {
    let rootfs = draft.rootfs();
    let found = rootfs.glob(keep);
    found
        .into_iter()
        .filter_map(|(path, _)| rootfs.open(BStr::new(&path)))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::{check, content_after};

    const IMAGE: &str = "
dir ./
dir usr/bin mode=0755
dir var/log/journal mode=2755
file usr/bin/su mode=4755
file usr/bin/sudo mode=4111
file usr/bin/wall mode=2755
file usr/bin/ping mode=0755 cap=cap_net_raw+ep
file usr/bin/both mode=6755 cap=cap_net_raw+ep xattr-style=both
file usr/bin/ls mode=0755
symlink bin -> usr/bin
symlink usr/bin/sudoedit -> sudo
";

    #[test]
    fn files_lose_bits_and_capabilities_and_directories_do_not() {
        check(
            IMAGE,
            "[StripSetid]",
            "changed\n  mode /usr/bin/su 4755 0755\n  mode /usr/bin/sudo 4111 0111\n  mode /usr/bin/wall 2755 0755\n  \
             xattr /usr/bin/ping security.capability\n  mode /usr/bin/both 6755 0755\n  xattr /usr/bin/both security.capability\n",
        );
        check(
            IMAGE,
            "[StripSetid]\nCapabilities=keep\nKeep=/usr/bin/su*",
            "changed\n  mode /usr/bin/wall 2755 0755\n  mode /usr/bin/both 6755 0755\n",
        );
    }

    #[test]
    fn keep_resolves_links_and_globs_and_says_when_it_is_unused() {
        check(
            IMAGE,
            "[StripSetid]\nKeep=/bin/su\nKeep=/bin/sudoedit\nKeep=/bin/{wall,both}\nKeep=/bin/p?ng\nKeep=/usr/bin/ls\nKeep=/nope",
            "already\n  note Keep=/usr/bin/ls keeps nothing: no set-id file or capability is there\n  \
             note Keep=/nope keeps nothing: no set-id file or capability is there\n",
        );
        check(IMAGE, "[StripSetid]\nKeep=/**", "already\n");
    }

    #[test]
    fn hard_links_change_together_whichever_header_has_the_bit() {
        let data = "file usr/bin/a mode=4755\nhardlink usr/bin/b -> usr/bin/a mode=0755\n";
        check(
            data,
            "[StripSetid]",
            "changed\n  mode /usr/bin/a 4755 0755\n  mode /usr/bin/b 4755 0755\n",
        );
        let link = "file usr/bin/a mode=0755\nhardlink usr/bin/b -> usr/bin/a mode=4711\n";
        check(
            link,
            "[StripSetid]",
            "changed\n  mode /usr/bin/a 4711 0711\n  mode /usr/bin/b 4711 0711\n",
        );
        check(data, "[StripSetid]\nKeep=/usr/bin/b", "already\n");
    }

    #[test]
    fn of_duplicates_the_last_counts() {
        check(
            "file usr/bin/a mode=4755\nfile usr/bin/a mode=0755\n",
            "[StripSetid]",
            "already\n",
        );
        check(
            "file usr/bin/a mode=0755\nfile usr/bin/a mode=4755\n",
            "[StripSetid]",
            "changed\n  mode /usr/bin/a 4755 0755\n",
        );
    }

    #[test]
    fn an_image_without_any_fulfils_it() {
        check("file usr/bin/a mode=0755\n", "[StripSetid]", "already\n");
    }

    #[test]
    fn a_waiver_leaves_one_file() {
        let waive = "[StripSetid]\n[Waive StripSetid:/usr/bin/a]\nReason=x\nExpires=2030-01-01";
        check("file usr/bin/a mode=4755\n", waive, "waived\n");
    }

    #[test]
    fn dpkg_is_told_of_what_it_owns() {
        let rule = "[StripSetid]\nStatOverride=yes";
        let path = "/var/lib/dpkg/statoverride";
        let apk = "file bin/su mode=4755\nfile lib/apk/db/installed\n| P:su\n| F:bin\n| R:su\n";
        check(
            apk,
            rule,
            "changed\n  mode /bin/su 4755 0755\n  \
             note StatOverride=yes tells no package manager anything: the image has no dpkg\n  \
             residual /bin/su: belongs to the package su, whose next upgrade brings it back; harden again after upgrades\n",
        );
        let dpkg = "file bin/su mode=4755 gid=7\nfile var/lib/dpkg/info/su.list\n| /bin/su\nfile var/lib/dpkg/statoverride eol=no\n| root root 0700 /x\n";
        assert_eq!(
            content_after(dpkg, rule, path),
            "root root 0700 /x\nroot #7 0755 /bin/su\n"
        );
    }

    #[test]
    fn a_capability_that_may_stay_makes_no_file_privileged() {
        check(
            IMAGE,
            "[StripSetid]\nCapabilities=keep\nKeep=/usr/bin/ping\nKeep=/usr/bin/{su,sudo,wall,both}",
            "already\n  note Keep=/usr/bin/ping keeps nothing: no set-id file or capability is there\n",
        );
    }
}
