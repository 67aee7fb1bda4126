//! What a rule kind accepts: the one table that parses recipes, prints help and writes the reference.

use std::fmt;

use super::value::Check;

/// One rule kind, as recipes write it.
#[derive(Debug)]
pub struct RuleSchema {
    /// The section's first word, such as `Mask`.
    pub kind: &'static str,
    /// What follows the kind inside the brackets, if anything does.
    pub argument: Option<ArgumentSchema>,
    /// One line: what is so once the rule holds.
    pub summary: &'static str,
    /// Paragraphs of Markdown: what the rule does, and what it leaves alone.
    pub about: &'static str,
    /// The keys of its own. `Reason`, `Reference` and `OnMissing` belong to every rule and are not listed.
    pub keys: &'static [KeySchema],
    /// Whether a section without any of them says nothing.
    pub needs_a_key: bool,
    /// Whether it takes keys of the form `Section.Key` too.
    pub open_keys: Option<OpenKeys>,
    /// What happens by default if nothing that the rule names is in the image.
    pub on_missing: OnMissing,
    /// What `OnMissing=` takes beyond `fail`, `warn` and `skip`.
    pub extra_on_missing: &'static [OnMissing],
    /// What a waiver of the rule names.
    pub waived: Option<Waivable>,
    /// Sections as a recipe would have them, without `[Recipe]`.
    pub example: &'static str,
}

impl RuleSchema {
    /// Every value that `OnMissing=` takes in this rule.
    pub fn on_missing_values(&self) -> impl Iterator<Item = OnMissing> + '_ {
        [OnMissing::Fail, OnMissing::Warn, OnMissing::Skip]
            .into_iter()
            .chain(self.extra_on_missing.iter().copied())
    }

    /// How the section's header is written: `[Mask UNIT]`.
    pub fn usage(&self) -> String {
        match &self.argument {
            Some(argument) => format!("[{} {}]", self.kind, argument.name),
            None => format!("[{}]", self.kind),
        }
    }

    /// What a waiver of the rule names, as a sentence in Markdown.
    pub(super) fn waiver(&self) -> Option<String> {
        let Waivable { what, example } = self.waived.as_ref()?;
        Some(format!(
            "A waiver names {what}: `[Waive {}:{example}]`.",
            self.kind
        ))
    }

    pub(super) fn key(&self, name: &str) -> Option<&'static KeySchema> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// What a waiver names of a rule, after the kind and a colon.
#[derive(Debug)]
pub struct Waivable {
    /// What it is, such as `the unit`.
    pub what: &'static str,
    /// One that the rule's example could have.
    pub example: &'static str,
}

/// What follows the kind in a section's header.
#[derive(Debug)]
pub struct ArgumentSchema {
    /// How the documentation writes it, such as `UNIT`.
    pub name: &'static str,
    /// What it may be.
    pub check: Check,
    /// What it stands for.
    pub about: &'static str,
}

/// One key of a section.
#[derive(Debug)]
pub struct KeySchema {
    /// The word before the `=`.
    pub name: &'static str,
    /// How the documentation writes the value, such as `PATH|GLOB`.
    pub value: &'static str,
    /// What the value may be.
    pub check: Check,
    /// Whether a repeated key appends; if not, it may be given once.
    pub list: bool,
    /// Whether the section makes no sense without it.
    pub required: bool,
    /// What it does.
    pub about: &'static str,
}

/// Keys that are not known by name: `Section.Key`, with values kept as they stand.
///
/// They may repeat, and an empty value is a value: it does not reset what stands before it.
#[derive(Debug)]
pub struct OpenKeys {
    /// How the documentation writes the key, such as `Section.Key`.
    pub name: &'static str,
    /// How the documentation writes the value.
    pub value: &'static str,
    /// What such a key does.
    pub about: &'static str,
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
    /// The word that a recipe writes.
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
    KeySchema {
        name: "Reason",
        value: "TEXT",
        check: Check::Text,
        list: false,
        required: false,
        about: "Why the rule is there; every report repeats it.",
    },
    KeySchema {
        name: "Reference",
        value: "TEXT",
        check: Check::Text,
        list: false,
        required: false,
        about: "Where the demand comes from: a guide's section, a policy's number, an address.",
    },
];

/// What `OnMissing=` does, for help and reference.
pub(super) const ON_MISSING_ABOUT: &str =
    "What happens if nothing that the rule names is in the image.";

/// The keys of `[Recipe]`.
pub(super) static RECIPE: &[KeySchema] = &[
    KeySchema {
        name: "Schema",
        value: "1",
        check: Check::Text,
        list: false,
        required: true,
        about: "The version of the language.",
    },
    KeySchema {
        name: "Summary",
        value: "TEXT",
        check: Check::Text,
        list: false,
        required: false,
        about: "One line that says what the recipe is for.",
    },
    KeySchema {
        name: "Extends",
        value: "RECIPE",
        check: Check::Text,
        list: true,
        required: false,
        about: "A recipe beside this one, or a shipped one, that this one adds to.",
    },
];

/// The keys of `[Match]`.
pub(super) static MATCH: &[KeySchema] = &[KeySchema {
    name: "OsId",
    value: "ID",
    check: Check::Text,
    list: true,
    required: false,
    about: "An `ID` of os-release that the recipe is meant for.",
}];

/// A waiver is read like a rule, but has keys of its own only.
pub(super) static WAIVE: RuleSchema = RuleSchema {
    kind: "Waive",
    argument: Some(ArgumentSchema {
        name: "KIND:SUBJECT",
        check: Check::Custom(waived),
        about: "The rule kind, and what it would have changed.",
    }),
    summary: "What a rule may leave open, until when and why",
    about: "",
    keys: &[
        KeySchema {
            name: "Reason",
            value: "TEXT",
            check: Check::Text,
            list: false,
            required: true,
            about: "Why it is left open.",
        },
        KeySchema {
            name: "Owner",
            value: "TEXT",
            check: Check::Text,
            list: false,
            required: false,
            about: "Who answers for it.",
        },
        KeySchema {
            name: "Expires",
            value: "YYYY-MM-DD",
            check: Check::Date,
            list: false,
            required: true,
            about: "The last day on which it holds.",
        },
    ],
    needs_a_key: false,
    open_keys: None,
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    waived: None,
    example: "",
};

fn waived(text: &str) -> Result<(), String> {
    match text.split_once(':') {
        Some((kind, subject)) if !kind.is_empty() && !subject.is_empty() => Ok(()),
        _ => Err(
            "a waiver names a rule kind and its subject, as in `[Waive StripSetid:/usr/bin/su]`"
                .to_owned(),
        ),
    }
}
