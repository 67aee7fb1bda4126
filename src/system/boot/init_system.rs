//! Which init system an image has: whether it is a host, and who starts its programs.

use std::fmt;

use bstr::{BString, ByteSlice};

use super::{script, text};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Rootfs};

/// The init system of an image, as far as its files tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InitSystem {
    Systemd,
    OpenRc,
    /// System V's, with run levels.
    Sysv,
    /// Busybox's, with an inittab or `rcS`; so have Buildroot's images.
    Busybox,
    /// OpenWrt's.
    Procd,
    Runit,
    S6,
    Dinit,
    /// One that casehard does not know: the program.
    Other(String),
    /// None: the image of a container.
    None,
    /// Too little is there to tell: neither an init, nor what a system without one has.
    Unclear,
}

/// Where the kernel looks for an init, and an initramfs.
const PLACES: [&str; 4] = ["/sbin/init", "/etc/init", "/bin/init", "/init"];

/// OpenRC's own programs. Alpine's containers have an inittab that names one, but not the program.
const OPENRC: [&str; 4] = [
    "/sbin/openrc",
    "/sbin/openrc-run",
    "/usr/bin/openrc",
    "/usr/bin/openrc-run",
];

/// Folders of System V's run levels.
const RUN_LEVELS: [&str; 4] = [
    "/etc/rc2.d",
    "/etc/rc3.d",
    "/etc/rc.d/rc2.d",
    "/etc/rc.d/rc3.d",
];

/// What a complete file tree has: a shell, or the packages of an image without one.
const COMPLETE: [&str; 2] = ["/bin/sh", "/var/lib/dpkg/status.d"];

impl InitSystem {
    pub(crate) fn of(files: &Files<'_>) -> Result<Self, Stop> {
        let rootfs = files.rootfs();
        let systemd = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
        let has_systemd = systemd.iter().any(|path| rootfs.exists(path));
        let Some((path, id)) = PLACES.iter().find_map(|place| program(rootfs, place)) else {
            if has_systemd {
                return Ok(Self::Systemd);
            }
            let is_complete = COMPLETE.iter().any(|path| rootfs.exists(path));
            return Ok(if is_complete {
                Self::None
            } else {
                Self::Unclear
            });
        };
        let has = |paths: &[&str]| paths.iter().any(|path| rootfs.exists(path));
        let name = path.rsplit('/').next().unwrap_or_default();
        Ok(match name {
            "systemd" => Self::Systemd,
            "openrc-init" => Self::OpenRc,
            "runit-init" | "runit" => Self::Runit,
            "procd" => Self::Procd,
            "dinit" | "dinit-init" => Self::Dinit,
            _ if name.starts_with("s6-") || path.contains("/s6-linux-init/") => Self::S6,
            _ if has(&OPENRC) => Self::OpenRc,
            _ if name.starts_with("busybox") => Self::of_inittab(files)?,
            _ if has(&["/sbin/procd"]) => Self::Procd,
            _ if has(&["/etc/s6-overlay", "/package/admin/s6-overlay"]) => Self::S6,
            _ if is_script(files, id)? => Self::Other(path),
            _ if has(&["/etc/inittab"]) => match Self::of_inittab(files)? {
                Self::Busybox => Self::Sysv,
                other => other,
            },
            _ if has(&["/etc/runit/2", "/etc/runit/runsvdir"]) => Self::Runit,
            _ if has(&RUN_LEVELS) => Self::Sysv,
            _ => Self::Other(path),
        })
    }

    /// Returns what an inittab starts.
    fn of_inittab(files: &Files<'_>) -> Result<Self, Stop> {
        let mut starts_something = files.rootfs().exists("/etc/init.d/rcS");
        for (_, id) in files.etc("/etc/inittab") {
            let content = text(files, id)?.unwrap_or_default();
            for line in String::from_utf8_lossy(&content).lines() {
                let fields: Vec<&str> = line.trim().splitn(4, ':').collect();
                let [tag, _, action, process] = fields[..] else {
                    continue;
                };
                if tag.starts_with('#')
                    || !["sysinit", "wait", "bootwait", "boot", "once", "si"].contains(&action)
                {
                    continue;
                }
                let runs = script::read(process);
                let is_there = |path: &&String| files.rootfs().exists(path);
                for program in runs.programs.iter().filter(is_there) {
                    match program.rsplit('/').next() {
                        Some("openrc") => return Ok(Self::OpenRc),
                        Some("runsvdir" | "runsvdir-start") => return Ok(Self::Runit),
                        _ => starts_something = true,
                    }
                }
            }
        }
        Ok(if starts_something {
            Self::Busybox
        } else {
            Self::None
        })
    }

    /// What recipes may ask for.
    pub(crate) const NAMES: [&str; 8] = [
        "systemd", "openrc", "sysv", "busybox", "procd", "runit", "s6", "dinit",
    ];

    /// Returns its name in recipes.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::OpenRc => "openrc",
            Self::Sysv => "sysv",
            Self::Busybox => "busybox",
            Self::Procd => "procd",
            Self::Runit => "runit",
            Self::S6 => "s6",
            Self::Dinit => "dinit",
            Self::Other(_) => "other",
            Self::None => "none",
            Self::Unclear => "unclear",
        }
    }

    /// Returns whether the image boots, if that can be told.
    pub(crate) fn is_host(&self) -> Option<bool> {
        match self {
            Self::None => Some(false),
            Self::Unclear => None,
            _ => Some(true),
        }
    }
}

impl fmt::Display for InitSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(program) => write!(f, "{program}"),
            Self::OpenRc => f.write_str("OpenRC"),
            Self::Sysv => f.write_str("sysvinit"),
            known => f.write_str(known.name()),
        }
    }
}

/// Returns the program that a path leads to, and its file if it is there.
fn program(rootfs: &Rootfs, path: &str) -> Option<(String, Option<InodeId>)> {
    if !rootfs.exists(path) {
        return None;
    }
    let place = rootfs.follow(path.as_bytes()).ok()?;
    let path = rootfs.location_path(&place);
    let Some(id) = place.inode else {
        return Some((path.to_str_lossy().into_owned(), None));
    };
    if !rootfs.inode(id).is_file() {
        return None;
    }
    // A hard link of busybox is called `init`, too.
    let names = rootfs.paths(id);
    let known = |name: &&BString| {
        let base = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        base.starts_with(b"busybox") || base == b"systemd"
    };
    let name = names.iter().find(known).unwrap_or(&path);
    Some((name.to_str_lossy().into_owned(), Some(id)))
}

fn is_script(files: &Files<'_>, id: Option<InodeId>) -> Result<bool, Stop> {
    let Some(id) = id else {
        return Ok(false);
    };
    Ok(text(files, id)?.is_some_and(|text| text.starts_with(b"#!")))
}

#[cfg(test)]
mod tests {
    use super::InitSystem;
    use crate::rules::harness::open;

    #[test]
    fn each_init_is_known_by_its_files() {
        let alpine = "symlink sbin/init -> /bin/busybox\nfile bin/busybox\nfile etc/inittab\n\
            | ::sysinit:/sbin/openrc sysinit\n| tty1::respawn:/sbin/getty 38400 tty1\n";
        for (image, want) in [
            ("symlink sbin/init -> ../lib/systemd/systemd\nfile lib/systemd/systemd\n".into(), "systemd"),
            ("file usr/lib/systemd/systemd\n".into(), "systemd"),
            (alpine.to_owned(), "none"),
            (format!("{alpine}file sbin/openrc\n"), "openrc"),
            ("file sbin/openrc-init\nsymlink sbin/init -> openrc-init\n".into(), "openrc"),
            ("symlink sbin/init -> /bin/busybox\nfile sbin/openrc-run\n".into(), "openrc"),
            ("file bin/busybox\nhardlink sbin/init -> bin/busybox\nfile etc/init.d/rcS\n".into(), "busybox"),
            ("file bin/busybox\nhardlink bin/init -> bin/busybox\n".into(), "none"),
            ("file sbin/init\n| \\x7fELF\nfile etc/inittab\n| si::sysinit:/etc/init.d/rcS\nfile etc/init.d/rcS\n".into(), "sysv"),
            ("file sbin/init\nfile etc/rc2.d/S01a\n".into(), "sysv"),
            ("file sbin/procd\nfile sbin/init\n".into(), "procd"),
            ("file usr/bin/runit-init\nsymlink sbin/init -> ../usr/bin/runit-init\n".into(), "runit"),
            ("symlink sbin/init -> dinit\nfile sbin/dinit\n".into(), "dinit"),
            ("file init\n| #!/bin/sh\ndir etc/s6-overlay\n".into(), "s6"),
            ("file sbin/init\n| #!/bin/sh\n".into(), "other"),
            ("file sbin/init\nfile bin/sh\n".into(), "other"),
            ("file bin/sh\n".into(), "none"),
            ("file etc/os-release\n".into(), "unclear"),
            ("dir sbin/init\nfile var/lib/dpkg/status.d/base\n".into(), "none"),
        ] {
            let image: String = image;
            let opened = open(&image);
            let found = InitSystem::of(&opened.files().unwrap()).unwrap();
            assert_eq!(found.name(), want, "{image}");
        }
    }
}
