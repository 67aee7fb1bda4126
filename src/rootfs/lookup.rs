//! Looking up a path as the kernel would with the rootfs as `/`: symbolic links resolve inside it and `..` stops at its top.

use std::collections::BTreeMap;
use std::ops::Bound;

use bstr::{BStr, BString, ByteSlice};

use super::{InodeId, Node, Rootfs};

/// As many names as targets of links may add to one look-up: forty links of four kilobytes each, again for every entry, would
/// keep a machine busy for hours.
const STEP_LIMIT: usize = 4096;

/// Where a path leads, whether or not something is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The deepest directory on the way that exists.
    pub directory: InodeId,
    /// What follows it: one name if only the last is in question, more if directories are missing, none for the root.
    pub rest: Vec<BString>,
    /// What is there.
    pub inode: Option<InodeId>,
}

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// More links than the limit, or a circle of them.
    #[error("{0} leads through more than {1} symbolic links")]
    Loop(BString, u64),
    /// Links whose targets have more names than any honest image's.
    #[error("{0} leads through symbolic links of more than 4096 names")]
    TooLong(BString),
    /// Something on the way is a file.
    #[error("{0} leads through {1}, which is not a directory")]
    NotADirectory(BString, BString),
}

/// The components of a path, without empty ones and dots.
pub(crate) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|b| *b == b'/')
        .filter(|c| !c.is_empty() && *c != b".")
}

/// What is at paths below a directory, of what is known by absolute path.
pub(crate) fn below<'m, 'p, V>(
    by_path: &'m BTreeMap<&'p BStr, V>,
    directory: &[u8],
) -> impl Iterator<Item = (&'m &'p BStr, &'m V)> {
    // A path that begins with the directory and a slash comes before what begins with it and the next byte, a zero.
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    let (first, end) = ([directory, b"/"].concat(), [directory, b"0"].concat());
    by_path.range::<BStr, _>((
        Bound::Included(first.as_bstr()),
        Bound::Excluded(end.as_bstr()),
    ))
}

impl Rootfs {
    /// Finds where a path leads, through symbolic links on the way but not through one at its end.
    ///
    /// # Errors
    /// A [`LookupError`] where extraction would fail too.
    pub fn locate(&self, path: &[u8]) -> Result<Location, LookupError> {
        self.resolve(path, false)
    }

    /// Finds where a path leads, through a symbolic link at its end too.
    ///
    /// # Errors
    /// A [`LookupError`] where opening the path would fail with anything but "no such file".
    pub fn follow(&self, path: &[u8]) -> Result<Location, LookupError> {
        self.resolve(path, true)
    }

    /// The inode that opening a path would give, if any.
    pub fn open(&self, path: impl AsRef<[u8]>) -> Option<InodeId> {
        self.follow(path.as_ref()).ok()?.inode
    }

    /// What a path names, name by name: nothing is behind a symbolic link.
    pub(crate) fn at(&self, path: &[u8]) -> Option<InodeId> {
        self.at_from(Self::ROOT, path)
    }

    /// As [`at`](Self::at), with a path that is relative to a directory.
    pub(super) fn at_from(&self, directory: InodeId, path: &[u8]) -> Option<InodeId> {
        components(path).try_fold(directory, |directory, name| {
            Some(self.child(directory, name)?.inode)
        })
    }

    /// The absolute path of a location, without symbolic links on the way.
    pub fn location_path(&self, location: &Location) -> BString {
        let mut path = self.path(location.directory);
        for name in &location.rest {
            if !path.ends_with(b"/") {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        path
    }

    fn resolve(&self, path: &[u8], follow_last: bool) -> Result<Location, LookupError> {
        let mut left: Vec<&[u8]> = components(path).rev().collect();
        let (mut directory, mut missing) = (Self::ROOT, Vec::<BString>::new());
        let (mut links, mut steps) = (0, 0);
        while let Some(name) = left.pop() {
            if name == b".." {
                if missing.pop().is_none() {
                    directory = self.parent(directory);
                }
                continue;
            }
            let child = if missing.is_empty() {
                self.child(directory, name)
            } else {
                None
            };
            let Some(inode) = child.map(|c| c.inode) else {
                missing.push(name.into());
                continue;
            };
            match &self.inode(inode).node {
                Node::Directory(_) => directory = inode,
                Node::Symlink(target) if follow_last || !left.is_empty() => {
                    links += 1;
                    steps += components(target).count();
                    if links > self.links {
                        return Err(LookupError::Loop(path.into(), self.links));
                    }
                    if steps > STEP_LIMIT {
                        return Err(LookupError::TooLong(path.into()));
                    }
                    if target.starts_with(b"/") {
                        directory = Self::ROOT;
                    }
                    left.extend(components(target).rev());
                }
                _ if left.is_empty() => {
                    return Ok(Location {
                        directory,
                        rest: vec![name.into()],
                        inode: Some(inode),
                    });
                }
                _ => {
                    return Err(LookupError::NotADirectory(
                        path.into(),
                        self.path_in(directory, name),
                    ));
                }
            }
        }
        if !missing.is_empty() {
            return Ok(Location {
                directory,
                rest: missing,
                inode: None,
            });
        }
        let inode = Some(directory);
        let (directory, rest) = match self.names(directory).next() {
            Some((parent, name)) => (parent, vec![name.into()]),
            None => (directory, Vec::new()),
        };
        Ok(Location {
            directory,
            rest,
            inode,
        })
    }

    /// Returns whether something is at a path; a symbolic link there need not lead anywhere.
    pub(crate) fn exists(&self, path: impl AsRef<[u8]>) -> bool {
        self.locate(path.as_ref())
            .is_ok_and(|at| at.inode.is_some())
    }

    /// Returns whether a path leads to a directory.
    pub(crate) fn has_directory(&self, path: impl AsRef<[u8]>) -> bool {
        self.open(path)
            .is_some_and(|id| self.inode(id).is_directory())
    }

    fn parent(&self, directory: InodeId) -> InodeId {
        let mut names = self.names(directory);
        names.next().map_or(Self::ROOT, |(parent, _)| parent)
    }

    /// Whether a link's target, or a path, ends at a given absolute path, be something there or not; `/dev/null` is not in
    /// every image.
    pub fn leads_to(&self, path: &[u8], target: &str) -> bool {
        self.follow(path)
            .is_ok_and(|found| self.location_path(&found).as_bstr() == target)
    }
}

#[cfg(test)]
mod tests {
    use super::super::replay::tests::rootfs;

    const TREE: &str = "
dir usr
dir usr/bin
file usr/bin/su
dir etc
dir etc/systemd
symlink bin -> usr/bin
symlink abs -> /usr/bin
symlink up -> ../../../usr
symlink etc/rel -> ../usr/./bin//su
symlink etc/out -> ../../../../etc/passwd
symlink dangling -> /run/later/file
symlink chain1 -> chain2
symlink chain2 -> bin/su
symlink loop1 -> loop2
symlink loop2 -> loop1
symlink self -> self/self
symlink null -> ../dev/null
symlink etc/mask -> /dev/null
file etc/passwd
";

    /// `path`, then what `locate` and `follow` give: the path found, `?` after what is not there, `!` for an error.
    const TABLE: &[(&str, &str, &str)] = &[
        ("/", "/", "/"),
        ("", "/", "/"),
        ("/..", "/", "/"),
        ("usr/bin/su", "/usr/bin/su", "/usr/bin/su"),
        ("/usr//bin/./su", "/usr/bin/su", "/usr/bin/su"),
        ("/bin/su", "/usr/bin/su", "/usr/bin/su"),
        ("/bin", "/bin", "/usr/bin"),
        ("/bin/", "/bin", "/usr/bin"),
        ("/bin/.", "/bin", "/usr/bin"),
        ("/bin/..", "/usr", "/usr"),
        ("/bin/../bin/su", "/usr/bin/su", "/usr/bin/su"),
        ("/abs/su", "/usr/bin/su", "/usr/bin/su"),
        ("/up/bin/su", "/usr/bin/su", "/usr/bin/su"),
        ("/etc/rel", "/etc/rel", "/usr/bin/su"),
        ("/etc/out", "/etc/out", "/etc/passwd"),
        ("/dangling", "/dangling", "/run/later/file?"),
        (
            "/dangling/more",
            "/run/later/file/more?",
            "/run/later/file/more?",
        ),
        ("/dangling/../x", "/run/later/x?", "/run/later/x?"),
        ("/chain1", "/chain1", "/usr/bin/su"),
        ("/loop1", "/loop1", "!"),
        ("/loop1/x", "!", "!"),
        ("/self", "/self", "!"),
        ("/nothing/here", "/nothing/here?", "/nothing/here?"),
        ("/nothing/../etc/passwd", "/etc/passwd", "/etc/passwd"),
        ("/etc/passwd/x", "!", "!"),
        ("/etc/mask", "/etc/mask", "/dev/null?"),
    ];

    #[test]
    fn paths_resolve_inside_the_root() {
        let rootfs = rootfs(TREE);
        for (path, locate, follow) in TABLE {
            let show = |found: Result<super::Location, _>| {
                found.map_or("!".into(), |l| {
                    format!(
                        "{}{}",
                        rootfs.location_path(&l),
                        if l.inode.is_some() { "" } else { "?" }
                    )
                })
            };
            assert_eq!(
                show(rootfs.locate(path.as_bytes())),
                *locate,
                "locate {path}"
            );
            assert_eq!(
                show(rootfs.follow(path.as_bytes())),
                *follow,
                "follow {path}"
            );
        }
        assert!(
            rootfs.leads_to(b"/etc/mask", "/dev/null") && rootfs.leads_to(b"/null", "/dev/null")
        );
        assert!(!rootfs.leads_to(b"/dangling", "/dev/null"));
    }
}
