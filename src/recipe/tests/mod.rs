//! Tests of the language, against a table of rule kinds of their own.

mod combine;
mod files;
mod lines;
mod mistakes;
mod reading;
mod values;

use super::schema::{ArgumentSchema, KeySchema, OnMissing, OpenKeys, RuleSchema};
use super::{Check, Loader, Recipe, Shipped};
use crate::error::Error;

static KINDS: &[&RuleSchema] = &[&MASK, &DROP_IN, &GROUPS, &SETID, &PERMISSIONS];

static MASK: RuleSchema = RuleSchema {
    kind: "Mask",
    argument: Some(ArgumentSchema {
        name: "UNIT",
        check: Check::Unit,
        about: "A unit, a template or a glob.",
    }),
    summary: "The unit cannot be started",
    about: "A link to `/dev/null` takes the unit's place in `/etc`, so that no dependency, no timer and no socket \
            starts it.\n\nSecond paragraph.",
    keys: &[],
    needs_a_key: false,
    open_keys: None,
    on_missing: OnMissing::Fail,
    extra_on_missing: &[OnMissing::Mask],
    waived: None,
    example: "[Mask sshd.socket]\nReason=nobody logs in\n",
};

static DROP_IN: RuleSchema = RuleSchema {
    kind: "DropIn",
    argument: Some(ArgumentSchema {
        name: "UNIT/NAME.conf",
        check: Check::DropIn,
        about: "A unit and a file.",
    }),
    summary: "The unit has these settings",
    about: "",
    keys: &[],
    needs_a_key: false,
    open_keys: Some(OpenKeys {
        name: "Section.Key",
        value: "VALUE",
        about: "A setting.",
    }),
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    waived: None,
    example: "[DropIn a.socket/10-x.conf]\nSocket.SocketMode=0600",
};

static GROUPS: RuleSchema = RuleSchema {
    kind: "RemoveFromGroups",
    argument: Some(ArgumentSchema {
        name: "USER",
        check: Check::AccountName,
        about: "A user.",
    }),
    summary: "The user is no member of these groups",
    about: "",
    keys: &[KeySchema {
        name: "Group",
        value: "NAME",
        check: Check::AccountName,
        list: true,
        required: true,
        about: "A group.",
    }],
    needs_a_key: false,
    open_keys: None,
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    waived: None,
    example: "",
};

static SETID: RuleSchema = RuleSchema {
    kind: "StripSetid",
    argument: None,
    summary: "No program changes its user by who owns it",
    about: "",
    keys: &[
        KeySchema {
            name: "Keep",
            value: "PATH|GLOB",
            check: Check::PathOrGlob,
            list: true,
            required: false,
            about: "A program that is left as it is.",
        },
        KeySchema {
            name: "Capabilities",
            value: "strip|keep",
            check: Check::OneOf(&["strip", "keep"]),
            list: false,
            required: false,
            about: "What becomes of file capabilities.",
        },
    ],
    needs_a_key: false,
    open_keys: None,
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    waived: None,
    example: "[StripSetid]\nKeep=/usr/bin/sudo",
};

static PERMISSIONS: RuleSchema = RuleSchema {
    kind: "Permissions",
    argument: Some(ArgumentSchema {
        name: "PATH",
        check: Check::AbsolutePath,
        about: "A path.",
    }),
    summary: "The file has these permissions",
    about: "",
    keys: &[KeySchema {
        name: "Mode",
        value: "MODE",
        check: Check::Mode,
        list: false,
        required: false,
        about: "In octal.",
    }],
    needs_a_key: true,
    open_keys: None,
    on_missing: OnMissing::Warn,
    extra_on_missing: &[],
    waived: None,
    example: "",
};

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
