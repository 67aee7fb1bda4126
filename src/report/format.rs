//! The formats of a report: one file each, behind one trait, and one table that drives `--format`, the endings of `--report`
//! and the help.

use std::fmt;

use super::Report;
use super::diff::Diff;
use super::html::Html;
use super::json::Json;
use super::markdown::Markdown;
use super::sarif::Sarif;
use super::txt::Txt;
use crate::error::Result;

/// A form in which a report can be written.
///
/// ```no_run
/// # fn main() -> casehard::Result<()> {
/// # let image = casehard::Image::open("rootfs.tar.gz")?;
/// # let recipe = casehard::Recipe::load("site.ini")?;
/// let plan = image.plan(&recipe)?;
/// let format = casehard::report::of_name("review.html").expect("a known ending");
/// let page = format.render(&plan.report())?;
/// # Ok(())
/// # }
/// ```
pub trait Format: fmt::Debug + Sync {
    /// What `--format` calls it. It is an ending of file names, too.
    fn name(&self) -> &'static str;

    /// Other endings of file names that ask for it.
    fn other_endings(&self) -> &'static [&'static str] {
        &[]
    }

    /// Who it is for, in a few words.
    fn about(&self) -> &'static str;

    /// Whether a terminal shows it as it is meant: colours are its own, and nothing else in it moves the cursor.
    fn is_for_terminals(&self) -> bool {
        false
    }

    /// Whether it says the [`Report::digests`], which take time to make.
    fn has_digests(&self) -> bool {
        false
    }

    /// Writes a report.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where the image cannot be read.
    fn render(&self, report: &Report<'_>) -> Result<Vec<u8>>;
}

/// Every format, in the order of the help.
pub static FORMATS: [&dyn Format; 6] = [&Diff, &Txt, &Markdown, &Html, &Json, &Sarif];

/// The format that a file's name asks for by its ending.
pub fn of_name(name: &str) -> Option<&'static dyn Format> {
    let (_, ending) = name.rsplit_once('.')?;
    FORMATS
        .into_iter()
        .find(|format| format.name() == ending || format.other_endings().contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_ending_asks_for_two_formats() {
        let mut known = BTreeSet::new();
        for format in FORMATS {
            assert!(known.insert(format.name()), "{format:?}");
            for ending in format.other_endings() {
                assert!(known.insert(ending), "{ending}");
                let found = of_name(&format!("a.b/c.{ending}")).map(Format::name);
                assert_eq!(found, Some(format.name()));
            }
        }
        assert!(of_name("html").is_none() && of_name("x.tar").is_none());
    }
}
