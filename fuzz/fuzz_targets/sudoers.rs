//! Any bytes as sudo's configuration.

#![no_main]

use std::sync::LazyLock;

use casehard::Recipe;
use libfuzzer_sys::fuzz_target;

static RECIPE: LazyLock<Recipe> = LazyLock::new(|| casehard_fuzz::recipe("[RemoveSudo core]\n"));

fuzz_target!(|bytes: &[u8]| {
    let (one, two) = bytes.split_at(bytes.len() / 2);
    casehard_fuzz::harden_files(
        &[
            ("etc/passwd", b"core:x:500:500::/home/core:/bin/sh\n"),
            ("etc/sudoers", bytes),
            ("etc/sudoers.d/one", one),
            ("etc/sudo.conf", two),
        ],
        &RECIPE,
    );
});
