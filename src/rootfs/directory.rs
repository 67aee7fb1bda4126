//! What a directory holds, and the names of a tree.

use std::cmp::Ordering;
use std::sync::Arc;

use bstr::{BStr, ByteSlice};

use super::{InodeId, Numbers};

/// The most names in a piece, and so the most that move where one is put between them.
const PIECE: usize = 128;

/// A directory's names, sorted. They lie in pieces, so that a new name moves few others however
/// large the directory is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    /// None of them is empty.
    pieces: Vec<Vec<Child>>,
    /// Whether only the paths of its files say that this directory exists. Extractors choose its
    /// mode and owner then; the inode has the usual ones.
    pub(crate) implied: bool,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    name: Name,
    /// What the name stands for.
    pub inode: InodeId,
    /// The archive's entries with this name, of which extraction keeps the last. None for a new name.
    pub(crate) entries: Numbers,
}

/// A name, as its place among the [`Names`] of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Name(u32);

/// The names of a tree, one after another, each behind its length in four bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Shared with the trees that this one was cloned from or to.
    shared: Arc<Vec<u8>>,
    /// Those that came later.
    more: Vec<u8>,
}

impl Names {
    /// The most bytes of names in an archive. Its names then fit 32 bits, with room for edits.
    pub(super) const MOST: u64 = 1 << 31;

    pub(super) fn get(&self, name: Name) -> &BStr {
        let at = number(name.0);
        let rest = match at.checked_sub(self.shared.len()) {
            None => &self.shared[at..],
            Some(at) => &self.more[at..],
        };
        let (length, rest) = rest.split_first_chunk().expect("as add put it");
        rest[..number(u32::from_le_bytes(*length))].as_bstr()
    }

    pub(super) fn add(&mut self, name: &[u8]) -> Name {
        let [at, length] = [self.len(), name.len() as u64]
            .map(|n| u32::try_from(n).expect("replaying an archive bounds both"));
        self.more.extend_from_slice(&length.to_le_bytes());
        self.more.extend_from_slice(name);
        Name(at)
    }

    pub(super) fn len(&self) -> u64 {
        (self.shared.len() + self.more.len()) as u64
    }

    /// Moves all names to where clones share them.
    pub(super) fn share(&mut self) {
        let mut all = std::mem::take(Arc::make_mut(&mut self.shared));
        all.append(&mut self.more);
        all.shrink_to_fit();
        self.shared = Arc::new(all);
    }
}

fn number(of: u32) -> usize {
    usize::try_from(of).expect("it is in memory")
}

impl Child {
    pub(super) fn new(name: Name, inode: InodeId, entries: Numbers) -> Self {
        Self {
            name,
            inode,
            entries,
        }
    }

    pub(super) fn name<'n>(&self, names: &'n Names) -> &'n BStr {
        names.get(self.name)
    }
}

impl Directory {
    pub(super) fn children(&self) -> impl Iterator<Item = &Child> {
        self.pieces.iter().flatten()
    }

    pub(super) fn get(&self, names: &Names, name: &[u8]) -> Option<&Child> {
        let (piece, at) = self.find(names, name).ok()?;
        Some(&self.pieces[piece][at])
    }

    pub(super) fn get_mut(&mut self, names: &Names, name: &[u8]) -> Option<&mut Child> {
        let (piece, at) = self.find(names, name).ok()?;
        Some(&mut self.pieces[piece][at])
    }

    /// Adds a name that is not there yet.
    pub(super) fn insert(&mut self, names: &Names, child: Child) {
        let Err((piece, at)) = self.find(names, child.name(names)) else {
            return;
        };
        if self.pieces.is_empty() {
            self.pieces.push(Vec::with_capacity(1));
        }
        let children = &mut self.pieces[piece];
        children.insert(at, child);
        if children.len() > PIECE {
            // Archives are mostly sorted, and what follows goes to the second then.
            let rest = children.split_off(if at == PIECE { PIECE } else { PIECE / 2 });
            self.pieces.insert(piece + 1, rest);
        }
    }

    pub(super) fn remove(&mut self, names: &Names, name: &[u8]) -> Option<Child> {
        let (piece, at) = self.find(names, name).ok()?;
        let child = self.pieces[piece].remove(at);
        // A pass over all pieces would make removing every name quadratic.
        if self.pieces[piece].is_empty() {
            self.pieces.remove(piece);
        }
        Some(child)
    }

    /// Frees the spare capacity.
    pub(super) fn shrink(&mut self) {
        self.pieces.shrink_to_fit();
        self.pieces.iter_mut().for_each(Vec::shrink_to_fit);
    }

    /// Returns the piece of a name and its place in it, or those where it would go.
    fn find(&self, names: &Names, name: &[u8]) -> Result<(usize, usize), (usize, usize)> {
        let order = |child: &Child| -> Ordering { child.name(names).as_bytes().cmp(name) };
        let later = self.pieces.get(1..).unwrap_or_default();
        let piece = later.partition_point(|piece| order(&piece[0]).is_le());
        let children = self.pieces.get(piece).map_or(&[][..], Vec::as_slice);
        let found = children.binary_search_by(order);
        found.map(|at| (piece, at)).map_err(|at| (piece, at))
    }
}
