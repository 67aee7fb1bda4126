//! Who is root, or is in a group that is as good as root: every account database read once.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice};

use super::Kind;
use super::collect::Collector;
use crate::error::Stop;
use crate::system::accounts::group::Database;
use crate::system::accounts::{databases, records, sysusers, userdb};

/// Groups whose members can become root, or read and write what only root should: by sudo or su, by a daemon that works for
/// them as root, or by devices and files.
const AS_GOOD_AS_ROOT: &[&str] = &[
    "admin",
    "disk",
    "docker",
    "fleet",
    "incus-admin",
    "kmem",
    "libvirt",
    "lxd",
    "mem",
    "rkt",
    "rkt-admin",
    "root",
    "shadow",
    "sudo",
    "wheel",
];

pub(super) fn members(work: &mut Collector<'_, '_>) -> Result<(), Stop> {
    let mut found = Found::default();
    found.databases(work)?;
    found.sysusers(work)?;
    found.userdb(work)?;
    found.report(work);
    Ok(())
}

#[derive(Default)]
struct Found {
    /// Users with number 0.
    roots: BTreeSet<BString>,
    /// Members by group.
    members: BTreeMap<BString, BTreeSet<BString>>,
    /// Users whose primary group is known by its number.
    primary: BTreeMap<u64, BTreeSet<BString>>,
    /// Numbers of groups, as each source gives them.
    gids: BTreeMap<BString, BTreeSet<u64>>,
}

impl Found {
    fn user(&mut self, name: &[u8], uid: Option<u64>, group: Option<&[u8]>) {
        if uid == Some(0) {
            self.roots.insert(name.into());
        }
        match group.map(|group| (number(group), group)) {
            Some((Some(gid), _)) => {
                self.primary.entry(gid).or_default().insert(name.into());
            }
            Some((None, group)) => self.member(group, name),
            None => {}
        }
    }

    fn member(&mut self, group: &[u8], user: &[u8]) {
        if !user.is_empty() {
            let members = self.members.entry(group.into()).or_default();
            members.insert(user.into());
        }
    }

    fn databases(&mut self, work: &mut Collector<'_, '_>) -> Result<(), Stop> {
        for (_, file) in databases(work.files.rootfs(), "passwd") {
            for (_, fields) in records(&work.text(file)?) {
                let uid = fields.get(2).copied().and_then(number);
                self.user(fields[0], uid, fields.get(3).copied());
            }
        }
        for database in [Database::Group, Database::Gshadow] {
            for (_, file) in databases(work.files.rootfs(), database.name()) {
                for (_, fields) in records(&work.text(file)?) {
                    let gid = fields.get(2).copied().and_then(number);
                    if let Some(gid) = gid.filter(|_| database == Database::Group) {
                        self.gids.entry(fields[0].into()).or_default().insert(gid);
                    }
                    let lists = database.lists().iter().filter_map(|at| fields.get(*at));
                    for user in lists.flat_map(|list| list.split_str(",")) {
                        self.member(fields[0], user.trim());
                    }
                }
            }
        }
        Ok(())
    }

    fn sysusers(&mut self, work: &mut Collector<'_, '_>) -> Result<(), Stop> {
        for (_, file) in sysusers::sources(work.files) {
            for line in work.text(file)?.lines() {
                match sysusers::words(line)[..] {
                    [b"m", user, group, ..] => self.member(group, user),
                    [b"g", group, id, ..] => {
                        let gids = self.gids.entry(group.into()).or_default();
                        gids.extend(number(id));
                    }
                    [kind, user, id, ..] if kind.first() == Some(&b'u') => {
                        let (uid, group) = match id.split_once_str(":") {
                            Some((uid, group)) => (uid, Some(group)),
                            None => (id, None),
                        };
                        self.user(user, number(uid), group);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn userdb(&mut self, work: &mut Collector<'_, '_>) -> Result<(), Stop> {
        let users = userdb::users(work.files);
        for (_, user) in work.known("userdb", users)? {
            let group = user.gid.map(|gid| gid.to_string().into_bytes());
            self.user(user.name.as_bytes(), user.uid, group.as_deref());
            for group in user.groups {
                self.member(group.as_bytes(), user.name.as_bytes());
            }
        }
        for (_, file) in userdb::groups(work.files) {
            let text = work.text(file)?;
            let Ok(record) = serde_json::from_slice::<serde_json::Value>(&text) else {
                continue;
            };
            let Some(group) = record["groupName"].as_str() else {
                continue;
            };
            if let Some(gid) = record["gid"].as_u64() {
                self.gids.entry(group.into()).or_default().insert(gid);
            }
            let members = record["members"].as_array().into_iter().flatten();
            for user in members.filter_map(|user| user.as_str()) {
                self.member(group.as_bytes(), user.as_bytes());
            }
        }
        for (user, group) in userdb::all_memberships(work.files) {
            self.member(group.as_bytes(), user.as_bytes());
        }
        Ok(())
    }

    fn report(mut self, work: &mut Collector<'_, '_>) {
        for user in &self.roots {
            work.found.add(Kind::Member, user.clone(), "user number 0");
        }
        // The kernel knows a group by its number only, whatever other names that has.
        let named = AS_GOOD_AS_ROOT
            .iter()
            .filter_map(|name| self.gids.get(name.as_bytes()));
        let mut numbers: BTreeSet<u64> = named.flatten().copied().collect();
        numbers.insert(0);
        let mut groups: BTreeSet<BString> =
            AS_GOOD_AS_ROOT.iter().map(|g| BString::from(*g)).collect();
        for (group, gids) in &self.gids {
            if !gids.is_disjoint(&numbers) {
                groups.insert(group.clone());
                for gid in gids {
                    let users = self.primary.get(gid).into_iter().flatten().cloned();
                    self.members.entry(group.clone()).or_default().extend(users);
                }
            }
        }
        // A group that no source names, but that has root's number.
        if !self.gids.values().any(|gids| gids.contains(&0)) {
            let users = self.primary.get(&0).into_iter().flatten().cloned();
            self.members.entry("root".into()).or_default().extend(users);
        }
        for group in groups {
            for user in self.members.get(&group).into_iter().flatten() {
                // That he is root says more.
                if !self.roots.contains(user) {
                    work.found.add(Kind::Member, user.clone(), group.clone());
                }
            }
        }
    }
}

fn number(field: &[u8]) -> Option<u64> {
    field.to_str().ok()?.parse().ok()
}
