//! A decoder of deflate streams (RFC 1951) that says where each block begins, and that can be
//! stopped at any code and resumed there.
//!
//! It is our own because splicing needs both, and no library gives them without `unsafe`. It
//! accepts what zlib accepts.

mod codes;

use std::fs::File;
use std::io;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use super::input::Input;
use super::{damaged, huffman};
use codes::Stop;

/// How far back a match may reach, in bytes.
pub(crate) const WINDOW: usize = 32 << 10;
/// How much is decoded before the caller gets it.
pub(super) const CHUNK: usize = 192 << 10;
/// What one round of the inner loop may write beyond its limit: two literals, the longest match,
/// and the last copy's excess.
const EXCESS: usize = 2 + 258 + 32;

/// Returns how large the buffer of a decoder is that may put out so much before it has to make
/// room.
pub(super) const fn buffer(count: usize) -> usize {
    WINDOW + count + EXCESS
}

/// A deflate stream in a file, decoded piece by piece. What it puts out are bytes, or, where the
/// window is not known, what a [`guess`](super::guess) makes of them.
#[derive(Debug)]
pub(super) struct Inflater<U = u8, const BUFFER: usize = { buffer(CHUNK) }> {
    input: Input,
    /// A window, then what was decoded since. Its size is known when this is compiled, which spares
    /// the inner loop looking.
    buffer: Vec<U>,
    /// Where what the caller has not taken yet begins.
    fresh: usize,
    /// One past the last decoded byte.
    at: usize,
    /// Where a step is to end.
    limit: usize,
    /// The first byte that a match may reach.
    low: usize,
    /// The first byte that was decoded, or stood before that.
    oldest: usize,
    /// Where the header of the block lies that the decoder is in, or was.
    block: u64,
    place: Place,
    last: bool,
    literals: Vec<u32>,
    distances: Vec<u32>,
    /// The lengths of the codes that `literals` was made of.
    lengths: Vec<u8>,
    /// Whether the tables are those of the fixed codes.
    fixed: bool,
}

/// Where in a stream a decoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before a block's header.
    Header,
    /// Between two codes of a block.
    Codes,
    /// In a stored block of which so many bytes are left.
    Stored(usize),
    /// Behind the last block.
    End,
}

/// All that a decoder has to know, with its window, to go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stand {
    /// The next bit to decode, of the file.
    pub(super) bit: u64,
    /// Where the header of the block lies that the decoder is in, or was last.
    pub(super) block: u64,
    pub(super) place: Place,
    /// Whether that block is its stream's last.
    pub(super) last: bool,
}

impl Stand {
    /// Before the header of a block.
    pub(super) fn block(bit: u64) -> Self {
        Self {
            bit,
            block: bit,
            place: Place::Header,
            last: false,
        }
    }
}

/// What it takes to make two blocks of one.
#[derive(Debug)]
pub(super) struct Frame {
    /// Bits of the file.
    pub(super) header: Range<u64>,
    /// The code that ends the block, its first bit lowest, and how many bits it has.
    pub(super) end: (u32, u32),
}

/// Why the decoder came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// As much was decoded as is held.
    Full,
    /// A block begins.
    Block,
    /// The last block has ended.
    End,
}

impl<U: Copy + Default + From<u8>, const BUFFER: usize> Inflater<U, BUFFER> {
    /// From here on there is no room for another round of the inner loop.
    const FULL: usize = BUFFER - EXCESS;

    /// Begins the stream at a bit of a file, with nothing before it.
    pub(super) fn new(file: Arc<File>, bit: u64) -> io::Result<Self> {
        let mut inflater = Self::without_buffer(file, bit)?;
        inflater.buffer = vec![U::default(); BUFFER];
        inflater.follow(WINDOW..WINDOW);
        Ok(inflater)
    }

    /// Returns a decoder that is lent a buffer whenever it is to decode.
    pub(super) fn without_buffer(file: Arc<File>, bit: u64) -> io::Result<Self> {
        Ok(Self {
            input: Input::new(file, bit)?,
            buffer: Vec::new(),
            fresh: 0,
            at: 0,
            limit: 0,
            low: 0,
            oldest: 0,
            block: bit,
            place: Place::Header,
            last: false,
            literals: Vec::new(),
            distances: Vec::new(),
            lengths: Vec::new(),
            fixed: false,
        })
    }

    /// Goes on where this or another decoder was, and there `window` had come before.
    pub(super) fn resume(&mut self, stand: &Stand, window: &[U]) -> io::Result<()> {
        let low = WINDOW - window.len();
        self.buffer[low..WINDOW].copy_from_slice(window);
        self.resume_behind(low..WINDOW, stand)
    }

    /// Lends the decoder a buffer, or takes it back.
    pub(super) fn exchange(&mut self, buffer: &mut Vec<U>) {
        mem::swap(&mut self.buffer, buffer);
    }

    /// Goes on where another decoder was, behind the window that stands in the buffer.
    pub(super) fn resume_behind(&mut self, window: Range<usize>, stand: &Stand) -> io::Result<()> {
        self.follow(window);
        if stand.place == Place::Codes {
            self.input.seek(stand.block)?;
            self.header()?;
        }
        self.input.seek(stand.bit)?;
        (self.block, self.place, self.last) = (stand.block, stand.place, stand.last);
        Ok(())
    }

    /// Returns whether the bits at a place make a block's header. [`resume`](Self::resume) is to
    /// follow.
    pub(super) fn can_begin(&mut self, bit: u64) -> bool {
        self.input.seek(bit).and_then(|()| self.header()).is_ok()
    }

    /// Returns what stands around the codes of a block that has some.
    pub(super) fn frame(file: Arc<File>, block: u64) -> io::Result<Frame> {
        let mut inflater = Self::without_buffer(file, block)?;
        inflater.header()?;
        Ok(Frame {
            header: block..inflater.bit(),
            end: huffman::code(&inflater.lengths, huffman::END_SYMBOL),
        })
    }

    /// Makes a part of the buffer all that was decoded before.
    fn follow(&mut self, window: Range<usize>) {
        (self.oldest, self.low) = (window.start, window.start);
        (self.fresh, self.at) = (window.end, window.end);
    }

    /// Returns what it takes to go on from here.
    pub(super) fn stand(&self) -> Stand {
        Stand {
            bit: self.bit(),
            block: self.block,
            place: self.place,
            last: self.last,
        }
    }

    /// Begins another stream at the byte where the input is; nothing of the last one can be reached
    /// from it.
    pub(super) fn restart(&mut self) {
        self.low = self.at;
        self.place = Place::Header;
        self.last = false;
    }

    pub(super) fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    /// Returns where the next bit to decode lies in the file.
    pub(super) fn bit(&self) -> u64 {
        self.input.bit()
    }

    /// Returns what was decoded and not taken yet.
    pub(super) fn fresh(&self) -> &[U] {
        &self.buffer[self.fresh..self.at]
    }

    /// Takes some of [`fresh`](Self::fresh).
    pub(super) fn take(&mut self, count: usize) {
        self.fresh += count;
        debug_assert!(self.fresh <= self.at);
    }

    /// Returns all that is held of what was decoded, in this stream or those before it.
    pub(super) fn recent(&self) -> &[U] {
        &self.buffer[self.oldest..self.at]
    }

    /// Returns the bytes that a match may reach from here.
    pub(super) fn window(&self) -> &[U] {
        &self.buffer[self.low.max(self.at - WINDOW)..self.at]
    }

    /// Decodes until something is to be said. What is [`fresh`](Self::fresh) must be taken before
    /// the next call.
    ///
    /// # Errors
    /// `InvalidData` for bytes that are not a deflate stream, or what the system says.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        self.step_about(usize::MAX)
    }

    /// As [`step`](Self::step), but stops as if it were full after about that number of bytes, if it comes
    /// that far.
    pub(super) fn step_about(&mut self, count: usize) -> io::Result<Step> {
        self.decode(count, false)
    }

    /// As [`step`](Self::step), but says that it is full at the first code after so many bytes, if
    /// it comes that far.
    pub(super) fn step_to(&mut self, count: usize) -> io::Result<Step> {
        self.decode(count, true)
    }

    fn decode(&mut self, count: usize, exact: bool) -> io::Result<Step> {
        debug_assert_eq!(self.fresh, self.at, "all was taken");
        if self.at >= Self::FULL {
            let by = self.at - WINDOW;
            self.buffer.copy_within(by..self.at, 0);
            self.at = WINDOW;
            self.fresh = WINDOW;
            self.low = self.low.saturating_sub(by);
            self.oldest = self.oldest.saturating_sub(by);
        }
        self.limit = self.at.saturating_add(count);
        let exact = exact && self.limit < BUFFER;
        self.limit = self.limit.min(Self::FULL);
        loop {
            match self.place {
                Place::Header => {
                    self.header()?;
                    self.input.was_there()?;
                }
                Place::Codes => {
                    if self.codes(exact)? {
                        self.input.was_there()?;
                        return Ok(self.end_block());
                    }
                }
                Place::Stored(0) => return Ok(self.end_block()),
                Place::Stored(left) => {
                    let mut bytes = [0; 4 << 10];
                    let room = (self.limit - self.at).min(left).min(bytes.len());
                    let n = self.input.copy(&mut bytes[..room])?;
                    for (unit, byte) in self.buffer[self.at..].iter_mut().zip(&bytes[..n]) {
                        *unit = U::from(*byte);
                    }
                    self.at += n;
                    self.place = Place::Stored(left - n);
                }
                Place::End => return Ok(Step::End),
            }
            if self.at >= self.limit {
                return Ok(Step::Full);
            }
        }
    }

    fn end_block(&mut self) -> Step {
        let (place, step) = if self.last {
            (Place::End, Step::End)
        } else {
            (Place::Header, Step::Block)
        };
        self.place = place;
        step
    }

    fn header(&mut self) -> io::Result<()> {
        self.block = self.input.bit();
        self.last = self.input.take(1)? == 1;
        self.place = match self.input.take(2)? {
            0 => {
                self.input.align();
                let sizes = self.input.take(32)?;
                let (size, inverted) = (sizes & 0xffff, sizes >> 16);
                if size != !inverted & 0xffff {
                    return Err(damaged("a stored block's length and its check differ"));
                }
                Place::Stored(size as usize)
            }
            1 => {
                // Such blocks can be empty and many, and the tables take long to lay out.
                if !self.fixed {
                    let mut lengths = [8; 288];
                    lengths[144..256].fill(9);
                    lengths[256..280].fill(7);
                    self.tables(&lengths, &[5; 32])?;
                    self.fixed = true;
                }
                Place::Codes
            }
            2 => {
                self.described()?;
                Place::Codes
            }
            _ => return Err(damaged("a block of an unknown type")),
        };
        Ok(())
    }

    /// Reads the codes that a block describes itself.
    fn described(&mut self) -> io::Result<()> {
        const ORDER: [usize; 19] = [
            16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
        ];
        let literals = self.input.take(5)? as usize + 257;
        let distances = self.input.take(5)? as usize + 1;
        let described = self.input.take(4)? as usize + 4;
        if literals > 286 || distances > 30 {
            return Err(damaged("a block has too many codes"));
        }
        let mut lengths = [0; 19];
        for symbol in &ORDER[..described] {
            lengths[*symbol] = self.input.take(3)?.to_le_bytes()[0];
        }
        let mut table = Vec::new();
        if !huffman::CODE_LENGTHS.table(&mut table, &lengths, huffman::LENGTHS_BITS) {
            return Err(damaged(IMPOSSIBLE));
        }
        let mut all = [0u8; 286 + 30];
        let all = &mut all[..literals + distances];
        let mut known = 0;
        while known < all.len() {
            let entry = table[self.input.peek(huffman::LENGTHS_BITS)? as usize];
            if entry & huffman::RARE != 0 {
                return Err(damaged(IMPOSSIBLE));
            }
            self.input.skip(entry & 63);
            let (value, times) = match entry >> 16 {
                16 => {
                    let before = known.checked_sub(1).ok_or_else(|| damaged(IMPOSSIBLE))?;
                    (all[before], 3 + self.input.take(2)?)
                }
                17 => (0, 3 + self.input.take(3)?),
                18 => (0, 11 + self.input.take(7)?),
                length => (length.to_le_bytes()[0], 1),
            };
            let end = known + times as usize;
            all.get_mut(known..end)
                .ok_or_else(|| damaged("a block describes more codes than it has"))?
                .fill(value);
            known = end;
        }
        let (literals, distances) = all.split_at(literals);
        if literals[huffman::END_SYMBOL] == 0 {
            return Err(damaged("a block has no code for its end"));
        }
        self.tables(literals, distances)
    }

    fn tables(&mut self, literals: &[u8], distances: &[u8]) -> io::Result<()> {
        self.fixed = false;
        self.lengths.clear();
        self.lengths.extend_from_slice(literals);
        let both = huffman::LITERALS.table(&mut self.literals, literals, huffman::LITERAL_BITS)
            && huffman::DISTANCES.table(&mut self.distances, distances, huffman::DISTANCE_BITS);
        if both {
            Ok(())
        } else {
            Err(damaged(IMPOSSIBLE))
        }
    }

    /// Decodes codes until the block ends, which it says, or as much was decoded as is held.
    fn codes(&mut self, exact: bool) -> io::Result<bool> {
        loop {
            self.input.more()?;
            let stop = if exact {
                self.fast::<true>()
            } else {
                self.fast::<false>()
            };
            match stop {
                Stop::End => return Ok(true),
                Stop::Full => return Ok(false),
                Stop::Input => {}
                Stop::Damage(what) => return Err(damaged(what)),
            }
        }
    }
}

const IMPOSSIBLE: &str = "a block describes an impossible code";
