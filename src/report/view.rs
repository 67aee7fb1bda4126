//! What the formats for people show of a plan or of a comparison of two images.
//!
//! **Invariant: every text in a [`View`] prints.** Control characters, and those that reorder text,
//! are spelled out when the view is made, so a format only has to escape its own syntax.

mod comparison;
mod file;
mod plan;

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use crate::edit::{Outcome, Severity};
use crate::escape::escape;
use crate::inventory::{self, Inventory};
use crate::plan::WaiverState;

#[cfg(test)]
pub(super) use comparison::Bounds;
pub(super) use file::{File, Hunk, Line, Name, Status, anchor};

/// All that there is to show.
pub(crate) struct View {
    pub(crate) verdict: Verdict,
    /// What the report is about: `image`, `recipe`.
    pub(crate) subject: Vec<(&'static str, String)>,
    /// Privileges that a lock does not list.
    pub(crate) beyond: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) residuals: Vec<Open>,
    pub(crate) waivers: Vec<Waiver>,
    pub(crate) notes: Vec<String>,
    /// The title of the parts of the attack surface.
    pub(crate) surface_title: &'static str,
    pub(crate) surface: Vec<Surface>,
    /// The title of what remains of it.
    pub(crate) remains_title: &'static str,
    /// How many paths changed; `files` may have fewer.
    pub(crate) paths: usize,
    pub(crate) files: Vec<File>,
}

/// The result in short.
pub(crate) struct Verdict {
    pub(crate) tone: Tone,
    /// In two or three words.
    pub(crate) title: String,
    /// In a sentence.
    pub(crate) sentence: String,
}

/// Whether there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Changes,
    Bad,
}

/// A rule and what it came to.
pub(crate) struct Rule {
    pub(crate) label: String,
    /// `changed`, `failed` and so on.
    pub(crate) outcome: &'static str,
    /// Why it failed.
    pub(crate) why: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) reference: Option<String>,
    /// Where the recipe has it.
    pub(crate) place: String,
    pub(crate) notes: Vec<String>,
}

/// What stays open.
pub(crate) struct Open {
    pub(crate) severity: Severity,
    /// A path, with a line where that helps.
    pub(crate) place: Option<String>,
    pub(crate) message: String,
    pub(crate) rule: Option<String>,
}

/// What a recipe leaves open on purpose.
pub(crate) struct Waiver {
    pub(crate) label: String,
    pub(crate) state: WaiverState,
    /// Why, who answers for it and until when, and what to do about it.
    pub(crate) says: String,
    pub(crate) place: String,
}

/// One part of the attack surface.
pub(crate) struct Surface {
    pub(crate) kind: inventory::Kind,
    pub(crate) before: usize,
    pub(crate) after: usize,
    /// How many of those before are gone, and how many of those after are new.
    pub(crate) gone: usize,
    pub(crate) new: usize,
    /// The lines that went and those that came. One name can have several.
    pub(crate) lost: Vec<String>,
    pub(crate) gained: Vec<String>,
    /// The lines of what a plan leaves; none where two images are compared.
    pub(crate) remaining: Vec<String>,
}

impl View {
    /// Returns the rules with another outcome than `already` and `absent`.
    pub(crate) fn telling_rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| !rule.is_quiet())
    }

    /// Counts the rules of each outcome that occurs, in the order of reports.
    pub(crate) fn outcomes(&self) -> Vec<(&'static str, usize)> {
        let count = |name: &str| self.rules.iter().filter(|r| r.outcome == name).count();
        Outcome::NAMES
            .map(|name| (name, count(name)))
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

impl Surface {
    /// Returns the first lines of what remains, and how many more there are.
    pub(crate) fn first_remaining(&self, most: usize) -> (&[String], usize) {
        let shown = self.remaining.len().min(most);
        (&self.remaining[..shown], self.remaining.len() - shown)
    }
}

impl Open {
    /// Returns the title of those that are as severe.
    pub(crate) fn heading(severity: Severity) -> &'static str {
        match severity {
            Severity::High => "Open",
            Severity::Medium => "Needs a look",
            Severity::Low => "Comes back later",
        }
    }
}

impl Rule {
    pub(crate) fn is_quiet(&self) -> bool {
        ["already", "absent"].contains(&self.outcome)
    }
}

impl Surface {
    /// What it has, the most important first. Masks and packages are not part of it.
    pub(crate) const KINDS: [inventory::Kind; 11] = {
        use inventory::Kind;
        [
            Kind::SetId,
            Kind::Capability,
            Kind::Listener,
            Kind::Unit,
            Kind::Start,
            Kind::Member,
            Kind::Sudo,
            Kind::Login,
            Kind::Writable,
            Kind::NetworkTool,
            Kind::Unknown,
        ]
    };

    /// Compares what users and the network can reach in two images, the most important part first.
    pub(crate) fn between(before: &Inventory, after: &Inventory) -> Vec<Self> {
        let mut parts = Self::of_kinds(&Self::KINDS, before, after);
        for part in &mut parts {
            let items = after.of_kind(part.kind);
            let lines =
                items.map(|item| escape(bstr::join(b" ", [&item.name, &item.detail]).trim()));
            part.remaining = lines.collect();
        }
        parts
    }

    /// The same of some kinds.
    pub(crate) fn of_kinds(
        kinds: &[inventory::Kind],
        before: &Inventory,
        after: &Inventory,
    ) -> Vec<Self> {
        use inventory::Kind;
        let changes = before.diff(after);
        let part = |kind: Kind| {
            let names = |of: &Inventory| -> BTreeSet<BString> {
                of.of_kind(kind).map(|item| item.name.clone()).collect()
            };
            let (old, new) = (names(before), names(after));
            let lines = |details: fn(&inventory::Change) -> &Vec<BString>| {
                let changes = changes.iter().filter(|change| change.kind == kind);
                let lines = changes.flat_map(|change| {
                    let lines = details(change).iter();
                    lines.map(|detail| escape(bstr::join(b" ", [&change.name, detail]).trim()))
                });
                lines.collect()
            };
            Self {
                kind,
                before: old.len(),
                after: new.len(),
                gone: old.difference(&new).count(),
                new: new.difference(&old).count(),
                lost: lines(|change| &change.lost),
                gained: lines(|change| &change.gained),
                remaining: Vec::new(),
            }
        };
        kinds
            .iter()
            .map(|kind| part(*kind))
            .filter(|part| {
                let rare =
                    [Kind::Start, Kind::Login, Kind::Writable, Kind::Unknown].contains(&part.kind);
                !rare || part.before + part.after > 0
            })
            .collect()
    }
}

/// Splits a text in which backticks set off code: whether each part is code, and its text.
pub(super) fn spans(text: &str) -> Vec<(bool, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return vec![(false, text)];
    }
    (0..).map(|at| at % 2 == 1).zip(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_set_off_code_where_they_pair() {
        let code = [(false, "a "), (true, "b"), (false, "")];
        assert_eq!(spans("a `b`"), code);
        assert_eq!(spans("a ` b"), [(false, "a ` b")]);
    }
}
