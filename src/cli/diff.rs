//! `casehard diff`.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use casehard::{CompareOptions, Comparison, Error, Image, Result};

use super::arguments::{Diff, DiffFormat, When};
use super::console::Console;
use super::printable::printable_lines;
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
    let signals = Signals::listen()?;
    let progress = Progress::new(progress, &signals);
    let work = || {
        let open = |path: &Path| -> Result<Image> {
            let limits = input::limits(&arguments.limits)?;
            let callback = |phase, done, total| progress.advance(phase, done, total);
            let root_owned = arguments.root_owned && path.is_dir();
            let image = input::open(path, root_owned, limits, Some(&callback), &signals);
            progress.clear();
            image
        };
        let (old, new) = (open(&arguments.old)?, open(&arguments.new)?);
        let comparison = old.compare_with(&new, &options)?;
        signals.check()?;
        write(&comparison, arguments.format, console)?;
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

fn write(comparison: &Comparison<'_>, format: DiffFormat, console: &Console) -> Result<()> {
    let stdout = io::stdout().lock();
    let terminal = stdout.is_terminal();
    let mut out = BufWriter::with_capacity(64 << 10, stdout);
    match format {
        DiffFormat::Txt if console.is_quiet() => {}
        DiffFormat::Txt => comparison.write_txt(&mut out, console.colors_stdout())?,
        // These are bytes of the images, which a terminal would obey.
        _ if terminal => {
            let mut out = Printable(&mut out);
            raw(comparison, format, &mut out)?;
        }
        _ => raw(comparison, format, &mut out)?,
    }
    out.flush().map_err(|source| Error::Io {
        action: "write",
        path: "-".into(),
        source,
    })
}

fn raw(comparison: &Comparison<'_>, format: DiffFormat, out: &mut dyn Write) -> Result<()> {
    match format {
        DiffFormat::Diff => comparison.write_diff(out),
        _ => comparison.write_json(out),
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
