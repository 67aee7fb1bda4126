//! Which files sudo and sudo-rs read: `sudoers_file=` of sudo.conf, `/etc/sudoers` or `/etc/sudoers-rs`, and what they include.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::parse::{Directive, statements};
use super::{Policy, PolicyFile};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};
use crate::system::accounts::joined_lines;

/// As deep as sudo follows includes.
const DEPTH: usize = 128;

/// Files that sudo reads unless sudo.conf names others; the second is sudo-rs's own.
const FILES: [&str; 3] = [
    "/etc/sudoers",
    "/etc/sudoers-rs",
    "/usr/share/baselayout/sudoers",
];

impl Policy {
    /// Reads what sudo.conf names, what that includes, and what becomes `/etc` at boot.
    pub(crate) fn read(files: &Files<'_>) -> Result<Self, Stop> {
        let mut includes = Includes {
            files,
            seen: BTreeSet::new(),
            policy: Self::default(),
        };
        let configured = configured(files)?;
        for path in FILES
            .into_iter()
            .chain(configured.iter().map(String::as_str))
        {
            includes.file(path, 0)?;
        }
        // Nothing may include it yet: the file that does may arrive later.
        includes.directory("/etc/sudoers.d", 0)?;
        includes.services()?;
        let mut policy = includes.policy;
        policy.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(policy)
    }
}

/// Returns what sudo.conf, or a copy of it, names instead of `/etc/sudoers`; newer versions take a list with colons.
fn configured(files: &Files<'_>) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    for (_, id) in files.etc("/etc/sudo.conf") {
        let text = files.text(id)?;
        let code = |line: &str| match line.trim() {
            comment if comment.starts_with('#') => String::new(),
            code => code.to_owned(),
        };
        for (_, line) in joined_lines(&text, code) {
            let mut words = line.split_whitespace();
            let plugin = words
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case("Plugin"));
            for word in words.filter(|_| plugin) {
                let paths = word.strip_prefix("sudoers_file=").unwrap_or_default();
                let paths = paths.split(':').filter(|path| !path.is_empty());
                found.extend(paths.map(str::to_owned));
            }
        }
    }
    Ok(found)
}

/// Follows includes from file to file.
struct Includes<'d, 'i> {
    files: &'d Files<'i>,
    seen: BTreeSet<InodeId>,
    policy: Policy,
}

impl Includes<'_, '_> {
    /// Reads a file and its copies, then what they include.
    fn file(&mut self, path: &str, depth: usize) -> Result<(), Stop> {
        for (path, id) in self.files.etc(path) {
            if depth > DEPTH || !self.seen.insert(id) {
                continue;
            }
            let text = self.files.text(id)?;
            let statements = statements(&text);
            for statement in &statements {
                let (to, is_directory) = match &statement.directive {
                    Directive::Include(to) => (to, false),
                    Directive::IncludeDirectory(to) => (to, true),
                    _ => continue,
                };
                for to in self.included(&path, to) {
                    match is_directory {
                        true => self.directory(&to, depth + 1)?,
                        false => self.file(&to, depth + 1)?,
                    }
                }
            }
            self.policy.files.push(PolicyFile {
                path,
                id,
                text,
                statements,
            });
        }
        Ok(())
    }

    /// Reads the files of a directory that sudo reads: none with a dot in the name or a `~` at its end.
    fn directory(&mut self, path: &str, depth: usize) -> Result<(), Stop> {
        for path in self.files.with_copies(path) {
            for (file, _) in self.files.files_in(&path, "") {
                let name = file.rsplit('/').next().unwrap_or_default();
                if !name.contains('.') && !name.ends_with('~') {
                    self.file(&file, depth)?;
                }
            }
        }
        Ok(())
    }

    /// Returns where an include leads: beside the file if it is relative. `%h` is the host's name, so it stands for any.
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

    /// Notes the sources besides files that nsswitch.conf gives sudo.
    fn services(&mut self) -> Result<(), Stop> {
        for (path, id) in self.files.etc("/etc/nsswitch.conf") {
            let text = self.files.text(id)?;
            for (number, line) in (1..).zip(text.lines()) {
                let services = line.trim_start().strip_prefix(b"sudoers:");
                let services = services.unwrap_or_default().fields();
                for service in services.filter(|s| [&b"sss"[..], b"ldap"].contains(s)) {
                    let what = format!(
                        "sudo asks {} too, whose rules are not in the image",
                        service.as_bstr()
                    );
                    self.policy.unknown.push((Place::new(&path, number), what));
                }
            }
        }
        Ok(())
    }
}
