//! What differs between two images: paths, and above them what the image gives its users.
//!
//! Both are compared as what extracting them would give, so the order of entries, header formats and compression do not
//! count, nor do times unless they are asked for.
//!
//! **Invariant: memory holds names and the maps of sparse files, never contents.** Files are compared piece by piece, and only
//! where their sizes agree; digests are made only of what may have moved. Each writer reads one file at a time.

mod content;
mod diff;
mod facts;
mod filter;
mod folded;
mod json;
mod links;
mod renames;
mod strict;
mod txt;
mod view;
mod walk;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Write;

use bstr::BString;

use crate::error::{Error, Result};
use crate::image::Image;
use crate::inventory::{self, Inventory};
use crate::report::{Format, Known, Tree, write_html, write_markdown, write_sarif};
use crate::rootfs::{Files, InodeId, Rootfs};

use filter::Filter;

pub use filter::KINDS;

/// One respect in which a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Difference {
    /// Only the newer image has it.
    Added,
    /// Only the older image has it.
    Removed,
    /// The same content is at another path, which the newer image does not have.
    Renamed,
    /// It became something else: a file a link, a link a directory.
    Type,
    /// What the file holds.
    Content,
    /// Where the symbolic link leads.
    Target,
    /// Which device it is.
    Device,
    /// Permission, set-id and sticky bits.
    Mode,
    /// Owning user or group.
    Owner,
    /// File capabilities.
    Capability,
    /// Other extended attributes.
    Xattr,
    /// Which of the paths that both images have are one file.
    Links,
    /// The modification time; only if asked for.
    Time,
    /// The place in the archive; only if asked for.
    Order,
}

impl Difference {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::Added,
        Self::Removed,
        Self::Renamed,
        Self::Type,
        Self::Content,
        Self::Target,
        Self::Device,
        Self::Mode,
        Self::Owner,
        Self::Capability,
        Self::Xattr,
        Self::Links,
        Self::Time,
        Self::Order,
    ];

    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
            Self::Type => "type",
            Self::Content => "content",
            Self::Target => "target",
            Self::Device => "device",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Capability => "capability",
            Self::Xattr => "xattr",
            Self::Links => "links",
            Self::Time => "time",
            Self::Order => "order",
        }
    }
}

/// A path that differs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PathChange {
    /// The path; of what was renamed, the new one.
    pub path: BString,
    /// The old path of what was renamed.
    pub from: Option<BString>,
    /// In what respects, never none.
    pub differences: BTreeSet<Difference>,
    old: Option<InodeId>,
    new: Option<InodeId>,
}

impl PathChange {
    /// Whether nothing of it is about what the path is or holds.
    fn is_plain(&self) -> bool {
        let plain = [
            Difference::Mode,
            Difference::Owner,
            Difference::Xattr,
            Difference::Time,
        ];
        self.differences.iter().all(|d| plain.contains(d))
    }
}

/// What to compare, and what of it to show.
///
/// ```
/// # fn main() -> casehard::Result<()> {
/// let options = casehard::CompareOptions::new()
///     .path("/etc/**")?
///     .path("!*.dpkg-old")?
///     .kind("mode")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CompareOptions {
    strict: bool,
    filter: Filter,
}

impl CompareOptions {
    /// The defaults: everything but times and order.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether modification times and the order of entries count.
    #[must_use]
    pub fn strict(mut self, yes: bool) -> Self {
        self.strict = yes;
        self
    }

    /// Only paths that a glob matches, or any of several; with `!` before it, none that it matches. A glob without a slash
    /// matches the last name of a path; one that matches a directory matches what is in it too.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is no glob.
    pub fn path(mut self, glob: &str) -> Result<Self> {
        self.filter.path(glob)?;
        Ok(self)
    }

    /// Only differences of a kind, or of any of several: one of [`KINDS`].
    ///
    /// # Errors
    /// [`Error::Usage`] for what is none.
    pub fn kind(mut self, name: &str) -> Result<Self> {
        self.filter.kind(name)?;
        Ok(self)
    }
}

/// What differs between two images. [`Image::compare`] makes one.
#[derive(Debug)]
pub struct Comparison<'a> {
    old: Side<'a>,
    new: Side<'a>,
    paths: Vec<PathChange>,
    surface: Vec<inventory::Change>,
    /// The older image's and the newer one's; empty where no path differs.
    inventories: [Inventory; 2],
    notes: Vec<String>,
}

/// One of the two images, with its file tree.
#[derive(Debug)]
struct Side<'a> {
    image: &'a Image,
    rootfs: Rootfs,
    known: Known,
}

impl<'a> Side<'a> {
    fn read(image: &'a Image) -> Result<Self> {
        let rootfs = image.rootfs()?;
        Ok(Self {
            image,
            rootfs,
            known: Known::default(),
        })
    }

    fn files(&self) -> Files<'_> {
        Files::new(self.image, Cow::Borrowed(&self.rootfs))
    }

    fn tree(&self) -> Tree<'_> {
        Tree {
            image: self.image,
            rootfs: &self.rootfs,
            known: &self.known,
        }
    }

    /// Its file name, without the folder, which says where a build ran.
    fn name(&self) -> &'a str {
        let name = self.image.name();
        name.trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or(name)
    }

    fn failed(&self, cause: std::io::Error) -> Error {
        Error::Io {
            action: "read",
            path: self.image.name().into(),
            cause,
        }
    }
}

impl Image {
    /// What differs in a newer image.
    ///
    /// ```no_run
    /// # fn main() -> casehard::Result<()> {
    /// let old = casehard::Image::open("rootfs.tar.gz")?;
    /// let new = casehard::Image::open("hardened.tar.zst")?;
    /// let comparison = old.compare(&new)?;
    /// if !comparison.is_same() {
    ///     comparison.write_txt(&mut std::io::stdout(), false)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Image`] where an image cannot be resolved to one file tree, [`Error::Io`] where it cannot be read.
    pub fn compare<'a>(&'a self, newer: &'a Self) -> Result<Comparison<'a>> {
        self.compare_with(newer, &CompareOptions::new())
    }

    /// As [`compare`](Self::compare), with options.
    ///
    /// # Errors
    /// As [`compare`](Self::compare).
    pub fn compare_with<'a>(
        &'a self,
        newer: &'a Self,
        options: &CompareOptions,
    ) -> Result<Comparison<'a>> {
        let (old, new) = (Side::read(self)?, Side::read(newer)?);
        let mut paths = walk::changes(&old, &new)?;
        let mut inventories = [Inventory::default(), Inventory::default()];
        if !paths.is_empty() {
            for (inventory, side) in inventories.iter_mut().zip([&old, &new]) {
                *inventory = Inventory::of_files(&side.files())?;
                inventory.retain(|kind, name| options.filter.shows_item(kind, name));
            }
        }
        renames::find(&old, &new, &mut paths)?;
        let mut notes = notes(&old, &new);
        if options.strict {
            strict::add(&old, &new, &mut paths);
        }
        paths.retain_mut(|change| options.filter.shows(change));
        notes.extend(options.filter.note());
        let names = |side: &Side<'_>| side.rootfs.walk(Rootfs::ROOT).into_iter();
        let names = names(&old).chain(names(&new)).map(|(path, _)| path);
        if paths.is_empty() && !options.filter.finds_any(names) {
            notes.push("neither image has any of the paths that were asked for".into());
        }
        Ok(Comparison {
            surface: inventories[0].diff(&inventories[1]),
            inventories,
            old,
            new,
            paths,
            notes,
        })
    }
}

impl Comparison<'_> {
    /// Whether there is no difference to show.
    pub fn is_same(&self) -> bool {
        self.paths.is_empty() && self.surface.is_empty()
    }

    /// The paths that differ, sorted.
    pub fn paths(&self) -> &[PathChange] {
        &self.paths
    }

    /// What the newer image gives its users that the older one did not, and the other way round.
    pub fn surface(&self) -> &[inventory::Change] {
        &self.surface
    }

    /// What cannot be known, or was left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Writes the comparison in one of the formats of reports. Only those for people are made in memory, and these leave out
    /// what would fill it.
    ///
    /// # Errors
    /// [`Error::Io`] where an image cannot be read, or `out`, named `-`, cannot be written, and [`Error::Usage`] for a format
    /// that is not one of [`FORMATS`](crate::report::FORMATS).
    pub fn write(&self, format: &dyn Format, out: &mut dyn Write, color: bool) -> Result<()> {
        let text = match format.name() {
            "txt" => return self.write_txt(out, color),
            "diff" => return self.write_diff(out),
            "json" => return self.write_json(out),
            "md" => write_markdown(&self.view()?),
            "html" => write_html(&self.view()?),
            "sarif" => write_sarif(self.new.name(), &self.surface),
            other => {
                let message = format!("a comparison cannot be written as {other:?}");
                return Err(Error::Usage(message));
            }
        };
        out.write_all(text.as_bytes()).map_err(self.failed())
    }

    fn failed(&self) -> impl Fn(std::io::Error) -> Error {
        Error::Output
    }
}

fn notes(old: &Side<'_>, new: &Side<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    for (which, side, other) in [("older", old, new), ("newer", new, old)] {
        let own = side.rootfs.notes().iter();
        notes.extend(own.map(|note| format!("the {which} image: {note}")));
        let implied = side.rootfs.inodes().filter(|(id, inode)| {
            let twin = || other.rootfs.at(&side.rootfs.path(*id));
            let there = *id == Rootfs::ROOT || inode.links() > 0;
            there
                && inode.implied()
                && twin().is_some_and(|twin| {
                    let twin = other.rootfs.inode(twin);
                    twin.is_directory() && !twin.implied()
                })
        });
        match implied.count() {
            0 => {}
            n => notes.push(format!(
                "the {which} image has no entry for {n} of the directories that both have; their modes and owners are not compared"
            )),
        }
    }
    notes
}

#[cfg(test)]
mod tests;
