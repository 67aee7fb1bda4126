//! A comparison for a terminal: what it means first, then path by path, of which one is in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use bstr::BString;

use super::page::{GREEN, Page, RED, YELLOW, pad, width_of};
use crate::diff::{Comparison, Difference, Folded, PathChange};
use crate::error::{Error, Result};
use crate::escape::escape;
use crate::inventory::{self, Kind};
use crate::report::view::{File, Status};

/// Paths with the same facts are counted if there are more than these.
const REPEATED: usize = 5;
/// The lines of a file that are shown.
const LINES: usize = 60;
/// The contents of new files are shown where no more than these are new.
const PREVIEWED: usize = 50;
const PREVIEW_LINES: usize = 20;

const INDENT: &str = "      ";

impl Comparison<'_> {
    /// Writes the comparison for a terminal. Names and contents are escaped; the only escape
    /// sequences are those of the colours, if they are wanted.
    ///
    /// # Errors
    /// [`Error::Io`] where an image cannot be read, and [`Error::Output`] where `out` cannot be
    /// written.
    pub fn write_txt(&self, out: &mut dyn Write, color: bool) -> Result<()> {
        let mut page = Page::new(color);
        page.subject(&[
            ("old", escape(self.old.name())),
            ("new", escape(self.new.name())),
        ]);
        for kind in Kind::ALL {
            let changes = self.surface().iter().filter(|change| change.kind == kind);
            items(&mut page, kind, &changes.collect::<Vec<_>>());
        }
        if !self.paths().is_empty() {
            page.heading("paths");
        }
        let folded = Folded::of(self);
        let repeated = self.repeated()?;
        let mut told = BTreeSet::new();
        let added = self.paths().iter().filter(|c| c.has(Difference::Added));
        let preview = added.count() <= PREVIEWED;
        for change in self.paths().iter().filter(|change| !folded.hides(change)) {
            let mut file = File::new(change, &self.old, &self.new)?;
            let mut path = escape(&change.path);
            let more = self.key(change)?.filter(|key| repeated.contains_key(key));
            if let Some(key) = more {
                let count = repeated[&key];
                if !told.insert(key) {
                    continue;
                }
                path.push_str(&format!(" and {} more paths", count - 1));
            } else if let Some(below) = folded.below(change) {
                path.push_str(&format!("/  with {below} paths below it"));
                file.facts.clear();
            } else if change.has(Difference::Content) {
                file.read(change, &self.old, &self.new, LINES)?;
            } else if preview && change.has(Difference::Added) {
                file.read(change, &self.old, &self.new, PREVIEW_LINES)?;
            }
            show(&mut page, &path, &file);
            flush(&mut page, out)?;
        }
        page.line("");
        for note in self.notes() {
            page.line(&format!("note: {}", escape(note)));
        }
        page.line(&self.counts());
        flush(&mut page, out)
    }

    /// The facts of a path that can be told of many at once: of one that both images have and that
    /// is set-id in neither, if they name no other path.
    fn key(&self, change: &PathChange) -> Result<Option<Vec<BString>>> {
        let (Some(a), Some(b)) = (change.old, change.new) else {
            return Ok(None);
        };
        let mut inodes = [self.old.inode(a), self.new.inode(b)].into_iter();
        let set_id = inodes.any(|inode| inode.metas().any(|meta| meta.mode & 0o6000 != 0));
        match change.is_plain() && !set_id {
            true => change.facts(&self.old, &self.new).map(Some),
            false => Ok(None),
        }
    }

    /// Counts the paths that have the same facts, where they are many.
    fn repeated(&self) -> Result<BTreeMap<Vec<BString>, usize>> {
        let mut counts = BTreeMap::new();
        for change in self.paths() {
            if let Some(key) = self.key(change)? {
                *counts.entry(key).or_insert(0) += 1;
            }
        }
        counts.retain(|_, count| *count > REPEATED);
        Ok(counts)
    }
}

fn flush(page: &mut Page, out: &mut dyn Write) -> Result<()> {
    let text = std::mem::take(&mut page.text);
    out.write_all(text.as_bytes()).map_err(Error::Output)
}

fn show(page: &mut Page, path: &str, file: &File) {
    let ink = match file.status {
        Status::Added => GREEN,
        Status::Removed => RED,
        Status::Renamed | Status::Changed => YELLOW,
    };
    let sign = file.status.sign();
    let one_sided = matches!(file.status, Status::Added | Status::Removed);
    match &file.facts[..] {
        [first, rest @ ..] if one_sided => {
            page.inked(ink, &format!("  {sign} {path}  {first}"));
            page.facts(rest, INDENT);
        }
        facts => {
            page.inked(ink, &format!("  {sign} {path}"));
            page.facts(facts, INDENT);
        }
    }
    page.content(file, INDENT);
}

fn items(page: &mut Page, kind: Kind, changes: &[&inventory::Change]) {
    /// A longer name is not worth moving the others for.
    const WIDEST: usize = 40;
    if changes.is_empty() {
        return;
    }
    page.heading(kind.title());
    let names: Vec<String> = changes.iter().map(|c| escape(&c.name)).collect();
    let width = width_of(names.iter().map(String::as_str), WIDEST);
    for (change, name) in changes.iter().zip(&names) {
        let (sign, details) = change.sign_and_details();
        let ink = match sign {
            '+' => GREEN,
            '-' => RED,
            _ => YELLOW,
        };
        let line = format!("  {sign} {}  {}", pad(name, width), escape(details));
        page.inked(ink, line.trim_end());
    }
}
