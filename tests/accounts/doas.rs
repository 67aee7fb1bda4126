//! What doas permits, on generated doas.conf.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::support::rootfs::{Dice, Files, file, harden};
use super::support::tools::{DOAS, SETPRIV, unshare};

/// A user and groups that every Debian has by these numbers, since doas asks the machine about names.
const USER: &str = "daemon";
const FILES: [(&str, &str); 2] = [
    (
        "etc/passwd",
        "daemon:x:1:1::/:/bin/sh\ngames:x:5:60::/:/bin/sh\n",
    ),
    (
        "etc/group",
        "daemon:x:1:\nsys:x:3:\nadm:x:4:daemon\ngames:x:60:\n",
    ),
];

fn conf(dice: &mut Dice) -> String {
    let mut text = String::from("# permit daemon\n");
    for _ in 0..=dice.roll(3) {
        text += dice.pick(&[
            "permit ",
            "permit\tnopass ",
            "permit nolog keepenv ",
            "permit persist setenv { A=b -C } ",
            "permit setenv {A}",
            "deny ",
            "deny \\\n  ",
        ]);
        text += dice.pick(&[
            "daemon",
            "\"daemon\"",
            "d\\aemon",
            "1",
            ":adm",
            ":4",
            ":daemon",
            ":1",
            ":sys",
            ":3",
            "games",
            "5",
        ]);
        text += dice.pick(&[
            "\n",
            "\n",
            " # daemon\n",
            "\n\n",
            " cmd /none\n",
            " as games\n",
        ]);
    }
    text
}

/// Where doas lets the user run a program as root, the report says so; where no line is for one program or target only, it
/// says so nowhere else.
pub(super) fn doas_permits_what_is_said() {
    let (mut permitted, mut denied) = (0, 0);
    for seed in 0..150 {
        let text = conf(&mut Dice::new(seed));
        let mut files: Files = FILES.iter().map(|(path, text)| file(path, text)).collect();
        files.extend([file("etc/doas.conf", &text)]);
        let residuals = harden(&files, "[RemoveSudo daemon]").residuals;
        let said = residuals
            .iter()
            .any(|open| open.starts_with("/etc/doas.conf:"));

        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let conf = folder.path().join("doas.conf");
        fs::write(&conf, &text).unwrap();
        let mut command = unshare();
        command
            .arg(SETPRIV.find().unwrap())
            .args(["--reuid=1", "--regid=1", "--groups=4"]);
        let output = command
            .arg(DOAS.find().unwrap())
            .arg("-C")
            .arg(&conf)
            .arg("true")
            .output()
            .unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        let permits = answer.starts_with("permit");
        assert!(
            permits || answer.starts_with("deny"),
            "{USER}: {text}{output:?}"
        );
        let narrow = text.contains(" cmd ") || text.contains(" as ");
        assert!(
            said == permits || said && narrow,
            "{text}{answer}{residuals:#?}"
        );
        permitted += usize::from(permits);
        denied += usize::from(!said);
    }
    assert!(permitted > 30 && denied > 30, "{permitted}, {denied}");
}
