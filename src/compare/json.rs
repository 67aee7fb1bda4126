//! A comparison for programs. `docs/diff.schema.json` says what it holds.

use std::collections::BTreeMap;
use std::io::Write;

use bstr::{BStr, ByteSlice};
use serde::Serialize;

use super::{Comparison, Difference, PathChange, Side, facts, walk};
use crate::error::Result;
use crate::image::Image;
use crate::inventory;
use crate::report::HardLinks;
use crate::rootfs::InodeId;
use crate::write::digests::hex;

/// All but the paths.
#[derive(Serialize)]
struct Head<'c> {
    version: u32,
    tool: Tool,
    old: Name<'c>,
    new: Name<'c>,
    same: bool,
    notes: &'c [String],
    surface: Vec<Item>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Name<'c> {
    name: &'c str,
    compression: &'static str,
}

/// A path is text nearly always; `path_bytes` is there where it is not, and `path` then only resembles it.
#[derive(Serialize)]
struct PathView {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
}

#[derive(Serialize)]
struct Item {
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_bytes: Option<String>,
    lost: Vec<String>,
    gained: Vec<String>,
}

#[derive(Serialize)]
struct ChangeView {
    #[serde(flatten)]
    path: PathView,
    differences: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<PathView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<StateView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<StateView>,
}

#[derive(Serialize)]
struct StateView {
    r#type: &'static str,
    mode: String,
    uid: u64,
    gid: u64,
    mtime: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hard_links: Vec<PathView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hard_links_at: Option<PathView>,
}

impl Comparison<'_> {
    /// Writes the comparison as JSON, a line for each path.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where an image cannot be read, or `out`, named `-`, cannot be written.
    pub fn write_json(&self, out: &mut dyn Write) -> Result<()> {
        let head = Head {
            version: 1,
            tool: Tool {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
            },
            old: Name::of(self.old.image, self.old.name()),
            new: Name::of(self.new.image, self.new.name()),
            same: self.is_same(),
            notes: &self.notes,
            surface: self.surface.iter().map(Item::of).collect(),
        };
        let mut write = |text: &str| out.write_all(text.as_bytes()).map_err(self.failed());
        // The paths are put before the brace that ends the rest: they are never all in memory.
        let head = text(&head);
        write(head.strip_suffix('}').unwrap_or(&head))?;
        write(",\"paths\":[")?;
        let mut links = [HardLinks::default(), HardLinks::default()];
        for (at, change) in self.paths.iter().enumerate() {
            write(if at == 0 { "\n" } else { ",\n" })?;
            write(&text(&self.change_view(change, &mut links)?))?;
        }
        write("\n]}\n")
    }

    fn change_view(&self, change: &PathChange, links: &mut [HardLinks; 2]) -> Result<ChangeView> {
        let [was, is] = links;
        let contents = [
            Difference::Added,
            Difference::Removed,
            Difference::Content,
            Difference::Renamed,
            Difference::Type,
        ];
        let hashed = change.differences.iter().any(|d| contents.contains(d));
        let state = |side, id: Option<InodeId>, path, links: &mut HardLinks| {
            id.map(|id| StateView::of(side, id, path, hashed, links))
                .transpose()
        };
        let from = change.from.as_ref().unwrap_or(&change.path);
        Ok(ChangeView {
            path: PathView::of(&change.path),
            differences: change.differences.iter().map(|d| d.name()).collect(),
            from: change.from.as_ref().map(|from| PathView::of(from)),
            old: state(&self.old, change.old, from.as_bstr(), was)?,
            new: state(&self.new, change.new, change.path.as_bstr(), is)?,
        })
    }
}

/// None of the views can fail to become text.
fn text(view: &impl Serialize) -> String {
    serde_json::to_string(view).expect("text keys and plain values")
}

impl<'c> Name<'c> {
    fn of(image: &Image, name: &'c str) -> Self {
        let compression = image.compression().name();
        Self { name, compression }
    }
}

impl PathView {
    fn of(path: &[u8]) -> Self {
        let (path, path_bytes) = both(path);
        Self { path, path_bytes }
    }
}

/// A text, and its bytes in hex where it only resembles them.
fn both(bytes: &[u8]) -> (String, Option<String>) {
    let odd = bytes.to_str().is_err();
    (bytes.as_bstr().to_string(), odd.then(|| hex(bytes)))
}

impl Item {
    fn of(change: &inventory::Change) -> Self {
        let texts = |details: &[bstr::BString]| details.iter().map(ToString::to_string).collect();
        let (name, name_bytes) = both(&change.name);
        Self {
            kind: change.kind.name(),
            name,
            name_bytes,
            lost: texts(&change.lost),
            gained: texts(&change.gained),
        }
    }
}

impl StateView {
    fn of(
        side: &Side<'_>,
        id: InodeId,
        path: &BStr,
        hashed: bool,
        links: &mut HardLinks,
    ) -> Result<Self> {
        let inode = side.rootfs.inode(id);
        let meta = &inode.meta;
        let digest = (hashed && inode.is_file()).then(|| side.files().digest(id));
        let digest = digest.transpose().map_err(|error| side.failed(error))?;
        let names = links.at(path, id, &side.rootfs);
        let xattrs = walk::raw_xattrs(meta);
        let (target, target_bytes) = inode.symlink().map(|target| both(target)).unzip();
        Ok(Self {
            r#type: inode.type_name(),
            mode: format!("{:04o}", meta.mode),
            uid: meta.uid,
            gid: meta.gid,
            mtime: inode.mtime,
            stored: side.rootfs.size(id),
            sha256: digest.map(|(_, sha256)| hex(&sha256)),
            target,
            target_bytes: target_bytes.flatten(),
            device: walk::device(side, inode)?,
            capabilities: facts::capabilities(meta),
            xattrs: xattrs
                .map(|(name, value)| (name.to_string(), hex(value)))
                .collect(),
            hard_links: names.all.iter().map(|p| PathView::of(p)).collect(),
            hard_links_at: names.told_at.map(|p| PathView::of(&p)),
        })
    }
}
