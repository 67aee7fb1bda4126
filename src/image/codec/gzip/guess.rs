//! What a part of a gzip file decodes to if a block begins where one seems to.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use super::inflate::{self, Inflater, Place, Stand, Step, WINDOW};
use crate::image::bytes::Bytes as _;

/// Bytes that a guess holds at most; a chunk of zeros would decode to hundreds of megabytes. Most
/// of a short guess would have placeholders, which take longer to decode.
const LIMIT: usize = (2 << 20) - (64 << 10);
/// The size of the buffers that it is decoded in, each with a window before it.
pub(super) const BUFFER: usize = inflate::buffer(LIMIT);
/// How much is decoded with placeholders before it is seen whether the window still has any.
const LOOK: usize = 64 << 10;
/// How many headers of a chunk are tried, and how many blocks that seem to begin there but do not.
/// In a Debian's rootfs it takes 764 and 3 at most. A file can be made of nothing else, each going
/// on for long before it turns out to be wrong.
const TRIED: u32 = 4096;
const FAILED: u32 = 4;
/// Units from here on are placeholders: for the byte at that place of the window.
const PLACEHOLDER: u16 = 1 << 15;

/// What a part of the file decodes to if a block begins where it does.
pub(super) struct Guess {
    /// The worker that made it.
    pub(super) lane: usize,
    /// The bit where it begins.
    pub(super) start: u64,
    /// A window of placeholders, then what was decoded while there were any in the window: bytes
    /// and placeholders.
    head: Vec<u16>,
    /// Room for the window, and for what stands for the head; then the bytes that were decoded
    /// without placeholders.
    bytes: Vec<u8>,
    /// Where the head ends, in both.
    head_end: usize,
    /// How much of `bytes` is filled, or has room for the head.
    filled: usize,
    /// Where blocks begin: the bit in the file, and how many bytes were decoded before.
    pub(super) blocks: Vec<(u64, usize)>,
    pub(super) end: Stand,
}

impl Guess {
    pub(super) fn new(lane: usize) -> Self {
        let mut head = vec![0; BUFFER];
        for (unit, placeholder) in head[..WINDOW].iter_mut().zip(PLACEHOLDER..=u16::MAX) {
            *unit = placeholder;
        }
        Self {
            lane,
            start: 0,
            head,
            bytes: vec![0; BUFFER],
            head_end: WINDOW,
            filled: WINDOW,
            blocks: Vec::new(),
            end: Stand::block(0),
        }
    }

    /// Returns whether the guess ends here; notes a block that begins here otherwise.
    fn is_whole(&mut self, step: Step, end: u64) -> bool {
        // A decoder would make room in a full buffer, and that is lent.
        let is_full = self.len() >= LIMIT;
        let whole = is_full
            || match step {
                Step::Full => false,
                Step::Block => self.end.bit >= end,
                Step::End => true,
            };
        if step == Step::Block && !whole {
            self.blocks.push((self.end.bit, self.len()));
        }
        whole
    }

    /// Takes back the last block, if that is the last of its stream: decoding in order shows
    /// what that holds only when the checksum behind it is right. Whether anything is left.
    fn ends_before_a_checksum(&mut self) -> bool {
        if self.end.place != Place::End {
            return true;
        }
        let Some((bit, before)) = self.blocks.pop() else {
            return false;
        };
        self.end = Stand::block(bit);
        self.filled = WINDOW + before;
        self.head_end = self.head_end.min(self.filled);
        true
    }

    /// Puts a window before it, and in place of the placeholders.
    pub(super) fn put(&mut self, window: &[u8; WINDOW]) {
        // What each unit stands for.
        let mut stands_for = [0; 1 << 16];
        for (byte, own) in stands_for.iter_mut().zip(0..=u8::MAX) {
            *byte = own;
        }
        stands_for[usize::from(PLACEHOLDER)..].copy_from_slice(window);
        let (before, bytes) = self.bytes.split_at_mut(WINDOW);
        before.copy_from_slice(window);
        let head = &self.head[WINDOW..self.head_end];
        for (byte, unit) in bytes.iter_mut().zip(head) {
            *byte = stands_for[usize::from(*unit)];
        }
    }

    /// Returns what it decodes to behind the window that was put before it, which comes first.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// Returns how many bytes it decodes to.
    pub(super) fn len(&self) -> usize {
        self.filled - WINDOW
    }
}

/// What a worker keeps from one guess to the next. What it decodes is put where the guess has it.
pub(super) struct Worker {
    file: Arc<File>,
    /// Decodes for as long as there may be placeholders in the window.
    wide: Inflater<u16, BUFFER>,
    /// Decodes from there on.
    narrow: Inflater<u8, BUFFER>,
}

impl Worker {
    pub(super) fn new(file: &Arc<File>) -> io::Result<Self> {
        Ok(Self {
            file: Arc::clone(file),
            wide: Inflater::without_buffer(Arc::clone(file), 0)?,
            narrow: Inflater::without_buffer(Arc::clone(file), 0)?,
        })
    }

    /// Decodes from the first place in a chunk where a block seems to begin to the end of the
    /// chunk. Whether there is one.
    pub(super) fn guess(&mut self, guess: &mut Guess, start: u64, chunk: u64) -> io::Result<bool> {
        const LEN: usize = SEARCHED + HEADER_BYTES;
        let mut bytes = Vec::with_capacity(LEN);
        let (mut tried, mut failed) = (0, 0);
        for part in (0..chunk).step_by(SEARCHED) {
            let from = start + part;
            bytes.clear();
            let mut input = self.file.reader(from..from + LEN as u64);
            input.read_to_end(&mut bytes)?;
            for bit in headers(&bytes) {
                let bit = from * 8 + bit;
                if self.wide.can_begin(bit) {
                    let decoded = self.decode(guess, bit, (start + chunk) * 8);
                    if decoded.is_ok() && guess.ends_before_a_checksum() {
                        return Ok(true);
                    }
                    failed += 1;
                }
                tried += 1;
                if tried == TRIED || failed == FAILED {
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }

    /// Decodes from a block's header to the first block that begins at or after `end`.
    fn decode(&mut self, guess: &mut Guess, bit: u64, end: u64) -> io::Result<()> {
        guess.start = bit;
        guess.end = Stand::block(bit);
        (guess.head_end, guess.filled) = (WINDOW, WINDOW);
        guess.blocks.clear();
        self.wide.exchange(&mut guess.head);
        let ended = self.decode_head(guess, end);
        self.wide.exchange(&mut guess.head);
        if ended? {
            return Ok(());
        }
        let window = guess.head_end - WINDOW..guess.head_end;
        let units = guess.head[window.clone()].iter();
        for (byte, unit) in guess.bytes[window].iter_mut().zip(units) {
            *byte = unit.to_le_bytes()[0];
        }
        self.narrow.exchange(&mut guess.bytes);
        let done = self.decode_tail(guess, end);
        self.narrow.exchange(&mut guess.bytes);
        done
    }

    /// Decodes as long as there are placeholders in the window. Whether the guess ends before.
    fn decode_head(&mut self, guess: &mut Guess, end: u64) -> io::Result<bool> {
        self.wide.resume_behind(0..WINDOW, &guess.end)?;
        // How many bytes in a row, up to here, are no placeholders.
        let mut known = 0;
        while known < WINDOW {
            let step = self.wide.step_about(LOOK)?;
            let fresh = self.wide.fresh();
            known = match fresh.iter().rposition(|unit| *unit >= PLACEHOLDER) {
                Some(last) => fresh.len() - last - 1,
                None => known + fresh.len(),
            };
            let count = fresh.len();
            self.wide.take(count);
            guess.head_end += count;
            guess.filled += count;
            guess.end = self.wide.stand();
            if guess.is_whole(step, end) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Decodes from there on.
    fn decode_tail(&mut self, guess: &mut Guess, end: u64) -> io::Result<()> {
        let window = guess.head_end - WINDOW..guess.head_end;
        self.narrow.resume_behind(window, &guess.end)?;
        loop {
            let step = self.narrow.step()?;
            let count = self.narrow.fresh().len();
            self.narrow.take(count);
            guess.filled += count;
            guess.end = self.narrow.stand();
            if guess.is_whole(step, end) {
                return Ok(());
            }
        }
    }
}

/// Bits of a header that are looked at: its type, three counts, and the lengths of the code that
/// describes the others.
const HEADER_BYTES: usize = 16;

/// How many bytes are looked through for a header before more are read.
const SEARCHED: usize = 16 << 10;

/// Returns the bits that may be the header of a block which is not the last and has codes of its
/// own.
fn headers(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let words = bytes
        .windows(HEADER_BYTES)
        .step_by(8)
        .zip((0..).step_by(64));
    words.flat_map(|(word, first)| {
        let word = u128::from_le_bytes(word.try_into().expect("its size"));
        // Each bit of these stands for a header that begins there.
        let [b0, b1, b2] = [0, 1, 2].map(|bit| word >> bit);
        let more_than_29 = |low: u32| {
            word >> (low + 1) & word >> (low + 2) & word >> (low + 3) & word >> (low + 4)
        };
        let likely = !b0 & !b1 & b2 & !more_than_29(3) & !more_than_29(8) & u128::from(u64::MAX);
        let likely = bits_of(likely).map(move |bit| first + bit);
        likely.filter(|bit| has_complete_code(bytes, *bit))
    })
}

/// Returns the places of the bits that are set.
fn bits_of(mut word: u128) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        let lowest = (word != 0).then(|| u64::from(word.trailing_zeros()))?;
        word &= word - 1;
        Some(lowest)
    })
}

/// Returns whether a header gives its first code, of up to 19 symbols, lengths that make it
/// complete.
fn has_complete_code(bytes: &[u8], bit: u64) -> bool {
    let at = usize::try_from(bit / 8).expect("an index of the slice");
    let Some(word) = bytes.get(at..at + HEADER_BYTES) else {
        return false;
    };
    let header = u128::from_le_bytes(word.try_into().expect("its size")) >> (bit % 8);
    let count = (header >> 13 & 15) + 4;
    let mut lengths = header >> 17 & ((1 << (3 * count)) - 1);
    let mut used = 0;
    while lengths > 0 && used <= COMPLETE {
        used += USED_BY_THREE[(lengths & 511) as usize];
        lengths >>= 9;
    }
    used == COMPLETE
}

/// How much room a code has, in codes of the greatest length.
const COMPLETE: u16 = 1 << 7;

/// How much of it three symbols take whose lengths, of three bits each, are the index.
static USED_BY_THREE: [u16; 512] = {
    let mut table = [0; 512];
    let mut lengths = 0;
    while lengths < 512 {
        let mut rest = lengths;
        while rest > 0 {
            if rest & 7 > 0 {
                table[lengths] += COMPLETE >> (rest & 7);
            }
            rest >>= 3;
        }
        lengths += 1;
    }
    table
};
