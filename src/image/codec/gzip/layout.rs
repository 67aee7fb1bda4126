//! Which parts of a gzip file can stand in a changed one as they are.
//!
//! A whole member can where all that it decodes to is there. Inside a changed member a row of
//! blocks can where its own bytes and the window before them, which its matches may reach, are the
//! same; a long block can be cut between two of its codes. All else is to be compressed.

use std::ops::Range;

use super::inflate::WINDOW;
use super::map::{Map, Member, Row};
use super::member::Header;
use crate::image::segments::{Origin, Segments};

/// A piece of the changed file.
#[derive(Debug)]
pub(super) enum Piece<'m> {
    /// Bytes of the file as they are: whole members.
    Same(Range<u64>),
    /// A member that is put together from parts.
    Changed(ChangedMember<'m>),
}

#[derive(Debug)]
pub(super) struct ChangedMember<'m> {
    pub(super) header: &'m Header,
    /// Bytes of the output stream.
    pub(super) output: Range<u64>,
    pub(super) parts: Vec<Part>,
}

/// A part of a changed member.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Blocks of the file as they are, of which the first and the last may be parts of blocks.
    Blocks(Blocks),
    /// A range of the output stream, to be compressed.
    Compress(Range<u64>),
}

#[derive(Clone, Debug)]
pub(super) struct Blocks {
    pub(super) bits: Range<u64>,
    /// The header of the block that they begin inside of, and of the one that they end inside of.
    pub(super) begin_inside: Option<u64>,
    pub(super) end_inside: Option<u64>,
    /// The bit that says that a block is the last, where that is among them.
    pub(super) last_block: Option<u64>,
    /// How many bytes they decode to, with which CRC-32.
    pub(super) len: u64,
    pub(super) crc: u32,
}

/// Lays out the file that decodes to `output`, a changed version of what `map`'s file of `file_len`
/// bytes decodes to.
pub(super) fn layout<'m>(map: &'m Map, output: &Segments, file_len: u64) -> Vec<Piece<'m>> {
    let mut layout = Layout {
        map,
        pieces: Vec::new(),
        at: 0,
        member: 0,
    };
    for segment in output.iter() {
        match segment.from {
            Origin::Input(start) => layout.input(start..start + segment.len),
            Origin::Memory(_) => layout.compress(segment.len),
        }
    }
    // Empty members and padding mean nothing to decoders, and something to programs
    // who look for them there.
    let full = map.members.iter().rfind(|m| !m.output.is_empty());
    layout.same(full.map_or(0, |m| m.bytes.end)..file_len);
    layout.pieces
}

struct Layout<'m> {
    map: &'m Map,
    pieces: Vec<Piece<'m>>,
    /// How far the output stream is laid out.
    at: u64,
    /// The member that was looked at last.
    member: usize,
}

impl Layout<'_> {
    /// A run of the output that is a run of the input.
    fn input(&mut self, run: Range<u64>) {
        let mut at = run.start;
        while at < run.end {
            let members = &self.map.members;
            self.member = members.partition_point(|m| m.output.end <= at);
            let member = &members[self.member];
            let end = run.end.min(member.output.end);
            if at == member.output.start && end == member.output.end {
                self.same(member.bytes.clone());
                self.at += end - at;
            } else if let Some((range, blocks)) = blocks(member, at..end, run.start) {
                self.compress(range.start - at);
                self.at += range.end - range.start;
                self.part(Part::Blocks(blocks));
                at = range.end;
                continue;
            } else {
                self.compress(end - at);
            }
            at = end;
        }
    }

    fn same(&mut self, bytes: Range<u64>) {
        if bytes.is_empty() {
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Same(before)) if before.end == bytes.start => before.end = bytes.end,
            _ => self.pieces.push(Piece::Same(bytes)),
        }
    }

    fn compress(&mut self, len: u64) {
        if len == 0 {
            return;
        }
        let start = self.at;
        self.at += len;
        if let Some(Piece::Changed(member)) = self.pieces.last_mut()
            && let Some(Part::Compress(range)) = member.parts.last_mut()
        {
            range.end += len;
            member.output.end += len;
            return;
        }
        self.part(Part::Compress(start..self.at));
    }

    /// Adds a part that ends where the layout has come to.
    fn part(&mut self, part: Part) {
        let len = match &part {
            Part::Blocks(blocks) => blocks.len,
            Part::Compress(range) => range.end - range.start,
        };
        if let Some(Piece::Changed(member)) = self.pieces.last_mut() {
            member.output.end += len;
            member.parts.push(part);
        } else {
            self.pieces.push(Piece::Changed(ChangedMember {
                header: &self.map.members[self.member].header,
                output: self.at - len..self.at,
                parts: vec![part],
            }));
        }
    }
}

/// Returns the first blocks inside a range of a member that can be copied, with what they decode
/// to, where the input's bytes are the output's from `same_from` on.
fn blocks(member: &Member, range: Range<u64>, same_from: u64) -> Option<(Range<u64>, Blocks)> {
    let rows = &member.rows;
    let window_from = if member.output.start >= same_from {
        0
    } else {
        same_from + WINDOW as u64
    };
    let first = rows.partition_point(|row| row.output < range.start.max(window_from));
    let whole = range.end == member.output.end;
    let end = if whole {
        rows.len()
    } else {
        rows.partition_point(|row| row.output <= range.end)
            .saturating_sub(1)
    };
    if first >= end {
        return None;
    }
    let begin = rows[first];
    let end = rows.get(end).copied().unwrap_or(Row {
        bit: member.data.end,
        block: member.data.end,
        output: member.output.end,
        crc: member.crc,
    });
    let len = end.output - begin.output;
    let inside = |row: Row| (row.block < row.bit).then_some(row.block);
    let bits = begin.bit..end.bit;
    let last_block = Some(member.last_block).filter(|bit| bits.contains(bit));
    let blocks = Blocks {
        bits,
        begin_inside: inside(begin),
        end_inside: inside(end),
        last_block,
        len,
        crc: without(end.crc, begin.crc, len),
    };
    Some((begin.output..end.output, blocks))
}

/// Returns the CRC-32 of the last `len` bytes of something, from that of the whole and that of what
/// stands before them.
fn without(whole: u32, before: u32, len: u64) -> u32 {
    let mut shifted = crc32fast::Hasher::new_with_initial(before);
    shifted.combine(&crc32fast::Hasher::new_with_initial_len(0, len));
    whole ^ shifted.finalize()
}
