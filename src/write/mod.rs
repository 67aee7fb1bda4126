//! Writing a planned image: whole or not at all.

pub(crate) mod digests;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::edit::Outcome;
use crate::error::{Error, Result};
use crate::image::{
    Compression, Layer, Meter, Origin, Phase, Progress, Sink, Source, TarStream, compress, is_stop,
};
use crate::plan::Plan;
use crate::whole_file::WholeFile;

pub use digests::{Digest, Digests};

/// How to write an image.
#[derive(Clone, Copy, Default)]
pub struct WriteOptions<'a> {
    compression: Option<Compression>,
    progress: Progress<'a>,
}

impl<'a> WriteOptions<'a> {
    /// Returns the defaults: compressed as the output's name says, else as the input is; no progress.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the compression of the output, rather than the input's.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Calls back while writing, and lets the callback stop it.
    #[must_use]
    pub fn progress(mut self, progress: Progress<'a>) -> Self {
        self.progress = progress;
        self
    }
}

/// A hardened image that is whole and on disk, and does not have its name yet. Where it is dropped,
/// nothing is left of it.
///
/// ```
/// # fn main() -> casehard::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let (rootfs, hardened) = (dir.path().join("rootfs"), dir.path().join("hardened.tar"));
/// # std::fs::create_dir(&rootfs).unwrap();
/// # let (image, recipe) = (casehard::Image::open(&rootfs)?, casehard::Recipe::load("no-setid")?);
/// let plan = image.plan(&recipe)?;
/// let staged = plan.stage(&hardened, &casehard::WriteOptions::new())?;
/// let digests = plan.digests(staged.file())?;
/// let report = plan.report().digests(digests).to_json()?;
/// assert!(report.contains("sha256") && !hardened.exists());
/// staged.publish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Staged {
    whole: WholeFile,
    /// A path that leads to it until then.
    at: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// Returns the file that it is in until then, for this process.
    pub fn file(&self) -> &Path {
        &self.at
    }

    /// Returns whether that would be left where the process ended now.
    pub fn has_name(&self) -> bool {
        self.whole.has_name()
    }

    /// Gives it its name, in the place of what has that.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn publish(self) -> Result<()> {
        let path = self.path.as_path();
        self.whole.take_name().map_err(Error::io("write", path))?;
        // The rename itself must survive a crash too; not every file system can sync a directory.
        let _ = File::open(WholeFile::folder(path)).and_then(|d| d.sync_all());
        Ok(())
    }
}

impl Plan<'_> {
    /// Writes the hardened image to a file, which is there whole or not at all. Without any edit it
    /// is the input, byte for byte, unless the name's ending says another compression: `.tar` is none,
    /// `.tar.gz` and its like are theirs. An image that was a directory becomes a tar.
    ///
    /// # Errors
    /// [`Error::Unfulfilled`] where a rule failed, [`Error::Usage`] where `path` is the input
    /// itself, [`Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_with(path, &WriteOptions::new())
    }

    /// As [`write`](Self::write), with options.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`Error::Interrupted`].
    pub fn write_with(&self, path: impl AsRef<Path>, options: &WriteOptions<'_>) -> Result<()> {
        let path = path.as_ref();
        // A pipe or device is written to; putting a file in its place would take it away.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let output = Output::of(self, Some(path), options)?;
            let out = File::options().write(true).open(path);
            let out = out.map_err(Error::io("write", path))?;
            let written = output.encode(&mut Sink::file(&out, output.meter()));
            return written.map_err(|error| failure(error, "write", path));
        }
        self.stage(path, options)?.publish()
    }

    /// Writes the hardened image beside a file's place. It gets its name by [`Staged::publish`], so
    /// that reports that name the image by its digest can be written before.
    ///
    /// # Errors
    /// As [`write_with`](Self::write_with).
    pub fn stage(&self, path: impl AsRef<Path>, options: &WriteOptions<'_>) -> Result<Staged> {
        let path = path.as_ref();
        let output = Output::of(self, Some(path), options)?;
        if fs::metadata(path).is_ok_and(|there| output.is_input(&there)) {
            return Err(Error::Usage(format!(
                "{} is the input; an image is never changed in place, so name another output",
                path.display()
            )));
        }
        let folder = WholeFile::folder(path);
        let whole =
            WholeFile::beside(path).map_err(Error::io("create a temporary file in", folder))?;
        output
            .encode(&mut Sink::file(whole.file(), output.meter()))
            .and_then(|()| whole.file().sync_all())
            .map_err(|error| failure(error, "write", path))?;
        Ok(Staged {
            at: whole.path(),
            whole,
            path: path.to_owned(),
        })
    }

    /// Writes the hardened image to a stream, such as standard output.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`Error::Interrupted`].
    pub fn write_to(&self, out: impl Write, options: &WriteOptions<'_>) -> Result<()> {
        let output = Output::of(self, None, options)?;
        let mut sink = Sink::stream(out, output.meter());
        output
            .encode(&mut sink)
            .and_then(|()| sink.flush())
            .map_err(|e| {
                if is_stop(&e) {
                    Error::Interrupted
                } else {
                    Error::Output(e)
                }
            })
    }

    fn refuse_failed(&self) -> Result<()> {
        let failed = self.rules().iter().filter_map(|rule| match &rule.outcome {
            Outcome::Failed(why) => {
                let (label, at) = (rule.section.label(), &rule.section.at);
                Some(format!("`[{label}]` ({at}) failed: {why}"))
            }
            _ => None,
        });
        let failed: Vec<String> = failed.collect();
        if failed.is_empty() {
            return Ok(());
        }
        let failed = failed.join("; ");
        Err(Error::Unfulfilled(format!("no image is written: {failed}")))
    }

    /// Returns the layer that is hardened, and its tar stream as it will be.
    ///
    /// # Errors
    /// [`Error::Image`] where the image has several layers.
    pub(crate) fn only_layer(&self) -> Result<(&Layer, &TarStream)> {
        Ok((self.image.only_layer()?, &self.output[0]))
    }
}

/// What is written, and how.
struct Output<'p> {
    layer: &'p Layer,
    stream: &'p TarStream,
    /// Whether nothing is edited.
    same: bool,
    compression: Compression,
    progress: Progress<'p>,
}

impl<'p> Output<'p> {
    fn of(plan: &'p Plan<'_>, path: Option<&Path>, options: &WriteOptions<'p>) -> Result<Self> {
        plan.refuse_failed()?;
        let (layer, stream) = plan.only_layer()?;
        let named = || {
            let name = path?.to_string_lossy().to_ascii_lowercase();
            let says = Compression::from_name(&name);
            // A directory has no compression to keep.
            let is_said = says != Compression::None || name.ends_with(".tar");
            (is_said || layer.original().is_none()).then_some(says)
        };
        let compression = options.compression.or_else(named);
        let compression = compression.unwrap_or_else(|| layer.compression());
        Ok(Self {
            layer,
            stream,
            same: plan.edits.is_empty(),
            compression,
            progress: options.progress,
        })
    }

    fn is_input(&self, there: &fs::Metadata) -> bool {
        let same = |input: fs::Metadata| (input.dev(), input.ino()) == (there.dev(), there.ino());
        let original = self.layer.original();
        original.and_then(|f| f.metadata().ok()).is_some_and(same)
    }

    fn meter(&self) -> Meter<'p> {
        // How much compressed data comes out is not known before.
        let total = (self.compression == Compression::None).then_some(self.stream.len());
        Meter::new(self.progress, Phase::Write, total)
    }

    /// Writes the image by the shortest way: what is the same is copied, compressed as it is where
    /// that can be.
    fn encode(&self, out: &mut Sink<'_>) -> io::Result<()> {
        let same = self.same && self.compression == self.layer.compression();
        if let (true, Some(original)) = (same, self.layer.original()) {
            return out.copy(original, 0..original.metadata()?.len());
        }
        let (segments, source) = (self.stream.segments(), self.stream.source());
        match (source, self.compression, source.plain()) {
            (Source::Gzip(gzip), Compression::Gzip, _) => gzip.write_changed(segments, out),
            (Source::Zstd(zstd), Compression::Zstd, _) => zstd.write_changed(segments, out),
            (_, Compression::None, Some(file)) => {
                for segment in segments.iter() {
                    match &segment.from {
                        Origin::Input(start) => out.copy(file, *start..start + segment.len)?,
                        Origin::Memory(bytes) => out.write_all(bytes)?,
                    }
                }
                Ok(())
            }
            _ => compress(self.compression, out, |out| self.stream.write_to(out)),
        }
    }
}

fn failure(error: io::Error, action: &'static str, path: &Path) -> Error {
    if is_stop(&error) {
        Error::Interrupted
    } else {
        Error::io(action, path)(error)
    }
}
