//! The view of a comparison, for a page or a comment on a pull request.
//!
//! **Invariant: two images that have nothing in common do not fill memory.** Paths and lines are
//! shown up to a limit, the most telling first, and a note says what is left out and how to see it.

use std::collections::{BTreeMap, BTreeSet};

use super::{File, Hunk, Name, Surface, Tone, Verdict, View};
use crate::diff::{Comparison, Difference, Folded, PathChange};
use crate::error::Result;
use crate::escape::escape;
use crate::inventory;
use crate::report::plural;
use crate::rootfs::InodeId;

/// How much is shown at most.
pub(in crate::report) struct Bounds {
    /// Paths.
    pub(in crate::report) files: usize,
    /// Lines of one file.
    pub(in crate::report) lines: usize,
    /// Bytes of all lines, about.
    pub(in crate::report) bytes: usize,
}

const BOUNDS: Bounds = Bounds {
    files: 5_000,
    lines: 2_000,
    bytes: 8 << 20,
};

impl Comparison<'_> {
    /// Makes the view for people.
    pub(in crate::report) fn view(&self) -> Result<View> {
        self.view_within(&BOUNDS)
    }

    pub(in crate::report) fn view_within(&self, bounds: &Bounds) -> Result<View> {
        let (files, left_out) = self.files(bounds)?;
        let [before, after] = &self.inventories;
        let mut surface = Surface::of_kinds(&inventory::Kind::ALL, before, after);
        surface.retain(|part| part.before + part.after > 0);
        let notes = left_out.iter().chain(self.notes());
        Ok(View {
            verdict: self.verdict(!left_out.is_empty()),
            subject: vec![
                ("old", escape(self.old.name())),
                ("new", escape(self.new.name())),
            ],
            beyond: Vec::new(),
            rules: Vec::new(),
            residuals: Vec::new(),
            waivers: Vec::new(),
            notes: notes.map(escape).collect(),
            // Masks and packages are not part of it, but a reviewer wants to see them.
            surface_title: "Attack surface, masks and packages",
            surface,
            remains_title: "What remains",
            paths: self.paths().len(),
            files,
        })
    }

    fn verdict(&self, left_out: bool) -> Verdict {
        let gained = self.surface().iter().filter(|c| c.is_privilege_gained());
        let mut counts = self.counts();
        counts[..1].make_ascii_uppercase();
        let (tone, title, mut sentence) = match (self.is_same(), gained.count()) {
            (true, _) => (Tone::Good, "Same", "Nothing differs.".into()),
            (_, 0) => (Tone::Changes, "Different", format!("{counts}.")),
            (_, n) => {
                let are = if n == 1 { "is" } else { "are" };
                let privileges = plural(n, "privilege");
                let sentence = format!("{counts}. {privileges} {are} new or different.");
                (Tone::Changes, "Different", sentence)
            }
        };
        if left_out {
            sentence.push_str(
                " Not everything is shown here; the notes say what is left out and how to see it.",
            );
        }
        Verdict {
            tone,
            title: title.into(),
            sentence,
        }
    }

    /// Returns the paths that are shown, and a note for each thing that is left out.
    fn files(&self, bounds: &Bounds) -> Result<(Vec<File>, Vec<String>)> {
        let mut notes = Vec::new();
        let mut wanted: Vec<&PathChange> = self.paths().iter().collect();
        let folded = (wanted.len() > bounds.files).then(|| Folded::of(self));
        if let Some(folded) = &folded {
            wanted.retain(|change| !folded.hides(change));
            // Stable, so that paths of one kind stay sorted.
            wanted.sort_by_key(|change| rank(change));
            let beyond = wanted.len().saturating_sub(bounds.files);
            wanted.truncate(bounds.files);
            wanted.sort_by(|a, b| a.path.cmp(&b.path));
            let stand = "added and removed directories stand for everything below them";
            notes.push(match beyond {
                0 => format!("{stand}; `casehard diff --format diff` has every path"),
                n => format!(
                    "{stand}, and {n} more paths are not shown; `casehard diff --format diff` has every path, and `--path` shows a part"
                ),
            });
        }
        let mut room = bounds.bytes;
        let mut unread = 0;
        let mut shown = BTreeMap::new();
        let mut files: Vec<Option<File>> = wanted.iter().map(|_| None).collect();
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by_key(|at| rank(wanted[*at]));
        for at in order {
            let change = wanted[at];
            let key = twin_key(change);
            let first = key.and_then(|key| shown.get(&key));
            if let Some(first) = first.and_then(|first: &usize| files[*first].as_mut()) {
                first.twins.push(Name::new(&change.path));
                continue;
            }
            shown.extend(key.map(|key| (key, at)));
            let below = folded.as_ref().and_then(|folded| folded.below(change));
            let mut file = File::new(change, &self.old, &self.new)?;
            if let Some(count) = below {
                let fact = format!("with {count} paths below it");
                file.brief = format!("{}, {fact}", file.brief);
                file.facts.push(fact);
            }
            let contents = [Difference::Content, Difference::Added, Difference::Removed];
            if contents.iter().any(|difference| change.has(*difference)) {
                if room == 0 {
                    unread += 1;
                    file.facts.push("its content is not shown here".into());
                } else {
                    file.read(change, &self.old, &self.new, bounds.lines)?;
                    room = room.saturating_sub(cost(&file.hunks));
                }
            }
            files[at] = Some(file);
        }
        if unread > 0 {
            notes.push(format!(
                "the contents of {unread} files are not shown; `casehard diff --format diff` has them, and `--path` shows a part"
            ));
        }
        Ok((files.into_iter().flatten().collect(), notes))
    }
}

/// Ranks the most telling first: changes, additions and removals, modes and owners.
fn rank(change: &PathChange) -> usize {
    match (change.old, change.new) {
        _ if change.is_plain() => 2,
        (Some(_), Some(_)) => 0,
        _ => 1,
    }
}

type TwinKey<'c> = (InodeId, InodeId, &'c BTreeSet<Difference>);

/// The same for the names of one file that changed in the same way.
fn twin_key(change: &PathChange) -> Option<TwinKey<'_>> {
    let named = [Difference::Links, Difference::Renamed];
    let differs = named.iter().any(|d| change.has(*d));
    let (old, new) = (change.old?, change.new?);
    (!differs).then_some((old, new, &change.differences))
}

/// What lines take in memory, about.
fn cost(hunks: &[Hunk]) -> usize {
    let lines = hunks.iter().flat_map(|hunk| &hunk.lines);
    lines.map(|line| 64 + line.text.len()).sum()
}
