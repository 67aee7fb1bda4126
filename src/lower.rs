//! From the edited rootfs to splices of the tar stream: the only place where edits become bytes.
//!
//! Lowering compares the rootfs before and after rather than following the edits, so that an edit which another took back
//! costs nothing, and an entry whose inode and names are the same is never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use tar::EntryType;

use crate::image::{Damage, Entry, EntryKind, Format, Head, Image, Piece, Splice, styled};
use crate::rootfs::{Content, Inode, InodeId, Meta, Node, Rootfs};

/// The splices that turn the image's tar stream into one which extracts to `after`, sorted and disjoint.
pub(crate) fn lower(image: &Image, before: &Rootfs, after: &Rootfs) -> Result<Vec<Splice>, Damage> {
    let mut lowering = Lowering {
        image,
        before,
        after,
        removed: BTreeSet::new(),
        rewrites: BTreeMap::new(),
        new: Vec::new(),
    };
    for (directory, _) in before.inodes() {
        lowering.names_of(directory);
    }
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
    rewrites: BTreeMap<u32, Rewrite>,
    /// What goes before the trailer.
    new: Vec<Piece>,
}

/// What becomes of an entry that stays.
struct Rewrite {
    head: Head,
    /// New data, or none for what follows the entry's own headers.
    data: Option<Data>,
}

/// How new entries are written, taken from one that the archive has.
struct Style {
    path: BString,
    format: Format,
    names_owners: bool,
}

enum Data {
    Bytes(Arc<[u8]>),
    /// Another entry's headers after its header block (a sparse map), its data and its padding.
    Moved(u32),
}

impl<'a> Lowering<'a> {
    fn entry(&self, number: u32) -> &'a Entry {
        &self.image.archive().entries[number as usize]
    }

    /// Finds the entries in one directory whose names are gone or stand for something new. All that extraction would put at
    /// such a name must go, or an earlier duplicate would come to light.
    fn names_of(&mut self, directory: InodeId) {
        for (name, child) in self.before.children(directory) {
            if self
                .after
                .child(directory, name)
                .is_none_or(|c| c.inode != child.inode)
            {
                self.removed.extend(&child.entries);
            }
        }
    }

    fn inode(&mut self, id: InodeId) -> Result<(), Damage> {
        let (old, new) = (self.before.inode(id), self.after.inode(id));
        if id != Rootfs::ROOT && new.names().is_empty() {
            return Ok(());
        }
        let survivors: Vec<u32> = self
            .headers(id)
            .into_iter()
            .filter(|n| !self.removed.contains(n))
            .collect();
        if survivors.is_empty() {
            if changed(old, new) {
                self.make_explicit(id)?;
            }
            return Ok(());
        }
        let data = match old.node {
            Node::File(Content::Entry(number, _)) if self.removed.contains(&number) => {
                Some(self.promote(number, survivors[0])?)
            }
            Node::File(Content::Entry(number, _)) => Some(number),
            _ => None,
        };
        if old.names() != new.names() {
            self.relink(id, data.unwrap_or(survivors[0]), &survivors)?;
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

    /// The entries whose headers speak of an inode: the one with its data, and the last at each name. Sorted.
    fn headers(&self, id: InodeId) -> BTreeSet<u32> {
        let inode = self.before.inode(id);
        let named = inode
            .names()
            .iter()
            .filter_map(|(dir, name)| self.before.child(*dir, name)?.entries.last().copied());
        let data = match inode.node {
            Node::File(Content::Entry(number, _)) => Some(number),
            _ => None,
        };
        let root = || {
            self.image.archive().entries.iter().rposition(|e| {
                e.path.iter().all(|b| matches!(b, b'.' | b'/')) && e.kind == EntryKind::Directory
            })
        };
        let root = if id == Rootfs::ROOT {
            root().and_then(|n| u32::try_from(n).ok())
        } else {
            None
        };
        named.chain(data).chain(root).collect()
    }

    fn rewrite(&mut self, number: u32) -> Result<&mut Rewrite, Damage> {
        if !self.rewrites.contains_key(&number) {
            let head = Head::read(self.image.stream(), self.entry(number))?;
            self.rewrites.insert(number, Rewrite { head, data: None });
        }
        Ok(self.rewrites.get_mut(&number).expect("just put there"))
    }

    /// Makes the first surviving hard link the entry with the data, since the entry that had it goes.
    fn promote(&mut self, from: u32, to: u32) -> Result<u32, Damage> {
        let name = self.entry(to).path.clone();
        let mut head = Head::read(self.image.stream(), self.entry(from))?;
        head.set_path(&name);
        let data = Data::Moved(from);
        self.rewrites.insert(
            to,
            Rewrite {
                head,
                data: Some(data),
            },
        );
        Ok(to)
    }

    /// Points the surviving hard links of an inode at its data entry where the name they point at is gone.
    fn relink(&mut self, id: InodeId, data: u32, survivors: &[u32]) -> Result<(), Damage> {
        for number in survivors.iter().copied().filter(|n| *n != data) {
            let entry = self.entry(number);
            if entry.kind != EntryKind::HardLink {
                continue;
            }
            let target = self
                .after
                .locate(&entry.link)
                .ok()
                .and_then(|found| found.inode);
            if target != Some(id) {
                let link = self.entry(data).path.clone();
                self.rewrite(number)?.head.set_link(&link);
            }
        }
        Ok(())
    }

    fn set_meta(&mut self, number: u32, id: InodeId) -> Result<(), Damage> {
        let (old, new) = (self.before.inode(id), self.after.inode(id));
        // What this header said and what it shall say: the same of the inode's metas, before and after.
        let was = Meta::from(self.entry(number));
        let index = old.metas().position(|m| *m == was).unwrap_or(0);
        let is = new.metas().nth(index).unwrap_or(&new.meta).clone();
        let promoted = self
            .rewrites
            .get(&number)
            .is_some_and(|r| matches!(r.data, Some(Data::Moved(_))));
        let (was, is) = if promoted {
            (old.meta.clone(), new.meta.clone())
        } else {
            (was, is)
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

    /// A directory that only its files' paths imply gets an entry of its own.
    fn make_explicit(&mut self, id: InodeId) -> Result<(), Damage> {
        if self.after.inode(id).is_directory() {
            self.add(self.after.path(id).as_bstr(), id)?;
        }
        Ok(())
    }

    /// Adds what is new, parents first.
    fn added(&mut self) -> Result<(), Damage> {
        for (path, id) in self.after.walk(Rootfs::ROOT) {
            if self.is_new(id) {
                self.add(path.as_bstr(), id)?;
            }
        }
        Ok(())
    }

    /// Edits only ever name inodes of their own anew, so what the archive lacked is what has a higher number.
    fn is_new(&self, id: InodeId) -> bool {
        self.before.inodes().len() <= id.index()
    }

    fn add(&mut self, path: &BStr, id: InodeId) -> Result<(), Damage> {
        let inode = self.after.inode(id);
        let style = self.style(id)?;
        let kind = match &inode.node {
            Node::Directory(_) => EntryType::Directory,
            Node::Symlink(_) => EntryType::Symlink,
            _ => EntryType::Regular,
        };
        let directory = inode.is_directory();
        let mut head = Head::new(style.format, kind, &styled(path, &style.path, directory));
        head.set_mode(inode.meta.mode);
        if style.names_owners {
            head.name_owners();
        }
        head.set_uid(inode.meta.uid);
        head.set_gid(inode.meta.gid);
        head.set_mtime(inode.mtime);
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

    /// How names and headers look near an inode: by the entry of the nearest directory above it, else by the archive's first.
    fn style(&self, id: InodeId) -> Result<Style, Damage> {
        let (mut at, mut found) = (id, None);
        while found.is_none()
            && let Some((parent, _)) = self.after.inode(at).names().first()
        {
            at = *parent;
            found = if self.is_new(at) {
                None
            } else {
                self.headers(at).last().copied()
            };
        }
        let first = || {
            self.image
                .archive()
                .entries
                .iter()
                .find(|e| e.kind != EntryKind::Metadata)
        };
        let Some(entry) = found.map(|n| self.entry(n)).or_else(first) else {
            return Ok(Style {
                path: "./".into(),
                format: Format::Ustar,
                names_owners: false,
            });
        };
        let head = Head::read(self.image.stream(), entry)?;
        let mut path = entry.path.clone();
        if entry.kind != EntryKind::Directory {
            path.push(b'/');
        }
        Ok(Style {
            path,
            format: head.format(),
            names_owners: head.names_owners(),
        })
    }

    fn splices(self) -> Vec<Splice> {
        let mut splices: Vec<Splice> = Vec::new();
        let numbers: BTreeSet<u32> = self
            .removed
            .iter()
            .chain(self.rewrites.keys())
            .copied()
            .collect();
        for number in numbers {
            let entry = self.entry(number);
            splices.extend(match self.rewrites.get(&number) {
                None => Some(Splice {
                    at: entry.start..entry.end(),
                    with: Vec::new(),
                }),
                Some(rewrite) => self.rewritten(entry, rewrite),
            });
        }
        if !self.new.is_empty() {
            let end = self.image.archive().end;
            splices.push(Splice {
                at: end..end,
                with: self.new,
            });
        }
        splices
    }

    /// The splice of an entry that stays; only its headers where its data is the same, and nothing where they are too.
    fn rewritten(&self, entry: &Entry, rewrite: &Rewrite) -> Option<Splice> {
        let head: Arc<[u8]> = rewrite.head.to_bytes().into();
        let headers = entry.start..entry.header + 512;
        match &rewrite.data {
            None => {
                let old = self.image.bytes(headers.clone(), u64::MAX).ok()?;
                (old != *head).then(|| Splice {
                    at: headers,
                    with: vec![Piece::Bytes(head)],
                })
            }
            Some(Data::Bytes(bytes)) => Some(Splice {
                at: entry.start..entry.end(),
                with: std::iter::once(Piece::Bytes(head))
                    .chain(with_padding(bytes))
                    .collect(),
            }),
            Some(Data::Moved(from)) => {
                let from = self.entry(*from);
                let with = vec![
                    Piece::Bytes(head),
                    Piece::Input(from.header + 512..from.end()),
                ];
                Some(Splice {
                    at: entry.start..entry.end(),
                    with,
                })
            }
        }
    }
}

fn with_padding(bytes: &Arc<[u8]>) -> impl Iterator<Item = Piece> + use<> {
    let pad = bytes.len().next_multiple_of(512) - bytes.len();
    [
        Piece::Bytes(Arc::clone(bytes)),
        Piece::Bytes(vec![0; pad].into()),
    ]
    .into_iter()
}

fn changed(before: &Inode, after: &Inode) -> bool {
    before.meta != after.meta
        || before.link_metas != after.link_metas
        || before.mtime != after.mtime
}
