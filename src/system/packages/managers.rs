//! Package managers whose databases casehard does not read: only that they are there.

use std::collections::BTreeSet;

use crate::rootfs::Rootfs;

/// A database, and whose it is.
const UNREAD: [(&str, &str); 25] = [
    ("/var/lib/rpm", "rpm"),
    ("/usr/lib/sysimage/rpm", "rpm"),
    ("/usr/share/rpm", "rpm"),
    ("/var/lib/opkg", "opkg"),
    ("/usr/lib/opkg", "opkg"),
    ("/var/lib/ipkg", "ipkg"),
    ("/usr/lib/ipkg", "ipkg"),
    ("/var/lib/pacman/local", "pacman"),
    ("/usr/lib/sysimage/lib/pacman/local", "pacman"),
    ("/usr/lib/sysimage/pacman/local", "pacman"),
    ("/var/db/pkg", "portage"),
    ("/var/db/paludis", "paludis"),
    ("/var/db/xbps", "xbps"),
    ("/var/db/kiss/installed", "kiss"),
    ("/var/lib/eopkg", "eopkg"),
    ("/var/lib/conarydb", "conary"),
    ("/var/lib/pkg/db", "pkgutils"),
    ("/var/lib/swupd", "swupd"),
    ("/usr/share/clear/bundles", "swupd"),
    ("/var/log/packages", "pkgtools"),
    ("/var/lib/pkgtools/packages", "pkgtools"),
    ("/usr/local/tce.installed", "tce"),
    ("/nix/var/nix/db", "nix"),
    ("/var/guix/db", "guix"),
    ("/.moss/db", "moss"),
];

/// Returns the databases of an image that are not read: where each is, and its manager's name. An
/// empty directory is none.
pub(crate) fn unread(rootfs: &Rootfs) -> Vec<(&'static str, &'static str)> {
    let mut seen = BTreeSet::new();
    let mut found = UNREAD.to_vec();
    found.retain(|(path, _)| {
        let id = rootfs.open(path);
        let id = id.filter(|id| {
            !rootfs.inode(*id).is_directory() || rootfs.children(*id).next().is_some()
        });
        id.is_some_and(|id| seen.insert(id))
    });
    found
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::open;

    #[test]
    fn a_database_under_two_names_is_one_and_an_empty_one_is_none() {
        let image = open(
            "dir var/lib/rpm\nfile usr/lib/sysimage/rpm/rpmdb.sqlite\nsymlink usr/share/rpm -> ../lib/sysimage/rpm\n\
             file usr/lib/opkg/status\n",
        );
        let found = super::unread(image.files().unwrap().rootfs());
        assert_eq!(
            found,
            [("/usr/lib/sysimage/rpm", "rpm"), ("/usr/lib/opkg", "opkg")]
        );
    }
}
