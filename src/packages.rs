//! Which package a file belongs to, as dpkg's and apk's databases in the image say it.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice};

use crate::edit::{Draft, Stop};
use crate::rootfs::{InodeId, Rootfs};

/// Where dpkg keeps what an administrator set of a package's files.
pub(crate) const STATOVERRIDE: &str = "/var/lib/dpkg/statoverride";

/// Where apk keeps what is installed.
const APK: &str = "/lib/apk/db/installed";

/// A file's package, and the path by which the package knows it: before `/usr` was merged many were in `/bin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) package: String,
    pub(crate) listed: BString,
    /// Whether it is dpkg that knows it.
    pub(crate) dpkg: bool,
}

/// The owners of these files, by their paths without symbolic links on the way in `rootfs`, which may be older than the
/// draft: what was removed had an owner too.
pub(crate) fn owners(
    draft: &Draft<'_>,
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
    for (file, package) in dpkg_lists(draft) {
        let text = draft.read_path(&file)?.unwrap_or_default();
        text.lines().for_each(|line| note(&package, line, true));
    }
    if let Some(text) = draft.read_path(APK)? {
        apk(&text, |package, path| note(package, path, false));
    }
    Ok(found)
}

/// The databases that say which packages are installed.
pub(crate) fn databases(rootfs: &Rootfs) -> Vec<InodeId> {
    let mut paths: Vec<BString> = vec!["/var/lib/dpkg/status".into(), APK.into()];
    // Images without dpkg itself have a file for each package.
    if let Some(directory) = rootfs.open("/var/lib/dpkg/status.d") {
        let names = rootfs.children(directory);
        let names = names.filter(|(name, _)| !name.ends_with(b".md5sums"));
        paths.extend(names.map(|(name, _)| rootfs.path_in(directory, name)));
    }
    let found = paths.iter().filter_map(|path| rootfs.open(path));
    found.filter(|id| rootfs.inode(*id).is_file()).collect()
}

/// The installed packages of one of the [`databases`], with their versions.
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

/// The files that list what each package installed.
fn dpkg_lists(draft: &Draft<'_>) -> Vec<(String, String)> {
    let rootfs = draft.rootfs();
    let Some(info) = rootfs.open("/var/lib/dpkg/info") else {
        return Vec::new();
    };
    let names = rootfs
        .children(info)
        .filter_map(|(name, _)| name.to_str().ok());
    names
        .filter_map(|name| {
            let package = name.strip_suffix(".list")?;
            let plain = package.split_once(':').map_or(package, |(plain, _)| plain);
            Some((format!("/var/lib/dpkg/info/{name}"), plain.to_owned()))
        })
        .collect()
}

/// apk's database: `P:` begins a package's name, `F:` a directory, `R:` a file in it.
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
