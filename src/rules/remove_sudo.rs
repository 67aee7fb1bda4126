//! `RemoveSudo`: a user to whom sudo grants nothing by name.

use bstr::ByteSlice;

use super::support::granted_elsewhere;
use crate::edit::{Applied, Draft, ResidualKind, Verdict, absent};
use crate::error::Stop;
use crate::recipe::{Check, Fields, KeySchema, OnMissing, Rule, RuleKind, value};
use crate::system::accounts::sudoers::{self, Grantee, Policy};
use crate::system::accounts::{Account, Accounts};

pub(super) static KIND: RuleKind = RuleKind {
    name: "RemoveSudo",
    argument: Some(
        KeySchema::argument("USER", Check::Is(value::account_name))
            .about("The user to whom sudo grants nothing by name."),
    ),
    summary: "sudo grants the user nothing by name",
    about: "Comments out each sudoers line that grants something to this user alone, with its \
        continuation lines. Where a line or a `User_Alias` lists others too, only the user leaves \
        the list; an alias that has nobody else in it is commented out, and what names it loses \
        it. A line names the user by name, in any case as sudo compares it, or by number in the \
        image's account files. An alias that some list excludes with `!` keeps the user, and the \
        lines that grant to it exclude the user. All other bytes, and the mode, stay.\n\n\
        The rule reads /etc/sudoers, /etc/sudoers.d, sudo-rs's /etc/sudoers-rs, the \
        `sudoers_file=` of sudo.conf, Container Linux's /usr/share/baselayout/sudoers, copies of \
        these from which the booted system fills /etc, and all that they include. `%h` in an \
        include stands for any name; netgroups are not looked at.\n\n\
        Lines that grant to everyone or to a group that the user stays in, lines that name the \
        user but cannot be read, and other sources in nsswitch.conf, are reported as residuals. So \
        is what doas permits, and what cloud-init or a systemd-homed record would grant again or \
        pam_group brings along at logins.",
    on_missing: OnMissing::Warn,
    leaves_no_trace: true,
    waived: Some(("the user", "core")),
    example: "[RemoveSudo core]\nReason=whoever takes over the login user's session would be \
        root\n",
    ..RuleKind::of::<RemoveSudo>()
};

/// The user to whom sudo is to grant nothing by name.
#[derive(Debug)]
struct RemoveSudo {
    user: String,
}

impl Rule for RemoveSudo {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            user: fields.argument.to_owned(),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let user = self.user.as_str();
        let accounts = Accounts::read(draft)?;
        let (account, known) = (accounts.account(user), accounts.has_user(user));
        drop(accounts);
        let changes = sudoers::without(&Policy::read(draft)?, &account);
        if changes.is_empty() && !known {
            return absent(format!(
                "the image has no user {user}, and sudo grants nothing by that name"
            ));
        }
        if !changes.is_empty() && !draft.waived(user.as_bytes().as_bstr()) {
            for (file, text) in changes {
                draft.set_content(file, text);
            }
        }
        residuals(draft, &account)?;
        Ok(Verdict::Holds)
    }
}

/// What still grants something to the user, or may.
fn residuals(draft: &mut Draft<'_>, account: &Account) -> Result<(), Stop> {
    let user = &account.name;
    let policy = Policy::read(draft)?;
    let mut open = Vec::new();
    for (place, to) in policy.grants(account) {
        let message = match to {
            Grantee::User => format!("grants sudo to {user} by name"),
            Grantee::Group(group) => format!("grants sudo to {group}, and {user} is in it"),
            Grantee::Everyone => format!("grants sudo to everyone, {user} too"),
        };
        open.push((place, message));
    }
    for place in policy.unreadable(user) {
        open.push((
            place,
            format!("cannot be read as sudoers, and names {user}"),
        ));
    }
    open.extend(policy.unknown().iter().cloned());
    for (place, message) in open {
        draft.residual(ResidualKind::OtherGrant, place, message);
    }
    granted_elsewhere::residuals(draft, account, |group| {
        let grants = policy.grants(&Account::member_of(group));
        grants.iter().any(|(_, to)| matches!(to, Grantee::Group(_)))
    })
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::{check, content_after};

    const RULE: &str = "[RemoveSudo core]";
    const PASSWD: &str = "file etc/passwd\n| core:x:500:500::/:/bin/sh\n";

    /// What becomes of `/etc/sudoers`.
    fn sudoers(before: &str, after: &str) {
        let lines: String = before.lines().map(|line| format!("| {line}\n")).collect();
        let image = format!("{PASSWD}file etc/sudoers mode=0440\n{lines}");
        assert_eq!(
            content_after(&image, RULE, "/etc/sudoers"),
            after,
            "{before}"
        );
        let want = if before == after {
            "already\n"
        } else {
            "changed\n  content /etc/sudoers\n"
        };
        check(&image, RULE, want);
    }

    #[test]
    fn what_is_put_in_and_what_goes_can_meet() {
        sudoers(
            "User_Alias W = core\neve, !W ALL=ALL\nW, core ALL=ALL\n",
            "User_Alias W = core\neve, !W ALL=ALL\nW, !core ALL=ALL\n",
        );
    }

    #[test]
    fn lines_for_the_user_alone_become_comments() {
        sudoers(
            "root ALL=ALL\ncore ALL=ALL\n",
            "root ALL=ALL\n# core ALL=ALL\n",
        );
        sudoers(
            "  core ALL = \\\n   NOPASSWD: ALL\nx ALL=ALL\n",
            "#   core ALL = \\\n#    NOPASSWD: ALL\nx ALL=ALL\n",
        );
        sudoers(
            "#500 ALL=ALL\n\"core\" ALL=ALL\nCore,CORE h=x\n",
            "# #500 ALL=ALL\n# \"core\" ALL=ALL\n# Core,CORE h=x\n",
        );
        sudoers(
            "# core ALL=ALL\n%core ALL=ALL\ncorey ALL=ALL\nx core=ALL\nDefaults:core !x\n+core ALL=ALL\n",
            "# core ALL=ALL\n%core ALL=ALL\ncorey ALL=ALL\nx core=ALL\nDefaults:core !x\n+core ALL=ALL\n",
        );
    }

    #[test]
    fn lists_lose_the_user() {
        sudoers("root, core ALL=ALL\n", "root ALL=ALL\n");
        sudoers("core , root ALL=ALL\n", "root ALL=ALL\n");
        sudoers("a, core,\\\n  #500,b ALL=ALL # c\n", "a,b ALL=ALL # c\n");
        sudoers(
            "!core, a ALL=ALL\ncore, !core, a ALL=ALL\n",
            "!core, a ALL=ALL\ncore, !core, a ALL=ALL\n",
        );
    }

    #[test]
    fn aliases_lose_the_user_and_go_with_him() {
        sudoers(
            "User_Alias A = a, core\nA ALL=ALL\n",
            "User_Alias A = a\nA ALL=ALL\n",
        );
        sudoers(
            "User_Alias A = core\nUser_Alias B = A : C = b, A : D = A\nDefaults:A,C !x\nDefaults:B y\nB, c ALL=ALL\nA,D ALL=ALL\n",
            "# User_Alias A = core\nUser_Alias C = b\nDefaults:C !x\n# Defaults:B y\nc ALL=ALL\n# A,D ALL=ALL\n",
        );
        // Were he taken out of A, the second line would let him in.
        sudoers(
            "User_Alias A = core, a\n%x, !A ALL=ALL\nA ALL=/bin/ls\n",
            "User_Alias A = core, a\n%x, !A ALL=ALL\nA, !core ALL=/bin/ls\n",
        );
    }

    #[test]
    fn what_sudo_conf_and_includes_name_is_edited() {
        let image = "
file etc/passwd
| core:x:500:500::/:/bin/sh
file etc/sudo.conf
| plugin sudoers_policy sudoers.so \\
| sudoers_file=/none:/opt/policy
file opt/policy
| @include more
| #includedir /opt/d
| @include /opt/host-%h
file opt/more
| core ALL=ALL
file opt/d/a
| core ALL=ALL
file opt/d/a.rpmsave
| core ALL=ALL
file opt/d/a~
| core ALL=ALL
file opt/host-a
| core ALL=ALL
file etc/sudoers.d/x
| core ALL=ALL
file usr/share/flatcar/etc/sudoers.d/y
| core ALL=ALL
file etc/sudoers-rs
| core ALL=ALL
";
        check(
            image,
            RULE,
            "changed\n  content /etc/sudoers-rs\n  content /etc/sudoers.d/x\n  content /opt/d/a\n  content /opt/host-a\n  content /opt/more\n  \
             content /usr/share/flatcar/etc/sudoers.d/y\n",
        );
    }

    #[test]
    fn what_stays_open_is_said() {
        let image = "
file etc/passwd
| core:x:500:150::/:/bin/sh
file etc/group
| wheel:x:10:core
| sudo:x:150:
| other:x:151:
file etc/nsswitch.conf
| sudoers: files sss
file etc/sudoers
| %wheel ALL=ALL
| %#150 ALL=ALL
| %other ALL=ALL
| ALL ALL=/bin/ls
| ALL, !core ALL=/bin/ls
| core oops
";
        check(
            image,
            RULE,
            "already\n  residual /etc/nsswitch.conf:1: sudo asks sss too, whose rules are not in the image\n  \
             residual /etc/sudoers:1: grants sudo to %wheel, and core is in it\n  \
             residual /etc/sudoers:2: grants sudo to %#150, and core is in it\n  \
             residual /etc/sudoers:4: grants sudo to everyone, core too\n  \
             residual /etc/sudoers:6: cannot be read as sudoers, and names core\n",
        );
    }

    #[test]
    fn it_can_be_waived_and_the_user_may_be_missing() {
        let image = format!("{PASSWD}file etc/sudoers\n| core ALL=ALL\n");
        let waiver = format!("{RULE}\n[Waive RemoveSudo:core]\nReason=x\nExpires=2030-01-01");
        check(
            &image,
            &waiver,
            "waived\n  residual /etc/sudoers:1: grants sudo to core by name\n",
        );
        check(
            "file etc/sudoers\n| root ALL=ALL\n",
            RULE,
            "absent\n  note the image has no user core, and sudo grants nothing by that name\n",
        );
        check(PASSWD, RULE, "already\n");
        check(PASSWD, &waiver, "already\n");
    }

    #[test]
    fn what_everyone_has_makes_no_group_matter() {
        let image = format!(
            "{PASSWD}file etc/sudoers\n| ALL ALL=/bin/ls\n\
             file var/lib/systemd/home/core.identity\n| {{\"userName\":\"core\",\"memberOf\":[\"audio\"]}}\n"
        );
        check(
            &image,
            RULE,
            "already\n  residual /etc/sudoers:1: grants sudo to everyone, core too\n",
        );
    }
}
