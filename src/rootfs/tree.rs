//! The few changes that a tree can undergo. Everything else is made of these.

use std::collections::BTreeMap;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice as _};

use super::{Child, Content, Inode, InodeId, Node, Numbers, Rootfs};

impl Rootfs {
    pub(crate) fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        Arc::make_mut(&mut self.inodes[id.0 as usize])
    }

    /// Adds an inode that has no name yet.
    pub(crate) fn add(&mut self, inode: Inode) -> InodeId {
        let id =
            InodeId(u32::try_from(self.inodes.len()).expect("fewer inodes than entries and edits"));
        self.inodes.push(Arc::new(inode));
        id
    }

    /// Gives an inode a name in a directory. The name must be free.
    pub(crate) fn link(&mut self, directory: InodeId, name: &BStr, inode: InodeId) {
        if let Node::Directory(children) = &mut self.inode_mut(directory).node {
            children.insert(
                name.into(),
                Child {
                    inode,
                    entries: Numbers::new(),
                },
            );
        }
        let names = &mut self.inode_mut(inode).names;
        if names.is_empty() {
            // Nearly every file has one name only.
            names.reserve_exact(1);
        }
        names.push((directory, name.into()));
    }

    /// Takes a name away; the inode stays for its other names.
    pub(crate) fn unlink(&mut self, directory: InodeId, name: &BStr) -> Option<Child> {
        let Node::Directory(children) = &mut self.inode_mut(directory).node else {
            return None;
        };
        let child = children.remove(name)?;
        self.inode_mut(child.inode)
            .names
            .retain(|(d, n)| (*d, n.as_bstr()) != (directory, name));
        Some(child)
    }

    /// The first path at which two trees differ. Told apart are names, hard links, what headers say and the size of data, but not
    /// the times of directories, which those without an entry only inherit.
    pub(crate) fn difference(&self, other: &Self) -> Option<BString> {
        let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        let mut left = vec![(Self::ROOT, Self::ROOT)];
        while let Some((a, b)) = left.pop() {
            let same = *ours.entry(a).or_insert(b) == b && *theirs.entry(b).or_insert(a) == a;
            if !(same && alike(self.inode(a), other.inode(b))) {
                return Some(self.path(a));
            }
            let odd = |tree: &Self, id, than: &Self, other| {
                let mut names = tree.children(id);
                names.find_map(|(name, _)| {
                    than.child(other, name)
                        .is_none()
                        .then(|| tree.path_in(id, name))
                })
            };
            if let Some(path) = odd(self, a, other, b).or_else(|| odd(other, b, self, a)) {
                return Some(path);
            }
            let children = self.children(a).map(|(_, child)| child.inode);
            left.extend(children.zip(other.children(b).map(|(_, child)| child.inode)));
        }
        None
    }

    pub(super) fn child_mut(&mut self, directory: InodeId, name: &BStr) -> Option<&mut Child> {
        match &mut self.inode_mut(directory).node {
            Node::Directory(children) => children.get_mut(name),
            _ => None,
        }
    }
}

/// Whether two inodes are the same but for their names and a directory's time.
fn alike(a: &Inode, b: &Inode) -> bool {
    let node = match (&a.node, &b.node) {
        (Node::Directory(_), Node::Directory(_)) => true,
        (Node::File(a), Node::File(b)) => size(a) == size(b),
        (Node::Symlink(a), Node::Symlink(b)) => a == b,
        (Node::Special(a), Node::Special(b)) => a == b,
        _ => false,
    };
    node && a.meta == b.meta
        && (a.is_directory() || a.mtime == b.mtime)
        && b.link_metas.iter().all(|meta| a.metas().any(|m| m == meta))
}

fn size(content: &Content) -> u64 {
    match content {
        Content::Entry(_, stored) => *stored,
        Content::New(bytes) => bytes.len() as u64,
    }
}
