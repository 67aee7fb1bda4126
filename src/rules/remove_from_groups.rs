//! `RemoveFromGroups`: a user who is in none of these groups, whatever the source.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use super::{RuleKind, granted_elsewhere};
use crate::accounts::group::Database;
use crate::accounts::sudoers::{Grantee, Policy};
use crate::accounts::{self, Account, group, polkit, sysusers, userdb};
use crate::edit::{Applied, Draft, Stop, Verdict};
use crate::recipe::{ArgumentSchema, Check, KeySchema, OnMissing, RuleSchema, Section, Waivable};

pub(super) static KIND: RuleKind = RuleKind {
    schema: &SCHEMA,
    apply,
};

static SCHEMA: RuleSchema = RuleSchema {
    kind: "RemoveFromGroups",
    argument: Some(ArgumentSchema {
        name: "USER",
        check: Check::AccountName,
        about: "The user who leaves the groups.",
    }),
    summary: "a user is a member of none of these groups",
    about: "Takes the user out of the members and administrators of each group, in every source that the booted system merges: \
        `group` and `gshadow` in /etc, /usr/lib, /usr/share/baselayout and every copy of /etc below /usr; `m` lines of \
        sysusers.d; userdb records and memberships. The groups themselves stay, as do backups such as `group-`.\n\n\
        A primary group, a group of another name that has the number of one of these, sudoers lines that grant something to the \
        user by name, and polkit rules that name him, are reported as residuals; `RemoveSudo` takes care of sudoers. So are what doas permits him, and groups into which \
        cloud-init or a systemd-homed record puts him again, or pam_group brings him at logins. polkit rules that name one of the groups are a note.",
    keys: &[KeySchema {
        name: "Group",
        value: "GROUP",
        check: Check::AccountName,
        list: true,
        required: true,
        about: "A group to leave.",
    }],
    needs_a_key: false,
    open_keys: None,
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    waived: Some(Waivable {
        what: "the user, or the user and one group",
        example: "core:docker",
    }),
    example: "[RemoveFromGroups core]\nGroup=wheel\nGroup=docker\nReason=the login user must not become root\n",
};

fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    let user = section.argument.as_str();
    let groups: Vec<&str> = section.all("Group").collect();
    let mut absent: BTreeSet<&str> = BTreeSet::new();
    for group in &groups {
        if !accounts::group_exists(draft, group)? {
            absent.insert(group);
        }
    }
    let known = accounts::user_exists(draft, user)?;
    let before = Account::read(draft, user)?;
    databases(draft, user, &groups)?;
    sysusers_lines(draft, user, &groups)?;
    userdb_records(draft, user, &groups)?;
    if absent.len() == groups.len() && !known {
        return Ok(Verdict::Absent(format!(
            "the image knows neither the user {user} nor any of the groups"
        )));
    }
    if !known && before.groups.is_empty() {
        // A misspelt one, or one who is made later.
        draft.note(format!("the image has no user {user}"));
    }
    if !absent.is_empty() {
        let names: Vec<&str> = absent.into_iter().collect();
        draft.note(format!("the image has no group {}", names.join(", ")));
    }
    residuals(draft, user, &groups)?;
    Ok(Verdict::Holds)
}

fn databases(draft: &mut Draft<'_>, user: &str, groups: &[&str]) -> Result<(), Stop> {
    for database in [Database::Group, Database::Gshadow] {
        for (path, file) in accounts::databases(draft.rootfs(), database.name()) {
            let text = draft.read(file)?;
            let administered = match database {
                Database::Group => Vec::new(),
                Database::Gshadow => group::administered(&text, user),
            };
            let (text, left) = group::without_member(&text, database, user, |group| {
                wanted(draft, user, groups, group)
            });
            for (line, group) in administered
                .iter()
                .filter(|(_, group)| left.contains(group))
            {
                draft.note(format!("{path}:{line} made {user} an administrator of {group}, who could add himself again"));
            }
            if !left.is_empty() {
                draft.set_content(file, text);
            }
        }
    }
    Ok(())
}

fn sysusers_lines(draft: &mut Draft<'_>, user: &str, groups: &[&str]) -> Result<(), Stop> {
    for (_, file) in sysusers::files(draft) {
        let text = draft.read(file)?;
        let (text, left) =
            sysusers::without_member(&text, user, |group| wanted(draft, user, groups, group));
        if !left.is_empty() {
            draft.set_content(file, text);
        }
    }
    Ok(())
}

fn userdb_records(draft: &mut Draft<'_>, user: &str, groups: &[&str]) -> Result<(), Stop> {
    for (_, file) in userdb::groups(draft) {
        let text = draft.read(file)?;
        if let Some((text, group)) = userdb::without_member(&text, user)
            && wanted(draft, user, groups, &group)
        {
            draft.set_content(file, text);
        }
    }
    for (_, file) in userdb::user_files(draft) {
        let text = draft.read(file)?;
        let text = userdb::without_groups(&text, user, |group| wanted(draft, user, groups, group));
        if let Some(text) = text {
            draft.set_content(file, text);
        }
    }
    for (group, location) in userdb::memberships(draft, user) {
        if wanted(draft, user, groups, &group) {
            draft.remove(&location);
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
    for (path, line, group) in accounts::primary_group(draft, user, groups)? {
        draft.open_so_far(
            Some(path.as_bytes().as_bstr()),
            Some(line),
            format!("{group} is the primary group of {user}, who stays in it"),
        );
    }
    let account = Account::read(draft, user)?;
    for Namesake {
        path,
        line,
        group,
        of,
    } in namesakes(draft, &account, groups)?
    {
        draft.open_so_far(
            Some(path.as_bytes().as_bstr()),
            Some(line),
            format!(
                "{group} has the number of {of}, and {user} is in it; write `Group={group}` too"
            ),
        );
    }
    for grant in Policy::read(draft)?.grants(&account) {
        if grant.to == Grantee::User {
            draft.open_so_far(
                Some(grant.path.as_bytes().as_bstr()),
                Some(grant.line),
                format!("grants sudo to {user} by name, whatever the groups"),
            );
        }
    }
    granted_elsewhere::residuals(draft, &account, |group| groups.contains(&group))?;
    for mention in polkit::mentions(draft, user, groups)? {
        let path = Some(mention.path.as_bytes().as_bstr());
        match mention.group {
            None => draft.open_so_far(
                path,
                Some(mention.line),
                format!("a polkit rule names {user}, whatever the groups"),
            ),
            Some(group) if account.is_in(group.as_bytes()) => draft.open_so_far(
                path,
                Some(mention.line),
                format!("a polkit rule names {group}, in which {user} stays"),
            ),
            Some(group) => draft.note(format!(
                "{}:{} is a polkit rule that names {group}, which {user} is not in",
                mention.path, mention.line
            )),
        }
    }
    Ok(())
}

/// A group that has the user as a member, and the number of one that he leaves, which the kernel takes for the same.
struct Namesake<'g> {
    path: String,
    line: usize,
    group: String,
    of: &'g str,
}

fn namesakes<'g>(
    draft: &Draft<'_>,
    account: &Account,
    groups: &[&'g str],
) -> Result<Vec<Namesake<'g>>, Stop> {
    let mut left = BTreeMap::new();
    accounts::group_numbers(draft, &mut |number| {
        let group = groups.iter().find(|group| **group == number.group);
        left.extend(group.map(|group| (number.gid, *group)));
    })?;
    let mut found = Vec::new();
    accounts::group_numbers(draft, &mut |number| {
        if !groups.contains(&number.group)
            && account.listed.contains(number.group)
            && let Some(of) = left.get(&number.gid)
        {
            found.push(Namesake {
                path: number.path.to_owned(),
                line: number.line,
                group: number.group.to_owned(),
                of,
            });
        }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::{check, content_after};

    const RULE: &str = "[RemoveFromGroups core]\nGroup=wheel\nGroup=rkt";

    #[test]
    fn every_source_is_emptied() {
        let image = r#"
dir ./
file etc/group
| wheel:x:10:root,core
file etc/gshadow
| wheel:*:core:root,core
file etc/group-
| wheel:x:10:root,core
file usr/share/baselayout/group
| wheel:x:10:root,core
| core:x:500:
file usr/share/flatcar/etc/group
| wheel:x:10:core
file usr/lib/group
| rkt:x:251:core
file usr/lib/sysusers.d/rkt.conf
| g rkt 251 - -
| m core rkt - -
file etc/userdb/wheel.group
| {"groupName":"wheel","members":["core"]}
file etc/userdb/core.user
| {"userName":"core","memberOf":["rkt","docker"]}
file usr/share/polkit-1/rules.d/50-default.rules
| polkit.addAdminRule(function() { return ["unix-group:wheel"]; });
file usr/lib/userdb/core:rkt.membership
| {}
file usr/lib/userdb/core:docker.membership
| {}
"#;
        check(
            image,
            RULE,
            "changed\n  content /etc/group\n  content /usr/lib/group\n  content /usr/share/baselayout/group\n  \
             content /usr/share/flatcar/etc/group\n  content /etc/gshadow\n  content /usr/lib/sysusers.d/rkt.conf\n  \
             content /etc/userdb/wheel.group\n  content /etc/userdb/core.user\n  removed /usr/lib/userdb/core:rkt.membership\n  \
             note /etc/gshadow:1 made core an administrator of wheel, who could add himself again\n  \
             note /usr/share/polkit-1/rules.d/50-default.rules:1 is a polkit rule that names wheel, which core is not in\n",
        );
        assert_eq!(
            content_after(image, RULE, "/etc/gshadow"),
            "wheel:*::root\n"
        );
        assert_eq!(
            content_after(image, RULE, "/usr/lib/sysusers.d/rkt.conf"),
            "g rkt 251 - -\n"
        );
    }

    #[test]
    fn a_user_who_is_no_member_fulfils_it() {
        check(
            "file etc/group\n| wheel:x:10:root\n",
            RULE,
            "already\n  note the image has no user core\n  note the image has no group rkt\n",
        );
        check(
            "file etc/passwd\n| core:x:500:500::/:/bin/sh\n",
            RULE,
            "already\n  note the image has no group rkt, wheel\n",
        );
        check(
            "file etc/group\n| docker:x:1:root\n",
            RULE,
            "failed: the image knows neither the user core nor any of the groups; `OnMissing=skip` or `warn` allows that\n",
        );
    }

    #[test]
    fn links_and_duplicates_are_one_file() {
        let want = "changed\n  content /etc/group\n  content /etc/group.link\n  note the image has no group rkt\n";
        let duplicate = "file etc/group\n| wheel:x:10:core,old\nfile etc/group\n| wheel:x:10:core\nhardlink etc/group.link -> etc/group\n";
        check(duplicate, RULE, want);
        let symlink = "file usr/share/baselayout/group\n| wheel:x:10:core\nsymlink etc/group -> ../usr/share/baselayout/group\n";
        check(
            symlink,
            RULE,
            "changed\n  content /usr/share/baselayout/group\n  note the image has no group rkt\n",
        );
    }

    #[test]
    fn what_membership_does_not_end_is_a_residual() {
        let image = "
file etc/group
| wheel:x:10:core
file etc/passwd
| root:x:0:0::/:/bin/sh
| core:x:500:10::/:/bin/sh
file etc/sudo.conf
| Plugin sudoers_policy sudoers.so sudoers_file=/opt/sudoers
file opt/sudoers
| core ALL=(ALL) NOPASSWD: ALL
file etc/sudoers.d/ops
| # core
| root, core ALL = ALL
";
        check(
            image,
            RULE,
            "changed\n  content /etc/group\n  note the image has no group rkt\n  \
             residual /etc/passwd:2: wheel is the primary group of core, who stays in it\n  \
             residual /etc/sudoers.d/ops:2: grants sudo to core by name, whatever the groups\n  \
             residual /opt/sudoers:1: grants sudo to core by name, whatever the groups\n",
        );
        let other = "
file etc/group
| rkt:x:251:
| wheel:x:10:
file usr/lib/sysusers.d/a.conf
| u core 500:rkt
file etc/userdb/core.user
| {\"userName\":\"core\",\"gid\":10}
file usr/share/polkit-1/rules.d/a.rules
| // \"core\"
| if (subject.user == \"core\") return x;
| if (subject.isInGroup(\"rkt\")) return x;
file etc/polkit-1/localauthority/50-local.d/a.pkla
| Identity=unix-group:wheel;unix-group:docker
";
        check(
            other,
            RULE,
            "already\n  residual /etc/polkit-1/localauthority/50-local.d/a.pkla:1: a polkit rule names wheel, in which core stays\n  \
             residual /etc/userdb/core.user:1: wheel is the primary group of core, who stays in it\n  \
             residual /usr/lib/sysusers.d/a.conf:1: rkt is the primary group of core, who stays in it\n  \
             residual /usr/share/polkit-1/rules.d/a.rules:2: a polkit rule names core, whatever the groups\n  \
             residual /usr/share/polkit-1/rules.d/a.rules:3: a polkit rule names rkt, in which core stays\n",
        );
    }

    #[test]
    fn a_group_of_the_same_number_is_a_residual() {
        let image = "
file etc/group
| wheel:x:10:
| adm10:x:10:core
| rkt:x:251:core
file usr/lib/sysusers.d/a.conf
| g rocket 251
| m core rocket
| g other 252
| m core other
";
        check(
            image,
            RULE,
            "changed\n  content /etc/group\n  \
             residual /etc/group:2: adm10 has the number of wheel, and core is in it; write `Group=adm10` too\n  \
             residual /usr/lib/sysusers.d/a.conf:1: rocket has the number of rkt, and core is in it; write `Group=rocket` too\n",
        );
        check(
            image,
            &format!("{RULE}\nGroup=adm10\nGroup=rocket"),
            "changed\n  content /etc/group\n  content /usr/lib/sysusers.d/a.conf\n",
        );
    }

    #[test]
    fn one_group_can_be_waived() {
        let image = "file etc/group\n| wheel:x:10:core\n| rkt:x:251:core\n";
        let waive = |subject: &str| {
            format!("{RULE}\n[Waive RemoveFromGroups:{subject}]\nReason=x\nExpires=2030-01-01")
        };
        assert_eq!(
            content_after(image, &waive("core:rkt"), "/etc/group"),
            "wheel:x:10:\nrkt:x:251:core\n"
        );
        check(image, &waive("core"), "waived\n");
    }
}
