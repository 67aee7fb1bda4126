#![expect(
    clippy::cast_possible_truncation,
    reason = "the data of a test is small"
)]

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use proptest::prelude::*;

use super::{Scan, Style, Zstd};
use crate::image::segments::{Piece, Splice};
use crate::image::sink::Sink;
use crate::image::stream::{Source, TarStream};
use crate::image::{Meter, Phase};

fn file(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn open(bytes: &[u8]) -> Zstd {
    let mut scan = Scan::new(bytes).unwrap();
    let mut tar = Vec::new();
    scan.read_to_end(&mut tar).unwrap();
    Zstd::new(Arc::new(file(bytes)), file(&tar), scan)
}

fn frame(data: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn skippable(data: &[u8]) -> Vec<u8> {
    let magic = 0x184d_2a50_u32.to_le_bytes();
    [&magic[..], &(data.len() as u32).to_le_bytes(), data].concat()
}

/// As pzstd writes them: before each frame one that says how long it is.
fn announced(data: &[u8]) -> Vec<u8> {
    let frame = frame(data);
    [skippable(&(frame.len() as u32).to_le_bytes()), frame].concat()
}

fn changed(zstd: Zstd, splices: &[Splice]) -> Vec<u8> {
    let stream = TarStream::new(Source::Zstd(Box::new(zstd))).unwrap();
    let output = stream.spliced(splices);
    let Source::Zstd(zstd) = output.source() else {
        unreachable!("it was opened as zstd")
    };
    let mut out = Vec::new();
    let meter = Meter::new(None, Phase::Write, None);
    zstd.write_changed(output.segments(), &mut Sink::stream(&mut out, meter))
        .unwrap();
    out
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    ::zstd::decode_all(bytes).unwrap()
}

/// Something that compresses a little.
fn text(len: usize, seed: u32) -> Vec<u8> {
    let words = [
        "etc ", "usr ", "share ", "lib ", "\0\0\0\0", "root ", "0644 ", "bin/",
    ];
    let mut state = seed | 1;
    let mut out = Vec::new();
    while out.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        out.extend_from_slice(words[state as usize >> 16 & 7].as_bytes());
        out.push((state >> 24) as u8);
    }
    out.truncate(len);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_changed_file_equals_a_naive_rewrite(
        sizes in prop::collection::vec(0usize..5000, 1..12),
        pzstd in any::<bool>(),
        cuts in prop::collection::vec((0usize..8000, 0usize..3000, 0usize..300, any::<bool>()), 0..6),
        seed in any::<u32>(),
    ) {
        let base = text(sizes.iter().sum(), seed);
        let (mut frames, mut at) = (Vec::new(), 0);
        for size in &sizes {
            let data = &base[at..at + size];
            frames.push((at..at + size, if pzstd { announced(data) } else { frame(data) }));
            at += size;
        }
        let (mut splices, mut want, mut at) = (Vec::new(), Vec::new(), 0);
        for (gap, len, new, moves) in cuts {
            let start = (at + gap).min(base.len());
            let end = (start + len).min(base.len());
            let new = text(new, seed ^ 5);
            want.extend_from_slice(&base[at..start]);
            want.extend_from_slice(&new);
            let mut with = vec![Piece::Bytes(new.into())];
            if moves {
                want.extend_from_slice(&base[..base.len() / 2]);
                with.push(Piece::Input(0..base.len() as u64 / 2));
            }
            if start == end && want.is_empty() {
                continue;
            }
            splices.push(Splice { at: start as u64..end as u64, with });
            at = end;
        }
        want.extend_from_slice(&base[at..]);
        let file: Vec<u8> = frames.iter().flat_map(|(_, frame)| frame.clone()).collect();
        let out = changed(open(&file), &splices);
        prop_assert!(decoded(&out) == want);
        for (range, frame) in &frames {
            let range = range.start as u64..range.end as u64;
            let touched = splices.iter().any(|s| s.at.start < range.end && range.start < s.at.end);
            let split = splices.iter().any(|s| range.start < s.at.start && s.at.start < range.end);
            if !range.is_empty() && !touched && !split {
                prop_assert!(out.windows(frame.len()).any(|w| w == frame), "{range:?} was not copied");
            }
        }
        if splices.iter().all(|s| s.at.is_empty() && s.with == [Piece::Bytes([].into())])
            && sizes.iter().all(|size| *size > 0)
        {
            prop_assert!(out == file);
        }
    }
}

#[test]
fn what_stands_in_the_place_of_a_frame_is_a_frame() {
    let data: Vec<Vec<u8>> = (0..5).map(|seed| text(4000, seed)).collect();
    let file: Vec<u8> = data.iter().flat_map(|data| frame(data)).collect();
    let new = |at: std::ops::Range<u64>| Splice {
        at,
        with: vec![Piece::Bytes((*b"new").into())],
    };
    let out = changed(open(&file), &[new(5000..5003), new(9000..9000)]);
    let again = open(&out);
    let ends = again.frames.list().iter().map(|frame| frame.output.end);
    assert_eq!(
        ends.collect::<Vec<_>>(),
        [4000, 8000, 12_003, 16_003, 20_003]
    );
}

#[test]
fn nothing_left_is_an_empty_frame() {
    let file = frame(&text(1000, 1));
    let all = Splice {
        at: 0..1000,
        with: Vec::new(),
    };
    let out = changed(open(&file), &[all]);
    assert!(!out.is_empty());
    assert!(decoded(&out).is_empty());
}

#[test]
fn many_small_frames_cost_little_memory_and_stay() {
    let data = text(200_000, 1);
    let file: Vec<u8> = data.chunks(3).flat_map(frame).collect();
    let zstd = open(&file);
    assert!(zstd.frames.list().len() < 10);
    let end = Splice {
        at: 199_999..200_000,
        with: Vec::new(),
    };
    let out = changed(zstd, &[end]);
    assert!(decoded(&out) == data[..199_999]);
    assert!(out[..50_000] == file[..50_000]);
}

#[test]
fn tables_that_would_be_wrong_are_left_out_and_named() {
    let data = text(5000, 1);
    let chunked = [&[7; 40][..], b"GNUlInUx"].concat();
    for (table, named) in [
        (
            [&[7; 40][..], &[0xb1, 0xea, 0x92, 0x8f]].concat(),
            "seek table",
        ),
        (chunked, "zstd:chunked"),
        (vec![1; 40], "1 skippable zstd frames"),
    ] {
        let file = [frame(&data), skippable(&table)].concat();
        let zstd = open(&file);
        let notes = zstd.left_out();
        assert!(
            matches!(&notes[..], [note] if note.contains(named)),
            "{notes:?}"
        );
        let first = Splice {
            at: 0..1,
            with: Vec::new(),
        };
        let out = changed(zstd, &[first]);
        assert!(decoded(&out) == data[1..]);
        assert!(!out.windows(40).any(|w| w == &table[..40]));
    }
    assert!(open(&announced(&data)).left_out().is_empty());
}

#[test]
fn new_frames_are_as_the_file_has_them() {
    for level in [1, 2, 3, 9, 17] {
        for checksum in [false, true] {
            let mut encoder = ::zstd::Encoder::new(Vec::new(), level).unwrap();
            encoder.include_checksum(checksum).unwrap();
            encoder.write_all(&text(5000, 1)).unwrap();
            let zstd = open(&encoder.finish().unwrap());
            assert_eq!(zstd.style, Style { level, checksum });
        }
    }
}

#[test]
fn a_file_that_is_cut_or_followed_by_something_is_an_error() {
    let file = [frame(&text(5000, 1)), skippable(b"some"), frame(b"more")].concat();
    let read = |bytes: &[u8]| Scan::new(bytes).unwrap().read_to_end(&mut Vec::new());
    assert_eq!(read(&file).unwrap(), 5004);
    let ends = [
        frame(&text(5000, 1)).len(),
        file.len() - frame(b"more").len(),
    ];
    for cut in (1..file.len()).filter(|cut| !ends.contains(cut)) {
        assert!(read(&file[..cut]).is_err(), "cut at {cut}");
    }
    assert!(read(&[&file[..], b"more"].concat()).is_err());
}
