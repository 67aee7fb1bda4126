//! Decoding ahead of where decoding has come to, on other cores.
//!
//! A deflate stream says nowhere where its blocks begin, and a block's matches reach back into a window that is not known
//! before what precedes it is decoded. So a worker guesses: it looks for bits that make sense as a block's header, and decodes
//! from there with a window of placeholders. Whoever decodes in order comes to that place, finds that a block begins there
//! indeed, and puts the window in place of the placeholders. A guess that is wrong, or that meets an error, is dropped, and
//! that part decoded in order: what comes out never depends on the guesses, nor on how many workers there are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::inflate::{Inflater, Place, Stand, Step, WINDOW};

/// How the file is dealt out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deal {
    /// Bytes of the file in a chunk. The worker's share begins with the first block that begins in it.
    pub(super) chunk: u64,
    /// How many decode ahead. Of each `workers + 1` chunks the first is left to who decodes in order.
    pub(super) workers: u64,
}

impl Default for Deal {
    /// As many workers as there are other cores, up to three: more would wait for the one that puts all in order.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, |n| n.get() as u64);
        Self {
            chunk: 512 << 10,
            workers: (cores - 1).min(3),
        }
    }
}

/// Bytes that a guess holds at most; a chunk of zeros would decode to half a gigabyte.
const LIMIT: usize = 4 << 20;
/// Units from here on are placeholders: for the byte at that place of the window.
const PLACEHOLDER: u16 = 1 << 15;

/// The workers, and what they have found.
pub(super) struct Ahead {
    deal: Deal,
    /// The first chunk that decoding in order has not come to.
    next: u64,
    lanes: Vec<Receiver<Option<Guess>>>,
    /// The guess of the chunk that decoding in order is in, until it has come to where that begins.
    waiting: Option<Guess>,
}

/// What a part of the file decodes to if a block begins where it does.
pub(super) struct Guess {
    start: u64,
    /// Bytes and placeholders.
    head: Vec<u16>,
    tail: Vec<u8>,
    /// Where blocks begin: the bit in the file, and how many bytes were decoded before.
    pub(super) blocks: Vec<(u64, usize)>,
    pub(super) end: Stand,
}

impl Ahead {
    pub(super) fn new(file: &Arc<File>, deal: Deal) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let lanes = (1..=deal.workers)
            .filter(|first| first * deal.chunk < len)
            .map(|first| {
                let file = Arc::clone(file);
                // One guess waits while the next is made.
                let (sender, lane) = sync_channel(1);
                thread::spawn(move || work(&file, len, deal, first, &sender));
                lane
            })
            .collect();
        Ok(Self {
            deal,
            next: 0,
            lanes,
            waiting: None,
        })
    }

    /// The guess that begins at a bit where a block begins, if there is one. The bits that are asked for must ascend.
    pub(super) fn guess(&mut self, bit: u64) -> Option<Guess> {
        let chunk = bit / 8 / self.deal.chunk;
        for passed in self.next..=chunk {
            let lane = usize::try_from(passed % (self.deal.workers + 1)).expect("a few workers");
            if let Some(lane) = lane.checked_sub(1).and_then(|lane| self.lanes.get(lane)) {
                self.waiting = lane.recv().ok().flatten();
            }
        }
        self.next = self.next.max(chunk + 1);
        // A block that is stored, or has the fixed codes, may begin before the one that the guess begins with.
        self.waiting
            .take_if(|guess| guess.start <= bit)
            .filter(|guess| guess.start == bit)
    }
}

impl Guess {
    /// Appends what it decodes to, behind this window. Whether every placeholder stood for a byte of it.
    pub(super) fn put(&self, window: &[u8], out: &mut Vec<u8>) -> bool {
        let missing = WINDOW - window.len();
        for units in self.head.chunks(64) {
            if units.iter().all(|unit| *unit < PLACEHOLDER) {
                out.extend(units.iter().map(|unit| unit.to_le_bytes()[0]));
                continue;
            }
            for unit in units {
                let byte = match unit.checked_sub(PLACEHOLDER) {
                    None => unit.to_le_bytes()[0],
                    Some(place) => match usize::from(place).checked_sub(missing) {
                        Some(place) => window[place],
                        None => return false,
                    },
                };
                out.push(byte);
            }
        }
        out.extend_from_slice(&self.tail);
        true
    }

    /// How many bytes it decodes to.
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }
}

fn work(file: &Arc<File>, len: u64, deal: Deal, first: u64, sender: &SyncSender<Option<Guess>>) {
    let chunks = (first..).step_by(usize::try_from(deal.workers + 1).expect("a few workers"));
    for start in chunks
        .map(|chunk| chunk * deal.chunk)
        .take_while(|start| *start < len)
    {
        // An error is met again, and told, by who decodes in order.
        let guess = guess(file, start, deal.chunk).unwrap_or(None);
        if sender.send(guess).is_err() {
            return;
        }
    }
}

/// Decodes from the first place in a chunk where a block seems to begin to the end of the chunk.
fn guess(file: &Arc<File>, start: u64, chunk: u64) -> io::Result<Option<Guess>> {
    let mut bytes = vec![0; usize::try_from(chunk).expect("a small number") + HEADER_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], start + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    let placeholders: Vec<u16> = (0..PLACEHOLDER).map(|place| place + PLACEHOLDER).collect();
    let end = (start + chunk) * 8;
    let mut inflater = None;
    for bit in headers(&bytes, chunk) {
        let bit = start * 8 + bit;
        let inflater = match &mut inflater {
            Some(inflater) => inflater,
            none => none.insert(Inflater::new(Arc::clone(file), bit, &placeholders)?),
        };
        let stand = Stand {
            bit,
            block: bit,
            place: Place::Header,
            last: false,
        };
        inflater.resume(&stand, &placeholders)?;
        if let Ok(guess) = decode(file, inflater, end) {
            return Ok(Some(guess));
        }
    }
    Ok(None)
}

/// Decodes a guess that begins where the decoder is and goes on to the first block that begins at or after `end`.
fn decode(file: &Arc<File>, inflater: &mut Inflater<u16>, end: u64) -> io::Result<Guess> {
    let mut guess = Guess {
        start: inflater.bit(),
        head: Vec::new(),
        tail: Vec::new(),
        blocks: Vec::new(),
        end: inflater.stand(),
    };
    // How many bytes in a row, up to here, are no placeholders.
    let mut known = 0;
    while known < WINDOW {
        let step = inflater.step()?;
        let fresh = inflater.fresh();
        known = match fresh.iter().rposition(|unit| *unit >= PLACEHOLDER) {
            Some(last) => fresh.len() - last - 1,
            None => known + fresh.len(),
        };
        guess.head.extend_from_slice(fresh);
        inflater.take(fresh.len());
        guess.end = inflater.stand();
        if guess.ends(step, end) {
            return Ok(guess);
        }
    }
    let window: Vec<u8> = inflater
        .window()
        .iter()
        .map(|unit| unit.to_le_bytes()[0])
        .collect();
    let mut inflater = Inflater::<u8>::new(Arc::clone(file), guess.end.bit, &[])?;
    inflater.resume(&guess.end, &window)?;
    loop {
        let step = inflater.step()?;
        let fresh = inflater.fresh();
        guess.tail.extend_from_slice(fresh);
        inflater.take(fresh.len());
        guess.end = inflater.stand();
        if guess.ends(step, end) {
            return Ok(guess);
        }
    }
}

impl Guess {
    /// Whether the guess ends here; notes a block that begins here otherwise.
    fn ends(&mut self, step: Step, end: u64) -> bool {
        match step {
            Step::Full => self.len() >= LIMIT,
            Step::Block if self.end.bit >= end => true,
            Step::Block => {
                self.blocks.push((self.end.bit, self.len()));
                false
            }
            Step::End => true,
        }
    }
}

/// Bits of a header that are looked at: its type, three counts, and the lengths of the code that describes the others.
const HEADER_BYTES: usize = 16;

/// The bits in the first `chunk` bytes that may be the header of a block which is not the last and has codes of its own.
fn headers(bytes: &[u8], chunk: u64) -> impl Iterator<Item = u64> {
    let last = (bytes.len().saturating_sub(HEADER_BYTES) as u64).min(chunk) * 8;
    (0..last).filter(|bit| {
        let at = usize::try_from(bit / 8).expect("an index of the slice");
        let word: [u8; HEADER_BYTES] = bytes[at..at + HEADER_BYTES].try_into().expect("its size");
        let bits = u128::from_le_bytes(word) >> (bit % 8);
        bits & 7 == 0b100
            && bits >> 3 & 31 < 30
            && bits >> 8 & 31 < 30
            && is_complete(bits >> 17, (bits >> 13 & 15) + 4)
    })
}

/// Whether so many lengths of three bits make a complete code.
fn is_complete(mut lengths: u128, count: u128) -> bool {
    let mut used = 0;
    for _ in 0..count {
        let length = lengths & 7;
        if length > 0 {
            used += 128 >> length;
        }
        lengths >>= 3;
    }
    used == 128
}
