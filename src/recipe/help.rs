//! Help and reference, written from the table that parses.

use super::nearest::list;
use super::schema::{COMMON, KeySchema, ON_MISSING, ON_MISSING_ABOUT, OnMissing, RuleKind};

/// Returns what `casehard recipe help RULE` prints: plain text, lines of at most 80 characters.
pub(super) fn text(kind: &'static RuleKind) -> String {
    let mut text = kind.usage() + "\n" + &wrap(kind.summary, 4);
    for paragraph in kind.about.split("\n\n").filter(|p| !p.trim().is_empty()) {
        text += &format!("\n{}", wrap(paragraph, 0));
    }
    if let Some(argument) = &kind.argument {
        let about = wrap(argument.about, 6);
        text += &format!("\nArgument:\n  {}\n{about}", argument.name);
    }
    if let Some(waiver) = kind.waiver() {
        text += &format!("\n{}", wrap(&waiver, 0));
    }
    text += "\nKeys:\n";
    if kind.needs_a_key {
        text += &wrap(&needed(kind), 2);
    }
    for row in rows(kind) {
        text += &format!("  {}={}", row.key, row.value);
        if !row.note.is_empty() {
            text += &format!("  ({})", row.note);
        }
        text += &format!("\n{}", wrap(row.about, 6));
    }
    text += "\nExample:\n";
    for line in kind.example.trim().lines() {
        text += format!("    {line}").trim_end();
        text.push('\n');
    }
    text
}

/// Returns a kind's part of the reference, as Markdown.
pub(super) fn markdown(kind: &'static RuleKind) -> String {
    let summary = kind.summary.trim_end_matches('.');
    let mut text = format!("### `{}`\n\n{summary}.\n", kind.usage());
    if !kind.about.trim().is_empty() {
        text += &format!("\n{}\n", kind.about.trim());
    }
    if let Some(argument) = &kind.argument {
        text += &format!("\n`{}`: {}\n", argument.name, argument.about);
    }
    if let Some(waiver) = kind.waiver() {
        text += &format!("\n{waiver}\n");
    }
    if kind.needs_a_key {
        text += &format!("\n{}\n", needed(kind));
    }
    text += "\n| Key | Value | | |\n|---|---|---|---|\n";
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    for row in rows(kind) {
        let (value, about) = (cell(&row.value), cell(row.about));
        text += &format!("| `{}` | `{value}` | {} | {about} |\n", row.key, row.note);
    }
    text + &format!("\n```ini\n{}\n```\n", kind.example.trim())
}

/// Returns that a section cannot do without keys of its own.
fn needed(kind: &RuleKind) -> String {
    let names: Vec<&str> = kind.keys.iter().map(|key| key.name).collect();
    format!("At least one of {} is needed.", list(&names))
}

struct Row {
    key: &'static str,
    value: String,
    note: String,
    about: &'static str,
}

fn rows(kind: &'static RuleKind) -> Vec<Row> {
    let row = |key: &'static KeySchema| {
        let notes = [(key.required, "required"), (key.list, "may repeat")];
        let notes = notes.iter().filter(|(holds, _)| *holds);
        Row {
            key: key.name,
            value: key.value.to_owned(),
            note: notes.map(|(_, note)| *note).collect::<Vec<_>>().join(", "),
            about: key.about,
        }
    };
    let words: Vec<_> = kind.on_missing_values().map(OnMissing::as_str).collect();
    let on_missing = Row {
        key: ON_MISSING,
        value: words.join("|"),
        note: format!("default {}", kind.on_missing),
        about: ON_MISSING_ABOUT,
    };
    let keys = kind.keys.iter().chain(&kind.open_keys).chain(COMMON);
    keys.map(row).chain([on_missing]).collect()
}

/// Fills lines of at most 80 characters, each after some blanks.
fn wrap(text: &str, indent: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let blanks = " ".repeat(indent);
    let options = textwrap::Options::new(80)
        .initial_indent(&blanks)
        .subsequent_indent(&blanks)
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::fill(&words.join(" "), options) + "\n"
}
