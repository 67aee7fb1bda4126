//! `${Name}` in values and arguments.

use std::collections::BTreeMap;

use crate::error::{Diagnostic, Error, Result, Span};

use super::document::Document;
use super::lines::Placed;
use super::nearest::{nearest, quoted, suggest};

/// The values of all parameters of a recipe and of those that it extends.
#[derive(Debug, Default)]
pub(super) struct Params {
    values: BTreeMap<String, Param>,
    /// Whether a recipe that could declare more of them is missing.
    incomplete: bool,
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
        Self { values, incomplete }
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

    fn fill(
        &self,
        value: &Placed,
        mistakes: &mut Vec<Diagnostic>,
        unknown: impl Fn(&str) -> Option<Diagnostic>,
    ) -> Option<Filled> {
        let mut text = String::new();
        let mut from = Vec::new();
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
                    text += &param.value;
                    let place = param.at.iter();
                    from.extend(
                        place.map(|at| (at.clone(), format!("{} is set here", quoted(name)))),
                    );
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
        good.then_some(Filled { text, from })
    }
}

/// Refuses values that no line of a recipe could hold, and names that no recipe declares.
pub(super) fn check_sets(sets: &[(String, String)], names: &[&str]) -> Result<()> {
    for (name, value) in sets {
        if !names.contains(&name.as_str()) {
            let help = match suggest(name, names.iter().copied()) {
                Some(help) => help,
                None if names.is_empty() => "the recipe has no `[Params]`".to_owned(),
                None => "see `[Params]` in the recipe".to_owned(),
            };
            let message = format!("no recipe has a parameter {}: {help}", quoted(name));
            return Err(Error::Usage(message));
        }
        if value.contains(char::is_control) {
            let message = format!("the value for {} is not one line of text", quoted(name));
            return Err(Error::Usage(message));
        }
    }
    Ok(())
}
