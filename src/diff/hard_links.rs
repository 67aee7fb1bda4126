//! The names of files that have several, listed once for each file: to list them at each name would
//! grow with their square.

use std::collections::BTreeMap;

use bstr::BString;

use crate::rootfs::{InodeId, Rootfs};

/// The path at which the names of each file of one tree were listed.
#[derive(Default)]
pub(crate) struct HardLinks(BTreeMap<InodeId, BString>);

/// What to list of a file's other names at one of them.
#[derive(Default)]
pub(crate) struct OtherNames {
    /// All of them, sorted, where they are listed for the first time.
    pub(crate) all: Vec<BString>,
    /// The path at which they were listed.
    pub(crate) told_at: Option<BString>,
}

impl HardLinks {
    /// Returns what to list at a path of a file.
    pub(crate) fn at(&mut self, path: &[u8], id: InodeId, rootfs: &Rootfs) -> OtherNames {
        if rootfs.inode(id).links() < 2 {
            return OtherNames::default();
        }
        if let Some(first) = self.0.get(&id) {
            return OtherNames {
                all: Vec::new(),
                told_at: Some(first.clone()),
            };
        }
        self.0.insert(id, path.into());
        let mut all = rootfs.paths(id);
        all.retain(|other| *other != path);
        OtherNames { all, told_at: None }
    }
}
