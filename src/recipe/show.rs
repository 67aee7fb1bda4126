//! A merged recipe as a text: what it inherits is written out, and a comment before each line says
//! where that stands.

use std::fmt::Write as _;

use super::{Recipe, Section, Waiver};
use crate::error::Span;

impl Recipe {
    /// Returns the whole recipe as a text that reads as the same rules: inherited sections merged,
    /// parameters filled in, and before each line a comment with the file and line of its origin.
    pub fn to_text(&self) -> String {
        let names: Vec<&str> = self.sources.iter().map(|s| s.name.as_str()).collect();
        let mut text = format!("# {}\n[Recipe]\nSchema=1\n", names.join(", "));
        if let Some(summary) = self.summary() {
            line(&mut text, "Summary", summary);
        }
        if let [part] = &self.parts[..]
            && part.is_choosy()
        {
            text += "\n[Match]\n";
            let lists = [
                ("Kind", part.kind.as_slice()),
                ("Init", &part.inits),
                ("OsId", &part.os_ids),
            ];
            for (key, values) in lists {
                values.iter().for_each(|value| line(&mut text, key, value));
            }
        }
        for rule in &self.rules {
            section(&mut text, rule);
        }
        for one in &self.waivers {
            waiver(&mut text, one);
        }
        text
    }
}

fn section(text: &mut String, rule: &Section) {
    text.push('\n');
    origin(text, &rule.at, None);
    header(text, &rule.label());
    for (key, value) in [("Reason", &rule.reason), ("Reference", &rule.reference)] {
        if let Some(value) = value {
            line(text, key, value);
        }
    }
    if rule.on_missing != rule.kind.on_missing {
        line(text, "OnMissing", rule.on_missing.as_str());
    }
    for setting in &rule.settings {
        let written = format!("{}={}", setting.key, setting.value);
        let why = rule.additions.iter().find(|addition| {
            addition.at.source == setting.at.source && addition.lines.contains(&written)
        });
        let why = why.map(|addition| {
            let texts = [&addition.reason, &addition.reference];
            let texts: Vec<&str> = texts.into_iter().flatten().map(String::as_str).collect();
            texts.join("; ")
        });
        origin(text, &setting.at, why.as_deref());
        line(text, &setting.key, &setting.value);
    }
}

fn waiver(text: &mut String, waiver: &Waiver) {
    text.push('\n');
    origin(text, &waiver.at, None);
    header(text, &format!("Waive {}:{}", waiver.kind, waiver.subject));
    line(text, "Reason", &waiver.reason);
    if let Some(owner) = &waiver.owner {
        line(text, "Owner", owner);
    }
    line(text, "Expires", &waiver.expires.to_string());
}

fn origin(text: &mut String, at: &Span, why: Option<&str>) {
    // Writing to a text cannot fail.
    let _ = write!(text, "# {}:{}", at.source.name, at.line());
    if let Some(why) = why {
        let _ = write!(text, ": {why}");
    }
    text.push('\n');
}

fn header(text: &mut String, label: &str) {
    let _ = writeln!(text, "[{}]", label.replace("${", "$${"));
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key}={}", value.replace("${", "$${"));
}
