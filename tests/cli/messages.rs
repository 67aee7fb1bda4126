//! What people read: help, mistakes in recipes, and that a terminal gets nothing it would obey.

use super::Bench;
use casehard_testimages::build;

#[test]
fn mistakes_are_drawn_where_they_are_and_all_at_once() {
    let bench = Bench::new();
    bench.put(
        "bad.ini",
        "[Recipe]\nSchema=1\n\n[Maks sshd.socket]\n\n[Mask sshd.socket]\nReson=nobody logs in\n",
    );
    let expected = "\
error: unknown section `Maks`
 --> bad.ini:4:2
  |
4 | [Maks sshd.socket]
  |  ^^^^ no rule of this name
  |
  = help: did you mean `Mask`?

error: unknown key `Reson` in `[Mask]`
 --> bad.ini:7:1
  |
7 | Reson=nobody logs in
  | ^^^^^ unknown
  |
  = help: did you mean `Reason`?

";
    for line in [
        "check image.tar -r bad.ini",
        "apply image.tar -r bad.ini -o out.tar",
        "recipe check bad.ini",
    ] {
        let run = bench.run(line);
        assert_eq!((run.code(2).as_str(), run.stderr.as_str()), ("", expected));
    }
    let colored = bench.run("--color always recipe check bad.ini");
    assert!(colored.stderr.contains("\x1b["));
    let plain = bench.run("recipe check bad.ini --color never");
    assert_eq!(plain.stderr, expected);
}

#[test]
fn recipe_check_reads_all_files() {
    let bench = Bench::new();
    bench.put("bad.ini", "[Recipe]\nSchema=1\n[Maks a.socket]\n");
    bench.put("worse.ini", "[Recipe]\nSchema=9\n");
    let run = bench.run("recipe check bad.ini ours.ini worse.ini none.ini");
    assert_eq!(run.code(2), "ours.ini: 2 rules\n");
    run.says(2, &["bad.ini:3:2", "worse.ini:2:", "none.ini"]);
    bench.run("recipe check ours.ini failing.ini").code(0);
    // A file's name alone is enough here, and `-q` keeps still.
    bench.put("ours", super::RECIPE);
    assert_eq!(bench.run("recipe check ours").code(0), "./ours: 2 rules\n");
    assert_eq!(bench.run("recipe check -q ours").code(0), "");
}

#[test]
fn the_language_and_the_shipped_recipes_are_shown() {
    let bench = Bench::new();
    let rules = bench.run("recipe help").code(0);
    for (usage, _) in casehard::Recipe::kinds() {
        assert!(rules.contains(&usage), "{rules}");
        let name = usage.trim_matches(['[', ']']).split(' ').next().unwrap();
        let help = bench.run(&format!("recipe help {name}")).code(0);
        assert_eq!(help, casehard::Recipe::help(name).unwrap());
    }
    let list = bench.run("recipe list").code(0);
    assert_eq!(list.lines().count(), casehard::Recipe::SHIPPED.len());
    for shipped in casehard::Recipe::SHIPPED {
        assert!(list.contains(shipped.name));
        let shown = bench.run(&format!("recipe show {}", shipped.name)).code(0);
        assert_eq!(shown, shipped.text);
    }
}

#[test]
fn help_says_what_has_to_be_known() {
    let bench = Bench::new();
    let cases: &[(&str, &[&str])] = &[
        (
            "--help",
            &["apply", "check", "recipe", "Exit codes", "130", "--quiet"],
        ),
        (
            "apply --help",
            &[
                "stdin",
                "stdout",
                "--compress",
                "zstd",
                "SOURCE_DATE_EPOCH",
                ".json",
                "Examples",
            ],
        ),
        (
            "check --help",
            &["--as-of", "--set", "Examples", "Exit codes"],
        ),
        ("recipe --help", &["list", "show", "check", "help"]),
    ];
    for (line, texts) in cases {
        let help = bench.run(line).code(0);
        for text in *texts {
            assert!(help.contains(text), "{text} in {help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100));
    }
    // Not for a file that is only read.
    assert!(!bench.run("check --help").code(0).contains("--compress"));
}

#[test]
fn what_images_and_recipes_are_called_cannot_steer_a_terminal() {
    let bench = Bench::new();
    let evil = "evil\x1b[2J\u{202e}\u{9b}";
    bench.put(evil, "no tar");
    let run = super::Run::of(bench.command(["check", evil, "-r", "ours.ini"]).output());
    run.says(3, &["evil\\u{1b}[2J\\u{202e}\\u{9b}"]);

    let recipe = format!("./{evil}.ini");
    bench.put(
        &recipe,
        format!("[Recipe]\nSchema=1\n[{evil}]\n[Mask x.socket]\n{evil}=\u{7}\n"),
    );
    let run = super::Run::of(
        bench
            .command(["check", "image.tar", "-r", &recipe])
            .output(),
    );
    run.code(2);
    let obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!run.stderr.contains(obeyed), "{:?}", run.stderr);

    let image = "
        dir etc
        file etc/evil\\x1b[2J\\xe2\\x80\\xae mode=4755
    ";
    bench.put("names.tar", build(image).unwrap());
    let run = bench.run("check names.tar -r failing.ini");
    assert!(!run.code(4).contains(obeyed));
    assert!(!run.stderr.contains(obeyed), "{:?}", run.stderr);
}

#[test]
fn the_progress_bar_is_gone_before_anything_else_is_printed() {
    let bench = Bench::new();
    let big = build("dir etc\nfile etc/su mode=4755 fill=2M:00\n").unwrap();
    bench.put("setid.ini", "[Recipe]\nSchema=1\n[StripSetid]\n");
    let line = "apply - -r setid.ini -o - --progress";
    let run = bench.feed(&format!("{line} always"), &big);
    run.says(0, &["reading", "writing", "MiB"]);
    let (_, behind) = run
        .stderr
        .rsplit_once("\x1b[2K")
        .expect("the line is cleared");
    assert!(!behind.contains("writing"), "{behind:?}");
    for when in ["auto", "never"] {
        let run = bench.feed(&format!("{line} {when}"), &big);
        run.code(0);
        assert!(!run.stderr.contains('\x1b'), "{}", run.stderr);
    }
}

#[test]
fn recipe_check_takes_parameters_and_a_day() {
    let bench = Bench::new();
    bench.put(
        "params.ini",
        "[Recipe]\nSchema=1\n[Params]\nUnit=a\n[Mask ${Unit}]\n[Waive Mask:a.service]\nReason=x\nExpires=2026-01-31\n",
    );
    bench.put("empty.ini", "[Recipe]\nSchema=1\n");
    bench
        .run("recipe check params.ini")
        .says(2, &["params.ini:5:"]);
    let set = "recipe check params.ini ours.ini empty.ini --set Unit=b.service";
    let run = bench.run(set);
    assert_eq!(
        run.code(0),
        "params.ini: 1 rule\nours.ini: 2 rules\nempty.ini: 0 rules\n"
    );
    assert!(run.stderr.contains("empty.ini has no rules") && !run.stderr.contains("expired"));
    let run = bench.run(&format!("{set} --as-of 2026-02-01"));
    run.says(
        0,
        &[
            "params.ini:6:",
            "the waiver for Mask:a.service expired on 2026-01-31",
        ],
    );
    bench.run(&format!("{set} --as-of 2026-01-31")).code(0);
    bench
        .run("recipe check ours.ini --set Unit=b.service")
        .says(2, &["Unit"]);
}

#[test]
fn recipe_show_prints_a_file_merged() {
    let bench = Bench::new();
    bench.put(
        "site.ini",
        "[Recipe]\nSchema=1\nExtends=no-setid\n[StripSetid]\nKeep=/usr/bin/su\nReason=break-glass console\n",
    );
    let shown = bench.run("recipe show site.ini").code(0);
    assert!(
        shown.contains("\n# site.ini:5: break-glass console\nKeep=/usr/bin/su\n"),
        "{shown}"
    );
    assert!(
        shown.contains("\nReason=a flaw in a set-id program"),
        "{shown}"
    );
    bench.put("again.ini", &shown);
    bench.run("recipe check again.ini").code(0);
    let merged = bench.run("recipe show container --merged").code(0);
    assert!(
        merged.contains("# recipe:no-setid:") && !merged.contains("Extends="),
        "{merged}"
    );
}

#[test]
fn a_conflict_and_an_expired_waiver_point_at_their_lines() {
    let bench = Bench::new();
    bench.put(
        "two.ini",
        "[Recipe]\nSchema=1\n[Permissions /etc]\nMode=0755\n[Permissions /etc]\nMode=0700\n",
    );
    bench.run("check image.tar -r two.ini").says(
        2,
        &[
            "two rules want different things of /etc: `Mode=0755` and `Mode=0700`",
            "two.ini:4:1",
            "6 | Mode=0700",
        ],
    );
    bench.put(
        "late.ini",
        "[Recipe]\nSchema=1\n[StripSetid]\n[Waive StripSetid:/usr/bin/su]\nReason=x\nExpires=2026-01-31\n",
    );
    bench
        .run("check image.tar -r late.ini --as-of 2026-02-01")
        .says(
            4,
            &[
                "its waiver for /usr/bin/su expired on 2026-01-31",
                "late.ini:4:",
                "this waiver expired",
                "this rule failed",
            ],
        );
}
