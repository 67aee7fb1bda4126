//! What a service may do by its merged unit, as systemd 252 understands the settings.
//!
//! Where a value cannot be understood as systemd would with certainty (quotes, specifiers, names
//! that only other versions or machines know) it is said which, rather than guessed.

mod listed;

use std::fmt;
use std::path::Path;

use bstr::ByteSlice;

use super::merged::Found;
use super::{Kind, Merged};

pub(super) use listed::{Listed, system_calls};

/// A service by all that systemd reads for it.
pub(super) struct Service<'m>(pub(super) &'m Merged);

/// An assignment that only systemd itself can be asked about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unread(String);

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Found<'_>> for Unread {
    fn from(found: Found<'_>) -> Self {
        Self(format!(
            "{}:{}: {}={}",
            found.file, found.line, found.key, found.value
        ))
    }
}

type Read<T> = Result<T, Unread>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Root,
    Nobody,
    Other,
}

/// Settings of one word, of which the first is what a service has by default.
const WORDS: [(&str, &[&str]); 5] = [
    ("KeyringMode", &["private", "inherit", "shared"]),
    (
        "ProtectProc",
        &["default", "noaccess", "invisible", "ptraceable"],
    ),
    ("ProcSubset", &["all", "pid"]),
    ("NotifyAccess", &["none", "main", "exec", "all"]),
    ("DevicePolicy", &["auto", "closed", "strict"]),
];

/// What `DynamicUser=yes` brings along.
const WITH_DYNAMIC_USER: [&str; 4] = [
    "PrivateTmp",
    "RemoveIPC",
    "NoNewPrivileges",
    "RestrictSUIDSGID",
];

impl Service<'_> {
    fn all(&self, key: &str) -> impl DoubleEndedIterator<Item = Found<'_>> {
        let all: Vec<_> = self.0.all("Service", key).collect();
        all.into_iter()
    }

    /// Returns the last value that systemd does not ignore.
    fn last(&self, key: &str, kind: Kind) -> Option<String> {
        let mut values = self.all(key).rev();
        let value = values.find_map(|found| kind.canonical(found.value))?;
        Some(value.to_str_lossy().into_owned())
    }

    /// Returns whether a boolean says yes, or another setting that brings it along does.
    pub(super) fn is(&self, key: &str) -> bool {
        self.last(key, Kind::Boolean).as_deref() == Some("yes")
            || WITH_DYNAMIC_USER.contains(&key) && self.is("DynamicUser")
    }

    pub(super) fn has_default_dependencies(&self) -> bool {
        let all = self.0.all("Unit", "DefaultDependencies");
        let last = all
            .filter_map(|found| Kind::Boolean.canonical(found.value))
            .last();
        last.is_none_or(|value| value == b"yes")
    }

    /// Returns the last word of those that a setting can have.
    pub(super) fn word(&self, key: &str) -> &'static str {
        let words = WORDS.iter().find(|(name, _)| *name == key);
        let words = words.map_or(&[""][..], |(_, words)| words);
        let known = |found: Found<'_>| words.iter().copied().find(|word| found.value == *word);
        self.all(key).rev().find_map(known).unwrap_or(words[0])
    }

    pub(super) fn user(&self) -> Read<User> {
        let dynamic = self.is("DynamicUser");
        let unnamed = if dynamic { User::Other } else { User::Root };
        let Some(found) = self.all("User").next_back() else {
            return Ok(unnamed);
        };
        let odd = |c: u8| !(c.is_ascii_alphanumeric() || b"_-".contains(&c));
        match found.value.as_bytes() {
            b"" => Ok(unnamed),
            b"root" | b"0" => Ok(User::Root),
            b"nobody" => Ok(User::Nobody),
            name if name.iter().copied().any(odd) || name[0] == b'-' => Err(found.into()),
            name if name[0].is_ascii_digit() => {
                let id = found.value.to_str().ok().and_then(|id| id.parse().ok());
                // A number that stands for no user keeps systemd from loading the unit, and so do
                // leading zeros.
                id.filter(|id| name[0] != b'0' && ![65535, u32::MAX].contains(id))
                    .map(|_| User::Other)
                    .ok_or_else(|| found.into())
            }
            _ => Ok(User::Other),
        }
    }

    pub(super) fn has_groups(&self) -> Read<bool> {
        let mut all = self.all("SupplementaryGroups");
        all.try_fold(false, |_, found| Ok(!words(found)?.is_empty()))
    }

    /// Returns how bad it is what a service may do to homes.
    pub(super) fn home(&self) -> u64 {
        match self.last("ProtectHome", Kind::of("ProtectHome")).as_deref() {
            Some("yes") => 0,
            Some("tmpfs") => 1,
            Some("read-only") => 5,
            _ if self.is("DynamicUser") => 5,
            _ => 10,
        }
    }

    /// Returns how bad it is what a service may do to the system's files.
    pub(super) fn system(&self) -> u64 {
        match self
            .last("ProtectSystem", Kind::of("ProtectSystem"))
            .as_deref()
        {
            _ if self.is("DynamicUser") => 0,
            Some("strict") => 0,
            Some("full") => 3,
            Some("yes") => 5,
            _ => 10,
        }
    }

    pub(super) fn has_own_root(&self) -> Read<bool> {
        let is_own = |path: String| path != "/";
        Ok(self.path("RootDirectory")?.is_some_and(is_own)
            || self.path("RootImage")?.is_some_and(is_own))
    }

    /// Returns the last path of a setting that can have one. A path that is not absolute keeps systemd
    /// from loading the unit.
    fn path(&self, key: &str) -> Read<Option<String>> {
        let last = self.all(key).next_back();
        let Some(found) = last.filter(|found| !found.value.is_empty()) else {
            return Ok(None);
        };
        let path = found.value.to_str().ok().and_then(simple);
        let path = path.filter(|path| !path.contains('%'));
        Ok(Some(path.ok_or(found)?))
    }

    /// Returns how bad the mode of new files is.
    pub(super) fn umask(&self) -> u64 {
        let mask = self.last("UMask", Kind::Mode);
        let mask = mask.map_or(0o022, |mask| u32::from_str_radix(&mask, 8).unwrap_or(0));
        let open = [(0o002, 10), (0o004, 5), (0o020, 2), (0o040, 1)];
        open.into_iter()
            .find(|(bit, _)| mask & bit == 0)
            .map_or(0, |(_, bad)| bad)
    }

    /// Returns whether the service may manage its own control groups; a list of controllers, even
    /// an empty one, says so.
    pub(super) fn is_delegate(&self) -> bool {
        let value = self.all("Delegate").next_back();
        value.is_some_and(|found| Kind::Boolean.canonical(found.value).as_deref() != Some(b"no"))
    }

    /// Returns how bad it is which devices a service may open.
    pub(super) fn devices(&self) -> Read<u64> {
        if self.word("DevicePolicy") == "auto" && !self.is("PrivateDevices") {
            return Ok(10);
        }
        let mut own = false;
        for found in self.all("DeviceAllow") {
            let words = words(found)?;
            own = !words.is_empty() && (own || is_device(&words));
        }
        // Images come with the devices that mount them.
        let mounted = self.all("MountImages").next_back();
        if let Some(found) = mounted.filter(|found| !found.value.is_empty()) {
            return Err(found.into());
        }
        own |= self.is("ProtectClock") || self.path("RootImage")?.is_some();
        Ok(if own { 5 } else { 0 })
    }
}

/// Returns whether an assignment of `DeviceAllow` names what can be a device; systemd ignores
/// others.
fn is_device(words: &[&str]) -> bool {
    let (device, access) = match words {
        [device] => (device, ""),
        [device, access] => (device, *access),
        _ => return false,
    };
    let of_a_kind = device.starts_with("char-") || device.starts_with("block-");
    let under = |path: String| {
        let mut places = ["/dev", "/run/systemd/inaccessible"].iter();
        places.any(|place| Path::new(&path).starts_with(place))
    };
    access.bytes().all(|c| b"rwm".contains(&c)) && (of_a_kind || simple(device).is_some_and(under))
}

/// Returns an absolute path without what does not change where it leads; none where it has `..`.
fn simple(path: &str) -> Option<String> {
    let parts = || path.split('/').filter(|part| !["", "."].contains(part));
    let plain = path.starts_with('/') && parts().all(|part| part != "..");
    plain.then(|| format!("/{}", parts().collect::<Vec<_>>().join("/")))
}

/// Returns the words of a value. Quotes, escapes and specifiers are left to systemd.
fn words(found: Found<'_>) -> Read<Vec<&str>> {
    let text = found.value.to_str().ok();
    let text = text.filter(|text| !text.contains(['"', '\'', '\\', '%']));
    Ok(text.ok_or(found)?.split_ascii_whitespace().collect())
}
