//! The report for programs: views of its own, so that the internals can change without it.
//! `docs/report.schema.json` and `docs/diff.schema.json` say what they hold; a field that is added
//! there is not a new version, one that is taken away or means something else is.

mod comparison;
mod plan;

use bstr::{BStr, BString, ByteSlice};
use serde::Serialize;

use crate::diff::HardLinks;
use crate::escape::is_misleading;
use crate::inventory::Change;
use crate::rootfs::{Inode, InodeId, Meta, Rootfs};
use crate::write::digests::hex;

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

const TOOL: Tool = Tool {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
};

/// A path. It is nearly always text; where it is not, `path_bytes` is there and `path` only
/// resembles it.
#[derive(Serialize)]
struct PathView {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
}

/// A part of the attack surface that changed.
#[derive(Serialize)]
struct Item {
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_bytes: Option<String>,
    lost: Vec<String>,
    gained: Vec<String>,
}

/// What an inode is.
#[derive(Serialize)]
struct InodeView {
    r#type: &'static str,
    mode: String,
    uid: u64,
    gid: u64,
}

/// Where a symbolic link leads.
#[derive(Serialize)]
struct Target {
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_bytes: Option<String>,
}

/// The other names of a file, at the first of them; at the others, where they are listed.
#[derive(Serialize)]
struct LinksView {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hard_links: Vec<PathView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hard_links_at: Option<PathView>,
}

impl PathView {
    fn of(path: &[u8]) -> Self {
        let (path, path_bytes) = text_and_bytes(path);
        Self { path, path_bytes }
    }
}

impl Item {
    /// Views a change whose texts take the form that `text` gives them.
    fn of(change: &Change, text: impl Fn(&BString) -> String) -> Self {
        Self {
            kind: change.kind.name(),
            name: text(&change.name),
            name_bytes: None,
            lost: change.lost.iter().map(&text).collect(),
            gained: change.gained.iter().map(&text).collect(),
        }
    }
}

impl InodeView {
    fn of(inode: &Inode, meta: &Meta) -> Self {
        Self {
            r#type: inode.type_name(),
            mode: octal(meta.mode),
            uid: meta.uid,
            gid: meta.gid,
        }
    }
}

impl Target {
    fn of(inode: &Inode) -> Option<Self> {
        let (target, target_bytes) = text_and_bytes(inode.symlink()?);
        Some(Self {
            target,
            target_bytes,
        })
    }
}

impl LinksView {
    fn of(links: &mut HardLinks, path: &BStr, id: InodeId, rootfs: &Rootfs) -> Self {
        let names = links.at(path, id, rootfs);
        Self {
            hard_links: names.all.iter().map(|path| PathView::of(path)).collect(),
            hard_links_at: names.told_at.map(|path| PathView::of(&path)),
        }
    }
}

/// A text, and its bytes in hexadecimal digits where it only resembles them.
fn text_and_bytes(bytes: &[u8]) -> (String, Option<String>) {
    let odd = bytes.to_str().is_err();
    (bytes.as_bstr().to_string(), odd.then(|| hex(bytes)))
}

fn octal(bits: u32) -> String {
    format!("{bits:04o}")
}

/// Returns a value as indented JSON with a line feed at the end. Characters that a terminal would
/// obey, or show in another order, are written as `\u202e`.
pub(super) fn pretty(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("text keys and plain values");
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // Outside strings there is nothing of the kind but line feeds.
        match c {
            '\n' => out.push(c),
            _ if is_misleading(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('\n');
    out
}
