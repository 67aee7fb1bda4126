//! busybox hardened and run: Debian's builds for four machines, each linked in both ways.
//!
//! What is closed off must not reach a server that the unchanged binary reaches, under any name; what is not must give what
//! it gave.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::ExitCode;

mod build;
mod cases;
mod checks;
mod kernel;
mod server;
#[path = "../support/mod.rs"]
mod support;

use build::{Build, Layout};
use kernel::KernelRuns;
use support::tools::{
    self, BUSYBOX_DYNAMIC, BUSYBOX_DYNAMIC_ARM64, BUSYBOX_DYNAMIC_ARMHF, BUSYBOX_DYNAMIC_I386,
    BUSYBOX_STATIC, BUSYBOX_STATIC_ARM64, BUSYBOX_STATIC_ARMHF, BUSYBOX_STATIC_I386, CHROOT, LDD,
    MOUNT, QEMU_AARCH64, QEMU_ARM, QEMU_I386, RealTest, Tool, UNSHARE,
};

/// What a shell of another machine needs to run itself anew.
const KERNEL: Tool = Tool {
    program: "an emulator that the kernel knows, or Linux 6.7 with user namespaces",
    package: "qemu-user-binfmt",
};

fn main() -> ExitCode {
    let shells = |busybox, emulator, needs| match KernelRuns::find(busybox, emulator) {
        None if busybox.find().is_some() && emulator.find().is_some() => &[KERNEL][..],
        _ => needs,
    };
    tools::main(&[
        RealTest {
            name: "x86_64_static",
            needs: &[BUSYBOX_STATIC, CHROOT, UNSHARE],
            run: || Build::new(BUSYBOX_STATIC, None, Layout::Fixed64).check(),
        },
        RealTest {
            name: "x86_64_dynamic",
            needs: &[BUSYBOX_DYNAMIC, CHROOT, UNSHARE, LDD],
            run: || Build::new(BUSYBOX_DYNAMIC, None, Layout::Rela64).check(),
        },
        RealTest {
            name: "i386_static",
            needs: &[BUSYBOX_STATIC_I386, QEMU_I386],
            run: || Build::new(BUSYBOX_STATIC_I386, Some(QEMU_I386), Layout::InPlace32).check(),
        },
        RealTest {
            name: "i386_dynamic",
            needs: &[BUSYBOX_DYNAMIC_I386, QEMU_I386],
            run: || Build::new(BUSYBOX_DYNAMIC_I386, Some(QEMU_I386), Layout::InPlace32).check(),
        },
        RealTest {
            name: "arm64_static",
            needs: &[BUSYBOX_STATIC_ARM64, QEMU_AARCH64],
            run: || Build::new(BUSYBOX_STATIC_ARM64, Some(QEMU_AARCH64), Layout::Fixed64).check(),
        },
        RealTest {
            name: "arm64_dynamic",
            needs: &[BUSYBOX_DYNAMIC_ARM64, QEMU_AARCH64],
            run: || Build::new(BUSYBOX_DYNAMIC_ARM64, Some(QEMU_AARCH64), Layout::Rela64).check(),
        },
        RealTest {
            name: "armhf_static",
            needs: &[BUSYBOX_STATIC_ARMHF, QEMU_ARM],
            run: || Build::new(BUSYBOX_STATIC_ARMHF, Some(QEMU_ARM), Layout::InPlace32).check(),
        },
        RealTest {
            name: "armhf_dynamic",
            needs: &[BUSYBOX_DYNAMIC_ARMHF, QEMU_ARM],
            run: || Build::new(BUSYBOX_DYNAMIC_ARMHF, Some(QEMU_ARM), Layout::InPlace32).check(),
        },
        RealTest {
            name: "arm64_shell",
            needs: shells(
                BUSYBOX_STATIC_ARM64,
                QEMU_AARCH64,
                &[BUSYBOX_STATIC_ARM64, QEMU_AARCH64, UNSHARE, MOUNT],
            ),
            run: || {
                Build::new(BUSYBOX_STATIC_ARM64, Some(QEMU_AARCH64), Layout::Fixed64).check_shell();
            },
        },
        RealTest {
            name: "armhf_shell",
            needs: shells(
                BUSYBOX_STATIC_ARMHF,
                QEMU_ARM,
                &[BUSYBOX_STATIC_ARMHF, QEMU_ARM, UNSHARE, MOUNT],
            ),
            run: || {
                Build::new(BUSYBOX_STATIC_ARMHF, Some(QEMU_ARM), Layout::InPlace32).check_shell();
            },
        },
        RealTest {
            name: "i386_shell",
            needs: shells(
                BUSYBOX_STATIC_I386,
                QEMU_I386,
                &[BUSYBOX_STATIC_I386, QEMU_I386, UNSHARE, MOUNT],
            ),
            run: || {
                Build::new(BUSYBOX_STATIC_I386, Some(QEMU_I386), Layout::InPlace32).check_shell();
            },
        },
        RealTest {
            name: "x86_64_shell",
            needs: &[BUSYBOX_STATIC],
            run: || Build::new(BUSYBOX_STATIC, None, Layout::Fixed64).check_shell(),
        },
    ])
}
