//! Copies of `/etc` that become `/etc` when the system boots.
//!
//! Flatcar lays `/etc` over `/usr/share/flatcar/etc`, ostree systems start from `/usr/etc`, and systemd's factory is
//! `/usr/share/factory/etc`. A file that is hardened in `/etc` alone comes back from there.

use bstr::ByteSlice;

use crate::rootfs::Rootfs;

/// Returns the directories of the image that hold such a copy, without symbolic links, sorted. What
/// a link leads into `/etc` itself is not a copy.
pub(crate) fn directories(rootfs: &Rootfs) -> Vec<String> {
    let etc = rootfs.open("/etc");
    let own = etc.map_or_else(|| "/etc".into(), |id| rootfs.path(id));
    let mut candidates = vec!["/usr/etc".to_owned()];
    if let Some(share) = rootfs.open("/usr/share") {
        let names = rootfs.children(share).map(|(name, _)| name);
        candidates.extend(names.map(|name| format!("/usr/share/{name}/etc")));
    }
    let mut found: Vec<String> = Vec::new();
    for path in candidates {
        if let Some(id) = rootfs.open(&path)
            && rootfs.inode(id).is_directory()
            && Some(id) != etc
        {
            let path = rootfs.path(id);
            let within = path.strip_prefix(own.as_bytes());
            if path != "/" && within.is_none_or(|rest| !rest.starts_with(b"/")) {
                found.extend(path.to_str().ok().map(str::to_owned));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Returns where the copies of a file below `/etc` would be.
pub(crate) fn copies(rootfs: &Rootfs, path: &str) -> Vec<String> {
    if !path.starts_with("/etc/") {
        return Vec::new();
    }
    copies_in(&directories(rootfs), path).collect()
}

/// Returns where they would be in some of the [`directories`].
pub(crate) fn copies_in(directories: &[String], path: &str) -> impl Iterator<Item = String> {
    let rest = path.strip_prefix("/etc/");
    rest.into_iter()
        .flat_map(|rest| directories.iter().map(move |at| format!("{at}/{rest}")))
}

/// Returns a path, and below `/etc` where its copies would be.
pub(crate) fn with_copies(rootfs: &Rootfs, path: &str) -> impl Iterator<Item = String> + use<> {
    std::iter::once(path.to_owned()).chain(copies(rootfs, path))
}
