//! Where images are written to.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::{iter, thread};

use rustix::fs::copy_file_range;
use rustix::io::Errno;

use super::bytes::Bytes as _;
use super::progress::Meter;
use super::read_ahead::{ReadAhead, parts};

/// A writer that calls its meter, and that can also take a range of a file. Into another file, the
/// kernel copies that where it can.
pub(crate) struct Sink<'a> {
    out: Box<dyn Write + 'a>,
    /// The same, if it is a file.
    file: Option<&'a File>,
    meter: Meter<'a>,
}

/// How much is copied between two looks at whether to go on.
const STEP: u64 = 64 << 20;
/// How many chunks are read before they are written.
const AHEAD: usize = 4;
/// What is not longer is not worth a thread.
const SHORT: u64 = 2 << 20;

impl<'a> Sink<'a> {
    pub(crate) fn file(file: &'a File, meter: Meter<'a>) -> Self {
        Self {
            out: Box::new(file),
            file: Some(file),
            meter,
        }
    }

    pub(crate) fn stream(out: impl Write + 'a, meter: Meter<'a>) -> Self {
        Self {
            out: Box::new(out),
            file: None,
            meter,
        }
    }

    /// Copies bytes of a file. Inside a file system the kernel may copy without reading.
    pub(crate) fn copy(&mut self, from: &File, range: Range<u64>) -> io::Result<()> {
        let mut at = range.start;
        while let Some(file) = self.file
            && at < range.end
        {
            let step = usize::try_from(STEP.min(range.end - at)).expect("a step");
            match copy_file_range(from, Some(&mut at), file, None, step) {
                // Reading tells whether that is the end.
                Ok(0) => break,
                Ok(copied) => self.meter.advance(copied as u64)?,
                Err(Errno::INTR) => {}
                // Another file system, one that cannot do it, or a file that is only appended to.
                Err(
                    Errno::XDEV
                    | Errno::INVAL
                    | Errno::NOSYS
                    | Errno::OPNOTSUPP
                    | Errno::PERM
                    | Errno::BADF
                    | Errno::OVERFLOW,
                ) => break,
                Err(error) => return Err(error.into()),
            }
        }
        pour(from, at..range.end, self)
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.out.write(buffer)?;
        self.meter.advance(n as u64)?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a range of a file, of which another thread reads what comes next meanwhile where that can
/// be.
fn pour(file: &File, range: Range<u64>, out: &mut impl Write) -> io::Result<()> {
    if let Some(mut input) = ahead(file, &range) {
        let mut left = range.end - range.start;
        while left > 0 {
            let chunk = input.next()?;
            out.write_all(chunk)?;
            left -= chunk.len() as u64;
        }
        return Ok(());
    }
    let mut chunk = Vec::new();
    for part in parts(range) {
        read(file, part, &mut chunk)?;
        out.write_all(&chunk)?;
    }
    Ok(())
}

/// Begins to read a range on another core, where there is one and that is worth while.
fn ahead(file: &File, range: &Range<u64>) -> Option<ReadAhead> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if range.end - range.start <= SHORT || cores == 1 {
        return None;
    }
    let (file, ranges) = (file.try_clone().ok()?, iter::once(range.clone()));
    ReadAhead::spawn(ranges, AHEAD, move |part, chunk| read(&file, part, chunk)).ok()
}

fn read(file: &File, part: Range<u64>, chunk: &mut Vec<u8>) -> io::Result<()> {
    let length = part.end - part.start;
    chunk.resize(usize::try_from(length).expect("no more than a chunk"), 0);
    file.read_exact_at(chunk, part.start)
        .map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => shorter(),
            _ => e,
        })
}

fn shorter() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the image became shorter while it was read",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Phase;

    /// Larger than what is read ahead at any time.
    const LEN: usize = 5 << 20;

    /// Copies what follows the first bytes of a file of this length.
    fn copied(len: usize, out: impl Write) -> io::Result<()> {
        let meter = Meter::new(None, Phase::Write, None);
        Sink::stream(out, meter).copy(&file(len)?, 7..LEN as u64)
    }

    fn file(len: usize) -> io::Result<File> {
        let mut file = tempfile::tempfile()?;
        file.write_all(&content()[..len])?;
        Ok(file)
    }

    fn content() -> Vec<u8> {
        (0..LEN).map(|n| (n / 5).to_le_bytes()[0]).collect()
    }

    /// Takes so many bytes and then fails.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(buffer.len())
                .ok_or(io::ErrorKind::StorageFull)?;
            Ok(buffer.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_range_is_copied_whole_and_in_order() {
        let mut out = Vec::new();
        copied(LEN, &mut out).expect("all is there");
        assert!(out == content()[7..]);
    }

    #[test]
    fn a_file_that_the_kernel_does_not_copy_to_is_written_to() {
        // The kernel copies to no file that is only appended to.
        for append in [false, true] {
            let out = tempfile::NamedTempFile::new().expect("a file");
            let mut options = File::options();
            let options = options.write(true).append(append);
            let written = options.open(out.path()).expect("it is there");
            let mut sink = Sink::file(&written, Meter::new(None, Phase::Write, None));
            let image = file(LEN).expect("a file");
            sink.copy(&image, 7..LEN as u64).expect("all is there");
            assert!(std::fs::read(out.path()).expect("it is there") == content()[7..]);
        }
    }

    #[test]
    fn what_fails_midway_is_told() {
        let full = copied(LEN, Full(LEN / 2)).expect_err("the writer is full");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        let cut = copied(LEN - 1, io::sink()).expect_err("a byte is missing");
        assert!(cut.to_string().contains("shorter"), "{cut}");
    }
}
