//! The report for a terminal: what each rule came to, what stays open, the paths as
//! `git diff --stat` lists them, and the lines that differ.

mod comparison;
mod page;

use anstyle::Style;

use self::page::{BOLD, DIM, GREEN, PLAIN, Page, RED, YELLOW, columns, pad, shorten, width_of};
use super::plural;
use super::view::{File, Open, Status, Surface, Tone, View, Waiver};
use crate::edit::Severity;
use crate::plan::WaiverState;

/// Writes a view, in colours or without.
pub(super) fn write(view: &View, color: bool) -> String {
    let mut page = Page::new(color);
    let ink = match view.verdict.tone {
        Tone::Good => GREEN,
        Tone::Changes => YELLOW,
        Tone::Bad => RED,
    };
    let title = page.ink(ink, &view.verdict.title);
    page.line(&format!("{title}: {}", view.verdict.sentence));
    page.subject(&view.subject);
    let beyond = view.beyond.iter().map(|line| (RED, "failed", line.clone()));
    list(&mut page, "not in the lock", beyond);
    rules(&mut page, view);
    let open = view.residuals.iter().map(|open| {
        let place = open.place.iter().map(|place| format!("{place}: "));
        let rule = open.rule.iter().map(|rule| format!(" ({rule})"));
        let text: String = place.chain([open.message.clone()]).chain(rule).collect();
        let ink = match open.severity {
            Severity::High => RED,
            Severity::Medium => YELLOW,
            Severity::Low => PLAIN,
        };
        (ink, "open", text, Open::heading(open.severity))
    });
    let mut heading = "";
    if open.len() > 0 {
        page.heading("what stays open");
    }
    for (ink, word, text, of) in open {
        if of != heading {
            heading = of;
            page.line(&format!("  {}", page.ink(BOLD, of)));
        }
        let word = page.ink(ink, &format!("{word:8}"));
        page.line(&format!("    {word} {text}"));
    }
    remains(&mut page, view.remains_title, &view.surface);
    list(&mut page, "waivers", view.waivers.iter().map(waiver));
    let notes = view.notes.iter().map(|note| (PLAIN, "note", note.clone()));
    list(&mut page, "notes", notes);
    surface(&mut page, &view.surface);
    stat(&mut page, view);
    for file in view.files.iter().filter(|file| !file.hunks.is_empty()) {
        page.heading(&file.name.path);
        for rule in file.rules.iter().map(|rule| &view.rules[*rule]) {
            let reason = rule.reason.as_deref().unwrap_or("no reason given");
            page.inked(DIM, &format!("{}: {reason}", rule.label));
        }
        page.facts(&file.facts, "");
        page.content(file, "");
    }
    page.text
}

fn waiver(waiver: &Waiver) -> (Style, &'static str, String) {
    let ink = match waiver.state {
        WaiverState::Used => PLAIN,
        WaiverState::Unused => YELLOW,
        WaiverState::Expired => RED,
    };
    (
        ink,
        waiver.state.name(),
        format!("{}: {}", waiver.label, waiver.says),
    )
}

/// Lists the rules that came to something. Those that changed nothing are only counted.
fn rules(page: &mut Page, view: &View) {
    /// A longer name is not worth moving all the others' reasons for.
    const WIDEST: usize = 44;
    if view.rules.is_empty() {
        return;
    }
    page.heading("rules");
    let width = width_of(view.telling_rules().map(|rule| &*rule.label), WIDEST);
    for rule in view.telling_rules() {
        let ink = match rule.outcome {
            "failed" => RED,
            "waived" => YELLOW,
            _ => GREEN,
        };
        let outcome = page.ink(ink, &format!("{:8}", rule.outcome));
        let label = page.ink(BOLD, &pad(&rule.label, width));
        let reason = rule.why.as_ref().or(rule.reason.as_ref());
        let reason = reason.map_or("no reason given", String::as_str);
        page.line(&format!("  {outcome} {label}  {reason}"));
        let indent = " ".repeat(13 + width);
        if let Some(reference) = &rule.reference {
            let reference = page.ink(DIM, reference);
            page.line(&format!("{indent}{reference}"));
        }
        for note in &rule.notes {
            page.line(&format!("{indent}note: {note}"));
        }
    }
    for (outcome, meaning) in [
        ("already", "held already"),
        ("absent", "nothing of the kind in this image"),
    ] {
        let count = view.rules.iter().filter(|r| r.outcome == outcome).count();
        if count > 0 {
            let counted = page.ink(DIM, &format!("{}: {meaning}", plural(count, "rule")));
            page.line(&format!("  {counted}"));
        }
    }
}

fn list(
    page: &mut Page,
    title: &str,
    items: impl ExactSizeIterator<Item = (Style, &'static str, String)>,
) {
    if items.len() == 0 {
        return;
    }
    page.heading(title);
    for (ink, word, text) in items {
        let word = page.ink(ink, &format!("{word:8}"));
        page.line(&format!("  {word} {text}"));
    }
}

fn surface(page: &mut Page, surface: &[Surface]) {
    if surface.is_empty() {
        return;
    }
    page.heading("attack surface");
    let width = width_of(surface.iter().map(|part| part.kind.title()), usize::MAX);
    for part in surface {
        let ink = match part.after.cmp(&part.before) {
            std::cmp::Ordering::Less => GREEN,
            std::cmp::Ordering::Equal => PLAIN,
            std::cmp::Ordering::Greater => RED,
        };
        let counts = page.ink(ink, &format!("{:>4} → {}", part.before, part.after));
        page.line(&format!("  {} {counts}", pad(part.kind.title(), width)));
    }
}

/// Lists what the image still gives to users and the network.
fn remains(page: &mut Page, title: &str, surface: &[Surface]) {
    /// The JSON report has all.
    const MOST: usize = 30;
    if surface.iter().all(|part| part.remaining.is_empty()) {
        return;
    }
    page.heading(&title.to_lowercase());
    for part in surface.iter().filter(|part| !part.remaining.is_empty()) {
        page.line(&format!("  {}", page.ink(BOLD, part.kind.title())));
        let (shown, more) = part.first_remaining(MOST);
        shown
            .iter()
            .for_each(|line| page.line(&format!("    {line}")));
        if more > 0 {
            page.inked(DIM, &format!("    and {more} more"));
        }
    }
}

/// Lists each path on a line, with how many lines were added and removed or what else became of it.
fn stat(page: &mut Page, view: &View) {
    /// About the width that git gives names in a terminal of 80 columns.
    const WIDEST: usize = 56;
    /// How many signs the file with the most changed lines has.
    const SIGNS: usize = 20;
    let files = &view.files;
    if files.is_empty() {
        return;
    }
    page.heading("paths");
    let widths = files.iter().map(|file| columns(&file.name.path));
    let width = widths.max().unwrap_or(0).min(WIDEST);
    let changed = |file: &File| file.lines.0 + file.lines.1;
    let most = files.iter().map(changed).max().unwrap_or(0);
    let scale = |count: usize| match count {
        0 => 0,
        _ if most > SIGNS => (count * SIGNS / most).max(1),
        _ => count,
    };
    for file in files {
        let path = pad(&shorten(&file.name.path, width), width);
        let path = match file.status {
            Status::Added => page.ink(GREEN, &path),
            Status::Removed => page.ink(RED, &path),
            Status::Renamed | Status::Changed => path,
        };
        let (added, removed) = file.lines;
        let plus = page.ink(GREEN, &"+".repeat(scale(added)));
        let minus = page.ink(RED, &"-".repeat(scale(removed)));
        let twins = match file.twins.len() {
            0 => String::new(),
            count => format!(" (and {})", plural(count, "other name")),
        };
        let (sign, brief) = (file.status.sign(), &file.brief);
        page.line(format!("  {sign} {path} | {brief}{twins} {plus}{minus}").trim_end());
    }
    let total = |of: fn(&File) -> usize| files.iter().map(of).sum::<usize>();
    page.line(&format!(
        "  {}, {} added, {} removed",
        plural(view.paths, "path"),
        plural(total(|file| file.lines.0), "line"),
        plural(total(|file| file.lines.1), "line")
    ));
}
