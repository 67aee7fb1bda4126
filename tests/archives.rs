//! Odd and hostile archives: what the programs that extract archives make of each, and what casehard decides.
//!
//! A decision is held against the programs themselves. docs/archives.md has the table; after a change that is meant,
//! `UPDATE_EXPECT=1 cargo test --test archives` renews it.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use casehard::{Error, OpenOptions, Recipe};
use expect_test::expect_file;

mod support;

#[path = "archives/cases.rs"]
mod cases;

use cases::{Case, Decision, cases};
use support::readers::{NEEDS, READERS, Reading, line, ours, same, view};
use support::tools::{self, RealTest};
use support::updating;

fn main() -> ExitCode {
    tools::main_if(
        // Without, nobody's files are extracted as others' and devices not at all.
        tools::as_root,
        &[RealTest {
            name: "odd_archives_are_read_as_all_do_or_refused",
            needs: &NEEDS,
            run: odd_archives,
        }],
    )
}

/// What casehard says to an archive.
enum Said {
    Refuses(String),
    Reads(std::collections::BTreeMap<Vec<u8>, String>, Vec<String>),
}

fn ask(bytes: &[u8]) -> Said {
    let recipe = Recipe::parse("test", "[Recipe]\nSchema=1\n").expect("the recipe is right");
    let image = match OpenOptions::new().read("odd.tar", bytes) {
        Ok(image) => image,
        Err(Error::Image {
            offset, message, ..
        }) => {
            assert!(offset.is_some(), "no offset: {message}");
            return Said::Refuses(message);
        }
        Err(other) => panic!("{other}"),
    };
    match image.plan(&recipe) {
        Ok(_) => {
            let rootfs = image.rootfs().expect("it could be planned");
            Said::Reads(ours(&image), rootfs.notes().to_vec())
        }
        Err(Error::Image {
            offset, message, ..
        }) => {
            assert!(offset.is_some(), "no offset: {message}");
            Said::Refuses(message)
        }
        Err(other) => panic!("{other}"),
    }
}

fn odd_archives() {
    let only = std::env::var("CASEHARD_CASE").ok();
    let mut wrong = Vec::new();
    let mut rows = String::new();
    for case in cases() {
        if only
            .as_ref()
            .is_some_and(|only| !case.name.contains(only.as_str()))
        {
            continue;
        }
        let readings = read_by_all(&case);
        let said = ask(&case.bytes);
        if let Err(why) = hold(&case, &said, &readings) {
            wrong.push(format!("{}: {why}{}", case.name, shown(&said, &readings)));
        }
        rows += &row(&case, &said, &readings);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if only.is_none() {
        table_is(&rows);
    }
}

fn read_by_all(case: &Case) -> Vec<Reading> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let archive = folder.path().join("odd.tar");
    fs::write(&archive, &case.bytes).expect("the folder is writable");
    READERS
        .iter()
        .map(|reader| reader.read(&archive, &folder.path().join(reader.name())))
        .collect()
}

/// Holds that casehard decided as the case says, and that the programs bear it out.
fn hold(case: &Case, said: &Said, readings: &[Reading]) -> Result<(), String> {
    let agree = |ours: &_| -> Vec<bool> {
        let read = readings.iter().filter(|r| r.error.is_none());
        read.map(|r| same(ours, &view(&r.tree))).collect()
    };
    match (&case.decision, said) {
        (Decision::Refused(why), Said::Refuses(message)) if message.contains(why) => Ok(()),
        (Decision::Alike | Decision::Told(_), Said::Reads(ours, notes))
            if told(&case.decision, notes) =>
        {
            let agree = agree(ours);
            let read = readings.iter().filter(|r| r.error.is_none());
            let mut lines = read.map(|r| line(&view(&r.tree)));
            let first = lines.next();
            match agree.iter().filter(|same| **same).count() {
                0 | 1 => Err("fewer than two programs read it so".to_owned()),
                n if n < agree.len() || lines.any(|other| Some(other) != first) => {
                    Err("a program reads it in another way".to_owned())
                }
                _ => Ok(()),
            }
        }
        (Decision::Noted(why), Said::Reads(ours, notes)) => {
            if !notes.iter().any(|note| note.contains(why)) {
                Err(format!("no such note in {notes:?}"))
            } else if readings.iter().all(|r| r.error.is_none()) && agree(ours).iter().all(|s| *s) {
                Err("all read it alike: nothing to note".to_owned())
            } else {
                Ok(())
            }
        }
        (wanted, _) => Err(format!("not {wanted:?}")),
    }
}

/// Whether the notes are those that an archive has which all read alike.
fn told(decision: &Decision, notes: &[String]) -> bool {
    match (decision, notes) {
        (Decision::Told(why), [note]) => note.contains(why),
        (Decision::Alike, []) => true,
        _ => false,
    }
}

fn shown(said: &Said, readings: &[Reading]) -> String {
    let mut text = match said {
        Said::Refuses(message) => format!("\n  casehard refuses: {message}"),
        Said::Reads(view, notes) => format!("\n  casehard: {} {notes:?}", line(view)),
    };
    for (reader, reading) in READERS.iter().zip(readings) {
        let error = reading.error.as_deref().unwrap_or_default();
        text += &format!(
            "\n  {}: {} {}",
            reader.name(),
            line(&view(&reading.tree)),
            error.trim().replace('\n', " | ")
        );
    }
    text
}

/// A line of the table in docs/archives.md: readers that extract the same have the same letter, and `!` if they fail.
fn row(case: &Case, said: &Said, readings: &[Reading]) -> String {
    let mut seen: Vec<String> = Vec::new();
    let mut letter = |text: String| {
        let at = seen.iter().position(|s| *s == text).unwrap_or_else(|| {
            seen.push(text);
            seen.len() - 1
        });
        ["a", "b", "c", "d", "e"][at]
    };
    let mut cells = String::new();
    for reading in readings {
        let failed = if reading.error.is_some() { "!" } else { "" };
        let read = view(&reading.tree);
        let text = if read.is_empty() && !failed.is_empty() {
            "fails".to_owned()
        } else {
            format!("{}{failed}", letter(line(&read)))
        };
        cells += &format!(" {text} |");
    }
    let decision = match said {
        Said::Refuses(_) => "refused",
        Said::Reads(_, notes) if notes.is_empty() => "read alike",
        Said::Reads(..) => "noted",
    };
    format!("| `{}` | {} |{cells} {decision} |\n", case.name, case.what)
}

fn table_is(rows: &str) {
    const BEGIN: &str = "<!-- odd archives:begin -->\n";
    const END: &str = "<!-- odd archives:end -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/archives.md");
    let text = fs::read_to_string(&path).expect("docs/archives.md is there");
    let (before, rest) = text.split_once(BEGIN).expect("the table begins");
    let (table, after) = rest.split_once(END).expect("the table ends");
    let heads = "| Case | What is odd | GNU tar | bsdtar | Go | Python | casehard |\n|---|---|---|---|---|---|---|\n";
    let wanted = format!("{heads}{rows}");
    // What the programs do changes with their versions; which cases there are and what is decided does not.
    if updating() || decided(table) != decided(&wanted) {
        expect_file![path].assert_eq(&format!("{before}{BEGIN}{wanted}{END}{after}"));
    }
}

/// The first column of each row and the last.
fn decided(table: &str) -> Vec<(&str, &str)> {
    let rows = table.lines().map(|line| line.trim_matches(['|', ' ']));
    rows.filter_map(|row| Some((row.split_once(" | ")?.0, row.rsplit_once(" | ")?.1)))
        .collect()
}
