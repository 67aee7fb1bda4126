//! Files of the image that rules and reports read.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::{check, check_by, header, put, run};

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
    let image = folder.path().join("image.tar");
    let mut out = BufWriter::new(File::create(&image).expect("the folder is writable"));
    let member = "wheel:x:10:core\n";
    let line = |n: u32| format!("g{n:06}:x:{n:06}:\n");
    let (count, size) = (500_000, member.len() + 500_000 * line(0).len());
    put(&mut out, header("etc/group", b'0', size as u64).as_bytes());
    put(&mut out, member.as_bytes());
    (0..count).for_each(|n| put(&mut out, line(n).as_bytes()));
    put(&mut out, &vec![0; size.next_multiple_of(512) - size + 1024]);
    out.flush().expect("the folder is writable");
    let run = check_by("[RemoveFromGroups core]\nGroup=wheel", &image, &[]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    println!("500000 groups: {:.2?}, {} MiB", run.time, run.memory >> 20);
    run.is_bounded("500000 groups");
    assert!(run.memory < 64 << 20, "{} bytes", run.memory);
}

#[test]
fn accounts_beyond_a_limit_are_refused() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let members = "| wheel:x:10:".to_owned() + &"a,".repeat(2 << 20);
    let image = described(
        folder.path(),
        "image.tar",
        &format!("file etc/group\n{members}\n"),
    );
    for rule in ["[RemoveFromGroups core]\nGroup=wheel", "[RemoveSudo core]"] {
        let run = check_by(rule, &image, &[]);
        assert_eq!(run.code, Some(4), "{}", run.said);
        assert!(
            run.said.contains("accounts and memberships"),
            "{}",
            run.said
        );
        println!(
            "2 million members: {:.2?}, {} MiB",
            run.time,
            run.memory >> 20
        );
        run.is_bounded(rule);
    }
}

#[test]
fn yaml_neither_expands_nor_nests_without_end() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let laughs = (1..30).map(|n| {
        let list = format!("*a{}, ", n - 1).repeat(10);
        format!("| a{n}: &a{n} [{list}]\n")
    });
    let laughs = "| a0: &a0 lol\n".to_owned()
        + &laughs.collect::<String>()
        + "| name: core\n| groups: *a29\n";
    let (deep, flow) = ("- ".repeat(1 << 20), "[".repeat(1 << 20));
    let keys = "| ? ".to_owned() + &"? ".repeat(1 << 20) + "\n";
    let long = "| name: core\n| groups:\n".to_owned() + &"| - g\n".repeat(1 << 18);
    for (name, text) in [
        ("laughs", laughs),
        ("deep", format!("| {deep}\n")),
        ("flow", format!("| {flow}\n")),
        ("keys", keys),
        ("long", long),
    ] {
        let image = described(
            folder.path(),
            "image.tar",
            &format!("file etc/passwd\n| core:x:5:5\nfile etc/cloud/cloud.cfg\n{text}"),
        );
        let run = check_by("[RemoveSudo core]", &image, &[]);
        assert_eq!(run.code, Some(0), "{name}: {}", run.said);
        println!("YAML, {name}: {:.2?}, {} MiB", run.time, run.memory >> 20);
        run.is_bounded(name);
    }
}

#[test]
fn units_are_not_read_once_for_each() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let units = (0..2000).map(|n| {
        let service = format!("usr/lib/systemd/system/s{n}.service\n| [Service]\n| ExecStart=/x\n");
        format!("file {service}file usr/lib/systemd/system/s{n}.socket\n| [Socket]\n| ListenStream={n}\n")
    });
    let image = described(folder.path(), "image.tar", &units.collect::<String>());
    for rule in [
        "[Mask *.socket]",
        "[Mask *.service]",
        "[DropIn *.service/a.conf]\nService.PrivateTmp=yes",
        "[Environment *.service/a.conf]\nSet=A=1",
        "[Sandbox *.service]\nLevel=basic",
    ] {
        let run = check_by(rule, &image, &[]);
        assert_eq!(run.code, Some(1), "{}", run.said);
        println!("{rule}, 4000 units: {:.2?}", run.time);
        run.is_bounded(rule);
    }
}

#[test]
fn instances_are_not_looked_for_once_for_each_template() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let templates = (0..2000).map(|n| {
        let at = "usr/lib/systemd/system";
        let file = format!("file {at}/t{n}@.service\n| [Service]\n| ExecStart=/x\n");
        format!("{file}symlink {at}/a.target.wants/t{n}@i.service -> ../t{n}@.service\n")
    });
    let image = described(folder.path(), "image.tar", &templates.collect::<String>());
    for rule in [
        "[DropIn *@.service/a.conf]\nService.PrivateTmp=yes",
        "[Environment *@.service/a.conf]\nSet=A=1",
    ] {
        let run = check_by(rule, &image, &[]);
        assert_eq!(run.code, Some(1), "{}", run.said);
        println!("{rule}, 2000 templates: {:.2?}", run.time);
        run.is_bounded(rule);
    }
}

#[test]
fn a_file_of_the_bus_is_read_once_whatever_its_names() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let bus = "usr/share/dbus-1/system-services";
    let keys = "| X=y\n".repeat(10_000);
    let file = format!("file {bus}/o.service\n| [D-BUS Service]\n{keys}");
    let names = (0..500).map(|n| format!("symlink {bus}/o{n}.service -> o.service\n"));
    let units = (0..20).map(|n| {
        format!("file usr/lib/systemd/system/u{n}.service\n| [Service]\n| ExecStart=/x\n")
    });
    let text = names.chain(units).collect::<String>() + &file;
    let image = described(folder.path(), "image.tar", &text);
    let rules: String = (0..20).map(|n| format!("[Mask u{n}.service]\n")).collect();
    let run = check_by(&rules, &image, &[]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    println!("500 names of a file of the bus: {:.2?}", run.time);
    run.is_bounded("500 names of a file of the bus");
}

#[test]
fn units_that_are_one_file_are_not_told_in_pairs() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let links: String = (1..1000)
        .map(|n| {
            let at = "hardlink etc/systemd/system";
            format!("{at}/a{n}.service -> usr/x\n{at}/b{n}.service -> usr/x\n")
        })
        .collect();
    let files = described(
        folder.path(),
        "files.tar",
        &format!("file usr/x\n| [Service]\n{links}"),
    );
    let sockets: String = (0..1000)
        .map(|n| {
            let at = "file usr/lib/systemd/system";
            let text = "| [Socket]\n| Service=x.service\n";
            format!("{at}/a{n}.socket\n{text}{at}/b{n}.socket\n{text}")
        })
        .collect();
    let service = "file usr/lib/systemd/system/x.service\n| [Service]\n";
    let sockets = described(folder.path(), "sockets.tar", &format!("{service}{sockets}"));
    let report = folder.path().join("report.json");
    let path = report.to_str().expect("its name is text");
    for (rule, image) in [("[Mask a*.service]", files), ("[Mask a*.socket]", sockets)] {
        let run = check_by(rule, &image, &["--report", path]);
        assert_eq!(run.code, Some(1), "{}", run.said);
        println!("{rule}: {:.2?}, {} MiB", run.time, run.memory >> 20);
        run.is_bounded(rule);
        let size = fs::metadata(path).expect("it was written").len();
        assert!(size < 4 << 20, "{size} bytes of JSON");
    }
}

/// The note of a plan that gave up looking for what reverts its edits.
const NOT_ALL_KNOWN: &str = "not everything that reverts an edit is known";

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
    assert!(!run.said.contains(NOT_ALL_KNOWN), "{}", run.said);
    run.is_bounded("20000 lines and 4000 edits");
    // What may mean every edit is not tried without end, and the report says so.
    for line in ["| z /*/x 0\n", "| Z /s 0700\n"] {
        let image = described(folder.path(), "many.tar", &lines(line));
        let report = folder.path().join("report.txt");
        let path = report.to_str().expect("its name is text");
        let run = check(&image, &["--report", path]);
        assert_eq!(run.code, Some(1), "{}", run.said);
        let report = fs::read_to_string(&report).expect("it was written");
        assert!(report.contains(NOT_ALL_KNOWN), "{line}");
        run.is_bounded(line);
    }
}

#[test]
fn triggers_are_not_held_against_each_edit_without_end() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let files: String = (0..4000)
        .map(|n| format!("file s/{n} mode=4755\n"))
        .collect();
    for (directory, known) in [("/elsewhere", true), ("/s", false)] {
        let lines = format!("| {directory} package\n").repeat(20_000);
        let text = format!("file var/lib/dpkg/triggers/File\n{lines}{files}");
        let image = described(folder.path(), "image.tar", &text);
        let report = folder.path().join("report.txt");
        let path = report.to_str().expect("its name is text");
        let run = check(&image, &["--report", path]);
        assert_eq!(run.code, Some(1), "{}", run.said);
        let report = fs::read_to_string(&report).expect("it was written");
        assert_eq!(report.contains(NOT_ALL_KNOWN), !known, "{directory}");
        run.is_bounded("20000 triggers and 4000 edits");
    }
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
