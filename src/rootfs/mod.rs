//! The file tree that extracting an archive would give: inodes and their names.
//!
//! This layer knows nothing of recipes. A [`Rootfs`] is made by replaying an archive's entries; a draft of changes works on
//! a copy of it.

mod directory;
pub(crate) mod expand;
mod few;
mod files;
pub(crate) mod glob;
mod inodes;
mod lookup;
pub(crate) mod lowerdir;
mod packed;
mod place;
mod replay;
mod tree;

use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use self::directory::{Name, Names};
use self::few::Few;
use self::inodes::Inodes;
use crate::error::Result;
use crate::image::{EntryKind, Image};

pub use crate::image::Meta;
pub use directory::{Child, Directory};
pub use files::Files;
pub(crate) use lookup::below;
pub use lookup::{Location, LookupError};
pub use place::Place;

/// The number of an inode in its [`Rootfs`]; the same inode keeps its number in a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InodeId(u32);

impl InodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A file tree: what the entries of an archive add up to.
#[derive(Clone, Debug)]
pub struct Rootfs {
    inodes: Inodes,
    names: Names,
    /// Hard links to what the archive does not have: the directory that each would be in, and its entry.
    dangling: Vec<(InodeId, u32)>,
    notes: Vec<String>,
    /// How many symbolic links a look-up follows.
    links: u64,
}

/// Numbers of entries, in the archive's order.
pub(crate) type Numbers = Few<u32>;

/// A file, directory, link or device, apart from its names.
#[derive(Clone, Debug)]
pub struct Inode {
    /// What it is, with what it holds.
    pub node: Node,
    /// Mode, owner and attributes, as the entry with the data gives them.
    pub meta: Arc<Meta>,
    /// What later hard-link entries say where they say something else: some extractors apply the last one.
    pub(crate) link_metas: Few<Arc<Meta>>,
    /// The modification time in whole seconds since 1970.
    pub mtime: u64,
    /// The directory of each name, and the name. None once every name is removed; none for the root.
    names: Few<(InodeId, Name)>,
    /// The archive's entries that speak of it, in order: the one that makes it, then its hard links, those included whose
    /// name a later entry took over. None for what is new and for a directory that only its files' paths imply.
    pub(crate) entries: Numbers,
}

/// What an inode is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Node {
    /// A directory with its children.
    Directory(Box<Directory>),
    /// A regular file.
    File(Content),
    /// A symbolic link and its target.
    Symlink(Box<BStr>),
    /// A device or pipe.
    Special(EntryKind),
}

/// Where the bytes of a regular file are.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// In the archive, as the data of this entry, which stores this many bytes.
    Entry(u32, u64),
    /// In memory: content that an edit made.
    New(Arc<[u8]>),
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Self::Entry(_, stored) => *stored,
            Self::New(bytes) => bytes.len() as u64,
        }
    }
}

impl Node {
    pub(crate) fn symlink(target: &[u8]) -> Self {
        Self::Symlink(Box::<[u8]>::from(target).into())
    }
}

impl Inode {
    /// An inode that has no name yet.
    pub(crate) fn new(node: Node, meta: Arc<Meta>, mtime: u64) -> Self {
        Self {
            node,
            meta,
            link_metas: Few::None,
            mtime,
            names: Few::None,
            entries: Few::None,
        }
    }

    /// Returns true for a directory of which only the paths of its files say that it exists.
    pub(crate) fn implied(&self) -> bool {
        matches!(&self.node, Node::Directory(directory) if directory.implied)
    }

    /// Sets whether a directory is [`implied`](Self::implied).
    pub(crate) fn set_implied(&mut self, implied: bool) {
        if let Node::Directory(directory) = &mut self.node {
            directory.implied = implied;
        }
    }

    /// Returns whether this directory gets an entry that it did not have before.
    pub(crate) fn is_entered(&self, before: &Self) -> bool {
        before.implied() && !self.implied()
    }

    /// Returns whether this is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.node, Node::Directory(_))
    }

    /// Returns whether this is a regular file.
    pub fn is_file(&self) -> bool {
        matches!(self.node, Node::File(_))
    }

    /// Returns the target, if this is a symbolic link.
    pub fn symlink(&self) -> Option<&BStr> {
        match &self.node {
            Node::Symlink(target) => Some(target),
            _ => None,
        }
    }

    /// Returns what each header says of this inode. Extractors differ in which one they apply to a
    /// hard link.
    pub fn metas(&self) -> impl Iterator<Item = &Meta> {
        let metas = std::iter::once(&self.meta).chain(self.link_metas.iter());
        metas.map(|meta| &**meta)
    }

    pub(crate) fn metas_mut(&mut self) -> impl Iterator<Item = &mut Arc<Meta>> {
        std::iter::once(&mut self.meta).chain(self.link_metas.iter_mut())
    }

    /// Returns how many names it has: none once every name is removed; none for the root.
    pub fn links(&self) -> usize {
        self.names.len()
    }

    /// Returns the file type bits as `stat` and git show them, such as 0o100000 for a regular file.
    pub fn type_bits(&self) -> u32 {
        self.file_type().0
    }

    /// Returns the file type in a word, as reports have it.
    pub(crate) fn type_name(&self) -> &'static str {
        self.file_type().1
    }

    fn file_type(&self) -> (u32, &'static str) {
        match &self.node {
            Node::Directory(_) => (0o040_000, "directory"),
            Node::File(_) => (0o100_000, "file"),
            Node::Symlink(_) => (0o120_000, "symlink"),
            Node::Special(EntryKind::CharDevice) => (0o020_000, "char-device"),
            Node::Special(EntryKind::BlockDevice) => (0o060_000, "block-device"),
            Node::Special(_) => (0o010_000, "pipe"),
        }
    }
}

impl Image {
    /// Returns the tree that extracting the image would give.
    ///
    /// # Errors
    /// [`Error::Image`](crate::Error::Image) where extractors would not agree on one file tree, or where the image is an
    /// archive of layers.
    pub fn rootfs(&self) -> Result<Rootfs> {
        let mut rootfs = Rootfs::replay(self).map_err(|damage| damage.of(self.name()))?;
        rootfs.notes.extend(self.notes().cloned());
        packed::refuse_packed(self, &rootfs)?;
        Ok(rootfs)
    }
}

impl Rootfs {
    /// The root directory.
    pub const ROOT: InodeId = InodeId(0);

    /// Returns an inode by its number.
    pub fn inode(&self, id: InodeId) -> &Inode {
        self.inodes.get(id)
    }

    /// Returns how many inodes there are, with those that lost all their names.
    pub(crate) fn inode_count(&self) -> usize {
        self.inodes.len()
    }

    /// Returns every inode with its number, those that lost all their names included.
    pub fn inodes(&self) -> impl Iterator<Item = (InodeId, &Inode)> {
        (0u32..).map(InodeId).zip(self.inodes.iter())
    }

    /// Returns the names of an inode: the directory that holds each, and the name there. The root has none.
    pub fn names(&self, id: InodeId) -> impl Iterator<Item = (InodeId, &BStr)> {
        let names = self.inode(id).names.iter();
        names.map(|(directory, name)| (*directory, self.names.get(*name)))
    }

    /// Returns the children of a directory, sorted by name; none for anything else.
    pub fn children(&self, directory: InodeId) -> impl Iterator<Item = (&BStr, &Child)> {
        let children = self.directory(directory).map(Directory::children);
        children
            .into_iter()
            .flatten()
            .map(|child| (child.name(&self.names), child))
    }

    /// Returns one name in a directory.
    pub fn child(&self, directory: InodeId, name: &[u8]) -> Option<&Child> {
        self.directory(directory)?.get(&self.names, name)
    }

    fn directory(&self, id: InodeId) -> Option<&Directory> {
        match &self.inode(id).node {
            Node::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// Returns how many bytes a regular file has, as the archive stores it; a sparse file expands to more.
    pub fn size(&self, id: InodeId) -> Option<u64> {
        match &self.inode(id).node {
            Node::File(content) => Some(content.len()),
            _ => None,
        }
    }

    /// Returns the hard links to files that the archive lacks: the directory that each would be in,
    /// and its entry.
    pub(crate) fn dangling(&self) -> &[(InodeId, u32)] {
        &self.dangling
    }

    /// Returns what a reader of the report should know of the archive itself.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the absolute path of a name in a directory.
    pub fn path_in(&self, directory: InodeId, name: &[u8]) -> BString {
        // Upwards in a loop, since a tree can be deeper than a stack.
        let (mut at, mut names) = (directory, vec![name]);
        while let Some((parent, name)) = self.names(at).next() {
            names.push(name);
            at = parent;
        }
        let mut path = BString::default();
        for name in names.into_iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        path
    }

    /// Returns the absolute path of an inode by its first name, without symbolic links on the way.
    pub fn path(&self, id: InodeId) -> BString {
        match self.names(id).next() {
            Some((directory, name)) => self.path_in(directory, name),
            None => "/".into(),
        }
    }

    /// Returns every name of an inode as an absolute path, sorted.
    pub fn paths(&self, id: InodeId) -> Vec<BString> {
        let names = self.names(id);
        let mut paths: Vec<_> = names.map(|(dir, name)| self.path_in(dir, name)).collect();
        paths.sort();
        paths
    }

    /// Returns at most `most` of the other names of the file at a path, in the archive's order, and
    /// how many there are. Listing all of them at each name would grow with their square.
    pub(crate) fn other_paths(
        &self,
        id: InodeId,
        path: &[u8],
        most: usize,
    ) -> (Vec<BString>, usize) {
        let names = self.names(id);
        let others = names
            .map(|(directory, name)| self.path_in(directory, name))
            .filter(|other| *other != path);
        let count = self.inode(id).links().saturating_sub(1);
        (others.take(most).collect(), count)
    }

    /// Returns every name below a directory, depth first and sorted, with its absolute path.
    pub fn walk(&self, from: InodeId) -> Vec<(BString, InodeId)> {
        let mut found = Vec::new();
        self.visit(from, |path, id| found.push((path.to_owned(), id)));
        found
    }

    /// Calls `see` with what [`walk`](Self::walk) returns, for callers that keep few of the paths.
    pub(crate) fn visit(&self, from: InodeId, see: impl FnMut(&BStr, InodeId)) {
        self.visit_to(usize::MAX, from, see);
    }

    /// As [`visit`](Self::visit), down to `depth` names below.
    fn visit_to(&self, depth: usize, from: InodeId, mut see: impl FnMut(&BStr, InodeId)) {
        let mut path = self.path(from);
        // The root's slash comes with its children's names.
        let top = if from == Self::ROOT { 0 } else { path.len() };
        let mut open = vec![(self.children(from), top)];
        while let Some((children, length)) = open.last_mut() {
            path.truncate(*length);
            let Some((name, child)) = children.next() else {
                open.pop();
                continue;
            };
            path.push(b'/');
            path.extend_from_slice(name);
            see(path.as_bstr(), child.inode);
            if open.len() < depth {
                open.push((self.children(child.inode), path.len()));
            }
        }
    }
}
