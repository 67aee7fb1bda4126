//! The directories that units are loaded from.

use crate::rootfs::{InodeId, Rootfs, lowerdir};

/// The directories that units are loaded from and that an image can hold, first one first
/// (systemd.unit(5)). Those in `/run` are filled when the system runs.
const UNIT_PATH: [&str; 6] = [
    "/etc/systemd/system.control",
    super::ETC,
    "/etc/systemd/system.attached",
    "/usr/local/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// How many copies of a directory of `/etc` are read. No system has more, and each costs a look-up
/// for each unit.
const COPIES: usize = 16;

/// A directory of the search path.
#[derive(Clone, Debug)]
pub(super) struct UnitDir {
    /// Its path, without symbolic links.
    pub(super) path: String,
    pub(super) id: InodeId,
    /// Whether it is a copy from which the booted system fills a directory of `/etc`.
    pub(super) is_copy: bool,
}

/// Returns the search path of an image: each directory once, those of `/etc` followed by their
/// copies.
pub(super) fn unit_path(rootfs: &Rootfs) -> Vec<UnitDir> {
    let lower = lowerdir::directories(rootfs);
    let mut found: Vec<UnitDir> = Vec::new();
    for path in UNIT_PATH {
        let copies = copies(rootfs, &lower, path).take(COPIES);
        let copies = copies.map(|copy| (copy, true));
        for (path, is_copy) in std::iter::once((path.to_owned(), false)).chain(copies) {
            if let Some(id) = rootfs.open(path)
                && rootfs.inode(id).is_directory()
                && found.iter().all(|known| known.id != id)
            {
                let path = rootfs.path(id).to_string();
                found.push(UnitDir { path, id, is_copy });
            }
        }
    }
    found
}

/// Returns the first copy of a directory of `/etc` that is not read, because there are more than
/// [`COPIES`].
pub(crate) fn unread_copy(rootfs: &Rootfs) -> Option<String> {
    let lower = lowerdir::directories(rootfs);
    let mut paths = UNIT_PATH.into_iter();
    paths.find_map(|path| copies(rootfs, &lower, path).nth(COPIES))
}

fn copies(rootfs: &Rootfs, lower: &[String], path: &'static str) -> impl Iterator<Item = String> {
    lowerdir::copies_in(lower, path).filter(|copy| rootfs.open(copy).is_some())
}
