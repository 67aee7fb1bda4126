//! What the system's message bus starts itself, without asking systemd, and so what is masked too (dbus-daemon(1),
//! dbus-daemon-launch-helper).

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use bstr::{BStr, ByteSlice};

use super::merged::{Merged, merged};
use super::name::{expanded, kind};
use super::reach::Opening;
use super::unit_file::words;
use super::units::Units;
use crate::error::Stop;
use crate::rootfs::Files;
use crate::rootfs::{Content, InodeId, Node, Rootfs};

/// Where the system bus looks for what it can start, but for `/run`. Which of two files for a name counts differs from one
/// version to the next, so none is taken to hide another.
const DIRECTORIES: [&str; 4] = [
    "/etc/dbus-1/system-services",
    "/usr/local/share/dbus-1/system-services",
    "/usr/share/dbus-1/system-services",
    "/lib/dbus-1/system-services",
];

/// The bus reads no larger file.
const LIMIT: u64 = 1 << 20;

/// Programs that run what their arguments say.
const INTERPRETERS: [&str; 7] = ["sh", "bash", "dash", "busybox", "env", "perl", "python"];

/// Programs that do nothing.
const NOTHING: [&str; 2] = ["/bin/false", "/usr/bin/false"];

/// Where systemd looks for a program that is named without its directory.
const PROGRAMS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

const SECTION: &[u8] = b"D-BUS Service";

/// What a file of the bus starts.
#[derive(Clone)]
struct Start {
    name: String,
    words: Vec<String>,
}

/// A program by its place in the image; of one that runs others also what it runs.
type Command = (String, Vec<String>);

/// What the bus may still start of these services, which are masked: each file by which it does with the first of them that
/// has its name or program. `units` are those without the masks.
pub(crate) fn started_by_bus(
    files: &Files<'_>,
    units: &Units<'_>,
    masked: &BTreeSet<String>,
) -> Result<Vec<Opening>, Stop> {
    let starts = if masked.is_empty() {
        Vec::new()
    } else {
        starts(files)?
    };
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let (mut names, mut commands) = (BTreeMap::new(), BTreeMap::new());
    for unit in masked.iter().filter(|unit| kind(unit) == "service") {
        let merged = readable(merged(files, units, unit, |_| false))?.unwrap_or_default();
        if let Some(name) = last(&merged, "BusName") {
            names.entry(expanded(unit, &name)).or_insert(unit);
        }
        for line in programs(&merged) {
            let line = line.iter().map(|word| expanded(unit, word)).collect();
            if let Some(command) = command(files, line) {
                commands.entry(command).or_insert(unit);
            }
        }
    }
    let openings = starts.into_iter().filter_map(|(path, start)| {
        let Start { name, words } = start;
        let program = words.first()?.clone();
        let why = if let Some(unit) = names.get(&name) {
            format!("which is the name of {unit}")
        } else {
            let unit = commands.get(&command(files, words)?)?;
            format!("as {unit} did")
        };
        let message = format!(
            "the bus may still start {program} itself when {name} is asked for, {why}; make it `Exec=/bin/false`"
        );
        Some(Opening { path, line: None, message })
    });
    Ok(openings.collect())
}

/// What says of files of the bus, by their paths, whether they still start what they did.
pub(crate) fn still_start(
    rootfs: &Rootfs,
    paths: Vec<String>,
) -> impl Fn(&Rootfs) -> Vec<bool> + use<> {
    let node = |rootfs: &Rootfs, path: &str| Some(rootfs.inode(rootfs.open(path)?).node.clone());
    let was = paths.into_iter().map(|path| (node(rootfs, &path), path));
    let was: Vec<_> = was.collect();
    move |rootfs| {
        let open = |(was, path): &(Option<Node>, String)| match node(rootfs, path) {
            Some(Node::File(Content::New(bytes))) => starts_something(path, &bytes),
            is => is == *was,
        };
        was.iter().map(open).collect()
    }
}

fn starts_something(path: &str, text: &[u8]) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    start(text).is_some_and(|start| is_called(file, &start))
}

/// The files by which the bus starts a program itself, rather than ask systemd for a unit.
fn starts(files: &Files<'_>) -> Result<Vec<(String, Start)>, Stop> {
    let rootfs = files.rootfs();
    // A file may have many names.
    let mut read: BTreeMap<InodeId, Option<Start>> = BTreeMap::new();
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        let directory_id = rootfs.open(directory);
        let children = directory_id.into_iter().flat_map(|id| rootfs.children(id));
        for (file, _) in children {
            let Some(file) = file.to_str().ok().filter(|file| file.ends_with(".service")) else {
                continue;
            };
            let path = format!("{directory}/{file}");
            let Some(id) = rootfs.open(&path) else {
                continue;
            };
            if rootfs.size(id).is_none_or(|size| size > LIMIT) {
                continue;
            }
            let start = match read.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let text = readable(files.text(id))?;
                    new.insert(text.and_then(|text| start(&text)))
                }
            };
            if let Some(start) = start.as_ref().filter(|start| is_called(file, start)) {
                found.push((path, start.clone()));
            }
        }
    }
    Ok(found)
}

/// Whether a file is called as what starts programs for the bus looks for it.
fn is_called(file: &str, start: &Start) -> bool {
    file.strip_suffix(".service") == Some(&start.name)
}

/// What a file of the bus starts: with a program, for a user, and without a unit that systemd is asked for in its place.
fn start(text: &[u8]) -> Option<Start> {
    let keys = keys(text.to_str().ok()?.as_bytes())?;
    let value = |key: &str| keys.get(key.as_bytes().as_bstr())?.to_str().ok();
    let command = words(value("Exec")?);
    let starts = value("User").is_some()
        && !keys.contains_key(b"SystemdService".as_bstr())
        && !NOTHING.contains(&command.first()?.as_str());
    starts.then_some(Start {
        name: value("Name")?.to_owned(),
        words: command,
    })
}

/// The keys of a file of the bus, of which the first of a name counts; none where a line is neither a key nor a header, since
/// the bus leaves the whole file out then.
fn keys(text: &[u8]) -> Option<BTreeMap<&BStr, &BStr>> {
    let mut keys = BTreeMap::new();
    // Whether the lines belong to the first section of ours; none before any header.
    let (mut ours, mut seen) = (None, false);
    for line in text.split(|byte| matches!(byte, b'\n' | b'\r')) {
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
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        if !key.trim_end().iter().all(legal) {
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

fn command(files: &Files<'_>, words: Vec<String>) -> Option<Command> {
    let rootfs = files.rootfs();
    let program = words.first().filter(|program| !program.is_empty())?;
    let last_part = program.rsplit('/').next().unwrap_or_default();
    let plain = last_part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let program = if program.contains('/') {
        program.clone()
    } else {
        let mut places = PROGRAMS.iter().map(|place| format!("{place}/{program}"));
        places.find(|place| rootfs.open(place).is_some())?
    };
    let runs_others = INTERPRETERS.contains(&plain);
    let place = match rootfs.locate(program.as_bytes()) {
        Ok(place) => rootfs.location_path(&place).to_string(),
        Err(_) => program,
    };
    let arguments = words.into_iter().skip(1).filter(|_| runs_others).collect();
    Some((place, arguments))
}

/// What cannot be read says nothing.
fn readable<T>(read: Result<T, Stop>) -> Result<Option<T>, Stop> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Stop::Failed(_)) => Ok(None),
        fatal => fatal.map(Some),
    }
}
