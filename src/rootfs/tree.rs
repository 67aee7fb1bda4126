//! The few changes that a tree can undergo. All others are made of these.

use std::sync::Arc;

use bstr::{BStr, BString};

use super::{Child, Inode, InodeId, Meta, Node, Numbers, Rootfs};

impl Rootfs {
    pub(crate) fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        self.inodes.get_mut(id)
    }

    /// Adds an inode that has no name yet.
    pub(crate) fn add(&mut self, inode: Inode) -> InodeId {
        let id = u32::try_from(self.inodes.len());
        self.inodes.push(inode);
        InodeId(id.expect("fewer inodes than entries and edits"))
    }

    /// Adds an empty directory with mode 0755 that belongs to root.
    pub(crate) fn add_directory(&mut self, parent: InodeId, name: &BStr, mtime: u64) -> InodeId {
        let id = self.add(usual_directory(mtime));
        self.link(parent, name, id, Numbers::None);
        id
    }

    /// Gives an inode a name in a directory, put there by these entries of the archive. The name must be free.
    pub(crate) fn link(
        &mut self,
        directory: InodeId,
        name: &BStr,
        inode: InodeId,
        entries: Numbers,
    ) {
        let name = self.names.add(name);
        if let Node::Directory(children) = &mut self.inodes.get_mut(directory).node {
            children.insert(&self.names, Child::new(name, inode, entries));
        }
        self.inode_mut(inode).names.push((directory, name));
    }

    /// Removes a name; the inode stays for its other names.
    pub(crate) fn unlink(&mut self, directory: InodeId, name: &BStr) -> Option<Child> {
        let Node::Directory(children) = &mut self.inodes.get_mut(directory).node else {
            return None;
        };
        let child = children.remove(&self.names, name)?;
        let names = &self.names;
        let inode = self.inodes.get_mut(child.inode);
        inode
            .names
            .retain(|(d, n)| (*d, names.get(*n)) != (directory, name));
        Some(child)
    }

    /// Frees the spare capacity, once an archive is replayed.
    pub(super) fn finish(&mut self) {
        self.names.share();
        self.inodes.iter_mut().for_each(|inode| {
            if let Node::Directory(directory) = &mut inode.node {
                directory.shrink();
            }
        });
    }

    /// Returns true if an inode is certainly the same in a clone of this tree. False says nothing.
    pub(crate) fn shares(&self, clone: &Self, id: InodeId) -> bool {
        self.inodes.share(&clone.inodes, id)
    }

    /// Returns the first path at which two trees differ: in names, hard links, headers or the size
    /// of data. The times of directories do not count, since one without an entry inherits its time.
    pub(crate) fn difference(&self, other: &Self) -> Option<BString> {
        let (mut ours, mut theirs) = (
            vec![None; self.inodes.len()],
            vec![None; other.inodes.len()],
        );
        let mut left = vec![(Self::ROOT, Self::ROOT)];
        while let Some((a, b)) = left.pop() {
            let same =
                *ours[a.index()].get_or_insert(b) == b && *theirs[b.index()].get_or_insert(a) == a;
            if !(same && alike(self.inode(a), other.inode(b))) {
                return Some(self.path(a));
            }
            let (mut children, mut others) = (self.children(a), other.children(b));
            loop {
                match (children.next(), others.next()) {
                    (Some((name, child)), Some((other, than))) if name == other => {
                        left.push((child.inode, than.inode));
                    }
                    (None, None) => break,
                    // The lower name is the one that the other tree does not have.
                    (Some((name, _)), Some((other, _))) => {
                        return Some(self.path_in(a, name.min(other)));
                    }
                    (Some((name, _)), None) | (None, Some((name, _))) => {
                        return Some(self.path_in(a, name));
                    }
                }
            }
        }
        None
    }

    /// Notes another entry of the archive that puts the same inode at a name.
    pub(super) fn add_entry(&mut self, directory: InodeId, name: &BStr, number: u32) {
        if let Node::Directory(children) = &mut self.inodes.get_mut(directory).node
            && let Some(child) = children.get_mut(&self.names, name)
        {
            child.entries.push(number);
        }
    }
}

/// Returns a directory that has no entry: mode 0755, owned by root.
pub(super) fn usual_directory(mtime: u64) -> Inode {
    let meta = Meta {
        mode: 0o755,
        ..Meta::default()
    };
    Inode::new(Node::Directory(Box::default()), Arc::new(meta), mtime)
}

/// Returns whether two inodes are the same, apart from their names and a directory's time.
fn alike(a: &Inode, b: &Inode) -> bool {
    let node = match (&a.node, &b.node) {
        (Node::Directory(_), Node::Directory(_)) => true,
        (Node::File(a), Node::File(b)) => a.len() == b.len(),
        (Node::Symlink(a), Node::Symlink(b)) => a == b,
        (Node::Special(a), Node::Special(b)) => a == b,
        _ => false,
    };
    node && a.implied() == b.implied()
        && a.meta == b.meta
        && (a.is_directory() || a.mtime == b.mtime)
        && b.link_metas
            .iter()
            .all(|meta| a.metas().any(|m| *m == **meta))
}
