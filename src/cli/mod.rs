//! The command line: arguments in, results on stdout, everything else on stderr, and an exit code.
//!
//! **Invariant.** It uses the library as anyone's program could, through its public items only.

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
use std::process::ExitCode;

use casehard::Error;
use clap::Parser;

use arguments::{Arguments, Command};
use console::Console;

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Done, or nothing to object to.
    Ok,
    /// `check` found something to change, or `diff` a difference.
    Found,
    /// The command line or a recipe is wrong.
    Usage,
    /// The image is damaged or unsafe.
    Image,
    /// A rule failed.
    Failed,
    /// Reading or writing failed.
    Io,
    /// A signal, by its number.
    Signal(u8),
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Found => 1,
            Self::Usage => 2,
            Self::Image => 3,
            Self::Failed => 4,
            Self::Io => 5,
            Self::Signal(number) => 128 + number,
        }
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::Usage(_) | Error::Recipe(_) => Self::Usage,
            Error::Image { .. } => Self::Image,
            Error::Unfulfilled(_) => Self::Failed,
            _ => Self::Io,
        }
    }
}

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come here too. That nobody reads them is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let console = Console::new(arguments.color, arguments.quiet);
    let done = match &arguments.command {
        Command::Apply(apply) => harden::apply(apply, arguments.progress, &console),
        Command::Check(check) => harden::check(check, arguments.progress, &console),
        Command::Diff(diff) => diff::run(diff, arguments.progress, &console),
        Command::Recipe(recipe) => recipes::run(recipe, &console),
    };
    let exit = done.unwrap_or_else(|error| {
        if !is_closed_pipe(&error) {
            console.error(&error);
        }
        Exit::of(&error)
    });
    ExitCode::from(exit.code())
}

/// Whether whoever read standard output has gone. They know, so nothing is said.
fn is_closed_pipe(error: &Error) -> bool {
    matches!(error, Error::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
}
