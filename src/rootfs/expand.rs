//! Patterns that files of the image hold, as glob(3) expands them for the programs of the image.
//!
//! What a recipe's glob stands for is another question: see [`super::glob`]. Here braces are letters, `**` is `*`, `*` spares
//! what begins with a dot, and links are followed wherever a directory is wanted. Bytes are compared, as in the C locale.

use bstr::{BStr, BString, ByteSlice};

use super::lookup::components;
use super::{Node, Rootfs};

/// As long as a path can be (PATH_MAX), and a name (NAME_MAX); in a tar archive both can be longer.
const LONGEST_PATH: usize = 4095;
const LONGEST_NAME: usize = 255;

/// More paths than anything honest stands for: with links to the directory that they are in, each `*` makes them many more.
const PATHS: usize = 1 << 12;

/// What may still be spent on patterns: both they and the tree may be made to keep a machine busy.
pub(crate) struct Effort(usize);

impl Default for Effort {
    fn default() -> Self {
        Self(1 << 26)
    }
}

impl Effort {
    fn spend(&mut self, steps: usize) -> Option<()> {
        self.0 = self.0.checked_sub(steps)?;
        Some(())
    }
}

/// Whether glob(3) takes a path for a pattern.
pub(crate) fn is_pattern(path: &[u8]) -> bool {
    path.len() <= LONGEST_PATH && components(path).any(|name| literal(&parts(name)).is_none())
}

/// A name in which nothing stands for something else.
pub(crate) fn escaped(name: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| {
        b"*?[\\"
            .contains(byte)
            .then_some(b'\\')
            .into_iter()
            .chain([*byte])
    };
    name.iter().flat_map(escape).collect()
}

impl Rootfs {
    /// The paths that an absolute pattern stands for, sorted, each as the pattern leads to it, links and `..` included.
    /// None where that takes more than is left.
    pub(crate) fn expand(&self, pattern: &[u8], effort: &mut Effort) -> Option<Vec<BString>> {
        if pattern.len() > LONGEST_PATH {
            return None;
        }
        let mut found = vec![BString::default()];
        let mut names = components(pattern).peekable();
        while let Some(name) = names.next() {
            let parts = parts(name);
            if let Some(name) = literal(&parts) {
                found.iter_mut().for_each(|path| push(path, &name));
                continue;
            }
            let on_the_way = names.peek().is_some();
            let mut deeper = Vec::new();
            for path in found {
                effort.spend(LONGEST_PATH)?;
                let Some(directory) = self.open(&path) else {
                    continue;
                };
                let dots = [".", ".."].map(|name| (BStr::new(name), directory));
                let children = self.children(directory);
                let children = children.map(|(name, child)| (name, child.inode));
                for (name, id) in dots.into_iter().chain(children) {
                    effort.spend(parts.len() * name.len().min(LONGEST_NAME))?;
                    if !matches(&parts, name) {
                        continue;
                    }
                    let mut path = path.clone();
                    push(&mut path, name);
                    let goes_on = match &self.inode(id).node {
                        Node::Symlink(_) if on_the_way => self.is_directory_at(&path, effort)?,
                        Node::Directory(_) => true,
                        _ => !on_the_way,
                    };
                    if goes_on {
                        deeper.push(path);
                    }
                    if deeper.len() > PATHS {
                        return None;
                    }
                }
            }
            found = deeper;
        }
        let mut expanded = Vec::new();
        for path in found {
            effort.spend(LONGEST_PATH)?;
            if self.exists(&path)
                && path.len() <= LONGEST_PATH
                && (!pattern.ends_with(b"/") || self.is_directory_at(&path, effort)?)
            {
                expanded.push(path);
            }
        }
        expanded.sort();
        Some(expanded)
    }

    fn is_directory_at(&self, path: &[u8], effort: &mut Effort) -> Option<bool> {
        effort.spend(LONGEST_PATH)?;
        Some(self.has_directory(path))
    }
}

fn push(path: &mut BString, name: &[u8]) {
    // What is too long already is dropped in the end.
    if path.len() <= LONGEST_PATH {
        path.push(b'/');
        path.extend_from_slice(name);
    }
}

/// A part of a pattern within one component.
enum Part {
    Byte(u8),
    /// One byte of these, of 256.
    Of(Box<[bool; 256]>),
    /// Any bytes.
    Star,
}

/// The name that a component without wildcards is.
fn literal(parts: &[Part]) -> Option<Vec<u8>> {
    let byte = |part: &Part| match part {
        Part::Byte(byte) => Some(*byte),
        _ => None,
    };
    parts.iter().map(byte).collect()
}

fn parts(component: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = component;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        parts.push(match first {
            b'*' => {
                rest = rest.trim_start_with(|c| c == '*');
                Part::Star
            }
            b'?' => Part::Of(Box::new([true; 256])),
            b'[' => match bracket(behind) {
                Some((set, behind)) => {
                    rest = behind;
                    Part::Of(set)
                }
                None => Part::Byte(first),
            },
            b'\\' => {
                let (byte, behind) = rest.split_first().unwrap_or((&first, rest));
                rest = behind;
                Part::Byte(*byte)
            }
            _ => Part::Byte(first),
        });
    }
    parts
}

/// What a bracket stands for, after its `[`, and what follows it; none where nothing closes it.
fn bracket(text: &[u8]) -> Option<(Box<[bool; 256]>, &[u8])> {
    let not = matches!(text.first(), Some(b'!' | b'^'));
    let mut rest = &text[usize::from(not)..];
    let (mut set, mut first, mut known) = (Box::new([false; 256]), true, true);
    loop {
        if rest.starts_with(b"]") && !first {
            // With a class that there is not, the bracket stands for nothing.
            set.iter_mut().for_each(|is| *is = known && *is != not);
            return Some((set, &rest[1..]));
        }
        first = false;
        if let Some(name) = rest.strip_prefix(b"[:")
            && let Some(end) = name.find(":]")
        {
            let class = class(&name[..end]);
            known &= class.is_some();
            for byte in 0..=u8::MAX {
                set[usize::from(byte)] |= class.is_some_and(|is_of| is_of(&byte));
            }
            rest = &name[end + 2..];
            continue;
        }
        let (from, behind) = element(rest)?;
        rest = behind;
        let mut to = from;
        if rest.starts_with(b"-") && !rest[1..].starts_with(b"]") {
            (to, rest) = element(&rest[1..])?;
        }
        for byte in from..=to {
            set[usize::from(byte)] = true;
        }
    }
}

/// A byte within brackets, and what follows it.
fn element(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'[', b'.', byte, b'.', b']', rest @ ..]
        | [b'[', b'=', byte, b'=', b']', rest @ ..]
        | [b'\\', byte, rest @ ..]
        | [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

/// What tells whether a byte is of a class, such as `digit`.
fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| b" \t".contains(byte),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| byte.is_ascii_graphic() || *byte == b' ',
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| byte.is_ascii_whitespace() || *byte == 0x0b,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

fn matches(parts: &[Part], name: &[u8]) -> bool {
    let hidden = name.starts_with(b".") && !matches!(parts.first(), Some(Part::Byte(b'.')));
    if hidden || name.len() > LONGEST_NAME {
        return false;
    }
    let (mut part, mut at) = (0, 0);
    // Only the last star ever has to take more: what an earlier one could take instead, the last can too.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let fits = match parts.get(part) {
            Some(Part::Star) => {
                star = Some((part, at));
                part += 1;
                continue;
            }
            Some(Part::Byte(byte)) => name.get(at) == Some(byte),
            Some(Part::Of(set)) => name.get(at).is_some_and(|byte| set[usize::from(*byte)]),
            None if at == name.len() => return true,
            None => false,
        };
        if fits {
            (part, at) = (part + 1, at + 1);
            continue;
        }
        match &mut star {
            Some((place, taken)) if *taken < name.len() => {
                *taken += 1;
                (part, at) = (*place + 1, *taken);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::replay::tests::rootfs;
    use super::*;

    #[test]
    fn names_match_as_fnmatch_has_it() {
        let fits = |pattern: &str, name: &str| matches(&parts(pattern.as_bytes()), name.as_bytes());
        for (pattern, yes, no) in [
            ("*.conf", "a.conf", ".conf ..conf .a.conf a.confx conf"),
            ("a*b*c", "abc aXbXbXc", "ab acb"),
            ("**", "a a.b", ".a"),
            (".*", ". .. .a", "a"),
            ("\\.?", ".a", ".ab a"),
            ("?x", "ax", ".x x"),
            ("[.a]x", "ax", ".x"),
            ("{a,b}", "{a,b}", "a b"),
            ("[!x]", "a ]", "x ."),
            ("[^x]", "a ]", "x"),
            ("[]x]", "] x", "a"),
            ("[!]x]", "a", "] x"),
            ("[a-c-]", "a b c -", "d"),
            ("[z-a]", "", "a m z"),
            ("[[:digit:][:upper:]_]*", "1 A_ _", "a"),
            ("[![:digit:]]", "a", "1"),
            ("[[:nothing:]n]", "", "n :"),
            ("[![:nothing:]]", "", "n"),
            ("[[.-.]a]", "- a", "."),
            ("[\\]a]", "] a", "\\"),
            ("[a", "[a", "a"),
            ("\\*", "*", "a"),
        ] {
            for name in yes.split(' ').filter(|name| !name.is_empty()) {
                assert!(fits(pattern, name), "{pattern} {name}");
            }
            for name in no.split(' ') {
                assert!(!fits(pattern, name), "{pattern} {name}");
            }
        }
        // Would take years if every star were tried everywhere.
        assert!(!fits(&"*a".repeat(500), &"a".repeat(255)));
        assert!(is_pattern(b"/a/[x]") && !is_pattern(b"/a/{x}/\\*"));
    }

    #[test]
    fn patterns_expand_as_glob_has_it() {
        let tree = rootfs(
            "
dir d
dir d/real
file d/real/x
dir d/b
file d/b/x
dir d/b/deep
file d/b/deep/x
dir d/.hidden
file d/.hidden/x
file d/file
file d/{a,b}
file d/a*
symlink d/lnk -> real
symlink d/gone -> nowhere
",
        );
        let expand = |pattern: &str| -> String {
            let found = tree.expand(pattern.as_bytes(), &mut Effort::default());
            bstr::join(" ", found.unwrap()).to_str_lossy().into_owned()
        };
        for (pattern, want) in [
            ("/d/*/x", "/d/b/x /d/lnk/x /d/real/x"),
            ("/d/l*/x", "/d/lnk/x"),
            ("/d/**/x", "/d/b/x /d/lnk/x /d/real/x"),
            ("/d/.h*/x", "/d/.hidden/x"),
            ("/d/[bg]*", "/d/b /d/gone"),
            ("/d/{a,b}", "/d/{a,b}"),
            ("/d/a\\*", "/d/a*"),
            ("/d/f*/", ""),
            ("/d/b*/", "/d/b"),
            (
                "/d/*/../file",
                "/d/b/../file /d/lnk/../file /d/real/../file",
            ),
            ("/d/nothing", ""),
            ("/d/file/*", ""),
        ] {
            assert_eq!(expand(pattern), want, "{pattern}");
        }
        assert_eq!(
            tree.expand(&escaped(b"/d/a*"), &mut Effort::default()),
            Some(vec!["/d/a*".into()])
        );
    }

    #[test]
    fn what_grows_without_end_is_given_up() {
        let tree = rootfs("symlink a -> .\nsymlink b -> .\nfile x\n");
        let expand = |pattern: &str| tree.expand(pattern.as_bytes(), &mut Effort::default());
        assert_eq!(expand("/*/*/x").unwrap().len(), 4);
        assert_eq!(expand(&format!("{}/x", "/*".repeat(1000))), None);
        assert_eq!(expand(&"/*".repeat(4000)), None);
        let mut little = Effort(5000);
        assert!(tree.expand(b"/y*", &mut little).is_some());
        assert!(tree.expand(b"/y*", &mut little).is_none());
    }
}
