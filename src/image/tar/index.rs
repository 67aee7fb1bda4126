//! The entries of a tar stream, in order.
//!
//! Own code rather than `tar::Archive`, because the index needs each entry's exact extent with its extension headers, PAX
//! values that hold newlines, and a bound on every size that the archive claims. Field formats are left to `tar::Header`.

use std::ops::Range;
use std::sync::Arc;

use tar::Header;

use super::entry::{Damage, Entry, EntryKind, Table, damage};
use super::fields::BLOCK;
use super::reindex::Before;
use super::walker::{Walker, verified};
use crate::image::bytes::Bytes;
use crate::image::limits::Limits;

/// The members of a tar stream in order, and where they end.
#[derive(Debug)]
pub struct Archive {
    /// What was read, shared with the archive that this one was made from.
    tables: Vec<Arc<Table>>,
    /// The entries, as ranges of the tables.
    runs: Vec<Run>,
    /// Where the end-of-archive marker begins (or the stream ends), in bytes.
    pub end: u64,
    /// Whether there is an end-of-archive marker.
    pub(crate) marked: bool,
    /// Where the first PAX header lies.
    pub(super) first_pax: Option<u64>,
    /// What it was held to.
    pub(crate) limits: Limits,
}

/// Entries that follow each other in a table.
#[derive(Clone, Debug)]
pub(super) struct Run {
    table: usize,
    pub(super) range: Range<usize>,
    /// How many entries the archive has before these.
    before: usize,
    /// What to add to places of the table, wrapping around.
    pub(super) shift: u64,
}

impl Archive {
    /// Returns every entry, global headers included, in the archive's order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> + DoubleEndedIterator {
        let last = self.runs.last();
        let count = last.map_or(0, |run| run.before + run.range.len());
        (0..u32::try_from(count).unwrap_or(u32::MAX)).map(|number| self.entry(number))
    }

    /// Returns an entry by its number, which the archive must have.
    pub(crate) fn entry(&self, number: u32) -> Entry<'_> {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let behind = self.runs.partition_point(|run| run.before <= number);
        let run = &self.runs[behind - 1];
        self.entry_of(run, run.range.start + (number - run.before))
    }

    fn entry_of(&self, run: &Run, number: usize) -> Entry<'_> {
        let entry = self.tables[run.table].get(number);
        let entry = entry.expect("a run is a part of its table");
        let place = |of: u64| of.wrapping_add(run.shift);
        Entry {
            start: place(entry.start),
            header: place(entry.header),
            data: place(entry.data),
            ..entry
        }
    }

    /// Returns the entries of a run.
    pub(super) fn entries_of(&self, run: &Run) -> impl Iterator<Item = Entry<'_>> {
        run.range.clone().map(|number| self.entry_of(run, number))
    }

    /// Returns the entry that starts at a place, with those that follow it in its run.
    pub(super) fn run_from(&self, start: u64) -> Option<Run> {
        let begins = |run: &Run| self.entry_of(run, run.range.start).start;
        let behind = self.runs.partition_point(|run| begins(run) <= start);
        let mut run = self.runs.get(behind.checked_sub(1)?)?.clone();
        let first = self.tables[run.table].at(start.wrapping_sub(run.shift))?;
        run.range = first..run.range.end;
        Some(run).filter(|run| !run.range.is_empty())
    }

    /// Reads a whole stream.
    pub(crate) fn index(stream: &impl Bytes, limits: Limits) -> Result<Self, Damage> {
        let archive = Self::walk(stream, limits, None)?;
        if archive.has_nothing() {
            return damage(0, NOTHING);
        }
        Ok(archive)
    }

    /// Returns whether extraction gives nothing.
    pub(crate) fn has_nothing(&self) -> bool {
        self.entries().all(|e| e.kind == EntryKind::Metadata)
    }

    /// Refuses an archive by its first block. Accepts a shorter block.
    pub(in crate::image) fn begins(block: &[u8]) -> Result<(), Damage> {
        if block.len() as u64 != BLOCK {
            return Ok(());
        }
        match verified(Header::from_byte_slice(block).clone(), 0)? {
            Some(_) => Ok(()),
            None => damage(0, NOTHING),
        }
    }

    /// Reads every entry but those that are known from before.
    pub(super) fn walk(
        stream: &impl Bytes,
        limits: Limits,
        before: Option<&Before<'_>>,
    ) -> Result<Self, Damage> {
        let mut walker = Walker::new(stream, limits);
        let mut tables = before.map_or_else(Vec::new, |b| b.archive.tables.clone());
        let (mut runs, mut listed) = (Vec::new(), 0);
        let mut list = |read: usize, count: usize, known: Option<Run>| {
            runs.push(Run {
                table: tables.len(),
                range: listed..read,
                before: count - (read - listed),
                shift: 0,
            });
            listed = read;
            runs.extend(known.map(|run| Run {
                before: count,
                ..run
            }));
        };
        loop {
            if walker.waiting().is_none()
                && let Some(known) = before.and_then(|b| b.known(walker.at, walker.first_pax))
            {
                let more = known.run.range.len();
                list(walker.table.len(), walker.count, Some(known.run));
                walker.first_pax = known.first_pax;
                walker.at = known.end;
                walker.count += more;
                continue;
            }
            let Some(header) = walker.next_header()? else {
                break;
            };
            walker.entry(&header)?;
        }
        list(walker.table.len(), walker.count, None);
        runs.retain(|run| !run.range.is_empty());
        if let Some(start) = walker.waiting() {
            return damage(
                start,
                "an extension header has no entry after it: the archive is cut short",
            );
        }
        walker.table.finish();
        tables.push(Arc::new(walker.table));
        if !before.is_some_and(|b| b.ends(walker.at)) {
            only_zeros_from(stream, walker.at)?;
        }
        Ok(Self {
            tables,
            runs,
            end: walker.at,
            marked: stream.reaches(walker.at + 1)?,
            first_pax: walker.first_pax,
            limits,
        })
    }
}

const NOTHING: &str = "the archive has nothing in it; the command that made it may have failed";

/// After the end marker only zeros may come: some extractors go on reading there, so anything else is ambiguous.
fn only_zeros_from(stream: &impl Bytes, start: u64) -> Result<(), Damage> {
    let (mut at, mut buffer) = (start, vec![0; 64 << 10]);
    loop {
        let n = stream.read_at(&mut buffer, at)?;
        if n == 0 {
            return Ok(());
        }
        if let Some(found) = buffer[..n].iter().position(|b| *b != 0) {
            return damage(
                at + found as u64,
                "data follows the end of the archive; some extractors would read it, so it is refused",
            );
        }
        at += n as u64;
    }
}
