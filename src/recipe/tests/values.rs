//! What values may be.

use super::super::value::{self, Check};

#[track_caller]
fn check(check: Check, good: &[&str], bad: &[(&str, &str)]) {
    for value in good {
        assert!(check.read(value).is_ok(), "{value}");
    }
    for (value, expected) in bad {
        let refusal = check.read(value).expect_err(value);
        let text = match refusal.help {
            Some(help) => format!("{} (help: {help})", refusal.message),
            None => refusal.message,
        };
        assert_eq!(text, *expected, "{value}");
    }
}

#[test]
fn modes_are_octal() {
    let help = "(help: write it in octal, such as 0644; the highest is 07777)";
    check(
        Check::Is(value::mode),
        &["0644", "644", "07777", "7777", "000"],
        &[
            ("0888", &format!("`0888` is not a mode {help}")),
            ("17777", &format!("`17777` is not a mode {help}")),
            ("u+x", &format!("`u+x` is not a mode {help}")),
            ("+644", &format!("`+644` is not a mode {help}")),
            ("7", &format!("`7` is not a mode {help}")),
        ],
    );
}

#[test]
fn paths_start_at_the_root_and_have_no_turns() {
    check(
        Check::Is(value::absolute_path),
        &["/etc", "/etc/a b", "/etc/..x", "/x[", "/é"],
        &[
            (
                "etc/passwd",
                "`etc/passwd` does not start at the root (help: write `/etc/passwd`)",
            ),
            (
                "/",
                "`/` is the whole image (help: name a file or directory in it)",
            ),
            (
                "/etc/",
                "`/etc/` has a superfluous `/` (help: write one `/` between names and none at the end)",
            ),
            (
                "/a/../b",
                "`/a/../b` contains `..` (help: write the path that it leads to)",
            ),
            (
                "/./b",
                "`/./b` contains `.` (help: write the path that it leads to)",
            ),
            ("/a\0b", "a path cannot contain NUL"),
        ],
    );
}

#[test]
fn globs_are_checked() {
    check(
        Check::Is(value::path_or_glob),
        &["/usr/bin/su", "/usr/{bin,sbin}/s[uv]*", "/usr/**/x?"],
        &[
            (
                "/usr/[a",
                "`/usr/[a` is not a glob: unclosed character class; missing ']' \
                 (help: a `\\` before a special character takes it as it stands)",
            ),
            (
                "*.so",
                "`*.so` does not start at the root (help: write `/*.so`)",
            ),
        ],
    );
}

#[test]
fn units_have_a_known_suffix() {
    check(
        Check::Is(value::unit),
        &[
            "sshd.socket",
            "getty@.service",
            "getty@tty1.service",
            "sshd*.service",
            "docker.*",
            "systemd-[a-z]*.timer",
            "dev-disk-by\\x2dlabel-x.device",
            "-.mount",
        ],
        &[
            (
                "sshd",
                "`sshd` is not a unit's name: it has no suffix (help: did you mean `sshd.service`?)",
            ),
            (
                "sshd.sevice",
                "`sshd.sevice` is not a unit's name: units do not end in `.sevice` \
                 (help: did you mean `service`?)",
            ),
            (
                "a.service b.service",
                "`a.service b.service` is not a unit's name: it contains a blank \
                 (help: give each unit a section of its own; a blank in a name is written `\\x20`)",
            ),
            (
                "a/b.service",
                "`a/b.service` is not a unit's name: it contains `/`",
            ),
            (
                ".service",
                "`.service` is not a unit's name: no name before `.service`",
            ),
            (
                "@.service",
                "`@.service` is not a unit's name: no name before `@.service`",
            ),
            (
                "a@b@c.service",
                "`a@b@c.service` is not a unit's name: it contains more than one `@`",
            ),
            (
                &format!("{}.service", "a".repeat(250)),
                &format!(
                    "`{}…` is not a unit's name: it is longer than 255 bytes",
                    "a".repeat(80)
                ),
            ),
        ],
    );
}

#[test]
fn drop_ins_name_unit_and_file() {
    let help = "(help: write it as UNIT/NAME.conf, such as `fleet.socket/10-root-only.conf`)";
    check(
        Check::Is(value::drop_in),
        &["fleet.socket/10-root-only.conf", "getty@.service/x.conf"],
        &[
            (
                "fleet.socket",
                &format!(
                    "`fleet.socket` is not a drop-in: it needs a unit, a `/` and a file's name {help}"
                ),
            ),
            (
                "a.socket/b/c.conf",
                &format!("`a.socket/b/c.conf` is not a drop-in: it has a superfluous `/` {help}"),
            ),
            (
                "a.socket/x.cfg",
                &format!(
                    "`a.socket/x.cfg` is not a drop-in: the file's name does not end in `.conf` {help}"
                ),
            ),
            (
                "a.socket/.conf",
                &format!(
                    "`a.socket/.conf` is not a drop-in: the file has no name before `.conf` {help}"
                ),
            ),
            (
                "a.socket/.x.conf",
                &format!(
                    "`a.socket/.x.conf` is not a drop-in: systemd ignores hidden files {help}"
                ),
            ),
            (
                "a/x.conf",
                "`a` is not a unit's name: it has no suffix (help: did you mean `a.service`?)",
            ),
        ],
    );
}

#[test]
fn account_names_are_what_shadow_accepts() {
    check(
        Check::Is(value::account_name),
        &[
            "root",
            "systemd-network",
            "_apt",
            "www.data",
            "host$",
            "Core",
        ],
        &[
            (
                "0",
                "`0` is not a name of a user or group: it has no letter",
            ),
            (
                "-x",
                "`-x` is not a name of a user or group: it starts with a `-` or a `.`",
            ),
            (
                "a:b",
                "`a:b` is not a name of a user or group: it contains `:`",
            ),
            (
                "abcdefghijklmnopqrstuvwxyz1234567",
                "`abcdefghijklmnopqrstuvwxyz1234567` is not a name of a user or group: it is longer than 32 bytes",
            ),
        ],
    );
}

#[test]
fn dates_have_one_form() {
    let help = "(help: write the day as YYYY-MM-DD, such as 2026-12-31)";
    check(
        Check::Is(value::date),
        &["2026-12-31", "2028-02-29"],
        &[
            ("20261231", &format!("`20261231` is not a date {help}")),
            (
                "2026-12-31T00:00",
                &format!("`2026-12-31T00:00` is not a date {help}"),
            ),
            ("2026-02-30", "`2026-02-30` is not a day in the calendar"),
        ],
    );
}

#[test]
fn one_of_shows_the_nearest() {
    check(
        Check::OneOf(&["strip", "keep"]),
        &["strip"],
        &[
            (
                "stripe",
                "`stripe` is not a value of this key (help: did you mean `strip`? it is one of `strip`, `keep`)",
            ),
            (
                "off",
                "`off` is not a value of this key (help: it is one of `strip`, `keep`)",
            ),
        ],
    );
}

#[test]
fn only_services_are_taken_where_processes_matter() {
    let help = "(help: name the service; its other units have no processes of their own)";
    check(
        Check::Is(value::service),
        &["a.service", "a@.service", "a.*"],
        &[
            ("a.socket", &format!("`a.socket` is not a service {help}")),
            ("a*.socket", &format!("`a*.socket` is not a service {help}")),
        ],
    );
}
