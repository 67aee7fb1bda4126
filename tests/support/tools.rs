//! Tests against real programs, skipped with a reason where a program is missing.
//!
//! A target that uses this has `harness = false` and this `main`:
//!
//! ```ignore
//! fn main() -> ExitCode {
//!     support::tools::main(&[RealTest {
//!         name: "gpasswd_agrees",
//!         needs: &[tools::GPASSWD],
//!         run: gpasswd_agrees,
//!     }])
//! }
//! ```
//!
//! With `CASEHARD_REQUIRE_TOOLS=1` in the environment, as `cargo xtask test --require-tools` sets it, a missing program fails
//! the test.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// A program that tests call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// Its name in `PATH`.
    pub(crate) program: &'static str,
    /// The Debian package that has it.
    pub(crate) package: &'static str,
}

/// A test that needs programs.
#[derive(Clone, Copy)]
pub(crate) struct RealTest {
    /// What it is listed as.
    pub(crate) name: &'static str,
    /// The programs without which it cannot run.
    pub(crate) needs: &'static [Tool],
    /// The test; it fails by panicking.
    pub(crate) run: fn(),
}

/// Runs the tests as the arguments say, as the built-in harness would.
pub(crate) fn main(tests: &[RealTest]) -> ExitCode {
    main_if(|| Ok(()), tests)
}

/// As [`main`], where all tests need something else as well: what is missing of it is asked for when the first one runs.
pub(crate) fn main_if(ready: fn() -> Result<(), String>, tests: &[RealTest]) -> ExitCode {
    let trials = tests.iter().map(|&test| {
        Trial::ignorable_test(test.name, move || {
            let missing = missing(test.needs);
            let ready = if missing.is_empty() {
                ready()
            } else {
                Err(missing.join(", "))
            };
            let Err(lacking) = ready else {
                (test.run)();
                return Ok(Completion::Completed);
            };
            let reason = format!("needs {lacking}");
            if std::env::var_os("CASEHARD_REQUIRE_TOOLS").is_some_and(|value| value == "1") {
                Err(Failed::from(reason))
            } else {
                Ok(Completion::ignored_with(reason))
            }
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

impl Tool {
    /// The program as it would be run, if the machine has it.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            // Where an ordinary user's PATH does not reach.
            .chain(
                [
                    "/usr/local/sbin",
                    "/usr/sbin",
                    "/sbin",
                    "/lib/systemd",
                    "/lib/systemd/system-generators",
                ]
                .map(PathBuf::from),
            )
            .map(|folder| folder.join(self.program))
            .find(|file| file.is_file())
    }

    /// A command that runs it in the C locale with UTF-8.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(self.find().unwrap_or_else(|| self.program.into()));
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command
    }

    /// What it writes to stdout; panics with what it wrote to stderr if it fails.
    pub(crate) fn output<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Vec<u8> {
        let mut command = self.command();
        command.args(arguments);
        let output = match command.output() {
            Ok(output) => output,
            Err(error) => panic!("cannot run {command:?}: {error}"),
        };
        assert!(
            output.status.success(),
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }
}

/// Whether the tests run as root, who alone can make files of others.
pub(crate) fn as_root() -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;
    match std::fs::metadata("/proc/self") {
        Ok(process) if process.uid() == 0 => Ok(()),
        _ => Err("to run as root".to_owned()),
    }
}

/// A command that runs what its arguments say as root with mounts of its own, in a user namespace where the tests are not
/// root's.
pub(crate) fn unshare() -> Command {
    let mut command = UNSHARE.command();
    command.arg("--mount");
    if as_root().is_err() {
        command.args(["--map-root-user", "--map-auto"]);
    }
    command
}

/// Whether the kernel lets the tests have mounts of their own.
pub(crate) fn own_mounts() -> Result<(), String> {
    match unshare().arg("true").status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err("to have mounts of its own (unshare --mount)".to_owned()),
    }
}

fn missing(needs: &[Tool]) -> Vec<String> {
    needs
        .iter()
        .filter(|tool| tool.find().is_none())
        .map(|tool| format!("{} (Debian package {})", tool.program, tool.package))
        .collect()
}

macro_rules! tools {
    ($($name:ident $program:literal $package:literal)*) => {
        $(
            #[doc = concat!("`", $program, "`")]
            pub(crate) const $name: Tool = Tool {
                program: $program,
                package: $package,
            };
        )*
    };
}

// The packages are also those of .ci/run.
tools! {
    SYSTEMD "systemd" "systemd"
    SYSTEMCTL "systemctl" "systemd"
    SYSTEMD_ANALYZE "systemd-analyze" "systemd"
    SYSTEMD_SYSUSERS "systemd-sysusers" "systemd"
    SYSTEMD_TMPFILES "systemd-tmpfiles" "systemd"
    SYSTEMD_SYSV_GENERATOR "systemd-sysv-generator" "systemd"
    SYSTEMD_NSPAWN "systemd-nspawn" "systemd-container"
    NSENTER "nsenter" "util-linux"
    DBUS_DAEMON "dbus-daemon" "dbus-daemon"
    DBUS_SEND "dbus-send" "dbus-bin"
    DPKG "dpkg" "dpkg"
    DPKG_DEB "dpkg-deb" "dpkg"
    UPDATE_ALTERNATIVES "update-alternatives" "dpkg"
    GPASSWD "gpasswd" "passwd"
    GRPCK "grpck" "passwd"
    PWCK "pwck" "passwd"
    VISUDO "visudo" "sudo"
    SUDO "sudo" "sudo"
    DOAS "doas" "doas"
    UNSHARE "unshare" "util-linux"
    SETPRIV "setpriv" "util-linux"
    SSHD "sshd" "openssh-server"
    SSH_KEYGEN "ssh-keygen" "openssh-client"
    TAR "tar" "tar"
    BSDTAR "bsdtar" "libarchive-tools"
    GETCAP "getcap" "libcap2-bin"
    SETCAP "setcap" "libcap2-bin"
    DIFF "diff" "diffutils"
    FIND "find" "findutils"
    GIT "git" "git"
    PATCH "patch" "patch"
    MAKE "make" "make"
    ZSTD "zstd" "zstd"
    XZ "xz" "xz-utils"
    BZIP2 "bzip2" "bzip2"
    GZIP "gzip" "gzip"
    STRACE "strace" "strace"
    PIGZ "pigz" "pigz"
    IGZIP "igzip" "isal"
    LIBDEFLATE_GZIP "libdeflate-gzip" "libdeflate-tools"
    ZOPFLI "zopfli" "zopfli"
    BGZIP "bgzip" "tabix"
    PZSTD "pzstd" "zstd"
    BUSYBOX_STATIC "busybox" "busybox-static"
    // The packages busybox and busybox-static exclude each other; .ci/run unpacks the dynamic one under this name.
    BUSYBOX_DYNAMIC "busybox-dynamic" "busybox"
    // So are those for other machines.
    BUSYBOX_STATIC_ARM64 "busybox-static-arm64" "busybox-static:arm64"
    BUSYBOX_STATIC_ARMHF "busybox-static-armhf" "busybox-static:armhf"
    BUSYBOX_STATIC_I386 "busybox-static-i386" "busybox-static:i386"
    BUSYBOX_DYNAMIC_ARM64 "busybox-dynamic-arm64" "busybox:arm64"
    BUSYBOX_DYNAMIC_ARMHF "busybox-dynamic-armhf" "busybox:armhf"
    BUSYBOX_DYNAMIC_I386 "busybox-dynamic-i386" "busybox:i386"
    PYTHON3 "python3" "python3"
    GO "go" "golang-go"
    PIP "pip3" "python3-pip"
    QEMU_IMG "qemu-img" "qemu-utils"
    DEBUGFS "debugfs" "e2fsprogs"
    MMDEBSTRAP "mmdebstrap" "mmdebstrap"
    QEMU_AARCH64 "qemu-aarch64" "qemu-user"
    QEMU_ARM "qemu-arm" "qemu-user"
    QEMU_I386 "qemu-i386" "qemu-user"
    CHROOT "chroot" "coreutils"
    LDD "ldd" "libc-bin"
    MOUNT "mount" "mount"
    GCC "gcc" "gcc"
    SCRIPT "script" "bsdutils"
    TIMEOUT "timeout" "coreutils"
    RUNSVDIR "runsvdir" "runit"
    UPDATE_RC_D "update-rc.d" "init-system-helpers"
    UPDATE_INETD "update-inetd" "update-inetd"
    CHROMIUM "chromium" "chromium"
    CHROMEDRIVER "chromedriver" "chromium-driver"
    NM "nm" "binutils"
    BWRAP "bwrap" "bubblewrap"
}
