//! A service as systemd would start it: its settings from all files, and the environment that they add up to.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use crate::edit::Draft;
use crate::error::{Stop, fail};
use crate::rootfs::expand::Effort;
use crate::system::systemd::{Found, Merged, merged, name, words};

/// A service by all that systemd reads for it.
pub(in crate::rules) struct Service {
    unit: String,
    merged: Merged,
}

/// The variables that a service's processes have.
#[derive(Default)]
pub(in crate::rules) struct Environment {
    /// By name: the value, and the file that sets it.
    pub(in crate::rules) variables: BTreeMap<String, (String, String)>,
    /// By name: the file that takes it away.
    pub(in crate::rules) unset: BTreeMap<String, String>,
    /// Files that systemd would read and the image lacks.
    pub(in crate::rules) absent: Vec<String>,
}

impl Service {
    pub(in crate::rules) fn read(draft: &Draft<'_>, unit: &str) -> Result<Self, Stop> {
        Ok(Self {
            unit: unit.to_owned(),
            merged: merged(draft, &draft.units(), unit, |_| false)?,
        })
    }

    fn list(&self, key: &str) -> Vec<Found<'_>> {
        self.merged.list("Service", key)
    }

    /// The command lines that start the service: the file and line of each, and its words, variables of the environment replaced.
    pub(in crate::rules) fn commands(
        &self,
        environment: &Environment,
    ) -> Vec<(String, usize, Vec<String>)> {
        let expanded = |word: String| {
            let variable = word.strip_prefix('$').map(|v| v.trim_matches(['{', '}']));
            let value = variable.and_then(|v| environment.variables.get(v));
            value.map_or_else(|| vec![word.clone()], |(value, _)| words(value))
        };
        let commands = ["ExecStartPre", "ExecStart"]
            .into_iter()
            .flat_map(|key| self.list(key));
        commands
            .map(|s| {
                let words = words(&s.value.to_str_lossy())
                    .into_iter()
                    .flat_map(expanded);
                (s.file.to_owned(), s.line, words.collect())
            })
            .collect()
    }

    /// What `Environment=` says, then `EnvironmentFile=`, without what `UnsetEnvironment=` takes away (systemd.exec(5)).
    pub(in crate::rules) fn environment(&self, draft: &Draft<'_>) -> Result<Environment, Stop> {
        let mut found = Environment::default();
        for setting in self.list("Environment") {
            for word in words(&setting.value.to_str_lossy()) {
                if let Some((name, value)) = word.split_once('=') {
                    let value = (value.replace("%%", "%"), setting.file.to_owned());
                    found.variables.insert(name.to_owned(), value);
                }
            }
        }
        let mut effort = Effort::default();
        for setting in self.list("EnvironmentFile") {
            let path = setting.value.to_str_lossy();
            let path = name::expanded(&self.unit, path.trim_start_matches('-'));
            let Some(files) = draft.rootfs().expand(path.as_bytes(), &mut effort) else {
                return fail(format!("EnvironmentFile={path} stands for too much"));
            };
            if files.is_empty() {
                found.absent.push(path);
            }
            for file in files {
                let file = file.to_string();
                let text = draft.text_at(&file)?.unwrap_or_default();
                for (name, value) in assignments(&text) {
                    found.variables.insert(name, (value, file.clone()));
                }
            }
        }
        for setting in self.list("UnsetEnvironment") {
            for word in words(&setting.value.to_str_lossy()) {
                let name = match word.split_once('=') {
                    Some((name, value))
                        if found.variables.get(name).is_some_and(|(is, _)| is == value) =>
                    {
                        name
                    }
                    Some(_) => continue,
                    None => &word,
                };
                if found.variables.remove(name).is_some() {
                    found.unset.insert(name.to_owned(), setting.file.to_owned());
                }
            }
        }
        Ok(found)
    }
}

/// The lines of an environment file that set something.
fn assignments(text: &[u8]) -> Vec<(String, String)> {
    let lines = text.lines().map(ByteSlice::trim);
    let lines = lines.filter(|line| !line.starts_with(b"#") && !line.starts_with(b";"));
    lines
        .filter_map(|line| {
            let (name, value) = line.split_once_str("=")?;
            let value = words(&value.to_str_lossy()).join(" ");
            Some((name.trim().to_str_lossy().into_owned(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_an_environment_file_are_taken_apart() {
        let text = b"# c=1\n; c=2\n A = \"x y\" \nB=\nC\n";
        let want = [("A", "x y"), ("B", "")];
        assert_eq!(
            assignments(text),
            want.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}
