//! busybox as the rootfs shows it: one binary under many names.

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};

use crate::edit::{Draft, Stop};
use crate::rootfs::InodeId;

/// What every busybox says of itself; a file that only has the name does not.
const BANNER: &[u8] = b"multi-call binary";
const NAME: &[u8] = b"BusyBox v";

/// The names of applets, as paths that can be removed, by the busybox that they run.
#[derive(Debug, Default)]
pub(crate) struct Busyboxes {
    known: BTreeMap<InodeId, bool>,
}

impl Busyboxes {
    /// Whether an inode is a busybox, whatever it is called.
    pub(crate) fn is_one(&mut self, draft: &Draft<'_>, id: InodeId) -> Result<bool, Stop> {
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        let is = draft.rootfs().inode(id).is_file()
            && draft.contains(id, NAME)?
            && draft.contains(id, BANNER)?;
        self.known.insert(id, is);
        Ok(is)
    }

    /// Every busybox in the image: files called so, and those that applets were found to run.
    pub(crate) fn all(&mut self, draft: &Draft<'_>) -> Result<Vec<InodeId>, Stop> {
        let rootfs = draft.rootfs();
        let called: Vec<InodeId> = rootfs
            .inodes()
            .filter(|(_, inode)| {
                inode.is_file()
                    && inode
                        .names()
                        .iter()
                        .any(|(_, name)| name.starts_with(b"busybox"))
            })
            .map(|(id, _)| id)
            .collect();
        for id in called {
            self.is_one(draft, id)?;
        }
        let named = |id: &InodeId| !rootfs.inode(*id).names().is_empty();
        Ok(self
            .known
            .iter()
            .filter(|(_, is)| **is)
            .map(|(id, _)| *id)
            .filter(named)
            .collect())
    }
}

/// Whether the binary's table of applets has the name: it stands between two NUL bytes there.
pub(crate) fn has_applet(draft: &Draft<'_>, id: InodeId, applet: &str) -> Result<bool, Stop> {
    draft.contains(id, &[b"\0", applet.as_bytes(), b"\0"].concat())
}

/// Every path in the rootfs whose last name is the applet's.
pub(crate) fn paths_named(draft: &Draft<'_>, applet: &str) -> Vec<BString> {
    let rootfs = draft.rootfs();
    let names = rootfs.inodes().flat_map(|(_, inode)| inode.names());
    let mut paths: Vec<BString> = names
        .filter(|(_, name)| name.as_bytes() == applet.as_bytes())
        .map(|(directory, name)| rootfs.path_in(*directory, name))
        .collect();
    paths.sort();
    paths
}

/// The path to show for a busybox: the name under which it takes an applet as its argument, if it has it.
pub(crate) fn path(draft: &Draft<'_>, id: InodeId) -> BString {
    let paths = draft.rootfs().paths(id);
    let called = |path: &&BString| {
        path.rsplit(|b| *b == b'/')
            .next()
            .is_some_and(|name| name.starts_with(b"busybox"))
    };
    let found = paths.iter().find(called).or(paths.first());
    found.cloned().unwrap_or_default()
}
