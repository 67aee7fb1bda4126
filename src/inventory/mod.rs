//! The attack surface: what an image lets its users and its network do, as a sorted list of lines.
//!
//! An [`Inventory`] lists how someone gains privileges in a file tree, what starts and listens, and
//! which programs could fetch more. Two of them are compared line by line, so that a new base image
//! cannot bring a privilege unnoticed.
//!
//! **Invariant: a file that cannot be read is a line too.** A file that is too large or in an
//! unknown form may hide something, so the inventory lists it as [`Kind::Unknown`].

mod collect;
mod logins;
mod members;
mod root_reads;
mod text;
mod writable;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bstr::{BString, ByteVec};
use serde::Serialize;

use crate::error::Result;
use crate::image::Image;
use crate::plan::Plan;
use crate::rootfs::Files;

/// What an item of an [`Inventory`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A file with a set-id bit: its path; mode and owner.
    SetId,
    /// A file with capabilities: its path; the capabilities as `getcap` shows them.
    Capability,
    /// A unit that an enablement link starts: its name; the unit whose `.wants`, `.requires` or
    /// `.upholds` has the link, or the target of the runlevel whose folder has it.
    Unit,
    /// What starts without systemd: a service of another init, of inetd or of a scheduler; the file
    /// that starts it, and the programs.
    Start,
    /// A socket unit that is enabled: its name; where it listens.
    Listener,
    /// A unit that is masked: its name.
    Masked,
    /// Who is root or can become it: the user; user number 0, or a group that is as good as root.
    Member,
    /// A line of sudo's policy, or a rule of doas; the file that has it.
    Sudo,
    /// A way to log in: the user, the group that a password opens, or the file of passwords that
    /// anyone may read; by what.
    Login,
    /// A file or directory that root reads or runs, and someone else may write: its path; who.
    Writable,
    /// A program that reaches the network: its name; where it is.
    NetworkTool,
    /// An installed package: its name; its version.
    Package,
    /// Something that casehard could not read: what it is; why.
    Unknown,
}

impl Kind {
    /// Every kind, in the order of an inventory.
    pub const ALL: [Self; 13] = [
        Self::SetId,
        Self::Capability,
        Self::Unit,
        Self::Start,
        Self::Listener,
        Self::Masked,
        Self::Member,
        Self::Sudo,
        Self::Login,
        Self::Writable,
        Self::NetworkTool,
        Self::Package,
        Self::Unknown,
    ];

    /// Returns its name in lock files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::SetId => "set-id",
            Self::Capability => "capability",
            Self::Unit => "unit",
            Self::Start => "start",
            Self::Listener => "listener",
            Self::Masked => "masked",
            Self::Member => "member",
            Self::Sudo => "sudo",
            Self::Login => "login",
            Self::Writable => "writable",
            Self::NetworkTool => "network-tool",
            Self::Package => "package",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the title of a list of them.
    pub fn title(self) -> &'static str {
        match self {
            Self::SetId => "set-id files",
            Self::Capability => "file capabilities",
            Self::Unit => "enabled units",
            Self::Start => "other starts",
            Self::Listener => "listening sockets",
            Self::Masked => "masked units",
            Self::Member => "privileged members",
            Self::Sudo => "sudo and doas rules",
            Self::Login => "logins",
            Self::Writable => "files of root that others write",
            Self::NetworkTool => "network tools",
            Self::Package => "packages",
            Self::Unknown => "what cannot be known",
        }
    }

    /// Returns whether it gives someone a privilege, or may hide one: a lock lists these kinds.
    pub fn is_privilege(self) -> bool {
        !matches!(self, Self::Masked | Self::NetworkTool | Self::Package)
    }
}

/// One line of an [`Inventory`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Item {
    /// What it is about.
    pub kind: Kind,
    /// Who or what: a path, a unit, a user, a package.
    pub name: BString,
    /// The details that [`Kind`] describes; empty where there are none.
    pub detail: BString,
}

/// The attack surface of an image.
///
/// ```no_run
/// # fn main() -> casehard::Result<()> {
/// use casehard::inventory::{Inventory, Kind};
/// let inventory = Inventory::of(&casehard::Image::open("rootfs.tar.gz")?)?;
/// println!("{} set-id files", inventory.count(Kind::SetId));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    items: BTreeSet<Item>,
}

impl Inventory {
    /// Reads the inventory of an image.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where the image cannot be read,
    /// [`Error::Image`](crate::Error::Image) where it cannot be resolved to one file tree. The
    /// contents of files are never an error.
    pub fn of(image: &Image) -> Result<Self> {
        collect::collect(&image.files()?)
    }

    /// Reads the inventory of a file tree.
    pub(crate) fn of_files(files: &Files<'_>) -> Result<Self> {
        collect::collect(files)
    }

    /// Returns all lines, sorted by kind and name.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    /// Counts the lines of one kind: a rule of sudo that two files have is two rules, and a user in two
    /// groups is two members.
    pub fn count(&self, kind: Kind) -> usize {
        self.of_kind(kind).count()
    }

    /// Returns the lines of one kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.kind == kind)
    }

    /// Returns only the lines that a lock has.
    #[must_use]
    pub fn privileges(&self) -> Self {
        let items = self.items.iter().filter(|item| item.kind.is_privilege());
        Self {
            items: items.cloned().collect(),
        }
    }

    /// Keeps only the lines for whose kind and name `keep` returns true.
    pub(crate) fn retain(&mut self, keep: impl Fn(Kind, &[u8]) -> bool) {
        self.items.retain(|item| keep(item.kind, &item.name));
    }

    /// Compares with a newer inventory. The changes are in the order of kinds and names.
    pub fn diff(&self, newer: &Self) -> Vec<Change> {
        let mut found: BTreeMap<(Kind, &BString), Change> = BTreeMap::new();
        for item in self.items.symmetric_difference(&newer.items) {
            let change = found
                .entry((item.kind, &item.name))
                .or_insert_with(|| Change::new(item.kind, item.name.clone()));
            let details = match newer.items.contains(item) {
                true => &mut change.gained,
                false => &mut change.lost,
            };
            details.push(item.detail.clone());
        }
        found.into_values().collect()
    }

    /// Returns the privileges that this has beyond a lock, as changes from the lock.
    #[must_use]
    pub fn beyond(&self, lock: &Self) -> Vec<Change> {
        let mut changes = lock.privileges().diff(&self.privileges());
        changes.retain(Change::is_privilege_gained);
        changes
    }

    fn add(&mut self, kind: Kind, name: impl Into<BString>, detail: impl Into<BString>) {
        self.items.insert(Item {
            kind,
            name: name.into(),
            detail: detail.into(),
        });
    }
}

impl Plan<'_> {
    /// Returns the inventories before and after.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where the image cannot be read.
    pub fn inventories(&self) -> Result<(Inventory, Inventory)> {
        let (before, after) = (self.before(), self.after());
        Ok((Inventory::of_files(&before)?, Inventory::of_files(&after)?))
    }
}

/// The lines of one name that only one of two inventories has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// What it is about.
    pub kind: Kind,
    /// Who or what, as [`Item::name`].
    pub name: BString,
    /// The details of lines that only the older one has.
    pub lost: Vec<BString>,
    /// The details of lines that only the newer one has.
    pub gained: Vec<BString>,
}

impl fmt::Display for Change {
    /// Writes a line that begins with `+`, `-` or, for both, `~`. Names are as the image has them,
    /// not escaped, except for bytes that are not UTF-8, which become `\xff`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.line().utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl Change {
    /// The line that [`Display`](fmt::Display) shows, byte by byte.
    pub(crate) fn line(&self) -> BString {
        let (sign, details) = self.sign_and_details();
        let mut line = BString::from(format!("{sign} {} ", self.kind.name()));
        line.push_str(&self.name);
        if !details.is_empty() {
            line.push_str("  ");
            line.push_str(details);
        }
        line
    }

    /// Returns `+`, `-` or, where details came and went, `~`, and the details in one line.
    pub(crate) fn sign_and_details(&self) -> (char, BString) {
        let join = |details: &[BString]| BString::from(bstr::join(b", ", details));
        let (lost, gained) = (join(&self.lost), join(&self.gained));
        match (self.lost.is_empty(), self.gained.is_empty()) {
            (true, _) => ('+', gained),
            (_, true) => ('-', lost),
            _ => ('~', [&lost, " → ".as_bytes(), &gained].concat().into()),
        }
    }

    /// Returns whether it gives someone a privilege that was not there before.
    pub fn is_privilege_gained(&self) -> bool {
        self.kind.is_privilege() && !self.gained.is_empty()
    }

    fn new(kind: Kind, name: BString) -> Self {
        let (lost, gained) = Default::default();
        Self {
            kind,
            name,
            lost,
            gained,
        }
    }
}

#[cfg(test)]
mod tests;
