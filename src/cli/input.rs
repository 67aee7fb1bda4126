//! Opens the image that the command line names: a file, a directory, a pipe, or stdin.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use casehard::image::Limits;
use casehard::{Error, Image, OpenOptions, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::arguments::Reading;
use super::progress::Progress;
use super::signals::Signals;
use super::{failed, usage};

/// Opens an image. A signal ends the wait for a pipe's other end.
pub(crate) fn open(
    path: &Path,
    reading: &Reading,
    progress: &Progress<'_>,
    signals: &Signals,
) -> Result<Image> {
    let callback = progress.callback();
    let options = OpenOptions::new()
        .root_owned(reading.root_owned)
        .root(reading.root.as_deref())
        .limits(limits(&reading.limits)?)
        .progress(Some(&callback));
    let piped = |input: io::Result<OwnedFd>| {
        let input = input.map_err(failed("open", path))?;
        options.read(path.display().to_string(), Piped { input, signals })
    };
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            return usage("stdin is a terminal; pipe an image into casehard");
        }
        return piped(io::stdin().as_fd().try_clone_to_owned());
    }
    match fs::metadata(path) {
        Ok(there) if there.file_type().is_fifo() => {
            // Opening does not wait for a writer; `Piped` does.
            let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
            let file = File::options().read(true).custom_flags(flags).open(path);
            piped(file.map(OwnedFd::from))
        }
        _ => options.open(path),
    }
}

fn limits(given: &[(String, String)]) -> Result<Limits> {
    let mut limits = Limits::default();
    for (name, value) in given {
        let set = limits.set(name, value);
        set.map_err(|why| Error::Usage(format!("--limit {name}={value}: {why}")))?;
    }
    Ok(limits)
}

/// A pipe whose reads give up when a signal comes.
struct Piped<'a> {
    input: OwnedFd,
    signals: &'a Signals,
}

impl Read for Piped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A signal between the look and the wait is seen when the time is over.
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
