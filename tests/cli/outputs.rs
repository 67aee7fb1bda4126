//! What is written, where and how compressed.

use super::{Bench, gzip};
use casehard::Compression;
use casehard_testimages::{build, bundled};
use sha2::{Digest as _, Sha256};

fn compression(bytes: &[u8]) -> Compression {
    Compression::detect(bytes)
}

#[test]
fn twice_is_once_byte_for_byte_and_so_is_another_run() {
    let bench = Bench::new();
    bench.put("image.tar.gz", gzip(&bench.tar));
    for image in ["image.tar", "image.tar.gz"] {
        bench
            .run(&format!("apply {image} -r ours.ini -o once"))
            .code(0);
        bench
            .run(&format!("apply {image} -r ours.ini -o again"))
            .code(0);
        bench.run("apply once -r ours.ini -o twice").code(0);
        assert_eq!(bench.get("once"), bench.get("again"), "{image}");
        assert_eq!(bench.get("once"), bench.get("twice"), "{image}");
    }
}

#[test]
fn bundled_images_are_hardened_once_and_for_all() {
    let bench = Bench::new();
    bench.put("setid.ini", "[Recipe]\nSchema=1\n[StripSetid]\n");
    for image in bundled() {
        bench.put("bundled.tar", build(image.description).unwrap());
        bench
            .run("apply bundled.tar -r setid.ini -o once -q")
            .code(0);
        bench.run("check once -r setid.ini").code(0);
        bench.run("apply once -r setid.ini -o twice -q").code(0);
        assert_eq!(bench.get("once"), bench.get("twice"), "{}", image.name);
    }
}

#[test]
fn the_json_report_has_the_digests_of_the_image_and_of_its_tar() {
    let hex = |bytes: &[u8]| -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let bench = Bench::new();
    bench.put("image.tar.gz", gzip(&bench.tar));
    for how in Compression::ALL {
        let name = how.name();
        let image = match how {
            Compression::Gzip => "image.tar.gz",
            _ => "image.tar",
        };
        let line = format!("apply {image} -r ours.ini --compress {name} -o");
        bench.run(&format!("{line} {name} --report r.json")).code(0);
        bench
            .run(&format!("apply {image} -r ours.ini --compress none -o tar"))
            .code(0);
        let report: serde_json::Value = serde_json::from_slice(&bench.get("r.json")).unwrap();
        let (packed, tar) = (bench.get(name), bench.get("tar"));
        let output = &report["output"];
        assert_eq!(output["sha256"], hex(&packed), "{name}");
        assert_eq!(output["bytes"], packed.len(), "{name}");
        assert_eq!(output["tar"]["sha256"], hex(&tar), "{name}");
        assert_eq!(output["tar"]["bytes"], tar.len(), "{name}");
        assert_eq!(report["image"]["sha256"], hex(&bench.get(image)));
    }
    // What goes to a pipe cannot be read again.
    bench
        .run("apply image.tar -r ours.ini -o - --report r.json")
        .code(0);
    let report: serde_json::Value = serde_json::from_slice(&bench.get("r.json")).unwrap();
    assert!(report.get("output").is_none());
}

#[test]
fn compression_is_kept_unless_told_otherwise() {
    let bench = Bench::new();
    bench.put("image", gzip(&bench.tar));
    for (name, how) in [
        ("out", Compression::Gzip),
        ("out.img", Compression::Gzip),
        ("out.tar", Compression::None),
        ("out.TAR.zst", Compression::Zstd),
    ] {
        bench
            .run(&format!("apply image -r ours.ini -o {name}"))
            .code(0);
        assert_eq!(compression(&bench.get(name)), how, "{name}");
    }
    bench.run("apply image.tar -r ours.ini -o plain").code(0);
    for how in Compression::ALL {
        let name = how.name();
        bench
            .run(&format!(
                "apply image -r ours.ini -o {name} --compress {name}"
            ))
            .code(0);
        assert_eq!(compression(&bench.get(name)), how);
        bench
            .run(&format!("apply {name} -r ours.ini -o back --compress none"))
            .code(0);
        assert_eq!(bench.get("back"), bench.get("plain"), "{name}");
    }
}

#[test]
fn stdin_to_stdout_is_as_file_to_file() {
    let bench = Bench::new();
    bench
        .run("apply image.tar -r ours.ini -o out.tar --diff out.diff")
        .code(0);
    let run = bench.feed("apply - -r ours.ini -o -", &bench.tar);
    run.code(0);
    assert!(run.stdout == bench.get("out.tar"));
    assert_ne!(run.stderr, "", "the summary");
    let run = bench.feed("apply - -r ours.ini -o - --quiet", &gzip(&bench.tar));
    assert_eq!(compression(&run.stdout), Compression::Gzip);
    assert_eq!(run.stderr, "");

    let run = bench.run("check image.tar -r ours.ini --diff -");
    run.code(1);
    assert_eq!(run.stdout, bench.get("out.diff"));
    assert_ne!(run.stderr, "", "the summary");
    let run = bench.run("check image.tar -r ours.ini --report - -q");
    assert!(run.code(1).starts_with('{'));
    assert_eq!(run.stderr, "");
}

#[test]
fn every_format_by_its_ending_and_by_its_name() {
    let bench = Bench::new();
    let mut line = "apply image.tar -r ours.ini --dry-run -q".to_owned();
    let names = ["diff", "txt", "md", "html", "json", "sarif"];
    for name in names {
        line += &format!(" --report out.{name}");
    }
    bench.run(&line).code(0);
    for name in names {
        let check = format!("check image.tar -r ours.ini -q --format {name}");
        let run = bench.run(&check);
        run.code(1);
        assert!(run.stdout == bench.get(&format!("out.{name}")), "{name}");
        let run = bench.run(&format!("{check} --report -"));
        run.code(1);
        assert!(run.stdout == bench.get(&format!("out.{name}")), "{name}");
    }
    let inputs = ["failing.ini", "image.tar", "ours.ini"].map(str::to_owned);
    let mut expected: Vec<String> = names.iter().map(|name| format!("out.{name}")).collect();
    expected.extend(inputs);
    expected.sort();
    assert_eq!(bench.names(), expected, "a dry run writes no image");
    let run = bench.run("check image.tar -r ours.ini --format txt --color always -q");
    assert!(run.code(1).contains("\x1b[32mchanged"));
}

#[test]
fn a_dry_run_says_what_apply_would() {
    let bench = Bench::new();
    bench
        .run("apply image.tar -r failing.ini --dry-run")
        .code(4);
    bench
        .run("apply image.tar -r ours.ini --dry-run -o out")
        .says(2, &["--dry-run", "--output"]);
    bench
        .run("apply image.tar -r ours.ini")
        .says(2, &["--output"]);
    bench
        .run("check image.tar -r ours.ini --format txt --diff -")
        .says(2, &["only one output"]);
    bench
        .run("check image.tar -r ours.ini --format pdf")
        .says(2, &["pdf", "sarif"]);
    bench
        .run("check image.tar -r ours.ini --report out.pdf")
        .says(2, &["out.pdf", ".html"]);
}

#[test]
fn a_directory_becomes_a_tar() {
    let bench = Bench::new();
    let folder = bench.path("rootfs/etc");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("motd"), "hello\n").unwrap();
    std::fs::write(folder.join("hosts"), "").unwrap();
    std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    bench.put("motd.ini", "[Recipe]\nSchema=1\n[Remove /etc/motd]\n");
    let run = bench.run("apply rootfs --root-owned -r motd.ini -o out.tar.gz");
    let said = run.code(0);
    let note = "note     a tar cannot hold sockets; left out: ./etc/socket\n";
    assert!(said.contains(note), "{said}");
    assert_eq!(compression(&bench.get("out.tar.gz")), Compression::Gzip);
    bench
        .run("apply rootfs -r motd.ini -o rootfs/out.tar")
        .says(2, &["lies inside the input rootfs"]);
}

#[test]
fn devices_are_written_to_and_not_replaced() {
    let bench = Bench::new();
    bench
        .run("apply image.tar -r ours.ini -o /dev/null --diff /dev/null")
        .code(0);
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn the_time_comes_from_the_option_or_source_date_epoch() {
    let bench = Bench::new();
    let apply = "apply image.tar -r ours.ini -o";
    bench
        .run(&format!("{apply} option --mtime 1700000000"))
        .code(0);
    bench
        .with_epoch("1700000000", &format!("{apply} epoch"))
        .code(0);
    bench
        .with_epoch("5", &format!("{apply} both --mtime 1700000000"))
        .code(0);
    bench.run(&format!("{apply} neither")).code(0);
    assert_eq!(bench.get("option"), bench.get("epoch"));
    assert_eq!(bench.get("option"), bench.get("both"));
    assert_ne!(bench.get("option"), bench.get("neither"));
    // As for other tools, what is empty is not set.
    bench.with_epoch("", "check image.tar -r ours.ini").code(1);
    for wrong in [
        "yesterday",
        "-1",
        "1.5",
        "99999999999999999999",
        "9999999999999999",
    ] {
        let run = bench.with_epoch(wrong, "check image.tar -r ours.ini");
        run.says(2, &["SOURCE_DATE_EPOCH="]);
    }
}

#[test]
fn waivers_are_judged_by_the_day_given() {
    let bench = Bench::new();
    bench.put(
        "waiving.ini",
        "[Recipe]\nSchema=1\n[StripSetid]\n\
         [Waive StripSetid:/usr/bin/su]\nReason=console\nExpires=2026-06-30\n",
    );
    let check = "check image.tar -r waiving.ini";
    bench
        .run(check)
        .says(2, &["--as-of", "SOURCE_DATE_EPOCH", "waiving.ini:4:"]);
    bench.run(&format!("{check} --as-of 2026-06-30")).code(0);
    bench
        .run(&format!("{check} --as-of 2026-07-01"))
        .says(4, &["2026-06-30"]);
    let unused = "[Recipe]\nSchema=1\n[StripSetid]\nKeep=/usr/bin/*\n[Waive StripSetid:/none]\nReason=r\nExpires=2020-12-31\n";
    bench.put("unused.ini", unused);
    let run = bench.run("check image.tar -r unused.ini --as-of 2026-01-01");
    assert!(
        run.code(0)
            .contains("expired on 2020-12-31); nothing used it")
    );
    // The last second of that day, and the one behind it.
    bench.with_epoch("1782863999", check).code(0);
    bench.with_epoch("1782864000", check).code(4);
}

#[test]
fn parameters_are_set() {
    let bench = Bench::new();
    bench.put(
        "params.ini",
        "[Recipe]\nSchema=1\n[Params]\nUnit=none\n[Mask ${Unit}.socket]\n",
    );
    bench.run("check image.tar -r params.ini").code(4);
    bench
        .run("check image.tar -r params.ini --set Unit=sshd")
        .code(1);
}

#[test]
fn a_name_that_says_another_compression_is_warned_of() {
    let bench = Bench::new();
    bench.put("image.tar.gz", gzip(&bench.tar));
    let warned = |line: &str| bench.run(line).stderr.contains("warning: ");
    for (image, out, more, warns) in [
        ("image.tar", "a.tar", "", false),
        ("image.tar", "a.tar.gz", "", false),
        ("image.tar", "a.TGZ", "--compress xz", true),
        ("image.tar", "a.TGZ", "--compress gzip", false),
        ("image.tar", "a.tar.lz4", "", true),
        ("image.tar", "a.img", "", false),
        ("image.tar.gz", "a.tar", "", false),
        ("image.tar.gz", "a.tar", "--compress gzip -q", false),
        ("image.tar.gz", "a.tar.gz", "", false),
        ("image.tar.gz", "a", "", false),
    ] {
        let line = format!("apply {image} -r ours.ini -o {out} {more}");
        assert_eq!(warned(&line), warns, "{line}");
    }
    let run = bench.run("apply image.tar -r ours.ini -o a.tar.xz --compress none");
    run.says(
        0,
        &["a.tar.xz has the extension .xz, but the image is not compressed"],
    );
}
