//! `RemoveFromGroups` and `RemoveSudo`, judged by the programs that read these files.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

#[path = "accounts/doas.rs"]
mod doas;
#[path = "accounts/sudo.rs"]
mod sudo;
mod support;

use support::rootfs::{Dice, Files, file, harden, text, unpack};
use support::tools::{
    self, DOAS, GPASSWD, GRPCK, PWCK, RealTest, SETPRIV, SUDO, SYSTEMD_SYSUSERS, Tool, UNSHARE,
    VISUDO,
};

const USERS: [&str; 4] = ["root", "core", "alice", "bob"];
const GROUPS: [&str; 4] = ["wheel", "docker", "sudo", "rkt"];
const LEAVE: &str =
    "[RemoveFromGroups core]\nGroup=wheel\nGroup=docker\nGroup=sudo\nGroup=rkt\nOnMissing=skip";

fn main() -> ExitCode {
    tools::main_if(
        tools::own_mounts,
        &[
            RealTest {
                name: "gpasswd_gives_the_same_files",
                needs: &[GPASSWD, UNSHARE],
                run: gpasswd_gives_the_same_files,
            },
            RealTest {
                name: "grpck_and_pwck_find_nothing_new",
                needs: &[GRPCK, PWCK, UNSHARE],
                run: grpck_and_pwck_find_nothing_new,
            },
            RealTest {
                name: "systemd_sysusers_does_not_add_the_user_again",
                needs: &[SYSTEMD_SYSUSERS, UNSHARE],
                run: systemd_sysusers_does_not_add_the_user_again,
            },
            RealTest {
                name: "visudo_accepts_what_it_accepted",
                needs: &[VISUDO],
                run: sudo::visudo_accepts_what_it_accepted,
            },
            RealTest {
                name: "sudo_grants_others_what_it_did_and_the_user_nothing",
                needs: &[SUDO, VISUDO, UNSHARE],
                run: sudo::sudo_grants_others_what_it_did_and_the_user_nothing,
            },
            RealTest {
                name: "doas_permits_what_is_said",
                needs: &[DOAS, SETPRIV, UNSHARE],
                run: doas::doas_permits_what_is_said,
            },
            RealTest {
                name: "malformed_files_are_not_damaged",
                needs: &[],
                run: malformed_files_are_not_damaged,
            },
        ],
    )
}

fn as_root(tool: Tool) -> Command {
    let mut command = tools::unshare();
    command.arg(tool.find().unwrap());
    command
}

fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn passwd() -> String {
    let ids = [0, 500, 501, 502];
    let lines = USERS.iter().zip(ids);
    lines
        .map(|(user, id)| format!("{user}:x:{id}:{id}::/:/bin/sh\n"))
        .collect()
}

/// Account files that shadow's own programs would write.
fn accounts(dice: &mut Dice) -> Files {
    let (mut group, mut gshadow) = (String::from("root:x:0:\n"), String::from("root:*::\n"));
    for (gid, name) in (10..).zip(GROUPS) {
        if dice.roll(6) == 0 {
            continue;
        }
        let members = dice.list(
            &["core", "root", "alice", "bob", "corey", "core"],
            (0, 4),
            ",",
        );
        group += &format!("{name}:x:{gid}:{members}\n");
        gshadow += &format!(
            "{name}:{}:{}:{members}\n",
            dice.pick(&["*", "!", ""]),
            dice.pick(&["", "root", "alice,bob"])
        );
    }
    group += "core:x:500:core\n";
    gshadow += "core:!::core\n";
    Files::from([
        file("etc/passwd", passwd()),
        file("etc/shadow", "root:*:1:0:::::\ncore:*:1:0:::::\n"),
        file("etc/group", group),
        file("etc/gshadow", gshadow),
    ])
}

fn gpasswd_gives_the_same_files() {
    for seed in 0..25 {
        let files = accounts(&mut Dice::new(seed));
        let folder = tempfile::tempdir().unwrap();
        unpack(&files, folder.path());
        for group in GROUPS {
            // It ends 3 where the user is no member, or there is no such group.
            run(as_root(GPASSWD)
                .arg("--root")
                .arg(folder.path())
                .args(["--delete", "core", group]));
        }
        let ours = harden(&files, LEAVE).files;
        for database in ["etc/group", "etc/gshadow"] {
            let theirs = fs::read_to_string(folder.path().join(database)).unwrap();
            assert_eq!(text(&ours, database), theirs, "{database} of seed {seed}");
        }
        let left = text(&ours, "etc/group");
        assert!(
            left.contains("core:x:500:core"),
            "a group that is not named keeps him"
        );
    }
}

fn grpck_and_pwck_find_nothing_new() {
    let odd = [
        "wheel:x:10",
        "short",
        "",
        "# core",
        "wheel:x:10:core",
        "sudo:x:a:core",
        "x:x:1:core:y",
        "+:::",
    ];
    for seed in 0..15 {
        let mut dice = Dice::new(seed);
        let mut files = accounts(&mut dice);
        let (_, group) = files.get_mut("etc/group").unwrap();
        group.extend(dice.list(&odd, (0, 5), "\n").bytes());
        let before = findings(&files);
        let after = findings(&harden(&files, LEAVE).files);
        let new: Vec<_> = after.difference(&before).collect();
        assert!(new.is_empty(), "seed {seed}: {new:?}");
    }
}

/// What the two say of the files, lines that they would delete without the members.
fn findings(files: &Files) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    unpack(files, folder.path());
    let mut found = BTreeSet::new();
    for tool in [GRPCK, PWCK] {
        let (_, text) = run(as_root(tool)
            .arg("--root")
            .arg(folder.path())
            .arg("--read-only"));
        found.extend(
            text.lines()
                .map(|line| match line.strip_prefix("delete line") {
                    Some(rest) => rest.rsplitn(2, ':').last().unwrap_or_default().to_owned(),
                    None => line.to_owned(),
                }),
        );
    }
    found
}

fn systemd_sysusers_does_not_add_the_user_again() {
    let files = Files::from([
        file("etc/passwd", passwd()),
        file(
            "etc/group",
            "root:x:0:\nwheel:x:10:core\nrkt:x:251:core\ncore:x:500:\nkept:x:252:\n",
        ),
        file(
            "usr/lib/sysusers.d/rkt.conf",
            "g rkt 251 - -\nm core      rkt - -\nm core kept\n",
        ),
        file(
            "usr/lib/sysusers.d/wheel.conf",
            "g wheel 10 - -\nm \"core\" wheel\nm bob wheel\n",
        ),
    ]);
    let groups = |files: &Files| {
        let folder = tempfile::tempdir().unwrap();
        unpack(files, folder.path());
        let root = format!("--root={}", folder.path().display());
        let (well, message) = run(as_root(SYSTEMD_SYSUSERS).arg(root));
        assert!(well, "{message}");
        fs::read_to_string(folder.path().join("etc/group")).unwrap()
    };
    let mut only_group = files.clone();
    let group = text(&files, "etc/group").replace(":core\n", ":\n");
    only_group.extend([file("etc/group", group)]);
    assert!(
        groups(&only_group).contains("rkt:x:251:core\n"),
        "the group file alone does not hold"
    );
    let after = groups(&harden(&files, LEAVE).files);
    for line in ["rkt:x:251:\n", "wheel:x:10:bob\n", "kept:x:252:core\n"] {
        assert!(after.contains(line), "{line}{after}");
    }
}

fn malformed_files_are_not_damaged() {
    const GROUP: &[&str] = &[
        "wheel:x:10:core",
        "wheel:x:10:root,core",
        "wheel",
        "wheel:x",
        ":::",
        "::::::",
        "",
        "\r",
        "wheel:x:10:core\0x",
        "\0",
        "#wheel:x:10:core",
        "wheel:x:10:core,a:b",
        "+::core",
        "docker:x:99999999999999999999:core",
        "\u{feff}wheel:x:1:core",
    ];
    const SUDOERS: &[&str] = &[
        "core ALL=ALL",
        "core",
        "core \\",
        "\\",
        ", core",
        "User_Alias",
        "User_Alias A",
        "User_Alias A = core : ",
        "User_Alias A = A, core",
        "A ALL=ALL",
        "\"core ALL=ALL",
        "%",
        "#",
        "#-1 ALL=ALL",
        "!!! core ALL=ALL",
        "core\0 ALL=ALL",
        "@include sudoers",
        "@includedir .",
        "@include",
        "Defaults:",
        "Defaults",
        "Defaults:core",
        "\"\" ALL=ALL",
        "root,\\",
        "=",
        ": core = x",
        "core,, ALL=ALL",
        "\\x6g =",
    ];
    const RULES: &str = "[RemoveSudo core]";
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let gap = dice.pick(&["\n", "\r\n"]);
        let end = dice.pick(&["\n", "", "\r\n"]);
        let files = Files::from([
            file(
                "etc/passwd",
                dice.list(
                    &[
                        "core:x:500:500",
                        "core",
                        "core:x",
                        "core:x:a:b",
                        "core:x:500:10::/:/bin/sh",
                        "\0",
                    ],
                    (0, 4),
                    gap,
                ),
            ),
            file("etc/group", dice.list(GROUP, (0, 6), gap) + end),
            file("etc/gshadow", dice.list(GROUP, (0, 6), gap) + end),
            file("etc/sudoers", dice.list(SUDOERS, (0, 6), gap) + end),
            file(
                "etc/polkit-1/rules.d/a.rules",
                dice.list(&["\"core", "/*", "core", "*/", "'\\'", "//"], (0, 5), gap),
            ),
        ]);
        let after = harden(&files, &format!("{LEAVE}\n{RULES}\nOnMissing=skip")).files;
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            after.keys().collect::<Vec<_>>()
        );
        for (path, (_, content)) in &files {
            assert_same_but_for_core(Path::new(path), content, &after[path].1, seed);
        }
    }
}

/// Every line that does not name him, and every line end, is as it was.
fn assert_same_but_for_core(path: &Path, before: &[u8], after: &[u8], seed: u64) {
    let (before, after) = (
        String::from_utf8_lossy(before),
        String::from_utf8_lossy(after),
    );
    let kept = |text: &str| -> Vec<String> {
        let lines = text
            .split_inclusive('\n')
            .filter(|line| !line.contains("core"));
        lines.map(String::from).collect()
    };
    let (had, mut has) = (kept(&before), kept(&after).into_iter());
    if path.ends_with("sudoers") {
        return; // Its lines join; that it stays valid is judged by visudo.
    }
    let ends = |text: &str| (text.matches('\n').count(), text.matches("\r\n").count());
    assert_eq!(
        ends(&before),
        ends(&after),
        "{} of seed {seed}",
        path.display()
    );
    for line in had {
        assert!(
            has.any(|l| l == line),
            "{} of seed {seed}: {line:?}\n{before:?}\n{after:?}",
            path.display()
        );
    }
}
