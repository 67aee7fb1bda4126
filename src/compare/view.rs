//! A comparison for people, as a page or a comment on a pull request shows it.
//!
//! **Invariant: two images that have nothing in common do not fill memory.** Paths and lines are shown up to a limit, what says
//! most first, and a note says what was left out and how to see it.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::stored;
use super::folded::Folded;
use super::{Comparison, Difference, PathChange};
use crate::error::Result;
use crate::escape::escape;
use crate::inventory;
use crate::report::view::{File, Hunk, Kind, Name, Surface, Tone, Verdict, View, text_hunks};
use crate::report::{State, either_misleads, pair, plural};
use crate::rootfs::InodeId;

/// What is shown at most.
pub(super) struct Bounds {
    /// Paths.
    pub(super) files: usize,
    /// Lines of one file.
    pub(super) lines: usize,
    /// Bytes of all lines, about.
    pub(super) bytes: usize,
}

const BOUNDS: Bounds = Bounds {
    files: 5_000,
    lines: 2_000,
    bytes: 8 << 20,
};

impl Comparison<'_> {
    /// What the formats for people show.
    pub(super) fn view(&self) -> Result<View> {
        self.view_within(&BOUNDS)
    }

    pub(super) fn view_within(&self, bounds: &Bounds) -> Result<View> {
        let (files, left_out) = self.files(bounds)?;
        let [before, after] = &self.inventories;
        let mut surface = Surface::of_kinds(&inventory::Kind::ALL, before, after);
        surface.retain(|part| part.before + part.after > 0);
        let notes = left_out.iter().chain(&self.notes);
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
            // Masks and packages are none, but a reviewer wants to see them.
            surface_title: "Attack surface, masks and packages",
            surface,
            paths: self.paths.len(),
            files,
        })
    }

    fn verdict(&self, left_out: bool) -> Verdict {
        let gained = self.surface.iter().filter(|c| c.is_privilege_gained());
        let mut counts = self.counts();
        counts[..1].make_ascii_uppercase();
        let (tone, title, mut sentence) = match (self.is_same(), gained.count()) {
            (true, _) => (
                Tone::Good,
                "Same",
                "Nothing that was asked for differs.".into(),
            ),
            (_, 0) => (Tone::Changes, "Different", format!("{counts}.")),
            (_, n) => {
                let are = if n == 1 {
                    "privilege is"
                } else {
                    "privileges are"
                };
                let sentence = format!("{counts}. {n} {are} new or other than before.");
                (Tone::Changes, "Different", sentence)
            }
        };
        if left_out {
            sentence.push_str(
                " Not all of it is shown here; the notes say what is left out, and how to see it.",
            );
        }
        Verdict {
            tone,
            title: title.into(),
            sentence,
        }
    }

    /// The paths that are shown, and what is left out of them, a line each.
    fn files(&self, bounds: &Bounds) -> Result<(Vec<File>, Vec<String>)> {
        let mut notes = Vec::new();
        let mut wanted: Vec<&PathChange> = self.paths.iter().collect();
        let folded = (wanted.len() > bounds.files).then(|| Folded::of(self));
        if let Some(folded) = &folded {
            wanted.retain(|change| !folded.hides(change));
            // Stable, so that paths of one kind stay sorted.
            wanted.sort_by_key(|change| rank(change));
            let beyond = wanted.len().saturating_sub(bounds.files);
            wanted.truncate(bounds.files);
            wanted.sort_by(|a, b| a.path.cmp(&b.path));
            let stand = "directories that came or went stand for what is below them";
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
            let mut file = self.file(change, below)?;
            if change.has_content() {
                if room == 0 {
                    unread += 1;
                    file.facts.push("what it holds is not shown here".into());
                } else {
                    self.content(change, &mut file, bounds.lines)?;
                    room = room.saturating_sub(cost(&file.hunks));
                }
            }
            files[at] = Some(file);
        }
        if unread > 0 {
            notes.push(format!(
                "what {unread} files hold is not shown; `casehard diff --format diff` has it, and `--path` shows a part"
            ));
        }
        Ok((files.into_iter().flatten().collect(), notes))
    }

    /// A path, without what it holds.
    fn file(&self, change: &PathChange, below: Option<usize>) -> Result<File> {
        let mut facts: Vec<String> = self.facts(change)?.iter().map(escape).collect();
        facts.extend(below.map(|count| format!("with {count} paths below it")));
        let kind = match (change.old, change.new) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ if change.from.is_some() => Kind::Renamed,
            _ => Kind::Changed,
        };
        let word = match kind {
            Kind::Added => "new ",
            Kind::Removed => "removed ",
            Kind::Renamed | Kind::Changed => "",
        };
        Ok(File {
            name: Name::new(&change.path),
            twins: Vec::new(),
            kind,
            rules: Vec::new(),
            brief: format!("{word}{}", facts.join(", ")),
            facts,
            hunks: Vec::new(),
            misleads: false,
        })
    }

    /// Adds what became of what a file holds: lines, or sizes and digests.
    fn content(&self, change: &PathChange, file: &mut File, most: usize) -> Result<()> {
        let (old, new) = pair(self.old.tree(), self.new.tree(), &change.path)?;
        let (old, new) = (old.as_ref(), new.as_ref());
        file.hunks = text_hunks(old, new);
        file.misleads = either_misleads(old, new);
        let (added, removed) = file.lines();
        let mut brief = Vec::new();
        if added + removed > 0 {
            brief.push(format!("+{added} −{removed}"));
        } else {
            let data = |state: Option<&State<'_>>| {
                let state = state.filter(|state| state.inode.is_file());
                let data = state.and_then(|state| state.data.as_ref());
                data.filter(|data| data.len > 0).map(stored)
            };
            let (was, is) = (data(old), data(new));
            if change.differences.contains(&Difference::Content) {
                brief.push("other content".into());
            }
            file.facts.extend(was.map(|was| format!("held {was}")));
            file.facts.extend(is.map(|is| format!("holds {is}")));
        }
        let left_out = clip(&mut file.hunks, most);
        if left_out > 0 {
            file.facts.push(format!(
                "{}, which `casehard diff --format diff` has",
                plural(left_out, "more line")
            ));
        }
        let parts = [file.brief.clone()].into_iter().chain(brief);
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        file.brief = parts.join(", ");
        Ok(())
    }
}

impl PathChange {
    /// Whether what it holds is to be shown.
    fn has_content(&self) -> bool {
        let all = [Difference::Content, Difference::Added, Difference::Removed];
        all.iter().any(|d| self.differences.contains(d))
    }
}

/// What says most first: what changed, what came or went, modes and owners.
fn rank(change: &PathChange) -> usize {
    match (change.old, change.new) {
        _ if change.is_plain() => 2,
        (Some(_), Some(_)) => 0,
        _ => 1,
    }
}

type TwinKey<'c> = (InodeId, InodeId, &'c BTreeSet<Difference>);

/// What is the same for the names of one file, of which the same is to be said.
fn twin_key(change: &PathChange) -> Option<TwinKey<'_>> {
    let named = [Difference::Links, Difference::Renamed];
    let differs = named.iter().any(|d| change.differences.contains(d));
    let (old, new) = (change.old?, change.new?);
    (!differs).then_some((old, new, &change.differences))
}

/// What lines take in memory, about.
fn cost(hunks: &[Hunk]) -> usize {
    let lines = hunks.iter().flat_map(|hunk| &hunk.lines);
    lines.map(|line| 64 + line.text.len()).sum()
}

/// Takes away the lines after the first, and counts them.
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
