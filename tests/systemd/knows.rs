//! What the systemd of an image knows, and what none knows.

use std::fs;
use std::path::Path;

use casehard::{Image, Recipe};

use crate::support::tools::{SYSTEMD, SYSTEMD_ANALYZE};
use crate::tree::Tree;

/// A drop-in holds only if this systemd, in the image, has the setting.
pub(crate) fn lacking() {
    let tree = Tree::new();
    let own = Path::new("/usr/lib/systemd/systemd").to_owned();
    let libraries = fs::read_dir("/usr/lib").unwrap().flatten();
    let libraries = libraries.filter_map(|entry| fs::read_dir(entry.path().join("systemd")).ok());
    let mut libraries = libraries.flatten().flatten().map(|entry| entry.path());
    let is_core = |path: &std::path::PathBuf| path.to_string_lossy().contains("libsystemd-core-");
    let program = libraries.find(is_core).unwrap_or(own);
    let place = tree.root().join(program.strip_prefix("/").unwrap());
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::copy(&program, &place).unwrap();
    let unit = "usr/lib/systemd/system/a.service";
    tree.file(unit, "[Service]\nExecStart=/bin/true\n");
    let image = Image::open(tree.root()).unwrap();
    let text = SYSTEMD.output(["--dump-configuration-items"]);
    let text = String::from_utf8_lossy(&text).into_owned();
    for (key, value) in [
        ("Service.NoNewPrivileges", "yes"),
        ("Service.PrivatePIDs", "yes"),
        ("Service.ProtectKernelLogs", "yes"),
        ("Service.SetLoginEnvironment", "no"),
        ("Service.SettingOfTomorrow", "x"),
        ("Unit.SurviveFinalKillSignal", "yes"),
        ("Unit.After", "b.service"),
        ("Install.WantedBy", "b.target"),
        ("X-Mine.Key", "x"),
        ("Service.X-Key", "x"),
    ] {
        let recipe = format!("[Recipe]\nSchema=1\n[DropIn a.service/a.conf]\n{key}={value}\n");
        let recipe = Recipe::parse("test", &recipe).unwrap();
        let plan = image.plan(&recipe).unwrap();
        let (section, name) = key.split_once('.').unwrap();
        let section = text.split("\n[").find(|part| {
            let part = part.trim_start_matches('[');
            part.starts_with(&format!("{section}]"))
        });
        let is_known = section.is_some_and(|part| part.contains(&format!("\n{name}=")));
        let is_own = key.contains("X-") || key.starts_with("Install.");
        assert_eq!(plan.failed(), !is_known && !is_own, "{key}");
    }
}

/// Words of settings are taken or refused as `systemd-analyze verify` finds them.
pub(crate) fn words() {
    let tree = Tree::new();
    let table = [
        (
            "Restart",
            "no always on-success on-failure on-abnormal on-abort on-watchdog alway onfailure",
        ),
        (
            "Type",
            "simple exec forking oneshot dbus notify idle simpel one-shot",
        ),
        ("KillMode", "control-group process mixed mixd processes"),
        ("NotifyAccess", "none all exec main mian"),
        ("DevicePolicy", "auto closed strict stric close"),
        ("KeyringMode", "inherit private shared share"),
        ("OOMPolicy", "continue stop kill kil"),
        (
            "FailureAction",
            "none reboot reboot-force poweroff exit-force rebot",
        ),
        ("UtmpMode", "init login user users"),
    ];
    let mut units = Vec::new();
    for (key, words) in table {
        for word in words.split(' ') {
            let unit = format!("u{}.service", units.len());
            let section = if key == "FailureAction" {
                "Unit"
            } else {
                "Service"
            };
            let text = format!("[Service]\nExecStart=/bin/true\n[{section}]\n{key}={word}\n");
            tree.file(&unit, &text);
            tree.file(&format!("usr/lib/systemd/system/{unit}"), "[Service]\n");
            units.push((unit, format!("{section}.{key}={word}")));
        }
    }
    let mut command = SYSTEMD_ANALYZE.command();
    command.args(["verify", "--man=no"]);
    command.args(units.iter().map(|(unit, _)| tree.root().join(unit)));
    let said = command.output().unwrap().stderr;
    let said = String::from_utf8_lossy(&said).into_owned();
    let image = Image::open(tree.root()).unwrap();
    let mut refused = 0;
    for (unit, setting) in units {
        let recipe = format!("[Recipe]\nSchema=1\n[DropIn {unit}/a.conf]\n{setting}\n");
        let recipe = Recipe::parse("test", &recipe).unwrap();
        let failed = image.plan(&recipe).unwrap().failed();
        let ignored = |line: &str| line.contains(&format!("/{unit}:")) && line.contains("ignoring");
        assert_eq!(failed, said.lines().any(ignored), "{setting}\n{said}");
        refused += usize::from(failed);
    }
    assert!(refused > 8, "{refused}");
}
