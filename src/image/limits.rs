//! How much an image may ask for before it is taken for an attack.

use std::fmt;
use std::io::{self, Read};

use super::bytes::Bytes;

/// Bounds that honest images do not meet. A hostile one is refused there, before it fills the
/// memory or the disk.
///
/// ```
/// let mut limits = casehard::image::Limits::default();
/// limits.set("size", "100G").unwrap();
/// assert_eq!(limits.size, 100 << 30);
/// assert!(limits.set("sise", "1").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Entries of the archive.
    pub entries: u64,
    /// Directories that have no entry and are made because a path needs them; one path can ask for
    /// two thousand.
    pub implied: u64,
    /// Bytes of all names, link targets and extended attributes, which are held in memory; each
    /// attribute takes 128 more.
    pub names: u64,
    /// PAX records of all entries together, and ranges of their sparse maps.
    pub records: u64,
    /// Bytes of one extension header: PAX records, or a GNU long name.
    pub extension: u64,
    /// Bytes of a path or of a link's target.
    pub path: u64,
    /// Symbolic links that one look-up follows. Under Linux's 40 what only Linux reaches is
    /// overlooked.
    pub links: u64,
    /// Bytes of the tar stream, decompressed.
    pub size: u64,
    /// How many times larger than its compressed form the tar stream may be, once it has more than
    /// what decodes in a moment: 256 MiB, of xz 128, of bzip2 32.
    pub ratio: u64,
}

type Row = (&'static str, fn(&mut Limits) -> &mut u64, &'static str);

/// Each limit's name, where it is, and what it bounds.
const TABLE: [Row; 9] = [
    ("entries", |l| &mut l.entries, "entries"),
    (
        "implied",
        |l| &mut l.implied,
        "directories without an entry",
    ),
    ("names", |l| &mut l.names, "bytes of names and attributes"),
    (
        "records",
        |l| &mut l.records,
        "PAX records and ranges of sparse files",
    ),
    ("extension", |l| &mut l.extension, "bytes of one PAX header"),
    (
        "path",
        |l| &mut l.path,
        "bytes of a path or a link's target",
    ),
    ("links", |l| &mut l.links, "symbolic links in one look-up"),
    ("size", |l| &mut l.size, "bytes of tar, decompressed"),
    ("ratio", |l| &mut l.ratio, "times its compressed size"),
];

/// How many symbolic links Linux follows in one look-up.
const LINUX_LINKS: u64 = 40;

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 500_000,
            implied: 50_000,
            names: 64 << 20,
            records: 5_000_000,
            // Linux allows 4 KiB of path and 64 KiB for each extended attribute.
            extension: 1 << 20,
            // These two are Linux's own.
            path: 4095,
            links: LINUX_LINKS,
            size: 64 << 30,
            ratio: 200,
        }
    }
}

impl Limits {
    /// Returns each limit's name, its value, and what it bounds.
    pub fn all(&self) -> [(&'static str, u64, &'static str); 9] {
        let mut own = *self;
        TABLE.map(|(name, slot, what)| (name, *slot(&mut own), what))
    }

    /// Sets a limit by its name; the value may end in `K`, `M` or `G`.
    ///
    /// # Errors
    /// What is wrong with the name or the value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let Some((.., slot, _)) = TABLE.iter().find(|(known, ..)| *known == name) else {
            let known = TABLE.map(|(name, ..)| name).join(", ");
            return Err(format!("unknown limit `{name}`; the limits are {known}"));
        };
        let (digits, unit) = match value.as_bytes().last() {
            Some(b'K') => (&value[..value.len() - 1], 1 << 10),
            Some(b'M') => (&value[..value.len() - 1], 1 << 20),
            Some(b'G') => (&value[..value.len() - 1], 1 << 30),
            _ => (value, 1),
        };
        let number = Some(digits).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        let number = number
            .and_then(|digits| digits.parse().ok())
            .and_then(|number: u64| number.checked_mul(unit))
            .ok_or_else(|| format!("`{value}` is not a number; write one as 1000 or 64M"))?;
        // What only Linux reaches would be overlooked.
        if name == "links" && number < LINUX_LINKS {
            return Err(format!(
                "Linux follows {LINUX_LINKS} symbolic links in one look-up, so `links` cannot be less"
            ));
        }
        *slot(self) = number;
        Ok(())
    }

    /// Returns the bytes of a tar stream that is decoded while it is read, as far as it may go.
    /// `packed` is the size of its compressed form, and `harmless` a size that any may have.
    pub(super) fn bytes<B: Bytes>(self, inner: &B, packed: u64, harmless: u64) -> Bounded<'_, B> {
        let by_ratio = packed.saturating_mul(self.ratio).max(harmless);
        let (most, name, value) = match by_ratio < self.size {
            true => (by_ratio, "ratio", self.ratio),
            false => (self.size, "size", self.size),
        };
        Bounded {
            inner,
            most,
            limit: Exceeded { name, value },
        }
    }

    /// Returns a reader that fails where a stream gets larger than any tar stream may be.
    pub(crate) fn reader<R: Read>(self, inner: R) -> Limited<R> {
        let (name, value) = ("size", self.size);
        Limited {
            inner,
            left: value,
            limit: Exceeded { name, value },
        }
    }
}

/// A [`Read`] that gives so many bytes and no more.
pub(crate) struct Limited<R> {
    inner: R,
    left: u64,
    limit: Exceeded,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let left = self.left.checked_sub(n as u64);
        self.left = left.ok_or_else(|| io::Error::other(self.limit))?;
        Ok(n)
    }
}

/// [`Bytes`] that may not go further than so far.
pub(super) struct Bounded<'a, B> {
    inner: &'a B,
    most: u64,
    limit: Exceeded,
}

impl<B: Bytes> Bytes for Bounded<'_, B> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.most {
            self.reaches(self.most.saturating_add(1))?;
        }
        self.inner.read_at(buffer, offset)
    }

    fn reaches(&self, end: u64) -> io::Result<bool> {
        if end <= self.most {
            return self.inner.reaches(end);
        }
        // Whatever an entry claims, no more than that is decoded.
        if self.inner.reaches(self.most.saturating_add(1))? {
            return Err(io::Error::other(self.limit));
        }
        Ok(false)
    }

    fn expect_again(&self, offset: u64) {
        self.inner.expect_again(offset);
    }
}

/// Returns what a message says of a path with more bytes than the limit.
pub(crate) fn too_long(longest: u64) -> String {
    format!("the limit `path` is {longest}, and Linux takes 4095")
}

/// That an image asks for more than a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exceeded {
    pub(crate) name: &'static str,
    pub(crate) value: u64,
}

impl Exceeded {
    /// Returns what a read failed by, if that was a limit.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value } = self;
        let all = Limits::default().all();
        let what = all.iter().find(|(n, ..)| n == name);
        let what = what.map_or(*name, |(.., what)| what);
        write!(
            f,
            "the image has more than {value} {what}; if you trust it, raise the limit `{name}`"
        )
    }
}

impl std::error::Error for Exceeded {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_limit() {
        for (name, ..) in Limits::default().all() {
            let mut limits = Limits::default();
            limits.set(name, "7K").unwrap();
            assert_ne!(limits, Limits::default());
        }
        for wrong in ["", "K", "-1", "+1", "1T", "18446744073709551615K"] {
            assert!(Limits::default().set("size", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_reader_stops_at_the_limit() {
        let limits = Limits {
            size: 1000,
            ..Limits::default()
        };
        let read = |bytes| {
            io::copy(
                &mut limits.reader(io::repeat(0).take(bytes)),
                &mut io::sink(),
            )
        };
        assert_eq!(read(1000).unwrap(), 1000);
        let error = read(1001).unwrap_err();
        assert_eq!(Exceeded::of(&error).map(|e| e.name), Some("size"));
    }
}
