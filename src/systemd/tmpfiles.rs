//! tmpfiles.d: what is made, changed and removed when the system boots.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice};
use globset::GlobMatcher;

use crate::accounts;
use crate::edit::{Change, Draft, Stop, fail};
use crate::rootfs::glob::{is_glob, matcher};
use crate::rootfs::{Inode, below};

/// First one first: a file hides those of its name in later directories.
const DIRECTORIES: [&str; 4] = [
    "/etc/tmpfiles.d",
    "/run/tmpfiles.d",
    "/usr/local/lib/tmpfiles.d",
    "/usr/lib/tmpfiles.d",
];

/// A line of tmpfiles.d.
struct Line<'t> {
    file: &'t str,
    number: usize,
    /// The type: a letter, and what modifies it.
    kind: &'t str,
    path: &'t str,
    /// The path without symbolic links on the way, unless it is a glob.
    place: BString,
    /// What a glob matches; compiled when the first path is held against it.
    glob: OnceCell<Option<GlobMatcher>>,
    mode: &'t str,
    user: &'t str,
    group: &'t str,
    argument: Option<&'t str>,
}

/// Reads every line that systemd-tmpfiles would read, one at a time: there may be millions.
fn visit(draft: &Draft<'_>, mut see: impl FnMut(Line<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
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
    for file in files.into_values() {
        let text = draft.read_path(&file)?.unwrap_or_default();
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(line) = Line::parse(draft, &file, number, line) {
                see(line)?;
            }
        }
    }
    Ok(())
}

/// What links or copies at `path` are made from when the system boots, with the file and line that say so.
pub(crate) fn sources(draft: &Draft<'_>, path: &str) -> Result<Vec<(String, usize, String)>, Stop> {
    let mut found = Vec::new();
    visit(draft, |line| {
        let source = line.source(path);
        found.extend(source.map(|source| (line.file.to_owned(), line.number, source)));
        Ok(())
    })?;
    Ok(found)
}

/// An edit that a line takes back.
pub(crate) struct Undone {
    /// The edit, as its place among the draft's.
    pub(crate) edit: usize,
    pub(crate) file: String,
    pub(crate) number: usize,
    /// What the line does.
    pub(crate) what: String,
}

/// Every edit that a line takes back, with each such line, in the order of edits; and why there may be more, if that is so.
pub(crate) fn undone(draft: &Draft<'_>) -> (Vec<Undone>, Result<(), Stop>) {
    let mut search = Search::new(draft);
    let searched = visit(draft, |line| search.hold_against(&line));
    search.found.sort_by_key(|undone| undone.edit);
    (search.found, searched)
}

/// How many paths, or parts of them, are held against lines that may mean them, and how many edits are found undone, before the
/// search gives up. Real images have a few dozen globs, and few lines that mean the same path.
const CHECKS: usize = 4_000_000;
const UNDONE: usize = 100_000;
/// What looking up a user or group counts for: that reads a file.
const LOOK_UP: usize = 10_000;

/// The edits by their path, and what was found of them.
struct Search<'d, 'i> {
    draft: &'d Draft<'i>,
    edits: BTreeMap<&'d BStr, Edited<'d>>,
    numbers: BTreeMap<(&'static str, String), Option<u64>>,
    checks: usize,
    found: Vec<Undone>,
}

/// What is at an edited path, and which edits that had.
struct Edited<'d> {
    inode: Option<&'d Inode>,
    edits: Vec<usize>,
}

impl<'d, 'i> Search<'d, 'i> {
    fn new(draft: &'d Draft<'i>) -> Self {
        let mut edits: BTreeMap<&BStr, Edited<'_>> = BTreeMap::new();
        for (at, edit) in draft.edits.iter().enumerate() {
            let edited = edits.entry(edit.path.as_bstr()).or_insert_with(|| {
                let place = draft.rootfs().locate(&edit.path).ok();
                let inode = place.and_then(|place| place.inode);
                let inode = inode.map(|id| draft.rootfs().inode(id));
                Edited {
                    inode: inode.filter(|inode| inode.symlink().is_none()),
                    edits: Vec::new(),
                }
            });
            edited.edits.push(at);
        }
        Self {
            draft,
            edits,
            numbers: BTreeMap::new(),
            checks: 0,
            found: Vec::new(),
        }
    }

    fn hold_against(&mut self, line: &Line<'_>) -> Result<(), Stop> {
        let edits = std::mem::take(&mut self.edits);
        let done = if is_glob(line.path) {
            let compiling = self.count(line.path.len());
            compiling.and_then(|()| self.hold_all(line, edits.iter()))
        } else {
            let below = line.reaches_below().then(|| below(&edits, &line.place));
            let at = edits.get_key_value(line.place.as_bstr());
            let all = at.into_iter().chain(below.into_iter().flatten());
            self.hold_all(line, all)
        };
        self.edits = edits;
        done
    }

    fn hold_all<'e>(
        &mut self,
        line: &Line<'_>,
        edited: impl Iterator<Item = (&'e &'d BStr, &'e Edited<'d>)>,
    ) -> Result<(), Stop>
    where
        'd: 'e,
    {
        for (path, edited) in edited {
            // A glob is held against each part of the path, and that takes as long as they are.
            let parts = if is_glob(line.path) {
                path.split(|byte| *byte == b'/').count() * (1 + path.len() / 64)
            } else {
                1
            };
            for edit in &edited.edits {
                self.count(parts)?;
                let change = &self.draft.edits[*edit].change;
                let Some(what) = self.undoes(line, path, edited.inode, change)? else {
                    continue;
                };
                if self.found.len() == UNDONE {
                    return fail(format!("tmpfiles.d undoes more than {UNDONE} edits"));
                }
                self.found.push(Undone {
                    edit: *edit,
                    file: line.file.to_owned(),
                    number: line.number,
                    what,
                });
            }
        }
        Ok(())
    }

    fn count(&mut self, checks: usize) -> Result<(), Stop> {
        self.checks += checks;
        if self.checks > CHECKS {
            return fail("tmpfiles.d has more lines that may mean edited files than can be tried");
        }
        Ok(())
    }

    /// What a line does to an edit, if it takes it back.
    fn undoes(
        &mut self,
        line: &Line<'_>,
        path: &BStr,
        there: Option<&Inode>,
        change: &Change,
    ) -> Result<Option<String>, Stop> {
        let draft = self.draft;
        let there = there.filter(|inode| line.adjusts(draft, path, inode));
        Ok(match (change, there) {
            (Change::Removed, _) if line.place == path && line.makes(draft) => {
                Some("makes it again at boot".into())
            }
            (Change::Content | Change::Created, _) if line.removes(path) => {
                Some("removes it at boot".into())
            }
            (Change::Content | Change::Created, _) if line.writes(path) => {
                Some("writes over it at boot".into())
            }
            (Change::Mode { .. }, Some(inode)) => line.new_mode(inode),
            (Change::Owner { .. }, Some(inode)) => self.new_owner(line, inode)?,
            (Change::Created, Some(inode)) => match line.new_mode(inode) {
                None => self.new_owner(line, inode)?,
                mode => mode,
            },
            _ => None,
        })
    }

    /// What becomes of its owner and group. Names that the image does not know change nothing.
    fn new_owner(&mut self, line: &Line<'_>, inode: &Inode) -> Result<Option<String>, Stop> {
        let present = (inode.meta.uid, inode.meta.gid);
        let uid = self.number("passwd", line.user, present.0)?;
        let gid = self.number("group", line.group, present.1)?;
        let differs = (uid, gid) != present;
        Ok(differs.then(|| format!("sets its owner to {uid}:{gid} at boot")))
    }

    fn number(&mut self, database: &'static str, name: &str, present: u64) -> Result<u64, Stop> {
        if name == "-" || name.starts_with(':') {
            return Ok(present);
        }
        let key = (database, name.to_owned());
        if let Some(known) = self.numbers.get(&key) {
            return Ok(known.unwrap_or(present));
        }
        self.count(LOOK_UP)?;
        let number = accounts::id(self.draft, database, name)?;
        self.numbers.insert(key, number);
        Ok(number.unwrap_or(present))
    }
}

impl<'t> Line<'t> {
    fn parse(draft: &Draft<'_>, file: &'t str, number: usize, line: &'t [u8]) -> Option<Self> {
        let mut words = line.fields().take(7).map(ByteSlice::to_str);
        let mut word = || words.next().transpose().ok();
        let (kind, path) = (word()??, word()??);
        if kind.starts_with('#') {
            return None;
        }
        let path = path.trim_end_matches('/');
        let place = match draft.rootfs().locate(path.as_bytes()) {
            Ok(place) if !is_glob(path) => draft.rootfs().location_path(&place),
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

    /// What a link or copy at `path` is made from, if that is what the line makes.
    fn source(&self, path: &str) -> Option<String> {
        let makes = self.path == path && "LC".contains(self.letter());
        let argument = self.argument.filter(|_| makes)?;
        if argument.starts_with('/') {
            return Some(argument.to_owned());
        }
        let (directory, _) = path.rsplit_once('/')?;
        Some(format!("{directory}/{argument}"))
    }

    /// Whether the line may mean what is below its place too.
    fn reaches_below(&self) -> bool {
        "ZRDLpbc".contains(self.letter())
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
        let source = match self.argument {
            None | Some("-") => factory,
            Some(_) => self.source(self.path)?,
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

    /// Whether the line means a path, or a directory above it.
    fn matches_above(&self, path: &BStr) -> bool {
        let ends = path.find_iter("/").filter(|end| *end > 0);
        self.matches(path)
            || self.is_above(path)
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
}
