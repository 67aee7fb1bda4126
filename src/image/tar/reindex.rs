//! Indexing a spliced stream without reading again what no splice touched.
//!
//! What an entry's headers say depends on nothing but their bytes and on whether PAX headers came before, so an entry that
//! comes from the input in one piece is the entry that was read there, at another place. The index of a changed image is thus
//! the one that reading it afresh would give, and costs no second pass over a compressed one.

use super::entry::{Damage, Entry, EntryKind};
use super::index::Archive;
use crate::image::segments::Origin;
use crate::image::stream::TarStream;

impl Archive {
    /// The index of this archive's stream with splices laid over it.
    pub(in crate::image) fn reindex(&self, stream: &TarStream) -> Result<Self, Damage> {
        let archive = self;
        Self::walk(stream, self.limits, Some(&Before { archive, stream }))
    }
}

/// What is known of a spliced stream from reading its input.
pub(super) struct Before<'a> {
    archive: &'a Archive,
    stream: &'a TarStream,
}

/// An entry that need not be read.
pub(super) struct Known {
    pub(super) entry: Entry,
    /// Where the stream's first PAX header lies, seen from behind the entry.
    pub(super) first_pax: Option<u64>,
}

impl Before<'_> {
    /// The entry at a place, if no byte of it changed. `first_pax` is where the first PAX header before it lies.
    pub(super) fn entry(&self, at: u64, first_pax: Option<u64>) -> Option<Known> {
        let (input, left) = self.input(at)?;
        let entries = &self.archive.entries;
        let number = entries.binary_search_by_key(&input, |e| e.start).ok()?;
        let known = &entries[number];
        let had_pax = |before: u64| self.archive.first_pax.is_some_and(|first| first < before);
        if known.end() - known.start > left
            || known.kind == EntryKind::HardLink && had_pax(known.start) != first_pax.is_some()
        {
            return None;
        }
        let place = |of: u64| of - input + at;
        Some(Known {
            entry: Entry {
                start: place(known.start),
                header: place(known.header),
                data: place(known.data),
                ..known.clone()
            },
            first_pax: first_pax.or_else(|| had_pax(known.data).then_some(at)),
        })
    }

    /// Whether the stream goes on from a place as the input does from its end marker on.
    pub(super) fn ends(&self, at: u64) -> bool {
        self.input(at).is_some_and(|(input, left)| {
            input == self.archive.end && at + left == self.stream.len()
        })
    }

    /// The place in the input that a place of the stream comes from, and how far the two go on alike.
    fn input(&self, at: u64) -> Option<(u64, u64)> {
        let (segment, skip) = self.stream.segments().at(at)?;
        match segment.from {
            Origin::Input(start) => Some((start + skip, segment.len - skip)),
            Origin::Memory(_) => None,
        }
    }
}
