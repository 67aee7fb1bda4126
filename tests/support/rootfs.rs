//! Root filesystems made of a few files, hardened, and put on disk for programs to judge.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use bstr::ByteSlice as _;
use casehard::{OpenOptions, Recipe};

/// Files by path from the root, with mode and content.
pub(crate) type Files = BTreeMap<String, (u32, Vec<u8>)>;

/// A file that everyone may read.
pub(crate) fn file(path: &str, content: impl AsRef<[u8]>) -> (String, (u32, Vec<u8>)) {
    (path.to_owned(), (0o644, content.as_ref().to_vec()))
}

/// The mode that makes content the target of a symbolic link.
pub(crate) const LINK: u32 = 0o120_777;

/// What hardening gives.
pub(crate) struct Hardened {
    pub(crate) files: Files,
    /// The residuals, as `PATH:LINE: MESSAGE`.
    pub(crate) residuals: Vec<String>,
}

/// Applies rules, each as recipes write it; panics if one fails.
pub(crate) fn harden(files: &Files, rules: &str) -> Hardened {
    let image = OpenOptions::new()
        .read("test.tar", &archive(files)[..])
        .expect("the image opens");
    let recipe = format!("[Recipe]\nSchema=1\n{rules}\n");
    let recipe = Recipe::parse("test", &recipe).expect("the recipe is right");
    let plan = image.plan(&recipe).expect("the plan holds");
    let outcomes: Vec<_> = plan.rules().iter().map(|rule| &rule.outcome).collect();
    assert!(!plan.failed(), "{outcomes:?}");
    let mut out = Vec::new();
    plan.write_to(&mut out, &casehard::WriteOptions::new())
        .expect("the result is written");
    let residuals = plan.residuals().iter().map(|r| {
        let place = r.place.as_ref();
        let path = place.map(|p| p.path.to_string()).unwrap_or_default();
        format!(
            "{path}:{}: {}",
            place.and_then(|p| p.line).unwrap_or_default(),
            r.message
        )
    });
    Hardened {
        files: read(&out),
        residuals: residuals.collect(),
    }
}

/// A tarball of them.
pub(crate) fn archive(files: &Files) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, (mode, content)) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        if *mode == LINK {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            let target = content.to_path().expect("a path");
            builder
                .append_link(&mut header, path, target)
                .expect("a plain link");
            continue;
        }
        header.set_size(content.len() as u64);
        builder
            .append_data(&mut header, path, &content[..])
            .expect("a plain file");
    }
    builder.into_inner().expect("memory takes it")
}

fn read(archive: &[u8]) -> Files {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().expect("an archive");
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry: tar::Entry<'_, &[u8]> = entry.expect("an entry");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        let mode = entry.header().mode().expect("a mode");
        entry
            .header()
            .entry_type()
            .is_file()
            .then_some((path, (mode, content)))
    };
    entries.filter_map(read).collect()
}

/// Writes the files below a folder.
pub(crate) fn unpack(files: &Files, folder: &Path) {
    for (path, (mode, content)) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("the folder is writable");
        if *mode == LINK {
            let target = content.to_path().expect("a path");
            symlink(target, &path).expect("the folder is writable");
            continue;
        }
        fs::write(&path, content).expect("the folder is writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("it is ours");
    }
}

/// The content of one file as text.
pub(crate) fn text(files: &Files, path: &str) -> String {
    let (_, content) = files.get(path).unwrap_or_else(|| panic!("{path} is there"));
    String::from_utf8_lossy(content).into_owned()
}

/// Numbers that look random and are always the same.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }

    /// Between `least` and `most` of these, joined.
    pub(crate) fn list(&mut self, of: &[&str], (least, most): (usize, usize), gap: &str) -> String {
        let length = least + self.roll(most - least + 1);
        let items: Vec<&str> = (0..length).map(|_| self.pick(of)).collect();
        items.join(gap)
    }
}
