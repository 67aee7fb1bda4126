//! What the user sees: results on stdout, everything else on stderr.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use casehard::error::Diagnostic;
use casehard::{Error, Result};

use super::arguments::When;
use super::diagnostics;
use casehard::escape::{printable, printable_lines};

/// Writes to the two streams. Nothing else does, but the progress bar.
pub(crate) struct Console {
    color: bool,
    color_stdout: bool,
    quiet: bool,
}

impl Console {
    /// Looks at the environment once.
    pub(crate) fn new(color: When, quiet: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let wanted = |terminal: bool| match color {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                terminal
                    && !set("NO_COLOR")
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Self {
            color: wanted(io::stderr().is_terminal()),
            color_stdout: wanted(io::stdout().is_terminal()),
            quiet,
        }
    }

    /// Whether what is written to stdout may have colours.
    pub(crate) fn colors_stdout(&self) -> bool {
        self.color_stdout
    }

    /// Whether only results for programs, and errors, are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A result that someone asked for, such as a list. That its reader has seen enough is no failure.
    pub(crate) fn text(&self, text: &str) -> Result<()> {
        match stdout(printable_lines(text).as_bytes()) {
            Err(Error::Output(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => done,
        }
    }

    /// What the work came to; on stderr where stdout has something else.
    pub(crate) fn summary(&self, text: &str, on_stdout: bool) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        if on_stdout {
            return self.text(text);
        }
        self.stderr(&printable_lines(text));
        Ok(())
    }

    /// A report; escaped if it goes to a terminal and is not made for one, else as it is. All of it has to arrive, but of what
    /// is for terminals a reader may have seen enough.
    pub(crate) fn stream(
        &self,
        for_terminals: bool,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let stdout = io::stdout().lock();
        let escaped = stdout.is_terminal() && !for_terminals;
        let mut out = BufWriter::with_capacity(64 << 10, stdout);
        let written = match escaped {
            true => write(&mut Printable(&mut out)),
            false => write(&mut out),
        };
        match written.and_then(|()| out.flush().map_err(Error::Output)) {
            Err(Error::Output(cause))
                if for_terminals && cause.kind() == io::ErrorKind::BrokenPipe =>
            {
                Ok(())
            }
            done => done,
        }
    }

    /// Why a command ends without a result.
    pub(crate) fn error(&self, error: &Error) {
        match error {
            Error::Recipe(mistakes) => self.diagnostics(mistakes),
            other => self.problem(&other.to_string()),
        }
    }

    /// One line on what went wrong.
    pub(crate) fn problem(&self, message: &str) {
        self.line("error", "91", message);
    }

    /// One line on what may not be meant.
    pub(crate) fn warning(&self, message: &str) {
        if !self.quiet {
            self.line("warning", "93", message);
        }
    }

    fn line(&self, what: &str, color: &str, message: &str) {
        let what = match self.color {
            true => format!("\x1b[1;{color}m{what}\x1b[0m"),
            false => what.to_owned(),
        };
        self.stderr(&format!("casehard: {what}: {}\n", printable(message)));
    }

    /// What went wrong, and what it is about, a line each.
    pub(crate) fn problem_of(&self, message: &str, about: &[impl ToString]) {
        self.problem(message);
        for line in about {
            self.stderr(&format!("  {}\n", printable(line.to_string())));
        }
    }

    /// Mistakes, each drawn with the lines that it is about.
    pub(crate) fn diagnostics(&self, all: &[Diagnostic]) {
        self.stderr(&diagnostics::draw(all, self.color));
    }

    /// Nothing can be done where even stderr fails.
    fn stderr(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Spells out what a terminal would obey. Each write is whole lines.
struct Printable<'o>(&'o mut dyn Write);

impl Write for Printable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(printable_lines(bytes).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Standard output without the buffer that Rust puts before it, for an image.
pub(crate) fn raw_stdout() -> Result<File> {
    let owned = io::stdout().as_fd().try_clone_to_owned();
    owned.map(File::from).map_err(Error::Output)
}

fn stdout(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(Error::Output)
}
