//! Compresses the parts of a changed file that cannot be copied, on all cores, ahead of who writes
//! them.
//!
//! Each part is cut into pieces of a fixed size, and each piece compressed alike wherever that is
//! done: with the bytes before it as the dictionary, up to a whole byte. So what comes out does not
//! depend on how many cores there are.

use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::Gzip;
use super::inflate::WINDOW;
use super::layout::{Part, Piece};
use crate::image::bytes::Bytes as _;
use crate::image::read_ahead::ahead;
use crate::image::segments::Over;

/// The most that is compressed in one piece.
const PIECE: u64 = 128 << 10;
/// How much room for its output is given at once. At the lowest level what comes out depends on
/// that.
const ROOM: usize = 64 << 10;
/// How often that is needed at most, for a piece that compressing makes larger.
const ROOMS: usize = 3;
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

/// A piece as it was read, and what it becomes.
///
/// Its memory is that of the thread that asks for pieces, and used again, since what a thread of
/// its own takes is not given back while the process runs.
pub(super) struct Task {
    /// The window before it, and its bytes.
    input: Vec<u8>,
    window: usize,
    level: u32,
    last: bool,
    pub(super) output: Vec<u8>,
    /// The CRC-32 of the piece, with its length.
    pub(super) crc: Hasher,
}

/// Compressed pieces in the order in which the file has them.
pub(super) struct Pieces<'a> {
    output: Over<'a, Gzip>,
    jobs: std::vec::IntoIter<Job>,
    /// Empty where there is one core: pieces are then compressed when they are asked for.
    workers: Vec<Worker>,
    /// How many pieces were handed to workers, and how many taken back.
    given: usize,
    taken: usize,
    /// The piece that was asked for last.
    current: Option<Task>,
    /// Those whose memory is free for another.
    spare: Vec<Task>,
}

/// The two ends of a thread that compresses.
struct Worker {
    tasks: SyncSender<(Compress, Task)>,
    done: Receiver<io::Result<Task>>,
}

/// Returns the pieces of a part: all but the last are of the same size.
pub(super) fn pieces(part: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = part.end;
    let starts = (part.start..end).step_by(usize::try_from(PIECE).expect("it fits"));
    starts.map(move |start| start..end.min(start + PIECE))
}

impl<'a> Pieces<'a> {
    /// Returns what a file consists of, to be compressed by a number of workers; with none, by
    /// the caller.
    ///
    /// # Errors
    /// What reading the output stream gives.
    pub(super) fn of(
        file: &[Piece<'_>],
        output: Over<'a, Gzip>,
        workers: usize,
    ) -> io::Result<Self> {
        let jobs = jobs(file);
        let workers = 0..workers.min(jobs.len());
        let mut pieces = Self {
            output,
            jobs: jobs.into_iter(),
            // Where the system gives no more threads, fewer have to do.
            workers: workers.map_while(|_| Worker::spawn().ok()).collect(),
            given: 0,
            taken: 0,
            current: None,
            spare: Vec::new(),
        };
        pieces.give()?;
        Ok(pieces)
    }

    /// Returns the next piece, compressed.
    ///
    /// # Errors
    /// What reading the output stream gives.
    pub(super) fn next(&mut self) -> io::Result<&Task> {
        self.spare.extend(self.current.take());
        let task = if self.workers.is_empty() {
            let task = self.read()?.expect("a piece that is there");
            let deflate = task.compressor();
            task.compressed(deflate)?
        } else {
            let worker = &self.workers[self.taken % self.workers.len()];
            let task = worker.done.recv().expect("workers do not stop")?;
            self.taken += 1;
            self.give()?;
            task
        };
        Ok(self.current.insert(task))
    }

    /// Gives each worker as much as it may have.
    fn give(&mut self) -> io::Result<()> {
        while self.given - self.taken < AHEAD * self.workers.len()
            && let Some(task) = self.read()?
        {
            let worker = &self.workers[self.given % self.workers.len()];
            let task = (task.compressor(), task);
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
        let mut task = self.spare.pop().unwrap_or_else(Task::new);
        task.input.resize(length(end - from), 0);
        self.output.read_exact_at(&mut task.input, from)?;
        task.window = length(start - from);
        (task.level, task.last) = (job.level, job.last);
        Ok(Some(task))
    }
}

impl Worker {
    fn spawn() -> io::Result<Self> {
        // There is room for all that a worker is given, so that sending does not wait and takes no
        // memory.
        let (tasks, given) = sync_channel::<(Compress, Task)>(AHEAD);
        let compressed = given
            .into_iter()
            .map(|(deflate, task)| task.compressed(deflate));
        let done = ahead(AHEAD, compressed)?;
        Ok(Self { tasks, done })
    }
}

fn jobs(file: &[Piece<'_>]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for piece in file {
        let Piece::Changed(changed) = piece else {
            continue;
        };
        for part in &changed.parts {
            let Part::Compress(part) = part else {
                continue;
            };
            jobs.extend(pieces(part).map(|range| Job {
                range,
                member: changed.output.start,
                level: changed.header.level(),
                last: false,
            }));
        }
        if let (Some(Part::Compress(_)), Some(job)) = (changed.parts.last(), jobs.last_mut()) {
            job.last = true;
        }
    }
    jobs
}

impl Task {
    fn new() -> Self {
        Self {
            input: Vec::with_capacity(WINDOW + length(PIECE)),
            window: 0,
            level: 0,
            last: false,
            output: Vec::with_capacity(ROOMS * ROOM),
            crc: Hasher::new(),
        }
    }

    /// Returns a compressor of its own: one that is used again does not always give what a new one
    /// gives. It is made by the caller: the aligned memory of one is seldom fit for the
    /// next, and workers would each keep that of several.
    fn compressor(&self) -> Compress {
        Compress::new(Compression::new(self.level), false)
    }

    /// Compresses a piece as if all of its member before it had been compressed alike. Ends at a
    /// whole byte.
    fn compressed(mut self, mut deflate: Compress) -> io::Result<Self> {
        let (window, piece) = self.input.split_at(self.window);
        if !window.is_empty() {
            deflate.set_dictionary(window).map_err(io::Error::other)?;
        }
        let flush = if self.last {
            FlushCompress::Finish
        } else {
            FlushCompress::Sync
        };
        let output = &mut self.output;
        output.clear();
        loop {
            let (from, to) = (output.len(), output.len() + ROOM);
            output.resize(to, 0);
            let rest = &piece[length(deflate.total_in())..];
            let status = deflate
                .compress(rest, &mut output[from..], flush)
                .map_err(io::Error::other)?;
            output.truncate(length(deflate.total_out()));
            // A full buffer may mean that more is to come.
            let all = length(deflate.total_in()) == piece.len() && output.len() < to;
            if status == Status::StreamEnd || all && !self.last {
                break;
            }
        }
        self.crc = Hasher::new();
        self.crc.update(piece);
        Ok(self)
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("no more than a window and a piece")
}
