//! The report as a page: one file that loads nothing else.
//!
//! **Invariant: only the page's own script runs and only its own style applies.** Askama escapes
//! everything that is inserted. The page's policy names style and script by their digests and
//! forbids everything else, so markup that slipped through would do nothing.
//!
//! The page is readable without the script, which only filters, folds and pairs lines.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::view::{File, Hunk, Line, Open, Rule, Surface, Tone, View, spans};
use crate::diff::Sign;
use crate::inventory::Kind;

/// How many lines of one file are shown.
const LINES: usize = 2000;

/// How many lines are shown of what remains of one kind.
const REMAINING: usize = 200;

/// A longer list takes the width of the page.
const LONG: usize = 24;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// Writes a view.
pub(super) fn write(view: &View) -> String {
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        policy: format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'; \
             require-trusted-types-for 'script'",
            digest(STYLE),
            digest(SCRIPT)
        ),
        style: STYLE,
        script: SCRIPT,
        view,
    };
    page.render().expect("text can be written to memory")
}

/// As a policy names a style or a script.
fn digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    version: &'a str,
    policy: String,
    style: &'a str,
    script: &'a str,
    view: &'a View,
}

impl Page<'_> {
    fn title(&self) -> String {
        let names: Vec<&str> = self
            .view
            .subject
            .iter()
            .map(|(_, name)| name.as_str())
            .collect();
        format!("{} · {}", self.view.verdict.title, names.join(" · "))
    }

    fn tone(&self) -> &'static str {
        match self.view.verdict.tone {
            Tone::Good => "good",
            Tone::Changes => "changes",
            Tone::Bad => "bad",
        }
    }

    /// What is counted at the top: a number, what it counts, and its tone.
    fn numbers(&self) -> Vec<(usize, &'static str, &'static str)> {
        let view = self.view;
        let number = |count, one, many, tone| (count, if count == 1 { one } else { many }, tone);
        let warn = |count| if count == 0 { "plain" } else { "warn" };
        let outcome = |(name, count)| {
            let (one, many, tone) = match name {
                "changed" => ("rule changed something", "rules changed something", "plain"),
                "already" => ("rule held already", "rules held already", "plain"),
                "absent" => ("rule had nothing to do", "rules had nothing to do", "plain"),
                "waived" => ("rule waived", "rules waived", "warn"),
                _ => ("rule failed", "rules failed", "bad"),
            };
            number(count, one, many, tone)
        };
        let mut numbers: Vec<_> = view.outcomes().into_iter().map(outcome).collect();
        let beyond = number(
            view.beyond.len(),
            "privilege not in the lock",
            "privileges not in the lock",
            "bad",
        );
        numbers.extend(Some(beyond).filter(|(count, ..)| *count > 0));
        numbers.push(number(view.paths, "path changes", "paths change", "plain"));
        if view.rules.is_empty() {
            let count = |of: fn(&Surface) -> &Vec<String>| {
                let parts = view.surface.iter().filter(|part| part.kind.is_privilege());
                parts.map(|part| of(part).len()).sum::<usize>()
            };
            let (gained, lost) = (count(|part| &part.gained), count(|part| &part.lost));
            numbers.push(number(
                gained,
                "privilege came",
                "privileges came",
                warn(gained),
            ));
            numbers.push(number(lost, "privilege went", "privileges went", "plain"));
        } else {
            let open = view.residuals.len();
            numbers.push(number(
                open,
                "item stays open",
                "items stay open",
                warn(open),
            ));
        }
        numbers
    }

    /// What stays open, by how severe it is, with a heading for each group.
    fn open(&self) -> Vec<(&'static str, &[Open])> {
        let groups = self
            .view
            .residuals
            .chunk_by(|a, b| a.severity == b.severity);
        groups
            .map(|all| (Open::heading(all[0].severity), all))
            .collect()
    }

    /// What the image still has of each kind: the first lines, and how many more there are.
    fn remaining(&self) -> Vec<(&Surface, &[String], usize)> {
        let parts = self
            .view
            .surface
            .iter()
            .filter(|part| !part.remaining.is_empty());
        let mut all: Vec<_> = parts
            .map(|part| {
                let (shown, more) = part.first_remaining(REMAINING);
                (part, shown, more)
            })
            .collect();
        // A long list would leave gaps beside the others.
        all.sort_by_key(|(part, ..)| part.remaining.len() > LONG);
        all
    }

    /// Failed ones first.
    fn telling(&self) -> Vec<(usize, &Rule)> {
        self.rules(false)
    }

    fn quiet(&self) -> Vec<(usize, &Rule)> {
        self.rules(true)
    }

    fn rules(&self, quiet: bool) -> Vec<(usize, &Rule)> {
        let rules = self.view.rules.iter().enumerate();
        let mut rules: Vec<_> = rules.filter(|(_, rule)| rule.is_quiet() == quiet).collect();
        rules.sort_by_key(|(_, rule)| rule.outcome != "failed");
        rules
    }

    fn file_rules<'a>(&'a self, file: &'a File) -> impl Iterator<Item = (usize, &'a Rule)> {
        file.rules.iter().map(|at| (*at, &self.view.rules[*at]))
    }
}

/// A sign for an outcome, beside its name, so that not only the colour tells them apart.
fn outcome_sign(outcome: &str) -> &'static str {
    match outcome {
        "changed" => "●",
        "already" => "✓",
        "waived" => "◐",
        "failed" => "✕",
        _ => "–",
    }
}

/// A path as folder and name.
fn parts(path: &str) -> (&str, &str) {
    path.rsplit_once('/').map_or(("", path), |(_, name)| {
        path.split_at(path.len() - name.len())
    })
}

/// How wide the bars of a part of the attack surface are, in percent of the wider one.
fn widths(part: &Surface) -> (usize, usize) {
    let most = part.before.max(part.after).max(1);
    let width = |count: usize| {
        if count == 0 {
            0
        } else {
            (count * 100 / most).max(2)
        }
    };
    (width(part.before), width(part.after))
}

/// Whether there is more to attack than before. Masked units and packages do not count.
fn grows(part: &Surface) -> bool {
    let counts = !matches!(part.kind, Kind::Masked | Kind::Package);
    counts && part.after > part.before
}

/// Says what became of a part of the attack surface.
fn trend(part: &Surface) -> String {
    match (part.gone, part.new) {
        (0, 0) if part.lost.is_empty() && part.gained.is_empty() => "no change".into(),
        (0, 0) => "some differ".into(),
        (gone, 0) => format!("{gone} gone"),
        (0, new) => format!("{new} new"),
        (gone, new) => format!("{gone} gone, {new} new"),
    }
}

/// Returns the hunks as far as they are shown, and how many lines are not.
fn shown(file: &File) -> (Vec<(&Hunk, &[Line])>, usize) {
    let mut room = LINES;
    let mut left_out = file.left_out;
    let mut shown = Vec::new();
    for hunk in &file.hunks {
        let count = hunk.lines.len().min(room);
        left_out += hunk.lines.len() - count;
        room -= count;
        if count > 0 {
            shown.push((hunk, &hunk.lines[..count]));
        }
    }
    (shown, left_out)
}

/// The element that stands for what became of a line.
fn element(line: &Line) -> &'static str {
    match line.sign {
        Sign::Kept => "span",
        Sign::Removed => "del",
        Sign::Added => "ins",
    }
}
