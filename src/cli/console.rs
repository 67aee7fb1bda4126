//! What the user sees: results on stdout, everything else on stderr.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use anstyle::{AnsiColor, Style};
use casehard::error::Diagnostic;
use casehard::escape::{printable, printable_lines};
use casehard::{Error, Result};

use super::arguments::{Output, When};
use super::{diagnostics, is_closed_pipe};

/// Writes to the two streams. Nothing else does, except the progress bar.
pub(crate) struct Console {
    color: bool,
    /// Whether stdout gets colours.
    pub(crate) color_stdout: bool,
    /// Whether only errors, and results for programs, are wanted.
    pub(crate) quiet: bool,
    /// When to show a progress bar.
    pub(crate) progress: When,
}

impl Console {
    /// Looks at the environment and the streams, once.
    pub(crate) fn new(output: &Output) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let wanted = |terminal: bool| match output.color {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !set("NO_COLOR") && !dumb(),
        };
        Self {
            color: wanted(io::stderr().is_terminal()),
            color_stdout: wanted(io::stdout().is_terminal()),
            quiet: output.quiet,
            progress: output.progress,
        }
    }

    /// Prints a result that the user asked for, such as a list. The reader may close the pipe early.
    pub(crate) fn text(&self, text: &str) -> Result<()> {
        self.stream(true, |out| {
            let text = printable_lines(text);
            out.write_all(text.as_bytes()).map_err(Error::Output)
        })
    }

    /// Prints a summary, to stderr if stdout has another output.
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

    /// Writes to stdout, escaped if that is a terminal and the text is not made for one. A text made for terminals need not
    /// arrive in full.
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
            Err(error) if for_terminals && is_closed_pipe(&error) => Ok(()),
            done => done,
        }
    }

    /// Prints why a command ends without a result.
    pub(crate) fn error(&self, error: &Error) {
        match error {
            Error::Recipe(mistakes) => self.diagnostics(mistakes),
            other => self.problem(&other.to_string()),
        }
    }

    /// Prints what went wrong, in one line.
    pub(crate) fn problem(&self, message: &str) {
        self.line("error", AnsiColor::BrightRed, message);
    }

    /// Prints what may be a mistake, in one line.
    pub(crate) fn warning(&self, message: &str) {
        if !self.quiet {
            self.line("warning", AnsiColor::BrightYellow, message);
        }
    }

    fn line(&self, what: &str, color: AnsiColor, message: &str) {
        let style = match self.color {
            true => Style::new().bold().fg_color(Some(color.into())),
            false => Style::new(),
        };
        let message = printable(message);
        self.stderr(&format!("casehard: {style}{what}{style:#}: {message}\n"));
    }

    /// Prints what went wrong, and below it a line for each case.
    pub(crate) fn problem_with(&self, message: &str, cases: &[impl ToString]) {
        self.problem(message);
        for case in cases {
            self.stderr(&format!("  {}\n", printable(case.to_string())));
        }
    }

    /// Prints mistakes, each with the lines that it is about.
    pub(crate) fn diagnostics(&self, all: &[Diagnostic]) {
        self.stderr(&diagnostics::draw(all, self.color));
    }

    // If even stderr fails, nothing can be done.
    fn stderr(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Escapes what a terminal would obey. Each write has to be whole lines.
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

/// Returns stdout without the buffer of the standard library, for an image.
pub(crate) fn raw_stdout() -> Result<File> {
    let owned = io::stdout().as_fd().try_clone_to_owned();
    owned.map(File::from).map_err(Error::Output)
}
