//! A folder with images to harden, one for outputs, one for temporary files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use tempfile::TempDir;

pub(crate) const CASEHARD: &str = env!("CARGO_BIN_EXE_casehard");

const RECIPE: &str = "\
[Recipe]
Schema=1

[StripSetid]

[Remove /etc/motd]

[SetKey /etc/conf]
Set=K=2
";

/// What an image is called, by how it is compressed.
pub(crate) const IMAGES: [&str; 5] = [
    "image.tar",
    "image.tar.gz",
    "image.tar.zst",
    "image.tar.xz",
    "image.tar.bz2",
];

/// What was at OUT before.
pub(crate) const EARLIER: &[u8] = b"earlier";

pub(crate) struct Site {
    folder: TempDir,
}

/// The contents of files, by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

impl Site {
    /// With images of about so many mebibytes. To each belongs as much as `noise` says that does not compress.
    pub(crate) fn new(images: &[&str], mebibytes: usize, noise: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder };
        for folder in ["out", "tmp"] {
            fs::create_dir(site.path(folder)).unwrap();
        }
        fs::write(site.path("r.ini"), RECIPE).unwrap();
        fs::write(site.path("none.ini"), "[Recipe]\nSchema=1\n").unwrap();
        let mut text = "option format=gnu mtime=1500000000\nfile etc/motd\n| hello\n".to_owned();
        for n in 0..mebibytes {
            text += &format!("file usr/share/{n} fill=1M:41\nfile usr/lib/{n} fill={noise}\n");
            text += &format!("file usr/bin/{n} mode=4755 fill=3K\n");
        }
        text += "file etc/conf\n| K=1\n";
        let tar = casehard_testimages::build(&text).unwrap();
        fs::write(site.path("image.tar"), tar).unwrap();
        for image in images.iter().filter(|image| **image != "image.tar") {
            let compression = casehard::Compression::from_name(image).name();
            let line = format!("apply image.tar -r none.ini -o {image} --compress {compression}");
            assert_eq!(site.run(&line).code(), Some(0));
        }
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that runs here, with its temporary files in `tmp`.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("TMPDIR", self.path("tmp"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn casehard(&self, line: &str) -> Command {
        let mut command = self.command(CASEHARD);
        command.args(line.split(' '));
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ended {
        Ended::of(&self.casehard(line).output().unwrap())
    }

    /// Hardens an image, undisturbed: what is in `out` then, which is taken away again.
    pub(crate) fn undisturbed(&self, image: &str) -> Files {
        let files = self.undisturbed_line(&apply(image), 0);
        assert_eq!(files.len(), 8);
        files
    }

    /// Makes what [`compare`] compares with, and gives what is in `out` if nothing disturbs that.
    pub(crate) fn harden(&self, image: &str) -> Files {
        let made = self.run(&format!("apply image.tar -r r.ini -o {HARDENED}"));
        assert_eq!(made.code(), Some(0), "{made:?}");
        let files = self.undisturbed_line(&compare(image), 1);
        assert_eq!(files.len(), 6);
        files
    }

    fn undisturbed_line(&self, line: &str, code: i32) -> Files {
        let ended = self.run(line);
        assert_eq!(ended.code(), Some(code), "{ended:?}");
        let files = self.outputs();
        self.clear();
        files
    }

    /// Whether a file in `out` can be without a name, and get one later.
    pub(crate) fn has_unnamed_files(&self) -> bool {
        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::TMPFILE | OFlags::RDWR;
        let made = open(self.path("out"), flags, Mode::RUSR | Mode::WUSR);
        made.is_ok() && Path::new("/proc/self/fd").exists()
    }

    /// What is in `out`.
    pub(crate) fn outputs(&self) -> Files {
        files(&self.path("out"))
    }

    /// Empties `out`; nothing ever has a name in `tmp`.
    pub(crate) fn clear(&self) {
        for entry in fs::read_dir(self.path("out")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        assert_eq!(fs::read_dir(self.path("tmp")).unwrap().count(), 0);
    }

    /// Puts something where OUT goes.
    pub(crate) fn put_earlier(&self, image: &str) {
        fs::write(self.path("out").join(image), EARLIER).unwrap();
    }
}

/// Every file in a folder.
pub(crate) fn files(folder: &Path) -> Files {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    fs::read_dir(folder).unwrap().map(read).collect()
}

/// A command line that hardens an image to `out`, with every report and a lock.
pub(crate) fn apply(image: &str) -> String {
    format!(
        "apply {image} -r r.ini -o out/{image} --lock out/lock {}",
        reports()
    )
}

/// A command line that compares an image with a hardened one, with every report.
pub(crate) fn compare(image: &str) -> String {
    format!("diff {image} {HARDENED} {}", reports())
}

/// What [`Site::harden`] makes.
const HARDENED: &str = "hardened.tar";

fn reports() -> String {
    let formats = ["diff", "txt", "md", "html", "sarif", "json"];
    formats
        .map(|format| format!("--report out/x.{format}"))
        .join(" ")
}

/// Whether every file is as it is without a fault, or as it was before, and none has another name.
#[track_caller]
pub(crate) fn whole_or_absent(found: &Files, whole: &Files) {
    for (name, bytes) in found {
        let right = whole.get(name).is_some_and(|w| w == bytes);
        let earlier = whole.contains_key(name) && bytes == EARLIER;
        assert!(right || earlier, "{name}: {} bytes", bytes.len());
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        let ended = Self {
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        ended
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Expects an exit code, and one line on stderr that has some words.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code(), Some(code), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} in {self:?}");
        }
    }
}

/// Sends a signal by its name.
pub(crate) fn kill(process: u32, signal: &str) {
    let line = format!("kill -{signal} {process}");
    let killed = Command::new("sh").args(["-c", &line]).status().unwrap();
    assert!(killed.success());
}

/// Makes a named pipe.
pub(crate) fn pipe(site: &Site, name: &str) -> PathBuf {
    let path = site.path(name);
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    path
}
