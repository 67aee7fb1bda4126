//! Archives that other projects test with: read as others read them, or refused, or noted; and written back as they were.
//!
//! `cargo xtask corpus` gathers them and runs this; `CASEHARD_CORPUS` names the folder, with a folder for each project.

#![allow(
    clippy::print_stdout,
    reason = "the reasons and the table are what it is run for"
)]

use std::collections::BTreeMap;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use casehard::{Compression, Error, Image, OpenOptions, Plan, Recipe, WriteOptions};

mod support;

use support::model;
use support::readers::{NEEDS, READERS, line, ours, same, view};
use support::tools::{self, RealTest};
use support::updating;

fn main() -> ExitCode {
    tools::main_if(
        gathered,
        &[RealTest {
            name: "archives_of_other_projects_are_read_alike_or_refused",
            needs: &NEEDS,
            run: check_all,
        }],
    )
}

fn gathered() -> Result<(), String> {
    tools::as_root()?;
    match corpus() {
        Some(_) => Ok(()),
        None => Err("archives of other projects (cargo xtask corpus)".to_owned()),
    }
}

/// Where `cargo xtask corpus` has put them.
fn corpus() -> Option<PathBuf> {
    let gathered = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("corpus/files");
        folder.is_dir().then_some(folder)
    };
    std::env::var_os("CASEHARD_CORPUS")
        .map(PathBuf::from)
        .or_else(gathered)
}

/// What became of one file.
enum Verdict {
    Alike,
    Noted(String),
    Refused(String),
    NoTar,
    Disagreement(String),
}

fn check_all() {
    let corpus = corpus().expect("it was asked for");
    let (mut rows, mut why, mut wrong) = (
        String::new(),
        BTreeMap::<String, Vec<String>>::new(),
        Vec::new(),
    );
    for project in listed(&corpus).into_iter().filter(|p| p.is_dir()) {
        let name = project
            .file_name()
            .expect("it has one")
            .to_string_lossy()
            .into_owned();
        let mut counts = [0; 5];
        for file in listed(&project) {
            let shown = format!(
                "{name}/{}",
                file.file_name().expect("it has one").to_string_lossy()
            );
            let verdict = check(&file);
            counts[match &verdict {
                Verdict::Alike => 0,
                Verdict::Noted(_) => 1,
                Verdict::Refused(_) => 2,
                Verdict::NoTar => 3,
                Verdict::Disagreement(_) => 4,
            }] += 1;
            match verdict {
                Verdict::Alike | Verdict::NoTar => {}
                Verdict::Noted(reason) => why
                    .entry(format!("noted: {reason}"))
                    .or_default()
                    .push(shown),
                Verdict::Refused(reason) => why
                    .entry(format!("refused: {reason}"))
                    .or_default()
                    .push(shown),
                Verdict::Disagreement(reason) => wrong.push(format!("{shown}: {reason}")),
            }
        }
        let [alike, noted, refused, other, disagreements] = counts;
        let all: i32 = counts.iter().sum();
        rows += &format!(
            "| {name} | {all} | {alike} | {noted} | {refused} | {other} | {disagreements} |\n"
        );
    }
    for (reason, files) in &why {
        println!("{} {reason}\n    {}", files.len(), files.join("\n    "));
    }
    println!("{rows}");
    assert!(
        wrong.is_empty(),
        "{} disagreements:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    update(&rows);
}

fn check(file: &Path) -> Verdict {
    let bytes = fs::read(file).expect("it is readable");
    let nothing = recipe("");
    let open = OpenOptions::new().read("corpus", &bytes[..]);
    let image = match open {
        Ok(image) => image,
        Err(Error::Image { message, .. }) if message.starts_with("this is not a tar") => {
            return Verdict::NoTar;
        }
        Err(Error::Image { message, .. }) => return Verdict::Refused(message),
        Err(other) => return Verdict::Disagreement(other.to_string()),
    };
    let plan = match image.plan(&nothing) {
        Ok(plan) => plan,
        Err(Error::Image { message, .. }) => return Verdict::Refused(message),
        Err(other) => return Verdict::Disagreement(other.to_string()),
    };
    if model::written(&plan, &WriteOptions::new()) != bytes {
        return Verdict::Disagreement("without edits it is not the same bytes".into());
    }
    let edits = recipe("[StripSetid]\n[WriteFile /casehard/was/here]\nLine=x\n");
    match panic::catch_unwind(|| model::harden(&bytes, &edits).map(|_| ())) {
        Ok(Ok(()) | Err(Error::Image { .. })) => {}
        Ok(Err(other)) => return Verdict::Disagreement(format!("with edits: {other}")),
        Err(_) => return Verdict::Disagreement("edits differ elsewhere than asked".into()),
    }
    compare(&image, &plan)
}

/// Compares what the programs extract with what casehard reads.
fn compare(image: &Image, plan: &Plan<'_>) -> Verdict {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let archive = folder.path().join("plain.tar");
    fs::write(
        &archive,
        model::written(plan, &WriteOptions::new().compression(Compression::None)),
    )
    .expect("the folder is writable");
    let ours = ours(image);
    let mut differ = Vec::new();
    for reader in READERS {
        let reading = reader.read(&archive, &folder.path().join(reader.name()));
        let read = view(&reading.tree);
        if reading.error.is_none() && !same(&ours, &read) {
            differ.push(format!("\n  {}: {}", reader.name(), line(&read)));
        }
    }
    let rootfs = image.rootfs().expect("it could be planned");
    match (differ.is_empty(), rootfs.notes().first()) {
        (_, Some(note)) => Verdict::Noted(note.clone()),
        (true, None) => Verdict::Alike,
        (false, None) => {
            Verdict::Disagreement(format!("\n  casehard: {}{}", line(&ours), differ.concat()))
        }
    }
}

fn recipe(rules: &str) -> Recipe {
    Recipe::parse("test", &format!("[Recipe]\nSchema=1\n{rules}")).expect("the recipe is right")
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is readable");
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("it is readable").path()).collect();
    paths.sort();
    paths
}

/// Puts the table into docs/archives.md if that is asked for: not every machine has every corpus.
fn update(rows: &str) {
    const BEGIN: &str = "<!-- corpora:begin -->\n";
    const END: &str = "<!-- corpora:end -->";
    if !updating() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/archives.md");
    let text = fs::read_to_string(&path).expect("docs/archives.md is there");
    let (before, rest) = text.split_once(BEGIN).expect("the table begins");
    let (_, after) = rest.split_once(END).expect("the table ends");
    let heads = "| From | Files | Read alike | Noted | Refused | No tar | Disagreements |\n|---|---|---|---|---|---|---|\n";
    fs::write(&path, format!("{before}{BEGIN}{heads}{rows}{END}{after}")).expect("it is writable");
}
