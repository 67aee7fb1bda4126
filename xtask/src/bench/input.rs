//! What is measured: a Debian rootfs, the same in every compression, and a tar of any size.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tar::{EntryType, Header};

/// What Debian's rootfs has beside the essential packages.
const PACKAGES: &str =
    "systemd,systemd-sysv,openssh-server,sudo,polkitd,docker.io,busybox,git,python3";

/// A Debian rootfs as a plain tar, made once; where that cannot be done, a tar of as many bytes and entries.
pub(super) fn rootfs(folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join("debian.tar");
    if path.is_file() {
        return Ok(path);
    }
    let part = folder.join("debian.part.tar");
    let lists = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten();
    let lists = lists
        .map(|list| list.path())
        .chain(["/etc/apt/sources.list".into()]);
    let mut command = Command::new("mmdebstrap");
    command.args([
        "--quiet",
        "--variant=apt",
        "--mode=root",
        "--include",
        PACKAGES,
        "bookworm",
    ]);
    command.arg(&part).args(lists.filter(|list| list.is_file()));
    match command.status() {
        Ok(status) if status.success() => {
            fs::rename(&part, &path).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
            Ok(path)
        }
        _ => {
            let _ = fs::remove_file(&part);
            println!(
                "no Debian rootfs, for want of mmdebstrap, root or a mirror: a made one stands in"
            );
            made(&folder.join("rootfs.tar"), 600)
        }
    }
}

/// The image, compressed by a program that writes to its stdout, made once.
pub(super) fn compressed(image: &Path, ending: &str, command: &[&str]) -> Result<PathBuf, String> {
    let path = image.with_extension(format!("tar.{ending}"));
    if !path.is_file() {
        let part = path.with_extension("part");
        let failed = |e: io::Error| format!("cannot make {}: {e}", path.display());
        let status = Command::new(command[0])
            .args(&command[1..])
            .stdin(File::open(image).map_err(failed)?)
            .stdout(File::create(&part).map_err(failed)?)
            .stderr(Stdio::null())
            .status()
            .map_err(|e| format!("cannot run {}: {e}", command[0]))?;
        if !status.success() {
            return Err(format!("{} failed", command[0]));
        }
        fs::rename(&part, &path).map_err(failed)?;
    }
    Ok(path)
}

/// A recipe that edits the header of every file of an image.
pub(super) fn edits_of(image: &Path) -> Result<String, String> {
    let image = casehard::Image::open(image).map_err(|e| e.to_string())?;
    let mut recipe = String::from(PREAMBLE);
    let files = image.entries().filter(|entry| {
        let plain = |byte: &u8| byte.is_ascii() && !b"[]$*?{}\\".contains(byte);
        entry.kind == casehard::image::EntryKind::File && entry.path.iter().all(plain)
    });
    for entry in files {
        let path = entry.path.to_string();
        let path = path.trim_start_matches("./");
        recipe.push_str(&format!(
            "{RULE}/{path}]\nMode=0{:o}\nReason=to be measured\n",
            entry.meta.mode ^ 0o001
        ));
    }
    Ok(recipe)
}

const PREAMBLE: &str = "[Recipe]\nSchema=1\nSummary=many edits\n";
const RULE: &str = "\n[Permissions ";

/// Recipes that edit the headers of the first `counts` files of an image, and how many each has. Another process makes them:
/// what memory this one has ever had counts as the peak of those that it begins.
pub(super) fn edits(
    mut every_file: Command,
    counts: &[usize],
    folder: &Path,
) -> Result<Vec<(PathBuf, usize)>, String> {
    let recipe = every_file.output().map_err(|e| e.to_string())?;
    let recipe = String::from_utf8(recipe.stdout).map_err(|e| e.to_string())?;
    let rules: Vec<usize> = recipe.match_indices(RULE).map(|(at, _)| at).collect();
    let cut = |count: &usize| {
        let end = rules.get(*count).copied().unwrap_or(recipe.len());
        let path = folder.join(format!("edits-{count}.ini"));
        fs::write(&path, &recipe[..end])
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        Ok((path, rules.len().min(*count)))
    };
    counts.iter().map(cut).collect()
}

/// A rootfs-like tar of 13,000 files, some set-id. Sizes are spread like real ones: a twentieth of the files hold half the bytes,
/// which compress less than programs do.
pub(super) fn made(path: &Path, megabytes: u64) -> Result<PathBuf, String> {
    const ENTRIES: u64 = 13_000;
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let failed = |e: io::Error| format!("cannot make {}: {e}", path.display());
    let temporary = path.with_extension("part");
    let mut out = io::BufWriter::new(File::create(&temporary).map_err(failed)?);
    let mean = megabytes * 1_000_000 / ENTRIES;
    let mut state = 1u64;
    for number in 0..ENTRIES {
        let size = if number % 20 == 0 {
            mean * 21 / 2
        } else {
            mean / 2
        };
        let mut header = Header::new_gnu();
        header
            .set_path(format!(
                "./usr/lib/package-{:03}/file-{number:05}",
                number / 100
            ))
            .map_err(failed)?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_mode(if number % 700 == 0 { 0o4755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_cksum();
        out.write_all(header.as_bytes()).map_err(failed)?;
        let padded = size.next_multiple_of(512);
        let mut data = Noise { state: &mut state }.take(padded);
        io::copy(&mut data, &mut out).map_err(failed)?;
    }
    out.write_all(&[0; 1024])
        .and_then(|()| out.flush())
        .map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)?;
    Ok(path.to_owned())
}

/// Half random letters, half repeats.
struct Noise<'a> {
    state: &'a mut u64,
}

impl Read for Noise<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for chunk in buffer.chunks_mut(16) {
            *self.state = self
                .state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let bytes = (*self.state >> 8).to_le_bytes();
            for (at, byte) in chunk.iter_mut().enumerate() {
                *byte = if at < 6 {
                    bytes[at]
                } else {
                    b'a' + bytes[at % 4] % 8
                };
            }
        }
        Ok(buffer.len())
    }
}
