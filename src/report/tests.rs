//! That git, `patch` and a JSON Schema validator read what reports write.

mod comparison;
mod formats;
mod remains;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use bstr::{BString, ByteSlice};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::fixture::{Fixture, TEXTS, Tar, fixture, harden, open, texts_and_links};
use crate::edit::Outcome;
use crate::inventory::{Change, Inventory};

use crate::recipe::Recipe;
use crate::rootfs::{Files, Node, Rootfs};
use crate::rules::harness;
use crate::write::digests::hex;

fn run(directory: &Path, command: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CEILING_DIRECTORIES", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("the tests need {}: {e}", command[0]));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = output.stdout.as_bstr();
    assert!(
        output.status.success(),
        "{command:?}: {text}\n{}",
        input.as_bstr()
    );
    output.stdout
}

/// Lets git count the files of a diff, and counts its sections.
fn counted(diff: &[u8]) -> (usize, usize) {
    let dir = tempfile::tempdir().unwrap();
    run(
        dir.path(),
        &["git", "apply", "--whitespace=nowarn", "--stat", "-"],
        diff,
    );
    let listed = run(
        dir.path(),
        &["git", "apply", "--whitespace=nowarn", "--numstat", "-"],
        diff,
    );
    let sections = diff.lines().filter(|line| line.starts_with(b"diff --git "));
    (listed.lines().count(), sections.count())
}

/// Writes what `patch` can know of a tree.
fn extract(files: &Files<'_>, to: &Path) {
    let rootfs = files.rootfs();
    for (path, id) in rootfs.walk(Rootfs::ROOT) {
        let at = to.join(OsStr::from_bytes(&path[1..]));
        match &rootfs.inode(id).node {
            Node::Directory(_) => fs::create_dir_all(at).unwrap(),
            Node::Symlink(target) => symlink(OsStr::from_bytes(target), at).unwrap(),
            Node::File(_) => {
                let content = files.small(id, 1 << 20).unwrap();
                let content = content.unwrap_or_default();
                fs::write(at, content).unwrap();
            }
            Node::Special(_) => {}
        }
    }
}

/// Every file and link below a directory with its content or target.
fn listing(directory: &Path) -> BTreeMap<BString, Vec<u8>> {
    walkdir::WalkDir::new(directory)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| {
            let content = match fs::read_link(entry.path()) {
                Ok(target) => [b"-> ".as_slice(), target.as_os_str().as_bytes()].concat(),
                Err(_) => fs::read(entry.path()).unwrap(),
            };
            let name = entry.path().strip_prefix(directory).unwrap();
            (name.as_os_str().as_bytes().into(), content)
        })
        .collect()
}

#[test]
fn git_lists_every_section() {
    let fixture = fixture();
    let plan = fixture.plan(harden);
    let diff = plan.report().to_diff().unwrap();
    let (listed, sections) = counted(&diff);
    assert_eq!(listed, sections);
    // Beside texts: six binaries; four files gone, three new; three links, one in a file's place.
    assert_eq!(sections, TEXTS.len() + 6 + 4 + 3 + 4);
}

#[test]
fn patch_turns_the_old_files_into_the_new() {
    let fixture = fixture();
    // As with git's own diffs, `patch` cannot follow what became of binaries.
    let plan = fixture.plan(|rule, draft| {
        if rule == 2 {
            texts_and_links(draft);
            return Outcome::Changed;
        }
        harden(rule, draft)
    });
    let [before, after] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    extract(&plan.before(), before.path());
    extract(&plan.after(), after.path());
    let diff = plan.report().to_diff().unwrap();
    run(before.path(), &["patch", "-p1", "--batch"], &diff);
    assert_eq!(listing(before.path()), listing(after.path()));
}

#[test]
fn a_reviewer_reads_it_in_words() {
    let fixture = fixture();
    let plan = fixture.plan(harden);
    let diff = plan.report().to_diff().unwrap();
    for line in [
        r"# image   image\u{1b}[31m.tar",
        "# rules: 3 changed, 1 already, 1 failed; 33 paths touched; 2 residuals",
        "# changed  Touch texts    test.ini:3",
        r"#            note: two\nlines\u{202e}",
        r"# failed   Touch fails    test.ini:10: it\ndoes",
        r"#   /etc/\xff:3: something\u{1b}[31m stays (Touch names)",
        r"#   the archive has\nan oddity",
        "# Touch texts: they must (Guide 1)",
        "# mode 4755 (rwsr-xr-x) → 0755 (rwxr-xr-x)",
        "# owner 0:0 → 0:10",
        "# capabilities cap_net_raw=ep → none",
        "# content unchanged: 7 bytes, sha256 ",
        "# one file with /bin/ping6",
        "# content unchanged: 1048577 bytes, sha256 ",
        "# content unchanged: 4 bytes stored, sparse, sha256 3a6eb079",
        "old mode 104755",
        "new mode 100755",
        "deleted file mode 100755",
        "new file mode 120000",
        "Binary files a/bin/nc and /dev/null differ",
        r#"diff --git "a/etc/\377\303\274" "b/etc/\377\303\274""#,
        "# new file, 0600 (rw-------)\n",
        "# removed directory, 0755 (rwxr-xr-x)\n",
    ] {
        assert!(diff.contains_str(line), "no {line:?}");
    }
    let comments = diff.lines().filter(|line| line.starts_with(b"#"));
    let raw = |line: &&[u8]| line.contains(&0x1b) || line.contains_str("\u{202e}");
    assert_eq!(comments.filter(raw).count(), 0);
}

#[test]
fn an_edit_that_another_takes_back_is_no_change() {
    let fixture = fixture();
    let plan = fixture.plan(|rule, draft| {
        if let Some(mode) = [0o755, 0o4755].get(rule) {
            draft.set_mode(open(draft, "bin/su"), *mode);
        }
        Outcome::Changed
    });
    assert_eq!((plan.edits().len(), plan.report().files.len()), (2, 0));
}

#[test]
fn of_a_directory_that_gets_an_entry_nothing_is_said_to_have_changed() {
    let image = harness::open("file var/lib/x\nsymlink top -> .\n");
    let rules = "[Permissions /var/lib]\nMode=0755\n[Permissions /top]\nGroup=7\n";
    let recipe = Recipe::parse("test", &format!("[Recipe]\nSchema=1\n{rules}")).unwrap();
    let plan = image.plan(&recipe).unwrap();
    let report = plan.report();
    let fact =
        |owner: &str| format!("gets an entry of its own: directory, 0755 (rwxr-xr-x){owner}");
    let diff = report.to_diff().unwrap().to_str_lossy().into_owned();
    for owner in ["", ", owner 0:7"] {
        assert!(diff.contains(&format!("# {}\n", fact(owner))), "{diff}");
    }
    let view = report.view().unwrap();
    let files = view
        .files
        .iter()
        .map(|file| (&*file.name.path, &*file.brief));
    assert_eq!(
        files.collect::<Vec<_>>(),
        [(".", &*fact(", owner 0:7")), ("var/lib", &*fact(""))]
    );
    let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    for file in json["files"].as_array().unwrap() {
        assert!(file["before"].is_null(), "{file}");
        assert_eq!(file["after"]["mode"], "0755");
    }
}

#[test]
fn the_summary_names_what_needs_a_look() {
    let fixture = fixture();
    let plan = fixture.plan(harden);
    assert_eq!(
        plan.report().summary(),
        "changed  Touch texts  test.ini:3\n\
         changed  Touch modes  test.ini:6\n\
         changed  Touch names  test.ini:8\n\
         failed   Touch fails  test.ini:10: it\\ndoes\n\
         open     /etc/\\xff:3: something\\u{1b}[31m stays (Touch names)\n\
         open     something else too (Touch names)\n\
         waiver   Touch:b: once (no owner, until 2026-12-31); nothing used it: delete it\n\
         waiver   Touch:c: late (no owner); expired on 2025-12-31: renew or delete it\n\
         note     the archive has\\nan oddity\n\
         rules: 3 changed, 1 already, 1 failed; 33 paths touched; 2 residuals\n"
    );
}

fn schema() -> serde_json::Value {
    serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap()
}

/// What an image gives that a lock does not have.
fn beyond() -> Vec<Change> {
    let parse = |lines: &str| {
        let text = format!("# casehard lock 2\n{lines}");
        Inventory::parse("site.lock", text.as_bytes()).unwrap()
    };
    let found =
        "set-id\t/usr/bin/su\t4755 0:0\nmember\tcore\twheel\nset-id\t/usr/bin/\\x1b\t6755 0:0\n";
    let lock = "set-id\t/usr/bin/su\t0755 0:0\n";
    parse(found).beyond(&parse(lock))
}

#[test]
fn json_is_as_the_schema_says() {
    let schema = schema();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let fixture = fixture();
    let written = tempfile::NamedTempFile::new().unwrap();
    let plan = fixture.plan(harden);
    let digests = plan.digests(written.path()).unwrap();
    let idle = Fixture::new(Tar::new().directory(b"etc/"), "");
    for text in [
        plan.report().digests(digests).to_json(),
        plan.report().lock("site.lock", &beyond()).to_json(),
        idle.plan(harden).report().to_json(),
    ] {
        let report: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
        let mistakes: Vec<_> = validator
            .iter_errors(&report)
            .map(|e| e.to_string())
            .collect();
        assert!(mistakes.is_empty(), "{mistakes:#?}\n{report:#}");
    }
    assert_eq!(
        plan.report().to_json().unwrap(),
        plan.report().to_json().unwrap()
    );
}

#[test]
fn json_names_what_was_read_and_written() {
    let directory = tempfile::tempdir().unwrap();
    let image = crate::Image::open(directory.path()).unwrap();
    let (mut stream, recipe) = (Vec::new(), fixture().recipe);
    let tar = image.layers()[0].stream();
    let all = tar.reader(0..tar.len());
    { all }.read_to_end(&mut stream).unwrap();
    let written = directory.path().join("out.tar");
    fs::write(&written, &stream).unwrap();
    let fixture = Fixture { image, recipe };
    let plan = fixture.plan(|_, _| Outcome::Already);
    let digests = plan.digests(&written).unwrap();
    let text = plan.report().digests(digests).to_json().unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let digest = hex(&Sha256::digest(&stream));
    assert_eq!(report["image"]["sha256"], digest);
    assert_eq!(report["output"]["sha256"], digest);
    assert_eq!(report["output"]["bytes"], stream.len());
    assert_eq!(report["compliant"], true);
    let missing = plan.digests("/nonexistent");
    assert!(matches!(
        missing,
        Err(crate::Error::Io { action: "open", .. })
    ));
}

/// What `additionalProperties` cannot see: a field that only the schema has.
#[test]
fn every_field_of_the_schema_occurs() {
    let fixture = fixture();
    let written = tempfile::NamedTempFile::new().unwrap();
    let plan = fixture.plan(harden);
    let digests = plan.digests(written.path()).unwrap();
    let report = plan.report().digests(digests);
    let text = report.lock("site.lock", &beyond()).to_json();
    let report: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
    let (mut promised, mut written) = (BTreeSet::new(), BTreeSet::new());
    keys(&schema(), Some("properties"), &mut promised);
    keys(&report, None, &mut written);
    let rare = ["target_bytes".to_owned()];
    let missing: Vec<_> = promised
        .difference(&written)
        .filter(|k| !rare.contains(k))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The keys of all objects, or of those that are the value of one key.
fn keys(value: &serde_json::Value, below: Option<&str>, found: &mut BTreeSet<String>) {
    let wanted = |parent: Option<&str>| below.is_none() || parent == below;
    let mut left = vec![(None, value)];
    while let Some((parent, value)) = left.pop() {
        if let Some(object) = value.as_object() {
            if wanted(parent) {
                found.extend(object.keys().cloned());
            }
            left.extend(
                object
                    .iter()
                    .map(|(key, value)| (Some(key.as_str()), value)),
            );
        }
        left.extend(
            value
                .as_array()
                .into_iter()
                .flatten()
                .map(|value| (None, value)),
        );
    }
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(&b" \"\\\n\t/-+@ab"[..])];
    prop::collection::vec(byte, 1..12).prop_filter("a name in a tar", |name| {
        !name.contains(&0) && !name.contains(&b'/') && name != b"." && name != b".."
    })
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        prop::sample::select(
            &[
                "",
                "x",
                "-- a/x",
                "++ b/x",
                "@@ -1 +1 @@",
                "diff --git a/x b/x",
                "\r",
                "\\"
            ][..]
        )
        .prop_map(|line| line.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    (prop::collection::vec(line, 0..8), any::<bool>()).prop_map(|(lines, newline)| {
        let mut text = lines.join(&b'\n');
        text.extend(newline.then_some(b'\n'));
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_name_or_content_breaks_the_diff(
        files in prop::collection::btree_map(name(), (content(), content()), 1..8),
    ) {
        let tar = files.iter().fold(Tar::new(), |tar, (name, (before, _))| {
            tar.file(&[b"./".as_slice(), name].concat(), 0o644, before)
        });
        let fixture = Fixture::new(tar, "[Touch all]\n");
        let plan = fixture.plan(|_, draft| {
            for (name, (_, after)) in &files {
                draft.set_content(open(draft, name), after.clone());
            }
            Outcome::Changed
        });
        let diff = plan.report().to_diff().unwrap();
        let (listed, sections) = counted(&diff);
        prop_assert_eq!(listed, sections);
        prop_assert_eq!(sections, files.len());
    }
}
