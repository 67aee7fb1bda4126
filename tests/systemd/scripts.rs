//! Services that have only a script, compared with the units that systemd's generator makes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use casehard::inventory::Kind;
use casehard::{Image, Inventory, Recipe};

use crate::extracted;
use crate::support::tools::SYSTEMD_SYSV_GENERATOR;
use crate::tree::{Dice, ETC, Tree, USR};

const GENERATOR: &str = "usr/lib/systemd/system-generators/systemd-sysv-generator";

pub(crate) fn as_generated() {
    let (mut made, mut enabled) = (0, 0);
    for seed in 400..430 {
        let tree = scripts(&mut Dice::new(seed));
        let (units, links) = generate(tree.root());
        let image = Image::open(tree.root()).unwrap();
        let found = Inventory::of(&image).unwrap();
        let found = found.of_kind(Kind::Unit);
        let found: BTreeSet<_> = found
            .map(|item| (item.name.to_string(), item.detail.to_string()))
            .collect();
        assert_eq!(found, links, "seed {seed}");
        let recipe = "[Recipe]\nSchema=1\n[Mask *.service]\nOnMissing=warn\n";
        let recipe = Recipe::parse("test", recipe).unwrap();
        let output = extracted(&image, &recipe);
        for unit in &units {
            let mask = fs::read_link(output.path().join(ETC).join(unit));
            assert_eq!(mask.unwrap(), Path::new("/dev/null"), "seed {seed}, {unit}");
        }
        let after = generate(output.path());
        assert_eq!(after, <_>::default(), "seed {seed}, after masking");
        made += units.len();
        enabled += links.len();
    }
    println!("{made} units as the generator makes them, {enabled} of them enabled");
    assert!(made > 50 && enabled > 50, "{made}, {enabled}");
}

/// The units that the generator makes for a tree, and which targets want them.
fn generate(root: &Path) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let output = tempfile::tempdir().unwrap();
    let path = [ETC, USR].map(|directory| root.join(directory).display().to_string());
    let mut command = SYSTEMD_SYSV_GENERATOR.command();
    command
        .args([output.path(); 3])
        .env("SYSTEMD_UNIT_PATH", path.join(":"))
        .env("SYSTEMD_SYSVINIT_PATH", root.join("etc/init.d"))
        .env("SYSTEMD_SYSVRCND_PATH", root.join("etc"));
    let status = command.output().unwrap().status;
    assert!(status.success(), "{command:?}: {status}");
    let (mut units, mut links) = (BTreeSet::new(), BTreeSet::new());
    for name in names(output.path()) {
        match name.strip_suffix(".wants") {
            Some(target) => {
                let wanted = names(&output.path().join(&name)).into_iter();
                links.extend(wanted.map(|unit| (unit, target.to_owned())));
            }
            None => {
                units.insert(name);
            }
        }
    }
    (units, links)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect()
}

/// Scripts of all kinds, of which some have units, and links of runlevels to them.
fn scripts(dice: &mut Dice) -> Tree {
    let tree = Tree::new();
    program(&tree, GENERATOR, 0o755);
    for number in 0..12 {
        let ending = dice.pick(&[
            "",
            "",
            "",
            ".sh",
            "-d",
            "+x",
            ".bak",
            "~",
            ".dpkg-dist",
            ".x",
        ]);
        let name = format!("s{number}{ending}");
        let script = format!("etc/init.d/{name}");
        if dice.once_in(8) {
            tree.link(&script, "s0");
        } else {
            program(&tree, &script, if dice.once_in(6) { 0o644 } else { 0o755 });
        }
        let unit = format!("s{number}.service");
        match dice.roll(6) {
            0 => tree.file(&format!("{USR}/{unit}"), "[Service]\nExecStart=/bin/true\n"),
            1 => tree.link(&format!("{ETC}/{unit}"), "/dev/null"),
            _ => {}
        }
        for _ in 0..dice.roll(6) {
            let folder = dice.pick(&[
                "rc0.d", "rc1.d", "rc2.d", "rc3.d", "rc4.d", "rc5.d", "rcS.d",
            ]);
            let order = dice.pick(&["S01", "S20", "S99", "K01", "S1", "Sx1"]);
            let target = dice.pick(&["../init.d", "nowhere"]);
            tree.link(
                &format!("etc/{folder}/{order}{name}"),
                &format!("{target}/{name}"),
            );
        }
    }
    tree
}

fn program(tree: &Tree, path: &str, mode: u32) {
    tree.file(path, "#!/bin/sh\n");
    let place = tree.root().join(path);
    if place.exists() {
        fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
    }
}
