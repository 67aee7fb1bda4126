//! Debian images, built by mmdebstrap and kept beside what cargo builds.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::tools::MMDEBSTRAP;

/// Returns the tarball of a Debian release with some packages and hooks, built once for one list of
/// them.
///
/// # Errors
/// Says what is missing where it cannot be built.
pub(crate) fn image(release: &str, packages: &str, hooks: &[&str]) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("rootfs");
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let key = Sha256::digest([&[release, packages], hooks].concat().concat());
    let key: String = key[..6].iter().map(|b| format!("{b:02x}")).collect();
    let image = folder.join(format!("debian-{release}-{key}.tar"));
    if image.is_file() {
        return Ok(image);
    }
    let building = folder.join(format!(".building-{key}-{}.tar", std::process::id()));
    let mut command = MMDEBSTRAP.command();
    command.args(["--quiet", "--variant=minbase", "--mode=root"]);
    command.arg(format!("--include={packages}"));
    command.args(hooks.iter().map(|hook| format!("--customize-hook={hook}")));
    command.arg(release).arg(&building).args(sources(release));
    let output = command.output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        let _ = fs::remove_file(&building);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!(
            "a mirror of Debian {release} that mmdebstrap can use: {message}"
        ));
    }
    fs::rename(&building, &image).map_err(|e| e.to_string())?;
    Ok(image)
}

/// Returns the machine's own lists of where a release comes from; without one mmdebstrap asks its
/// default mirror.
fn sources(release: &str) -> Vec<PathBuf> {
    let parts = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<PathBuf> = parts.map(|part| part.path()).collect();
    files.push("/etc/apt/sources.list".into());
    files.retain(|file| {
        let known = file
            .extension()
            .is_some_and(|e| e == "sources" || e == "list");
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let mut words = lines.flat_map(str::split_whitespace);
        known && words.any(|word| word == release)
    });
    files.sort();
    files
}
