//! Masks, drop-ins and sandboxes, judged by systemd itself on generated trees.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "the figures say how much was compared")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use casehard::edit::Outcome;
use casehard::{Image, Recipe};

#[path = "systemd/bus.rs"]
mod bus;
#[path = "systemd/exposure.rs"]
mod exposure;
#[path = "systemd/knows.rs"]
mod knows;
#[path = "systemd/masks.rs"]
mod masks;
#[path = "systemd/parser.rs"]
mod parser;
#[path = "systemd/scripts.rs"]
mod scripts;
mod support;
#[path = "systemd/tree.rs"]
mod tree;

use parser::{Loaded, load};
use support::exposure::asked;
use support::tools::{
    self, DBUS_DAEMON, DBUS_SEND, RealTest, SETPRIV, SYSTEMCTL, SYSTEMD, SYSTEMD_ANALYZE,
    SYSTEMD_SYSV_GENERATOR, TAR,
};
use tree::{Case, Dice, ETC, NAME, Tree, USR, generate};

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
            run: masks::masks,
        },
        RealTest {
            name: "what_the_bus_starts_of_masked_services_is_told",
            needs: &[DBUS_DAEMON, DBUS_SEND],
            run: bus::started,
        },
        RealTest {
            name: "services_of_scripts_are_those_of_the_generator",
            needs: &[SYSTEMD_SYSV_GENERATOR, TAR],
            run: scripts::as_generated,
        },
        RealTest {
            name: "the_table_of_settings_is_systemds",
            needs: &[SYSTEMD],
            run: table,
        },
        RealTest {
            name: "a_setting_that_the_images_systemd_lacks_fails",
            needs: &[SYSTEMD],
            run: knows::lacking,
        },
        RealTest {
            name: "words_that_a_setting_takes_are_systemds",
            needs: &[SYSTEMD_ANALYZE],
            run: knows::words,
        },
        RealTest {
            name: "a_sandbox_lowers_what_systemd_analyze_finds_exposed",
            needs: &[SYSTEMD_ANALYZE, TAR],
            run: sandboxes,
        },
        RealTest {
            name: "the_exposure_told_is_what_systemd_analyze_finds",
            needs: &[SYSTEMD_ANALYZE, TAR],
            run: exposure::as_systemd_finds,
        },
        RealTest {
            name: "the_table_of_figures_is_systemds",
            needs: &[SYSTEMD_ANALYZE],
            run: exposure::table,
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
                &tree::asked(case.wish),
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

/// Every setting that this systemd has is in the table, and none that it shows as a list or truth value is taken for another.
/// A newer systemd has more settings, which count as unknown; so they are not asked for.
fn table() {
    let table = include_str!("../src/system/systemd/settings.txt");
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
                assert!(["list", "dependency", "set"].contains(kind), "{key}");
            }
            _ => assert_ne!(*kind, "boolean", "{key}"),
        }
    }
    let table = include_str!("../src/system/systemd/sections.txt");
    let sections: BTreeSet<(&str, &str)> = table
        .lines()
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(sections, keys)| {
            let keys = keys.split(' ');
            keys.flat_map(move |key| sections.split(' ').map(move |section| (section, key)))
        })
        .collect();
    let mut section = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.split_once('=') {
            assert!(sections.contains(&(section, key)), "[{section}] {key}");
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
    let recipe = Recipe::parse("test", &text).unwrap();
    let output = extracted(&image, &recipe);
    let names = || units.iter().map(|(unit, _)| unit);
    let before = asked(tree.root(), names());
    let after = asked(output.path(), names());
    for (unit, level) in &units {
        let [before, after] = [&before, &after].map(|side| side[unit].parse::<f64>().unwrap());
        println!("{unit}: {before} before, {after} after");
        let most = if *level == "strict" { 2.5 } else { 7.5 };
        assert!(after < before && after < most, "{unit}: {before}, {after}");
    }
}
