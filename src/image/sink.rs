//! Where images are written to.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use super::Meter;

/// A writer that can also take a range of a file, which some do without looking at the bytes.
pub(crate) trait Sink: Write {
    /// Copies bytes of a file.
    fn copy(&mut self, file: &File, range: Range<u64>) -> io::Result<()>;
}

/// A file, into which other files' bytes are copied inside the kernel where it can do that.
pub(crate) struct FileSink<'a, 'p> {
    pub(crate) file: File,
    pub(crate) meter: &'a mut Meter<'p>,
}

/// Any other writer.
pub(crate) struct StreamSink<'a, 'p, W> {
    pub(crate) out: W,
    pub(crate) meter: &'a mut Meter<'p>,
}

/// How much is copied between two looks at whether to go on.
const STEP: u64 = 64 << 20;
const BUFFER: usize = 256 << 10;

impl Sink for FileSink<'_, '_> {
    fn copy(&mut self, mut file: &File, range: Range<u64>) -> io::Result<()> {
        file.seek(SeekFrom::Start(range.start))?;
        let mut left = range.end - range.start;
        while left > 0 {
            match io::copy(&mut file.take(left.min(STEP)), &mut self.file)? {
                0 => return Err(shorter()),
                n => {
                    left -= n;
                    self.meter.advance(n)?;
                }
            }
        }
        Ok(())
    }
}

impl Write for FileSink<'_, '_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.file.write(buffer)?;
        self.meter.advance(n as u64)?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl<W: Write> Sink for StreamSink<'_, '_, W> {
    fn copy(&mut self, file: &File, range: Range<u64>) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        let mut at = range.start;
        while at < range.end {
            let want = usize::try_from(range.end - at).map_or(BUFFER, |left| left.min(BUFFER));
            match file.read_at(&mut buffer[..want], at) {
                Ok(0) => return Err(shorter()),
                Ok(n) => {
                    self.write_all(&buffer[..n])?;
                    at += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for StreamSink<'_, '_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.out.write(buffer)?;
        self.meter.advance(n as u64)?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn shorter() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the image became shorter while it was read",
    )
}
