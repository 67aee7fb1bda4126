//! `casehard diff`.

use std::path::Path;

use casehard::report::Format;
use casehard::{CompareOptions, Image, Result};

use super::arguments::{Diff, Reports};
use super::console::Console;
use super::outputs::Outputs;
use super::signals::Signals;
use super::{Exit, input, interruptible, usage};

/// Reports what differs between two images.
pub(crate) fn run(arguments: &Diff, console: &Console) -> Result<Exit> {
    let inputs = [arguments.old.as_path(), &arguments.new];
    if inputs.iter().all(|path| *path == Path::new("-")) {
        return usage("only one of OLD and NEW can be stdin");
    }
    let options = options(arguments)?;
    let Reports { reports, format } = &arguments.reports;
    let format = match format {
        None if reports.is_empty() && !console.quiet => Some(Format::Text),
        format => *format,
    };
    let outputs = Outputs::new(None, None, reports, format, None)?;
    outputs.check(&inputs)?;
    let signals = Signals::listen()?;
    interruptible(console, &signals, |progress| {
        let open = |path: &Path| -> Result<Image> {
            let image = input::open(path, &arguments.reading, progress, &signals);
            progress.clear();
            image
        };
        let (old, new) = (open(&arguments.old)?, open(&arguments.new)?);
        let comparison = old.compare_with(&new, &options)?;
        signals.check()?;
        outputs.write_reports(
            &|format, color, out| comparison.write(format, out, color),
            None,
            console,
            &signals,
        )?;
        if !outputs.take_stdout() {
            console.summary(&format!("{}\n", comparison.counts()), true)?;
        }
        Ok(match comparison.is_same() {
            true => Exit::OK,
            false => Exit::FOUND,
        })
    })
}

fn options(arguments: &Diff) -> Result<CompareOptions> {
    let options = CompareOptions::new().strict(arguments.strict);
    let excludes = arguments.excludes.iter().map(|glob| format!("!{glob}"));
    let mut globs = arguments.paths.iter().cloned().chain(excludes);
    let options = globs.try_fold(options, |options, glob| options.path(&glob))?;
    let mut kinds = arguments.kinds.iter();
    kinds.try_fold(options, |options, kind| options.kind(kind))
}
