//! Who is root, or is in a group that is as good as root, whatever the source.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use super::Kind;
use super::collect::Collector;
use crate::error::Stop;
use crate::system::accounts::{AS_GOOD_AS_ROOT, Accounts, Role};

pub(super) fn members(work: &mut Collector<'_, '_>) -> Result<(), Stop> {
    let accounts = Accounts::read_readable(work.files);
    let accounts = work.known("accounts", accounts)?;
    for (path, why) in &accounts.unread {
        work.found.add(Kind::Unknown, path.clone(), why.as_str());
    }
    // The kernel knows a group by its number only, whatever other names that has.
    let records = || accounts.records().map(|(_, record)| record);
    let groups = || records().filter(|record| record.role == Role::Group && record.id.is_some());
    let mut names: BTreeSet<&[u8]> = AS_GOOD_AS_ROOT.map(str::as_bytes).into();
    let named = groups().filter(|record| names.contains(record.group));
    let numbers: BTreeSet<_> = named.map(|record| record.id).chain([Some(0)]).collect();
    let shared = groups().filter(|record| numbers.contains(&record.id));
    names.extend(shared.map(|record| record.group));
    let mut by_number: BTreeMap<_, BTreeSet<&[u8]>> = BTreeMap::new();
    for record in groups().filter(|record| names.contains(record.group)) {
        by_number.entry(record.id).or_default().insert(record.group);
    }
    // Root's group, if no source names it.
    let root = by_number.entry(Some(0)).or_default();
    if root.is_empty() {
        root.insert(b"root");
    }

    let mut roots: BTreeSet<&[u8]> = BTreeSet::new();
    let mut members: BTreeSet<(&[u8], &[u8])> = BTreeSet::new();
    for record in records() {
        let user = record.user;
        match record.role {
            Role::User if record.id == Some(0) => {
                roots.insert(user);
            }
            Role::PrimaryGroup if record.id.is_some() => {
                let names = by_number.get(&record.id).into_iter().flatten();
                members.extend(names.map(|group| (*group, user)));
            }
            Role::User | Role::Group | Role::OwnGroup => {}
            _ if names.contains(record.group) => {
                members.insert((record.group, user.trim()));
            }
            _ => {}
        }
    }
    for user in &roots {
        work.found.add(Kind::Member, *user, "user number 0");
    }
    // That a user is root says more than any group.
    for (group, user) in members {
        if !user.is_empty() && !roots.contains(user) {
            work.found.add(Kind::Member, user, group);
        }
    }
    Ok(())
}
