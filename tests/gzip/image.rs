//! The images: what a rootfs is made of, in a tar. They are the same on each machine for a state of the project, whose own
//! sources and program are in them.

use std::fs;
use std::path::Path;

use walkdir::WalkDir;

/// Changes headers here and there, files and lists, and adds and removes entries.
pub(crate) const RECIPE: &str = "\
[Recipe]
Schema=1
[StripSetid]
[RemoveFromGroups core]
Group=docker
Group=wheel
[WriteFile /etc/motd]
Line=hardened
[SetKey /etc/first.conf]
Set=answer=42
[Remove /usr/share/removed-*]
[WriteFile /usr/share/added/notice]
Line=this was not there
";

/// Some megabytes.
pub(crate) fn usual() -> Vec<u8> {
    image(2 << 20, 120, 40)
}

/// For what is slow.
pub(crate) fn small() -> Vec<u8> {
    image(200 << 10, 10, 10)
}

/// The small one with one more file at the end.
pub(crate) fn with(path: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = files(200 << 10, 10, 10);
    tar.file(path, 0o644, content);
    tar.bytes()
}

/// More than 50 MB.
pub(crate) fn large() -> Vec<u8> {
    image(16 << 20, 3000, 1000)
}

fn image(program: usize, count: usize, every: usize) -> Vec<u8> {
    files(program, count, every).bytes()
}

/// A rootfs with so much of the program, and so many files of words, two of every so many of which the recipe touches.
fn files(program: usize, files: usize, every: usize) -> Tar {
    let mut tar = Tar(tar::Builder::new(Vec::new()));
    for folder in ["etc", "usr", "usr/bin", "usr/lib", "usr/share"] {
        tar.folder(folder);
    }
    // The first entry changes, and so does the last.
    tar.file("etc/first.conf", 0o644, b"answer=41\n");
    tar.file(
        "etc/passwd",
        0o644,
        b"root:x:0:0::/root:/bin/sh\ncore:x:500:500::/home/core:/bin/sh\n",
    );
    tar.file(
        "etc/group",
        0o644,
        b"root:x:0:\nwheel:x:10:core\ndocker:x:20:core\ncore:x:500:\n",
    );
    let elf = fs::read(env!("CARGO_BIN_EXE_casehard")).expect("it was built");
    tar.file("usr/bin/su", 0o4755, &elf[..elf.len().min(program)]);
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["docs", "recipes", "src"] {
        let found = WalkDir::new(project.join(folder)).sort_by_file_name();
        for file in found.into_iter().map(|file| file.expect("it is readable")) {
            if file.file_type().is_file() && (files > 100 || folder == "recipes") {
                let name = file.path().strip_prefix(project).expect("it is below");
                let content = fs::read(file.path()).expect("it is readable");
                tar.file(&format!("usr/lib/{}", name.display()), 0o644, &content);
            }
        }
    }
    let mut random = 1;
    for number in 0..files {
        let (name, mode) = match number % every {
            7 => (format!("usr/share/removed-{number}"), 0o644),
            9 => (format!("usr/bin/setgid-{number}"), 0o2755),
            _ => (format!("usr/share/file-{number}"), 0o644),
        };
        tar.file(&name, mode, &words(&mut random));
    }
    tar.file("usr/bin/last", 0o6755, b"#!/bin/sh\n");
    tar
}

struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("memory is writable")
    }

    fn folder(&mut self, path: &str) {
        self.add(path, 0o755, tar::EntryType::Directory, &[]);
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.add(path, mode, tar::EntryType::Regular, content);
    }

    fn add(&mut self, path: &str, mode: u32, kind: tar::EntryType, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        let added = self.0.append_data(&mut header, path, content);
        added.expect("memory is writable");
    }
}

/// A file of up to 32 KiB that compresses as text does.
fn words(random: &mut u32) -> Vec<u8> {
    let mut next = || {
        *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*random >> 12) as usize
    };
    let len = next() % (32 << 10);
    let mut out = Vec::new();
    while out.len() < len {
        let letters = 2 + next() % 3 * (next() % 3);
        out.extend((0..letters).map(|_| b"etaoinshrdlcumwf"[next() % 4 * (next() % 4)]));
        out.push(if next() % 11 == 0 { b'\n' } else { b' ' });
    }
    out
}
