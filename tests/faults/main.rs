//! Faults: full disks, calls that fail, pipes that end early, signals. Whatever happens, an output is whole or it is not there.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![expect(
    clippy::print_stderr,
    reason = "how many kills came when is for people to see"
)]

use std::process::ExitCode;

mod calls;
mod disks;
mod kills;
mod pipes;
mod site;
#[path = "../support/mod.rs"]
mod support;

use support::tools::{self, MOUNT, RealTest, STRACE, Tool, UNSHARE};

/// What the kernel has to allow, named as if it were a program.
const OWN_MOUNTS: Tool = Tool {
    program: "the right to have mounts of its own (unshare --mount)",
    package: "util-linux",
};
const TRACING: Tool = Tool {
    program: "the right to trace its children (ptrace)",
    package: "strace",
};

fn main() -> ExitCode {
    let mounts: &[Tool] = match tools::own_mounts() {
        Err(_) if UNSHARE.find().is_some() => &[OWN_MOUNTS],
        _ => &[UNSHARE, MOUNT],
    };
    let traces: &[Tool] = match calls::can_trace() {
        false if STRACE.find().is_some() => &[TRACING],
        _ => &[STRACE],
    };
    let test = |name, needs, run| RealTest { name, needs, run };
    tools::main(&[
        test(
            "a_full_disk_leaves_no_part_of_an_output",
            mounts,
            disks::full,
        ),
        test(
            "a_full_disk_leaves_no_part_of_a_comparison",
            mounts,
            disks::full_for_comparisons,
        ),
        test(
            "a_full_folder_for_temporary_files_is_named",
            mounts,
            disks::full_for_temporary_files,
        ),
        test(
            "a_read_only_disk_is_found_before_the_work",
            mounts,
            disks::read_only,
        ),
        test("a_limit_on_file_size_is_an_error", &[], disks::limited),
        test(
            "a_pipe_that_ends_midway_is_a_damaged_image",
            &[],
            pipes::ending_early,
        ),
        test(
            "a_reader_that_goes_away_midway_gets_an_exit_code",
            &[],
            pipes::reader_gone,
        ),
        test(
            "a_disk_that_fails_while_it_is_read_is_told",
            traces,
            calls::reading,
        ),
        test(
            "a_disk_that_fails_while_it_is_written_is_told",
            traces,
            calls::writing,
        ),
        test(
            "without_more_threads_the_result_is_the_same",
            traces,
            calls::threads,
        ),
        test(
            "a_signal_at_any_call_leaves_outputs_whole",
            traces,
            calls::signals,
        ),
        test(
            "comparisons_are_whole_whatever_call_fails",
            traces,
            calls::comparing,
        ),
        test("a_hundred_kills_leave_outputs_whole", &[], kills::hundred),
    ])
}
