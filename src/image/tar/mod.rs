//! Tar streams: headers, PAX records, sparse maps, and the entries that they make.
//!
//! Own code rather than `tar::Archive`, because the index needs each entry's extent with its
//! extension headers, PAX values that hold newlines, and a bound on every size that the archive
//! claims.

mod acl;
mod contents;
pub(super) mod directory;
mod entry;
mod extensions;
mod fields;
mod head;
mod holes;
mod index;
mod pax;
mod reindex;
mod sparse;
mod walker;
mod xattrs;

pub use entry::{Entry, EntryKind, Meta};
pub use index::Archive;

pub(super) use fields::BLOCK;

pub(crate) use acl::as_text as acl_as_text;
pub(crate) use contents::Contents;
pub(crate) use entry::Damage;
pub(crate) use head::{Format, Head, styled};
pub(crate) use xattrs::{ACCESS_LISTS, RHT_LABEL};
