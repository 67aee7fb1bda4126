//! A block that is very long is cut inside.

use super::*;
use crate::image::codec::gzip::huffman;
use crate::image::codec::gzip::layout::{self, Part, layout};

/// Puts all data into one block, or all but what it begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneBlock {
    /// Whether the block describes its codes, or has the fixed ones.
    pub(super) described: bool,
    /// Whether others stand before and after it: it can then be decoded ahead, and is not the last.
    pub(super) between: bool,
}

const LONGEST: usize = 258;
const LONGEST_SYMBOL: usize = 285;
/// How much stands before it: enough for it to begin in a chunk that is decoded ahead.
const BEFORE: usize = CHUNK as usize + 500;

impl OneBlock {
    fn all() -> impl Iterator<Item = Self> {
        let both = [false, true];
        let all = both.map(|described| both.map(|between| Self { described, between }));
        all.into_iter().flatten()
    }

    pub(super) fn make(self, data: &[u8]) -> Vec<u8> {
        let mut out = Bits::default();
        let (before, inside) = data.split_at(if self.between { BEFORE } else { 0 });
        if self.between {
            let length = before.len() as u32;
            out.put(0, 8);
            out.put(length | (!length & 0xffff) << 16, 32);
            before.iter().for_each(|byte| out.put((*byte).into(), 8));
        }
        out.put(u32::from(!self.between), 1);
        let (lengths, distance_bits) = self.header(&mut out);
        let codes: Vec<_> = (0..lengths.len())
            .map(|symbol| huffman::code(&lengths, symbol))
            .collect();
        let mut at = 0;
        while at < inside.len() {
            let run = inside.get(at.wrapping_sub(1)..at + LONGEST);
            if run.is_some_and(|run| run.iter().all(|byte| *byte == run[0])) {
                // What stands before it, once more and again.
                out.code(codes[LONGEST_SYMBOL]);
                out.put(0, distance_bits);
                at += LONGEST;
            } else {
                out.code(codes[usize::from(inside[at])]);
                at += 1;
            }
        }
        out.code(codes[huffman::END_SYMBOL]);
        if self.between {
            out.put(0b011, 10);
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(data);
        let mut file = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
        file.extend(out.bytes);
        file.extend(crc.finalize().to_le_bytes());
        file.extend((data.len() as u32).to_le_bytes());
        file
    }

    /// The header but for its first bit; how long the codes are for literals and the like, and for the only distance.
    fn header(self, out: &mut Bits) -> (Vec<u8>, u32) {
        const ORDER: [usize; 18] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1];
        if !self.described {
            out.put(1, 2);
            let mut lengths = vec![8; 288];
            lengths[144..256].fill(9);
            lengths[256..280].fill(7);
            return (lengths, 5);
        }
        out.put(2, 2);
        let mut lengths = vec![9; 286];
        lengths[..226].fill(8);
        let mut describing = [0; 19];
        (describing[8], describing[9], describing[1]) = (1, 2, 2);
        out.put(286 - 257, 5);
        out.put(0, 5);
        out.put(18 - 4, 4);
        for symbol in ORDER {
            out.put(describing[symbol].into(), 3);
        }
        for length in lengths.iter().chain(&[1]) {
            out.code(huffman::code(&describing, usize::from(*length)));
        }
        (lengths, 1)
    }
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// How many bits there are.
    count: usize,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let byte = self.bytes.last_mut().unwrap();
            *byte |= ((value >> bit & 1) as u8) << (self.count % 8);
            self.count += 1;
        }
    }

    fn code(&mut self, (code, count): (u32, u32)) {
        self.put(code, count);
    }
}

/// Noise and runs, in turn.
fn data() -> Vec<u8> {
    let byte = |n: u32| match n / 5_000 % 2 {
        0 => (n.wrapping_mul(2_654_435_761) >> 23) as u8,
        _ => (n / 10_000) as u8,
    };
    (0..3_500_000).map(byte).collect()
}

fn replaced(at: Range<usize>, with: &[u8]) -> Splice {
    Splice {
        at: at.start as u64..at.end as u64,
        with: vec![Piece::Bytes(with.into())],
    }
}

#[test]
fn it_is_cut_at_the_same_places_by_any_number_of_workers() {
    for maker in OneBlock::all() {
        let bytes = maker.make(&data());
        let places = |workers| -> Vec<(u64, u64, u64, u32)> {
            let gzip = opened(&bytes, workers).unwrap();
            let rows = gzip.seen.map.members[0].rows.iter();
            rows.map(|row| (row.bit, row.block, row.output, row.crc))
                .collect()
        };
        let alone = places(0);
        assert!(alone.len() > 5, "{maker:?}: {alone:?}");
        assert_eq!(alone, places(2), "{maker:?}");
    }
}

#[test]
fn what_lies_far_from_a_change_is_copied() {
    const FAR: u64 = 700_000;
    let data = data();
    let end = data.len();
    let changes = |cut: u64| {
        [
            // Its codes go on behind a change, end before one, or both.
            (vec![replaced(0..0, b"first")], (2 << 20) + FAR),
            (vec![replaced(2_900_000..end, b"")], FAR),
            (vec![replaced(cut as usize..end, b"")], 0),
            (vec![replaced(end..end, b"last")], FAR),
            (
                vec![
                    replaced(2_200_000..2_200_001, b""),
                    replaced(3_200_000..3_200_000, b"!"),
                ],
                2 * FAR,
            ),
        ]
    };
    for maker in OneBlock::all() {
        let gzip = open(&maker.make(&data)).unwrap();
        let mut rows = gzip.seen.map.members[0].rows.iter().rev();
        let cut = rows.find(|row| row.block < row.bit).unwrap().output;
        let input = TarStream::new(Source::Gzip(Box::new(gzip))).unwrap();
        for (splices, most) in &changes(cut) {
            let output = input.spliced(splices);
            let written = write(&output);
            let right = decoded(&written) == naive(&data, splices);
            assert!(right, "{maker:?} {splices:?}");
            assert_eq!(open(&written).unwrap().len(), output.len());
            let compressed = compressed(&output);
            assert!(
                compressed <= *most,
                "{maker:?} {splices:?}: {compressed} bytes are compressed"
            );
        }
    }
}

/// How many bytes of a stream are compressed anew.
fn compressed(output: &TarStream) -> u64 {
    let Source::Gzip(gzip) = output.source() else {
        unreachable!("it was opened as gzip")
    };
    let file_len = gzip.seen.file.metadata().unwrap().len();
    let pieces = layout(&gzip.seen.map, output.segments(), file_len);
    let parts = pieces.iter().flat_map(|piece| match piece {
        layout::Piece::Same(_) => &[][..],
        layout::Piece::Changed(changed) => &changed.parts,
    });
    let lengths = parts.map(|part| match part {
        Part::Blocks(_) => 0,
        Part::Compress(range) => range.end - range.start,
    });
    lengths.sum()
}
