//! A file with a given content.

use bstr::BStr;

use crate::edit::Draft;
use crate::error::{Stop, fail};

/// Gives the file that a path leads to this content, and this mode if there is one. A path that
/// leads nowhere, or to anything but a regular file, becomes a new file. A waiver of one of the
/// subjects prevents it.
pub(in crate::rules) fn put_file(
    draft: &mut Draft<'_>,
    path: &str,
    subjects: &[&str],
    content: &[u8],
    mode: Option<u32>,
) -> Result<(), Stop> {
    let subjects: Vec<&BStr> = subjects.iter().map(|subject| (*subject).into()).collect();
    let waived = |draft: &mut Draft<'_>| draft.waived_as(&subjects);
    let location = draft.rootfs().follow(path.as_bytes());
    let location = location.or_else(|error| fail(error.to_string()))?;
    if draft.rootfs().leads_to(path.as_bytes(), "/dev/null") {
        // A mask; writing through it would make a file of the device.
        let Ok(link) = draft.rootfs().locate(path.as_bytes()) else {
            return fail(format!("{path} cannot be replaced"));
        };
        if draft.rootfs().location_path(&link) == "/dev/null" {
            return fail(format!(
                "{path} is the device that masks lead to, and cannot be a file"
            ));
        }
        if !waived(draft) {
            draft.create_file(&link, content.to_vec(), mode.unwrap_or(0o644));
        }
        return Ok(());
    }
    match location.inode {
        Some(id) if draft.rootfs().inode(id).is_directory() => {
            return fail(format!("{path} is a directory"));
        }
        Some(id) if draft.rootfs().inode(id).is_file() => {
            let same_mode = mode.is_none_or(|mode| draft.has_mode(id, mode));
            let same_content = draft.text(id)? == content;
            if same_content {
                draft.keeps(id);
            }
            if (same_mode && same_content) || waived(draft) {
                return Ok(());
            }
            if !same_content {
                draft.set_content(id, content.to_vec());
            }
            if let Some(mode) = mode {
                draft.set_mode(id, mode);
            }
        }
        _ if waived(draft) => {}
        _ => draft.create_file(&location, content.to_vec(), mode.unwrap_or(0o644)),
    }
    Ok(())
}
