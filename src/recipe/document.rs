//! One text of a recipe: what its sections are, before parameters are filled in and other recipes
//! are extended.

mod slips;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Diagnostic, Source, Span};

use super::lexer::{self, Placed, Property, RawSection, span};
use super::nearest::{nearest, nearest_or_all, quoted, suggest};
use super::schema::{COMMON, KeySchema, MATCH, ON_MISSING, RECIPE, RuleKind, WAIVE};

/// What one text says.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) summary: Option<Placed>,
    pub(super) extends: Vec<Placed>,
    pub(super) os_ids: Vec<Placed>,
    pub(super) image_kind: Option<Placed>,
    pub(super) inits: Vec<Placed>,
    pub(super) params: Vec<(String, Placed)>,
    pub(super) rules: Vec<RawRule>,
    /// Whether the text is not read at all, so that what it may give is not known.
    pub(super) unread: bool,
    /// Whether it has what every recipe has, the section `[Recipe]`.
    pub(super) is_recipe: bool,
    /// Whether a mistake may hide some of its parameters.
    pub(super) hides_params: bool,
}

impl Document {
    /// Returns a document of a text that cannot be read.
    pub(super) fn unread() -> Self {
        Self {
            unread: true,
            ..Self::default()
        }
    }
}

/// A rule's section whose kind and keys are known, or a waiver's.
#[derive(Debug)]
pub(super) struct RawRule {
    pub(super) schema: &'static RuleKind,
    pub(super) argument: Placed,
    pub(super) at: Span,
    pub(super) settings: Vec<(Key, Property)>,
    /// Whether some line of it is a mistake, so that a key may only seem to be missing.
    pub(super) damaged: bool,
}

/// A key that a rule takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Own(&'static KeySchema),
    /// `Reason` or `Reference`.
    Common(&'static KeySchema),
    OnMissing,
    /// `Section.Key`, kept as it stands.
    Open,
}

/// The only version of the language so far.
const VERSION: &str = "1";

const SECTIONS: &[&str] = &["Recipe", "Match", "Params", "Waive"];

/// Reads one text. Where it is not of this version of the language, that is its only mistake.
pub(super) fn read(
    source: &Arc<Source>,
    kinds: &[&'static RuleKind],
    mistakes: &mut Vec<Diagnostic>,
) -> Document {
    if let Some(at) = source.text.find('\0') {
        let at = span(source, at..at + 1);
        mistakes.push(Diagnostic::new(at, "not a text file: it contains NUL"));
        return Document::unread();
    }
    let mut reader = Reader {
        kinds,
        document: Document::default(),
        mistakes: Vec::new(),
        given: BTreeMap::new(),
        version: None,
    };
    let sections = lexer::read(source, &mut reader.mistakes);
    reader.document.hides_params = !reader.mistakes.is_empty();
    for section in sections {
        reader.section(section);
    }
    reader.document.is_recipe = reader.given.contains_key("Recipe");
    match reader.version {
        Some(version) if version.text != VERSION => {
            let message = format!(
                "this casehard does not read {}",
                quoted(&format!("Schema={}", version.text))
            );
            let help = if version.text.parse::<u32>().is_ok_and(|number| number > 1) {
                format!("it reads `Schema={VERSION}`; a newer casehard may know this one")
            } else {
                format!("write `Schema={VERSION}`")
            };
            mistakes.push(Diagnostic::new(version.at, message).help(help));
            return Document {
                is_recipe: true,
                ..Document::unread()
            };
        }
        Some(_) => {}
        None => {
            let at = reader.given.get("Recipe").cloned();
            let at = at.unwrap_or_else(|| span(source, 0..0));
            reader.mistakes.push(
                Diagnostic::new(at, "the recipe does not name its version of the language").help(
                    format!("write `Schema={VERSION}` into a section `[Recipe]`"),
                ),
            );
        }
    }
    mistakes.append(&mut reader.mistakes);
    reader.document
}

struct Reader<'a> {
    kinds: &'a [&'static RuleKind],
    document: Document,
    mistakes: Vec<Diagnostic>,
    /// Where `[Recipe]`, `[Match]` and `[Params]` are, which may be there once.
    given: BTreeMap<&'static str, Span>,
    version: Option<Placed>,
}

impl Reader<'_> {
    fn section(&mut self, section: RawSection) {
        let name = &section.name;
        let end = name
            .text
            .find(char::is_whitespace)
            .unwrap_or(name.text.len());
        let kind = name.trimmed(0..end);
        let argument = name.trimmed(end..name.text.len());
        match kind.text.as_str() {
            "Recipe" => {
                self.once("Recipe", &section, &argument);
                for (key, property) in self.known("Recipe", RECIPE, section.properties) {
                    match key.name {
                        "Schema" => self.version = Some(property.value),
                        "Summary" => self.document.summary = not_empty(property.value),
                        _ => append(&mut self.document.extends, property.value),
                    }
                }
            }
            "Match" => {
                self.once("Match", &section, &argument);
                for (key, property) in self.known("Match", MATCH, section.properties) {
                    let value = &property.value;
                    // An empty one resets the list, and a parameter has no value yet.
                    let is_plain = !value.text.is_empty() && !value.text.contains("${");
                    if let (true, Err(refusal)) = (is_plain, key.check.read(&value.text)) {
                        let mut mistake = Diagnostic::new(value.at.clone(), refusal.message);
                        if let Some(help) = refusal.help {
                            mistake = mistake.help(help);
                        }
                        self.mistakes.push(mistake);
                        continue;
                    }
                    match key.name {
                        "Kind" => self.document.image_kind = not_empty(property.value),
                        "Init" => append(&mut self.document.inits, property.value),
                        _ => append(&mut self.document.os_ids, property.value),
                    }
                }
            }
            "Params" => {
                self.once("Params", &section, &argument);
                self.params(section.properties);
            }
            "Waive" => self.rule(&WAIVE, section, argument),
            _ => match self.kinds.iter().find(|known| known.name == kind.text) {
                Some(schema) => self.rule(schema, section, argument),
                None => self.unknown_section(&kind),
            },
        }
    }

    fn unknown_section(&mut self, kind: &Placed) {
        self.document.hides_params = true;
        let names = self.kinds.iter().map(|schema| schema.name);
        let mut mistake = Diagnostic::new(
            kind.at.clone(),
            format!("unknown section {}", quoted(&kind.text)),
        )
        .label("no rule of this name");
        let all = names.clone().chain(SECTIONS.iter().copied());
        mistake.help = slips::section_of_a_unit(self.kinds, &kind.text)
            .or_else(|| suggest(&kind.text, all))
            .or_else(|| nearest_or_all(&kind.text, names, "the rules are"));
        self.mistakes.push(mistake);
    }

    fn once(&mut self, name: &'static str, section: &RawSection, argument: &Placed) {
        if !argument.text.is_empty() {
            self.mistakes.push(too_much(name, argument));
        }
        if let Some(first) = self.given.get(name) {
            self.mistakes.push(
                Diagnostic::new(section.at.clone(), format!("`[{name}]` is here twice"))
                    .label("the second one")
                    .related(first.clone(), "the first one")
                    .help("write one section of both"),
            );
        } else {
            self.given.insert(name, section.at.clone());
        }
    }

    /// The properties whose keys are in a table; the others, and repeats of what may be given once,
    /// are mistakes.
    fn known(
        &mut self,
        section: &str,
        keys: &'static [KeySchema],
        properties: Vec<Property>,
    ) -> Vec<(&'static KeySchema, Property)> {
        let mut first = BTreeMap::new();
        let mut known = Vec::new();
        for property in properties {
            let Some(key) = keys.iter().find(|key| key.name == property.key.text) else {
                let help = suggest(&property.key.text, keys.iter().map(|key| key.name));
                self.unknown_key(section, &property.key, help);
                continue;
            };
            if key.list || self.first(&mut first, &property) {
                known.push((key, property));
            }
        }
        known
    }

    fn params(&mut self, properties: Vec<Property>) {
        let mut first = BTreeMap::new();
        for property in properties {
            let name = &property.key.text;
            let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !good {
                self.document.hides_params = true;
                let message = format!("{} is not a name for a parameter", quoted(name));
                self.mistakes.push(
                    Diagnostic::new(property.key.at, message)
                        .help("start it with a letter; letters, digits and `_` may follow"),
                );
            } else if self.first(&mut first, &property) {
                self.document
                    .params
                    .push((property.key.text, property.value));
            }
        }
    }

    fn rule(&mut self, schema: &'static RuleKind, section: RawSection, argument: Placed) {
        let kind = schema.name;
        let at = section.at;
        match (&schema.argument, argument.text.as_str()) {
            (Some(expected), "") => {
                let message = format!("`[{kind}]` needs an argument: {}", expected.name);
                let mistake = Diagnostic::new(at, message).label("nothing after the name");
                self.mistakes
                    .push(mistake.help(format!("write `{}`", schema.usage())));
                return;
            }
            (None, text) if !text.is_empty() => {
                self.mistakes.push(too_much(kind, &argument));
                return;
            }
            _ => {}
        }
        let mut first = BTreeMap::new();
        let mut settings = Vec::new();
        let before = self.mistakes.len();
        for property in section.properties {
            let Some(key) = self.key(schema, &property) else {
                continue;
            };
            let list = match key {
                Key::Own(key) => key.list,
                Key::Open => true,
                Key::Common(_) | Key::OnMissing => false,
            };
            if list || self.first(&mut first, &property) {
                settings.push((key, property));
            }
        }
        self.document.rules.push(RawRule {
            schema,
            argument,
            at,
            settings,
            damaged: section.damaged || self.mistakes.len() > before,
        });
    }

    fn key(&mut self, schema: &'static RuleKind, property: &Property) -> Option<Key> {
        let key = &property.key;
        let name = key.text.as_str();
        let is_rule = !schema.is_waiver();
        if let Some(own) = schema.key(name) {
            return Some(Key::Own(own));
        }
        if let Some(common) = COMMON.iter().find(|common| is_rule && common.name == name) {
            return Some(Key::Common(common));
        }
        if is_rule && name == ON_MISSING {
            return Some(Key::OnMissing);
        }
        let own = schema.keys.iter().map(|key| key.name);
        let common = COMMON.iter().map(|key| key.name).chain([ON_MISSING]);
        let names: Vec<_> = own.chain(common.filter(|_| is_rule)).collect();
        match &schema.open_keys {
            None => {
                let near = nearest(name, names.iter().copied());
                let help = slips::set(schema, property).filter(|_| near.is_none());
                self.unknown_key(schema.name, key, help.or_else(|| suggest(name, names)));
            }
            Some(open) => return self.open_key(schema, open, key, &names),
        }
        None
    }

    fn open_key(
        &mut self,
        schema: &RuleKind,
        open: &KeySchema,
        key: &Placed,
        names: &[&str],
    ) -> Option<Key> {
        let word = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            !text.is_empty() && text.chars().all(plain)
        };
        let name = key.text.as_str();
        match name.split_once('.') {
            Some((section, setting)) if word(section) && word(setting) => {
                let Some(slip) = schema.open_slip.and_then(|slip| slip(section, setting)) else {
                    return Some(Key::Open);
                };
                let mut mistake = Diagnostic::new(key.at.clone(), slip.message);
                mistake.help = slip.help;
                self.mistakes.push(mistake);
            }
            Some(_) => {
                let message = format!("{} is not of the form `{}`", quoted(name), open.name);
                self.mistakes.push(
                    Diagnostic::new(key.at.clone(), message)
                        .help("the names are made of letters, digits, `-` and `_`"),
                );
            }
            None => {
                let help = match nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write `{}`: the section comes first", open.name),
                };
                self.unknown_key(schema.name, key, Some(help));
            }
        }
        None
    }

    fn unknown_key(&mut self, section: &str, key: &Placed, help: Option<String>) {
        let message = format!("unknown key {} in `[{section}]`", quoted(&key.text));
        let mut mistake = Diagnostic::new(key.at.clone(), message).label("unknown");
        mistake.help = help;
        self.mistakes.push(mistake);
    }

    /// Whether a key that may be given once is new to its section; if not, that is a mistake.
    fn first(&mut self, first: &mut BTreeMap<String, Span>, property: &Property) -> bool {
        let name = &property.key.text;
        let Some(earlier) = first.get(name) else {
            first.insert(name.clone(), property.at());
            return true;
        };
        self.mistakes.push(
            Diagnostic::new(
                property.at(),
                format!("{} is given twice", quoted(&format!("{name}="))),
            )
            .label("the second one")
            .related(earlier.clone(), "the first one")
            .help("it takes one value: delete one of them"),
        );
        false
    }
}

fn too_much(section: &str, argument: &Placed) -> Diagnostic {
    let message = format!("`[{section}]` takes nothing after its name");
    Diagnostic::new(argument.at.clone(), message)
        .label("too much")
        .help(format!("write `[{section}]`"))
}

fn not_empty(value: Placed) -> Option<Placed> {
    Some(value).filter(|value| !value.text.is_empty())
}

/// Lists grow by each value; an empty one resets them.
fn append(values: &mut Vec<Placed>, value: Placed) {
    if value.text.is_empty() {
        values.clear();
    } else {
        values.push(value);
    }
}
