//! Decoding ahead gives what decoding in order gives.

use super::*;
use crate::image::gzip::ahead::{Ahead, Guess};
use crate::image::gzip::inflate::{Inflater, Step};

/// Numbers that compress to a few times `CHUNK`, in many blocks.
fn many_blocks() -> Vec<u8> {
    let data: Vec<u8> = (0..60_000u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 15).to_le_bytes())
        .collect();
    Maker::Flushed(6, 2000).make(&data)
}

/// Decodes in order, up to what is wanted of each guess that begins where a block does.
fn guesses(bytes: &[u8], mut wanted: impl FnMut(&Guess, &[u8])) {
    let file = file(bytes);
    let (chunk, workers) = (CHUNK, 2);
    let mut ahead = Ahead::new(&file, Deal { chunk, workers }).unwrap();
    let mut inflater = Inflater::<u8>::new(file, 80, &[]).unwrap();
    while inflater.step().unwrap() != Step::End {
        inflater.take(inflater.fresh().len());
        if let Some(guess) = ahead.guess(inflater.bit()) {
            wanted(&guess, inflater.window());
            ahead.give_back(guess);
        }
    }
}

#[test]
fn what_is_decoded_ahead_is_what_stands_there() {
    let (bytes, data) = (many_blocks(), decoded(&many_blocks()));
    let mut taken = 0;
    guesses(&bytes, |guess, window| {
        let mut out = Vec::new();
        assert!(guess.put(window, &mut out));
        let text = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let both = text(&[window, &out].concat());
        assert!(text(&data).contains(&both), "{} bytes", out.len());
        taken += 1;
    });
    assert!(taken > 10, "{taken} guesses in {} bytes", bytes.len());
}

#[test]
fn a_window_that_is_too_short_is_noticed() {
    let mut refused = 0;
    guesses(&many_blocks(), |guess, window| {
        let fits = guess.put(&[], &mut Vec::new());
        assert!(guess.put(window, &mut Vec::new()));
        refused += u32::from(!fits);
    });
    assert!(refused > 0, "some matches reach back");
}

#[test]
fn workers_change_nothing() {
    let bytes = many_blocks();
    let rows = |gzip: &Gzip| -> Vec<(u64, u64, u32)> {
        let members = &gzip.seen.map.members;
        members
            .iter()
            .flat_map(|m| &m.rows)
            .map(|row| (row.bit, row.output, row.crc))
            .collect()
    };
    let alone = opened(&bytes, 0).unwrap();
    for workers in 1..4 {
        assert_eq!(
            rows(&opened(&bytes, workers).unwrap()),
            rows(&alone),
            "{workers} workers"
        );
    }
}

#[test]
fn a_reader_sees_all_that_is_decoded_ahead() {
    let bytes = many_blocks();
    for workers in 0..3 {
        let mut meter = Meter::new(None, Phase::Decompress, None);
        let deal = Deal {
            chunk: CHUNK,
            workers,
        };
        let scan = Scan::new(&file(&bytes), deal, &mut meter).unwrap();
        let mut read = Vec::new();
        scan.reader(0..u64::MAX).read_to_end(&mut read).unwrap();
        assert!(read == decoded(&bytes), "{workers} workers");
    }
}
