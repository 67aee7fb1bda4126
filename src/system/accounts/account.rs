//! One user as all sources together describe them.

use std::collections::BTreeSet;

/// A user's name, numbers and groups: the union of what each source says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uids: BTreeSet<u32>,
    /// Names of groups that have the user as a member.
    pub(crate) listed: BTreeSet<String>,
    /// Names of groups that the user is in: those, the primary group, and every other name of their numbers.
    pub(crate) groups: BTreeSet<String>,
    pub(crate) gids: BTreeSet<u32>,
    /// The names of `groups` in lower case: sudoers may ask for as many groups as the user has.
    pub(super) folded: BTreeSet<Vec<u8>>,
}

impl Account {
    /// Makes a user of whom only one group is known.
    pub(crate) fn member_of(group: &str) -> Self {
        let account = Self {
            groups: [group.to_owned()].into(),
            ..Self::default()
        };
        account.complete()
    }

    /// Prepares the groups for [`is_in`](Self::is_in), once all are there.
    pub(super) fn complete(mut self) -> Self {
        let folded = self.groups.iter().map(|name| name.to_ascii_lowercase());
        self.folded = folded.map(String::into_bytes).collect();
        self
    }

    /// Returns whether a name means the user to sudo, which by default does not regard case.
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.name.as_bytes())
    }

    /// Returns whether the user is in a group that sudo is given by name.
    pub(crate) fn is_in(&self, group: &[u8]) -> bool {
        self.folded.contains(&group.to_ascii_lowercase())
    }
}
