//! What extracting an image gives, worked out without the library's own replay, and the promises held against it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read as _;

use sha2::{Digest as _, Sha256};

use casehard::edit::{Change, Edit};
use casehard::image::{Entry, EntryKind};
use casehard::{Error, Image, OpenOptions, Plan, Recipe, WriteOptions};

/// A file tree by absolute path.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) names: BTreeMap<Vec<u8>, usize>,
    pub(crate) nodes: Vec<Node>,
    /// For each entry of the archive the path that it makes, without symbolic links on the way, and its inode.
    made: Vec<Made>,
    /// The inodes whose content is stored with holes.
    sparse: BTreeSet<usize>,
}

/// The path that an entry makes, and its inode; none for what extraction skips.
type Made = Option<(Vec<u8>, usize)>;

/// A file, directory or link.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: EntryKind,
    /// What the first header says.
    pub(crate) meta: Meta,
    /// Data as the archive stores it, its hash if it is large, or a symbolic link's target.
    pub(crate) content: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Meta {
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) mtime: u64,
}

impl Tree {
    /// Extracts an image's entries one after another.
    pub(crate) fn of(image: &Image) -> Self {
        let mut tree = Self::default();
        let root = tree.directory();
        tree.names.insert(Vec::new(), root);
        for entry in image.entries() {
            let made = tree.extract(image, &entry);
            tree.made.push(made);
        }
        tree
    }

    fn directory(&mut self) -> usize {
        self.add(Node {
            kind: EntryKind::Directory,
            meta: Meta {
                mode: 0o755,
                owner: (0, 0),
                xattrs: Vec::new(),
                mtime: 0,
            },
            content: Vec::new(),
        })
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn extract(&mut self, image: &Image, entry: &Entry<'_>) -> Made {
        if entry.kind == EntryKind::Metadata {
            return None;
        }
        let path = self.parents(entry.path);
        self.make_parents(&path);
        let meta = Meta {
            mode: entry.meta.mode,
            owner: (entry.meta.uid, entry.meta.gid),
            xattrs: entry
                .meta
                .xattrs
                .iter()
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect(),
            // A directory's time changes with what is put into it.
            mtime: if entry.kind == EntryKind::Directory {
                0
            } else {
                entry.mtime
            },
        };
        let id = match entry.kind {
            EntryKind::HardLink => {
                let target = self.parents(entry.link);
                let id = *self.names.get(&target)?;
                if self.nodes[id].kind == EntryKind::Directory {
                    return None;
                }
                id
            }
            EntryKind::Directory => match self.names.get(&path) {
                Some(id) if self.nodes[*id].kind == EntryKind::Directory => {
                    let id = *id;
                    self.nodes[id].meta = meta;
                    id
                }
                _ => self.add(Node {
                    kind: entry.kind,
                    meta,
                    content: Vec::new(),
                }),
            },
            kind => {
                let content = if kind == EntryKind::Symlink {
                    entry.link.to_vec()
                } else {
                    content(raw(image, entry.data_range()))
                };
                let sparse = kind == EntryKind::SparseFile;
                let id = self.add(Node {
                    kind: if sparse { EntryKind::File } else { kind },
                    meta,
                    content,
                });
                self.sparse.extend(sparse.then_some(id));
                id
            }
        };
        self.names.insert(path.clone(), id);
        Some((path, id))
    }

    /// The path with symbolic links on the way to its last name resolved inside the root.
    fn parents(&self, path: &[u8]) -> Vec<u8> {
        let mut left: VecDeque<Vec<u8>> = components(path).collect();
        let mut at: Vec<Vec<u8>> = Vec::new();
        for _ in 0..10_000 {
            let Some(name) = left.pop_front() else { break };
            if name == b".." {
                at.pop();
                continue;
            }
            at.push(name);
            let node = self.names.get(&at.join(&b'/')).map(|id| &self.nodes[*id]);
            if let (Some(node), false) = (
                node.filter(|n| n.kind == EntryKind::Symlink),
                left.is_empty(),
            ) {
                at.pop();
                if node.content.starts_with(b"/") {
                    at.clear();
                }
                for name in components(&node.content)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                {
                    left.push_front(name);
                }
            }
        }
        at.join(&b'/')
    }

    fn make_parents(&mut self, path: &[u8]) {
        for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            if !self.names.contains_key(&path[..at]) {
                let id = self.directory();
                self.names.insert(path[..at].to_vec(), id);
            }
        }
    }

    /// The inodes whose content is as the archive stores it, not as it extracts.
    pub(crate) fn sparse(&self) -> Vec<usize> {
        self.sparse.iter().copied().collect()
    }

    /// The names of each inode that pass.
    fn groups(&self, pass: impl Fn(&[u8]) -> bool) -> BTreeMap<usize, BTreeSet<&[u8]>> {
        let mut groups: BTreeMap<usize, BTreeSet<&[u8]>> = BTreeMap::new();
        for (name, id) in self.names.iter().filter(|(name, _)| pass(name)) {
            groups.entry(*id).or_default().insert(name);
        }
        groups
    }
}

/// A file's content, or what tells it from others where it is large.
pub(crate) fn content(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() < 4096 {
        bytes
    } else {
        Sha256::digest(&bytes).to_vec()
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    path.split(|b| *b == b'/')
        .filter(|c| !c.is_empty() && *c != b".")
        .map(<[u8]>::to_vec)
}

/// The bytes of an image's tar stream from one place to another.
pub(crate) fn raw(image: &Image, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.layers()[0]
        .stream()
        .reader(range)
        .read_to_end(&mut bytes)
        .expect("the image can be read");
    bytes
}

/// Opens an image from memory.
pub(crate) fn open(bytes: &[u8]) -> Result<Image, Error> {
    OpenOptions::new().read("test.tar", bytes)
}

/// The hardened image.
pub(crate) fn written(plan: &Plan<'_>, options: &WriteOptions<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    plan.write_to(&mut out, options)
        .expect("memory does not fill up");
    out
}

/// Hardens an image and holds the promises against the result. An error is the library's own refusal.
pub(crate) fn harden(bytes: &[u8], recipe: &Recipe) -> Result<(Vec<u8>, Vec<Edit>), Error> {
    let image = open(bytes)?;
    let plan = image.plan(recipe)?;
    if plan.failed() {
        return Err(Error::Unfulfilled("a rule failed".into()));
    }
    let out = written(&plan, &WriteOptions::new());
    let again = image.plan(recipe).expect("it was planned before");
    assert!(
        written(&again, &WriteOptions::new()) == out,
        "two runs give different bytes"
    );
    if plan.edits().is_empty() {
        assert!(out == bytes, "no edits, and yet other bytes");
    }
    let hardened = open(&out).expect("the output opens");
    let second = hardened.plan(recipe).expect("the output can be planned");
    let is_done = second.edits().is_empty() && !second.failed();
    assert!(is_done, "the output wants {:?}", second.edits());
    assert!(
        written(&second, &WriteOptions::new()) == out,
        "applying twice gives other bytes"
    );
    hold(&image, &hardened, plan.edits());
    let edits = plan.edits().to_vec();
    Ok((out, edits))
}

/// Holds that an image and its hardened self differ by the edits and by nothing else, in what they extract to and in bytes.
pub(crate) fn hold(image: &Image, hardened: &Image, edits: &[Edit]) {
    let (before, after) = (Tree::of(image), Tree::of(hardened));
    same_tree_but_for(&before, &after, edits);
    same_bytes_but_for(image, &before, hardened, &after, edits);
}

/// The edited paths, without the slash at their start, and what is done to each.
pub(crate) fn changes(edits: &[Edit]) -> BTreeMap<Vec<u8>, Vec<&Change>> {
    let mut changes: BTreeMap<Vec<u8>, Vec<&Change>> = BTreeMap::new();
    for edit in edits {
        let path = edit.path.strip_prefix(b"/").unwrap_or(&edit.path).to_vec();
        changes.entry(path).or_default().push(&edit.change);
    }
    changes
}

/// Holds that two trees differ by the edits and by nothing else.
pub(crate) fn same_tree_but_for(before: &Tree, after: &Tree, edits: &[Edit]) {
    let changes = changes(edits);
    let paths: BTreeSet<&Vec<u8>> = before.names.keys().chain(after.names.keys()).collect();
    for path in paths {
        let shown = path.escape_ascii();
        let all = changes.get(path).map_or(&[][..], Vec::as_slice);
        let replaced = |c: &&Change| matches!(c, Change::Removed | Change::Created);
        if let Some(last) = all.iter().copied().rfind(replaced) {
            let there = after.names.contains_key(path);
            assert_eq!(there, *last == Change::Created, "{shown} after {all:?}");
            continue;
        }
        let node = |tree: &Tree| {
            let id = tree.names.get(path)?;
            let mut node = tree.nodes[*id].clone();
            for change in all {
                match change {
                    Change::Mode { .. } => node.meta.mode = 0,
                    Change::Owner { .. } => node.meta.owner = (0, 0),
                    Change::XattrRemoved { name, .. } => {
                        node.meta.xattrs.retain(|(n, _)| n != name);
                    }
                    Change::Content => node.content.clear(),
                    _ => {}
                }
            }
            Some(node)
        };
        assert_eq!(node(before), node(after), "{shown} after {all:?}");
    }
    let kept = |name: &[u8]| {
        let replaced = |c: &&Change| matches!(c, Change::Removed | Change::Created);
        after.names.contains_key(name)
            && !changes
                .get(name)
                .is_some_and(|all| all.iter().any(replaced))
    };
    let groups = |tree: &Tree| -> BTreeSet<Vec<Vec<u8>>> {
        let groups = tree.groups(kept).into_values();
        groups
            .map(|names| names.into_iter().map(<[u8]>::to_vec).collect())
            .collect()
    };
    assert_eq!(groups(before), groups(after), "names that are one file");
}

/// The paths at which two trees differ.
pub(crate) fn differing(before: &Tree, after: &Tree) -> BTreeSet<Vec<u8>> {
    let node = |tree: &Tree, path: &Vec<u8>| tree.names.get(path).map(|id| tree.nodes[*id].clone());
    let paths = before.names.keys().chain(after.names.keys());
    paths
        .filter(|path| node(before, path) != node(after, path))
        .cloned()
        .collect()
}

fn same_bytes_but_for(
    image: &Image,
    before: &Tree,
    hardened: &Image,
    after: &Tree,
    edits: &[Edit],
) {
    let changes = changes(edits);
    let touched: BTreeSet<usize> = before
        .made
        .iter()
        .flatten()
        .filter(|(path, _)| changes.contains_key(path))
        .map(|(_, id)| *id)
        .collect();
    let link_gone = changes.keys().any(|path| {
        let node = before.names.get(path).map(|id| &before.nodes[*id]);
        node.is_some_and(|n| n.kind == EntryKind::Symlink)
    });
    let around = |path: &[u8]| {
        let plain: Vec<_> = components(path).collect();
        link_gone && before.parents(path) != plain.join(&b'/')
    };
    let may_change = |entry: &Entry<'_>, made: &Made| match made {
        _ if entry.kind == EntryKind::Metadata => false,
        Some((path, id)) => {
            changes.contains_key(path)
                || touched.contains(id)
                || around(entry.path)
                || around(entry.link)
        }
        None => true,
    };
    let entries = || image.entries().zip(&before.made);
    let loose: BTreeSet<Vec<u8>> = entries()
        .filter(|(entry, made)| may_change(entry, made))
        .map(|(entry, made)| path_of(&entry, made))
        .collect();
    let explicit: BTreeSet<usize> = before.made.iter().flatten().map(|(_, id)| *id).collect();
    let implied = |path: &Vec<u8>| {
        before
            .names
            .get(path)
            .is_some_and(|id| !explicit.contains(id))
    };
    // What stands between untouched entries and after them is what edits made.
    let explained = |(entry, made): (Entry<'_>, &Made)| {
        let path = path_of(&entry, made);
        assert!(
            changes.contains_key(&path) || loose.contains(&path) || implied(&path),
            "{} at {} of the output is no edit's",
            entry.path,
            entry.start
        );
    };
    let mut left = hardened.entries().zip(&after.made);
    for (entry, _) in entries().filter(|(entry, made)| !may_change(entry, made)) {
        let bytes = raw(image, entry.start..entry.end());
        loop {
            let Some(next) = left.next() else {
                panic!(
                    "{} at {} is not touched by an edit, but not as it was",
                    entry.path, entry.start
                );
            };
            if raw(hardened, next.0.start..next.0.end()) == bytes {
                break;
            }
            explained(next);
        }
    }
    left.for_each(explained);
    let trailer = |image: &Image| {
        let layer = &image.layers()[0];
        raw(image, layer.archive().end..layer.stream().len())
    };
    // An archive without a trailer that loses all its entries gets one.
    let empty = hardened.entries().next().is_none();
    assert!(
        empty || trailer(image) == trailer(hardened),
        "the trailer differs"
    );
}

fn path_of(entry: &Entry<'_>, made: &Made) -> Vec<u8> {
    made.as_ref().map_or_else(
        || components(entry.path).collect::<Vec<_>>().join(&b'/'),
        |(path, _)| path.clone(),
    )
}
