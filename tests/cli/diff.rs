//! `casehard diff`, and locks.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::{Bench, gzip};
use casehard_testimages::build;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.run("apply image.tar -r ours.ini -o hard.tar").code(0);
    bench
}

#[test]
fn what_differs_is_told_and_the_exit_code_says_whether() {
    let bench = bench();
    let run = bench.run("diff image.tar hard.tar");
    let text = run.code(1);
    for part in [
        "old      image.tar\nnew      hard.tar\n",
        "set-id files\n  - /usr/bin/su  4755 0:0\n",
        "masked units\n  + sshd.socket\n",
        "  ~ /usr/bin/su\n      mode 4755 (rwsr-xr-x) → 0755 (rwxr-xr-x)\n",
        "  + /etc/systemd/system/sshd.socket  new link to /dev/null\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(run.stderr, "");
    assert!(!text.contains('\x1b'));

    bench.put("image.tar.gz", gzip(&bench.tar));
    let same = bench.run("diff image.tar image.tar.gz");
    assert!(same.code(0).ends_with("no differences\n"));
    let same = bench.run("diff image.tar hard.tar --path /nowhere");
    let vain = "note: neither image has any of the paths that were asked for\nno differences\n";
    assert!(same.code(0).ends_with(vain));
    let same = bench.run("diff image.tar image.tar.gz --path /usr");
    assert!(!same.code(0).contains("neither image"));
    assert_eq!(bench.run("diff image.tar hard.tar --quiet").code(1), "");
    let fed = bench.feed("diff - hard.tar --format json", &bench.tar);
    let json: serde_json::Value = serde_json::from_str(&fed.code(1)).unwrap();
    assert_eq!(
        (&json["version"], &json["same"]),
        (&1.into(), &false.into())
    );
    let diff = bench.run("diff image.tar hard.tar --format diff");
    assert!(diff.code(1).starts_with("# casehard"));
    let color = bench.run("diff image.tar hard.tar --color always --kind masked");
    assert!(color.code(1).contains("\x1b[32m  + sshd.socket"));
}

#[test]
fn a_directory_is_compared_as_the_tar_that_it_would_be() {
    let bench = bench();
    std::fs::create_dir_all(bench.path("tree/etc")).unwrap();
    bench.put("tree/etc/motd", "hello\n");
    bench.put(
        "tree.tar",
        build("dir ./ mode=0755\ndir etc mode=0755\nfile etc/motd mode=0644\n| hello\n").unwrap(),
    );
    bench
        .run("diff tree.tar tree --root-owned --exclude /nothing --kind content,added,removed")
        .code(0);
    bench.put("tree/etc/motd", "hallo\n");
    let run = bench.run("diff tree.tar tree --root-owned --path motd");
    let text = run.code(1);
    assert!(text.contains("      -hello\n      +hallo\n"), "{text}");
}

#[test]
fn what_cannot_be_compared_has_the_exit_codes_of_other_commands() {
    let bench = bench();
    bench.put("bad.tar", &bench.tar[..700]);
    for (line, code, said) in [
        (
            "diff image.tar bad.tar",
            3,
            "bad.tar: the archive is cut short",
        ),
        ("diff image.tar none.tar", 5, "cannot open none.tar"),
        ("diff image.tar", 2, "NEW"),
        ("diff - -", 2, "only one of OLD and NEW can be stdin"),
        ("diff image.tar hard.tar --kind nope", 2, "nope"),
        (
            "diff image.tar hard.tar --path [",
            2,
            "is not a path or glob",
        ),
    ] {
        let run = bench.run(line);
        assert_eq!(run.code(code), "", "{line}");
        assert!(run.stderr.contains(said), "{line}\n{}", run.stderr);
    }
}

#[test]
fn reports_go_where_and_how_their_names_say() {
    let bench = bench();
    let run = bench.run(
        "diff image.tar hard.tar --report r.html --report r.md --report r.sarif --report r.json --report r.diff --report r.txt",
    );
    let said = run.code(1);
    assert!(
        said.starts_with("paths: ") && said.lines().count() == 1,
        "{said}"
    );
    for (name, part) in [
        ("r.html", "<!doctype html>"),
        ("r.md", "## 🔧 casehard: Different"),
        ("r.sarif", "\"version\": \"2.1.0\""),
        ("r.json", "\"same\":false"),
        ("r.diff", "# casehard "),
        ("r.txt", "old      image.tar\n"),
    ] {
        let text = String::from_utf8(bench.get(name)).unwrap();
        assert!(text.contains(part), "{name}: {text}");
        let ending = name.split_once('.').unwrap().1;
        let run = bench.run(&format!("diff image.tar hard.tar --format {ending}"));
        assert_eq!(run.code(1), text, "{name}");
    }
    // Gained by the image that is not hardened.
    let run = bench.run("diff hard.tar image.tar --format sarif");
    assert!(run.code(1).contains("set-id/gained"));
    let both = bench.run("diff image.tar hard.tar --report two.html --format txt");
    assert!(both.code(1).starts_with("old      image.tar"));
    assert!(bench.names().contains(&"two.html".to_owned()));
    let quiet = bench.run("diff image.tar hard.tar --report three.md --quiet");
    assert_eq!(quiet.code(1), "");
    bench
        .run("diff image.tar image.tar --report same.md")
        .code(0);
    let same = String::from_utf8(bench.get("same.md")).unwrap();
    assert!(same.contains("casehard: Same"), "{same}");

    let before = bench.names();
    for (line, code, said) in [
        (
            "--report x.pdf",
            2,
            "use one of .diff, .txt, .md, .html, .json, .sarif",
        ),
        ("--report x", 2, "the extension picks the format"),
        (
            "--report hard.tar.md --report hard.tar.md",
            2,
            "is given for two outputs",
        ),
        ("--report no/x.md", 5, "no"),
        (
            "--report - --report -",
            2,
            "only one output can go to stdout",
        ),
        (
            "--format pdf",
            2,
            "possible values: diff, txt, md, html, json, sarif",
        ),
    ] {
        let run = bench.run(&format!("diff image.tar hard.tar {line}"));
        assert_eq!(run.code(code), "", "{line}");
        assert!(run.stderr.contains(said), "{line}\n{}", run.stderr);
    }
    bench.put("old.txt", &bench.tar);
    let run = bench.run("diff old.txt hard.tar --report old.txt");
    assert!(
        run.stderr.contains("changes nothing in place"),
        "{}",
        run.stderr
    );
    run.code(2);
    assert_eq!(
        bench.names().len(),
        before.len() + 1,
        "nothing else was written"
    );
}

#[test]
fn a_lock_lets_nothing_pass_that_it_does_not_have() {
    let bench = Bench::new();
    let apply = "apply image.tar -r ours.ini -o out.tar --lock ours.lock";
    bench.run(apply).code(0);
    let lock = String::from_utf8(bench.get("ours.lock")).unwrap();
    assert_eq!(lock.lines().count(), 2, "nothing is left: {lock}");

    // The same recipe without `StripSetid` leaves what the lock does not have.
    bench.put("lax.ini", "[Recipe]\nSchema=1\n[Mask sshd.socket]\n");
    bench
        .run("apply image.tar -r ours.ini -o again.tar --locked ours.lock")
        .code(0);
    for line in [
        "apply image.tar -r lax.ini -o lax.tar --diff lax.diff --locked ours.lock",
        "check image.tar -r lax.ini --locked ours.lock",
        "apply image.tar -r lax.ini --dry-run --locked ours.lock",
    ] {
        let run = bench.run(line);
        run.code(4);
        for said in [
            "privileges that ours.lock lacks",
            "  + set-id /usr/bin/su  4755 0:0\n",
        ] {
            assert!(run.stderr.contains(said), "{line}\n{}", run.stderr);
        }
    }
    let run = bench.run(
        "check image.tar -r lax.ini --locked ours.lock --report l.md --report l.sarif --report l.json --report l.html",
    );
    run.code(4);
    for (name, part) in [
        ("l.md", "casehard: Not in the lock"),
        ("l.sarif", "set-id/not-in-lock"),
        ("l.json", "\"beyond\""),
        ("l.html", "Not in the lock"),
    ] {
        let text = String::from_utf8(bench.get(name)).unwrap();
        assert!(text.contains(part), "{name}: {text}");
    }
    let names = bench.names();
    assert!(names.contains(&"lax.diff".to_owned()) && !names.contains(&"lax.tar".to_owned()));

    // A lock with more than the image gives is kept; one that is none is refused before any work.
    bench
        .run("apply image.tar -r lax.ini -o lax.tar --lock lax.lock")
        .code(0);
    bench
        .run("apply image.tar -r ours.ini -o third.tar --locked lax.lock")
        .code(0);
    bench.put("odd.lock", "set-id\t/usr/bin/su\t4755 0:0\n");
    bench.put(
        "old.lock",
        "# casehard lock 1\nset-id\t/usr/bin/su\t4755 0:0\n",
    );
    for (line, code, said) in [
        ("--locked odd.lock", 2, "odd.lock:1: not a lock file"),
        (
            "--locked old.lock",
            2,
            "old.lock:1: this lock does not list logins",
        ),
        ("--locked none.lock", 5, "cannot read none.lock"),
        ("--locked ours.lock --lock ours.lock", 2, "--lock"),
        ("--lock image.tar", 2, "changes nothing in place"),
    ] {
        let run = bench.run(&format!("apply image.tar -r ours.ini -o fourth.tar {line}"));
        run.code(code);
        assert!(run.stderr.contains(said), "{line}\n{}", run.stderr);
    }
    bench
        .run("apply image.tar -r failing.ini -o fifth.tar --lock fifth.lock")
        .code(4);
    let names = bench.names();
    assert!(
        !names
            .iter()
            .any(|name| name.starts_with("fourth") || name.starts_with("fifth"))
    );
}

#[test]
fn a_base_that_lets_others_write_for_root_or_log_in_fails_a_lock() {
    let bench = Bench::new();
    let base = |passwd: &str, password: &str, job: &str, run: &str| {
        format!(
            "
file etc/os-release
| ID=debian
file etc/passwd {passwd}
| root:x:0:0::/root:/bin/sh
file etc/shadow mode=0640
| root:{password}:19000::::::
file etc/cron.d/job {job}
| @daily root /opt/run.sh
file opt/run.sh {run}
"
        )
    };
    let harden = |image: String, lock: &str| {
        bench.put("base.tar", build(&image).unwrap());
        bench.put("none.ini", "[Recipe]\nSchema=1\n[StripSetid]\n");
        bench.run(&format!("apply base.tar -r none.ini --dry-run {lock}"))
    };
    let (plain, program) = ("mode=0644", "mode=0755");
    harden(base(plain, "*", plain, program), "--lock base.lock").code(0);
    harden(base(plain, "!", plain, program), "--locked base.lock").code(0);
    for (image, line) in [
        (
            base("mode=0664", "*", plain, program),
            "+ writable /etc/passwd  group root",
        ),
        (
            base("mode=0644 uid=7", "*", plain, program),
            "+ writable /etc/passwd  user 7",
        ),
        (
            base(plain, "", plain, program),
            "+ login root  no password is asked for: empty in /etc/shadow",
        ),
        (
            base(plain, "*", "mode=0646", program),
            "+ writable /etc/cron.d/job  anyone",
        ),
        (
            base(plain, "*", plain, "mode=0755 uid=1000"),
            "+ writable /opt/run.sh  user 1000",
        ),
    ] {
        let run = harden(image, "--locked base.lock");
        run.code(4);
        assert!(run.stderr.contains(line), "{line}\n{}", run.stderr);
    }
}
