//! Zstandard files by the programs that make them, changed and held against the programs that read them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::process::ExitCode;

use bstr::ByteSlice as _;
use casehard::{Image, Recipe};

mod support;

#[allow(dead_code, reason = "a part of it is used")]
#[path = "gzip/image.rs"]
mod image;

use support::tools::{self, PZSTD, RealTest, Tool, ZSTD};

fn main() -> ExitCode {
    tools::main(&[
        RealTest {
            name: "files_of_one_frame",
            needs: &[ZSTD, PZSTD],
            run: || {
                for options in [&["-1"][..], &["-3"], &["-19", "--no-check"], &["--long"]] {
                    changed(ZSTD, options, image::small());
                }
            },
        },
        RealTest {
            name: "frames_of_pzstd_are_copied",
            needs: &[ZSTD, PZSTD],
            run: || {
                let (before, after) = changed(PZSTD, &["-p", "4", "-1"], image::large());
                let (all, kept) = (frames(&before), frames(&after));
                let copied = all.iter().filter(|frame| kept.contains(frame)).count();
                let all = all.len();
                assert!(
                    copied * 5 >= all * 4,
                    "{copied} of {all} frames were copied"
                );
                let size = after.len() * 1000 / before.len();
                assert!(size <= 1005, "the output is {size} ‰ of the input");
            },
        },
    ])
}

/// What a program makes of a tar, and what hardening makes of that, read by those who read it.
#[track_caller]
fn changed(program: Tool, options: &[&str], tar: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("image.tar"), tar).unwrap();
    let (input, output) = (path("image.tar.zst"), path("out.tar.zst"));
    let mut command = program.command();
    command.args(options).args(["-q", "-o"]).arg(&input);
    let made = command.arg(path("image.tar")).output().unwrap();
    assert!(made.status.success(), "{command:?}: {made:?}");
    let recipe = Recipe::parse("test", image::RECIPE).unwrap();
    for (input, output) in [
        (path("image.tar"), path("out.tar")),
        (input.clone(), output.clone()),
    ] {
        let image = Image::open(input).unwrap();
        let plan = image.plan(&recipe).unwrap();
        assert!(plan.notes().is_empty(), "{:?}", plan.notes());
        plan.write(output).unwrap();
    }
    let wanted = fs::read(path("out.tar")).unwrap();
    for judge in [ZSTD, PZSTD] {
        let read = judge.output(["-dcq".as_ref(), output.as_os_str()]);
        assert!(read == wanted, "{judge:?} of {command:?}");
    }
    (fs::read(input).unwrap(), fs::read(output).unwrap())
}

/// The frames before which pzstd says how long they are, with that.
fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let starts = bytes.find_iter(b"\x50\x2a\x4d\x18\x04\0\0\0");
    let frame = |start: usize| {
        let len = bytes[start + 8..start + 12].try_into().unwrap();
        &bytes[start..start + 12 + u32::from_le_bytes(len) as usize]
    };
    starts.map(frame).collect()
}
