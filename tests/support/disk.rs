//! Archives extracted by real programs, read back as a [`Tree`].

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use casehard::image::EntryKind;
use walkdir::WalkDir;

use super::model::{Meta, Node, Tree, content};
use super::tools::{self, BSDTAR, TAR, Tool};

/// Extracts an archive into a folder that is made for it, as faithfully as the program can; what it says if it fails.
pub(crate) fn extract(program: Tool, archive: &Path, folder: &Path) -> Result<(), String> {
    fs::create_dir(folder).expect("the folder is writable");
    let mut command = program.command();
    command
        .arg("--extract")
        .arg("--file")
        .arg(archive)
        .arg("--directory")
        .arg(folder);
    command.args(["--preserve-permissions", "--numeric-owner"]);
    if program.program == TAR.program {
        command.args([
            "--xattrs",
            "--xattrs-include=security.capability",
            "--xattrs-include=user.*",
        ]);
    }
    let output = command.output().expect("the program runs");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The two programs that most archives are extracted by.
pub(crate) const EXTRACTORS: [Tool; 2] = [TAR, BSDTAR];

impl Tree {
    /// What is below a folder. Owners count only for root, who alone can extract them.
    pub(crate) fn on_disk(folder: &Path) -> Self {
        let owners = tools::as_root().is_ok();
        let mut tree = Self::default();
        let mut inodes = BTreeMap::new();
        for found in WalkDir::new(folder).min_depth(1) {
            let found = found.expect("the folder is readable");
            let path = found.path();
            let metadata = fs::symlink_metadata(path).expect("it is there");
            let kind = kind(&metadata);
            let id = *inodes.entry(metadata.ino()).or_insert_with(|| {
                tree.nodes.push(Node {
                    kind,
                    meta: Meta {
                        mode: if kind == EntryKind::Symlink {
                            0o777
                        } else {
                            metadata.mode() & 0o7777
                        },
                        owner: if owners {
                            (metadata.uid().into(), metadata.gid().into())
                        } else {
                            (0, 0)
                        },
                        xattrs: xattrs(path).expect("attributes are readable"),
                        mtime: if kind == EntryKind::Directory {
                            0
                        } else {
                            metadata.mtime().unsigned_abs()
                        },
                    },
                    content: match kind {
                        // A terabyte of holes is a few bytes in an archive.
                        EntryKind::File if metadata.len() > 1 << 30 => {
                            metadata.len().to_string().into_bytes()
                        }
                        EntryKind::File => content(fs::read(path).expect("it is readable")),
                        EntryKind::Symlink => fs::read_link(path)
                            .expect("it is a link")
                            .as_os_str()
                            .as_bytes()
                            .to_vec(),
                        EntryKind::CharDevice | EntryKind::BlockDevice => {
                            metadata.rdev().to_string().into_bytes()
                        }
                        _ => Vec::new(),
                    },
                });
                tree.nodes.len() - 1
            });
            let name = path.strip_prefix(folder).expect("it is below the folder");
            tree.names.insert(name.as_os_str().as_bytes().to_vec(), id);
        }
        tree
    }
}

fn kind(metadata: &fs::Metadata) -> EntryKind {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => EntryKind::Directory,
        () if kind.is_symlink() => EntryKind::Symlink,
        () if kind.is_char_device() => EntryKind::CharDevice,
        () if kind.is_block_device() => EntryKind::BlockDevice,
        () if kind.is_fifo() => EntryKind::Fifo,
        () => EntryKind::File,
    }
}

fn xattrs(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut all = Vec::new();
    for name in xattr::list(path)? {
        if name.as_bytes() == b"security.capability" || name.as_bytes().starts_with(b"user.") {
            let value = xattr::get(path, &name)?.unwrap_or_default();
            all.push((name.as_bytes().to_vec(), value));
        }
    }
    all.sort();
    Ok(all)
}
