//! The policy without what it grants to one user by name: lists lose him, lines that name him alone become comments.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::parse::{Alias, Kind, Member, Statement, Subject};
use super::{Aliases, By, File, Policy, matching};
use crate::rootfs::InodeId;
use crate::system::accounts::Account;

/// The files that change, and their new texts.
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
    let granted = |members: &[&Member], aliases: &Aliases<'_>| {
        let by = By::Name;
        let found = matching(
            members.iter().copied(),
            who,
            by,
            aliases,
            &mut BTreeSet::new(),
        );
        found.is_some_and(|(allows, _)| allows)
    };
    let edit = |file: &File, statement: &Statement, edits: &mut Vec<Edit>| match &statement.kind {
        Kind::UserAliases(aliases) => {
            let kept: Vec<bool> = aliases
                .iter()
                .map(|a| !cut.gone.contains(a.name.as_slice()))
                .collect();
            if !kept.contains(&true) {
                return comment(file, statement, edits);
            }
            let ranges = aliases.iter().map(|a| a.range.clone()).collect::<Vec<_>>();
            edits.extend(deletions(&ranges, &kept));
            for alias in aliases
                .iter()
                .zip(&kept)
                .filter_map(|(a, kept)| kept.then_some(a))
            {
                if !cut.keeps_whole(&alias.name) {
                    let kept: Vec<bool> = alias.members.iter().map(|m| cut.stays(m)).collect();
                    edits.extend(deletions(&ranges_of(&alias.members), &kept));
                }
            }
        }
        Kind::Grant(members) | Kind::UserDefaults(members) => {
            let grants = matches!(statement.kind, Kind::Grant(_));
            let all: Vec<&Member> = members.iter().collect();
            let direct = grants && granted(&all, &before);
            let kept: Vec<bool> = members
                .iter()
                .map(|m| {
                    if direct {
                        cut.stays(m)
                    } else {
                        !cut.names_gone(m)
                    }
                })
                .collect();
            if !kept.contains(&true) {
                return comment(file, statement, edits);
            }
            let left: Vec<&Member> = all
                .iter()
                .zip(&kept)
                .filter_map(|(m, kept)| kept.then_some(*m))
                .collect();
            edits.extend(deletions(&ranges_of(members), &kept));
            // An alias that another line excludes has to keep the user; here he is excluded from it.
            if direct && granted(&left, &after) {
                let end = left.last().map_or(0, |m| m.range.end);
                edits.push((end..end, format!(", !{}", who.name).into_bytes()));
            }
        }
        _ => {}
    };
    let mut changed = Vec::new();
    for file in &policy.files {
        let mut edits = Vec::new();
        for statement in &file.statements {
            edit(file, statement, &mut edits);
        }
        if !edits.is_empty() {
            changed.push((file.id, edited(&file.text, edits)));
        }
    }
    changed
}

/// A range of a text and what replaces it.
type Edit = (Range<usize>, Vec<u8>);

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

    fn keeps_whole(&self, alias: &[u8]) -> bool {
        self.excluded.contains(alias)
    }

    fn names_gone(&self, member: &Member) -> bool {
        matches!(&member.subject, Subject::Name(name) if self.gone.contains(name.as_slice()))
    }

    /// Whether a member of a list stays in it.
    fn stays(&self, member: &Member) -> bool {
        let user = match &member.subject {
            Subject::Name(name) => !self.defined.contains(name.as_slice()) && self.who.is(name),
            Subject::Uid(uid) => self.who.uids.contains(uid),
            _ => false,
        };
        !(self.names_gone(member) || user && !member.negated)
    }
}

/// The aliases that stand behind a `!` somewhere, and those that these are made of.
fn excluded<'a>(policy: &'a Policy, aliases: &Aliases<'a>) -> BTreeSet<&'a [u8]> {
    let mut found = BTreeSet::new();
    let mut left: Vec<&Member> = Vec::new();
    for (_, statement) in policy.statements() {
        let lists: Vec<&[Member]> = match &statement.kind {
            Kind::Grant(members) | Kind::UserDefaults(members) => vec![members],
            Kind::UserAliases(aliases) => aliases.iter().map(|a: &Alias| &a.members[..]).collect(),
            _ => Vec::new(),
        };
        left.extend(lists.into_iter().flatten().filter(|m| m.negated));
    }
    let names: BTreeMap<&[u8], _> = aliases
        .iter()
        .map(|(name, members)| (*name, members))
        .collect();
    while let Some(member) = left.pop() {
        if let Subject::Name(name) = &member.subject
            && let Some((name, members)) = names.get_key_value(name.as_slice())
            && found.insert(*name)
        {
            left.extend(members.iter().copied());
        }
    }
    found
}

fn ranges_of(members: &[Member]) -> Vec<Range<usize>> {
    members.iter().map(|m| m.range.clone()).collect()
}

/// What to delete of a list, so that each separator goes with the item behind it, or before it at the start of the list.
fn deletions(items: &[Range<usize>], kept: &[bool]) -> Vec<Edit> {
    let mut any = false;
    let mut found = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if kept[at] {
            any = true;
        } else if any {
            found.push((items[at - 1].end..item.end, Vec::new()));
        } else if let Some(next) = items.get(at + 1) {
            found.push((item.start..next.start, Vec::new()));
        }
    }
    found
}

/// Puts `# ` before each line of a statement. The blank keeps `1x ALL=ALL` from becoming the id 1.
fn comment(file: &File, statement: &Statement, edits: &mut Vec<Edit>) {
    let mut at = statement.range.start;
    while at < statement.range.end {
        edits.push((at..at, b"# ".to_vec()));
        let line = file.text[at..statement.range.end]
            .iter()
            .position(|b| *b == b'\n');
        at = line.map_or(statement.range.end, |n| at + n + 1);
    }
}

fn edited(text: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
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
