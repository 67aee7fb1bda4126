//! The command line from end to end: what it writes, what it prints, and its exit codes.

mod diff;
mod exit_codes;
mod messages;
mod outputs;
mod signals;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use casehard_testimages::build;
use tempfile::TempDir;

const IMAGE: &str = "
    option prefix=./ format=pax mtime=1500000000
    dir  .
    dir  etc
    dir  etc/systemd
    dir  etc/systemd/system
    file etc/os-release
    | ID=testos
    dir  usr
    dir  usr/bin
    file usr/bin/su mode=4755 fill=2K
    dir  usr/lib
    dir  usr/lib/systemd
    dir  usr/lib/systemd/system
    file usr/lib/systemd/system/sshd.socket
    | [Socket]
    | ListenStream=22
";

const RECIPE: &str = "\
[Recipe]
Schema=1
Summary=Nobody logs in

[Mask sshd.socket]
Reason=nobody logs in over the network

[StripSetid]
";

const FAILING: &str = "\
[Recipe]
Schema=1

[StripSetid]

[Mask telnet.socket]
";

/// A folder with an image, a recipe that it does not fulfil yet, and one that it cannot fulfil.
struct Bench {
    folder: TempDir,
    tar: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let tar = build(IMAGE).expect("the description is right");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bench = Self { folder, tar };
        bench.put("image.tar", &bench.tar);
        bench.put("ours.ini", RECIPE);
        bench.put("failing.ini", FAILING);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("the folder is writable");
    }

    fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The names of all files, hidden ones too.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is there");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("it can be read").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_casehard"));
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env("NO_COLOR", "1")
            .env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// Runs a command line whose words are separated by blanks.
    fn run(&self, line: &str) -> Run {
        Run::of(self.command(line.split_whitespace()).output())
    }

    /// As [`run`](Self::run), with an input.
    fn feed(&self, line: &str, input: &[u8]) -> Run {
        let mut command = self.command(line.split_whitespace());
        let child = command.stdin(Stdio::piped()).spawn();
        let mut child = child.expect("the program starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        // The command may end before it has read everything.
        let _ = stdin.write_all(input);
        drop(stdin);
        Run::of(child.wait_with_output())
    }

    fn with_epoch(&self, epoch: &str, line: &str) -> Run {
        let mut command = self.command(line.split_whitespace());
        Run::of(command.env("SOURCE_DATE_EPOCH", epoch).output())
    }
}

/// What a command did.
#[derive(Debug)]
struct Run {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Run {
    fn of(output: std::io::Result<Output>) -> Self {
        let output = output.expect("the program starts");
        let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
        assert!(!stderr.contains("panicked"), "{stderr}");
        Self {
            code: output.status.code().expect("it ends by itself"),
            stdout: output.stdout,
            stderr,
        }
    }

    /// Expects an exit code and gives what stdout has.
    #[track_caller]
    fn code(&self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Expects an exit code and that stderr has some texts.
    #[track_caller]
    fn says(&self, code: i32, texts: &[&str]) {
        self.code(code);
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} in {}", self.stderr);
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let done = encoder.write_all(bytes).and_then(|()| encoder.finish());
    done.expect("memory can be written to")
}
