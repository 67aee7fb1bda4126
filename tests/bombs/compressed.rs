//! What decompresses to more than it should, or is slow to.

use std::fs;
use std::io::Write;

use flate2::write::GzEncoder;

use crate::{check, header, put, refused};

/// Bytes, each slice so many times over. The tests must stay small themselves: a child's peak memory begins with its parent's.
type Parts<'a> = &'a [(&'a [u8], usize)];

fn feed(mut out: impl Write, parts: Parts) {
    for (bytes, times) in parts {
        (0..*times).for_each(|_| put(&mut out, bytes));
    }
}

pub(crate) fn gzip(parts: Parts) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), flate2::Compression::best());
    feed(&mut out, parts);
    out.finish().expect("memory does not fill up")
}

fn zstd(parts: Parts) -> Vec<u8> {
    let mut out = zstd::Encoder::new(Vec::new(), 1).expect("a level");
    feed(&mut out, parts);
    out.finish().expect("memory does not fill up")
}

fn xz(parts: Parts) -> Vec<u8> {
    let preset = lzma_rust2::XzOptions::with_preset(0);
    let mut out = lzma_rust2::XzWriter::new(Vec::new(), preset).expect("a preset");
    feed(&mut out, parts);
    out.finish().expect("memory does not fill up")
}

fn bzip2(parts: Parts) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    feed(&mut out, parts);
    out.finish().expect("memory does not fill up")
}

type Packer = fn(Parts) -> Vec<u8>;

/// Each way to compress, and its name.
const PACKERS: [(&str, Packer); 4] = [("gzip", gzip), ("zstd", zstd), ("xz", xz), ("bzip2", bzip2)];

/// Blocks of deflate's that hold nothing and have codes of their own, as many as begin at a whole byte again.
fn hollow_blocks() -> [u8; 91] {
    let lengths = (0..18).map(|at| (u128::from(at == 2 || at == 17), 3));
    let header = [(0b100, 3), (0, 5), (0, 5), (14, 4)];
    let codes = [(0b1111_1111, 8), (0b1101_0101, 8), (0, 3), (1, 1)];
    let all = header.into_iter().chain(lengths).chain(codes);
    let (block, bits) = all.fold((0, 0), |(block, at), (value, count)| {
        (block | value << at, at + count)
    });
    assert_eq!(bits, 91);
    let mut blocks = [0; 91];
    for bit in 0..8 * bits {
        blocks[bit / 8] |= u8::from(block >> (bit % bits) & 1 == 1) << (bit % 8);
    }
    blocks
}

#[test]
fn a_tar_that_decompresses_without_end_is_refused() {
    let file = header("a", b'0', 1 << 35).as_bytes().to_vec();
    let noise: Vec<u8> = (1..1000u32)
        .map(|n| (n.wrapping_mul(2_654_435_769) >> 24).to_le_bytes()[0])
        .collect();
    for (name, pack) in PACKERS {
        // What is slowest to decode among what is small enough. Together they are larger than what is taken for no bomb.
        let (slow, count) = match name {
            "bzip2" => (&noise[..], 20),
            _ => (&noise[..2], 70),
        };
        for (of, data) in [("zeros", &[0][..]), ("a pattern", slow)] {
            let (start, data) = (pack(&[(&file, 1)]), pack(&[(data, (4 << 20) / data.len())]));
            refused(
                &format!("{of} in {count} parts, {name}"),
                |out| {
                    put(out, &start);
                    (0..count).for_each(|_| put(out, &data));
                },
                "raise the limit `ratio`",
            );
        }
        let whole = pack(&[(&[0; 4096], 65537)]);
        refused(
            &format!("zeros, {name}"),
            |out| put(out, &whole),
            "raise the limit `ratio`",
        );
    }
}

#[test]
fn what_is_no_tar_is_refused_before_all_of_it_is_decompressed() {
    for (name, pack) in PACKERS {
        let packed = pack(&[(&[7; 4096], 1024)]);
        // A gibibyte, of which the first block tells.
        refused(
            &format!("no tar, {name}"),
            |out| (0..256).for_each(|_| put(out, &packed)),
            "this is not a tar archive",
        );
    }
}

#[test]
fn members_without_end_are_refused_or_read_quickly() {
    let tar = header("a", b'0', 0);
    for (name, pack) in PACKERS {
        let (start, empty) = (pack(&[(tar.as_bytes(), 1)]), pack(&[]));
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
        let image = folder.path().join("bomb");
        let empties = empty.repeat((4 << 20) / empty.len());
        fs::write(&image, [start, empties].concat()).expect("the folder is writable");
        let run = check(&image, &[]);
        println!(
            "empty members, {name}: {:.2?}, {} MiB",
            run.time,
            run.memory >> 20
        );
        assert_eq!(
            run.code,
            Some(if name == "bzip2" { 3 } else { 0 }),
            "{name}: {}",
            run.said
        );
        run.is_bounded(name);
    }
}

#[test]
fn an_honest_image_may_be_mostly_zeros() {
    // Fifty times as large as its compressed form, by an empty disk image in it.
    let mut state = 1u64;
    let mut roll = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    let noise: Vec<u8> = (0..6 << 20).map(|_| roll()).collect();
    let size = |bytes: usize| u64::try_from(bytes).expect("it fits");
    let disk = header("disk", b'0', size(300 << 20));
    let file = header("noise", b'0', size(noise.len()));
    let tar: Parts = &[
        (disk.as_bytes(), 1),
        (&[0; 4096], (300 << 20) / 4096),
        (file.as_bytes(), 1),
        (&noise, 1),
        (&[0; 1024], 1),
    ];
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    for (name, pack) in PACKERS {
        let image = folder.path().join("image");
        let packed = pack(tar);
        let ratio = (306 << 20) / packed.len();
        assert!((30..60).contains(&ratio), "{name}: {ratio}");
        fs::write(&image, packed).expect("the folder is writable");
        let run = check(&image, &[]);
        assert_eq!(run.code, Some(0), "{name}, ratio {ratio}: {}", run.said);
    }
}

#[test]
fn blocks_that_hold_nothing_are_read_quickly() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let image = folder.path().join("image.tar.gz");
    let tar = [header("a", b'0', 0).as_bytes(), &[0; 1024][..]].concat();
    let mut data = Vec::with_capacity(4096);
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    deflate
        .compress_vec(&tar, &mut data, flate2::FlushCompress::Sync)
        .expect("it has room");
    let mut crc = flate2::Crc::new();
    crc.update(&tar);
    // By the fixed codes each takes ten bits, so that four end at a whole byte; the last one ends the stream.
    let four = (0..4).fold(0u64, |four, at| four | 0b010 << (10 * at));
    let blocks = four.to_le_bytes()[..5].repeat((4 << 20) / 5);
    let start = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";
    let end = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
    let all = [&start[..], &data, &blocks, &[0b011, 0], &end].concat();
    fs::write(&image, all).expect("it is writable");
    let run = check(&image, &[]);
    assert_eq!(run.code, Some(0), "{}", run.said);
    println!("blocks that hold nothing: {:.2?}", run.time);
    run.is_bounded("blocks that hold nothing");
}

#[test]
fn data_that_looks_like_blocks_takes_no_longer_than_data() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let image = folder.path().join("image.tar.gz");
    // Stored as it is. Who looks for a block that begins in it finds one everywhere, and many after it, and then none.
    let mut out = GzEncoder::new(Vec::new(), flate2::Compression::none());
    let (parts, blocks) = (10, 700);
    let size = parts * (blocks * 91 + 12);
    put(&mut out, header("data", b'0', size as u64).as_bytes());
    for _ in 0..parts {
        put(&mut out, &hollow_blocks().repeat(blocks));
        put(&mut out, &[0xff; 12]);
    }
    put(&mut out, &vec![0; size.next_multiple_of(512) - size + 1024]);
    fs::write(&image, out.finish().expect("memory does not fill up")).expect("it is writable");
    let run = check(&image, &[]);
    assert_eq!(run.code, Some(0), "{}", run.said);
    println!("data that looks like blocks: {:.2?}", run.time);
    run.is_bounded("data that looks like blocks");
}
