//! Debian's tools: alternatives, upgrades, overridden modes and triggers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use casehard::{Image, Recipe};

use crate::support::disk::extract;
use crate::support::tools::{DPKG, DPKG_DEB, TAR, UPDATE_ALTERNATIVES};
use crate::tree::Tree;

/// A tree hardened and extracted, and what its report leaves open.
struct Hardened {
    folder: tempfile::TempDir,
    open: Vec<String>,
}

impl Hardened {
    fn new(tree: &Tree, rules: &str) -> Self {
        let image = Image::open(tree.root()).unwrap();
        let recipe = Recipe::parse("test", &format!("[Recipe]\nSchema=1\n{rules}")).unwrap();
        let plan = image.plan(&recipe).unwrap();
        assert!(!plan.failed(), "{}", plan.report().summary());
        let open = plan.residuals().iter().map(|residual| {
            assert!(residual.place.is_some());
            residual.to_string()
        });
        let open = open.collect();
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.tar");
        plan.write(&out).unwrap();
        extract(TAR, &out, &folder.path().join("root")).unwrap();
        Self { folder, open }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn mode(&self, path: &str) -> u32 {
        let metadata = fs::metadata(self.root().join(path)).unwrap();
        metadata.permissions().mode() & 0o7777
    }

    fn says(&self, words: &[&str]) -> bool {
        self.open
            .iter()
            .any(|open| words.iter().all(|word| open.contains(word)))
    }
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Whatever is removed of a program, its links and what goes along with it: update-alternatives makes again what is said.
pub(crate) fn alternatives() {
    const PARTS: [&str; 6] = [
        "/usr/bin/nc",
        "/usr/bin/netcat",
        "/etc/alternatives/nc",
        "/etc/alternatives/netcat",
        "/usr/bin/nc.openbsd",
        "/usr/share/netcat",
    ];
    let update = |root: &Path, words: &[&str]| {
        let mut command = UPDATE_ALTERNATIVES.command();
        command.args(["--quiet", "--root"]).arg(root).args(words);
        // Where no program is left, it fails.
        command.output().unwrap();
    };
    let tree = Tree::new();
    tree.file("usr/bin/nc.openbsd", "nc");
    tree.file("usr/share/netcat", "netcat");
    for folder in ["etc/alternatives", "var/lib/dpkg/alternatives", "var/log"] {
        fs::create_dir_all(tree.root().join(folder)).unwrap();
    }
    let install = [
        "--install",
        "/usr/bin/nc",
        "nc",
        "/usr/bin/nc.openbsd",
        "50",
    ];
    let along = ["--slave", "/usr/bin/netcat", "netcat", "/usr/share/netcat"];
    update(tree.root(), &[&install[..], &along].concat());
    let (mut again, mut gone) = (0, 0);
    for chosen in 1..1 << PARTS.len() {
        let parts = || {
            PARTS
                .iter()
                .enumerate()
                .filter(|(at, _)| chosen >> at & 1 == 1)
                .map(|(_, part)| *part)
        };
        let rules: String = parts().map(|part| format!("[Remove {part}]\n")).collect();
        let hardened = Hardened::new(&tree, &rules);
        update(&hardened.root(), &["--auto", "nc"]);
        for part in parts() {
            let there = fs::symlink_metadata(hardened.root().join(&part[1..])).is_ok();
            let message =
                format!("/var/lib/dpkg/alternatives/nc: update-alternatives makes {part} again");
            let said = hardened.open.contains(&message);
            assert_eq!(said, there, "{rules}{part}: {:#?}", hardened.open);
            again += usize::from(there);
            gone += usize::from(!there);
        }
        // As a package does that brings back what the links lead to.
        for part in &PARTS[4..] {
            fs::write(hardened.root().join(&part[1..]), "back").unwrap();
        }
        update(&hardened.root(), &[&install[..], &along].concat());
        for part in parts().filter(|part| !PARTS[4..].contains(part)) {
            assert!(
                hardened.says(&[&format!("update-alternatives makes {part} again")]),
                "{:#?}",
                hardened.open
            );
            assert!(fs::symlink_metadata(hardened.root().join(&part[1..])).is_ok());
        }
    }
    println!("{again} names come back as said, {gone} do not");
    assert!(again > 20 && gone > 20, "{again}, {gone}");
}

/// A package with a set-id program, a plain one and a configuration file is hardened and comes again in a next version.
pub(crate) fn upgrades() {
    let tree = Tree::new();
    for folder in [
        "var/lib/dpkg/info",
        "var/lib/dpkg/updates",
        "var/lib/dpkg/triggers",
    ] {
        fs::create_dir_all(tree.root().join(folder)).unwrap();
    }
    tree.file("var/lib/dpkg/status", "");
    tree.file("var/lib/dpkg/available", "");
    let packages = tempfile::tempdir().unwrap();
    let watcher = "#!/bin/sh\necho again >\"$DPKG_ROOT/usr/share/watched/made\"\n";
    let watcher = Package {
        name: "watcher",
        version: "1",
        files: &[("usr/share/watched/made", "once", 0o644)],
        triggers: "interest-noawait /usr/share/watched\n",
        postinst: watcher,
    };
    let tool = |version| Package {
        name: "tool",
        version,
        files: TOOL,
        triggers: "",
        postinst: "",
    };
    install(tree.root(), &watcher.build(packages.path()));
    install(tree.root(), &tool("1").build(packages.path()));
    let next = tool("2").build(packages.path());

    let rules = "[StripSetid]\nStatOverride=STAT\n[Remove /usr/bin/plain]\n[WriteFile /usr/share/watched/made]\nLine=asked\n[WriteFile /usr/share/other]\nLine=asked\n";
    let rules = rules.to_owned()
        + "[Permissions /usr/bin/owned]\nMode=0700\n\
        [WriteFile /etc/edited]\nLine=asked\n[Remove /etc/gone]\n[Permissions /etc/mode]\nMode=0600\n";
    for (keeps, mode) in [("yes", 0o755), ("no", 0o4755)] {
        let hardened = Hardened::new(&tree, &rules.replace("STAT", keeps));
        assert_eq!(hardened.mode("usr/bin/setid"), 0o755);
        install(&hardened.root(), &next);
        assert_eq!(hardened.mode("usr/bin/setid"), mode, "{:#?}", hardened.open);
        let back = "belongs to the package tool, whose next upgrade brings it back";
        assert_eq!(
            hardened.says(&["/usr/bin/setid: ", back]),
            keeps == "no",
            "{:#?}",
            hardened.open
        );
        // What is removed and what other rules set comes back in either case.
        assert!(
            hardened.root().join("usr/bin/plain").exists()
                && hardened.says(&["/usr/bin/plain: ", back])
        );
        assert!(
            hardened.mode("usr/bin/owned") == 0o755 && hardened.says(&["/usr/bin/owned: ", back])
        );
        // dpkg keeps what was done to configuration files.
        let edited = fs::read_to_string(hardened.root().join("etc/edited")).unwrap();
        assert_eq!(
            (edited.as_str(), hardened.mode("etc/mode")),
            ("asked\n", 0o600)
        );
        assert!(!hardened.root().join("etc/gone").exists());
        assert!(!hardened.says(&["/etc/"]), "{:#?}", hardened.open);
        // The next version ships nothing there, but the first did, and so the watcher's script runs.
        let made = fs::read_to_string(hardened.root().join("usr/share/watched/made")).unwrap();
        assert_eq!(made, "again\n");
        assert!(
            hardened.says(&[
                "/var/lib/dpkg/triggers/File:1: /usr/share/watched/made: the package watcher runs"
            ]),
            "{:#?}",
            hardened.open
        );
        let other = fs::read_to_string(hardened.root().join("usr/share/other")).unwrap();
        assert_eq!(other, "asked\n");
        assert!(
            !hardened.says(&["/usr/share/other"]),
            "{:#?}",
            hardened.open
        );
    }
}

const TOOL: &[(&str, &str, u32)] = &[
    ("usr/bin/setid", "s", 0o4755),
    ("usr/bin/plain", "p", 0o755),
    ("usr/bin/owned", "o", 0o755),
    ("usr/share/watched/tool", "t", 0o644),
    ("etc/edited", "e", 0o644),
    ("etc/gone", "g", 0o644),
    ("etc/mode", "m", 0o644),
];

struct Package {
    name: &'static str,
    version: &'static str,
    /// Path, content and mode.
    files: &'static [(&'static str, &'static str, u32)],
    triggers: &'static str,
    postinst: &'static str,
}

impl Package {
    fn build(&self, folder: &Path) -> PathBuf {
        let tree = Tree::new();
        let Self { name, version, .. } = self;
        tree.file("DEBIAN/control", &format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: {name}\n"
        ));
        if !self.triggers.is_empty() {
            tree.file("DEBIAN/triggers", self.triggers);
        }
        let conffiles = self
            .files
            .iter()
            .filter(|(path, ..)| path.starts_with("etc/"));
        let conffiles: String = conffiles.map(|(path, ..)| format!("/{path}\n")).collect();
        tree.file("DEBIAN/conffiles", &conffiles);
        if !self.postinst.is_empty() {
            tree.file("DEBIAN/postinst", self.postinst);
            let script = tree.root().join("DEBIAN/postinst");
            fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for (path, content, mode) in self.files {
            tree.file(path, content);
            fs::set_permissions(tree.root().join(path), fs::Permissions::from_mode(*mode)).unwrap();
        }
        let package = folder.join(format!("{name}_{version}.deb"));
        let mut command = DPKG_DEB.command();
        succeed(
            command
                .args(["--root-owner-group", "--build"])
                .arg(tree.root())
                .arg(&package),
        );
        package
    }
}

/// Installs a package as dpkg does it for another root; its scripts are told of the root.
fn install(root: &Path, package: &Path) {
    let mut command = DPKG.command();
    command.arg(format!("--root={}", root.display()));
    command.args(["--force-script-chrootless", "--force-not-root", "--install"]);
    succeed(command.arg(package));
}
