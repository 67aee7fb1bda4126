//! Which files sudo and sudo-rs read: `sudoers_file=` of sudo.conf, `/etc/sudoers` or `/etc/sudoers-rs`, and what they include.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::parse::{Kind, statements};
use super::{File, Policy};
use crate::error::Stop;
use crate::rootfs::Files;
use crate::rootfs::InodeId;
use crate::rootfs::lowerdir;

/// As deep as sudo follows includes.
const DEPTH: usize = 128;

pub(super) fn read(files: &Files<'_>) -> Result<Policy, Stop> {
    let mut reader = Reader {
        files,
        seen: BTreeSet::new(),
        policy: Policy {
            files: Vec::new(),
            unknown: Vec::new(),
        },
    };
    // A directory that nothing includes is read all the same: the file that includes it may arrive later.
    let mut paths = vec![
        "/etc/sudoers".to_owned(),
        // sudo-rs takes it instead.
        "/etc/sudoers-rs".to_owned(),
        "/usr/share/baselayout/sudoers".to_owned(),
    ];
    paths.extend(configured(files)?);
    for path in paths {
        reader.file(&path, 0)?;
    }
    reader.directory("/etc/sudoers.d", 0)?;
    reader.services()?;
    let mut policy = reader.policy;
    policy.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(policy)
}

/// What sudo.conf, or a copy of it, names instead of `/etc/sudoers`; newer versions take a list with colons.
fn configured(files: &Files<'_>) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    for (_, id) in files.etc("/etc/sudo.conf") {
        let text = files.text(id)?;
        for line in joined(&text) {
            let mut words = line.fields();
            let plugin = words
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case(b"Plugin"));
            for word in words.filter(|_| plugin) {
                let paths = word.strip_prefix(b"sudoers_file=").unwrap_or_default();
                let paths = paths.split_str(":").filter(|path| !path.is_empty());
                found.extend(paths.map(|file| file.to_str_lossy().into_owned()));
            }
        }
    }
    Ok(found)
}

/// The lines of sudo.conf, those that end in a backslash joined with the next.
fn joined(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let line = line.trim();
        if !open {
            found.push(Vec::new());
        }
        open = line.ends_with(b"\\") && !line.starts_with(b"#");
        if let Some(last) = found.last_mut() {
            last.extend_from_slice(line.strip_suffix(b"\\").unwrap_or(line));
        }
    }
    found
}

/// A path and the copies that may become it at boot.
fn alternatives(files: &Files<'_>, path: &str) -> Vec<String> {
    let mut found = vec![path.to_owned()];
    found.extend(lowerdir::copies(files.rootfs(), path));
    found
}

struct Reader<'d, 'i> {
    files: &'d Files<'i>,
    seen: BTreeSet<InodeId>,
    policy: Policy,
}

impl Reader<'_, '_> {
    fn file(&mut self, path: &str, depth: usize) -> Result<(), Stop> {
        for path in alternatives(self.files, path) {
            let rootfs = self.files.rootfs();
            let Some(id) = rootfs.open(&path).filter(|id| rootfs.inode(*id).is_file()) else {
                continue;
            };
            if depth > DEPTH || !self.seen.insert(id) {
                continue;
            }
            let text = self.files.text(id)?;
            let statements = statements(&text);
            for statement in &statements {
                match &statement.kind {
                    Kind::Include(to) => {
                        for to in self.included(&path, to) {
                            self.file(&to, depth + 1)?;
                        }
                    }
                    Kind::IncludeDirectory(to) => {
                        for to in self.included(&path, to) {
                            self.directory(&to, depth + 1)?;
                        }
                    }
                    _ => {}
                }
            }
            self.policy.files.push(File {
                path,
                id,
                text,
                statements,
            });
        }
        Ok(())
    }

    /// The files of a directory that sudo reads: none with a dot in the name or a `~` at its end.
    fn directory(&mut self, path: &str, depth: usize) -> Result<(), Stop> {
        for path in alternatives(self.files, path) {
            let rootfs = self.files.rootfs();
            let Some(id) = rootfs.open(&path) else {
                continue;
            };
            let names: Vec<String> = rootfs
                .children(id)
                .filter(|(name, _)| !name.contains(&b'.') && !name.ends_with(b"~"))
                .map(|(name, _)| name.to_string())
                .collect();
            for name in names {
                self.file(&format!("{path}/{name}"), depth)?;
            }
        }
        Ok(())
    }

    /// Where an include leads: beside the file if it is relative. `%h` is the host's name, so it stands for any.
    fn included(&self, from: &str, to: &[u8]) -> Vec<String> {
        let to = to.to_str_lossy();
        let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
        let path = if to.starts_with('/') {
            to.into_owned()
        } else {
            format!("{directory}/{to}")
        };
        if !path.contains("%h") {
            return vec![path];
        }
        let found = self.files.rootfs().glob(&path.replace("%h", "*"));
        found
            .into_iter()
            .map(|(path, _)| path.to_string())
            .collect()
    }

    /// Sources besides files that nsswitch.conf gives sudo.
    fn services(&mut self) -> Result<(), Stop> {
        for (path, id) in self.files.etc("/etc/nsswitch.conf") {
            let text = self.files.text(id)?;
            for (number, line) in (1..).zip(text.lines()) {
                let services = line
                    .trim_start()
                    .strip_prefix(b"sudoers:")
                    .unwrap_or_default();
                for service in services
                    .fields()
                    .filter(|s| [&b"sss"[..], b"ldap"].contains(s))
                {
                    let what = format!(
                        "sudo asks {} too, whose rules are not in the image",
                        service.as_bstr()
                    );
                    self.policy.unknown.push((path.clone(), number, what));
                }
            }
        }
        Ok(())
    }
}
