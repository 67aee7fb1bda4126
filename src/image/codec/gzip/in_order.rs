//! Reads much of a gzip file in order, of which several cores decode what comes next: each from one
//! place to the one after.

use std::ops::Range;
use std::sync::Arc;
use std::{io, thread};

use super::reader::Decoder;
use super::{Gzip, Seen};
use crate::image::read_ahead::ReadAhead;

/// How many chunks a worker is ahead of the reader: half of what lies between two places of an image
/// of up to 576 MiB, so that of two workers none waits for the other. In larger images they do, for
/// more memory would be needed.
const AHEAD: usize = 16;
/// More would wait for the one that reads.
const MOST_WORKERS: usize = 4;

/// Ranges of what a gzip file decodes to, one after the other.
pub(crate) struct InOrder {
    stretches: Arc<[Stretch]>,
    /// The stretch that is read, and how much of it was.
    now: usize,
    read: u64,
    /// Each decodes every n-th stretch, where there are n of them.
    workers: Vec<ReadAhead>,
}

/// Ranges that are decoded from the same place on; they ascend.
#[derive(Debug, PartialEq, Eq)]
struct Stretch {
    ranges: Vec<Range<u64>>,
    /// Where what is decoded from the next place begins.
    end: u64,
    len: u64,
}

impl Gzip {
    /// Begins to decode ranges on all cores. None where there is one, or where that fails: reading
    /// in the usual way tells why.
    pub(crate) fn in_order(&self, ranges: impl Iterator<Item = Range<u64>>) -> Option<InOrder> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = cores.min(MOST_WORKERS);
        if workers == 1 {
            return None;
        }
        InOrder::new(&self.seen, workers, ranges).ok()
    }
}

impl InOrder {
    pub(super) fn new(
        seen: &Arc<Seen>,
        workers: usize,
        ranges: impl Iterator<Item = Range<u64>>,
    ) -> io::Result<Self> {
        let places: Vec<u64> = seen.places.even().collect();
        let stretches: Arc<[_]> = stretches(ranges, &places).into();
        let every = workers.min(stretches.len());
        let worker = |first| worker(seen, &stretches, first, every);
        Ok(Self {
            workers: (0..every).map(worker).collect::<io::Result<_>>()?,
            stretches,
            now: 0,
            read: 0,
        })
    }

    /// Returns what comes next, up to the end of a range at most. There must be something left.
    pub(crate) fn next(&mut self) -> io::Result<&[u8]> {
        if self.read == self.stretches[self.now].len {
            (self.now, self.read) = (self.now + 1, 0);
        }
        let worker = self.now % self.workers.len();
        let chunk = self.workers[worker].next()?;
        self.read += chunk.len() as u64;
        Ok(chunk)
    }
}

/// Decodes a stretch, and from there on every n-th.
fn worker(
    seen: &Arc<Seen>,
    stretches: &Arc<[Stretch]>,
    first: usize,
    every: usize,
) -> io::Result<ReadAhead> {
    let (mut decoder, stretches) = (Decoder::new(seen)?, Arc::clone(stretches));
    let own = (first..stretches.len()).step_by(every);
    let ranges = own.flat_map(move |at| stretches[at].ranges.clone());
    ReadAhead::spawn(ranges, AHEAD, move |part, chunk| {
        let start = part.start;
        decoder.decode(part, |offset, bytes| {
            let before = usize::try_from(start.saturating_sub(offset));
            let inside = before.ok().and_then(|before| bytes.get(before..));
            chunk.extend_from_slice(inside.unwrap_or_default());
        })
    })
}

/// Cuts ranges where a place lies in them.
fn stretches(ranges: impl Iterator<Item = Range<u64>>, places: &[u64]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for range in ranges {
        let mut start = range.start;
        while start < range.end {
            let next = places.partition_point(|place| *place <= start);
            let end = places.get(next).copied().unwrap_or(u64::MAX);
            let part = start..range.end.min(end);
            start = part.end;
            let len = part.end - part.start;
            match stretches.last_mut() {
                Some(last)
                    if last.end == end
                        && last.ranges.last().is_none_or(|r| r.end <= part.start) =>
                {
                    last.ranges.push(part);
                    last.len += len;
                }
                _ => stretches.push(Stretch {
                    ranges: vec![part],
                    end,
                    len,
                }),
            }
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_at_the_places_between_stretches() {
        let stretch = |ranges: &[(u64, u64)], end| Stretch {
            ranges: ranges.iter().map(|(start, end)| *start..*end).collect(),
            end,
            len: ranges.iter().map(|(start, end)| end - start).sum(),
        };
        let ranges = [0..5, 7..12, 15..30, 15..16, 40..41];
        assert_eq!(
            stretches(ranges.into_iter(), &[0, 10, 20, 30]),
            [
                stretch(&[(0, 5), (7, 10)], 10),
                stretch(&[(10, 12), (15, 20)], 20),
                stretch(&[(20, 30)], 30),
                stretch(&[(15, 16)], 20),
                stretch(&[(40, 41)], u64::MAX),
            ]
        );
    }
}
