//! Indexing a spliced stream without reading again what no splice touched.
//!
//! What an entry's headers say depends on nothing but their bytes and on whether PAX headers came before, so an entry that
//! comes from the input in one piece is the entry that was read there, at another place. The index of a changed image is thus
//! the one that reading it afresh would give, and costs no second pass over a compressed one.

use super::entry::{Damage, Entry, EntryKind};
use super::index::{Archive, Run};
use crate::image::segments::Origin;
use crate::image::stream::TarStream;

impl Archive {
    /// Indexes this archive's stream with splices laid over it.
    pub(in crate::image) fn reindex(&self, stream: &TarStream) -> Result<Self, Damage> {
        let archive = self;
        Self::walk(stream, self.limits, Some(&Before { archive, stream }))
    }
}

/// Finds the entries of a spliced stream that are the input's.
pub(super) struct Before<'a> {
    pub(super) archive: &'a Archive,
    stream: &'a TarStream,
}

/// Entries that need not be read again.
pub(super) struct Known {
    pub(super) run: Run,
    /// Where the last of them ends.
    pub(super) end: u64,
    /// Where the stream's first PAX header lies, seen from there.
    pub(super) first_pax: Option<u64>,
}

impl Before<'_> {
    /// Returns the entries from a place on of which no byte changed. `first_pax` is the place of the
    /// first PAX header before them.
    pub(super) fn known(&self, at: u64, first_pax: Option<u64>) -> Option<Known> {
        let (input, left) = self.input(at)?;
        let mut run = self.archive.run_from(input)?;
        let had_pax = |place: u64| self.archive.first_pax.is_some_and(|first| first < place);
        // The input's first one is the stream's too if the run begins before it.
        let has_pax = |place: u64| first_pax.is_some() || had_pax(place) && !had_pax(input);
        let is_known = |entry: &Entry<'_>| {
            entry.end() - input <= left
                && (entry.kind != EntryKind::HardLink
                    || had_pax(entry.start) == has_pax(entry.start))
        };
        let known = self.archive.entries_of(&run).take_while(is_known);
        let (count, last) = known.fold((0, None), |(count, _), entry| (count + 1, Some(entry)));
        let last = last?;
        run.range.end = run.range.start + count;
        run.shift = run.shift.wrapping_add(at.wrapping_sub(input));
        Some(Known {
            run,
            end: last.end() - input + at,
            first_pax: first_pax.or_else(|| has_pax(last.data).then_some(at)),
        })
    }

    /// Returns whether the stream continues from a place as the input does from its end marker.
    pub(super) fn ends(&self, at: u64) -> bool {
        self.input(at).is_some_and(|(input, left)| {
            input == self.archive.end && at + left == self.stream.len()
        })
    }

    /// Returns the place in the input that a place of the stream comes from, and for how many bytes
    /// the two are alike.
    fn input(&self, at: u64) -> Option<(u64, u64)> {
        let (segment, skip) = self.stream.segments().at(at)?;
        match segment.from {
            Origin::Input(start) => Some((start + skip, segment.len - skip)),
            Origin::Memory(_) => None,
        }
    }
}
