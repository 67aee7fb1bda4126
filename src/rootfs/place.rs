//! A place in a file of the image.

use std::fmt;

use bstr::{BString, ByteSlice};

/// A file of the image, with a line where that helps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The absolute path.
    pub path: BString,
    /// The line in that file, counted from 1.
    pub line: Option<usize>,
}

impl Place {
    /// Names a file, and a line in it if there is one.
    pub fn new(path: impl AsRef<[u8]>, line: impl Into<Option<usize>>) -> Self {
        Self {
            path: path.as_ref().into(),
            line: line.into(),
        }
    }

    /// `path:line`, byte by byte.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.path.to_vec();
        if let Some(line) = self.line {
            bytes.extend(format!(":{line}").bytes());
        }
        bytes
    }
}

impl fmt::Display for Place {
    /// Writes `path:line`. The path is as the image has it, not escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_bytes().to_str_lossy())
    }
}
