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
        "  residual {folder}/dbus-1/system-services/{name}.service: the bus may still start {program} itself when {name} is asked for, \
         {why}; make it `Exec=/bin/false`\n"
    )
}

/// A file of the bus.
fn bus(folder: &str, name: &str, more: &str) -> String {
    let lines: String = more.lines().map(|line| format!("| {line}\n")).collect();
    format!(
        "file {folder}/dbus-1/system-services/{name}.service\n| [D-BUS Service]\n| Name={name}\n| User=root\n{lines}"
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
        "Exec=",
        "X=y",
        "Exec=/usr/sbin/a\njunk",
        "Exec=/usr/sbin/a\nFoo_Bar=1",
        "Exec=/usr/sbin/a\n Leading=1",
    ] {
        let image = UNITS.to_owned() + &bus("usr/share", "org.a", more);
        check(&image, A, MASKED);
    }
    // Who starts programs for the bus wants a user, and looks for a file of that name.
    let file = bus("usr/share", "org.a", "Exec=/usr/sbin/a");
    for other in [
        file.replace("| User=root\n", ""),
        file.replace("Name=org.a", "Name=org.other"),
    ] {
        check(&(UNITS.to_owned() + &other), A, MASKED);
    }
}

#[test]
fn none_hides_another() {
    // Which one counts differs between versions of the bus.
    let why = "which is the name of a.service";
    let second = bus("usr/share", "org.a", "Exec=/x");
    for folder in ["etc", "usr/local/share"] {
        let image = UNITS.to_owned() + &bus(folder, "org.a", "Exec=/bin/false") + &second;
        let told = started("/usr/share", "org.a", "/x", why);
        check(&image, A, &format!("{MASKED}{told}"));
    }
    let first = bus("usr/local/share", "org.a", "Exec=/opt/false");
    let told = started("/usr/local/share", "org.a", "/opt/false", why);
    let both = told + &started("/usr/share", "org.a", "/x", why);
    check(
        &format!("{UNITS}{first}{second}"),
        A,
        &format!("{MASKED}{both}"),
    );
}

#[test]
fn a_program_is_known_by_its_place() {
    let unit = |line: &str| {
        format!(
            "dir etc/systemd/system\nfile usr/sbin/a\nfile usr/lib/systemd/system/a.service\n| [Service]\n| {line}\n"
        )
    };
    let file = bus("usr/share", "org.b", "Exec=/usr/sbin/a");
    let told = started("/usr/share", "org.b", "/usr/sbin/a", "as a.service did");
    check(
        &(unit("ExecStart=a -x") + &file),
        A,
        &format!("{MASKED}{told}"),
    );
    let root = bus("usr/share", "org.b", "Exec=/");
    check(&(unit("ExecStart=-") + &root), A, MASKED);
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
    let other = closing.replace("/bin/false", "/y\nLine=User=daemon");
    check(
        &image,
        &format!("{A}\n{other}"),
        &format!("{made}{name}{closed}"),
    );
    check(
        &image,
        &format!("{A}\n{closing}"),
        &format!("{made}{closed}"),
    );
}
