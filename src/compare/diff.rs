//! A comparison that git and `patch` read, with what they do not know of in comments.

use std::io::Write;

use bstr::{BString, ByteSlice};

use super::{Comparison, Difference};
use crate::error::Result;
use crate::report::{comments, pair, path_diff, rename_diff};

impl Comparison<'_> {
    /// Writes the comparison as [`Report::to_diff`](crate::Report::to_diff) writes a plan's.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where an image cannot be read, or `out`, named `-`, cannot be written.
    pub fn write_diff(&self, out: &mut dyn Write) -> Result<()> {
        let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(self.failed());
        let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let mut head: Vec<BString> = vec![
            format!("{name} {version}").into(),
            format!("old  {}", self.old.name()).into(),
            format!("new  {}", self.new.name()).into(),
            self.counts().into(),
        ];
        head.extend(self.notes.iter().map(|note| format!("note: {note}").into()));
        for change in &self.surface {
            let name = [change.kind.name().as_bytes(), b" ", &change.name].concat();
            for (sign, details) in [(b"- ", &change.lost), (b"+ ", &change.gained)] {
                let lines = details
                    .iter()
                    .map(|detail| [sign, &name[..], b" ", detail].concat());
                head.extend(lines.map(|line| line.trim_end().into()));
            }
        }
        write(&comments(&head))?;
        for change in &self.paths {
            let names: Vec<_> = change.differences.iter().map(|d| d.name()).collect();
            // States tell the rest themselves.
            let own = [
                Difference::Links,
                Difference::Time,
                Difference::Order,
                Difference::Device,
            ];
            let mut says: Vec<BString> = vec![names.join(", ").into()];
            if change.from.is_some() || change.differences.iter().any(|d| own.contains(d)) {
                says.extend(self.facts(change)?);
            }
            let bytes = match &change.from {
                Some(from) => rename_diff(&says, from, &change.path),
                None => {
                    let (old, new) = pair(self.old.tree(), self.new.tree(), &change.path)?;
                    path_diff(&says, &change.path, old, new)
                }
            };
            write(&bytes)?;
        }
        Ok(())
    }
}
