//! What the formats for people show, whatever it was found out from: a plan, or a comparison of two images.
//!
//! **Invariant: every text in a [`View`] prints.** Control characters, and those that reorder text, are spelled out when it is
//! made, so a format has only its own syntax to mind. `plan` makes the view of a plan, `crate::compare` that of a comparison.

mod plan;

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use crate::edit::Outcome;
use crate::inventory::{self, Inventory};
use crate::plan::WaiverState;

use super::hunks::Sign;
use super::state::State;
use super::{describe, hunks};
use crate::escape::{escape, escape_line};

/// All that there is to show.
pub(crate) struct View {
    pub(crate) verdict: Verdict,
    /// What was looked at: `image`, `recipe`.
    pub(crate) subject: Vec<(&'static str, String)>,
    /// Privileges that a lock does not have.
    pub(crate) beyond: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) residuals: Vec<Open>,
    pub(crate) waivers: Vec<Waiver>,
    pub(crate) notes: Vec<String>,
    /// What the parts of the attack surface are called together.
    pub(crate) surface_title: &'static str,
    pub(crate) surface: Vec<Surface>,
    /// How many paths do not stand for the same as before; not all of them need to be in `files`.
    pub(crate) paths: usize,
    pub(crate) files: Vec<File>,
}

/// What it comes to.
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
    /// A path, with a line where that helps.
    pub(crate) place: Option<String>,
    pub(crate) message: String,
    pub(crate) rule: Option<String>,
}

/// What a recipe leaves open on purpose.
pub(crate) struct Waiver {
    pub(crate) label: String,
    pub(crate) state: WaiverState,
    /// Why, who answers for it and until when, and what is to be done about it.
    pub(crate) says: String,
    pub(crate) place: String,
}

/// One part of the attack surface.
pub(crate) struct Surface {
    pub(crate) kind: inventory::Kind,
    pub(crate) before: usize,
    pub(crate) after: usize,
    /// How many of those before are not there any more, and how many of those after are new.
    pub(crate) gone: usize,
    pub(crate) new: usize,
    /// The lines that went and those that came. One thing can have many.
    pub(crate) lost: Vec<String>,
    pub(crate) gained: Vec<String>,
}

/// A path that does not stand for the same as before.
pub(crate) struct File {
    pub(crate) name: Name,
    /// Other names of the same file, of which the same is to say.
    pub(crate) twins: Vec<Name>,
    pub(crate) kind: Kind,
    /// The rules that touched it, as places in [`View::rules`].
    pub(crate) rules: Vec<usize>,
    /// What became of it in a few words.
    pub(crate) brief: String,
    /// All that became of it beside its lines.
    pub(crate) facts: Vec<String>,
    pub(crate) hunks: Vec<Hunk>,
    /// Whether characters had to be spelled out that would have made it look other than it is.
    pub(crate) misleads: bool,
}

/// A path as it is shown and linked to.
pub(crate) struct Name {
    /// Without the leading slash.
    pub(crate) path: String,
    /// As the fragment of a URL: ASCII, and for no other path the same.
    pub(crate) anchor: String,
}

/// What became of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Added,
    Removed,
    Renamed,
    Changed,
}

/// Lines that belong together.
pub(crate) struct Hunk {
    pub(crate) header: String,
    pub(crate) lines: Vec<Line>,
}

/// One line of a text.
pub(crate) struct Line {
    pub(crate) sign: Sign,
    pub(crate) old: Option<usize>,
    pub(crate) new: Option<usize>,
    pub(crate) text: String,
    /// Whether a line feed ends it.
    pub(crate) ends: bool,
}

impl View {
    /// The rules that came to something other than `already` and `absent`.
    pub(crate) fn telling_rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| !rule.is_quiet())
    }

    /// How many rules came to each outcome that occurs, in the order in which reports name them.
    pub(crate) fn outcomes(&self) -> Vec<(&'static str, usize)> {
        let count = |name: &str| self.rules.iter().filter(|r| r.outcome == name).count();
        Outcome::NAMES
            .map(|name| (name, count(name)))
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

impl Rule {
    pub(crate) fn is_quiet(&self) -> bool {
        ["already", "absent"].contains(&self.outcome)
    }
}

impl Surface {
    /// What users and the network can reach in one image and in another; first what matters most.
    pub(crate) fn between(before: &Inventory, after: &Inventory) -> Vec<Self> {
        use inventory::Kind;
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
        Self::of_kinds(&kinds, before, after)
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
            }
        };
        kinds
            .iter()
            .map(|kind| part(*kind))
            .filter(|part| part.kind != Kind::Unknown || part.before + part.after > 0)
            .collect()
    }
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
            Self::Changed => "changed",
        }
    }

    pub(crate) fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Renamed => '>',
            Self::Changed => '~',
        }
    }
}

impl File {
    /// What became of a path. `rules` are those that touched it.
    pub(crate) fn new(
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
    pub(crate) fn lines(&self) -> (usize, usize) {
        count(&self.hunks)
    }
}

impl Name {
    pub(crate) fn new(path: &[u8]) -> Self {
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
pub(crate) fn text_hunks(old: Option<&State<'_>>, new: Option<&State<'_>>) -> Vec<Hunk> {
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
        (Some(old), Some(new)) if new.inode.is_entered(old.inode) => {
            parts.push("new entry of its own".into());
        }
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
        (Some(old), Some(new)) => parts.push(format!(
            "{} → {}",
            old.inode.type_name(),
            new.inode.type_name()
        )),
        (old, new) => {
            let word = if new.is_some() { "new" } else { "removed" };
            parts.extend(new.or(old).map(|state| match state.inode.symlink() {
                Some(target) => format!("{word} symlink → {}", escape(target)),
                None => format!("{word} {}", state.inode.type_name()),
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
pub(crate) fn anchor(path: &[u8]) -> String {
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
