//! From text to a [`Description`].

use crate::busybox::{Layout, busybox};
use crate::content;
use crate::model::{
    Description, Entry, Format, Item, Kind, Owner, Record, Sparse, SparseStyle, Time, Wrong,
    XattrStyle,
};
use crate::words;

mod attributes;

use attributes::{Attributes, Settings};

/// Parses a whole description.
pub(crate) fn description(text: &str) -> Result<Description, String> {
    let mut parser = Parser {
        settings: Settings::default(),
        open: None,
        description: Description {
            items: Vec::new(),
            trailer: 2,
            blocking: 20,
        },
    };
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        if !line.starts_with('|') && !line.is_empty() && !line.starts_with('#') {
            parser.close()?;
        }
        parser
            .line(number, line)
            .map_err(|message| format!("line {number}: {message}"))?;
    }
    parser.close()?;
    Ok(parser.description)
}

struct Parser {
    settings: Settings,
    /// The entry that content lines still belong to.
    open: Option<Open>,
    description: Description,
}

struct Open {
    line: usize,
    kind: Kind,
    name: Vec<u8>,
    link: Vec<u8>,
    device: Option<(u32, u32)>,
    attributes: Attributes,
    /// The content lines, if there are any.
    lines: Option<Vec<u8>>,
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if let Some(text) = line.strip_prefix('|') {
            return self.content_line(text);
        }
        if line.trim_end().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let words = words::split(line)?;
        let (first, rest) = words.split_first().ok_or("an empty line")?;
        match &first[..] {
            b"option" => self.options(rest),
            b"global" => {
                let records = rest
                    .iter()
                    .map(|word| {
                        let (key, value) = words::key_value(word)?;
                        let value = value.ok_or("a global record is KEY=VALUE")?;
                        Ok((key.as_bytes().to_vec(), words::value(value)?))
                    })
                    .collect::<Result<_, String>>()?;
                self.push(number, Item::Global(records));
                Ok(())
            }
            b"raw" => {
                let bytes: Result<Vec<_>, _> = rest.iter().map(|word| words::value(word)).collect();
                self.push(number, Item::Raw(bytes?.concat()));
                Ok(())
            }
            word => {
                let kind = Kind::from_word(word).ok_or_else(|| {
                    format!(
                        "unknown entry `{}`; known are file, dir, symlink, hardlink, char, block, fifo, global, raw and option",
                        words::show(word)
                    )
                })?;
                self.entry(number, kind, rest)
            }
        }
    }

    fn content_line(&mut self, text: &str) -> Result<(), String> {
        let text = match text.strip_prefix(' ') {
            Some(text) => text,
            None if text.is_empty() => text,
            None => return Err("put a blank behind `|`".to_owned()),
        };
        let open = self
            .open
            .as_mut()
            .filter(|open| open.kind == Kind::File && open.attributes.content.is_none())
            .ok_or("a content line belongs to a file without other content")?;
        let lines = open.lines.get_or_insert_default();
        lines.extend(text.as_bytes());
        lines.push(b'\n');
        Ok(())
    }

    fn options(&mut self, words: &[Vec<u8>]) -> Result<(), String> {
        for word in words {
            let (key, value) = words::key_value(word)?;
            let value = value.ok_or_else(|| format!("option `{key}` wants a value"))?;
            match key {
                "blocking" => self.description.blocking = words::length(value)?,
                "trailer" if value == b"none" => self.description.trailer = 0,
                "trailer" => self.description.trailer = words::length(value)?,
                _ if self.settings.set(key, value)? => {}
                _ => {
                    return Err(format!(
                        "unknown option `{key}`; known are blocking, trailer, {}",
                        Settings::KEYS
                    ));
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, line: usize, kind: Kind, words: &[Vec<u8>]) -> Result<(), String> {
        let (name, mut rest) = words.split_first().ok_or("the entry has no name")?;
        let mut link = Vec::new();
        let mut device = None;
        if kind.links() {
            let [arrow, target, attributes @ ..] = rest else {
                return Err("a link is NAME -> TARGET".to_owned());
            };
            if arrow != b"->" {
                return Err("a link is NAME -> TARGET".to_owned());
            }
            link.clone_from(target);
            rest = attributes;
        } else if matches!(kind, Kind::Char | Kind::Block) {
            let (numbers, attributes) = rest.split_first().ok_or("a device is NAME MAJOR,MINOR")?;
            device = Some(self::device(numbers)?);
            rest = attributes;
        }
        self.open = Some(Open {
            line,
            kind,
            name: name.clone(),
            link,
            device,
            attributes: Attributes::parse(self.settings.clone(), rest)?,
            lines: None,
        });
        Ok(())
    }

    /// Finishes the entry that content lines could have followed.
    fn close(&mut self) -> Result<(), String> {
        if let Some(open) = self.open.take() {
            let line = open.line;
            let entry = open
                .finish()
                .map_err(|message| format!("line {line}: {message}"))?;
            self.push(line, Item::Entry(Box::new(entry)));
        }
        Ok(())
    }

    fn push(&mut self, line: usize, item: Item) {
        self.description.items.push((line, item));
    }
}

impl Open {
    fn finish(self) -> Result<Entry, String> {
        let Attributes {
            settings,
            mode,
            content,
            applets,
            eol,
            slash,
            mut pax,
            xattrs,
            cap,
            cap_rootid,
            base256,
            sparse,
            wrong,
        } = self.attributes;
        let mut name = prefixed(&settings.prefix, self.name);
        if self.kind == Kind::Dir && slash && !name.ends_with(b"/") {
            name.push(b'/');
        }
        let link = match self.kind {
            Kind::Hardlink => prefixed(&settings.prefix, self.link),
            _ => self.link,
        };
        let mut content = match (content, applets) {
            (Some(word), Some(applets)) if word == b"busybox" => {
                let applets = words::text(&applets)?;
                busybox(Layout::X86_64, &applets.split(',').collect::<Vec<_>>())
            }
            (_, Some(_)) => return Err("`applets` goes with content=busybox".to_owned()),
            (Some(word), None) => words::value(&word)?,
            (None, None) => self.lines.unwrap_or_default(),
        };
        if !eol && content.pop() != Some(b'\n') {
            return Err("there is no newline for eol=no to drop".to_owned());
        }
        if let Some(sparse) = &sparse {
            content = stored(sparse, content)?;
        }
        if self.kind != Kind::File && !content.is_empty() {
            return Err("only a file has content".to_owned());
        }
        if let Some(cap) = cap {
            let value = content::capabilities(&cap, cap_rootid)?;
            pax.extend(settings.xattr_style.records("security.capability", &value));
        }
        for (name, value) in xattrs {
            pax.extend(settings.xattr_style.records(&name, &value));
        }
        Ok(Entry {
            kind: self.kind,
            name,
            link,
            device: self.device,
            mode: mode.unwrap_or(self.kind.default_mode()),
            owner: Owner {
                base256,
                ..settings.owner
            },
            mtime: settings.mtime,
            format: settings.format,
            content,
            pax,
            sparse,
            wrong,
        })
    }
}

/// The name with its prefix; absolute names take none.
fn prefixed(prefix: &[u8], name: Vec<u8>) -> Vec<u8> {
    if name.starts_with(b"/") {
        name
    } else if name == b"." && prefix == b"./" {
        prefix.to_vec()
    } else {
        [prefix, &name].concat()
    }
}

/// What is stored of a sparse file: the given content, which has to fit, or a pattern.
fn stored(sparse: &Sparse, content: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut end = 0;
    let mut total = 0;
    for &(offset, length) in &sparse.map {
        if offset < end {
            return Err("the ranges of the map overlap or are not in order".to_owned());
        }
        end = offset.checked_add(length).ok_or("a range is too large")?;
        total += length;
    }
    if end > sparse.size {
        return Err("the map reaches beyond the size".to_owned());
    }
    let total = usize::try_from(total).map_err(|_| "the ranges are too large")?;
    match content.len() {
        0 => Ok(content::pattern(total)),
        length if length == total => Ok(content),
        length => Err(format!(
            "the map stores {total} bytes, the content has {length}"
        )),
    }
}

fn device(word: &[u8]) -> Result<(u32, u32), String> {
    let mut parts = word.split(|&byte| byte == b',').map(|part| {
        u32::try_from(words::number(part)?).map_err(|_| "a device number is too large".to_owned())
    });
    match (parts.next(), parts.next(), parts.next()) {
        (Some(major), Some(minor), None) => Ok((major?, minor?)),
        _ => Err("a device is NAME MAJOR,MINOR".to_owned()),
    }
}
