//! A rootfs with the bytes behind it, read only: what every model of the system reads.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use bstr::ByteSlice;
use sha2::{Digest as _, Sha256};

use super::{Content, InodeId, Node, Rootfs};
use crate::error::{Error, Result, Stop, fail};
use crate::image::{EntryKind, Image};

/// The largest file that is read as text, in bytes. Real configuration files are a thousand times smaller.
pub(crate) const TEXT_LIMIT: u64 = 16 << 20;

/// A file tree and the image that holds its contents.
///
/// ```no_run
/// # fn main() -> casehard::Result<()> {
/// let image = casehard::Image::open("rootfs.tar.gz")?;
/// let files = image.files()?;
/// if let Some(text) = files.read("/etc/os-release")? {
///     println!("{}", String::from_utf8_lossy(&text));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Files<'i> {
    image: &'i Image,
    rootfs: Cow<'i, Rootfs>,
}

impl Image {
    /// Returns the file tree that extracting the image would give, with the contents of its files.
    ///
    /// # Errors
    /// As [`Image::rootfs`].
    pub fn files(&self) -> Result<Files<'_>> {
        Ok(Files::new(self, Cow::Owned(self.rootfs()?)))
    }
}

impl<'i> Files<'i> {
    /// Joins a tree to the image that has its unchanged contents.
    pub(crate) fn new(image: &'i Image, rootfs: Cow<'i, Rootfs>) -> Self {
        Self { image, rootfs }
    }

    /// Returns the tree of names and inodes.
    pub fn rootfs(&self) -> &Rootfs {
        &self.rootfs
    }

    /// Returns the content of the regular file that a path leads to, or nothing where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] where the image cannot be read; [`Error::Image`] where the file is sparse or has more than 16 MiB.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.text_at(path).map_err(|stop| match stop {
            Stop::Fatal(error) => error,
            Stop::Failed(message) => Error::image(self.image.name(), message),
        })
    }

    pub(crate) fn rootfs_mut(&mut self) -> &mut Rootfs {
        self.rootfs.to_mut()
    }

    pub(crate) fn into_rootfs(self) -> Rootfs {
        self.rootfs.into_owned()
    }

    /// Returns the content of a regular file that is small enough to be a text.
    pub(crate) fn text(&self, id: InodeId) -> Result<Vec<u8>, Stop> {
        let path = || self.rootfs.path(id);
        let Node::File(content) = &self.rootfs.inode(id).node else {
            return fail(format!("{} is not a regular file", path()));
        };
        if let Content::Entry(number, stored) = content {
            let (_, entry) = self.image.entry(*number);
            if entry.kind == EntryKind::SparseFile {
                return fail(format!(
                    "{} is stored as a sparse file, whose text cannot be edited; store it plainly",
                    path()
                ));
            }
            if *stored > TEXT_LIMIT {
                return fail(format!(
                    "{} has {stored} bytes; files over {TEXT_LIMIT} bytes are not edited as text",
                    path()
                ));
            }
        }
        let bytes = self.small(id, TEXT_LIMIT).map_err(|e| self.failed(e))?;
        Ok(bytes.map(|bytes| bytes.to_vec()).unwrap_or_default())
    }

    /// Returns the content of a regular file that has at most `limit` bytes; none of a larger or sparse
    /// file, which is not a script or configuration.
    pub(crate) fn text_up_to(&self, limit: u64, id: InodeId) -> Result<Option<Vec<u8>>, Stop> {
        let bytes = self.small(id, limit).map_err(|e| self.failed(e))?;
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    /// Returns the content of the regular file that a path leads to, if there is such a file.
    pub(crate) fn text_at(&self, path: &str) -> Result<Option<Vec<u8>>, Stop> {
        match self.rootfs.open(path) {
            Some(id) if self.rootfs.inode(id).is_file() => self.text(id).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns whether a file's content has all of some byte strings in it. The file may be of any size: it is read once, in
    /// pieces.
    pub(crate) fn contains(&self, id: InodeId, needles: &[&[u8]]) -> Result<bool, Stop> {
        Ok(self.missing(id, needles)?.is_empty())
    }

    /// Returns those of some byte strings that a file's content does not have, read as
    /// [`contains`](Self::contains) does.
    pub(crate) fn missing<'n>(
        &self,
        id: InodeId,
        needles: &[&'n [u8]],
    ) -> Result<Vec<&'n [u8]>, Stop> {
        let longest = needles.iter().map(|needle| needle.len()).max().unwrap_or(0);
        let (mut missing, mut tail) = (needles.to_vec(), Vec::new());
        let read = self.each_piece(id, |piece| {
            tail.extend_from_slice(piece);
            missing.retain(|needle| tail.find(needle).is_none());
            tail.drain(..tail.len().saturating_sub(longest.saturating_sub(1)));
        });
        read.map_err(|e| self.failed(e))?;
        Ok(missing)
    }

    /// Returns the length and SHA-256 of a regular file's content as the archive stores it.
    pub(crate) fn digest(&self, id: InodeId) -> io::Result<(u64, [u8; 32])> {
        let (mut length, mut hash) = (0, Sha256::new());
        self.each_piece(id, |piece| {
            length += piece.len() as u64;
            hash.update(piece);
        })?;
        Ok((length, hash.finalize().into()))
    }

    /// Returns the content of a regular file if it has at most `limit` bytes and is not sparse.
    pub(crate) fn small(&self, id: InodeId, limit: u64) -> io::Result<Option<Arc<[u8]>>> {
        match &self.rootfs.inode(id).node {
            Node::File(Content::New(bytes)) => {
                Ok(Some(Arc::clone(bytes)).filter(|b| b.len() as u64 <= limit))
            }
            Node::File(Content::Entry(number, _)) => {
                let (layer, entry) = self.image.entry(*number);
                if entry.stored > limit || entry.kind == EntryKind::SparseFile {
                    return Ok(None);
                }
                let bytes = layer.bytes(entry.data_range(), limit)?;
                Ok(Some(bytes.into()))
            }
            _ => Ok(None),
        }
    }

    /// Returns the files directly in a directory whose names end in `suffix`, sorted by name: the path by which each is
    /// found, and the regular file that it leads to. An absent directory has none.
    pub(crate) fn files_in(&self, directory: &str, suffix: &str) -> Vec<(String, InodeId)> {
        let paths = self.paths_in(directory, suffix.as_bytes());
        paths.filter_map(|path| self.file(&path)).collect()
    }

    /// Returns the directories directly in a directory, sorted by name: the path by which each is found.
    pub(crate) fn directories_in(&self, directory: &str) -> Vec<String> {
        let paths = self.paths_in(directory, b"");
        paths
            .filter(|path| self.rootfs.has_directory(path))
            .collect()
    }

    /// Returns the path again and the regular file that it leads to, if there is one.
    pub(crate) fn file(&self, path: &str) -> Option<(String, InodeId)> {
        let id = self.rootfs.open(path)?;
        let is_file = self.rootfs.inode(id).is_file();
        is_file.then(|| (path.to_owned(), id))
    }

    /// Returns the files that the booted system may read at a path below `/etc`: the one there, then its copies in the
    /// directories from which `/etc` is filled (`lowerdir`). Each inode once, by the path at which it is found.
    pub(crate) fn etc(&self, path: &str) -> Vec<(String, InodeId)> {
        let mut found: Vec<(String, InodeId)> = Vec::new();
        for path in self.with_copies(path) {
            let file = self.file(&path);
            found.extend(file.filter(|(_, id)| found.iter().all(|(_, known)| known != id)));
        }
        found
    }

    /// Returns the files that the booted system may read in a directory below `/etc`, or elsewhere, as
    /// [`etc`](Self::etc) does for one file: those of the directory whose names end in `suffix`, then
    /// those of its copies.
    pub(crate) fn etc_files_in(&self, directory: &str, suffix: &str) -> Vec<(String, InodeId)> {
        let (mut found, mut known) = (Vec::new(), BTreeSet::new());
        for directory in self.etc_directories(&[directory]) {
            let files = self.files_in(&directory, suffix);
            found.extend(files.into_iter().filter(|(_, id)| known.insert(*id)));
        }
        found
    }

    /// Returns the directories of a search path that the image has, each followed by its copies if it is
    /// below `/etc`; each directory once.
    pub(crate) fn etc_directories(&self, search: &[&str]) -> Vec<String> {
        let copies = super::lowerdir::directories(&self.rootfs);
        let mut known = BTreeSet::new();
        let paths = search.iter().flat_map(|path| {
            let copies = super::lowerdir::copies_in(&copies, path);
            std::iter::once((*path).to_owned()).chain(copies)
        });
        let is_new = |path: &String| {
            let id = self.rootfs.open(path);
            let id = id.filter(|id| self.rootfs.inode(*id).is_directory());
            id.is_some_and(|id| known.insert(id))
        };
        paths.filter(is_new).collect()
    }

    /// Returns a path and, below `/etc`, where its copies would be.
    pub(crate) fn with_copies(&self, path: &str) -> Vec<String> {
        super::lowerdir::with_copies(&self.rootfs, path).collect()
    }

    /// Returns the paths directly in a directory whose names are UTF-8 and end in `suffix`.
    fn paths_in(&self, directory: &str, suffix: &[u8]) -> impl Iterator<Item = String> {
        let children = self.rootfs.open(directory);
        let children = children.map(|id| self.rootfs.children(id));
        let names = children.into_iter().flatten().map(|(name, _)| name);
        names
            .filter(move |name| name.ends_with(suffix))
            .filter_map(move |name| Some(format!("{directory}/{}", name.to_str().ok()?)))
    }

    /// Turns a failed read into an error about the image.
    fn failed(&self, cause: io::Error) -> Stop {
        Stop::Fatal(Error::io("read", Path::new(self.image.name()))(cause))
    }

    fn each_piece(&self, id: InodeId, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        match &self.rootfs.inode(id).node {
            Node::File(Content::New(bytes)) => take(bytes),
            Node::File(Content::Entry(number, _)) => {
                let (layer, entry) = self.image.entry(*number);
                let mut reader = layer.stream().reader(entry.data_range());
                let mut buffer = vec![0; 64 << 10];
                loop {
                    match reader.read(&mut buffer)? {
                        0 => break,
                        n => take(&buffer[..n]),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::open;

    #[test]
    fn what_lies_across_two_pieces_is_found() {
        let before = "x".repeat((64 << 10) - 3);
        let image = open(&format!("file a\n| {before}needle\n"));
        let files = image.files().unwrap();
        let id = files.rootfs().open("/a").unwrap();
        let has = |needles: &[&[u8]]| files.contains(id, needles).unwrap();
        assert!(has(&[b"needle", b"xx"]) && has(&[]));
        assert!(!has(&[b"needle", b"nail"]));
    }
}
