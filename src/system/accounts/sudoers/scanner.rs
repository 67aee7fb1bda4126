//! The words of sudoers, read as sudo's own scanner does.

use bstr::ByteSlice;

use super::parse::{Alias, Member, Subject};

/// A position in the text of sudoers.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl Scanner<'_> {
    /// Returns the byte here.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Passes over this byte, if it is here.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_here = self.peek() == Some(byte);
        self.at += usize::from(is_here);
        is_here
    }

    /// Passes over a backslash with the newline behind it, if it is here.
    pub(super) fn continuation(&mut self) -> bool {
        let Some(rest) = self.text[self.at..].strip_prefix(b"\\") else {
            return false;
        };
        let rest = rest.trim_start_with(|c| c == ' ' || c == '\t');
        let Some(rest) = rest.strip_prefix(b"\n").or(rest.strip_prefix(b"\r\n")) else {
            return false;
        };
        self.at = self.text.len() - rest.len();
        true
    }

    /// Passes over blanks and joined lines.
    pub(super) fn blanks(&mut self) {
        while self.continuation() || self.eat(b' ') || self.eat(b'\t') {}
    }

    /// Returns whether nothing but a comment is left of the logical line.
    pub(super) fn ends(&self) -> bool {
        let rest = &self.text[self.at..];
        match rest.first() {
            None | Some(b'\n') => true,
            Some(b'\r') => rest.get(1).is_none_or(|b| *b == b'\n'),
            Some(b'#') => !starts_id(rest),
            _ => false,
        }
    }

    /// Returns whether one of these words is here, as a word of its own.
    pub(super) fn keyword(&self, words: &[&[u8]]) -> bool {
        let rest = &self.text[self.at..];
        let ends = |rest: &[u8]| rest.first().is_none_or(|b| b" \t:@>!\\\r\n".contains(b));
        words
            .iter()
            .any(|word| rest.strip_prefix(*word).is_some_and(ends))
    }

    /// Reads the definitions of a `User_Alias` line, to the end of the line.
    pub(super) fn aliases(&mut self) -> Option<Vec<Alias>> {
        let mut found = Vec::new();
        loop {
            self.blanks();
            let start = self.at;
            let name = self.word()?;
            self.blanks();
            self.eat(b'=').then_some(())?;
            self.blanks();
            let members = self.members()?;
            let end = members.last()?.range.end;
            found.push(Alias {
                name,
                range: start..end,
                members,
            });
            if !self.eat(b':') {
                return self.ends().then_some(found);
            }
        }
    }

    /// Reads a list of users with commas between them, and the blanks behind it.
    pub(super) fn members(&mut self) -> Option<Vec<Member>> {
        let mut found = Vec::new();
        loop {
            let start = self.at;
            let mut negated = false;
            while self.eat(b'!') {
                negated = !negated;
                self.blanks();
            }
            let subject = self.subject()?;
            found.push(Member {
                range: start..self.at,
                negated,
                subject,
            });
            self.blanks();
            if !self.eat(b',') {
                return Some(found);
            }
            self.blanks();
        }
    }

    fn subject(&mut self) -> Option<Subject> {
        let rest = &self.text[self.at..];
        if let Some(inside) = rest.strip_prefix(b"\"") {
            let end = inside
                .find_byteset(b"\"\n")
                .filter(|n| inside[*n] == b'"')?;
            self.at += end + 2;
            return subject(&inside[..end]);
        }
        let signs = rest.iter().take_while(|b| b"%:+#".contains(b)).count();
        self.at += signs;
        let mut text = rest[..signs].to_vec();
        text.extend(self.word()?);
        subject(&text)
    }

    /// Reads a word and resolves its backslashes.
    fn word(&mut self) -> Option<Vec<u8>> {
        let mut word = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => {
                    let rest = &self.text[self.at + 1..];
                    let hex = rest
                        .get(..3)
                        .filter(|h| h[0] == b'x')
                        .and_then(|h| h[1..].to_str().ok());
                    if let Some(byte) = hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
                        word.push(byte);
                        self.at += 4;
                    } else if rest.first().is_some_and(|b| !b"\r\n".contains(b))
                        && !self.continues()
                    {
                        word.push(rest[0]);
                        self.at += 2;
                    } else {
                        break;
                    }
                }
                b'#' | b'>' | b'!' | b'=' | b':' | b',' | b'(' | b')' | b' ' | b'\t' | b'\r'
                | b'\n' | b'"' => break,
                _ => {
                    word.push(byte);
                    self.at += 1;
                }
            }
        }
        (!word.is_empty()).then_some(word)
    }

    fn continues(&self) -> bool {
        Scanner { ..*self }.continuation()
    }
}

fn subject(text: &[u8]) -> Option<Subject> {
    let number = |digits: &[u8]| digits.to_str().ok()?.parse().ok();
    Some(match text {
        b"" | b"%" => return None,
        b"ALL" => Subject::Everyone,
        [b'%', b':', ..] | [b'+', ..] => Subject::Foreign,
        [b'%', b'#', gid @ ..] => number(gid).map_or(Subject::Foreign, Subject::Gid),
        [b'%', group @ ..] => Subject::Group(group.to_vec()),
        [b'#', uid @ ..] => number(uid).map_or(Subject::Foreign, Subject::Uid),
        name => Subject::Name(name.to_vec()),
    })
}

/// `#500` and `#-1` are ids, any other `#` starts a comment.
pub(super) fn starts_id(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"#").unwrap_or(text);
    let digits = digits.strip_prefix(b"-").unwrap_or(digits);
    digits.first().is_some_and(u8::is_ascii_digit)
}
