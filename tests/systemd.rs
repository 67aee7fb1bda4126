//! Masks, drop-ins and sandboxes, judged by systemd itself on generated trees.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "the figures say how much was compared")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use casehard::edit::Outcome;
use casehard::{Image, Recipe};

#[path = "systemd/parser.rs"]
mod parser;
mod support;
#[path = "systemd/tree.rs"]
mod tree;

use parser::{Loaded, load};
use support::tools::{self, RealTest, SETPRIV, SYSTEMCTL, SYSTEMD, SYSTEMD_ANALYZE, TAR};
use tree::{Case, Dice, ETC, NAME, Tree, USR, asked, generate};

fn main() -> ExitCode {
    tools::main(&[
        RealTest {
            name: "a_drop_in_holds_where_systemd_reads_what_was_asked",
            needs: &[SYSTEMD, SETPRIV],
            run: judged_as_systemd_reads,
        },
        RealTest {
            name: "what_ensure_adds_wins_in_systemd",
            needs: &[SYSTEMD, SETPRIV, TAR],
            run: ensured,
        },
        RealTest {
            name: "masks_are_those_of_systemctl",
            needs: &[SYSTEMD, SETPRIV, SYSTEMCTL, TAR],
            run: masks,
        },
        RealTest {
            name: "the_table_of_settings_is_systemds",
            needs: &[SYSTEMD],
            run: table,
        },
        RealTest {
            name: "a_sandbox_lowers_what_systemd_analyze_finds_exposed",
            needs: &[SYSTEMD_ANALYZE, TAR],
            run: sandboxes,
        },
    ])
}

const TREES: u64 = 12;
const UNITS: usize = 40;

/// The drop-in stands in the tree already; the rule only judges.
fn judged_as_systemd_reads() {
    let (mut holding, mut failing, mut otherwise) = (0, 0, 0);
    for seed in 0..TREES {
        let tree = Tree::new();
        let cases = generate(&tree, &mut Dice::new(seed + 1), UNITS);
        for case in &cases {
            let place = tree
                .root()
                .join(format!("{ETC}/{}.d/{NAME}", case.asked_by));
            let _ = fs::remove_file(&place);
            tree.file(
                &format!("{ETC}/{}.d/{NAME}", case.asked_by),
                &asked(case.wish),
            );
        }
        let real = load(tree.root());
        let image = Image::open(tree.root()).unwrap();
        let recipe = recipe(&cases, "");
        let plan = image.plan(&recipe).unwrap();
        for (case, rule) in cases.iter().zip(plan.rules()) {
            let loaded = &real[&case.unit];
            if !is_loaded(loaded) {
                continue;
            }
            let effective = is_effective(case, loaded);
            let why = format!(
                "seed {seed}, {}, {:?}: {:#?}",
                rule.section.label(),
                rule.outcome,
                brief(case, loaded)
            );
            match &rule.outcome {
                Outcome::Already => {
                    assert!(effective, "{why}");
                    holding += 1;
                }
                Outcome::Failed(message) => {
                    // Filters are compared as they are written, and addresses are not judged: what says the same in other
                    // words fails, and so does an address that systemd ignores.
                    let same_by_other_words = effective
                        && (case.wish.key == "CapabilityBoundingSet"
                            || message.contains("=[Socket]"));
                    assert!(!effective || same_by_other_words, "{why}");
                    otherwise += usize::from(same_by_other_words);
                    assert!(names_a_file(message, tree.root(), loaded), "{why}");
                    failing += 1;
                }
                _ => panic!("{why}"),
            }
        }
    }
    println!(
        "{holding} drop-ins hold and {failing} do not, as systemd reads them; {otherwise} fail for their words"
    );
    assert!(
        holding > 200 && failing > 60 && otherwise < 10,
        "{holding}, {failing}"
    );
}

/// A socket whose addresses were all reset does not load.
fn is_loaded(loaded: &Loaded) -> bool {
    loaded["Unit Load State"] == ["loaded"]
}

/// What matters for a case of what systemd prints, and the drop-ins that it read.
fn brief(case: &Case, loaded: &Loaded) -> Vec<(String, String)> {
    let keys = ["Fragment Path", "Alias", "Unit Load State", case.wish.key];
    let printed = loaded
        .iter()
        .filter(|(key, _)| keys.contains(&key.as_str()));
    let printed = printed.map(|(key, values)| (key.clone(), values.join(" | ")));
    let files = loaded.get("DropIn Path").into_iter().flatten();
    let read = |file: &String| fs::read_to_string(file).unwrap_or_else(|e| e.to_string());
    printed
        .chain(files.map(|file| (file.clone(), read(file))))
        .collect()
}

/// Whether the message names one of the files that systemd read.
fn names_a_file(message: &str, root: &Path, loaded: &Loaded) -> bool {
    if message.contains("does not get") {
        return true;
    }
    let named = message.split([':', ' ']).next().unwrap_or_default();
    let files = ["Fragment Path", "DropIn Path"]
        .iter()
        .filter_map(|key| loaded.get(*key))
        .flatten();
    let prefix = root.display().to_string();
    files
        .into_iter()
        .any(|file| file.strip_prefix(&prefix) == Some(named))
}

fn ensured() {
    let (mut changed, mut failed) = (0, 0);
    for seed in 100..100 + TREES {
        let tree = Tree::new();
        let cases = generate(&tree, &mut Dice::new(seed), UNITS);
        let image = Image::open(tree.root()).unwrap();
        let all = recipe(&cases, "Ensure=yes\n");
        let plan = image.plan(&all).unwrap();
        let (good, bad): (Vec<_>, Vec<_>) = cases
            .into_iter()
            .zip(plan.rules())
            .partition(|(_, rule)| !matches!(rule.outcome, Outcome::Failed(_)));
        failed += bad.len();
        let good: Vec<Case> = good.into_iter().map(|(case, _)| case).collect();
        let recipe = recipe(&good, "Ensure=yes\n");
        let output = extracted(&image, &recipe);
        let real = load(output.path());
        for case in &good {
            let loaded = &real[&case.unit];
            assert!(
                is_effective(case, loaded) || !is_loaded(loaded),
                "seed {seed}, {}: {:#?}",
                case.asked_by,
                brief(case, &real[&case.unit])
            );
        }
        changed += good.len();
    }
    println!("{changed} drop-ins were made to win; {failed} could not be");
    assert!(
        changed > 300 && failed > 5 && failed < changed / 5,
        "{changed}, {failed}"
    );
}

fn recipe(cases: &[Case], more: &str) -> Recipe {
    let mut text = String::from("[Recipe]\nSchema=1\n");
    for case in cases {
        text += &format!("[DropIn {}/{NAME}]\n{more}", case.asked_by);
        for value in case.wish.asked {
            text += &format!("{}.{}={value}\n", case.wish.section, case.wish.key);
        }
    }
    Recipe::parse("test", &text).unwrap()
}

/// What hardening gives, as a tree.
fn extracted(image: &Image, recipe: &Recipe) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plan = image.plan(recipe).unwrap();
    let archive = folder.path().join("out.tar");
    plan.write(&archive).unwrap();
    TAR.output([Path::new("-xf"), &archive, Path::new("-C"), folder.path()]);
    let open = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    folder
}

/// Whether systemd has for the unit what was asked.
fn is_effective(case: &Case, loaded: &Loaded) -> bool {
    let all = |key: &str| loaded.get(key).cloned().unwrap_or_default();
    let wanted = |value: &String| value == "/run/asked";
    match case.wish.key {
        "SocketMode" => all("SocketMode") == ["0600"],
        "KeepAlive" => all("KeepAlive") == ["yes"],
        "Description" => all("Description") == ["as asked"],
        "CapabilityBoundingSet" => all("CapabilityBoundingSet") == ["cap_chown"],
        _ if case.wish.asked.len() == 1 => all("ListenStream").iter().any(wanted),
        _ => {
            let others = ["ListenDatagram", "ListenFIFO"];
            let streams = all("ListenStream");
            !streams.is_empty()
                && streams.iter().all(wanted)
                && others
                    .iter()
                    .all(|o| all(o).is_empty() || *o == "ListenFIFO")
        }
    }
}

fn masks() {
    let (mut same, mut refused) = (0, 0);
    for seed in 200..212 {
        let tree = Tree::new();
        let mut dice = Dice::new(seed);
        let units = units_to_mask(&tree, &mut dice);
        let mut text = String::from("[Recipe]\nSchema=1\n");
        for unit in &units {
            text += &format!("[Mask {unit}]\nOnMissing=mask\n");
        }
        let image = Image::open(tree.root()).unwrap();
        let output = extracted(&image, &Recipe::parse("test", &text).unwrap());
        let root = format!("--root={}", tree.root().display());
        for unit in &units {
            let place = format!("{ETC}/{unit}");
            let ours = fs::read_link(output.path().join(&place)).ok();
            let mask = SYSTEMCTL
                .command()
                .args([&root, "mask", unit])
                .output()
                .unwrap();
            let theirs = fs::read_link(tree.root().join(&place)).ok();
            let void = Some(Path::new("/dev/null"));
            if mask.status.success() {
                let masked = ours.as_deref() == void;
                // A mask that is there already, in another form or directory, is left as it is.
                let before = is_enabled(tree.root(), unit);
                assert!(
                    masked || before == "masked",
                    "seed {seed}, {unit}: {ours:?}, {theirs:?}"
                );
                assert_eq!(theirs.as_deref(), void);
                same += 1;
            } else {
                assert_eq!(ours.as_deref(), void, "seed {seed}, {unit} is displaced");
                refused += 1;
            }
            assert_eq!(
                is_enabled(output.path(), unit),
                "masked",
                "seed {seed}, {unit}"
            );
        }
        let real = load(output.path());
        for unit in units.iter().filter(|unit| !unit.contains("@.")) {
            let state = real.get(unit).and_then(|u| u.get("Unit Load State"));
            assert_eq!(
                state.map(|s| s[0].as_str()),
                Some("masked"),
                "seed {seed}, {unit}"
            );
        }
        requirements_are_named(&image, &text, &units, &real);
    }
    println!("{same} masks as systemctl's, {refused} where it refuses");
    assert!(same > 50 && refused > 10, "{same}, {refused}");
}

fn is_enabled(root: &Path, unit: &str) -> String {
    let root = format!("--root={}", root.display());
    let output = SYSTEMCTL
        .command()
        .args([root.as_str(), "is-enabled", unit])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Every setting that this systemd has is in the table, and none that it shows as a list or truth value is taken for another.
/// A newer systemd has more settings, which count as unknown; so they are not asked for.
fn table() {
    let table = include_str!("../src/systemd/settings.txt");
    let kinds: BTreeMap<&str, &str> = table
        .lines()
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(kind, keys)| keys.split(' ').map(move |key| (key, kind)))
        .collect();
    let text = SYSTEMD.output(["--dump-configuration-items"]);
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut known = 0;
    for (key, form) in text.lines().filter_map(|line| line.split_once('=')) {
        let Some(kind) = kinds.get(key) else { continue };
        known += 1;
        match form {
            "BOOLEAN" => assert_eq!(*kind, "boolean", "{key}"),
            _ if form.ends_with("[...]") && !form.contains("ARGUMENT") => {
                assert!(["list", "dependency", "set"].contains(kind), "{key}")
            }
            _ => assert_ne!(*kind, "boolean", "{key}"),
        }
    }
    println!("{known} settings compared");
    assert!(known > 1000, "{known}");
}

/// Services of which some protect themselves already, in part.
fn sandboxes() {
    let own = [
        "",
        "User=daemon\n",
        "NoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=yes\n",
        "CapabilityBoundingSet=CAP_CHOWN\nSystemCallFilter=@basic-io\n",
        "PrivateTmp=no\nRestrictAddressFamilies=AF_UNIX\nRestrictNamespaces=yes\n",
        "ProtectSystem=\"strict\"\nLockPersonality=maybe\n",
    ];
    let tree = Tree::new();
    let mut text = String::from("[Recipe]\nSchema=1\n");
    let mut units = Vec::new();
    for (number, own) in own.iter().enumerate() {
        for level in ["basic", "strict"] {
            let unit = format!("{level}{number}.service");
            tree.file(
                &format!("{USR}/{unit}"),
                &format!("[Service]\nExecStart=/bin/true\n{own}"),
            );
            if number % 2 == 0 {
                tree.file(
                    &format!("{USR}/{unit}.d/90.conf"),
                    "[Service]\nRestrictRealtime=no\nProtectHome=no\n",
                );
            }
            text += &format!("[Sandbox {unit}]\nLevel={level}\nEnsure=yes\n");
            units.push((unit, level));
        }
    }
    let image = Image::open(tree.root()).unwrap();
    let output = extracted(&image, &Recipe::parse("test", &text).unwrap());
    for (unit, level) in units {
        let (before, after) = (exposure(tree.root(), &unit), exposure(output.path(), &unit));
        println!("{unit}: {before} before, {after} after");
        let most = if level == "strict" { 2.5 } else { 7.5 };
        assert!(after < before && after < most, "{unit}: {before}, {after}");
    }
}

/// How exposed `systemd-analyze` finds a service, from 0 to 10.
fn exposure(root: &Path, unit: &str) -> f64 {
    let root = format!("--root={}", root.display());
    let text = SYSTEMD_ANALYZE.output(["security", "--offline=true", "--no-pager", &root, unit]);
    let text = String::from_utf8_lossy(&text).into_owned();
    let (_, figure) = text.rsplit_once(&format!("{unit}: ")).unwrap();
    figure.split(' ').next().unwrap().parse().unwrap()
}

/// Units in all the ways in which one can be there, and the names to mask. A target wants all of them.
fn units_to_mask(tree: &Tree, dice: &mut Dice) -> Vec<String> {
    let mut names = Vec::new();
    let mut all = Vec::new();
    if dice.once_in(4) {
        tree.file("etc/units/.keep", "");
        tree.link(ETC, "../units");
    }
    for number in 0..16 {
        let name = format!("m{number}.service");
        let needs = dice.pick(&["Requires", "BindsTo", "Requisite", "Wants", "After"]);
        let need = format!("m{}.service", dice.roll(16));
        let text = format!(
            "[Unit]\nDefaultDependencies=no\n{needs}={need}\n[Service]\nExecStart=/bin/true\n"
        );
        match dice.roll(8) {
            0 => tree.file(&format!("{ETC}/{name}"), &text),
            1 => {
                tree.file(&format!("{USR}/real-{name}"), &text);
                all.push(format!("real-{name}"));
                tree.link(
                    &format!("{ETC}/{name}"),
                    &format!("../../../usr/lib/systemd/system/real-{name}"),
                );
            }
            2 => {
                tree.file(&format!("{USR}/{name}"), &text);
                tree.link(&format!("{USR}/also-{name}"), &name);
                all.push(format!("also-{name}"));
            }
            3 => tree.file(&format!("{USR}/{name}"), ""),
            4 => tree.link(&format!("{USR}/{name}"), "/dev/null"),
            5 => {}
            _ => {
                tree.file(&format!("{USR}/{name}"), &text);
                tree.link(
                    &format!("{USR}/multi-user.target.wants/{name}"),
                    &format!("../{name}"),
                );
                if dice.once_in(3) {
                    tree.link(
                        &format!("{USR}/{name}.requires/{need}"),
                        &format!("../{need}"),
                    );
                }
            }
        }
        all.push(name.clone());
        if dice.once_in(2) {
            names.push(name);
        }
    }
    tree.file(
        &format!("{USR}/t@.service"),
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/true\n",
    );
    names.push(dice.pick(&["t@.service", "t@a.service"]).to_owned());
    all.push("t@a.service".to_owned());
    tree.file(
        &format!("{USR}/boot.target"),
        &format!("[Unit]\nDefaultDependencies=no\nWants={}\n", all.join(" ")),
    );
    names
}

/// A unit that systemd loads and that needs a masked one is in a residual, and no other is.
fn requirements_are_named(
    image: &Image,
    recipe: &str,
    masked: &[String],
    real: &BTreeMap<String, Loaded>,
) {
    let recipe = Recipe::parse("test", recipe).unwrap();
    let plan = image.plan(&recipe).unwrap();
    let found = plan
        .residuals()
        .iter()
        .map(|r| &r.message)
        .filter(|m| m.contains("cannot start while"));
    let mut found: Vec<(String, String)> = found
        .map(|message| {
            let need = message.split([' ', '=']).find(|word| {
                *word != message.split(' ').next().unwrap_or_default() && word.ends_with(".service")
            });
            (
                message.split(' ').next().unwrap_or_default().to_owned(),
                need.unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let mut wanted: Vec<(String, String)> = Vec::new();
    for (unit, loaded) in real
        .iter()
        .filter(|(_, l)| l["Unit Load State"][0] == "loaded")
    {
        for key in ["Requires", "BindsTo", "Requisite"] {
            for need in loaded.get(key).into_iter().flatten() {
                let need = need.split(' ').next().unwrap_or_default().to_owned();
                if masked.contains(&need) && *unit != need {
                    wanted.push((unit.clone(), need));
                }
            }
        }
    }
    for list in [&mut found, &mut wanted] {
        list.sort();
        list.dedup();
    }
    assert_eq!(found, wanted);
}
