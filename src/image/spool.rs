//! Temporary files for tar streams that cannot be read at random where they are.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::limits::Exceeded;
use super::progress::{Meter, is_stop};
use crate::error::{Error, Result};

/// An [`unnamed`] file while it is written.
pub(crate) struct Spool {
    out: BufWriter<File>,
    folder: PathBuf,
}

const BUFFER: usize = 256 << 10;

impl Spool {
    pub(crate) fn new() -> Result<Self> {
        let (file, folder) = unnamed()?;
        let out = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { out, folder })
    }

    /// Copies a stream to its end. Returns how many bytes that were.
    ///
    /// # Errors
    /// What reading gives, or what [`carried`] finds.
    pub(crate) fn copy(&mut self, input: impl Read) -> io::Result<u64> {
        io::copy(&mut BufReader::with_capacity(BUFFER, input), self)
    }

    pub(crate) fn finish(self) -> Result<File> {
        self.out
            .into_inner()
            .map_err(|e| Error::io(WRITE, self.folder.as_path())(e.into_error()))
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out
            .write(bytes)
            .map_err(|e| unwritten(e, &self.folder))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().map_err(|e| unwritten(e, &self.folder))
    }
}

/// What is tried where a temporary file cannot be written, for an error.
const WRITE: &str = "write a temporary file in";

/// Makes a file that vanishes with the process, and its folder: `/var/tmp` where there is one and
/// TMPDIR does not say otherwise, since `/tmp` is often memory.
pub(super) fn unnamed() -> Result<(File, PathBuf)> {
    let folder = match std::env::var_os("TMPDIR") {
        Some(dir) => PathBuf::from(dir),
        None if Path::new("/var/tmp").is_dir() => "/var/tmp".into(),
        None => std::env::temp_dir(),
    };
    let file = tempfile::tempfile_in(&folder)
        .map_err(Error::io("create a temporary file in", folder.as_path()))?;
    Ok((file, folder))
}

/// Copies a stream to a temporary file.
pub(crate) fn spool(name: &str, input: impl Read, meter: &mut Meter<'_>) -> Result<File> {
    let mut spool = Spool::new()?;
    let copied = spool.copy(meter.reader(input));
    copied.map_err(|e| unread(e, Path::new(name)))?;
    spool.finish()
}

/// Returns the error of a temporary file, told apart from those of what is read meanwhile.
pub(super) fn unwritten(error: io::Error, folder: &Path) -> io::Error {
    io::Error::other(Error::io(WRITE, folder)(error))
}

/// Returns why a file or stream could not be read.
pub(super) fn unread(error: io::Error, path: &Path) -> Error {
    carried(error, &path.to_string_lossy()).unwrap_or_else(Error::io("read", path))
}

/// Returns what a failed read of an image carries, if it is not a failure to read: a wish to stop,
/// a limit, or what could not be written.
pub(super) fn carried(error: io::Error, image: &str) -> Result<Error, io::Error> {
    if is_stop(&error) {
        return Ok(Error::Interrupted);
    }
    if Exceeded::of(&error).is_some() {
        return Ok(Error::image(image, error.to_string()));
    }
    error.downcast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Limits, OpenOptions};

    #[test]
    fn what_is_no_image_is_refused_by_its_first_block() {
        let limits = Limits {
            size: 1 << 20,
            ..Limits::default()
        };
        for (byte, want) in [(0, "nothing in it"), (7, "not a tar archive")] {
            // Who reads on comes to the limit.
            let read = OpenOptions::new()
                .limits(limits)
                .read("-", io::repeat(byte));
            let message = read.unwrap_err().to_string();
            assert!(message.contains(want), "{message}");
        }
    }
}
