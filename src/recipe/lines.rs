//! Where everything stands: an index of a recipe's lines, beside the INI parser.
//!
//! `rust-ini` says what a text contains but not where, stops at the first mistake, joins lines that end in a `\`, and
//! takes `:` for `=`. So each line is classified here first. Lines that are neither blank, comment, section nor
//! `key=value` become diagnostics, all at once; the parser gets the others, and what it finds is paired with its place.

use std::ops::Range;
use std::sync::Arc;

use ini::{Ini, ParseOption};

use crate::error::{Diagnostic, Source, Span};

use super::nearest::quoted;

/// A section as it is written, with what stands in it.
#[derive(Debug)]
pub(super) struct RawSection {
    /// The header, brackets included.
    pub(super) at: Span,
    /// What stands between the brackets.
    pub(super) name: Placed,
    pub(super) properties: Vec<Property>,
    /// Whether some line of it is a mistake, so that a key may only seem to be missing.
    pub(super) damaged: bool,
}

/// One `key=value`.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) key: Placed,
    pub(super) value: Placed,
    /// The value with the blanks before it.
    pub(super) verbatim: Placed,
}

impl Property {
    /// From the key's first byte to the value's last.
    pub(super) fn at(&self) -> Span {
        Span {
            source: Arc::clone(&self.key.at.source),
            start: self.key.at.start,
            end: self.value.at.end,
        }
    }
}

/// A text and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) text: String,
    pub(super) at: Span,
}

/// Reads all sections of a text; what is not one of its lines' forms becomes a mistake.
pub(super) fn read(source: &Arc<Source>, mistakes: &mut Vec<Diagnostic>) -> Vec<RawSection> {
    let sections = index(source, mistakes);
    let Some(parsed) = parse(&canonical(&sections)) else {
        let start = Span {
            source: Arc::clone(source),
            start: 0,
            end: 0,
        };
        mistakes.push(Diagnostic::new(start, "this text cannot be read as INI"));
        return Vec::new();
    };
    // The index hands the parser only what it understands, so both agree; if ever not, nobody should guess who is right.
    let found = sections.iter().map(|section| {
        let properties = section.properties.iter();
        let properties = properties.map(|p| (p.key.text.as_str(), p.value.text.as_str()));
        (section.name.text.as_str(), properties.collect::<Vec<_>>())
    });
    let mut parsed = parsed.iter();
    for (found, section) in found.zip(&sections) {
        let read = parsed.next().map(|(name, properties)| {
            let properties = properties.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            (name.as_str(), properties.collect::<Vec<_>>())
        });
        if read != Some(found) {
            mistakes.push(Diagnostic::new(
                section.at.clone(),
                "this section can be read in more than one way",
            ));
            return Vec::new();
        }
    }
    sections
}

type Sections = Vec<(String, Vec<(String, String)>)>;

fn parse(text: &str) -> Option<Sections> {
    let options = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        enabled_indented_mutiline_value: false,
        enabled_preserve_key_leading_whitespace: false,
    };
    let ini = Ini::load_from_str_opt(text, options).ok()?;
    // The multimap behind it yields sections and properties as they were inserted, repeats included.
    let sections = ini.iter().filter_map(|(name, properties)| {
        let properties = properties.iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
        Some((name?.to_owned(), properties.collect()))
    });
    Some(sections.collect())
}

/// The text that the parser gets: no comments and blanks, and ends of lines that a `\` before them does not swallow.
fn canonical(sections: &[RawSection]) -> String {
    let mut text = String::new();
    for section in sections {
        text += &format!("[{}]\r\n", section.name.text);
        for property in &section.properties {
            text += &format!("{}={}\r\n", property.key.text, property.value.text);
        }
    }
    text
}

/// Some editors put it before the text.
const BYTE_ORDER_MARK: char = '\u{feff}';

fn index(source: &Arc<Source>, mistakes: &mut Vec<Diagnostic>) -> Vec<RawSection> {
    let mut sections: Vec<RawSection> = Vec::new();
    let mut place = Place::Top;
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let content = content.strip_suffix('\r').unwrap_or(content);
        let mut range = start..start + content.len();
        if start == 0 && line.starts_with(BYTE_ORDER_MARK) {
            range.start = BYTE_ORDER_MARK.len_utf8();
        }
        start += line.len();
        let at = Part { source, range }.trim();
        match classify(&at) {
            Ok(Line::Blank | Line::Comment) => {}
            Ok(Line::Section(name)) => {
                sections.push(RawSection {
                    at: at.span(),
                    name,
                    properties: Vec::new(),
                    damaged: false,
                });
                place = Place::Section;
            }
            Ok(Line::Property(property)) => match (&place, sections.last_mut()) {
                (Place::Section, Some(section)) => section.properties.push(property),
                (Place::Broken, _) => {}
                _ => mistakes.push(
                    Diagnostic::new(property.at(), "this key stands before any section")
                        .label("belongs to nothing")
                        .help("start the recipe with `[Recipe]` and `Schema=1`"),
                ),
            },
            Err(mistake) => {
                if at.text().starts_with('[') {
                    place = Place::Broken;
                } else if let (Place::Section, Some(section)) = (&place, sections.last_mut()) {
                    section.damaged = true;
                }
                mistakes.push(mistake);
            }
        }
    }
    sections
}

/// What the lines that come next belong to.
enum Place {
    Top,
    Section,
    /// A section whose header is a mistake: its keys are not the earlier section's.
    Broken,
}

enum Line {
    Blank,
    Comment,
    Section(Placed),
    Property(Property),
}

fn classify(line: &Part<'_>) -> Result<Line, Diagnostic> {
    let text = line.text();
    if let Some((at, odd)) = text.char_indices().find(|(_, c)| is_hidden(*c)) {
        let at = line.part(at..at + odd.len_utf8()).span();
        let message = format!("the character U+{:04X} cannot be seen", u32::from(odd));
        return Err(Diagnostic::new(at, message)
            .label("here")
            .help("a recipe is plain text: take the character out"));
    }
    match text.chars().next() {
        None => Ok(Line::Blank),
        Some('#' | ';') => Ok(Line::Comment),
        Some('[') => section(line),
        Some(_) => property(line),
    }
}

/// Whether a reader could overlook a character: controls, and those that turn the direction of writing.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | BYTE_ORDER_MARK)
}

fn section(line: &Part<'_>) -> Result<Line, Diagnostic> {
    let text = line.text();
    let Some(first_end) = text.find(']') else {
        return Err(
            Diagnostic::new(line.span(), "this section's `[` is not closed")
                .label("no `]`")
                .help("end the line with `]`"),
        );
    };
    if !text.ends_with(']') {
        let rest = line.part(first_end + 1..text.len()).trim();
        let mistake = Diagnostic::new(rest.span(), "something stands after the section's `]`");
        return Err(if rest.text().starts_with(['#', ';']) {
            mistake.help("give the comment a line of its own")
        } else {
            mistake.help("start a new line for it")
        });
    }
    if first_end + 1 < text.len() {
        let at = line.part(first_end..first_end + 1).span();
        return Err(Diagnostic::new(at, "a section cannot contain `]`")
            .label("this ends the section")
            .help("in a glob, write `?` in place of `[…]`: it stands for any one character"));
    }
    let name = line.part(1..first_end).trim();
    if name.text().is_empty() {
        return Err(Diagnostic::new(line.span(), "this section has no name")
            .help("write the rule's kind into it, such as `[Mask sshd.socket]`"));
    }
    if odd_backslashes(name.text()) {
        return Err(Diagnostic::new(line.span(), "a section cannot end in `\\`"));
    }
    Ok(Line::Section(name.placed()))
}

fn property(line: &Part<'_>) -> Result<Line, Diagnostic> {
    let text = line.text();
    let equals = text.find('=');
    if let Some(colon) = text[..equals.unwrap_or(text.len())].find(':') {
        let (key, value) = (text[..colon].trim(), text[colon + 1..].trim());
        let at = line.part(colon..colon + 1).span();
        return Err(
            Diagnostic::new(at, "a key and its value are parted by `=`, not by `:`")
                .label("not `=`")
                .help(format!("write {}", quoted(&format!("{key}={value}")))),
        );
    }
    let Some(equals) = equals else {
        let message = "this is neither a section, nor a key with `=` and a value, nor a comment";
        return Err(Diagnostic::new(line.span(), message)
            .help("a value is one line; a comment starts with `#` or `;`"));
    };
    let key = line.part(0..equals).trim();
    if key.text().is_empty() {
        return Err(Diagnostic::new(line.span(), "no key stands before the `=`"));
    }
    if key.text().contains('\\') {
        return Err(Diagnostic::new(key.span(), "a key cannot contain `\\`"));
    }
    let value = line.part(equals + 1..text.len());
    // Who sets the `=` off by blanks does not mean the one after it.
    let set_off = text[..equals].ends_with(' ') && value.text().starts_with(' ');
    let verbatim = value.part(usize::from(set_off)..value.text().len());
    let value = value.trim();
    Ok(Line::Property(Property {
        key: key.placed(),
        value: value.placed(),
        verbatim: verbatim.placed(),
    }))
}

fn odd_backslashes(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
}

/// A part of a text that knows its place.
struct Part<'a> {
    source: &'a Arc<Source>,
    range: Range<usize>,
}

impl<'a> Part<'a> {
    fn text(&self) -> &'a str {
        &self.source.text[self.range.clone()]
    }

    fn part(&self, range: Range<usize>) -> Self {
        Self {
            source: self.source,
            range: self.range.start + range.start..self.range.start + range.end,
        }
    }

    fn trim(&self) -> Self {
        let start = self.text().len() - self.text().trim_start().len();
        self.part(start..start + self.text().trim().len())
    }

    fn span(&self) -> Span {
        Span {
            source: Arc::clone(self.source),
            start: self.range.start,
            end: self.range.end,
        }
    }

    fn placed(&self) -> Placed {
        Placed {
            text: self.text().to_owned(),
            at: self.span(),
        }
    }
}
