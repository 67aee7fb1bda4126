//! Threads that work ahead of the one that uses what they make.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::{io, mem, thread};

/// Makes items on a thread of its own, as many ahead as there is room for. The thread ends with the
/// items, or soon after what this returns is dropped.
///
/// Memory that the items need is best taken by the caller and sent to and fro: what a thread takes
/// is not given back while the process runs.
///
/// # Errors
/// Where the system gives no more threads.
pub(super) fn ahead<T: Send + 'static>(
    room: usize,
    items: impl Iterator<Item = T> + Send + 'static,
) -> io::Result<Receiver<T>> {
    let (sender, made) = sync_channel(room);
    thread::Builder::new().spawn(move || {
        for item in items {
            // Nobody listens after the caller failed.
            if sender.send(item).is_err() {
                return;
            }
        }
    })?;
    Ok(made)
}

/// How many bytes are handed over at once.
const CHUNK: usize = 128 << 10;

/// Ranges that a thread reads, one after the other. The thread ends when it has read all, or soon
/// after this is dropped.
pub(super) struct ReadAhead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    /// Gives the thread back the memory of chunks.
    used: Sender<Vec<u8>>,
    chunk: Vec<u8>,
}

impl ReadAhead {
    /// Begins to read, as many chunks ahead as asked for. `read` fills a chunk, which is empty.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub(super) fn spawn(
        ranges: impl Iterator<Item = Range<u64>> + Send + 'static,
        count: usize,
        mut read: impl FnMut(Range<u64>, &mut Vec<u8>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (used, spare) = channel::<Vec<u8>>();
        for _ in 0..count {
            used.send(Vec::with_capacity(CHUNK))
                .expect("its other end is here");
        }
        let parts = ranges.flat_map(parts).zip(spare);
        let chunks = parts.map(move |(part, mut chunk)| {
            chunk.clear();
            read(part, &mut chunk).map(|()| chunk)
        });
        Ok(Self {
            chunks: ahead(count, chunks)?,
            used,
            chunk: Vec::with_capacity(CHUNK),
        })
    }

    /// Returns what comes next, up to the end of a range at most. There must be something left.
    pub(super) fn next(&mut self) -> io::Result<&[u8]> {
        // The thread takes nothing back when it has read all.
        let _ = self.used.send(mem::take(&mut self.chunk));
        self.chunk = self.chunks.recv().expect("it reads to the end")?;
        Ok(&self.chunk)
    }
}

/// Returns a range in the parts that are handed over.
pub(super) fn parts(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let starts = range.clone().step_by(CHUNK);
    starts.map(move |start| start..range.end.min(start + CHUNK as u64))
}
