//! Telling the caller how far long work has come, and hearing from it whether to go on.

use std::io::{self, Read};
use std::ops::ControlFlow;

/// What is being done, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Reading a stream or a directory into a temporary file.
    Read,
    /// Decompressing the image.
    Decompress,
    /// Writing the new image.
    Write,
    /// Reading it for its digests.
    Digest,
}

/// A callback: the phase, the bytes done, and the bytes in all where that is known. Returning
/// `Break` stops the work with [`Error::Interrupted`](crate::Error::Interrupted).
pub type Progress<'a> = Option<&'a dyn Fn(Phase, u64, Option<u64>) -> ControlFlow<()>>;

/// Counts bytes on their way and calls back about every mebibyte.
pub(crate) struct Meter<'a> {
    progress: Progress<'a>,
    phase: Phase,
    done: u64,
    told: u64,
    total: Option<u64>,
}

const STEP: u64 = 1 << 20;

impl<'a> Meter<'a> {
    pub(crate) fn new(progress: Progress<'a>, phase: Phase, total: Option<u64>) -> Self {
        Self {
            progress,
            phase,
            done: 0,
            told: 0,
            total,
        }
    }

    /// Counts bytes; an error where the caller wants to stop.
    pub(crate) fn advance(&mut self, bytes: u64) -> io::Result<()> {
        self.done += bytes;
        if let Some(progress) = self.progress
            && (self.done >= self.told + STEP || self.total == Some(self.done))
        {
            self.told = self.done;
            if progress(self.phase, self.done, self.total).is_break() {
                return Err(io::Error::other(Stopped));
            }
        }
        Ok(())
    }

    pub(crate) fn reader<'m, R: Read>(&'m mut self, inner: R) -> Metered<'a, 'm, R> {
        Metered { meter: self, inner }
    }
}

/// A reader whose bytes a [`Meter`] counts.
pub(crate) struct Metered<'a, 'm, R> {
    meter: &'m mut Meter<'a>,
    inner: R,
}

impl<R: Read> Read for Metered<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.meter.advance(n as u64)?;
        Ok(n)
    }
}

/// Travels inside an I/O error through codecs that know nothing of progress.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Stopped;

/// Returns whether an I/O error is a caller's wish to stop.
pub(crate) fn is_stop(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Stopped>())
}
