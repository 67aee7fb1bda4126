//! What people use today to change a few files of a rootfs tarball, and the decoders that reading is compared with.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::Outcome;

/// The Debian packages that the peers come from.
pub(super) const PACKAGES: [&str; 9] = [
    "gzip",
    "pigz",
    "isal",
    "zstd",
    "python3",
    "libarchive-tools",
    "umoci",
    "buildah",
    "mmdebstrap",
];

/// Installs what is missing of them, where that can be done.
pub(super) fn install() {
    for package in PACKAGES {
        let known = Command::new("dpkg")
            .args(["-s", package])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !known.is_ok_and(|status| status.success()) {
            println!("installing the Debian package {package}");
            let _ = Command::new("apt-get")
                .args(["install", "-y", "-q", "--no-install-recommends", package])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// Decode a gzip file in one of the ways that the benchmark compares
#[derive(clap::Args)]
pub(crate) struct Decode {
    /// Which way
    way: Way,
    /// The file
    file: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Way {
    /// Open it as casehard does: inflate, check, map, list the entries
    Open,
    /// Decode it by flate2 with zlib-rs
    Flate2,
    /// Decode it and compress it again by flate2 with zlib-rs
    Recode,
    /// Open it as casehard does, and write a recipe that edits the header of every file
    Edits,
}

pub(crate) fn decode(arguments: &Decode) -> Outcome {
    let failed = |e: io::Error| e.to_string();
    let decoder = || -> io::Result<_> {
        let file = File::open(&arguments.file)?;
        Ok(MultiGzDecoder::new(BufReader::with_capacity(
            128 << 10,
            file,
        )))
    };
    match arguments.way {
        Way::Open => {
            casehard::Image::open(&arguments.file).map_err(|e| e.to_string())?;
        }
        Way::Edits => print!("{}", super::input::edits_of(&arguments.file)?),
        Way::Flate2 => {
            let (mut decoder, mut buffer) = (decoder().map_err(failed)?, vec![0; 256 << 10]);
            while decoder.read(&mut buffer).map_err(failed)? > 0 {}
        }
        Way::Recode => {
            let mut encoder = GzEncoder::new(io::sink(), flate2::Compression::default());
            io::copy(&mut decoder().map_err(failed)?, &mut encoder).map_err(failed)?;
            encoder.finish().map_err(failed)?;
        }
    }
    Ok(true)
}

/// A way to take the set-id bits off a rootfs tarball. `$1` is the image, `$2` a folder to work in, on a file system in memory.
pub(super) const REWRITES: [(&str, &str); 5] = [
    (
        "shell, tar and pigz",
        r#"rm -rf "$2/x" && mkdir "$2/x" && tar -xpf "$1" -C "$2/x" --xattrs --xattrs-include='*' &&
        find "$2/x" -xdev -type f -perm /6000 -exec chmod a-s {} + &&
        tar -C "$2/x" --sort=name --xattrs --xattrs-include='*' -cf - . | pigz -p2 >"$2/out" && rm -rf "$2/x""#,
    ),
    (
        "Python's tarfile",
        r#"exec python3 - "$1" "$2/out" <<'END'
import sys, tarfile
with tarfile.open(sys.argv[1], "r|*") as old, tarfile.open(sys.argv[2], "w|gz", format=tarfile.GNU_FORMAT) as new:
    for member in old:
        member.mode &= 0o1777
        new.addfile(member, old.extractfile(member) if member.isreg() else None)
END"#,
    ),
    (
        "bsdtar filter",
        r#"exec bsdtar -czf "$2/out" --exclude './usr/bin/su' "@$1""#,
    ),
    (
        "umoci unpack and repack",
        r#"set -e; rm -rf "$2/bundle" "$2/layout"; cp -r "$3" "$2/layout"
        umoci unpack --image "$2/layout:base" "$2/bundle" >/dev/null
        find "$2/bundle/rootfs" -xdev -type f -perm /6000 -exec chmod a-s {} +
        umoci repack --image "$2/layout:new" "$2/bundle" >/dev/null; rm -rf "$2/bundle" "$2/layout""#,
    ),
    (
        "buildah squash",
        r#"set -e; export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
        store="--root $2/store --runroot $2/run"; rm -rf "$2/squashed"
        from=$(buildah $store from "oci:$3:base" 2>/dev/null)
        root=$(buildah $store mount "$from")
        find "$root" -xdev -type f -perm /6000 -exec chmod a-s {} +
        buildah $store commit -q --squash --rm "$from" "oci:$2/squashed:new" >/dev/null
        buildah $store rmi -a -f >/dev/null; rm -rf "$2/store" "$2/run" "$2/squashed""#,
    ),
];

/// The command of one of the [`REWRITES`].
pub(super) fn rewrite(script: &str, image: &Path, folder: &Path, layout: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(script)
        .arg("sh")
        .args([image, folder, layout]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// An OCI image whose only layer is the rootfs, for the peers that take no tarball.
pub(super) fn layout(image: &Path, folder: &Path) -> Result<PathBuf, String> {
    let layout = folder.join("layout");
    // umoci compresses the layer itself.
    let script = r#"set -e; rm -rf "$2"; umoci init --layout "$2"; umoci new --image "$2:base"
        gzip -dc "$1" >"$2.tar"; umoci raw add-layer --image "$2:base" "$2.tar"; rm "$2.tar""#;
    let status = Command::new("sh")
        .args(["-c", script, "sh"])
        .args([image, &layout])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(layout),
        _ => Err("umoci cannot make an OCI image of the rootfs".into()),
    }
}
