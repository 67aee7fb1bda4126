//! A comparison for a terminal: what it means first, then path by path.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use bstr::BString;

use super::facts::stored;
use super::folded::Folded;
use super::{Comparison, Difference, PathChange};
use crate::error::Result;
use crate::escape::{escape, escape_line, misleads};
use crate::inventory::{self, Kind};
use crate::report::{Data, Hunk, Sign, State, pair, plural, text_hunks};

/// Paths of which just the same is to be said are counted, if there are more than these.
const REPEATED: usize = 5;
/// The lines of a file that are shown.
pub(super) const LINES: usize = 60;
/// What new files hold is shown where no more than these are new.
const PREVIEWED: usize = 50;
const PREVIEW_LINES: usize = 20;

impl Comparison<'_> {
    /// Writes the comparison for a terminal. Whatever an image says in it is escaped; the only escape sequences are those of
    /// the colours, if they are wanted.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where an image cannot be read, or `out`, named `-`, cannot be written.
    pub fn write_txt(&self, out: &mut dyn Write, color: bool) -> Result<()> {
        let mut page = Page { out, color };
        page.line(
            Ink::Title,
            format!("old  {}", escape(self.old.name())),
            self,
        )?;
        page.line(
            Ink::Title,
            format!("new  {}", escape(self.new.name())),
            self,
        )?;
        self.txt_surface(&mut page)?;
        self.txt_paths(&mut page)?;
        page.line(Ink::Plain, "", self)?;
        for note in &self.notes {
            page.line(Ink::Plain, format!("note: {}", escape(note)), self)?;
        }
        page.line(Ink::Plain, self.counts(), self)
    }

    /// How much differs, in a line.
    pub fn counts(&self) -> String {
        if self.is_same() {
            return "no differences".to_owned();
        }
        let has = |change: &&PathChange, difference| change.differences.contains(&difference);
        let of = |difference| self.paths.iter().filter(|c| has(c, difference)).count();
        let (added, removed) = (of(Difference::Added), of(Difference::Removed));
        let renamed = of(Difference::Renamed);
        let changed = self.paths.len() - added - removed - renamed;
        let counts = [
            (added, "added"),
            (removed, "removed"),
            (renamed, "renamed"),
            (changed, "changed"),
        ];
        let paths = counts.iter().filter(|(count, _)| *count > 0);
        let paths: Vec<String> = paths.map(|(n, what)| format!("{n} {what}")).collect();
        let paths = if paths.is_empty() {
            "no paths".to_owned()
        } else {
            format!("paths: {}", paths.join(", "))
        };
        let gained = self.surface.iter().filter(|c| !c.gained.is_empty()).count();
        let lost = self.surface.iter().filter(|c| !c.lost.is_empty()).count();
        format!("{paths}; attack surface and packages: {gained} gained, {lost} lost")
    }

    fn txt_surface(&self, page: &mut Page<'_>) -> Result<()> {
        for kind in Kind::ALL {
            let changes: Vec<_> = self.surface.iter().filter(|c| c.kind == kind).collect();
            if changes.is_empty() {
                continue;
            }
            page.line(Ink::Plain, "", self)?;
            page.line(Ink::Title, kind.title(), self)?;
            let names: Vec<String> = changes.iter().map(|c| escape(&c.name)).collect();
            let width = column(&names);
            for (change, name) in changes.iter().zip(&names) {
                let (sign, ink, details) = item(change);
                let line = format!("  {sign} {name:width$}  {}", escape(details));
                page.line(ink, line.trim_end(), self)?;
            }
        }
        Ok(())
    }

    fn txt_paths(&self, page: &mut Page<'_>) -> Result<()> {
        if self.paths.is_empty() {
            return Ok(());
        }
        page.line(Ink::Plain, "", self)?;
        page.line(Ink::Title, "paths", self)?;
        let folded = Folded::of(self);
        let repeated = self.repeated()?;
        let mut told = BTreeSet::new();
        let added = self
            .paths
            .iter()
            .filter(|c| c.differences.contains(&Difference::Added));
        let preview = added.count() <= PREVIEWED;
        for change in &self.paths {
            if folded.hides(change) {
                continue;
            }
            let (sign, ink) = sign(change);
            let path = escape(&change.path);
            let facts = self.facts(change)?;
            if let Some(key) = self.key(change, &facts)
                && let Some(count) = repeated.get(&key)
            {
                if told.insert(key) {
                    let others = format!("  {sign} {path} and {} more paths", count - 1);
                    page.line(ink, others, self)?;
                    self.say(page, &facts)?;
                }
                continue;
            }
            if let Some(below) = folded.below(change) {
                page.line(
                    ink,
                    format!("  {sign} {path}/  with {below} paths below it"),
                    self,
                )?;
                continue;
            }
            match &facts[..] {
                [fact] if change.old.is_none() || change.new.is_none() => {
                    page.line(ink, format!("  {sign} {path}  {}", escape(fact)), self)?;
                }
                _ => {
                    page.line(ink, format!("  {sign} {path}"), self)?;
                    self.say(page, &facts)?;
                }
            }
            let content = change.differences.contains(&Difference::Content);
            let new = preview && change.differences.contains(&Difference::Added);
            if content || new {
                self.txt_content(page, change)?;
            }
        }
        Ok(())
    }

    fn say(&self, page: &mut Page<'_>, facts: &[BString]) -> Result<()> {
        for fact in facts {
            page.line(Ink::Plain, format!("      {}", escape(fact)), self)?;
        }
        Ok(())
    }

    /// What became of what a file holds: lines, or sizes and digests.
    fn txt_content(&self, page: &mut Page<'_>, change: &PathChange) -> Result<()> {
        let (old, new) = pair(self.old.tree(), self.new.tree(), &change.path)?;
        let file = |state: &Option<State<'_>>| state.as_ref().is_none_or(|s| s.inode.is_file());
        if !file(&old) || !file(&new) {
            return Ok(());
        }
        let text = |state: &Option<State<'_>>| match state {
            None => Some([].into()),
            Some(_) => data(state).and_then(|data| data.text.clone()),
        };
        if let (Some(from), Some(to)) = (text(&old), text(&new)) {
            if misleads(&from) || misleads(&to) {
                page.line(
                    Ink::Plain,
                    "      caution: has characters that would make it look other than it is; they are spelled out",
                    self,
                )?;
            }
            let limit = if old.is_none() { PREVIEW_LINES } else { LINES };
            return self.txt_hunks(page, &text_hunks(&from, &to), limit);
        }
        for (ink, sign, data) in [(Ink::Lost, '-', data(&old)), (Ink::Gained, '+', data(&new))] {
            if let Some(data) = data {
                let line = format!("      {sign} {}", stored(data));
                page.line(ink, line, self)?;
            }
        }
        Ok(())
    }

    fn txt_hunks(&self, page: &mut Page<'_>, hunks: &[Hunk<'_>], limit: usize) -> Result<()> {
        let all: usize = hunks.iter().map(|hunk| hunk.lines.len()).sum();
        let mut left = limit;
        for hunk in hunks {
            if left == 0 {
                break;
            }
            page.line(Ink::Place, format!("      {}", hunk.header()), self)?;
            for line in hunk.lines.iter().take(left) {
                let (ink, sign) = match line.sign {
                    Sign::Kept => (Ink::Plain, ' '),
                    Sign::Removed => (Ink::Lost, '-'),
                    Sign::Added => (Ink::Gained, '+'),
                };
                let text = line.text.strip_suffix(b"\n").unwrap_or(line.text);
                page.line(ink, format!("      {sign}{}", escape_line(text)), self)?;
                if !line.text.ends_with(b"\n") {
                    page.line(Ink::Plain, "      \\ No newline at end of file", self)?;
                }
            }
            left = left.saturating_sub(hunk.lines.len());
        }
        if all > limit {
            let more = plural(all - limit, "more line");
            page.line(
                Ink::Plain,
                format!("      … {more}, which --format diff has"),
                self,
            )?;
        }
        Ok(())
    }

    /// As [`key`], for a path that both images have and that is set-id in neither.
    fn key(&self, change: &PathChange, facts: &[BString]) -> Option<Vec<BString>> {
        let sides = [(&self.old, change.old?), (&self.new, change.new?)];
        let set_id = sides.iter().any(|(side, id)| {
            let mut metas = side.rootfs.inode(*id).metas();
            metas.any(|meta| meta.mode & 0o6000 != 0)
        });
        key(change, facts).filter(|_| !set_id)
    }

    /// How many paths each of those things is to be said of that is to be said of many.
    fn repeated(&self) -> Result<BTreeMap<Vec<BString>, usize>> {
        let mut counts = BTreeMap::new();
        for change in &self.paths {
            if let Some(key) = self.key(change, &self.facts(change)?) {
                *counts.entry(key).or_insert(0) += 1;
            }
        }
        counts.retain(|_, count| *count > REPEATED);
        Ok(counts)
    }
}

/// What is said of a path, if it may be said of many at once: nothing of it names the path or gives it power.
fn key(change: &PathChange, facts: &[BString]) -> Option<Vec<BString>> {
    change.is_plain().then(|| facts.to_vec())
}

fn sign(change: &PathChange) -> (char, Ink) {
    match (change.old, change.new) {
        (None, _) => ('+', Ink::Gained),
        (_, None) => ('-', Ink::Lost),
        _ if change.from.is_some() => ('>', Ink::Changed),
        _ => ('~', Ink::Changed),
    }
}

fn item(change: &inventory::Change) -> (char, Ink, BString) {
    let join = |details: &[BString]| bstr::join(b", ", details);
    let (lost, gained) = (join(&change.lost), join(&change.gained));
    match (change.lost.is_empty(), change.gained.is_empty()) {
        (true, _) => ('+', Ink::Gained, gained.into()),
        (_, true) => ('-', Ink::Lost, lost.into()),
        _ => (
            '~',
            Ink::Changed,
            [&lost[..], " → ".as_bytes(), &gained].concat().into(),
        ),
    }
}

fn data<'s>(state: &'s Option<State<'_>>) -> Option<&'s Data> {
    state.as_ref()?.data.as_ref()
}

/// How wide a column is; a longer name is not worth moving the others for.
fn column(names: &[String]) -> usize {
    const WIDEST: usize = 40;
    let widths = names.iter().map(|name| name.chars().count());
    widths.filter(|width| *width <= WIDEST).max().unwrap_or(0)
}

#[derive(Clone, Copy)]
enum Ink {
    Plain,
    Title,
    Gained,
    Lost,
    Changed,
    Place,
}

struct Page<'o> {
    out: &'o mut dyn Write,
    color: bool,
}

impl Page<'_> {
    /// Writes a line that is escaped already.
    fn line(&mut self, ink: Ink, text: impl AsRef<str>, of: &Comparison<'_>) -> Result<()> {
        let code = match ink {
            Ink::Plain => "",
            Ink::Title => "1",
            Ink::Gained => "32",
            Ink::Lost => "31",
            Ink::Changed => "33",
            Ink::Place => "36",
        };
        let text = text.as_ref();
        let written = if self.color && !code.is_empty() {
            writeln!(self.out, "\x1b[{code}m{text}\x1b[0m")
        } else {
            writeln!(self.out, "{text}")
        };
        written.map_err(of.failed())
    }
}
