//! What cloud-init and Kairos are asked to write: `write_files`, commands, and settings that each
//! stand for a file.

use std::borrow::Cow;

use bstr::ByteSlice;
use saphyr_parser::{Event, Parser};

use super::{BootWrite, BootWrites, LIMIT, quoted};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};
use crate::system::boot::script::How;

/// The deepest nesting that is read. Real configuration has about five levels.
const DEPTH: usize = 64;

const FIRST: &str = "when the system first boots";

/// Keys at the top of cloud-init's configuration, and the files that each has it write.
const SETTINGS: [(&str, &[&str]); 5] = [
    (
        "locale",
        &["/etc/default/locale", "/etc/locale.conf", "/etc/locale.gen"],
    ),
    ("manage_etc_hosts", &["/etc/hosts"]),
    ("manage_resolv_conf", &["/etc/resolv.conf"]),
    (
        "ntp",
        &[
            "/etc/chrony.conf",
            "/etc/chrony/chrony.conf",
            "/etc/ntp.conf",
            "/etc/ntpsec/ntp.conf",
            "/etc/openntpd/ntpd.conf",
            "/etc/systemd/timesyncd.conf.d/cloud-init.conf",
        ],
    ),
    ("timezone", &["/etc/localtime", "/etc/timezone"]),
];

/// Returns the files of cloud-init's configuration, in the order in which it reads them, and those that
/// stand in for what a cloud hands over. None if it is turned off.
pub(crate) fn cloud_init_files(files: &Files<'_>) -> Vec<(String, InodeId)> {
    if !files.etc("/etc/cloud/cloud-init.disabled").is_empty() {
        return Vec::new();
    }
    let mut found = files.etc("/etc/cloud/cloud.cfg");
    found.extend(files.etc_files_in("/etc/cloud/cloud.cfg.d", ".cfg"));
    for seed in files.directories_in("/var/lib/cloud/seed") {
        for name in ["vendor-data", "vendor-data2", "user-data"] {
            found.extend(files.file(&format!("{seed}/{name}")));
        }
    }
    // As the images of Raspberry Pi OS and Ubuntu have it on the boot partition.
    for path in [
        "/boot/user-data",
        "/boot/firmware/user-data",
        "/usr/share/oem/cloud-config.yml",
    ] {
        found.extend(files.file(path));
    }
    found
}

/// Returns the files that Kairos and Elemental read, which have cloud-init's syntax in part.
pub(crate) fn kairos_files(files: &Files<'_>) -> Vec<(String, InodeId)> {
    let mut found = Vec::new();
    for directory in ["/system/oem", "/oem", "/usr/local/cloud-config"] {
        let mut all = files.directories_in(directory);
        all.insert(0, directory.to_owned());
        for directory in all {
            for suffix in [".yaml", ".yml"] {
                found.extend(files.files_in(&directory, suffix));
            }
        }
    }
    found
}

pub(super) fn add(files: &Files<'_>, found: &mut BootWrites) -> Result<(), Stop> {
    for (path, id) in cloud_init_files(files) {
        if let Some(text) = files.text_up_to(LIMIT, id)? {
            add_file(&path, &text.to_str_lossy(), "cloud-init", found);
        }
    }
    for (path, id) in kairos_files(files) {
        if let Some(text) = files.text_up_to(LIMIT, id)? {
            add_file(&path, &text.to_str_lossy(), "Kairos", found);
        }
    }
    Ok(())
}

fn add_file(path: &str, text: &str, who: &'static str, found: &mut BootWrites) {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("#!") {
        return found.add_commands(path, text, None, who, FIRST);
    }
    if first.starts_with("Content-Type:") || first.starts_with("MIME-Version:") {
        let why = "casehard does not read cloud-init's data in several parts, so what it writes is not known";
        return found.unread.push((Place::new(path, 1), why));
    }
    // The words of a command that is a list, and where that begins.
    let mut command: (usize, Vec<String>) = (0, Vec::new());
    let failed = visit(text, |seen| match seen {
        Seen::Value(keys, value, line) => match keys {
            ["write_files", "#", "path"] | ["stages", _, "#", "files", "#", "path"] => {
                found.writes.push(BootWrite {
                    place: Place::new(path, line),
                    path: value.to_owned(),
                    how: How::Writes,
                    who,
                    when: FIRST,
                });
            }
            ["runcmd" | "bootcmd", "#"] | ["stages", _, "#", "commands", "#"] => {
                found.add_commands(path, value, Some(line), who, FIRST);
            }
            ["runcmd" | "bootcmd", "#", "#"] => {
                if command.1.is_empty() {
                    command.0 = line;
                }
                command.1.push(quoted(value));
            }
            _ => {}
        },
        Seen::Key(key, value, line) => {
            let off =
                value.is_some_and(|value| ["false", "no", "off", "null", "~"].contains(&value));
            let setting = SETTINGS.iter().find(|(known, _)| *known == key && !off);
            for target in setting.into_iter().flat_map(|(_, paths)| *paths) {
                found.writes.push(BootWrite {
                    place: Place::new(path, line),
                    path: (*target).to_owned(),
                    how: How::Writes,
                    who,
                    when: FIRST,
                });
            }
        }
        Seen::End => {
            let (line, words) = std::mem::take(&mut command);
            if !words.is_empty() {
                found.add_commands(path, &words.join(" "), Some(line), who, FIRST);
            }
        }
    });
    if let Some(line) = failed {
        let why = "cannot be read as YAML from here on, so what is written at the first boot is not known";
        found.unread.push((Place::new(path, line), why));
    }
}

/// What is found in a YAML file.
enum Seen<'a> {
    /// A scalar, with the keys that lead to it: `#` for an item of a list.
    Value(&'a [&'a str], &'a str, usize),
    /// A key at the top, with its value if that is a scalar.
    Key(&'a str, Option<&'a str>, usize),
    /// The end of a list or mapping.
    End,
}

/// A list or mapping that is being read.
struct Level<'t> {
    is_list: bool,
    /// The key of a mapping whose value is awaited.
    key: Option<Cow<'t, str>>,
}

/// Reads a YAML file event by event, never as a tree. Returns the line from which on it cannot be
/// read, if so.
fn visit(text: &str, mut see: impl FnMut(Seen<'_>)) -> Option<usize> {
    let mut open: Vec<Level<'_>> = Vec::new();
    for next in Parser::new_from_str(text) {
        let (event, line) = match next {
            Ok((event, span)) => (event, span.start.line()),
            Err(error) => return Some(error.marker().line()),
        };
        let value = match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                if open.len() == DEPTH {
                    return Some(line);
                }
                if let [top] = open.as_slice()
                    && let Some(key) = &top.key
                {
                    see(Seen::Key(key, None, line));
                }
                open.push(Level {
                    is_list: matches!(event, Event::SequenceStart(..)),
                    key: None,
                });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                see(Seen::End);
                None
            }
            Event::Scalar(text, ..) => Some(text),
            Event::Alias(_) => Some("".into()),
            _ => continue,
        };
        let depth = open.len();
        let Some(around) = open.last_mut() else {
            continue;
        };
        if !around.is_list && around.key.is_none() {
            // A key that is a list or mapping leads to nothing that counts.
            around.key = Some(value.unwrap_or_default());
            continue;
        }
        if let Some(value) = &value {
            if depth == 1
                && let Some(key) = open.last().and_then(|top| top.key.as_deref())
            {
                see(Seen::Key(key, Some(value), line));
            }
            let keys = open.iter().map(|level| match level.is_list {
                true => "#",
                false => level.key.as_deref().unwrap_or_default(),
            });
            see(Seen::Value(&Vec::from_iter(keys), value, line));
        }
        if let Some(around) = open.last_mut() {
            around.key = None;
        }
    }
    None
}
