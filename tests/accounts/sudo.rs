//! `RemoveSudo` on generated sudoers.

use std::collections::BTreeSet;

use super::support::rootfs::{Dice, Files, harden, text, unpack};
use super::support::tools::{VISUDO, unshare};
use super::{USERS, accounts, run};

/// A sudoers file with every form of naming a user.
fn sudoers(dice: &mut Dice) -> String {
    const SUBJECTS: &[&str] = &[
        "core", "core", "CORE", "#500", "\"core\"", "c\\x6fre", "root", "alice", "bob", "%wheel",
        "%#777", "+net", "!core", "!alice", "A", "B", "!B", "ALL",
    ];
    let mut text =
        String::from("Defaults env_reset, badpass_message=\"core # not you\"\n# core ALL=ALL\n");
    let gaps = [",", ", ", " , ", ",\\\n   ", " \\\n, "];
    for (alias, members) in [("A", &SUBJECTS[..14]), ("B", &SUBJECTS[..11])] {
        let gap = dice.pick(&gaps);
        text += &format!("User_Alias {alias} = {}", dice.list(members, (1, 4), gap));
        text += dice.pick(&[
            "\n",
            " # comment\n",
            " : OTHER = core\n",
            " : OTHER = bob, core\n",
        ]);
        if text.contains("OTHER") && alias == "A" {
            text += "User_Alias B = bob\n";
            break;
        }
    }
    for _ in 0..=dice.roll(4) {
        let gap = dice.pick(&gaps);
        text += dice.pick(&["", "  ", "\t"]);
        text += &dice.list(SUBJECTS, (1, 4), gap);
        text += dice.pick(&[
            " ALL=ALL",
            " ALL = (ALL) NOPASSWD: /bin/ls",
            "\tALL = \\\n  /bin/ls, \\\n  /bin/cat",
            " h1=ALL : ALL=/bin/true",
        ]);
        text += dice.pick(&["\n", " # core\n", "\n\n"]);
    }
    text += dice.pick(&[
        "",
        "Defaults:A !lecture\n",
        "Defaults:core,B !lecture\n",
        "bob ALL=/bin/true",
    ]);
    text
}

fn sudo_files(dice: &mut Dice) -> Files {
    let mut files = accounts(dice);
    files.insert("etc/sudoers".into(), (0o440, sudoers(dice).into_bytes()));
    files
}

fn visudo(files: &Files, strict: bool) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    unpack(files, folder.path());
    let mut command = VISUDO.command();
    command
        .args(strict.then_some("-s"))
        .arg("-cf")
        .arg(folder.path().join("etc/sudoers"));
    let (well, message) = run(&mut command);
    well.then_some(()).ok_or(message)
}

pub(crate) fn visudo_accepts_what_it_accepted() {
    let mut accepted = 0;
    for seed in 0..80 {
        let files = sudo_files(&mut Dice::new(seed));
        let after = harden(&files, "[RemoveSudo core]").files;
        let mode = after["etc/sudoers"].0;
        assert_eq!(mode, 0o440);
        for strict in [false, true] {
            if visudo(&files, strict).is_ok() {
                accepted += 1;
                let (before, after_text) =
                    (text(&files, "etc/sudoers"), text(&after, "etc/sudoers"));
                visudo(&after, strict).unwrap_or_else(|why| {
                    panic!("seed {seed}: {why}\n{before}\n--- now\n{after_text}")
                });
            }
        }
    }
    assert!(
        accepted > 80,
        "only {accepted} of the generated files were valid"
    );
}

pub(crate) fn sudo_grants_others_what_it_did_and_the_user_nothing() {
    let mut closed = 0;
    for seed in 100..140 {
        let files = sudo_files(&mut Dice::new(seed));
        if visudo(&files, false).is_err() {
            continue;
        }
        let hardened = harden(&files, "[RemoveSudo core]");
        let (before, after) = (listed(&files), listed(&hardened.files));
        let texts = format!(
            "seed {seed}\n{}\n--- now\n{}",
            text(&files, "etc/sudoers"),
            text(&hardened.files, "etc/sudoers")
        );
        for (at, user) in USERS
            .iter()
            .enumerate()
            .filter(|(_, user)| **user != "core")
        {
            assert_eq!(before[at], after[at], "{user} of {texts}");
        }
        let granted = |listed: &str| -> BTreeSet<String> {
            let lines = listed.lines().filter(|line| line.starts_with("    ("));
            lines.map(String::from).collect()
        };
        assert!(
            granted(&after[1]).is_subset(&granted(&before[1])),
            "the user gained something\n{texts}"
        );
        let refused = after[1].contains("is not allowed to run sudo");
        assert_eq!(
            refused,
            hardened.residuals.is_empty(),
            "{:?}\n{}\n{texts}",
            hardened.residuals,
            after[1]
        );
        closed += usize::from(refused && !before[1].contains("is not allowed"));
    }
    assert!(
        closed > 10,
        "only {closed} of the generated files granted something by name alone"
    );
}

/// What `sudo -l` says of each user, with these files in the place of the system's.
fn listed(files: &Files) -> Vec<String> {
    const SCRIPT: &str = r#"
        for file in passwd group sudoers; do mount --bind "$1/etc/$file" "/etc/$file" || exit 1; done
        for user in root core alice bob; do echo "== $user"; sudo -n -l -U "$user" 2>&1; done
        exit 0"#;
    let folder = tempfile::tempdir().unwrap();
    unpack(files, folder.path());
    let mut command = unshare();
    command.args(["sh", "-c", SCRIPT, "sh"]);
    let (well, text) = run(command.arg(folder.path()));
    assert!(well, "{text}");
    let listed: Vec<String> = text.split("== ").skip(1).map(String::from).collect();
    assert!(listed.len() == USERS.len(), "{text}");
    listed
}
