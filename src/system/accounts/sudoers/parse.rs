//! The syntax of sudoers, as far as it says who is granted something: lists of users, aliases, includes (sudoers(5)).
//!
//! Every part keeps its place in the text, so that an edit touches nothing else.

use std::ops::Range;

use bstr::ByteSlice;

use super::scanner::{Scanner, starts_id};

/// A logical line that is neither empty nor a comment.
#[derive(Debug)]
pub(super) struct Statement {
    /// From the start of its first line to behind the end of its last.
    pub(super) range: Range<usize>,
    /// The number of its first line.
    pub(super) line: usize,
    pub(super) directive: Directive,
}

#[derive(Debug)]
pub(super) enum Directive {
    /// `@include PATH`, or `#include`.
    Include(Vec<u8>),
    /// `@includedir PATH`, or `#includedir`.
    IncludeDirectory(Vec<u8>),
    /// `User_Alias A = x, y : B = z`
    UserAliases(Vec<Alias>),
    /// `x, y HOST = COMMAND`: these users may do something.
    Grant(Vec<Member>),
    /// `Defaults:x,y …`: a setting for these users.
    UserDefaults(Vec<Member>),
    /// Settings and aliases that name no users.
    Other,
    /// Not understood; sudo passes over such a line, or refuses the whole file.
    Unreadable,
}

/// One definition of a `User_Alias` line.
#[derive(Debug)]
pub(super) struct Alias {
    pub(super) name: Vec<u8>,
    /// From the name to the end of the list.
    pub(super) range: Range<usize>,
    pub(super) members: Vec<Member>,
}

/// One of a list of users.
#[derive(Debug)]
pub(super) struct Member {
    /// With the `!` before it.
    pub(super) range: Range<usize>,
    pub(super) negated: bool,
    pub(super) subject: Subject,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// `ALL`
    Everyone,
    /// A user's name, or an alias if one has that name.
    Name(Vec<u8>),
    /// `#500`
    Uid(u32),
    /// `%wheel`
    Group(Vec<u8>),
    /// `%#10`
    Gid(u32),
    /// A netgroup, or a group of some other source than the system's.
    Foreign,
}

/// Returns the statements of a file, in order.
pub(super) fn statements(text: &[u8]) -> Vec<Statement> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let end = logical_end(text, at);
        let directive = directive(&text[..end], at);
        found.extend(directive.map(|directive| Statement {
            range: at..end,
            line,
            directive,
        }));
        line += text[at..end].iter().filter(|b| **b == b'\n').count();
        at = end;
    }
    found
}

/// Returns where the logical line that starts here ends, behind its newline. A backslash before the newline joins the next line,
/// except in a comment.
fn logical_end(text: &[u8], start: usize) -> usize {
    let mut scanner = Scanner { text, at: start };
    scanner.blanks();
    // In commands a quote is a character like others, and `#` starts a comment in spite of it.
    let quotes_end = !scanner.keyword(&[b"Defaults", b"User_Alias", b"Runas_Alias", b"Host_Alias"]);
    let (mut quoted, mut commands) = (false, false);
    while let Some(byte) = scanner.peek() {
        if scanner.continuation() {
            continue;
        }
        match byte {
            b'\n' => return scanner.at + 1,
            b'\\' => scanner.at += 1,
            b'"' if !commands => quoted = !quoted,
            b'=' if quotes_end && !quoted => commands = true,
            b'#' if !quoted && !starts_id(&text[scanner.at..]) => {
                let rest = text[scanner.at..].find_byte(b'\n');
                return rest.map_or(text.len(), |n| scanner.at + n + 1);
            }
            _ => {}
        }
        scanner.at += 1;
    }
    text.len()
}

/// Returns what the logical line from `at` to the end of the text is.
fn directive(text: &[u8], at: usize) -> Option<Directive> {
    let mut scanner = Scanner { text, at };
    let trimmed = text[at..].trim_start_with(|c| c == ' ' || c == '\t');
    let included = trimmed.strip_prefix(b"@").or(trimmed.strip_prefix(b"#"));
    let path = |word: &[u8]| match included?.strip_prefix(word)? {
        rest @ [b' ' | b'\t', ..] => Some(include_path(rest)),
        _ => None,
    };
    if let Some(path) = path(b"includedir") {
        return Some(Directive::IncludeDirectory(path));
    }
    if let Some(path) = path(b"include") {
        return Some(Directive::Include(path));
    }
    scanner.blanks();
    if scanner.ends() {
        return None;
    }
    let found = if scanner.keyword(&[b"Defaults"]) {
        scanner.at += b"Defaults".len();
        if !scanner.eat(b':') {
            return Some(Directive::Other);
        }
        scanner.blanks();
        scanner.members().map(Directive::UserDefaults)
    } else if scanner.keyword(&[b"Runas_Alias", b"Host_Alias", b"Cmnd_Alias", b"Cmd_Alias"]) {
        Some(Directive::Other)
    } else if scanner.keyword(&[b"User_Alias"]) {
        scanner.at += b"User_Alias".len();
        scanner.aliases().map(Directive::UserAliases)
    } else {
        let members = scanner.members();
        let grants = text[scanner.at..].contains(&b'=') && !scanner.ends();
        members.filter(|_| grants).map(Directive::Grant)
    };
    Some(found.unwrap_or(Directive::Unreadable))
}

/// Returns the path of an include: quoted, or up to the first blank that no backslash takes as it stands.
fn include_path(text: &[u8]) -> Vec<u8> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.blanks();
    let text = text[scanner.at..].trim();
    if let Some(end) = text
        .strip_prefix(b"\"")
        .and_then(|rest| rest.find_byte(b'"'))
    {
        return text[1..=end].to_vec();
    }
    let mut path = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => path.extend(bytes.next()),
            b' ' | b'\t' => break,
            _ => path.push(byte),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> Vec<String> {
        let list = |members: &[Member]| {
            let members = members.iter().map(|m| {
                let bang = if m.negated { "!" } else { "" };
                match &m.subject {
                    Subject::Name(name) => format!("{bang}{}", name.as_bstr()),
                    other => format!("{bang}{other:?}"),
                }
            });
            members.collect::<Vec<_>>().join(",")
        };
        statements(text.as_bytes())
            .iter()
            .map(|s| {
                let directive = match &s.directive {
                    Directive::Include(path) => format!("include {}", path.as_bstr()),
                    Directive::IncludeDirectory(path) => format!("directory {}", path.as_bstr()),
                    Directive::UserAliases(aliases) => aliases
                        .iter()
                        .map(|a| format!("{}={}", a.name.as_bstr(), list(&a.members)))
                        .collect::<Vec<_>>()
                        .join(" : "),
                    Directive::Grant(members) => format!("grant {}", list(members)),
                    Directive::UserDefaults(members) => format!("defaults {}", list(members)),
                    Directive::Other => "other".to_owned(),
                    Directive::Unreadable => "unreadable".to_owned(),
                };
                format!("{}: {directive}", s.line)
            })
            .collect()
    }

    #[test]
    fn statements_are_found_as_sudo_reads_them() {
        for (text, want) in [
            ("# core ALL=ALL\n\n  \ncore ALL=ALL", vec!["4: grant core"]),
            (
                "core ALL=ALL # x \\\nroot ALL=ALL\n",
                vec!["1: grant core", "2: grant root"],
            ),
            (
                "root, \\\r\n core\\\n ALL=ALL\r\nx h=c",
                vec!["1: grant root,core", "4: grant x"],
            ),
            ("! core,!! \"a b\" ALL=ALL", vec!["1: grant !core,a b"]),
            ("c\\x6fre,a\\ b ALL=ALL", vec!["1: grant core,a b"]),
            (
                "#500,\"#7\",%wheel,%#10,%:x,+n,ALL h=c",
                vec![
                    "1: grant Uid(500),Uid(7),Group([119, 104, 101, 101, 108]),Gid(10),Foreign,Foreign,Everyone",
                ],
            ),
            (
                "User_Alias A = x : B = core, !y # c\n",
                vec!["1: A=x : B=core,!y"],
            ),
            ("User_Alias A = \"x # y\", \\\n z\n", vec!["1: A=x # y,z"]),
            (
                "Defaults:A,core !x\nDefaults a=b\nDefaults@h a\nRunas_Alias X = core",
                vec!["1: defaults A,core", "2: other", "3: other", "4: other"],
            ),
            (
                "@include \\\n /a\\ b\n#includedir \"/c d\"\n#include\n# include /x\n@include x # y",
                vec!["1: include /a b", "3: directory /c d", "6: include x"],
            ),
            (
                "core\nUser_Alias A\ncore, =x\nUser_Alias a = b c\n\"x ALL=ALL\n",
                vec![
                    "1: unreadable",
                    "2: unreadable",
                    "3: unreadable",
                    "4: unreadable",
                    "5: unreadable",
                ],
            ),
            (
                "x ALL=/bin/echo \"#1 # \\\ny ALL=ALL",
                vec!["1: grant x", "2: grant y"],
            ),
            (
                "Defaults m=\"a # b \\\nc\"\ny ALL=ALL",
                vec!["1: other", "3: grant y"],
            ),
            ("\\", vec!["1: unreadable"]),
        ] {
            assert_eq!(show(text), want, "{text:?}");
        }
    }
}
