//! What the message bus starts although it is masked.

use crate::rules::harness::check;

const UNITS: &str = "
dir etc/systemd/system
symlink lib -> usr/lib
file usr/lib/systemd/system/a.service
| [Service]
| BusName=org.a
| ExecStart=-/usr/sbin/a --systemd
file usr/lib/systemd/system/t@.service
| [Service]
| ExecStart=/bin/sh -c t
";
const A: &str = "[Mask a.service]";
const MASKED: &str = "changed\n  created /etc/systemd/system/a.service -> /dev/null\n";

fn started(folder: &str, name: &str, program: &str, why: &str) -> String {
    format!(
        "  residual {folder}/dbus-1/system-services/{name}.service: the bus still starts {program} itself when {name} is asked for, \
         {why}; make it `Exec=/bin/false`\n"
    )
}

/// A file of the bus.
fn bus(folder: &str, name: &str, more: &str) -> String {
    let lines: String = more.lines().map(|line| format!("| {line}\n")).collect();
    format!(
        "file {folder}/dbus-1/system-services/{name}.service\n| [D-BUS Service]\n| Name={name}\n{lines}"
    )
}

#[test]
fn a_name_or_program_that_the_bus_starts_itself_is_a_residual() {
    let image = UNITS.to_owned() + &bus("usr/share", "org.a", "Exec=/x");
    let name = started(
        "/usr/share",
        "org.a",
        "/x",
        "which is the name of a.service",
    );
    check(&image, A, &format!("{MASKED}{name}"));
    let image = UNITS.to_owned() + &bus("lib", "org.b", "Exec=/sbin/../usr/sbin/a");
    let program = started("/lib", "org.b", "/sbin/../usr/sbin/a", "as a.service did");
    check(
        &format!("{image}dir sbin\n"),
        A,
        &format!("{MASKED}{program}"),
    );
    // Found again where it is masked already.
    let masked = UNITS.to_owned()
        + "symlink etc/systemd/system/a.service -> /dev/null\n"
        + &bus("usr/share", "org.a", "Exec=/x");
    check(&masked, A, &format!("already\n{name}"));
}

#[test]
fn what_asks_systemd_or_starts_nothing_is_none() {
    for more in [
        "Exec=/usr/sbin/a\nSystemdService=a.service",
        "Exec=/usr/sbin/a\nSystemdService=",
        "Exec=/bin/false",
        "User=root",
        "Exec=/usr/sbin/a\njunk",
    ] {
        check(
            &(UNITS.to_owned() + &bus("usr/share", "org.a", more)),
            A,
            MASKED,
        );
    }
    let first = bus("usr/local/share", "org.a", "Exec=/bin/false");
    let second = bus("usr/share", "org.a", "Exec=/x");
    check(&format!("{UNITS}{first}{second}"), A, MASKED);
    // What is no file of the bus hides none.
    let name = started(
        "/usr/share",
        "org.a",
        "/x",
        "which is the name of a.service",
    );
    for more in ["User=root", "Exec=/bin/false\njunk", " Exec=/bin/false"] {
        let first = bus("usr/local/share", "org.a", more);
        check(
            &format!("{UNITS}{first}{second}"),
            A,
            &format!("{MASKED}{name}"),
        );
    }
    // Not every bus reads the one in /etc.
    let first = bus("etc", "org.a", "Exec=/bin/false");
    check(
        &format!("{UNITS}{first}{second}"),
        A,
        &format!("{MASKED}{name}"),
    );
}

#[test]
fn an_interpreter_is_no_program_by_itself() {
    let made = "changed\n  created /etc/systemd/system/t@.service -> /dev/null\n";
    let other = UNITS.to_owned() + &bus("usr/share", "org.t", "Exec=/bin/sh -c other");
    check(&other, "[Mask t@.service]", made);
    let same = UNITS.to_owned() + &bus("usr/share", "org.t", "Exec=/bin/sh -c t");
    let program = started("/usr/share", "org.t", "/bin/sh", "as t@.service did");
    check(&same, "[Mask t@.service]", &format!("{made}{program}"));
}

#[test]
fn a_unit_that_gives_way_to_its_mask_is_remembered() {
    let image = UNITS.replace(
        "usr/lib/systemd/system/a.service",
        "etc/systemd/system/a.service",
    ) + &bus("usr/share", "org.a", "Exec=/x");
    let made = "changed\n  removed /etc/systemd/system/a.service\n  created /etc/systemd/system/a.service -> /dev/null\n";
    let name = started(
        "/usr/share",
        "org.a",
        "/x",
        "which is the name of a.service",
    );
    check(&image, A, &format!("{made}{name}"));
    let closing = "[WriteFile /usr/share/dbus-1/system-services/org.a.service]\nLine=[D-BUS Service]\nLine=Name=org.a\nLine=Exec=/bin/false";
    let closed = "changed\n  content /usr/share/dbus-1/system-services/org.a.service\n";
    check(
        &image,
        &format!("{A}\n{closing}"),
        &format!("{made}{closed}"),
    );
}
