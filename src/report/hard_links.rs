//! The names of files that have several, told once for each file: to tell them at each name would grow with their square.

use std::collections::BTreeMap;

use bstr::BString;

use crate::rootfs::{InodeId, Rootfs};

/// Under which path the names of each file of one tree were told.
#[derive(Default)]
pub(crate) struct HardLinks(BTreeMap<InodeId, BString>);

/// What to tell of a file's other names at one of them.
#[derive(Default)]
pub(crate) struct OtherNames {
    /// All of them, sorted, where they are told for the first time.
    pub(crate) all: Vec<BString>,
    /// The path at which they were told.
    pub(crate) told_at: Option<BString>,
}

impl HardLinks {
    /// What to tell at a path of what it stands for.
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
