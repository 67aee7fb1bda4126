//! `cargo xtask harden`: what casehard is for, done as any other xtask would do it, with the library.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use casehard::{Compression, Image, Recipe};

use crate::Outcome;

/// Harden an image and show what changed [default: the bundled Container Linux image]
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A tarball, compressed or not, or a directory
    image: Option<PathBuf>,
    /// The file of a recipe, or the name of a shipped one. Repeatable [default: the shipped recipe for the image's os-release]
    #[arg(short, long, value_name = "RECIPE")]
    recipe: Vec<PathBuf>,
    /// The folder to write to [default: hardened in cargo's target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let path = match &arguments.image {
        Some(path) => path.clone(),
        None => crate::images::write("container-linux", &crate::target().join("testimages"))?,
    };
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| crate::target().join("hardened"));
    fs::create_dir_all(&out)
        .map_err(|error| format!("cannot create {}: {error}", out.display()))?;
    harden(&path, &arguments.recipe, &out).map_err(|error| error.to_string())
}

fn harden(path: &Path, recipes: &[PathBuf], out: &Path) -> casehard::Result<bool> {
    let image = Image::open(path)?;
    let recipe = match recipes {
        [] => Recipe::matching(&image, &[])?,
        named => Recipe::load_all(named, &[])?,
    };
    let plan = image.plan(&recipe)?;
    let diff = plan.report().to_diff()?;
    let _ = io::stdout().write_all(&diff);
    if plan.failed() {
        println!("\na rule failed: no image is written");
        return Ok(false);
    }
    let name = path
        .file_name()
        .map_or("rootfs".into(), |name| name.to_string_lossy());
    let stem = name.split(".tar").next().unwrap_or(&name);
    let ending = match image.compression() {
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
        Compression::Xz => ".xz",
        Compression::Bzip2 => ".bz2",
        _ => "",
    };
    let tarball = out.join(format!("{stem}.tar{ending}"));
    let diff_file = out.join(format!("{stem}.diff"));
    plan.write(&tarball)?;
    fs::write(&diff_file, diff).map_err(|cause| casehard::Error::Io {
        action: "write",
        path: diff_file.clone(),
        cause,
    })?;
    println!("\nhardened image: {}", tarball.display());
    println!("diff:           {}", diff_file.display());
    Ok(true)
}
