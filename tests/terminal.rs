//! What a terminal is sent, judged on a terminal that `script` makes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::process::ExitCode;

mod support;

use support::rootfs::{Files, archive};
use support::tools::{self, RealTest, SCRIPT};

fn main() -> ExitCode {
    tools::main(&[
        RealTest {
            name: "no_format_steers_a_terminal",
            needs: &[SCRIPT],
            run: no_format_steers_a_terminal,
        },
        RealTest {
            name: "only_the_text_for_terminals_is_coloured",
            needs: &[SCRIPT],
            run: only_text_is_coloured,
        },
    ])
}

/// What casehard writes to a terminal about an image whose names and lines would steer one.
fn shown(options: &str) -> String {
    let hostile = [
        "\u{1b}[2Jcleared",
        "\u{1b}]0;title\u{7}",
        "right\u{202e}tfel",
        "c1\u{9b}31m",
        "over\rwritten",
        "line\u{2028}separator",
    ];
    let mut files = Files::new();
    for (at, text) in hostile.iter().enumerate() {
        files.insert(format!("bin/{text}"), (0o4755, b"\x7fELF\0".to_vec()));
        let lines = format!("{}\r\n", text.replace(['\u{1b}', '\u{7}', '\u{9b}'], ""));
        files.insert(format!("gone/{at}"), (0o644, lines.into_bytes()));
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("image.tar"), archive(&files)).unwrap();
    let recipe = "[Recipe]\nSchema=1\n[StripSetid]\n[Remove /gone]\n";
    fs::write(folder.path().join("site.ini"), recipe).unwrap();
    let casehard = env!("CARGO_BIN_EXE_casehard");
    let line = format!("{casehard} check image.tar -r site.ini {options}");
    let output = SCRIPT
        .command()
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(folder.path())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text:?}");
    // The terminal itself ends lines so.
    text.replace("\r\n", "\n")
}

/// The text without what switches colours, and whether there was any.
fn colourless(text: &str) -> (String, bool) {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    let mut coloured = false;
    for part in parts {
        let (code, rest) = part.split_once('m').unwrap_or(("?", part));
        assert!(code.parse::<u8>().is_ok(), "{part:?}");
        coloured = true;
        plain += rest;
    }
    (plain, coloured)
}

fn no_format_steers_a_terminal() {
    let options =
        casehard::report::Format::ALL.map(|format| format!("--quiet --format {}", format.name()));
    let others = ["", "--quiet --diff -", "--quiet --report -"].map(str::to_owned);
    for options in options.iter().chain(&others) {
        let (text, _) = colourless(&shown(options));
        let obeyed = |c: &char| {
            c.is_control() && !matches!(c, '\n' | '\t')
                || matches!(c, '\u{2028}' | '\u{202a}'..='\u{202e}')
        };
        assert_eq!(text.chars().find(obeyed), None, "{options}: {text:?}");
        // SARIF says what stays open or failed, which is nothing here; the summary says how much.
        let names = !options.is_empty() && !options.ends_with("sarif");
        assert!(!names || text.contains("cleared"), "{options}: {text}");
    }
}

fn only_text_is_coloured() {
    for format in casehard::report::Format::ALL {
        let text = shown(&format!("--quiet --format {}", format.name()));
        assert_eq!(colourless(&text).1, format.is_for_terminals(), "{format:?}");
        let text = shown(&format!("--quiet --color never --format {}", format.name()));
        assert!(!colourless(&text).1, "{format:?}");
    }
}
