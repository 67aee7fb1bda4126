//! What an operating system in a rootfs is: its accounts, units, daemons, policies and packages.
//!
//! **Invariant: a model reads, it never edits.** Every model takes [`Files`](crate::rootfs::Files), so that rules, residuals
//! and the inventory share it.

pub(crate) mod accounts;
pub(crate) mod boot;
pub(crate) mod boot_writes;
pub(crate) mod busybox;
pub(crate) mod capability;
pub(crate) mod conf_files;
pub(crate) mod kernel_command_line;
pub(crate) mod os_release;
pub(crate) mod packages;
pub(crate) mod selinux;
pub(crate) mod setid_scripts;
pub(crate) mod sshd;
pub(crate) mod systemd;
pub(crate) mod writers;

mod kind;

pub(crate) use kind::System;
