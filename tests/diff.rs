//! `casehard diff`, judged by other people's programs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use casehard::inventory::{Inventory, Kind};
use casehard::{CompareOptions, Difference, Image, Recipe};
use casehard_testimages::{BundledImage, build, bundled};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

mod support;

use support::tools::{self, BSDTAR, DIFF, FIND, GIT, PATCH, RealTest, SYSTEMCTL, TAR};

fn main() -> ExitCode {
    tools::main(&[
        RealTest {
            name: "an_image_packed_anew_is_the_same",
            needs: &[TAR, BSDTAR],
            run: packed_anew,
        },
        RealTest {
            name: "diff_finds_the_same_paths",
            needs: &[TAR, DIFF],
            run: same_paths,
        },
        RealTest {
            name: "git_and_patch_read_the_diff_of_a_hardened_image",
            needs: &[TAR, DIFF, GIT, PATCH],
            run: git_and_patch,
        },
        RealTest {
            name: "systemctl_knows_the_same_enabled_and_masked_units",
            needs: &[TAR, SYSTEMCTL],
            run: units,
        },
        RealTest {
            name: "find_knows_the_same_set_id_files",
            needs: &[TAR, FIND],
            run: set_id_files,
        },
    ])
}

/// Packs the bundled images anew by way of other programs, which write another format in another order.
fn packed_anew() {
    let folder = tempfile::tempdir().unwrap();
    for image in bundled() {
        let (first, second) = (folder.path().join("a.tar"), folder.path().join("b.tar"));
        fs::write(&first, build(image.description).unwrap()).unwrap();
        // bsdtar copies entries from archive to archive, without a file system between that lacks devices and owners.
        BSDTAR.output([
            "--format=pax".as_ref(),
            "-cf".as_ref(),
            second.as_os_str(),
            format!("@{}", first.display()).as_ref(),
        ]);
        let (old, new) = (Image::open(&first).unwrap(), Image::open(&second).unwrap());
        assert_same(image.name, &old, &new);

        // GNU tar puts a copy of one entry last: times and contents stay, the order does not.
        let moved = folder.path().join("c.tar");
        let files = "
dir a/ mtime=5
file a/x mtime=6
| hello
file a/y mtime=7 mode=0600
";
        fs::write(&moved, build(files).unwrap()).unwrap();
        let old = Image::open(&moved).unwrap();
        let unpacked = folder.path().join("unpacked");
        let _ = fs::remove_dir_all(&unpacked);
        fs::create_dir(&unpacked).unwrap();
        unpack(&moved, &unpacked);
        let again = folder.path().join("d.tar");
        TAR.output([
            "--owner=0".as_ref(),
            "--group=0".as_ref(),
            "--numeric-owner".as_ref(),
            "-C".as_ref(),
            unpacked.as_os_str(),
            "-cf".as_ref(),
            again.as_os_str(),
            "a/y".as_ref(),
            "a/x".as_ref(),
        ]);
        let new = Image::open(&again).unwrap();
        assert_same("a tree", &old, &new);
        let strict = CompareOptions::new().strict(true);
        let comparison = old.compare_with(&new, &strict).unwrap();
        let differences: BTreeSet<_> = comparison
            .paths()
            .iter()
            .flat_map(|p| &p.differences)
            .collect();
        assert_eq!(differences, BTreeSet::from([&Difference::Order]));
    }
}

#[track_caller]
fn assert_same(what: &str, old: &Image, new: &Image) {
    let comparison = old.compare(new).unwrap();
    let mut text = Vec::new();
    comparison.write_txt(&mut text, false).unwrap();
    assert!(
        comparison.is_same(),
        "{what}\n{}",
        String::from_utf8_lossy(&text)
    );
}

/// A tree of files, links and directories, none of which diff(1) would not look at.
fn tree() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["a", "b", "c", "d e", "f"]);
    let entry = (
        name(),
        name(),
        0..5u8,
        prop::sample::select(vec!["x", "y", "x\ny", ""]),
    );
    prop::collection::btree_map((0..3usize, 0..5usize), entry, 0..8).prop_map(|entries| {
        let mut seen = BTreeSet::new();
        // What has nothing in it is refused.
        let mut text = String::from("file always\n");
        for (directory, name, kind, content) in entries.into_values() {
            let path = format!("{directory}/{name}").replace(' ', "\\ ");
            if !seen.insert(path.clone()) {
                continue;
            }
            text += &match kind {
                0 => format!("symlink {path} -> nowhere{}\n", content.len()),
                1 => format!("dir {path}/{}\n", content.len()),
                _ => format!("file {path}\n{}", lines(content)),
            };
        }
        text
    })
}

fn lines(content: &str) -> String {
    content.lines().map(|line| format!("| {line}\n")).collect()
}

fn same_paths() {
    let mut runner = TestRunner::new(Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    });
    let run = runner.run(&(tree(), tree()), |(old, new)| {
        let (found, differing) = (ours(&old, &new), theirs(&old, &new));
        prop_assert_eq!(found, differing, "\nold\n{}\nnew\n{}", old, new);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

/// The paths that differ, but for what is in directories that only one side has, and a rename as what came and what went.
fn ours(old: &str, new: &str) -> BTreeSet<String> {
    let open = |text: &str| {
        let bytes = build(text).unwrap();
        casehard::OpenOptions::new()
            .read("t.tar", &bytes[..])
            .unwrap()
    };
    let (old, new) = (open(old), open(new));
    let comparison = old.compare(&new).unwrap();
    let (mut found, mut whole) = (BTreeSet::new(), BTreeSet::new());
    for change in comparison.paths() {
        let own = [Some(&change.path), change.from.as_ref()];
        found.extend(own.into_iter().flatten().map(ToString::to_string));
        let types = [Difference::Added, Difference::Removed, Difference::Type];
        if types.iter().any(|kind| change.differences.contains(kind)) {
            whole.insert(change.path.to_string());
        }
    }
    let inside = |path: &String| {
        whole.iter().any(|top| {
            path.strip_prefix(top)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    found.into_iter().filter(|path| !inside(path)).collect()
}

/// What `diff` says of the same trees once they are extracted.
fn theirs(old: &str, new: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    for (side, text) in [("old", old), ("new", new)] {
        let (archive, tree) = (folder.path().join("t.tar"), folder.path().join(side));
        fs::write(&archive, build(text).unwrap()).unwrap();
        fs::create_dir(&tree).unwrap();
        unpack(&archive, &tree);
    }
    let mut diff = DIFF.command();
    diff.args(["--recursive", "--no-dereference", "--brief", "old", "new"]);
    let output = diff.current_dir(folder.path()).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(path_of).collect()
}

/// The path that a line of diff(1) is about: below `old`, or in the directory of a side that has it alone.
fn path_of(line: &str) -> String {
    if let Some(rest) = line.strip_prefix("Only in ") {
        let (directory, name) = rest.split_once(": ").unwrap();
        let directory = directory
            .trim_start_matches("old")
            .trim_start_matches("new");
        return format!("{directory}/{name}");
    }
    let rest = ["Files old", "Symbolic links old", "File old"].iter();
    let rest = rest.filter_map(|start| line.strip_prefix(start)).next();
    let rest = rest.unwrap_or_else(|| panic!("diff says {line}"));
    let ends = [" and new", " is a "];
    let end = ends.iter().filter_map(|end| rest.find(end)).min();
    rest[..end.unwrap()].to_owned()
}

fn unpack(archive: &Path, folder: &Path) {
    TAR.output([
        "-xf".as_ref(),
        archive.as_os_str(),
        "-C".as_ref(),
        folder.as_os_str(),
    ]);
}

/// The diff of a hardened image, as text that other tools have to make the new tree of.
fn git_and_patch() {
    const OLD: &str = "
dir etc
file etc/kept
| a
| b
file etc/gone
| was here
file etc/moved
| the same in another place
file usr/bin/su mode=4755 fill=2K
";
    const NEW: &str = "
dir etc
file etc/kept
| a
| c
file etc/new
| is here
file etc/elsewhere
| the same in another place
file usr/bin/su mode=0755 fill=2K
";
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, build(text).unwrap()).unwrap();
        path
    };
    let (old, new) = (write("old.tar", OLD), write("new.tar", NEW));
    let (a, b) = (Image::open(&old).unwrap(), Image::open(&new).unwrap());
    let mut text = Vec::new();
    a.compare(&b).unwrap().write_diff(&mut text).unwrap();
    let diff = folder.path().join("x.diff");
    fs::write(&diff, &text).unwrap();

    let mut stat = GIT.command();
    let stat = stat
        .args(["apply", "--stat"])
        .arg(&diff)
        .current_dir(folder.path());
    let stat = String::from_utf8(stat.output().unwrap().stdout).unwrap();
    assert!(
        stat.contains("5 files changed, 2 insertions(+), 2 deletions(-)"),
        "{stat}\n{}",
        String::from_utf8_lossy(&text)
    );

    // Of the set-id bit git knows nothing, and what changes nothing that it knows it refuses; docs/review.md says so.
    let mut apply = GIT.command();
    let apply = apply.args(["apply", "--check"]).arg(&diff);
    let refused = apply.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("patch with only garbage"), "{said}");

    let (patched, wanted) = (folder.path().join("patched"), folder.path().join("wanted"));
    for (archive, tree) in [(&old, &patched), (&new, &wanted)] {
        fs::create_dir(tree).unwrap();
        unpack(archive, tree);
    }
    PATCH.output([
        "-p1".as_ref(),
        "--batch".as_ref(),
        "-d".as_ref(),
        patched.as_os_str(),
        "-i".as_ref(),
        diff.as_os_str(),
    ]);
    DIFF.output([
        "--recursive".as_ref(),
        patched.as_os_str(),
        wanted.as_os_str(),
    ]);

    let mut changed = 0;
    // What hardening did to a bundled image is what its two sides differ in.
    for bundled in bundled() {
        let name = bundled.name;
        let hardened = folder.path().join(format!("{name}.tar"));
        let bytes = build(bundled.description).unwrap();
        let image = casehard::OpenOptions::new().read(name, &bytes[..]).unwrap();
        let recipe = Recipe::parse(
            "all",
            "[Recipe]\nSchema=1\n[StripSetid]\n[Mask *.socket]\nOnMissing=skip\n",
        )
        .unwrap();
        let plan = image.plan(&recipe).unwrap();
        plan.write(&hardened).unwrap();
        let after = Image::open(&hardened).unwrap();
        let comparison = image.compare(&after).unwrap();
        let edited: BTreeSet<_> = plan.edits().iter().map(|edit| edit.path.clone()).collect();
        let found: BTreeSet<_> = comparison
            .paths()
            .iter()
            .map(|change| change.path.clone())
            .collect();
        assert_eq!(found, edited, "{name}");
        changed += found.len();
        let (before, after) = plan.inventories().unwrap();
        assert_eq!(comparison.surface(), before.diff(&after), "{name}");
    }
    assert!(changed > 20, "{changed}");
}

/// The bundled images with units, extracted. Owners and devices need root and are left out.
fn extracted(image: &BundledImage) -> (TempDir, Inventory) {
    let folder = tempfile::tempdir().unwrap();
    let bytes = build(image.description).unwrap();
    let archive = folder.path().join("image.tar");
    fs::write(&archive, &bytes).unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    TAR.output([
        "-xpf".as_ref(),
        archive.as_os_str(),
        "--no-same-owner".as_ref(),
        "--exclude=dev/*".as_ref(),
        "-C".as_ref(),
        tree.as_os_str(),
    ]);
    let inventory = Inventory::of(&Image::open(&archive).unwrap()).unwrap();
    (folder, inventory)
}

fn names_of(inventory: &Inventory, kind: Kind) -> BTreeSet<String> {
    let items = inventory.of_kind(kind);
    items.map(|item| item.name.to_string()).collect()
}

fn units() {
    let mut seen = 0;
    for image in bundled()
        .iter()
        .filter(|image| image.name != "busybox-container")
    {
        let (folder, inventory) = extracted(image);
        let listed = |state: &str| -> BTreeSet<String> {
            let mut command = SYSTEMCTL.command();
            command.arg(format!("--root={}", folder.path().join("tree").display()));
            command.args(["list-unit-files", "--no-legend", "--no-pager", "--plain"]);
            let output = command.arg(format!("--state={state}")).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let names = text
                .lines()
                .filter_map(|line| line.split_whitespace().next());
            names.map(String::from).collect()
        };
        assert_eq!(
            names_of(&inventory, Kind::Masked),
            listed("masked"),
            "{}",
            image.name
        );
        // For systemctl a unit is enabled only by what its own `[Install]` section would link; more is pulled in than that.
        let enabled = names_of(&inventory, Kind::Unit);
        let theirs = listed("enabled");
        let missing: Vec<_> = theirs
            .iter()
            .filter(|unit| !enabled.contains(*unit) && !unit.contains('@'))
            .collect();
        assert!(missing.is_empty(), "{}: {missing:?}", image.name);
        seen += theirs.len();
    }
    assert!(seen > 2, "{seen}");
}

fn set_id_files() {
    for image in bundled() {
        let (folder, inventory) = extracted(image);
        let tree = folder.path().join("tree");
        let mut find = FIND.command();
        find.arg(&tree)
            .args(["-type", "f", "-perm", "/6000", "-printf", "/%P\\n"]);
        let found = String::from_utf8(find.output().unwrap().stdout).unwrap();
        let found: BTreeSet<String> = found.lines().map(String::from).collect();
        assert_eq!(names_of(&inventory, Kind::SetId), found, "{}", image.name);
    }
}
