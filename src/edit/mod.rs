//! Edits: what rules change, with the rule that asked for each, and what they leave open.
//!
//! A rule works on a `Draft`, a copy of the rootfs on which earlier rules' edits are already made. It never sees tar bytes.

mod draft;
mod residual;

use bstr::BString;

pub use residual::{Residual, ResidualKind, Severity};

pub(crate) use draft::{Applied, Draft, Verdict, Waived, Waivers, absent};

/// One change to one path, and the rule that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The rule, as its place in the plan.
    pub rule: usize,
    /// The absolute path, without symbolic links on the way.
    pub path: BString,
    /// What changed.
    pub change: Change,
}

/// What an [`Edit`] changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Permission, set-id and sticky bits.
    Mode {
        /// The bits before.
        before: u32,
        /// The bits after.
        after: u32,
    },
    /// The owning user's and group's ids.
    Owner {
        /// User and group before.
        before: (u64, u64),
        /// User and group after.
        after: (u64, u64),
    },
    /// An extended attribute is gone.
    XattrRemoved {
        /// The attribute's name.
        name: BString,
        /// Its value before.
        before: BString,
    },
    /// A regular file's content.
    Content,
    /// A name is gone.
    Removed,
    /// A name is new; or a directory that was there by its files' paths only has an entry of its own.
    Created,
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It made edits.
    Changed,
    /// The image fulfilled it already, and shows so.
    Already,
    /// Nothing that it names is in the image.
    Absent,
    /// A waiver kept it from changing anything.
    Waived,
    /// It could not be fulfilled, and why.
    Failed(String),
}

impl Outcome {
    /// Every [`name`](Self::name), in the order in which reports have them.
    pub const NAMES: [&'static str; 5] = ["changed", "already", "absent", "waived", "failed"];

    /// One word for it, as reports write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Already => "already",
            Self::Absent => "absent",
            Self::Waived => "waived",
            Self::Failed(_) => "failed",
        }
    }

    /// Returns why the rule failed, if it did.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Failed(why) => Some(why),
            _ => None,
        }
    }
}
