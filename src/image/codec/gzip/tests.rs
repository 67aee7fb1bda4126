#![expect(
    clippy::cast_possible_truncation,
    reason = "the data of a test is small"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::sync::Arc;

use proptest::prelude::*;

use super::ahead::Deal;
use super::{Gzip, Scan};
use crate::image::bytes::Bytes as _;
use crate::image::segments::{Piece, Splice};
use crate::image::sink::Sink;
use crate::image::stream::{Source, TarStream};
use crate::image::{Meter, Phase};

mod ahead;
mod in_order;
mod long_block;
mod places;

fn file(bytes: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

const CHUNK: u64 = 3000;

/// Opens it with two workers that decode ahead, and small chunks for them.
fn open(bytes: &[u8]) -> std::io::Result<Gzip> {
    opened(bytes, 2)
}

fn opened(bytes: &[u8], workers: u64) -> std::io::Result<Gzip> {
    let (file, meter) = (file(bytes), Meter::new(None, Phase::Decompress, None));
    let deal = Deal {
        chunk: CHUNK,
        workers,
    };
    let scan = Scan::new(&file, deal, meter)?;
    Gzip::new(file, scan)
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .read_to_end(&mut out)
        .unwrap();
    out
}

fn write(output: &TarStream) -> Vec<u8> {
    write_by(2, output)
}

fn write_by(workers: usize, output: &TarStream) -> Vec<u8> {
    let Source::Gzip(gzip) = output.source() else {
        unreachable!("it was opened as gzip")
    };
    let mut out = Vec::new();
    let meter = Meter::new(None, Phase::Write, None);
    gzip.write_by(
        workers,
        output.segments(),
        &mut Sink::stream(&mut out, meter),
    )
    .unwrap();
    out
}

/// How a test's gzip file is made.
#[derive(Clone, Debug)]
enum Maker {
    Flate2(u32),
    /// A sync flush after every so many bytes: many blocks, and stored ones that hold nothing.
    Flushed(u32, usize),
    /// A member for every so many bytes.
    Members(usize),
    /// No compression: stored blocks.
    Stored,
    /// The same, with many that hold nothing between them.
    Hollow(usize),
}

impl Maker {
    fn make(&self, data: &[u8]) -> Vec<u8> {
        let member = |data: &[u8], level, flush: usize| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
            for slice in data.chunks(flush) {
                encoder.write_all(slice).unwrap();
                if slice.len() == flush {
                    encoder.flush().unwrap();
                }
            }
            encoder.finish().unwrap()
        };
        match *self {
            Self::Flate2(level) => member(data, level, usize::MAX),
            Self::Flushed(level, size) => member(data, level, size),
            Self::Members(size) => data
                .chunks(size)
                .flat_map(|d| member(d, 6, usize::MAX))
                .collect(),
            Self::Stored => member(data, 0, usize::MAX),
            Self::Hollow(size) => {
                let mut file = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
                let mut block = |last, data: &[u8]| {
                    let len = data.len() as u16;
                    file.push(last);
                    file.extend(len.to_le_bytes());
                    file.extend((!len).to_le_bytes());
                    file.extend(data);
                };
                for slice in data.chunks(size) {
                    block(0, slice);
                    (0..7000).for_each(|_| block(0, b""));
                }
                block(1, b"");
                let mut crc = flate2::Crc::new();
                crc.update(data);
                file.extend(crc.sum().to_le_bytes());
                file.extend(crc.amount().to_le_bytes());
                file
            }
        }
    }
}

fn maker() -> impl Strategy<Value = Maker> {
    prop_oneof![
        (1u32..10).prop_map(Maker::Flate2),
        (1u32..10, 1000usize..60_000).prop_map(|(level, size)| Maker::Flushed(level, size)),
        (500usize..90_000).prop_map(Maker::Members),
        Just(Maker::Stored),
        (9_000usize..60_000).prop_map(Maker::Hollow),
    ]
}

/// Text with repeats near and far, and noise that does not compress.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let run = prop_oneof![
        (any::<u8>(), 1usize..3000).prop_map(|(byte, len)| vec![byte; len]),
        prop::collection::vec(any::<u8>(), 1..3000),
        (any::<u64>(), 1usize..9000).prop_map(|(seed, len)| {
            let words = [
                &b"root:x:0:0\n"[..],
                b"usr/lib/systemd/",
                b"\0\0\0\0",
                b"ELF",
            ];
            (0..len)
                .flat_map(|n| words[(seed.rotate_left(n as u32) % 4) as usize].to_vec())
                .take(len)
                .collect()
        }),
    ];
    prop::collection::vec(run, 1..60).prop_map(|runs| {
        let mut all: Vec<u8> = Vec::new();
        for (at, run) in runs.iter().enumerate() {
            all.extend(run);
            if at % 3 == 2 {
                let from = all.len() / 3;
                all.extend_from_within(from..from + (all.len() - from).min(5000));
            }
        }
        all
    })
}

/// Cuts, each with what stands in its place, as shares of the data's length.
fn cuts() -> impl Strategy<Value = Vec<(f64, f64, Vec<u8>, bool)>> {
    let cut = (
        0.0..1.0,
        prop_oneof![Just(0.0), 0.0..0.05],
        prop::collection::vec(any::<u8>(), 0..700),
        any::<bool>(),
    );
    prop::collection::vec(cut, 1..6)
}

fn splices(len: usize, cuts: &[(f64, f64, Vec<u8>, bool)]) -> Vec<Splice> {
    let mut ranges: Vec<(Range<usize>, &Vec<u8>, bool)> = cuts
        .iter()
        .map(|(at, size, new, moves)| {
            // The beginning and the very end are where naive code errs.
            let start = match (at * 12.0) as usize {
                0 => 0,
                11 => len,
                _ => (at * len as f64) as usize,
            };
            (
                start..(start + (size * len as f64) as usize).min(len),
                new,
                *moves,
            )
        })
        .collect();
    ranges.sort_by_key(|(range, ..)| (range.start, range.end));
    let mut end = 0;
    ranges.retain(|(range, ..)| {
        let fits = range.start >= end;
        if fits {
            end = range.end;
        }
        fits
    });
    ranges
        .into_iter()
        .map(|(range, new, moves)| {
            let mut with = vec![Piece::Bytes(new.as_slice().into())];
            if moves {
                with.push(Piece::Input(len as u64 / 3..len as u64));
            }
            Splice {
                at: range.start as u64..range.end as u64,
                with,
            }
        })
        .collect()
}

fn naive(data: &[u8], splices: &[Splice]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    for splice in splices {
        out.extend(&data[at..splice.at.start as usize]);
        for piece in &splice.with {
            match piece {
                Piece::Bytes(bytes) => out.extend(&bytes[..]),
                Piece::Input(range) => out.extend(&data[range.start as usize..range.end as usize]),
            }
        }
        at = splice.at.end as usize;
    }
    out.extend(&data[at..]);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_changed_file_decodes_to_what_a_naive_rewrite_gives(
        data in data(), maker in maker(), cuts in cuts(),
    ) {
        let stream = TarStream::new(Source::Gzip(Box::new(open(&maker.make(&data)).unwrap()))).unwrap();
        let splices = splices(data.len(), &cuts);
        let written = write(&stream.spliced(&splices));
        prop_assert!(decoded(&written) == naive(&data, &splices));
        // Our own reader takes it, checksums included.
        prop_assert_eq!(open(&written).unwrap().len(), naive(&data, &splices).len() as u64);
    }

    #[test]
    fn any_place_can_be_read(data in data(), maker in maker(), reads in prop::collection::vec((0.0..1.0, 1usize..100_000), 1..20)) {
        let gzip = open(&maker.make(&data)).unwrap();
        prop_assert_eq!(gzip.len(), data.len() as u64);
        let stream = TarStream::new(Source::Gzip(Box::new(gzip))).unwrap();
        for (at, len) in reads {
            let at = (at * data.len() as f64) as usize;
            let end = (at + len).min(data.len());
            let mut read = vec![0; end - at];
            stream.read_exact_at(&mut read, at as u64).unwrap();
            prop_assert!(read == data[at..end]);
        }
    }

    #[test]
    fn it_takes_what_zlib_takes(mut bytes in prop::collection::vec(any::<u8>(), 1..400), data in data(), at in 0.0..1.0, bit in 0u32..8) {
        // Noise, and a good file with a flipped bit.
        let mut good = Maker::Flate2(6).make(&data);
        let at = 10 + (at * (good.len() - 10) as f64) as usize;
        good[at] ^= 1 << bit;
        bytes.splice(..0, good[..10].iter().copied());
        for bytes in [&good, &bytes] {
            let mut out = Vec::new();
            let zlib = flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut out);
            let own = open(bytes);
            prop_assert_eq!(own.is_ok(), zlib.is_ok(), "{:?} {:?}", own.err(), zlib.err());
        }
    }
}

#[test]
fn a_cut_file_is_an_error_wherever_it_is_cut() {
    let data: Vec<u8> = (0..300_000u32)
        .flat_map(|n| (n / 7 % 251).to_le_bytes())
        .collect();
    let bytes = Maker::Flushed(6, 50_000).make(&data);
    for cut in (0..40)
        .chain((40..bytes.len()).step_by(997))
        .chain(bytes.len() - 40..bytes.len())
    {
        assert!(
            open(&bytes[..cut]).is_err(),
            "cut at {cut} of {}",
            bytes.len()
        );
    }
    assert!(open(&bytes).is_ok());
}

#[test]
fn what_fuzzing_found_is_an_error_and_no_panic() {
    // Stored blocks near the end of the file: the bits in hand reach back over what was read last.
    for bytes in [
        &b"\x1f\x8b\x08\0\0\0\xd2\xd2*\xd2\xd2\xd2\xd2*\xd2\xd2\xd2\xd2---\xd2\xd2\0\0\xff\0\0\xff\xd2\xd2\xd2\xff\xff\0\xd2\xcd-\0\0\0\0\0\0"[..],
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xea\xff\xff\xff@\xff\xff\xff\xff\xff\xff\xff:\0\0\0\xff\xff\0\0\0\0\0\0\0\x1c\0\0\0\0\0\0",
    ] {
        assert!(open(bytes).is_err());
    }
}

#[test]
fn zeros_may_follow_and_nothing_else() {
    let mut bytes = Maker::Flate2(6).make(b"data");
    bytes.extend([0; 5000]);
    assert_eq!(open(&bytes).unwrap().len(), 4);
    bytes.push(1);
    assert!(open(&bytes).is_err());
}

#[test]
fn what_no_splice_touches_is_copied() {
    let data: Vec<u8> = (0..400_000u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    for maker in [
        Maker::Flate2(6),
        Maker::Members(60_000),
        Maker::Flushed(9, 30_000),
    ] {
        let bytes = maker.make(&data);
        let stream = TarStream::new(Source::Gzip(Box::new(open(&bytes).unwrap()))).unwrap();
        let middle = data.len() as u64 / 2;
        let written = write(&stream.spliced(&[Splice {
            at: middle..middle + 3,
            with: vec![Piece::Bytes(b"new".as_slice().into())],
        }]));
        let alike = |a: &mut dyn Iterator<Item = &u8>, b: &mut dyn Iterator<Item = &u8>| {
            a.zip(b).take_while(|(a, b)| a == b).count()
        };
        let head = alike(&mut bytes.iter(), &mut written.iter());
        // The trailer, which has the checksum, is not counted.
        let tail = alike(
            &mut bytes.iter().rev().skip(8),
            &mut written.iter().rev().skip(8),
        );
        let copied = (head + tail) as f64 / bytes.len() as f64;
        assert!(copied > 0.85, "{maker:?}: {copied}");
    }
}

#[test]
fn an_extra_field_does_not_outlive_a_change() {
    let bytes = flate2::GzBuilder::new()
        .extra(&b"BC\x02\x00\x1b\x00"[..])
        .filename("a.tar")
        .write(Vec::new(), flate2::Compression::default());
    let mut bytes = bytes;
    bytes.write_all(b"some text").unwrap();
    let bytes = bytes.finish().unwrap();
    let stream = TarStream::new(Source::Gzip(Box::new(open(&bytes).unwrap()))).unwrap();
    let written = write(&stream.spliced(&[Splice {
        at: 0..4,
        with: vec![Piece::Bytes(b"more".as_slice().into())],
    }]));
    let mut decoder = flate2::read::GzDecoder::new(&written[..]);
    let mut text = String::new();
    decoder.read_to_string(&mut text).unwrap();
    assert_eq!(text, "more text");
    let header = decoder.header().unwrap();
    assert_eq!(
        (header.extra(), header.filename()),
        (None, Some(&b"a.tar"[..]))
    );
}

#[test]
fn compressing_on_more_cores_changes_nothing() {
    let data: Vec<u8> = (0..500_000u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 17).to_le_bytes())
        .collect();
    // Edits here and there, and one of many pieces.
    let splices: Vec<Splice> = (0..9u64)
        .map(|n| Splice {
            at: n * 200_000..n * 200_000 + n,
            with: vec![Piece::Bytes(
                data[..if n == 5 { 400_000 } else { 10 }].into(),
            )],
        })
        .collect();
    let stream = open(&Maker::Members(1_200_000).make(&data)).unwrap();
    let stream = TarStream::new(Source::Gzip(Box::new(stream))).unwrap();
    let output = stream.spliced(&splices);
    let alone = write_by(0, &output);
    assert!(decoded(&alone) == naive(&data, &splices));
    for workers in [1, 2, 5] {
        assert!(write_by(workers, &output) == alone, "{workers} workers");
    }
}

#[test]
fn what_is_compressed_anew_reaches_back_as_far_as_it_may() {
    let once: Vec<u8> = (0..5_000u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 7).to_le_bytes())
        .collect();
    let gzip = open(&Maker::Flushed(6, 40_000).make(&once.repeat(40))).unwrap();
    let packed = gzip.seen.file.metadata().unwrap().len();
    let stream = TarStream::new(Source::Gzip(Box::new(gzip))).unwrap();
    let splices: Vec<Splice> = (1..8u64)
        .map(|n| Splice {
            at: n * 100_000..n * 100_000 + 1,
            with: vec![Piece::Bytes([7].as_slice().into())],
        })
        .collect();
    let written = write(&stream.spliced(&splices)).len() as u64;
    // Without a window, what comes once would be there once more for each.
    assert!(written < packed + 2_000, "{written} of {packed}");
}

#[test]
fn a_scan_can_be_read_forward() {
    let data: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let file = file(&Maker::Members(100_000).make(&data));
    let meter = Meter::new(None, Phase::Decompress, None);
    let scan = Gzip::scan(&file, meter).unwrap();
    for at in (0..data.len()).step_by(70_001) {
        let mut read = [0; 300];
        scan.read_exact_at(&mut read, at as u64).unwrap();
        assert_eq!(read, data[at..at + 300]);
    }
    assert!(scan.reaches(800_000).unwrap() && !scan.reaches(800_001).unwrap());
}
