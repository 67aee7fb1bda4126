//! Temporary files for tar streams that cannot be read at random where they are.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use super::codec::{self, Compression};
use super::limits::Exceeded;
use super::progress::{Meter, is_stop};
use crate::error::{Error, Result};

/// An unnamed file that vanishes with the process, while it is written. It lies in `/var/tmp` where there is one and TMPDIR
/// does not say otherwise, since `/tmp` is often memory.
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
/// How many of them are on their way between two threads.
const BUFFERS: usize = 3;

impl Spool {
    pub(crate) fn new() -> Result<Self> {
        let folder = match std::env::var_os("TMPDIR") {
            Some(dir) => PathBuf::from(dir),
            None if Path::new("/var/tmp").is_dir() => "/var/tmp".into(),
            None => std::env::temp_dir(),
        };
        let file = tempfile::tempfile_in(&folder)
            .map_err(Error::io("create a temporary file in", folder.as_path()))?;
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
            let n = some_of(&mut input, &mut buffer).map_err(Failed::Reading)?;
            if n == 0 {
                return Ok(copied);
            }
            self.write_all(&buffer[..n]).map_err(Failed::Writing)?;
            copied += n as u64;
        }
    }

    /// Copies a stream to its end, and lets another thread write, since what is read may have to be decoded.
    fn copy_beside(&mut self, mut input: impl Read) -> Result<(), Failed> {
        let copied = thread::scope(|scope| {
            let (full, given) = sync_channel::<(Vec<u8>, usize)>(BUFFERS);
            let (give_back, empty) = channel();
            let spool = &mut *self;
            let writing = thread::Builder::new().spawn_scoped(scope, move || {
                for (buffer, n) in given {
                    spool.write_all(&buffer[..n])?;
                    // Who reads may have come to the end.
                    let _ = give_back.send(buffer);
                }
                Ok(())
            });
            let writing = writing.ok()?;
            let mut unused: Vec<Vec<u8>> = (0..BUFFERS).map(|_| vec![0; BUFFER]).collect();
            let read = loop {
                // Neither channel ends before writing has failed, which is told below.
                let Some(mut buffer) = unused.pop().or_else(|| empty.recv().ok()) else {
                    break Ok(());
                };
                match some_of(&mut input, &mut buffer) {
                    Ok(0) => break Ok(()),
                    Ok(n) if full.send((buffer, n)).is_err() => break Ok(()),
                    Ok(_) => {}
                    Err(e) => break Err(Failed::Reading(e)),
                }
            };
            drop(full);
            let written: Result<()> = writing.join().expect("writing does not panic");
            Some(read.and(written.map_err(Failed::Writing)))
        });
        // Where the system gives no more threads, one does both.
        copied.unwrap_or_else(|| self.copy(input).map(drop))
    }

    pub(crate) fn finish(self) -> Result<File> {
        self.out
            .into_inner()
            .map_err(|e| Error::io(WRITE, self.folder.as_path())(e.into_error()))
    }
}

const WRITE: &str = "write a temporary file in";

/// Copies a stream to a temporary file.
pub(crate) fn spool(name: &str, input: impl Read, meter: &mut Meter<'_>) -> Result<File> {
    copy(meter.reader(input)).map_err(|failed| match failed {
        Failed::Reading(e) if is_stop(&e) => Error::Interrupted,
        Failed::Reading(e) if Exceeded::of(&e).is_some() => Exceeded::refusal(&e, name),
        Failed::Reading(e) => Error::io("read", Path::new(name))(e),
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

fn copy(input: impl Read) -> Result<File, Failed> {
    let mut spool = Spool::new().map_err(Failed::Writing)?;
    spool.copy_beside(input)?;
    spool.finish().map_err(Failed::Writing)
}

/// Reads as much as comes at once; 0 at the end.
fn some_of(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
