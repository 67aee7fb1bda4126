//! The directories that units are loaded from.

use crate::rootfs::Rootfs;
use crate::rootfs::lowerdir;

/// The directories that units are loaded from and that an image can hold, first one first (systemd.unit(5)). Those in
/// `/run` are filled when the system runs.
pub(super) const UNIT_PATH: [&str; 6] = [
    "/etc/systemd/system.control",
    super::ETC,
    "/etc/systemd/system.attached",
    "/usr/local/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// More copies of `/etc` than any system has. Each costs a look for each unit, so that no more are read.
const COPIES: usize = 16;

/// The search path in an image: behind each directory of `/etc` the copies of which the booted system makes it.
pub(super) fn unit_path(rootfs: &Rootfs) -> Vec<String> {
    let with_copies = |path: &str| {
        let copies = copies(rootfs, path).into_iter().take(COPIES);
        std::iter::once(path.to_owned()).chain(copies)
    };
    UNIT_PATH.into_iter().flat_map(with_copies).collect()
}

fn copies(rootfs: &Rootfs, path: &str) -> Vec<String> {
    let mut copies = lowerdir::copies(rootfs, path);
    copies.retain(|copy| rootfs.open(copy).is_some());
    copies
}

/// The first copy of `/etc` whose units are not read, as there are too many.
pub(crate) fn unread_copy(rootfs: &Rootfs) -> Option<String> {
    UNIT_PATH
        .into_iter()
        .find_map(|path| copies(rootfs, path).into_iter().nth(COPIES))
}
