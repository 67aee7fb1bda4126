//! The few changes that a tree can undergo. Everything else is made of these.

use bstr::{BStr, BString};

use super::{Child, Inode, InodeId, Node, Rootfs};

impl Rootfs {
    pub(crate) fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        &mut self.inodes[id.0 as usize]
    }

    /// Adds an inode that has no name yet.
    pub(crate) fn add(&mut self, inode: Inode) -> InodeId {
        let id =
            InodeId(u32::try_from(self.inodes.len()).expect("fewer inodes than entries and edits"));
        self.inodes.push(inode);
        id
    }

    /// Gives an inode a name in a directory. The name must be free.
    pub(crate) fn link(&mut self, directory: InodeId, name: &BStr, inode: InodeId) {
        if let Node::Directory(children) = &mut self.inode_mut(directory).node {
            children.insert(
                name.into(),
                Child {
                    inode,
                    entries: Vec::new(),
                },
            );
        }
        self.inode_mut(inode).names.push((directory, name.into()));
    }

    /// Takes a name away; the inode stays for its other names.
    pub(crate) fn unlink(&mut self, directory: InodeId, name: &BStr) -> Option<Child> {
        let Node::Directory(children) = &mut self.inode_mut(directory).node else {
            return None;
        };
        let child = children.remove(name)?;
        self.inode_mut(child.inode)
            .names
            .retain(|(d, n)| (*d, n) != (directory, &BString::from(name)));
        Some(child)
    }

    pub(super) fn child_mut(&mut self, directory: InodeId, name: &BStr) -> Option<&mut Child> {
        match &mut self.inode_mut(directory).node {
            Node::Directory(children) => children.get_mut(name),
            _ => None,
        }
    }
}
