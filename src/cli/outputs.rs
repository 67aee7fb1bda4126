//! What a command writes: checked before the long work, and complete or absent after it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use casehard::report::Format;
use casehard::{Error, Result, WholeFile};

use super::console::Console;
use super::signals::Signals;
use super::{failed, usage};

/// Where an output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `-`.
    Stdout,
    /// A file, or a device or pipe that has a name.
    File(PathBuf),
}

impl Target {
    fn new(path: &Path) -> Self {
        // Replacing one of these by a file would break the machine for everyone else.
        let stdout = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        if stdout.iter().any(|name| path == Path::new(name)) {
            Self::Stdout
        } else {
            Self::File(path.to_owned())
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path),
        }
    }
}

/// Writes a command's findings in a format, with colours or without.
pub(crate) type Render<'r> = &'r dyn Fn(Format, bool, &mut dyn Write) -> Result<()>;

/// All outputs of a command.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// Where the image goes, if one is written.
    pub(crate) image: Option<Target>,
    reports: Vec<(Format, Target)>,
    /// Where a lock goes, if one is wanted.
    pub(crate) lock: Option<Target>,
}

impl Outputs {
    /// Collects the outputs of a command. The report on stdout is that of `--report -`, if there is one.
    pub(crate) fn new(
        image: Option<&Path>,
        diff: Option<&Path>,
        reports: &[PathBuf],
        mut on_stdout: Option<Format>,
        lock: Option<&Path>,
    ) -> Result<Self> {
        let mut outputs = Self {
            image: image.map(Target::new),
            reports: Vec::new(),
            lock: lock.map(Target::new),
        };
        let diff = diff.map(|path| (Format::Diff, Target::new(path)));
        outputs.reports.extend(diff);
        for path in reports {
            let target = Target::new(path);
            let format = match target {
                Target::Stdout => on_stdout.take().or(Some(Format::Json)),
                Target::File(_) => Format::of_name(&path.to_string_lossy()),
            };
            let format = format.ok_or_else(|| {
                let known = Format::ALL.map(|format| format!(".{}", format.name()));
                Error::Usage(format!(
                    "--report {}: the extension picks the format: use one of {}",
                    path.display(),
                    known.join(", ")
                ))
            })?;
            outputs.reports.push((format, target));
        }
        let on_stdout = on_stdout.map(|format| (format, Target::Stdout));
        outputs.reports.extend(on_stdout);
        let on_stdout = outputs.targets().filter(|t| **t == Target::Stdout);
        if on_stdout.count() > 1 {
            return usage("only one output can go to stdout; name a file for the others");
        }
        if outputs.image == Some(Target::Stdout) && io::stdout().is_terminal() {
            return usage("stdout is a terminal; pipe the image on or name a file");
        }
        Ok(outputs)
    }

    /// Returns the file that the image goes to; none for a device or pipe, which cannot be taken back.
    pub(crate) fn file(&self) -> Option<&Path> {
        let image = self.image.as_ref().and_then(Target::path);
        image.filter(|path| !is_special(path))
    }

    /// Returns true if an output goes to stdout, so that the summary cannot.
    pub(crate) fn take_stdout(&self) -> bool {
        self.targets().any(|target| *target == Target::Stdout)
    }

    /// Finds what would make the work pointless or overwrite an input: two names of one file, missing or read-only folders.
    pub(crate) fn check(&self, inputs: &[&Path]) -> Result<()> {
        let known = inputs.iter();
        let known = known.filter_map(|input| Some((Location::of(input)?, *input, true)));
        let mut known: Vec<_> = known.collect();
        for path in self.targets().filter_map(Target::path) {
            let Some(location) = Location::of(path) else {
                continue;
            };
            let twin = known.iter().find(|(other, ..)| location.meets(other));
            let wrong = match twin {
                None if matches!(location, Location::Directory(_)) => {
                    "is a directory; name a file".to_owned()
                }
                None => {
                    known.push((location, path, false));
                    continue;
                }
                Some((Location::Directory(_), input, true)) => {
                    format!("lies inside the input {}", input.display())
                }
                Some((_, input, true)) if *input == path => {
                    "is an input, and casehard changes nothing in place; name another file".into()
                }
                Some((_, input, true)) => {
                    format!("is the same file as the input {}", input.display())
                }
                Some((_, other, false)) if *other == path => "is given for two outputs".into(),
                Some((_, other, false)) => format!("and {} are the same file", other.display()),
            };
            return usage(format!("{} {wrong}", path.display()));
        }
        for path in self.targets().filter_map(Target::path) {
            if !is_special(path) {
                // A file without a name, which vanishes by itself.
                let folder = WholeFile::folder(path);
                tempfile::tempfile_in(folder).map_err(failed("create a file in", folder))?;
            }
        }
        Ok(())
    }

    /// Returns true if a report names the image by its digests.
    pub(crate) fn have_digests(&self) -> bool {
        self.reports.iter().any(|(format, _)| format.has_digests())
    }

    /// Writes the reports, and a lock if there is one. All files are complete before the first gets its name.
    pub(crate) fn write_reports(
        &self,
        render: Render<'_>,
        lock: Option<&str>,
        console: &Console,
        signals: &Signals,
    ) -> Result<()> {
        let reports = self.reports.iter();
        let reports = reports.map(|(format, target)| (Some(*format), target));
        let locks = self.lock.iter().filter(|_| lock.is_some());
        let wanted = reports.chain(locks.map(|target| (None, target)));
        let write = |format: Option<Format>, color, out: &mut dyn Write| match format {
            Some(format) => render(format, color, out),
            None => {
                let lock = lock.unwrap_or_default();
                out.write_all(lock.as_bytes()).map_err(Error::Output)
            }
        };
        let write_file = |format, file: &File, path: &Path| {
            let mut out = BufWriter::with_capacity(64 << 10, file);
            let written = write(format, false, &mut out).map_err(|error| match error {
                Error::Output(cause) => failed("write", path)(cause),
                other => other,
            });
            written.and_then(|()| out.flush().map_err(failed("write", path)))
        };
        let (mut staged, mut direct) = (Vec::new(), Vec::new());
        for (format, target) in wanted {
            let Some(path) = target.path().filter(|path| !is_special(path)) else {
                direct.push((format, target));
                continue;
            };
            let folder = WholeFile::folder(path);
            let whole = WholeFile::beside(path).map_err(failed("create a file in", folder))?;
            write_file(format, whole.file(), path)?;
            whole.file().sync_all().map_err(failed("write", path))?;
            staged.push((whole, path));
        }
        for (whole, path) in staged {
            whole.take_name().map_err(failed("write", path))?;
        }
        // These may have to wait for a reader.
        for (format, target) in direct {
            signals.while_waiting(|| match target {
                Target::Stdout => {
                    let for_terminals = format.is_none_or(Format::is_for_terminals);
                    let color = console.color_stdout;
                    console.stream(for_terminals, |out| write(format, color, out))
                }
                Target::File(path) => {
                    let file = File::options().write(true).open(path);
                    write_file(format, &file.map_err(failed("write", path))?, path)
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

/// What identifies the file that a path names.
#[derive(Debug, PartialEq, Eq)]
enum Location {
    /// An existing file, by device and inode.
    File(u64, u64),
    /// A file to be created: its folder, with links resolved, and its name there.
    New(PathBuf, OsString),
    /// A directory, with links resolved.
    Directory(PathBuf),
}

impl Location {
    /// Returns none if it does not matter, as for a device, or cannot be known.
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

/// Returns true for a device or a pipe: casehard writes to those, and replaces anything else.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}
