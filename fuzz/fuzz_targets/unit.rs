//! Any bytes as a unit and its drop-in, under the rules that read units.

#![no_main]

use std::sync::LazyLock;

use casehard::Recipe;
use libfuzzer_sys::fuzz_target;

static RECIPE: LazyLock<Recipe> = LazyLock::new(|| {
    casehard_fuzz::recipe(
        "[DropIn x.socket/10-a.conf]\nSocket.SocketMode=0600\nEnsure=yes\n\
         [Environment x.service/20-a.conf]\nSet=A=b\n\
         [Mask y.service]\nOnMissing=skip\n",
    )
});

fuzz_target!(|bytes: &[u8]| {
    let (one, two) = bytes.split_at(bytes.len() / 2);
    casehard_fuzz::harden_files(
        &[
            ("usr/lib/systemd/system/x.socket", bytes),
            ("usr/lib/systemd/system/x.socket.d/50-vendor.conf", two),
            ("usr/lib/systemd/system/x.service", one),
            ("etc/systemd/system/x.service.d/z.conf", two),
        ],
        &RECIPE,
    );
});
