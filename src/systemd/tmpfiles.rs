//! tmpfiles.d: what is made, changed and removed when the system boots.

use std::collections::BTreeMap;

use bstr::{BStr, ByteSlice};

use crate::edit::{Change, Draft, Stop};
use crate::rootfs::glob::matcher;

/// First one first: a file hides those of its name in later directories.
const DIRECTORIES: [&str; 4] = [
    "/etc/tmpfiles.d",
    "/run/tmpfiles.d",
    "/usr/local/lib/tmpfiles.d",
    "/usr/lib/tmpfiles.d",
];

/// A line of tmpfiles.d.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) file: String,
    pub(crate) number: usize,
    /// The type: a letter, and what modifies it.
    kind: String,
    path: String,
    mode: Option<u32>,
    argument: Option<String>,
}

/// Every line that systemd-tmpfiles would read.
pub(crate) fn lines(draft: &Draft<'_>) -> Result<Vec<Line>, Stop> {
    let mut files = BTreeMap::new();
    for directory in DIRECTORIES {
        for name in super::names_in(draft.rootfs(), directory) {
            if name.ends_with(".conf") {
                files
                    .entry(name.clone())
                    .or_insert_with(|| format!("{directory}/{name}"));
            }
        }
    }
    let mut found = Vec::new();
    for file in files.into_values() {
        let text = draft.read_path(&file)?.unwrap_or_default();
        found.extend(
            (1..)
                .zip(text.lines())
                .filter_map(|(number, line)| Line::parse(&file, number, line)),
        );
    }
    Ok(found)
}

impl Line {
    fn parse(file: &str, number: usize, line: &[u8]) -> Option<Self> {
        let words: Vec<&str> = line
            .fields()
            .map(|word| word.to_str())
            .collect::<Result<_, _>>()
            .ok()?;
        let (kind, path) = match words[..] {
            [kind, path, ..] if !kind.starts_with('#') => (kind, path),
            _ => return None,
        };
        let mode = words.get(2).map(|mode| mode.trim_start_matches(['~', ':']));
        Some(Self {
            file: file.to_owned(),
            number,
            kind: kind.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
            mode: mode.and_then(|mode| u32::from_str_radix(mode, 8).ok()),
            argument: words.get(6).map(|argument| (*argument).to_owned()),
        })
    }

    fn letter(&self) -> char {
        self.kind.chars().next().unwrap_or_default()
    }

    /// What a link or copy at `path` is made from, if that is what the line makes.
    pub(crate) fn source(&self, path: &str) -> Option<String> {
        let argument = self
            .argument
            .as_ref()
            .filter(|_| self.path == path && "LC".contains(self.letter()))?;
        if argument.starts_with('/') {
            return Some(argument.clone());
        }
        let (directory, _) = path.rsplit_once('/')?;
        Some(format!("{directory}/{argument}"))
    }

    /// What the line does to an edit, if it takes it back.
    pub(crate) fn undoes(&self, path: &BStr, change: &Change) -> Option<String> {
        let here = self.path.as_bytes() == path.as_bytes();
        let replaces = self.kind.contains('+') || self.letter() == 'F';
        match change {
            Change::Removed if here && "fFLCdDvqQpcb".contains(self.letter()) => {
                Some("makes it again at boot".into())
            }
            Change::Content | Change::Created
                if here && replaces && "fFLCw".contains(self.letter()) =>
            {
                Some("writes over it at boot".into())
            }
            Change::Created if here && "rR".contains(self.letter()) => {
                Some("removes it at boot".into())
            }
            Change::Mode { after, .. }
                if self.sets_mode_of(path) && self.mode.is_some_and(|mode| mode != *after) =>
            {
                Some(format!(
                    "sets its mode to {:04o} at boot",
                    self.mode.unwrap_or_default()
                ))
            }
            _ => None,
        }
    }

    fn sets_mode_of(&self, path: &BStr) -> bool {
        let matches = |glob: &str| matcher(glob).is_some_and(|m| m.is_match(path.to_path_lossy()));
        match self.letter() {
            'z' | 'm' => matches(&self.path),
            'Z' => matches(&self.path) || matches(&format!("{}/**", self.path)),
            'f' | 'F' | 'd' | 'D' | 'e' | 'v' | 'q' | 'Q' => {
                self.path.as_bytes() == path.as_bytes()
            }
            _ => false,
        }
    }
}
