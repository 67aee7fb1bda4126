//! The report for a terminal: what each rule came to, what stays open, a list of paths as `git diff --stat` has it, and the
//! lines that differ.

use super::hunks::Sign;
use super::view::{File, Hunk, Kind, Rule, Tone, View, Waiver};
use super::{Format, Report, plural};
use crate::error::Result;
use crate::plan::WaiverState;

/// The report for a terminal as a format.
#[derive(Debug)]
pub(super) struct Txt;

impl Format for Txt {
    fn name(&self) -> &'static str {
        "txt"
    }

    fn other_endings(&self) -> &'static [&'static str] {
        &["text"]
    }

    fn about(&self) -> &'static str {
        "for terminals, in colours where they are wanted"
    }

    fn is_for_terminals(&self) -> bool {
        true
    }

    fn render(&self, report: &Report<'_>) -> Result<Vec<u8>> {
        Ok(write(&report.view()?, report.color).into_bytes())
    }
}

/// Writes a view, in colours or without.
fn write(view: &View, color: bool) -> String {
    let mut out = Page {
        text: String::new(),
        color,
    };
    out.head(view);
    out.list(
        "not in the lock",
        view.beyond
            .iter()
            .map(|line| (Ink::Red, "failed", line.clone())),
    );
    out.rules(view);
    out.list(
        "what stays open",
        view.residuals.iter().map(|open| {
            let place = open.place.iter().map(|place| format!("{place}: "));
            let rule = open.rule.iter().map(|rule| format!(" ({rule})"));
            let text: String = place.chain([open.message.clone()]).chain(rule).collect();
            (Ink::Yellow, "open", text)
        }),
    );
    out.list("waivers", view.waivers.iter().map(waiver));
    out.list(
        "notes",
        view.notes
            .iter()
            .map(|note| (Ink::Plain, "note", note.clone())),
    );
    out.surface(view);
    out.stat(view);
    for file in view.files.iter().filter(|file| !file.hunks.is_empty()) {
        out.lines(view, file);
    }
    out.text
}

fn waiver(waiver: &Waiver) -> (Ink, &'static str, String) {
    let ink = match waiver.state {
        WaiverState::Used => Ink::Plain,
        WaiverState::Unused => Ink::Yellow,
        WaiverState::Expired => Ink::Red,
    };
    (
        ink,
        waiver.state.name(),
        format!("{}: {}", waiver.label, waiver.says),
    )
}

/// What a colour means here, so that each means one thing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ink {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

struct Page {
    text: String,
    color: bool,
}

impl Page {
    fn head(&mut self, view: &View) {
        let ink = match view.verdict.tone {
            Tone::Good => Ink::Green,
            Tone::Changes => Ink::Yellow,
            Tone::Bad => Ink::Red,
        };
        let title = self.ink(ink, &view.verdict.title);
        self.line(&format!("{title}: {}", view.verdict.sentence));
        for (what, name) in &view.subject {
            let what = self.ink(Ink::Dim, &format!("{what:8}"));
            self.line(&format!("{what} {name}"));
        }
    }

    /// Rules that changed nothing are counted, not listed.
    fn rules(&mut self, view: &View) {
        /// A longer name is not worth moving all the others' reasons for.
        const WIDEST: usize = 44;
        if view.rules.is_empty() {
            return;
        }
        self.heading("rules");
        let widths = view.telling_rules().map(|rule| columns(&rule.label));
        let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or(0);
        for rule in view.telling_rules() {
            let outcome = self.ink(rule_ink(rule), &format!("{:8}", rule.outcome));
            let label = self.ink(Ink::Bold, &pad(&rule.label, width));
            let reason = rule.why.as_ref().or(rule.reason.as_ref());
            let reason = reason.map_or("no reason given", String::as_str);
            self.line(&format!("  {outcome} {label}  {reason}"));
            if let Some(reference) = &rule.reference {
                let reference = self.ink(Ink::Dim, reference);
                self.line(&format!("  {:8} {}  {reference}", "", pad("", width)));
            }
            for note in &rule.notes {
                self.line(&format!("  {:8} {}  note: {note}", "", pad("", width)));
            }
        }
        let quiet: Vec<String> = view
            .outcomes()
            .into_iter()
            .filter(|(name, _)| ["already", "absent"].contains(name))
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        if !quiet.is_empty() {
            let quiet = self.ink(Ink::Dim, &format!("({} changed nothing)", quiet.join(", ")));
            self.line(&format!("  {quiet}"));
        }
    }

    fn list(
        &mut self,
        title: &str,
        items: impl ExactSizeIterator<Item = (Ink, &'static str, String)>,
    ) {
        if items.len() == 0 {
            return;
        }
        self.heading(title);
        for (ink, word, text) in items {
            let word = self.ink(ink, &format!("{word:8}"));
            self.line(&format!("  {word} {text}"));
        }
    }

    fn surface(&mut self, view: &View) {
        if view.surface.is_empty() {
            return;
        }
        self.heading("attack surface");
        let width = view
            .surface
            .iter()
            .map(|part| columns(part.kind.title()))
            .max()
            .unwrap_or(0);
        for part in &view.surface {
            let ink = match part.after.cmp(&part.before) {
                std::cmp::Ordering::Less => Ink::Green,
                std::cmp::Ordering::Equal => Ink::Plain,
                std::cmp::Ordering::Greater => Ink::Red,
            };
            let counts = self.ink(ink, &format!("{:>4} → {}", part.before, part.after));
            self.line(&format!("  {} {counts}", pad(part.kind.title(), width)));
        }
    }

    /// A path on a line, with how many lines came and went or what else became of it.
    fn stat(&mut self, view: &View) {
        /// Git's own width for names in a terminal of 80 columns, about.
        const WIDEST: usize = 56;
        /// How many signs the file with most changed lines has.
        const SIGNS: usize = 20;
        let files = &view.files;
        if files.is_empty() {
            return;
        }
        self.heading("paths");
        let width = files
            .iter()
            .map(|file| columns(&file.name.path))
            .max()
            .unwrap_or(0);
        let width = width.min(WIDEST);
        let most = files
            .iter()
            .map(|file| sum(file.lines()))
            .max()
            .unwrap_or(0);
        for file in files {
            let path = pad(&shorten(&file.name.path, width), width);
            let path = match file.kind {
                Kind::Added => self.ink(Ink::Green, &path),
                Kind::Removed => self.ink(Ink::Red, &path),
                Kind::Renamed | Kind::Changed => path,
            };
            let (added, removed) = file.lines();
            let scale = |count: usize| match count {
                0 => 0,
                _ if most > SIGNS => (count * SIGNS / most).max(1),
                _ => count,
            };
            let plus = self.ink(Ink::Green, &"+".repeat(scale(added)));
            let minus = self.ink(Ink::Red, &"-".repeat(scale(removed)));
            let twins = match file.twins.len() {
                0 => String::new(),
                count => format!(" (and {})", plural(count, "other name")),
            };
            let brief = format!("{}{twins}", file.brief);
            self.line(format!("  {} {path} | {brief} {plus}{minus}", file.kind.sign()).trim_end());
        }
        let (added, removed) = files
            .iter()
            .map(File::lines)
            .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        self.line(&format!(
            "  {}, {} added, {} removed",
            plural(view.paths, "path"),
            plural(added, "line"),
            plural(removed, "line")
        ));
    }

    fn lines(&mut self, view: &View, file: &File) {
        self.heading(&file.name.path);
        for rule in file.rules.iter().map(|rule| &view.rules[*rule]) {
            let reason = rule.reason.as_deref().unwrap_or("no reason given");
            let text = self.ink(Ink::Dim, &format!("{}: {reason}", rule.label));
            self.line(&text);
        }
        for fact in &file.facts {
            let fact = self.ink(Ink::Dim, fact);
            self.line(&fact);
        }
        if file.misleads {
            let text = self.ink(
                Ink::Yellow,
                "caution: characters that would make it look other than it is are spelled out",
            );
            self.line(&text);
        }
        for hunk in &file.hunks {
            self.hunk(hunk);
        }
    }

    fn hunk(&mut self, hunk: &Hunk) {
        let header = self.ink(Ink::Cyan, &hunk.header);
        self.line(&header);
        for line in &hunk.lines {
            let text = format!("{}{}", char::from(line.sign.byte()), line.text);
            let text = match line.sign {
                Sign::Kept => text,
                Sign::Removed => self.ink(Ink::Red, &text),
                Sign::Added => self.ink(Ink::Green, &text),
            };
            self.line(&text);
            if !line.ends {
                self.line("\\ No newline at end of file");
            }
        }
    }

    fn heading(&mut self, title: &str) {
        let title = self.ink(Ink::Bold, title);
        self.text.push('\n');
        self.line(&title);
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => return text.to_owned(),
            _ if !self.color || text.is_empty() => return text.to_owned(),
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "31",
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Cyan => "36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

fn rule_ink(rule: &Rule) -> Ink {
    match rule.outcome {
        "failed" => Ink::Red,
        "waived" => Ink::Yellow,
        _ => Ink::Green,
    }
}

fn sum((added, removed): (usize, usize)) -> usize {
    added + removed
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// A path by its end, as git shows those that are too long.
fn shorten(path: &str, width: usize) -> String {
    let too_long = columns(path).saturating_sub(width);
    if too_long == 0 {
        return path.to_owned();
    }
    let end: String = path.chars().skip(too_long + 3).collect();
    format!("...{end}")
}
