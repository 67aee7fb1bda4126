//! sudo's policy as the rootfs has it: whom it grants something, and the policy without a user.

mod parse;
mod revoke;
mod scanner;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use self::parse::{Directive, Member, Statement, Subject};
use super::Account;
use crate::rootfs::{InodeId, Place};

pub(crate) use revoke::without;

/// Every file that sudo may read, each once.
#[derive(Default)]
pub(crate) struct Policy {
    files: Vec<PolicyFile>,
    /// What the image does not show of the policy, and where it says so.
    unknown: Vec<(Place, String)>,
}

struct PolicyFile {
    path: String,
    id: InodeId,
    text: Vec<u8>,
    statements: Vec<Statement>,
}

/// How a line names a user to whom it grants something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grantee {
    /// By name or number, also through an alias.
    User,
    /// By a group that the user is in, as the line names it.
    Group(String),
    /// `ALL`
    Everyone,
}

/// The members of each alias, all its definitions together.
type Aliases<'a> = BTreeMap<&'a [u8], Vec<&'a Member>>;

impl Policy {
    /// Returns what the image does not show of the policy, and where it says so.
    pub(crate) fn unknown(&self) -> &[(Place, String)] {
        &self.unknown
    }

    /// Returns the lines that grant something to a user, in order of file and line.
    pub(crate) fn grants(&self, who: &Account) -> Vec<(Place, Grantee)> {
        let aliases = self.aliases();
        let mut found = Vec::new();
        for (file, statement) in self.statements() {
            if let Directive::Grant(members) = &statement.directive
                && let Some((true, to)) = matching(
                    members.iter(),
                    who,
                    By::Anything,
                    &aliases,
                    &mut BTreeSet::new(),
                )
            {
                found.push((Place::new(&file.path, statement.line), to));
            }
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found
    }

    /// Returns the lines that cannot be read as sudoers and have a word in them.
    pub(crate) fn unreadable(&self, word: &str) -> Vec<Place> {
        let has = |text: &[u8]| {
            text.split(|b| !(b.is_ascii_alphanumeric() || b"_-.$".contains(b)))
                .any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
        };
        self.statements()
            .filter(|(file, s)| {
                matches!(s.directive, Directive::Unreadable) && has(&file.text[s.range.clone()])
            })
            .map(|(file, s)| Place::new(&file.path, s.line))
            .collect()
    }

    /// Returns every line of the policy except its includes, blanks and continuations folded, with its file.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        let includes = |s: &&Statement| {
            matches!(
                s.directive,
                Directive::Include(_) | Directive::IncludeDirectory(_)
            )
        };
        let lines = self.statements().filter(move |(_, s)| !includes(s));
        lines.map(|(file, s)| {
            let text = file.text[s.range.clone()].replace("\\\n", " ");
            (file.path.as_str(), bstr::join(b" ", text.fields()))
        })
    }

    fn statements(&self) -> impl Iterator<Item = (&PolicyFile, &Statement)> {
        self.files
            .iter()
            .flat_map(|file| file.statements.iter().map(move |s| (file, s)))
    }

    fn aliases(&self) -> Aliases<'_> {
        let mut found = Aliases::new();
        for (_, statement) in self.statements() {
            if let Directive::UserAliases(aliases) = &statement.directive {
                for alias in aliases {
                    found.entry(&alias.name).or_default().extend(&alias.members);
                }
            }
        }
        found
    }
}

/// Which items of a list count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The user's name and number.
    Name,
    /// Groups and `ALL` too.
    Anything,
}

/// Returns whether a list includes or excludes the user, and by what; nothing if it does not name the user. The last item
/// that does so counts. A word that is not an alias is a name, and sudo compares names without regard to case.
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
