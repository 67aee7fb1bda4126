//! The one pass over a gzip file: it is decoded once, checked, mapped, and read meanwhile by who
//! needs to see all of it.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::mem;
use std::sync::Arc;

use crc32fast::Hasher;

use super::ahead::{Ahead, Deal};
use super::damaged;
use super::guess::{self, Guess};
use super::inflate::{Inflater, Place, Stand, Step, WINDOW};
use super::map::{Map, Member, Row};
use super::member::{self, Header};
use super::places::Places;
use crate::image::bytes::Bytes;
use crate::image::progress::Meter;

/// A gzip file that is being decoded for the first time. What lies far behind cannot be read again.
pub(crate) struct Scan<'p> {
    state: RefCell<State<'p>>,
}

struct State<'p> {
    inflater: Inflater,
    ahead: Ahead,
    /// The guess that was taken last, until the decoder goes on.
    taken: Option<Guess>,
    /// Whether the decoder stands before a block's header.
    between_blocks: bool,
    /// Where the output of the block begins that the decoder is in.
    block: u64,
    map: Map,
    places: Places,
    crc: Hasher,
    /// Bytes decoded so far.
    output: u64,
    ended: bool,
    meter: Meter<'p>,
    /// Bytes of the file that the meter knows of.
    metered: u64,
}

/// A block that decodes to more than this can be cut inside. That is more than any encoder makes
/// that does not put all into one block, and more than a guess holds: where a block is cut must not
/// depend on guesses.
const LONG: u64 = 2 << 20;
/// How far apart.
const CUTS: u64 = 256 << 10;

const _: () = assert!(LONG > guess::BUFFER as u64);

/// Returns the next place to cut a block, given how much of it was decoded.
fn next_cut(decoded: u64) -> u64 {
    match decoded.checked_sub(LONG) {
        None => LONG,
        Some(over) => LONG + (over / CUTS + 1) * CUTS,
    }
}

impl<'p> Scan<'p> {
    pub(super) fn new(file: &Arc<File>, deal: Deal, meter: Meter<'p>) -> io::Result<Self> {
        let mut state = State {
            inflater: Inflater::new(Arc::clone(file), 0)?,
            ahead: Ahead::new(file, deal)?,
            taken: None,
            between_blocks: false,
            block: 0,
            map: Map::new(),
            places: Places::new(),
            crc: Hasher::new(),
            output: 0,
            ended: false,
            meter,
            metered: 0,
        };
        state.begin_member()?;
        Ok(Self {
            state: RefCell::new(state),
        })
    }

    /// Decodes what is left. The map, the places, and how much the file decodes to.
    pub(super) fn finish(self) -> io::Result<(Map, Places, u64)> {
        let mut state = self.state.into_inner();
        while !state.ended {
            state.advance()?;
        }
        Ok((state.map, state.places, state.output))
    }
}

impl Bytes for Scan<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        if !state.reaches(offset.saturating_add(1))? {
            return Ok(0);
        }
        let recent = match &state.taken {
            None => state.inflater.recent(),
            Some(guess) => guess.bytes(),
        };
        let back = usize::try_from(state.output - offset).unwrap_or(usize::MAX);
        let start = recent
            .len()
            .checked_sub(back)
            .ok_or_else(|| io::Error::other("a place was read again that is gone"))?;
        let n = back.min(buffer.len());
        buffer[..n].copy_from_slice(&recent[start..start + n]);
        Ok(n)
    }

    fn reaches(&self, end: u64) -> io::Result<bool> {
        self.state.borrow_mut().reaches(end)
    }

    fn expect_again(&self, offset: u64) {
        self.state.borrow_mut().places.keep_before(offset);
    }
}

impl State<'_> {
    fn reaches(&mut self, end: u64) -> io::Result<bool> {
        while self.output < end && !self.ended {
            self.advance()?;
        }
        Ok(self.output >= end)
    }

    /// Decodes some more. Readers must see all of it before the next call.
    fn advance(&mut self) -> io::Result<()> {
        if let Some(guess) = self.taken.take() {
            self.ahead.give_back(guess);
        }
        if mem::take(&mut self.between_blocks) && self.leap()? {
            return self.tell();
        }
        let cut = self.block + next_cut(self.output - self.block);
        let until_then = usize::try_from(cut - self.output).expect("less than a long block");
        let step = self.inflater.step_to(until_then)?;
        let fresh = self.inflater.fresh();
        let count = fresh.len();
        self.crc.update(fresh);
        self.output += count as u64;
        self.inflater.take(count);
        match step {
            Step::Full => {
                if self.output >= cut {
                    let stand = self.inflater.stand();
                    debug_assert_eq!(stand.place, Place::Codes);
                    self.add_row(stand.bit, stand.block);
                }
                self.pass();
            }
            Step::Block => self.begin_block(),
            Step::End => {
                self.end_member()?;
                self.ended = self.only_padding_follows()?;
                if !self.ended {
                    self.begin_member()?;
                }
            }
        }
        self.tell()
    }

    /// Takes what was decoded ahead, if that begins with the block that begins here.
    fn leap(&mut self) -> io::Result<bool> {
        let Some(mut guess) = self.ahead.guess(self.inflater.bit()) else {
            return Ok(false);
        };
        // Where a member has just begun, readers may still want what came before it.
        let Ok(window) = <&[u8; WINDOW]>::try_from(self.inflater.window()) else {
            self.ahead.give_back(guess);
            return Ok(false);
        };
        guess.put(window);
        self.note(&guess);
        let (end, window) = (guess.end, &guess.bytes()[guess.len()..]);
        let resumed = self.inflater.resume(&end, window);
        self.taken = Some(guess);
        resumed?;
        if end.place == Place::Header {
            self.begin_block();
        }
        Ok(true)
    }

    fn begin_block(&mut self) {
        self.add_block(self.inflater.bit());
        self.between_blocks = true;
        self.pass();
    }

    /// Counts and maps what was taken from a guess.
    fn note(&mut self, guess: &Guess) {
        let bytes = guess.bytes();
        let mut done = WINDOW;
        for (bit, before) in &guess.blocks {
            let at = WINDOW + before;
            self.crc.update(&bytes[done..at]);
            self.output += (at - done) as u64;
            done = at;
            self.add_block(*bit);
            self.places
                .pass(Stand::block(*bit), self.output, &bytes[*before..at]);
        }
        self.crc.update(&bytes[done..]);
        self.output += (bytes.len() - done) as u64;
    }

    /// Tells the meter how far the file was read.
    fn tell(&mut self) -> io::Result<()> {
        let read = self.inflater.bit() / 8;
        self.meter.advance(read.saturating_sub(self.metered))?;
        self.metered = self.metered.max(read);
        Ok(())
    }

    fn add_block(&mut self, bit: u64) {
        self.block = self.output;
        self.add_row(bit, bit);
    }

    fn add_row(&mut self, bit: u64, block: u64) {
        self.map.add_row(Row {
            bit,
            block,
            output: self.output,
            crc: self.crc.clone().finalize(),
        });
    }

    fn pass(&mut self) {
        let (stand, window) = (self.inflater.stand(), self.inflater.window());
        self.places.pass(stand, self.output, window);
    }

    fn begin_member(&mut self) -> io::Result<()> {
        let header = Header::read(self.inflater.input())?;
        self.inflater.restart();
        self.crc = Hasher::new();
        let (bytes, bit) = (header.bytes.clone(), self.inflater.bit());
        self.map.begin_member(Member {
            header,
            bytes,
            output: self.output..self.output,
            data: bit..bit,
            last_block: bit,
            rows: Vec::new(),
            crc: 0,
        });
        self.begin_block();
        Ok(())
    }

    fn end_member(&mut self) -> io::Result<()> {
        let data_end = self.inflater.bit();
        let last_block = self.inflater.stand().block;
        let (crc, length) = member::trailer(self.inflater.input())?;
        let end = self.inflater.bit() / 8;
        let (output, found) = (self.output, mem::take(&mut self.crc).finalize());
        let mut ok = true;
        self.map.end_member(|member| {
            member.output.end = output;
            member.data.end = data_end;
            member.last_block = last_block;
            member.bytes.end = end;
            member.crc = crc;
            let decoded = output - member.output.start;
            ok = found == crc && decoded & u64::from(u32::MAX) == u64::from(length);
        });
        let differ = "the checksum or the length after the data does not match it";
        ok.then_some(()).ok_or_else(|| damaged(differ))
    }

    /// After a member another may follow, or zeros up to the end of the file, or nothing.
    fn only_padding_follows(&mut self) -> io::Result<bool> {
        let input = self.inflater.input();
        if input.is_end()? {
            return Ok(true);
        }
        if input.peek(8)? != 0 {
            return Ok(false);
        }
        while !input.is_end()? {
            if input.take(8)? != 0 {
                return Err(damaged("bytes that are not gzip follow the gzip data"));
            }
        }
        Ok(true)
    }
}
