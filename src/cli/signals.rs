//! SIGINT and SIGTERM: the first asks the work to stop and clean up, the second ends the process at once. Where there is nothing to
//! clean up and perhaps nobody to go on for, the first does that too.

use std::cell::Cell;
use std::ffi::c_int;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use casehard::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use super::Exit;

/// Which signal came, if any.
pub(crate) struct Signals {
    received: Arc<AtomicUsize>,
    /// Whether the next one ends the process at once.
    armed: Arc<AtomicBool>,
    /// Whether something would be left then.
    to_clean_up: Cell<bool>,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self> {
        let signals = Self {
            received: Arc::default(),
            armed: Arc::default(),
            to_clean_up: Cell::default(),
        };
        signals.register_all().map_err(|cause| Error::Io {
            action: "listen for",
            path: PathBuf::from("signals"),
            cause,
        })?;
        Ok(signals)
    }

    fn register_all(&self) -> io::Result<()> {
        self.register(SIGINT)?;
        self.register(SIGTERM)?;
        // A file over the limit (`ulimit -f`) is then a write that fails, and not the end of the process.
        flag::register(SIGXFSZ, Arc::default()).map(drop)
    }

    /// The order matters: what ends the process looks at the flag before the same signal sets it.
    fn register(&self, signal: c_int) -> io::Result<()> {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&self.armed))?;
        flag::register(signal, Arc::clone(&self.armed))?;
        let number = usize::try_from(signal).unwrap_or_default();
        flag::register_usize(signal, Arc::clone(&self.received), number)?;
        Ok(())
    }

    /// Whether to stop.
    pub(crate) fn came(&self) -> bool {
        self.received.load(Ordering::SeqCst) != 0
    }

    /// An error where it is time to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.came() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    /// Says whether there is something that must not be left.
    pub(crate) fn to_clean_up(&self, something: bool) {
        self.to_clean_up.set(something);
    }

    /// Writes to a pipe, which may have to wait for a reader for ever: a signal ends the process at once, unless there is
    /// something to clean up.
    pub(crate) fn while_waiting<T>(&self, write: impl FnOnce() -> Result<T>) -> Result<T> {
        self.armed.store(!self.to_clean_up.get(), Ordering::SeqCst);
        // One that came before that was not heard yet.
        self.check()?;
        let done = write();
        self.armed.store(self.came(), Ordering::SeqCst);
        done
    }

    /// How a command ends that did not come to its end, if a signal is why.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let number = u8::try_from(self.received.load(Ordering::SeqCst)).ok()?;
        (number != 0).then_some(Exit::Signal(number))
    }
}
