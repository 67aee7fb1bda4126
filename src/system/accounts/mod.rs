//! Users and groups as the rootfs gives them: the union of every source that the booted system merges.
//!
//! Without an `initgroups:` line in nsswitch.conf glibc merges all sources, so a member that is removed from `/etc/group`
//! alone is still a member.
//!
//! [`Accounts`] reads each source once: passwd, group and gshadow, sysusers.d, userdb. It keeps every record with its place,
//! in 36 bytes and its names, up to [`RECORDS`] and [`NAMES`], so that a hostile database cannot take the memory.
//!
//! **Invariant: a model describes the tree that it was read from.** Nothing refreshes it: a rule that has edited a source
//! reads a new one.

mod account;
mod as_root;
pub(crate) mod databases;
pub(crate) mod doas;
pub(crate) mod first_account;
pub(crate) mod nsswitch;
pub(crate) mod pam_group;
pub(crate) mod pam_trust;
pub(crate) mod polkit;
pub(crate) mod provisioned;
pub(crate) mod sudoers;
pub(crate) mod sysusers;
pub(crate) mod userdb;

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice};

use crate::error::{Stop, fail};
use crate::rootfs::{Files, InodeId, Place};

pub(crate) use account::Account;
pub(crate) use as_root::AS_GOOD_AS_ROOT;
pub(crate) use databases::Database;

/// The most records of accounts in an image. Real images have some hundreds.
const RECORDS: usize = 1 << 20;

/// The most bytes that the names of an image's accounts take.
const NAMES: usize = 16 << 20;

/// What one line or JSON record says. Names that its role does not need are empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountRecord<'t> {
    pub(crate) role: Role,
    pub(crate) user: &'t [u8],
    pub(crate) group: &'t [u8],
    /// The number of the user for [`Role::User`], else of the group; none where the source gives none.
    pub(crate) id: Option<u32>,
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Group,
    /// A group that systemd-sysusers makes for a user, of the same name and number.
    OwnGroup,
    /// The primary group of a user, by name or by number.
    PrimaryGroup,
    Member,
    /// A member by gshadow, where the group opens to newgrp only.
    ShadowMember,
    /// Someone who may add members, such as themselves.
    Administrator,
}

impl AccountRecord<'_> {
    fn is_group(&self) -> bool {
        matches!(self.role, Role::Group | Role::OwnGroup)
    }
}

/// What every source in an image says of users and groups.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    sources: Vec<BString>,
    records: Vec<Stored>,
    names: Vec<u8>,
    /// The sources that could not be read, and why.
    pub(crate) unread: Vec<(BString, String)>,
}

/// A record with its source, and its line there or 0 where the source is one record.
#[derive(Clone, Copy, Debug)]
struct Stored {
    source: u32,
    line: u32,
    role: Role,
    user: NameRange,
    group: NameRange,
    id: Option<u32>,
}

/// Where a name begins and ends among all names.
type NameRange = (u32, u32);

impl Accounts {
    /// Reads all sources; one that cannot be read is an error.
    pub(crate) fn read(files: &Files<'_>) -> Result<Self, Stop> {
        let accounts = Self::read_readable(files)?;
        match accounts.unread.first() {
            Some((_, why)) => fail(why),
            None => Ok(accounts),
        }
    }

    /// Reads all sources; the model names those that cannot be read.
    pub(crate) fn read_readable(files: &Files<'_>) -> Result<Self, Stop> {
        let accounts = Self::default();
        let mut recorder = Recorder { files, accounts };
        databases::read(&mut recorder)?;
        sysusers::read(&mut recorder)?;
        userdb::read(&mut recorder)?;
        Ok(recorder.accounts)
    }

    /// Returns every record, with the index that [`place`](Self::place) takes.
    pub(crate) fn records(&self) -> impl Iterator<Item = (usize, AccountRecord<'_>)> {
        let records = self.records.iter().enumerate();
        records.map(|(at, stored)| {
            let record = AccountRecord {
                role: stored.role,
                user: self.name(stored.user),
                group: self.name(stored.group),
                id: stored.id,
            };
            (at, record)
        })
    }

    /// Returns where a record is.
    pub(crate) fn place(&self, at: usize) -> Place {
        let Stored { source, line, .. } = self.records[at];
        let line = Some(line as usize).filter(|line| *line > 0);
        Place::new(&self.sources[source as usize], line)
    }

    /// Returns whether any source has the user. A number counts as one.
    pub(crate) fn has_user(&self, user: &str) -> bool {
        let mut records = self.records();
        is_number_or_root(user)
            || records.any(|(_, r)| r.role == Role::User && r.user == user.as_bytes())
    }

    /// Returns whether any source has the group. A number counts as one.
    pub(crate) fn has_group(&self, group: &str) -> bool {
        let mut records = self.records();
        is_number_or_root(group)
            || records.any(|(_, r)| r.is_group() && r.group == group.as_bytes())
    }

    /// Returns what all sources together say of a user. One that they do not have has no number and no group.
    pub(crate) fn account(&self, user: &str) -> Account {
        let mut account = Account {
            name: user.to_owned(),
            ..Account::default()
        };
        for (_, record) in self.records().filter(|(_, r)| r.user == user.as_bytes()) {
            let group = record.group.to_str_lossy();
            match (record.role, record.id) {
                (Role::User, id) => account.uids.extend(id),
                (Role::PrimaryGroup, Some(gid)) => account.gids.extend([gid]),
                (Role::PrimaryGroup, None) => account.groups.extend([group.into_owned()]),
                (Role::Member, _) => account.listed.extend([group.into_owned()]),
                _ => {}
            }
        }
        account.groups.extend(account.listed.iter().cloned());
        for (_, group, gid) in self.group_numbers() {
            if account.groups.contains(&*group.to_str_lossy()) {
                account.gids.insert(gid);
            }
        }
        for (_, group, gid) in self.group_numbers() {
            if account.gids.contains(&gid) {
                account.groups.insert(group.to_str_lossy().into_owned());
            }
        }
        account.complete()
    }

    /// Returns where the user has one of the groups as primary group, and which, sorted.
    pub(crate) fn primary_groups<'g>(
        &self,
        user: &str,
        groups: &[&'g str],
    ) -> Vec<(Place, &'g str)> {
        let mut numbers: Vec<_> = groups.iter().map(|of| (*of, BTreeSet::new())).collect();
        for (_, name, gid) in self.group_numbers() {
            let named = numbers.iter_mut().filter(|(of, _)| of.as_bytes() == name);
            named.for_each(|(_, gids)| gids.extend([gid]));
        }
        let is_primary =
            |r: &AccountRecord<'_>| r.role == Role::PrimaryGroup && r.user == user.as_bytes();
        let mut found = Vec::new();
        for (at, record) in self.records().filter(|(_, record)| is_primary(record)) {
            for (group, gids) in &numbers {
                let is = record.id.map(|gid| gids.contains(&gid));
                if is.unwrap_or(record.group == group.as_bytes()) {
                    found.push((self.place(at), *group));
                }
            }
        }
        found.sort();
        found
    }

    /// Returns the groups among `others` that have the number of one of `groups`, which the kernel takes for the same: where
    /// it is, the other group, and whose number that is.
    pub(crate) fn namesakes<'g>(
        &self,
        groups: &[&'g str],
        others: &BTreeSet<String>,
    ) -> Vec<(Place, String, &'g str)> {
        let named = |name: &[u8]| groups.iter().copied().find(|of| of.as_bytes() == name);
        let of = self.group_numbers();
        let of: BTreeMap<u32, &str> = of
            .filter_map(|(_, name, gid)| Some((gid, named(name)?)))
            .collect();
        let found = self.group_numbers().filter_map(|(at, name, gid)| {
            let other = others.get(&*name.to_str_lossy())?;
            let of = of.get(&gid).filter(|_| named(name).is_none())?;
            Some((self.place(at), other.clone(), *of))
        });
        found.collect()
    }

    /// Returns every number that a source gives a group, with the record's index. The kernel takes two names of one number
    /// for one group.
    fn group_numbers(&self) -> impl Iterator<Item = (usize, &[u8], u32)> {
        let groups = self.records().filter(|(_, record)| record.is_group());
        groups.filter_map(|(at, record)| Some((at, record.group, record.id?)))
    }

    fn name(&self, (start, end): NameRange) -> &[u8] {
        &self.names[start as usize..end as usize]
    }

    fn keep(&mut self, name: &[u8]) -> NameRange {
        let start = index(self.names.len());
        self.names.extend_from_slice(name);
        (start, index(self.names.len()))
    }
}

/// Returns the number of a user or group: a number itself, or what the first database that has the name says.
pub(crate) fn id(files: &Files<'_>, database: &str, name: &str) -> Result<Option<u64>, Stop> {
    match (name, name.parse()) {
        ("root", _) => Ok(Some(0)),
        (_, Ok(number)) => Ok(Some(number)),
        _ => Ok(databases::id(files, database, name)?.map(u64::from)),
    }
}

fn is_number_or_root(name: &str) -> bool {
    name == "root" || name.parse::<u64>().is_ok()
}

/// Reads the number of a user or group, which has 32 bits.
fn number(field: &[u8]) -> Option<u32> {
    field.to_str().ok()?.parse().ok()
}

/// Returns a number that the limits keep below 4 GiB.
fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Returns the lines of a text as `clean` leaves them, each with its number; one that then ends in a backslash is joined with
/// the next.
fn joined_lines(text: &[u8], clean: impl Fn(&str) -> String) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = clean(&line.to_str_lossy());
        let joined = line.strip_suffix('\\');
        match found.last_mut().filter(|_| open) {
            Some((_, last)) => last.push_str(joined.unwrap_or(&line)),
            None => found.push((number, joined.unwrap_or(&line).to_owned())),
        }
        open = joined.is_some();
    }
    found
}

/// Adds the records of sources to a model.
struct Recorder<'f, 'i> {
    files: &'f Files<'i>,
    accounts: Accounts,
}

impl Recorder<'_, '_> {
    /// Begins a source, to which the records that follow belong. Returns its text, or none if it cannot be read.
    fn source(&mut self, path: &str, file: InodeId) -> Result<Vec<u8>, Stop> {
        self.accounts.sources.push(path.into());
        match self.files.text(file) {
            Err(Stop::Failed(why)) => {
                let path = self.files.rootfs().path(file);
                self.accounts.unread.push((path, why));
                Ok(Vec::new())
            }
            read => read,
        }
    }

    /// Adds a record of the source that was begun last.
    fn add(
        &mut self,
        line: usize,
        role: Role,
        user: &[u8],
        group: &[u8],
        id: Option<u32>,
    ) -> Result<(), Stop> {
        let accounts = &mut self.accounts;
        if accounts.records.len() == RECORDS || accounts.names.len() > NAMES {
            return fail(format!(
                "the image has more than {RECORDS} accounts and memberships"
            ));
        }
        // A list of members repeats the group.
        let last = accounts.records.last().map(|last| last.group);
        let last = last.filter(|last| accounts.name(*last) == group);
        let group = last.unwrap_or_else(|| accounts.keep(group));
        let user = accounts.keep(user);
        accounts.records.push(Stored {
            source: index(accounts.sources.len()) - 1,
            line: index(line),
            role,
            user,
            group,
            id,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::harness::open;

    #[test]
    fn every_source_is_read_with_its_places() {
        let image = open(
            "
file etc/passwd
| core:x:500:10::/:/bin/sh
| core:x:none::/:/bin/sh
file etc/group
| wheel:x:10:root, core
file etc/gshadow
| wheel:*:ann:core
file usr/lib/sysusers.d/a.conf
| u fleet 253
| u rkt -:wheel
| m core fleet
file etc/userdb/ida.user
| {\"userName\":\"ida\",\"uid\":7,\"memberOf\":[\"wheel\"]}
file etc/userdb/ida:adm.membership
",
        );
        let accounts = Accounts::read(&image.files().unwrap()).unwrap();
        let records = accounts.records().map(|(at, record)| {
            let AccountRecord {
                role,
                user,
                group,
                id,
            } = record;
            let (user, group) = (user.as_bstr(), group.as_bstr());
            let id = id.map(|id| format!(" {id}")).unwrap_or_default();
            format!("{} {role:?} {user}:{group}{id}", accounts.place(at))
        });
        let want = [
            "/etc/passwd:1 User core: 500",
            "/etc/passwd:1 PrimaryGroup core: 10",
            "/etc/group:1 Group :wheel 10",
            "/etc/group:1 Member root:wheel",
            "/etc/group:1 Member core:wheel",
            "/etc/gshadow:1 Administrator ann:wheel",
            "/etc/gshadow:1 ShadowMember core:wheel",
            "/usr/lib/sysusers.d/a.conf:1 User fleet: 253",
            "/usr/lib/sysusers.d/a.conf:1 OwnGroup fleet:fleet 253",
            "/usr/lib/sysusers.d/a.conf:2 User rkt:",
            "/usr/lib/sysusers.d/a.conf:2 PrimaryGroup rkt:wheel",
            "/usr/lib/sysusers.d/a.conf:3 Member core:fleet",
            "/etc/userdb/ida.user:1 User ida:",
            "/etc/userdb/ida.user:1 User ida: 7",
            "/etc/userdb/ida.user:1 Member ida:wheel",
            "/etc/userdb/ida:adm.membership Member ida:adm",
        ];
        assert_eq!(records.collect::<Vec<_>>(), want);
        assert!(size_of::<Stored>() <= 36);
    }
}
