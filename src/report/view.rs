//! What the formats for people show, whatever it was found out from: a plan, or a comparison of two images.
//!
//! **Invariant: every text in a [`View`] prints.** Control characters, and those that reorder text, are spelled out when it is
//! made, so a format has only its own syntax to mind. `plan` makes the view of a plan.

mod plan;

use std::collections::BTreeSet;

use bstr::BString;

use crate::edit::Outcome;
use crate::inventory::{self, Inventory};
use crate::plan::WaiverState;

use super::hunks::Sign;
use super::state::State;
use super::text::{escape, escape_line};
use super::{describe, hunks};

/// All that there is to show.
pub(super) struct View {
    pub(super) verdict: Verdict,
    /// What was looked at: `image`, `recipe`.
    pub(super) subject: Vec<(&'static str, String)>,
    pub(super) rules: Vec<Rule>,
    pub(super) residuals: Vec<Open>,
    pub(super) waivers: Vec<Waiver>,
    pub(super) notes: Vec<String>,
    pub(super) surface: Vec<Surface>,
    pub(super) files: Vec<File>,
}

/// What it comes to.
pub(super) struct Verdict {
    pub(super) tone: Tone,
    /// In two or three words.
    pub(super) title: String,
    /// In a sentence.
    pub(super) sentence: String,
}

/// Whether there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Changes,
    Bad,
}

/// A rule and what it came to.
pub(super) struct Rule {
    pub(super) label: String,
    /// `changed`, `failed` and so on.
    pub(super) outcome: &'static str,
    /// Why it failed.
    pub(super) why: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) reference: Option<String>,
    /// Where the recipe has it.
    pub(super) place: String,
    pub(super) notes: Vec<String>,
}

/// What stays open.
pub(super) struct Open {
    /// A path, with a line where that helps.
    pub(super) place: Option<String>,
    pub(super) message: String,
    pub(super) rule: Option<String>,
}

/// What a recipe leaves open on purpose.
pub(super) struct Waiver {
    pub(super) label: String,
    pub(super) state: WaiverState,
    /// Why, who answers for it and until when, and what is to be done about it.
    pub(super) says: String,
    pub(super) place: String,
}

/// One part of the attack surface.
pub(super) struct Surface {
    /// What there is of it, such as `set-id files`.
    pub(super) title: &'static str,
    pub(super) before: usize,
    pub(super) after: usize,
    /// How many of those before are not there any more, and how many of those after are new.
    pub(super) gone: usize,
    pub(super) new: usize,
    /// The lines that went and those that came. One thing can have many.
    pub(super) lost: Vec<String>,
    pub(super) gained: Vec<String>,
}

/// A path that does not stand for the same as before.
pub(super) struct File {
    pub(super) name: Name,
    /// Other names of the same file, of which the same is to say.
    pub(super) twins: Vec<Name>,
    pub(super) kind: Kind,
    /// The rules that touched it, as places in [`View::rules`].
    pub(super) rules: Vec<usize>,
    /// What became of it in a few words.
    pub(super) brief: String,
    /// All that became of it beside its lines.
    pub(super) facts: Vec<String>,
    pub(super) hunks: Vec<Hunk>,
    /// Whether characters had to be spelled out that would have made it look other than it is.
    pub(super) misleads: bool,
}

/// A path as it is shown and linked to.
pub(super) struct Name {
    /// Without the leading slash.
    pub(super) path: String,
    /// As the fragment of a URL: ASCII, and for no other path the same.
    pub(super) anchor: String,
}

/// What became of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Added,
    Removed,
    Changed,
}

/// Lines that belong together.
pub(super) struct Hunk {
    pub(super) header: String,
    pub(super) lines: Vec<Line>,
}

/// One line of a text.
pub(super) struct Line {
    pub(super) sign: Sign,
    pub(super) old: Option<usize>,
    pub(super) new: Option<usize>,
    pub(super) text: String,
    /// Whether a line feed ends it.
    pub(super) ends: bool,
}

impl View {
    /// The rules that came to something other than `already` and `absent`.
    pub(super) fn telling_rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| !rule.is_quiet())
    }

    /// How many rules came to each outcome that occurs, in the order in which reports name them.
    pub(super) fn outcomes(&self) -> Vec<(&'static str, usize)> {
        let count = |name: &str| self.rules.iter().filter(|r| r.outcome == name).count();
        Outcome::NAMES
            .map(|name| (name, count(name)))
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

impl Rule {
    pub(super) fn is_quiet(&self) -> bool {
        ["already", "absent"].contains(&self.outcome)
    }
}

impl Surface {
    /// What users and the network can reach in one image and in another.
    pub(super) fn between(before: &Inventory, after: &Inventory) -> Vec<Self> {
        use inventory::Kind;
        let changes = before.diff(after);
        // Masks and packages are no surface.
        let kinds = [
            Kind::SetId,
            Kind::Capability,
            Kind::Listener,
            Kind::Unit,
            Kind::Member,
            Kind::Sudo,
            Kind::NetworkTool,
            Kind::Unknown,
        ];
        let part = |kind: Kind| {
            let names = |of: &Inventory| -> BTreeSet<BString> {
                of.of_kind(kind).map(|item| item.name.clone()).collect()
            };
            let (old, new) = (names(before), names(after));
            let lines = |details: fn(&inventory::Change) -> &Vec<BString>| {
                let changes = changes.iter().filter(|change| change.kind == kind);
                let lines = changes.flat_map(|change| {
                    let lines = details(change).iter();
                    lines.map(|detail| escape(format!("{} {detail}", change.name).trim()))
                });
                lines.collect()
            };
            Self {
                title: kind.title(),
                before: old.len(),
                after: new.len(),
                gone: old.difference(&new).count(),
                new: new.difference(&old).count(),
                lost: lines(|change| &change.lost),
                gained: lines(|change| &change.gained),
            }
        };
        kinds
            .into_iter()
            .map(part)
            .filter(|part| part.title != Kind::Unknown.title() || part.before + part.after > 0)
            .collect()
    }
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }

    pub(super) fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }
}

impl File {
    /// What became of a path. `rules` are those that touched it.
    pub(super) fn new(
        path: &[u8],
        rules: Vec<usize>,
        old: Option<&State<'_>>,
        new: Option<&State<'_>>,
    ) -> Self {
        let hunks = text_hunks(old, new);
        let mut facts: Vec<String> = describe::facts(old, new).iter().map(escape).collect();
        for (what, state) in [("pointed", old), ("points", new)] {
            if let Some(target) = state.and_then(|state| state.inode.symlink()) {
                facts.push(format!("{what} to {}", escape(target)));
            }
        }
        Self {
            name: Name::new(path),
            twins: Vec::new(),
            kind: match (old, new) {
                (None, _) => Kind::Added,
                (_, None) => Kind::Removed,
                _ => Kind::Changed,
            },
            rules,
            brief: brief(old, new, &hunks),
            facts,
            hunks,
            misleads: describe::misleads(old, new),
        }
    }

    /// How many lines came and how many went.
    pub(super) fn lines(&self) -> (usize, usize) {
        count(&self.hunks)
    }
}

impl Name {
    pub(super) fn new(path: &[u8]) -> Self {
        let path = match path.strip_prefix(b"/").unwrap_or(path) {
            b"" => b".",
            path => path,
        };
        Self {
            path: escape(path),
            anchor: anchor(path),
        }
    }
}

fn count(hunks: &[Hunk]) -> (usize, usize) {
    let lines = || hunks.iter().flat_map(|hunk| &hunk.lines);
    let of = |sign| lines().filter(|line| line.sign == sign).count();
    (of(Sign::Added), of(Sign::Removed))
}

/// The hunks of what is a text on each side where it is a file. What a link points to is a fact.
fn text_hunks(old: Option<&State<'_>>, new: Option<&State<'_>>) -> Vec<Hunk> {
    let text = |state: Option<&State<'_>>| match state {
        Some(state) if state.inode.is_file() => state.data.as_ref()?.text.clone(),
        _ => Some([].into()),
    };
    let (Some(old), Some(new)) = (text(old), text(new)) else {
        return Vec::new();
    };
    if old == new {
        return Vec::new();
    }
    hunks::of(&old, &new)
        .iter()
        .map(|hunk| Hunk {
            header: hunk.header(),
            lines: hunk
                .lines
                .iter()
                .map(|line| Line {
                    sign: line.sign,
                    old: line.old,
                    new: line.new,
                    text: escape_line(line.text.strip_suffix(b"\n").unwrap_or(line.text)),
                    ends: line.text.ends_with(b"\n"),
                })
                .collect(),
        })
        .collect()
}

/// What became of it, by what matters most: a mode before a capability before lines.
fn brief(old: Option<&State<'_>>, new: Option<&State<'_>>, hunks: &[Hunk]) -> String {
    let mut parts = Vec::new();
    match (old, new) {
        (Some(old), Some(new)) if old.type_bits() == new.type_bits() => {
            let (was, is) = (old.meta, new.meta);
            if was.mode != is.mode {
                parts.push(format!("mode {:04o} → {:04o}", was.mode, is.mode));
            }
            if (was.uid, was.gid) != (is.uid, is.gid) {
                parts.push(format!(
                    "owner {}:{} → {}:{}",
                    was.uid, was.gid, is.uid, is.gid
                ));
            }
            if was.xattrs != is.xattrs {
                let [from, to] = [was, is].map(|meta| meta.xattr("security.capability"));
                parts.push(
                    if from == to {
                        "attributes"
                    } else {
                        "capabilities"
                    }
                    .into(),
                );
            }
            if let (Some(a), Some(b)) = (&old.data, &new.data)
                && a.sha256 != b.sha256
                && hunks.is_empty()
            {
                parts.push(match new.inode.symlink() {
                    Some(target) => format!("→ {}", escape(target)),
                    None => format!("{} → {} bytes", a.len, b.len),
                });
            }
        }
        (Some(old), Some(new)) => parts.push(format!("{} → {}", old.type_name(), new.type_name())),
        (old, new) => {
            let word = if new.is_some() { "new" } else { "removed" };
            parts.extend(new.or(old).map(|state| match state.inode.symlink() {
                Some(target) => format!("{word} symlink → {}", escape(target)),
                None => format!("{word} {}", state.type_name()),
            }));
        }
    }
    let (added, removed) = count(hunks);
    if added + removed > 0 {
        parts.push(format!("+{added} −{removed}"));
    }
    parts.join(", ")
}

/// A path as the fragment of a URL.
pub(super) fn anchor(path: &[u8]) -> String {
    let mut out = String::new();
    for &byte in path {
        let stays = byte.is_ascii_alphanumeric() || b"/._-+@:=,~".contains(&byte);
        if stays {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
