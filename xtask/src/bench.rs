//! `cargo xtask bench`: how long hardening takes and how much memory it needs, each beside something that everyone knows.
//!
//! Figures are ratios of medians from one run in which the two commands take turns, since a machine's speed drifts.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tar::{EntryType, Header};
use wait4::Wait4;

use crate::Outcome;

/// Measure time and memory on a rootfs of many files, as ratios in one run
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A plain .tar to measure with [default: one of 600 MB and 13,000 entries, made for the purpose]
    image: Option<PathBuf>,
    /// How often each command runs
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Measure memory on a tar of 6 GB too
    #[arg(long)]
    large: bool,
}

/// What a run of a command took.
#[derive(Clone, Copy)]
struct Cost {
    seconds: f64,
    /// Peak resident memory in MiB.
    mebibytes: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let casehard = build()?;
    let folder = crate::target().join("bench");
    fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    let image = match &arguments.image {
        Some(image) => image.clone(),
        None => made(&folder.join("rootfs.tar"), 600, Data::Noise)?,
    };
    let out = folder.join("out");
    let apply = |image: &Path| {
        let mut command = Command::new(&casehard);
        command
            .arg("apply")
            .arg(image)
            .args(["-r", "no-setid", "-q", "-o"])
            .arg(&out);
        command
    };
    let copy = |image: &Path| {
        let mut command = Command::new("cp");
        command.arg(image).arg(&out);
        command
    };
    let decompress = |image: &Path| {
        let mut command = Command::new("gzip");
        command.arg("-dc").arg(image).stdout(Stdio::null());
        command
    };

    let bytes = fs::metadata(&image)
        .map_err(|e| format!("cannot read {}: {e}", image.display()))?
        .len();
    println!(
        "input: {} ({} MB), {} runs each, medians",
        image.display(),
        bytes / 1_000_000,
        arguments.runs
    );
    println!(
        "machine: {} cores, {}",
        std::thread::available_parallelism().map_or(0, usize::from),
        processor()
    );
    println!(
        "{:<44} {:>8} {:>8} {:>7}  goal",
        "figure", "seconds", "against", "ratio"
    );

    let mut met = true;
    let (ours, theirs) = paired(arguments.runs, || apply(&image), || copy(&image))?;
    met &= row("apply .tar ÷ cp", ours, theirs, Some(3.0));
    let peak = ours.mebibytes;
    let gz = compressed(&image, &folder.join("rootfs.tar.gz"))?;
    let (gzip, reading) = paired(arguments.runs.min(3), || apply(&gz), || decompress(&gz))?;
    row("apply .tar.gz ÷ gzip -dc", gzip, reading, None);
    met &= difference(&casehard, &image, &folder, arguments.runs.min(3))?;
    met &= memory("peak memory, .tar", peak);
    met &= memory("peak memory, .tar.gz", gzip.mebibytes);
    if arguments.large {
        let large = made(&folder.join("large.tar"), 6000, Data::Zeros)?;
        met &= memory("peak memory, .tar of 6 GB", once(apply(&large))?.mebibytes);
        let _ = fs::remove_file(large);
    }
    let _ = fs::remove_file(&out);
    Ok(met)
}

/// `casehard diff` of an image and its hardened self, beside extracting both for `diff -r`.
fn difference(casehard: &Path, image: &Path, folder: &Path, runs: usize) -> Result<bool, String> {
    let hardened = folder.join("hardened.tar");
    let mut harden = Command::new(casehard);
    harden.arg("apply").arg(image);
    harden.args(["-r", "no-setid", "-q", "-o"]).arg(&hardened);
    once(harden)?;
    // Both find differences, which is no failure here.
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg("sh");
        command.args([casehard, image, &hardened, folder]);
        command
    };
    let ours = || shell(r#""$1" diff "$2" "$3" >/dev/null; test $? -eq 1"#);
    let theirs = || {
        shell(
            r#"set -e
            rm -rf "$4/old" "$4/new"
            mkdir "$4/old" "$4/new"
            tar -xf "$2" -C "$4/old"
            tar -xf "$3" -C "$4/new"
            diff -r --no-dereference "$4/old" "$4/new" >/dev/null || test $? -eq 1"#,
        )
    };
    let (ours, theirs) = paired(runs, ours, theirs)?;
    let met = row(
        "diff of two .tar ÷ extract both, diff -r",
        ours,
        theirs,
        Some(1.0),
    );
    let fits = memory("peak memory, diff", ours.mebibytes);
    for left in ["old", "new"] {
        let _ = fs::remove_dir_all(folder.join(left));
    }
    let _ = fs::remove_file(&hardened);
    Ok(met && fits)
}

/// The release binary.
fn build() -> Result<PathBuf, String> {
    let status = crate::cargo()
        .args(["build", "--release", "--package", "casehard"])
        .status();
    match status {
        Ok(status) if status.success() => Ok(crate::target().join("release/casehard")),
        Ok(_) => Err("the release build failed".into()),
        Err(error) => Err(format!("cannot run cargo: {error}")),
    }
}

fn row(figure: &str, ours: Cost, theirs: Cost, goal: Option<f64>) -> bool {
    let ratio = ours.seconds / theirs.seconds;
    let met = goal.is_none_or(|goal| ratio <= goal);
    let said = match goal {
        Some(goal) => format!("≤ {goal} {}", if met { "met" } else { "MISSED" }),
        None => "none".into(),
    };
    println!(
        "{figure:<44} {:>8.3} {:>8.3} {ratio:>7.2}  {said}",
        ours.seconds, theirs.seconds
    );
    met
}

fn memory(figure: &str, mebibytes: f64) -> bool {
    let met = mebibytes <= 64.0;
    println!(
        "{figure:<44} {mebibytes:>8.1} MiB {:>13}  ≤ 64 MiB {}",
        "",
        if met { "met" } else { "MISSED" }
    );
    met
}

/// Runs two commands in turn, once without counting, and gives the medians.
fn paired(
    runs: usize,
    ours: impl Fn() -> Command,
    theirs: impl Fn() -> Command,
) -> Result<(Cost, Cost), String> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for turn in 0..=runs.max(1) {
        let costs = (once(ours())?, once(theirs())?);
        if turn > 0 {
            a.push(costs.0);
            b.push(costs.1);
        }
    }
    Ok((median(a), median(b)))
}

fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let peak = costs.iter().map(|c| c.mebibytes).fold(0.0, f64::max);
    Cost {
        mebibytes: peak,
        ..costs[costs.len() / 2]
    }
}

fn once(mut command: Command) -> Result<Cost, String> {
    let start = Instant::now();
    let failed = |e: io::Error| format!("cannot run a command: {e}");
    let used = command.spawn().map_err(failed)?.wait4().map_err(failed)?;
    let seconds = start.elapsed().as_secs_f64();
    if !used.status.success() {
        return Err(format!("{command:?} failed"));
    }
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let mebibytes = used.rusage.maxrss as f64 / f64::from(1 << 20);
    Ok(Cost { seconds, mebibytes })
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    name.unwrap_or("an unknown processor").trim().to_owned()
}

/// What the files of a made tar hold.
#[derive(Clone, Copy)]
enum Data {
    /// Bytes that compress about as programs do.
    Noise,
    /// Nothing: the tar has holes on disk, so that a large one is quickly made.
    Zeros,
}

/// A rootfs-like tar of 13,000 files, some set-id. Sizes are spread like real ones: a twentieth of the files hold half the bytes.
fn made(path: &Path, megabytes: u64, data: Data) -> Result<PathBuf, String> {
    const ENTRIES: u64 = 13_000;
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let failed = |e: io::Error| format!("cannot make {}: {e}", path.display());
    let temporary = path.with_extension("part");
    let mut out = io::BufWriter::new(File::create(&temporary).map_err(failed)?);
    let mean = megabytes * 1_000_000 / ENTRIES;
    let mut state = 1u64;
    for number in 0..ENTRIES {
        let size = if number % 20 == 0 {
            mean * 21 / 2
        } else {
            mean / 2
        };
        let mut header = Header::new_gnu();
        header
            .set_path(format!(
                "./usr/lib/package-{:03}/file-{number:05}",
                number / 100
            ))
            .map_err(failed)?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_mode(if number % 700 == 0 { 0o4755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_cksum();
        out.write_all(header.as_bytes()).map_err(failed)?;
        let padded = size.next_multiple_of(512);
        match data {
            Data::Noise => drop(
                io::copy(&mut Noise { state: &mut state }.take(padded), &mut out)
                    .map_err(failed)?,
            ),
            Data::Zeros => drop(
                out.seek(SeekFrom::Current(padded.cast_signed()))
                    .map_err(failed)?,
            ),
        }
    }
    out.write_all(&[0; 1024])
        .and_then(|()| out.flush())
        .map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)?;
    Ok(path.to_owned())
}

/// Half random letters, half repeats.
struct Noise<'a> {
    state: &'a mut u64,
}

impl Read for Noise<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for chunk in buffer.chunks_mut(16) {
            *self.state = self
                .state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let bytes = (*self.state >> 8).to_le_bytes();
            for (at, byte) in chunk.iter_mut().enumerate() {
                *byte = if at < 6 {
                    bytes[at]
                } else {
                    b'a' + bytes[at % 4] % 8
                };
            }
        }
        Ok(buffer.len())
    }
}

fn compressed(image: &Path, path: &Path) -> Result<PathBuf, String> {
    let failed = |e: io::Error| format!("cannot make {}: {e}", path.display());
    if !path.is_file() {
        let out = File::create(path).map_err(failed)?;
        let status = Command::new("gzip")
            .arg("-nc")
            .arg(image)
            .stdout(out)
            .status()
            .map_err(failed)?;
        if !status.success() {
            return Err("gzip failed".into());
        }
    }
    Ok(path.to_owned())
}
