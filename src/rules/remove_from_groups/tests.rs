//! The rule on small images.

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

#[test]
fn userdb_alone_knows_users_and_groups() {
    check(
        "dir ./\nfile etc/userdb/core.user\n| {\"userName\":\"core\"}\nfile etc/userdb/wheel.group\n\
         | {\"groupName\":\"wheel\"}\nfile etc/userdb/core:wheel.membership\n",
        "[RemoveFromGroups core]\nGroup=wheel",
        "changed\n  removed /etc/userdb/core:wheel.membership\n",
    );
}

#[test]
fn a_group_that_is_near_one_of_the_image_is_probably_a_slip() {
    check(
        "file etc/passwd\n| core:x:500:500::/:/bin/sh\nfile etc/group\n| wheel:x:10:core\n| core:x:500:\n| lp:x:7:\n",
        "[RemoveFromGroups core]\nGroup=whell\nGroup=lxd",
        "already\n  note the image has no group lxd, whell\n  note the image has no group whell; did you mean `wheel`?\n",
    );
}
