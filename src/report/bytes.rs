//! What was read and written, by digest and size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::text::hex;
use crate::error::{Error, Result};
use crate::image::Image;

/// A file's digest and size.
#[derive(Serialize)]
pub(super) struct Bytes {
    sha256: String,
    bytes: u64,
}

impl Bytes {
    /// Those of an image as it came, compression and all; for a directory, of the tar stream made of it.
    pub(super) fn of_image(image: &Image) -> Result<Self> {
        let hashed = match image.original() {
            Some(file) => hash(|buffer, offset| file.read_at(buffer, offset)),
            None => hash(|buffer, offset| image.stream().read_at(buffer, offset)),
        };
        hashed.map_err(Error::io("read", Path::new(image.name())))
    }

    /// Those of a file.
    pub(super) fn of_file(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        hash(|buffer, offset| file.read_at(buffer, offset)).map_err(Error::io("read", path))
    }
}

/// Hashes by offset, since the image's file has one cursor for all who read it.
fn hash(mut read_at: impl FnMut(&mut [u8], u64) -> io::Result<usize>) -> io::Result<Bytes> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match read_at(&mut buffer, bytes) {
            Ok(0) => break,
            Ok(n) => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let sha256 = hex(&hash.finalize());
    Ok(Bytes { sha256, bytes })
}
