//! Runs the examples of docs/pipelines.md, docs/review.md, docs/library.md and README.md.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod support;

use support::tools::{self, GIT, MAKE, RealTest};

fn main() -> ExitCode {
    tools::main(&[
        RealTest {
            name: "the_makefile_hardens_and_checks",
            needs: &[MAKE],
            run: makefile,
        },
        RealTest {
            name: "the_shell_examples_run",
            needs: &[],
            run: shell,
        },
        RealTest {
            name: "the_dockerfile_s_step_runs",
            needs: &[],
            run: dockerfile,
        },
        RealTest {
            name: "the_buildah_script_changes_the_container_s_files",
            needs: &[],
            run: buildah,
        },
        RealTest {
            name: "the_mkosi_script_replaces_its_outputs",
            needs: &[],
            run: mkosi,
        },
        RealTest {
            name: "the_ci_job_s_steps_run",
            needs: &[],
            run: ci,
        },
        RealTest {
            name: "the_reviews_jobs_run",
            needs: &[GIT],
            run: reviews,
        },
        RealTest {
            name: "an_outside_crate_hardens_an_image",
            needs: &[],
            run: outside_crate,
        },
    ])
}

/// A folder with a rootfs under the names that the examples use, and a recipe.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(site.path("site.ini"), block(&readme(), "ini", "Extends")).unwrap();
        let tar = image("debian-host");
        fs::write(site.path("rootfs.tar"), &tar).unwrap();
        fs::write(site.path("rootfs.tar.gz"), gzip(&tar)).unwrap();
        fs::write(
            site.path("flatcar-container.tar.gz"),
            gzip(&image("container-linux")),
        )
        .unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a script with casehard in PATH.
    #[track_caller]
    fn run(&self, script: &str) {
        let output = self
            .command("bash")
            .args(["-euc", script])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{script}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn command(&self, program: &str) -> Command {
        let casehard = Path::new(env!("CARGO_BIN_EXE_casehard")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(casehard.to_owned()).chain(std::env::split_paths(&path));
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("PATH", std::env::join_paths(paths).unwrap())
            .env("OUTPUTDIR", self.folder.path());
        command
    }

    #[track_caller]
    fn holds(&self, names: &[&str]) {
        for name in names {
            assert!(self.path(name).is_file(), "{name} is there");
        }
    }
}

fn makefile() {
    let site = Site::new();
    fs::write(
        site.path("Makefile"),
        block(&pipelines(), "make", "casehard"),
    )
    .unwrap();
    site.run("make check");
    site.holds(&["hardened.tar.gz", "hardened.diff", "hardened.json"]);
}

fn shell() {
    let site = Site::new();
    for text in [readme(), pipelines()] {
        for line in blocks(&text, "sh").lines() {
            // Of a pipe from docker the rest takes the same image from a file.
            let line = line.replace("docker export build |", "cat rootfs.tar |");
            if line.starts_with("casehard diff") {
                // They differ, which is no failure.
                site.run(&format!("if {line}; then false; else test $? -eq 1; fi"));
            } else if line.contains("casehard ") && !line.starts_with('#') {
                site.run(&line);
            }
        }
    }
    site.holds(&[
        "hardened.tar.gz",
        "rootfs.tar",
        "flatcar-hardened.tar.gz",
        "flatcar.diff",
    ]);
    site.run("! casehard check rootfs.tar.gz -r site.ini");
}

fn dockerfile() {
    let site = Site::new();
    let text = block(&pipelines(), "dockerfile", "casehard");
    let mount = "RUN --mount=type=bind,from=src,target=/src casehard";
    let steps: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(mount))
        .collect();
    assert_eq!(steps.len(), 1);
    assert!(text.contains("FROM my-image AS src\n"));
    fs::create_dir(site.path("out")).unwrap();
    let step = steps[0].replace(" /src ", " /rootfs.tar ");
    site.run(&format!("casehard{}", step.replace(" /", " ./")));
    site.holds(&["out/hardened.tar", "out/hardened.diff"]);
    // The stage that becomes the image has what a rootfs lacks, and takes nothing but the rootfs.
    let (_, last) = text.rsplit_once("FROM scratch\n").unwrap();
    let words: Vec<&str> = last.lines().filter_map(|l| l.split(' ').next()).collect();
    for word in ["COPY", "ENV", "USER", "WORKDIR", "CMD"] {
        assert!(words.contains(&word), "{word} in {words:?}");
    }
}

/// The script for buildah, with a program in its place that has a folder as the container: what it
/// says of the image's configuration was tried with buildah 1.28.
fn buildah() {
    let site = Site::new();
    let fake = "#!/bin/sh\ncase $1 in\nfrom) echo one ;;\nmount) echo \"$PWD/root\" ;;\n*) echo \"$@\" >> calls ;;\nesac\n";
    fs::write(site.path("buildah"), fake).unwrap();
    let script = block(&pipelines(), "bash", "buildah");
    site.run(
        "chmod +x buildah; mkdir root; tar -xf rootfs.tar -C root --no-same-owner --exclude='dev/*'",
    );
    site.run("test -u root/usr/bin/passwd");
    site.run(&format!("export PATH=.:$PATH\n{script}"));
    site.holds(&["hardened.tar", "hardened.diff", "root/etc/passwd"]);
    site.run("! test -u root/usr/bin/passwd");
    let calls = fs::read_to_string(site.path("calls")).unwrap();
    assert_eq!(
        calls,
        "umount one\ncommit --squash --rm one my-image-hardened\n"
    );
}

fn mkosi() {
    let site = Site::new();
    let before = fs::read(site.path("rootfs.tar")).unwrap();
    site.run(&block(&pipelines(), "bash", "OUTPUTDIR"));
    site.holds(&["rootfs.tar", "rootfs.tar.diff"]);
    assert!(before != fs::read(site.path("rootfs.tar")).unwrap());
    assert!(!site.path("rootfs.tar.new").exists());
}

fn ci() {
    let site = Site::new();
    let text = block(&pipelines(), "yaml", "casehard");
    let steps: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- run: "))
        .collect();
    assert_eq!(steps.len(), 3);
    for step in steps {
        site.run(step);
    }
    site.holds(&["hardened.tar.gz", "hardened.diff", "hardened.json"]);
}

/// What docs/review.md shows, in a repository whose report is that of the image, and then is not.
fn reviews() {
    let site = Site::new();
    let text = document("docs/review.md");
    let shell = blocks(&text, "sh");
    let jobs = blocks(&text, "yaml");
    let steps = jobs.lines().map(|line| line.trim());
    let steps = steps.filter_map(|line| line.strip_prefix("- run: ").or(line.strip_prefix("- ")));
    let programs = ["casehard ", "cat ", "git "];
    let steps: Vec<&str> = shell
        .lines()
        .chain(steps)
        .filter(|line| programs.iter().any(|program| line.starts_with(program)))
        .collect();
    assert_eq!(steps.len(), 9, "{steps:?}");
    site.run("git init --quiet && casehard apply rootfs.tar.gz -r site.ini --dry-run --diff review.diff && git add review.diff");
    for step in &steps {
        site.run(&format!("export GITHUB_STEP_SUMMARY=summary\n{step}"));
    }
    site.holds(&["hardened.tar.gz", "review.html", "review.sarif", "summary"]);
    fs::write(site.path("site.ini"), "[Recipe]\nSchema=1\n[StripSetid]\n").unwrap();
    site.run(&format!("{}\n! {}", steps[2], steps[3]));
}

/// Builds a crate of its own, as a user would have it, with the library as a dependency, and runs both complete programs.
fn outside_crate() {
    let site = Site::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    // The same profile, so that what is compiled already serves here too.
    let profile = manifest.find("[profile").map_or("", |at| &manifest[at..]);
    let package = format!(
        "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\ncasehard = {{ path = {root:?}, default-features = false }}\n\n[workspace]\n\n{profile}"
    );
    fs::write(site.path("Cargo.toml"), package).unwrap();
    fs::copy(root.join("Cargo.lock"), site.path("Cargo.lock")).unwrap();
    fs::create_dir_all(site.path("src/bin")).unwrap();
    let programs = [
        (
            "library",
            block(
                &document("docs/library.md"),
                "rust,no_run",
                "fn main() -> Result<(), Box",
            ),
        ),
        ("readme", block(&readme(), "rust", "Image::open")),
    ];
    for (name, program) in &programs {
        fs::write(site.path(&format!("src/bin/{name}.rs")), program).unwrap();
    }
    // Where cargo has built the same dependencies for this test.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    for (name, _) in &programs {
        let output = site
            .command(env!("CARGO"))
            .args(["run", "--quiet", "--offline", "--bin", name])
            .env("CARGO_TARGET_DIR", target)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    site.holds(&["rootfs.hardened.tar.gz", "rootfs.diff"]);
    site.run("casehard check rootfs.hardened.tar.gz -r site.ini");
}

fn readme() -> String {
    document("README.md")
}

fn pipelines() -> String {
    document("docs/pipelines.md")
}

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// All fenced blocks of a language, one after another.
fn blocks(text: &str, language: &str) -> String {
    fenced(text, language).collect()
}

/// The first fenced block of a language that has a word in it.
fn block(text: &str, language: &str, word: &str) -> String {
    let found = fenced(text, language).find(|block| block.contains(word));
    found.unwrap_or_else(|| panic!("no {language} block with {word}"))
}

fn fenced(text: &str, language: &str) -> impl Iterator<Item = String> {
    let fence = format!("\n```{language}\n");
    let blocks = text.split(&fence).skip(1).map(|rest| {
        let end = rest.find("\n```").unwrap();
        rest[..=end].to_owned()
    });
    blocks.collect::<Vec<_>>().into_iter()
}

fn image(name: &str) -> Vec<u8> {
    let bundled = casehard_testimages::bundled();
    let image = bundled.iter().find(|image| image.name == name).unwrap();
    casehard_testimages::build(image.description).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
