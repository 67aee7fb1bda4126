//! The JSON of a comparison, a path at a time.

use std::collections::BTreeMap;
use std::io::Write;

use bstr::{BStr, BString, ByteSlice};
use serde::Serialize;

use super::{InodeView, Item, LinksView, PathView, TOOL, Target, Tool, text_and_bytes};
use crate::diff::{
    Comparison, Difference, HardLinks, PathChange, Side, capabilities, device, raw_xattrs,
};
use crate::error::{Error, Result};
use crate::inventory::Change;
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
struct Name<'c> {
    name: &'c str,
    compression: &'static str,
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
    #[serde(flatten)]
    inode: InodeView,
    mtime: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(flatten)]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, String>,
    #[serde(flatten)]
    links: LinksView,
}

impl Comparison<'_> {
    /// Writes the comparison as JSON, a line for each path.
    ///
    /// # Errors
    /// [`Error::Io`] where an image cannot be read, and [`Error::Output`] where `out` cannot be
    /// written.
    pub fn write_json(&self, out: &mut dyn Write) -> Result<()> {
        let head = Head {
            version: 1,
            tool: TOOL,
            old: Name::of(&self.old),
            new: Name::of(&self.new),
            same: self.is_same(),
            notes: self.notes(),
            surface: self.surface().iter().map(item).collect(),
        };
        let mut write = |text: &str| out.write_all(text.as_bytes()).map_err(Error::Output);
        // The paths are put before the brace that ends the rest: they are never all in memory.
        let head = text(&head);
        write(head.strip_suffix('}').unwrap_or(&head))?;
        write(",\"paths\":[")?;
        let mut links = [HardLinks::default(), HardLinks::default()];
        for (at, change) in self.paths().iter().enumerate() {
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
        let hashed = contents.iter().any(|difference| change.has(*difference));
        let state = |side, id: Option<InodeId>, path, links: &mut HardLinks| {
            id.map(|id| StateView::of(side, id, path, hashed, links))
                .transpose()
        };
        let from = change.old_path();
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
    fn of(side: &Side<'c>) -> Self {
        Self {
            name: side.name(),
            compression: side.image.compression().name(),
        }
    }
}

fn item(change: &Change) -> Item {
    let (_, name_bytes) = text_and_bytes(&change.name);
    Item {
        name_bytes,
        ..Item::of(change, BString::to_string)
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
        let inode = side.inode(id);
        let meta = &inode.meta;
        let digest = (hashed && inode.is_file()).then(|| side.files().digest(id));
        let digest = digest.transpose().map_err(|error| side.failed(error))?;
        let xattrs = raw_xattrs(meta);
        Ok(Self {
            inode: InodeView::of(inode, meta),
            mtime: inode.mtime,
            stored: side.rootfs().size(id),
            sha256: digest.map(|(_, sha256)| hex(&sha256)),
            target: Target::of(inode),
            device: device(side, inode)?,
            capabilities: capabilities(meta),
            xattrs: xattrs
                .map(|(name, value)| (name.to_string(), hex(value)))
                .collect(),
            links: LinksView::of(links, path, id, side.rootfs()),
        })
    }
}
