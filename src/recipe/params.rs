//! `${Name}` in values and arguments.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::error::{Diagnostic, Error, Result, Span};

use super::document::Document;
use super::lexer::Placed;
use super::nearest::{nearest, quoted, suggest};

/// How much all parameters together may bring in, so that a small file does not become a large one
/// in memory.
const LARGEST: usize = 16 << 20;

/// How many places a mistake is shown with, beside its own.
const SHOWN: usize = 4;

/// The values of all parameters of a recipe and of those that it extends.
#[derive(Debug, Default)]
pub(super) struct Params {
    values: BTreeMap<String, Param>,
    /// Whether a recipe that could declare more of them is missing.
    incomplete: bool,
    /// How many bytes they have brought in, unless that was too much.
    spent: Cell<Option<usize>>,
}

#[derive(Debug)]
struct Param {
    value: String,
    /// Where its default stands, unless the caller set it.
    at: Option<Span>,
}

/// A text with its parameters filled in, and where these come from.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) text: String,
    pub(super) from: Vec<(Span, String)>,
    /// The parameters in it that the caller set.
    pub(super) set: Vec<String>,
}

impl Params {
    /// Collects the defaults, of which a later document's wins, and then what the caller sets.
    pub(super) fn new<'a>(
        documents: impl Iterator<Item = &'a Document>,
        sets: &[(String, String)],
        incomplete: bool,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut values = BTreeMap::new();
        for (name, default) in documents.flat_map(|document| &document.params) {
            let filled = Self::default().fill(default, mistakes, |name| {
                let message = format!("a default cannot use {}", quoted(&format!("${{{name}}}")));
                let mistake = Diagnostic::new(default.at.clone(), message);
                Some(mistake.help("write the value itself, or `$${` for a `${` that stays"))
            });
            let value = filled.map_or_else(String::new, |filled| filled.text);
            let at = Some(default.at.clone());
            values.insert(name.clone(), Param { value, at });
        }
        for (name, value) in sets {
            if let Some(param) = values.get_mut(name) {
                *param = Param {
                    value: value.clone(),
                    at: None,
                };
            }
        }
        Self {
            values,
            incomplete,
            spent: Cell::new(Some(0)),
        }
    }

    /// The names that `--set` can give a value.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Fills in a value; nothing if that cannot be done, which is then a mistake.
    pub(super) fn value(&self, value: &Placed, mistakes: &mut Vec<Diagnostic>) -> Option<Filled> {
        self.fill(value, mistakes, |name| {
            let message = format!("unknown parameter {}", quoted(name));
            let help = match nearest(name, self.names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare it in `[Params]`, or write `$${{{name}}}` to keep it"),
            };
            let mistake = Diagnostic::new(value.at.clone(), message);
            (!self.incomplete).then(|| mistake.label("unknown").help(help))
        })
    }

    /// Takes from what parameters may bring in; that it is used up is said once.
    fn spend(&self, length: usize, at: &Span, mistakes: &mut Vec<Diagnostic>) -> bool {
        let Some(spent) = self.spent.get() else {
            return false;
        };
        let spent = Some(spent + length).filter(|spent| *spent <= LARGEST);
        self.spent.set(spent);
        if spent.is_none() {
            let message = "parameters make this recipe larger than 16 MiB";
            mistakes.push(Diagnostic::new(at.clone(), message).help("use fewer or shorter ones"));
        }
        spent.is_some()
    }

    fn fill(
        &self,
        value: &Placed,
        mistakes: &mut Vec<Diagnostic>,
        unknown: impl Fn(&str) -> Option<Diagnostic>,
    ) -> Option<Filled> {
        let mut text = String::new();
        let mut from = Vec::new();
        let mut set = Vec::new();
        let mut good = true;
        let mut rest = value.text.as_str();
        while let Some(dollar) = rest.find('$') {
            text += &rest[..dollar];
            rest = &rest[dollar..];
            let at = value.at.start + value.text.len() - rest.len();
            if let Some(after) = rest.strip_prefix("$${") {
                text += "${";
                rest = after;
            } else if let Some(after) = rest.strip_prefix("${") {
                let Some(end) = after.find('}') else {
                    let at = Span {
                        start: at,
                        ..value.at.clone()
                    };
                    mistakes.push(
                        Diagnostic::new(at, "this `${` is not closed")
                            .label("no `}`")
                            .help("write `$${` for a `${` that stays as it is"),
                    );
                    return None;
                };
                let name = &after[..end];
                if let Some(param) = self.values.get(name) {
                    if !self.spend(param.value.len(), &value.at, mistakes) {
                        return None;
                    }
                    text += &param.value;
                    match &param.at {
                        None if set.contains(&quoted(name)) => {}
                        None => set.push(quoted(name)),
                        Some(at) if from.len() < SHOWN => {
                            from.push((at.clone(), format!("{} is set here", quoted(name))));
                        }
                        Some(_) => {}
                    }
                } else {
                    if let Some(mut mistake) = unknown(name) {
                        mistake.at.start = at;
                        mistake.at.end = at + "${}".len() + name.len();
                        mistakes.push(mistake);
                    }
                    good = false;
                }
                rest = &after[end + 1..];
            } else {
                text.push('$');
                rest = &rest[1..];
            }
        }
        text += rest;
        good.then_some(Filled { text, from, set })
    }
}

/// Refuses names that no recipe declares.
pub(super) fn check_names(sets: &[(String, String)], names: &[&str]) -> Result<()> {
    for (name, _) in sets {
        if !names.contains(&name.as_str()) {
            let help = match suggest(name, names.iter().copied()) {
                Some(help) => help,
                None if names.is_empty() => "the recipe has no `[Params]`".to_owned(),
                None => "see `[Params]` in the recipe".to_owned(),
            };
            let message = format!("no recipe has a parameter {}: {help}", quoted(name));
            return Err(Error::Usage(message));
        }
    }
    Ok(())
}

/// Refuses values that no line of a recipe could hold.
pub(super) fn check_values(sets: &[(String, String)]) -> Result<()> {
    for (name, value) in sets {
        if value.contains(char::is_control) {
            let message = format!("the value for {} is not one line of text", quoted(name));
            return Err(Error::Usage(message));
        }
    }
    Ok(())
}
