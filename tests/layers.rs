//! The layers of docs/architecture.md: no module imports a later one.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// The library's modules, lowest first. Modules of one row may import each other.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["escape"],
    &["whole_file"],
    &["image"],
    &["rootfs"],
    &["system"],
    &["edit"],
    // But for `recipe::shipped`, which joins the language with the table of rules.
    &["recipe"],
    &["rules"],
    &["plan"],
    &["write"],
    &["inventory"],
    &["report"],
    &["compare"],
];

#[test]
fn no_module_imports_a_later_one() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for module in declared(&source) {
        let own = layer(&module);
        for file in files(&source, &module) {
            let text = fs::read_to_string(&file).unwrap();
            for import in imports(&text) {
                let allowed = if import == module || joins(&file, &import) {
                    true
                } else if let Some(at) = LAYERS.iter().position(|l| l.contains(&import.as_str())) {
                    at <= own
                } else {
                    false
                };
                if !allowed {
                    wrong.push(format!("{} imports {import}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a file is the one of `recipe/` that may know the rules.
fn joins(file: &Path, import: &str) -> bool {
    file.ends_with("recipe/shipped.rs") && import == "rules"
}

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| {
            panic!("module {module} has no layer: give it one here and in docs/architecture.md")
        })
}

/// The modules that lib.rs declares.
fn declared(source: &Path) -> Vec<String> {
    let lib = fs::read_to_string(source.join("lib.rs")).unwrap();
    let lines = lib.lines().map(|line| line.trim_start_matches("pub "));
    lines
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .map(String::from)
        .collect()
}

fn files(source: &Path, module: &str) -> Vec<PathBuf> {
    let mut found = vec![source.join(format!("{module}.rs"))];
    found.extend(
        walkdir::WalkDir::new(source.join(module))
            .into_iter()
            .flatten()
            .map(walkdir::DirEntry::into_path),
    );
    found.retain(|path| path.is_file());
    assert!(!found.is_empty(), "module {module} has files");
    // What only tests use may reach further.
    let tests = ["fixture.rs", "tests.rs"];
    found.retain(|path| !tests.iter().any(|test| path.ends_with(test)));
    found.retain(|path| !path.iter().any(|folder| folder == "tests"));
    found
}

/// The crate's modules that a file names, its tests left out: `crate::x`, also in `use crate::{x, y}`.
fn imports(text: &str) -> Vec<String> {
    let code: String = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = Vec::new();
    for after in code.split("crate::").skip(1) {
        if let Some(list) = after.strip_prefix('{') {
            let list = list.split("};").next().unwrap_or_default();
            let mut depth = 0;
            for item in list.split(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                c == ',' && depth == 0
            }) {
                found.extend(name(item.trim()));
            }
        } else {
            found.extend(name(after));
        }
    }
    found
}

/// The first name, if it is a module's: those begin in lower case.
fn name(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    let name = &text[..end];
    name.starts_with(|c: char| c.is_lowercase())
        .then(|| name.to_owned())
}
