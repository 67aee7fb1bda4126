//! The formats of reports and comparisons, in one table that drives `--format`, the extensions of
//! `--report` and the help.

use std::io::Write;

use super::{Report, html, markdown, txt};
use crate::diff::Comparison;
use crate::error::{Error, Result};

/// A format in which a report or a comparison can be written.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let image = casehard::Image::open("rootfs.tar.gz")?;
/// # let recipe = casehard::Recipe::load("site.ini")?;
/// use casehard::report::Format;
/// let plan = image.plan(&recipe)?;
/// let format = Format::of_name("review.html").expect("a known extension");
/// std::fs::write("review.html", plan.report().render(format)?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// A diff that git and `patch` read.
    Diff,
    /// Text for terminals.
    Text,
    /// Markdown for a comment on a pull request.
    Markdown,
    /// A page in one file.
    Html,
    /// JSON with a schema.
    Json,
    /// SARIF 2.1.0.
    Sarif,
}

impl Format {
    /// Every format, in the order of the help.
    pub const ALL: [Self; 6] = [
        Self::Diff,
        Self::Text,
        Self::Markdown,
        Self::Html,
        Self::Json,
        Self::Sarif,
    ];

    /// Returns the extensions of file names that ask for it; the first one is its name.
    pub fn extensions(self) -> &'static [&'static str] {
        self.row().0
    }

    /// Returns its name for `--format`.
    pub fn name(self) -> &'static str {
        self.extensions()[0]
    }

    /// Says in a few words who it is for.
    pub fn about(self) -> &'static str {
        self.row().1
    }

    /// Returns the extensions, and what the format is for.
    fn row(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Diff => (&["diff", "patch"], "for reviewers, git and patch"),
            Self::Text => (&["txt", "text"], "for terminals, in colours if wanted"),
            Self::Markdown => (&["md", "markdown"], "for a comment on a pull request"),
            Self::Html => (&["html", "htm"], "a page for browsers, in one file"),
            Self::Json => (&["json"], "for programs, with a schema in docs/"),
            Self::Sarif => (&["sarif"], "for code scanning, SARIF 2.1.0"),
        }
    }

    /// Returns the format that a file's name asks for by its extension.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        let asked = |format: &Self| format.extensions().contains(&extension);
        Self::ALL.into_iter().find(asked)
    }

    /// Whether it can go to a terminal as it is: only its own colours are escape sequences.
    pub fn is_for_terminals(self) -> bool {
        matches!(self, Self::Text)
    }

    /// Whether a report in it contains the [`Report::digests`], which take time to compute.
    pub fn has_digests(self) -> bool {
        matches!(self, Self::Json)
    }
}

impl Report<'_> {
    /// Writes the report in a format.
    ///
    /// # Errors
    /// [`Error::Io`] where the image cannot be read.
    pub fn render(&self, format: Format) -> Result<Vec<u8>> {
        let text = match format {
            Format::Diff => return self.to_diff(),
            Format::Text => txt::write(&self.view()?, self.color),
            Format::Markdown => markdown::write(&self.view()?),
            Format::Html => html::write(&self.view()?),
            Format::Json => self.to_json()?,
            Format::Sarif => self.to_sarif()?,
        };
        Ok(text.into_bytes())
    }
}

impl Comparison<'_> {
    /// Writes the comparison in a format. Markdown, HTML and SARIF are made in memory and leave out
    /// what would fill it.
    ///
    /// # Errors
    /// [`Error::Io`] where an image cannot be read, and [`Error::Output`] where `out` cannot be
    /// written.
    pub fn write(&self, format: Format, out: &mut dyn Write, color: bool) -> Result<()> {
        let text = match format {
            Format::Diff => return self.write_diff(out),
            Format::Text => return self.write_txt(out, color),
            Format::Json => return self.write_json(out),
            Format::Markdown => markdown::write(&self.view()?),
            Format::Html => html::write(&self.view()?),
            Format::Sarif => self.to_sarif(),
        };
        out.write_all(text.as_bytes()).map_err(Error::Output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_ending_asks_for_two_formats() {
        let mut known = BTreeSet::new();
        for format in Format::ALL {
            for extension in format.extensions() {
                assert!(known.insert(extension), "{extension}");
                let found = Format::of_name(&format!("a.b/c.{extension}"));
                assert_eq!(found, Some(format));
            }
        }
        assert!(Format::of_name("html").is_none() && Format::of_name("x.tar").is_none());
    }
}
