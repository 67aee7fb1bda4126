//! The report for a comment on a pull request: a summary table, and the rest folded.
//!
//! **Invariant: names, contents and recipe texts are never markup.** Outside code blocks their
//! punctuation is written as numbers, which Markdown takes for text in any position, and the fence
//! of a code block is longer than any in its content.
//!
//! GitHub accepts comments of at most [`LIMIT`] characters. The least important items that do not
//! fit are left out first, and counted at the end.

use super::plural;
use super::view::{File, Open, Rule, Surface, Tone, View, Waiver, spans};
use crate::edit::Severity;

/// The longest comment that GitHub accepts. GitHub counts characters; this counts bytes, of which
/// there are at least as many.
pub(super) const LIMIT: usize = 65_536;

/// How much of one text is shown, in characters.
const CLIP: usize = 400;

/// How many lines of one file are shown.
const LINES: usize = 400;

/// Writes a view.
pub(super) fn write(view: &View) -> String {
    let head = head(view);
    let mut sections = sections(view);
    let closing: usize = sections
        .iter()
        .map(|section| section.left_out(usize::MAX).len())
        .sum();
    let mut room = LIMIT.saturating_sub(head.len() + FOLDED.len() + closing);
    for section in &mut sections {
        section.fit(&mut room);
    }
    let left_out: String = sections
        .iter()
        .filter(|section| section.dropped > 0)
        .map(|section| section.left_out(section.dropped))
        .collect();
    sections.sort_by_key(|section| section.place);
    let mut out = head;
    for section in &sections {
        section.write(&mut out);
    }
    if !left_out.is_empty() {
        out.push_str(FOLDED);
        out.push_str(&left_out);
    }
    out
}

const FOLDED: &str =
    "\n**Left out, because a comment holds 65,536 characters; the other reports have it:**\n\n";

fn head(view: &View) -> String {
    let sign = match view.verdict.tone {
        Tone::Good => "✅",
        Tone::Changes => "🔧",
        Tone::Bad => "❌",
    };
    let mut out = format!(
        "## {sign} casehard: {}\n\n{}\n\n| what | result |\n|---|---|\n",
        text(&view.verdict.title),
        text(&view.verdict.sentence)
    );
    for (what, name) in &view.subject {
        out.push_str(&format!("| {what} | {} |\n", code(name)));
    }
    if !view.rules.is_empty() {
        let outcomes = view.outcomes().into_iter();
        let outcomes: Vec<_> = outcomes
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        out.push_str(&format!("| rules | {} |\n", outcomes.join(", ")));
        out.push_str(&format!("| stays open | {} |\n", view.residuals.len()));
    }
    if !view.waivers.is_empty() {
        out.push_str(&format!("| waivers | {} |\n", view.waivers.len()));
    }
    if !view.beyond.is_empty() {
        out.push_str(&format!("| not in the lock | {} |\n", view.beyond.len()));
    }
    out.push_str(&format!("| paths | {} |\n", view.paths));
    out
}

/// A part of the comment that can be shown in part.
struct Section {
    /// Its position in the comment, which is not its importance.
    place: usize,
    title: &'static str,
    /// Whether it can be read without unfolding it.
    open: bool,
    /// The head of its table, if it is one.
    table: &'static str,
    items: Vec<String>,
    dropped: usize,
}

const RULES: &str = "| outcome | rule | why |\n|---|---|---|\n";
const WAIVERS: &str = "| waiver | state | why |\n|---|---|---|\n";
const SURFACE: &str = "| what | before | after |\n|---|--:|--:|\n";
const WHICH: &str = "| what | which |\n|---|---|\n";
const PATHS: &str = "| path | what | rules |\n|---|---|---|\n";
const PATHS_ALONE: &str = "| path | what |\n|---|---|\n";

/// Returns all sections, the most important first.
fn sections(view: &View) -> Vec<Section> {
    let rules = |wanted: fn(&Rule) -> bool| {
        let rules = view.rules.iter().filter(move |rule| wanted(rule));
        rules.map(rule)
    };
    let which = |of: fn(&Surface) -> &Vec<String>| {
        let lines = move |part| of(part).iter().map(move |line| surface_line(part, line));
        view.surface.iter().flat_map(lines)
    };
    let beyond = view.beyond.iter().map(|line| format!("- {}\n", code(line)));
    let failed = |rule: &Rule| rule.outcome == "failed";
    let changed = |rule: &Rule| !rule.is_quiet() && rule.outcome != "failed";
    let notes = view.notes.iter().map(|note| format!("- {}\n", prose(note)));
    let with_lines = view.files.iter().filter(|file| !file.hunks.is_empty());
    let paths = match view.rules.is_empty() {
        true => PATHS_ALONE,
        false => PATHS,
    };
    let of = |severity| {
        let open = view.residuals.iter();
        open.filter(move |open| open.severity == severity)
            .map(residual)
    };
    let waivers = view.waivers.iter().map(waiver);
    let counts = view.surface.iter().map(surface);
    let files = view.files.iter().map(|file| path(view, file));
    let lock = "Privileges that the lock does not have";
    let quiet = rules(Rule::is_quiet);
    vec![
        Section::new(0, true, lock, "", beyond),
        Section::new(0, true, "Rules that failed", RULES, rules(failed)),
        Section::new(1, true, "What stays open", "", of(Severity::High)),
        Section::new(1, true, "What needs a look", "", of(Severity::Medium)),
        Section::new(1, true, "What comes back later", "", of(Severity::Low)),
        Section::new(3, false, "Waivers", WAIVERS, waivers),
        Section::new(2, true, view.surface_title, SURFACE, counts),
        Section::new(
            3,
            true,
            view.remains_title,
            WHICH,
            which(|part| &part.remaining),
        ),
        Section::new(2, true, "What came", WHICH, which(|part| &part.gained)),
        Section::new(2, false, "What went", WHICH, which(|part| &part.lost)),
        Section::new(4, false, "Rules", RULES, rules(changed)),
        Section::new(8, false, "Notes", "", notes),
        Section::new(6, false, "Paths", paths, files),
        Section::new(7, false, "Lines", "", with_lines.map(lines)),
        Section::new(5, false, "Rules that changed nothing", RULES, quiet),
    ]
}

impl Section {
    fn new(
        place: usize,
        open: bool,
        title: &'static str,
        table: &'static str,
        items: impl Iterator<Item = String>,
    ) -> Self {
        Self {
            place,
            title,
            open,
            table,
            items: items.collect(),
            dropped: 0,
        }
    }

    /// Drops the items for which there is no room.
    fn fit(&mut self, room: &mut usize) {
        let frame = self.frame();
        let Some(mut left) = room.checked_sub(frame) else {
            self.dropped = self.items.len();
            self.items.clear();
            return;
        };
        let all = self.items.len();
        self.items
            .retain(|item| match left.checked_sub(item.len()) {
                Some(rest) => {
                    left = rest;
                    true
                }
                None => false,
            });
        self.dropped = all - self.items.len();
        if !self.items.is_empty() {
            *room = left;
        }
    }

    /// Returns its length without items.
    fn frame(&self) -> usize {
        let mut out = String::new();
        self.write_around(&mut out, "");
        out.len()
    }

    fn write(&self, out: &mut String) {
        if !self.items.is_empty() {
            self.write_around(out, &self.items.concat());
        }
    }

    fn write_around(&self, out: &mut String, items: &str) {
        let Self { title, table, .. } = self;
        let open = if self.open { " open" } else { "" };
        let count = self.items.len() + self.dropped;
        out.push_str(&format!(
            "\n<details{open}><summary><b>{title}</b> ({count})</summary>\n\n{table}{items}\n</details>\n"
        ));
    }

    fn left_out(&self, count: usize) -> String {
        format!("- {}: {count}\n", self.title)
    }
}

fn rule(rule: &Rule) -> String {
    let why = rule.why.as_ref().or(rule.reason.as_ref());
    let mut why = prose(why.map_or("no reason given", String::as_str));
    if let Some(reference) = &rule.reference {
        why.push_str(&format!("<br>{}", text(reference)));
    }
    for note in &rule.notes {
        why.push_str(&format!("<br>note: {}", prose(note)));
    }
    format!("| {} | {} | {why} |\n", rule.outcome, code(&rule.label))
}

fn residual(open: &Open) -> String {
    let place = open
        .place
        .as_ref()
        .map(|place| format!("{}: ", code(place)));
    let rule = open.rule.as_ref().map(|rule| format!(" ({})", code(rule)));
    format!(
        "- {}{}{}\n",
        place.unwrap_or_default(),
        prose(&open.message),
        rule.unwrap_or_default()
    )
}

fn waiver(waiver: &Waiver) -> String {
    format!(
        "| {} | {} | {} |\n",
        code(&waiver.label),
        waiver.state.name(),
        prose(&waiver.says)
    )
}

fn surface(part: &Surface) -> String {
    format!(
        "| {} | {} | {} |\n",
        text(part.kind.title()),
        part.before,
        part.after
    )
}

fn surface_line(part: &Surface, line: &str) -> String {
    format!("| {} | {} |\n", text(part.kind.title()), code(line))
}

fn path(view: &View, file: &File) -> String {
    let rules: Vec<String> = file
        .rules
        .iter()
        .map(|rule| code(&view.rules[*rule].label))
        .collect();
    let twins = match file.twins.len() {
        0 => String::new(),
        count => format!(" and {}", plural(count, "other name")),
    };
    let rules = if view.rules.is_empty() {
        String::new()
    } else {
        format!(" {} |", rules.join("<br>"))
    };
    format!(
        "| {}{twins} | {} |{rules}\n",
        code(&file.name.path),
        text(&file.brief)
    )
}

/// One file's hunks in a fold of their own.
fn lines(file: &File) -> String {
    let mut body = String::new();
    let all = file
        .hunks
        .iter()
        .map(|hunk| 1 + hunk.lines.len())
        .sum::<usize>();
    let all = all + file.left_out;
    let written = file.hunks.iter().flat_map(|hunk| {
        let lines = hunk.lines.iter().map(|line| {
            let end = if line.ends {
                ""
            } else {
                "\n\\ No newline at end of file"
            };
            format!("{}{}{end}\n", line.sign.char(), clip(&line.text))
        });
        [format!("{}\n", hunk.header)].into_iter().chain(lines)
    });
    body.extend(written.take(LINES));
    if all > LINES {
        body.push_str(&format!("({} more)\n", plural(all - LINES, "line")));
    }
    let fence = "`".repeat(2 + longest_run(&body).max(1));
    let caution = if file.misleads {
        "Caution: characters that would make it look different are spelled out.\n\n"
    } else {
        ""
    };
    format!(
        "<details><summary>{} {}</summary>\n\n{caution}{fence}diff\n{body}{fence}\n\n</details>\n",
        code(&file.name.path),
        text(&file.brief)
    )
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A name as code, in which GitHub makes no links and no mentions.
fn code(name: &str) -> String {
    format!("<code>{}</code>", text(name))
}

/// Sentences, in which backticks set off names.
fn prose(foreign: &str) -> String {
    let span = |(is_code, part): (bool, &str)| if is_code { code(part) } else { text(part) };
    spans(foreign).into_iter().map(span).collect()
}

/// Returns a text that is not markup in any position of a line.
fn text(foreign: &str) -> String {
    let mut out = String::new();
    let mut last = ' ';
    let clipped = clip(foreign);
    let mut chars = clipped.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let harmless = match c {
            ' ' | ',' | '(' | ')' | ';' | '/' | '\'' => true,
            // Not `1. ` and `- ` at the beginning of a line, nor what becomes a link by itself.
            '-' => last.is_alphanumeric(),
            '.' => next.is_some_and(char::is_alphanumeric) && !matches!(last, 'w' | 'W'),
            ':' => last.is_alphanumeric() && next != Some('/'),
            _ => !c.is_ascii() || c.is_ascii_alphanumeric(),
        };
        match c {
            _ if harmless => out.push(c),
            // A comment after the sign keeps GitHub from notifying someone or linking an issue.
            '@' | '#' => out.push_str(&format!("&#{};<!-- -->", u32::from(c))),
            _ => out.push_str(&format!("&#{};", u32::from(c))),
        }
        last = c;
    }
    out
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(CLIP) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
