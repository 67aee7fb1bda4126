//! Compresses the parts of a changed file that cannot be copied, on all cores, ahead of who writes them.
//!
//! Each part is cut into pieces of a fixed size, and each piece compressed alike wherever that is done: with the bytes before
//! it as the dictionary, up to a whole byte. So what comes out does not depend on how many cores there are.

use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::inflate::WINDOW;
use super::layout::{Part, Piece};
use crate::image::stream::TarStream;

/// The most that is compressed in one piece.
const PIECE: u64 = 128 << 10;
/// How much room a piece's output grows by.
const SPARE: usize = 64 << 10;
/// How many pieces each worker is given before the first of them is written.
const AHEAD: usize = 2;

/// A range of the output stream to be compressed.
#[derive(Debug)]
struct Job {
    range: Range<u64>,
    /// Where its member begins in the output stream; nothing before that can be reached from it.
    member: u64,
    level: u32,
    /// Whether its member ends with it.
    last: bool,
}

/// A piece as it was read.
struct Task {
    /// The window before it, and its bytes.
    input: Vec<u8>,
    window: usize,
    level: u32,
    last: bool,
}

/// What a piece became.
pub(super) struct Compressed {
    pub(super) bytes: Vec<u8>,
    /// The CRC-32 of the piece, with its length.
    pub(super) crc: Hasher,
}

/// Compressed pieces in the order in which the file has them.
pub(super) struct Pieces<'a> {
    output: &'a TarStream,
    jobs: std::vec::IntoIter<Job>,
    /// Empty where there is one core: pieces are then compressed when they are asked for.
    workers: Vec<Worker>,
    /// How many pieces were handed to workers, and how many taken back.
    given: usize,
    taken: usize,
    /// Memory for another piece's input.
    spare: Vec<Vec<u8>>,
}

/// The two ends of a thread that compresses; it gives back the memory of the input.
struct Worker {
    tasks: Sender<Task>,
    done: Receiver<(io::Result<Compressed>, Vec<u8>)>,
}

/// The pieces of a part: all but the last are of the same size.
pub(super) fn pieces(part: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = part.end;
    let starts = (part.start..end).step_by(usize::try_from(PIECE).expect("it fits"));
    starts.map(move |start| start..end.min(start + PIECE))
}

impl<'a> Pieces<'a> {
    /// What a file consists of, to be compressed by so many workers; with none, by who asks.
    ///
    /// # Errors
    /// What reading the output stream gives.
    pub(super) fn of<'s>(
        file: &[Piece<'_>],
        output: &'a TarStream,
        workers: usize,
        scope: &'s Scope<'s, '_>,
    ) -> io::Result<Self> {
        let jobs = jobs(file);
        let workers = 0..workers.min(jobs.len());
        let mut pieces = Self {
            output,
            jobs: jobs.into_iter(),
            // Where the system gives no more threads, fewer have to do.
            workers: workers.map_while(|_| Worker::spawn(scope).ok()).collect(),
            given: 0,
            taken: 0,
            spare: Vec::new(),
        };
        pieces.give()?;
        Ok(pieces)
    }

    /// The next piece.
    ///
    /// # Errors
    /// What reading the output stream gives.
    pub(super) fn next(&mut self) -> io::Result<Compressed> {
        if self.workers.is_empty() {
            let task = self.read()?.expect("a piece that is there");
            let compressed = task.compress();
            self.spare.push(task.input);
            return compressed;
        }
        let worker = &self.workers[self.taken % self.workers.len()];
        let (compressed, input) = worker.done.recv().expect("workers do not stop");
        self.taken += 1;
        self.spare.push(input);
        self.give()?;
        compressed
    }

    /// Gives each worker as much as it may have.
    fn give(&mut self) -> io::Result<()> {
        while self.given - self.taken < AHEAD * self.workers.len()
            && let Some(task) = self.read()?
        {
            let worker = &self.workers[self.given % self.workers.len()];
            worker.tasks.send(task).expect("workers do not stop");
            self.given += 1;
        }
        Ok(())
    }

    /// Reads the next piece to be compressed.
    fn read(&mut self) -> io::Result<Option<Task>> {
        let Some(job) = self.jobs.next() else {
            return Ok(None);
        };
        let Range { start, end } = job.range;
        let from = job.member.max(start.saturating_sub(WINDOW as u64));
        let mut input = self.spare.pop().unwrap_or_default();
        input.resize(length(end - from), 0);
        self.output.read_exact_at(&mut input, from)?;
        Ok(Some(Task {
            input,
            window: length(start - from),
            level: job.level,
            last: job.last,
        }))
    }
}

impl Worker {
    fn spawn<'s>(scope: &'s Scope<'s, '_>) -> io::Result<Self> {
        let (tasks, given) = channel::<Task>();
        let (sender, done) = channel();
        thread::Builder::new().spawn_scoped(scope, move || {
            for task in given {
                let compressed = task.compress();
                // Nobody listens any more where writing failed.
                if sender.send((compressed, task.input)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { tasks, done })
    }
}

fn jobs(file: &[Piece<'_>]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for piece in file {
        let Piece::Changed {
            header,
            output,
            parts,
        } = piece
        else {
            continue;
        };
        for part in parts {
            let Part::Compress(part) = part else {
                continue;
            };
            jobs.extend(pieces(part).map(|range| Job {
                range,
                member: output.start,
                level: header.level(),
                last: false,
            }));
        }
        if let (Some(Part::Compress(_)), Some(job)) = (parts.last(), jobs.last_mut()) {
            job.last = true;
        }
    }
    jobs
}

impl Task {
    /// Compresses a piece as if all of its member before it had been compressed alike. Ends at a whole byte.
    fn compress(&self) -> io::Result<Compressed> {
        // One that is used again does not always give what a new one gives.
        let mut deflate = Compress::new(Compression::new(self.level), false);
        let (window, piece) = self.input.split_at(self.window);
        if !window.is_empty() {
            deflate.set_dictionary(window).map_err(io::Error::other)?;
        }
        let flush = if self.last {
            FlushCompress::Finish
        } else {
            FlushCompress::Sync
        };
        let mut bytes = Vec::new();
        loop {
            bytes.reserve(SPARE);
            let rest = &piece[length(deflate.total_in())..];
            let status = deflate
                .compress_vec(rest, &mut bytes, flush)
                .map_err(io::Error::other)?;
            // A full buffer may mean that more is to come.
            let all = length(deflate.total_in()) == piece.len() && bytes.len() < bytes.capacity();
            if status == Status::StreamEnd || all && !self.last {
                break;
            }
        }
        let mut crc = Hasher::new();
        crc.update(piece);
        Ok(Compressed { bytes, crc })
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("no more than a window and a piece")
}
