//! Comparisons of small images in the formats of reports.

use serde_json::Value;

use super::super::view::{Bounds, Status, Tone};
use super::super::{Format, html, markdown};
use crate::diff::CompareOptions;
use crate::diff::tests::{NEW, OLD};
use crate::rules::harness::open;

fn written(old: &str, new: &str, format: Format) -> String {
    let (old, new) = (open(old), open(new));
    let mut out = Vec::new();
    let comparison = old.compare(&new).unwrap();
    comparison.write(format, &mut out, false).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_format_tells_of_a_comparison() {
    for format in Format::ALL {
        let text = written(OLD, NEW, format);
        assert!(text.contains("4755 0:0"), "{format:?}: {text}");
        if format != Format::Sarif {
            for path in ["gone", "else/where", "moved", "null", "owner"] {
                assert!(text.contains(path), "{format:?} has no {path}: {text}");
            }
        }
        assert!(!written(OLD, OLD, format).is_empty(), "{format:?}");
    }
}

#[test]
fn people_see_what_each_path_came_to() {
    let (old, new) = (open(OLD), open(NEW));
    let view = old.compare(&new).unwrap().view().unwrap();
    let (title, tone) = (&view.verdict.title, view.verdict.tone);
    assert_eq!((&title[..], tone), ("Different", Tone::Changes));
    let sentence = &view.verdict.sentence;
    assert!(
        sentence.ends_with("1 privilege is new or different."),
        "{sentence}"
    );
    let said: Vec<_> = view
        .files
        .iter()
        .map(|file| format!("{} {}: {}", file.status.sign(), file.name.path, file.brief))
        .collect();
    let want = "~ attr: xattr SCHILY.acl.access mask::rw-,user::rw-,user:core:rw- → none, xattr user.a old → new
~ bin: other content
~ cap: capabilities cap_net_raw=ep → none
~ d: mode 0755 (rwxr-xr-x) → 0700 (rwx------)
+ else: new directory, without an entry that says its mode and owner
> else/where: was /moved, mode 0644 (rw-r--r--) → 0600 (rw-------)
- gone: removed file, 0644 (rw-r--r--)
~ kept: +1 −1
~ mode: mode 0644 (rw-r--r--) → 4755 (rwsr-xr-x)
+ new: new file, 0644 (rw-r--r--), +1 −0
~ null: char-device 1:3 → char-device 1:5
~ one: one file with /two → /three
~ owner: owner 0:0 → 1:2
~ target: link to old → new
~ three: one file with none → /one
~ two: one file with /one → none
~ type: file → link to d";
    assert_eq!(said.join("\n"), want);
    let bin = &view.files[1];
    assert!(bin.facts[0].starts_with("held 3000 bytes, sha256 658bfb"));
    assert!(bin.facts[1].starts_with("holds 3001 bytes, sha256 21a779"));
    let surface: Vec<_> = view
        .surface
        .iter()
        .map(|part| (part.kind.name(), part.before, part.after))
        .collect();
    assert_eq!(surface, [("set-id", 0, 1), ("capability", 1, 0)]);

    let same = old.compare(&old).unwrap().view().unwrap();
    assert_eq!(
        (&same.verdict.title[..], same.verdict.tone),
        ("Same", Tone::Good)
    );
    assert!(same.files.is_empty() && same.surface.is_empty());
}

#[test]
fn filters_hold_for_people_too() {
    let (old, new) = (open(OLD), open(NEW));
    let options = CompareOptions::new().kind("mode").unwrap();
    let view = old.compare_with(&new, &options).unwrap().view().unwrap();
    let paths: Vec<_> = view.files.iter().map(|file| &file.name.path[..]).collect();
    assert_eq!(paths, ["d", "else/where", "mode"]);
    assert!(view.surface.is_empty());
    assert!(view.files.iter().all(|file| file.hunks.is_empty()));
}

#[test]
fn the_names_of_one_file_are_told_of_once() {
    let old = "file a\n| old\nhardlink b -> a\nhardlink c -> a\n";
    let (old, new) = (open(old), open(&old.replace("old", "new")));
    let view = old.compare(&new).unwrap().view().unwrap();
    let [file] = &view.files[..] else {
        panic!("{} files", view.files.len())
    };
    let twins: Vec<_> = file.twins.iter().map(|twin| &twin.path[..]).collect();
    assert_eq!((&file.name.path[..], &twins[..]), ("a", &["b", "c"][..]));
    assert_eq!((view.paths, file.lines), (3, (1, 1)));
}

#[test]
fn what_would_fill_memory_is_left_out_and_named() {
    let lines: String = (0..40).map(|at| format!("| line {at}\n")).collect();
    let mut old = format!("file kept\n| a\nfile long\n{lines}");
    let mut new = "file kept\n| b\nfile long\n| x\n".to_owned();
    for at in 0..30 {
        old.push_str(&format!("file old{at}\n{lines}"));
        new.push_str(&format!("file tree/new{at}\n| {at}\n"));
    }
    let (old, new) = (open(&old), open(&new));
    let comparison = old.compare(&new).unwrap();
    let bounds = Bounds {
        files: 10,
        lines: 8,
        bytes: 900,
    };
    let view = comparison.view_within(&bounds).unwrap();
    assert_eq!((view.paths, view.files.len()), (63, 10));
    // What changed comes before what came or went, and has the room for lines first.
    let file = |path: &str| view.files.iter().find(|file| file.name.path == path);
    assert_eq!(file("kept").unwrap().lines, (1, 1));
    let long = file("long").unwrap();
    assert_eq!(long.hunks.iter().map(|h| h.lines.len()).sum::<usize>(), 8);
    assert_eq!(long.brief, "+1 −40", "the numbers are those of all lines");
    assert_eq!(long.left_out, 33);
    let tree = file("tree");
    assert!(tree.is_none_or(|tree| tree.brief.ends_with("with 30 paths below it")));
    let shown = view.files.iter().filter(|f| !f.hunks.is_empty()).count();
    assert!(shown < 10, "{shown}");
    assert!(view.files.iter().any(|f| f.status == Status::Removed));
    let notes = view.notes.join("\n");
    for said in [
        "23 more paths are not shown",
        "files are not shown",
        "--path",
    ] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    assert!(view.verdict.sentence.contains("Not everything is shown"));
    for text in [html::write(&view), markdown::write(&view)] {
        assert!(text.contains("more paths are not shown"), "{text}");
    }

    let all = comparison.view().unwrap();
    assert_eq!((all.files.len(), all.notes.len()), (63, 0));
}

#[test]
fn what_an_image_gained_is_a_result_for_code_scanning() {
    let new = "dir etc/sudoers.d
file etc/sudoers.d/ops mode=0440
| ops ALL=(ALL) ALL
file usr/bin/helper mode=4755
file etc/passwd
| toor:x:0:0::/root:/bin/sh
";
    let lacks = "dir etc\n";
    let schema = include_str!("../../../tests/schemas/sarif-2.1.0.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let results = |old, new| {
        let log: Value = serde_json::from_str(&written(old, new, Format::Sarif)).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mistakes: Vec<_> = validator.iter_errors(&log).map(|e| e.to_string()).collect();
        assert_eq!(mistakes, Vec::<String>::new());
        let results = log["runs"][0]["results"].as_array().unwrap().iter();
        let told = results.map(|result| {
            let artifact = &result["locations"][0]["physicalLocation"]["artifactLocation"];
            [&result["ruleId"], &result["level"], &artifact["uri"]]
                .map(|v| v.as_str().unwrap().to_owned())
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        results(lacks, new),
        [
            ["set-id/gained", "warning", "usr/bin/helper"],
            ["member/gained", "warning", "test.tar"],
            ["sudo/gained", "warning", "etc/sudoers.d/ops"],
        ]
    );
    assert!(results(new, lacks).is_empty(), "what is lost is no finding");
}

#[test]
fn hostile_names_and_contents_stay_text() {
    let old = r"file etc/\x1b[2J\n\xe2\x80\xaex mode=0755
file etc/text
| a
";
    let new = "symlink etc/<script>|x -> \\x1b]0;x\\x07\\xe2\\x80\\xae
file etc/text
| \u{202e}b</script><script>
file etc/su`x mode=4755
";
    for name in [Format::Markdown, Format::Html, Format::Sarif] {
        let text = written(old, new, name);
        let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(odd), "{name:?}: {text:?}");
        assert!(
            !text.contains("etc/<script>") && !text.contains("</code>x"),
            "{name:?}"
        );
        let scripts = text.matches("<script>").count();
        assert!(name != Format::Html || scripts == 1, "only the page's own");
    }
}
