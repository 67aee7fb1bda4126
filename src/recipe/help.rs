//! Help and reference, written from the table that parses.

use std::fmt::Write as _;

use super::schema::{COMMON, KeySchema, ON_MISSING, ON_MISSING_ABOUT, OnMissing, RuleSchema};

/// What `casehard recipe help RULE` prints: plain text, lines of at most 80 characters.
pub fn help(schema: &RuleSchema) -> String {
    let mut text = format!("{}\n{}", schema.usage(), wrap(schema.summary, 4));
    for paragraph in schema.about.split("\n\n").filter(|p| !p.trim().is_empty()) {
        text += &format!("\n{}", wrap(paragraph, 0));
    }
    if let Some(argument) = &schema.argument {
        text += &format!(
            "\nArgument:\n  {}\n{}",
            argument.name,
            wrap(argument.about, 6)
        );
    }
    if let Some(waiver) = schema.waiver() {
        text += &format!("\n{}", wrap(&waiver, 0));
    }
    text += "\nKeys:\n";
    for row in rows(schema) {
        text += &format!("  {}={}", row.key, row.value);
        if !row.note.is_empty() {
            text += &format!("  ({})", row.note);
        }
        text += &format!("\n{}", wrap(row.about, 6));
    }
    text += "\nExample:\n";
    for line in schema.example.trim().lines() {
        text += format!("    {line}").trim_end();
        text.push('\n');
    }
    text
}

/// The reference of all rule kinds, as Markdown.
pub fn reference(kinds: &[&RuleSchema]) -> String {
    kinds
        .iter()
        .map(|schema| markdown(schema))
        .collect::<Vec<_>>()
        .join("\n")
}

fn markdown(schema: &RuleSchema) -> String {
    let mut text = format!(
        "### `{}`\n\n{}.\n",
        schema.usage(),
        schema.summary.trim_end_matches('.')
    );
    if !schema.about.trim().is_empty() {
        text += &format!("\n{}\n", schema.about.trim());
    }
    if let Some(argument) = &schema.argument {
        text += &format!("\n`{}`: {}\n", argument.name, argument.about);
    }
    if let Some(waiver) = schema.waiver() {
        text += &format!("\n{waiver}\n");
    }
    text += "\n| Key | Value | | |\n|---|---|---|---|\n";
    for row in rows(schema) {
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {} | {} |",
            row.key,
            cell(&row.value),
            row.note,
            cell(row.about)
        );
    }
    text += &format!("\n```ini\n{}\n```\n", schema.example.trim());
    text
}

struct Row<'a> {
    key: &'a str,
    value: String,
    note: String,
    about: &'a str,
}

fn rows(schema: &RuleSchema) -> Vec<Row<'_>> {
    let row = |key: &'static KeySchema| {
        let notes = [(key.required, "required"), (key.list, "may repeat")];
        let notes = notes
            .iter()
            .filter(|(holds, _)| *holds)
            .map(|(_, note)| *note);
        Row {
            key: key.name,
            value: key.value.to_owned(),
            note: notes.collect::<Vec<_>>().join(", "),
            about: key.about,
        }
    };
    let open = schema.open_keys.as_ref().map(|open| Row {
        key: open.name,
        value: open.value.to_owned(),
        note: "may repeat".to_owned(),
        about: open.about,
    });
    let words: Vec<_> = schema.on_missing_values().map(OnMissing::as_str).collect();
    let on_missing = Row {
        key: ON_MISSING,
        value: words.join("|"),
        note: format!("default {}", schema.on_missing),
        about: ON_MISSING_ABOUT,
    };
    let own = schema.keys.iter().map(row);
    own.chain(open)
        .chain(COMMON.iter().map(row))
        .chain([on_missing])
        .collect()
}

/// Fills lines of at most 80 characters, each after some blanks.
fn wrap(text: &str, indent: usize) -> String {
    const WIDTH: usize = 80;
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &format!("{:indent$}{line}\n", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines + &format!("{:indent$}{line}\n", "")
}
