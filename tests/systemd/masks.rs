//! Masks, compared with those of `systemctl mask`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use casehard::{Image, Recipe};

use crate::extracted;
use crate::parser::{Loaded, load};
use crate::support::tools::SYSTEMCTL;
use crate::tree::{Dice, ETC, Tree, USR};

pub(crate) fn masks() {
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
