//! Any bytes as an image, hardened by one rule of most kinds.

#![no_main]

use std::sync::LazyLock;

use casehard::Recipe;
use libfuzzer_sys::fuzz_target;

static RECIPE: LazyLock<Recipe> = LazyLock::new(|| {
    casehard_fuzz::recipe(
        "[Mask ssh*.socket]\nOnMissing=skip\n\
         [Mask x.service]\nOnMissing=mask\n\
         [DropIn fleet.socket/10-root-only.conf]\nSocket.SocketMode=0600\nOnMissing=skip\n\
         [RemoveFromGroups core]\nGroup=wheel\nOnMissing=skip\n\
         [StripSetid]\n\
         [RemoveApplets]\nApplet=wget\nOnMissing=skip\n\
         [Remove /usr/bin/*]\nOnMissing=skip\n\
         [Remove /a]\nOnMissing=skip\n\
         [Permissions /etc/shadow]\nMode=0600\nGroup=0\nOnMissing=skip\n\
         [WriteFile /etc/issue]\nLine=hardened\n\
         [SetKey /etc/conf]\nSet=KEY=value\nOnMissing=skip\n",
    )
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(image) = casehard_fuzz::open(bytes) {
        casehard_fuzz::harden(&image, &RECIPE);
    }
});
