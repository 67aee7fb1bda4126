//! The changes that rules make, each written down as it is made.

use std::sync::Arc;

use bstr::{BString, ByteSlice};

use super::Draft;
use crate::edit::{Change, Edit};
use crate::image::ACCESS_LISTS;
use crate::rootfs::{Content, Inode, InodeId, Location, Meta, Node, Numbers, Rootfs};

impl Draft<'_> {
    /// Returns whether every header of an inode says this mode, without an access control list that
    /// may grant more.
    pub(crate) fn has_mode(&self, id: InodeId, mode: u32) -> bool {
        self.rootfs().inode(id).metas().all(|meta| {
            meta.mode == mode && ACCESS_LISTS.iter().all(|name| meta.xattr(name).is_none())
        })
    }

    /// Sets the mode of an inode, for every name and header that it has, and removes its access control
    /// lists.
    pub(crate) fn set_mode(&mut self, id: InodeId, mode: u32) {
        self.change_mode(id, |_| mode);
        for name in ACCESS_LISTS {
            self.remove_xattr(id, name);
        }
    }

    /// Gives a directory that only its files' paths imply an entry of its own, which says what it is like.
    pub(crate) fn create_entry(&mut self, directory: InodeId, meta: Arc<Meta>) {
        let inode = self.files.rootfs_mut().inode_mut(directory);
        inode.meta = meta;
        inode.set_implied(false);
        self.touch(directory);
        self.record(self.rootfs().path(directory), Change::Created);
    }

    /// Adds an entry for a directory that only its files' paths implied and whose files are gone. In
    /// a layer the directory goes too, since an entry would override what the layers below say of it.
    pub(crate) fn settle_emptied(&mut self, before: &Rootfs) {
        let mut layer = None;
        // From the end, since it was the last file's rule that emptied it.
        for at in (0..self.edits.len()).rev() {
            let Edit { rule, path, change } = &self.edits[at];
            if *change != Change::Removed {
                continue;
            }
            let mut above = self.emptied_above(path);
            self.rule.0 = *rule;
            while let Some((id, location)) = above {
                if *layer.get_or_insert_with(|| before.is_layer()) {
                    let path = self.rootfs().location_path(&location);
                    self.remove(&location);
                    above = self.emptied_above(&path);
                } else {
                    self.create_entry(id, Arc::clone(&self.rootfs().inode(id).meta));
                    above = None;
                }
            }
        }
    }

    /// Returns the directory without an entry that a removal left empty.
    fn emptied_above(&self, path: &BString) -> Option<(InodeId, Location)> {
        let (parent, _) = path.rsplit_once_str("/")?;
        let location = self.rootfs().locate(parent).ok()?;
        let id = location.inode.filter(|id| *id != Rootfs::ROOT)?;
        let empty = self.rootfs().children(id).next().is_none();
        (empty && self.rootfs().inode(id).implied()).then_some((id, location))
    }

    /// Clears mode bits in every header of an inode, and keeps the others.
    pub(crate) fn clear_mode(&mut self, id: InodeId, bits: u32) {
        self.change_mode(id, |mode| mode & !bits);
    }

    /// Sets the owner or the group of an inode, or both.
    pub(crate) fn set_owner(&mut self, id: InodeId, uid: Option<u64>, gid: Option<u64>) {
        self.set_meta(
            id,
            |meta| (meta.uid, meta.gid) = (uid.unwrap_or(meta.uid), gid.unwrap_or(meta.gid)),
            |before, after| Change::Owner {
                before: (before.uid, before.gid),
                after: (after.uid, after.gid),
            },
        );
    }

    /// Removes an extended attribute from every header of an inode.
    pub(crate) fn remove_xattr(&mut self, id: InodeId, name: &str) {
        self.set_meta(
            id,
            |meta| meta.xattrs.retain(|(n, _)| n != name),
            |before, _| Change::XattrRemoved {
                name: name.into(),
                before: before.xattr(name).unwrap_or_default().into(),
            },
        );
    }

    /// Gives a new inode an extended attribute. It is a part of creating it, not an edit of its own.
    pub(crate) fn add_xattr(&mut self, id: InodeId, name: &str, value: BString) {
        let meta = &mut self.files.rootfs_mut().inode_mut(id).meta;
        Arc::make_mut(meta).xattrs.push((name.into(), value));
    }

    fn change_mode(&mut self, id: InodeId, new: impl Fn(u32) -> u32) {
        self.set_meta(
            id,
            |meta| meta.mode = new(meta.mode),
            |before, after| Change::Mode {
                before: before.mode,
                after: after.mode,
            },
        );
    }

    /// Changes every header of an inode, and records the first difference for each of its names.
    fn set_meta(
        &mut self,
        id: InodeId,
        set: impl Fn(&mut Meta),
        change: impl Fn(&Meta, &Meta) -> Change,
    ) {
        let inode = self.rootfs().inode(id);
        let mut metas: Vec<Meta> = inode.metas().cloned().collect();
        metas.iter_mut().for_each(set);
        let Some((before, after)) = inode.metas().zip(&metas).find(|(a, b)| a != b) else {
            return;
        };
        let change = change(before, after);
        let inode = self.files.rootfs_mut().inode_mut(id);
        for (meta, new) in inode.metas_mut().zip(metas) {
            *meta = Arc::new(new);
        }
        self.touch(id);
        let paths = if id == Rootfs::ROOT {
            vec!["/".into()]
        } else {
            self.rootfs().paths(id)
        };
        for path in paths {
            self.record(path, change.clone());
        }
    }

    fn touch(&mut self, id: InodeId) {
        if let Some(mtime) = self.mtime {
            self.files.rootfs_mut().inode_mut(id).mtime = mtime;
        }
    }

    /// Replaces the content of a regular file, for every name that it has.
    pub(crate) fn set_content(&mut self, id: InodeId, content: Vec<u8>) {
        self.files.rootfs_mut().inode_mut(id).node = Node::File(Content::New(content.into()));
        self.touch(id);
        for path in self.rootfs().paths(id) {
            self.record(path, Change::Content);
        }
    }

    /// Removes a name, and everything below it if it is a directory. Nothing happens where nothing is.
    pub(crate) fn remove(&mut self, location: &Location) {
        let (Some(id), [name]) = (location.inode, &location.rest[..]) else {
            return;
        };
        let children = self.rootfs().children(id);
        let below: Vec<BString> = children.map(|(name, _)| name.into()).collect();
        for child in below {
            let inode = self.rootfs().child(id, &child).map(|c| c.inode);
            self.remove(&Location {
                directory: id,
                rest: vec![child],
                inode,
            });
        }
        let path = self.rootfs().location_path(location);
        self.files
            .rootfs_mut()
            .unlink(location.directory, name.as_bstr());
        self.record(path, Change::Removed);
    }

    /// Puts a regular file that belongs to root where nothing is, or in place of something else.
    pub(crate) fn create_file(&mut self, location: &Location, content: Vec<u8>, mode: u32) {
        self.create(location, Node::File(Content::New(content.into())), mode);
    }

    /// Puts a symbolic link in place of whatever is there.
    pub(crate) fn create_symlink(&mut self, location: &Location, target: &str) {
        self.create(location, Node::symlink(target.as_bytes()), 0o777);
    }

    fn create(&mut self, location: &Location, node: Node, mode: u32) {
        self.remove(location);
        let Some((name, missing)) = location.rest.split_last() else {
            return;
        };
        let mtime = self
            .mtime
            .unwrap_or_else(|| self.rootfs().inode(location.directory).mtime);
        let mut directory = location.directory;
        for name in missing {
            directory = self
                .files
                .rootfs_mut()
                .add_directory(directory, name.as_bstr(), mtime);
            self.record(self.rootfs().path(directory), Change::Created);
        }
        let meta = Meta {
            mode,
            ..Meta::default()
        };
        let rootfs = self.files.rootfs_mut();
        let id = rootfs.add(Inode::new(node, Arc::new(meta), mtime));
        rootfs.link(directory, name.as_bstr(), id, Numbers::None);
        self.record(self.rootfs().path(id), Change::Created);
    }

    fn record(&mut self, path: BString, change: Change) {
        self.edits.push(Edit {
            rule: self.rule.0,
            path,
            change,
        });
    }
}
