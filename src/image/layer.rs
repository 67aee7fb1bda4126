//! A layer: an archive with its compression, opened for reading at any place.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::bytes::Bytes;
use super::codec::gzip::Gzip;
use super::codec::zstd::{self, Zstd};
use super::codec::{self, Compression, Decoding};
use super::limits::Limits;
use super::progress::{Meter, Phase};
use super::segments::Splice;
use super::stream::{Source, TarStream};
use super::tar::{Archive, BLOCK, Contents, Damage, Entry, Head, directory};
use super::{OpenOptions, spool};
use crate::error::{Error, Result};

/// An archive with its compression.
#[derive(Debug)]
pub struct Layer {
    name: String,
    /// The numbers of its entries in the image.
    numbers: Range<u32>,
    compression: Compression,
    /// The bytes as they came; none for a directory.
    original: Option<Arc<File>>,
    stream: TarStream,
    archive: Archive,
    /// What the reader should know of how it was read.
    notes: Vec<String>,
}

/// Where an eStargz layer keeps its table of contents.
const STARGZ_INDEX: &str = "stargz.index.json";

impl Layer {
    /// Returns how the layer is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Returns the entries of its tar stream.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Returns the tar stream itself, without compression.
    pub fn stream(&self) -> &TarStream {
        &self.stream
    }

    /// Opens a tarball or a directory.
    pub(super) fn open(path: &Path, options: &OpenOptions<'_>) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(Error::io("open", path))?;
        let kind = file.metadata().map_err(Error::io("read", path))?;
        if kind.is_dir() {
            let (tar, note) = directory::spool(path, options.root_owned, options.progress)?;
            let mut layer = Self::plain(name, Arc::new(tar), options.limits)?;
            (layer.original, layer.notes) = (None, note.into_iter().collect());
            return Ok(layer);
        }
        if !kind.is_file() {
            return Self::read(name, file, options);
        }
        Self::of_file(name, file, options)
    }

    /// Reads a tarball from a stream.
    pub(super) fn read(name: String, input: impl Read, options: &OpenOptions<'_>) -> Result<Self> {
        let mut input = options.limits.reader(input);
        // A stream that is not an image may have no end.
        let mut first = Vec::new();
        let read = input.by_ref().take(BLOCK).read_to_end(&mut first);
        read.map_err(|e| spool::unread(e, Path::new(&name)))?;
        if Compression::detect(&first) == Compression::None {
            Archive::begins(&first).map_err(|damage| damage.of(&name))?;
        }
        let spooled = spool::spool(
            &name,
            (&first[..]).chain(input),
            &mut Meter::new(options.progress, Phase::Read, None),
        )?;
        Self::of_file(name, spooled, options)
    }

    fn of_file(name: String, file: File, options: &OpenOptions<'_>) -> Result<Self> {
        let path = Path::new(&name).to_owned();
        let unread = || Error::io("read", path.as_path());
        let magic = magic(&file).map_err(unread())?;
        if magic.is_empty() {
            return Err(Error::image(name, "the file is empty"));
        }
        let compression = Compression::detect(&magic);
        let file = Arc::new(file);
        if compression == Compression::None {
            return Self::plain(name, file, options.limits);
        }
        let total = file.metadata().map_err(unread())?.len();
        let mut meter = Meter::new(options.progress, Phase::Decompress, Some(total));
        let failed = |e| codec::failure(e, &name, compression);
        let decoded = Decoded {
            name: &name,
            compression,
            packed: total,
            limits: options.limits,
        };
        let (source, archive) = if compression == Compression::Gzip {
            let scan = Gzip::scan(&file, meter).map_err(failed)?;
            let archive = decoded.index(&scan)?;
            let gzip = Gzip::new(Arc::clone(&file), scan).map_err(failed)?;
            (Source::Gzip(Box::new(gzip)), archive)
        } else {
            let packed = BufReader::with_capacity(64 << 10, meter.reader(&*file));
            if compression == Compression::Zstd {
                let scan = zstd::Scan::new(packed).map_err(unread())?;
                let (tar, scan, archive) = decoded.spool(scan)?;
                let zstd = Zstd::new(Arc::clone(&file), tar, scan);
                (Source::Zstd(Box::new(zstd)), archive)
            } else {
                let decoder = codec::decoder(compression, packed).map_err(unread())?;
                let (tar, _, archive) = decoded.spool(decoder)?;
                (Source::Plain(Arc::new(tar)), archive)
            }
        };
        let stream = TarStream::new(source).map_err(unread())?;
        Ok(Self::new(name, compression, Some(file), stream, archive))
    }

    /// Returns a layer whose tar can be read at any place.
    fn plain(name: String, tar: Arc<File>, limits: Limits) -> Result<Self> {
        let source = Source::Plain(Arc::clone(&tar));
        let stream = TarStream::new(source).map_err(Error::io("read", Path::new(&name)))?;
        let archive = Archive::index(&stream, limits).map_err(|damage| damage.of(&name))?;
        let compression = Compression::None;
        Ok(Self::new(name, compression, Some(tar), stream, archive))
    }

    fn new(
        name: String,
        compression: Compression,
        original: Option<Arc<File>>,
        stream: TarStream,
        archive: Archive,
    ) -> Self {
        Self {
            name,
            numbers: 0..0,
            compression,
            original,
            stream,
            archive,
            notes: Vec::new(),
        }
    }

    /// Numbers the entries from here on. Returns the number after the last.
    pub(super) fn number_from(&mut self, first: u32) -> u32 {
        let count = u32::try_from(self.archive.entries().len());
        let after = count.ok().and_then(|count| first.checked_add(count));
        self.numbers = first..after.expect("no machine has the memory for so many entries");
        self.numbers.end
    }

    /// Returns the numbers of its entries in the image.
    pub(crate) fn numbers(&self) -> Range<u32> {
        self.numbers.clone()
    }

    /// Returns an entry by its number in the image.
    pub(super) fn entry(&self, number: u32) -> Entry<'_> {
        self.archive.entry(number - self.numbers.start)
    }

    /// Returns what messages call the layer.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the reader should know of how it was read.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the file as it came, compression and all; none for a directory.
    pub(crate) fn original(&self) -> Option<&File> {
        self.original.as_deref()
    }

    /// Returns notes on what the compressed file holds beside the tar that cannot be right for a
    /// changed one.
    pub(super) fn invalid_when_changed(&self) -> Vec<String> {
        let mut notes = match self.stream.source() {
            Source::Plain(_) => Vec::new(),
            Source::Gzip(gzip) => gzip.left_out(),
            Source::Zstd(zstd) => zstd.left_out(),
        };
        if self.archive.entries().any(|e| e.path == STARGZ_INDEX) {
            notes.push(format!(
                "the image is an eStargz layer: {STARGZ_INDEX} and the footer describe the old image; convert the hardened layer to eStargz again"
            ));
        }
        notes
    }

    /// Returns this layer with splices laid over its tar stream, indexed anew.
    pub(super) fn spliced(&self, splices: &[Splice]) -> Result<Self> {
        let stream = self.stream.spliced(splices);
        let archive = self.archive.reindex(&stream);
        let archive = archive.map_err(|damage| damage.of(&self.name))?;
        let mut spliced = Self::new(self.name.clone(), self.compression, None, stream, archive);
        spliced.notes.clone_from(&self.notes);
        Ok(spliced)
    }

    /// Returns what an entry for a regular file holds.
    pub(crate) fn contents(&self, entry: &Entry) -> Result<Contents<'_>, Damage> {
        Contents::of(&self.stream, entry)
    }

    /// Returns the headers of an entry.
    pub(crate) fn head(&self, entry: &Entry) -> Result<Head, Damage> {
        Head::read(&self.stream, entry)
    }

    /// Returns some bytes of the tar stream, at most `limit` of them.
    pub(crate) fn bytes(&self, range: Range<u64>, limit: u64) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut bytes = self.stream.reader(range).take(limit);
        bytes.read_to_end(&mut out)?;
        Ok(out)
    }
}

/// A tar stream that is decoded while its entries are read, so that a hostile image is refused
/// where the first thing is wrong with it.
struct Decoded<'a> {
    name: &'a str,
    compression: Compression,
    /// The size of its compressed form.
    packed: u64,
    limits: Limits,
}

impl Decoded<'_> {
    fn index(&self, bytes: &impl Bytes) -> Result<Archive> {
        let bytes = self
            .limits
            .bytes(bytes, self.packed, self.compression.harmless());
        let failed = |e| codec::failure(e, self.name, self.compression);
        Archive::index(&bytes, self.limits).map_err(|damage| damage.of_decoded(self.name, failed))
    }

    /// Decodes to a temporary file. Returns that, the decoder, and the entries.
    fn spool<R: Read>(&self, decoder: R) -> Result<(File, R, Archive)> {
        let decoding = Decoding::new(decoder)?;
        let archive = self.index(&decoding)?;
        let (tar, decoder) = decoding
            .finish()
            .map_err(|e| codec::failure(e, self.name, self.compression))?;
        Ok((tar, decoder, archive))
    }
}

/// Reads what tells the compression, and leaves the file's cursor at its beginning.
fn magic(mut file: &File) -> io::Result<Vec<u8>> {
    let mut magic = Vec::new();
    file.rewind()?;
    file.take(Compression::MAGIC as u64)
        .read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(magic)
}

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
