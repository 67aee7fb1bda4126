//! The comparison of two trees: of two images, or of an image before and after hardening. It has
//! the paths that differ, the words for what became of them, and the attack surface.
//!
//! The trees are what extracting the images would give, so the order of entries, header formats and
//! compression do not count, nor do times unless they are asked for.
//!
//! **Invariant: memory holds names and the maps of sparse files, never contents.** Files are
//! compared piece by piece, and only where their sizes agree; digests are computed only of files
//! that may have moved. Each report reads one file at a time.

mod content;
mod facts;
mod filter;
mod folded;
mod hard_links;
mod hunks;
mod links;
mod renames;
mod side;
mod strict;
mod text;
mod walk;

use std::collections::BTreeSet;

use bstr::BString;

use crate::error::Result;
use crate::image::Image;
use crate::inventory::{self, Inventory};
use crate::rootfs::{InodeId, Rootfs};

use filter::Filter;

pub use filter::KINDS;

pub(crate) use facts::{capabilities, lines, misleads};
pub(crate) use folded::Folded;
pub(crate) use hard_links::HardLinks;
pub(crate) use hunks::{Hunk, Line, Sign, of as hunks};
pub(crate) use side::{Known, Side, State};
pub(crate) use walk::{device, edited, raw_xattrs};

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
    /// It has another type: a file became a link, or a link a directory.
    Type,
    /// The content of the file.
    Content,
    /// The target of the symbolic link.
    Target,
    /// The numbers of the device.
    Device,
    /// Permission, set-id and sticky bits.
    Mode,
    /// Owning user or group.
    Owner,
    /// File capabilities.
    Capability,
    /// Other extended attributes.
    Xattr,
    /// Which of the paths that both images have are hard links of one file.
    Links,
    /// The modification time; only if asked for.
    Time,
    /// The position in the archive; only if asked for.
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

    /// Returns its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        // The first of the names are the differences.
        KINDS[self as usize]
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
    pub(crate) old: Option<InodeId>,
    pub(crate) new: Option<InodeId>,
}

impl PathChange {
    fn new(
        path: BString,
        old: Option<InodeId>,
        new: Option<InodeId>,
        differences: BTreeSet<Difference>,
    ) -> Self {
        Self {
            path,
            from: None,
            differences,
            old,
            new,
        }
    }

    pub(crate) fn has(&self, difference: Difference) -> bool {
        self.differences.contains(&difference)
    }

    /// Whether it says nothing of what the path is or holds.
    pub(crate) fn is_plain(&self) -> bool {
        let plain = [
            Difference::Mode,
            Difference::Owner,
            Difference::Xattr,
            Difference::Time,
        ];
        self.differences.iter().all(|d| plain.contains(d))
    }
}

/// What to compare, and which part of it to show.
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
    /// Returns the defaults: everything except times and order.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes modification times and the order of entries count.
    #[must_use]
    pub fn strict(mut self, yes: bool) -> Self {
        self.strict = yes;
        self
    }

    /// Shows only paths that a glob matches, or any of several globs; with `!` before it, only
    /// paths that it does not match. A glob without a slash matches the last name of a path; one
    /// that matches a directory matches everything in it too.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for a text that is not a glob.
    pub fn path(mut self, glob: &str) -> Result<Self> {
        self.filter.path(glob)?;
        Ok(self)
    }

    /// Shows only differences of a kind, or of any of several: one of [`KINDS`].
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for another name.
    pub fn kind(mut self, name: &str) -> Result<Self> {
        self.filter.kind(name)?;
        Ok(self)
    }
}

/// What differs between two images. [`Image::compare`] makes one.
#[derive(Debug)]
pub struct Comparison<'a> {
    pub(crate) old: Side<'a>,
    pub(crate) new: Side<'a>,
    paths: Vec<PathChange>,
    surface: Vec<inventory::Change>,
    /// The older image's and the newer one's; empty where no path differs.
    pub(crate) inventories: [Inventory; 2],
    notes: Vec<String>,
}

impl Image {
    /// Compares the image with a newer one.
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
    /// [`Error::Image`](crate::Error::Image) where an image cannot be resolved to one file tree,
    /// [`Error::Io`](crate::Error::Io) where it cannot be read.
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
        let side = |image: &'a Self| -> Result<Side<'a>> {
            Ok(Side::new(image, image.files()?, &Known::default()))
        };
        let (old, new) = (side(self)?, side(newer)?);
        let mut paths = walk::changes(&old, &new)?;
        let mut inventories = [Inventory::default(), Inventory::default()];
        if !paths.is_empty() {
            for (inventory, side) in inventories.iter_mut().zip([&old, &new]) {
                *inventory = Inventory::of_files(side.files())?;
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
        let names = |side: &Side<'_>| side.rootfs().walk(Rootfs::ROOT).into_iter();
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
    /// Returns whether there is nothing to show.
    pub fn is_same(&self) -> bool {
        self.paths.is_empty() && self.surface.is_empty()
    }

    /// Returns the paths that differ, sorted.
    pub fn paths(&self) -> &[PathChange] {
        &self.paths
    }

    /// Returns what only one of the images gives its users.
    pub fn surface(&self) -> &[inventory::Change] {
        &self.surface
    }

    /// Returns what could not be compared, or was left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Counts the differences, in a line.
    pub fn counts(&self) -> String {
        if self.is_same() {
            return "no differences".to_owned();
        }
        let of = |difference| self.paths.iter().filter(|c| c.has(difference)).count();
        let (added, removed) = (of(Difference::Added), of(Difference::Removed));
        let renamed = of(Difference::Renamed);
        let changed = self.paths.len() - added - removed - renamed;
        let counts = [
            (added, "added"),
            (removed, "removed"),
            (renamed, "renamed"),
            (changed, "changed"),
        ];
        let paths = counts.iter().filter(|(count, _)| *count > 0);
        let paths: Vec<String> = paths.map(|(n, what)| format!("{n} {what}")).collect();
        let paths = if paths.is_empty() {
            "no paths".to_owned()
        } else {
            format!("paths: {}", paths.join(", "))
        };
        let gained = self.surface.iter().filter(|c| !c.gained.is_empty()).count();
        let lost = self.surface.iter().filter(|c| !c.lost.is_empty()).count();
        format!("{paths}; attack surface and packages: {gained} gained, {lost} lost")
    }
}

fn notes(old: &Side<'_>, new: &Side<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    for (which, side, other) in [("older", old, new), ("newer", new, old)] {
        let own = side.rootfs().notes().iter();
        notes.extend(own.map(|note| format!("the {which} image: {note}")));
        let implied = side.rootfs().inodes().filter(|(id, inode)| {
            let twin = || other.rootfs().at(&side.rootfs().path(*id));
            let there = *id == Rootfs::ROOT || inode.links() > 0;
            there
                && inode.implied()
                && twin().is_some_and(|twin| {
                    let twin = other.rootfs().inode(twin);
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
pub(crate) mod tests;
