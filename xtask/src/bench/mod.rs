//! `cargo xtask bench`: how long hardening takes and how much memory it needs, each beside something that everyone knows.
//!
//! A figure is the median, over rounds in which the commands take turns, of one's time divided by the other's.

mod input;
mod measure;
mod peers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use input::{compressed, edits, made, rootfs};
use measure::{Contest, once};
pub(crate) use peers::{Decode, decode};

use crate::Outcome;

/// Measure time and memory on a Debian rootfs, beside what else reads and rewrites one
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A plain .tar to measure with [default: a Debian rootfs, made by mmdebstrap and kept in target/bench]
    image: Option<PathBuf>,
    /// How many rounds are counted; those with slow peers are two
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Measure images of 6 GB too, for which 13 GB of memory must be free
    #[arg(long)]
    large: bool,
    /// Leave out the programs that rewrite the whole image, which take a minute a round
    #[arg(long)]
    quick: bool,
}

/// What a figure is to be.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
    None,
}

/// The table as it is printed.
struct Table {
    met: bool,
}

impl Table {
    fn row(&mut self, figure: &str, value: Option<f64>, unit: &str, goal: Goal) {
        let Some(value) = value else {
            self.met = false;
            println!("| {figure} | not measured | |");
            return;
        };
        let (met, said) = match goal {
            Goal::AtMost(most) => (value <= most, format!("≤ {most}")),
            Goal::AtLeast(least) => (value >= least, format!("≥ {least}")),
            Goal::None => (true, String::new()),
        };
        self.met &= met;
        let verdict = match (goal, met) {
            (Goal::None, _) => "",
            (_, true) => ": met",
            (_, false) => ": MISSED",
        };
        println!("| {figure} | {value:.2}{unit} | {said}{verdict} |");
    }

    fn ratio(&mut self, contest: &Contest<'_>, ours: &str, theirs: &str, goal: Goal) {
        self.row(
            &format!("{ours} ÷ {theirs}"),
            contest.ratio(ours, theirs),
            "",
            goal,
        );
    }

    fn memory(&mut self, figure: &str, mebibytes: Option<f64>) {
        self.row(
            &format!("peak memory, {figure}"),
            mebibytes,
            " MiB",
            Goal::AtMost(32.0),
        );
    }
}

/// The programs and places of a run.
struct Bench {
    casehard: PathBuf,
    xtask: PathBuf,
    folder: PathBuf,
    /// A folder in memory, so that no disk is measured.
    memory: PathBuf,
}

impl Bench {
    fn apply(&self, image: &Path, recipe: &str) -> Command {
        let mut command = Command::new(&self.casehard);
        command
            .arg("apply")
            .arg(image)
            .args(["-r", recipe, "-q", "-o"]);
        command.arg(self.fresh_out());
        command
    }

    fn copy(&self, image: &Path) -> Command {
        let mut command = Command::new("cp");
        command.arg(image).arg(self.fresh_out());
        command
    }

    /// Where to write to. What an earlier run left there is gone, since freeing it takes time too.
    fn fresh_out(&self) -> PathBuf {
        let out = self.memory.join("out");
        let _ = fs::remove_file(&out);
        out
    }

    fn decode(&self, way: &str, image: &Path) -> Command {
        let mut command = Command::new(&self.xtask);
        command.args(["decode", way]).arg(image);
        command
    }
}

/// A program that decodes to nowhere.
fn reader(program: &str, arguments: &[&str], image: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(image).stdout(Stdio::null());
    command
}

/// The command on one core only.
fn alone(command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned
        .args(["-c", "0"])
        .arg(command.get_program())
        .args(command.get_args());
    pinned
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    peers::install();
    let folder = crate::target().join("bench");
    let memory = Path::new("/dev/shm").join("casehard-bench");
    for folder in [&folder, &memory] {
        fs::create_dir_all(folder)
            .map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    }
    let bench = Bench {
        casehard: build("casehard")?,
        xtask: build("xtask")?,
        folder,
        memory,
    };
    let done = bench.measure(arguments);
    let _ = fs::remove_dir_all(&bench.memory);
    done
}

impl Bench {
    fn measure(&self, arguments: &Arguments) -> Outcome {
        let image = match &arguments.image {
            Some(image) => image.clone(),
            None => rootfs(&self.folder)?,
        };
        let gz = compressed(&image, "gz", &["gzip", "-nc"])?;
        let size = |path: &Path| fs::metadata(path).map_or(f64::NAN, |m| m.len() as f64);
        println!(
            "input: {}, {:.0} MB, {:.0} MB gzipped; output in memory; {} rounds\nmachine: {} cores, {}\n",
            image.display(),
            size(&image) / 1e6,
            size(&gz) / 1e6,
            arguments.runs,
            std::thread::available_parallelism().map_or(0, usize::from),
            processor()
        );
        println!("| figure | value | goal |\n|---|---|---|");
        let mut table = Table { met: true };
        self.gzip(&mut table, &gz, arguments.runs);
        once(self.apply(&gz, "no-setid"))?;
        let out = size(&self.memory.join("out"));
        table.row(
            "output size ÷ input size",
            Some(out / size(&gz)),
            "",
            Goal::AtMost(1.005),
        );
        self.others(&mut table, &image, arguments.runs)?;
        self.many_edits(&mut table, &gz)?;
        if !arguments.quick {
            self.rewrites(&mut table, &gz);
        }
        self.difference(&mut table, &image)?;
        self.memories(&mut table, arguments.large)?;
        Ok(table.met)
    }

    /// Reading gzip, and hardening it.
    fn gzip(&self, table: &mut Table, gz: &Path, rounds: usize) {
        const APPLY: &str = "apply .tar.gz";
        const DIGESTS: &str = "apply with the SHA-256 of input, output and its tar reported";
        let mut contest = Contest::new();
        contest.add(APPLY, || self.apply(gz, "no-setid"));
        contest.add("apply on one core", || alone(&self.apply(gz, "no-setid")));
        contest.add("check", || {
            let mut command = Command::new("sh");
            command.args([
                "-c",
                r#""$1" check "$2" -r no-setid -q; test $? -le 1"#,
                "sh",
            ]);
            command.arg(&self.casehard).arg(gz);
            command
        });
        contest.add(DIGESTS, || {
            let mut command = self.apply(gz, "no-setid");
            command.arg("--report").arg(self.memory.join("report.json"));
            command
        });
        contest.add("inflating it on one core, checked and indexed", || {
            alone(&self.decode("open", gz))
        });
        contest.add("cp .tar.gz on one core", || alone(&self.copy(gz)));
        contest.add("flate2 with zlib-rs, decoding only", || {
            self.decode("flate2", gz)
        });
        contest.add("gzip -dc", || reader("gzip", &["-dc"], gz));
        contest.add("igzip -dc", || reader("igzip", &["-dc"], gz));
        contest.run(rounds);
        table.row(APPLY, contest.seconds(APPLY), " s", Goal::None);
        let inflating = "inflating it on one core, checked and indexed";
        table.ratio(&contest, "apply on one core", inflating, Goal::AtMost(1.15));
        // What of that is the kernel's making room for the output.
        table.ratio(&contest, "cp .tar.gz on one core", inflating, Goal::None);
        table.ratio(&contest, APPLY, inflating, Goal::AtMost(0.7));
        table.ratio(&contest, APPLY, "gzip -dc", Goal::AtMost(0.45));
        table.ratio(
            &contest,
            APPLY,
            "flate2 with zlib-rs, decoding only",
            Goal::AtMost(0.9),
        );
        table.ratio(&contest, APPLY, "igzip -dc", Goal::AtMost(1.2));
        table.ratio(&contest, "check", APPLY, Goal::AtMost(0.9));
        table.ratio(&contest, DIGESTS, APPLY, Goal::AtMost(1.7));
        table.memory(".tar.gz", contest.peak(APPLY));
    }

    /// The other compressions.
    fn others(&self, table: &mut Table, image: &Path, rounds: usize) -> Result<(), String> {
        let zst = compressed(image, "zst", &["zstd", "-q", "-3", "-c"])?;
        let mut contest = Contest::new();
        contest.add("apply .tar", || self.apply(image, "no-setid"));
        contest.add("cp", || self.copy(image));
        contest.add("apply .tar.zst", || self.apply(&zst, "no-setid"));
        contest.add("zstd -3 -T2", || {
            reader("zstd", &["-q", "-3", "-T2", "-c"], image)
        });
        contest.run(rounds);
        table.ratio(&contest, "apply .tar", "cp", Goal::AtMost(1.0));
        table.ratio(&contest, "apply .tar.zst", "zstd -3 -T2", Goal::AtMost(1.5));
        table.memory(".tar", contest.peak("apply .tar"));
        Ok(())
    }

    /// How time grows with the number of edits.
    fn many_edits(&self, table: &mut Table, gz: &Path) -> Result<(), String> {
        const NAMES: [&str; 4] = [
            "10 edits",
            "1,000 edits",
            "10,000 edits",
            "every file's header edited",
        ];
        const COUNTS: [usize; 4] = [10, 1_000, 10_000, usize::MAX];
        let recipes = edits(self.decode("edits", gz), &COUNTS, &self.folder)?;
        let (_, files) = recipes[3];
        if files < COUNTS[2] {
            println!("| (the image has {files} files for {}) | | |", NAMES[2]);
        }
        let mut contest = Contest::new();
        for (name, (recipe, _)) in NAMES.iter().zip(&recipes) {
            contest.add(name, || self.apply(gz, &recipe.display().to_string()));
        }
        contest.add("re-encode, flate2 with zlib-rs", || {
            self.decode("recode", gz)
        });
        contest.run(2);
        table.row("10 edits", contest.seconds("10 edits"), " s", Goal::None);
        table.ratio(&contest, "1,000 edits", "10 edits", Goal::AtMost(100.0));
        table.ratio(&contest, "10,000 edits", "10 edits", Goal::AtMost(1000.0));
        table.ratio(
            &contest,
            "every file's header edited",
            "re-encode, flate2 with zlib-rs",
            Goal::AtMost(0.4),
        );
        Ok(())
    }

    /// What people use today.
    fn rewrites(&self, table: &mut Table, gz: &Path) {
        const APPLY: &str = "casehard apply .tar.gz";
        let layout = peers::layout(gz, &self.folder).unwrap_or_else(|why| {
            println!("{why}");
            PathBuf::new()
        });
        let mut contest = Contest::new();
        contest.add(APPLY, || self.apply(gz, "no-setid"));
        for (name, script) in peers::REWRITES {
            contest.add(name, || {
                self.fresh_out();
                peers::rewrite(script, gz, &self.memory, &layout)
            });
        }
        contest.run(2);
        for ((name, _), least) in peers::REWRITES.iter().zip([9.0, 17.0, 17.0, 7.0, 12.0]) {
            table.ratio(&contest, name, APPLY, Goal::AtLeast(least));
        }
        let _ = fs::remove_dir_all(&layout);
    }

    /// Memory where images are large or odd.
    fn memories(&self, table: &mut Table, large: bool) -> Result<(), String> {
        let peak = |image: &Path| {
            let cost = once(self.apply(image, "no-setid"));
            cost.ok().map(|c| c.mebibytes)
        };
        let rootfs = made(&self.folder.join("rootfs.tar"), 600)?;
        let giant = compressed(&rootfs, "one-block.gz", &["igzip", "-0", "-c"])?;
        table.memory(".tar.gz of one block, 600 MB", peak(&giant));
        if large {
            // In memory: from a disk that is slower than decoding, its time would be measured.
            let large = made(&self.memory.join("large.tar"), 6000)?;
            table.memory(".tar of 6 GB", peak(&large));
            self.fresh_out();
            let gz = |tar| compressed(tar, "gz", &["pigz", "-1", "-nc"]);
            let (rootfs, large_gz) = (gz(&rootfs)?, gz(&large)?);
            let _ = fs::remove_file(&large);
            let (small, ten_times) = ("apply .tar.gz of 600 MB", "apply .tar.gz of 6 GB");
            let mut contest = Contest::new();
            contest.add(small, || self.apply(&rootfs, "no-setid"));
            contest.add(ten_times, || self.apply(&large_gz, "no-setid"));
            contest.run(2);
            table.ratio(&contest, ten_times, small, Goal::AtMost(10.2));
            table.memory(".tar.gz of 6 GB", contest.peak(ten_times));
            let _ = fs::remove_file(&large_gz);
        }
        Ok(())
    }

    /// `casehard diff` of an image and its hardened self, beside extracting both for `diff -r`.
    fn difference(&self, table: &mut Table, image: &Path) -> Result<(), String> {
        const OURS: &str = "diff of two .tar";
        const THEIRS: &str = "extracting both, diff -r";
        let hardened = self.folder.join("hardened.tar");
        let mut harden = Command::new(&self.casehard);
        harden
            .arg("apply")
            .arg(image)
            .args(["-r", "no-setid", "-q", "-o"])
            .arg(&hardened);
        once(harden)?;
        // Both find differences, which is no failure here.
        let shell = |script: &'static str| {
            let (hardened, image) = (&hardened, image);
            move || {
                let mut command = Command::new("sh");
                command.arg("-c").arg(script).arg("sh");
                command.args([&self.casehard, image, hardened, &self.memory]);
                command
            }
        };
        let mut contest = Contest::new();
        contest.add(
            OURS,
            shell(r#""$1" diff "$2" "$3" >/dev/null; test $? -eq 1"#),
        );
        contest.add(
            THEIRS,
            shell(
                r#"set -e
                rm -rf "$4/old" "$4/new"
                mkdir "$4/old" "$4/new"
                tar -xf "$2" -C "$4/old"
                tar -xf "$3" -C "$4/new"
                diff -r --no-dereference "$4/old" "$4/new" >/dev/null 2>&1 || test $? -le 2
                rm -rf "$4/old" "$4/new""#,
            ),
        );
        contest.run(2);
        table.ratio(&contest, OURS, THEIRS, Goal::AtMost(1.0));
        table.memory("diff", contest.peak(OURS));
        let _ = fs::remove_file(&hardened);
        Ok(())
    }
}

/// The release build of a package's binary.
fn build(package: &str) -> Result<PathBuf, String> {
    let status = crate::cargo()
        .args(["build", "--release", "--package", package])
        .status();
    match status {
        Ok(status) if status.success() => Ok(crate::target().join("release").join(package)),
        Ok(_) => Err("the release build failed".into()),
        Err(error) => Err(format!("cannot run cargo: {error}")),
    }
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    name.unwrap_or("an unknown processor").trim().to_owned()
}
