//! What a description says, parsed.

/// A whole archive.
pub(crate) struct Description {
    /// What the archive holds, each with the line that said so.
    pub(crate) items: Vec<(usize, Item)>,
    /// Zero blocks at the end.
    pub(crate) trailer: usize,
    /// The archive's length is a multiple of that many blocks; 0 for no padding.
    pub(crate) blocking: usize,
}

impl Description {
    /// The entries among the items.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.items.iter().filter_map(|(_, item)| match item {
            Item::Entry(entry) => Some(&**entry),
            Item::Global(_) | Item::Raw(_) => None,
        })
    }
}

/// One thing in the stream.
pub(crate) enum Item {
    Entry(Box<Entry>),
    Global(Vec<Record>),
    Raw(Vec<u8>),
}

/// A PAX record: key and value.
pub(crate) type Record = (Vec<u8>, Vec<u8>);

/// One member of the archive.
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) device: Option<(u32, u32)>,
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
    pub(crate) mtime: Time,
    pub(crate) format: Format,
    pub(crate) content: Vec<u8>,
    pub(crate) pax: Vec<Record>,
    pub(crate) sparse: Option<Sparse>,
    pub(crate) wrong: Wrong,
}

/// Whose an entry is.
#[derive(Clone, Default)]
pub(crate) struct Owner {
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) uname: Vec<u8>,
    pub(crate) gname: Vec<u8>,
    /// Ids in base 256 even where octal would do.
    pub(crate) base256: bool,
}

/// A modification time: whole seconds, and the text with a fraction where one was given.
#[derive(Clone, Default)]
pub(crate) struct Time {
    pub(crate) seconds: u64,
    pub(crate) exact: Option<String>,
}

/// Header fields that lie on purpose.
#[derive(Default)]
pub(crate) struct Wrong {
    pub(crate) size: Option<u64>,
    pub(crate) typeflag: Option<u8>,
    pub(crate) checksum: bool,
}

/// A file of which only some ranges are stored.
pub(crate) struct Sparse {
    pub(crate) style: SparseStyle,
    /// The size with its holes.
    pub(crate) size: u64,
    /// The stored ranges: offset and length.
    pub(crate) map: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SparseStyle {
    /// The `S` entry of old GNU tar.
    Gnu,
    /// PAX records of version 1.0, the map before the data.
    Pax,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Dir,
    Symlink,
    Hardlink,
    Char,
    Block,
    Fifo,
}

impl Kind {
    /// The kind that a line begins with.
    pub(crate) fn from_word(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"file" => Self::File,
            b"dir" => Self::Dir,
            b"symlink" => Self::Symlink,
            b"hardlink" => Self::Hardlink,
            b"char" => Self::Char,
            b"block" => Self::Block,
            b"fifo" => Self::Fifo,
            _ => return None,
        })
    }

    /// Whether a `->` and a target follow the name.
    pub(crate) fn links(self) -> bool {
        matches!(self, Self::Symlink | Self::Hardlink)
    }

    /// The mode of an entry that gives none.
    pub(crate) fn default_mode(self) -> u32 {
        match self {
            Self::Dir => 0o755,
            Self::Symlink => 0o777,
            Self::File | Self::Hardlink | Self::Char | Self::Block | Self::Fifo => 0o644,
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    V7,
    Ustar,
    #[default]
    Gnu,
    Pax,
}

/// How the name of an extended attribute is spelt in PAX.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum XattrStyle {
    #[default]
    Schily,
    Libarchive,
    Both,
}
