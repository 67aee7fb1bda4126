//! Executables of another machine, run as if they were the own one's.

use std::path::Path;
use std::process::Command;

use crate::support::tools::{Tool, UNSHARE};

/// How the kernel can be brought to run executables of another machine.
#[derive(Clone, Copy)]
pub(super) enum KernelRuns {
    AsTheyAre,
    /// In a namespace in which it is told of the emulator.
    InNamespace(&'static str),
}

impl KernelRuns {
    pub(super) fn find(busybox: Tool, emulator: Tool) -> Option<Self> {
        let magic = match emulator.program {
            "qemu-aarch64" => {
                r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
            }
            "qemu-i386" => {
                r"\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x03\x00"
            }
            _ => r"\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00",
        };
        let file = busybox.find()?;
        [Self::AsTheyAre, Self::InNamespace(magic)]
            .into_iter()
            .find(|runs| {
                let output = runs.command(emulator, &file).arg("true").output();
                output.is_ok_and(|output| output.status.success())
            })
    }

    pub(super) fn command(self, emulator: Tool, busybox: &Path) -> Command {
        let Self::InNamespace(magic) = self else {
            let mut command = Command::new(busybox);
            command.env("PATH", "/none");
            return command;
        };
        const MOUNTED: &str = "/proc/sys/fs/binfmt_misc";
        // Not the ABI, nor whether it is position-independent.
        let mask = format!(r"{0}\x00{0}\xff\xfe\xff\xff\xff", r"\xff".repeat(7));
        let emulator = emulator.find().unwrap_or_default();
        let rule = format!(":busybox:M::{magic}:{mask}:{}:P", emulator.display());
        let script = format!(
            "mount -t binfmt_misc none {MOUNTED}; printf %s \"$1\" >{MOUNTED}/register; shift; PATH=/none exec \"$@\""
        );
        let mut command = UNSHARE.command();
        command
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-ec",
                &script,
                "sh",
                &rule,
            ])
            .arg(busybox);
        command
    }
}
