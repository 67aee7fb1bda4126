//! The services of xinetd.

use std::ops::Range;

use bstr::ByteSlice;

use super::{Close, Runs, Start, text};
use crate::error::Stop;
use crate::rootfs::{Files, Place};

/// Adds each service that is not disabled.
pub(super) fn add(files: &Files<'_>, found: &mut Vec<Start>) -> Result<(), Stop> {
    let mut lists = files.etc("/etc/xinetd.conf");
    let included = files.etc_files_in("/etc/xinetd.d", "");
    // xinetd passes over names with a dot in them, and those that end in a tilde.
    let read = |path: &str| !super::base(path).contains('.') && !path.ends_with('~');
    lists.extend(included.into_iter().filter(|(path, _)| read(path)));
    let mut disabled = Vec::new();
    let mut started = Vec::new();
    for (path, id) in lists {
        let content = text(files, id)?
            .unwrap_or_default()
            .to_str_lossy()
            .into_owned();
        let lines: Vec<&str> = content.lines().collect();
        for entry in entries(&lines) {
            let entry_lines = &lines[entry.body.clone()];
            if entry.name == "defaults" {
                disabled.extend(values(entry_lines, "disabled"));
                continue;
            }
            let disable = values(entry_lines, "disable");
            if disable
                .last()
                .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
            {
                continue;
            }
            let mut command = values(entry_lines, "server");
            command.truncate(1);
            command.extend(values(entry_lines, "server_args"));
            let ids = values(entry_lines, "id");
            started.push((
                ids,
                Start {
                    name: entry.name,
                    place: Place::new(&path, entry.line),
                    runs: Runs::of_command(&command),
                    close: Close::Xinetd,
                },
            ));
        }
    }
    let is_off = |(ids, start): &(Vec<String>, Start)| {
        disabled.contains(&start.name) || ids.iter().any(|id| disabled.contains(id))
    };
    let on = started.into_iter().filter(|entry| !is_off(entry));
    found.extend(on.map(|(_, start)| start));
    Ok(())
}

/// Returns the text with the entry that begins at a line (counted from 1) disabled.
pub(crate) fn disabled(text: &[u8], line: usize) -> Vec<u8> {
    let shown = text.to_str_lossy();
    let lines: Vec<&str> = shown.lines().collect();
    let Some(entry) = entries(&lines).into_iter().find(|entry| entry.line == line) else {
        return text.to_owned();
    };
    let key = |line: &str| {
        line.split(['=', '+', '-'])
            .next()
            .map(|key| key.trim().to_owned())
    };
    let own = entry
        .body
        .clone()
        .find(|at| key(lines[*at]).as_deref() == Some("disable"));
    let mut out = Vec::with_capacity(text.len() + 32);
    for (at, raw) in text.lines_with_terminator().enumerate() {
        let end = if raw.ends_with(b"\r\n") { "\r\n" } else { "\n" };
        if Some(at) == own {
            let indent = raw.iter().take_while(|b| b.is_ascii_whitespace()).count();
            out.extend_from_slice(&raw[..indent]);
            out.extend(format!("disable = yes{end}").bytes());
            continue;
        }
        // Without a line of its own it gets one before the brace that ends it.
        if own.is_none() && at == entry.body.end {
            out.extend(format!("\tdisable = yes{end}").bytes());
        }
        out.extend_from_slice(raw);
    }
    out
}

struct Entry {
    name: String,
    /// The line of its name, counted from 1.
    line: usize,
    /// The lines between its braces, counted from 0.
    body: Range<usize>,
}

fn entries(lines: &[&str]) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut head: Option<(String, usize)> = None;
    let mut open: Option<usize> = None;
    for (at, line) in lines.iter().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match (&head, open) {
            (None, _) => {
                let mut words = line.split_whitespace();
                let name = match words.next() {
                    Some("service") => words.next(),
                    Some("defaults") => Some("defaults"),
                    _ => None,
                };
                head = name.map(|name| (name.trim_end_matches('{').to_owned(), at + 1));
                open = line
                    .ends_with('{')
                    .then_some(at + 1)
                    .filter(|_| head.is_some());
            }
            (Some(_), None) => open = line.starts_with('{').then_some(at + 1),
            (Some((name, line_number)), Some(start)) if line.starts_with('}') => {
                found.push(Entry {
                    name: name.clone(),
                    line: *line_number,
                    body: start..at,
                });
                (head, open) = (None, None);
            }
            _ => {}
        }
    }
    found
}

/// Returns the values of a key in an entry.
fn values(lines: &[&str], key: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in lines {
        let line = line.trim();
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        if name.trim_end_matches(['+', '-']).trim() == key {
            found.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    found
}
