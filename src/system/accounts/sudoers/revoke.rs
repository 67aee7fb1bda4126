//! Takes out of the policy what it grants to one user by name: lists lose the user, lines for the user alone become comments.

use std::collections::BTreeSet;
use std::ops::Range;

use super::parse::{Alias, Directive, Member, Statement, Subject};
use super::{Aliases, By, Policy, PolicyFile, matching};
use crate::rootfs::InodeId;
use crate::system::accounts::Account;

/// Returns the files that change, with their new texts.
pub(crate) fn without(policy: &Policy, who: &Account) -> Vec<(InodeId, Vec<u8>)> {
    let before = policy.aliases();
    let cut = Cut::new(policy, &before, who);
    let after: Aliases<'_> = before
        .iter()
        .map(|(name, members)| {
            let kept = members
                .iter()
                .filter(|m| cut.keeps_whole(name) || cut.stays(m));
            (*name, kept.copied().collect())
        })
        .collect();
    let mut changed = Vec::new();
    for file in &policy.files {
        let mut edits = Vec::new();
        for statement in &file.statements {
            match cut.edits(statement, &before, &after) {
                Some(found) => edits.extend(found),
                None => comment(file, statement, &mut edits),
            }
        }
        if !edits.is_empty() {
            changed.push((file.id, edited(&file.text, edits)));
        }
    }
    changed
}

/// Returns whether a list of users grants something to the user by name.
fn granted<'a>(
    members: impl DoubleEndedIterator<Item = &'a Member>,
    who: &Account,
    aliases: &Aliases<'a>,
) -> bool {
    let found = matching(members, who, By::Name, aliases, &mut BTreeSet::new());
    found.is_some_and(|(allows, _)| allows)
}

/// A range of a text and what replaces it.
type Replacement = (Range<usize>, Vec<u8>);

/// What leaves the policy.
struct Cut<'a> {
    who: &'a Account,
    /// Aliases that have nobody else in them.
    gone: BTreeSet<&'a [u8]>,
    /// Aliases that some list excludes: without the user they would exclude him no more.
    excluded: BTreeSet<&'a [u8]>,
    defined: BTreeSet<&'a [u8]>,
}

impl<'a> Cut<'a> {
    fn new(policy: &'a Policy, aliases: &Aliases<'a>, who: &'a Account) -> Self {
        let mut cut = Self {
            who,
            gone: BTreeSet::new(),
            excluded: excluded(policy, aliases),
            defined: aliases.keys().copied().collect(),
        };
        loop {
            let emptied = aliases.iter().find(|(name, members)| {
                !cut.gone.contains(**name)
                    && !cut.keeps_whole(name)
                    && !members.iter().any(|m| cut.stays(m))
            });
            let Some((name, _)) = emptied else {
                return cut;
            };
            cut.gone.insert(name);
        }
    }

    /// Returns the edits of a statement; none if nothing would be left of it.
    fn edits(
        &self,
        statement: &'a Statement,
        before: &Aliases<'a>,
        after: &Aliases<'a>,
    ) -> Option<Vec<Replacement>> {
        match &statement.directive {
            Directive::UserAliases(aliases) => {
                let stays = |alias: &&Alias| !self.gone.contains(alias.name.as_slice());
                aliases.iter().find(stays)?;
                let mut edits = deletions(aliases.iter().map(|a| (&a.range, stays(&a))));
                let lose = aliases
                    .iter()
                    .filter(stays)
                    .filter(|a| !self.keeps_whole(&a.name));
                edits.extend(lose.flat_map(|alias| {
                    deletions(alias.members.iter().map(|m| (&m.range, self.stays(m))))
                }));
                Some(edits)
            }
            Directive::Grant(members) | Directive::UserDefaults(members) => {
                let grants = matches!(statement.directive, Directive::Grant(_));
                let direct = grants && granted(members.iter(), self.who, before);
                let stays = |m: &&Member| match direct {
                    true => self.stays(m),
                    false => !self.names_gone(m),
                };
                let end = members.iter().rfind(stays)?.range.end;
                let mut edits = deletions(members.iter().map(|m| (&m.range, stays(&m))));
                // An alias that another line excludes has to keep the user; here the user is excluded from it.
                if direct && granted(members.iter().filter(stays), self.who, after) {
                    edits.push((end..end, format!(", !{}", self.who.name).into_bytes()));
                }
                Some(edits)
            }
            _ => Some(Vec::new()),
        }
    }

    fn keeps_whole(&self, alias: &[u8]) -> bool {
        self.excluded.contains(alias)
    }

    fn names_gone(&self, member: &Member) -> bool {
        matches!(&member.subject, Subject::Name(name) if self.gone.contains(name.as_slice()))
    }

    /// Returns whether a member of a list stays in it.
    fn stays(&self, member: &Member) -> bool {
        let user = match &member.subject {
            Subject::Name(name) => !self.defined.contains(name.as_slice()) && self.who.is(name),
            Subject::Uid(uid) => self.who.uids.contains(uid),
            _ => false,
        };
        !(self.names_gone(member) || user && !member.negated)
    }
}

/// Returns the aliases that have a `!` before them somewhere, and the aliases in those.
fn excluded<'a>(policy: &'a Policy, aliases: &Aliases<'a>) -> BTreeSet<&'a [u8]> {
    let mut found = BTreeSet::new();
    let mut left: Vec<&Member> = Vec::new();
    for (_, statement) in policy.statements() {
        let lists: Vec<&[Member]> = match &statement.directive {
            Directive::Grant(members) | Directive::UserDefaults(members) => vec![members],
            Directive::UserAliases(aliases) => {
                aliases.iter().map(|a: &Alias| &a.members[..]).collect()
            }
            _ => Vec::new(),
        };
        left.extend(lists.into_iter().flatten().filter(|m| m.negated));
    }
    while let Some(member) = left.pop() {
        if let Subject::Name(name) = &member.subject
            && let Some((name, members)) = aliases.get_key_value(name.as_slice())
            && found.insert(*name)
        {
            left.extend(members.iter().copied());
        }
    }
    found
}

/// Returns what to delete of a list, given each item's range and whether it stays. A separator goes with the item behind
/// it, or at the start of the list with the one before it.
fn deletions<'r>(items: impl Iterator<Item = (&'r Range<usize>, bool)>) -> Vec<Replacement> {
    let items: Vec<_> = items.collect();
    let mut found = Vec::new();
    let mut any = false;
    for (at, (item, stays)) in items.iter().enumerate() {
        if *stays {
            any = true;
        } else if any {
            found.push((items[at - 1].0.end..item.end, Vec::new()));
        } else if let Some((next, _)) = items.get(at + 1) {
            found.push((item.start..next.start, Vec::new()));
        }
    }
    found
}

/// Puts `# ` before each line of a statement. The blank keeps `1x ALL=ALL` from becoming the id 1.
fn comment(file: &PolicyFile, statement: &Statement, edits: &mut Vec<Replacement>) {
    let mut at = statement.range.start;
    while at < statement.range.end {
        edits.push((at..at, b"# ".to_vec()));
        let line = file.text[at..statement.range.end]
            .iter()
            .position(|b| *b == b'\n');
        at = line.map_or(statement.range.end, |n| at + n + 1);
    }
}

fn edited(text: &[u8], mut edits: Vec<Replacement>) -> Vec<u8> {
    // What is put in comes before what is taken out behind the same place.
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    for (range, new) in edits {
        out.extend_from_slice(&text[at..range.start]);
        out.extend_from_slice(&new);
        at = range.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}
