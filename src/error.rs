//! What can go wrong, said so that someone can act on it.
//!
//! The kinds follow who has to act: whoever wrote the command or recipe, whoever made the image, or whoever owns the machine.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of everything that can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image could not be opened, planned or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call itself makes no sense, for example a waiver without a date to judge it by.
    #[error("{0}")]
    Usage(String),

    /// One or more recipes have mistakes; all of them are here.
    #[error("{}", Diagnostic::list(.0))]
    Recipe(Vec<Diagnostic>),

    /// The image is damaged, is not an image, or cannot be read in one way only.
    #[error("{image}: {message}{}", .offset.map(|o| format!(" (at byte {o} of the tar stream)")).unwrap_or_default())]
    Image {
        /// The image's name, as the caller gave it.
        image: String,
        /// Where in the tar stream, in bytes, if a place can be named.
        offset: Option<u64>,
        /// What is wrong and what to do.
        message: String,
    },

    /// A rule failed, or the edited image, read again, does not fulfil the recipe; nothing is written.
    #[error("{0}")]
    Unfulfilled(String),

    /// Reading or writing a file failed.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "create".
        action: &'static str,
        /// The file it was tried on.
        path: PathBuf,
        /// What the system said. [`Display`](fmt::Display) has it already, so it is not the error's `source()` too.
        cause: io::Error,
    },

    /// Writing to the stream that the caller gave, such as standard output, failed.
    #[error("cannot write the output: {0}")]
    Output(io::Error),

    /// The caller's progress callback asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Returns an error about an image as a whole.
    pub(crate) fn image(image: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Image {
            image: image.into(),
            offset: None,
            message: message.into(),
        }
    }

    /// An I/O error with the verb and the path that it happened on; for `map_err`.
    pub(crate) fn io<'a>(
        action: &'static str,
        path: impl Into<&'a Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into().to_owned();
        move |cause| Self::Io {
            action,
            path,
            cause,
        }
    }
}

/// Why a reader of the image, or a rule, stops short.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something in the image is not understood; the plan goes on and reports it.
    Failed(String),
    /// The image cannot be read.
    Fatal(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

/// Stops with a reason.
pub(crate) fn fail<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(why.into()))
}

/// A mistake in a recipe: what, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in lower case without a full stop.
    pub message: String,
    /// The place it is about.
    pub at: Span,
    /// A few words drawn under the place, or empty.
    pub label: String,
    /// A second place that the message speaks of, with its label.
    pub related: Vec<(Span, String)>,
    /// What to do, where that is known: the nearest right name, the missing flag.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake at a place, without label or help yet.
    pub fn new(at: Span, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            at,
            label: String::new(),
            related: Vec::new(),
            help: None,
        }
    }

    /// Adds the words drawn under the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds a second place and what it has to do with the mistake.
    #[must_use]
    pub fn related(mut self, at: Span, label: impl Into<String>) -> Self {
        self.related.push((at, label.into()));
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn list(all: &[Self]) -> String {
        all.iter()
            .map(Self::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)?;
        for (at, label) in &self.related {
            write!(f, "; {at}: {label}")?;
        }
        if let Some(help) = &self.help {
            write!(f, " (help: {help})")?;
        }
        Ok(())
    }
}

/// A named text, kept so that a mistake in it can be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's name as the user gave it, or `recipe:NAME` for a shipped one.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Where its lines begin, but for the first.
    lines: Vec<usize>,
}

impl Source {
    /// A text under the name that messages call it by.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            name: name.into(),
            lines: text.match_indices('\n').map(|(at, _)| at + 1).collect(),
            text,
        }
    }
}

/// A byte range of a [`Source`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The text it lies in.
    pub source: Arc<Source>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.lines_before() + 1
    }

    /// The column, counted from 1 in characters.
    pub fn column(&self) -> usize {
        let text = &self.source.text;
        let line = match self.lines_before() {
            0 => 0,
            lines => self.source.lines[lines - 1],
        };
        text.get(line..self.start)
            .unwrap_or(&text[line..])
            .chars()
            .count()
            + 1
    }

    fn lines_before(&self) -> usize {
        let lines = &self.source.lines;
        lines.partition_point(|line| *line <= self.start)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.name, self.line(), self.column())
    }
}
