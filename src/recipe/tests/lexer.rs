//! The lexer and an INI parser read the same.

use std::sync::Arc;

use ini::{Ini, ParseOption};
use proptest::prelude::*;

use super::super::lexer;
use crate::error::Source;

type Sections = Vec<(String, Vec<(String, String)>)>;

fn indexed(text: &str) -> (Sections, Vec<String>) {
    let source = Arc::new(Source::new("r.ini", text));
    let mut mistakes = Vec::new();
    let sections = lexer::read(&source, &mut mistakes);
    for section in &sections {
        for placed in section
            .properties
            .iter()
            .flat_map(|p| [&p.key, &p.value])
            .chain([&section.name])
        {
            assert_eq!(source.text[placed.at.start..placed.at.end], placed.text);
        }
    }
    let sections = sections.into_iter().map(|section| {
        let properties = section.properties.into_iter();
        let properties = properties.map(|p| (p.key.text, p.value.text)).collect();
        (section.name.text, properties)
    });
    (
        sections.collect(),
        mistakes.iter().map(ToString::to_string).collect(),
    )
}

/// What `rust-ini` reads.
fn parsed(text: &str) -> Sections {
    let options = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        enabled_indented_mutiline_value: false,
        enabled_preserve_key_leading_whitespace: false,
    };
    let ini = Ini::load_from_str_opt(text, options).unwrap();
    let sections = ini.iter().filter_map(|(name, properties)| {
        let properties = properties.iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
        Some((name?.to_owned(), properties.collect()))
    });
    sections.collect()
}

/// The same without comments and blanks, and with ends of lines that a `\\` before them does not swallow.
fn canonical(sections: &Sections) -> String {
    let mut text = String::new();
    for (name, properties) in sections {
        text += &format!("[{name}]\r\n");
        for (key, value) in properties {
            text += &format!("{key}={value}\r\n");
        }
    }
    text
}

#[test]
fn repeated_sections_and_keys_keep_their_order() {
    let text = "[a]\nx=1\ny=2\nx=3\n[b]\nx=4\n[a]\nx=5\n[b]\n";
    let (sections, mistakes) = indexed(text);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    assert_eq!(sections, parsed(text));
    let names: Vec<_> = sections.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "a", "b"]);
}

#[test]
fn a_backslash_does_not_join_lines() {
    let (sections, mistakes) = indexed("[a]\nx=1 \\\ny=2 \\\\\nz=3\\");
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let values: Vec<_> = sections[0]
        .1
        .iter()
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(values, ["1 \\", "2 \\\\", "3\\"]);
}

/// A line that both know, as no `\` ends it and no comment is indented.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[#;][ -~]{0,12}".prop_map(|comment| comment),
        r"\[ ?[a-zA-Z][a-zA-Z0-9 /@.*?\[=:#;]{0,12} ?\]",
        r#"[a-zA-Z][a-zA-Z0-9 ._-]{0,8}[ \t]?=[ \t]?[ -\[\]-~äöü]{0,12}"#,
    ]
}

proptest! {
    #[test]
    fn plain_texts_are_read_alike(
        lines in proptest::collection::vec(line(), 0..20),
        end in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let text = format!("[first]{end}{}", lines.join(end));
        let (sections, mistakes) = indexed(&text);
        prop_assert_eq!(mistakes, Vec::<String>::new());
        prop_assert_eq!(sections, parsed(&text));
    }

    #[test]
    fn what_the_lexer_accepts_has_one_reading(text in "([ \t]?[\\[\\]=:;#\\\\\"'aB. \u{85}\u{2028}\u{feff}]{0,10}\r?\n){0,12}") {
        let (sections, _) = indexed(&text);
        prop_assert_eq!(&parsed(&canonical(&sections)), &sections);
    }
}
