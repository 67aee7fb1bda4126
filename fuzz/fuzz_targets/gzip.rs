//! Any bytes as deflate data in gzip: what another decoder takes is taken, and gives the same bytes.

#![no_main]

use std::io::Read as _;

use casehard::{Compression, Error};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use libfuzzer_sys::fuzz_target;

const LONGEST: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut plain = Vec::with_capacity(LONGEST);
    let mut inflate = Decompress::new(false);
    let status = inflate.decompress_vec(bytes, &mut plain, FlushDecompress::Finish);
    let whole = matches!(status, Ok(Status::StreamEnd));
    if !whole && plain.len() == LONGEST {
        return;
    }
    let used = usize::try_from(inflate.total_in()).expect("it is in memory");
    let mut crc = Crc::new();
    crc.update(&plain);
    let mut file = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    file.extend_from_slice(if whole { &bytes[..used] } else { bytes });
    file.extend_from_slice(&crc.sum().to_le_bytes());
    file.extend_from_slice(&crc.amount().to_le_bytes());
    match casehard_fuzz::open(&file) {
        Ok(image) => {
            assert!(whole, "damaged data is taken");
            assert_eq!(image.compression(), Compression::Gzip);
            let mut read = Vec::new();
            let stream = image.layers()[0].stream();
            let mut reader = stream.reader(0..stream.len());
            reader.read_to_end(&mut read).expect("it was read before");
            assert!(read == plain, "the two decoders differ");
        }
        Err(Error::Image { message, .. }) => {
            // A tar that is refused may be so before its end is reached.
            let damaged = message.contains("gzip data is cut short or damaged");
            assert!(!(whole && damaged), "{message}");
        }
        Err(other) => panic!("{other}"),
    }
});
