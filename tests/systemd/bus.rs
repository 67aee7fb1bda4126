//! What the message bus starts itself, compared with what it starts where it could ask systemd. It is a bus of a user's, since the
//! system's bus starts programs by a helper that only root has; what that asks for besides is not judged.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use casehard::{Image, Recipe};

use crate::support::tools::{DBUS_DAEMON, DBUS_SEND};
use crate::tree::{Tree, USR};

const SERVICES: &str = "usr/share/dbus-1/system-services";

const PATIENCE: Duration = Duration::from_secs(30);

/// Files of the bus by the last part of the name in them: what they are called and what they say. `PROGRAM` makes a file.
const FILES: [(&str, &str, &str); 16] = [
    ("plain", "o.plain", "Name=o.plain\nExec=PROGRAM\n"),
    (
        "asks",
        "o.asks",
        "Name=o.asks\nExec=PROGRAM\nSystemdService=no.service\n",
    ),
    (
        "empty",
        "o.empty",
        "Name=o.empty\nExec=PROGRAM\nSystemdService=\n",
    ),
    ("false", "o.false", "Name=o.false\nExec=/bin/false\n"),
    ("none", "o.none", "Name=o.none\n"),
    ("key", "o.key", "Name=o.key\nExec=PROGRAM\nFoo_Bar=1\n"),
    ("leading", "o.leading", " Name=o.leading\nExec=PROGRAM\n"),
    ("trailing", "o.trailing", "Name=o.trailing \nExec=PROGRAM\n"),
    (
        "two",
        "o.two",
        "Name=o.two\n[D-BUS Service]\nExec=PROGRAM\n",
    ),
    (
        "blanks",
        "o.blanks",
        "Name = o.blanks\n  \nExec = PROGRAM\n# SystemdService=no.service\n",
    ),
    (
        "late",
        "o.late",
        "Name=o.late\nExec=PROGRAM\n[Other]\nSystemdService=no.service\n",
    ),
    (
        "quoted",
        "o.quoted",
        "Name=o.quoted\nExec=\"TOUCH\" 'MADE'\n",
    ),
    (
        "twice",
        "o.twice",
        "Name=o.twice\nExec=PROGRAM\nExec=/bin/false\n",
    ),
    (
        "twice-false",
        "o.twice-false",
        "Name=o.twice-false\nExec=/bin/false\nExec=PROGRAM\n",
    ),
    (
        "comment",
        "o.comment",
        "; no comment\nName=o.comment\nExec=PROGRAM\n",
    ),
    ("junk", "o.junk", "Name=o.junk\nExec=PROGRAM\njunk\n"),
];

pub(crate) fn started() {
    let (tree, made) = (Tree::new(), tempfile::tempdir().unwrap());
    let mut recipe = String::from("[Recipe]\nSchema=1\n");
    let put = |folder: &str, name: &str, file: &str, text: &str| {
        let made = made.path().join(name).display().to_string();
        let text = text
            .replace("PROGRAM", "TOUCH MADE")
            .replace("TOUCH", "/usr/bin/touch");
        let text = format!(
            "[D-BUS Service]\nUser=root\n{}",
            text.replace("MADE", &made)
        );
        tree.file(&format!("{folder}/{file}.service"), &text);
    };
    for (name, file, text) in FILES {
        put(SERVICES, name, file, text);
    }
    let names = FILES.iter().map(|(name, ..)| *name);
    let names: Vec<&str> = names.collect();
    for name in &names {
        let text = format!("[Service]\nType=dbus\nBusName=o.{name}\nExecStart=/usr/sbin/{name}\n");
        tree.file(&format!("{USR}/{name}.service"), &text);
        recipe += &format!("[Mask {name}.service]\n");
    }
    let image = Image::open(tree.root()).unwrap();
    let recipe = Recipe::parse("test", &recipe).unwrap();
    let plan = image.plan(&recipe).unwrap();
    let told: BTreeSet<String> = plan
        .residuals()
        .iter()
        .map(|one| {
            plan.rules()[one.rule.unwrap()]
                .section
                .argument
                .replace(".service", "")
        })
        .collect();

    let bus = Bus::start(tree.root());
    for name in &names {
        bus.ask_for(name);
    }
    let started = || -> BTreeSet<String> {
        let files = fs::read_dir(made.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    };
    // The bus does not say when a program that takes no name has begun.
    let asked = Instant::now();
    while started() != told && asked.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(told, started());
    println!(
        "{} of {} names are started by the bus",
        told.len(),
        names.len()
    );
    assert!(told.len() > 4, "{told:?}");
}

/// A bus that would ask systemd, and nobody is there to answer.
struct Bus {
    daemon: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Bus {
    fn start(root: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (socket, config) = (folder.path().join("bus"), folder.path().join("bus.conf"));
        let services = root.join(SERVICES);
        let text = format!(
            "<busconfig><listen>unix:path={}</listen><servicedir>{}</servicedir><policy context=\"default\"><allow user=\"*\"/>\
             <allow own=\"*\"/><allow send_destination=\"*\"/><allow eavesdrop=\"true\"/></policy></busconfig>",
            socket.display(),
            services.display()
        );
        fs::write(&config, text).unwrap();
        let daemon = DBUS_DAEMON
            .command()
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--systemd-activation"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !socket.exists() {
            assert!(begun.elapsed() < PATIENCE, "the bus does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self {
            daemon,
            address: format!("--bus=unix:path={}", socket.display()),
            _folder: folder,
        }
    }

    /// Asks for a name, which nothing takes in the end.
    fn ask_for(&self, name: &str) {
        let call = "org.freedesktop.DBus.StartServiceByName";
        let output = DBUS_SEND
            .command()
            .args([
                &self.address,
                "--dest=org.freedesktop.DBus",
                "--print-reply",
            ])
            .args(["--reply-timeout=500", "/", call])
            .args([format!("string:o.{name}"), "uint32:0".to_owned()])
            .output();
        assert!(!output.unwrap().status.success(), "{name} is taken");
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
