//! bzip2 files of several streams.

use std::io::{self, BufRead, Read};

use bzip2::bufread::BzDecoder;

/// Decodes a file, stream by stream.
pub(super) struct Streams<R> {
    stream: Option<BzDecoder<R>>,
    /// Streams that were begun, and bytes decoded.
    count: u64,
    output: u64,
}

/// What a stream has to hold on average, once there are many. Each costs the time to make a decoder
/// of four megabytes ready, and has 14 bytes if it is empty: a megabyte of those would keep a
/// machine busy for seconds.
const LEAST: u64 = 4 << 10;
const MANY: u64 = 4096;

impl<R: BufRead> Streams<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            stream: Some(BzDecoder::new(input)),
            count: 1,
            output: 0,
        }
    }
}

impl<R: BufRead> Read for Streams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(stream) = &mut self.stream {
            let n = stream.read(buffer)?;
            self.output += n as u64;
            if n > 0 || buffer.is_empty() || stream.get_mut().fill_buf()?.is_empty() {
                return Ok(n);
            }
            self.count += 1;
            if self.count > MANY && self.count > self.output / LEAST {
                return Err(io::Error::other(Crumbs));
            }
            let rest = self.stream.take().map(BzDecoder::into_inner);
            self.stream = rest.map(BzDecoder::new);
        }
        Ok(0)
    }
}

/// That a file is made to keep a decoder busy.
#[derive(Debug, thiserror::Error)]
#[error(
    "the bzip2 data is thousands of nearly empty streams, which no program makes of an image; compress it again"
)]
pub(super) struct Crumbs;

#[cfg(test)]
mod tests {
    use super::*;
    use bzip2::Compression;
    use bzip2::read::BzEncoder;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = BzEncoder::new(bytes, Compression::fast());
        encoder.read_to_end(&mut out).unwrap();
        out
    }

    fn decoded(streams: &[Vec<u8>]) -> io::Result<usize> {
        Streams::new(&streams.concat()[..]).read_to_end(&mut Vec::new())
    }

    #[test]
    fn streams_may_be_empty_or_many_but_not_both() {
        let (empty, little) = (packed(b""), packed(&[7; 5000]));
        assert_eq!(decoded(std::slice::from_ref(&empty)).unwrap(), 0);
        assert_eq!(
            decoded(&[empty.clone(), little.clone(), empty.clone()]).unwrap(),
            5000
        );
        assert_eq!(decoded(&vec![little; 5000]).unwrap(), 5000 * 5000);
        assert_eq!(decoded(&vec![empty.clone(); 4000]).unwrap(), 0);
        let error = decoded(&vec![empty; 5000]).unwrap_err();
        assert!(error.get_ref().is_some_and(|e| e.is::<Crumbs>()));
    }
}
