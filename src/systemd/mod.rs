//! systemd as the rootfs shows it: where units come from, which are masked, and what drop-ins say.

mod unit_file;

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice};

use crate::edit::{Draft, Stop};
use crate::rootfs::glob::{is_glob, matcher};
use crate::rootfs::{InodeId, Rootfs};

pub(crate) use unit_file::settings;

/// Where the administrator's units are; a rule writes here.
pub(crate) const ETC: &str = "/etc/systemd/system";

/// The directories that units are loaded from and that an image can hold, first one first (systemd.unit(5)).
const UNIT_PATH: [&str; 5] = [
    "/etc/systemd/system.control",
    ETC,
    "/usr/local/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// The units that a name or glob stands for, sorted; the name itself where it is no glob, be the unit there or not.
pub(crate) fn named(rootfs: &Rootfs, unit: &str) -> Vec<String> {
    if !is_glob(unit) {
        return vec![unit.to_owned()];
    }
    let Some(matcher) = matcher(unit) else {
        return Vec::new();
    };
    let names = UNIT_PATH
        .iter()
        .flat_map(|directory| names_in(rootfs, directory));
    let units: BTreeSet<String> = names
        .filter(|name| is_unit(name) && matcher.is_match(name))
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

fn is_unit(name: &str) -> bool {
    let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix);
    suffix.is_some_and(|s| {
        [
            "service",
            "socket",
            "target",
            "timer",
            "mount",
            "automount",
            "path",
            "slice",
            "scope",
            "swap",
            "device",
        ]
        .contains(&s)
    })
}

/// `getty@.service` of `getty@tty1.service`.
pub(crate) fn template(unit: &str) -> Option<String> {
    let (prefix, rest) = unit.split_once('@')?;
    let (instance, suffix) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{suffix}"))
}

/// Whether the image has the unit, or the template that it is an instance of, masked or not.
pub(crate) fn exists(rootfs: &Rootfs, unit: &str) -> bool {
    let has = |unit: &str| {
        UNIT_PATH
            .iter()
            .any(|directory| lookup(rootfs, directory, unit).is_some())
    };
    has(unit) || template(unit).is_some_and(|template| has(&template))
}

/// What a directory holds under a unit's name, a symbolic link not followed.
fn lookup(rootfs: &Rootfs, directory: &str, unit: &str) -> Option<InodeId> {
    let path = format!("{directory}/{unit}");
    rootfs.locate(path.as_bytes()).ok()?.inode
}

/// Whether systemd takes the unit for masked: the first file of its name leads to `/dev/null` or is empty.
pub(crate) fn is_masked(rootfs: &Rootfs, unit: &str) -> bool {
    let first = UNIT_PATH
        .iter()
        .find(|directory| lookup(rootfs, directory, unit).is_some());
    first.is_some_and(|directory| is_mask(rootfs, &format!("{directory}/{unit}")))
}

fn is_mask(rootfs: &Rootfs, path: &str) -> bool {
    let empty = |id: InodeId| rootfs.inode(id).is_file() && rootfs.size(id) == Some(0);
    rootfs.leads_to(path.as_bytes(), "/dev/null") || rootfs.open(path).is_some_and(empty)
}

/// The drop-ins that systemd merges into a unit after the one named `name`, and that set the same key: they win.
/// Aliases and `PREFIX-.d` directories are not looked at.
pub(crate) fn overriding(
    draft: &Draft<'_>,
    unit: &str,
    name: &str,
    (section, key): (&str, &str),
) -> Result<Vec<BString>, Stop> {
    let rootfs = draft.rootfs();
    let suffix = unit.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    let levels = [
        Some(unit.to_owned()),
        template(unit),
        Some(suffix.to_owned()),
    ];
    // Of files of one name the first directory's counts, and the unit's own level before the type's.
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for level in levels.into_iter().flatten() {
        for directory in UNIT_PATH {
            let directory = format!("{directory}/{level}.d");
            for name in names_in(rootfs, &directory) {
                if name.ends_with(".conf") && !name.starts_with('.') {
                    let path = format!("{directory}/{name}");
                    by_name.entry(name).or_insert(path);
                }
            }
        }
    }
    let ours = format!("{ETC}/{unit}.d/{name}");
    let mut found = Vec::new();
    for (other, path) in by_name {
        let wins = other.as_str() > name || (other == name && path != ours);
        let same = |text: Vec<u8>| {
            settings(&text).any(|s| (s.section, s.key) == (section.as_bytes(), key.as_bytes()))
        };
        if wins && draft.read_path(&path)?.is_some_and(same) {
            let place = rootfs.locate(path.as_bytes());
            found.push(place.map_or(path.into(), |place| rootfs.location_path(&place)));
        }
    }
    Ok(found)
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
