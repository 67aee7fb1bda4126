//! Reads much of a gzip file in order, of which several cores decode what comes next: each from a checkpoint to the one after.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, mem, thread};

use super::reader::Decoder;
use super::{Gzip, Seen};

/// How many bytes a worker hands over at once.
const CHUNK: usize = 128 << 10;
/// How many chunks a worker is ahead of who reads: half of what lies between two checkpoints of an image that is not large,
/// so that of two workers none waits for the other.
const AHEAD: usize = 16;
/// More would wait for the one that reads.
const MOST_WORKERS: usize = 4;

/// Ranges of what a gzip file decodes to, one after the other.
pub(crate) struct InOrder {
    stretches: Arc<[Stretch]>,
    /// The stretch that is read, and how much of it was.
    now: usize,
    read: u64,
    /// Each has every so manieth stretch.
    workers: Vec<Worker>,
    chunk: Vec<u8>,
}

/// Ranges that are decoded from the same checkpoint on; they ascend.
#[derive(Debug, PartialEq, Eq)]
struct Stretch {
    ranges: Vec<Range<u64>>,
    /// Where what is decoded from the next checkpoint begins.
    end: u64,
    len: u64,
}

/// The two ends of a thread that decodes; it gets back the memory of chunks.
struct Worker {
    chunks: Receiver<io::Result<Vec<u8>>>,
    used: Sender<Vec<u8>>,
}

impl Gzip {
    /// Begins to decode ranges on all cores; none where there is one core, or the system gives no more threads.
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
        let places: Vec<u64> = seen.map.checkpoints().collect();
        let stretches: Arc<[_]> = stretches(ranges, &places).into();
        let worker = |first| Worker::spawn(seen, &stretches, first, workers);
        Ok(Self {
            workers: (0..workers.min(stretches.len()))
                .map(worker)
                .collect::<io::Result<_>>()?,
            stretches,
            now: 0,
            read: 0,
            chunk: Vec::with_capacity(CHUNK),
        })
    }

    /// What comes next, up to the end of a range at most. There must be something left.
    pub(crate) fn next(&mut self) -> io::Result<&[u8]> {
        let used = mem::take(&mut self.chunk);
        // A worker that has come to the end takes nothing back.
        let _ = self.worker().used.send(used);
        if self.read == self.stretches[self.now].len {
            (self.now, self.read) = (self.now + 1, 0);
        }
        let decoded = self.worker().chunks.recv();
        self.chunk = decoded.expect("it decodes all that it has to")?;
        self.read += self.chunk.len() as u64;
        Ok(&self.chunk)
    }

    /// Who decodes the stretch that is read.
    fn worker(&self) -> &Worker {
        &self.workers[self.now % self.workers.len()]
    }
}

impl Worker {
    fn spawn(
        seen: &Arc<Seen>,
        stretches: &Arc<[Stretch]>,
        first: usize,
        every: usize,
    ) -> io::Result<Self> {
        let (sender, chunks) = channel();
        let (used, spare) = channel();
        // The memory is this thread's, since what a thread of its own takes is not given back while the process runs.
        for _ in 0..AHEAD {
            used.send(Vec::with_capacity(CHUNK))
                .expect("its other end is here");
        }
        let (mut decoder, stretches) = (Decoder::new(seen)?, Arc::clone(stretches));
        thread::Builder::new().spawn(move || {
            let ranges = stretches
                .iter()
                .skip(first)
                .step_by(every)
                .flat_map(|s| &s.ranges);
            for part in ranges.flat_map(parts) {
                // Nobody is there any more where an earlier part failed.
                let Ok(mut chunk) = spare.recv() else { return };
                chunk.clear();
                let start = part.start;
                let decoded = decoder.decode(part, |offset, bytes| {
                    let before = usize::try_from(start.saturating_sub(offset));
                    let inside = before.ok().and_then(|before| bytes.get(before..));
                    chunk.extend_from_slice(inside.unwrap_or_default());
                });
                if sender.send(decoded.map(|()| chunk)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { chunks, used })
    }
}

/// Cuts ranges where a checkpoint's place lies in them.
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

/// A range in the parts in which it is handed over.
fn parts(range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let end = range.end;
    let starts = (range.start..end).step_by(CHUNK);
    starts.map(move |start| start..end.min(start + CHUNK as u64))
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
