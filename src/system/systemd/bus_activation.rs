//! What the system's message bus starts itself, without asking systemd, and so what is masked too
//! (dbus-daemon(1), dbus-daemon-launch-helper).

use std::collections::btree_map::{BTreeMap, Entry};

use bstr::{BStr, BString, ByteSlice};

use super::mask_leftovers::{ByKey, Leftover};
use super::merged::{Merged, merged};
use super::name::{expanded, kind};
use super::unit_file::words;
use super::units::{Units, base};
use crate::error::Stop;
use crate::rootfs::{Content, Files, InodeId, Node, Place, Rootfs};

/// Where the system bus looks for what it can start, but for `/run`. Which of two files for a name
/// counts differs from one version to the next, so none is taken to hide another.
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
const PROGRAMS: &str = "\
    /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin";

const SECTION: &[u8] = b"D-BUS Service";

/// A file by which the bus starts a program itself, rather than ask systemd for a unit.
pub(super) struct Activation {
    path: String,
    start: Start,
}

/// What a file of the bus starts.
#[derive(Clone)]
struct Start {
    name: String,
    words: Vec<String>,
}

/// A program by its place in the image; of one that runs others also what it runs.
type Command = (String, Vec<String>);

/// Masked services by what the bus may still start: their names on it, and their programs.
#[derive(Default)]
pub(super) struct Activated<'m> {
    names: ByKey<'m, String>,
    commands: ByKey<'m, Command>,
}

impl<'m> Activated<'m> {
    /// Adds a service that a rule masks. `merged` is the unit without its mask.
    pub(super) fn add(&mut self, files: &Files<'_>, merged: &Merged, rule: usize, unit: &'m str) {
        if let Some(name) = merged.value("Service", "BusName") {
            let name = expanded(unit, &name.to_str_lossy());
            self.names.add(name, rule, unit);
        }
        for line in merged.list("Service", "ExecStart") {
            let line = line.value.to_str_lossy();
            let line = words(line.trim_start_matches(['-', '@', ':', '+', '!', '|']));
            let line = line.iter().map(|word| expanded(unit, word)).collect();
            if let Some(command) = command(files, line) {
                self.commands.add(command, rule, unit);
            }
        }
    }

    /// Returns the files by which the bus may still start a service, each with the first of a
    /// rule's services that has its name or program.
    pub(super) fn leftovers(
        &self,
        files: &Files<'_>,
        activations: Vec<Activation>,
    ) -> Vec<(usize, Leftover)> {
        let mut found = Vec::new();
        for Activation { path, start } in activations {
            let Start { name, words } = start;
            let program = words.first().cloned().unwrap_or_default();
            let named = self.names.firsts(&name);
            let same = command(files, words).map(|command| self.commands.firsts(&command));
            let mut why: BTreeMap<usize, String> = BTreeMap::new();
            for (rule, unit) in same.into_iter().flatten() {
                why.insert(rule, format!("as {unit} did"));
            }
            for (rule, unit) in named {
                why.insert(rule, format!("which is the name of {unit}"));
            }
            found.extend(why.into_iter().map(|(rule, why)| {
                let message = format!(
                    "the bus may still start {program} itself when {name} is asked for, {why}; make it `Exec=/bin/false`"
                );
                let place = Place::new(&path, None);
                let stopped = false;
                (
                    rule,
                    Leftover {
                        place,
                        message,
                        stopped,
                    },
                )
            }));
        }
        found
    }
}

/// Returns what the bus may still start of these services once their files are gone.
pub(crate) fn left_to_bus(
    files: &Files<'_>,
    units: &Units<'_>,
    displaced: &[&str],
) -> Result<Vec<Leftover>, Stop> {
    let mut activated = Activated::default();
    if displaced.is_empty() {
        return Ok(Vec::new());
    }
    for unit in displaced.iter().filter(|unit| kind(unit) == "service") {
        let merged = readable(merged(files, units, unit, |_| false))?.unwrap_or_default();
        activated.add(files, &merged, 0, unit);
    }
    let found = activated.leftovers(files, activations(files)?);
    Ok(found.into_iter().map(|(_, leftover)| leftover).collect())
}

/// Returns a function that tells of files of the bus, by their paths, whether they still start what
/// they did.
pub(crate) fn still_start(
    rootfs: &Rootfs,
    paths: Vec<BString>,
) -> impl Fn(&Rootfs) -> Vec<bool> + use<> {
    let node =
        |rootfs: &Rootfs, path: &BString| Some(rootfs.inode(rootfs.open(path)?).node.clone());
    let was = paths.into_iter().map(|path| (node(rootfs, &path), path));
    let was: Vec<_> = was.collect();
    move |rootfs| {
        let open = |(was, path): &(Option<Node>, BString)| match node(rootfs, path) {
            Some(Node::File(Content::New(bytes))) => {
                start(&bytes).is_some_and(|start| is_called(&path.to_str_lossy(), &start))
            }
            is => is == *was,
        };
        was.iter().map(open).collect()
    }
}

/// Returns the files by which the bus starts programs itself.
pub(super) fn activations(files: &Files<'_>) -> Result<Vec<Activation>, Stop> {
    // A file may have many names.
    let mut read: BTreeMap<InodeId, Option<Start>> = BTreeMap::new();
    let mut found = Vec::new();
    for directory in files.etc_directories(&DIRECTORIES) {
        for (path, id) in files.files_in(&directory, ".service") {
            let start = match read.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let small = files.rootfs().size(id).is_some_and(|size| size <= LIMIT);
                    let text = if small {
                        readable(files.text(id))?
                    } else {
                        None
                    };
                    new.insert(text.and_then(|text| start(&text)))
                }
            };
            if let Some(start) = start.as_ref().filter(|start| is_called(&path, start)) {
                let start = start.clone();
                found.push(Activation { path, start });
            }
        }
    }
    Ok(found)
}

/// Returns whether a file has the name by which the bus looks for what it starts.
fn is_called(path: &str, start: &Start) -> bool {
    base(path).strip_suffix(".service") == Some(&start.name)
}

/// Returns what a file of the bus starts: with a program, for a user, and without a unit that
/// systemd is asked for in its place.
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

/// Returns the keys of a file of the bus, of which the first of a name counts; none where a line is
/// neither a key nor a header, since the bus leaves the whole file out then.
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

fn command(files: &Files<'_>, words: Vec<String>) -> Option<Command> {
    let rootfs = files.rootfs();
    let program = words.first().filter(|program| !program.is_empty())?;
    let last_part = program.rsplit('/').next().unwrap_or_default();
    let plain = last_part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let program = if program.contains('/') {
        program.clone()
    } else {
        let mut places = PROGRAMS
            .split(' ')
            .map(|place| format!("{place}/{program}"));
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

/// Returns what was read; nothing where a file is not readable as text.
pub(super) fn readable<T>(read: Result<T, Stop>) -> Result<Option<T>, Stop> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Stop::Failed(_)) => Ok(None),
        fatal => fatal.map(Some),
    }
}
