//! Temporary files for tar streams that cannot be read at random where they are.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::codec::{self, Compression};
use super::progress::{Meter, is_stop};
use crate::error::{Error, Result};

/// An unnamed file that vanishes with the process. `/var/tmp` where there is one and TMPDIR does not say otherwise, since
/// `/tmp` is often memory.
pub(crate) fn unnamed() -> Result<File> {
    let directory = match std::env::var_os("TMPDIR") {
        Some(dir) => PathBuf::from(dir),
        None if Path::new("/var/tmp").is_dir() => "/var/tmp".into(),
        None => std::env::temp_dir(),
    };
    tempfile::tempfile_in(&directory)
        .map_err(Error::io("create a temporary file in", directory.as_path()))
}

/// Copies a stream to a temporary file.
pub(crate) fn spool(name: &str, input: impl Read, meter: &mut Meter<'_>) -> Result<File> {
    copy(meter.reader(input)).map_err(|failed| match failed {
        Failed::Reading(e) if is_stop(&e) => Error::Interrupted,
        Failed::Reading(source) => Error::Io {
            action: "read",
            path: name.into(),
            source,
        },
        Failed::Writing(error) => error,
    })
}

/// Copies what a decoder gives to a temporary file.
pub(crate) fn spool_decoded(
    name: &str,
    compression: Compression,
    decoder: impl Read,
) -> Result<File> {
    copy(decoder).map_err(|failed| match failed {
        Failed::Reading(e) => codec::failure(e, name, compression),
        Failed::Writing(error) => error,
    })
}

enum Failed {
    Reading(io::Error),
    Writing(Error),
}

fn copy(mut input: impl Read) -> Result<File, Failed> {
    let mut out = unnamed().map_err(Failed::Writing)?;
    let failed = |source| {
        Failed::Writing(Error::Io {
            action: "write",
            path: "a temporary file".into(),
            source,
        })
    };
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Failed::Reading(e)),
        };
        out.write_all(&buffer[..n]).map_err(failed)?;
    }
    Ok(out)
}

/// A buffered writer to an unnamed file.
pub(crate) fn writer() -> Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(256 << 10, unnamed()?))
}
