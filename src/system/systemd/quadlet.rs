//! Quadlets: files of which podman's generator makes units when the system boots
//! (podman-systemd.unit(5)).

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};

use super::has_generator;
use super::name::is_unit;
use super::unit_file::settings;
use super::units::Units;
use crate::error::Stop;
use crate::rootfs::{Files, Rootfs, lowerdir};

/// Where they are, first one first. Those in `users/` make units of user sessions.
const DIRECTORIES: [&str; 3] = [
    "/etc/containers/systemd",
    "/usr/local/share/containers/systemd",
    "/usr/share/containers/systemd",
];

/// The endings, and what the unit's name has before `.service`.
const TYPES: [(&str, &str); 7] = [
    (".container", ""),
    (".kube", ""),
    (".pod", "-pod"),
    (".volume", "-volume"),
    (".network", "-network"),
    (".image", "-image"),
    (".build", "-build"),
];

/// Programs that the generator is, under another name.
const PROGRAMS: [&str; 2] = ["/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet"];

/// What a quadlet is asked to do.
pub(crate) struct Quadlet {
    pub(crate) unit: String,
    /// The units that pull it in when the system boots.
    pub(crate) wanted_by: Vec<BString>,
    /// The ports of the host that lead into it, as they are written.
    pub(crate) ports: Vec<BString>,
}

/// Returns the units that the generator makes, each with its quadlet; none where the image has no
/// such generator.
pub(super) fn quadlets(rootfs: &Rootfs) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let has_program = PROGRAMS.iter().any(|path| rootfs.exists(path));
    if !has_program && !has_generator(rootfs, "podman-system-generator") {
        return found;
    }
    for directory in DIRECTORIES
        .iter()
        .flat_map(|path| lowerdir::with_copies(rootfs, path))
    {
        let Some(id) = rootfs.open(&directory) else {
            continue;
        };
        rootfs.visit(id, |path, _| {
            let Some(path) = path.to_str().ok() else {
                return;
            };
            let name = path.rsplit('/').next().unwrap_or_default();
            let is_users = path.contains("/containers/systemd/users/");
            if let Some(unit) = unit_of(name).filter(|_| !is_users) {
                found.entry(unit).or_insert_with(|| path.to_owned());
            }
        });
    }
    found
}

/// Returns what the quadlets ask for that are units of the image and not masked.
pub(crate) fn of_units(files: &Files<'_>, units: &Units<'_>) -> Result<Vec<Quadlet>, Stop> {
    let mut found = Vec::new();
    for (unit, path) in quadlets(files.rootfs()) {
        if units.script_of(&unit) != Some(&path) {
            continue;
        }
        let mut quadlet = Quadlet {
            unit,
            wanted_by: Vec::new(),
            ports: Vec::new(),
        };
        for setting in settings(&files.text_at(&path)?.unwrap_or_default()) {
            match (setting.section.as_slice(), setting.key.as_slice()) {
                (b"Install", b"WantedBy" | b"RequiredBy" | b"UpheldBy") => {
                    quadlet
                        .wanted_by
                        .extend(setting.value.fields().map(BString::from));
                }
                (_, b"PublishPort") => quadlet.ports.push(setting.value),
                _ => {}
            }
        }
        found.push(quadlet);
    }
    Ok(found)
}

fn unit_of(name: &str) -> Option<String> {
    let (stem, suffix) = TYPES.iter().find_map(|(ending, suffix)| {
        let stem = name.strip_suffix(ending).filter(|stem| !stem.is_empty())?;
        Some((stem, suffix))
    })?;
    let unit = format!("{stem}{suffix}.service");
    is_unit(&unit).then_some(unit)
}
