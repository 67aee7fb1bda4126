//! Decoding in order on several cores gives what decoding in order gives.

use super::*;
use crate::image::codec::gzip::in_order::InOrder;

/// Reads ranges to their end.
fn read(gzip: &Gzip, workers: usize, ranges: &[Range<u64>]) -> Vec<u8> {
    let len: u64 = ranges.iter().map(|r| r.end - r.start).sum();
    let mut input = InOrder::new(&gzip.seen, workers, ranges.iter().cloned()).unwrap();
    let mut out = Vec::new();
    while (out.len() as u64) < len {
        out.extend_from_slice(input.next().unwrap());
    }
    out
}

#[test]
fn ranges_over_several_checkpoints_are_read_whole_and_in_order() {
    // Numbers, and so many that checkpoints lie among them.
    let data: Vec<u8> = (0..3u32 << 20)
        .flat_map(|n| (n / 3).to_le_bytes())
        .collect();
    let gzip = open(&Maker::Members(5 << 20).make(&data)).unwrap();
    assert!(gzip.seen.places.even().count() > 2);
    let len = data.len() as u64;
    let cuts = [
        0..len,
        0..1,
        5..70_000,
        70_000..len - 9,
        3..9_000_000,
        len - 1..len,
    ];
    let want: Vec<u8> = cuts
        .iter()
        .flat_map(|r| &data[r.start as usize..r.end as usize])
        .copied()
        .collect();
    for workers in [1, 2, 3] {
        assert!(read(&gzip, workers, &cuts) == want, "{workers} workers");
    }
}

#[test]
fn a_changed_stream_is_written_as_it_is_read() {
    let data: Vec<u8> = (0..3u32 << 20)
        .flat_map(|n| (n / 3).to_le_bytes())
        .collect();
    let gzip = open(&Maker::Flate2(1).make(&data)).unwrap();
    let input = TarStream::new(Source::Gzip(Box::new(gzip))).unwrap();
    let splice = |at: Range<u64>, with: &str| Splice {
        at,
        with: vec![Piece::Bytes(with.as_bytes().into())],
    };
    let changed = input.spliced(&[
        splice(0..0, "first"),
        splice(100..200, ""),
        splice(5_000_000..5_000_001, "in the middle"),
        splice(data.len() as u64..data.len() as u64, "last"),
    ]);
    let (mut written, mut read) = (Vec::new(), Vec::new());
    changed.write_to(&mut written).unwrap();
    changed.copy_to(0..changed.len(), &mut read).unwrap();
    assert_eq!(written.len() as u64, changed.len());
    assert!(written == read);
}
