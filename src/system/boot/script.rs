//! The programs that a shell script starts, as far as that can be told without running it.
//!
//! Every command of the script counts, whatever it depends on. Variables stand for what the script
//! itself sets them to.

mod written;

use std::collections::BTreeMap;

use super::command::{inner, is_assignment};
use super::{Runs, base};

pub(crate) use written::{How, written};

/// Words that stand before a command.
const KEYWORDS: [&str; 13] = [
    "if", "then", "elif", "else", "while", "until", "do", "!", "{", "}", "fi", "done", "esac",
];

/// Words that set variables.
const SETTERS: [&str; 4] = ["export", "local", "readonly", "declare"];

/// How many values of one variable count.
const VALUES: usize = 8;

/// What stands for a value that is not known.
const UNKNOWN: char = '\u{fffd}';

/// As long as a word with variables replaced may get.
const WORD_LIMIT: usize = 4096;

/// Reads a script.
pub(super) fn read(text: &str) -> Runs {
    read_within(text, 8)
}

/// Reads a script that stands `depth` commands above the innermost one that counts.
pub(super) fn read_within(text: &str, depth: usize) -> Runs {
    let mut reader = Reader {
        variables: BTreeMap::new(),
        runs: Runs::default(),
        is_unclear: false,
        depth,
    };
    for command in commands(text) {
        reader.take(&command);
    }
    let first = text.lines().next().unwrap_or_default();
    // Both run what a variable of the script names.
    let named = match first {
        _ if first.contains("openrc-run") || first.contains("/runscript") => "command",
        _ if first.contains("init-d-script") => "DAEMON",
        _ => "",
    };
    let values = reader.variables.remove(named).unwrap_or_default();
    let known = values.into_iter().filter(|value| !value.contains(UNKNOWN));
    reader.runs.programs.extend(known);
    if reader.is_unclear {
        reader.runs.unclear = words(text);
    }
    reader.runs
}

struct Reader {
    variables: BTreeMap<String, Vec<String>>,
    runs: Runs,
    is_unclear: bool,
    depth: usize,
}

impl Reader {
    fn take(&mut self, words: &[Word]) {
        if words.iter().any(|word| word.is_target) {
            let words: Vec<Word> = words.iter().filter(|w| !w.is_target).cloned().collect();
            return self.take(&words);
        }
        let keyword = |word: &&Word| !word.quoted && KEYWORDS.contains(&word.text.as_str());
        let mut words = &words[words.iter().take_while(keyword).count()..];
        if let Some((first, rest)) = words.split_first()
            && SETTERS.contains(&first.text.as_str())
        {
            words = rest;
        }
        let set = |word: &&Word| is_assignment(&word.text);
        let sets = words.iter().take_while(set).count();
        for word in &words[..sets] {
            let (name, value) = word.text.split_once('=').unwrap_or_default();
            let value = self.expand(value);
            let values = self.variables.entry(name.to_owned()).or_default();
            if values.len() < VALUES && !values.contains(&value) {
                values.push(value);
            }
        }
        let Some((first, rest)) = words[sets..].split_first() else {
            return;
        };
        if ["case", "for", "select"].contains(&first.text.as_str()) {
            return;
        }
        if first.text == ":" {
            rest.iter().for_each(|word| self.default(&word.text));
            return;
        }
        let rest: Vec<String> = rest.iter().map(|word| self.expand(&word.text)).collect();
        for first in self.values(&first.text) {
            let mut words: Vec<String> = if first.contains(' ') {
                first.split_whitespace().map(str::to_owned).collect()
            } else {
                vec![first]
            };
            words.extend(rest.iter().cloned());
            for program in inner(&words, self.depth) {
                if program.contains(UNKNOWN) {
                    self.is_unclear = true;
                } else {
                    self.runs.programs.insert(program);
                }
            }
        }
    }

    /// Takes `${NAME:=VALUE}`.
    fn default(&mut self, word: &str) {
        let inside = word
            .strip_prefix("${")
            .and_then(|word| word.strip_suffix('}'));
        let parts = inside.and_then(|inside| inside.split_once(":=").or(inside.split_once('=')));
        if let Some((name, value)) = parts {
            let value = self.expand(value.trim_matches(['"', '\'']));
            let values = self.variables.entry(name.to_owned()).or_default();
            if values.len() < VALUES {
                values.push(value);
            }
        }
    }

    /// Returns what a word may stand for, where it is one variable all its values.
    fn values(&self, word: &str) -> Vec<String> {
        let name = word
            .strip_prefix('$')
            .map(|name| name.trim_matches(['{', '}']));
        match name.and_then(|name| self.variables.get(name)) {
            Some(values) => values.clone(),
            None => vec![self.expand(word)],
        }
    }

    /// Returns a word with the last known values of its variables.
    fn expand(&self, word: &str) -> String {
        let mut out = String::new();
        let mut rest = word;
        while let Some((before, after)) = rest.split_once('$') {
            out += before;
            let (expression, after) = match after.strip_prefix('{') {
                Some(inside) => inside.split_once('}').unwrap_or((inside, "")),
                None => {
                    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    let end = after.find(|c| !plain(c)).unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = expression.find(|c| !plain(c)).unwrap_or(expression.len());
            let (name, operator) = expression.split_at(end);
            let value = self.variables.get(name).and_then(|values| values.last());
            let fallback = operator.strip_prefix(":-").or(operator.strip_prefix('-'));
            match (value, fallback) {
                (Some(value), _) => out += value,
                (None, Some(fallback)) if !fallback.contains('$') => out += fallback,
                _ => out.push(UNKNOWN),
            }
            rest = after;
            if out.len() > WORD_LIMIT {
                return UNKNOWN.to_string();
            }
        }
        out + rest
    }
}

/// Returns the last components of all words of a text outside comments.
fn words(text: &str) -> std::collections::BTreeSet<String> {
    let all = commands(text).into_iter().flatten();
    let split = |word: Word| {
        let parts = word
            .text
            .split(|c: char| c.is_whitespace() || "='\"".contains(c));
        let parts = parts.filter(|part| !part.is_empty());
        parts.map(|part| base(part).to_owned()).collect::<Vec<_>>()
    };
    all.flat_map(split).collect()
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Word {
    text: String,
    quoted: bool,
    /// Whether it is the file that the output of the command is redirected to.
    is_target: bool,
    /// The line on which it begins, counted from 1.
    line: usize,
}

/// Returns the simple commands of a script as words, quotes resolved. The text of here-documents is
/// left out.
fn commands(text: &str) -> Vec<Vec<Word>> {
    let mut found: Vec<Vec<Word>> = vec![Vec::new()];
    let mut word: Option<Word> = None;
    let mut quote = None;
    // What stands before each parenthesis or backtick that is open, if its command goes on behind it.
    let mut outer: Vec<Option<Vec<Word>>> = Vec::new();
    let mut in_ticks = false;
    let mut heredoc: Option<String> = None;
    for (number, line) in joined_lines(text) {
        if let Some(end) = &heredoc {
            if line.trim_start_matches('\t') == end {
                heredoc = None;
            }
            continue;
        }
        let mut characters = line.chars().peekable();
        while let Some(c) = characters.next() {
            if let Some(word) = word.as_mut().filter(|word| word.line == 0) {
                word.line = number;
            }
            match (quote, c) {
                (Some('\''), '\'') => quote = None,
                (Some('"'), '"') => quote = None,
                (Some('\''), c) => word.get_or_insert_default().text.push(c),
                (_, '\\') => word.get_or_insert_default().text.extend(characters.next()),
                (Some(_), c) => word.get_or_insert_default().text.push(c),
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default().quoted = true;
                }
                (None, '$') => {
                    let word = word.get_or_insert_default();
                    word.text.push('$');
                    if characters.peek() == Some(&'{') {
                        // Up to the brace, blanks and signs belong to the expression.
                        for c in characters.by_ref() {
                            word.text.push(c);
                            if c == '}' {
                                break;
                            }
                        }
                    }
                }
                (None, '#') if word.is_none() => break,
                (None, '<') if line.contains("<<") && !line.contains("<<<") => {
                    flush(&mut found, &mut word);
                    if characters.peek() == Some(&'<') {
                        characters.next();
                        while characters.peek().is_some_and(|c| "- \t".contains(*c)) {
                            characters.next();
                        }
                        let mut end = String::new();
                        while let Some(c) = characters.next_if(|c| !" \t;|>&)".contains(*c)) {
                            end.push(c);
                        }
                        let end = end.trim_matches(['\'', '"', '\\']);
                        heredoc = Some(end.to_owned()).filter(|end| !end.is_empty());
                    }
                }
                (None, '>' | '<') => {
                    // What it is redirected to is not a word of the command.
                    if word
                        .as_ref()
                        .is_some_and(|w| w.text.bytes().all(|b| b.is_ascii_digit()))
                    {
                        word = None;
                    }
                    flush(&mut found, &mut word);
                    while characters.peek().is_some_and(|c| ">&<| \t".contains(*c)) {
                        characters.next();
                    }
                    let mut target = Word {
                        is_target: c == '>',
                        line: number,
                        ..Word::default()
                    };
                    while let Some(c) = characters.next_if(|c| !" \t;|&)".contains(*c)) {
                        target.text.push(c);
                    }
                    target.text.retain(|c| !"\"'".contains(c));
                    flush(
                        &mut found,
                        &mut Some(target).filter(|target| target.is_target),
                    );
                }
                (None, '(') if word.is_some() && characters.peek() == Some(&')') => {
                    // The name of a function, which is made here and not run.
                    word = None;
                    characters.next();
                }
                (None, ')') if outer.is_empty() => {
                    // What a `case` compares with.
                    word = None;
                    if let Some(last) = found.last_mut() {
                        last.clear();
                    }
                }
                (None, '(' | '`') if c == '(' || !in_ticks => {
                    let goes_on = c == '`' || word.as_ref().is_some_and(|w| w.text.ends_with('$'));
                    flush(&mut found, &mut word);
                    outer.push(if goes_on { found.pop() } else { None });
                    found.push(Vec::new());
                    in_ticks |= c == '`';
                }
                (None, ')' | '`') => {
                    flush(&mut found, &mut word);
                    found.push(outer.pop().flatten().unwrap_or_default());
                    in_ticks &= c != '`';
                }
                (None, ';' | '&' | '|') => {
                    flush(&mut found, &mut word);
                    found.push(Vec::new());
                }
                (None, c) if c.is_whitespace() => flush(&mut found, &mut word),
                (None, c) => word.get_or_insert_default().text.push(c),
            }
        }
        if quote.is_some() {
            word.get_or_insert_default().text.push('\n');
        } else {
            flush(&mut found, &mut word);
            found.push(Vec::new());
        }
    }
    flush(&mut found, &mut word);
    found.extend(outer.into_iter().flatten());
    found.retain(|command| !command.is_empty());
    found
}

/// Returns the lines of a script with those joined that a backslash continues, each with the number
/// of its first.
fn joined_lines(text: &str) -> Vec<(usize, String)> {
    let mut joined: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.lines()) {
        let (part, continues) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match joined.last_mut().filter(|_| goes_on) {
            Some((_, last)) => {
                last.push(' ');
                last.push_str(part);
            }
            None => joined.push((number, part.to_owned())),
        }
        goes_on = continues;
    }
    joined
}

fn flush(found: &mut [Vec<Word>], word: &mut Option<Word>) {
    if let (Some(word), Some(last)) = (word.take(), found.last_mut()) {
        last.push(word);
    }
}

#[cfg(test)]
mod tests;
