//! What the booted system reads at a path of `/etc`.

use std::collections::BTreeSet;

use crate::edit::Draft;
use crate::error::Stop;
use crate::rootfs::InodeId;
use crate::rootfs::lowerdir;
use crate::system::systemd::tmpfiles;

/// The files that the booted system may read at a path, each inode once: what is there, its copies,
/// and where the image has nothing there what tmpfiles.d links or copies to it.
pub(in crate::rules) fn booted(
    draft: &mut Draft<'_>,
    path: &str,
) -> Result<BTreeSet<InodeId>, Stop> {
    let mut paths = Vec::from_iter(lowerdir::with_copies(draft.rootfs(), path));
    if draft.rootfs().open(path).is_none() {
        for (file, number, source) in tmpfiles::sources(draft, path)? {
            draft.note(format!(
                "{file}:{number} makes {path} of {source} when the system boots"
            ));
            paths.push(source);
        }
    }
    let rootfs = draft.rootfs();
    Ok(paths
        .iter()
        .filter_map(|p| rootfs.open(p))
        .filter(|id| rootfs.inode(*id).is_file())
        .collect())
}
