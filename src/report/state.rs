//! What a path stands for in a rootfs, and whether that differs in another.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bstr::{BString, ByteSlice};
use sha2::{Digest as _, Sha256};

use super::text::{TEXT_LIMIT, is_text};
use crate::error::{Error, Result};
use crate::image::{EntryKind, Image};
use crate::rootfs::{Content, Files, Inode, InodeId, Meta, Node, Rootfs};

/// A rootfs and the image that holds the contents of its files.
#[derive(Clone, Copy)]
pub(crate) struct Tree<'a> {
    pub(crate) image: &'a Image,
    pub(crate) rootfs: &'a Rootfs,
    pub(crate) known: &'a Known,
}

/// The digests of an image's entries that are no text: an entry can have many names, stand on both sides, and be in several
/// reports, and is read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<Mutex<BTreeMap<u32, Data>>>);

/// What a path stands for.
pub(crate) struct State<'a> {
    pub(crate) inode: &'a Inode,
    /// Of several headers of a hard link, the first that is not as on the other side.
    pub(crate) meta: &'a Meta,
    /// A regular file's content or a symbolic link's target.
    pub(crate) data: Option<Data>,
    /// Which inode it is in its tree.
    pub(super) id: InodeId,
    /// A few of the other names of the same file, as the archive has them, and how many there are.
    pub(super) others: (Vec<BString>, usize),
}

/// Bytes by their digest, and the bytes themselves if they can be shown.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) len: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) text: Option<Arc<[u8]>>,
    /// Whether the archive leaves out holes, so that the file has more bytes than these.
    pub(crate) sparse: bool,
}

impl<'a> Tree<'a> {
    fn files(&self) -> Files<'a> {
        Files::new(self.image, Cow::Borrowed(self.rootfs))
    }

    /// Whether a path stands for something else in another tree of the same image. Times do not count.
    pub(super) fn differs(&self, other: &Self, path: &[u8]) -> bool {
        let inode = |tree: &Self| tree.rootfs.at(path).map(|id| tree.rootfs.inode(id));
        match (inode(self), inode(other)) {
            (Some(a), Some(b)) => {
                a.implied() != b.implied()
                    || !a.metas().eq(b.metas())
                    || !same_node(&a.node, &b.node)
            }
            (a, b) => a.is_some() || b.is_some(),
        }
    }

    fn state(&self, id: InodeId, path: &[u8], header: usize) -> Result<State<'a>> {
        let inode = self.rootfs.inode(id);
        Ok(State {
            inode,
            id,
            meta: inode.metas().nth(header).unwrap_or(&inode.meta),
            data: self.data(id).map_err(|cause| Error::Io {
                action: "read",
                path: self.image.name().into(),
                cause,
            })?,
            others: self.rootfs.other_paths(id, path, 4),
        })
    }

    fn data(&self, id: InodeId) -> io::Result<Option<Data>> {
        match &self.rootfs.inode(id).node {
            Node::File(Content::Entry(entry, _)) => self.entry(id, *entry).map(Some),
            Node::File(Content::New(bytes)) => Ok(Some(Data::of(Arc::clone(bytes)))),
            Node::Symlink(target) => Ok(Some(Data::of(target.as_bytes().into()))),
            _ => Ok(None),
        }
    }

    fn entry(&self, id: InodeId, entry: u32) -> io::Result<Data> {
        let known = || self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(data) = known().get(&entry) {
            return Ok(data.clone());
        }
        let data = match self.files().small(id, TEXT_LIMIT)? {
            Some(bytes) => Data::of(bytes),
            None => {
                let (len, sha256) = self.files().digest(id)?;
                let kind = self.image.entry(entry).1.kind;
                Data {
                    len,
                    sha256,
                    text: None,
                    sparse: kind == EntryKind::SparseFile,
                }
            }
        };
        if data.text.is_none() {
            known().insert(entry, data.clone());
        }
        Ok(data)
    }
}

impl Data {
    fn of(bytes: Arc<[u8]>) -> Self {
        Self {
            len: bytes.len() as u64,
            sha256: Sha256::digest(&bytes).into(),
            text: Some(bytes).filter(|bytes| is_text(bytes)),
            sparse: false,
        }
    }
}

impl State<'_> {
    /// The type as the mode bits and git have it.
    pub(super) fn type_bits(&self) -> u32 {
        self.inode.type_bits()
    }

    /// Whether git and `patch` know this: they have no sections for directories, devices and pipes.
    pub(super) fn in_diffs(&self) -> bool {
        self.inode.is_file() || self.inode.symlink().is_some()
    }
}

/// What a path stands for on either side.
pub(crate) fn pair<'a>(
    before: Tree<'a>,
    after: Tree<'a>,
    path: &[u8],
) -> Result<(Option<State<'a>>, Option<State<'a>>)> {
    let ids = (before.rootfs.at(path), after.rootfs.at(path));
    let header = match ids {
        (Some(a), Some(b)) => {
            let (a, b) = (before.rootfs.inode(a), after.rootfs.inode(b));
            let mut metas = a.metas().zip(b.metas());
            metas.position(|(a, b)| a != b).unwrap_or(0)
        }
        _ => 0,
    };
    let state =
        |tree: Tree<'a>, id: Option<InodeId>| id.map(|id| tree.state(id, path, header)).transpose();
    Ok((state(before, ids.0)?, state(after, ids.1)?))
}

fn same_node(a: &Node, b: &Node) -> bool {
    match (a, b) {
        // What is in a directory has paths of its own.
        (Node::Directory(_), Node::Directory(_)) => true,
        _ => a == b,
    }
}
