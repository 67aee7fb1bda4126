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
}

impl Account {
    /// Makes a user of whom only one group is known.
    pub(crate) fn member_of(group: &str) -> Self {
        Self {
            groups: [group.to_owned()].into(),
            ..Self::default()
        }
    }

    /// Returns whether a name means the user to sudo, which by default does not regard case.
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.name.as_bytes())
    }

    /// Returns whether the user is in a group that sudo is given by name.
    pub(crate) fn is_in(&self, group: &[u8]) -> bool {
        let mut names = self.groups.iter();
        names.any(|name| name.as_bytes().eq_ignore_ascii_case(group))
    }
}
