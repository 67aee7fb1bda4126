//! `cargo xtask harden`: what casehard is for, done as any other xtask would do it, with the library.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use casehard::error::Diagnostic;
use casehard::{Compression, Error, Image, Recipe};

use crate::diagnostics;

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

/// Hardens the image, and ends with the exit code that casehard has for the same.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match prepare(arguments).and_then(|(path, out)| harden(&path, &arguments.recipe, &out)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(4),
        Err(error) => {
            match &error {
                Error::Recipe(mistakes) => {
                    let color = io::stderr().is_terminal();
                    eprint!("{}", diagnostics::draw(mistakes, color));
                }
                other => eprintln!("error: {other}"),
            }
            ExitCode::from(match error {
                Error::Usage(_) | Error::Recipe(_) => 2,
                Error::Image { .. } => 3,
                Error::Unfulfilled(_) => 4,
                _ => 5,
            })
        }
    }
}

/// Returns the image and the folder to write to, both of which are there then.
fn prepare(arguments: &Arguments) -> casehard::Result<(PathBuf, PathBuf)> {
    let path = match &arguments.image {
        Some(path) => path.clone(),
        None => crate::images::write("container-linux", &crate::target().join("testimages"))
            .map_err(Error::Usage)?,
    };
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| crate::target().join("hardened"));
    fs::create_dir_all(&out).map_err(|cause| Error::Io {
        action: "create",
        path: out.clone(),
        cause,
    })?;
    Ok((path, out))
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
        let failed = plan.rules().iter().filter_map(|rule| {
            let mistake = Diagnostic::new(rule.section.at.clone(), rule.outcome.why()?);
            Some(mistake.label("this rule failed"))
        });
        let failed: Vec<Diagnostic> = failed.collect();
        let color = io::stderr().is_terminal();
        eprint!("{}", diagnostics::draw(&failed, color));
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
    fs::write(&diff_file, diff).map_err(|cause| Error::Io {
        action: "write",
        path: diff_file.clone(),
        cause,
    })?;
    println!("\nhardened image: {}", tarball.display());
    println!("diff:           {}", diff_file.display());
    Ok(true)
}
