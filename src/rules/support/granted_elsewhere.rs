//! Grants in files that no rule edits: doas, PAM, systemd-homed, and what makes accounts at the first
//! boot.

use crate::edit::{Draft, ResidualKind};
use crate::error::Stop;
use crate::rootfs::Place;
use crate::system::accounts::provisioned::{self, Given};
use crate::system::accounts::{Account, doas, first_account, pam_group, pam_trust, userdb};
use crate::system::boot::script::How;

/// Where sudo, doas and polkit read what they grant.
const GRANTS: [&str; 4] = [
    "/etc/sudoers",
    "/etc/doas.",
    "/etc/polkit-1/rules.d/",
    "/etc/userdb/",
];

/// Records those that are open for a user: of groups, those that `matter`.
pub(in crate::rules) fn residuals(
    draft: &mut Draft<'_>,
    account: &Account,
    matter: impl Fn(&str) -> bool,
) -> Result<(), Stop> {
    let user = &account.name;
    let mut open = Vec::new();
    for (place, group) in doas::permits(draft, account)? {
        let message = match group {
            None => format!("doas permits {user} by name to run programs as others"),
            Some(group) => {
                format!("doas permits {group}, in which {user} is, to run programs as others")
            }
        };
        open.push((place, message));
    }
    for (place, who, given) in provisioned::given(draft, user, &matter)? {
        let message = match given {
            Given::Rules(program) => {
                format!("{} grants {program} to {user} {}", who.name, who.when)
            }
            Given::Groups(groups) => {
                format!(
                    "{} puts {user} into {} {}",
                    who.name,
                    groups.join(", "),
                    who.when
                )
            }
            Given::Unknown(why) => format!("{why}; {} may grant something to {user}", who.name),
        };
        open.push((place, message));
    }
    let writes = draft.boot_writes()?;
    for (place, groups) in first_account::given_by_commands(draft, &writes.scripts, user, &matter)?
    {
        let message = format!(
            "this command may put {user} into {} when the system starts",
            groups.join(", ")
        );
        open.push((place, message));
    }
    for write in &writes.writes {
        if GRANTS.iter().any(|grants| write.path.starts_with(grants)) && write.how == How::Writes {
            let (who, path, when) = (write.who, &write.path, write.when);
            let message =
                format!("{who} writes {path} {when}, which may grant something to {user}");
            open.push((write.place.clone(), message));
        }
    }
    for (place, maker) in first_account::makers(draft, !account.uids.is_empty())? {
        let message = format!(
            "{maker} makes or changes accounts, and may put {user} into groups that give root"
        );
        open.push((place, message));
    }
    open.extend(pam_trust::trusts(draft, account)?);
    for (path, mut groups) in userdb::homes(draft, user)? {
        groups.retain(|group| matter(group));
        if !groups.is_empty() {
            let groups = groups.join(", ");
            let message = format!(
                "systemd-homed has {user} in {groups}; the record is signed, so casehard does not edit it"
            );
            open.push((Place::new(path, None), message));
        }
    }
    for (place, mut groups) in pam_group::memberships(draft, account)? {
        groups.retain(|group| matter(group));
        if !groups.is_empty() {
            let groups = groups.join(", ");
            open.push((
                place,
                format!("pam_group adds {user} to {groups} at logins"),
            ));
        }
    }
    for (place, message) in open {
        draft.open_so_far(ResidualKind::OtherGrant, place, message);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
