//! The command line: arguments in, results on stdout, everything else on stderr, and an exit code.
//!
//! **Invariant.** It uses the library as any other program could, through its public items only.

mod arguments;
mod console;
mod diagnostics;
mod diff;
mod harden;
mod input;
mod outputs;
mod progress;
mod recipes;
mod signals;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use casehard::{Error, Result};
use clap::Parser;

use arguments::{Arguments, Command};
use console::Console;
use progress::Progress;
use signals::Signals;

/// How a command ends: the code that the process exits with. After a signal it is 128 and the signal's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Exit(u8);

impl Exit {
    /// Success, or nothing to object to.
    const OK: Self = Self(0);
    /// `check` found something to change, or `diff` a difference.
    const FOUND: Self = Self(1);
    /// The command line or a recipe is wrong.
    const USAGE: Self = Self(2);
    /// The image is damaged or unsafe.
    const IMAGE: Self = Self(3);
    /// A rule failed, or the lock lacks a privilege.
    const FAILED: Self = Self(4);
    /// Reading or writing failed.
    const IO: Self = Self(5);

    /// Returns the exit that tells who has to act on an error.
    fn of(error: &Error) -> Self {
        match error {
            Error::Usage(_) | Error::Recipe(_) => Self::USAGE,
            Error::Image { .. } => Self::IMAGE,
            Error::Unfulfilled(_) => Self::FAILED,
            _ => Self::IO,
        }
    }
}

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come here, too. A closed pipe is not a failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let console = Console::new(&arguments.output);
    let done = match &arguments.command {
        Command::Apply(apply) => harden::apply(apply, &console),
        Command::Check(check) => harden::check(check, &console),
        Command::Diff(diff) => diff::run(diff, &console),
        Command::Recipe(recipe) => recipes::run(recipe, &console),
    };
    let exit = done.unwrap_or_else(|error| {
        if !is_closed_pipe(&error) {
            console.error(&error);
        }
        Exit::of(&error)
    });
    ExitCode::from(exit.0)
}

/// Does the long work of a command, with a progress bar, until a signal comes.
fn interruptible(
    console: &Console,
    signals: &Signals,
    work: impl FnOnce(&Progress<'_>) -> Result<Exit>,
) -> Result<Exit> {
    let progress = Progress::new(console.progress, signals);
    let done = work(&progress);
    progress.clear();
    match (done, signals.exit()) {
        (Err(_), Some(exit)) => {
            console.problem("interrupted");
            Ok(exit)
        }
        (done, _) => done,
    }
}

/// Refuses a command line.
fn usage<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::Usage(message.into()))
}

/// Names the path on which a call failed, and what was tried; for `map_err`.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |cause| Error::Io {
        action,
        path,
        cause,
    }
}

/// Returns true if the reader of stdout closed the pipe; no message is needed.
fn is_closed_pipe(error: &Error) -> bool {
    matches!(error, Error::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
}
