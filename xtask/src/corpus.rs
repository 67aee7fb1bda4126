//! `cargo xtask corpus`

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Gather the archives that other projects test with from package registries, and check every one
///
/// Needs a Debian with apt, dpkg and gzip. Archives that are there already are not fetched again. With `UPDATE_EXPECT=1`, the
/// results become the table in docs/archives.md.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only gather
    #[arg(long)]
    gather: bool,
}

/// Crates whose packages have archives in them.
const CRATES: [&str; 4] = ["astral-tokio-tar", "flate2", "tar", "tokio-tar"];

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let folder = crate::target().join("corpus");
    let fetched = folder.join("fetched");
    let files = folder.join("files");
    create(&fetched)?;
    for (name, gather) in [
        (
            "go",
            (|at| package(at, "golang-1.", "-src")) as fn(&Path) -> Result<(), String>,
        ),
        ("python", |at| package(at, "libpython3.", "-testsuite")),
        ("tar-split", |at| {
            package(at, "golang-github-vbatts-tar-split-dev", "")
        }),
        ("libarchive", libarchive),
        ("crates", crates),
    ] {
        let (raw, into) = (fetched.join(name), files.join(name));
        if into.is_dir() {
            continue;
        }
        let _ = fs::remove_dir_all(&raw);
        create(&raw)?;
        gather(&raw)?;
        let part = files.join(format!(".{name}"));
        let _ = fs::remove_dir_all(&part);
        create(&part)?;
        let found = select(&raw, &part)?;
        println!("{name}: {found} archives");
        fs::rename(&part, &into).map_err(failed("rename", &part))?;
    }
    if arguments.gather {
        return Ok(true);
    }
    let mut tests = crate::cargo();
    tests.args(["test", "--test", "corpus", "--", "--nocapture"]);
    tests.env("CASEHARD_CORPUS", &files);
    let status = tests.status().map_err(failed("run", Path::new("cargo")))?;
    Ok(status.success())
}

/// Downloads and unpacks the newest Debian package whose name begins and ends so.
fn package(at: &Path, begin: &str, end: &str) -> Result<(), String> {
    let names = output(Command::new("apt-cache").args(["pkgnames", begin]))?;
    let mut names: Vec<&str> = names.lines().filter(|name| name.ends_with(end)).collect();
    names.sort_by_key(|name| (name.len(), *name));
    let name = names
        .last()
        .ok_or_else(|| format!("no package is called {begin}…{end}"))?;
    succeed(
        Command::new("apt-get")
            .args(["download", name])
            .current_dir(at),
    )?;
    for file in listed(at)? {
        succeed(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(at))?;
    }
    Ok(())
}

/// Downloads libarchive's source, whose fixtures are in the form that mail takes. The machine need not have sources configured.
fn libarchive(at: &Path) -> Result<(), String> {
    let format = "deb-src $(REPO_URI) $(RELEASE) $(COMPONENT) # $(ORIGIN)/$(CREATED_BY)";
    let targets = output(Command::new("apt-get").args(["indextargets", "--format", format]))?;
    let sources: String = targets
        .lines()
        .filter(|line| line.ends_with("main # Debian/Packages"))
        .map(|line| {
            format!("{line}\n").replace(
                "deb-src ",
                "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ",
            )
        })
        .collect();
    let list = at.join("sources.list");
    fs::write(&list, sources).map_err(failed("write", &list))?;
    create(&at.join("lists/partial"))?;
    let option = |key: &str, path: &Path| format!("-oDir::{key}={}", path.display());
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.arg(option("Etc::sourcelist", &list))
            .arg("-oDir::Etc::sourceparts=-");
        apt.arg(option("State::Lists", &at.join("lists")))
            .current_dir(at);
        apt
    };
    succeed(apt().arg("update"))?;
    succeed(apt().args(["source", "--download-only", "libarchive"]))?;
    let source = listed(at)?
        .into_iter()
        .find(|file| file.to_string_lossy().contains(".orig.tar."));
    let source = source.ok_or("the source of libarchive has no archive")?;
    if source.to_string_lossy().ends_with(".asc") {
        return Err("the source of libarchive is a signature only".to_owned());
    }
    succeed(Command::new("tar").arg("-xf").arg(source).current_dir(at))
}

/// Lets cargo download crates, by a manifest that nothing else uses.
fn crates(at: &Path) -> Result<(), String> {
    let manifest = at.join("Cargo.toml");
    let names = CRATES.map(|name| format!("{name} = \"*\"\n")).concat();
    let text = format!(
        "[package]\nname = \"corpus\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{names}"
    );
    fs::write(&manifest, text).map_err(failed("write", &manifest))?;
    create(&at.join("src"))?;
    fs::write(at.join("src/lib.rs"), "").map_err(failed("write", at))?;
    succeed(
        crate::cargo()
            .arg("vendor")
            .arg(at.join("vendor"))
            .current_dir(at)
            .stdout(Stdio::null()),
    )?;
    for name in listed(&at.join("vendor"))? {
        if !CRATES.iter().any(|wanted| name.ends_with(wanted)) {
            fs::remove_dir_all(&name).map_err(failed("remove", &name))?;
        }
    }
    Ok(())
}

/// Copies what looks like an archive, out of the form for mail and out of what casehard does not decompress.
fn select(from: &Path, into: &Path) -> Result<usize, String> {
    let mut found = 0;
    let mut left = vec![from.to_owned()];
    while let Some(at) = left.pop() {
        if at.is_dir() && !at.is_symlink() {
            left.extend(listed(&at)?);
            continue;
        }
        let name = at
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let plain = name.strip_suffix(".uu").unwrap_or(&name);
        let tests = at.iter().any(|part| {
            ["test", "tests", "testdata", "fixtures"]
                .iter()
                .any(|p| part == *p)
        });
        let ending = [
            ".tar", ".tgz", ".tbz", ".txz", ".gz", ".bz2", ".xz", ".zst", ".Z", ".pax",
        ];
        if !tests
            || !ending.iter().any(|e| plain.ends_with(e))
            || plain.contains(".iso")
            || !at.is_file()
        {
            continue;
        }
        let mut bytes = fs::read(&at).map_err(failed("read", &at))?;
        if plain != name {
            let Some(decoded) = uudecoded(&bytes) else {
                continue;
            };
            bytes = decoded;
        }
        if plain.ends_with(".Z") {
            bytes = gunzipped(&bytes)?;
        }
        found += 1;
        let path = into.join(format!("{found:03}-{plain}"));
        fs::write(&path, bytes).map_err(failed("write", &path))?;
    }
    Ok(found)
}

/// Undoes uuencode.
fn uudecoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = text
        .split(|b| *b == b'\n')
        .skip_while(|line| !line.starts_with(b"begin "));
    lines.next()?;
    let mut out = Vec::new();
    let value = |byte: Option<&u8>| byte.map_or(0, |b| b.wrapping_sub(32) & 63);
    for line in lines.take_while(|line| *line != b"end") {
        let start = out.len();
        let length = usize::from(value(line.first()));
        for four in line.get(1..)?.chunks(4) {
            let [a, b, c, d] = [0, 1, 2, 3].map(|at| value(four.get(at)));
            out.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        }
        out.truncate(start + length);
    }
    Some(out)
}

/// Lets gzip undo what compress made.
fn gunzipped(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let error = |error: std::io::Error| format!("cannot run gzip: {error}");
    let mut child = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(error)?;
    let mut input = child.stdin.take().ok_or("gzip takes no input")?;
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let out = child.wait_with_output().map_err(error)?.stdout;
    let _ = writer.join();
    Ok(out)
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(failed("read", folder))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn create(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(failed("create", folder))
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn succeed(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("cannot run {command:?}: {error}")),
    }
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(std::io::Error) -> String + 'a {
    move |error| format!("cannot {what} {}: {error}", path.display())
}
