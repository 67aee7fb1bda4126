//! The bundled images, read by other people's programs.

use std::path::PathBuf;
use std::process::ExitCode;

use casehard_testimages::{build, bundled, names};

mod support;

use support::tools::{self, BSDTAR, PYTHON3, RealTest, TAR};

fn main() -> ExitCode {
    tools::main(&[
        RealTest {
            name: "gnu_tar_lists_the_names_of_the_description",
            needs: &[TAR],
            run: gnu_tar,
        },
        RealTest {
            name: "bsdtar_lists_the_names_of_the_description",
            needs: &[BSDTAR],
            run: bsdtar,
        },
        RealTest {
            name: "python_lists_the_names_of_the_description",
            needs: &[PYTHON3],
            run: python,
        },
    ])
}

fn gnu_tar() {
    compare(|archive| {
        let options = [
            "--list",
            "--absolute-names",
            "--quoting-style=literal",
            "--file",
        ];
        let listing = TAR.output(options.map(PathBuf::from).iter().chain([&archive]));
        lines(&listing)
    });
}

fn bsdtar() {
    compare(|archive| {
        let listing = BSDTAR.output([PathBuf::from("-tPf"), archive]);
        lines(&listing).iter().map(|name| unescape(name)).collect()
    });
}

fn python() {
    const LIST: &str = "
import os, sys, tarfile
with tarfile.open(sys.argv[1], errors='surrogateescape', encoding='utf-8') as archive:
    for name in archive.getnames():
        sys.stdout.buffer.write(os.fsencode(name) + b'\\n')
";
    compare(|archive| lines(&PYTHON3.output(["-c".into(), LIST.into(), archive.into_os_string()])));
}

/// Lists every bundled image and compares the names with those of its description.
fn compare(list: impl Fn(PathBuf) -> Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for image in bundled() {
        let archive = folder.path().join(image.name).with_extension("tar");
        let bytes = build(image.description).expect("bundled images build");
        std::fs::write(&archive, bytes).expect("the folder is writable");
        let expected = names(image.description).expect("bundled images build");
        assert_same(image.name, &shown(&list(archive)), &shown(&expected));
    }
}

/// The names as a message can show them, without the slash that ends a directory's.
fn shown(names: &[Vec<u8>]) -> Vec<String> {
    names
        .iter()
        .map(|name| name.strip_suffix(b"/").unwrap_or(name))
        .map(|name| name.escape_ascii().to_string())
        .collect()
}

fn assert_same(image: &str, listed: &[String], described: &[String]) {
    let differing = listed.iter().zip(described).find(|(a, b)| a != b);
    assert_eq!(differing, None, "{image}: listed, described");
    assert_eq!(listed.len(), described.len(), "{image}");
}

fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

/// Undoes bsdtar's `\\` and `\351`.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = name;
    while let Some((&first, behind)) = rest.split_first() {
        let octal = behind
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, octal, behind) {
            (b'\\', Some(byte), _) => {
                plain.push(byte);
                rest = &behind[3..];
            }
            (b'\\', None, [b'\\', behind @ ..]) => {
                plain.push(b'\\');
                rest = behind;
            }
            _ => {
                plain.push(first);
                rest = behind;
            }
        }
    }
    plain
}
