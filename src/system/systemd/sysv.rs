//! Services that have only a script in `/etc/init.d`: `systemd-sysv-generator` makes their units when the system boots.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use super::name::is_unit;
use super::units::Units;
use crate::rootfs::{InodeId, Rootfs};

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

/// The units that the generator would make where nothing has their names, each with its script; none where the image has no
/// such generator.
pub(super) fn scripts(rootfs: &Rootfs) -> BTreeMap<String, String> {
    let directory = rootfs.open(SCRIPTS).filter(|_| has_generator(rootfs));
    let children = directory.into_iter().flat_map(|id| rootfs.children(id));
    children
        .filter_map(|(name, _)| {
            let path = format!("{SCRIPTS}/{}", name.to_str().ok()?);
            let runs = is_program(rootfs, rootfs.open(&path)?) && !is_passed_over(name);
            runs.then(|| Some((unit_of(name)?, path)))?
        })
        .collect()
}

impl Units<'_> {
    /// The units of scripts that the links of a runlevel enable, each with the target that then wants it.
    pub(super) fn enabled_scripts(&self) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (directory, target) in RUNLEVELS {
            let directory = self.rootfs.open(directory);
            let links = directory
                .into_iter()
                .flat_map(|id| self.rootfs.children(id));
            let units = links.filter_map(|(link, _)| match link.as_bytes() {
                [b'S', b'0'..=b'9', b'0'..=b'9', name @ ..] => unit_of(name),
                _ => None,
            });
            let made = units.filter(|unit| self.script_of(unit).is_some());
            found.extend(made.map(|unit| (unit, target.to_owned())));
        }
        found
    }
}

fn has_generator(rootfs: &Rootfs) -> bool {
    let paths = GENERATORS.map(|directory| format!("{directory}/systemd-sysv-generator"));
    let first = paths.iter().find(|path| {
        rootfs
            .locate(path.as_bytes())
            .is_ok_and(|l| l.inode.is_some())
    });
    let program = first.and_then(|path| rootfs.open(path));
    program.is_some_and(|id| is_program(rootfs, id))
}

fn is_program(rootfs: &Rootfs, id: InodeId) -> bool {
    let inode = rootfs.inode(id);
    inode.is_file() && inode.metas().any(|meta| meta.mode & 0o100 != 0)
}

/// Hidden files, and what editors and package managers leave behind.
fn is_passed_over(name: &[u8]) -> bool {
    const ENDINGS: &str = "rpmnew rpmsave rpmorig dpkg-old dpkg-new dpkg-tmp dpkg-dist dpkg-bak dpkg-backup dpkg-remove \
        ucf-new ucf-old ucf-dist swp bak old new";
    let ending = name.rsplit_once_str(".").map(|(_, ending)| ending);
    name.starts_with(b".")
        || name.ends_with(b"~")
        || ending.is_some_and(|ending| ENDINGS.split(' ').any(|e| ending == e.as_bytes()))
}

/// The unit that a script's name stands for; what a unit's name cannot have is written as its number.
fn unit_of(script: &[u8]) -> Option<String> {
    let name = script
        .strip_suffix(b".sh")
        .unwrap_or(script)
        .to_str()
        .ok()?;
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
