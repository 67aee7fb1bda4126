//! The rule on small images.

mod slips;

use crate::rules::harness::{check, content_after};

const FLEET: &str = "
dir ./
dir etc/systemd/system
file usr/lib/systemd/system/fleet.socket
| [Socket]
| SocketMode=0660
";
const RULE: &str = "[DropIn fleet.socket/10-root-only.conf]\nSocket.SocketMode=0600\nSocket.ListenStream=\nUnit.PartOf=x\nSocket.SocketUser=root";
const PATH: &str = "/etc/systemd/system/fleet.socket.d/10-root-only.conf";
const TEXT: &str =
    "[Socket]\nSocketMode=0600\nListenStream=\n\n[Unit]\nPartOf=x\n\n[Socket]\nSocketUser=root\n";

#[test]
fn settings_are_written_in_their_order() {
    check(
        FLEET,
        RULE,
        &format!("changed\n  created /etc/systemd/system/fleet.socket.d\n  created {PATH}\n"),
    );
    assert_eq!(content_after(FLEET, RULE, PATH), TEXT);
}

#[test]
fn a_file_of_the_name_is_replaced_unless_it_is_the_same() {
    let lines: String = TEXT.lines().map(|l| format!("| {l}\n")).collect();
    check(&format!("{FLEET}file {PATH}\n{lines}"), RULE, "already\n");
    check(
        &format!("{FLEET}file {PATH}\n| [Socket]\n"),
        RULE,
        &format!("changed\n  content {PATH}\n"),
    );
    check(
        &format!(
            "{FLEET}file {PATH}\n| old\nfile {PATH}\n| [Socket]\nhardlink etc/second -> {PATH}\n"
        ),
        RULE,
        &format!("changed\n  content /etc/second\n  content {PATH}\n"),
    );
    check(
        &format!("{FLEET}symlink {PATH} -> /dev/null\n"),
        RULE,
        &format!("changed\n  removed {PATH}\n  created {PATH}\n"),
    );
}

#[test]
fn a_waiver_names_the_unit_or_one_file() {
    let waived = |subject: &str| {
        format!("{RULE}\n[Waive DropIn:fleet.socket{subject}]\nReason=x\nExpires=2030-01-01")
    };
    check(FLEET, &waived(""), "waived\n");
    check(FLEET, &waived("/10-root-only.conf"), "waived\n");
    let made = format!("changed\n  created /etc/systemd/system/fleet.socket.d\n  created {PATH}\n");
    check(FLEET, &waived("/20.conf"), &made);
    let expired = waived("").replace("2030", "2020");
    let both = format!(
        "{expired}\n[Waive DropIn:fleet.socket/10-root-only.conf]\nReason=x\nExpires=2030-01-01"
    );
    check(FLEET, &both, "waived\n");
}

#[test]
fn a_later_drop_in_that_wins_fails_the_rule_or_is_overridden() {
    let vendor = "/usr/lib/systemd/system/fleet.socket.d/50-vendor.conf";
    let image = format!("{FLEET}file {vendor}\n| [Socket]\n| SocketMode=0666\n");
    let made = format!("  created /etc/systemd/system/fleet.socket.d\n  created {PATH}\n");
    check(
        &image,
        RULE,
        &format!(
            "failed: {vendor}:2 decides with SocketMode=0666, not 10-root-only.conf, for fleet.socket; give the drop-in a \
             name that sorts later, or write `Ensure=yes`\n{made}"
        ),
    );
    let ensure = format!("{RULE}\nEnsure=yes");
    let last = "/etc/systemd/system/fleet.socket.d/zz-10-root-only.conf";
    check(
        &image,
        &ensure,
        &format!("changed\n{made}  created {last}\n"),
    );
    assert_eq!(
        content_after(&image, &ensure, last),
        "[Socket]\nSocketMode=0600\n"
    );
    let zz = format!(
        "{image}file etc/systemd/system/socket.d/zzz.conf\n| [Socket]\n| SocketMode=0666\n"
    );
    check(
        &zz,
        &ensure,
        &format!(
            "changed\n{made}  created /etc/systemd/system/fleet.socket.d/zzzz-10-root-only.conf\n"
        ),
    );
    let hidden =
        format!("{image}symlink etc/systemd/system/fleet.socket.d/50-vendor.conf -> /dev/null\n");
    check(&hidden, RULE, &format!("changed\n  created {PATH}\n"));
    let earlier = format!(
        "{FLEET}file usr/lib/systemd/system/fleet.socket.d/05-vendor.conf\n| [Socket]\n| SocketMode=0666\n"
    );
    check(&earlier, RULE, &format!("changed\n{made}"));
    let same = image.replace("0666", "00600");
    check(&same, RULE, &format!("changed\n{made}"));
}

#[test]
fn what_cannot_win_fails() {
    let control = format!(
        "{FLEET}file etc/systemd/system.control/fleet.socket.d/10-root-only.conf\n| [Socket]\n| SocketMode=0666\n\
         file etc/systemd/system.control/fleet.socket.d/zz-10-root-only.conf\n"
    );
    let made = format!("  created /etc/systemd/system/fleet.socket.d\n  created {PATH}\n");
    let ours = "/etc/systemd/system/fleet.socket.d";
    check(
        &control,
        &format!("{RULE}\nEnsure=yes"),
        &format!(
            "failed: /etc/systemd/system.control/fleet.socket.d/zz-10-root-only.conf stands in for \
             {ours}/zz-10-root-only.conf, for fleet.socket\n{made}  created {ours}/zz-10-root-only.conf\n"
        ),
    );
    let tilde =
        format!("{FLEET}file etc/systemd/system/socket.d/~.conf\n| [Socket]\n| SocketMode=0666\n");
    check(
        &tilde,
        &format!("{RULE}\nEnsure=yes"),
        &format!(
            "failed: /etc/systemd/system/socket.d/~.conf:2 decides with SocketMode=0666, not 10-root-only.conf, for fleet.socket; no name sorts after it\n{made}"
        ),
    );
    for (rule, why) in [
        (
            "Socket.SocketMode=0600 # x",
            "systemd ignores the value of Socket.SocketMode: it is not an octal mode",
        ),
        (
            "Service.User=x",
            "systemd reads no [Service] in a drop-in of fleet.socket",
        ),
        (
            "Unit.After=",
            "systemd ignores the value of Unit.After: it is empty, and dependencies cannot be reset",
        ),
    ] {
        check(
            FLEET,
            &format!("[DropIn fleet.socket/a.conf]\n{rule}"),
            &format!("failed: {why}\n"),
        );
    }
}

#[test]
fn malformed_units_are_a_plain_outcome() {
    let names = "dir usr/lib/systemd/system/odd.socket.d/dir.conf\nsymlink usr/lib/systemd/system/odd.socket.d/loop.conf -> loop.conf\n\
                 symlink usr/lib/systemd/system/a.socket -> b.socket\nsymlink usr/lib/systemd/system/b.socket -> a.socket\n\
                 symlink usr/lib/systemd/system/self.socket -> self.socket\nfile usr/lib/systemd/system/\\xff.socket\n\
                 file usr/lib/systemd/system/socket.d\n| not a directory\n\
                 file usr/lib/systemd/system/@.socket\nfile usr/lib/systemd/system/.socket\nfile usr/lib/systemd/system/a@b@@.socket\n\
                 file usr/lib/systemd/system/odd.socket\n| [Socket\n| =\n| [\n| ]\n| \\\n";
    let made = "changed\n  created /etc\n  created /etc/systemd\n  created /etc/systemd/system\n";
    check(
        names,
        "[DropIn odd.socket/x.conf]\nSocket.SocketMode=0600",
        &format!(
            "{made}  created /etc/systemd/system/odd.socket.d\n  created /etc/systemd/system/odd.socket.d/x.conf\n"
        ),
    );
    check(
        names,
        "[Mask odd.socket]",
        &format!("{made}  created /etc/systemd/system/odd.socket -> /dev/null\n"),
    );
    check(
        names,
        "[Mask a.socket]",
        &format!("{made}  created /etc/systemd/system/a.socket -> /dev/null\n"),
    );
}

#[test]
fn two_rules_that_disagree_are_no_success() {
    let rules = "[DropIn fleet.socket/a.conf]\nSocket.SocketMode=0600\n[DropIn fleet.socket/b.conf]\nSocket.SocketMode=0660";
    let d = "/etc/systemd/system/fleet.socket.d";
    check(
        FLEET,
        rules,
        &format!(
            "failed: the result does not satisfy this rule: {d}/b.conf:2 decides with SocketMode=0660, not a.conf, for fleet.socket; \
             give the drop-in a name that sorts later, or write `Ensure=yes`\n  created {d}\n  created {d}/a.conf\n\
             changed\n  created {d}/b.conf\n"
        ),
    );
}

#[test]
fn a_template_is_judged_by_its_instances() {
    let image = "
file usr/lib/systemd/system/t@.service
| [Service]
file usr/lib/systemd/system/t@a.service.d/90.conf
| [Service]
| NoNewPrivileges=no
";
    let rule = "[DropIn t@.service/50.conf]\nService.NoNewPrivileges=yes";
    check(
        image,
        rule,
        "failed: /usr/lib/systemd/system/t@a.service.d/90.conf:2 decides with NoNewPrivileges=no, not 50.conf, for t@a.service; \
         give the drop-in a name that sorts later, or write `Ensure=yes`\n  created /etc\n  created /etc/systemd\n  \
         created /etc/systemd/system\n  created /etc/systemd/system/t@.service.d\n  created /etc/systemd/system/t@.service.d/50.conf\n",
    );
}

#[test]
fn an_absent_unit_is_what_on_missing_says() {
    check(
        "dir ./\n",
        RULE,
        "failed: the image has no unit fleet.socket; `OnMissing=skip` or `warn` allows that\n",
    );
    check(
        "dir ./\n",
        &format!("{RULE}\nOnMissing=warn"),
        "absent\n  note the image has no unit fleet.socket\n",
    );
    check(
        FLEET,
        "[DropIn fleet.socket/a.conf]",
        "failed: it has no settings; write them as Section.Key=value\n",
    );
}

#[test]
fn a_template_without_instances_is_judged_by_one_that_may_come() {
    let image = "
dir etc/systemd/system
file usr/lib/systemd/system/t@.service
| [Service]
file usr/lib/systemd/system/t@.service.d/90.conf
| [Service]
| NoNewPrivileges=no
";
    check(
        image,
        "[DropIn t@.service/50.conf]\nService.NoNewPrivileges=yes",
        "failed: /usr/lib/systemd/system/t@.service.d/90.conf:2 decides with NoNewPrivileges=no, not 50.conf, for \
         t@casehard.service; give the drop-in a name that sorts later, or write `Ensure=yes`\n  \
         created /etc/systemd/system/t@.service.d\n  created /etc/systemd/system/t@.service.d/50.conf\n",
    );
}

#[test]
fn what_is_waived_is_not_judged() {
    check(
        &format!("{FLEET}file {PATH}\n| [Socket]\n| SocketMode=0666\n"),
        &format!("{RULE}\n[Waive DropIn:fleet.socket]\nReason=x\nExpires=2030-01-01"),
        "waived\n",
    );
}

#[test]
fn the_second_drop_in_of_an_older_recipe_is_used_again() {
    let d = "/etc/systemd/system/fleet.socket.d";
    let image =
        format!("{FLEET}dir {d}\nfile {d}/zz-10-root-only.conf\n| [Socket]\n| SocketMode=0666\n");
    check(
        &image,
        &format!("{RULE}\nEnsure=yes"),
        &format!("changed\n  created {PATH}\n  content {d}/zz-10-root-only.conf\n"),
    );
}

#[test]
fn drop_ins_of_every_name_count() {
    let usr = "usr/lib/systemd/system";
    let decides = |image: &str, unit: &str, file: &str, of: &str| {
        let why = format!(
            "failed: /{usr}/{file}:2 decides with TimeoutSec=9, not 50.conf, for {of}; give the drop-in a name that sorts \
             later, or write `Ensure=yes`\n  created /etc/systemd/system/{unit}.d\n  \
             created /etc/systemd/system/{unit}.d/50.conf\n"
        );
        let image = format!(
            "dir etc/systemd/system\n{image}file {usr}/{file}\n| [Service]\n| TimeoutSec=9\n"
        );
        check(
            &image,
            &format!("[DropIn {unit}/50.conf]\nService.TimeoutSec=1"),
            &why,
        );
    };
    let alias =
        format!("file {usr}/a.service\n| [Service]\nsymlink {usr}/b.service -> a.service\n");
    decides(&alias, "a.service", "b.service.d/90.conf", "a.service");
    decides(&alias, "b.service", "a.service.d/90.conf", "b.service");
    let template = format!(
        "file {usr}/t@.service\n| [Service]\nsymlink {usr}/u@.service -> t@.service\n\
         symlink {usr}/x.target.wants/t@i.service -> ../t@.service\n"
    );
    decides(
        &template,
        "t@.service",
        "u@i.service.d/90.conf",
        "t@i.service",
    );
    decides(
        &template,
        "u@.service",
        "t@i.service.d/90.conf",
        "u@i.service",
    );
}

#[test]
fn of_lists_what_was_asked_must_be_left_in_the_end() {
    // The unit's own line, what is asked, a line of a later drop-in, and which of those two lines decides instead.
    for (own, asked, later, winner) in [
        ("", "Environment=A=1", "Environment=B=2 \"A=2\"", 2),
        (
            "Environment=A=2",
            "Environment=A=1",
            "Environment=BA=2 B=A=2",
            0,
        ),
        ("", "ReadWritePaths=/a", "ReadWritePaths=", 2),
        ("ReadWritePaths=/b", "ReadWritePaths=/a", "", 0),
        ("ReadWritePaths=/b", "ReadWritePaths= /a", "", 0),
        ("", "ReadWritePaths= /a", "ReadWritePaths=/c", 2),
        ("SystemCallFilter=@mount", "SystemCallFilter=@timer", "", 1),
        ("SystemCallFilter=@mount", "SystemCallFilter= @timer", "", 0),
        ("", "SystemCallFilter= @timer", "SystemCallFilter=@mount", 2),
        (
            "CapabilityBoundingSet=CAP_KILL",
            "CapabilityBoundingSet=~CAP_CHOWN",
            "",
            0,
        ),
    ] {
        let (key, values) = asked.split_once('=').unwrap();
        let asked: String = values
            .split(' ')
            .map(|value| format!("\nService.{key}={value}"))
            .collect();
        let [unit, drop_in] = ["a.service", "a.service.d/90.conf"]
            .map(|name| format!("/usr/lib/systemd/system/{name}"));
        let image = format!(
            "dir etc/systemd/system\nfile {unit}\n| [Service]\n| {own}\nfile {drop_in}\n| [Service]\n| {later}\n"
        );
        let verdict = match winner {
            0 => "changed".to_owned(),
            _ => {
                let (file, text) = [(unit, own), (drop_in, later)][winner - 1].clone();
                format!(
                    "failed: {file}:2 decides with {text}, not 50.conf, for a.service; give the drop-in a name that sorts \
                     later, or write `Ensure=yes`"
                )
            }
        };
        let d = "/etc/systemd/system/a.service.d";
        check(
            &image,
            &format!("[DropIn a.service/50.conf]{asked}"),
            &format!("{verdict}\n  created {d}\n  created {d}/50.conf\n"),
        );
    }
}

#[test]
fn copies_of_etc_are_read_as_the_booted_system_reads_them() {
    let copy = "/usr/share/flatcar/etc/systemd/system";
    let image = format!(
        "{FLEET}dir etc/systemd/system\n\
         file {copy}/fleet.socket.d/50.conf\n| [Socket]\n| SocketMode=0666\n\
         file {copy}/api.service\n| [Service]\n\
         symlink {copy}/kept.service -> /dev/null\nfile usr/lib/systemd/system/kept.service\n| [Service]\n"
    )
    .replace(" /usr/share", " usr/share");
    let made = "created /etc/systemd/system";
    check(
        &image,
        &format!("{RULE}\n[Mask api.service]\n[Mask k*.service]"),
        &format!(
            "failed: {copy}/fleet.socket.d/50.conf:2 decides with SocketMode=0666, not 10-root-only.conf, for fleet.socket; \
             give the drop-in a name that sorts later, or write `Ensure=yes`\n  {made}/fleet.socket.d\n  created {PATH}\n\
             changed\n  {made}/api.service -> /dev/null\nchanged\n  {made}/kept.service -> /dev/null\n"
        ),
    );
}

#[test]
fn a_glob_stands_for_instances_that_a_link_enables() {
    let image = "dir etc/systemd/system\nfile usr/lib/systemd/system/t@.service\n| [Service]\n\
                 symlink etc/systemd/system/a.target.wants/t@x1.service -> /usr/lib/systemd/system/t@.service\n";
    for (glob, unit) in [
        ("t@x?.service", "t@x1.service"),
        ("t@*.service", "t@.service"),
    ] {
        let want = format!("changed\n  created /etc/systemd/system/{unit} -> /dev/null\n");
        check(image, &format!("[Mask {glob}]"), &want);
    }
    let made = "  created /etc/systemd/system/t@x1.service.d";
    check(
        image,
        "[DropIn t@x?.service/a.conf]\nService.User=x",
        &format!("changed\n{made}\n{made}/a.conf\n"),
    );
}
