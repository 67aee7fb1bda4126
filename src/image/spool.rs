//! Temporary files for tar streams that cannot be read at random where they are.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::limits::Exceeded;
use super::progress::{Meter, is_stop};
use crate::error::{Error, Result};

/// An [`unnamed`] file while it is written.
pub(crate) struct Spool {
    out: BufWriter<File>,
    folder: PathBuf,
}

/// Why a copy failed.
pub(crate) enum Failed {
    Reading(io::Error),
    Writing(Error),
}

const BUFFER: usize = 256 << 10;

impl Spool {
    pub(crate) fn new() -> Result<Self> {
        let (file, folder) = unnamed()?;
        let out = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { out, folder })
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.out
            .write_all(bytes)
            .map_err(Error::io(WRITE, self.folder.as_path()))
    }

    /// Copies a stream to its end. How many bytes that were.
    pub(crate) fn copy(&mut self, mut input: impl Read) -> Result<u64, Failed> {
        let mut buffer = vec![0; BUFFER];
        let mut copied = 0;
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return Ok(copied),
                Ok(n) => {
                    self.write_all(&buffer[..n]).map_err(Failed::Writing)?;
                    copied += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Failed::Reading(e)),
            }
        }
    }

    pub(crate) fn finish(self) -> Result<File> {
        self.out
            .into_inner()
            .map_err(|e| Error::io(WRITE, self.folder.as_path())(e.into_error()))
    }
}

/// What is tried where a temporary file cannot be written, for an error.
pub(super) const WRITE: &str = "write a temporary file in";

/// A file that vanishes with the process, and its folder: `/var/tmp` where there is one and TMPDIR does not say otherwise,
/// since `/tmp` is often memory.
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
    spool
        .copy(meter.reader(input))
        .map_err(|failed| match failed {
            Failed::Reading(e) => unread(e, name),
            Failed::Writing(error) => error,
        })?;
    spool.finish()
}

/// Returns why a stream could not be read.
pub(super) fn unread(error: io::Error, name: &str) -> Error {
    match error {
        e if is_stop(&e) => Error::Interrupted,
        e if Exceeded::of(&e).is_some() => Exceeded::refusal(&e, name),
        e => Error::io("read", Path::new(name))(e),
    }
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
