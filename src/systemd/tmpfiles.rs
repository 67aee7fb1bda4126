//! tmpfiles.d: what is made, changed and removed when the system boots.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice};

use crate::accounts;
use crate::edit::{Change, Draft, Stop};
use crate::rootfs::Inode;
use crate::rootfs::glob::{is_glob, matcher};

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
    /// The path without symbolic links on the way, unless it is a glob.
    place: BString,
    mode: String,
    user: String,
    group: String,
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
                .filter_map(|(number, line)| Line::parse(draft, &file, number, line)),
        );
    }
    Ok(found)
}

impl Line {
    fn parse(draft: &Draft<'_>, file: &str, number: usize, line: &[u8]) -> Option<Self> {
        let words: Vec<&str> = line
            .fields()
            .map(|word| word.to_str())
            .collect::<Result<_, _>>()
            .ok()?;
        let (kind, path) = match words[..] {
            [kind, path, ..] if !kind.starts_with('#') => (kind, path),
            _ => return None,
        };
        let path = path.trim_end_matches('/').to_owned();
        let place = match draft.rootfs().locate(path.as_bytes()) {
            Ok(place) if !is_glob(&path) => draft.rootfs().location_path(&place),
            _ => path.as_str().into(),
        };
        let word = |at: usize| words.get(at).copied().unwrap_or("-").to_owned();
        Some(Self {
            file: file.to_owned(),
            number,
            kind: kind.to_owned(),
            path,
            place,
            mode: word(2),
            user: word(3),
            group: word(4),
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
    pub(crate) fn undoes(
        &self,
        draft: &Draft<'_>,
        path: &BStr,
        change: &Change,
    ) -> Result<Option<String>, Stop> {
        let there = draft.rootfs().locate(path).ok();
        let there = there.and_then(|place| place.inode);
        let there = there.map(|id| draft.rootfs().inode(id));
        let there =
            there.filter(|inode| inode.symlink().is_none() && self.adjusts(draft, path, inode));
        Ok(match (change, there) {
            (Change::Removed, _) if self.place == path && self.makes(draft) => {
                Some("makes it again at boot".into())
            }
            (Change::Content | Change::Created, _) if self.removes(path) => {
                Some("removes it at boot".into())
            }
            (Change::Content | Change::Created, _) if self.writes(path) => {
                Some("writes over it at boot".into())
            }
            (Change::Mode { .. }, Some(inode)) => self.new_mode(inode),
            (Change::Owner { .. }, Some(inode)) => self.new_owner(draft, inode)?,
            (Change::Created, Some(inode)) => match self.new_mode(inode) {
                None => self.new_owner(draft, inode)?,
                mode => mode,
            },
            _ => None,
        })
    }

    fn makes(&self, draft: &Draft<'_>) -> bool {
        match self.letter() {
            'C' => self.copied(draft).is_some(),
            letter => "fFLdDvqQpcb".contains(letter),
        }
    }

    /// What a `C` copies; without an argument, what the factory has.
    fn copied<'d>(&self, draft: &'d Draft<'_>) -> Option<&'d Inode> {
        let factory = format!("/usr/share/factory{}", self.path);
        let source = match self.argument.as_deref() {
            None | Some("-") => factory,
            Some(_) => self.source(&self.path)?,
        };
        let source = draft.rootfs().open(&source)?;
        Some(draft.rootfs().inode(source))
    }

    /// Directories that are emptied and files that are removed, before anything is made.
    fn removes(&self, path: &BStr) -> bool {
        match self.letter() {
            'r' => self.matches(path),
            'R' => self.matches_above(path),
            'D' => self.is_above(path),
            _ => false,
        }
    }

    fn writes(&self, path: &BStr) -> bool {
        match self.letter() {
            'w' => self.matches(path),
            'F' => self.place == path,
            _ if !self.kind.contains('+') => false,
            'f' => self.place == path,
            // These take the place of a whole directory, too.
            'L' | 'p' | 'b' | 'c' => self.place == path || self.is_above(path),
            _ => false,
        }
    }

    /// Whether mode and owner of what is at a path become what the line says.
    fn adjusts(&self, draft: &Draft<'_>, path: &BStr, inode: &Inode) -> bool {
        match self.letter() {
            'C' => {
                let like = |source: &Inode| {
                    (source.is_file() && inode.is_file())
                        || (source.is_directory() && inode.is_directory())
                };
                self.place == path && self.copied(draft).is_some_and(like)
            }
            'z' | 'm' => self.matches(path),
            'Z' => self.matches_above(path),
            'e' => inode.is_directory() && self.matches(path),
            'w' => inode.is_file() && self.matches(path),
            'f' | 'F' => inode.is_file() && self.place == path,
            letter => inode.is_directory() && "dDvqQ".contains(letter) && self.place == path,
        }
    }

    fn is_above(&self, path: &BStr) -> bool {
        let rest = path.strip_prefix(self.place.as_slice());
        rest.is_some_and(|rest| rest.starts_with(b"/"))
    }

    fn matches(&self, path: &BStr) -> bool {
        let glob = || matcher(&self.path).is_some_and(|m| m.is_match(path.to_path_lossy()));
        self.place == path || is_glob(&self.path) && glob()
    }

    /// Whether the line means a path, or a directory above it.
    fn matches_above(&self, path: &BStr) -> bool {
        let ends = path.find_iter("/").filter(|end| *end > 0);
        self.matches(path)
            || ends
                .into_iter()
                .any(|end| self.matches(path[..end].as_bstr()))
    }

    /// What becomes of the mode of what is there. After a `:` the mode is for what is made anew; after a `~` it grants nothing
    /// to anyone that nobody had.
    fn new_mode(&self, inode: &Inode) -> Option<String> {
        let present = inode.meta.mode;
        let digits = self.mode.trim_start_matches(['~', ':']);
        let prefix = &self.mode[..self.mode.len() - digits.len()];
        let mut mode = u32::from_str_radix(digits, 8).ok()?;
        if prefix.contains('~') {
            let held = [0o111, 0o222, 0o444].into_iter();
            let held = held.filter(|bits| present & bits != 0).sum::<u32>();
            mode &= held | if inode.is_directory() { 0o7000 } else { 0 };
        }
        let differs = !prefix.contains(':') && mode != present;
        differs.then(|| format!("sets its mode to {mode:04o} at boot"))
    }

    /// What becomes of its owner and group. Names that the image does not know change nothing.
    fn new_owner(&self, draft: &Draft<'_>, inode: &Inode) -> Result<Option<String>, Stop> {
        let present = (inode.meta.uid, inode.meta.gid);
        let number = |database, name: &str, present| match name {
            "-" => Ok(present),
            name if name.starts_with(':') => Ok(present),
            name => accounts::id(draft, database, name).map(|id| id.unwrap_or(present)),
        };
        let uid = number("passwd", &self.user, present.0)?;
        let gid = number("group", &self.group, present.1)?;
        let differs = (uid, gid) != present;
        Ok(differs.then(|| format!("sets its owner to {uid}:{gid} at boot")))
    }
}
