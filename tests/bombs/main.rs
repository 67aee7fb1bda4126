//! Images that are made to exhaust a machine: refused soon, and with little memory.

#![allow(
    clippy::print_stdout,
    reason = "what each refusal took is worth to know"
)]

mod compressed;
mod contents;
mod entries;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use wait4::Wait4 as _;

/// The processor time that a refusal may take at most. docs/archives.md has what each takes.
const TIME: Duration = match RELEASE {
    Some(_) => Duration::from_secs(1),
    // Without optimisation.
    None => Duration::from_secs(30),
};
const MEMORY: u64 = 128 << 20;

/// An optimised build to put to the test, rather than the one beside the tests; known when the tests are compiled.
const RELEASE: Option<&str> = option_env!("CASEHARD_RELEASE");

/// What a run came to: its exit code, what it said, processor time and peak memory.
struct Run {
    code: Option<i32>,
    said: String,
    time: Duration,
    memory: u64,
}

impl Run {
    #[track_caller]
    fn is_bounded(&self, what: &str) {
        assert!(self.time < TIME, "{what} took {:?}", self.time);
        assert!(self.memory < MEMORY, "{what} took {} bytes", self.memory);
    }
}

/// Runs `casehard check` on an image.
fn check(image: &Path, more: &[&str]) -> Run {
    check_by("[StripSetid]", image, more)
}

/// Runs `casehard check` on an image by some rules.
fn check_by(rules: &str, image: &Path, more: &[&str]) -> Run {
    let recipe = image.with_extension("ini");
    let text = format!("[Recipe]\nSchema=1\n{rules}\n");
    fs::write(&recipe, text).expect("the folder is writable");
    let recipe = recipe.to_str().expect("its name is text");
    let image = image.to_str().expect("its name is text");
    run(&[&["check", image, "-r", recipe], more].concat(), image)
}

/// Runs casehard; what it says goes beside a file.
fn run(arguments: &[&str], beside: &str) -> Run {
    let image = Path::new(beside);
    let child = Command::new(RELEASE.unwrap_or(env!("CARGO_BIN_EXE_casehard")))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(File::create(image.with_extension("said")).expect("the folder is writable"))
        .spawn()
        .expect("it runs");
    let ended = child.wait4().expect("it ends");
    Run {
        code: ended.status.code(),
        said: fs::read_to_string(image.with_extension("said")).expect("it is text"),
        time: ended.rusage.utime + ended.rusage.stime,
        memory: ended.rusage.maxrss,
    }
}

/// Holds that an image is refused for a reason, in time and memory.
#[track_caller]
fn refused(what: &str, write: impl FnOnce(&mut dyn Write), why: &str) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let image = folder.path().join("bomb");
    let mut out = BufWriter::new(File::create(&image).expect("the folder is writable"));
    write(&mut out);
    out.flush().expect("the folder is writable");
    let packed = fs::metadata(&image).expect("it is there").len() >> 10;
    let run = check(&image, &[]);
    println!(
        "{what}, {packed} KiB: {:.2?}, {} MiB",
        run.time,
        run.memory >> 20
    );
    assert!(run.said.contains(why), "{what}: {}", run.said);
    assert_eq!(run.code, Some(3), "{what}: {}", run.said);
    run.is_bounded(what);
}

fn put(out: &mut dyn Write, bytes: &[u8]) {
    out.write_all(bytes).expect("the folder is writable");
}

fn header(name: &str, typeflag: u8, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::new(typeflag));
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    header
}

#[test]
fn limits_can_be_raised_and_lowered() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let image = folder.path().join("image.tar");
    fs::write(
        &image,
        casehard_testimages::build("file a\nfile b mode=4755").expect("the description is right"),
    )
    .expect("the folder is writable");
    let code = |more: &[&str]| check(&image, more).code;
    assert_eq!(
        code(&["--limit", "entries=2", "--limit", "names=1K"]),
        Some(1)
    );
    assert_eq!(code(&["--limit", "entries=1"]), Some(3));
    assert_eq!(code(&["--limit", "names=1"]), Some(3));
    let chain = (100..141).map(|n| format!("symlink {n} -> {}\n", n + 1));
    let chain = chain.collect::<String>() + "dir 141\nfile 100/f";
    fs::write(
        &image,
        casehard_testimages::build(&chain).expect("the description is right"),
    )
    .expect("the folder is writable");
    let at = |limit: &str| code(&["--limit", "links=41", "--limit", limit]);
    assert_eq!(code(&[]), Some(3), "41 links");
    assert_eq!(at("path=5"), Some(0));
    assert_eq!(at("path=4"), Some(3));
    assert_eq!(at("records=0"), Some(0));
    // Who follows fewer links than Linux overlooks what is there.
    assert_eq!(code(&["--limit", "links=39"]), Some(2));
    assert_eq!(code(&["--limit", "entires=1"]), Some(2));
    assert_eq!(code(&["--limit", "entries=many"]), Some(2));
}

#[test]
fn the_documented_limits_are_the_defaults() {
    let doc = include_str!("../../docs/archives.md");
    for (name, value, what) in casehard::image::Limits::default().all() {
        let row = format!("| `{name}` | {value} | {what} |");
        assert!(doc.contains(&row), "{row}");
    }
}
