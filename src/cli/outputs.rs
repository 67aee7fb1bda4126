//! What a command writes: known to be possible before the long work, and whole or absent after it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use casehard::report::{FORMATS, Format, of_name};
use casehard::{Error, Result, WholeFile};

use super::arguments::Reports;
use super::console::Console;
use super::signals::Signals;

/// Where something goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `-`.
    Stdout,
    /// A file, or a device or pipe that has a name.
    File(PathBuf),
}

impl Target {
    fn new(path: &Path) -> Self {
        // To put a file in the place of these would break the machine for everyone else.
        let stdout = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        if stdout.iter().any(|name| path == Path::new(name)) {
            Self::Stdout
        } else {
            Self::File(path.to_owned())
        }
    }

    /// Whether writing there may have to wait for a reader.
    pub(crate) fn may_wait(&self) -> bool {
        self.path().is_none_or(is_special)
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path),
        }
    }
}

/// Writes what a command found out in a format, with colours or without.
pub(crate) type RenderFormat<'r> = &'r dyn Fn(&dyn Format, bool, &mut dyn Write) -> Result<()>;

/// Writes one of the outputs, with colours or without.
type Render<'r> = Box<dyn Fn(bool, &mut dyn Write) -> Result<()> + 'r>;

/// All that a command is to write.
pub(crate) struct Outputs {
    image: Option<Target>,
    reports: Vec<(&'static dyn Format, Target)>,
    lock: Option<Target>,
}

impl Outputs {
    /// Where the image goes, and the reports that were asked for.
    pub(crate) fn new(image: Option<&Path>, wanted: &Reports) -> Result<Self> {
        let mut reports = reports(&wanted.reports, wanted.format)?;
        if let Some(path) = &wanted.diff {
            reports.insert(0, (named("diff"), Target::new(path)));
        }
        let outputs = Self {
            image: image.map(Target::new),
            reports,
            lock: wanted.lock.as_deref().map(Target::new),
        };
        let on_stdout = outputs.targets().filter(|t| **t == Target::Stdout);
        if on_stdout.count() > 1 {
            return Err(Error::Usage(
                "only one of OUT, --diff, --report, --format and --lock can be stdout".into(),
            ));
        }
        if outputs.image == Some(Target::Stdout) && io::stdout().is_terminal() {
            return Err(Error::Usage(
                "stdout is a terminal, and an image is nothing to read there; pipe it on or name a file".into(),
            ));
        }
        Ok(outputs)
    }

    /// The reports on two images, one of them perhaps on stdout.
    pub(crate) fn of_reports(
        wanted: &[PathBuf],
        on_stdout: Option<&'static dyn Format>,
    ) -> Result<Self> {
        let outputs = Self {
            image: None,
            reports: reports(wanted, on_stdout)?,
            lock: None,
        };
        let on_stdout = outputs.targets().filter(|t| **t == Target::Stdout);
        if on_stdout.count() > 1 {
            return Err(Error::Usage("only one --report can be stdout".into()));
        }
        Ok(outputs)
    }

    /// Where the image goes, if one is written.
    pub(crate) fn image(&self) -> Option<&Target> {
        self.image.as_ref()
    }

    /// The file that the image goes to; none where that is a device or pipe, which cannot be taken back.
    pub(crate) fn file(&self) -> Option<&Path> {
        let image = self.image.as_ref().and_then(Target::path);
        image.filter(|path| !is_special(path))
    }

    /// Whether stdout has something else than the summary.
    pub(crate) fn take_stdout(&self) -> bool {
        self.targets().any(|target| *target == Target::Stdout)
    }

    /// Finds what would make the work vain or overwrite what it reads: same files, missing or write-protected folders.
    pub(crate) fn check(&self, inputs: &[&Path]) -> Result<()> {
        let mut known = Vec::new();
        for input in inputs {
            known.extend(Place::of(input).map(|place| (place, *input, true)));
        }
        for path in self.targets().filter_map(Target::path) {
            let Some(place) = Place::of(path) else {
                continue;
            };
            let twin = known.iter().find(|(other, ..)| place.meets(other));
            match (twin, &place) {
                (Some((Place::Directory(..), input, true)), _) => {
                    return usage(
                        path,
                        &format!("lies inside {}, which is read", input.display()),
                    );
                }
                (Some((_, input, true)), _) if *input == path => {
                    return usage(
                        path,
                        "is the input, and nothing is changed in place; name another file",
                    );
                }
                (Some((_, input, true)), _) => {
                    return usage(
                        path,
                        &format!(
                            "is {}, which is read, and nothing is changed in place",
                            input.display()
                        ),
                    );
                }
                (Some((_, other, false)), _) if *other == path => {
                    return usage(path, "is given for two outputs");
                }
                (Some((_, other, false)), _) => {
                    return usage(path, &format!("and {} are the same file", other.display()));
                }
                (None, Place::Directory(..)) => return usage(path, "is a directory; name a file"),
                (None, _) => known.push((place, path, false)),
            }
        }
        for path in self.targets().filter_map(Target::path) {
            if !is_special(path) {
                // A file without a name: it goes away by itself.
                let folder = WholeFile::folder(path);
                tempfile::tempfile_in(folder).map_err(|e| failed("create a file in", folder, e))?;
            }
        }
        Ok(())
    }

    /// Whether a report says the digests of what is read and written.
    pub(crate) fn have_digests(&self) -> bool {
        self.reports.iter().any(|(format, _)| format.has_digests())
    }

    /// Whether a lock is to be written.
    pub(crate) fn wants_lock(&self) -> bool {
        self.lock.is_some()
    }

    /// Writes diff and reports, and a lock if there is one to write. All files are whole before any gets its name. `render`
    /// writes a format, with colours or without.
    pub(crate) fn write_reports(
        &self,
        render: RenderFormat<'_>,
        lock: Option<String>,
        console: &Console,
        signals: &Signals,
    ) -> Result<()> {
        let mut wanted: Vec<(&Target, bool, Render<'_>)> = Vec::new();
        for (format, target) in &self.reports {
            let write = move |color, out: &mut dyn Write| render(*format, color, out);
            wanted.push((target, format.is_for_terminals(), Box::new(write)));
        }
        if let Some((lock, target)) = lock.zip(self.lock.as_ref()) {
            let write = move |_, out: &mut dyn Write| {
                let written = out.write_all(lock.as_bytes());
                written.map_err(Error::Output)
            };
            wanted.push((target, true, Box::new(write)));
        }
        let (mut staged, mut direct) = (Vec::new(), Vec::new());
        for (target, for_terminals, write) in wanted {
            match target {
                Target::File(path) if !target.may_wait() => {
                    staged.push((stage(path, &write)?, path.as_path()));
                }
                other => direct.push((other, for_terminals, write)),
            }
        }
        for (file, path) in staged {
            file.take_name().map_err(|e| failed("write", path, e))?;
        }
        for (target, for_terminals, write) in direct {
            signals.while_waiting(|| match target {
                Target::Stdout => {
                    console.stream(for_terminals, |out| write(console.colors_stdout(), out))
                }
                Target::File(path) => {
                    let file = File::options().write(true).open(path);
                    let file = file.map_err(|e| failed("write", path, e))?;
                    write_into(&file, path, &write)
                }
            })?;
        }
        Ok(())
    }

    fn targets(&self) -> impl Iterator<Item = &Target> {
        let reports = self.reports.iter().map(|(_, target)| target);
        self.image.iter().chain(reports).chain(&self.lock)
    }
}

/// The format that a report's name asks for. `-` has no ending: it is what `--format` says, or the one that programs read.
fn format(path: &Path, on_stdout: Option<&'static dyn Format>) -> Result<&'static dyn Format> {
    if Target::new(path) == Target::Stdout {
        return Ok(on_stdout.unwrap_or_else(|| named("json")));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    of_name(&name).ok_or_else(|| {
        let known = FORMATS.map(|format| format!(".{}", format.name()));
        Error::Usage(format!(
            "--report {}: the name's ending says which format is wanted; known are {}",
            path.display(),
            known.join(", ")
        ))
    })
}

fn named(name: &str) -> &'static dyn Format {
    let format = FORMATS.into_iter().find(|format| format.name() == name);
    format.expect("the table has it")
}

/// The reports by their names, and the one on stdout if no name asks for that.
fn reports(
    paths: &[PathBuf],
    on_stdout: Option<&'static dyn Format>,
) -> Result<Vec<(&'static dyn Format, Target)>> {
    let mut reports = Vec::new();
    for path in paths {
        reports.push((format(path, on_stdout)?, Target::new(path)));
    }
    let named = reports.iter().any(|(_, target)| *target == Target::Stdout);
    let more = on_stdout.filter(|_| !named);
    reports.extend(more.map(|format| (format, Target::Stdout)));
    Ok(reports)
}

/// A file beside its place, whole and on disk.
fn stage(path: &Path, write: &Render<'_>) -> Result<WholeFile> {
    let folder = WholeFile::folder(path);
    let whole = WholeFile::beside(path).map_err(|e| failed("create a file in", folder, e))?;
    write_into(whole.file(), path, write)?;
    let synced = whole.file().sync_all();
    synced.map_err(|e| failed("write", path, e))?;
    Ok(whole)
}

/// Writes without colours. What writes does not know the file's name, so its error is `Error::Output`.
fn write_into(file: &File, path: &Path, write: &Render<'_>) -> Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, file);
    let written = write(false, &mut out).map_err(|error| match error {
        Error::Output(cause) => failed("write", path, cause),
        other => other,
    });
    written.and_then(|()| out.flush().map_err(|e| failed("write", path, e)))
}

/// What tells whether two paths are one file.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A file that exists.
    File(u64, u64),
    /// A file that does not: the folder, without links, and a name in it.
    New(PathBuf, OsString),
    /// A directory, without links.
    Directory(PathBuf),
}

impl Place {
    /// None where it does not matter, as for a device, or cannot be known.
    fn of(path: &Path) -> Option<Self> {
        match fs::metadata(path) {
            Ok(there) if there.is_file() => Some(Self::File(there.dev(), there.ino())),
            Ok(there) if there.is_dir() => path.canonicalize().ok().map(Self::Directory),
            Ok(_) => None,
            Err(_) => {
                let folder = WholeFile::folder(path).canonicalize().ok()?;
                Some(Self::New(folder, path.file_name()?.to_owned()))
            }
        }
    }

    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::New(folder, _), Self::Directory(above)) => folder.starts_with(above),
            _ => self == other,
        }
    }
}

/// A device or a pipe: written to, where anything else is replaced.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

fn usage<T>(path: &Path, what: &str) -> Result<T> {
    Err(Error::Usage(format!("{} {what}", path.display())))
}

fn failed(action: &'static str, path: &Path, cause: io::Error) -> Error {
    Error::Io {
        action,
        path: path.to_owned(),
        cause,
    }
}
