//! A page of text for a terminal: colours, columns, and the lines of files.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::diff::Sign;
use crate::report::plural;
use crate::report::view::File;

pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const RED: Style = AnsiColor::Red.on_default();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();

/// A page under construction, whose texts are escaped already.
pub(super) struct Page {
    pub(super) text: String,
    color: bool,
}

impl Page {
    pub(super) fn new(color: bool) -> Self {
        Self {
            text: String::new(),
            color,
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub(super) fn inked(&mut self, ink: Style, text: &str) {
        let text = self.ink(ink, text);
        self.line(&text);
    }

    pub(super) fn heading(&mut self, title: &str) {
        self.text.push('\n');
        self.inked(BOLD, title);
    }

    pub(super) fn subject(&mut self, subject: &[(&str, String)]) {
        for (what, name) in subject {
            let what = self.ink(DIM, &format!("{what:8}"));
            self.line(&format!("{what} {name}"));
        }
    }

    pub(super) fn facts(&mut self, facts: &[String], indent: &str) {
        for fact in facts {
            self.inked(DIM, &format!("{indent}{fact}"));
        }
    }

    /// Writes the lines of a file that differ.
    pub(super) fn content(&mut self, file: &File, indent: &str) {
        if file.misleads {
            let caution = "caution: characters that would make it look different are spelled out";
            self.inked(YELLOW, &format!("{indent}{caution}"));
        }
        for hunk in &file.hunks {
            self.inked(CYAN, &format!("{indent}{}", hunk.header));
            for line in &hunk.lines {
                let ink = match line.sign {
                    Sign::Kept => PLAIN,
                    Sign::Removed => RED,
                    Sign::Added => GREEN,
                };
                self.inked(ink, &format!("{indent}{}{}", line.sign.char(), line.text));
                if !line.ends {
                    self.line(&format!("{indent}\\ No newline at end of file"));
                }
            }
        }
        if file.left_out > 0 {
            let more = plural(file.left_out, "more line");
            self.line(&format!("{indent}… {more}: --format diff has all of them"));
        }
    }

    pub(super) fn ink(&self, ink: Style, text: &str) -> String {
        if !self.color || text.is_empty() || ink.is_plain() {
            return text.to_owned();
        }
        format!("{ink}{text}{ink:#}")
    }
}

/// Returns how many columns of a terminal a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// Returns the width of a column for these texts; a text wider than `widest` does not count.
pub(super) fn width_of<'t>(texts: impl Iterator<Item = &'t str>, widest: usize) -> usize {
    let widths = texts.map(columns).filter(|width| *width <= widest);
    widths.max().unwrap_or(0)
}

pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Shortens a path to its end, as git does.
pub(super) fn shorten(path: &str, width: usize) -> String {
    let mut excess = columns(path).saturating_sub(width);
    if excess == 0 {
        return path.to_owned();
    }
    excess += 3;
    let end = path.trim_start_matches(|c: char| {
        let cut = excess > 0;
        excess = excess.saturating_sub(c.width().unwrap_or(0));
        cut
    });
    format!("...{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_what_a_terminal_shows() {
        assert_eq!(pad("漢字", 6), "漢字  ");
        assert_eq!(shorten("etc/漢字/x", 8), "...字/x");
        assert_eq!(shorten("etc/passwd", 8), "...asswd");
        assert_eq!(width_of(["ab", "漢字", "too long"].into_iter(), 5), 4);
    }
}
