//! Images that are made to exhaust a machine: refused soon, and with little memory.

#![allow(
    clippy::print_stdout,
    reason = "what each refusal took is worth to know"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use flate2::write::GzEncoder;
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

/// Bytes, each slice so many times over. The tests must stay small themselves: a child's peak memory begins with its parent's.
type Parts<'a> = &'a [(&'a [u8], usize)];

fn feed(mut out: impl Write, parts: Parts) {
    for (bytes, times) in parts {
        (0..*times).for_each(|_| put(&mut out, bytes));
    }
}

fn gzip(parts: Parts) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), flate2::Compression::best());
    feed(&mut out, parts);
    out.finish().expect("memory does not fill up")
}

fn zstd(parts: Parts) -> Vec<u8> {
    let mut out = zstd::Encoder::new(Vec::new(), 1).expect("a level");
    feed(&mut out, parts);
    out.finish().expect("memory does not fill up")
}

fn xz(parts: Parts) -> Vec<u8> {
    let preset = lzma_rust2::XzOptions::with_preset(0);
    let mut out = lzma_rust2::XzWriter::new(Vec::new(), preset).expect("a preset");
    feed(&mut out, parts);
    out.finish().expect("memory does not fill up")
}

fn bzip2(parts: Parts) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    feed(&mut out, parts);
    out.finish().expect("memory does not fill up")
}

type Packer = fn(Parts) -> Vec<u8>;

/// Each way to compress, and its name.
const PACKERS: [(&str, Packer); 4] = [("gzip", gzip), ("zstd", zstd), ("xz", xz), ("bzip2", bzip2)];

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

/// An entry whose name, link target and PAX records may be of any length.
fn entry(out: &mut dyn Write, name: &str, typeflag: u8, link: &str, xattr: usize) {
    let mut put = |bytes: &[u8]| {
        put(out, bytes);
        put(
            out,
            &vec![0; bytes.len().next_multiple_of(512) - bytes.len()],
        );
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
    let file = header("a", b'0', 1 << 35).as_bytes().to_vec();
    let noise: Vec<u8> = (1..1000u32)
        .map(|n| (n.wrapping_mul(2_654_435_769) >> 24).to_le_bytes()[0])
        .collect();
    for (name, pack) in PACKERS {
        // What is slowest to decode among what is small enough. Together they are larger than what is taken for no bomb.
        let (slow, count) = match name {
            "bzip2" => (&noise[..], 20),
            _ => (&noise[..2], 70),
        };
        for (of, data) in [("zeros", &[0][..]), ("a pattern", slow)] {
            let (start, data) = (pack(&[(&file, 1)]), pack(&[(data, (4 << 20) / data.len())]));
            refused(
                &format!("{of} in {count} parts, {name}"),
                |out| {
                    put(out, &start);
                    (0..count).for_each(|_| put(out, &data));
                },
                "raise the limit `ratio`",
            );
        }
        let whole = pack(&[(&[0; 4096], 65537)]);
        refused(
            &format!("zeros, {name}"),
            |out| put(out, &whole),
            "raise the limit `ratio`",
        );
    }
}

#[test]
fn what_is_no_tar_is_refused_before_all_of_it_is_decompressed() {
    for (name, pack) in PACKERS {
        let packed = pack(&[(&[7; 4096], 1024)]);
        // A gibibyte, of which the first block tells.
        refused(
            &format!("no tar, {name}"),
            |out| (0..256).for_each(|_| put(out, &packed)),
            "this is not a tar archive",
        );
    }
}

#[test]
fn members_without_end_are_refused_or_read_quickly() {
    let tar = header("a", b'0', 0);
    for (name, pack) in PACKERS {
        let (start, empty) = (pack(&[(tar.as_bytes(), 1)]), pack(&[]));
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
        let image = folder.path().join("bomb");
        let empties = empty.repeat((4 << 20) / empty.len());
        fs::write(&image, [start, empties].concat()).expect("the folder is writable");
        let run = check(&image, &[]);
        println!(
            "empty members, {name}: {:.2?}, {} MiB",
            run.time,
            run.memory >> 20
        );
        assert_eq!(
            run.code,
            Some(if name == "bzip2" { 3 } else { 0 }),
            "{name}: {}",
            run.said
        );
        run.is_bounded(name);
    }
}

#[test]
fn an_honest_image_may_be_mostly_zeros() {
    // Fifty times as large as its compressed form, by an empty disk image in it.
    let mut state = 1u64;
    let mut roll = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    let noise: Vec<u8> = (0..6 << 20).map(|_| roll()).collect();
    let size = |bytes: usize| u64::try_from(bytes).expect("it fits");
    let disk = header("disk", b'0', size(300 << 20));
    let file = header("noise", b'0', size(noise.len()));
    let tar: Parts = &[
        (disk.as_bytes(), 1),
        (&[0; 4096], (300 << 20) / 4096),
        (file.as_bytes(), 1),
        (&noise, 1),
        (&[0; 1024], 1),
    ];
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    for (name, pack) in PACKERS {
        let image = folder.path().join("image");
        let packed = pack(tar);
        let ratio = (306 << 20) / packed.len();
        assert!((30..60).contains(&ratio), "{name}: {ratio}");
        fs::write(&image, packed).expect("the folder is writable");
        let run = check(&image, &[]);
        assert_eq!(run.code, Some(0), "{name}, ratio {ratio}: {}", run.said);
    }
}

#[test]
fn more_entries_than_any_image_has_are_refused() {
    let thousand: Vec<u8> = (0..1000)
        .flat_map(|_| header("a", b'0', 0).as_bytes().to_vec())
        .collect();
    let packed = gzip(&[(&thousand, 1)]);
    refused(
        "501000 entries",
        |out| (0..501).for_each(|_| put(out, &packed)),
        "raise the limit `entries`",
    );
}

/// A PAX header with records of one kind, about as many as it may hold, and the entry that it speaks of.
fn records(record: impl Fn(usize) -> String) -> Vec<u8> {
    let all = (0..).map(record).map(|rest| {
        let length = (rest.len()..).find(|n| rest.len() + n.to_string().len() == *n);
        format!("{}{rest}", length.expect("there is one"))
    });
    let mut text = String::new();
    for record in all {
        if text.len() + record.len() > 1_000_000 {
            break;
        }
        text += &record;
    }
    let mut out = header("pax", b'x', text.len() as u64).as_bytes().to_vec();
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len().next_multiple_of(512), 0);
    out.extend_from_slice(header("a", b'0', 0).as_bytes());
    out
}

#[test]
fn records_without_end_are_refused() {
    let empty = gzip(&[(&records(|_| " a=\n".to_owned()), 1)]);
    refused(
        "empty PAX records",
        |out| (0..250).for_each(|_| put(out, &empty)),
        "raise the limit `records`",
    );
    let attributes = gzip(&[(&records(|n| format!(" SCHILY.xattr.{n:x}=v\n")), 1)]);
    refused(
        "attributes of a few bytes",
        |out| (0..100).for_each(|_| put(out, &attributes)),
        "raise the limit `names`",
    );
}

#[test]
fn a_sparse_map_without_end_is_refused() {
    let mut head = header("a", b'S', 0);
    head.as_mut_bytes()[482] = 1;
    head.set_cksum();
    let mut more = [0; 512];
    more[504] = 1;
    let (start, more) = (gzip(&[(head.as_bytes(), 1)]), gzip(&[(&more, 2048)]));
    refused(
        "a sparse map of blocks without end",
        |out| {
            put(out, &start);
            (0..300).for_each(|_| put(out, &more));
        },
        "raise the limit `ratio`",
    );
}

#[test]
fn paths_that_imply_a_tree_without_end_are_refused() {
    refused(
        "600000 directories that 300 paths imply",
        |out| (0..300).for_each(|n| entry(out, &format!("{n}{}f", "/d".repeat(2000)), b'0', "", 0)),
        "raise the limit `implied`",
    );
}

#[test]
fn attributes_without_end_are_refused() {
    refused(
        "70 attributes of a megabyte",
        |out| (0..70).for_each(|n| entry(out, &n.to_string(), b'0', "", 1_000_000)),
        "raise the limit `names`",
    );
    refused(
        "a PAX header of two megabytes",
        |out| entry(out, "a", b'0', "", 2 << 20),
        "raise the limit `extension`",
    );
}

#[test]
fn a_header_that_claims_what_is_not_there_is_refused() {
    refused(
        "a PAX header of a terabyte",
        |out| put(out, header("x", b'x', 1 << 40).as_bytes()),
        "raise the limit `extension`",
    );
    refused(
        "a file of a terabyte",
        |out| put(out, header("a", b'0', 1 << 40).as_bytes()),
        "cut short",
    );
}

#[test]
fn links_that_take_for_ever_to_follow_are_refused() {
    // Each leads to the next by way of a thousand names.
    refused(
        "40 links of a thousand names each",
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
        "a circle of links",
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
            put(out, link.as_bytes());
        }
    };
    refused(
        "hard links with other owners each",
        |out| entries(out, &|n| n),
        "yet another mode",
    );
    refused(
        "70000 hard links to one file",
        |out| entries(out, &|_| 0),
        "hard link number 65000",
    );
}

/// Writes an image of a description into a folder.
fn described(folder: &Path, name: &str, text: &str) -> PathBuf {
    let image = folder.join(name);
    let bytes = casehard_testimages::build(text).expect("the description is right");
    fs::write(&image, bytes).expect("the folder is writable");
    image
}

#[test]
fn patterns_of_selinux_that_are_large_take_no_memory() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let contexts = "etc/selinux/t/contexts/files/file_contexts";
    // Each came to six megabytes.
    let lines: String = (0..1500)
        .map(|n| format!("| \\w{{100}}{n} -- system_u:object_r:etc_t:s0\n"))
        .collect();
    let text = format!(
        "file etc/a xattr:security.selinux=x\nfile etc/selinux/config\n| SELINUXTYPE=t\nfile {contexts}\n{lines}"
    );
    let image = described(folder.path(), "image.tar", &text);
    let run = check_by("[WriteFile /etc/b]\nLine=x", &image, &[]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    run.is_bounded("1500 patterns");
}

#[test]
fn lines_of_a_database_are_not_kept() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let lines: String = (0..700_000).map(|n| format!("| g{n}:x:{n}:\n")).collect();
    let text = format!("file etc/group\n| wheel:x:10:core\n{lines}");
    let image = described(folder.path(), "image.tar", &text);
    let run = check_by("[RemoveFromGroups core]\nGroup=wheel", &image, &[]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    println!("700000 groups: {:.2?}, {} MiB", run.time, run.memory >> 20);
    run.is_bounded("700000 groups");
}

#[test]
fn reports_do_not_grow_with_the_square_of_hard_links() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let links = |mode: u32| {
        let links = (1..4000).map(|n| format!("hardlink bin/f{n} -> bin/f0 mode={mode:o}\n"));
        format!("file bin/f0 mode={mode:o}\n{}", links.collect::<String>())
    };
    let image = described(folder.path(), "image.tar", &links(0o4755));
    let report = folder.path().join("report.json");
    let report = report.to_str().expect("its name is text");
    let run_of = check(&image, &["--report", report]);
    assert_eq!(run_of.code, Some(1), "{}", run_of.said);
    run_of.is_bounded("a report of 4000 hard links");
    let size = fs::metadata(report).expect("it was written").len();
    assert!(size < 8 << 20, "{size} bytes of JSON");

    let newer = described(folder.path(), "newer.tar", &links(0o755));
    let [image, newer] = [&image, &newer].map(|path| path.to_str().expect("its name is text"));
    for format in ["json", "txt", "diff"] {
        let run = run(&["diff", image, newer, "--format", format], image);
        assert_eq!(run.code, Some(1), "{}", run.said);
        run.is_bounded("a comparison of 4000 hard links");
    }
}

#[test]
fn a_file_is_hashed_once_whatever_its_names() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let image = folder.path().join("image.tar");
    let mut out = BufWriter::new(File::create(&image).expect("the folder is writable"));
    let mut file = header("f0", b'0', 8 << 20);
    file.set_mode(0o4755);
    file.set_cksum();
    put(&mut out, file.as_bytes());
    put(&mut out, &vec![0; 8 << 20]);
    for n in 1..2000 {
        let mut link = header(&format!("f{n}"), b'1', 0);
        link.as_mut_bytes()[157..159].copy_from_slice(b"f0");
        link.set_mode(0o4755);
        link.set_cksum();
        put(&mut out, link.as_bytes());
    }
    put(&mut out, &[0; 1024]);
    out.flush().expect("the folder is writable");
    let report = |name: &str| {
        let path = folder.path().join(name);
        path.to_str().expect("its name is text").to_owned()
    };
    let (json, diff) = (report("report.json"), report("report.diff"));
    let run = check(&image, &["--report", &json, "--report", &diff]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    println!("8 MiB by 2000 names: {:.2?}", run.time);
    run.is_bounded("8 MiB by 2000 names");
}

#[test]
fn lines_of_tmpfiles_are_not_held_against_each_edit() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let files: String = (0..4000)
        .map(|n| format!("file s/{n} mode=4755\n"))
        .collect();
    let lines = |line: &str| {
        format!(
            "file usr/lib/tmpfiles.d/a.conf\n{}{files}",
            line.repeat(20_000)
        )
    };
    let image = described(folder.path(), "plain.tar", &lines("| z /x 0\n"));
    let run = check(&image, &[]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(!run.said.contains("not known in full"), "{}", run.said);
    run.is_bounded("20000 lines and 4000 edits");
    // What may mean every edit is not tried without end, and the report says so.
    for line in ["| z /*/x 0\n", "| Z /s 0700\n"] {
        let image = described(folder.path(), "many.tar", &lines(line));
        let report = folder.path().join("report.txt");
        let path = report.to_str().expect("its name is text");
        let run = check(&image, &["--report", path]);
        assert_eq!(run.code, Some(1), "{}", run.said);
        let report = fs::read_to_string(&report).expect("it was written");
        assert!(report.contains("not known in full"), "{line}");
        run.is_bounded(line);
    }
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
    let run = check(&image, &[]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    run.is_bounded("an honest image");
}

/// Blocks of deflate's that hold nothing and have codes of their own, as many as begin at a whole byte again.
fn hollow_blocks() -> [u8; 91] {
    let lengths = (0..18).map(|at| (u128::from(at == 2 || at == 17), 3));
    let header = [(0b100, 3), (0, 5), (0, 5), (14, 4)];
    let codes = [(0b1111_1111, 8), (0b1101_0101, 8), (0, 3), (1, 1)];
    let all = header.into_iter().chain(lengths).chain(codes);
    let (block, bits) = all.fold((0, 0), |(block, at), (value, count)| {
        (block | value << at, at + count)
    });
    assert_eq!(bits, 91);
    let mut blocks = [0; 91];
    for bit in 0..8 * bits {
        blocks[bit / 8] |= u8::from(block >> (bit % bits) & 1 == 1) << (bit % 8);
    }
    blocks
}

#[test]
fn data_that_looks_like_blocks_takes_no_longer_than_data() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let image = folder.path().join("image.tar.gz");
    // Stored as it is. Who looks for a block that begins in it finds one everywhere, and many after it, and then none.
    let mut out = GzEncoder::new(Vec::new(), flate2::Compression::none());
    let (parts, blocks) = (10, 700);
    let size = parts * (blocks * 91 + 12);
    put(&mut out, header("data", b'0', size as u64).as_bytes());
    for _ in 0..parts {
        put(&mut out, &hollow_blocks().repeat(blocks));
        put(&mut out, &[0xff; 12]);
    }
    put(&mut out, &vec![0; size.next_multiple_of(512) - size + 1024]);
    fs::write(&image, out.finish().expect("memory does not fill up")).expect("it is writable");
    let run = check(&image, &[]);
    assert_eq!(run.code, Some(0), "{}", run.said);
    println!("data that looks like blocks: {:.2?}", run.time);
    run.is_bounded("data that looks like blocks");
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
    let doc = include_str!("../docs/archives.md");
    for (name, value, what) in casehard::image::Limits::default().all() {
        let row = format!("| `{name}` | {value} | {what} |");
        assert!(doc.contains(&row), "{row}");
    }
}
