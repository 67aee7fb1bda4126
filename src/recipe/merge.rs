//! From the sections of several documents to rules: values are checked, and what extends is added
//! to what it extends.

mod merged;
mod waived;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Diagnostic, Span};

use super::document::{Document, Key, RawRule};
use super::lexer::Property;
use super::nearest::{list, quoted};
use super::params::{Filled, Params};
use super::rule::Fields;
use super::schema::{ON_MISSING, OnMissing, Parse, RuleKind};
use super::value::{self, Check, Refusal, Value};
use super::{Addition, Section, Setting, Waiver};
use merged::Merged;
use waived::waived_kind;

/// Merges documents, each after those that it extends.
///
/// Where one of them is missing, what it could have given is not asked for.
pub(super) fn merge<'a>(
    documents: impl Iterator<Item = &'a Document>,
    kinds: &[&'static RuleKind],
    params: &Params,
    incomplete: bool,
    mistakes: &mut Vec<Diagnostic>,
) -> (Vec<Section>, Vec<Waiver>) {
    let mut merged = Merged::default();
    for document in documents {
        let layers = document
            .rules
            .iter()
            .filter_map(|rule| layer(rule, kinds, params, mistakes))
            .collect();
        merged.add(layers, mistakes);
    }
    let mut rules = Vec::new();
    let mut waivers = Vec::new();
    for layer in merged.layers {
        if !incomplete && !layer.damaged {
            layer.check_required(mistakes);
        }
        match layer.schema.parse {
            Some(parse) => rules.push(layer.into_section(parse)),
            None => waivers.extend(layer.into_waiver()),
        }
    }
    (rules, waivers)
}

/// What one section says, over what it may extend.
#[derive(Debug)]
struct Layer {
    schema: &'static RuleKind,
    argument: String,
    /// The argument as its check read it.
    read: Value,
    at: Span,
    settings: Vec<Setting>,
    /// The keys that an empty value reset, and how many of the settings stood before that.
    resets: BTreeMap<String, usize>,
    /// `None` is not given; an empty value resets.
    reason: Option<String>,
    reference: Option<String>,
    /// What sections that extend this one gave reasons for.
    additions: Vec<Addition>,
    on_missing: Option<Option<OnMissing>>,
    /// Whether some line of it is a mistake, so that a key may only seem to be missing.
    damaged: bool,
}

fn layer(
    rule: &RawRule,
    kinds: &[&'static RuleKind],
    params: &Params,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Layer> {
    let mut layer = Layer {
        schema: rule.schema,
        argument: String::new(),
        read: Value::Text,
        at: rule.at.clone(),
        settings: Vec::new(),
        resets: BTreeMap::new(),
        reason: None,
        reference: None,
        additions: Vec::new(),
        on_missing: None,
        damaged: rule.damaged,
    };
    let argument = params.value(&rule.argument, mistakes);
    if let (Some(filled), Some(expected)) = (&argument, &rule.schema.argument) {
        let read = expected.check.read(&filled.text);
        let read = read.and_then(|read| waived_kind(rule.schema, read, kinds));
        layer.read = accept(read, &rule.argument.at, filled, mistakes);
    }
    for (key, property) in &rule.settings {
        let value = match key {
            Key::Own(schema) if matches!(schema.check, Check::Verbatim) => &property.verbatim,
            _ => &property.value,
        };
        if let Some(filled) = params.value(value, mistakes) {
            layer.set(*key, property, filled, mistakes);
        } else {
            layer.damaged = true;
        }
    }
    layer.forget_reset();
    layer.settle_twins(mistakes);
    layer.argument = argument?.text;
    Some(layer)
}

/// Returns the value. A refusal becomes a mistake, shown with the defaults that it was filled from.
fn accept(
    read: Result<Value, Refusal>,
    at: &Span,
    filled: &Filled,
    mistakes: &mut Vec<Diagnostic>,
) -> Value {
    read.unwrap_or_else(|refusal| {
        let mut message = refusal.message;
        if !filled.set.is_empty() {
            message += &format!(" (with {} as the caller set it)", filled.set.join(", "));
        }
        let mut mistake = Diagnostic::new(at.clone(), message);
        mistake.help = refusal.help;
        mistake.related.clone_from(&filled.from);
        mistakes.push(mistake);
        Value::Text
    })
}

impl Layer {
    fn set(
        &mut self,
        key: Key,
        property: &Property,
        filled: Filled,
        mistakes: &mut Vec<Diagnostic>,
    ) {
        let name = &property.key.text;
        let empty = filled.text.is_empty();
        let read = match key {
            _ if empty => Ok(Value::Text),
            Key::Own(schema) | Key::Common(schema) => schema.check.read(&filled.text),
            Key::OnMissing => {
                let words = self.schema.on_missing_values().map(OnMissing::as_str);
                value::one_of(&filled.text, &words.collect::<Vec<_>>())
            }
            Key::Open => Ok(Value::Text),
        };
        let read = accept(read, &property.value.at, &filled, mistakes);
        match key {
            Key::Own(schema) if empty && !matches!(schema.check, Check::Verbatim) => {
                self.resets.insert(name.clone(), self.settings.len());
            }
            Key::Own(_) | Key::Open => self.settings.push(Setting {
                key: name.clone(),
                value: filled.text,
                at: property.at(),
                read,
            }),
            Key::Common(schema) if schema.name == "Reason" => self.reason = Some(filled.text),
            Key::Common(_) => self.reference = Some(filled.text),
            Key::OnMissing => {
                let mut values = self.schema.on_missing_values();
                self.on_missing = Some(values.find(|value| value.as_str() == filled.text));
            }
        }
    }

    /// Drops the settings that stand before a reset of their key.
    fn forget_reset(&mut self) {
        let mut at = 0;
        self.settings.retain(|setting| {
            at += 1;
            self.resets
                .get(&setting.key)
                .is_none_or(|reset| at > *reset)
        });
    }

    /// Of two settings that are the same one goes; two that set one thing to different values are a
    /// mistake.
    fn settle_twins(&mut self, mistakes: &mut Vec<Diagnostic>) {
        let mut seen: BTreeMap<_, (String, Span)> = BTreeMap::new();
        self.settings.retain(|setting| {
            let Some((what, value)) = sets(setting) else {
                return true;
            };
            let name = quoted(&what.1);
            let first = match seen.entry(what) {
                Entry::Vacant(place) => {
                    place.insert((value, setting.at.clone()));
                    return true;
                }
                Entry::Occupied(first) => first.into_mut(),
            };
            if first.0 != value {
                mistakes.push(
                    Diagnostic::new(setting.at.clone(), {
                        let (first, second) = (quoted(&first.0), quoted(&value));
                        format!("{name} is given two values, {first} and {second}")
                    })
                    .label("the second one")
                    .related(first.1.clone(), "the first one")
                    .help("delete one of them"),
                );
            }
            false
        });
    }

    /// Adds a section of the same kind and argument that extends this one.
    fn extend(&mut self, mut by: Self) {
        by.keep_reasons();
        let what = |setting: &Setting| Some(sets(setting)?.0);
        let anew: BTreeSet<_> = by.settings.iter().filter_map(what).collect();
        self.settings
            .retain(|setting| what(setting).is_none_or(|what| !anew.contains(&what)));
        let replaced = |key: &str| {
            let once = self.schema.key(key).is_some_and(|schema| !schema.list);
            by.resets.contains_key(key) || (once && by.settings.iter().any(|s| s.key == key))
        };
        let keys: Vec<_> = self
            .schema
            .keys
            .iter()
            .map(|key| key.name)
            .filter(|key| replaced(key))
            .collect();
        self.settings
            .retain(|setting| !keys.contains(&setting.key.as_str()));
        self.settings.extend(by.settings);
        self.reason = by.reason.or(self.reason.take());
        self.reference = by.reference.or(self.reference.take());
        self.additions.append(&mut by.additions);
        self.on_missing = by.on_missing.or(self.on_missing);
        self.damaged |= by.damaged;
    }

    /// Binds the reason and reference of an extending section to what else it has: they are not those
    /// of the section that it extends. An empty value still resets.
    fn keep_reasons(&mut self) {
        let own = self.settings.iter();
        let own = own.map(|setting| format!("{}={}", setting.key, setting.value));
        let resets = self.resets.keys().map(|key| format!("{key}="));
        let on_missing = self.on_missing.map(|value| {
            let value = value.map_or("", OnMissing::as_str);
            format!("{ON_MISSING}={value}")
        });
        let lines: Vec<String> = resets.chain(own).chain(on_missing).collect();
        if lines.is_empty() {
            return;
        }
        let given = |text: &mut Option<String>| text.take_if(|text| !text.is_empty());
        let (reason, reference) = (given(&mut self.reason), given(&mut self.reference));
        if reason.is_some() || reference.is_some() {
            self.additions.push(Addition {
                lines,
                reason,
                reference,
                at: self.at.clone(),
            });
        }
    }

    fn check_required(&self, mistakes: &mut Vec<Diagnostic>) {
        if self.schema.needs_a_key && self.settings.is_empty() {
            let keys: Vec<_> = self.schema.keys.iter().map(|key| key.name).collect();
            mistakes.push(
                Diagnostic::new(
                    self.at.clone(),
                    format!("{} asks for nothing", quoted(&self.header())),
                )
                .help(format!("add one of {}", list(&keys))),
            );
        }
        let given = |name: &str| self.settings.iter().any(|setting| setting.key == name);
        for key in self
            .schema
            .keys
            .iter()
            .filter(|key| key.required && !given(key.name))
        {
            mistakes.push(
                Diagnostic::new(
                    self.at.clone(),
                    format!("{} needs `{}=`", quoted(&self.header()), key.name),
                )
                .label(format!("`{}=` is missing", key.name))
                .help(format!("add a line `{}={}`", key.name, key.value)),
            );
        }
    }

    fn header(&self) -> String {
        if self.argument.is_empty() {
            format!("[{}]", self.schema.name)
        } else {
            format!("[{} {}]", self.schema.name, self.argument)
        }
    }

    fn into_section(self, parse: Parse) -> Section {
        let on_missing = self.on_missing.flatten().unwrap_or(self.schema.on_missing);
        let rule = parse(&Fields {
            argument: &self.argument,
            read: &self.read,
            settings: &self.settings,
            on_missing,
        });
        let mut additions = self.additions;
        for addition in &mut additions {
            // What a later section replaced or reset is not there any more.
            addition.lines.retain(|line| {
                let stands =
                    |s: &Setting| line.strip_prefix(&s.key) == Some(&format!("={}", s.value));
                line.ends_with('=')
                    || line.starts_with(ON_MISSING)
                    || self.settings.iter().any(stands)
            });
        }
        additions.retain(|addition| !addition.lines.is_empty());
        Section {
            kind: self.schema,
            argument: self.argument,
            settings: self.settings,
            reason: self.reason.filter(|text| !text.is_empty()),
            reference: self.reference.filter(|text| !text.is_empty()),
            additions,
            on_missing,
            at: self.at,
            rule,
        }
    }

    /// Nothing if it has mistakes, which have been reported then.
    fn into_waiver(self) -> Option<Waiver> {
        let given = |key: &str| self.settings.iter().find(|setting| setting.key == key);
        let text = |key: &str| Some(given(key)?.value.clone());
        let (kind, subject) = self.read.as_pair()?;
        let Value::Date(expires) = given("Expires")?.read else {
            return None;
        };
        Some(Waiver {
            kind,
            subject,
            reason: text("Reason")?,
            owner: text("Owner"),
            expires,
            at: self.at.clone(),
        })
    }
}

/// What a setting sets, by its key and a name, and to which value, where the key is one of
/// assignments.
fn sets(setting: &Setting) -> Option<((String, String), String)> {
    match &setting.read {
        Value::Pair {
            value,
            sets: Some(sets),
            ..
        } => Some(((setting.key.clone(), sets.clone()), value.clone())),
        _ => None,
    }
}
