//! systemd at its first boot: tmpfiles.d and presets.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use casehard::edit::Change;
use casehard::{Image, Recipe};

use crate::support::disk::extract;
use crate::support::tools::{SYSTEMCTL, SYSTEMD_TMPFILES, TAR};
use crate::tree::{Dice, Tree};

const SEEDS: u64 = 10;
const CASES: usize = 60;
const CONF: &str = "usr/lib/tmpfiles.d/t.conf";

/// A line of tmpfiles.d for each case, on or near what the case's rule edits.
fn line(dice: &mut Dice, number: usize) -> String {
    let kind = dice.pick(&[
        "f", "f", "f+", "F", "w", "w+", "L", "L+", "C", "C+", "p+", "z", "z", "Z", "Z", "m", "d",
        "D", "e", "r", "R", "p", "v", "q",
    ]);
    let place = dice.pick(&["/f", "/f", "/f", "/d", "", "/*", "/[fd]", "/other", "/d/g"]);
    let folder = dice.pick(&["case", "case", "case", "link"]);
    let mode = dice.pick(&["-", "0644", "0600", "~0777", "~0640", ":0755", "4755"]);
    let user = dice.pick(&["-", "-", "root", "app", "1000", ":app"]);
    let group = dice.pick(&["-", "-", "root", "app", "50", ":app"]);
    let argument = match kind {
        "C" | "C+" | "L" | "L+" => dice.pick(&["/srv/source", "/srv/nothing"]),
        _ => "text",
    };
    format!("{kind} /srv/{folder}{number}{place} {mode} {user} {group} - {argument}\n")
}

fn rule(dice: &mut Dice, number: usize) -> String {
    let place = format!("/srv/case{number}/{}", dice.pick(&["f", "f", "d", "d/g"]));
    match dice.roll(6) {
        0 => format!("[Permissions {place}]\nMode=0711\n"),
        1 => format!("[Permissions {place}]\nOwner=7\n"),
        2 => format!("[Permissions {place}]\nOwner=app\nGroup=9\nMode=2710\n"),
        3 => format!("[Remove {place}]\n"),
        4 => format!("[WriteFile /srv/case{number}/f]\nLine=asked\n"),
        _ => format!(
            "[WriteFile /srv/case{number}/{}]\nLine=asked\n",
            dice.pick(&["new", "d/new", "other"])
        ),
    }
}

/// Runs systemd-tmpfiles as a boot does, on what hardening gives, and looks which edits are no more.
pub(crate) fn take_back_what_is_said() {
    let (mut undone, mut held, mut wrong) = (0, 0, Vec::new());
    for seed in 0..SEEDS {
        let mut dice = Dice::new(500 + seed);
        let tree = Tree::new();
        tree.file(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n",
        );
        tree.file("etc/group", "root:x:0:\napp:x:1000:\n");
        tree.file("srv/source", "source");
        let (mut conf, mut rules) = (String::new(), String::from("[Recipe]\nSchema=1\n"));
        for number in 0..CASES {
            tree.file(&format!("srv/case{number}/f"), "f");
            tree.file(&format!("srv/case{number}/d/g"), "g");
            tree.link(&format!("srv/link{number}"), &format!("case{number}"));
            conf += &line(&mut dice, number);
            rules += &rule(&mut dice, number);
        }
        tree.file(CONF, &conf);
        let image = Image::open(tree.root()).unwrap();
        let recipe = Recipe::parse("test", &rules).unwrap();
        let plan = image.plan(&recipe).unwrap();
        assert!(!plan.failed(), "{}", plan.report().summary());
        let folder = tempfile::tempdir().unwrap();
        let [out, root] = ["out.tar", "root"].map(|name| folder.path().join(name));
        plan.write(&out).unwrap();
        extract(TAR, &out, &root).unwrap();
        let paths = |rule| {
            plan.edits()
                .iter()
                .filter(move |edit| edit.rule == rule)
                .map(|edit| edit.path.to_string())
        };
        let states = || -> Vec<Vec<_>> {
            (0..CASES)
                .map(|rule| paths(rule).map(|path| state(&root, &path)).collect())
                .collect()
        };
        let before = states();
        let mut boot = SYSTEMD_TMPFILES.command();
        boot.args(["--remove", "--create", "--boot"])
            .arg(format!("--root={}", root.display()));
        // It says what it cannot do, and ends otherwise than 0.
        boot.output().unwrap();
        let after = states();
        let said: BTreeSet<_> = plan
            .residuals()
            .iter()
            .filter(|residual| {
                residual
                    .place
                    .as_ref()
                    .is_some_and(|place| place.path == format!("/{CONF}").as_bytes())
            })
            .filter_map(|residual| residual.rule)
            .collect();
        for case in 0..CASES {
            let edits = plan.edits().iter().filter(|edit| edit.rule == case);
            let sides = before[case].iter().zip(&after[case]);
            let undoes = edits
                .zip(sides)
                .any(|(edit, (was, is))| !holds(&edit.change, was.as_ref(), is.as_ref()));
            let text = conf.lines().nth(case).unwrap();
            if said.contains(&case) != undoes {
                let edits = plan.edits().iter().filter(|edit| edit.rule == case);
                let edits: Vec<_> = edits.map(|edit| (&edit.path, &edit.change)).collect();
                let (was, is) = (&before[case], &after[case]);
                wrong.push(format!("{text}: {edits:?}: {was:?} → {is:?}"));
            }
            undone += usize::from(undoes);
            held += usize::from(!undoes);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{undone} edits are taken back at boot as said, {held} are not");
    assert!(undone > 40 && held > 100, "{undone}, {held}");
}

/// Content, mode, and owner and group of a file.
#[derive(Debug, PartialEq)]
struct State(Vec<u8>, u32, (u32, u32));

fn state(root: &Path, path: &str) -> Option<State> {
    let path = root.join(path.trim_start_matches('/'));
    let metadata = fs::symlink_metadata(&path).ok()?;
    let content = match metadata.is_file() {
        true => fs::read(&path).unwrap(),
        false => format!("{:?}", metadata.file_type()).into_bytes(),
    };
    let owner = (metadata.uid(), metadata.gid());
    Some(State(content, metadata.permissions().mode(), owner))
}

/// Whether a change is as it was made. The mode and owner of what is there no more are nobody's concern.
fn holds(change: &Change, was: Option<&State>, is: Option<&State>) -> bool {
    let (Some(State(content, mode, owner)), Some(State(content_now, mode_now, owner_now))) =
        (was, is)
    else {
        return match change {
            Change::Mode { .. } | Change::Owner { .. } => true,
            _ => was == is,
        };
    };
    let replaced = mode & S_IFMT != mode_now & S_IFMT;
    match change {
        Change::Mode { .. } => replaced || mode == mode_now,
        Change::Owner { .. } => replaced || owner == owner_now,
        Change::Content => content == content_now,
        _ => was == is,
    }
}

/// The part of a mode that says what kind of file it is.
const S_IFMT: u32 = 0o170_000;

/// `systemctl preset-all`, with a preset that enables everything, does not undo a mask.
pub(crate) fn presets_leave_a_mask() {
    let tree = Tree::new();
    let unit = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\nAlias=other.service\n";
    for name in ["masked", "enabled"] {
        tree.file(
            &format!("usr/lib/systemd/system/{name}.service"),
            &unit.replace("other", &format!("other-{name}")),
        );
    }
    tree.file("usr/lib/systemd/system-preset/00-all.preset", "enable *\n");
    let image = Image::open(tree.root()).unwrap();
    let recipe = Recipe::parse("test", "[Recipe]\nSchema=1\n[Mask masked.service]\n").unwrap();
    let plan = image.plan(&recipe).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [out, root] = ["out.tar", "root"].map(|name| folder.path().join(name));
    plan.write(&out).unwrap();
    extract(TAR, &out, &root).unwrap();
    let systemctl = |words: &[&str]| {
        let mut command = SYSTEMCTL.command();
        command
            .arg(format!("--root={}", root.display()))
            .args(words);
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    systemctl(&["preset-all"]);
    assert_eq!(systemctl(&["is-enabled", "enabled.service"]), "enabled");
    assert_eq!(systemctl(&["is-enabled", "masked.service"]), "masked");
    let link = fs::read_link(root.join("etc/systemd/system/masked.service")).unwrap();
    assert_eq!(link, Path::new("/dev/null"));
}
