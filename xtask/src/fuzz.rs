//! `cargo xtask fuzz`

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::DeflateEncoder;

#[path = "../../tests/archives/cases.rs"]
#[allow(dead_code, reason = "seeds are the archives alone")]
mod cases;

/// Run every fuzz target of fuzz/ for a bounded time, with seeds
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long to run each target
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Only these targets
    targets: Vec<String>,
}

/// What libFuzzer needs from rustc, as cargo-fuzz sets it. These work with a stable compiler.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// The targets, and how long an input of each may be.
const TARGETS: [(&str, usize); 8] = [
    ("tar_index", 16 << 10),
    ("apply", 16 << 10),
    ("gzip", 16 << 10),
    ("recipe", 4 << 10),
    ("unit", 2 << 10),
    ("group", 2 << 10),
    ("sudoers", 2 << 10),
    ("elf", 32 << 10),
];

/// What a target did.
#[derive(Default)]
struct Figures {
    executions: String,
    edges: String,
    inputs: String,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let chosen = |name: &str| {
        arguments.targets.is_empty() || arguments.targets.iter().any(|target| target == name)
    };
    if let Some(unknown) = arguments
        .targets
        .iter()
        .find(|name| !TARGETS.iter().any(|(known, _)| known == name))
    {
        return Err(format!("no fuzz target is called {unknown}"));
    }
    let programs = build()?;
    let mut well = true;
    println!(
        "| Target | Executions | Edges covered | Inputs kept | Crashes |\n|---|---|---|---|---|"
    );
    for (name, longest) in TARGETS.into_iter().filter(|(name, _)| chosen(name)) {
        let crashes = crate::target().join("fuzz/crashes").join(name);
        let _ = fs::remove_dir_all(&crashes);
        let corpus = crate::target().join("fuzz/corpus").join(name);
        for folder in [&crashes, &corpus] {
            fs::create_dir_all(folder).map_err(failed("create", folder))?;
        }
        seed(name, &corpus)?;
        let figures = fuzz(
            &programs.join(name),
            longest,
            arguments.seconds,
            &corpus,
            &crashes,
        )?;
        let found = fs::read_dir(&crashes)
            .map_err(failed("read", &crashes))?
            .count();
        well &= found == 0;
        let Figures {
            executions,
            edges,
            inputs,
        } = figures;
        println!("| `{name}` | {executions} | {edges} | {inputs} | {found} |");
        if found > 0 {
            println!("\ncrashing inputs of {name} are in {}\n", crashes.display());
        }
    }
    Ok(well)
}

fn build() -> Result<PathBuf, String> {
    // Named, so that the flags are not for build scripts and macros.
    let triple = host()?;
    let target = crate::target().join("fuzz/build");
    let status = crate::cargo()
        .args([
            "build",
            "--release",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target",
            &triple,
        ])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", FLAGS)
        .status();
    match status {
        Ok(status) if status.success() => Ok(target.join(triple).join("release")),
        Ok(_) => Err("the fuzz targets do not build".to_owned()),
        Err(error) => Err(format!("cannot run cargo: {error}")),
    }
}

fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output();
    let output = output.map_err(|error| format!("cannot run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "rustc does not say its host".to_owned())
}

/// Puts seeds into a corpus: what the tests try, and what fuzz/seeds has.
fn seed(name: &str, corpus: &Path) -> Result<(), String> {
    let put = |file: &str, bytes: &[u8]| {
        let path = corpus.join(file);
        fs::write(&path, bytes).map_err(failed("write", &path))
    };
    match name {
        "tar_index" | "apply" => {
            for case in cases::cases()
                .into_iter()
                .filter(|case| case.bytes.len() < 64 << 10)
            {
                put(case.name, &case.bytes)?;
            }
        }
        "gzip" => {
            for (name, data) in deflated() {
                put(&name, &data)?;
            }
        }
        "elf" => put(
            "busybox",
            &casehard_testimages::busybox(
                casehard_testimages::Layout::X86_64Rela,
                &["ash", "false", "nc", "wget"],
            ),
        )?,
        _ => {}
    }
    let seeds = match name {
        "recipe" => crate::workspace().join("recipes"),
        _ => crate::workspace().join("fuzz/seeds").join(name),
    };
    for file in fs::read_dir(seeds).into_iter().flatten().flatten() {
        let path = file.path();
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        put(&file.file_name().to_string_lossy(), &bytes)?;
    }
    Ok(())
}

/// Some of the odd archives as deflate data, at each level.
fn deflated() -> Vec<(String, Vec<u8>)> {
    let small = cases::cases()
        .into_iter()
        .step_by(9)
        .map(|case| (case.name, case.bytes));
    let small = small.filter(|(_, bytes)| bytes.len() < 64 << 10);
    small
        .flat_map(|(name, bytes)| {
            (0..10).map(move |level| {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
                let data = encoder.write_all(&bytes).and_then(|()| encoder.finish());
                (format!("{name}-{level}"), data.unwrap_or_default())
            })
        })
        .collect()
}

fn fuzz(
    program: &Path,
    longest: usize,
    seconds: u64,
    corpus: &Path,
    crashes: &Path,
) -> Result<Figures, String> {
    let mut command = Command::new(program);
    command
        .arg(corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={longest}"))
        // By the clock, so that a machine that is busy otherwise does not make any input a slow one.
        .args(["-timeout=60", "-report_slow_units=60"])
        .args(["-rss_limit_mb=1024", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .stderr(Stdio::piped());
    // Images are spooled to files, which is faster in memory.
    if Path::new("/dev/shm").is_dir() {
        command.env("TMPDIR", OsStr::new("/dev/shm"));
    }
    let mut child = command.spawn().map_err(failed("run", program))?;
    let mut figures = Figures::default();
    for line in child
        .stderr
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
    {
        let line = line.map_err(failed("read from", program))?;
        let word = |before: &str| {
            let rest = line.split_once(before)?.1.trim_start();
            rest.split([' ', '/']).next().map(str::to_owned)
        };
        figures.executions = word("stat::number_of_executed_units:").unwrap_or(figures.executions);
        figures.edges = word(" cov: ").unwrap_or(figures.edges);
        figures.inputs = word(" corp: ").unwrap_or(figures.inputs);
        if line.contains("panicked at") || line.contains("ERROR: libFuzzer") {
            eprintln!("{line}");
        }
    }
    child.wait().map_err(failed("wait for", program))?;
    Ok(figures)
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(std::io::Error) -> String + 'a {
    move |error| format!("cannot {what} {}: {error}", path.display())
}
