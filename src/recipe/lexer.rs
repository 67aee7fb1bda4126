//! The lexer: a recipe's lines, each a section, a `key=value`, a comment or blank, and where it
//! stands.
//!
//! **Invariants.** Every other line is a mistake, and all mistakes are reported at once. A text has
//! one reading: what other INI parsers take in another way (`:` for `=`, a `\` that joins lines,
//! quotes) is either refused or kept as it stands.

use std::ops::Range;
use std::sync::Arc;

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
            end: self.value.at.end,
            ..self.key.at.clone()
        }
    }
}

/// A text and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) text: String,
    pub(super) at: Span,
}

impl Placed {
    fn new(source: &Arc<Source>, range: Range<usize>) -> Self {
        Self {
            text: source.text[range.clone()].to_owned(),
            at: span(source, range),
        }
    }

    /// Returns a piece of it without the blanks around it.
    pub(super) fn trimmed(&self, range: Range<usize>) -> Self {
        let piece = &self.text[range.clone()];
        let start = range.start + piece.len() - piece.trim_start().len();
        self.part(start..start + piece.trim().len())
    }

    fn part(&self, range: Range<usize>) -> Self {
        let start = self.at.start;
        Self::new(&self.at.source, start + range.start..start + range.end)
    }
}

pub(super) fn span(source: &Arc<Source>, range: Range<usize>) -> Span {
    Span {
        source: Arc::clone(source),
        start: range.start,
        end: range.end,
    }
}

/// Some editors put it before the text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads all sections of a text. A line of any other form becomes a mistake.
pub(super) fn read(source: &Arc<Source>, mistakes: &mut Vec<Diagnostic>) -> Vec<RawSection> {
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
        let line = Placed::new(source, range);
        let line = line.trimmed(0..line.text.len());
        match classify(&line) {
            Ok(Line::Blank | Line::Comment) => {}
            Ok(Line::Section(name)) => {
                sections.push(RawSection {
                    at: line.at,
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
                    Diagnostic::new(property.at(), "this key comes before any section")
                        .label("belongs to nothing")
                        .help("start the recipe with `[Recipe]` and `Schema=1`"),
                ),
            },
            Err(mistake) => {
                if line.text.starts_with('[') {
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

fn classify(line: &Placed) -> Result<Line, Diagnostic> {
    let text = line.text.as_str();
    if let Some((at, odd)) = text.char_indices().find(|(_, c)| is_hidden(*c)) {
        let at = line.part(at..at + odd.len_utf8()).at;
        let message = format!("the character U+{:04X} is invisible", u32::from(odd));
        return Err(Diagnostic::new(at, message)
            .label("here")
            .help("a recipe is plain text: delete the character"));
    }
    match text.chars().next() {
        None => Ok(Line::Blank),
        Some('#' | ';') => Ok(Line::Comment),
        Some('[') => section(line),
        Some(_) => property(line),
    }
}

/// Whether a reader could overlook a character: controls, and those that turn the direction of
/// writing.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | BYTE_ORDER_MARK)
}

fn section(line: &Placed) -> Result<Line, Diagnostic> {
    let text = line.text.as_str();
    let Some(first_end) = text.find(']') else {
        return Err(
            Diagnostic::new(line.at.clone(), "this section's `[` is not closed")
                .label("no `]`")
                .help("end the line with `]`"),
        );
    };
    if !text.ends_with(']') {
        let rest = line.trimmed(first_end + 1..text.len());
        let mistake = Diagnostic::new(rest.at.clone(), "text follows the section's `]`");
        return Err(if rest.text.starts_with(['#', ';']) {
            mistake.help("give the comment a line of its own")
        } else {
            mistake.help("start a new line for it")
        });
    }
    if first_end + 1 < text.len() {
        let at = line.part(first_end..first_end + 1).at;
        return Err(Diagnostic::new(at, "a section cannot contain `]`")
            .label("this ends the section")
            .help("in a glob, write `?` in place of `[…]`: it stands for any one character"));
    }
    let name = line.trimmed(1..first_end);
    if name.text.is_empty() {
        return Err(Diagnostic::new(line.at.clone(), "this section has no name")
            .help("write the rule's kind into it, such as `[Mask sshd.socket]`"));
    }
    if odd_backslashes(&name.text) {
        return Err(Diagnostic::new(
            line.at.clone(),
            "a section cannot end in `\\`",
        ));
    }
    Ok(Line::Section(name))
}

fn property(line: &Placed) -> Result<Line, Diagnostic> {
    let text = line.text.as_str();
    let equals = text.find('=');
    if let Some(colon) = text[..equals.unwrap_or(text.len())].find(':') {
        let (key, value) = (text[..colon].trim(), text[colon + 1..].trim());
        let at = line.part(colon..colon + 1).at;
        return Err(
            Diagnostic::new(at, "write `=`, not `:`, between a key and its value")
                .label("not `=`")
                .help(format!("write {}", quoted(&format!("{key}={value}")))),
        );
    }
    let Some(equals) = equals else {
        let message = "this is neither a section, nor a key with `=` and a value, nor a comment";
        return Err(Diagnostic::new(line.at.clone(), message)
            .help("a value is one line; a comment starts with `#` or `;`"));
    };
    let key = line.trimmed(0..equals);
    if key.text.is_empty() {
        return Err(Diagnostic::new(line.at.clone(), "no key before the `=`"));
    }
    if key.text.contains('\\') {
        return Err(Diagnostic::new(key.at, "a key cannot contain `\\`"));
    }
    let value = line.trimmed(equals + 1..text.len());
    // A `=` between blanks: the one after it does not belong to the value.
    let set_off = text[..equals].ends_with(' ') && text[equals + 1..].starts_with(' ');
    let verbatim = line.part(equals + 1 + usize::from(set_off)..text.len());
    Ok(Line::Property(Property {
        key,
        value,
        verbatim,
    }))
}

fn odd_backslashes(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
}
