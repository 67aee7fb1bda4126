//! Services that have only a script in `/etc/init.d`: `systemd-sysv-generator` makes their units
//! when the system boots.

use std::collections::{BTreeMap, BTreeSet};

use super::name::is_unit;
use super::names_in;
use super::units::Units;
use crate::rootfs::{InodeId, Rootfs, lowerdir};

const SCRIPTS: &str = "/etc/init.d";

/// Where generators are, first one first; one of a name hides those that come later.
const GENERATORS: [&str; 4] = [
    "/etc/systemd/system-generators",
    "/usr/local/lib/systemd/system-generators",
    "/lib/systemd/system-generators",
    "/usr/lib/systemd/system-generators",
];

/// The folders of links that enable scripts, and the targets that then want them.
const RUNLEVELS: [(&str, &str); 5] = [
    ("/etc/rc1.d", "rescue.target"),
    ("/etc/rc2.d", "multi-user.target"),
    ("/etc/rc3.d", "multi-user.target"),
    ("/etc/rc4.d", "multi-user.target"),
    ("/etc/rc5.d", "graphical.target"),
];

/// Returns the units that the generator makes where nothing has their names, each with its script;
/// none where the image has no such generator.
pub(super) fn scripts(rootfs: &Rootfs) -> BTreeMap<String, String> {
    if !has_generator(rootfs, "systemd-sysv-generator") {
        return BTreeMap::new();
    }
    let mut scripts = BTreeMap::new();
    for directory in lowerdir::with_copies(rootfs, SCRIPTS) {
        for name in names_in(rootfs, &directory).filter(|name| !is_passed_over(name)) {
            let path = format!("{directory}/{name}");
            let runs = rootfs.open(&path).is_some_and(|id| is_program(rootfs, id));
            if let Some(unit) = unit_of(name).filter(|_| runs) {
                scripts.entry(unit).or_insert(path);
            }
        }
    }
    scripts
}

impl Units<'_> {
    /// Returns the units of scripts that the links of a runlevel enable, each with the target that
    /// then wants it.
    pub(super) fn enabled_scripts(&self) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (directory, target) in RUNLEVELS {
            let directories = lowerdir::with_copies(self.rootfs, directory);
            let directories = Vec::from_iter(directories);
            for link in directories
                .iter()
                .flat_map(|dir| names_in(self.rootfs, dir))
            {
                if let [b'S', b'0'..=b'9', b'0'..=b'9', ..] = link.as_bytes()
                    && let Some(unit) = link.get(3..).and_then(unit_of)
                    && self.script_of(&unit).is_some()
                {
                    found.insert((unit, target.to_owned()));
                }
            }
        }
        found
    }
}

/// Returns whether the booted system runs a generator of this name.
pub(crate) fn has_generator(rootfs: &Rootfs, name: &str) -> bool {
    let paths = GENERATORS.map(|directory| format!("{directory}/{name}"));
    let first = paths.iter().find(|path| rootfs.exists(path));
    let program = first.and_then(|path| rootfs.open(path));
    program.is_some_and(|id| is_program(rootfs, id))
}

fn is_program(rootfs: &Rootfs, id: InodeId) -> bool {
    let inode = rootfs.inode(id);
    inode.is_file() && inode.metas().any(|meta| meta.mode & 0o100 != 0)
}

/// Returns whether a file is hidden, or one that an editor or package manager left behind.
fn is_passed_over(name: &str) -> bool {
    const EXTENSIONS: &str = "rpmnew rpmsave rpmorig dpkg-old dpkg-new dpkg-tmp dpkg-dist dpkg-bak dpkg-backup dpkg-remove \
        ucf-new ucf-old ucf-dist swp bak old new";
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    name.starts_with('.')
        || name.ends_with('~')
        || extension.is_some_and(|extension| EXTENSIONS.split(' ').any(|known| known == extension))
}

/// Returns the unit that a script's name stands for; a byte that a unit's name cannot have is
/// written as its number.
fn unit_of(script: &str) -> Option<String> {
    let name = script.strip_suffix(".sh").unwrap_or(script);
    if is_unit(name) {
        return Some(name.to_owned());
    }
    let mut unit = String::new();
    for byte in name.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b) => unit.push(b.into()),
            b => unit += &format!("\\x{b:02x}"),
        }
    }
    unit += ".service";
    is_unit(&unit).then_some(unit)
}
