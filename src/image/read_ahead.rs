//! Reads what comes next on a thread of its own, while what came before is used.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, mem, thread};

/// How many bytes are handed over at once.
const CHUNK: usize = 128 << 10;

/// Ranges that a thread reads, one after the other. The thread ends when it has read all, or soon after this is dropped.
pub(super) struct ReadAhead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    /// Gives the thread back the memory of chunks.
    used: Sender<Vec<u8>>,
    chunk: Vec<u8>,
}

impl ReadAhead {
    /// Begins to read, as many chunks ahead of who asks for them. `read` fills a chunk, which is empty.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub(super) fn spawn(
        ranges: impl Iterator<Item = Range<u64>> + Send + 'static,
        ahead: usize,
        mut read: impl FnMut(Range<u64>, &mut Vec<u8>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, chunks) = channel();
        let (used, spare) = channel::<Vec<u8>>();
        // The memory is this thread's, since what a thread of its own takes is not given back while the process runs.
        for _ in 0..ahead {
            used.send(Vec::with_capacity(CHUNK))
                .expect("its other end is here");
        }
        thread::Builder::new().spawn(move || {
            for part in ranges.flat_map(parts) {
                // Nobody is there any more where an earlier part failed.
                let Ok(mut chunk) = spare.recv() else { return };
                chunk.clear();
                let done = read(part, &mut chunk).map(|()| chunk);
                if sender.send(done).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            chunks,
            used,
            chunk: Vec::with_capacity(CHUNK),
        })
    }

    /// What comes next, up to the end of a range at most. There must be something left.
    pub(super) fn next(&mut self) -> io::Result<&[u8]> {
        // The thread takes nothing back when it has read all.
        let _ = self.used.send(mem::take(&mut self.chunk));
        self.chunk = self.chunks.recv().expect("it reads to the end")?;
        Ok(&self.chunk)
    }
}

/// A range in the parts that are handed over.
pub(super) fn parts(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let starts = range.clone().step_by(CHUNK);
    starts.map(move |start| start..range.end.min(start + CHUNK as u64))
}
