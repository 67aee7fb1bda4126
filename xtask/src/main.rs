//! The project's commands: `cargo xtask harden`, `images`, `test`, `bench`, `docs`, `corpus` and `fuzz`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these commands are for the terminal"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod corpus;
// How casehard itself draws mistakes; the library has no terminal.
#[path = "../../src/cli/diagnostics.rs"]
mod diagnostics;
mod docs;
mod fuzz;
mod harden;
mod images;
mod test;

/// Commands for working on casehard
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Harden(harden::Arguments),
    Images(images::Arguments),
    Test(test::Arguments),
    Bench(bench::Arguments),
    #[command(hide = true)]
    Decode(bench::Decode),
    Docs(docs::Arguments),
    Corpus(corpus::Arguments),
    Fuzz(fuzz::Arguments),
}

/// The result of a command: true if it found nothing wrong, or why it could not do its work.
type Outcome = Result<bool, String>;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Harden(arguments) => return harden::run(&arguments),
        Task::Images(arguments) => images::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Decode(arguments) => bench::decode(&arguments),
        Task::Docs(arguments) => docs::run(&arguments),
        Task::Corpus(arguments) => corpus::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the folder of the workspace.
fn workspace() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Returns the folder that cargo builds into.
fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    workspace().join(target)
}

/// Returns a call of the cargo that runs this program.
fn cargo() -> std::process::Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    command.current_dir(workspace());
    command
}
