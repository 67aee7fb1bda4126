//! What real compressors write is read, kept as it is, and written again so that they can read it.

use std::fs;
use std::path::{Path, PathBuf};

use casehard::{Compression, Image, WriteOptions};
use casehard_testimages::{build, bundled};

use super::support::model;
use super::support::tools::{BZIP2, GZIP, PIGZ, Tool, XZ, ZSTD};
use super::{folder, recipe};

pub(crate) fn compressors() {
    let folder = folder();
    let tar = folder.path().join("image.tar");
    let mut text = bundled()[1].description.to_owned();
    text += "\nfile var/large fill=1M\nfile var/zeros fill=1M:00\n";
    fs::write(&tar, build(&text).expect("the description is right"))
        .expect("the folder is writable");
    let (nothing, strip) = (
        recipe("[Recipe]\nSchema=1\n"),
        recipe("[Recipe]\nSchema=1\n[StripSetid]\n"),
    );
    let plain = Image::open(&tar).expect("it opens");
    let wanted = model::written(
        &plain.plan(&strip).expect("it can be planned"),
        &WriteOptions::new(),
    );
    let all: &[(Tool, &[&str], Compression)] = &[
        (GZIP, &["-9"], Compression::Gzip),
        (PIGZ, &["-p2", "-b128"], Compression::Gzip),
        (PIGZ, &["-p2", "-i"], Compression::Gzip),
        (PIGZ, &["-p2", "-R"], Compression::Gzip),
        (ZSTD, &["-T2", "-19"], Compression::Zstd),
        (ZSTD, &["--long=27", "-1", "--no-check"], Compression::Zstd),
        (ZSTD, &["--fast=5"], Compression::Zstd),
        (XZ, &["-T2", "--block-size=262144", "-0"], Compression::Xz),
        (XZ, &["--check=sha256", "-1"], Compression::Xz),
        (
            XZ,
            &["--check=none", "--x86", "--lzma2=preset=0"],
            Compression::Xz,
        ),
        (BZIP2, &["-1"], Compression::Bzip2),
    ];
    for (program, options, compression) in all {
        let shown = format!("{} {options:?}", program.program);
        let output = |options: &[&str], file: &Path| {
            program.output(
                options
                    .iter()
                    .map(PathBuf::from)
                    .chain(["-c".into(), file.to_owned()]),
            )
        };
        let packed = folder.path().join("packed");
        fs::write(&packed, output(options, &tar)).expect("the folder is writable");
        let image = Image::open(&packed).unwrap_or_else(|e| panic!("{shown}: {e}"));
        assert_eq!(image.compression(), *compression, "{shown}");
        let same = model::written(
            &image.plan(&nothing).expect("it can be planned"),
            &WriteOptions::new(),
        );
        assert!(
            same == fs::read(&packed).expect("it is there"),
            "{shown}: not the same bytes"
        );
        let plan = image.plan(&strip).expect("it can be planned");
        let hardened = folder.path().join("hardened");
        plan.write(&hardened).expect("it can be written");
        let unpacked = program
            .command()
            .args(["-d", "-c"])
            .stdin(fs::File::open(&hardened).expect("it is there"))
            .output();
        assert!(
            unpacked.expect("the program runs").stdout == wanted,
            "{shown}: another tar inside"
        );
    }
}
