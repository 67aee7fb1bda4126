//! SELinux as the rootfs has it: whether there is a policy to enforce, and how new files are labelled.

use std::collections::BTreeMap;
use std::ops::Bound;

use bstr::{BStr, BString, ByteSlice};
use regex::bytes::{Regex, RegexBuilder};

use crate::error::{Stop, fail};
use crate::rootfs::Files;
use crate::rootfs::Node;

/// Returns whether `path` is the file that says how SELinux starts, by any of the names that it has in images.
pub(crate) fn is_config(path: &str) -> bool {
    path.ends_with("/selinux/config")
}

/// What `SELINUX=` can be.
pub(crate) const MODES: [&str; 3] = ["enforcing", "permissive", "disabled"];

/// Returns why a value of that file is refused: libselinux takes none but these, and a system without
/// a mode that it knows may not boot.
pub(crate) fn refused(key: &str, value: &str) -> Option<String> {
    let is_known = key != "SELINUX" || MODES.contains(&value);
    (!is_known)
        .then(|| format!("SELINUX is one of enforcing, permissive and disabled, not `{value}`"))
}

/// Returns what would go wrong if SELinux enforced the policy that a config text names: without it, the system does not
/// boot.
pub(crate) fn policy_missing(files: &Files<'_>, config: &[u8]) -> Option<String> {
    let policy = policy(config);
    let rootfs = files.rootfs();
    let found = files
        .etc_directories(&["/etc/selinux", "/usr/lib/selinux"])
        .iter()
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

/// Returns the policy that a config text names.
fn policy(config: &[u8]) -> String {
    let mut names = config
        .lines()
        .filter_map(|line| line.trim().strip_prefix(b"SELINUXTYPE="));
    names.next_back().map_or_else(
        || "targeted".into(),
        |name| name.trim().to_str_lossy().into_owned(),
    )
}

pub(crate) const LABEL: &str = "security.selinux";

/// Returns the file_contexts of the policy that the image is configured for; empty if the image has no policy.
pub(crate) fn file_contexts(files: &Files<'_>) -> Result<Vec<u8>, Stop> {
    let config = files.etc("/etc/selinux/config").into_iter().next();
    let config = config.map_or(Ok(Vec::new()), |(_, id)| files.text(id))?;
    let policy = policy(&config);
    for directory in files.etc_directories(&["/etc/selinux", "/usr/lib/selinux"]) {
        let path = format!("{directory}/{policy}/contexts/files/file_contexts");
        if let Some(text) = files.text_at(&path)? {
            return Ok(text);
        }
    }
    Ok(Vec::new())
}

/// How often a pattern may be held against a path before the search ends. Of a real policy's thousands, a few dozen begin as a
/// given path does.
const CHECKS: usize = 4_000_000;
/// What compiling a pattern counts for.
const COMPILING: usize = 2000;
/// How long a pattern may be, and the program that it is compiled to: a few bytes such as `\w{100}` ask for megabytes.
const PATTERN_BYTES: usize = 4096;
const PROGRAM_BYTES: usize = 64 << 10;

/// Finds the label of each path and file type in a policy's file_contexts(5). A line has a pattern, perhaps a file type, and
/// a label. The last line that fits counts, so the search starts at the end, and compiles one pattern at a time.
///
/// # Errors
/// Why what was found may not be what the policy says.
pub(crate) fn policy_labels(
    text: &[u8],
    paths: &[(&BStr, u32)],
    labels: &mut [Option<BString>],
) -> Result<(), Stop> {
    // Those that no line was found for, by path, so that a line meets only what begins as its pattern does.
    let mut open: BTreeMap<&BStr, usize> = (0..)
        .zip(paths)
        .map(|(at, (path, _))| (*path, at))
        .collect();
    let (mut left, mut unread) = (CHECKS, None);
    let mut count = |checks: usize| {
        let rest = left.checked_sub(checks);
        left = rest.unwrap_or_default();
        rest.map_or_else(
            || fail("file_contexts has more patterns that may mean the same paths than can be tried"),
            |_| Ok(()),
        )
    };
    for (pattern, kind, label) in text.lines().rev().filter_map(context) {
        if open.is_empty() {
            break;
        }
        let stem = stem(pattern);
        let begin_so = open
            .range::<BStr, _>((Bound::Included(BStr::new(&stem)), Bound::Unbounded))
            .take_while(|(path, _)| path.starts_with(stem.as_bytes()));
        let mut may_fit = Vec::new();
        for (path, at) in begin_so {
            count(1)?;
            if kind.is_none_or(|kind| kind == paths[*at].1) {
                may_fit.push((*path, *at));
            }
        }
        if may_fit.is_empty() {
            continue;
        }
        count(COMPILING)?;
        let Some(regex) = compile(pattern) else {
            unread.get_or_insert(pattern);
            continue;
        };
        for (path, at) in may_fit.into_iter().filter(|(path, _)| regex.is_match(path)) {
            open.remove(path);
            if label != "<<none>>" {
                labels[at] = Some([label.as_bytes(), b"\0"].concat().into());
            }
        }
    }
    match unread {
        Some(pattern) => fail(format!(
            "file_contexts has the pattern `{pattern}`, which cannot be tried"
        )),
        None => Ok(()),
    }
}

/// Reads a line of file_contexts: pattern, file type, label.
fn context(line: &[u8]) -> Option<(&str, Option<u32>, &str)> {
    let mut words = line.fields().map(|word| word.to_str().ok());
    let mut word = || words.next().map_or(Some(None), |word| word.map(Some));
    match (word()?, word()?, word()?, word()?) {
        (Some(pattern), _, _, _) if pattern.starts_with('#') => None,
        (Some(pattern), Some(label), None, None) => Some((pattern, None, label)),
        (Some(pattern), Some(kind), Some(label), None) => {
            Some((pattern, Some(type_bits(kind)?), label))
        }
        _ => None,
    }
}

fn compile(pattern: &str) -> Option<Regex> {
    let whole = (pattern.len() <= PATTERN_BYTES).then(|| format!("^(?:{pattern})$"))?;
    RegexBuilder::new(&whole)
        .unicode(false)
        .size_limit(PROGRAM_BYTES)
        .dfa_size_limit(PROGRAM_BYTES)
        .build()
        .ok()
}

/// Returns how every path that a pattern fits begins, as far as the text of the pattern shows it.
fn stem(pattern: &str) -> String {
    let mut stem = String::new();
    // Where one of several patterns fits, the beginning of the first says nothing.
    if alternates(pattern) {
        return stem;
    }
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some(literal) if literal.is_ascii_punctuation() && !"<>".contains(literal) => {
                    stem.push(literal);
                }
                _ => break,
            },
            '?' | '*' | '{' => {
                stem.pop();
                break;
            }
            '.' | '^' | '$' | '+' | '(' | '[' | '|' => break,
            _ => stem.push(char),
        }
    }
    stem
}

/// Returns whether a `|` may stand outside of all brackets.
fn alternates(pattern: &str) -> bool {
    let mut depth = 0;
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'(' => depth += 1,
            b')' => depth -= 1,
            // Brackets count for nothing in a class, whose end is not worth to find here.
            b'[' if pattern.contains('|') => return true,
            b'|' if depth <= 0 => return true,
            _ => {}
        }
    }
    false
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
        label_by(image, &format!("[WriteFile {path}]\nLine=x"), path)
    }

    fn label_by(image: &str, rule: &str, path: &str) -> Option<String> {
        let rule = format!("[Recipe]\nSchema=1\n{rule}\n");
        let (image, recipe) = (open(image), Recipe::parse("test", &rule).unwrap());
        let plan = image.plan_with(&recipe, &PlanOptions::new()).unwrap();
        let id = plan.after.open(path).unwrap();
        let label = plan.after.inode(id).meta.xattr(LABEL);
        label.map(|label| label.to_string().trim_end_matches('\0').to_owned())
    }

    #[test]
    fn labels_are_spelt_as_the_neighbours_spell_them() {
        let image = "
dir etc pax:RHT.security.selinux=system_u:object_r:etc_t:s0
file etc/passwd pax:RHT.security.selinux=system_u:object_r:passwd_t:s0
file etc/both pax:RHT.security.selinux=a:b:c xattr:security.selinux=a:b:c\\x00
";
        let recipe = "[Recipe]\nSchema=1\n[WriteFile /etc/new]\nLine=x\n";
        let (image, recipe) = (open(image), Recipe::parse("test", recipe).unwrap());
        let plan = image.plan(&recipe).unwrap();
        let meta = &plan.after.inode(plan.after.open("/etc/new").unwrap()).meta;
        let label = |name| meta.xattr(name).map(ToString::to_string);
        assert_eq!(label("RHT.security.selinux").as_deref(), Some("a:b:c"));
        assert_eq!(label(LABEL).as_deref(), Some("a:b:c\0"));
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
    fn so_is_a_directory_that_gets_an_entry() {
        let image = format!("{IMAGE}file etc/d/f\n");
        for rule in ["[Permissions /etc/d]\nMode=0700", "[Remove /etc/d/f]"] {
            assert_eq!(
                label_by(&image, rule, "/etc/d").as_deref(),
                Some("system_u:object_r:etc_t:s0")
            );
        }
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

    #[test]
    fn the_last_line_that_fits_counts() {
        let label = |text: &str, path: &str| {
            let mut labels = [None];
            policy_labels(text.as_bytes(), &[(path.into(), 0o100_000)], &mut labels).unwrap();
            labels[0].as_ref().map(|label| label.to_string())
        };
        for (pattern, path, fits) in [
            (r"/etc/a\.d/.*", "/etc/a.d/x", true),
            (r"/etc/a\.d/.*", "/etc/abd/x", false),
            (r"/etc/?x", "/etcx", true),
            (r"/etc/a{0}x", "/etc/x", true),
            (r"/etc/(a|b)", "/etc/b", true),
            (r"/a|/b", "/b", true),
            (r"/a(x)|/b", "/b", true),
            (r"/a[(]|/b", "/b", true),
            (r"/a[)]?(c|d)", "/ad", true),
            (r"/é.x", "/éyx", true),
            (r"/[^/]+", "/\u{2028}", true),
        ] {
            let text = format!("/.* first\n{pattern} -- second\n{pattern} -d third\n# c\n");
            let expected = if fits { "second\0" } else { "first\0" };
            assert_eq!(label(&text, path).as_deref(), Some(expected), "{pattern}");
        }
        assert_eq!(label("/.* -- a\n/x <<none>>\n", "/x"), None);
    }

    #[test]
    fn patterns_are_few_and_small() {
        let tried = |line: &str, n| {
            let mut labels = [None];
            let path = [("/x".into(), 0o100_000)];
            policy_labels(line.repeat(n).as_bytes(), &path, &mut labels)
        };
        let most = CHECKS / (COMPILING + 1);
        assert!(tried("/y.* a\n", 2 * most).is_ok());
        assert!(tried(".y a\n", most).is_ok());
        let why = |searched| match searched {
            Err(Stop::Failed(why)) => why,
            _ => panic!("what was not tried is passed over in silence"),
        };
        assert!(why(tried(".y a\n", most + 1)).contains("than can be tried"));
        assert!(why(tried("/(?!y).* a\n", 1)).contains("the pattern `/(?!y).*`"));
        assert!(tried("/y(?!y).* a\n", 1).is_ok());
        assert!(compile(r"\w{100}").is_some() && compile(r"\w{1000}{100}").is_none());
        assert!(compile(&"a".repeat(PATTERN_BYTES + 1)).is_none());
    }

    #[test]
    fn what_the_policy_says_is_doubtful_where_it_cannot_be_read() {
        let image = format!(
            "{IMAGE}file etc/selinux/config\n| SELINUXTYPE=mcs\nfile etc/selinux/mcs/contexts/files/file_contexts\n\
             | /etc/a.* system_u:object_r:a_t:s0\n| /etc/(?!x).* system_u:object_r:b_t:s0\n"
        );
        assert_eq!(
            label_after(&image, "/etc/a").as_deref(),
            Some("system_u:object_r:a_t:s0")
        );
        assert_eq!(
            label_after(&image, "/etc/b").as_deref(),
            Some("system_u:object_r:passwd_t:s0")
        );
    }
}
