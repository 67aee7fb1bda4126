//! Drop-ins of configuration files: what programs read beside a file, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use crate::rootfs::{Files, InodeId};

/// Where systemd's programs and sysctl look for configuration, first one first; `/run` is filled
/// when the system runs.
const PREFIXES: [&str; 5] = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];

/// Where the programs of systemd find credentials that no one hands over; the first one counts.
const CREDENTIALS: [&str; 3] = [
    "/etc/credstore",
    "/usr/local/lib/credstore",
    "/usr/lib/credstore",
];

/// The section of each file in `/etc/systemd` that has only one.
const SECTIONS: [(&str, &str); 14] = [
    ("coredump", "Coredump"),
    ("homed", "Home"),
    ("iocost", "IOCost"),
    ("journal-remote", "Remote"),
    ("journal-upload", "Upload"),
    ("journald", "Journal"),
    ("logind", "Login"),
    ("oomd", "OOM"),
    ("pstore", "PStore"),
    ("resolved", "Resolve"),
    ("sleep", "Sleep"),
    ("system", "Manager"),
    ("timesyncd", "Time"),
    ("user", "Manager"),
];

/// Returns the files that a program reads in directories of which the first one with a name counts,
/// in the order of those names. Whether a copy becomes /etc is not certain, so it hides nothing.
pub(crate) fn in_order(files: &Files<'_>, search: &[&str], suffix: &str) -> Vec<(String, InodeId)> {
    let mut found: BTreeMap<String, Vec<(bool, String)>> = BTreeMap::new();
    for directory in files.etc_directories(search) {
        let is_copy = !search.contains(&directory.as_str());
        let children = files.rootfs().open(&directory);
        let children = children.map(|id| files.rootfs().children(id));
        for (name, _) in children.into_iter().flatten() {
            let Ok(name) = name.to_str() else { continue };
            if name.ends_with(suffix) && !name.starts_with('.') {
                let known = found.entry(name.to_owned()).or_default();
                if known.iter().all(|(is_copy, _)| *is_copy) {
                    known.push((is_copy, format!("{directory}/{name}")));
                }
            }
        }
    }
    let paths = found.into_values().flatten();
    paths.filter_map(|(_, path)| files.file(&path)).collect()
}

/// Returns the credential of a name that the image has, and its copies.
pub(crate) fn credential(files: &Files<'_>, name: &str) -> Vec<(String, InodeId)> {
    let mut found = CREDENTIALS
        .iter()
        .map(|at| files.etc(&format!("{at}/{name}")));
    found.find(|found| !found.is_empty()).unwrap_or_default()
}

/// Returns the section that the keys of one of systemd's configuration files belong to, where it has
/// only one.
pub(crate) fn section(path: &str) -> Option<&'static str> {
    let (directory, name, _) = family(path)?;
    let (_, section) = SECTIONS
        .into_iter()
        .find(|(known, _)| directory == "systemd" && *known == name)?;
    Some(section)
}

/// Returns the files that a program of systemd's reads where `/etc` does not have the one at `path`:
/// the vendor's, which is the main file then.
pub(crate) fn vendors(files: &Files<'_>, path: &str) -> Option<(String, InodeId)> {
    let (directory, name, None) = family(path)? else {
        return None;
    };
    let mut prefixes = PREFIXES.iter();
    prefixes.find_map(|prefix| files.file(&format!("{prefix}/{directory}/{name}.conf")))
}

/// Returns the files that may set a key anew after a program has read `own`, the files that it has at
/// `path`: in the order in which they are read, each with its path.
pub(crate) fn read_after(
    files: &Files<'_>,
    path: &str,
    own: &BTreeSet<InodeId>,
) -> Vec<(String, InodeId)> {
    let Some(order) = ordered(files, path) else {
        let mut found = beside(files, path);
        found.retain(|(_, id)| !own.contains(id));
        return found;
    };
    let start = order.iter().rposition(|(_, id)| own.contains(id));
    order
        .into_iter()
        .skip(start.map_or(0, |at| at + 1))
        .collect()
}

/// Returns what has to happen, on the system or in the build, before a change of the file at `path` takes
/// effect.
pub(crate) fn takes_effect_once(path: &str) -> Option<&'static str> {
    const MADE: [(&str, &str); 7] = [
        ("/etc/crypto-policies/config", "update-crypto-policies runs"),
        ("/etc/dconf/db/", "dconf update runs"),
        (
            "/etc/default/grub",
            "update-grub or grub2-mkconfig makes grub.cfg anew",
        ),
        ("/etc/dracut.conf", "dracut makes the initramfs anew"),
        (
            "/etc/initramfs-tools/",
            "update-initramfs makes the initramfs anew",
        ),
        ("/etc/mkinitcpio", "mkinitcpio makes the initramfs anew"),
        ("/etc/update-extlinux.conf", "update-extlinux runs"),
    ];
    let known = MADE.iter().find(|(known, _)| path.starts_with(known));
    known.map(|(_, what)| *what)
}

/// Returns whether the image's only program that sets kernel parameters at boot does not read the
/// file at `path`.
pub(crate) fn is_unread_sysctl(files: &Files<'_>, path: &str, own: &BTreeSet<InodeId>) -> bool {
    let order = sysctl_directories(files);
    path == "/etc/sysctl.conf"
        && has_systemd_sysctl(files)
        && !order.iter().any(|(_, id)| own.contains(id))
}

/// Returns the directory below a prefix, the name without `.conf`, and the drop-in's name, of a path
/// that systemd's programs read in that way.
fn family(path: &str) -> Option<(&str, &str, Option<&str>)> {
    let rest = PREFIXES.iter().find_map(|prefix| {
        let rest = path.strip_prefix(prefix)?;
        rest.strip_prefix('/')
    })?;
    let (directory, rest) = rest.split_once('/')?;
    let is_known = matches!((directory, rest), ("systemd", _) | ("udev", "udev.conf"))
        || (directory == "udev" && rest.starts_with("udev.conf.d/"));
    let (name, drop_in) = match rest.split_once('/') {
        Some((name, drop_in)) => (name.strip_suffix(".conf.d")?, Some(drop_in)),
        None => (rest.strip_suffix(".conf")?, None),
    };
    is_known.then_some((directory, name, drop_in))
}

/// Returns all files that are read for the one at `path`, in order, where casehard knows it.
fn ordered(files: &Files<'_>, path: &str) -> Option<Vec<(String, InodeId)>> {
    if path == "/etc/sysctl.conf" || path.contains("/sysctl.d/") {
        let mut order = sysctl_directories(files);
        if !has_systemd_sysctl(files) {
            order.extend(files.etc("/etc/sysctl.conf"));
        }
        return Some(order);
    }
    let below = |rest: &str| PREFIXES.map(|prefix| format!("{prefix}/{rest}"));
    if let Some((directory, name, _)) = family(path) {
        let mut order = files.etc(&format!("/etc/{directory}/{name}.conf"));
        if order.is_empty() {
            order.extend(vendors(files, &format!("/etc/{directory}/{name}.conf")));
        }
        let search = below(&format!("{directory}/{name}.conf.d"));
        order.extend(in_order(
            files,
            &search.each_ref().map(String::as_str),
            ".conf",
        ));
        return Some(order);
    }
    let (directory, _) = path.rsplit_once('/')?;
    if is_one_configuration(directory) {
        let mut order = files.etc_files_in(directory, "");
        order.retain(|(path, _)| !is_passed_over(path));
        order.sort_by(|(a, _), (b, _)| base(a).cmp(base(b)));
        return Some(order);
    }
    let main = directory
        .strip_suffix(".d")
        .filter(|main| main.ends_with(".conf"))?;
    let mut order = files.etc(main);
    order.extend(in_order(files, &[directory], ""));
    Some(order)
}

fn sysctl_directories(files: &Files<'_>) -> Vec<(String, InodeId)> {
    let search = PREFIXES.map(|prefix| format!("{prefix}/sysctl.d"));
    let mut order = in_order(files, &search.each_ref().map(String::as_str), ".conf");
    order.extend(credential(files, "sysctl.extra"));
    order
}

fn has_systemd_sysctl(files: &Files<'_>) -> bool {
    [
        "/usr/lib/systemd/systemd-sysctl",
        "/lib/systemd/systemd-sysctl",
    ]
    .iter()
    .any(|path| files.rootfs().open(path).is_some())
}

/// Returns the files of directories that by their names are drop-ins of the file at `path`.
fn beside(files: &Files<'_>, path: &str) -> Vec<(String, InodeId)> {
    let mut directories = vec![format!("{path}.d")];
    if let Some((directory, name)) = path.rsplit_once('/') {
        if let Some((stem, _)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) {
            directories.push(format!("{directory}/{stem}.d"));
        }
        // OpenRC's /etc/conf.d has a file for each service, and so have directories of its name.
        if directory != "/etc" && !directory.ends_with(".d") && has_extension(name) {
            directories.push(format!("{directory}/conf.d"));
        }
    }
    // As for networkd's: the vendor may have drop-ins of an administrator's file.
    if let Some(rest) = path.strip_prefix("/etc/systemd/") {
        let vendors = PREFIXES.iter().filter(|prefix| **prefix != "/etc");
        directories.extend(vendors.map(|prefix| format!("{prefix}/systemd/{rest}.d")));
    }
    let mut found = Vec::new();
    for directory in &directories {
        let read = files.etc_files_in(directory, "");
        found.extend(read.into_iter().filter(|(path, _)| !is_passed_over(path)));
    }
    found
}

/// Returns whether all files of a directory are read one after the other, so that the last one that
/// sets a key decides. In others, such as xinetd.d or yum.repos.d, each is about something of its own.
fn is_one_configuration(directory: &str) -> bool {
    const KNOWN: [&str; 6] = [
        "/NetworkManager/conf.d",
        "/default/grub.d",
        "/dnsmasq.d",
        "/environment.d",
        "/php.d",
        "/profile.d",
    ];
    let is_php = || directory.contains("/php") && directory.ends_with("/conf.d");
    KNOWN.iter().any(|known| directory.ends_with(known)) || is_php()
}

fn base(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns whether a name is a configuration file's, rather than a service's.
fn has_extension(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|e| ["conf", "cnf", "cfg", "ini"].contains(&e))
}

/// Returns whether a file is hidden, or one that an editor or package manager left behind.
fn is_passed_over(path: &str) -> bool {
    const ENDINGS: [&str; 9] = [
        "~",
        ".bak",
        ".old",
        ".orig",
        ".swp",
        ".rpmnew",
        ".rpmsave",
        ".dpkg-old",
        ".dpkg-dist",
    ];
    let name = base(path);
    name.starts_with('.') || ENDINGS.iter().any(|ending| name.ends_with(ending))
}
