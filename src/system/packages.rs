//! Packages: which are installed, and which one a file belongs to, by dpkg's and apk's databases in the image.

pub(crate) mod chkstat;
mod managers;

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice};

use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Rootfs};

pub(crate) use managers::unread;

/// Where dpkg keeps all it knows.
pub(crate) const DPKG: &str = "/var/lib/dpkg";

/// Where dpkg keeps the modes and owners that an administrator set.
pub(crate) const STATOVERRIDE: &str = "/var/lib/dpkg/statoverride";

/// Where dpkg lists the installed packages.
const STATUS: &str = "/var/lib/dpkg/status";

/// Where dpkg lists which package wants to know of changes to which files.
pub(crate) const TRIGGERS: &str = "/var/lib/dpkg/triggers/File";

/// A package's interest in a file or directory (deb-triggers(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileTrigger {
    pub(crate) line: usize,
    /// Without symbolic links on the way.
    pub(crate) path: BString,
    pub(crate) package: String,
}

/// Where apk lists the installed packages, before version 3 and since.
const APK: [&str; 2] = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];

/// A file's package, and the path by which the package knows it: before `/usr` was merged many were in `/bin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) package: String,
    pub(crate) listed: BString,
    /// Whether dpkg's database has it, not apk's.
    pub(crate) dpkg: bool,
}

/// Returns the owners of these files, by their paths without symbolic links on the way in `rootfs`, which may be older than the
/// files: what was removed had an owner too.
pub(crate) fn owners(
    files: &Files<'_>,
    rootfs: &Rootfs,
    paths: &[BString],
) -> Result<BTreeMap<BString, Owner>, Stop> {
    let mut found = BTreeMap::new();
    let last = |path: &[u8]| BString::from(path.rsplit(|b| *b == b'/').next().unwrap_or_default());
    // Most of the hundred thousand lines name nothing that was edited; their last component tells that at once.
    let names: BTreeSet<BString> = paths.iter().map(|path| last(path)).collect();
    let paths: BTreeSet<&BString> = paths.iter().collect();
    let mut note = |package: &str, listed: &[u8], dpkg: bool| {
        if !names.contains(&last(listed)) {
            return;
        }
        if let Ok(location) = rootfs.locate(listed) {
            let path = rootfs.location_path(&location);
            if paths.contains(&path) {
                let listed = listed.into();
                found.entry(path).or_insert(Owner {
                    package: package.to_owned(),
                    listed,
                    dpkg,
                });
            }
        }
    };
    for (path, list) in files.files_in("/var/lib/dpkg/info", ".list") {
        let name = path.rsplit('/').next().unwrap_or_default();
        let package = name.strip_suffix(".list").unwrap_or(name);
        let package = package.split(':').next().unwrap_or(package);
        let text = files.text(list)?;
        text.lines().for_each(|line| note(package, line, true));
    }
    if let Some((_, id)) = APK.iter().find_map(|path| files.file(path)) {
        let text = files.text(id)?;
        apk(&text, |package, path| note(package, path, false));
    }
    Ok(found)
}

/// Returns the files that dpkg lists as configuration in its status. Its next upgrade keeps edits, removals, modes and
/// owners of these; where the package's own version changed as well, it asks first.
pub(crate) fn conffiles(files: &Files<'_>) -> Result<BTreeSet<BString>, Stop> {
    let text = files.text_at(STATUS)?.unwrap_or_default();
    let mut found = BTreeSet::new();
    let mut listing = false;
    for line in text.lines() {
        // A field goes on in lines that begin with a blank.
        let Some(conffile) = line.strip_prefix(b" ") else {
            listing = line.trim_end() == b"Conffiles:";
            continue;
        };
        let named = conffile.strip_suffix(b" obsolete").unwrap_or(conffile);
        if let Some((path, hash)) = named.rsplit_once_str(" ").filter(|_| listing)
            && hash != b"remove-on-upgrade"
        {
            found.insert(path.into());
        }
    }
    Ok(found)
}

/// A link that update-alternatives makes where it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alternative {
    /// The file that says so.
    pub(crate) registry: String,
    pub(crate) link: BString,
    /// What has to be there again before, if it is not.
    pub(crate) once: Option<BString>,
}

/// Returns the links of all alternatives that any package has registered.
pub(crate) fn alternatives(files: &Files<'_>) -> Result<Vec<Alternative>, Stop> {
    const REGISTRY: &str = "/var/lib/dpkg/alternatives";
    let rootfs = files.rootfs();
    let mut found = Vec::new();
    for (file, id) in files.files_in(REGISTRY, "") {
        let text = files.text(id)?;
        let name = &file[REGISTRY.len() + 1..];
        // The mode and the link; a name and a link for each that goes along with it, up to an empty line.
        let mut lines = text.lines().skip(1);
        let first = lines.next().unwrap_or_default();
        let mut links = vec![(name.as_bytes(), first)];
        while let (Some(name @ [_, ..]), Some(link)) = (lines.next(), lines.next()) {
            links.push((name, link));
        }
        // A program, its priority, and what stands for each link that goes along.
        let rest: Vec<&[u8]> = text.lines().skip(2 * links.len() + 1).collect();
        for (at, (name, link)) in links.iter().enumerate() {
            let choices = rest.chunks_exact(links.len() + 1);
            let needs = choices.map(|choice| match at {
                0 => [choice[0], choice[0]],
                _ => [choice[0], choice[at + 1]],
            });
            let gone = |needed: [&[u8]; 2]| {
                let gone = needed.into_iter().find(|path| rootfs.open(path).is_none());
                gone.map(BString::from)
            };
            // What is there already comes before what has to come back.
            let once = needs.filter(|needed| !needed[1].is_empty()).map(gone).min();
            let own = [b"/etc/alternatives/", *name].concat();
            for link in [own.as_slice(), link] {
                found.extend(once.clone().map(|once| Alternative {
                    registry: file.clone(),
                    link: link.into(),
                    once,
                }));
            }
        }
    }
    Ok(found)
}

/// Returns the triggers on files, by their places in `rootfs`. Triggers of other names have nothing to do with a file.
pub(crate) fn file_triggers(files: &Files<'_>, rootfs: &Rootfs) -> Result<Vec<FileTrigger>, Stop> {
    let text = files.text_at(TRIGGERS)?.unwrap_or_default();
    let lines = (1..).zip(text.lines());
    let triggers = lines.filter_map(|(line, text)| {
        let (path, package) = text.split_once_str(" ")?;
        let package = package.strip_suffix(b"/noawait").unwrap_or(package);
        let place = rootfs.locate(path).ok()?;
        Some(FileTrigger {
            line,
            path: rootfs.location_path(&place),
            package: package.to_str_lossy().into_owned(),
        })
    });
    Ok(triggers.collect())
}

/// Returns the databases of installed packages.
pub(crate) fn databases(files: &Files<'_>) -> Vec<InodeId> {
    let apk = APK.iter().find_map(|path| files.file(path));
    let mut found: Vec<(String, InodeId)> = files.file(STATUS).into_iter().chain(apk).collect();
    // Images without dpkg itself have a file for each package.
    let each = files.files_in("/var/lib/dpkg/status.d", "").into_iter();
    found.extend(each.filter(|(path, _)| !path.ends_with(".md5sums")));
    found.into_iter().map(|(_, id)| id).collect()
}

/// Returns the installed packages of one of the [`databases`], with their versions.
pub(crate) fn installed(text: &[u8]) -> Vec<(BString, BString)> {
    let mut found = Vec::new();
    let (mut name, mut version, mut here) = (None, None, true);
    for line in text.lines().chain([&b""[..]]) {
        if line.trim().is_empty() {
            if let (Some(name), Some(version), true) = (name.take(), version.take(), here) {
                found.push((name, version));
            }
            (name, version, here) = (None, None, true);
            continue;
        }
        let Some((key, value)) = line.split_once_str(":") else {
            continue;
        };
        match key {
            b"Package" | b"P" => name = Some(BString::from(value.trim())),
            b"Version" | b"V" => version = Some(value.trim().into()),
            // "want flag state"; what was removed keeps its paragraph while its settings are there.
            b"Status" => here = value.fields().nth(2) != Some(b"config-files"),
            _ => {}
        }
    }
    found
}

/// Reads apk's database: `P:` begins a package's name, `F:` a directory, `R:` a file in it.
fn apk(text: &[u8], mut found: impl FnMut(&str, &[u8])) {
    let (mut package, mut directory) = (String::new(), BString::default());
    for line in text.lines() {
        match line.split_once_str(":") {
            Some((b"P", name)) => package = name.to_str_lossy().into_owned(),
            Some((b"F", path)) => directory = [b"/", path].concat().into(),
            Some((b"R", name)) => found(&package, &[directory.as_slice(), b"/", name].concat()),
            _ => {}
        }
    }
}
