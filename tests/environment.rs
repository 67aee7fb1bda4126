//! `Environment`, judged by what systemd makes of the unit.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitCode};

use casehard::Recipe;

mod support;

use support::rootfs::{Files, file, harden, unpack};
use support::tools::{self, RealTest, SETPRIV, SYSTEMD};

fn main() -> ExitCode {
    tools::main(&[
        RealTest {
            name: "systemd_reads_the_variables_that_were_asked_for",
            needs: &[SYSTEMD, SETPRIV],
            run: systemd_reads_the_variables_that_were_asked_for,
        },
        RealTest {
            name: "systemd_reads_the_shipped_recipes",
            needs: &[SYSTEMD, SETPRIV],
            run: systemd_reads_the_shipped_recipes,
        },
    ])
}

fn service(lines: &str) -> Files {
    Files::from([
        file(
            "usr/lib/systemd/system/boot.target",
            "[Unit]\nDefaultDependencies=no\nWants=etcd.service locksmithd.service\n",
        ),
        file(
            "usr/lib/systemd/system/etcd.service",
            format!("[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/true\n{lines}"),
        ),
        file(
            "usr/lib/systemd/system/locksmithd.service",
            "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/true\n",
        ),
    ])
}

fn systemd_reads_the_variables_that_were_asked_for() {
    const VALUES: &[&str] = &[
        "plain",
        "two words",
        "a\"b",
        "it's",
        "back\\slash",
        "100%",
        "%n %%",
        "$HOME ${X}",
        "",
        " edges ",
        "a=b",
        "#x;y",
        "\\",
        "\\n",
        "é",
    ];
    let mut rule = String::from("[Environment etcd.service/50-a.conf]");
    for (at, value) in VALUES.iter().enumerate() {
        // A recipe has parameters of the same form.
        rule += &format!("\nSet=V{at}={}", value.replace("${", "$${"));
    }
    let files = service("Environment=V0=old OTHER=kept\nEnvironment=\"V1=old\"\n");
    let loaded = environment(&harden(&files, &rule).files, "etcd.service");
    assert_eq!(loaded["OTHER"], "kept");
    for (at, value) in VALUES.iter().enumerate() {
        // A recipe's values lose the blanks around them.
        assert_eq!(loaded[&format!("V{at}")], value.trim_end(), "{value:?}");
    }
}

fn systemd_reads_the_shipped_recipes() {
    for (name, unit) in [
        ("etcd-tls", "etcd.service"),
        ("locksmith-tls", "locksmithd.service"),
    ] {
        let recipe = Recipe::load(name).unwrap();
        let rule = recipe
            .rules()
            .iter()
            .find(|r| r.argument.starts_with(&format!("{unit}/")))
            .unwrap();
        let sets = rule.settings.iter().filter(|setting| setting.key == "Set");
        let sets: Vec<&str> = sets.map(|setting| setting.value.as_str()).collect();
        let section = format!("[{}]\nSet={}", rule.label(), sets.join("\nSet="));
        let loaded = environment(&harden(&service(""), &section).files, unit);
        let expected: BTreeMap<String, String> = sets
            .iter()
            .filter_map(|s| s.split_once('='))
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        assert_eq!(loaded, expected, "{name}");
        assert!(
            loaded.values().any(|v| v.starts_with("https://"))
                && !loaded.values().any(|v| v.contains("http://"))
        );
    }
}

/// The variables of a unit as systemd loads it.
fn environment(files: &Files, unit: &str) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(folder.path(), open).unwrap();
    unpack(files, folder.path());
    let at = |path: &str| folder.path().join(path).display().to_string();
    // systemd tests nothing as root.
    let mut command = if tools::as_root().is_ok() {
        let mut command = SETPRIV.command();
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(SYSTEMD.find().unwrap());
        command
    } else {
        Command::new(SYSTEMD.find().unwrap())
    };
    command
        .args([
            "--test",
            "--system",
            "--unit=boot.target",
            "--no-pager",
            "--log-level=err",
            "--log-target=console",
        ])
        .env(
            "SYSTEMD_UNIT_PATH",
            format!(
                "{}:{}",
                at("etc/systemd/system"),
                at("usr/lib/systemd/system")
            ),
        )
        .env("HOME", folder.path())
        .env("XDG_RUNTIME_DIR", folder.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let own = text
        .split("-> Unit ")
        .find(|part| part.starts_with(&format!("{unit}:")));
    let own = own.unwrap_or_else(|| panic!("{}{text}", String::from_utf8_lossy(&output.stderr)));
    let lines = own
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("Environment: "));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
