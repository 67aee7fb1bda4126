//! The image as the command line names it: a file, a directory, a pipe, or standard input.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use casehard::image::{Limits, Progress};
use casehard::{Error, Image, OpenOptions, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::signals::Signals;

/// Opens the image; a wait for a pipe's other end is over when a signal comes.
pub(crate) fn open(
    path: &Path,
    root_owned: bool,
    limits: Limits,
    progress: Progress<'_>,
    signals: &Signals,
) -> Result<Image> {
    let options = OpenOptions::new()
        .root_owned(root_owned)
        .limits(limits)
        .progress(progress);
    let piped = |input: io::Result<OwnedFd>| {
        let input = input.map_err(|cause| Error::Io {
            action: "open",
            path: path.to_owned(),
            cause,
        })?;
        options.read(path.display().to_string(), Piped { input, signals })
    };
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            return Err(Error::Usage(
                "stdin is a terminal; pipe an image into it".into(),
            ));
        }
        return piped(io::stdin().as_fd().try_clone_to_owned());
    }
    match fs::metadata(path) {
        Ok(there) if there.file_type().is_fifo() => {
            // Does not wait for someone to write to it; `Piped` does.
            let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
            let file = File::options().read(true).custom_flags(flags).open(path);
            piped(file.map(OwnedFd::from))
        }
        Ok(there) if root_owned && !there.is_dir() => Err(Error::Usage(format!(
            "--root-owned is for a directory, and {} is none",
            path.display()
        ))),
        _ => options.open(path),
    }
}

/// The limits, with those that the command line sets.
pub(crate) fn limits(given: &[(String, String)]) -> Result<Limits> {
    let mut limits = Limits::default();
    for (name, value) in given {
        let set = limits.set(name, value);
        set.map_err(|why| Error::Usage(format!("--limit {name}={value}: {why}")))?;
    }
    Ok(limits)
}

/// Something to read from that may keep us waiting.
struct Piped<'a> {
    input: OwnedFd,
    signals: &'a Signals,
}

impl Read for Piped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A signal ends the wait. One that comes between look and wait is seen when the time is over.
        let patience = Timespec::try_from(Duration::from_millis(200)).ok();
        loop {
            if self.signals.came() {
                return Err(io::Error::other("interrupted"));
            }
            let mut ready = [PollFd::new(&self.input, PollFlags::IN)];
            match poll(&mut ready, patience.as_ref()) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => match rustix::io::read(&self.input, &mut *buffer) {
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    read => return Ok(read?),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }
}
