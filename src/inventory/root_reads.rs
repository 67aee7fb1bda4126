//! What root reads or runs: fixed places, and what units, cron and scripts of the image name.

use std::collections::BTreeSet;

use bstr::{BStr, BString, ByteSlice};

use super::collect::Collector;
use crate::error::Stop;
use crate::rootfs::{InodeId, Rootfs, lowerdir};
use crate::system::systemd::{self, Units};

/// Names directly in `/etc` by which root is asked for, configured or started; what is below them,
/// too. Other files there belong to daemons that have users of their own.
const ETC: &str = "\
    NetworkManager acpi anacrontab apk apparmor.d apt bash.bashrc bashrc binfmt.d cloud conf.d \
    containers cron.allow cron.d cron.daily cron.deny cron.hourly cron.monthly cron.weekly \
    cron.yearly crontab crontabs crypttab csh.cshrc csh.login dbus-1 default dinit.d dnf doas.conf \
    doas.d docker dpkg dracut.conf dracut.conf.d environment environment.d fstab group grub.d \
    gshadow ignition incron.d inetd.conf init init.d initramfs-tools inittab kernel ld.so.cache \
    ld.so.conf ld.so.conf.d ld.so.preload local.d login.defs logrotate.conf logrotate.d \
    modprobe.d modules modules-load.d monit network networkd-dispatcher nsswitch.conf opkg \
    pacman.conf pacman.d pam.conf pam.d passwd periodic polkit-1 profile profile.d rc rc.conf \
    rc.d rc.local rcS rpm runit runlevels s6 s6-rc securetty security selinux service shadow \
    shells ssh subgid subuid sudo.conf sudoers sudoers.d supervisor supervisor.d supervisord.conf \
    supervisord.d sv sysctl.conf sysctl.d sysconfig systemd sysusers.d tcb tmpfiles.d udev \
    update-motd.d userdb xinetd.conf xinetd.d yum yum.conf yum.repos.d zsh zypp";

/// Other trees of programs and settings that root's processes load.
const ROOT: &str = "\
    /bin /boot /efi /lib /lib32 /lib64 /libx32 /opt/bin /opt/sbin /root /sbin /service /usr/bin \
    /usr/lib /usr/lib32 /usr/lib64 /usr/libexec /usr/libx32 /usr/local/bin /usr/local/etc \
    /usr/local/lib /usr/local/libexec /usr/local/sbin /usr/sbin /usr/share/containers \
    /usr/share/dbus-1 /usr/share/initramfs-tools /usr/share/polkit-1 /var/lib/apk /var/lib/cloud \
    /var/lib/dpkg /var/lib/extrausers /var/service /var/spool/anacron /var/spool/cron \
    /var/spool/incron";

/// Trees in which nobody but root has business, except daemons with their own files.
const TREES: &str = "/etc /usr /opt";

/// Directories whose names any process of root takes up, and what leads to them.
const ABOVE: &str = "/ /etc /opt /usr /usr/local /usr/share /var /var/lib /var/spool";

/// Scripts that root's shell runs line by line.
const SCRIPTS: &str = "\
    /etc/crontab /etc/anacrontab /etc/inittab /etc/ld.so.preload /etc/profile /etc/rc.local \
    /etc/rc.d/rc.local /etc/sudoers /root/.bash_profile /root/.bashrc /root/.profile";

/// Directories of them.
const SCRIPT_DIRS: &str = "\
    /etc/cron.d /etc/cron.daily /etc/cron.hourly /etc/cron.monthly /etc/cron.weekly \
    /etc/crontabs /etc/init.d /etc/ld.so.conf.d /etc/local.d /etc/pam.d /etc/periodic/15min \
    /etc/periodic/daily /etc/periodic/hourly /etc/periodic/monthly /etc/periodic/weekly \
    /etc/profile.d /etc/rc.d/init.d /etc/sudoers.d /etc/update-motd.d /var/spool/cron \
    /var/spool/cron/crontabs";

/// The most names that are looked up, so that a hostile script costs no more than its text.
const MENTIONS: usize = 1 << 16;

/// How a path concerns root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    None,
    /// A directory on the way to what root reads.
    Above,
    /// Something that root reads or runs.
    Root,
    /// A directory in which each new file counts, such as `/etc/cron.d`.
    Drop,
    /// Below a directory of the system, and not known to concern root.
    Tree,
}

/// What root reads or runs in an image.
pub(super) struct RootReads {
    named: BTreeSet<InodeId>,
    above: BTreeSet<InodeId>,
    /// Copies of `/etc` from which the booted system fills it.
    copies: Vec<String>,
    etc: BTreeSet<&'static [u8]>,
    root: BTreeSet<&'static [u8]>,
}

/// Reads it from units, cron tables and scripts.
pub(super) fn read(work: &mut Collector<'_, '_>) -> Result<RootReads, Stop> {
    let rootfs = work.files.rootfs();
    let mut reads = RootReads {
        named: BTreeSet::new(),
        above: BTreeSet::new(),
        copies: lowerdir::directories(rootfs),
        etc: ETC.split_ascii_whitespace().map(str::as_bytes).collect(),
        root: ROOT.split_ascii_whitespace().map(str::as_bytes).collect(),
    };
    let mut left = MENTIONS;
    units(work, &mut reads, &mut left)?;
    let mut scripts = Vec::new();
    for path in SCRIPTS.split_ascii_whitespace() {
        scripts.extend(work.files.etc(path));
    }
    for directory in SCRIPT_DIRS.split_ascii_whitespace() {
        scripts.extend(work.files.etc_files_in(directory, ""));
    }
    for (path, id) in scripts {
        let text = work.text(id)?;
        let any = path.contains("cron") || path.contains("sudoers") || path.contains("ld.so");
        reads.mentioned(rootfs, &text, any, &mut left);
    }
    for (id, inode) in rootfs.inodes() {
        if inode.is_file() && inode.links() > 0 && inode.metas().any(gives_privilege) {
            reads.add(rootfs, id);
        }
    }
    for path in ABOVE.split_ascii_whitespace() {
        reads.above.extend(rootfs.open(path));
    }
    Ok(reads)
}

fn gives_privilege(meta: &crate::rootfs::Meta) -> bool {
    meta.mode & 0o6000 != 0 || meta.xattr("security.capability").is_some()
}

/// Adds the programs and files of enabled services that root runs.
fn units(
    work: &mut Collector<'_, '_>,
    reads: &mut RootReads,
    left: &mut usize,
) -> Result<(), Stop> {
    let rootfs = work.files.rootfs();
    let units = Units::read(rootfs);
    let enabled: BTreeSet<String> = units.enabled().into_iter().map(|(unit, _)| unit).collect();
    let mut services = BTreeSet::new();
    for unit in enabled {
        let kind = systemd::name::kind(&unit);
        if kind == "service" {
            services.insert(unit);
        } else if ["socket", "timer", "path"].contains(&kind) {
            let key = if kind == "socket" { "Service" } else { "Unit" };
            let merged = work.known(
                unit.as_str(),
                systemd::merged(work.files, &units, &unit, |_| false),
            )?;
            let section = systemd::name::own_section(&unit).unwrap_or_default();
            let named = merged.value(&section, key);
            let named = named.map(|named| named.to_str_lossy().into_owned());
            let stem = unit.strip_suffix(kind).unwrap_or(&unit);
            services.insert(named.unwrap_or_else(|| format!("{stem}service")));
        }
    }
    for unit in services {
        let merged = systemd::merged(work.files, &units, &unit, |_| false);
        let merged = work.known(unit.as_str(), merged)?;
        let own = merged.value("Service", "User");
        let is_root = own.is_none_or(|user| user.is_empty() || user == "root" || user == "0");
        for found in merged.section("Service") {
            let value = found.value.trim_start_with(|c| "-@:|".contains(c));
            let always = value.starts_with(b"+") || value.starts_with(b"!");
            let runs = found.key.starts_with(b"Exec") && (is_root || always);
            if runs || found.key == "EnvironmentFile" {
                let value = systemd::name::expanded(&unit, &value.to_str_lossy());
                reads.mentioned(rootfs, value.as_bytes(), true, left);
            }
        }
    }
    Ok(())
}

impl RootReads {
    /// Returns how a path concerns root.
    pub(super) fn reach(&self, id: InodeId, path: &BStr) -> Reach {
        if self.named.contains(&id) {
            return Reach::Root;
        }
        let reach = self.by_path(path);
        match reach {
            Reach::None | Reach::Tree if self.above.contains(&id) => Reach::Above,
            _ => reach,
        }
    }

    fn by_path(&self, path: &BStr) -> Reach {
        let below = |tree: &[u8]| {
            let rest = path.strip_prefix(tree);
            rest.filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let etc = self.copies.iter().map(String::as_str).chain(["/etc"]);
        for rest in etc.filter_map(|directory| below(directory.as_bytes())) {
            let name = rest.get(1..).unwrap_or_default();
            let name = name.split(|byte| *byte == b'/').next().unwrap_or_default();
            let is_rc = name.starts_with(b"rc") && name.ends_with(b".d");
            if is_rc || name.starts_with(b"ld-musl-") || self.etc.contains(name) {
                return Reach::Drop;
            }
        }
        if self.root.iter().any(|tree| below(tree).is_some()) {
            return Reach::Drop;
        }
        match TREES
            .split(' ')
            .any(|tree| below(tree.as_bytes()).is_some())
        {
            true => Reach::Tree,
            false => Reach::None,
        }
    }

    /// Adds the files that a text names by absolute paths: all, or those that can be run.
    fn mentioned(&mut self, rootfs: &Rootfs, text: &[u8], any: bool, left: &mut usize) {
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`=:,;|&()<>$!".contains(byte);
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with(b"#"))
        {
            // What is put before a command: `-/bin/x`, `@/bin/x`.
            let words = line
                .split(ends)
                .map(|word| word.trim_start_with(|c| "-@+".contains(c)));
            for word in words.filter(|word| word.starts_with(b"/")) {
                let Some(rest) = left.checked_sub(1) else {
                    return;
                };
                *left = rest;
                let Some(id) = rootfs.open(word) else {
                    continue;
                };
                let inode = rootfs.inode(id);
                let runs = inode.metas().any(|meta| meta.mode & 0o111 != 0);
                if inode.is_file() && (any || runs) {
                    self.add(rootfs, id);
                }
            }
        }
    }

    /// Adds a file, and the directories that lead to it.
    fn add(&mut self, rootfs: &Rootfs, id: InodeId) {
        if !self.named.insert(id) {
            return;
        }
        for path in rootfs.paths(id) {
            let path: BString = path;
            for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                self.above.extend(rootfs.at(&path[..at.max(1)]));
            }
        }
    }
}
