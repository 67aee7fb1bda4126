//! `cargo xtask images`

use std::fs;
use std::path::{Path, PathBuf};

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
    for image in casehard_testimages::bundled() {
        let path = write(image.name, &out)?;
        let bytes =
            fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        println!("{}  {}", hex(&Sha256::digest(&bytes)), path.display());
    }
    Ok(true)
}

/// Builds one bundled image into a folder and says where it is.
pub(crate) fn write(name: &str, out: &Path) -> Result<PathBuf, String> {
    let image = casehard_testimages::bundled()
        .iter()
        .find(|image| image.name == name)
        .ok_or_else(|| format!("no bundled image is called {name}"))?;
    let bytes = casehard_testimages::build(image.description)
        .map_err(|message| format!("testimages/images/{name}.image: {message}"))?;
    let path = out.join(format!("{name}.tar"));
    fs::create_dir_all(out)
        .and_then(|()| fs::write(&path, &bytes))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(path)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
