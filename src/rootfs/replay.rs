//! Replays an archive's entries in order, to the tree that extracting them would give.

use std::collections::BTreeSet;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use super::lookup::components;
use super::tree::usual_directory;
use super::{Content, Few, Inode, InodeId, Inodes, Location, Names, Node, Numbers, Rootfs};
use crate::image::{Damage, Entry, EntryKind, Exceeded, Image, Limits, too_long};

/// The most names that one file may have, as on ext4. It bounds how long a search through them takes.
const NAMES_LIMIT: usize = 65_000;

/// The different headers that the hard links of one file may have.
const METAS_LIMIT: usize = 64;

/// The note on an archive that ends like one that was cut between two entries.
const NO_MARKER: &str = "the archive ends without an end marker, so entries may be missing from it; GNU tar, bsdtar, Go's archive/tar and Python's tarfile extract what there is without a warning";

impl Rootfs {
    /// Replays an image's layers. Refuses an entry that extractors treat differently, with its offset.
    pub(crate) fn replay(image: &Image) -> Result<Self, Damage> {
        let limits = image.limits();
        let mut root = usual_directory(0);
        root.set_implied(true);
        let mut inodes = Inodes::default();
        inodes.push(root);
        let mut replay = Replay {
            rootfs: Self {
                inodes,
                names: Names::default(),
                dangling: Vec::new(),
                notes: Vec::new(),
                links: limits.links,
            },
            limits,
            implied: 0,
            ways: BTreeSet::new(),
            last: None,
        };
        if image.layers().iter().any(|layer| !layer.archive().marked) {
            replay.note(NO_MARKER.to_owned());
        }
        for (number, entry) in image.rooted_entries() {
            replay
                .extract(number, &entry)
                .map_err(|message| Damage::Tar {
                    offset: entry.start,
                    message,
                })?;
        }
        replay.rootfs.finish();
        Ok(replay.rootfs)
    }
}

/// A tree that entries are being added to.
struct Replay {
    rootfs: Rootfs,
    limits: Limits,
    /// How many directories exist only because a path needs them.
    implied: u64,
    /// The symbolic links that paths of entries go through.
    ways: BTreeSet<InodeId>,
    /// The directory of the last entry, with the way in which the archive writes it, if no link
    /// leads there. The next entry mostly goes there too, and nothing that is put into a directory
    /// changes where that directory is.
    last: Option<(BString, Folder)>,
}

/// The directory that an entry is put in.
#[derive(Clone, Copy)]
struct Folder {
    directory: InodeId,
    /// How many bytes its path has, with a slash at the end.
    length: usize,
}

impl Replay {
    fn note(&mut self, note: String) {
        self.rootfs.notes.push(note);
    }

    fn extract(&mut self, number: u32, entry: &Entry<'_>) -> Result<(), String> {
        if self.rootfs.names.len() > Names::MOST {
            let (name, value) = ("names", Names::MOST);
            return Err(Exceeded { name, value }.to_string());
        }
        if entry.kind == EntryKind::Metadata {
            if !entry.path.is_empty() {
                self.note(format!(
                    "{} is a volume label, not a file; Python's tarfile extracts it as an empty file, and Go's archive/tar hands it to its caller",
                    entry.path
                ));
            }
            return Ok(());
        }
        let Some((folder, name)) = self.folder(entry)? else {
            return self.extract_root(number, entry);
        };
        // The slash before it counts for nobody.
        let length = folder.length + name.len() - 1;
        if length as u64 > self.limits.path {
            return Err(format!(
                "{} leads to a path of {length} bytes; {}",
                entry.path,
                too_long(self.limits.path)
            ));
        }
        let directory = folder.directory;
        let existing = self.rootfs.child(directory, name).map(|c| c.inode);
        let node = match entry.kind {
            EntryKind::HardLink => return self.extract_link(number, entry, directory, name),
            EntryKind::Directory => {
                if let Some(id) = existing.filter(|id| self.rootfs.inode(*id).is_directory()) {
                    let inode = self.rootfs.inode_mut(id);
                    (inode.meta, inode.mtime) = (Arc::clone(entry.meta), entry.mtime);
                    inode.set_implied(false);
                    inode.entries.push(number);
                    self.rootfs.add_entry(directory, name, number);
                    return Ok(());
                }
                Node::Directory(Box::default())
            }
            EntryKind::Symlink if entry.link.is_empty() => {
                return Err(format!("the symbolic link {} has no target", entry.path));
            }
            EntryKind::Symlink => Node::symlink(entry.link),
            EntryKind::File | EntryKind::SparseFile => {
                Node::File(Content::Entry(number, entry.stored))
            }
            special => Node::Special(special),
        };
        let mut entries = self.displace(existing, directory, name, entry)?;
        entries.push(number);
        let mut inode = Inode::new(node, Arc::clone(entry.meta), entry.mtime);
        inode.entries.push(number);
        let id = self.rootfs.add(inode);
        self.rootfs.link(directory, name, id, entries);
        Ok(())
    }

    /// Returns the directory of an entry, made where it is missing, and the entry's name there.
    /// None for the root.
    fn folder<'e>(&mut self, entry: &Entry<'e>) -> Result<Option<(Folder, &'e BStr)>, String> {
        let written = entry.path.trim_end_with(|c| c == '/');
        let split = written.rfind_byte(b'/').map_or(0, |slash| slash + 1);
        let (folder, name) = (&written[..split], written[split..].as_bstr());
        let plain = ![".", "..", ""].iter().any(|special| name == special);
        let last = self
            .last
            .as_ref()
            .filter(|(written, _)| plain && written == folder);
        if let Some((_, last)) = last {
            return Ok(Some((*last, name)));
        }
        let path = within(entry.path)?;
        let Some((name, parents)) = path.split_last() else {
            return Ok(None);
        };
        let directory = self
            .parents(parents)
            .map_err(|e| format!("{}: {e}", entry.path))?;
        let linked = self.note_way(parents, entry.path);
        let found = Folder {
            directory,
            length: self.rootfs.path_in(directory, b"").len(),
        };
        self.last = (plain && !linked).then(|| (folder.into(), found));
        Ok(Some((found, name)))
    }

    /// Refuses an entry that replaces an earlier one where extractors disagree on the result.
    fn may_replace(&mut self, existing: InodeId, entry: &Entry<'_>) -> Result<(), String> {
        let inode = self.rootfs.inode(existing);
        let hard_link = entry.kind == EntryKind::HardLink;
        let opened = matches!(entry.kind, EntryKind::File | EntryKind::SparseFile);
        let note = match inode.symlink() {
            // GNU tar makes links that could lead out of the root last of all, and then takes what else has their name for
            // its own place-holder.
            Some(target) if !hard_link && leads_out(target) => {
                return Err(format!(
                    "{} follows a symbolic link to {target} of the same name; GNU tar leaves the link, others what comes last",
                    entry.path
                ));
            }
            Some(target) if opened || hard_link || entry.kind == EntryKind::Directory => format!(
                "{} takes the place of a symbolic link to {target}; Python's tarfile writes through the link instead",
                entry.path
            ),
            None if opened && inode.links() > 1 => format!(
                "{} takes the place of a file that has other names; Python's tarfile writes through to those",
                entry.path
            ),
            _ => return Ok(()),
        };
        self.note(note);
        Ok(())
    }

    fn extract_root(&mut self, number: u32, entry: &Entry<'_>) -> Result<(), String> {
        if entry.kind != EntryKind::Directory {
            return Err(format!(
                "`{}` names the root but is not a directory",
                entry.path
            ));
        }
        let root = self.rootfs.inode_mut(Rootfs::ROOT);
        (root.meta, root.mtime) = (Arc::clone(entry.meta), entry.mtime);
        root.set_implied(false);
        root.entries.push(number);
        Ok(())
    }

    fn extract_link(
        &mut self,
        number: u32,
        entry: &Entry<'_>,
        directory: InodeId,
        name: &BStr,
    ) -> Result<(), String> {
        if entry.link.is_empty() {
            return Err(format!(
                "{} links to a file outside of the folder that stands for the root",
                entry.path
            ));
        }
        let target = bstr::join(b"/", within(entry.link)?);
        let target = self.rootfs.locate(&target).map_err(|e| e.to_string())?;
        let Some(target) = target
            .inode
            .filter(|id| !self.rootfs.inode(*id).is_directory())
        else {
            self.note(format!(
                "the hard link {} names {}, which the archive does not have; extraction skips it",
                entry.path, entry.link
            ));
            self.rootfs.dangling.push((directory, number));
            return Ok(());
        };
        let meta = entry.meta;
        let inode = self.rootfs.inode_mut(target);
        if inode.names.len() >= NAMES_LIMIT {
            return Err(format!(
                "{} is a file's hard link number {NAMES_LIMIT}; most file systems take fewer",
                entry.path
            ));
        }
        if inode.meta != *meta && !inode.link_metas.contains(meta) {
            if inode.link_metas.len() >= METAS_LIMIT {
                return Err(format!(
                    "{} gives its file yet another mode, owner or attribute, after {METAS_LIMIT} hard links that did; no real image has so many",
                    entry.path
                ));
            }
            inode.link_metas.push(Arc::clone(meta));
        }
        inode.entries.push(number);
        let existing = self.rootfs.child(directory, name).map(|c| c.inode);
        if existing == Some(target) {
            self.rootfs.add_entry(directory, name, number);
            return Ok(());
        }
        let mut entries = self.displace(existing, directory, name, entry)?;
        entries.push(number);
        self.rootfs.link(directory, name, target, entries);
        Ok(())
    }

    /// Returns whether a symbolic link is on the way to an entry; notes the first such entry of
    /// each link.
    fn note_way(&mut self, parents: &[&BStr], path: &BStr) -> bool {
        let mut at = Rootfs::ROOT;
        for name in parents {
            let Some(child) = self.rootfs.child(at, name) else {
                return false;
            };
            let Some(target) = self.rootfs.inode(child.inode).symlink() else {
                at = child.inode;
                continue;
            };
            let (link, target) = (self.rootfs.path_in(at, name), target.to_owned());
            if self.ways.insert(child.inode) {
                self.note(format!(
                    "{path} goes through the symbolic link {link} to {target}, and is taken to be inside the image; {} there",
                    if leads_out(&target) {
                        "GNU tar, bsdtar and Python's tarfile fail"
                    } else {
                        "bsdtar fails"
                    }
                ));
            }
            return true;
        }
        false
    }

    /// Returns the directory that a chain of names leads to, made where it is missing.
    fn parents(&mut self, names: &[&BStr]) -> Result<InodeId, String> {
        let path = bstr::join(b"/", names);
        let location = self.rootfs.follow(&path).map_err(|e| e.to_string())?;
        self.make_directories(&location)
    }

    fn make_directories(&mut self, location: &Location) -> Result<InodeId, String> {
        match location.inode {
            Some(id) if self.rootfs.inode(id).is_directory() => return Ok(id),
            Some(_) => {
                return Err(format!(
                    "{} is not a directory",
                    self.rootfs.location_path(location)
                ));
            }
            None => {}
        }
        self.implied += location.rest.len() as u64;
        let (name, value) = ("implied", self.limits.implied);
        if self.implied > value {
            return Err(Exceeded { name, value }.to_string());
        }
        let names = location.rest.iter();
        Ok(names.fold(location.directory, |parent, name| {
            let mtime = self.rootfs.inode(parent).mtime;
            let id = self.rootfs.add_directory(parent, name.as_bstr(), mtime);
            self.rootfs.inode_mut(id).set_implied(true);
            id
        }))
    }

    /// Removes what has an entry's name, if that is allowed; returns the entries that were there.
    fn displace(
        &mut self,
        existing: Option<InodeId>,
        directory: InodeId,
        name: &BStr,
        entry: &Entry<'_>,
    ) -> Result<Numbers, String> {
        let Some(inode) = existing else {
            return Ok(Few::None);
        };
        self.may_replace(inode, entry)?;
        if self.rootfs.children(inode).next().is_some() {
            return Err(format!(
                "{} stands in for a directory that has files; extractors disagree on what becomes of them",
                entry.path
            ));
        }
        let child = self.rootfs.unlink(directory, name);
        Ok(child.map(|c| c.entries).unwrap_or_default())
    }
}

/// Returns whether a symbolic link's target could be outside the folder of the extraction.
fn leads_out(target: &[u8]) -> bool {
    target.starts_with(b"/") || components(target).any(|c| c == b"..")
}

/// Returns the components of an archive path. Refuses `..`.
fn within(path: &BStr) -> Result<Vec<&BStr>, String> {
    let names: Vec<&BStr> = components(path).map(ByteSlice::as_bstr).collect();
    if names.iter().any(|n| *n == "..") {
        return Err(format!(
            "the path {path} contains `..` and could leave the root, so it is refused"
        ));
    }
    Ok(names)
}

#[cfg(test)]
pub(super) mod tests;
