//! `cargo xtask images`

use std::fs;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

/// Build the test images that testimages/ describes
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder to write to [default: testimages in cargo's target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Writes every bundled image and prints its digest as sha256sum does.
pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| crate::target().join("testimages"));
    fs::create_dir_all(&out)
        .map_err(|error| format!("cannot create {}: {error}", out.display()))?;
    for image in casehard_testimages::bundled() {
        let bytes = casehard_testimages::build(image.description)
            .map_err(|message| format!("testimages/images/{}.image: {message}", image.name))?;
        let path = out.join(format!("{}.tar", image.name));
        fs::write(&path, &bytes)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        println!("{}  {}", hex(&Sha256::digest(&bytes)), path.display());
    }
    Ok(true)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
