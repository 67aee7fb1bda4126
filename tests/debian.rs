//! A real Debian, hardened and looked at by Debian's own programs.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::LazyLock;

use casehard::{Compression, Image, Recipe, WriteOptions};
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

mod support;

use support::disk::extract;
use support::tools::{
    self, BSDTAR, GETCAP, GZIP, MMDEBSTRAP, RealTest, SYSTEMCTL, SYSTEMD_ANALYZE, SYSTEMD_SYSUSERS,
    TAR, ZSTD,
};
use support::{mmdebstrap, model};

fn main() -> ExitCode {
    if let Some(output) = std::env::var_os(PEAK) {
        return harden_and_tell_peak(Path::new(&output));
    }
    tools::main_if(
        ready,
        &[
            RealTest {
                name: "extracted_by_gnu_tar_it_is_hardened",
                needs: &[MMDEBSTRAP, TAR, SYSTEMCTL, SYSTEMD_SYSUSERS, GETCAP],
                run: || hardened_on_disk(TAR, &HARDENED.tar),
            },
            RealTest {
                name: "extracted_by_bsdtar_it_is_hardened",
                needs: &[MMDEBSTRAP, BSDTAR, SYSTEMCTL, SYSTEMD_SYSUSERS, GETCAP],
                run: || hardened_on_disk(BSDTAR, &HARDENED.zst),
            },
            RealTest {
                name: "the_bundle_for_it_is_chosen_and_holds",
                needs: &[MMDEBSTRAP, TAR, GZIP, SYSTEMCTL],
                run: the_bundle,
            },
            RealTest {
                name: "the_exposure_told_is_what_systemd_analyze_finds",
                needs: &[MMDEBSTRAP, TAR, SYSTEMD_ANALYZE],
                run: exposure_of_services,
            },
            RealTest {
                name: "every_compression_holds_the_same_tar",
                needs: &[MMDEBSTRAP, GZIP, ZSTD],
                run: same_tar,
            },
            RealTest {
                name: "no_byte_but_the_edits_changes",
                needs: &[MMDEBSTRAP],
                run: no_other_byte,
            },
            RealTest {
                name: "memory_stays_small",
                needs: &[MMDEBSTRAP],
                run: memory,
            },
        ],
    )
}

const RECIPE: &str = "[Recipe]
Schema=1

[Mask ssh.service]
[Mask ssh.socket]
[Mask getty@.service]
[Mask debug-shell.service]

[StripSetid]
Keep=/usr/bin/sudo

[RemoveFromGroups admin]
Group=sudo
Group=adm

[RemoveApplets]
Applet=wget
Applet=nc

[DropIn systemd-journald.service/10-memory.conf]
Service.MemoryMax=64M

[SetKey /etc/default/useradd]
Set=CASEHARD=1

[Permissions /etc/sudoers.d]
Mode=0700

[WriteFile /etc/issue]
Line=authorised use only

[Remove /usr/share/doc/**/copyright]
";

const PACKAGES: &str = "systemd,systemd-sysv,openssh-server,sudo,busybox,polkitd,dbus,iputils-ping,rpcbind,avahi-daemon";

/// What a real image has and a fresh one has not: a user in groups, names of busybox.
const HOOKS: [&str; 2] = [
    r#"chroot "$1" useradd --create-home --groups sudo,adm admin"#,
    r#"ln -s busybox "$1/bin/wget" && ln "$1/bin/busybox" "$1/bin/nc""#,
];

static ROOTFS: LazyLock<Result<PathBuf, String>> = LazyLock::new(rootfs);

fn ready() -> Result<(), String> {
    tools::as_root()?;
    ROOTFS.as_ref().map(drop).map_err(Clone::clone)
}

fn image_path() -> &'static Path {
    ROOTFS.as_ref().expect("tests run once it is there")
}

/// The image, built once for one list of packages.
fn rootfs() -> Result<PathBuf, String> {
    mmdebstrap::image("bookworm", PACKAGES, &HOOKS)
}

/// The image, hardened.
struct Hardened {
    _folder: tempfile::TempDir,
    tar: PathBuf,
    gz: PathBuf,
    zst: PathBuf,
}

static HARDENED: LazyLock<Hardened> = LazyLock::new(|| {
    let folder = folder();
    let [tar, gz, zst] =
        ["image.tar", "image.tar.gz", "image.tar.zst"].map(|name| folder.path().join(name));
    let image = Image::open(image_path()).expect("the image opens");
    let recipe = recipe();
    let plan = image.plan(&recipe).expect("it can be planned");
    assert!(!plan.failed(), "{:?}", plan.rules());
    for rule in plan.rules() {
        assert_eq!(rule.outcome.name(), "changed", "{}", rule.section.label());
    }
    plan.write(&tar).expect("it can be written");
    for (path, compression) in [(&gz, Compression::Gzip), (&zst, Compression::Zstd)] {
        let options = WriteOptions::new().compression(compression);
        plan.write_with(path, &options).expect("it can be written");
    }
    Hardened {
        _folder: folder,
        tar,
        gz,
        zst,
    }
});

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder")
}

fn recipe() -> Recipe {
    Recipe::parse("debian", RECIPE).expect("the recipe is right")
}

/// What systemctl says of a unit in an extracted image.
fn enabled(root: &Path, unit: &str) -> String {
    let mut command = SYSTEMCTL.command();
    let output = command
        .arg("--root")
        .arg(root)
        .args(["is-enabled", unit])
        .output();
    let output = output.expect("the program runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The set-id files of an extracted image.
fn privileged(root: &Path) -> BTreeSet<PathBuf> {
    let found = WalkDir::new(root)
        .into_iter()
        .map(|found| found.expect("the folder is readable"));
    let files = found.filter(|found| found.file_type().is_file() && !found.file_type().is_fifo());
    files
        .filter(|found| found.metadata().expect("it is there").permissions().mode() & 0o6000 != 0)
        .map(|found| {
            found
                .path()
                .strip_prefix(root)
                .expect("it is below")
                .to_owned()
        })
        .collect()
}

/// Every service that the image's packages bring, sandboxed.
fn exposure_of_services() {
    let folder = folder();
    let [out, before, after] = ["out.tar", "before", "after"].map(|name| folder.path().join(name));
    let image = Image::open(image_path()).expect("the image opens");
    let recipe = "[Recipe]\nSchema=1\n[Sandbox *.service]\nEnsure=yes\n";
    let recipe = Recipe::parse("debian", recipe).expect("the recipe is right");
    let plan = image.plan(&recipe).expect("it can be planned");
    assert!(!plan.failed(), "{:?}", plan.rules());
    plan.write(&out).expect("it can be written");
    extract(TAR, image_path(), &before).expect("it extracts");
    extract(TAR, &out, &after).expect("it extracts");
    let compared = support::exposure::compare(&plan, &before, &after);
    assert!(compared > 40, "{compared}");
}

/// The shipped recipe for Debian, chosen by os-release, on a compressed image.
fn the_bundle() {
    let folder = folder();
    let [packed, out, root] =
        ["image.tar.gz", "out.tar.gz", "root"].map(|name| folder.path().join(name));
    let file = fs::File::create(&packed).expect("a file");
    let packing = GZIP
        .command()
        .arg("-1c")
        .arg(image_path())
        .stdout(file)
        .status();
    assert!(packing.expect("the program runs").success());
    let image = Image::open(&packed).expect("the image opens");
    let recipe = Recipe::matching(&image, &[]).expect("there is a recipe for Debian");
    assert_eq!(recipe.name(), "recipe:systemd-host");
    let plan = image.plan(&recipe).expect("it can be planned");
    assert!(!plan.failed(), "{:?}", plan.rules());
    plan.write(&out).expect("it can be written");
    extract(TAR, &out, &root).expect("the output can be extracted");
    for unit in [
        "rpcbind.socket",
        "rpcbind.service",
        "avahi-daemon.socket",
        "avahi-daemon.service",
    ] {
        assert_eq!(enabled(&root, unit), "masked", "{unit}");
    }
    let kept = [
        "usr/bin/sudo",
        "usr/lib/dbus-1.0/dbus-daemon-launch-helper",
        "usr/lib/polkit-1/polkit-agent-helper-1",
        "usr/sbin/unix_chkpwd",
    ];
    assert_eq!(privileged(&root), kept.map(PathBuf::from).into());
    let told = |package: &str| {
        plan.residuals()
            .iter()
            .any(|r| r.message.contains("next upgrades") && r.message.contains(package))
    };
    assert!(
        told("util-linux") && told("passwd"),
        "{:?}",
        plan.residuals()
    );
    let again = Image::open(&out).expect("the output opens");
    assert!(again.plan(&recipe).expect("it can be planned").compliant());
}

fn hardened_on_disk(program: tools::Tool, archive: &Path) {
    let folder = folder();
    let root = folder.path().join("root");
    extract(program, archive, &root).expect("the output can be extracted");
    for unit in [
        "ssh.service",
        "ssh.socket",
        "getty@.service",
        "getty@tty1.service",
        "debug-shell.service",
        "sshd.service",
    ] {
        assert_eq!(enabled(&root, unit), "masked", "{unit}");
    }
    assert_eq!(
        privileged(&root),
        BTreeSet::from([PathBuf::from("usr/bin/sudo")])
    );
    let capabilities = GETCAP.output([Path::new("-r"), &root]);
    assert_eq!(String::from_utf8_lossy(&capabilities), "");
    let members = || {
        let text = fs::read_to_string(root.join("etc/group")).expect("there are groups");
        let of_admin = text
            .lines()
            .filter(|line| line.split([':', ',']).skip(3).any(|word| word == "admin"));
        of_admin.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(members(), Vec::<String>::new());
    SYSTEMD_SYSUSERS.output([Path::new("--root"), &root]);
    assert_eq!(members(), Vec::<String>::new(), "after systemd-sysusers");
    let at = |name: &str| fs::symlink_metadata(root.join(name));
    assert!(at("bin/wget").is_err() && at("bin/nc").is_err() && at("bin/busybox").is_ok());
    let runs = Command::new("chroot")
        .arg(&root)
        .args(["/bin/busybox", "true"])
        .status();
    assert!(runs.expect("chroot runs").success(), "busybox is whole");
    assert_eq!(
        at("etc/sudoers.d")
            .expect("it is there")
            .permissions()
            .mode()
            & 0o7777,
        0o700
    );
    assert_eq!(
        fs::read_to_string(root.join("etc/issue")).expect("it is there"),
        "authorised use only\n"
    );
    let defs = fs::read_to_string(root.join("etc/default/useradd")).expect("it is there");
    assert!(defs.ends_with("CASEHARD=1\n"));
    assert!(
        root.join("etc/systemd/system/systemd-journald.service.d/10-memory.conf")
            .is_file()
    );
}

fn same_tar() {
    let wanted = digest(&mut fs::File::open(&HARDENED.tar).expect("it is there"));
    for (program, archive) in [(GZIP, &HARDENED.gz), (ZSTD, &HARDENED.zst)] {
        let mut child = program
            .command()
            .arg("-dc")
            .arg(archive)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the program runs");
        let found = digest(&mut child.stdout.take().expect("a pipe"));
        assert!(child.wait().expect("the program ends").success());
        assert!(
            found == wanted,
            "{} has another tar in it",
            archive.display()
        );
    }
}

fn digest(input: &mut impl std::io::Read) -> Vec<u8> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match input.read(&mut buffer).expect("it can be read") {
            0 => return hash.finalize().to_vec(),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn no_other_byte() {
    let (image, hardened) = (Image::open(image_path()), Image::open(&HARDENED.tar));
    let (image, hardened) = (image.expect("it opens"), hardened.expect("it opens"));
    let recipe = recipe();
    let plan = image.plan(&recipe).expect("it can be planned");
    model::hold(&image, &hardened, plan.edits());
    let again = hardened.plan(&recipe).expect("the output can be planned");
    assert!(again.compliant(), "{:?}", again.edits());
    let folder = folder();
    let twice = folder.path().join("twice.tar");
    again.write(&twice).expect("it can be written");
    let read = |path: &Path| digest(&mut fs::File::open(path).expect("it is there"));
    assert!(
        read(&twice) == read(&HARDENED.tar),
        "applying twice gives other bytes"
    );
}

/// Names the output to a child process, which hardens the image and says how much memory it took.
const PEAK: &str = "CASEHARD_TEST_PEAK";
const INPUT: &str = "CASEHARD_TEST_INPUT";

fn memory() {
    let folder = folder();
    for (name, limit) in [("out.tar", 64 << 10), ("out.tar.gz", 64 << 10)] {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .env(PEAK, folder.path().join(name))
            .env(INPUT, image_path())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&child.stdout);
        let peak: u64 = said
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&child.stderr)));
        assert!(peak <= limit, "{name} took {peak} KiB");
    }
}

#[allow(clippy::print_stdout, reason = "the parent reads it")]
fn harden_and_tell_peak(output: &Path) -> ExitCode {
    let input = std::env::var_os(INPUT).expect("the parent names it");
    let image = Image::open(input).expect("the image opens");
    let recipe = recipe();
    let plan = image.plan(&recipe).expect("it can be planned");
    let options =
        WriteOptions::new().compression(Compression::from_name(&output.to_string_lossy()));
    plan.write_with(output, &options)
        .expect("it can be written");
    let mut status = String::new();
    fs::File::open("/proc/self/status")
        .and_then(|mut f| f.read_to_string(&mut status))
        .expect("Linux has it");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!(
        "{}",
        peak.expect("Linux says so").trim().trim_end_matches(" kB")
    );
    ExitCode::SUCCESS
}
