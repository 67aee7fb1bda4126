//! A build of busybox, as it is and hardened, each in a root of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use casehard::{OpenOptions, Recipe};

use crate::cases::INPUT;
use crate::kernel::KernelRuns;
use crate::support::tools::{BUSYBOX_DYNAMIC, CHROOT, LDD, Tool, UNSHARE};

const RECIPE: &str =
    "[Recipe]\nSchema=1\n[RemoveApplets]\nApplet=wget\nApplet=nc\nApplet=telnet\nApplet=netcat\n";

/// How an executable has its table.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Layout {
    Fixed64,
    Rela64,
    InPlace32,
}

pub(super) struct Build {
    pub(super) busybox: Tool,
    emulator: Option<Tool>,
    pub(super) layout: Layout,
    folder: tempfile::TempDir,
}

#[derive(Clone, Copy)]
pub(super) enum Side {
    Original,
    Hardened,
}

impl Build {
    /// Hardens the executable and lays out a root for each of both.
    pub(super) fn new(busybox: Tool, emulator: Option<Tool>, layout: Layout) -> Self {
        let build = Self {
            busybox,
            emulator,
            layout,
            folder: tempfile::tempdir().unwrap(),
        };
        let original = fs::read(busybox.find().unwrap()).unwrap();
        let hardened = harden(&original);
        for (side, content) in [(Side::Original, &original), (Side::Hardened, &hardened)] {
            build.lay_out(side, content);
        }
        build
    }

    pub(super) fn root(&self, side: Side) -> PathBuf {
        self.folder.path().join(match side {
            Side::Original => "original",
            Side::Hardened => "hardened",
        })
    }

    pub(super) fn lay_out(&self, side: Side, content: &[u8]) {
        let root = self.root(side);
        for folder in ["bin", "tmp"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let busybox = root.join("bin/busybox");
        fs::write(&busybox, content).unwrap();
        fs::set_permissions(&busybox, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.join("input"), INPUT).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for name in ["input", "tmp"] {
            fs::File::open(root.join(name))
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
        if self.emulator.is_none() {
            // Links come back, by an attacker or by a package manager.
            for applet in self.names() {
                if applet != "busybox" {
                    symlink("busybox", root.join("bin").join(applet)).unwrap();
                }
            }
        }
        if self.busybox.program == BUSYBOX_DYNAMIC.program {
            let listing = String::from_utf8(LDD.output([&busybox])).unwrap();
            for library in listing
                .split_whitespace()
                .filter(|word| word.starts_with('/'))
            {
                let to = root.join(library.trim_start_matches('/'));
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(library, to).unwrap();
            }
        }
    }

    /// Every name in the table, in its order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut list = match self.emulator {
            Some(emulator) => self.emulated(emulator, "busybox", &self.busybox.find().unwrap()),
            None => Command::new(self.busybox.find().unwrap()),
        };
        let output = list.arg("--list").output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(String::from)
            .collect()
    }

    pub(super) fn emulated(&self, emulator: Tool, name: &str, busybox: &Path) -> Command {
        let mut command = emulator.command();
        command
            .args(["-0", name])
            .arg(busybox)
            .env("QEMU_LD_PREFIX", self.libraries());
        command
    }

    /// The folder that has the C library of another machine.
    pub(super) fn libraries(&self) -> PathBuf {
        let busybox = fs::canonicalize(self.busybox.find().unwrap()).unwrap();
        busybox.parent().unwrap().parent().unwrap().to_owned()
    }

    /// A command by which the executable takes `name` for its own: in a chroot, or emulated.
    pub(super) fn command(&self, side: Side, name: &str) -> Command {
        let root = self.root(side);
        match self.emulator {
            Some(emulator) => self.emulated(emulator, name, &root.join("bin/busybox")),
            None => {
                let mut command = if fs::metadata("/proc/self").unwrap().uid() == 0 {
                    CHROOT.command()
                } else {
                    let mut command = UNSHARE.command();
                    command
                        .args(["--user", "--map-root-user"])
                        .arg(CHROOT.find().unwrap());
                    command
                };
                command.arg(&root).arg(format!("/bin/{name}"));
                command
            }
        }
    }

    pub(super) fn run(&self, side: Side, words: &[&str]) -> Output {
        let mut command = self.command(side, words[0]);
        command.args(&words[1..]);
        self.output(command, side)
    }

    pub(super) fn output(&self, mut command: Command, side: Side) -> Output {
        let root = self.root(side);
        command
            .current_dir(&root)
            .env("PATH", "/bin")
            .stdin(fs::File::open(root.join("input")).unwrap())
            .output()
            .unwrap()
    }

    /// Runs an executable as itself without a PATH, not in a chroot, since /proc has to tell it where it is.
    pub(super) fn standalone(&self, busybox: &Path) -> Command {
        match self
            .emulator
            .map(|emulator| (emulator, KernelRuns::find(self.busybox, emulator)))
        {
            Some((emulator, Some(runs))) => runs.command(emulator, busybox),
            _ => {
                let mut command = Command::new(busybox);
                command.env("PATH", "/none");
                command
            }
        }
    }
}

/// The executable as casehard leaves it in an image that has it under three names.
fn harden(busybox: &[u8]) -> Vec<u8> {
    let mut image = tar::Builder::new(Vec::new());
    let header = |kind, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(size);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header
    };
    let mut file = header(tar::EntryType::Regular, busybox.len() as u64);
    image
        .append_data(&mut file, "bin/busybox", busybox)
        .unwrap();
    for (kind, name) in [
        (tar::EntryType::Symlink, "bin/wget"),
        (tar::EntryType::Link, "bin/nc"),
    ] {
        let target = if kind == tar::EntryType::Link {
            "bin/busybox"
        } else {
            "busybox"
        };
        image
            .append_link(&mut header(kind, 0), name, target)
            .unwrap();
    }
    let image = image.into_inner().unwrap();
    let image = OpenOptions::new().read("busybox.tar", &image[..]).unwrap();
    let recipe = Recipe::parse("busybox", RECIPE).unwrap();
    let plan = image.plan(&recipe).unwrap();
    assert!(!plan.failed(), "{}", plan.report().summary());
    assert_eq!(plan.residuals(), []);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("hardened.tar");
    plan.write(&output).unwrap();
    let mut entries = tar::Archive::new(fs::File::open(output).unwrap());
    let mut contents = BTreeMap::new();
    for entry in entries.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        contents.insert(
            entry.path().unwrap().to_string_lossy().into_owned(),
            content,
        );
    }
    assert_eq!(contents.keys().collect::<Vec<_>>(), ["bin/busybox"]);
    contents.remove("bin/busybox").unwrap()
}
