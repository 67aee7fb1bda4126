//! The holes of a file on disk, and their map in an archive.

use std::fmt::Write as _;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::fields::padded;

/// Where a file with holes has data.
pub(super) struct Map {
    pub(super) data: Vec<Range<u64>>,
    size: u64,
}

/// A smaller file is packed as it is: it may be a text that a rule edits.
const SMALLEST: u64 = 1 << 20;

/// Returns where a file has data, if it has holes. On a file system that does not tell, it has none.
pub(super) fn map(file: &File, metadata: &Metadata) -> io::Result<Option<Map>> {
    let size = metadata.len();
    if size < SMALLEST || metadata.blocks().saturating_mul(512) >= size {
        return Ok(None);
    }
    let mut data = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Only a hole is left.
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let end = seek(file, SeekFrom::Hole(start))?.min(size);
        if start >= end {
            break;
        }
        data.push(start..end);
        at = end;
    }
    let is_whole = data.first().is_some_and(|first| *first == (0..size));
    Ok((!is_whole).then_some(Map { data, size }))
}

impl Map {
    /// Returns how many bytes the archive stores.
    pub(super) fn stored(&self) -> u64 {
        let data = self.data.iter().map(|range| range.end - range.start);
        self.text().len() as u64 + data.sum::<u64>()
    }

    /// Returns what stands before the data: how many parts there are, and where each begins and how
    /// long it is. The last, of no length, is the end of the file.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = format!("{}\n", self.data.len() + 1);
        for range in &self.data {
            let _ = write!(text, "{}\n{}\n", range.start, range.end - range.start);
        }
        let _ = write!(text, "{}\n0\n", self.size);
        let mut text = text.into_bytes();
        let whole = usize::try_from(padded(text.len() as u64)).unwrap_or(text.len());
        text.resize(whole, 0);
        text
    }
}
