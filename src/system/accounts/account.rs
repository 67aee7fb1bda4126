//! One user as all sources together describe him.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::{databases, group, group_numbers, records, sysusers, userdb};
use crate::error::Stop;
use crate::rootfs::Files;

/// A user's name, numbers and groups: the union of what each source says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uids: BTreeSet<u64>,
    /// Names of groups that have him as a member.
    pub(crate) listed: BTreeSet<String>,
    /// Names of groups that he is in: those, his primary group, and every other name of their numbers.
    pub(crate) groups: BTreeSet<String>,
    pub(crate) gids: BTreeSet<u64>,
    /// The names of `groups` in lower case.
    folded: BTreeSet<Vec<u8>>,
}

impl Account {
    /// Someone of whom no more is known than that he is in a group.
    pub(crate) fn member_of(group: &str) -> Self {
        let mut account = Self {
            groups: [group.to_owned()].into(),
            ..Self::default()
        };
        account.fold();
        account
    }

    /// What the image says of a user; a user that it does not know has no number and no group.
    pub(crate) fn read(files: &Files<'_>, user: &str) -> Result<Self, Stop> {
        let mut account = Self {
            name: user.to_owned(),
            ..Self::default()
        };
        let number =
            |field: Option<&&[u8]>| field.and_then(|f| f.to_str().ok()?.parse::<u64>().ok());
        for (_, file) in databases(files.rootfs(), "passwd") {
            let text = files.text(file)?;
            for (_, fields) in records(&text).filter(|(_, f)| f[0] == user.as_bytes()) {
                account.uids.extend(number(fields.get(2)));
                account.gids.extend(number(fields.get(3)));
            }
        }
        for created in sysusers::users(files, user)? {
            account.uids.extend(created.uid);
            if let Some(group) = created.group {
                account.gids.extend(group.parse::<u64>());
                account.groups.insert(group);
            }
        }
        for (_, record) in userdb::users(files)? {
            if record.name == user {
                account.uids.extend(record.uid);
                account.gids.extend(record.gid);
                account.listed.extend(record.groups);
            }
        }
        account.listed.extend(sysusers::memberships(files, user)?);
        let memberships = userdb::memberships(files, user);
        account
            .listed
            .extend(memberships.into_iter().map(|(group, _)| group));
        for (_, file) in userdb::groups(files) {
            let left = userdb::without_member(&files.text(file)?, user);
            account.listed.extend(left.map(|(_, group)| group));
        }
        for (_, file) in databases(files.rootfs(), "group") {
            let text = files.text(file)?;
            let listing = records(&text).filter(|(_, fields)| group::lists(fields, user));
            let names = listing.map(|(_, fields)| fields[0].to_str_lossy().into_owned());
            account.listed.extend(names);
        }
        account.groups.extend(account.listed.iter().cloned());
        group_numbers(files, &mut |number| {
            if account.groups.contains(number.group) {
                account.gids.insert(number.gid);
            }
        })?;
        group_numbers(files, &mut |number| {
            if account.gids.contains(&number.gid) {
                account.groups.insert(number.group.to_owned());
            }
        })?;
        account.fold();
        Ok(account)
    }

    fn fold(&mut self) {
        let folded = self.groups.iter().map(|name| name.to_ascii_lowercase());
        self.folded = folded.map(String::into_bytes).collect();
    }

    /// Whether a name means the user to sudo, which by default does not regard case.
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.name.as_bytes())
    }

    /// Whether he is in a group that sudo is given by name.
    pub(crate) fn is_in(&self, group: &[u8]) -> bool {
        self.folded.contains(&group.to_ascii_lowercase())
    }
}
