//! Generated trees of units: the same ones on every machine.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// Numbers that look random and are the same every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(usize::MAX) % sides
    }

    /// True once in `sides` times.
    pub(crate) fn once_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}

/// A rootfs in a folder.
pub(crate) struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // The parser runs as another user.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("the folder is ours");
        Self { folder }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    fn place(&self, path: &str) -> PathBuf {
        let place = self.root().join(path);
        fs::create_dir_all(place.parent().expect("a folder")).expect("the folder is writable");
        place
    }

    /// Writes a file where nothing is yet.
    pub(crate) fn file(&self, path: &str, content: &str) {
        let place = self.place(path);
        if place.symlink_metadata().is_err() {
            fs::write(place, content).expect("the folder is writable");
        }
    }

    /// Makes a link where nothing is yet.
    pub(crate) fn link(&self, path: &str, target: &str) {
        let place = self.place(path);
        if place.symlink_metadata().is_err() {
            symlink(target, place).expect("the folder is writable");
        }
    }
}

pub(crate) const ETC: &str = "etc/systemd/system";
pub(crate) const USR: &str = "usr/lib/systemd/system";
const DIRECTORIES: [&str; 7] = [
    ETC,
    ETC,
    USR,
    USR,
    "usr/local/lib/systemd/system",
    "etc/systemd/system.attached",
    "etc/systemd/system.control",
];

/// What a test asks of a unit's setting, and what other files say of it.
pub(crate) struct Wish {
    pub(crate) section: &'static str,
    pub(crate) key: &'static str,
    /// What the rule asks for, value by value.
    pub(crate) asked: &'static [&'static str],
    others: &'static [&'static str],
}

const WISHES: [Wish; 6] = [
    Wish {
        section: "Socket",
        key: "SocketMode",
        asked: &["0600"],
        others: &[
            "SocketMode=0666",
            "SocketMode=0600",
            "SocketMode=600",
            "SocketMode=\"0666\"",
            "SocketMode=0666 # x",
            "SocketMode=",
            "SocketMode=06\\\n66",
            "socketmode=0666",
            "SocketMode = 00640",
            "SocketMode=99999",
        ],
    },
    Wish {
        section: "Socket",
        key: "KeepAlive",
        asked: &["yes"],
        others: &[
            "KeepAlive=no",
            "KeepAlive=on",
            "KeepAlive=maybe",
            "KeepAlive=",
            "KeepAlive=T",
            "KeepAlive=\"no\"",
            "KeepAlive=0",
        ],
    },
    Wish {
        section: "Unit",
        key: "Description",
        asked: &["as asked"],
        others: &[
            "Description=other",
            "Description=",
            "Description=as asked",
            "Description=as\\\n# between\nasked",
            "Description=as\\\n\n;x\nasked \\",
            "Description=a\\\\\nX=y",
        ],
    },
    Wish {
        section: "Socket",
        key: "ListenStream",
        asked: &["", "/run/asked"],
        others: &[
            "ListenStream=/run/other",
            "ListenStream=",
            "ListenStream=/run/asked",
            "ListenDatagram=",
            "ListenFIFO=/run/fifo",
            "ListenStream=\nListenStream=/run/other",
        ],
    },
    Wish {
        section: "Socket",
        key: "ListenStream",
        asked: &["/run/asked"],
        others: &[
            "ListenStream=/run/other",
            "ListenStream=",
            "ListenStream=/run/other\nListenDatagram=",
        ],
    },
    Wish {
        section: "Socket",
        key: "CapabilityBoundingSet",
        asked: &["", "CAP_CHOWN"],
        others: &[
            "CapabilityBoundingSet=CAP_KILL",
            "CapabilityBoundingSet=",
            "CapabilityBoundingSet=\nCapabilityBoundingSet=CAP_CHOWN",
            "CapabilityBoundingSet=~CAP_CHOWN",
            "CapabilityBoundingSet=CAP_CHOWN",
        ],
    },
];

/// A unit of which a test asks something.
pub(crate) struct Case {
    /// The name that the rule says: the unit's own, an alias, a template or an instance.
    pub(crate) asked_by: String,
    /// The name that is started.
    pub(crate) unit: String,
    pub(crate) wish: &'static Wish,
}

/// The file name of the drop-in that the rule writes.
pub(crate) const NAME: &str = "50-asked.conf";

/// The drop-in's text, as the rule writes it.
pub(crate) fn asked(wish: &Wish) -> String {
    let mut text = format!("[{}]\n", wish.section);
    for value in wish.asked {
        let _ = writeln!(text, "{}={value}", wish.key);
    }
    text
}

/// A tree of sockets with drop-ins all over, and a target that wants them.
pub(crate) fn generate(tree: &Tree, dice: &mut Dice, units: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut wants = String::from("[Unit]\nDefaultDependencies=no\nWants=");
    for number in 0..units {
        let wish = &WISHES[dice.roll(WISHES.len())];
        let stem =
            dice.pick(&["u", "u-x", "u-x-y-", "u--x"])
                .replacen('u', &format!("u{number}"), 1);
        let form = dice.roll(4);
        let (file, unit) = match form {
            0 => (format!("{stem}@.socket"), format!("{stem}@i-j.socket")),
            _ => (format!("{stem}.socket"), format!("{stem}.socket")),
        };
        let fragment = dice.pick(&[USR, USR, ETC]);
        let text = format!(
            "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/u{number}\nService=none.service\n{}",
            dice.pick(&["", "KeepAlive=yes\n", "SocketMode=0666\n"])
        );
        tree.file(&format!("{fragment}/{file}"), &text);
        let alias = file.replacen('u', "v", 1);
        let aliased = dice.once_in(3);
        if aliased {
            let target = dice.pick(&["", "./", "../system/"]);
            // A link that leads nowhere in the search path still is an alias.
            let place = dice.pick(&[ETC, USR]);
            tree.link(&format!("{place}/{alias}"), &format!("{target}{file}"));
        }
        let asked_by = match dice.roll(3) {
            0 if aliased => alias.clone(),
            1 => unit.clone(),
            _ => file.clone(),
        };
        let short = file
            .split_once('-')
            .map_or(file.clone(), |(first, _)| format!("{first}-.socket"));
        let shorter_instance = if short == file {
            unit.clone()
        } else {
            short.replace(".socket", "@i-j.socket")
        };
        let levels = [
            file.as_str(),
            &file,
            &unit,
            &alias,
            &short,
            &shorter_instance,
        ];
        for _ in 0..dice.roll(5) {
            let level = dice.pick(&levels);
            drop_in(tree, dice, level, wish);
        }
        let _ = write!(wants, "{unit} ");
        cases.push(Case {
            asked_by,
            unit,
            wish,
        });
    }
    for _ in 0..dice.roll(4) {
        let wish = &WISHES[dice.roll(WISHES.len())];
        drop_in(tree, dice, "socket", wish);
    }
    tree.file(&format!("{USR}/boot.target"), &wants);
    cases
}

fn drop_in(tree: &Tree, dice: &mut Dice, level: &str, wish: &Wish) {
    let directory = dice.pick(&DIRECTORIES);
    let name = dice.pick(&[
        "10.conf",
        "50-asked.conf",
        "50-asked.conf",
        "60.conf",
        "60.conf",
        "70.conf",
        "zzz.conf",
        "zz-50-asked.conf",
        "~.conf",
        ".80.conf",
        "80.txt",
        "80.conf~",
        "B.conf",
    ]);
    let path = format!("{directory}/{level}.d/{name}");
    let line = dice.pick(wish.others);
    let section = wish.section;
    match dice.roll(12) {
        0 => tree.link(&path, "/dev/null"),
        1 => tree.file(&path, ""),
        2 => tree.link(&path, "nowhere"),
        3 => tree.file(
            &path,
            &format!("[Install]\n{line}\n[{section}]\n; {line}\n"),
        ),
        4 => tree.file(
            &path,
            &format!("\u{feff}[{section}]\r\n{}\r\n", line.replace('\n', "\r\n")),
        ),
        5 => tree.file(
            &path,
            &format!("{line}\n[{section}]\nnonsense\n=x\n[{section}\n{line}\n"),
        ),
        6 => tree.file(
            &path,
            &format!("[Nonsense]\n{line}\n[{section}]\nX-Mine=\\\n{line}\n"),
        ),
        7 => tree.file(&path, &format!("[{section}]\n{line} \\\n[{section}]\n")),
        _ => tree.file(&path, &format!("[{section}]\n{line}\n")),
    }
}
