//! `RemoveFromGroups`: a user who is in none of these groups, whatever the source.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::support::granted_elsewhere;
use crate::edit::{Applied, Draft, ResidualKind, Verdict, absent};
use crate::error::Stop;
use crate::recipe::nearest::nearest;
use crate::recipe::{Check, Fields, KeySchema, Rule, RuleKind, value};
use crate::rootfs::Place;
use crate::system::accounts::sudoers::{Grantee, Policy};
use crate::system::accounts::{Accounts, Database, Role};
use crate::system::accounts::{databases, nsswitch, polkit, sysusers, userdb};

pub(super) static KIND: RuleKind = RuleKind {
    name: "RemoveFromGroups",
    argument: Some(
        KeySchema::argument("USER", Check::Is(value::account_name))
            .about("The user who leaves the groups."),
    ),
    summary: "a user is a member of none of these groups",
    about: "Takes the user out of the members and administrators of each group, in every source \
        that the booted system merges: `group` and `gshadow` in /etc, /usr/lib, \
        /usr/share/baselayout and every copy of /etc below /usr, in /var/lib/extrausers where \
        nsswitch.conf has it; `m` lines of sysusers.d; userdb records and memberships. The groups themselves stay, as do backups such as `group-`.\n\n\
        A primary group, a group of another name that has the number of one of these, sudoers \
        lines that grant something to the user by name, and polkit rules that name the user, are \
        reported as residuals; `RemoveSudo` takes care of sudoers. So are what doas permits, and \
        groups into which cloud-init, Ignition, Kairos, a command of a script or a systemd-homed \
        record puts the user again, or pam_group at logins; first-start programs that make \
        accounts; lines of PAM and polkit that trust everybody, or a group in which the user \
        stays; and modules of nsswitch.conf that are not read. polkit rules that name one of the \
        groups are a note.",
    keys: &[
        KeySchema::new("Group", "GROUP", Check::Is(value::account_name))
            .list()
            .required()
            .about("A group to leave."),
    ],
    waived: Some(("the user, or the user and one group", "core:docker")),
    example: "[RemoveFromGroups core]\n\
        Group=wheel\n\
        Group=docker\n\
        Reason=the login user must not become root\n\
        ",
    ..RuleKind::of::<RemoveFromGroups>()
};

/// A user, and the groups to leave.
#[derive(Debug)]
struct RemoveFromGroups {
    user: String,
    groups: Vec<String>,
}

impl Rule for RemoveFromGroups {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            user: fields.argument.to_owned(),
            groups: fields.texts("Group"),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let user = self.user.as_str();
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        let accounts = Accounts::read(draft)?;
        let lacking: BTreeSet<&str> = groups
            .iter()
            .copied()
            .filter(|group| !accounts.has_group(group))
            .collect();
        let misspelt = misspelt(&accounts, &lacking);
        let known = accounts.has_user(user);
        let is_in_a_group = !accounts.account(user).groups.is_empty();
        let administered = administered(&accounts, user);
        // The new texts need the memory.
        drop(accounts);
        database_lines(draft, user, &groups, &administered)?;
        sysusers_lines(draft, user, &groups)?;
        userdb_records(draft, user, &groups)?;
        if lacking.len() == groups.len() && !known {
            return absent(format!(
                "the image knows neither the user {user} nor any of the groups"
            ));
        }
        if !known && !is_in_a_group {
            // A misspelt one, or one who is made later.
            draft.note(format!("the image has no user {user}"));
        }
        if !lacking.is_empty() {
            let names: Vec<&str> = lacking.into_iter().collect();
            draft.note(format!("the image has no group {}", names.join(", ")));
            for (group, near) in misspelt {
                draft.warn(format!(
                    "the image has no group {group}; did you mean `{near}`?"
                ));
            }
        }
        residuals(draft, user, &groups)?;
        Ok(Verdict::Holds)
    }
}

/// Returns the groups that are probably slips, each with a group of the image that is near.
fn misspelt<'g>(accounts: &Accounts, lacking: &BTreeSet<&'g str>) -> Vec<(&'g str, String)> {
    // A set of all names would take the memory of a hostile database once more.
    let names = || {
        let groups = accounts.records().map(|(_, record)| record);
        let groups = groups.filter(|record| record.role == Role::Group);
        groups.filter_map(|record| record.group.to_str().ok())
    };
    // Short names are near each other by chance: `lxd` is not meant to be `lp`.
    const SHORT: usize = 4;
    let near = |group: &&'g str| {
        let near = nearest(group, names())?;
        (group.len() >= SHORT && near.len() >= SHORT).then(|| (*group, near.to_owned()))
    };
    lacking.iter().filter_map(near).collect()
}

/// Returns the groups that a user administers by gshadow, and where.
fn administered(accounts: &Accounts, user: &str) -> Vec<(Place, String)> {
    let records = accounts
        .records()
        .filter(|(_, record)| record.role == Role::Administrator && record.user == user.as_bytes());
    records
        .map(|(at, record)| (accounts.place(at), record.group.to_str_lossy().into_owned()))
        .collect()
}

fn database_lines(
    draft: &mut Draft<'_>,
    user: &str,
    groups: &[&str],
    administered: &[(Place, String)],
) -> Result<(), Stop> {
    for database in [Database::Group, Database::Gshadow] {
        for (path, file) in databases::files(draft, database.name())? {
            let text = draft.text(file)?;
            let (text, left) = databases::without_member(&text, database, user, |group| {
                wanted(draft, user, groups, group)
            });
            for (place, group) in administered {
                if place.path == path && left.contains(group) {
                    draft.note(format!("{place} made {user} an administrator of {group}, who could add himself again"));
                }
            }
            if !left.is_empty() {
                draft.set_content(file, text);
            }
        }
    }
    Ok(())
}

fn sysusers_lines(draft: &mut Draft<'_>, user: &str, groups: &[&str]) -> Result<(), Stop> {
    for (_, file) in sysusers::sources(draft) {
        let text = draft.text(file)?;
        let (text, left) =
            sysusers::without_member(&text, user, |group| wanted(draft, user, groups, group));
        if !left.is_empty() {
            draft.set_content(file, text);
        }
    }
    Ok(())
}

fn userdb_records(draft: &mut Draft<'_>, user: &str, groups: &[&str]) -> Result<(), Stop> {
    for (_, file) in userdb::files(draft, ".group") {
        let text = draft.text(file)?;
        if let Some((text, group)) = userdb::without_member(&text, user)
            && wanted(draft, user, groups, &group)
        {
            draft.set_content(file, text);
        }
    }
    for (_, file) in userdb::files(draft, ".user") {
        let text = draft.text(file)?;
        let text = userdb::without_groups(&text, user, |group| wanted(draft, user, groups, group));
        if let Some(text) = text {
            draft.set_content(file, text);
        }
    }
    for membership in userdb::memberships(draft) {
        if membership.user == user && wanted(draft, user, groups, &membership.group) {
            draft.remove(&membership.location);
        }
    }
    Ok(())
}

/// Whether the user is to leave the group; a waiver names both, as `USER:GROUP`, or the user alone.
fn wanted(draft: &mut Draft<'_>, user: &str, groups: &[&str], group: &str) -> bool {
    let both = format!("{user}:{group}");
    groups.contains(&group) && !draft.waived_as(&[user.into(), both.as_str().into()])
}

fn residuals(draft: &mut Draft<'_>, user: &str, groups: &[&str]) -> Result<(), Stop> {
    let accounts = Accounts::read(draft)?;
    for (place, group) in accounts.primary_groups(user, groups) {
        let message = format!("{group} is the primary group of {user}, who stays in it");
        draft.open_so_far(ResidualKind::OtherGrant, place, message);
    }
    let account = accounts.account(user);
    for (place, group, of) in accounts.namesakes(groups, &account.listed) {
        let message = format!(
            "{group} has the number of {of}, and {user} is in it; write `Group={group}` too"
        );
        draft.open_so_far(ResidualKind::OtherGrant, place, message);
    }
    drop(accounts);
    for (place, to) in Policy::read(draft)?.grants(&account) {
        if to == Grantee::User {
            let message = format!("grants sudo to {user} by name, whatever the groups");
            draft.open_so_far(ResidualKind::OtherGrant, place, message);
        }
    }
    granted_elsewhere::residuals(draft, &account, |group| groups.contains(&group))?;
    for (place, module) in nsswitch::unread(draft)? {
        let message =
            format!("the C library asks {module} for groups too, which casehard does not read");
        draft.open_so_far(ResidualKind::OtherGrant, place, message);
    }
    for place in polkit::open_to_all(draft)? {
        let message = format!("a polkit rule says yes to everybody, and so to {user}");
        draft.open_so_far(ResidualKind::OtherGrant, place, message);
    }
    let stays: Vec<&str> = account.groups.iter().map(String::as_str).collect();
    let named: Vec<&str> = groups.iter().chain(&stays).copied().collect();
    for (place, group) in polkit::mentions(draft, user, &named)? {
        let message = match group {
            None => format!("a polkit rule names {user}, whatever the groups"),
            Some(group) if account.is_in(group.as_bytes()) => {
                format!("a polkit rule names {group}, in which {user} stays")
            }
            Some(group) => {
                draft.note(format!(
                    "{place} is a polkit rule that names {group}, which {user} is not in"
                ));
                continue;
            }
        };
        draft.open_so_far(ResidualKind::OtherGrant, place, message);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
