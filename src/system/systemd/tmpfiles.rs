//! tmpfiles.d: what is made, changed and removed when the system boots.

use std::cell::OnceCell;

use bstr::{BStr, BString, ByteSlice};
use globset::GlobMatcher;

use crate::error::Stop;
use crate::rootfs::Files;
use crate::rootfs::Inode;
use crate::rootfs::glob::{is_glob, matcher};
use crate::system::conf_files::{credential, in_order};

/// First one first: a file hides those of its name in later directories.
const DIRECTORIES: [&str; 4] = [
    "/etc/tmpfiles.d",
    "/run/tmpfiles.d",
    "/usr/local/lib/tmpfiles.d",
    "/usr/lib/tmpfiles.d",
];

/// A line of tmpfiles.d.
pub(crate) struct Line<'t> {
    pub(crate) file: &'t str,
    pub(crate) number: usize,
    /// The type: a letter, and what modifies it.
    kind: &'t str,
    pub(crate) path: &'t str,
    /// The path without symbolic links on the way, unless it is a glob.
    pub(crate) place: BString,
    /// What a glob matches; compiled when the first path is held against it.
    glob: OnceCell<Option<GlobMatcher>>,
    mode: &'t str,
    pub(crate) user: &'t str,
    pub(crate) group: &'t str,
    argument: Option<&'t str>,
}

/// Reads every line that systemd-tmpfiles would read, one at a time: there may be millions.
pub(crate) fn visit(
    files: &Files<'_>,
    mut see: impl FnMut(Line<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    // Lines of the credential come last (systemd-tmpfiles(8)).
    let mut all = in_order(files, &DIRECTORIES, ".conf");
    all.extend(credential(files, "tmpfiles.extra"));
    for (file, id) in all {
        let text = files.text(id)?;
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(line) = Line::parse(files, &file, number, line) {
                see(line)?;
            }
        }
    }
    Ok(())
}

/// Returns what links or copies at `path` are made from when the system boots, with the file and
/// line that say so.
pub(crate) fn sources(files: &Files<'_>, path: &str) -> Result<Vec<(String, usize, String)>, Stop> {
    let mut found = Vec::new();
    visit(files, |line| {
        let source = line.source(path);
        found.extend(source.map(|source| (line.file.to_owned(), line.number, source)));
        Ok(())
    })?;
    Ok(found)
}

impl<'t> Line<'t> {
    fn parse(files: &Files<'_>, file: &'t str, number: usize, line: &'t [u8]) -> Option<Self> {
        let mut words = line.fields().take(7).map(ByteSlice::to_str);
        let mut word = || words.next().transpose().ok();
        let (kind, path) = (word()??, word()??);
        if kind.starts_with('#') {
            return None;
        }
        let path = path.trim_end_matches('/');
        let place = match files.rootfs().locate(path.as_bytes()) {
            Ok(place) if !is_glob(path) => files.rootfs().location_path(&place),
            _ => path.into(),
        };
        let (mode, user, group) = (word()?, word()?, word()?);
        word()?;
        Some(Self {
            file,
            number,
            kind,
            path,
            place,
            glob: OnceCell::new(),
            mode: mode.unwrap_or("-"),
            user: user.unwrap_or("-"),
            group: group.unwrap_or("-"),
            argument: word()?,
        })
    }

    fn letter(&self) -> char {
        self.kind.chars().next().unwrap_or_default()
    }

    /// Returns what a link or copy at `path` is made from, if that is what the line makes.
    fn source(&self, path: &str) -> Option<String> {
        let makes = self.path == path && "LC".contains(self.letter());
        let argument = self.argument.filter(|_| makes)?;
        if argument.starts_with('/') {
            return Some(argument.to_owned());
        }
        let (directory, _) = path.rsplit_once('/')?;
        Some(format!("{directory}/{argument}"))
    }

    /// Returns whether the line may mean what is below its place too.
    pub(crate) fn reaches_below(&self) -> bool {
        "ZRDLpbcA".contains(self.letter()) || self.takes_as_new()
    }

    /// Returns whether the line makes what is missing at a path: at its own place, or below it where
    /// a directory is copied over one that is there.
    pub(crate) fn makes_at(&self, files: &Files<'_>, path: &BStr) -> bool {
        if self.place == path {
            return self.makes(files);
        }
        let merges = self.takes_as_new() && self.is_above(path);
        let below = path.strip_prefix(self.place.as_bytes());
        let (Some(below), Some(source)) = (below.filter(|_| merges), self.copied_from()) else {
            return false;
        };
        let source = [source.as_bytes(), below].concat();
        files.rootfs().exists(source.as_bstr())
    }

    /// Returns whether the line gives others rights to what is at a path, by an access control list.
    pub(crate) fn shares(&self, path: &BStr) -> bool {
        let entries = self.argument.unwrap_or_default().split(',');
        let mut entries = entries.filter(|entry| !entry.is_empty());
        // Default entries are for what is made in a directory later.
        let is_access =
            entries.any(|entry| !entry.starts_with("d:") && !entry.starts_with("default:"));
        is_access
            && match self.letter() {
                'a' => self.matches(path),
                'A' => self.matches_above(path),
                _ => false,
            }
    }

    fn makes(&self, files: &Files<'_>) -> bool {
        match self.letter() {
            'C' => self.copied(files).is_some(),
            letter => "fFLdDvqQpcb".contains(letter),
        }
    }

    /// Returns where a `C` copies from; without an argument, from the factory.
    fn copied_from(&self) -> Option<String> {
        match self.argument {
            None | Some("-") => Some(format!("/usr/share/factory{}", self.path)),
            Some(_) => self.source(self.path),
        }
    }

    fn copied<'d>(&self, files: &'d Files<'_>) -> Option<&'d Inode> {
        let source = self.copied_from()?;
        let source = files.rootfs().open(&source)?;
        Some(files.rootfs().inode(source))
    }

    /// Directories that are emptied and files that are removed, before anything is made.
    pub(crate) fn removes(&self, path: &BStr) -> bool {
        match self.letter() {
            'r' => self.matches(path),
            'R' => self.matches_above(path),
            'D' => self.is_above(path),
            _ => false,
        }
    }

    pub(crate) fn writes(&self, path: &BStr) -> bool {
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

    /// Returns whether mode and owner of what is at a path become what the line says.
    pub(crate) fn adjusts(&self, files: &Files<'_>, path: &BStr, inode: &Inode) -> bool {
        match self.letter() {
            'C' => {
                let like = |source: &Inode| {
                    (source.is_file() && inode.is_file())
                        || (source.is_directory() && inode.is_directory())
                };
                self.place == path && self.copied(files).is_some_and(like)
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
        // Only the root ends in a slash.
        let place = self.place.strip_suffix(b"/").unwrap_or(&self.place);
        let rest = path.strip_prefix(place);
        rest.is_some_and(|rest| rest.starts_with(b"/"))
    }

    fn matches(&self, path: &BStr) -> bool {
        let glob = || is_glob(self.path).then(|| matcher(self.path)).flatten();
        let glob = || self.glob.get_or_init(glob).as_ref();
        self.place == path || glob().is_some_and(|glob| glob.is_match(path.to_path_lossy()))
    }

    /// Returns whether the line means a path, or a directory above it.
    fn matches_above(&self, path: &BStr) -> bool {
        let ends = path.find_iter("/").filter(|end| *end > 0);
        self.matches(path)
            || self.is_above(path)
            || ends
                .into_iter()
                .any(|end| self.matches(path[..end].as_bstr()))
    }

    /// Returns whether what is there counts as made anew: so does systemd 252 for `C+`.
    pub(crate) fn takes_as_new(&self) -> bool {
        self.kind.starts_with('C') && self.kind.contains('+')
    }

    /// Returns what becomes of the mode of what is there. After a `:` the mode is for what is made
    /// anew; after a `~` it grants nothing to anyone that nobody had.
    pub(crate) fn new_mode(&self, inode: &Inode) -> Option<String> {
        let present = inode.meta.mode;
        let digits = self.mode.trim_start_matches(['~', ':']);
        let prefix = &self.mode[..self.mode.len() - digits.len()];
        let mut mode = u32::from_str_radix(digits, 8).ok()?;
        if prefix.contains('~') {
            let held = [0o111, 0o222, 0o444].into_iter();
            let held = held.filter(|bits| present & bits != 0).sum::<u32>();
            mode &= held | if inode.is_directory() { 0o7000 } else { 0 };
        }
        let counts = !prefix.contains(':') || self.takes_as_new();
        let differs = counts && mode != present;
        differs.then(|| format!("sets its mode to {mode:04o} at boot"))
    }
}
