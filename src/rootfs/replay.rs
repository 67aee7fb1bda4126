//! From an archive's entries to the tree that extracting them in order would give.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use super::lookup::components;
use super::{Content, Inode, InodeId, Location, Meta, Node, Numbers, Rootfs};
use crate::image::{Archive, Damage, Entry, EntryKind, Exceeded, too_long};

/// The names that one file may have: what ext4 takes. Looking through them must not take for ever.
const NAMES_LIMIT: usize = 65_000;

/// The different headers that the hard links of one file may have.
const METAS_LIMIT: usize = 64;

/// What is said of an archive that ends like one that was cut between two entries.
const NO_MARKER: &str = "the archive ends without an end marker, so entries may be missing from it; GNU tar, bsdtar, Go's archive/tar and Python's tarfile extract what is there and say nothing";

impl Rootfs {
    /// Replays an archive. What extractors would do differently is refused, with the entry's offset.
    pub(crate) fn replay(archive: &Archive) -> Result<Self, Damage> {
        let root = Inode::new(Node::Directory(BTreeMap::new()), implied_directory(), 0);
        let mut inodes = Vec::with_capacity(archive.entries.len() + 1);
        inodes.push(Arc::new(root));
        let mut rootfs = Self {
            inodes,
            dangling: Vec::new(),
            notes: Vec::new(),
            ways: BTreeSet::new(),
            implied: 0,
            links: archive.limits.links,
        };
        if !archive.marked {
            rootfs.notes.push(NO_MARKER.to_owned());
        }
        for (number, entry) in (0u32..).zip(&archive.entries) {
            let done = rootfs
                .extract(number, entry, archive.limits.path)
                .and_then(|()| {
                    let (name, value) = ("implied", archive.limits.implied);
                    if rootfs.implied > value {
                        return Err(Exceeded { name, value }.to_string());
                    }
                    Ok(())
                });
            done.map_err(|message| Damage::Tar {
                offset: entry.start,
                message,
            })?;
        }
        Ok(rootfs)
    }

    fn extract(&mut self, number: u32, entry: &Entry, longest: u64) -> Result<(), String> {
        if entry.kind == EntryKind::Metadata {
            if !entry.path.is_empty() {
                self.notes.push(format!(
                    "{} is a volume label, not a file; Python's tarfile makes an empty file of it, and Go's archive/tar leaves it to its caller",
                    entry.path
                ));
            }
            return Ok(());
        }
        let path = within(&entry.path)?;
        let Some((name, parents)) = path.split_last() else {
            return self.extract_root(number, entry);
        };
        let directory = self
            .parents(parents)
            .map_err(|e| format!("{}: {e}", entry.path))?;
        self.note_way(parents, entry.path.as_bstr());
        let length = self.path_in(directory, name).len();
        // The slash before it counts for nobody.
        if length as u64 - 1 > longest {
            return Err(format!(
                "{} leads to a path of {} bytes; {}",
                entry.path,
                length - 1,
                too_long(longest)
            ));
        }
        let existing = self.child(directory, name).map(|c| c.inode);
        let node = match entry.kind {
            EntryKind::HardLink => return self.extract_link(number, entry, directory, name),
            EntryKind::Directory => {
                if let Some(id) = existing.filter(|id| self.inode(*id).is_directory()) {
                    let inode = self.inode_mut(id);
                    (inode.meta, inode.mtime) = (entry.into(), entry.mtime);
                    inode.entries.push(number);
                    self.add_entry(directory, name, number);
                    return Ok(());
                }
                Node::Directory(BTreeMap::new())
            }
            EntryKind::Symlink if entry.link.is_empty() => {
                return Err(format!("the symbolic link {} has no target", entry.path));
            }
            EntryKind::Symlink => Node::Symlink(entry.link.clone()),
            EntryKind::File | EntryKind::SparseFile => {
                Node::File(Content::Entry(number, entry.stored))
            }
            special => Node::Special(special),
        };
        self.may_replace(existing, entry)?;
        let earlier = self.displace(directory, name, entry.path.as_bstr())?;
        let id = self.add(Inode::new(node, entry.into(), entry.mtime));
        self.inode_mut(id).entries.push(number);
        self.link(directory, name, id);
        self.set_entries(directory, name, earlier, number);
        Ok(())
    }

    /// Whether an entry may take the place of what an earlier one made, as far as the programs that build images agree.
    fn may_replace(&mut self, existing: Option<InodeId>, entry: &Entry) -> Result<(), String> {
        let Some(inode) = existing.map(|id| self.inode(id)) else {
            return Ok(());
        };
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
            None if opened && inode.names().len() > 1 => format!(
                "{} takes the place of a file that has other names; Python's tarfile writes through to those",
                entry.path
            ),
            _ => return Ok(()),
        };
        self.notes.push(note);
        Ok(())
    }

    fn extract_root(&mut self, number: u32, entry: &Entry) -> Result<(), String> {
        if entry.kind != EntryKind::Directory {
            return Err(format!(
                "`{}` names the root but is not a directory",
                entry.path
            ));
        }
        let root = self.inode_mut(Self::ROOT);
        (root.meta, root.mtime) = (entry.into(), entry.mtime);
        root.entries.push(number);
        Ok(())
    }

    fn extract_link(
        &mut self,
        number: u32,
        entry: &Entry,
        directory: InodeId,
        name: &BStr,
    ) -> Result<(), String> {
        let target = bstr::join(b"/", within(&entry.link)?);
        let target = self.locate(&target).map_err(|e| e.to_string())?.inode;
        let Some(target) = target.filter(|id| !self.inode(*id).is_directory()) else {
            self.notes.push(format!(
                "the hard link {} names {}, which the archive does not have; extraction skips it",
                entry.path, entry.link
            ));
            self.dangling.push((directory, number));
            return Ok(());
        };
        let meta = Meta::from(entry);
        let inode = self.inode_mut(target);
        if inode.names.len() >= NAMES_LIMIT {
            return Err(format!(
                "{} is a file's hard link number {NAMES_LIMIT}; most file systems take fewer",
                entry.path
            ));
        }
        if inode.meta != meta && !inode.link_metas.contains(&meta) {
            if inode.link_metas.len() >= METAS_LIMIT {
                return Err(format!(
                    "{} gives its file yet another mode, owner or attribute, after {METAS_LIMIT} hard links that did; that is no honest image",
                    entry.path
                ));
            }
            inode.link_metas.push(meta);
        }
        inode.entries.push(number);
        if self
            .child(directory, name)
            .is_some_and(|c| c.inode == target)
        {
            self.add_entry(directory, name, number);
            return Ok(());
        }
        self.may_replace(self.child(directory, name).map(|c| c.inode), entry)?;
        let earlier = self.displace(directory, name, entry.path.as_bstr())?;
        self.link(directory, name, target);
        self.set_entries(directory, name, earlier, number);
        Ok(())
    }

    /// Notes the first entry whose path goes through a symbolic link, for each such link.
    fn note_way(&mut self, parents: &[&BStr], path: &BStr) {
        let mut at = Self::ROOT;
        for name in parents {
            let Some(child) = self.child(at, name) else {
                return;
            };
            let Some(target) = self.inode(child.inode).symlink() else {
                at = child.inode;
                continue;
            };
            let (link, target) = (self.path_in(at, name), target.to_owned());
            if self.ways.insert(child.inode) {
                self.notes.push(format!(
                    "{path} goes through the symbolic link {link} to {target}, and is taken to be inside the image; {} there",
                    if leads_out(&target) {
                        "GNU tar, bsdtar and Python's tarfile fail"
                    } else {
                        "bsdtar fails"
                    }
                ));
            }
            return;
        }
    }

    /// The directory that a chain of names leads to, made where it is missing.
    fn parents(&mut self, names: &[&BStr]) -> Result<InodeId, String> {
        let path = bstr::join(b"/", names);
        let location = self.follow(&path).map_err(|e| e.to_string())?;
        self.make_directories(&location)
    }

    fn make_directories(&mut self, location: &Location) -> Result<InodeId, String> {
        match location.inode {
            Some(id) if self.inode(id).is_directory() => Ok(id),
            Some(_) => Err(format!(
                "{} is not a directory",
                self.location_path(location)
            )),
            None => Ok(location
                .rest
                .iter()
                .fold(location.directory, |parent, name| {
                    let mtime = self.inode(parent).mtime;
                    self.implied += 1;
                    self.add_directory(parent, name.as_bstr(), mtime)
                })),
        }
    }

    /// Adds an empty directory with mode 0755 that belongs to root.
    pub(crate) fn add_directory(&mut self, parent: InodeId, name: &BStr, mtime: u64) -> InodeId {
        let node = Node::Directory(BTreeMap::new());
        let id = self.add(Inode::new(node, implied_directory(), mtime));
        self.link(parent, name, id);
        id
    }

    /// Takes away what has a name, for a later entry of that name; gives the entries that were put there.
    fn displace(
        &mut self,
        directory: InodeId,
        name: &BStr,
        path: &BStr,
    ) -> Result<Numbers, String> {
        let Some(child) = self.child(directory, name) else {
            return Ok(Numbers::new());
        };
        if self.children(child.inode).next().is_some() {
            return Err(format!(
                "{path} stands in for a directory that has files; extractors disagree on what becomes of them"
            ));
        }
        Ok(self
            .unlink(directory, name)
            .map(|c| c.entries)
            .unwrap_or_default())
    }

    fn add_entry(&mut self, directory: InodeId, name: &BStr, number: u32) {
        if let Some(child) = self.child_mut(directory, name) {
            child.entries.push(number);
        }
    }

    fn set_entries(&mut self, directory: InodeId, name: &BStr, earlier: Numbers, number: u32) {
        if let Some(child) = self.child_mut(directory, name) {
            child.entries = earlier;
            child.entries.push(number);
        }
    }
}

fn implied_directory() -> Meta {
    Meta {
        mode: 0o755,
        ..Meta::default()
    }
}

/// Whether a symbolic link's target could be outside the folder that an archive is extracted to.
fn leads_out(target: &[u8]) -> bool {
    target.starts_with(b"/") || components(target).any(|c| c == b"..")
}

/// The components of an archive path, which may not climb.
fn within(path: &BString) -> Result<Vec<&BStr>, String> {
    let names: Vec<&BStr> = components(path).map(ByteSlice::as_bstr).collect();
    if names.iter().any(|n| *n == "..") {
        return Err(format!(
            "the path {path} has `..` in it and could leave the root; it is refused"
        ));
    }
    Ok(names)
}

impl From<&Entry> for Meta {
    fn from(entry: &Entry) -> Self {
        Self {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            xattrs: entry.xattrs.clone(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Rootfs;
    use crate::image::{Damage, OpenOptions};

    pub(in super::super) fn rootfs(description: &str) -> Rootfs {
        replay(description).unwrap_or_else(|message| panic!("{message}"))
    }

    fn replay(description: &str) -> Result<Rootfs, String> {
        let bytes = casehard_testimages::build(description).expect("the description is right");
        let image = OpenOptions::new()
            .read("test.tar", &bytes[..])
            .expect("the image opens");
        Rootfs::replay(image.archive()).map_err(|damage| match damage {
            Damage::Tar { message, .. } => message,
            Damage::Io(error) => error.to_string(),
        })
    }

    /// Every path, with `=` and the first name of its inode where it has others.
    fn tree(description: &str) -> String {
        let rootfs = rootfs(description);
        let shown = rootfs.walk(Rootfs::ROOT).into_iter().map(|(path, id)| {
            let first = rootfs.path(id);
            let mode = rootfs.inode(id).meta.mode;
            if first == path {
                format!("{path} {mode:o}")
            } else {
                format!("{path} = {first}")
            }
        });
        shown.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn entries_add_up_as_extraction_would_have_them() {
        assert_eq!(
            tree(
                "dir usr mode=0700\nfile ./usr/a mode=0644\nfile /usr/b mode=0600\nfile usr//c/./d mode=0640"
            ),
            "/usr 700\n/usr/a 644\n/usr/b 600\n/usr/c 755\n/usr/c/d 640"
        );
        assert_eq!(tree("file a mode=0600\nfile a mode=0644"), "/a 644");
        assert_eq!(
            tree("file a mode=0600\nhardlink b -> a\nfile a mode=0644\nhardlink c -> ./b"),
            "/a 644\n/b 600\n/c = /b"
        );
        assert_eq!(
            tree("symlink bin -> usr/bin\nfile bin/su mode=4755\nhardlink x -> bin/su"),
            "/bin 777\n/usr 755\n/usr/bin 755\n/usr/bin/su 4755\n/x = /usr/bin/su"
        );
        assert_eq!(tree("symlink a -> b\nfile a mode=0600"), "/a 600");
        assert_eq!(
            tree("symlink a -> b\ndir a mode=0700\nfile a/x mode=0600"),
            "/a 700\n/a/x 600"
        );
        assert_eq!(
            tree("dir a mode=0700\ndir a mode=0711\nfile a/x mode=0600\ndir a mode=0755"),
            "/a 755\n/a/x 600"
        );
        assert_eq!(
            tree("symlink out -> ../../outside\nfile out/x mode=0600"),
            "/out 777\n/outside 755\n/outside/x 600"
        );
    }

    #[test]
    fn what_extractors_disagree_on_is_refused() {
        let refused = |description: &str, why: &str| {
            let message = replay(description).map(|_| ()).expect_err(description);
            assert!(message.contains(why), "{description}: {message}");
        };
        refused("file ../etc/passwd", "`..`");
        refused("file a\nhardlink b -> ../a", "`..`");
        refused("dir a\nfile a/x\nfile a", "stands in for a directory");
        refused("file a\nfile a/b", "not a directory");
        refused("symlink a -> a\nfile a/b", "more than 40");
        refused("file .", "names the root");
        refused("symlink a -> /b\nfile a", "GNU tar leaves the link");
        refused(
            "symlink a -> ../b\nsymlink a -> c",
            "GNU tar leaves the link",
        );
    }

    #[test]
    fn what_python_alone_reads_differently_is_noted() {
        let notes = |description: &str| rootfs(description).notes().len();
        assert_eq!(notes("symlink a -> b\nfile a"), 1);
        assert_eq!(notes("symlink a -> b\nsymlink a -> c"), 0);
        assert_eq!(notes("file b\nsymlink a -> /b\nhardlink a -> b"), 1);
        assert_eq!(notes("file a\nhardlink b -> a\nfile a"), 1);
        assert_eq!(notes("file a\nfile a"), 0);
    }

    #[test]
    fn a_link_on_the_way_is_noted_once() {
        let rootfs =
            rootfs("dir usr\nsymlink u -> usr\nfile u/a\nfile u/b\nsymlink v -> /usr\nfile v/c");
        assert_eq!(rootfs.notes().len(), 2);
    }

    #[test]
    fn a_hard_link_to_nothing_is_noted_and_makes_no_name() {
        let rootfs = rootfs("dir d\nhardlink b -> gone\nhardlink c -> d");
        assert_eq!(rootfs.notes().len(), 2);
        assert!(rootfs.open("/b").is_none() && rootfs.open("/c").is_none());
    }
}
