//! What the systemd of an image knows: it passes over a setting that its version lacks. The names of
//! settings are in the program as strings, with their sections.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use crate::error::Stop;
use crate::rootfs::{Files, InodeId};

/// The program, and the library that newer versions have it in. A `*` stands for anything.
const PROGRAMS: [&str; 6] = [
    "/usr/lib/systemd/libsystemd-core-*.so",
    "/usr/lib/*/systemd/libsystemd-core-*.so",
    "/usr/lib64/systemd/libsystemd-core-*.so",
    "/lib/systemd/libsystemd-core-*.so",
    "/usr/lib/systemd/systemd",
    "/lib/systemd/systemd",
];

/// What was found of one image: the program is looked for once, and a setting in it once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Knows {
    program: Option<Option<(String, InodeId)>>,
    settings: BTreeMap<String, bool>,
}

impl Knows {
    /// Returns what the image's systemd does not read of some settings, each a section and a name: a
    /// message, where that is so and the image has a systemd that shows its settings.
    pub(crate) fn unread<'s>(
        &mut self,
        files: &Files<'_>,
        settings: impl Iterator<Item = (&'s str, &'s str)>,
    ) -> Result<Option<String>, Stop> {
        // The manager reads nothing of [Install], and nobody what has a name of one's own.
        let read = settings.filter(|(section, name)| {
            *section != "Install" && !section.starts_with("X-") && !name.starts_with("X-")
        });
        let names: Vec<String> = read
            .map(|(section, name)| format!("{section}.{name}"))
            .collect();
        if names.is_empty() {
            return Ok(None);
        }
        let found = match self.program.take() {
            Some(known) => known,
            None => program(files)?,
        };
        let found = self.program.insert(found);
        let Some((path, program)) = found else {
            return Ok(None);
        };
        let new = names
            .iter()
            .filter(|name| !self.settings.contains_key(*name));
        let new: Vec<String> = new.map(|name| format!("{name}\0")).collect();
        if !new.is_empty() {
            let needles: Vec<&[u8]> = new.iter().map(String::as_bytes).collect();
            let missing = files.missing(*program, &needles)?;
            for name in &new {
                let is_known = !missing.iter().any(|one| one.as_bytes() == name.as_bytes());
                self.settings
                    .insert(name.trim_end_matches('\0').to_owned(), is_known);
            }
        }
        let missing = names
            .iter()
            .filter(|name| self.settings.get(*name) == Some(&false));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        Ok((!missing.is_empty()).then(|| {
            let missing = missing.join(", ");
            format!("{path} of the image does not know {missing}, and would pass over it")
        }))
    }
}

/// Returns the program that has the settings in it, and its path.
fn program(files: &Files<'_>) -> Result<Option<(String, InodeId)>, Stop> {
    let rootfs = files.rootfs();
    let found = PROGRAMS.iter().flat_map(|pattern| rootfs.glob(pattern));
    for (path, location) in found {
        if let Some(id) = location.inode.filter(|id| rootfs.inode(*id).is_file())
            && files.contains(id, &[b"Service.NoNewPrivileges\0", b"Unit.After\0"])?
        {
            return Ok(Some((path.to_string(), id)));
        }
    }
    Ok(None)
}
