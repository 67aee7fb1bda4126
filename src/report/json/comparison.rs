//! The JSON of a comparison, a path at a time.

use std::collections::BTreeMap;
use std::io::Write;

use bstr::{BStr, BString, ByteSlice};
use serde_json::{Value, json};

use super::{hard_links, inode, item, joined, path, remove_nulls, target, tool};
use crate::diff::{
    Comparison, Difference, HardLinks, PathChange, Side, capabilities, device, raw_xattrs,
};
use crate::error::{Error, Result};
use crate::rootfs::InodeId;
use crate::write::digests::hex;

impl Comparison<'_> {
    /// Writes the comparison as JSON, a line for each path.
    ///
    /// # Errors
    /// [`Error::Io`] where an image cannot be read, and [`Error::Output`] where `out` cannot be
    /// written.
    pub fn write_json(&self, out: &mut dyn Write) -> Result<()> {
        let surface = self.surface().iter().map(|change| {
            let odd = change.name.to_str().is_err().then(|| hex(&change.name));
            item(change, odd.as_deref(), BString::to_string)
        });
        let name = |side: &Side<'_>| json!({ "name": side.name(), "compression": side.image.compression().name() });
        let head = json!({
            "version": 1,
            "tool": tool(),
            "old": name(&self.old),
            "new": name(&self.new),
            "same": self.is_same(),
            "notes": self.notes(),
            "surface": surface.collect::<Value>(),
        });
        let mut write = |text: &str| out.write_all(text.as_bytes()).map_err(Error::Output);
        // The paths are put before the brace that ends the rest: they are never all in memory.
        let text = |mut value: Value| {
            remove_nulls(&mut value);
            value.to_string()
        };
        let head = text(head);
        write(head.strip_suffix('}').unwrap_or(&head))?;
        write(",\"paths\":[")?;
        let mut links = [HardLinks::default(), HardLinks::default()];
        for (at, change) in self.paths().iter().enumerate() {
            write(if at == 0 { "\n" } else { ",\n" })?;
            write(&text(self.change(change, &mut links)?))?;
        }
        write("\n]}\n")
    }

    fn change(&self, change: &PathChange, links: &mut [HardLinks; 2]) -> Result<Value> {
        let [was, is] = links;
        let contents = [
            Difference::Added,
            Difference::Removed,
            Difference::Content,
            Difference::Renamed,
            Difference::Type,
        ];
        let hashed = contents.iter().any(|difference| change.has(*difference));
        let one = |side, id: Option<InodeId>, path, links: &mut HardLinks| {
            id.map(|id| state(side, id, path, hashed, links))
                .transpose()
        };
        let from = change.old_path();
        let what = json!({
            "differences": change.differences.iter().map(|d| d.name()).collect::<Value>(),
            "from": change.from.as_ref().map(|from| path(from)),
            "old": one(&self.old, change.old, from.as_bstr(), was)?,
            "new": one(&self.new, change.new, change.path.as_bstr(), is)?,
        });
        Ok(joined([path(&change.path), what]))
    }
}

fn state(
    side: &Side<'_>,
    id: InodeId,
    path: &BStr,
    hashed: bool,
    links: &mut HardLinks,
) -> Result<Value> {
    let is = side.inode(id);
    let digest = (hashed && is.is_file()).then(|| side.files().digest(id));
    let digest = digest.transpose().map_err(|error| side.failed(error))?;
    let xattrs = raw_xattrs(&is.meta);
    let xattrs: BTreeMap<_, _> = xattrs.map(|(n, v)| (n.to_string(), hex(v))).collect();
    Ok(joined([
        inode(is, &is.meta),
        json!({
            "mtime": is.mtime,
            "stored": side.rootfs().size(id),
            "sha256": digest.map(|(_, sha256)| hex(&sha256)),
        }),
        target(is),
        json!({
            "device": device(side, is)?,
            "capabilities": capabilities(&is.meta),
            "xattrs": (!xattrs.is_empty()).then_some(xattrs),
        }),
        hard_links(links, path, id, side.rootfs()),
    ]))
}
