//! Images that are made to exhaust a machine: refused soon, and with little memory.

#![allow(
    clippy::print_stdout,
    reason = "what each refusal took is worth to know"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::write::GzEncoder;
use wait4::Wait4 as _;

/// What a refusal may take at most; long, since these tests run without optimisation. docs/archives.md has what it takes with.
const TIME: Duration = Duration::from_secs(90);
const MEMORY: u64 = 128 << 20;

/// Runs `casehard check` on an image and gives its exit code, what it says, and what it took.
fn check(image: &Path, more: &[&str]) -> (Option<i32>, String, Duration, u64) {
    let recipe = image.with_extension("ini");
    fs::write(&recipe, "[Recipe]\nSchema=1\n[StripSetid]\n").expect("the folder is writable");
    let started = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_casehard"))
        .arg("check")
        .arg(image)
        .arg("-r")
        .arg(recipe)
        .args(more)
        .stdout(Stdio::null())
        .stderr(File::create(image.with_extension("said")).expect("the folder is writable"))
        .spawn()
        .expect("it runs");
    let ended = child.wait4().expect("it ends");
    let said = fs::read_to_string(image.with_extension("said")).expect("it is text");
    (
        ended.status.code(),
        said,
        started.elapsed(),
        ended.rusage.maxrss,
    )
}

/// Holds that an image is refused for a reason, in time and memory.
#[track_caller]
fn refused(write: impl FnOnce(&mut dyn Write), why: &str) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let image = folder.path().join("bomb");
    let mut out = BufWriter::new(File::create(&image).expect("the folder is writable"));
    write(&mut out);
    out.flush().expect("the folder is writable");
    let (code, said, time, memory) = check(&image, &[]);
    println!("{why}: {time:?}, {} MiB", memory >> 20);
    assert!(said.contains(why), "{said}");
    assert_eq!(code, Some(3), "{said}");
    assert!(time < TIME, "took {time:?}");
    assert!(memory < MEMORY, "took {memory} bytes");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes)
        .and_then(|()| out.finish())
        .expect("memory does not fill up")
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

/// An entry whose name, link target and PAX records may be of any length.
fn entry(out: &mut dyn Write, name: &str, typeflag: u8, link: &str, xattr: usize) {
    let mut put = |bytes: &[u8]| {
        out.write_all(bytes).expect("the folder is writable");
        out.write_all(&vec![0; bytes.len().next_multiple_of(512) - bytes.len()])
            .expect("the folder is writable");
    };
    for (flag, text) in [(b'L', name), (b'K', link)] {
        if text.len() > 99 {
            put(header("long", flag, text.len() as u64).as_bytes());
            put(text.as_bytes());
        }
    }
    if xattr > 0 {
        let rest = " SCHILY.xattr.user.x=".len() + xattr + 1;
        let length = (rest..)
            .find(|n| rest + n.to_string().len() == *n)
            .expect("there is one");
        let record = format!("{length} SCHILY.xattr.user.x={}\n", "x".repeat(xattr));
        put(header("pax", b'x', record.len() as u64).as_bytes());
        put(record.as_bytes());
    }
    let mut head = header(&name[..name.len().min(99)], typeflag, 0);
    let cut = link.len().min(99);
    head.as_mut_bytes()[157..][..cut].copy_from_slice(&link.as_bytes()[..cut]);
    head.set_cksum();
    put(head.as_bytes());
}

#[test]
fn a_tar_that_decompresses_without_end_is_refused() {
    let zeros = vec![0; 4 << 20];
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0))
        .expect("a preset");
    xz.write_all(&zeros).expect("memory does not fill up");
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    bzip2.write_all(&zeros).expect("memory does not fill up");
    for packed in [
        gzip(&zeros),
        zstd::encode_all(&zeros[..], 1).expect("memory does not fill up"),
        xz.finish().expect("memory does not fill up"),
        bzip2.finish().expect("memory does not fill up"),
    ] {
        refused(
            |out| (0..80).for_each(|_| out.write_all(&packed).expect("the folder is writable")),
            "raise the limit `ratio`",
        );
    }
}

#[test]
fn more_entries_than_any_image_has_are_refused() {
    let thousand: Vec<u8> = (0..1000)
        .flat_map(|_| header("a", b'0', 0).as_bytes().to_vec())
        .collect();
    let packed = gzip(&thousand);
    refused(
        |out| (0..501).for_each(|_| out.write_all(&packed).expect("the folder is writable")),
        "raise the limit `entries`",
    );
}

#[test]
fn paths_that_imply_a_tree_without_end_are_refused() {
    refused(
        |out| (0..300).for_each(|n| entry(out, &format!("{n}{}f", "/d".repeat(2000)), b'0', "", 0)),
        "raise the limit `implied`",
    );
}

#[test]
fn attributes_without_end_are_refused() {
    refused(
        |out| (0..70).for_each(|n| entry(out, &n.to_string(), b'0', "", 1_000_000)),
        "raise the limit `names`",
    );
    refused(
        |out| entry(out, "a", b'0', "", 2 << 20),
        "raise the limit `extension`",
    );
}

#[test]
fn a_header_that_claims_what_is_not_there_is_refused() {
    refused(
        |out| {
            out.write_all(header("x", b'x', 1 << 40).as_bytes())
                .expect("the folder is writable");
        },
        "raise the limit `extension`",
    );
    refused(
        |out| {
            out.write_all(header("a", b'0', 1 << 40).as_bytes())
                .expect("the folder is writable");
        },
        "cut short",
    );
}

#[test]
fn links_that_take_for_ever_to_follow_are_refused() {
    // Each leads to the next by way of a thousand names.
    refused(
        |out| {
            entry(out, "d", b'5', "", 0);
            for n in 0..40 {
                entry(
                    out,
                    &format!("l{n}"),
                    b'2',
                    &format!("{}l{}", "d/../".repeat(500), n + 1),
                    0,
                );
            }
            entry(out, "l40", b'2', "d", 0);
            (0..20_000).for_each(|n| entry(out, &format!("l0/{n}"), b'0', "", 0));
        },
        "symbolic links of more than 4096 names",
    );
    refused(
        |out| {
            entry(out, "a", b'2', "b", 0);
            entry(out, "b", b'2', "a", 0);
            entry(out, "a/c", b'0', "", 0);
        },
        "more than 40 symbolic links",
    );
}

#[test]
fn hard_links_without_end_are_refused() {
    let entries = |out: &mut dyn Write, mode: &dyn Fn(u32) -> u32| {
        entry(out, "a", b'0', "", 0);
        for n in 0..70_000 {
            let mut link = header(&n.to_string(), b'1', 0);
            link.as_mut_bytes()[157] = b'a';
            link.set_uid(mode(n).into());
            link.set_cksum();
            out.write_all(link.as_bytes())
                .expect("the folder is writable");
        }
    };
    refused(|out| entries(out, &|n| n), "yet another mode");
    refused(|out| entries(out, &|_| 0), "hard link number 65000");
}

#[test]
fn a_terabyte_of_holes_takes_no_memory() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let image = folder.path().join("holes.tar");
    let text = "file a mode=4755 format=pax pax:GNU.sparse.size=1099511627776 pax:GNU.sparse.numblocks=1 pax:GNU.sparse.map=1099511627776,0";
    fs::write(
        &image,
        casehard_testimages::build(text).expect("the description is right"),
    )
    .expect("the folder is writable");
    let (code, said, time, memory) = check(&image, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(time < TIME && memory < MEMORY, "{time:?}, {memory} bytes");
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
    let code = |more: &[&str]| check(&image, more).0;
    assert_eq!(
        code(&["--limit", "entries=2", "--limit", "names=1K"]),
        Some(1)
    );
    assert_eq!(code(&["--limit", "entries=1"]), Some(3));
    assert_eq!(code(&["--limit", "names=1"]), Some(3));
    assert_eq!(code(&["--limit", "entires=1"]), Some(2));
    assert_eq!(code(&["--limit", "entries=many"]), Some(2));
}

#[test]
fn the_documented_limits_are_the_defaults() {
    let doc = include_str!("../docs/archives.md");
    for (name, value, what) in casehard::image::Limits::default().all() {
        let row = format!("| `{name}` | {value} | {what} |");
        assert!(doc.contains(&row), "{row}");
    }
}
