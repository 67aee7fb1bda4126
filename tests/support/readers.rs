//! The programs that read archives, asked one after another what an archive holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use casehard::Image;
use casehard::image::EntryKind;
use sha2::{Digest as _, Sha256};

use super::disk;
use super::model::{Meta, Node, Tree};
use super::tools::{BSDTAR, GO, PYTHON3, TAR, Tool};

/// What reads archives, in the order in which tables list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    GnuTar,
    Bsdtar,
    Go,
    Python,
}

/// All of them, with the programs that they need.
pub(crate) const READERS: [Reader; 4] =
    [Reader::GnuTar, Reader::Bsdtar, Reader::Go, Reader::Python];
pub(crate) const NEEDS: [Tool; 4] = [TAR, BSDTAR, GO, PYTHON3];

/// What one reader makes of an archive.
pub(crate) struct Reading {
    /// What it extracts, before it gives up if it does.
    pub(crate) tree: Tree,
    /// What it says if it fails.
    pub(crate) error: Option<String>,
}

impl Reader {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GnuTar => "GNU tar",
            Self::Bsdtar => "bsdtar",
            Self::Go => "Go",
            Self::Python => "Python",
        }
    }

    /// Extracts an archive without compression into a folder that is made for it.
    pub(crate) fn read(self, archive: &Path, folder: &Path) -> Reading {
        let extracted = match self {
            Self::GnuTar => disk::extract(TAR, archive, folder),
            Self::Bsdtar => disk::extract(BSDTAR, archive, folder),
            Self::Go => by_script(std::process::Command::new(go()), archive, folder),
            Self::Python => {
                let mut python = PYTHON3.command();
                python.arg("-c").arg(include_str!("../archives/extract.py"));
                by_script(python, archive, folder)
            }
        };
        Reading {
            tree: Tree::on_disk(folder),
            error: extracted.err(),
        }
    }
}

fn by_script(
    mut command: std::process::Command,
    archive: &Path,
    folder: &Path,
) -> Result<(), String> {
    fs::create_dir(folder).expect("the folder is writable");
    let output = command.arg(archive).arg(folder).output();
    let output = output.expect("the program runs");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The reader that is written in Go, built when it is first asked for.
fn go() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built_by_go("tests/archives/extract.go"))
}

/// Builds a program of the tests that is written in Go.
pub(crate) fn built_by_go(source: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join(source.replace(['/', '.'], "-"));
    let mut command = GO.command();
    command
        .env("GO111MODULE", "off")
        .env("GOCACHE", folder.join("go-cache"));
    command.args(["build", "-o"]).arg(&program);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(source));
    let status = command.status().expect("go runs");
    assert!(status.success(), "{source} does not build");
    program
}

/// What an image's own entries add up to, as [`view`] shows it; of files with holes the content is left out.
pub(crate) fn ours(image: &Image) -> BTreeMap<Vec<u8>, String> {
    let mut tree = Tree::of(image);
    tree.names.remove(&b""[..]);
    for id in tree.sparse() {
        tree.nodes[id].content = HOLES.to_vec();
    }
    view(&tree)
}

/// Whether a reader's view is ours.
pub(crate) fn same(ours: &BTreeMap<Vec<u8>, String>, read: &BTreeMap<Vec<u8>, String>) -> bool {
    let holes = format!(":{}", hash(HOLES));
    ours.len() == read.len()
        && ours.iter().zip(read).all(|((name, what), (its, has))| {
            name == its
                && match what.strip_suffix(&holes) {
                    Some(mode) => has.starts_with(mode),
                    None => what == has,
                }
        })
}

const HOLES: &[u8] = b"a file with holes";

/// Each path with what is there, in a few words that are the same whoever extracted it.
pub(crate) fn view(tree: &Tree) -> BTreeMap<Vec<u8>, String> {
    let mut first: BTreeMap<usize, &[u8]> = BTreeMap::new();
    for (name, id) in &tree.names {
        first.entry(*id).or_insert(name);
    }
    let shown = tree.names.iter().map(|(name, id)| {
        let other = first[id];
        // Whether two symbolic links of one target are one is nothing that a path shows.
        let text = if other == name || tree.nodes[*id].kind == EntryKind::Symlink {
            describe(&tree.nodes[*id])
        } else {
            format!("={}", other.escape_ascii())
        };
        (name.clone(), text)
    });
    shown.collect()
}

/// The whole view in one line.
pub(crate) fn line(view: &BTreeMap<Vec<u8>, String>) -> String {
    let mut line = String::new();
    for (name, what) in view {
        let _ = write!(line, " {}{what}", name.escape_ascii());
    }
    line.trim_start().to_owned()
}

fn describe(node: &Node) -> String {
    let mode = match node.meta {
        Meta {
            mode,
            owner: (0, 0),
            ..
        } => format!("{mode:o}"),
        Meta {
            mode,
            owner: (uid, gid),
            ..
        } => format!("{mode:o}@{uid}.{gid}"),
    };
    match node.kind {
        EntryKind::Directory => format!("/{mode}"),
        EntryKind::Symlink => format!("->{}", node.content.escape_ascii()),
        EntryKind::File => {
            format!(":{mode}:{}", hash(&node.content))
        }
        EntryKind::CharDevice | EntryKind::BlockDevice => format!("%{mode}"),
        EntryKind::Fifo => format!("|{mode}"),
        other => format!("?{other:?}"),
    }
}

fn hash(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    format!("{:02x}{:02x}", hash[0], hash[1])
}
