//! Any bytes as busybox.

#![no_main]

use std::sync::LazyLock;

use casehard::Recipe;
use libfuzzer_sys::fuzz_target;

static RECIPE: LazyLock<Recipe> = LazyLock::new(|| {
    casehard_fuzz::recipe("[RemoveApplets]\nApplet=wget\nApplet=nc\nOnMissing=skip\n")
});

fuzz_target!(|bytes: &[u8]| {
    casehard_fuzz::harden_files(&[("bin/busybox", bytes)], &RECIPE);
});
