//! Every exit code, and that nothing is at OUT where it is not 0.

use super::{Bench, gzip};
use casehard_testimages::build;

#[test]
fn what_is_done_is_0() {
    let bench = Bench::new();
    let run = bench.run("apply image.tar -r ours.ini -o out.tar");
    assert!(!run.code(0).is_empty());
    assert_eq!(run.stderr, "");
    assert_ne!(bench.get("out.tar"), bench.tar);
    assert_eq!(
        bench.names(),
        ["failing.ini", "image.tar", "ours.ini", "out.tar"]
    );
    for line in [
        "--help",
        "--version",
        "apply --help",
        "recipe list",
        "recipe help",
    ] {
        bench.run(line).code(0);
    }
}

#[test]
fn check_is_1_before_and_0_after() {
    let bench = Bench::new();
    bench.run("check image.tar -r ours.ini").code(1);
    bench.run("apply image.tar -r ours.ini -o out.tar").code(0);
    bench.run("check out.tar -r ours.ini").code(0);
    assert_eq!(bench.get("image.tar"), bench.tar);
}

#[test]
fn wrong_usage_is_2() {
    let bench = Bench::new();
    bench.put("child.ini", "[Recipe]\nSchema=1\nExtends=ours.ini\n");
    let before = bench.names();
    let apply = "apply image.tar -r ours.ini -o out.tar";
    let cases: &[(&str, &[&str])] = &[
        ("", &["Usage:"]),
        ("aply", &["apply"]),
        ("apply image.tar -r ours.ini", &["--output"]),
        (
            "apply image.tar -r ./none.ini -o out.tar",
            &["there is no recipe ./none.ini"],
        ),
        ("apply image.tar -r none.ini -o out.tar", &["none.ini"]),
        ("apply image.tar -r ours.ini -r none -o out.tar", &["none"]),
        (
            "apply image.tar -o out.tar",
            &["no shipped recipe", "ID=testos"],
        ),
        ("check image.tar -r ours.ini --set User", &["NAME=VALUE"]),
        ("check image.tar -r ours.ini --set User=core", &["User"]),
        (
            "check image.tar -r ours.ini --as-of yesterday",
            &["2026-12-31"],
        ),
        ("check image.tar -r ours.ini --mtime -1", &["mtime"]),
        (
            "check image.tar -r ours.ini --root-owned",
            &["--root-owned is for a directory"],
        ),
        (
            "check image.tar -r ours.ini --report findings.pdf",
            &[".diff, .txt, .md, .html, .json, .sarif"],
        ),
        (
            "check image.tar -r ours.ini --report findings",
            &[".diff, .txt, .md, .html, .json, .sarif"],
        ),
        (
            "check image.tar -r ours.ini --diff - --report -",
            &["only one output"],
        ),
        (
            "apply image.tar -r ours.ini -o - --diff /dev/stdout",
            &["only one output"],
        ),
        (
            "apply image.tar -r ours.ini -o image.tar",
            &["image.tar is an input"],
        ),
        ("apply image.tar -r ours.ini -o ./image.tar", &["image.tar"]),
        (
            "apply image.tar -r ours.ini -o link/image.tar",
            &["is the same file as the input image.tar"],
        ),
        (
            "apply image.tar -r ours.ini -o ours.ini",
            &["ours.ini is an input"],
        ),
        (
            "apply image.tar -r child.ini -o ours.ini",
            &["ours.ini is an input"],
        ),
        (
            "check image.tar -r child.ini --lock ours.ini",
            &["ours.ini is an input"],
        ),
        (
            "apply image.tar -r ours.ini -o link",
            &["link is a directory"],
        ),
        (
            "apply link -r ours.ini -o out.tar",
            &["lies inside the input link"],
        ),
        (
            &format!("{apply} --diff out.tar"),
            &["out.tar is given for two outputs"],
        ),
        (
            &format!("{apply} --diff ./x.diff --report link/x.diff"),
            &["are the same file"],
        ),
        (
            &format!("{apply} --compress lzma"),
            &["none, gzip, zstd, xz, bzip2"],
        ),
        ("recipe show none", &["none"]),
        ("recipe help Maks", &["did you mean `Mask`?"]),
        ("recipe check none.ini", &["none.ini"]),
    ];
    std::os::unix::fs::symlink(".", bench.path("link")).unwrap();
    for (line, texts) in cases {
        bench.run(line).says(2, texts);
    }
    std::fs::remove_file(bench.path("link")).unwrap();
    assert_eq!(bench.names(), before);
    assert_eq!(bench.get("image.tar"), bench.tar);
}

#[test]
fn a_misspelt_name_of_a_shipped_recipe_gets_the_nearest_one() {
    let bench = Bench::new();
    for shipped in casehard::Recipe::SHIPPED {
        let misspelt = shipped.name.replacen(|c| c != '-', "", 1);
        let run = bench.run(&format!("check image.tar -r {misspelt}"));
        run.says(2, &["did you mean"]);
    }
}

#[test]
fn a_bad_image_is_3() {
    let bench = Bench::new();
    let gz = gzip(&bench.tar);
    let mut damaged = gz.clone();
    let last = damaged.len() - 6;
    damaged[last] ^= 0xff;
    let climbing = build("file ../etc/passwd\n| x").unwrap();
    let cases: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("no.tar", b"this is no archive at all, just a line of text"),
        ("short.tar", &bench.tar[..bench.tar.len() / 2]),
        ("short.tar.gz", &gz[..gz.len() / 2]),
        ("damaged.tar.gz", &damaged),
        ("climbing.tar", &climbing),
    ];
    for (name, bytes) in cases {
        bench.put(name, bytes);
        let run = bench.run(&format!(
            "apply {name} -r ours.ini -o out.tar --diff out.diff"
        ));
        run.says(3, &["casehard: error: ", name]);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        bench
            .feed("check - -r ours.ini", bytes)
            .says(3, &["error: -: "]);
        std::fs::remove_file(bench.path(name)).unwrap();
    }
    assert_eq!(bench.names(), ["failing.ini", "image.tar", "ours.ini"]);
}

#[test]
fn a_failed_rule_is_4_and_leaves_reports_but_no_image() {
    let bench = Bench::new();
    let run = bench.run(
        "apply image.tar -r failing.ini -o out.tar --diff out.diff --report out.json --report b.diff",
    );
    assert!(run.code(4).contains("Mask telnet.socket"));
    run.says(4, &["--> failing.ini:6:", "[Mask telnet.socket]"]);
    let written = [
        "b.diff",
        "failing.ini",
        "image.tar",
        "ours.ini",
        "out.diff",
        "out.json",
    ];
    assert_eq!(bench.names(), written);
    assert_eq!(bench.get("b.diff"), bench.get("out.diff"));
    assert!(bench.get("out.json").starts_with(b"{"));
    bench.run("check image.tar -r failing.ini").code(4);
    let quiet = bench.run("check image.tar -r failing.ini -q");
    assert_eq!(quiet.code(4), "");
    assert!(quiet.stderr.contains("telnet.socket"));
}

#[test]
fn what_cannot_be_read_or_written_is_5() {
    let bench = Bench::new();
    bench.put("bad.tar", "no tar");
    let cases: &[(&str, &[&str])] = &[
        ("check none.tar -r ours.ini", &["cannot open none.tar"]),
        // Found before the image is looked at.
        ("apply bad.tar -r ours.ini -o none/out.tar", &["none"]),
        ("check bad.tar -r ours.ini --diff none/out.diff", &["none"]),
        ("apply bad.tar -r ours.ini -o /proc/out.tar", &["/proc"]),
        (
            "apply image.tar -r ours.ini -o out.tar --diff /dev/full",
            &["cannot write /dev/full"],
        ),
        (
            "apply image.tar -r ours.ini -o out.tar --report out.json --diff /proc/x",
            &["/proc"],
        ),
    ];
    for (line, texts) in cases {
        bench.run(line).says(5, texts);
    }
    let files = ["bad.tar", "failing.ini", "image.tar", "ours.ini"];
    assert_eq!(bench.names(), files);
}

#[test]
fn what_was_at_out_stays_on_failure() {
    let bench = Bench::new();
    bench.put("out.tar", "earlier");
    bench.put("bad.tar", "no tar");
    let cases = [
        (4, "apply image.tar -r failing.ini -o out.tar"),
        (3, "apply bad.tar -r ours.ini -o out.tar"),
        (2, "apply image.tar -r none -o out.tar"),
        (5, "apply image.tar -r ours.ini -o out.tar --diff /dev/full"),
    ];
    for (code, line) in cases {
        bench.run(line).code(code);
        assert_eq!(bench.get("out.tar"), b"earlier", "{line}");
    }
    bench.run("apply image.tar -r ours.ini -o out.tar").code(0);
    assert_ne!(bench.get("out.tar"), b"earlier");
}
