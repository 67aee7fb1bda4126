//! The entries of a tar stream, in order.
//!
//! Own code rather than `tar::Archive`, because the index needs each entry's exact extent with its extension headers, PAX
//! values that hold newlines, and a bound on every size that the archive claims. Field formats are left to `tar::Header`.

use tar::Header;

use super::entry::{Damage, Entry, EntryKind, damage};
use super::fields::BLOCK;
use super::reindex::Before;
use super::walker::{Walker, verified};
use crate::image::bytes::Bytes;
use crate::image::limits::Limits;

/// The members of a tar stream in order, and where they end.
#[derive(Debug)]
pub struct Archive {
    /// Every entry, global headers included, in the archive's order.
    pub entries: Vec<Entry>,
    /// Where the end-of-archive marker begins (or the stream ends), in bytes.
    pub end: u64,
    /// Whether there is an end-of-archive marker.
    pub(crate) marked: bool,
    /// Where the first PAX header lies.
    pub(super) first_pax: Option<u64>,
    /// What it was held to.
    pub(crate) limits: Limits,
}

impl Archive {
    /// Reads a whole stream.
    pub(crate) fn index(stream: &impl Bytes, limits: Limits) -> Result<Self, Damage> {
        let archive = Self::walk(stream, limits, None)?;
        if archive.has_nothing() {
            return damage(0, NOTHING);
        }
        Ok(archive)
    }

    /// Whether nothing is extracted.
    pub(crate) fn has_nothing(&self) -> bool {
        self.entries.iter().all(|e| e.kind == EntryKind::Metadata)
    }

    /// Refuses what can be no archive by its first block. A shorter one is no matter.
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
        let mut entries = Vec::new();
        loop {
            if walker.waiting().is_none()
                && let Some(known) = before.and_then(|b| b.entry(walker.at, walker.first_pax))
            {
                walker.first_pax = known.first_pax;
                walker.at = known.entry.end();
                entries.push(known.entry);
                continue;
            }
            let Some(header) = walker.next_header()? else {
                break;
            };
            if let Some(entry) = walker.entry(&header)? {
                walker.at = entry.end();
                walker.count(&entry, entries.len())?;
                entries.push(entry);
            }
        }
        if let Some(start) = walker.waiting() {
            return damage(
                start,
                "an extension header has no entry after it: the archive is cut short",
            );
        }
        entries.shrink_to_fit();
        if !before.is_some_and(|b| b.ends(walker.at)) {
            only_zeros_from(stream, walker.at)?;
        }
        Ok(Self {
            entries,
            end: walker.at,
            marked: stream.reaches(walker.at + 1)?,
            first_pax: walker.first_pax,
            limits,
        })
    }
}

const NOTHING: &str = "the archive has nothing in it; what should have made it may have failed";

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
