//! Where a recipe's text comes from: a file, the program itself, or the caller.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use super::load::Shipped;

/// A recipe is read into memory, so its size has a limit; no recipe written by hand comes near it.
const LARGEST: u64 = 1 << 20;

/// Where a recipe's text is.
#[derive(Debug)]
pub(super) struct Origin {
    /// What mistakes are shown with.
    pub(super) name: String,
    pub(super) identity: Identity,
    /// Where the names in its `Extends=` start.
    pub(super) directory: Option<PathBuf>,
    content: Content,
}

/// What tells whether two names are the same recipe's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    Text,
    Shipped(&'static str),
    File(PathBuf),
}

#[derive(Debug)]
enum Content {
    Text(&'static str),
    File(PathBuf),
}

/// A recipe's text; or why its bytes are not a text, with as much of it as can be shown.
pub(super) type Text = Result<String, NoText>;

#[derive(Debug)]
pub(super) struct NoText {
    pub(super) readable: String,
    pub(super) message: String,
    pub(super) help: &'static str,
}

impl Origin {
    /// A text that is at hand already.
    pub(super) fn text(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            identity: Identity::Text,
            directory: None,
            content: Content::Text(""),
        }
    }

    pub(super) fn file(path: PathBuf) -> Self {
        Self {
            name: path.display().to_string(),
            identity: Identity::File(path.canonicalize().unwrap_or_else(|_| path.clone())),
            directory: Some(path.parent().unwrap_or(Path::new("")).to_owned()),
            content: Content::File(path),
        }
    }

    pub(super) fn shipped(shipped: &Shipped) -> Self {
        Self {
            name: format!("recipe:{}", shipped.name),
            identity: Identity::Shipped(shipped.name),
            directory: None,
            content: Content::Text(shipped.text),
        }
    }

    pub(super) fn read(&self) -> Result<Text> {
        let path = match &self.content {
            Content::Text(text) => return Ok(Ok((*text).to_owned())),
            Content::File(path) => path,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Error::Usage(format!("there is no recipe {}", path.display()))
            }
            _ => Error::io("read", path.as_path())(error),
        })?;
        file.take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(Error::io("read", path.as_path()))?;
        if bytes.len() as u64 > LARGEST {
            return Ok(Err(NoText {
                readable: String::new(),
                message: "this file is larger than 1 MiB".to_owned(),
                help: "check that it is a recipe",
            }));
        }
        Ok(String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(good);
            NoText {
                readable: String::from_utf8(bytes).unwrap_or_default(),
                message: "not a text file: what follows is not UTF-8".to_owned(),
                help: "store the recipe as UTF-8",
            }
        }))
    }
}
