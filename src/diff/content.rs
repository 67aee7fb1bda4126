//! Whether two files hold the same bytes.

use std::collections::BTreeMap;

use super::Side;
use crate::error::Result;
use crate::image::Contents;
use crate::rootfs::{Content, InodeId, Node};

const PIECE: usize = 64 << 10;

/// The results so far: a file with many names is read once.
#[derive(Default)]
pub(super) struct Known(BTreeMap<(InodeId, InodeId), bool>);

impl Known {
    /// Returns whether two files have the same content. Sizes tell most apart; the others are read
    /// in pieces until they differ.
    pub(super) fn same(
        &mut self,
        (old, a): (&Side<'_>, InodeId),
        (new, b): (&Side<'_>, InodeId),
    ) -> Result<bool> {
        if let Some(same) = self.0.get(&(a, b)) {
            return Ok(*same);
        }
        let same = match (contents(old, a)?, contents(new, b)?) {
            (Some(ours), Some(theirs)) => same((old, &ours), (new, &theirs))?,
            _ => false,
        };
        let linked = |side: &Side<'_>, id| side.inode(id).links() > 1;
        if linked(old, a) || linked(new, b) {
            self.0.insert((a, b), same);
        }
        Ok(same)
    }
}

fn contents<'s>(side: &'s Side<'_>, id: InodeId) -> Result<Option<Contents<'s>>> {
    let Node::File(Content::Entry(number, _)) = &side.inode(id).node else {
        return Ok(None);
    };
    let (layer, entry) = side.image.entry(*number);
    let contents = layer.contents(&entry);
    contents
        .map(Some)
        .map_err(|damage| damage.of(side.image.name()))
}

/// Compares piece by piece. Nothing is read where both have a hole, so that a size that an archive
/// only claims costs nothing.
fn same(
    (old, ours): (&Side<'_>, &Contents<'_>),
    (new, theirs): (&Side<'_>, &Contents<'_>),
) -> Result<bool> {
    if ours.len() != theirs.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    let next = |at| {
        [ours.next_data(at), theirs.next_data(at)]
            .into_iter()
            .flatten()
            .min()
    };
    while let Some(data) = next(at) {
        let n = ours
            .read_at(&mut left, data)
            .map_err(|error| old.failed(error))?;
        let m = theirs
            .read_at(&mut right, data)
            .map_err(|error| new.failed(error))?;
        if left[..n] != right[..m] {
            return Ok(false);
        }
        at = data + n as u64;
    }
    Ok(true)
}
