//! Small images described in text, built byte for byte the same everywhere.
//!
//! Real rootfs tarballs are large, and what makes them hard (a stale duplicate, a hard link whose data entry is `bin/[`, a PAX
//! record that overrules the header) is invisible in a listing. Here an image is a text file, one line an entry, and every
//! oddity is written where it happens. Nothing depends on the clock, the file system or the user.
//!
//! ```
//! let tar = casehard_testimages::build(
//!     "
//!     option prefix=./ format=pax mtime=1500000000
//!     dir     etc
//!     file    etc/group
//!     | root:x:0:
//!     | wheel:x:10:root,core
//!     file    usr/bin/ping cap=cap_net_raw+ep xattr-style=both fill=2K
//!     symlink etc/selinux/config -> ../../usr/lib/selinux/config
//!     ",
//! )?;
//! let mut archive = tar::Archive::new(tar.as_slice());
//! let group = archive.entries()?.nth(1).expect("three entries follow")?;
//! assert_eq!(group.path()?.to_str(), Some("./etc/group"));
//! assert_eq!(group.size(), 31);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The language
//!
//! One entry is one line; blanks at the start do not count and a line that starts with `#` is a comment. Words are separated by
//! blanks. In a word, `\xHH` is a byte, `\n` and `\t` are what they are elsewhere, and a backslash before a blank or a backslash
//! keeps it.
//!
//! | line | entry |
//! |---|---|
//! | `file NAME` | a regular file; its text follows in lines that start with <code>\| </code> (verbatim, each ended by a newline) |
//! | `dir NAME` | a directory; a `/` is put behind the name, as archives have it |
//! | `symlink NAME -> TARGET` | a symbolic link |
//! | `hardlink NAME -> TARGET` | a hard link; the target is an archive name and takes the prefix too |
//! | `char NAME MAJOR,MINOR`, `block NAME MAJOR,MINOR` | a device |
//! | `fifo NAME` | a named pipe |
//! | `global KEY=VALUE…` | a PAX `g` header |
//! | `raw VALUE…` | bytes put into the stream as they are |
//! | `option KEY=VALUE…` | settings for the lines that follow |
//!
//! A VALUE is text, or `hex:…`, `base64:…`, `text:…` (for text that starts with one of those), `zero:SIZE` or `fill:SIZE`. A SIZE
//! is in bytes and may end in `K` or `M`.
//!
//! These are both options and attributes of one entry:
//!
//! - `prefix=./` is put before names, but not before absolute ones; `.` with this prefix is `./`
//! - `format=gnu`, `ustar`, `pax` or `v7`: the header's format and how what does not fit is said: GNU `L`/`K` entries and base-256
//!   numbers, PAX records, or (ustar, v7) an error
//! - `mtime=SECONDS` (a fraction becomes a PAX record), `uid=`, `gid=`, `uname=`, `gname=`
//! - `xattr-style=schily`, `libarchive` or `both`: the spelling of extended attributes
//!
//! Only options: `blocking=20` (512-byte blocks that the archive's length is a multiple of; `0` for no padding) and
//! `trailer=2` (zero blocks that end the archive; `none` for none).
//!
//! Only attributes:
//!
//! - `mode=0755`
//! - the content, if not in lines: `content=VALUE`, `fill=SIZE` (a fixed pattern that does not compress), `fill=SIZE:HH` (one byte
//!   repeated), or `content=busybox applets=[,ash,wget` (an x86-64 executable with busybox's banner and its
//!   tables of names and code: something to link to and to change, not to run); `eol=no` drops the last newline of the lines
//! - `pax:KEY=VALUE` an extra PAX record, `xattr:NAME=VALUE` an extended attribute, `cap=cap_net_raw+ep` file capabilities
//!   (`cap-rootid=1000` for those of a user namespace)
//! - `base256` ids in base 256 although they would fit, `slash=no` a directory without its `/`
//! - `sparse=gnu` or `sparse=pax` (version 1.0) with `size=SIZE` and `map=OFFSET+LENGTH,…`
//! - to be wrong on purpose: `header-size=SIZE` (the header's field, whatever the content), `typeflag=C`, `checksum=bad`
//!
//! The same name may come twice. Nothing adds missing parents.

mod busybox;
mod content;
mod header;
mod model;
mod parse;
mod sparse;
mod words;
mod write;

pub use busybox::{Layout, busybox};

/// The bytes of the tar archive that a text describes.
///
/// # Errors
///
/// What is wrong, beginning with the line: ``line 3: unknown attribute `mod`; known are mode, …``.
pub fn build(text: &str) -> Result<Vec<u8>, String> {
    write::archive(&parse::description(text)?)
}

/// The names of all entries, in the archive's order and spelling.
///
/// # Errors
///
/// As [`build`].
pub fn names(text: &str) -> Result<Vec<Vec<u8>>, String> {
    Ok(parse::description(text)?
        .entries()
        .map(|entry| entry.name.clone())
        .collect())
}

/// An image that comes with the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundledImage {
    /// What it is called, and the stem of its file names.
    pub name: &'static str,
    /// The text that describes it; [`build`] makes the archive.
    pub description: &'static str,
}

/// The images that come with the crate, sorted by name.
#[must_use]
pub fn bundled() -> &'static [BundledImage] {
    &[
        BundledImage {
            name: "busybox-container",
            description: include_str!("../images/busybox-container.image"),
        },
        BundledImage {
            name: "container-linux",
            description: include_str!("../images/container-linux.image"),
        },
        BundledImage {
            name: "debian-host",
            description: include_str!("../images/debian-host.image"),
        },
    ]
}
