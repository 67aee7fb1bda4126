//! The layers of docs/architecture.md, held against the code as a Rust parser reads it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod code;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use code::Code;

/// The library's modules, lowest first. Modules of one row may import each other.
const LAYERS: &[&[&str]] = &[
    &["error", "escape"],
    &["whole_file"],
    &["image"],
    &["rootfs"],
    &["system"],
    &["edit"],
    &["recipe"],
    &["rules"],
    &["plan"],
    &["write"],
    &["inventory"],
    &["diff"],
    &["report"],
];

static CODE: LazyLock<Code> = LazyLock::new(Code::read);

#[test]
fn no_module_imports_a_later_one() {
    let code = &*CODE;
    let layer = |module: &str| LAYERS.iter().position(|row| row.contains(&module));
    let mut wrong = Vec::new();
    for (from, to) in code.imports() {
        let (Some(own), Some(other)) = (layer(top(from)), layer(top(to))) else {
            // The root only declares modules and exports their items.
            assert!(
                from.is_empty() || to.is_empty(),
                "{from:?} or {to:?} has no layer: give it one here and in docs/architecture.md"
            );
            continue;
        };
        if other > own {
            wrong.push(format!("{} imports {}", from.join("::"), to.join("::")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_that_import_each_other_stand_in_one_folder() {
    let code = &*CODE;
    let mut graph: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for (from, to) in code.imports() {
        let (from, to) = (code.file(from), code.file(to));
        if from != to {
            graph.entry(from).or_default().insert(to);
        }
    }
    let mut wrong = Vec::new();
    for circle in circles(&graph) {
        let folders: BTreeSet<_> = circle.iter().map(|file| folder(file, &circle)).collect();
        if folders.len() > 1 {
            let files: Vec<_> = circle.iter().map(|f| f.display().to_string()).collect();
            wrong.push(files.join(" "));
        }
    }
    assert!(wrong.is_empty(), "circles:\n{}", wrong.join("\n"));
}

/// The folder of a file of a circle; that of `a.rs` for the files in `a/` that belong to it.
fn folder<'f>(file: &'f Path, circle: &BTreeSet<&Path>) -> Option<&'f Path> {
    let folder = file.parent()?;
    match circle.contains(&*folder.with_extension("rs")) {
        true => folder.parent(),
        false => Some(folder),
    }
}

fn top(module: &[String]) -> &str {
    module.first().map_or("", String::as_str)
}

/// The sets of more than one file in which each reaches each other one.
fn circles<'g>(graph: &BTreeMap<&'g Path, BTreeSet<&'g Path>>) -> BTreeSet<BTreeSet<&'g Path>> {
    let reach = |from: &'g Path| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(at) = left.pop() {
            for to in graph.get(at).into_iter().flatten() {
                if seen.insert(*to) {
                    left.push(to);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Path, BTreeSet<&Path>> =
        graph.keys().map(|file| (*file, reach(file))).collect();
    let circle = |from: &&'g Path| {
        let both = |to: &&&Path| reached.get(**to).is_some_and(|back| back.contains(from));
        let others: BTreeSet<&Path> = reached[from].iter().filter(both).copied().collect();
        (others.len() > 1).then_some(others)
    };
    reached.keys().filter_map(circle).collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
