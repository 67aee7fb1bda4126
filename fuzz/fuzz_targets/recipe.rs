//! Any text as a recipe; mistakes are drawn, and what parses is applied to a small image.

#![no_main]

use casehard::Error;
use casehard::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Recipe::parse("fuzz.ini", text) {
        Ok(recipe) => casehard_fuzz::harden_files(
            &[
                ("etc/os-release", b"ID=debian\nVERSION_ID=12\n"),
                ("etc/group", b"root:x:0:\nwheel:x:10:root,core\n"),
                (
                    "etc/systemd/system/sshd.socket",
                    b"[Socket]\nListenStream=22\n",
                ),
                ("usr/bin/su", b"\x7fELF"),
            ],
            &recipe,
        ),
        Err(Error::Recipe(mistakes)) => {
            for mistake in mistakes {
                assert!(mistake.at.start <= mistake.at.end && mistake.at.line() > 0);
                let _ = mistake.to_string();
            }
        }
        Err(_) => {}
    }
});
