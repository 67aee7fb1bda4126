//! What starts programs where systemd does not: the places of other init systems and super-servers,
//! each with what its own tool would do to take the start back.
//!
//! **Invariant.** A start is in the list only where the image's init would read its place. What is
//! not understood says so: it is never left out.

mod by_hand;
mod command;
mod inetd;
mod init_system;
mod inittab;
mod openrc;
mod other_starts;
mod rc_links;
pub(crate) mod script;
mod supervised;
pub(crate) mod xinetd;

use std::collections::BTreeSet;

use bstr::ByteSlice;

use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};

pub(crate) use command::programs;
pub(crate) use init_system::InitSystem;
pub(crate) use other_starts::other_starts;

/// A larger file is not a script that starts a service.
const SCRIPT_LIMIT: u64 = 1 << 20;

/// One way in which a program starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// What the init calls it.
    pub(crate) name: String,
    /// The link, script or line that starts it.
    pub(crate) place: Place,
    pub(crate) runs: Runs,
    pub(crate) close: Close,
}

/// The programs that a start runs, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    pub(crate) programs: BTreeSet<String>,
    /// Of a script with a command that cannot be told, every word in it.
    pub(crate) unclear: BTreeSet<String>,
}

/// How a start is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The file or link goes, and these with it.
    Unlink(Vec<String>),
    /// The file or link gets another name in its directory.
    Rename(String),
    /// An empty file is made at this path.
    Create(String),
    /// This is put before the line.
    Comment(&'static str),
    /// The entry of xinetd that begins at the line gets `disable = yes`.
    Xinetd,
    /// The line of a list goes.
    Line,
    /// casehard does not edit it; says what it is.
    Never(&'static str),
}

/// Returns every start of the image that is not systemd's, sorted by place.
pub(crate) fn starts(files: &Files<'_>) -> Result<Vec<Start>, Stop> {
    let mut found = Vec::new();
    if !is_systemd_alone(files) {
        openrc::add(files, &mut found)?;
        rc_links::add(files, &mut found)?;
        supervised::add(files, &mut found)?;
        inittab::add(files, &mut found)?;
    }
    inetd::add(files, &mut found)?;
    xinetd::add(files, &mut found)?;
    by_hand::add(files, &mut found)?;
    found.sort_by(|a, b| (&a.place, &a.name).cmp(&(&b.place, &b.name)));
    Ok(found)
}

/// Returns whether systemd may be the init of the image.
pub(crate) fn may_be_systemd(files: &Files<'_>) -> bool {
    let rootfs = files.rootfs();
    let binary = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
    let has_units = || {
        let units = ["/usr/lib/systemd", "/lib/systemd", "/etc/systemd/system"];
        units.iter().any(|path| rootfs.has_directory(path))
    };
    match init(files) {
        Some(path) if path.ends_with("/systemd") => true,
        // Where sysvinit is the init, systemd may be there for its logind.
        Some(_) => binary.iter().any(|path| rootfs.exists(path)),
        None => has_units(),
    }
}

/// Returns whether no other init can be the image's.
fn is_systemd_alone(files: &Files<'_>) -> bool {
    match init(files) {
        Some(path) => path.ends_with("/systemd"),
        None => may_be_systemd(files),
    }
}

/// Returns where `/sbin/init` leads.
fn init(files: &Files<'_>) -> Option<String> {
    let rootfs = files.rootfs();
    if !rootfs.exists("/sbin/init") {
        return None;
    }
    let place = rootfs.follow(b"/sbin/init").ok()?;
    Some(rootfs.location_path(&place).to_str_lossy().into_owned())
}

impl Runs {
    /// Reads what a file runs when it is started: of a script the programs in it, else itself.
    pub(crate) fn of_file(files: &Files<'_>, path: &str) -> Result<Self, Stop> {
        let Some(id) = files.rootfs().open(path) else {
            return Ok(Self::of([path.to_owned()]));
        };
        match script(files, id)? {
            Some(text) => Ok(script::read(&text.to_str_lossy())),
            None => Ok(Self::of([
                path.to_owned(),
                files.rootfs().path(id).to_str_lossy().into_owned(),
            ])),
        }
    }

    /// Returns what the words of a command run.
    fn of_command(words: &[String]) -> Self {
        Self::of(programs(words))
    }

    fn of(programs: impl IntoIterator<Item = String>) -> Self {
        Self {
            programs: programs.into_iter().collect(),
            unclear: BTreeSet::new(),
        }
    }
}

/// Returns the text of a file if it is a script, or may be one.
fn script(files: &Files<'_>, id: InodeId) -> Result<Option<Vec<u8>>, Stop> {
    Ok(text(files, id)?.filter(|text| !text.starts_with(b"\x7fELF")))
}

/// Returns the content of a file that is small enough to be a script or a list.
fn text(files: &Files<'_>, id: InodeId) -> Result<Option<Vec<u8>>, Stop> {
    files.text_up_to(SCRIPT_LIMIT, id)
}

/// Returns the names in a directory that are text, sorted; none where it is not there.
fn names_in(files: &Files<'_>, directory: &str) -> Vec<String> {
    let rootfs = files.rootfs();
    let id = rootfs.open(directory);
    let children = id.into_iter().flat_map(|id| rootfs.children(id));
    children
        .filter_map(|(name, _)| name.to_str().ok().map(str::to_owned))
        .collect()
}

/// Returns the directories that a path with `*` in it names, each once and followed by its copies
/// if it is below `/etc`.
fn directories(files: &Files<'_>, patterns: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for pattern in patterns {
        let Some((before, after)) = pattern.split_once("/*") else {
            found.push((*pattern).to_owned());
            continue;
        };
        for before in files.etc_directories(&[before]) {
            let inner = names_in(files, &before).into_iter();
            found.extend(inner.map(|name| format!("{before}/{name}{after}")));
        }
    }
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    files.etc_directories(&found)
}

/// Returns the last component of a path.
fn base(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
