//! SIGINT and SIGTERM. The first signal asks the work to stop and clean up, the second ends the process at once. While casehard
//! waits for the reader of a pipe with nothing to clean up, the first one ends it, too.

use std::cell::Cell;
use std::ffi::c_int;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use casehard::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use super::{Exit, failed};

/// The signal that came, if any.
pub(crate) struct Signals {
    received: Arc<AtomicUsize>,
    /// Whether the next signal ends the process at once.
    armed: Arc<AtomicBool>,
    /// Whether a temporary file would be left then.
    pub(crate) to_clean_up: Cell<bool>,
}

impl Signals {
    /// Starts to listen.
    pub(crate) fn listen() -> Result<Self> {
        let signals = Self {
            received: Arc::default(),
            armed: Arc::default(),
            to_clean_up: Cell::default(),
        };
        let registered = signals.register_all();
        registered.map_err(failed("listen for", Path::new("signals")))?;
        Ok(signals)
    }

    fn register_all(&self) -> io::Result<()> {
        self.register(SIGINT)?;
        self.register(SIGTERM)?;
        // With a handler, a file over the limit (`ulimit -f`) fails to be written, and does not end the process.
        flag::register(SIGXFSZ, Arc::default()).map(drop)
    }

    // The order matters: the handler that ends the process reads the flag before the next handler sets it.
    fn register(&self, signal: c_int) -> io::Result<()> {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&self.armed))?;
        flag::register(signal, Arc::clone(&self.armed))?;
        let number = usize::try_from(signal).unwrap_or_default();
        flag::register_usize(signal, Arc::clone(&self.received), number)?;
        Ok(())
    }

    /// Returns true if the work is to stop.
    pub(crate) fn came(&self) -> bool {
        self.received.load(Ordering::SeqCst) != 0
    }

    /// Returns an error if the work is to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.came() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    /// Runs a write that may wait for a pipe's reader. Meanwhile a signal ends the process at once, unless there is something
    /// to clean up.
    pub(crate) fn while_waiting<T>(&self, write: impl FnOnce() -> Result<T>) -> Result<T> {
        self.armed.store(!self.to_clean_up.get(), Ordering::SeqCst);
        // A signal from before that was only counted.
        self.check()?;
        let done = write();
        self.armed.store(self.came(), Ordering::SeqCst);
        done
    }

    /// Returns the exit of a command that a signal stopped.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let number = u8::try_from(self.received.load(Ordering::SeqCst)).ok()?;
        (number != 0).then(|| Exit(128 + number))
    }
}
