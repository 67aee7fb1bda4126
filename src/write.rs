//! Writing a planned image: whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::image::{
    Compression, Encoder, FileSink, Meter, Origin, Phase, Progress, Sink, Source, StreamSink,
    is_stop,
};
use crate::plan::Plan;
use crate::whole_file::WholeFile;

/// How to write an image.
#[derive(Clone, Copy, Default)]
pub struct WriteOptions<'a> {
    compression: Option<Compression>,
    progress: Progress<'a>,
}

impl<'a> WriteOptions<'a> {
    /// The defaults: compressed as the input is, no progress.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The compression of the output, rather than the input's.
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

impl Plan<'_> {
    /// Writes the hardened image to a file, which is there whole or not at all. Without any edit it is the input, byte for
    /// byte. An image that was a directory becomes a tar, compressed as the name's ending says.
    ///
    /// # Errors
    /// [`Error::Unfulfilled`] where a rule failed, [`Error::Usage`] where `path` is the input itself, [`Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_with(path, &WriteOptions::new())
    }

    /// As [`write`](Self::write), with options.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`Error::Interrupted`].
    pub fn write_with(&self, path: impl AsRef<Path>, options: &WriteOptions<'_>) -> Result<()> {
        let path = path.as_ref();
        self.refuse_failed()?;
        let by_name = || Compression::from_name(&path.to_string_lossy());
        let options = match self.image.original() {
            None if options.compression.is_none() => options.compression(by_name()),
            _ => *options,
        };
        let failed = |error| failure(error, "write", path);
        match fs::metadata(path) {
            // A pipe or device is written to; putting a file in its place would take it away.
            Ok(there) if !there.is_file() => {
                let out = File::options()
                    .write(true)
                    .open(path)
                    .map_err(Error::io("write", path))?;
                return self.encode_file(out, &options).map(drop).map_err(failed);
            }
            Ok(there) if self.is_input(&there) => {
                return Err(Error::Usage(format!(
                    "{} is the input; an image is never changed in place, so name another output",
                    path.display()
                )));
            }
            _ => {}
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let whole =
            WholeFile::beside(path).map_err(Error::io("create a temporary file in", folder))?;
        let out = whole.file().try_clone().map_err(failed)?;
        self.encode_file(out, &options)
            .and_then(|_| whole.take_name())
            .map_err(failed)?;
        // The name must survive a crash too; not every file system can sync a directory.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Writes the hardened image to a stream, such as standard output.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`Error::Interrupted`].
    pub fn write_to(&self, out: impl Write, options: &WriteOptions<'_>) -> Result<()> {
        self.refuse_failed()?;
        let mut meter = self.meter(options);
        let mut sink = StreamSink {
            out,
            meter: &mut meter,
        };
        self.encode(&mut sink, self.target(options))
            .and_then(|()| sink.flush())
            .map_err(|e| failure(e, "write", Path::new("-")))
    }

    fn refuse_failed(&self) -> Result<()> {
        if self.failed() {
            return Err(Error::Unfulfilled(
                "a rule failed, so no image is written".into(),
            ));
        }
        Ok(())
    }

    fn is_input(&self, there: &fs::Metadata) -> bool {
        let same = |input: fs::Metadata| (input.dev(), input.ino()) == (there.dev(), there.ino());
        self.image
            .original()
            .and_then(|f| f.metadata().ok())
            .is_some_and(same)
    }

    fn target(&self, options: &WriteOptions<'_>) -> Compression {
        options.compression.unwrap_or(self.image.compression())
    }

    fn encode_file(&self, file: File, options: &WriteOptions<'_>) -> io::Result<File> {
        let mut meter = self.meter(options);
        let mut sink = FileSink {
            file,
            meter: &mut meter,
        };
        self.encode(&mut sink, self.target(options))?;
        Ok(sink.file)
    }

    fn meter<'p>(&self, options: &WriteOptions<'p>) -> Meter<'p> {
        // How much compressed data comes out is not known before.
        let total = (self.target(options) == Compression::None).then_some(self.output.len());
        Meter::new(options.progress, Phase::Write, total)
    }

    /// Writes the image by the shortest way: what is the same is copied, compressed as it is where that can be.
    fn encode(&self, out: &mut impl Sink, target: Compression) -> io::Result<()> {
        let same = target == self.image.compression();
        if let (true, true, Some(original)) = (self.edits.is_empty(), same, self.image.original()) {
            return out.copy(original, 0..original.metadata()?.len());
        }
        let source = self.output.source();
        match (source, target, source.plain()) {
            (Source::Gzip(gzip), Compression::Gzip, _) => gzip.write_changed(&self.output, out),
            (Source::Zstd(zstd), Compression::Zstd, _) => zstd.write_changed(&self.output, out),
            (_, Compression::None, Some(file)) => {
                for segment in self.output.segments() {
                    match &segment.from {
                        Origin::Input(start) => out.copy(file, *start..start + segment.len)?,
                        Origin::Memory(bytes) => out.write_all(bytes)?,
                    }
                }
                Ok(())
            }
            _ => {
                let mut encoder = Encoder::new(target, out)?;
                self.output.copy_to(0..self.output.len(), &mut encoder)?;
                encoder.finish().map(drop)
            }
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
