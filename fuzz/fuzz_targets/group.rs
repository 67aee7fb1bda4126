//! Any bytes as the user and group databases.

#![no_main]

use std::sync::LazyLock;

use casehard::Recipe;
use libfuzzer_sys::fuzz_target;

static RECIPE: LazyLock<Recipe> =
    LazyLock::new(|| casehard_fuzz::recipe("[RemoveFromGroups core]\nGroup=wheel\nGroup=docker\n"));

fuzz_target!(|bytes: &[u8]| {
    let (one, two) = bytes.split_at(bytes.len() / 2);
    casehard_fuzz::harden_files(
        &[
            (
                "etc/passwd",
                b"root:x:0:0::/root:/bin/sh\ncore:x:500:500::/home/core:/bin/sh\n",
            ),
            ("etc/group", bytes),
            ("etc/gshadow", two),
            ("usr/share/baselayout/group", one),
            ("usr/lib/sysusers.d/x.conf", two),
        ],
        &RECIPE,
    );
});
