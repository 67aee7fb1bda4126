//! Images: a stack of layers, each a tar stream with its compression, opened for reading at any
//! place.
//!
//! This module knows bytes, blocks and headers. What a path means, and that entries make a file
//! tree, is `rootfs`'s to know.

mod bytes;
mod codec;
mod layer;
mod limits;
mod progress;
mod read_ahead;
mod root;
mod segments;
mod sink;
mod spool;
mod stream;
mod tar;

use std::io::Read;
use std::path::Path;

use self::root::Root;
use crate::error::{Error, Result};

pub use self::tar::{Archive, Entry, EntryKind, Meta};
pub use codec::Compression;
pub use layer::Layer;
pub use limits::Limits;
pub use progress::{Phase, Progress};
pub use segments::{Piece, Splice};
pub use stream::TarStream;

pub(crate) use self::tar::{
    ACCESS_LISTS, Contents, Damage, Format, Head, RHT_LABEL, acl_as_text, styled,
};
pub(crate) use bytes::Bytes;
pub(crate) use codec::compress;
pub(crate) use limits::{Exceeded, too_long};
pub(crate) use progress::{Meter, is_stop};
pub(crate) use segments::Origin;
pub(crate) use sink::Sink;
pub(crate) use stream::Source;

/// An image that has been read and indexed: one or more layers, the lowest first. It is never
/// changed: hardening gives a [`Plan`](crate::Plan), which writes a new one.
///
/// Entries are numbered through the whole stack.
#[derive(Debug)]
pub struct Image {
    name: String,
    /// Never empty.
    layers: Vec<Layer>,
    /// The folder that stands for the root, if it is not the archive itself.
    root: Option<Root>,
}

/// How to open an image.
///
/// ```
/// # fn main() -> casehard::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("motd"), "hello").unwrap();
/// // A directory becomes a tar whose files all belong to root.
/// let image = casehard::OpenOptions::new().root_owned(true).open(dir.path())?;
/// assert_eq!(image.entries().count(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Default)]
pub struct OpenOptions<'a> {
    root_owned: bool,
    root: Option<&'a str>,
    limits: Limits,
    progress: Progress<'a>,
}

impl<'a> OpenOptions<'a> {
    /// Returns the defaults: owners as they are, the usual limits, no progress.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For a directory: writes every file as owned by root, not by its owner on disk.
    #[must_use]
    pub fn root_owned(mut self, yes: bool) -> Self {
        self.root_owned = yes;
        self
    }

    /// Takes a folder of the archive, such as `rootfs/`, for the root. What is outside of it is not
    /// looked at, and stays as it is. None is the archive itself.
    #[must_use]
    pub fn root(mut self, folder: Option<&'a str>) -> Self {
        self.root = folder;
        self
    }

    /// Sets how much the image may ask for.
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

    /// Opens a tarball of any known compression, or a directory, as an image of one layer.
    ///
    /// # Errors
    /// [`Error::Io`] where reading fails, [`Error::Image`] where the bytes are not a tar that can
    /// be read in one way only, and [`Error::Interrupted`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Image> {
        let layer = Layer::open(path.as_ref(), self)?;
        self.rooted(Image::stack(vec![layer]))
    }

    /// Reads an image from a stream, such as standard input; `name` is what messages call it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(&self, name: impl Into<String>, input: impl Read) -> Result<Image> {
        let layer = Layer::read(name.into(), input, self)?;
        self.rooted(Image::stack(vec![layer]))
    }

    fn rooted(&self, mut image: Image) -> Result<Image> {
        if let Some(folder) = self.root {
            image.root = Some(Root::find(&image, folder)?);
        }
        Ok(image)
    }
}

impl Image {
    /// Opens a tarball of any known compression, or a directory, with the default [`OpenOptions`].
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().open(path)
    }

    /// Returns what messages call the image: its path, or what [`OpenOptions::read`] was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the layers, the lowest first. There is at least one.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Returns how the image is compressed; of several layers, how the topmost is.
    pub fn compression(&self) -> Compression {
        self.top().compression()
    }

    /// Returns the entries of all layers in order. Their positions are their numbers.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        self.layers.iter().flat_map(|l| l.archive().entries())
    }

    /// Puts layers on top of each other, the lowest first.
    fn stack(mut layers: Vec<Layer>) -> Self {
        let mut first = 0;
        for layer in &mut layers {
            first = layer.number_from(first);
        }
        let name = layers.last().map(|top| top.name().to_owned());
        Self {
            name: name.unwrap_or_default(),
            layers,
            root: None,
        }
    }

    /// Returns the position of the layer that has an entry.
    pub(crate) fn layer_of(&self, number: u32) -> usize {
        self.layers
            .partition_point(|layer| layer.numbers().end <= number)
    }

    /// Returns an entry by its number, with the layer that has it.
    pub(crate) fn entry(&self, number: u32) -> (&Layer, Entry<'_>) {
        let layer = &self.layers[self.layer_of(number)];
        (layer, layer.entry(number))
    }

    /// Returns the layer that new entries go to.
    pub(crate) fn top(&self) -> &Layer {
        self.layers.last().expect("an image has a layer")
    }

    /// Returns the only layer, for steps that cannot handle several yet.
    ///
    /// # Errors
    /// [`Error::Image`] where there are more.
    pub(crate) fn only_layer(&self) -> Result<&Layer> {
        match &self.layers[..] {
            [layer] => Ok(layer),
            layers => {
                let message = format!(
                    "the image has {} layers; casehard writes images of one layer only",
                    layers.len()
                );
                Err(Error::image(&self.name, message))
            }
        }
    }

    /// Returns the bounds that the image was held to; all layers are opened with the same.
    pub(crate) fn limits(&self) -> Limits {
        self.top().archive().limits
    }

    /// Returns what the reader should know of how the image was read.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &String> {
        self.layers.iter().flat_map(Layer::notes)
    }

    /// Returns notes on what the compressed files hold beside the tar that cannot be right for a
    /// changed one.
    pub(crate) fn invalid_when_changed(&self) -> Vec<String> {
        let notes = self.layers.iter().map(Layer::invalid_when_changed);
        notes.flatten().collect()
    }

    /// Returns the layers' tar streams.
    pub(crate) fn streams(&self) -> Vec<TarStream> {
        let streams = self.layers.iter().map(Layer::stream);
        streams.cloned().collect()
    }

    /// Returns this image with splices laid over its layers' tar streams, indexed anew. Nothing is
    /// copied.
    pub(crate) fn spliced(&self, splices: &[Vec<Splice>]) -> Result<Self> {
        let layers = self.layers.iter().zip(splices);
        let spliced = layers.map(|(layer, own)| layer.spliced(own));
        let mut spliced = Self::stack(spliced.collect::<Result<_>>()?);
        spliced.root.clone_from(&self.root);
        Ok(spliced)
    }
}
