//! SELinux labels of what rules create.

use bstr::{BString, ByteSlice};

use crate::edit::Draft;
use crate::error::Stop;
use crate::image::RHT_LABEL;
use crate::rootfs::{InodeId, Rootfs};
use crate::system::selinux::{self, LABEL};

/// How archives spell a label.
const SPELLINGS: [&str; 2] = [LABEL, RHT_LABEL];

/// Gives every new file the label that its neighbours make expected: under an enforcing policy a
/// file without one cannot be used. The policy's own file_contexts says which, else the nearest of
/// its kind in the directory, else the directory.
pub(crate) fn label_new(draft: &mut Draft<'_>, before: &Rootfs) -> Result<(), Stop> {
    let known = before.inode_count();
    let new: Vec<(BString, InodeId)> = draft
        .rootfs()
        .walk(Rootfs::ROOT)
        .into_iter()
        .filter(|(_, id)| {
            let inode = draft.rootfs().inode(*id);
            id.index() >= known || inode.is_entered(before.inode(*id))
        })
        .collect();
    // An archive may have either spelling, or both: extractors read one of them.
    let mut spellings = SPELLINGS.to_vec();
    spellings.retain(|name| {
        before
            .inodes()
            .any(|(_, inode)| inode.meta.xattr(name).is_some())
    });
    if new.is_empty() || spellings.is_empty() {
        return Ok(());
    }
    let kinds = new.iter().map(|(path, id)| {
        let kind = draft.rootfs().inode(*id).type_bits();
        (path.as_bstr(), kind)
    });
    let mut labels = vec![None; new.len()];
    let searched = selinux::file_contexts(draft)
        .and_then(|text| selinux::policy_labels(&text, &kinds.collect::<Vec<_>>(), &mut labels));
    for ((_, id), label) in new.into_iter().zip(labels) {
        let Some((directory, _)) = draft.rootfs().names(id).next() else {
            continue;
        };
        for name in &spellings {
            let rootfs = draft.rootfs();
            if let Some(near) = neighbour(rootfs, directory, rootfs.inode(id).type_bits(), name) {
                let label = label.clone().map(|label| match *name == LABEL {
                    true => label,
                    false => label.trim_end_with(|c| c == '\0').into(),
                });
                draft.add_xattr(id, name, label.unwrap_or(near));
            }
        }
    }
    searched
}

/// Returns the label of something of the same kind in the directory, else of the directory itself.
fn neighbour(
    rootfs: &Rootfs,
    directory: InodeId,
    type_bits: u32,
    attribute: &str,
) -> Option<BString> {
    let alike = rootfs
        .children(directory)
        .map(|(_, child)| rootfs.inode(child.inode))
        .filter(|inode| inode.type_bits() == type_bits);
    let mut all = alike.chain(std::iter::once(rootfs.inode(directory)));
    all.find_map(|inode| inode.meta.xattr(attribute))
        .map(Into::into)
}
