//! The inodes of a tree by number, in pages that its clones share until they are changed.

use std::sync::Arc;

use super::{Inode, InodeId};

/// How many inodes share a page. A clone copies the page of an inode that it changes.
const PAGE: usize = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct Inodes(Vec<Arc<Vec<Inode>>>);

impl Inodes {
    pub(super) fn len(&self) -> usize {
        let last = self.0.last().map_or(0, |page| page.len());
        self.0.len().saturating_sub(1) * PAGE + last
    }

    pub(super) fn get(&self, id: InodeId) -> &Inode {
        &self.0[id.index() / PAGE][id.index() % PAGE]
    }

    pub(super) fn get_mut(&mut self, id: InodeId) -> &mut Inode {
        &mut Arc::make_mut(&mut self.0[id.index() / PAGE])[id.index() % PAGE]
    }

    pub(super) fn push(&mut self, inode: Inode) {
        if self.len().is_multiple_of(PAGE) {
            self.0.push(Arc::new(Vec::with_capacity(PAGE)));
        }
        let last = self.0.last_mut().expect("just put there");
        Arc::make_mut(last).push(inode);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Inode> {
        self.0.iter().flat_map(|page| page.iter())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Inode> {
        let pages = self.0.iter_mut();
        pages.flat_map(|page| Arc::make_mut(page).iter_mut())
    }

    /// Returns true if no inode of its page was changed in either, so that it is the same in both.
    pub(super) fn share(&self, other: &Self, id: InodeId) -> bool {
        let page = id.index() / PAGE;
        let pages = self.0.get(page).zip(other.0.get(page));
        pages.is_some_and(|(a, b)| Arc::ptr_eq(a, b))
    }
}
