//! One of two trees, and what its paths stand for.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bstr::{BString, ByteSlice};
use sha2::{Digest as _, Sha256};

use super::PathChange;
use super::text::{TEXT_LIMIT, is_text};
use crate::error::{Error, Result};
use crate::image::{EntryKind, Image};
use crate::rootfs::{Content, Files, Inode, InodeId, Meta, Node, Rootfs};

/// A tree with the contents of its files, and the digests of those that were read.
#[derive(Clone, Debug)]
pub(crate) struct Side<'a> {
    pub(crate) image: &'a Image,
    files: Files<'a>,
    known: Known,
}

/// The contents of an image's entries that are not text. An entry can have many names, stand on
/// both sides and be in several reports; it is read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<Mutex<BTreeMap<u32, Data>>>);

/// What a path stands for.
pub(crate) struct State<'a> {
    pub(crate) inode: &'a Inode,
    /// Of several headers of a hard link, the first that differs from the other side's.
    pub(crate) meta: &'a Meta,
    /// The content of a regular file or the target of a symbolic link.
    pub(crate) data: Option<Data>,
}

/// The digest of some bytes, and the bytes themselves if they can be shown.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) len: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) text: Option<Arc<[u8]>>,
    /// Whether the archive leaves out holes, so that the file is longer than `len`.
    pub(crate) sparse: bool,
}

impl<'a> Side<'a> {
    pub(crate) fn new(image: &'a Image, files: Files<'a>, known: &Known) -> Self {
        Self {
            image,
            files,
            known: known.clone(),
        }
    }

    pub(crate) fn files(&self) -> &Files<'a> {
        &self.files
    }

    pub(crate) fn rootfs(&self) -> &Rootfs {
        self.files.rootfs()
    }

    pub(crate) fn inode(&self, id: InodeId) -> &Inode {
        self.rootfs().inode(id)
    }

    /// Returns the image's file name. The folder says where a build ran, and no report depends on
    /// that.
    pub(crate) fn name(&self) -> &'a str {
        let name = self.image.name().trim_end_matches('/');
        name.rsplit('/').next().unwrap_or(name)
    }

    pub(crate) fn failed(&self, cause: io::Error) -> Error {
        Error::Io {
            action: "read",
            path: self.image.name().into(),
            cause,
        }
    }

    /// Returns the content of a file or the target of a link.
    pub(super) fn data(&self, id: InodeId) -> Result<Option<Data>> {
        Ok(match &self.inode(id).node {
            Node::File(Content::Entry(entry, _)) => {
                let data = self.entry(id, *entry);
                Some(data.map_err(|error| self.failed(error))?)
            }
            Node::File(Content::New(bytes)) => Some(Data::of(Arc::clone(bytes))),
            Node::Symlink(target) => Some(Data::of(target.as_bytes().into())),
            _ => None,
        })
    }

    fn entry(&self, id: InodeId, entry: u32) -> io::Result<Data> {
        let known = || self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(data) = known().get(&entry) {
            return Ok(data.clone());
        }
        let data = match self.files.small(id, TEXT_LIMIT)? {
            Some(bytes) => Data::of(bytes),
            None => {
                let (len, sha256) = self.files.digest(id)?;
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

impl PathChange {
    /// Reads what the path stands for on either side.
    pub(crate) fn states<'s>(
        &self,
        old: &'s Side<'_>,
        new: &'s Side<'_>,
    ) -> Result<[Option<State<'s>>; 2]> {
        let header = match (self.old, self.new) {
            (Some(a), Some(b)) => {
                let mut metas = old.inode(a).metas().zip(new.inode(b).metas());
                metas.position(|(a, b)| a != b).unwrap_or(0)
            }
            _ => 0,
        };
        let state = |side: &'s Side<'_>, id: Option<InodeId>| -> Result<Option<State<'s>>> {
            let Some(id) = id else { return Ok(None) };
            let inode = side.inode(id);
            Ok(Some(State {
                inode,
                meta: inode.metas().nth(header).unwrap_or(&inode.meta),
                data: side.data(id)?,
            }))
        };
        Ok([state(old, self.old)?, state(new, self.new)?])
    }

    /// Returns the path on the old side.
    pub(crate) fn old_path(&self) -> &BString {
        self.from.as_ref().unwrap_or(&self.path)
    }
}
