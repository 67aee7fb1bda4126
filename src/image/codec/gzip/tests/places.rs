//! Places to decode from lie before what is read again.

use super::*;
use crate::image::OpenOptions;
use crate::image::codec::gzip::places::{BEFORE, FAR};

#[test]
fn what_is_far_and_read_again_is_near() {
    let data: Vec<u8> = (0..1_500_000u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 17).to_le_bytes())
        .collect();
    for maker in [
        Maker::Flate2(1),
        Maker::Flushed(1, 50_000),
        Maker::Members(300_000),
        Maker::Stored,
    ] {
        let gzip = open(&maker.make(&data)).unwrap();
        for _ in 0..2 {
            for at in [5_700_000, 3_300_000, 1_900_000] {
                let mut read = [0; 100];
                assert_eq!(gzip.read_at(&mut read, at as u64).unwrap(), 100);
                assert_eq!(read[..], data[at..at + 100], "{maker:?} at {at}");
            }
            let near = gzip.seen.places.near();
            let near: Vec<u64> = near.iter().map(|place| place.output).collect();
            assert_eq!(near.len(), 3, "{maker:?}: {near:?}");
        }
    }
}

#[test]
fn what_grants_more_than_its_caller_has_is_near() {
    let noise = |n: u32| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0];
    let data: Vec<u8> = (0..1_700_000).map(noise).collect();
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, mode, len| {
        if name == "ping" {
            let capability = ("SCHILY.xattr.security.capability", &[1][..]);
            tar.append_pax_extensions([capability]).unwrap();
        }
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_size(len as u64);
        tar.append_data(&mut header, name, &data[..len]).unwrap();
    };
    for (name, mode, len) in [
        ("large", 0o755, 1_700_000),
        ("su", 0o4755, 1000),
        ("wall", 0o2755, 1000),
        ("larger", 0o755, 1_500_000),
        ("ping", 0o755, 1000),
    ] {
        add(name, mode, len);
    }
    let tar = tar.into_inner().unwrap();
    for maker in [
        Maker::Flate2(6),
        Maker::Members(300_000),
        Maker::Members(3_000_000),
    ] {
        let packed = maker.make(&tar);
        let image = OpenOptions::new().read("t.tar.gz", &packed[..]).unwrap();
        let Source::Gzip(gzip) = image.layers()[0].stream().source() else {
            unreachable!("it was opened as gzip")
        };
        let near = gzip.seen.places.near();
        let near: Vec<u64> = near.iter().map(|place| place.output).collect();
        let archive = image.layers()[0].archive();
        let before: Vec<u64> = [1, 4]
            .iter()
            .zip(&near)
            .map(|(at, near)| archive.entry(*at).start - near)
            .collect();
        // Both set-id files are near the same place.
        assert_eq!(near.len(), 2, "{maker:?}: {near:?}");
        let close = before.iter().all(|far| (BEFORE..FAR).contains(far));
        assert!(close, "{maker:?}: {before:?}");
    }
}
