//! Takes one start back, as the tool of its init does.

use bstr::{BString, ByteSlice};

use crate::edit::Draft;
use crate::error::{Stop, fail};
use crate::rootfs::{InodeId, Location, Node};
use crate::system::boot::{Close, Start, xinetd};

/// Closes a start.
pub(super) fn close(draft: &mut Draft<'_>, start: &Start) -> Result<(), Stop> {
    let path = start.place.path.as_bstr();
    match &start.close {
        Close::Unlink(others) => {
            let others = others.iter().map(String::as_bytes);
            for path in std::iter::once(path.as_bytes()).chain(others) {
                let location = locate(draft, path)?;
                draft.remove(&location);
            }
        }
        Close::Rename(name) => rename(draft, path, name)?,
        Close::Create(path) => {
            let location = locate(draft, path.as_bytes())?;
            draft.create_file(&location, Vec::new(), 0o644);
        }
        Close::Comment(sign) => edit(draft, start, |text, line| {
            each_line(text, line, |out, raw| {
                out.extend_from_slice(sign.as_bytes());
                out.extend_from_slice(raw);
            })
        })?,
        Close::Line => edit(draft, start, |text, line| each_line(text, line, |_, _| {}))?,
        Close::Xinetd => edit(draft, start, xinetd::disabled)?,
        Close::Never(_) => {}
    }
    Ok(())
}

fn locate(draft: &Draft<'_>, path: &[u8]) -> Result<Location, Stop> {
    let location = draft.rootfs().locate(path);
    location.or_else(|error| fail(error.to_string()))
}

/// Changes the text of the file in which a start is a line.
fn edit(
    draft: &mut Draft<'_>,
    start: &Start,
    change: impl FnOnce(&[u8], usize) -> Vec<u8>,
) -> Result<(), Stop> {
    let path = start.place.path.as_bstr();
    let (Some(id), Some(line)) = (draft.rootfs().open(path), start.place.line) else {
        return Ok(());
    };
    let text = draft.text(id)?;
    let changed = change(&text, line);
    if changed == text {
        return fail(format!("{} cannot be edited", start.place));
    }
    draft.set_content(id, changed);
    Ok(())
}

/// Returns a text in which one line, counted from 1, is what `write` makes of it.
fn each_line(text: &[u8], line: usize, write: impl FnOnce(&mut Vec<u8>, &[u8])) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut lines = text.lines_with_terminator();
    out.extend(lines.by_ref().take(line - 1).flatten());
    if let Some(own) = lines.next() {
        write(&mut out, own);
    }
    out.extend(lines.flatten());
    out
}

/// Gives a link or script another name in its directory.
fn rename(draft: &mut Draft<'_>, path: &[u8], name: &str) -> Result<(), Stop> {
    let from = locate(draft, path)?;
    let Some(id) = from.inode else {
        return Ok(());
    };
    let directory = path.rsplit_once_str("/").map_or(&b""[..], |(at, _)| at);
    let to = locate(draft, &[directory, b"/", name.as_bytes()].concat())?;
    if to.inode.is_some() {
        // A link that stops it is there already.
        draft.remove(&from);
        return Ok(());
    }
    let target = draft.rootfs().inode(id).symlink().map(BString::from);
    match target {
        Some(target) => {
            let Ok(target) = target.to_str() else {
                return fail(format!(
                    "{} leads to a name that is not text",
                    path.as_bstr()
                ));
            };
            draft.create_symlink(&to, target);
        }
        None => copy(draft, id, &to)?,
    }
    draft.remove(&from);
    Ok(())
}

/// Puts a copy of a script at a place, with its mode and owner.
fn copy(draft: &mut Draft<'_>, id: InodeId, to: &Location) -> Result<(), Stop> {
    let inode = draft.rootfs().inode(id);
    if !matches!(inode.node, Node::File(_)) {
        return fail(format!("{} is not a file", draft.rootfs().path(id)));
    }
    let meta = inode.meta.clone();
    let text = draft.text(id)?;
    let path = draft.rootfs().location_path(to);
    draft.create_file(to, text, meta.mode);
    let Some(new) = draft.rootfs().at(&path) else {
        return fail(format!("{path} cannot be made"));
    };
    draft.set_owner(new, Some(meta.uid), Some(meta.gid));
    for (name, value) in &meta.xattrs {
        draft.add_xattr(new, &name.to_string(), value.clone());
    }
    Ok(())
}
