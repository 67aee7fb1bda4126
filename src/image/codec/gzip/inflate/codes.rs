//! The inner loop of the decoder, in which nearly all of its time goes.

use super::Inflater;
use crate::image::codec::gzip::huffman::{self, END, LITERAL, LONGER, RARE};
use crate::image::codec::gzip::input::{Bits, Input};

/// Why the loop ended.
pub(super) enum Stop {
    End,
    Full,
    Input,
    Damage(&'static str),
}

impl<U: Copy + Default + From<u8>, const BUFFER: usize> Inflater<U, BUFFER> {
    /// Decodes codes for as long as there is plenty of input and room. If `EXACT`, the place is
    /// looked at after each code and not after some, so that where it stops depends on the stream
    /// only.
    pub(super) fn fast<const EXACT: bool>(&mut self) -> Stop {
        const LITERALS: usize = 1 << huffman::LITERAL_BITS;
        const DISTANCES: usize = 1 << huffman::DISTANCE_BITS;
        let literals: &[u32; LITERALS] = self.literals[..LITERALS].try_into().expect("its size");
        let distances: &[u32; DISTANCES] =
            self.distances[..DISTANCES].try_into().expect("its size");
        let (input, mut pos, mut bits) = self.input.parts();
        let out: &mut [U; BUFFER] = (&mut self.buffer[..]).try_into().expect("its size");
        let mut at = self.at;
        let limit = self.limit.min(Self::FULL);
        bits.refill(input, &mut pos);
        let mut entry = literals[bits.peek(huffman::LITERAL_BITS) as usize];
        let stop = loop {
            if at >= limit {
                break Stop::Full;
            }
            if !Input::plenty(input, pos) {
                break Stop::Input;
            }
            if entry & LITERAL != 0 {
                bits.skip(entry & 63);
                out[at] = U::from(literal(entry));
                at += 1;
                if EXACT {
                    bits.refill(input, &mut pos);
                }
                entry = literals[bits.peek(huffman::LITERAL_BITS) as usize];
                if EXACT {
                    continue;
                }
                if entry & LITERAL != 0 {
                    bits.skip(entry & 63);
                    out[at] = U::from(literal(entry));
                    at += 1;
                    entry = literals[bits.peek(huffman::LITERAL_BITS) as usize];
                    if entry & LITERAL != 0 {
                        bits.skip(entry & 63);
                        out[at] = U::from(literal(entry));
                        at += 1;
                        bits.refill(input, &mut pos);
                        entry = literals[bits.peek(huffman::LITERAL_BITS) as usize];
                        continue;
                    }
                }
            }
            // At most 22 of 56 bits are gone; a length takes at most 20.
            if entry & RARE != 0 {
                if entry & LONGER != 0 {
                    bits.skip(entry & 63);
                    entry = self.literals
                        [(entry >> 16 & 0x7fff) as usize + bits.peek(entry >> 8 & 31) as usize];
                    if entry & LITERAL != 0 {
                        bits.skip(entry & 63);
                        out[at] = U::from(literal(entry));
                        at += 1;
                        bits.refill(input, &mut pos);
                        entry = literals[bits.peek(huffman::LITERAL_BITS) as usize];
                        continue;
                    }
                }
                if entry & END != 0 {
                    bits.skip(entry & 63);
                    break Stop::End;
                }
                if entry & RARE != 0 {
                    break Stop::Damage("a code that no symbol has");
                }
            }
            let length = value(entry, &mut bits);
            bits.refill(input, &mut pos);
            entry = distances[bits.peek(huffman::DISTANCE_BITS) as usize];
            if entry & RARE != 0 {
                if entry & LONGER != 0 {
                    bits.skip(entry & 63);
                    entry = self.distances
                        [(entry >> 16) as usize + bits.peek(entry >> 8 & 31) as usize];
                }
                if entry & RARE != 0 {
                    break Stop::Damage("a distance that no symbol has");
                }
            }
            let distance = value(entry, &mut bits);
            if distance > at - self.low {
                break Stop::Damage("a match reaches back before the beginning");
            }
            // The next code is looked up before the copy, so that the two overlap. 28 bits are gone
            // at most.
            entry = literals[bits.peek(huffman::LITERAL_BITS) as usize];
            bits.refill(input, &mut pos);
            repeat(out, at, distance, length);
            at += length;
        };
        self.input.resume(pos, bits);
        self.at = at;
        stop
    }
}

#[inline(always)]
fn literal(entry: u32) -> u8 {
    entry.to_le_bytes()[2]
}

/// Returns the base of a length or distance and its extra bits; takes them and the code.
#[inline(always)]
fn value(entry: u32, bits: &mut Bits) -> usize {
    let all = bits.peek(entry & 63);
    bits.skip(entry & 63);
    ((entry >> 16) + (all >> (entry >> 8 & 31))) as usize
}

/// Copies a match; may write up to 31 bytes more than it has.
#[inline(always)]
fn repeat<U: Copy + Default, const BUFFER: usize>(
    out: &mut [U; BUFFER],
    at: usize,
    distance: usize,
    length: usize,
) {
    if distance >= 32 {
        by::<U, 32, BUFFER>(out, at, distance, length);
    } else if distance == 1 {
        let byte = out[at - 1];
        out[at..at + length].fill(byte);
    } else if distance >= 8 {
        by::<U, 8, BUFFER>(out, at, distance, length);
    } else {
        // What is copied grows by what was just written.
        for at in at..at + length {
            out[at] = out[at - distance];
        }
    }
}

/// Copies in pieces that do not reach what they write.
#[inline(always)]
fn by<U: Copy + Default, const PIECE: usize, const BUFFER: usize>(
    out: &mut [U; BUFFER],
    at: usize,
    distance: usize,
    length: usize,
) {
    let end = at + length;
    let mut at = at;
    loop {
        let from = at - distance;
        let mut piece = [U::default(); PIECE];
        piece.copy_from_slice(&out[from..from + PIECE]);
        out[at..at + PIECE].copy_from_slice(&piece);
        at += PIECE;
        if at >= end {
            break;
        }
    }
}
