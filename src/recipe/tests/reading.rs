//! What is read from a text without mistakes.

use proptest::prelude::*;

use super::super::help::{markdown, text as help};
use super::super::{OnMissing, Shipped};
use super::{DROP_IN, KINDS, LOADER, MASK, SETID, check, headed, recipe, shown};

#[test]
fn sections_are_rules() {
    let recipe = recipe(
        "Summary=all of it\n\n[Match]\nOsId=coreos\nOsId=flatcar\n\n\
         # a comment\n  ; another = one\n\
         [Mask sshd.socket]\nReason=nobody logs in\nReference=the guide, § 3\nOnMissing=mask\n\
         [StripSetid]\nKeep=/usr/bin/sudo\nKeep=/bin/su\nCapabilities=keep\n\
         [ Permissions   /etc/a b ]\n  Mode  =  0644  \n\
         [Waive StripSetid:/bin/su:x]\nReason=break glass\nOwner=platform\nExpires=2026-12-31\n",
    );
    assert_eq!(
        shown(&recipe),
        "Mask sshd.socket because \"nobody logs in\" see \"the guide, § 3\" (mask)\n\
         StripSetid Keep=/usr/bin/sudo Keep=/bin/su Capabilities=keep (fail)\n\
         Permissions /etc/a b Mode=0644 (warn)\n"
    );
    assert_eq!(recipe.summary(), Some("all of it"));
    assert_eq!(recipe.os_ids(), ["coreos", "flatcar"]);
    assert_eq!(recipe.name(), "r.ini");
    assert_eq!(recipe.sources().len(), 1);

    let [_, setid, permissions] = recipe.rules() else {
        panic!("{:?}", recipe.rules())
    };
    let settings = setid.settings.iter();
    assert_eq!(
        settings.map(|s| s.value.as_str()).collect::<Vec<_>>(),
        ["/usr/bin/sudo", "/bin/su", "keep"]
    );
    let place = &permissions.settings[0].at;
    assert_eq!(&place.source.text[place.start..place.end], "Mode  =  0644");
    assert_eq!((place.line(), place.column()), (20, 3));

    let [waiver] = recipe.waivers() else {
        panic!("{:?}", recipe.waivers())
    };
    assert_eq!(
        (&*waiver.kind, &*waiver.subject),
        ("StripSetid", "/bin/su:x")
    );
    assert_eq!(
        (&*waiver.reason, waiver.owner.as_deref()),
        ("break glass", Some("platform"))
    );
    assert_eq!(waiver.expires.to_string(), "2026-12-31");
}

#[test]
fn an_empty_value_resets() {
    let recipe = recipe(
        "[StripSetid]\nKeep=/a\nKeep=\nKeep=/b\nCapabilities=\nReason=\nOnMissing=\n\
         [Match]\nOsId=a\nOsId=\nOsId=b",
    );
    assert_eq!(shown(&recipe), "StripSetid Keep=/b (fail)\n");
    assert_eq!(recipe.os_ids(), ["b"]);
}

#[test]
fn values_of_open_keys_are_kept_as_they_stand() {
    let recipe = recipe(
        "[DropIn a.service/x.conf]\nService.ExecStart=\n\
         Service.ExecStart=/bin/x \"a b\" 'c' \\x2d $${OPTIONS} $HOME # no comment\n\
         Service.Environment=A=1:2;3\nService.ExecStart=/bin/y \\\nUnit.X-Y_z=",
    );
    assert_eq!(
        shown(&recipe),
        "DropIn a.service/x.conf Service.ExecStart= \
         Service.ExecStart=/bin/x \"a b\" 'c' \\x2d ${OPTIONS} $HOME # no comment \
         Service.Environment=A=1:2;3 Service.ExecStart=/bin/y \\ Unit.X-Y_z= (fail)\n"
    );
}

#[test]
fn a_section_that_repeats_is_another_rule() {
    assert_eq!(
        shown(&recipe(
            "[RemoveFromGroups core]\nGroup=wheel\nReason=a\n[RemoveFromGroups core]\nGroup=rkt\nReason=b"
        )),
        "RemoveFromGroups core Group=wheel because \"a\" (fail)\n\
         RemoveFromGroups core Group=rkt because \"b\" (fail)\n"
    );
}

#[test]
fn ends_of_lines_and_a_byte_order_mark_do_not_matter() {
    for text in [
        "\u{feff}[Recipe]\nSchema=1\n[Mask a.service]\nReason=x",
        "\u{feff}[Recipe]\r\nSchema=1\r\n\r\n[Mask a.service]\r\nReason=x\r\n",
        "\n\n[Recipe]\nSchema=1\n\t[Mask\ta.service]\n\tReason\t=\tx",
        "\u{feff}# first\n[Recipe]\nSchema=1\n[Mask a.service]\nReason=x\n",
    ] {
        let recipe = LOADER.parse("r.ini", text).unwrap();
        assert_eq!(
            shown(&recipe),
            "Mask a.service because \"x\" (fail)\n",
            "{text:?}"
        );
        let at = &recipe.rules()[0].at;
        assert!(at.source.text[at.start..at.end].starts_with("[Mask"));
    }
}

#[test]
fn parameters_are_filled_in_once() {
    let text = "[Params]\nUser=core\nTwice=$${User}\nNone=\n\
                [RemoveFromGroups ${User}]\nGroup=x${User}-${User}\nReason=$ $$ $x ${Twice} $$${User} ${None}.\n";
    assert_eq!(
        shown(&recipe(text)),
        "RemoveFromGroups core Group=xcore-core because \"$ $$ $x ${User} $${User} .\" (fail)\n"
    );
}

#[test]
fn parameters_can_be_set() {
    let sets = [("User".to_owned(), "root".to_owned())];
    let loader = super::Loader {
        sets: &sets,
        ..LOADER
    };
    let text = headed("[Params]\nUser=core\n[RemoveFromGroups ${User}]\nGroup=wheel");
    assert_eq!(
        shown(&loader.parse("r.ini", &text).unwrap()),
        "RemoveFromGroups root Group=wheel (fail)\n"
    );
    for (name, value, expected) in [
        (
            "Usr",
            "x",
            "no recipe has a parameter `Usr`: did you mean `User`?",
        ),
        (
            "User",
            "a\nb",
            "the value for `User` is not one line of text",
        ),
    ] {
        let sets = [(name.to_owned(), value.to_owned())];
        let loader = super::Loader {
            sets: &sets,
            ..LOADER
        };
        assert_eq!(
            loader.parse("r.ini", &text).unwrap_err().to_string(),
            expected
        );
    }
    // The place is the one that uses it, but the mistake is not the recipe's.
    let sets = [("User".to_owned(), "a b".to_owned())];
    let loader = super::Loader {
        sets: &sets,
        ..LOADER
    };
    assert_eq!(
        loader.parse("r.ini", &text).unwrap_err().to_string(),
        "r.ini:5:19: `a b` is not a name of a user or group: it contains ` ` (with `User` as the caller set it) \
         (help: one value is one name: write a line each for `a`, `b`)"
    );
}

#[test]
fn help_is_written_from_the_table() {
    assert_eq!(
        help(&MASK),
        "\
[Mask UNIT]
    The unit cannot be started

A link to `/dev/null` takes the unit's place in `/etc`, so that no dependency,
no timer and no socket starts it.

Second paragraph.

Argument:
  UNIT
      A unit, a template or a glob.

Keys:
  Reason=TEXT
      Why the rule is there; every report repeats it.
  Reference=TEXT
      Where the demand comes from: a guide's section, a policy's number, an
      address.
  OnMissing=fail|warn|skip|mask  (default fail)
      What happens if nothing that the rule names is in the image.

Example:
    [Mask sshd.socket]
    Reason=nobody logs in
"
    );
    assert!(help(&DROP_IN).contains("  Section.Key=VALUE  (may repeat)\n"));
}

#[test]
fn the_reference_is_written_from_the_table() {
    let text = markdown(&SETID);
    assert!(
        text.starts_with("### `[StripSetid]`\n\nNo program changes its user by who owns it.\n")
    );
    assert!(
        text.contains(
            "| `Keep` | `PATH\\|GLOB` | may repeat | A program that is left as it is. |\n"
        )
    );
    assert!(text.contains("| `OnMissing` | `fail\\|warn\\|skip` | default fail |"));
    assert!(text.ends_with("```ini\n[StripSetid]\nKeep=/usr/bin/sudo\n```\n"));
}

#[test]
fn the_documentations_examples_are_read() {
    let (text, _) = include_str!("../../../docs/recipes.md")
        .split_once("<!-- rules:begin -->")
        .unwrap();
    let loader = super::Loader {
        library: &[Shipped {
            name: "unprivileged-core",
            text: "[Recipe]\nSchema=1\n[RemoveFromGroups core]\nGroup=wheel\n[RemoveFromGroups admin]\nGroup=docker\n",
        }],
        ..LOADER
    };
    let examples: Vec<_> = text.split("```ini\n").skip(1).collect();
    assert!(examples.len() > 3);
    for example in examples {
        let (example, _) = example.split_once("```").unwrap();
        let whole = example.starts_with("[Recipe]");
        let example = if whole {
            example.to_owned()
        } else {
            headed(example)
        };
        if let Err(error) = loader.parse("example", &example) {
            panic!("{error}\nin\n{example}");
        }
    }
}

#[test]
fn the_tables_own_examples_are_read() {
    for kind in KINDS {
        check(kind.example, "");
    }
    let word: Vec<_> = MASK.on_missing_values().map(OnMissing::as_str).collect();
    assert_eq!(word, ["fail", "warn", "skip", "mask"]);
}

/// Lines that are nearly right find more than noise does.
fn line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("[Recipe]"),
        Just("Schema=1"),
        Just("Extends=base"),
        Just("[Params]"),
        Just("[Match]"),
        Just("[Mask "),
        Just("[StripSetid]"),
        Just("[Waive Mask:"),
        Just("[DropIn a.socket/"),
        Just("Keep="),
        Just("Group="),
        Just("Reason="),
        Just("OnMissing="),
        Just("Expires=2026-01-01"),
        Just("${"),
        Just("}"),
        Just("$"),
        Just("User"),
        Just("]"),
        Just("["),
        Just("="),
        Just(":"),
        Just("\\"),
        Just("a.service"),
        Just("x.conf"),
        Just("/"),
        Just("*"),
        Just("\u{feff}"),
        Just("\r"),
        Just("\0"),
        Just(" "),
        Just("\t"),
        Just("#"),
        Just(";"),
        Just("ö"),
        Just("\u{2028}"),
        Just("\u{85}"),
        Just("\n"),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = LOADER.parse("r.ini", &text).map_err(|error| error.to_string());
        let _ = LOADER.parse("r.ini", &headed(&text)).map_err(|error| error.to_string());
    }

    #[test]
    fn no_lines_make_it_panic(lines in proptest::collection::vec(line(), 0..12)) {
        let text = lines.join("\n");
        let _ = LOADER.parse("r.ini", &text).map_err(|error| error.to_string());
        let _ = LOADER.parse("r.ini", &headed(&text)).map_err(|error| error.to_string());
    }
}
