//! What the message bus starts itself, without asking systemd, and so what is masked too (dbus-daemon(1)).

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, ByteSlice};

use super::merged::{Merged, merged};
use super::name::{expanded, kind};
use super::reach::Opening;
use super::unit_file::words;
use super::units::Units;
use crate::edit::{Draft, Stop};

/// Where the system bus looks for what it can start, but for `/run`; the first file for a name counts.
const DIRECTORIES: [&str; 4] = [
    NEWER,
    "/usr/local/share/dbus-1/system-services",
    "/usr/share/dbus-1/system-services",
    "/lib/dbus-1/system-services",
];

/// Only newer versions of the bus look here, so that a file here may start something but hides nothing for certain.
const NEWER: &str = "/etc/dbus-1/system-services";

/// Programs that run what their arguments say.
const INTERPRETERS: [&str; 7] = ["sh", "bash", "dash", "busybox", "env", "perl", "python"];

const SECTION: &[u8] = b"D-BUS Service";

/// A file by which the bus starts a program.
struct Start {
    path: String,
    name: String,
    program: String,
    command: Command,
}

/// A program by its place in the image; of one that runs others also what it runs.
type Command = (String, Vec<String>);

/// What the bus still starts of these services, which are masked: each file by which it does with the first of them that
/// has its name or program. `units` are those without the masks.
pub(crate) fn started_by_bus(
    draft: &Draft<'_>,
    units: &Units<'_>,
    masked: &BTreeSet<String>,
) -> Result<Vec<Opening>, Stop> {
    let starts = starts(draft)?;
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let (mut names, mut commands) = (BTreeMap::new(), BTreeMap::new());
    for unit in masked.iter().filter(|unit| kind(unit) == "service") {
        let merged = readable(merged(draft, units, unit, |_| false))?.unwrap_or_default();
        if let Some(name) = last(&merged, "BusName") {
            names.entry(expanded(unit, &name)).or_insert(unit);
        }
        for words in programs(&merged) {
            let words = words.iter().map(|word| expanded(unit, word)).collect();
            commands.entry(command(draft, words)).or_insert(unit);
        }
    }
    let openings = starts.into_iter().filter_map(|start| {
        let Start { path, name, program, .. } = start;
        let message = if let Some(unit) = names.get(&name) {
            format!("the bus still starts {program} itself when {name} is asked for, which is the name of {unit}; make it `Exec=/bin/false`")
        } else {
            let unit = commands.get(&start.command)?;
            format!("the bus still starts {program} itself when {name} is asked for, as {unit} did; make it `Exec=/bin/false`")
        };
        Some(Opening { path, line: None, message })
    });
    Ok(openings.collect())
}

/// The files by which the bus starts a program itself, rather than ask systemd for a unit.
fn starts(draft: &Draft<'_>) -> Result<Vec<Start>, Stop> {
    let rootfs = draft.rootfs();
    let (mut found, mut hidden) = (Vec::new(), BTreeSet::new());
    for directory in DIRECTORIES {
        let mut here = BTreeSet::new();
        let children = rootfs
            .open(directory)
            .into_iter()
            .flat_map(|id| rootfs.children(id));
        for (file, _) in children {
            let Some(file) = file.to_str().ok().filter(|file| file.ends_with(".service")) else {
                continue;
            };
            let path = format!("{directory}/{file}");
            let text = readable(draft.read_path(&path))?
                .flatten()
                .unwrap_or_default();
            let Some(keys) = keys(&text) else { continue };
            let value = |key: &str| keys.get(key.as_bytes().as_bstr())?.to_str().ok();
            let words = words(value("Exec").unwrap_or_default());
            // Without a good name and a program it is no file of the bus, and hides none.
            let name = value("Name").filter(|name| !name.contains(char::is_whitespace));
            let (Some(name), Some(program)) = (name, words.first().cloned()) else {
                continue;
            };
            here.insert(name.to_owned());
            let asks = keys.contains_key(b"SystemdService".as_bstr());
            if asks || hidden.contains(name) || program.ends_with("/false") {
                continue;
            }
            found.push(Start {
                path,
                name: name.to_owned(),
                program,
                command: command(draft, words),
            });
        }
        if directory != NEWER {
            hidden.extend(here);
        }
    }
    Ok(found)
}

/// The keys of a file of the bus, of which the first of a name counts; none where a line is neither a key nor a header, since
/// the bus leaves the whole file out then.
fn keys(text: &[u8]) -> Option<BTreeMap<&BStr, &BStr>> {
    let mut keys = BTreeMap::new();
    // Whether the lines belong to the first section of ours; none before any header.
    let (mut ours, mut seen) = (None, false);
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with(b"#") {
            continue;
        }
        if let Some(header) = line.strip_prefix(b"[") {
            let is_ours = header.strip_suffix(b"]")? == SECTION;
            ours = Some(is_ours && !seen);
            seen |= is_ours;
            continue;
        }
        let (key, value) = line.split_once_str("=")?;
        if line[0].is_ascii_whitespace() {
            return None;
        }
        if ours? {
            let value = value.trim_start().as_bstr();
            keys.entry(key.trim_end().as_bstr()).or_insert(value);
        }
    }
    Some(keys)
}

/// The last value of a setting of a service.
fn last(unit: &Merged, key: &str) -> Option<String> {
    let value = unit
        .section("Service")
        .filter(|found| found.key == key)
        .last()?;
    Some(value.value.to_str_lossy().into_owned())
}

/// The command lines of a service, without what tells systemd how to run them.
fn programs(unit: &Merged) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in unit
        .section("Service")
        .filter(|found| found.key == "ExecStart")
    {
        if line.value.is_empty() {
            found.clear();
        } else {
            let line = line.value.to_str_lossy();
            found.push(words(
                line.trim_start_matches(['-', '@', ':', '+', '!', '|']),
            ));
        }
    }
    found
}

fn command(draft: &Draft<'_>, words: Vec<String>) -> Command {
    let program = words.first().cloned().unwrap_or_default();
    let last = program.rsplit('/').next().unwrap_or_default();
    let runs_others =
        INTERPRETERS.contains(&last.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'));
    let arguments = words.into_iter().skip(1).filter(|_| runs_others).collect();
    let place = match draft.rootfs().locate(program.as_bytes()) {
        Ok(place) => draft.rootfs().location_path(&place).to_string(),
        Err(_) => program,
    };
    (place, arguments)
}

/// What cannot be read says nothing.
fn readable<T>(read: Result<T, Stop>) -> Result<Option<T>, Stop> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Stop::Failed(_)) => Ok(None),
        fatal => fatal.map(Some),
    }
}
