//! What a rule kind accepts: the row of the one table that parses recipes, prints help and writes
//! the reference.

use std::fmt;
use std::sync::Arc;

use super::rule::{Fields, Rule};
use super::value::{Check, Refusal, Value, date};
use crate::system::boot::InitSystem;

/// One rule kind: how recipes write it, and how its sections become rules.
pub(crate) struct RuleKind {
    /// The section's first word, such as `Mask`.
    pub(crate) name: &'static str,
    /// What follows the name inside the brackets, if anything does.
    pub(crate) argument: Option<KeySchema>,
    /// One line: what is so once the rule holds.
    pub(crate) summary: &'static str,
    /// Paragraphs of Markdown: what the rule does, and what it leaves alone.
    pub(crate) about: &'static str,
    /// Its own keys. `Reason`, `Reference` and `OnMissing` belong to every rule and are not listed.
    pub(crate) keys: &'static [KeySchema],
    /// Whether a section without any of them is a mistake.
    pub(crate) needs_a_key: bool,
    /// Keys of the form `Section.Key`, if it takes them. Their values are kept as they stand. They
    /// may repeat, and an empty value is a value: it does not reset those before it.
    pub(crate) open_keys: Option<KeySchema>,
    /// Refuses a section and key that are a slip.
    pub(crate) open_slip: Option<OpenSlip>,
    /// What happens by default if nothing that the rule names is in the image.
    pub(crate) on_missing: OnMissing,
    /// What `OnMissing=` takes beyond `fail`, `warn` and `skip`.
    pub(crate) extra_on_missing: &'static [OnMissing],
    /// Whether the rule may remove everything that it names, so that the result has no trace of it.
    pub(crate) leaves_no_trace: bool,
    /// What a waiver names, such as `the unit`, and an example of one.
    pub(crate) waived: Option<(&'static str, &'static str)>,
    /// Sections as a recipe would have them, without `[Recipe]`.
    pub(crate) example: &'static str,
    /// Makes the rule of a section whose values are all read. A waiver has none.
    pub(crate) parse: Option<Parse>,
}

/// Says what is wrong with a section and a key, if that is sure.
pub(crate) type OpenSlip = fn(&str, &str) -> Option<Refusal>;

/// Makes a rule of a section's fields.
pub(crate) type Parse = fn(&Fields<'_>) -> Arc<dyn Rule>;

impl RuleKind {
    /// Sections that make no rule.
    const NO_RULE: Self = Self {
        name: "",
        argument: None,
        summary: "",
        about: "",
        keys: &[],
        needs_a_key: false,
        open_keys: None,
        open_slip: None,
        on_missing: OnMissing::Fail,
        extra_on_missing: &[],
        leaves_no_trace: false,
        waived: None,
        example: "",
        parse: None,
    };

    /// Returns a kind that makes rules of type `R`, for the other fields to be filled in.
    pub(crate) const fn of<R: Rule + 'static>() -> Self {
        Self {
            parse: Some(|fields| Arc::new(R::parse(fields))),
            ..Self::NO_RULE
        }
    }

    pub(super) fn is_waiver(&self) -> bool {
        self.parse.is_none()
    }

    /// Returns every value that `OnMissing=` takes in this rule.
    pub(crate) fn on_missing_values(&self) -> impl Iterator<Item = OnMissing> {
        [OnMissing::Fail, OnMissing::Warn, OnMissing::Skip]
            .into_iter()
            .chain(self.extra_on_missing.iter().copied())
    }

    /// Returns how the section's header is written: `[Mask UNIT]`.
    pub(crate) fn usage(&self) -> String {
        match &self.argument {
            Some(argument) => format!("[{} {}]", self.name, argument.name),
            None => format!("[{}]", self.name),
        }
    }

    /// Returns what a waiver of the rule names, as a sentence in Markdown.
    pub(super) fn waiver(&self) -> Option<String> {
        let (what, example) = self.waived?;
        let kind = self.name;
        Some(format!(
            "A waiver names {what}: `[Waive {kind}:{example}]`."
        ))
    }

    pub(super) fn key(&self, name: &str) -> Option<&'static KeySchema> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl fmt::Debug for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One key of a section, or what its header takes.
#[derive(Debug)]
pub(crate) struct KeySchema {
    /// The word before the `=`; of an argument, how the documentation writes it.
    pub(crate) name: &'static str,
    /// How the documentation writes the value, such as `PATH|GLOB`.
    pub(crate) value: &'static str,
    /// What the value may be.
    pub(crate) check: Check,
    /// Whether a repeated key appends; if not, it may be given once.
    pub(crate) list: bool,
    /// Whether the section makes no sense without it.
    pub(crate) required: bool,
    /// What it does.
    pub(crate) about: &'static str,
}

impl KeySchema {
    pub(crate) const fn new(name: &'static str, value: &'static str, check: Check) -> Self {
        Self {
            name,
            value,
            check,
            list: false,
            required: false,
            about: "",
        }
    }

    /// Describes what follows a rule's name, such as `UNIT`.
    pub(crate) const fn argument(name: &'static str, check: Check) -> Self {
        Self::new(name, name, check)
    }

    pub(crate) const fn list(mut self) -> Self {
        self.list = true;
        self
    }

    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}

/// What happens if nothing that a rule names is, or was, in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OnMissing {
    /// The rule fails, so that a misspelt name does not pass in silence.
    Fail,
    /// The report warns of it.
    Warn,
    /// It is fine.
    Skip,
    /// The mask is written all the same, for a unit that arrives later.
    Mask,
}

impl OnMissing {
    /// Returns the word that a recipe writes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Skip => "skip",
            Self::Mask => "mask",
        }
    }
}

impl fmt::Display for OnMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of the key that every rule takes beside those of [`COMMON`].
pub(super) const ON_MISSING: &str = "OnMissing";

/// The keys that every rule takes, but for `OnMissing`, whose values depend on the rule.
pub(super) static COMMON: &[KeySchema] = &[
    KeySchema::new("Reason", "TEXT", Check::Text)
        .about("Why the rule is there; every report repeats it."),
    KeySchema::new("Reference", "TEXT", Check::Text)
        .about("Where the demand comes from: a guide's section, a policy's number, an address."),
];

/// What `OnMissing=` does, for help and reference.
pub(super) const ON_MISSING_ABOUT: &str =
    "What happens if nothing that the rule names is in the image.";

/// The keys of `[Recipe]`.
pub(super) static RECIPE: &[KeySchema] = &[
    KeySchema::new("Schema", "1", Check::Text).required(),
    KeySchema::new("Summary", "TEXT", Check::Text),
    KeySchema::new("Extends", "RECIPE", Check::Text).list(),
];

/// The keys of `[Match]`.
pub(super) static MATCH: &[KeySchema] = &[
    KeySchema::new("OsId", "ID", Check::Text).list(),
    KeySchema::new(
        "Kind",
        "host|container",
        Check::OneOf(&["host", "container"]),
    ),
    KeySchema::new("Init", "INIT", Check::OneOf(&InitSystem::NAMES)).list(),
];

/// A waiver is read like a rule, but has its own keys only and makes no rule.
pub(super) static WAIVE: RuleKind = RuleKind {
    name: "Waive",
    argument: Some(KeySchema::argument("KIND:SUBJECT", Check::Is(waived))),
    keys: &[
        KeySchema::new("Reason", "TEXT", Check::Text).required(),
        KeySchema::new("Owner", "TEXT", Check::Text),
        KeySchema::new("Expires", "YYYY-MM-DD", Check::Is(date)).required(),
    ],
    ..RuleKind::NO_RULE
};

fn waived(text: &str) -> Result<Value, Refusal> {
    match text.split_once(':') {
        Some((kind, subject)) if !kind.is_empty() && !subject.is_empty() => {
            Ok(Value::pair(kind, subject))
        }
        _ => Err(
            "a waiver names a rule kind and its subject, as in `[Waive StripSetid:/usr/bin/su]`"
                .into(),
        ),
    }
}
