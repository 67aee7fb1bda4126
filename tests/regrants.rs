//! What takes an edit back, done by the programs that do it: what a report says, and nothing else, comes back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "the figures say how much was compared")]

use std::process::ExitCode;

#[path = "regrants/dpkg.rs"]
mod dpkg;
mod support;
#[path = "regrants/tmpfiles.rs"]
mod tmpfiles;
#[path = "systemd/tree.rs"]
#[allow(dead_code, reason = "the units are for another target")]
mod tree;

use support::tools::{
    self, DPKG, DPKG_DEB, RealTest, SYSTEMCTL, SYSTEMD_TMPFILES, TAR, UPDATE_ALTERNATIVES,
};

fn main() -> ExitCode {
    tools::main_if(
        // Only root can give files to others.
        tools::as_root,
        &[
            RealTest {
                name: "tmpfiles_takes_back_what_is_said",
                needs: &[SYSTEMD_TMPFILES, TAR],
                run: tmpfiles::take_back_what_is_said,
            },
            RealTest {
                name: "presets_leave_a_mask",
                needs: &[SYSTEMCTL, TAR],
                run: tmpfiles::presets_leave_a_mask,
            },
            RealTest {
                name: "alternatives_make_links_again_where_it_is_said",
                needs: &[UPDATE_ALTERNATIVES, TAR],
                run: dpkg::alternatives,
            },
            RealTest {
                name: "dpkg_brings_back_what_is_said_and_keeps_overridden_modes",
                needs: &[DPKG, DPKG_DEB, TAR],
                run: dpkg::upgrades,
            },
        ],
    )
}
