//! Recipes: lists of rules, written as INI.
//!
//! A loader reads them, against a table of rule kinds. One row of that table drives the parser, the
//! help and the reference, so that these cannot differ. The result is a [`Recipe`], whose
//! [`Section`]s each hold their texts, with places, and the rule that was read from them.
//!
//! **Invariants.** Only `shipped` knows rule kinds; nothing here reads anything but recipes. All
//! mistakes of a recipe, and of those that it extends, are reported at once, each with its place.

mod document;
mod help;
mod lexer;
mod load;
mod merge;
pub(crate) mod nearest;
mod origin;
mod params;
pub(crate) mod rule;
pub(crate) mod schema;
pub(crate) mod shipped;
mod show;
pub(crate) mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;

use crate::error::{Source, Span};
use crate::system::System;

pub use load::Shipped;
pub use schema::OnMissing;

pub(crate) use load::Loader;
pub(crate) use nearest::nearest;
pub(crate) use rule::{Fields, Rule};
pub(crate) use schema::{KeySchema, RuleKind};
pub(crate) use value::Check;

use value::Value;

/// What an image is to be like: rules, and what they may leave open.
#[derive(Clone, Debug)]
pub struct Recipe {
    parts: Vec<Part>,
    rules: Vec<Section>,
    waivers: Vec<Waiver>,
    sources: Vec<Arc<Source>>,
    /// What the image was for which it was chosen, if nobody named it.
    chosen_for: Option<String>,
}

impl Recipe {
    /// The rules, inherited ones first, otherwise in the order of the text.
    pub fn rules(&self) -> &[Section] {
        &self.rules
    }

    /// What rules may leave open, whether or not it has expired.
    pub fn waivers(&self) -> &[Waiver] {
        &self.waivers
    }

    /// Returns what the image was for which the recipe was chosen, if nobody named it.
    pub(crate) fn chosen_for(&self) -> Option<&str> {
        self.chosen_for.as_deref()
    }

    /// The recipes that were named, without those that they extend: one, or as many as
    /// [`and`](Self::and) combined.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names of the [`parts`](Self::parts), with ` + ` between them.
    pub fn name(&self) -> String {
        let names: Vec<_> = self.parts.iter().map(|part| part.name.as_str()).collect();
        names.join(" + ")
    }

    /// What the first part says of itself.
    pub fn summary(&self) -> Option<&str> {
        self.parts.first()?.summary.as_deref()
    }

    /// The `ID`s of os-release that the first part is meant for; without any it is meant for all
    /// images.
    pub fn os_ids(&self) -> &[String] {
        self.parts.first().map_or(&[], |part| &part.os_ids)
    }

    /// All texts that were read, each before those that it extends.
    pub fn sources(&self) -> &[Arc<Source>] {
        &self.sources
    }

    /// Puts another recipe beside this one.
    ///
    /// Nothing is merged, as neither extends the other. Only a rule that is in both, with the same
    /// settings, is one rule, for the first one's reason.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let mut known: BTreeMap<_, usize> = BTreeMap::new();
        for (at, rule) in self.rules.iter().enumerate() {
            known.entry(rule.identity()).or_insert(at);
        }
        let (twins, new): (Vec<_>, Vec<_>) = other
            .rules
            .into_iter()
            .map(|rule| (known.get(&rule.identity()).copied(), rule))
            .partition(|(twin, _)| twin.is_some());
        for (twin, rule) in twins {
            if let Some(twin) = twin.and_then(|at| self.rules.get_mut(at)) {
                twin.reason = twin.reason.take().or(rule.reason);
                twin.reference = twin.reference.take().or(rule.reference);
                twin.additions.extend(rule.additions);
            }
        }
        self.rules.extend(new.into_iter().map(|(_, rule)| rule));
        self.parts.extend(other.parts);
        self.waivers.extend(other.waivers);
        for source in other.sources {
            if !self.sources.contains(&source) {
                self.sources.push(source);
            }
        }
        self
    }
}

/// A recipe as it was named, and what it says of itself; `[Match]` is not inherited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The file's name, or `recipe:NAME` for a shipped one.
    pub name: String,
    /// What it is for.
    pub summary: Option<String>,
    /// The `ID`s of os-release that it is meant for; without any it is meant for all images.
    pub os_ids: Vec<String>,
    /// `host` or `container`, if it is meant for one of these.
    pub kind: Option<String>,
    /// The init systems that it is meant for, such as `systemd`; without any it is meant for all.
    pub inits: Vec<String>,
}

impl Part {
    /// Returns whether it is not meant for all images.
    pub(crate) fn is_choosy(&self) -> bool {
        !self.os_ids.is_empty() || self.kind.is_some() || !self.inits.is_empty()
    }

    /// Returns how well it fits a system, the best first; none if it does not, or is meant for all.
    /// Where it is clear whether the image boots, that and its init decide before os-release does.
    pub(crate) fn rank(&self, system: &System) -> Option<u8> {
        let os = system.os.rank(&self.os_ids);
        let asks = self.kind.is_some() || !self.inits.is_empty();
        let Some(is_host) = system.init.is_host().filter(|_| asks) else {
            return os;
        };
        let kind = if is_host { "host" } else { "container" };
        let init = system.init.name();
        let fits = self.kind.as_ref().is_none_or(|of| of == kind)
            && (self.inits.is_empty() || self.inits.iter().any(|of| of == init));
        fits.then(|| os.unwrap_or(2))
    }

    /// Returns what it is meant for, in words.
    pub(crate) fn meant_for(&self) -> String {
        let kind = self.kind.clone().into_iter();
        let inits = self.inits.join(", ");
        let inits = (!inits.is_empty()).then(|| format!("init {inits}"));
        let ids = self.os_ids.join(", ");
        let ids = (!ids.is_empty()).then_some(ids);
        let words: Vec<String> = kind.chain(inits).chain(ids).collect();
        words.join("; ")
    }
}

/// One rule as the recipe says it.
#[derive(Clone, Debug)]
pub struct Section {
    pub(crate) kind: &'static RuleKind,
    /// What stands after the kind, or empty.
    pub argument: String,
    /// The keys of its own, in order; what an empty value reset is no longer among them.
    pub settings: Vec<Setting>,
    /// Why the rule is there; sections that extend it say in [`additions`](Self::additions) why they
    /// do.
    pub reason: Option<String>,
    /// Where the demand comes from.
    pub reference: Option<String>,
    /// What sections that extend this one add, with reasons or references of their own.
    pub additions: Vec<Addition>,
    /// What happens if nothing that it names is in the image.
    pub on_missing: OnMissing,
    /// The section's header; of one that is extended, the first.
    pub at: Span,
    pub(crate) rule: Arc<dyn Rule>,
}

impl Section {
    /// Returns the name of the rule's kind, such as `Mask`.
    pub fn kind(&self) -> &'static str {
        self.kind.name
    }

    /// What reports call the rule: `Mask sshd.socket`.
    pub fn label(&self) -> String {
        format!("{} {}", self.kind(), self.argument)
            .trim_end()
            .to_owned()
    }

    /// Returns what this rule and another one give different values: the setting of each.
    pub(crate) fn clash<'s>(&'s self, other: &'s Self) -> Option<(&'s Setting, &'s Setting)> {
        let set = |section: &'s Self| {
            let settings = section.settings.iter();
            let single = settings.filter_map(|setting| Some((section.sets(setting)?, setting)));
            single.collect::<BTreeMap<_, _>>()
        };
        let (own, theirs) = (set(self), set(other));
        let both = own
            .iter()
            .filter_map(|(what, a)| Some((*a, *theirs.get(what)?)));
        both.into_iter().find(|(a, b)| a.value != b.value)
    }

    /// Returns what a setting gives a value, if that can have one: the key, or a name in its value.
    fn sets<'s>(&self, setting: &'s Setting) -> Option<(&'s str, &'s str)> {
        let once = self.kind.key(&setting.key).is_none_or(|key| !key.list);
        match &setting.read {
            Value::Pair {
                sets: Some(sets), ..
            } => Some((&setting.key, sets)),
            _ => once.then_some((&setting.key, "")),
        }
    }

    fn identity(&self) -> (&'static str, String, Vec<(String, String)>, OnMissing) {
        let settings = self.settings.iter();
        let settings = settings.map(|setting| (setting.key.clone(), setting.value.clone()));
        (
            self.kind(),
            self.argument.clone(),
            settings.collect(),
            self.on_missing,
        )
    }
}

/// What a section that extends another one adds to it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Addition {
    /// The lines, such as `Keep=/usr/bin/su`.
    pub lines: Vec<String>,
    /// Why they are there.
    pub reason: Option<String>,
    /// Where the demand comes from.
    pub reference: Option<String>,
    /// The header of the section that extends.
    pub at: Span,
}

impl fmt::Display for Addition {
    /// Writes `Keep=/usr/bin/su (site.ini:9): break-glass console`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = (&self.at.source.name, self.at.line());
        write!(f, "{} ({file}:{line})", self.lines.join(", "))?;
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        match &self.reference {
            Some(reference) => write!(f, " ({reference})"),
            None => Ok(()),
        }
    }
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The word before the `=`.
    pub key: String,
    /// What follows it, parameters filled in.
    pub value: String,
    /// Where it stands, from the key to the value.
    pub at: Span,
    pub(crate) read: Value,
}

/// What a rule may leave open, until when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The rule's kind.
    pub kind: String,
    /// What the rule would have changed, such as a path.
    pub subject: String,
    /// Why it is left open.
    pub reason: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The last day on which it holds.
    pub expires: Date,
    /// The section's header.
    pub at: Span,
}
