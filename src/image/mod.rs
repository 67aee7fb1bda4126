//! Images: a tar stream with its compression, opened for reading at any place.
//!
//! This layer knows bytes, blocks and headers. What a path means, and that entries make a file tree, is `rootfs`'s to know.

mod acl;
mod codec;
mod contents;
mod decoding;
mod directory;
mod entry;
mod extensions;
mod fields;
mod gzip;
mod head;
mod index;
mod limits;
mod pax;
mod progress;
mod read_ahead;
mod reindex;
mod sink;
mod sparse;
mod spool;
mod stream;
mod streams;
mod walker;
mod xattrs;
mod zstd;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use self::decoding::Decoding;
use self::gzip::Gzip;
use self::zstd::Zstd;
use crate::error::{Error, Result};

pub use codec::Compression;
pub use entry::{Entry, EntryKind, Meta};
pub use index::Archive;
pub use limits::Limits;
pub use progress::{Phase, Progress};
pub use stream::{Piece, Splice, TarStream};

pub(crate) use codec::Encoder;
pub(crate) use contents::Contents;
pub(crate) use entry::Damage;
pub(crate) use head::{Format, Head, styled};
pub(crate) use limits::{Exceeded, too_long};
pub(crate) use progress::{Meter, is_stop};
pub(crate) use sink::{FileSink, Sink, StreamSink};
pub(crate) use stream::{Origin, Source};
pub(crate) use xattrs::ACCESS_LISTS;

/// An image that has been read and indexed. It is never changed: hardening gives a [`Plan`](crate::Plan), which writes a
/// new one.
#[derive(Debug)]
pub struct Image {
    name: String,
    compression: Compression,
    /// The bytes as they came; none for a directory.
    original: Option<Arc<File>>,
    stream: TarStream,
    archive: Archive,
    /// What the reader should know of how it was read.
    notes: Vec<String>,
}

/// How to open an image.
///
/// ```
/// # fn main() -> casehard::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("motd"), "hello").unwrap();
/// // A directory becomes a tar whose files all belong to root.
/// let image = casehard::OpenOptions::new().root_owned(true).open(dir.path())?;
/// assert_eq!(image.archive().entries().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Default)]
pub struct OpenOptions<'a> {
    root_owned: bool,
    limits: Limits,
    progress: Progress<'a>,
}

impl<'a> OpenOptions<'a> {
    /// The defaults: owners as they are, the usual limits, no progress.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For a directory: write every file as owned by root, whoever owns it on disk.
    #[must_use]
    pub fn root_owned(mut self, yes: bool) -> Self {
        self.root_owned = yes;
        self
    }

    /// How much the image may ask for.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Calls back while reading, and lets the callback stop it.
    #[must_use]
    pub fn progress(mut self, progress: Progress<'a>) -> Self {
        self.progress = progress;
        self
    }

    /// Opens a tarball of any known compression, or a directory.
    ///
    /// # Errors
    /// [`Error::Io`] where reading fails, [`Error::Image`] where the bytes are no tar that can be read in one way only,
    /// and [`Error::Interrupted`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Image> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let file = File::open(path).map_err(Error::io("open", path))?;
        let kind = file.metadata().map_err(Error::io("read", path))?;
        if kind.is_dir() {
            let (spooled, note) = directory::spool(path, self.root_owned, self.progress)?;
            let mut image = Image::indexed(name, None, spooled, self.limits)?;
            image.notes.extend(note);
            return Ok(image);
        }
        if !kind.is_file() {
            return self.read(name, file);
        }
        self.open_file(name, file)
    }

    /// Reads an image from a stream, such as standard input; `name` is what messages call it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(&self, name: impl Into<String>, input: impl Read) -> Result<Image> {
        let name = name.into();
        let mut input = self.limits.reader(input);
        // What is no image may have no end either.
        let first = spool::first_block(&name, &mut input)?;
        if Compression::detect(&first) == Compression::None {
            Archive::begins(&first).map_err(|damage| damage.of(&name))?;
        }
        let spooled = spool::spool(
            &name,
            (&first[..]).chain(input),
            &mut Meter::new(self.progress, Phase::Read, None),
        )?;
        self.open_file(name, spooled)
    }

    fn open_file(&self, name: String, file: File) -> Result<Image> {
        let path = Path::new(&name).to_owned();
        let failed = || Error::io("read", path.as_path());
        let mut magic = [0; Compression::MAGIC];
        let n = read_up_to(&file, &mut magic).map_err(failed())?;
        if n == 0 {
            return Err(Error::Image {
                image: name,
                offset: None,
                message: "the file is empty".into(),
            });
        }
        let compression = Compression::detect(&magic[..n]);
        let file = Arc::new(file);
        if compression == Compression::None {
            let tar = file.try_clone().map_err(failed())?;
            return Image::indexed(name, Some(file), tar, self.limits);
        }
        let total = file.metadata().map_err(failed())?.len();
        let mut meter = Meter::new(self.progress, Phase::Decompress, Some(total));
        if compression == Compression::Gzip {
            return Image::gzip(name, file, &mut meter, self.limits);
        }
        let packed = BufReader::with_capacity(64 << 10, meter.reader(&*file));
        let (source, archive) = if compression == Compression::Zstd {
            let scan = zstd::Scan::new(packed).map_err(failed())?;
            let (tar, scan, archive) = self.decode(&name, compression, total, scan)?;
            let zstd = Zstd::new(Arc::clone(&file), tar, scan);
            (Source::Zstd(Box::new(zstd)), archive)
        } else {
            let decoder = codec::decoder(compression, packed).map_err(failed())?;
            let (tar, _, archive) = self.decode(&name, compression, total, decoder)?;
            (Source::Plain(tar), archive)
        };
        Image::new(name, compression, Some(file), source, archive)
    }

    /// Decodes a file to a temporary one, and reads its entries meanwhile.
    fn decode<R: Read>(
        &self,
        name: &str,
        compression: Compression,
        packed: u64,
        decoder: R,
    ) -> Result<(File, R, Archive)> {
        let failed = |e| codec::failure(e, name, compression);
        let decoding = Decoding::new(decoder)?;
        let bytes = self.limits.bytes(&decoding, compression, packed);
        let archive =
            Archive::index(&bytes, self.limits).map_err(|d| d.of_decoded(name, failed))?;
        let (tar, decoder) = decoding.finish().map_err(failed)?;
        Ok((tar, decoder, archive))
    }
}

/// Reads from the start without moving what others see of the file's cursor.
fn read_up_to(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut file = file;
    file.rewind()?;
    let mut n = 0;
    while n < buffer.len() {
        match file.read(&mut buffer[n..])? {
            0 => break,
            more => n += more,
        }
    }
    file.rewind()?;
    Ok(n)
}

impl Image {
    /// Opens a tarball of any known compression, or a directory, with the default [`OpenOptions`].
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().open(path)
    }

    /// An image whose tar can be read at any place.
    fn indexed(
        name: String,
        original: Option<Arc<File>>,
        tar: File,
        limits: Limits,
    ) -> Result<Self> {
        let source = Source::Plain(tar);
        let stream = TarStream::new(source).map_err(Error::io("read", Path::new(&name)))?;
        let archive = Archive::index(&stream, limits).map_err(|damage| damage.of(&name))?;
        Ok(Self {
            name,
            compression: Compression::None,
            original,
            stream,
            archive,
            notes: Vec::new(),
        })
    }

    /// A gzipped image: indexed while it is decoded, which is done once.
    fn gzip(name: String, file: Arc<File>, meter: &mut Meter<'_>, limits: Limits) -> Result<Self> {
        let compression = Compression::Gzip;
        let failed = |e| codec::failure(e, &name, compression);
        let scan = Gzip::scan(&file, meter).map_err(failed)?;
        let packed = file.metadata().map_err(failed)?.len();
        let archive = Archive::index(&limits.bytes(&scan, compression, packed), limits)
            .map_err(|damage| damage.of_decoded(&name, failed))?;
        let gzip = Gzip::new(Arc::clone(&file), scan).map_err(failed)?;
        let source = Source::Gzip(Box::new(gzip));
        Self::new(name, compression, Some(file), source, archive)
    }

    fn new(
        name: String,
        compression: Compression,
        original: Option<Arc<File>>,
        source: Source,
        archive: Archive,
    ) -> Result<Self> {
        let stream = TarStream::new(source).map_err(Error::io("read", Path::new(&name)))?;
        Ok(Self {
            name,
            compression,
            original,
            stream,
            archive,
            notes: Vec::new(),
        })
    }

    /// What messages call the image: its path, or what [`OpenOptions::read`] was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the image is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The entries of its tar stream.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// The tar stream itself, without compression.
    pub fn stream(&self) -> &TarStream {
        &self.stream
    }

    /// What the reader should know of how the image was read.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The file as it came, compression and all; none for an image that was a directory.
    pub(crate) fn original(&self) -> Option<&File> {
        self.original.as_deref()
    }

    /// What the compressed file holds beside the tar that cannot be right for a changed one, as notes say it.
    pub(crate) fn invalid_when_changed(&self) -> Vec<String> {
        let mut notes = match self.stream.source() {
            Source::Plain(_) => Vec::new(),
            Source::Gzip(gzip) => gzip.left_out(),
            Source::Zstd(zstd) => zstd.left_out(),
        };
        if self.archive.entries().any(|e| e.path == STARGZ_INDEX) {
            notes.push(format!(
                "the image is an eStargz layer: {STARGZ_INDEX} and the footer speak of the image as it was; convert the hardened layer to eStargz anew"
            ));
        }
        notes
    }

    /// This image with splices laid over its tar stream, indexed anew. Nothing is copied.
    pub(crate) fn spliced(&self, splices: &[Splice]) -> Result<Self> {
        let stream = self.stream.spliced(splices);
        let archive = self
            .archive
            .reindex(&stream)
            .map_err(|damage| damage.of(&self.name))?;
        Ok(Self {
            name: self.name.clone(),
            compression: self.compression,
            original: None,
            stream,
            archive,
            notes: self.notes.clone(),
        })
    }

    /// Some bytes of the tar stream, at most `limit` of them.
    pub(crate) fn bytes(&self, range: Range<u64>, limit: u64) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        self.stream
            .reader(range)
            .take(limit)
            .read_to_end(&mut out)?;
        Ok(out)
    }
}

/// Where an eStargz layer keeps its table of contents.
const STARGZ_INDEX: &str = "stargz.index.json";

impl Damage {
    pub(crate) fn of(self, image: &str) -> Error {
        self.of_decoded(image, Error::io("read", Path::new(image)))
    }

    /// Of an image that is decoded while it is read; `failed` says what a read that fails means.
    fn of_decoded(self, image: &str, failed: impl FnOnce(io::Error) -> Error) -> Error {
        match self {
            Self::Tar { offset, message } => Error::Image {
                image: image.to_owned(),
                offset: Some(offset),
                message,
            },
            Self::Io(error) => failed(error),
        }
    }
}
