//! Decoding ahead of where decoding has come to, on other cores.
//!
//! A deflate stream says nowhere where its blocks begin, and a block's matches reach back into a
//! window that is not known before what precedes it is decoded. So a worker guesses: it looks for
//! bits that make sense as a block's header, and decodes from there with a window of placeholders.
//! The decoder that works in order comes to that place, finds that a block does begin there, and puts
//! the window in place of the placeholders. A guess that is wrong, or that meets an error, is
//! dropped, and that part decoded in order: what comes out never depends on the guesses, nor on how
//! many workers there are.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::guess::{Guess, Worker};
use crate::image::read_ahead;

/// How the file is dealt out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deal {
    /// Bytes of the file in a chunk. The worker's share begins with the first block that begins in
    /// it.
    pub(super) chunk: u64,
    /// How many decode ahead. Of each `workers + 1` chunks the first is left to decoding in
    /// order.
    pub(super) workers: u64,
}

impl Default for Deal {
    /// As many workers as there are other cores, up to three: more would wait for the one that puts
    /// all in order.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, |n| n.get() as u64);
        Self {
            chunk: 640 << 10,
            workers: (cores - 1).min(3),
        }
    }
}

/// A worker stops after this number of chunks in which no block begins: some files are one block, and
/// searching costs more than decoding.
const IN_VAIN: u32 = 16;
/// Where a guess begins that could not be made.
const NOWHERE: u64 = 0;

/// The workers, and what they have found.
pub(super) struct Ahead {
    deal: Deal,
    /// The first chunk that decoding in order has not come to.
    next: u64,
    lanes: Vec<Lane>,
    /// The guess of the chunk that decoding in order is in, until it has come to where that begins.
    waiting: Option<Guess>,
}

/// What one worker sends, and takes back to write the next into.
struct Lane {
    guesses: Receiver<Guess>,
    used: Sender<Guess>,
}

impl Ahead {
    pub(super) fn new(file: &Arc<File>, deal: Deal) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let lane = |(lane, first): (usize, u64)| {
            // One guess waits while the next is made.
            let (used, back) = channel::<Guess>();
            for _ in 0..2 {
                used.send(Guess::new(lane)).expect("its other end is here");
            }
            let mut worker = Worker::new(file)?;
            let every = usize::try_from(deal.workers + 1).expect("a few workers");
            let starts = (first..).step_by(every).map(move |n| n * deal.chunk);
            let starts = starts.take_while(move |start| *start < len).zip(back);
            let mut in_vain = 0;
            let guesses = starts.map_while(move |(start, mut guess)| {
                if in_vain == IN_VAIN {
                    return None;
                }
                in_vain += 1;
                // Decoding in order meets an error again, and reports it.
                match worker.guess(&mut guess, start, deal.chunk) {
                    Ok(true) => in_vain = 0,
                    _ => guess.start = NOWHERE,
                }
                Some(guess)
            });
            let guesses = read_ahead::ahead(1, guesses)?;
            Ok::<_, io::Error>(Lane { guesses, used })
        };
        let firsts = (1..=deal.workers).take_while(|first| first * deal.chunk < len);
        Ok(Self {
            deal,
            next: 0,
            // Where the system gives no more threads, what is left is decoded in order.
            lanes: (0..).zip(firsts).map(lane).map_while(Result::ok).collect(),
            waiting: None,
        })
    }

    /// Returns the guess that begins at a bit where a block begins, if there is one. The bits that
    /// are asked for must ascend.
    pub(super) fn guess(&mut self, bit: u64) -> Option<Guess> {
        let chunk = bit / 8 / self.deal.chunk;
        for passed in self.next..=chunk {
            let lane = usize::try_from(passed % (self.deal.workers + 1)).expect("a few workers");
            if let Some(lane) = lane.checked_sub(1).and_then(|lane| self.lanes.get(lane)) {
                let guess = lane.guesses.recv().ok();
                let passed = std::mem::replace(&mut self.waiting, guess);
                passed.into_iter().for_each(|guess| self.give_back(guess));
            }
        }
        self.next = self.next.max(chunk + 1);
        // A block that is stored, or has the fixed codes, may begin before the one that the guess
        // begins with.
        let guess = self.waiting.take_if(|guess| guess.start <= bit)?;
        if guess.start == bit {
            return Some(guess);
        }
        self.give_back(guess);
        None
    }

    /// Lets the worker use a guess's memory again. Without that it waits for ever, and so does who
    /// waits for its next guess.
    pub(super) fn give_back(&self, guess: Guess) {
        // A worker that has come to the end takes nothing back.
        let _ = self.lanes[guess.lane].used.send(guess);
    }
}
