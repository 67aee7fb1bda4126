//! Decoding ahead gives what decoding in order gives.

use bstr::ByteSlice as _;

use super::long_block::OneBlock;
use super::*;
use crate::image::codec::gzip::ahead::Ahead;
use crate::image::codec::gzip::guess::{BUFFER, Guess};
use crate::image::codec::gzip::inflate::{self, Inflater, Place, Step, WINDOW};

const ONE_BLOCK: OneBlock = OneBlock {
    described: false,
    between: false,
};

/// Numbers that compress to a few times `CHUNK`, in many blocks.
fn many_blocks() -> Vec<u8> {
    let data: Vec<u8> = (0..60_000u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 15).to_le_bytes())
        .collect();
    Maker::Flushed(6, 2000).make(&data)
}

/// How much of the following is a worker's share: more than a guess may hold.
const LARGE_CHUNK: u64 = 96 << 10;

/// Numbers, each thousand of which comes often, and nothing else in the next window: soon no placeholder is left.
fn repetitive() -> Vec<u8> {
    let numbers = |first: u32| (first..first + 250).map(|n| n.wrapping_mul(2_654_435_761));
    let data: Vec<u8> = (0..300u32)
        .flat_map(|part| (0..40).flat_map(move |_| numbers(part * 250)))
        .flat_map(u32::to_le_bytes)
        .collect();
    Maker::Flushed(6, 60_000).make(&data)
}

/// Decodes in order, up to what is wanted of each guess that begins where a block does.
fn guesses(bytes: &[u8], chunk: u64, mut wanted: impl FnMut(&mut Guess, &[u8; WINDOW])) {
    let (file, workers) = (file(bytes), 2);
    let mut ahead = Ahead::new(&file, Deal { chunk, workers }).unwrap();
    let mut inflater = <Inflater>::new(file, 80).unwrap();
    while inflater.step().unwrap() != Step::End {
        inflater.take(inflater.fresh().len());
        if let Some(mut guess) = ahead.guess(inflater.bit()) {
            if let Ok(window) = inflater.window().try_into() {
                wanted(&mut guess, window);
            }
            ahead.give_back(guess);
        }
    }
}

#[test]
fn what_is_decoded_ahead_is_what_stands_there() {
    for (bytes, chunk, wanted) in [(many_blocks(), CHUNK, 10), (repetitive(), LARGE_CHUNK, 1)] {
        let data = decoded(&bytes);
        let mut taken = 0;
        guesses(&bytes, chunk, |guess, window| {
            guess.put(window);
            assert!(guess.bytes().starts_with(window));
            assert!(data.contains_str(guess.bytes()), "{} bytes", guess.len());
            taken += 1;
        });
        assert!(taken >= wanted, "{taken} guesses in {} bytes", bytes.len());
    }
}

#[test]
fn a_guess_holds_no_more_than_it_may() {
    let (mut full, bytes) = (0, repetitive());
    guesses(&bytes, LARGE_CHUNK, |guess, _| {
        assert!(guess.len() <= BUFFER - WINDOW);
        full += u32::from(guess.len() > BUFFER - WINDOW - 1000);
    });
    assert!(full > 0);
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
fn behind_the_last_block_no_block_begins() {
    // So much noise that the last block ends about where a step does. A literal and a match come first, since of literals the
    // decoder takes three at a time, and as many of them would end where a step does anyway.
    let most = inflate::buffer(inflate::CHUNK) - WINDOW;
    let noise = |n: usize| match n {
        0..259 => 0,
        _ => (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0],
    };
    let mut full = 0;
    for len in most - 300..most - 280 {
        let data: Vec<u8> = (0..len).map(noise).collect();
        let bytes = ONE_BLOCK.make(&data);
        let mut inflater = <Inflater>::new(file(&bytes), 80).unwrap();
        while inflater.step().unwrap() != Step::End {
            full += 1;
            assert_ne!(inflater.stand().place, Place::Header, "{len} bytes");
            inflater.take(inflater.fresh().len());
        }
    }
    assert!((1..20).contains(&full), "{full} steps are full");
}

#[test]
fn a_reader_sees_all_that_is_decoded_ahead() {
    // Members of all sizes, each of which begins with no window.
    let (many, small, large) = (many_blocks(), 700, 40_000);
    let members = [small, large].map(|size| Maker::Members(size).make(&decoded(&many)));
    for (bytes, chunk) in [
        (&many, CHUNK),
        (&members[0], CHUNK),
        (&members[1], CHUNK),
        (&repetitive(), LARGE_CHUNK),
    ] {
        for workers in 0..3 {
            let meter = Meter::new(None, Phase::Decompress, None);
            let deal = Deal { chunk, workers };
            let scan = Scan::new(&file(bytes), deal, meter).unwrap();
            // In blocks of which each must be there as a whole, as headers must.
            let mut read = Vec::new();
            let mut block = [0; 512];
            while scan.reaches(read.len() as u64 + 512).unwrap() {
                scan.read_exact_at(&mut block, read.len() as u64).unwrap();
                read.extend_from_slice(&block);
            }
            let all = decoded(bytes);
            assert!(all.len() - read.len() < 512, "{workers} workers");
            assert!(all.starts_with(&read), "{workers} workers");
        }
    }
}

#[test]
fn damage_is_met_after_the_same_bytes_by_any_number_of_workers() {
    let data = decoded(&many_blocks());
    let members = (0..6).map(|n| Maker::Flushed(6, 2000).make(&data[n * 700..]));
    let bytes = members.collect::<Vec<_>>().concat();
    let seen = |bytes: &[u8], workers| {
        let meter = Meter::new(None, Phase::Decompress, None);
        let deal = Deal {
            chunk: CHUNK,
            workers,
        };
        let scan = Scan::new(&file(bytes), deal, meter).unwrap();
        let mut seen = 0;
        let error = loop {
            match scan.reaches(seen + 512) {
                Ok(true) => seen += 512,
                Ok(false) => return None,
                Err(error) => break error,
            }
        };
        Some((seen, error.to_string()))
    };
    for at in (1000..bytes.len()).step_by(bytes.len() / 60) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let alone = seen(&damaged, 0);
        assert!(alone.is_some(), "byte {at}");
        for workers in 1..4 {
            assert_eq!(seen(&damaged, workers), alone, "byte {at}");
        }
    }
}
