//! systemd as the rootfs shows it: where units come from, which are masked, and what drop-ins say.

mod load_path;
mod merged;
pub(crate) mod name;
mod reach;
mod setting;
mod unit_file;

use std::collections::BTreeSet;

use bstr::ByteSlice;

use crate::edit::{Draft, Stop};
use crate::rootfs::Rootfs;
use crate::rootfs::glob::{is_glob, matcher};

pub(crate) use load_path::Units;
pub(crate) use merged::{Merged, merged};
pub(crate) use reach::openings;
pub(crate) use setting::{Kind, Loss, lost};

/// Where the administrator's units are; a rule writes here.
pub(crate) const ETC: &str = "/etc/systemd/system";

/// The units that a name or glob stands for, sorted; the name itself where it is no glob, be the unit there or not.
pub(crate) fn named(rootfs: &Rootfs, unit: &str) -> Vec<String> {
    if !is_glob(unit) {
        return vec![unit.to_owned()];
    }
    let Some(matcher) = matcher(unit) else {
        return Vec::new();
    };
    let names = load_path::UNIT_PATH
        .iter()
        .flat_map(|directory| names_in(rootfs, directory));
    let units: BTreeSet<String> = names
        .filter(|unit| name::is_unit(unit) && matcher.is_match(unit))
        .collect();
    units.into_iter().collect()
}

fn names_in(rootfs: &Rootfs, directory: &str) -> Vec<String> {
    let Some(directory) = rootfs.open(directory) else {
        return Vec::new();
    };
    let names = rootfs.children(directory);
    names.map(|(name, _)| name.to_string()).collect()
}

/// The lines of tmpfiles.d that put something at a path: the file, the line's number, its type and its argument.
pub(crate) fn tmpfiles(draft: &Draft<'_>, path: &str) -> Result<Vec<TmpfilesLine>, Stop> {
    let mut found = Vec::new();
    for directory in [
        "/etc/tmpfiles.d",
        "/run/tmpfiles.d",
        "/usr/local/lib/tmpfiles.d",
        "/usr/lib/tmpfiles.d",
    ] {
        for name in names_in(draft.rootfs(), directory) {
            let file = format!("{directory}/{name}");
            let Some(text) = draft.read_path(&file)?.filter(|_| name.ends_with(".conf")) else {
                continue;
            };
            for (number, line) in (1..).zip(text.lines()) {
                let words: Vec<&[u8]> = line.fields().collect();
                if let [kind, at, rest @ ..] = &words[..]
                    && at.trim_end_with(|c| c == '/') == path.as_bytes()
                {
                    let argument = rest.get(4).map(|a| a.to_str_lossy().into_owned());
                    found.push(TmpfilesLine {
                        file: file.clone(),
                        number,
                        kind: kind[0],
                        argument,
                    });
                }
            }
        }
    }
    Ok(found)
}

/// A line of tmpfiles.d.
pub(crate) struct TmpfilesLine {
    pub(crate) file: String,
    pub(crate) number: usize,
    /// The type's letter, such as `L` for a link.
    kind: u8,
    argument: Option<String>,
}

impl TmpfilesLine {
    /// What a link or copy at `path` is made from.
    pub(crate) fn source(&self, path: &str) -> Option<String> {
        let argument = self
            .argument
            .as_ref()
            .filter(|_| matches!(self.kind, b'L' | b'C'))?;
        if argument.starts_with('/') {
            return Some(argument.clone());
        }
        let (directory, _) = path.rsplit_once('/')?;
        Some(format!("{directory}/{argument}"))
    }
}
