//! Writing a planned image: whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::error::{Error, Result};
use crate::image::{
    Compression, Encoder, Meter, Origin, Phase, Progress, TarStream, gzip_header, is_stop,
};
use crate::plan::Plan;

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
        let directory = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new()
            .prefix(".casehard-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory)
            .map_err(Error::io("create a temporary file in", directory))?;
        let out = temporary
            .as_file()
            .try_clone()
            .map_err(Error::io("write", path))?;
        self.encode_file(out, &options)
            .and_then(|out| out.sync_all())
            .map_err(failed)?;
        temporary
            .persist(path)
            .map_err(|e| Error::io("write", path)(e.error))?;
        // The rename itself must survive a crash too; not every file system can sync a directory.
        let _ = File::open(directory).and_then(|d| d.sync_all());
        Ok(())
    }

    /// Writes the hardened image to a stream, such as standard output.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`Error::Interrupted`].
    pub fn write_to(&self, out: impl Write, options: &WriteOptions<'_>) -> Result<()> {
        self.refuse_failed()?;
        self.encode(out, options)
            .and_then(|mut out| out.flush())
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

    /// A plain tar goes from file to file inside the kernel.
    fn encode_file(&self, mut out: File, options: &WriteOptions<'_>) -> io::Result<File> {
        if self.target(options) != Compression::None {
            return self.encode(out, options);
        }
        let mut meter = Meter::new(options.progress, Phase::Write, Some(self.output.len()));
        copy_in_kernel(&self.output, &mut out, &mut meter)?;
        Ok(out)
    }

    fn encode<W: Write>(&self, mut out: W, options: &WriteOptions<'_>) -> io::Result<W> {
        let target = self.target(options);
        if let (true, Some(mut original)) = (
            self.edits.is_empty() && target == self.image.compression(),
            self.image.original(),
        ) {
            let mut meter = Meter::new(
                options.progress,
                Phase::Write,
                Some(original.metadata()?.len()),
            );
            original.rewind()?;
            copy(original, &mut out, &mut meter)?;
            return Ok(out);
        }
        let header = match (self.image.compression(), self.image.original()) {
            (Compression::Gzip, Some(mut original)) => {
                original.rewind()?;
                gzip_header(original)
            }
            _ => None,
        };
        let mut encoder = Encoder::new(target, out, header.as_ref())?;
        let mut meter = Meter::new(options.progress, Phase::Write, Some(self.output.len()));
        copy(
            self.output.reader(0..self.output.len()),
            &mut encoder,
            &mut meter,
        )?;
        encoder.finish()
    }
}

fn failure(error: io::Error, action: &'static str, path: &Path) -> Error {
    if is_stop(&error) {
        Error::Interrupted
    } else {
        Error::io(action, path)(error)
    }
}

fn copy(mut input: impl Read, out: &mut impl Write, meter: &mut Meter<'_>) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                out.write_all(&buffer[..n])?;
                meter.advance(n as u64)?;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Copies a stream to a file; what comes from a file goes by `copy_file_range`, which `io::copy` uses where it can.
fn copy_in_kernel(stream: &TarStream, out: &mut File, meter: &mut Meter<'_>) -> io::Result<()> {
    const STEP: u64 = 64 << 20;
    let mut input = stream.file();
    for segment in stream.segments() {
        match &segment.from {
            Origin::Memory(bytes) => {
                out.write_all(bytes)?;
                meter.advance(segment.len)?;
            }
            Origin::File(start) => {
                input.seek(SeekFrom::Start(*start))?;
                let mut left = segment.len;
                while left > 0 {
                    let n = io::copy(&mut input.take(left.min(STEP)), out)?;
                    if n == 0 {
                        return Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            "the image became shorter while it was read",
                        ));
                    }
                    left -= n;
                    meter.advance(n)?;
                }
            }
        }
    }
    Ok(())
}
