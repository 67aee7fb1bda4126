//! systemd's own reading of a tree: `systemd --test` loads every unit that a target wants and prints what it has.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::tools::{SETPRIV, SYSTEMD};

/// What systemd prints of a unit, by key.
pub(crate) type Loaded = BTreeMap<String, Vec<String>>;

/// Loads `boot.target` and what it wants from a tree.
pub(crate) fn load(root: &Path) -> BTreeMap<String, Loaded> {
    let home = tempfile::tempdir().expect("a temporary folder");
    let all = fs::Permissions::from_mode(0o777);
    fs::set_permissions(home.path(), all).expect("the folder is ours");
    let path: Vec<String> = [
        "etc/systemd/system.control",
        "etc/systemd/system",
        "etc/systemd/system.attached",
        "usr/local/lib/systemd/system",
        "usr/lib/systemd/system",
    ]
    .iter()
    .map(|directory| root.join(directory).display().to_string())
    .collect();
    let mut command = command();
    command
        .args(["--test", "--system", "--unit=boot.target", "--no-pager"])
        .args(["--log-level=err", "--log-target=console"])
        .env("SYSTEMD_UNIT_PATH", path.join(":"))
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .env("LC_ALL", "C.UTF-8");
    let output = command.output().expect("systemd runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let units = parse(&text);
    assert!(
        units.contains_key("boot.target"),
        "systemd printed no units: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    units
}

/// systemd tests nothing as root.
fn command() -> Command {
    let systemd = SYSTEMD.find().expect("the test asked for it");
    let root = fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if !root {
        return Command::new(systemd);
    }
    let mut command = Command::new(SETPRIV.find().expect("the test asked for it"));
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(systemd);
    command
}

fn parse(text: &str) -> BTreeMap<String, Loaded> {
    let mut units = BTreeMap::new();
    let mut at: Option<(String, Loaded)> = None;
    for line in text.lines() {
        if let Some(unit) = line.trim_start().strip_prefix("-> Unit ") {
            units.extend(at.take());
            at = Some((unit.trim_end_matches(':').to_owned(), Loaded::new()));
        } else if let (Some((_, loaded)), Some((key, value))) =
            (&mut at, line.trim().split_once(':'))
        {
            loaded
                .entry(key.to_owned())
                .or_default()
                .push(value.strip_prefix(' ').unwrap_or(value).to_owned());
        }
    }
    units.extend(at);
    units
}
