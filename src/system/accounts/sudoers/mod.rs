//! sudo's policy as the rootfs has it: who is granted something, and the policy without a user.

mod parse;
mod reader;
mod revoke;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use self::parse::{Kind, Member, Statement, Subject};
use super::Account;
use crate::error::Stop;
use crate::rootfs::Files;
use crate::rootfs::InodeId;

pub(crate) use revoke::without;

/// Every file that sudo may read, each once.
pub(crate) struct Policy {
    files: Vec<File>,
    /// What cannot be known from the image: file, line and what it is.
    unknown: Vec<(String, usize, String)>,
}

struct File {
    path: String,
    id: InodeId,
    text: Vec<u8>,
    statements: Vec<Statement>,
}

/// A line that grants something.
pub(crate) struct Grant {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) to: Grantee,
}

/// By what a line grants something to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grantee {
    /// His name or number, be it through an alias.
    User,
    /// A group that he is in, as the line names it.
    Group(String),
    /// `ALL`
    Everyone,
}

/// The user lists by alias, every definition of a name after the other.
type Aliases<'a> = BTreeMap<&'a [u8], Vec<&'a Member>>;

impl Policy {
    /// Reads what sudo.conf names, what that includes, and what becomes `/etc` at boot.
    pub(crate) fn read(files: &Files<'_>) -> Result<Self, Stop> {
        sources::read(files)
    }

    /// What of the policy is not in the image, or not to be told from it: file, line and what it is.
    pub(crate) fn unknown(&self) -> &[(String, usize, String)] {
        &self.unknown
    }

    /// The lines that grant something to a user, in order of file and line.
    pub(crate) fn grants(&self, who: &Account) -> Vec<Grant> {
        let aliases = self.aliases();
        let mut found = Vec::new();
        for (file, statement) in self.statements() {
            if let Kind::Grant(members) = &statement.kind
                && let Some((true, to)) = matching(
                    members.iter(),
                    who,
                    By::Anything,
                    &aliases,
                    &mut BTreeSet::new(),
                )
            {
                found.push(Grant {
                    path: file.path.clone(),
                    line: statement.line,
                    to,
                });
            }
        }
        found.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
        found
    }

    /// The lines that cannot be read as sudoers and have a word in them: file and line.
    pub(crate) fn unreadable(&self, word: &str) -> Vec<(String, usize)> {
        let has = |text: &[u8]| {
            text.split(|b| !(b.is_ascii_alphanumeric() || b"_-.$".contains(b)))
                .any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
        };
        self.statements()
            .filter(|(file, s)| {
                matches!(s.kind, Kind::Unreadable) && has(&file.text[s.range.clone()])
            })
            .map(|(file, s)| (file.path.clone(), s.line))
            .collect()
    }

    /// Every line of the policy but its includes, blanks and continuations folded: file and text.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        let includes =
            |s: &&Statement| matches!(s.kind, Kind::Include(_) | Kind::IncludeDirectory(_));
        let lines = self.statements().filter(move |(_, s)| !includes(s));
        lines.map(|(file, s)| {
            let text = file.text[s.range.clone()].replace("\\\n", " ");
            (file.path.as_str(), bstr::join(b" ", text.fields()))
        })
    }

    fn statements(&self) -> impl Iterator<Item = (&File, &Statement)> {
        self.files
            .iter()
            .flat_map(|file| file.statements.iter().map(move |s| (file, s)))
    }

    fn aliases(&self) -> Aliases<'_> {
        let mut found = Aliases::new();
        for (_, statement) in self.statements() {
            if let Kind::UserAliases(aliases) = &statement.kind {
                for alias in aliases {
                    found.entry(&alias.name).or_default().extend(&alias.members);
                }
            }
        }
        found
    }
}

/// What of a list is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The user's name and number.
    Name,
    /// Groups and `ALL` too.
    Anything,
}

/// Whether a list lets the user in or keeps him out, and by what; nothing if it does not name him. The last that names him
/// counts. A word that is no alias is a name, and sudo compares names without regard to case.
fn matching<'a>(
    members: impl DoubleEndedIterator<Item = &'a Member>,
    who: &Account,
    by: By,
    aliases: &Aliases<'a>,
    within: &mut BTreeSet<&'a [u8]>,
) -> Option<(bool, Grantee)> {
    for member in members.rev() {
        let found = match &member.subject {
            Subject::Name(name) => match aliases.get(name.as_slice()) {
                Some(list) if within.insert(name) => {
                    let found = matching(list.iter().copied(), who, by, aliases, within);
                    within.remove(name.as_slice());
                    found
                }
                Some(_) => None,
                None => who.is(name).then_some((true, Grantee::User)),
            },
            Subject::Uid(uid) => who.uids.contains(uid).then_some((true, Grantee::User)),
            _ if by == By::Name => None,
            Subject::Everyone => Some((true, Grantee::Everyone)),
            Subject::Group(group) => who
                .is_in(group)
                .then(|| (true, Grantee::Group(format!("%{}", group.as_bstr())))),
            Subject::Gid(gid) => who
                .gids
                .contains(gid)
                .then(|| (true, Grantee::Group(format!("%#{gid}")))),
            Subject::Foreign => None,
        };
        if let Some((allows, by)) = found {
            return Some((allows != member.negated, by));
        }
    }
    None
}
