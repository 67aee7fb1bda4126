//! The bytes of regular files, wherever they are.

use std::sync::Arc;

use bstr::ByteSlice;
use sha2::{Digest as _, Sha256};

use crate::image::{EntryKind, Image};
use crate::rootfs::{Content, InodeId, Node, Rootfs};

/// Whether a file holds all of some byte strings; read once, in pieces.
pub(super) fn content_contains(
    image: &Image,
    rootfs: &Rootfs,
    id: InodeId,
    needles: &[&[u8]],
) -> std::io::Result<bool> {
    let longest = needles.iter().map(|needle| needle.len()).max().unwrap_or(0);
    let (mut missing, mut tail) = (needles.to_vec(), Vec::new());
    each_piece(image, rootfs, id, |piece| {
        tail.extend_from_slice(piece);
        missing.retain(|needle| tail.find(needle).is_none());
        tail.drain(..tail.len().saturating_sub(longest.saturating_sub(1)));
    })?;
    Ok(missing.is_empty())
}

/// The length and SHA-256 of a regular file's content as the archive stores it.
pub(crate) fn digest(
    image: &Image,
    rootfs: &Rootfs,
    id: InodeId,
) -> std::io::Result<(u64, [u8; 32])> {
    let (mut length, mut hash) = (0, Sha256::new());
    each_piece(image, rootfs, id, |piece| {
        length += piece.len() as u64;
        hash.update(piece);
    })?;
    Ok((length, hash.finalize().into()))
}

/// The content of a regular file if it has at most `limit` bytes.
pub(crate) fn small_content(
    image: &Image,
    rootfs: &Rootfs,
    id: InodeId,
    limit: u64,
) -> std::io::Result<Option<Arc<[u8]>>> {
    match &rootfs.inode(id).node {
        Node::File(Content::New(bytes)) => {
            Ok(Some(Arc::clone(bytes)).filter(|b| b.len() as u64 <= limit))
        }
        Node::File(Content::Entry(number, _)) => {
            let entry = &image.archive().entries[*number as usize];
            if entry.stored > limit || entry.kind == EntryKind::SparseFile {
                return Ok(None);
            }
            image
                .bytes(entry.data_range(), limit)
                .map(|bytes| Some(bytes.into()))
        }
        _ => Ok(None),
    }
}

fn each_piece(
    image: &Image,
    rootfs: &Rootfs,
    id: InodeId,
    mut take: impl FnMut(&[u8]),
) -> std::io::Result<()> {
    use std::io::Read as _;
    match &rootfs.inode(id).node {
        Node::File(Content::New(bytes)) => take(bytes),
        Node::File(Content::Entry(number, _)) => {
            let mut reader = image
                .stream()
                .reader(image.archive().entries[*number as usize].data_range());
            let mut buffer = vec![0; 64 << 10];
            loop {
                match reader.read(&mut buffer)? {
                    0 => break,
                    n => take(&buffer[..n]),
                }
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::harness::open;

    #[test]
    fn what_lies_across_two_pieces_is_found() {
        let before = "x".repeat((64 << 10) - 3);
        let image = open(&format!("file a\n| {before}needle\n"));
        let rootfs = image.rootfs().unwrap();
        let id = rootfs.open("/a").unwrap();
        let has = |needles: &[&[u8]]| content_contains(&image, &rootfs, id, needles).unwrap();
        assert!(has(&[b"needle", b"xx"]) && has(&[]));
        assert!(!has(&[b"needle", b"nail"]));
    }
}
