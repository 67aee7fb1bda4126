//! busybox as the rootfs has it: one binary under many names.

mod apk;
pub(crate) mod applets;
mod elf;
mod names;
mod relocations;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use bstr::{BString, ByteSlice};

use crate::error::Stop;
use crate::rootfs::Files;
use crate::rootfs::InodeId;

pub(crate) use apk::link_trigger;
pub(crate) use table::Table;

/// Why casehard does not change an executable's table of applets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableRefusal(String);

impl TableRefusal {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Refuses an executable.
fn refuse<T>(why: &str) -> Result<T, TableRefusal> {
    Err(TableRefusal::new(why))
}

impl fmt::Display for TableRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What every busybox says of itself; a file that only has the name does not, and a manual is not executable.
const BANNER: &[u8] = b"multi-call binary";
const MAGIC: &[u8] = b"\x7fELF";
const NAME: &[u8] = b"BusyBox v";

/// The names of applets, as paths that can be removed, by the busybox that they run.
#[derive(Debug, Default)]
pub(crate) struct Busyboxes {
    known: BTreeMap<InodeId, bool>,
}

impl Busyboxes {
    /// Returns whether an inode is a busybox, whatever it is called.
    pub(crate) fn is_one(&mut self, files: &Files<'_>, id: InodeId) -> Result<bool, Stop> {
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        let is =
            files.rootfs().inode(id).is_file() && files.contains(id, &[MAGIC, NAME, BANNER])?;
        self.known.insert(id, is);
        Ok(is)
    }

    /// Returns every busybox in the image: files with such a name, and those that applets were found to run.
    pub(crate) fn all(&mut self, files: &Files<'_>) -> Result<Vec<InodeId>, Stop> {
        let rootfs = files.rootfs();
        for (id, _) in rootfs.inodes().filter(|(_, inode)| inode.is_file()) {
            if rootfs
                .names(id)
                .any(|(_, name)| name.starts_with(b"busybox"))
            {
                self.is_one(files, id)?;
            }
        }
        let found = self.known.iter().filter(|(_, is)| **is).map(|(id, _)| *id);
        Ok(found.filter(|id| rootfs.inode(*id).links() > 0).collect())
    }
}

/// One busybox, and its table of applets if that is found.
pub(crate) struct Binary {
    id: InodeId,
    table: Result<(Vec<u8>, Table), TableRefusal>,
}

impl Binary {
    pub(crate) fn read(files: &Files<'_>, id: InodeId) -> Result<Self, Stop> {
        let table = match files.text(id) {
            Ok(content) => Table::find(&content).map(|table| (content, table)),
            Err(Stop::Failed(why)) => Err(TableRefusal(why)),
            Err(fatal) => return Err(fatal),
        };
        Ok(Self { id, table })
    }

    pub(crate) fn id(&self) -> InodeId {
        self.id
    }

    /// Returns whether it has the applet, working or not. Without a table it seems so if the name stands between two NUL bytes.
    pub(crate) fn has(&self, files: &Files<'_>, applet: &str) -> Result<bool, Stop> {
        match &self.table {
            Ok((_, table)) => Ok(table.has(applet)),
            Err(_) => files.contains(self.id, &[&[b"\0", applet.as_bytes(), b"\0"].concat()]),
        }
    }

    /// Returns whether it has the applet and runs its code.
    pub(crate) fn runs(&self, files: &Files<'_>, applet: &str) -> Result<bool, Stop> {
        let inert = matches!(&self.table, Ok((_, table)) if table.neutralised(applet));
        Ok(!inert && self.has(files, applet)?)
    }

    /// Returns its content with the applets running `false`.
    pub(crate) fn neutralise(&self, applets: &[&str]) -> Result<Vec<u8>, TableRefusal> {
        let (content, table) = self.table.as_ref().map_err(TableRefusal::clone)?;
        table.neutralise(content, applets)
    }
}

/// Returns every path in the rootfs whose last name is the applet's.
pub(crate) fn paths_named(files: &Files<'_>, applet: &str) -> Vec<BString> {
    let rootfs = files.rootfs();
    let names = rootfs.inodes().flat_map(|(id, _)| rootfs.names(id));
    let mut paths: Vec<BString> = names
        .filter(|(_, name)| name.as_bytes() == applet.as_bytes())
        .map(|(directory, name)| rootfs.path_in(directory, name))
        .collect();
    paths.sort();
    paths
}

/// Returns the path to show for a busybox: the name under which it takes an applet as its argument, if it has that.
pub(crate) fn path(files: &Files<'_>, id: InodeId) -> BString {
    let paths = files.rootfs().paths(id);
    let called = |path: &&BString| {
        path.rsplit(|b| *b == b'/')
            .next()
            .is_some_and(|name| name.starts_with(b"busybox"))
    };
    let found = paths.iter().find(called).or(paths.first());
    found.cloned().unwrap_or_default()
}
