//! One path that changed, as the formats for people show it.

use crate::diff::{self, Difference, PathChange, Side};
use crate::error::Result;
use crate::escape::{escape, escape_line};

/// A hunk whose lines print.
pub(crate) type Hunk = diff::Hunk<String>;
/// A line that prints.
pub(crate) type Line = diff::Line<String>;

/// A path that changed.
pub(crate) struct File {
    pub(crate) name: Name,
    /// Other names of the same file, which changed in the same way.
    pub(crate) twins: Vec<Name>,
    pub(crate) status: Status,
    /// The rules that touched it, by their position in the view.
    pub(crate) rules: Vec<usize>,
    /// What became of it, in a few words.
    pub(crate) brief: String,
    /// All that became of it besides its lines.
    pub(crate) facts: Vec<String>,
    pub(crate) hunks: Vec<Hunk>,
    /// The lines that were added and removed, also where `hunks` leaves some out.
    pub(crate) lines: (usize, usize),
    /// How many lines of the hunks were left out.
    pub(crate) left_out: usize,
    /// Whether its text has characters that would make it look different from what it is.
    pub(crate) misleads: bool,
}

/// A path as it is shown and linked to.
pub(crate) struct Name {
    /// Without the leading slash.
    pub(crate) path: String,
    /// The fragment of a URL: ASCII, and different for each path.
    pub(crate) anchor: String,
}

/// What became of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Added,
    Removed,
    Renamed,
    Changed,
}

impl Status {
    pub(crate) fn of(change: &PathChange) -> Self {
        match (change.old, change.new) {
            (None, _) => Self::Added,
            (_, None) => Self::Removed,
            _ if change.from.is_some() => Self::Renamed,
            _ => Self::Changed,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
            Self::Changed => "changed",
        }
    }

    pub(crate) fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Renamed => '>',
            Self::Changed => '~',
        }
    }
}

impl File {
    /// Describes a change, without what the file holds.
    pub(crate) fn new(change: &PathChange, old: &Side<'_>, new: &Side<'_>) -> Result<Self> {
        let facts: Vec<String> = change.facts(old, new)?.iter().map(escape).collect();
        let status = Status::of(change);
        Ok(Self {
            name: Name::new(&change.path),
            twins: Vec::new(),
            status,
            rules: Vec::new(),
            brief: match status {
                Status::Added | Status::Removed => facts.first().cloned().unwrap_or_default(),
                Status::Renamed | Status::Changed => facts.join(", "),
            },
            facts,
            hunks: Vec::new(),
            lines: (0, 0),
            left_out: 0,
            misleads: false,
        })
    }

    /// Reads what the file holds and adds what became of it: at most so many lines, or sizes and
    /// digests.
    pub(crate) fn read(
        &mut self,
        change: &PathChange,
        old: &Side<'_>,
        new: &Side<'_>,
        most: usize,
    ) -> Result<()> {
        let states = change.states(old, new)?;
        let details = change.details(new, &states);
        self.facts.extend(details.iter().map(escape));
        self.misleads = diff::misleads(&states);
        if let Some([from, to]) = diff::lines(&states)
            && from != to
        {
            let hunks = diff::hunks(&from, &to).into_iter();
            self.hunks = hunks.map(|hunk| hunk.map(escape_line)).collect();
        }
        let lines = || self.hunks.iter().flat_map(|hunk| &hunk.lines);
        let of = |sign| lines().filter(|line| line.sign == sign).count();
        self.lines = (of(diff::Sign::Added), of(diff::Sign::Removed));
        let brief = match self.lines {
            (0, 0) if change.has(Difference::Content) => "other content".to_owned(),
            (0, 0) => return Ok(()),
            (added, removed) => format!("+{added} −{removed}"),
        };
        let parts = [std::mem::take(&mut self.brief), brief];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        self.brief = parts.join(", ");
        self.left_out = clip(&mut self.hunks, most);
        Ok(())
    }
}

/// Takes away the lines after the first `most`, and counts them.
fn clip(hunks: &mut Vec<Hunk>, most: usize) -> usize {
    let (mut room, mut left_out) = (most, 0);
    for hunk in hunks.iter_mut() {
        let kept = hunk.lines.len().min(room);
        left_out += hunk.lines.len() - kept;
        hunk.lines.truncate(kept);
        room -= kept;
    }
    hunks.retain(|hunk| !hunk.lines.is_empty());
    left_out
}

impl Name {
    pub(crate) fn new(path: &[u8]) -> Self {
        let path = match path.strip_prefix(b"/").unwrap_or(path) {
            b"" => b".",
            path => path,
        };
        Self {
            path: escape(path),
            anchor: anchor(path),
        }
    }
}

/// Returns a path as the fragment of a URL.
pub(crate) fn anchor(path: &[u8]) -> String {
    let mut out = String::new();
    for &byte in path {
        let stays = byte.is_ascii_alphanumeric() || b"/._-+@:=,~".contains(&byte);
        if stays {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
