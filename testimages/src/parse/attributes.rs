//! The settings and attributes behind an entry's name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{Format, Owner, Record, Sparse, SparseStyle, Time, Wrong, XattrStyle, words};

/// What an `option` line sets for the entries after it and an attribute for one.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) prefix: Vec<u8>,
    pub(super) format: Format,
    pub(super) mtime: Time,
    pub(super) owner: Owner,
    pub(super) xattr_style: XattrStyle,
}

impl Settings {
    /// The keys, as messages list them.
    pub(super) const KEYS: &str = "prefix, format, mtime, uid, gid, uname, gname, xattr-style";

    /// Sets one value; false if the key is not a setting.
    pub(super) fn set(&mut self, key: &str, value: &[u8]) -> Result<bool, String> {
        match key {
            "prefix" => self.prefix = value.to_vec(),
            "format" => self.format = format(value)?,
            "mtime" => self.mtime = time(value)?,
            "uid" => self.owner.uid = words::number(value)?,
            "gid" => self.owner.gid = words::number(value)?,
            "uname" => self.owner.uname = value.to_vec(),
            "gname" => self.owner.gname = value.to_vec(),
            "xattr-style" => self.xattr_style = xattr_style(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Everything that can follow an entry's name.
pub(super) struct Attributes {
    pub(super) settings: Settings,
    pub(super) mode: Option<u32>,
    pub(super) content: Option<Vec<u8>>,
    pub(super) applets: Option<Vec<u8>>,
    pub(super) eol: bool,
    pub(super) slash: bool,
    pub(super) pax: Vec<Record>,
    pub(super) xattrs: Vec<(String, Vec<u8>)>,
    pub(super) cap: Option<Vec<u8>>,
    pub(super) cap_rootid: Option<u32>,
    pub(super) base256: bool,
    pub(super) sparse: Option<Sparse>,
    pub(super) wrong: Wrong,
}

impl Attributes {
    const KEYS: &str = "mode, content, fill, applets, eol, slash, pax:KEY, xattr:NAME, cap, cap-rootid, base256, sparse, size, \
                        map, header-size, typeflag, checksum";

    /// Reads the words behind a name.
    pub(super) fn parse(settings: Settings, words: &[Vec<u8>]) -> Result<Self, String> {
        let mut all = Self {
            settings,
            mode: None,
            content: None,
            applets: None,
            eol: true,
            slash: true,
            pax: Vec::new(),
            xattrs: Vec::new(),
            cap: None,
            cap_rootid: None,
            base256: false,
            sparse: None,
            wrong: Wrong::default(),
        };
        let mut sparse = SparseParts::default();
        for word in words {
            let (key, value) = words::key_value(word)?;
            if key == "base256" && value.is_none() {
                all.base256 = true;
                continue;
            }
            let value = value.ok_or_else(|| format!("`{key}` wants a value"))?;
            if !(all.settings.set(key, value)? || sparse.set(key, value)? || all.set(key, value)?) {
                return Err(format!(
                    "unknown attribute `{key}`; known are {}, {}",
                    Self::KEYS,
                    Settings::KEYS
                ));
            }
        }
        all.sparse = sparse.finish()?;
        Ok(all)
    }

    fn set(&mut self, key: &str, value: &[u8]) -> Result<bool, String> {
        match key {
            "mode" => self.mode = Some(words::mode(value)?),
            "content" => self.content = Some(value.to_vec()),
            "fill" => self.content = Some([b"fill:", value].concat()),
            "applets" => self.applets = Some(value.to_vec()),
            "eol" => self.eol = yes_or_no(key, value)?,
            "slash" => self.slash = yes_or_no(key, value)?,
            "cap" => self.cap = Some(value.to_vec()),
            "cap-rootid" => {
                let id = u32::try_from(words::number(value)?);
                self.cap_rootid = Some(id.map_err(|_| "cap-rootid is too large")?);
            }
            "header-size" => self.wrong.size = Some(words::size(value)?),
            "typeflag" => match value {
                &[flag] => self.wrong.typeflag = Some(flag),
                _ => return Err("typeflag is one character".to_owned()),
            },
            "checksum" if value == b"bad" => self.wrong.checksum = true,
            _ => {
                if let Some(key) = key.strip_prefix("pax:") {
                    self.pax.push((key.into(), words::value(value)?));
                } else if let Some(name) = key.strip_prefix("xattr:") {
                    self.xattrs.push((name.to_owned(), words::value(value)?));
                } else {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

impl XattrStyle {
    /// The PAX records of one extended attribute.
    pub(super) fn records(self, name: &str, value: &[u8]) -> Vec<Record> {
        let schily = || (format!("SCHILY.xattr.{name}").into_bytes(), value.to_vec());
        let libarchive = || {
            (
                format!("LIBARCHIVE.xattr.{name}").into_bytes(),
                STANDARD_NO_PAD.encode(value).into_bytes(),
            )
        };
        match self {
            Self::Schily => vec![schily()],
            Self::Libarchive => vec![libarchive()],
            // The order in which bsdtar writes them.
            Self::Both => vec![libarchive(), schily()],
        }
    }
}

/// The three attributes that make a sparse file.
#[derive(Default)]
struct SparseParts {
    style: Option<SparseStyle>,
    size: Option<u64>,
    map: Option<Vec<(u64, u64)>>,
}

impl SparseParts {
    fn set(&mut self, key: &str, value: &[u8]) -> Result<bool, String> {
        match key {
            "sparse" => {
                self.style = Some(match value {
                    b"gnu" => SparseStyle::Gnu,
                    b"pax" => SparseStyle::Pax,
                    _ => return Err("sparse is gnu or pax".to_owned()),
                });
            }
            "size" => self.size = Some(words::size(value)?),
            "map" => {
                let ranges = value.split(|&byte| byte == b',').map(range);
                self.map = Some(ranges.collect::<Result<_, _>>()?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self) -> Result<Option<Sparse>, String> {
        match (self.style, self.size, self.map) {
            (None, None, None) => Ok(None),
            (Some(style), Some(size), Some(map)) => Ok(Some(Sparse { style, size, map })),
            _ => Err("a sparse file has all of sparse, size and map".to_owned()),
        }
    }
}

fn range(word: &[u8]) -> Result<(u64, u64), String> {
    let plus = word
        .iter()
        .position(|&byte| byte == b'+')
        .ok_or("a range of the map is OFFSET+LENGTH")?;
    Ok((words::size(&word[..plus])?, words::size(&word[plus + 1..])?))
}

fn yes_or_no(key: &str, value: &[u8]) -> Result<bool, String> {
    match value {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(format!("`{key}` is yes or no")),
    }
}

fn format(value: &[u8]) -> Result<Format, String> {
    match value {
        b"v7" => Ok(Format::V7),
        b"ustar" => Ok(Format::Ustar),
        b"gnu" => Ok(Format::Gnu),
        b"pax" => Ok(Format::Pax),
        _ => Err("format is gnu, ustar, pax or v7".to_owned()),
    }
}

fn xattr_style(value: &[u8]) -> Result<XattrStyle, String> {
    match value {
        b"schily" => Ok(XattrStyle::Schily),
        b"libarchive" => Ok(XattrStyle::Libarchive),
        b"both" => Ok(XattrStyle::Both),
        _ => Err("xattr-style is schily, libarchive or both".to_owned()),
    }
}

fn time(value: &[u8]) -> Result<Time, String> {
    let text = words::text(value)?;
    match text.split_once('.') {
        None => Ok(Time {
            seconds: words::number(value)?,
            exact: None,
        }),
        Some((seconds, fraction)) => {
            words::number(fraction.as_bytes())?;
            Ok(Time {
                seconds: words::number(seconds.as_bytes())?,
                exact: Some(text.to_owned()),
            })
        }
    }
}
