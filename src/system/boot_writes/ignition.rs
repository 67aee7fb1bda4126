//! What Ignition is asked to write: files, links and units.

use bstr::ByteSlice;
use serde_json::Value;

use super::{BootWrite, BootWrites, LIMIT};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};
use crate::system::boot::script::How;

const UNITS: &str = "/etc/systemd/system";

/// Returns the configurations that the image gives Ignition.
pub(crate) fn ignition_files(files: &Files<'_>) -> Vec<(String, InodeId)> {
    let mut directories = vec!["/usr/lib/ignition".to_owned(), "/boot/ignition".to_owned()];
    for _ in 0..2 {
        let below = directories.iter().flat_map(|dir| files.directories_in(dir));
        let below: Vec<String> = below.filter(|dir| !directories.contains(dir)).collect();
        directories.extend(below);
    }
    directories.push("/etc/ignition".to_owned());
    // What an initramfs takes along.
    directories.extend(files.directories_in("/usr/lib/dracut/modules.d"));
    let found = directories
        .iter()
        .map(|dir| files.etc_files_in(dir, ".ign"));
    found.flatten().collect()
}

pub(super) fn add(files: &Files<'_>, found: &mut BootWrites) -> Result<(), Stop> {
    for (path, id) in ignition_files(files) {
        let Some(text) = files.text_up_to(LIMIT, id)? else {
            continue;
        };
        match serde_json::from_slice(&text) {
            Ok(config) => add_config(&path, &text, &config, found),
            Err(error) => {
                let why =
                    "cannot be read as JSON from here on, so what Ignition writes is not known";
                found.unread.push((Place::new(&path, error.line()), why));
            }
        }
    }
    Ok(())
}

fn add_config(path: &str, text: &[u8], config: &Value, found: &mut BootWrites) {
    let mut add = |named: &str, target: String, how: How| {
        let line = text.lines().position(|line| line.contains_str(named));
        found.writes.push(BootWrite {
            place: Place::new(path, line.map(|at| at + 1)),
            path: target,
            how,
            who: "Ignition",
            when: "when the system first boots",
        });
    };
    for kind in ["files", "links", "directories"] {
        for item in items(&config["storage"][kind]) {
            if let Some(target) = item["path"].as_str() {
                add(target, target.to_owned(), How::Writes);
            }
        }
    }
    for unit in items(&config["systemd"]["units"]) {
        let Some(name) = unit["name"].as_str() else {
            continue;
        };
        if unit["contents"].is_string() {
            add(name, format!("{UNITS}/{name}"), How::Writes);
        }
        if unit["mask"] == Value::Bool(false) {
            add(name, name.to_owned(), How::Unmasks);
        }
        for drop_in in items(&unit["dropins"]) {
            if let Some(file) = drop_in["name"].as_str() {
                add(file, format!("{UNITS}/{name}.d/{file}"), How::Writes);
            }
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
