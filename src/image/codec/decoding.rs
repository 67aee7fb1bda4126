//! Tar streams that are decoded to a temporary file as far as someone reads them.
//!
//! A stream that is indexed while it is decoded is refused at the first thing that is wrong with it,
//! and not after its last byte.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::error::Result;
use crate::image::bytes::Bytes;
use crate::image::spool;

/// A stream that is being decoded. Any place of it can be read, though best what was decoded last.
pub(in crate::image) struct Decoding<R> {
    state: RefCell<State<R>>,
}

struct State<R> {
    decoder: R,
    file: Arc<File>,
    folder: PathBuf,
    /// What was decoded last, which is where most reads go.
    recent: Arc<Vec<u8>>,
    /// Those before it, whose memory is used again once they are written.
    earlier: VecDeque<Arc<Vec<u8>>>,
    /// Bytes decoded so far.
    output: u64,
    ended: bool,
    writer: Option<Writer>,
}

/// A thread that writes down what was decoded while more is.
struct Writer {
    /// Where in the file, and what.
    chunks: SyncSender<(u64, Arc<Vec<u8>>)>,
    thread: JoinHandle<io::Result<()>>,
}

/// How many chunks may wait to be written.
const WAITING: usize = 3;
/// How much is decoded at once.
const CHUNK: usize = 256 << 10;

impl<R: Read> Decoding<R> {
    /// Nothing is decoded yet.
    pub(in crate::image) fn new(decoder: R) -> Result<Self> {
        let (file, folder) = spool::unnamed()?;
        let state = RefCell::new(State {
            decoder,
            file: Arc::new(file),
            folder,
            recent: Arc::default(),
            earlier: VecDeque::new(),
            output: 0,
            ended: false,
            writer: None,
        });
        Ok(Self { state })
    }

    /// Decodes what is left. The file with all that was decoded, and the decoder.
    pub(in crate::image) fn finish(self) -> io::Result<(File, R)> {
        let mut state = self.state.into_inner();
        while !state.ended {
            state.advance()?;
        }
        state.written()?;
        let file = Arc::into_inner(state.file).expect("the writer has ended");
        Ok((file, state.decoder))
    }
}

impl<R: Read> Bytes for Decoding<R> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        if !state.reaches(offset.saturating_add(1))? {
            return Ok(0);
        }
        let back = usize::try_from(state.output - offset).unwrap_or(usize::MAX);
        match state.recent.len().checked_sub(back) {
            Some(start) => {
                let n = back.min(buffer.len());
                buffer[..n].copy_from_slice(&state.recent[start..start + n]);
                Ok(n)
            }
            None => {
                state.written()?;
                Bytes::read_at(&*state.file, buffer, offset)
            }
        }
    }

    fn reaches(&self, end: u64) -> io::Result<bool> {
        self.state.borrow_mut().reaches(end)
    }
}

impl<R: Read> State<R> {
    fn reaches(&mut self, end: u64) -> io::Result<bool> {
        while self.output < end && !self.ended {
            self.advance()?;
        }
        Ok(self.output >= end)
    }

    /// Decodes some more, and has it written down.
    fn advance(&mut self) -> io::Result<()> {
        let first = self.earlier.front();
        let written = first.is_some_and(|c| Arc::strong_count(c) == 1);
        let used = written.then(|| self.earlier.pop_front()).flatten();
        let mut chunk = used.and_then(Arc::into_inner).unwrap_or_default();
        chunk.clear();
        chunk.reserve_exact(CHUNK);
        let limited = self.decoder.by_ref().take(CHUNK as u64);
        self.ended = { limited }.read_to_end(&mut chunk)? < CHUNK;
        let before = mem::replace(&mut self.recent, Arc::new(chunk));
        self.earlier.push_back(before);
        let at = self.output;
        self.output += self.recent.len() as u64;
        if self.writer.is_none() {
            self.writer = Writer::start(&self.file);
        }
        let Some(writer) = &self.writer else {
            // The system gives no more threads.
            return write(&self.file, at, &self.recent)
                .map_err(|e| spool::unwritten(e, &self.folder));
        };
        if writer.chunks.send((at, Arc::clone(&self.recent))).is_err() {
            self.written()?;
        }
        Ok(())
    }

    /// Waits until all that was decoded is written.
    fn written(&mut self) -> io::Result<()> {
        let Some(Writer { chunks, thread }) = self.writer.take() else {
            return Ok(());
        };
        drop(chunks);
        let written = thread.join().expect("writing does not panic");
        written.map_err(|e| spool::unwritten(e, &self.folder))
    }
}

impl Writer {
    fn start(file: &Arc<File>) -> Option<Self> {
        let (chunks, given) = sync_channel::<(u64, Arc<Vec<u8>>)>(WAITING);
        let file = Arc::clone(file);
        let work = move || {
            given
                .iter()
                .try_for_each(|(at, chunk)| write(&file, at, &chunk))
        };
        let thread = thread::Builder::new().spawn(work).ok()?;
        Some(Self { chunks, thread })
    }
}

/// Zeros are left out, as a hole: a tar of nothing else is not to fill the disk.
fn write(file: &File, at: u64, chunk: &[u8]) -> io::Result<()> {
    match chunk.iter().all(|byte| *byte == 0) {
        true => file.set_len(at + chunk.len() as u64),
        false => FileExt::write_all_at(file, chunk, at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, and an error after the last.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::Error::other("broken"));
            }
            let n = self.0.len().min(buffer.len()).min(1000);
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn sample() -> Vec<u8> {
        let byte = |n: usize| {
            if (CHUNK..3 * CHUNK).contains(&n) {
                0
            } else {
                n.to_le_bytes()[0] | 1
            }
        };
        (0..4 * CHUNK + 7).map(byte).collect()
    }

    #[test]
    fn any_place_can_be_read_and_all_of_it_is_in_the_file() {
        let bytes = sample();
        let decoding = Decoding::new(&bytes[..]).unwrap();
        // Forward, back, into the hole, and to the end.
        for at in [0, CHUNK - 1, 5, 2 * CHUNK, 3 * CHUNK + 9, CHUNK, 4 * CHUNK] {
            let mut got = [7; 7];
            decoding.read_exact_at(&mut got, at as u64).unwrap();
            assert_eq!(got, bytes[at..at + 7], "{at}");
        }
        let len = bytes.len() as u64;
        assert!(decoding.reaches(len).unwrap() && !decoding.reaches(len + 1).unwrap());
        let (file, rest) = decoding.finish().unwrap();
        let mut all = vec![7; bytes.len()];
        Bytes::read_exact_at(&file, &mut all, 0).unwrap();
        assert!(all == bytes && rest.is_empty());
        assert_eq!(file.metadata().unwrap().len(), len);
    }

    #[test]
    fn zeros_take_no_room() {
        use std::os::unix::fs::MetadataExt as _;
        let decoding = Decoding::new(io::repeat(0).take(64 << 20)).unwrap();
        let (file, _) = decoding.finish().unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.len(), 64 << 20);
        assert!(metadata.blocks() < 2048, "{} blocks", metadata.blocks());
    }

    #[test]
    fn no_more_is_decoded_than_is_read() {
        let bytes = sample();
        let decoding = Decoding::new(Slow(&bytes)).unwrap();
        assert!(decoding.reaches(4 * CHUNK as u64).unwrap());
        assert!(decoding.reaches(bytes.len() as u64).is_err());
        assert!(decoding.finish().is_err());
    }
}
