//! `casehard diff`.

use std::path::Path;

use casehard::report::of_name;
use casehard::{CompareOptions, Error, Image, Result};

use super::arguments::{Diff, When};
use super::console::Console;
use super::outputs::Outputs;
use super::progress::Progress;
use super::signals::Signals;
use super::{Exit, input};

/// Says what differs between two images.
pub(crate) fn run(arguments: &Diff, progress: When, console: &Console) -> Result<Exit> {
    let stdin = Path::new("-");
    if arguments.old == stdin && arguments.new == stdin {
        return Err(Error::Usage("only one of OLD and NEW can be stdin".into()));
    }
    let options = options(arguments)?;
    let limits = input::limits(&arguments.limits)?;
    let format = match arguments.format {
        None if arguments.reports.is_empty() && !console.is_quiet() => of_name(".txt"),
        format => format,
    };
    let outputs = Outputs::of_reports(&arguments.reports, format)?;
    let inputs = [arguments.old.as_path(), &arguments.new];
    outputs.check(&inputs)?;
    let signals = Signals::listen()?;
    let progress = Progress::new(progress, &signals);
    let work = || {
        let open = |path: &Path| -> Result<Image> {
            let callback = |phase, done, total| progress.advance(phase, done, total);
            let root_owned = arguments.root_owned && path.is_dir();
            let image = input::open(path, root_owned, limits, Some(&callback), &signals);
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
            true => Exit::Ok,
            false => Exit::Found,
        })
    };
    let done = work();
    progress.clear();
    match (done, signals.exit()) {
        (Err(_), Some(exit)) => {
            console.problem("interrupted");
            Ok(exit)
        }
        (done, _) => done,
    }
}

fn options(arguments: &Diff) -> Result<CompareOptions> {
    let mut options = CompareOptions::new().strict(arguments.strict);
    for glob in &arguments.paths {
        options = options.path(glob)?;
    }
    for glob in &arguments.excludes {
        options = options.path(&format!("!{glob}"))?;
    }
    for kind in &arguments.kinds {
        options = options.kind(kind)?;
    }
    Ok(options)
}
