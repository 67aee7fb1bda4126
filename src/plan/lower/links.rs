//! Names that lead through others: what hard links name, and the directories that paths go through, when those are edited.
//!
//! An archive is read from its start, so a name may mean one file at one entry and another further on. What is left of an
//! inode links to a name that nothing later takes over.

use std::collections::BTreeSet;

use bstr::{BStr, BString, ByteSlice};

use super::{Data, Lowering, Rewrite};
use crate::image::{Damage, EntryKind, styled};
use crate::rootfs::{InodeId, Rootfs};

impl Lowering<'_> {
    /// Removes hard links to nothing from directories that are gone. They make no file, but
    /// extraction would still make the directory.
    pub(super) fn dangling(&mut self) {
        let gone = |id| id != Rootfs::ROOT && self.after.inode(id).links() == 0;
        let numbers = self.before.dangling().iter();
        let astray = numbers.filter(|(id, number)| gone(*id) || self.paths.contains_key(number));
        self.removed.extend(astray.map(|(_, number)| number));
    }

    /// Finds the entries whose path or hard link leads through a symbolic link that is gone, and the way that is left.
    pub(super) fn reroute(&mut self) {
        if !self.link_gone {
            return;
        }
        let other_way = |path: &BStr| {
            let (was, is) = (self.before.locate(path).ok()?, self.after.locate(path).ok());
            let same = is.is_some_and(|is| (is.directory, &is.rest) == (was.directory, &was.rest));
            let stays =
                was.directory == Rootfs::ROOT || self.after.inode(was.directory).links() > 0;
            let directory = path.ends_with(b"/");
            (stays && !same)
                .then(|| styled(self.before.location_path(&was).as_bstr(), path, directory))
        };
        for (number, entry) in self.image.rooted_entries() {
            if self.removed.contains(&number) || entry.kind == EntryKind::Metadata {
                continue;
            }
            if let Some(path) = other_way(entry.path) {
                self.paths.insert(number, path);
            }
            if entry.kind == EntryKind::HardLink
                && let Some(link) = other_way(entry.link)
            {
                self.links.insert(number, link);
            }
        }
    }

    /// Makes the hard links that an inode keeps link to something; returns the entry with its data.
    pub(super) fn relink(&mut self, id: InodeId) -> Result<Option<u32>, Damage> {
        let inode = self.before.inode(id);
        let Some(data) = inode.entries.first().copied() else {
            return Ok(None);
        };
        let survivors: Vec<u32> = self.surviving(id).collect();
        let mut broken = survivors.clone();
        broken.retain(|n| *n != data && self.is_broken(*n));
        if broken.is_empty() && survivors.first() == Some(&data) {
            return Ok(Some(data));
        }
        let lasting = self.lasting(id);
        if lasting.contains(&data) {
            let to = self.path_of(data);
            for number in broken {
                if self.path_of(number) == to {
                    self.removed.insert(number);
                } else {
                    self.links.insert(number, to.clone());
                }
            }
            return Ok(Some(data));
        }
        // An entry whose name a later one takes over cannot be linked to by all that follow, and makes nothing that lasts.
        self.removed
            .extend(survivors.iter().filter(|n| !lasting.contains(n)));
        let Some(first) = self.surviving(id).next() else {
            return Ok(None);
        };
        self.promote(data, first)?;
        let to = self.path_of(first);
        let others: Vec<u32> = self.surviving(id).filter(|n| *n != first).collect();
        for number in others {
            if self.path_of(number) == to {
                self.removed.insert(number);
            } else if self.place(self.entry(number).link) != self.place(self.entry(first).path) {
                self.links.insert(number, to.clone());
            }
        }
        Ok(Some(first))
    }

    /// Returns the surviving entries of an inode whose name no later entry takes over.
    fn lasting(&self, id: InodeId) -> BTreeSet<u32> {
        let ours = &self.before.inode(id).entries;
        let names = self.after.names(id);
        let entries =
            names.filter_map(|(dir, name)| self.before.child(dir, name).map(|c| &c.entries));
        entries
            .flat_map(|all| {
                all.iter()
                    .rev()
                    .take_while(|n| ours.binary_search(n).is_ok())
            })
            .copied()
            .filter(|n| !self.removed.contains(n))
            .collect()
    }

    /// Returns whether a hard link names something that an edit removed or replaced.
    fn is_broken(&self, number: u32) -> bool {
        let Some((directory, name)) = self.place(self.entry(number).link) else {
            return false;
        };
        let child = |rootfs: &Rootfs| rootfs.child(directory, &name).map(|c| c.inode);
        child(self.before) != child(self.after)
    }

    /// Returns the directory and name that an archive path stands for.
    fn place(&self, path: &BStr) -> Option<(InodeId, BString)> {
        let mut found = self.before.locate(path).ok()?;
        Some((found.directory, found.rest.pop()?)).filter(|_| found.rest.is_empty())
    }

    /// Returns an entry's path in the result.
    fn path_of(&self, number: u32) -> BString {
        let path = self.paths.get(&number).cloned();
        path.unwrap_or_else(|| self.entry(number).path.to_owned())
    }

    /// Makes a surviving hard link the entry that makes the file, since the one that did goes.
    fn promote(&mut self, from: u32, to: u32) -> Result<(), Damage> {
        if self.image.layer_of(from) != self.image.layer_of(to) {
            let entry = self.entry(to);
            return Err(Damage::Tar {
                offset: entry.start,
                message: format!(
                    "{} is a hard link to a file of a lower layer, which casehard cannot move yet",
                    entry.path
                ),
            });
        }
        let name = self.path_of(to);
        let mut rewrite = Rewrite::of(self.head(from)?);
        rewrite.head.set_path(&self.image.name_in_archive(name));
        rewrite.data = Some(Data::Moved(from));
        self.links.remove(&to);
        self.rewrites.insert(to, rewrite);
        Ok(())
    }
}
