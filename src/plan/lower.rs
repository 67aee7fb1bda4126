//! From the edited rootfs to splices of the tar stream: the only place where edits become bytes.
//!
//! Lowering compares the rootfs before and after rather than following the edits, so that an edit which another took back
//! costs nothing, and an entry whose inode and names are the same is never touched.

mod links;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use tar::EntryType;

use crate::image::{Damage, Entry, EntryKind, Format, Head, Image, Piece, Splice, styled};
use crate::rootfs::{Content, Inode, InodeId, Node, Rootfs};

/// Returns the splices, for each layer, that turn the image's tar streams into ones which extract to
/// `after`, sorted and disjoint.
pub(crate) fn lower(
    image: &Image,
    before: &Rootfs,
    after: &Rootfs,
) -> Result<Vec<Vec<Splice>>, Damage> {
    let mut lowering = Lowering {
        image,
        before,
        after,
        removed: BTreeSet::new(),
        link_gone: false,
        paths: BTreeMap::new(),
        links: BTreeMap::new(),
        rewrites: BTreeMap::new(),
        new: Vec::new(),
    };
    for (directory, _) in before.inodes() {
        if !before.shares(after, directory) {
            lowering.names_of(directory);
        }
    }
    lowering.reroute();
    lowering.dangling();
    for (id, _) in before.inodes() {
        lowering.inode(id)?;
    }
    lowering.added()?;
    Ok(lowering.splices())
}

struct Lowering<'a> {
    image: &'a Image,
    before: &'a Rootfs,
    after: &'a Rootfs,
    /// Entries whose name is gone.
    removed: BTreeSet<u32>,
    /// Whether a symbolic link is among them, through which other entries may lead.
    link_gone: bool,
    /// New names and hard link targets of entries that stay.
    paths: BTreeMap<u32, BString>,
    links: BTreeMap<u32, BString>,
    rewrites: BTreeMap<u32, Rewrite>,
    /// What goes before the trailer of the topmost layer.
    new: Vec<Piece>,
}

/// What becomes of an entry that stays.
struct Rewrite {
    /// Its headers as they were.
    old: Head,
    head: Head,
    /// New data, or none for what follows the entry's own headers.
    data: Option<Data>,
}

impl Rewrite {
    /// An entry whose headers are edited.
    fn of(head: Head) -> Self {
        Self {
            old: head.clone(),
            head,
            data: None,
        }
    }
}

enum Data {
    Bytes(Arc<[u8]>),
    /// Another entry's headers after its header block (a sparse map), its data and its padding.
    Moved(u32),
}

impl<'a> Lowering<'a> {
    fn entry(&self, number: u32) -> Entry<'a> {
        self.image.rooted_entry(number)
    }

    /// The headers of an entry as they stand in its layer.
    fn head(&self, number: u32) -> Result<Head, Damage> {
        let (layer, entry) = self.image.entry(number);
        layer.head(&entry)
    }

    /// Finds the entries in one directory whose names are gone or mean something new. Every entry
    /// with such a name must go, or an earlier duplicate would reappear.
    fn names_of(&mut self, directory: InodeId) {
        for (name, child) in self.before.children(directory) {
            if self.after.child(directory, name).map(|c| c.inode) != Some(child.inode) {
                self.removed.extend(child.entries.iter());
                let inode = self.before.inode(child.inode);
                self.link_gone |= inode.symlink().is_some();
            }
        }
    }

    fn inode(&mut self, id: InodeId) -> Result<(), Damage> {
        let (old, new) = (self.before.inode(id), self.after.inode(id));
        let directory = old.is_directory();
        if directory && id != Rootfs::ROOT && new.links() == 0 {
            return Ok(());
        }
        let data = if directory { None } else { self.relink(id)? };
        let mut survivors: Vec<u32> = self.surviving(id).collect();
        for number in &survivors {
            if let Some(path) = self.paths.get(number).cloned() {
                let path = self.image.name_in_archive(path);
                self.rewrite(*number)?.head.set_path(&path);
            }
            if let Some(link) = self.links.get(number).cloned() {
                let link = self.image.name_in_archive(link);
                self.rewrite(*number)?.head.set_link(&link);
            }
        }
        if directory {
            // Only the last entry counts; a directory that only its files' paths imply has none, unless an edit gives it one.
            if survivors.is_empty() && new.is_entered(old) {
                self.add(self.after.path(id).as_bstr(), id)?;
            }
            survivors.drain(..survivors.len().saturating_sub(1));
        }
        if changed(old, new) {
            for number in survivors {
                self.set_meta(number, id)?;
            }
        }
        if let (Node::File(before), Node::File(Content::New(bytes)), Some(number)) =
            (&old.node, &new.node, data)
            && *before != Content::New(Arc::clone(bytes))
        {
            let rewrite = self.rewrite(number)?;
            rewrite.head.make_plain_file();
            rewrite.head.set_size(bytes.len() as u64);
            rewrite.data = Some(Data::Bytes(Arc::clone(bytes)));
        }
        Ok(())
    }

    /// Returns the entries that speak of an inode and stay.
    fn surviving(&self, id: InodeId) -> impl Iterator<Item = u32> + '_ {
        let entries = self.before.inode(id).entries.iter().copied();
        entries.filter(|n| !self.removed.contains(n))
    }

    fn rewrite(&mut self, number: u32) -> Result<&mut Rewrite, Damage> {
        if !self.rewrites.contains_key(&number) {
            let head = self.head(number)?;
            self.rewrites.insert(number, Rewrite::of(head));
        }
        Ok(self.rewrites.get_mut(&number).expect("just put there"))
    }

    fn set_meta(&mut self, number: u32, id: InodeId) -> Result<(), Damage> {
        let (old, new) = (self.before.inode(id), self.after.inode(id));
        // What this header said and what it shall say: the same of the inode's metas, before and after.
        let was = self.entry(number).meta;
        let index = old.metas().position(|m| *m == **was).unwrap_or(0);
        let is = new.metas().nth(index).unwrap_or(&new.meta);
        let rewrite = self.rewrites.get(&number);
        let promoted = rewrite.is_some_and(|r| matches!(r.data, Some(Data::Moved(_))));
        let (was, is) = if promoted {
            (&*old.meta, &*new.meta)
        } else {
            (&**was, is)
        };
        let head = &mut self.rewrite(number)?.head;
        if is.mode != was.mode {
            head.set_mode(is.mode);
        }
        if is.uid != was.uid {
            head.set_uid(is.uid);
        }
        if is.gid != was.gid {
            head.set_gid(is.gid);
        }
        for (name, _) in was.xattrs.iter().filter(|x| !is.xattrs.contains(x)) {
            head.remove_xattr(name);
        }
        if new.mtime != old.mtime {
            head.set_mtime(new.mtime);
        }
        Ok(())
    }

    /// Adds what is new, parents first.
    fn added(&mut self) -> Result<(), Damage> {
        let mut new = Vec::new();
        self.after.visit(Rootfs::ROOT, |path, id| {
            if self.is_new(id) {
                new.push((path.to_owned(), id));
            }
        });
        new.iter()
            .try_for_each(|(path, id)| self.add(path.as_bstr(), *id))
    }

    /// Returns whether the archive lacks an inode. Edits add inodes only at the end.
    fn is_new(&self, id: InodeId) -> bool {
        self.before.inode_count() <= id.index()
    }

    fn add(&mut self, path: &BStr, id: InodeId) -> Result<(), Damage> {
        let inode = self.after.inode(id);
        let (like, format, names_owners) = self.style(id)?;
        let kind = match &inode.node {
            Node::Directory(_) => EntryType::Directory,
            Node::Symlink(_) => EntryType::Symlink,
            _ => EntryType::Regular,
        };
        let directory = inode.is_directory();
        let name = self.image.name_in_archive(styled(path, &like, directory));
        let mut head = Head::new(format, kind, &name);
        head.set_mode(inode.meta.mode);
        if names_owners {
            head.name_owners();
        }
        head.set_uid(inode.meta.uid);
        head.set_gid(inode.meta.gid);
        head.set_mtime(inode.mtime);
        for (name, value) in &inode.meta.xattrs {
            head.add_xattr(name, value);
        }
        if let Node::Symlink(target) = &inode.node {
            head.set_link(target);
        }
        let content = match &inode.node {
            Node::File(Content::New(bytes)) => Some(Arc::clone(bytes)),
            _ => None,
        };
        head.set_size(content.as_ref().map_or(0, |c| c.len() as u64));
        self.new.push(Piece::Bytes(head.to_bytes().into()));
        if let Some(bytes) = content {
            self.new.extend(with_padding(&bytes));
        }
        Ok(())
    }

    /// Returns an example for the names near an inode, the format of headers there and whether they
    /// name owners: by the entry of the nearest directory above, else by the archive's first.
    fn style(&self, id: InodeId) -> Result<(BString, Format, bool), Damage> {
        let (mut at, mut found) = (id, None);
        while found.is_none()
            && let Some((parent, _)) = self.after.names(at).next()
        {
            at = parent;
            found = if self.is_new(at) {
                None
            } else {
                self.before.inode(at).entries.last().copied()
            };
        }
        let first = || {
            let mut all = self.image.rooted_entries();
            all.find(|(_, entry)| entry.kind != EntryKind::Metadata)
        };
        let Some(number) = found.or_else(|| first().map(|(number, _)| number)) else {
            return Ok(("./".into(), Format::Ustar, false));
        };
        let (head, entry) = (self.head(number)?, self.entry(number));
        let mut path = entry.path.to_owned();
        if entry.kind != EntryKind::Directory {
            path.push(b'/');
        }
        Ok((path, head.format(), head.names_owners()))
    }

    fn splices(mut self) -> Vec<Vec<Splice>> {
        let layers = self.image.layers();
        let mut splices = vec![Vec::new(); layers.len()];
        let numbers = self.removed.iter().chain(self.rewrites.keys());
        let numbers: BTreeSet<u32> = numbers.copied().collect();
        for number in numbers {
            let entry = self.entry(number);
            splices[self.image.layer_of(number)].extend(match self.rewrites.get(&number) {
                None => Some(Splice {
                    at: entry.start..entry.end(),
                    with: Vec::new(),
                }),
                Some(rewrite) => self.rewritten(&entry, rewrite),
            });
        }
        let top = layers.len() - 1;
        for (at, (layer, splices)) in layers.iter().zip(&mut splices).enumerate() {
            let mut with = Vec::new();
            if at == top {
                with.append(&mut self.new);
            }
            let archive = layer.archive();
            let removed = self.removed.range(layer.numbers());
            if with.is_empty()
                && removed.count() == layer.numbers().len()
                && archive.end == layer.stream().len()
            {
                // A stream without any byte is not an archive.
                with.push(Piece::Bytes(vec![0; 1024].into()));
            }
            if !with.is_empty() {
                let at = archive.end..archive.end;
                splices.push(Splice { at, with });
            }
        }
        splices
    }

    /// Returns the splice of an entry that stays: only its headers if its data is the same, and none
    /// if the headers are the same too.
    fn rewritten(&self, entry: &Entry<'_>, rewrite: &Rewrite) -> Option<Splice> {
        let head = rewrite.head.to_bytes();
        let (end, data) = match &rewrite.data {
            None if rewrite.old.to_bytes() == head => return None,
            None => (entry.header + 512, Vec::new()),
            Some(Data::Bytes(bytes)) => (entry.end(), with_padding(bytes).to_vec()),
            Some(Data::Moved(from)) => {
                let from = self.entry(*from);
                let data = Piece::Input(from.header + 512..from.end());
                (entry.end(), vec![data])
            }
        };
        let with = std::iter::once(Piece::Bytes(head.into())).chain(data);
        Some(Splice {
            at: entry.start..end,
            with: with.collect(),
        })
    }
}

fn with_padding(bytes: &Arc<[u8]>) -> [Piece; 2] {
    let pad = bytes.len().next_multiple_of(512) - bytes.len();
    [
        Piece::Bytes(Arc::clone(bytes)),
        Piece::Bytes(vec![0; pad].into()),
    ]
}

fn changed(before: &Inode, after: &Inode) -> bool {
    before.meta != after.meta
        || before.link_metas != after.link_metas
        || before.mtime != after.mtime
}
