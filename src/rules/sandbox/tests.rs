//! The rule on small images.

use crate::rules::harness::{check, content_after};

const UNIT: &str = "
file usr/lib/systemd/system/d.service
| [Service]
| ExecStart=/bin/d
| ProtectSystem=strict
| RestrictRealtime=no
| SystemCallFilter=@basic-io
dir etc/systemd/system/d.service.d
";
const PATH: &str = "/etc/systemd/system/d.service.d/50-casehard-sandbox.conf";

#[test]
fn a_level_is_written_but_for_what_the_unit_has() {
    check(
        UNIT,
        "[Sandbox d.service]",
        &format!(
            "changed\n  created {PATH}\n  note d.service keeps what it has itself of ProtectSystem\n  \
             note d.service: exposure 7.8 → 5.6\n"
        ),
    );
    let text = content_after(
        UNIT,
        "[Sandbox d.service]\nExcept=PrivateTmp\nSet=ProtectHome=tmpfs",
        PATH,
    );
    assert!(
        text.starts_with("[Service]\nNoNewPrivileges=yes\nProtectClock=yes\n"),
        "{text}"
    );
    assert!(
        text.contains("RestrictRealtime=yes\n")
            && text.ends_with("SystemCallArchitectures=native\nProtectHome=tmpfs\n"),
        "{text}"
    );
}

#[test]
fn capabilities_beside_a_filter_are_noted() {
    check(
        UNIT,
        "[Sandbox d.service]\nLevel=strict\nName=a.conf",
        "changed\n  created /etc/systemd/system/d.service.d/a.conf\n  note d.service keeps what it has itself of ProtectSystem, \
         SystemCallFilter\n  note d.service gets a capability set and a system call filter together, of which hardening guides \
         warn: try the service with both, or leave one out with `Except=`\n  note d.service: exposure 7.8 → 1.8\n",
    );
}

#[test]
fn what_undoes_it_fails_or_is_overridden() {
    let image = format!(
        "{UNIT}file usr/lib/systemd/system/service.d/90.conf\n| [Service]\n| PrivateTmp=no\n"
    );
    check(
        &image,
        "[Sandbox d.service]",
        &format!(
            "failed: /usr/lib/systemd/system/service.d/90.conf:2 decides with PrivateTmp=no, not 50-casehard-sandbox.conf, for \
             d.service; give the drop-in a name that sorts later, or write `Ensure=yes`\n  created {PATH}\n  note d.service \
             keeps what it has itself of ProtectSystem\n"
        ),
    );
    check(
        &image,
        "[Sandbox d.service]\nEnsure=yes",
        &format!(
            "changed\n  created {PATH}\n  created /etc/systemd/system/d.service.d/zz-50-casehard-sandbox.conf\n  note d.service \
             keeps what it has itself of ProtectSystem\n  note d.service: exposure 7.8 → 5.6\n"
        ),
    );
    check(
        "file usr/lib/systemd/system/d.socket\n| [Socket]\n",
        "[Sandbox d.*]",
        "failed: d.socket is not a service; only a service can be sandboxed\n",
    );
}

#[test]
fn what_cannot_be_set_is_refused() {
    type Check = fn(&str) -> Result<super::Value, super::Refusal>;
    let table: [(Check, &[&str], &[&str]); 3] = [
        (
            super::key_value,
            &["PrivateTmp=no", "CapabilityBoundingSet="],
            &["PrivateTmp", "=no", "Private Tmp=no", "[=x"],
        ),
        (
            super::of_a_level,
            &["PrivateTmp", "SystemCallFilter"],
            &["PrivateTmp=no", "User", ""],
        ),
        (
            super::conf,
            &["a.conf"],
            &["a", ".a.conf", "d/a.conf", "a\0.conf"],
        ),
    ];
    for (check, good, bad) in table {
        assert!(good.iter().all(|text| check(text).is_ok()), "{good:?}");
        assert!(bad.iter().all(|text| check(text).is_err()), "{bad:?}");
    }
}

#[test]
fn what_is_looser_than_the_level_gives_way() {
    let dropped = |lines: &str| {
        let unit = format!("file usr/lib/systemd/system/d.service\n| [Service]\n{lines}");
        content_after(&unit, "[Sandbox d.service]\nLevel=strict", PATH)
    };
    let keeps = |line: &str| {
        let key = line.split_once('=').unwrap().0;
        !dropped(&format!("| {line}\n")).contains(&format!("\n{key}="))
    };
    for tight in [
        "PrivateTmp=on",
        "ProtectSystem=strict",
        "ProtectProc=noaccess",
        "RestrictAddressFamilies=AF_UNIX",
        "CapabilityBoundingSet=",
    ] {
        assert!(keeps(tight), "{tight}");
    }
    for loose in [
        "PrivateTmp=off",
        "ProtectSystem=yes",
        "ProtectSystem=full",
        "ProtectHome=tmpfs",
        "RestrictAddressFamilies=",
    ] {
        assert!(!keeps(loose), "{loose}");
    }
}

#[test]
fn what_was_written_before_is_not_the_units_own() {
    let rule = "[Sandbox d.service]\nEnsure=yes\nName=a.conf";
    let zz = PATH.replace("50-casehard-sandbox", "zzz-a");
    let image = format!("{UNIT}file {zz}\n| [Service]\n| PrivateTmp=yes\n");
    let text = content_after(&image, rule, &PATH.replace("50-casehard-sandbox", "a"));
    assert!(text.contains("\nPrivateTmp=yes\n"), "{text}");
}

#[test]
fn without_units_or_settings_nothing_is_written() {
    check(
        UNIT,
        "[Sandbox other.service]\nOnMissing=warn",
        "absent\n  note the image has no unit other.service\n",
    );
    let done = UNIT.replace(
        "dir etc",
        "| NoNewPrivileges=yes\n| PrivateTmp=yes\n| ProtectHome=yes\n| ProtectClock=yes\n| ProtectControlGroups=yes\n\
         | ProtectHostname=yes\n| ProtectKernelLogs=yes\n| ProtectKernelModules=yes\n| ProtectKernelTunables=yes\n\
         | RestrictRealtime=yes\n| RestrictSUIDSGID=yes\n| LockPersonality=yes\n| SystemCallArchitectures=native\ndir etc",
    );
    check(
        &done,
        "[Sandbox d.service]",
        "already\n  note d.service keeps what it has itself of NoNewPrivileges, PrivateTmp, ProtectSystem, ProtectHome, \
         ProtectClock, ProtectControlGroups, ProtectHostname, ProtectKernelLogs, ProtectKernelModules, \
         ProtectKernelTunables, RestrictRealtime, RestrictSUIDSGID, LockPersonality, SystemCallArchitectures\n",
    );
}

#[test]
fn only_what_is_so_is_noted() {
    let unit = "file usr/lib/systemd/system/d.service\n| [Service]\n| ExecStart=/bin/d\ndir etc/systemd/system/d.service.d\n";
    check(
        unit,
        "[Sandbox d.service]\nLevel=strict\nExcept=SystemCallFilter",
        &format!("changed\n  created {PATH}\n  note d.service: exposure 9.6 → 3.4\n"),
    );
}
