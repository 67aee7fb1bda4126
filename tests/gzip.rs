//! Gzip files by the programs that make them, changed and held against the programs that read them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use casehard::{OpenOptions, Recipe};
use sha2::{Digest as _, Sha256};

mod support;

#[path = "gzip/image.rs"]
mod image;

use support::readers::built_by_go;
use support::tools::{
    self, BGZIP, GO, GZIP, IGZIP, LIBDEFLATE_GZIP, PIGZ, PYTHON3, RealTest, Tool, ZOPFLI,
};

fn main() -> ExitCode {
    tools::main(&[
        RealTest {
            name: "files_by_gzip",
            needs: &[GZIP, PIGZ, IGZIP, PYTHON3, GO],
            run: || {
                let levels = [&["-1"][..], &["-6"], &["-9"], &["--rsyncable"]];
                by_program(GZIP, &levels, image::usual());
            },
        },
        RealTest {
            name: "files_by_pigz",
            needs: &[GZIP, PIGZ, IGZIP, PYTHON3, GO],
            run: || {
                let options = [&[][..], &["-i"], &["-0"], &["-9"], &["-p", "4"]];
                by_program(PIGZ, &options, image::usual());
                by_program(PIGZ, &[&["-11"]], image::small());
            },
        },
        RealTest {
            name: "files_by_igzip",
            needs: &[GZIP, PIGZ, IGZIP, PYTHON3, GO],
            run: || by_program(IGZIP, &[&["-0"], &["-1"], &["-2"], &["-3"]], image::usual()),
        },
        RealTest {
            name: "files_by_libdeflate",
            needs: &[GZIP, PIGZ, IGZIP, PYTHON3, GO, LIBDEFLATE_GZIP],
            run: || {
                by_program(
                    LIBDEFLATE_GZIP,
                    &[&["-1"], &["-6"], &["-12"]],
                    image::usual(),
                );
            },
        },
        RealTest {
            name: "files_by_zopfli",
            needs: &[GZIP, PIGZ, IGZIP, PYTHON3, GO, ZOPFLI],
            run: || by_program(ZOPFLI, &[&["--i1"]], image::small()),
        },
        RealTest {
            name: "files_by_bgzip",
            needs: &[GZIP, PIGZ, IGZIP, PYTHON3, GO, BGZIP],
            run: || by_program(BGZIP, &[&[]], image::usual()),
        },
        RealTest {
            name: "files_by_zlib_s_strategies",
            needs: &[GZIP, PIGZ, IGZIP, PYTHON3, GO],
            run: by_strategies,
        },
        RealTest {
            name: "files_of_several_members",
            needs: &[GZIP, PIGZ, IGZIP, PYTHON3, GO],
            run: of_several_members,
        },
        RealTest {
            name: "files_with_all_that_a_header_can_hold",
            needs: &[GZIP, PIGZ, IGZIP, PYTHON3, GO],
            run: with_headers,
        },
        RealTest {
            name: "files_with_zeros_behind",
            needs: &[GZIP, PIGZ, IGZIP, PYTHON3, GO],
            run: with_zeros_behind,
        },
        RealTest {
            name: "fields_that_would_be_wrong_are_named",
            needs: &[GZIP, BGZIP],
            run: named,
        },
        RealTest {
            name: "most_of_a_large_file_is_copied",
            needs: &[GZIP, IGZIP],
            run: large,
        },
        RealTest {
            name: "damage_is_found_before_anything_is_written",
            needs: &[GZIP],
            run: damaged,
        },
    ])
}

/// A folder with a tar, gzip files of it, and what they become.
struct Bench {
    folder: tempfile::TempDir,
    tar: Vec<u8>,
    /// What `casehard apply` makes of the plain tar.
    wanted: Vec<u8>,
    inputs: Vec<(String, PathBuf)>,
}

impl Bench {
    fn new(tar: Vec<u8>) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let plain = folder.path().join("image.tar");
        fs::write(&plain, &tar).unwrap();
        fs::write(folder.path().join("recipe.ini"), image::RECIPE).unwrap();
        let mut bench = Self {
            folder,
            tar,
            wanted: Vec::new(),
            inputs: Vec::new(),
        };
        let hardened = bench.path("wanted.tar");
        assert_eq!(bench.apply(&plain, &hardened), 0);
        bench.wanted = fs::read(hardened).unwrap();
        assert!(bench.wanted != bench.tar, "the recipe changes the image");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `casehard apply`; its exit code.
    fn apply(&self, input: &Path, output: &Path) -> i32 {
        let mut casehard = Command::new(env!("CARGO_BIN_EXE_casehard"));
        casehard.arg("apply").arg(input).arg("-o").arg(output);
        let casehard = casehard.arg("-r").arg(self.path("recipe.ini"));
        casehard.output().unwrap().status.code().unwrap()
    }

    /// What a program makes of bytes that it reads from its standard input.
    fn packed(&self, program: Tool, arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
        let input = self.path("input");
        fs::write(&input, bytes).unwrap();
        let mut command = program.command();
        command.args(arguments).stdin(File::open(&input).unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        output.stdout
    }

    fn add(&mut self, name: impl Into<String>, bytes: &[u8]) {
        let path = self.path(&format!("input-{}.gz", self.inputs.len()));
        fs::write(&path, bytes).unwrap();
        self.inputs.push((name.into(), path));
    }

    /// Changes each file, and lets all programs that read it read what it became.
    #[track_caller]
    fn judge(&self) {
        let outputs: Vec<PathBuf> = (0..self.inputs.len())
            .map(|at| self.path(&format!("output-{at}.gz")))
            .collect();
        for ((name, input), output) in self.inputs.iter().zip(&outputs) {
            assert_eq!(self.apply(input, output), 0, "{name}");
        }
        let inputs: Vec<PathBuf> = self.inputs.iter().map(|(_, path)| path.clone()).collect();
        let (before, after) = (hash(&self.tar), hash(&self.wanted));
        for judge in JUDGES {
            let (read, reads) = (judge.read(&inputs), judge.read(&outputs));
            for (at, (name, _)) in self.inputs.iter().enumerate() {
                match &read[at] {
                    Verdict::Refused => {
                        // Only zeros behind the data are not everyone's.
                        assert!(name.contains("zeros"), "{judge:?} refuses the input {name}");
                    }
                    Verdict::Sound => assert_eq!(reads[at], Verdict::Sound, "{judge:?} of {name}"),
                    Verdict::Decoded(hash) => {
                        assert_eq!(*hash, before, "{judge:?} reads the input {name}");
                        let wanted = Verdict::Decoded(after.clone());
                        assert_eq!(reads[at], wanted, "{judge:?} of {name}");
                    }
                }
            }
        }
    }
}

/// A program that reads gzip.
#[derive(Clone, Copy, Debug)]
enum Judge {
    /// `-t`
    Test(Tool),
    Go,
    Python,
}

const JUDGES: [Judge; 5] = [
    Judge::Test(GZIP),
    Judge::Test(PIGZ),
    Judge::Test(IGZIP),
    Judge::Go,
    Judge::Python,
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Refused,
    /// Its checksums are right.
    Sound,
    /// The SHA-256 of what it decodes to.
    Decoded(String),
}

impl Judge {
    fn read(self, files: &[PathBuf]) -> Vec<Verdict> {
        let mut command = match self {
            Self::Test(tool) => {
                let sound = |file| match tool.command().arg("-t").arg(file).status() {
                    Ok(status) if status.success() => Verdict::Sound,
                    _ => Verdict::Refused,
                };
                return files.iter().map(sound).collect();
            }
            Self::Go => {
                static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
                Command::new(PROGRAM.get_or_init(|| built_by_go("tests/gzip/judge.go")))
            }
            Self::Python => {
                let mut python = PYTHON3.command();
                python.arg("-c").arg(include_str!("gzip/judge.py"));
                python
            }
        };
        let output = command.args(files).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        let verdicts = lines.lines().map(|line| match line {
            "refused" => Verdict::Refused,
            hash => Verdict::Decoded(hash.to_owned()),
        });
        let verdicts: Vec<Verdict> = verdicts.collect();
        assert_eq!(verdicts.len(), files.len());
        verdicts
    }
}

fn hash(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn by_program(program: Tool, options: &[&[&str]], tar: Vec<u8>) {
    let mut bench = Bench::new(tar);
    for options in options {
        let mut arguments = options.to_vec();
        arguments.push("-c");
        // zopfli reads no standard input, and the others name the file in the header.
        let file = bench.path("image.tar");
        let mut command = program.command();
        let output = command.args(&arguments).arg(file).output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        bench.add(
            format!("{} {}", program.program, options.join(" ")),
            &output.stdout,
        );
    }
    bench.judge();
}

fn by_strategies() {
    let mut bench = Bench::new(image::usual());
    for (strategy, level) in [
        ("Z_FIXED", "6"),
        ("Z_HUFFMAN_ONLY", "6"),
        ("Z_RLE", "6"),
        ("Z_FILTERED", "9"),
        ("Z_DEFAULT_STRATEGY", "0"),
    ] {
        let arguments = ["-c", include_str!("gzip/strategy.py"), strategy, level];
        let packed = bench.packed(PYTHON3, &arguments, &bench.tar);
        bench.add(format!("{strategy} at {level}"), &packed);
    }
    bench.judge();
}

fn of_several_members() {
    let mut bench = Bench::new(image::usual());
    let len = bench.tar.len();
    // Cut at an entry's header, inside a header, and inside data; one member holds nothing.
    for cuts in [
        vec![512 * 20],
        vec![100, 512 * 3 + 7],
        vec![len / 3, len / 3, len / 2 + 1, len - 1],
        (1..200).map(|part| len / 200 * part + part).collect(),
    ] {
        let ends = cuts.iter().copied().chain([len]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let parts = starts.zip(ends).map(|(start, end)| &bench.tar[start..end]);
        let packed: Vec<Vec<u8>> = parts
            .map(|part| bench.packed(GZIP, &["-c"], part))
            .collect();
        bench.add(format!("{} members", packed.len()), &packed.concat());
    }
    bench.judge();
}

/// A gzip file with extra field, name, comment and header checksum, as the flags say.
fn with_header(packed: &[u8], flags: u8) -> Vec<u8> {
    let mut header = packed[..10].to_vec();
    assert_eq!(header[3], 0, "gzip -n writes none of them");
    header[3] = flags;
    if flags & 4 != 0 {
        header.extend_from_slice(b"\x09\0AP\x05\0extra");
    }
    if flags & 8 != 0 {
        header.extend_from_slice(b"rootfs.tar\0");
    }
    if flags & 16 != 0 {
        header.extend_from_slice(b"as built\0");
    }
    if flags & 2 != 0 {
        let crc = crc32fast::hash(&header).to_le_bytes();
        header.extend_from_slice(&crc[..2]);
    }
    [&header, &packed[10..]].concat()
}

fn with_headers() {
    let mut bench = Bench::new(image::small());
    let packed = bench.packed(GZIP, &["-nc"], &bench.tar);
    for flags in [2, 4, 8, 16, 6, 24, 30, 31] {
        bench.add(format!("flags {flags:#x}"), &with_header(&packed, flags));
    }
    bench.judge();
    // Name and comment stay; what may speak of the compressed bytes does not.
    let changed = fs::read(bench.path("output-6.gz")).unwrap();
    assert_eq!(changed[3], 24);
    assert!(changed[10..].starts_with(b"rootfs.tar\0as built\0"));
}

fn with_zeros_behind() {
    let mut bench = Bench::new(image::small());
    let packed = bench.packed(GZIP, &["-c"], &bench.tar);
    for zeros in [1, 511, 10_240] {
        let padded = [&packed[..], &vec![0; zeros]].concat();
        bench.add(format!("{zeros} zeros"), &padded);
    }
    bench.judge();
    let [one, ..] = &bench.inputs[..] else {
        unreachable!("three were added")
    };
    assert_eq!(
        JUDGES[0].read(std::slice::from_ref(&one.1)),
        [Verdict::Sound],
        "gzip takes zeros"
    );
}

fn named() {
    let bench = Bench::new(image::small());
    let file = bench.path("image.tar");
    let by_bgzip = BGZIP.output(["-c".as_ref(), file.as_os_str()]);
    let with_field = with_header(&bench.packed(GZIP, &["-nc"], &bench.tar), 4);
    // An eStargz layer: its table of contents is the last entry, and an empty member says where that begins.
    let stargz = [
        bench.packed(GZIP, &["-c"], &image::with("stargz.index.json", b"{}")),
        stargz_footer(),
    ]
    .concat();
    for (bytes, said) in [
        (&by_bgzip, "the image was compressed by bgzip"),
        (&with_field, "the changed parts lose the extra field `AP`"),
        (&stargz, "the image is an eStargz layer"),
    ] {
        let image = OpenOptions::new().read("image", &bytes[..]).unwrap();
        let changing = Recipe::parse("test", image::RECIPE).unwrap();
        let plan = image.plan(&changing).unwrap();
        assert!(
            matches!(plan.notes(), [note] if note.starts_with(said)),
            "{:?}",
            plan.notes()
        );
        let harmless = Recipe::parse("test", "[Recipe]\nSchema=1\n").unwrap();
        assert!(image.plan(&harmless).unwrap().notes().is_empty());
    }
}

/// As the eStargz specification has it: a header with an extra field, and a stored block that holds nothing.
fn stargz_footer() -> Vec<u8> {
    let mut footer = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x1a\0SG\x16\0".to_vec();
    footer.extend_from_slice(b"0000000000001234STARGZ");
    footer.extend_from_slice(b"\x01\0\0\xff\xff\0\0\0\0\0\0\0\0");
    assert_eq!(footer.len(), 51);
    footer
}

fn large() {
    let mut bench = Bench::new(image::large());
    assert!(bench.tar.len() >= 50_000_000);
    // All in one block, which cannot be cut before it is long.
    for (program, level, least) in [(GZIP, "-6", 0.95), (IGZIP, "-0", 0.9)] {
        let packed = bench.packed(program, &[level, "-c"], &bench.tar);
        bench.add(program.program, &packed);
        let output = bench.path("output.gz");
        let input = &bench.inputs.last().unwrap().1;
        assert_eq!(bench.apply(input, &output), 0);
        let decoded = GZIP.output(["-dc".as_ref(), output.as_os_str()]);
        assert!(decoded == bench.wanted);
        let output = fs::read(output).unwrap();
        // Sizes of compressed files are far below 2⁵³.
        #[allow(clippy::cast_precision_loss)]
        let (size, copied) = (
            output.len() as f64 / packed.len() as f64,
            copied(&packed, &output),
        );
        let name = program.program;
        assert!(size <= 1.005, "{name}: the output is {size} of the input");
        assert!(
            copied >= least,
            "{name}: only {copied} of the input is in the output"
        );
    }
}

/// Which share of samples of one file is somewhere in the other.
#[allow(clippy::cast_precision_loss, reason = "there are few samples")]
fn copied(input: &[u8], output: &[u8]) -> f64 {
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    let samples: BTreeSet<u64> = input.chunks_exact(8).step_by(500).map(word).collect();
    let all: BTreeSet<u64> = output
        .windows(8)
        .map(word)
        .filter(|w| samples.contains(w))
        .collect();
    all.len() as f64 / samples.len() as f64
}

fn damaged() {
    let bench = Bench::new(image::small());
    let packed = bench.packed(GZIP, &["-c"], &bench.tar);
    let (damaged, output) = (bench.path("damaged.gz"), bench.path("out.tar.gz"));
    let refused = |bytes: &[u8], what: String| {
        fs::write(&damaged, bytes).unwrap();
        assert_eq!(bench.apply(&damaged, &output), 3, "{what}");
        assert!(!output.exists(), "{what}");
    };
    for number in 0..30 {
        // Behind the header, of which most bits mean nothing, up to the length at the end.
        let at = 20 + (packed.len() - 21) * number / 29;
        let mut bytes = packed.clone();
        bytes[at] ^= 1 << (number % 8);
        refused(&bytes, format!("bit {} of byte {at} flipped", number % 8));
    }
    for cut in [
        1,
        5,
        10,
        11,
        packed.len() / 2,
        packed.len() - 8,
        packed.len() - 1,
    ] {
        refused(&packed[..cut], format!("cut after {cut}"));
    }
    refused(
        &[&packed[..], b"more"].concat(),
        "something behind".to_owned(),
    );
    fs::write(&damaged, &packed).unwrap();
    assert_eq!(bench.apply(&damaged, &output), 0, "undamaged, it is taken");
}
