//! Images, archives and file trees within the image, which the booted system mounts, unpacks or
//! starts, and casehard does not look into.

use std::collections::BTreeMap;

use bstr::BString;

use crate::recipe::Section;
use crate::rootfs::{Files, Rootfs};

const EXTENSION: &str =
    "is a nested image that casehard did not look inside: what it adds at boot is unchanged";
const SNAP: &str = "is a snap that casehard did not look inside: snapd mounts it with its set-id programs and services";
const INITRAMFS: &str = "is an initramfs that casehard did not look inside: its programs run before the root is mounted";
const ROOT: &str = "is another root file system that casehard did not look inside: what starts from it is unchanged";

/// Folders, the globs by which such things are found in them, and what to say of each.
const PACKED: [(&[&str], &[&str], &str); 10] = [
    (
        &[
            "/etc/extensions",
            "/var/lib/extensions",
            "/usr/lib/extensions",
        ],
        &["*.raw", "*.raw.v", "*/usr", "*/opt"],
        EXTENSION,
    ),
    (
        &[
            "/etc/confexts",
            "/var/lib/confexts",
            "/usr/lib/confexts",
            "/usr/local/lib/confexts",
        ],
        &["*.raw", "*.raw.v", "*/etc"],
        EXTENSION,
    ),
    (&["/usr/share"], &["*/sysext/*.raw"], EXTENSION),
    (&["/usr/share/torcx/store"], &["**/*.torcx.*"], EXTENSION),
    (
        &["/var/lib/snapd/snaps", "/var/lib/snapd/seed/snaps"],
        &["*.snap"],
        SNAP,
    ),
    (
        &[
            "/boot",
            "/boot/*",
            "/boot/ostree/*",
            "/usr/lib/modules/*",
            "/efi/*",
            "/boot/efi/*",
        ],
        &["{initrd,initramfs}*"],
        INITRAMFS,
    ),
    (
        &[
            "/boot/EFI/Linux",
            "/efi/EFI/Linux",
            "/boot/efi/EFI/Linux",
            "/usr/lib/modules/*",
        ],
        &["*.efi"],
        INITRAMFS,
    ),
    (
        &[
            "/var/lib/machines",
            "/etc/portables",
            "/var/lib/portables",
            "/usr/lib/portables",
            "/usr/local/lib/portables",
        ],
        &["*"],
        ROOT,
    ),
    (
        &[
            "/var/lib/lxc/*",
            "/var/lib/lxd/containers/*",
            "/var/lib/incus/containers/*",
            "/srv/chroot/*",
            "/var/chroot/*",
        ],
        &["rootfs", "usr/bin"],
        ROOT,
    ),
    (
        &[
            "/var/lib/docker",
            "/var/lib/containers/storage",
            "/usr/lib/containers/storage",
        ],
        &["overlay*", "vfs", "btrfs"],
        ROOT,
    ),
];

/// Endings of packed file systems, wherever they are; `mkfs.erofs` is a program.
const FILE_SYSTEMS: [&str; 5] = [".squashfs", ".sqfs", ".sfs", ".erofs", ".qcow2"];
const PROGRAMS: [&str; 4] = ["mkfs", "fsck", "mount", "dump"];

/// Servers of logins, by which rules name them.
const LOGINS: [&str; 6] = ["ssh", "sshd", "dropbear", "tinysshd", "telnetd", "telnet"];

/// What puts such a server into an initramfs: initramfs-tools, dracut, mkinitcpio and mkinitfs.
const EARLY_LOGINS: [&str; 5] = [
    "/etc/dropbear{/initramfs,-initramfs}/*",
    "/{etc,usr/share}/initramfs-tools/{hooks,scripts/*}/*{dropbear,tinyssh,sshd}*",
    "/{etc,usr/lib}/dracut/modules.d/*{sshd,dropbear,crypt-ssh,tinyssh}*/module-setup.sh",
    "/{etc,usr/lib}/initcpio/{hooks,install}/*{dropbear,tinyssh,sshd,systemd-tool}*",
    "/{etc,usr/share}/mkinitfs/features.d/*{dropbear,ssh}*",
];

/// Returns where a server of logins is put into the initramfs, if a rule is to close one; the first
/// place of each kind, and the rule.
pub(super) fn early_logins(files: &Files<'_>, rules: &[Section]) -> Vec<(usize, BString)> {
    let closes = |rule: &Section| {
        let name = rule.argument.rsplit('/').next().unwrap_or_default();
        let name = name.split(['.', '@']).next().unwrap_or_default();
        ["Mask", "Disable"].contains(&rule.kind()) && LOGINS.contains(&name)
    };
    let Some(rule) = rules.iter().position(closes) else {
        return Vec::new();
    };
    let first = |glob: &&str| Some((rule, files.rootfs().glob(glob).into_iter().next()?.0));
    EARLY_LOGINS.iter().filter_map(first).collect()
}

/// Returns the path of each, with what it means.
pub(super) fn packed(files: &Files<'_>) -> BTreeMap<BString, &'static str> {
    let rootfs = files.rootfs();
    let mut found = BTreeMap::new();
    let mut add = |glob: &str, message| {
        for (path, _) in rootfs.glob(glob) {
            if has_content(rootfs, &path) {
                found.entry(path).or_insert(message);
            }
        }
    };
    for (folders, globs, message) in PACKED {
        for folder in folders {
            globs
                .iter()
                .for_each(|glob| add(&format!("{folder}/{glob}"), message));
        }
    }
    rootfs.visit(Rootfs::ROOT, |path, id| {
        let is_packed = FILE_SYSTEMS
            .iter()
            .any(|end| path.ends_with(end.as_bytes()));
        if is_packed && rootfs.inode(id).is_file() {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if !PROGRAMS
                .iter()
                .any(|program| name.starts_with(program.as_bytes()))
            {
                found.entry(path.to_owned()).or_insert(ROOT);
            }
        }
    });
    found
}

/// Returns whether a path is a file, or a directory that is not empty.
fn has_content(rootfs: &Rootfs, path: &[u8]) -> bool {
    rootfs.open(path).is_some_and(|id| {
        let inode = rootfs.inode(id);
        inode.is_file() || (inode.is_directory() && rootfs.children(id).next().is_some())
    })
}
