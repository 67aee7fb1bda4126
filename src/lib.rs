//! casehard hardens an operating system image at build time, offline, and shows a reviewer exactly
//! what it did.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let image = casehard::Image::open("rootfs.tar.gz")?;
//! let recipe = casehard::Recipe::load("site.ini")?;
//! let plan = image.plan(&recipe)?;
//! plan.write("rootfs.hardened.tar.gz")?;
//! std::fs::write("rootfs.diff", plan.report().to_diff()?)?;
//! # Ok(())
//! # }
//! ```
//!
//! The modules are the stages of the data, lowest layer first: [`image`] reads a tar stream and its
//! compression, [`rootfs`] resolves its entries to a file tree, [`recipe`] reads the state that the
//! tree must have, rules record [`edit`]s, and a [`Plan`] holds the result. The plan is verified
//! before it is returned: casehard reads the edited stream anew, and every rule checks it again.
//! [`Plan::write`] writes a complete image or none. [`Plan::report`] shows what changed, why, and
//! what stays open.
//!
//! The library never prints, exits, starts a process or asks the clock. The feature `cli` (default)
//! is for the program only: without it, the library builds without the program's dependencies.
//! docs/library.md is the guide.

mod diff;
pub mod edit;
pub mod error;
pub mod escape;
pub mod image;
pub mod inventory;
mod plan;
pub mod recipe;
pub mod report;
pub mod rootfs;
mod rules;
mod system;
mod whole_file;
mod write;

// Types of other crates in signatures, so that a caller does not need these crates.
pub use bstr::{BStr, BString};
pub use jiff::civil::Date;

pub use diff::{CompareOptions, Comparison, Difference, KINDS, PathChange};
pub use error::{Error, Result};
pub use image::{Compression, Image, OpenOptions};
pub use inventory::Inventory;
pub use plan::{Plan, PlanOptions, PlanVerdict, RuleResult, WaiverResult, WaiverState};
pub use recipe::Recipe;
pub use report::Report;
pub use rootfs::Files;
pub use whole_file::WholeFile;
pub use write::{Digest, Digests, Staged, WriteOptions};

/// Compiles the examples of docs/library.md.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct Guide;
