//! Settings and values that are slips.

use super::FLEET;
use crate::rules::drop_in::slip;
use crate::rules::harness::check;

#[test]
fn what_no_known_systemd_has_is_a_warning_unless_meant_for_others() {
    let rule = "[DropIn fleet.socket/a.conf]\nSocket.Quux=1\nSocket.X-Mine=1\nX-Mine.Key=1";
    let d = "/etc/systemd/system/fleet.socket.d";
    check(
        &format!("{FLEET}file etc/systemd/system/socket.d/b.conf\n| [X-Mine]\n| Key=2\n"),
        rule,
        &format!(
            "changed\n  created {d}\n  created {d}/a.conf\n  note casehard knows no setting Socket.Quux of systemd; \
             a version older than 259 passes over it\n"
        ),
    );
}

#[test]
fn a_setting_that_systemd_would_not_read_is_refused_with_the_nearest() {
    let said = |section: &str, key: &str| {
        slip(section, key).map(|slip| match slip.help {
            Some(help) => format!("{} ({help})", slip.message),
            None => slip.message,
        })
    };
    for (section, key, want) in [
        (
            "Service",
            "NoNewPriviledges",
            "systemd has no setting Service.NoNewPriviledges (did you mean `Service.NoNewPrivileges`?)",
        ),
        (
            "Socket",
            "socketmode",
            "systemd has no setting Socket.socketmode (did you mean `Socket.SocketMode`?)",
        ),
        (
            "Unit",
            "NoNewPrivileges",
            "systemd reads NoNewPrivileges in [Mount], [Service], [Socket], [Swap], not in [Unit] (write \
             `Service.NoNewPrivileges`)",
        ),
        (
            "Service",
            "After",
            "systemd reads After in [Unit], not in [Service] (write `Unit.After`)",
        ),
        (
            "Sevice",
            "User",
            "systemd reads no section [Sevice] of a unit (did you mean `Service.User`?)",
        ),
        (
            "Container",
            "Image",
            "systemd reads no section [Container] of a unit",
        ),
    ] {
        assert_eq!(said(section, key).as_deref(), Some(want));
    }
    for (section, key) in [
        ("Service", "PrivatePIDs"),
        ("Slice", "MemoryMax"),
        ("Install", "WantedBy"),
        ("Service", "SomethingOfALaterVersion"),
        ("X-Mine", "Key"),
        ("Service", "X-Key"),
    ] {
        assert_eq!(said(section, key), None, "{section}.{key}");
    }
}

#[test]
fn a_word_near_one_that_the_setting_takes_fails() {
    let image = "dir etc/systemd/system\nfile usr/lib/systemd/system/a.service\n| [Service]\n";
    let d = "/etc/systemd/system/a.service.d";
    let rule = |value: &str| format!("[DropIn a.service/a.conf]\nService.Restart={value}");
    check(
        image,
        &rule("alway"),
        "failed: systemd ignores the value of Service.Restart: did you mean `always`?\n",
    );
    check(
        image,
        &rule("tomorrow"),
        &format!(
            "changed\n  created {d}\n  created {d}/a.conf\n  note casehard does not know the value tomorrow of Service.Restart, which \
             takes one of no, always, on-success, on-failure, on-abnormal, on-abort, on-watchdog\n"
        ),
    );
    check(
        image,
        &rule("on-abort"),
        &format!("changed\n  created {d}\n  created {d}/a.conf\n"),
    );
}
