//! Tests of the language, against a table of rule kinds of their own.

mod combine;
mod files;
mod lexer;
mod mistakes;
mod reading;
mod values;

use super::{Check, Fields, KeySchema, Loader, OnMissing, Recipe, Rule, RuleKind, Shipped, value};
use crate::edit::{Applied, Draft};
use crate::error::Error;

static KINDS: &[&RuleKind] = &[&MASK, &DROP_IN, &GROUPS, &SETID, &PERMISSIONS];

static MASK: RuleKind = RuleKind {
    name: "Mask",
    argument: Some(
        KeySchema::argument("UNIT", Check::Is(value::unit)).about("A unit, a template or a glob."),
    ),
    summary: "The unit cannot be started",
    about: "A link to `/dev/null` takes the unit's place in `/etc`, so that no dependency, no timer and no socket \
            starts it.\n\nSecond paragraph.",
    extra_on_missing: &[OnMissing::Mask],
    example: "[Mask sshd.socket]\nReason=nobody logs in\n",
    ..RuleKind::of::<Nothing>()
};

static DROP_IN: RuleKind = RuleKind {
    name: "DropIn",
    argument: Some(
        KeySchema::argument("UNIT/NAME.conf", Check::Is(value::drop_in))
            .about("A unit and a file."),
    ),
    summary: "The unit has these settings",
    open_keys: Some(
        KeySchema::new("Section.Key", "VALUE", Check::Verbatim)
            .list()
            .about("A setting."),
    ),
    example: "[DropIn a.socket/10-x.conf]\nSocket.SocketMode=0600",
    ..RuleKind::of::<Nothing>()
};

static GROUPS: RuleKind = RuleKind {
    name: "RemoveFromGroups",
    argument: Some(KeySchema::argument("USER", Check::Is(value::account_name)).about("A user.")),
    summary: "The user is no member of these groups",
    keys: &[
        KeySchema::new("Group", "NAME", Check::Is(value::account_name))
            .list()
            .required()
            .about("A group."),
    ],
    example: "",
    ..RuleKind::of::<Nothing>()
};

static SETID: RuleKind = RuleKind {
    name: "StripSetid",
    summary: "No program changes its user by who owns it",
    keys: &[
        KeySchema::new("Keep", "PATH|GLOB", Check::Is(value::path_or_glob))
            .list()
            .about("A program that is left as it is."),
        KeySchema::new(
            "Capabilities",
            "strip|keep",
            Check::OneOf(&["strip", "keep"]),
        )
        .about("What becomes of file capabilities."),
    ],
    example: "[StripSetid]\nKeep=/usr/bin/sudo",
    ..RuleKind::of::<Nothing>()
};

static PERMISSIONS: RuleKind = RuleKind {
    name: "Permissions",
    argument: Some(KeySchema::argument("PATH", Check::Is(value::absolute_path)).about("A path.")),
    summary: "The file has these permissions",
    keys: &[KeySchema::new("Mode", "MODE", Check::Is(value::mode)).about("In octal.")],
    needs_a_key: true,
    on_missing: OnMissing::Warn,
    example: "",
    ..RuleKind::of::<Nothing>()
};

/// A rule that is never applied.
#[derive(Debug)]
struct Nothing;

impl Rule for Nothing {
    fn parse(_: &Fields<'_>) -> Self {
        Self
    }

    fn apply(&self, _: &mut Draft<'_>) -> Applied {
        unreachable!("the language applies no rule")
    }
}

static LIBRARY: &[Shipped] = &[
    Shipped {
        name: "base",
        text: "[Recipe]\nSchema=1\nSummary=base\n[Match]\nOsId=debian\n[Params]\nUser=core\n\
               [RemoveFromGroups ${User}]\nReason=least privilege\nGroup=wheel\nGroup=docker\n\
               [Permissions /etc/shadow]\nMode=0640\nOnMissing=fail\n",
    },
    Shipped {
        name: "coreos-hardening",
        text: "[Recipe]\nSchema=1\nExtends=base\n[Mask sshd.socket]\n",
    },
];

const LOADER: Loader<'_> = Loader {
    kinds: KINDS,
    library: LIBRARY,
    sets: &[],
};

/// A text with the lines that every recipe starts with.
fn headed(text: &str) -> String {
    format!("[Recipe]\nSchema=1\n{text}")
}

#[track_caller]
fn recipe(text: &str) -> Recipe {
    match LOADER.parse("r.ini", &headed(text)) {
        Ok(recipe) => recipe,
        Err(error) => panic!("{error}\nin\n{text}"),
    }
}

/// The rules, one a line, settings and what else was given after them.
fn shown(recipe: &Recipe) -> String {
    let mut text = String::new();
    for rule in recipe.rules() {
        text += &rule.label();
        for setting in &rule.settings {
            text += &format!(" {}={}", setting.key, setting.value);
        }
        for (name, value) in [("because", &rule.reason), ("see", &rule.reference)] {
            if let Some(value) = value {
                text += &format!(" {name} {value:?}");
            }
        }
        text += &format!(" ({})\n", rule.on_missing);
    }
    text
}

/// The mistakes of a text, with its first two lines put before it.
#[track_caller]
fn check(text: &str, expected: &str) {
    check_whole(&headed(text), expected);
}

#[track_caller]
fn check_whole(text: &str, expected: &str) {
    let found = match LOADER.parse("r.ini", text) {
        Ok(_) => String::new(),
        Err(Error::Recipe(mistakes)) => {
            let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            lines.join("\n")
        }
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(found, expected, "in\n{text}");
}
