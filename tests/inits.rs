//! `Disable`, judged by the init systems' own programs: what they start before and after, and what
//! their own tools would have done.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use casehard::{OpenOptions, Recipe, WriteOptions};
use tempfile::TempDir;

mod support;

use support::rootfs::{Files, LINK, archive, file};
use support::tools::{
    self, BUSYBOX_STATIC, CHROOT, RUNSVDIR, RealTest, TIMEOUT, UNSHARE, UPDATE_INETD, UPDATE_RC_D,
};

fn main() -> ExitCode {
    tools::main_if(
        tools::as_root,
        &[
            RealTest {
                name: "busybox_init_starts_what_is_left",
                needs: &[BUSYBOX_STATIC, CHROOT, UNSHARE, TIMEOUT],
                run: busybox_init,
            },
            RealTest {
                name: "runsvdir_runs_what_is_left",
                needs: &[RUNSVDIR, TIMEOUT],
                run: runsvdir,
            },
            RealTest {
                name: "links_are_those_of_update_rc_d",
                needs: &[UPDATE_RC_D],
                run: update_rc_d,
            },
            RealTest {
                name: "lines_are_those_of_update_inetd",
                needs: &[UPDATE_INETD],
                run: update_inetd,
            },
        ],
    )
}

/// PID 1 of busybox runs `rcS` and the lines of inittab.
fn busybox_init() {
    let writes = |name: &str| format!("#!/bin/sh\necho {name} >>/started\n");
    let files = Files::from([
        file(
            "etc/inittab",
            "::sysinit:/etc/init.d/rcS\n::once:/usr/sbin/telnetd -F\n::once:/usr/sbin/crond\n",
        ),
        // As Buildroot has it.
        program(
            "etc/init.d/rcS",
            "#!/bin/sh\nfor i in /etc/init.d/S??* ;do\n[ ! -f \"$i\" ] && continue\ncase \"$i\" in\n\
             *.sh) ( trap - INT QUIT TSTP; set start; . $i; ) ;;\n*) $i start ;;\nesac\ndone\n",
        ),
        program("etc/init.d/S40network", writes("network")),
        program(
            "etc/init.d/S50sshd",
            "#!/bin/sh\nDAEMON=/usr/sbin/sshd\n[ \"$1\" = start ] && $DAEMON -D\n",
        ),
        file("etc/init.d/S51second.sh", "/usr/sbin/sshd -f other\n"),
        program("usr/sbin/sshd", writes("sshd")),
        program("usr/sbin/telnetd", writes("telnetd")),
        program("usr/sbin/crond", writes("crond")),
    ]);
    let started = |root: &TempDir| {
        for folder in ["bin", "dev", "proc"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let busybox = BUSYBOX_STATIC.find().unwrap();
        fs::copy(busybox, root.path().join("bin/busybox")).unwrap();
        std::os::unix::fs::symlink("busybox", root.path().join("bin/sh")).unwrap();
        let mut command = TIMEOUT.command();
        command
            .args(["-s", "KILL", "3"])
            .arg(UNSHARE.find().unwrap());
        command.args(["--mount", "--pid", "--fork", "--kill-child", "chroot"]);
        command.arg(root.path()).args(["/bin/busybox", "init"]);
        quiet(&mut command);
        lines(&root.path().join("started"))
    };
    let all = ["crond", "network", "sshd", "telnetd"];
    assert_eq!(started(&unpacked(&archive(&files))), set(&all));
    let left = harden(&files, "[Disable sshd]\n[Disable telnetd]\n");
    assert_eq!(started(&left), set(&["crond", "network"]));
}

/// Services behind links, and one that stands in the directory itself.
fn runsvdir() {
    const RUN: &str = "#!/bin/sh\necho x >started\nexec sleep 9\n";
    let sshd = RUN.replace("exec sleep 9", ": || exec /usr/sbin/sshd -D\nexec sleep 9");
    let mut files = Files::from([
        program("etc/sv/cron/run", RUN),
        program("etc/sv/sshd/run", &sshd),
        program("etc/service/own/run", &sshd),
    ]);
    for name in ["cron", "sshd"] {
        let target = format!("../sv/{name}");
        files.insert(format!("etc/service/{name}"), (LINK, target.into_bytes()));
    }
    let started = |root: &TempDir| -> BTreeSet<String> {
        let mut command = TIMEOUT.command();
        command
            .args(["-s", "HUP", "2"])
            .arg(RUNSVDIR.find().unwrap());
        quiet(command.arg(root.path().join("etc/service")));
        let services = ["etc/sv/cron", "etc/sv/sshd", "etc/service/own"];
        let ran = |service: &&str| root.path().join(service).join("started").exists();
        services
            .into_iter()
            .filter(ran)
            .map(str::to_owned)
            .collect()
    };
    let all = set(&["etc/service/own", "etc/sv/cron", "etc/sv/sshd"]);
    assert_eq!(started(&unpacked(&archive(&files))), all);
    let left = harden(&files, "[Disable sshd]\n");
    assert_eq!(started(&left), set(&["etc/sv/cron"]));
}

/// The same names in each runlevel.
fn update_rc_d() {
    const SCRIPT: &str = "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: ssh\n# Required-Start:\n# Required-Stop:\n\
        # Default-Start: 2 3 4 5\n# Default-Stop:\n### END INIT INFO\n\
        case $1 in start) start-stop-daemon --start --exec /usr/sbin/sshd ;; esac\n";
    let mut files = Files::from([program("etc/init.d/ssh", SCRIPT), program("sbin/init", "")]);
    for (level, link) in [
        (0, "K01ssh"),
        (2, "S03ssh"),
        (3, "S03ssh"),
        (4, "S99ssh"),
        (5, "S03ssh"),
        (6, "K01ssh"),
    ] {
        let path = format!("etc/rc{level}.d/{link}");
        files.insert(path, (LINK, b"../init.d/ssh".to_vec()));
    }
    let links = |root: &TempDir| -> BTreeSet<String> {
        let levels = (0..7).map(|level| format!("rc{level}.d"));
        let all = levels.flat_map(|level| {
            let entries = fs::read_dir(root.path().join("etc").join(&level)).unwrap();
            entries.map(move |entry| format!("{level}/{}", entry.unwrap().file_name().display()))
        });
        all.collect()
    };
    files.insert("etc/rc1.d/README".into(), (0o644, Vec::new()));
    let theirs = unpacked(&archive(&files));
    let before = links(&theirs);
    let mut command = UPDATE_RC_D.command();
    command
        .args(["ssh", "disable"])
        .env("DPKG_ROOT", theirs.path());
    assert!(command.status().unwrap().success());
    let ours = harden(&files, "[Disable sshd]\n");
    assert_eq!(links(&ours), links(&theirs));
    assert_ne!(links(&ours), before);
}

/// The same bytes.
fn update_inetd() {
    const LIST: &str = "#:STANDARD: these are standard services.\n\
        telnet\t\tstream\ttcp\tnowait\troot\t/usr/sbin/tcpd\t/usr/sbin/in.telnetd\n\
        finger stream tcp nowait nobody /usr/sbin/tcpd /usr/sbin/in.fingerd\n\
        #<off># login stream tcp nowait root /usr/sbin/tcpd /usr/sbin/in.rlogind\n";
    let files = Files::from([file("etc/inetd.conf", LIST)]);
    let theirs = unpacked(&archive(&files));
    let list = theirs.path().join("etc/inetd.conf");
    let mut command = UPDATE_INETD.command();
    command
        .arg("--file")
        .arg(&list)
        .args(["--disable", "telnet"]);
    quiet(&mut command);
    let ours = harden(&files, "[Disable telnetd]\n");
    let ours = fs::read_to_string(ours.path().join("etc/inetd.conf")).unwrap();
    assert_eq!(ours, fs::read_to_string(list).unwrap());
    assert_ne!(ours, LIST);
}

fn program(path: &str, content: impl AsRef<[u8]>) -> (String, (u32, Vec<u8>)) {
    (path.to_owned(), (0o755, content.as_ref().to_vec()))
}

fn harden(files: &Files, rules: &str) -> TempDir {
    let image = OpenOptions::new()
        .read("test.tar", &archive(files)[..])
        .unwrap();
    let recipe = Recipe::parse("test", &format!("[Recipe]\nSchema=1\n{rules}")).unwrap();
    let plan = image.plan(&recipe).unwrap();
    assert!(!plan.failed());
    let mut out = Vec::new();
    plan.write_to(&mut out, &WriteOptions::new()).unwrap();
    unpacked(&out)
}

fn unpacked(archive: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(archive).unpack(folder.path()).unwrap();
    folder
}

/// Runs a command that may end by a signal.
fn quiet(command: &mut Command) {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().unwrap();
}

fn lines(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
