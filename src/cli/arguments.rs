//! The command line's arguments and their help.

use std::path::PathBuf;

use casehard::Compression;
use casehard::image::Limits;
use casehard::report::Format;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;

const EXAMPLES: &str = "\
Examples:
  casehard apply rootfs.tar.gz -o hardened.tar.gz --diff hardened.diff
  casehard apply rootfs.tar.gz -r ours.ini -o hardened.tar.gz
  casehard check hardened.tar.gz -r ours.ini
  casehard diff rootfs.tar.gz hardened.tar.gz
  casehard recipe help Mask

Exit codes:
  0  success; check: the image complies; diff: the images are the same
  1  check: `apply` would change something, or no rule found anything to judge; diff: the images differ
  2  wrong usage, or a mistake in a recipe
  3  the image is damaged or unsafe
  4  a rule failed, or the image would give a privilege that the lock lacks
  5  reading or writing failed
  130, 143  a signal ended the command";

const APPLY_EXAMPLES: &str = "\
Examples:
  casehard apply rootfs.tar.gz -o hardened.tar.gz --diff hardened.diff
  casehard apply rootfs.tar.zst -r ours.ini --set User=core -o hardened.tar.gz --compress gzip
  casehard apply ./rootfs --root-owned -r ours.ini -o rootfs.tar.xz --report rootfs.json
  casehard apply rootfs.tar.gz --dry-run --format txt
  curl -s https://example.org/rootfs.tar.gz | casehard apply - -r ours.ini -o - | docker import -

OUT is complete or absent. If a rule fails, or the image would give a privilege that the lock of \
--locked lacks, casehard writes the diff and the reports, but not OUT, and exits with 4.";

const CHECK_EXAMPLES: &str = "\
Examples:
  casehard check rootfs.tar.gz
  casehard check rootfs.tar.gz -r ours.ini --diff - --quiet
  casehard check rootfs.tar.gz -r ours.ini --report findings.sarif --report review.md

Exit codes:
  0  the image complies with the recipe
  1  `apply` would change something
  4  a rule failed, or the image would give a privilege that the lock of --locked lacks";

const DIFF_EXAMPLES: &str = "\
Examples:
  casehard diff rootfs.tar.gz hardened.tar.gz
  casehard diff base-12.4.tar.zst ./rootfs --path /etc --exclude '*.pyc'
  casehard diff old.tar new.tar --kind set-id,capability,listener,member
  casehard diff old.tar new.tar --format diff > review.diff
  casehard diff old.tar new.tar --report review.html --report review.md --report gained.sarif

Without --format and --report, the differences are printed as text. The order of entries, header \
formats, compression and times do not count.

Exit codes:
  0  the images are the same
  1  the images differ
  3  an image is damaged or unsafe";

/// Hardens an operating system image at build time, offline, and shows a reviewer exactly what it did
#[derive(Debug, Parser)]
#[command(name = "casehard", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// How to talk to the user.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Use colours in messages and text reports; NO_COLOR turns them off, too
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,

    /// Show a progress bar on stderr; `auto` needs a terminal and work that takes long
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) progress: When,

    /// Print errors only, no summary and no warnings
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// Whether to use what suits a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum When {
    // Without doc comments, which clap would show: the words are enough.
    Auto,
    Always,
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Harden an image
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(Apply),
    /// Report what `apply` would change
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Planning),
    /// Report what differs between two images
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(Diff),
    /// Show the shipped recipes and the rules, or check recipes of your own
    #[command(subcommand, disable_help_subcommand = true)]
    Recipe(RecipeCommand),
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Write the hardened image here; `-` is stdout
    #[arg(
        short,
        long = "output",
        value_name = "OUT",
        required_unless_present = "dry_run"
    )]
    pub(crate) out: Option<PathBuf>,

    /// Write the reports, but no image
    #[arg(long, conflicts_with_all = ["out", "compress"])]
    pub(crate) dry_run: bool,

    /// Compress OUT this way [default: as OUT's extension says, else as IMAGE is]
    #[arg(long, value_name = "HOW", value_parser = compressions())]
    pub(crate) compress: Option<Compression>,

    #[command(flatten)]
    pub(crate) planning: Planning,
}

/// What `apply` and `check` share.
#[derive(Debug, Args)]
pub(crate) struct Planning {
    /// A tarball, compressed or not, or a directory; `-` reads stdin
    pub(crate) image: PathBuf,

    /// The file of a recipe, or the name of a shipped one. Repeatable [default: the shipped recipe for IMAGE's init and os-release]
    #[arg(short, long = "recipe", value_name = "RECIPE")]
    pub(crate) recipes: Vec<PathBuf>,

    /// Set a parameter of the recipe. Repeatable
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = set)]
    pub(crate) sets: Vec<(String, String)>,

    /// Judge waivers by this day [default: the day of SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(crate) as_of: Option<Date>,

    /// Modification time of new and changed entries, in seconds since 1970 [default: SOURCE_DATE_EPOCH, else as in the archive]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) mtime: Option<u64>,

    #[command(flatten)]
    pub(crate) reading: Reading,

    /// Plan an archive whose root file system seems to be one folder down as it is
    #[arg(long)]
    pub(crate) allow_nested: bool,

    /// Write the changes and their reasons as a diff; `-` is stdout
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(crate) diff: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) reports: Reports,

    /// Write a lock: the privileges that the hardened image still gives, such as set-id files, capabilities, enabled units,
    /// listeners, privileged members, sudo and doas rules, logins, and files of root that others may write
    #[arg(long, value_name = "FILE", help_heading = "Lock")]
    pub(crate) lock: Option<PathBuf>,

    /// Fail if the hardened image gives a privilege that this lock lacks
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Lock",
        conflicts_with = "lock"
    )]
    pub(crate) locked: Option<PathBuf>,
}

/// How to read images.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// Take this folder of the archive for the root; what is outside of it stays as it is
    #[arg(long, value_name = "FOLDER")]
    pub(crate) root: Option<String>,

    /// Treat every file of a directory as owned by root
    #[arg(long)]
    pub(crate) root_owned: bool,

    /// Change a limit on what an image may use. Repeatable
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = set, long_help = limits())]
    pub(crate) limits: Vec<(String, String)>,
}

/// Which reports to write, and where.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reports")]
pub(crate) struct Reports {
    /// Write a report; the extension picks the format, and `-` is JSON on stdout. Repeatable
    #[arg(long = "report", value_name = "FILE")]
    pub(crate) reports: Vec<PathBuf>,

    /// Write a report in this format to stdout
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    pub(crate) format: Option<Format>,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The older image: a tarball, compressed or not, or a directory; `-` reads stdin
    pub(crate) old: PathBuf,

    /// The newer image
    pub(crate) new: PathBuf,

    /// Compare only these paths; `!GLOB` leaves paths out. Repeatable. A glob without a slash matches file names; a glob that
    /// matches a directory covers everything in it
    #[arg(long = "path", value_name = "GLOB")]
    pub(crate) paths: Vec<String>,

    /// Leave out these paths. Repeatable
    #[arg(long = "exclude", value_name = "GLOB")]
    pub(crate) excludes: Vec<String>,

    /// Compare only these kinds of difference. Repeatable
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',', value_parser = PossibleValuesParser::new(casehard::KINDS))]
    pub(crate) kinds: Vec<String>,

    /// Compare modification times and the order of entries, too
    #[arg(long)]
    pub(crate) strict: bool,

    #[command(flatten)]
    pub(crate) reading: Reading,

    #[command(flatten)]
    pub(crate) reports: Reports,
}

/// The commands of `casehard recipe`.
#[derive(Debug, Subcommand)]
pub(crate) enum RecipeCommand {
    /// List the shipped recipes
    List,
    /// Print a shipped recipe, as a start for your own, or a file's recipe merged with what it extends
    #[command(after_help = "\
Examples:
  casehard recipe show no-setid
  casehard recipe show ours.ini --set User=core
  casehard recipe show container --merged")]
    Show {
        /// A name that `casehard recipe list` prints, or the file of a recipe
        #[arg(value_name = "RECIPE")]
        name: PathBuf,

        /// Merge a shipped recipe too. A comment before each line says where it comes from
        #[arg(long)]
        merged: bool,

        /// Set a parameter of the recipe. Repeatable
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = set)]
        sets: Vec<(String, String)>,
    },
    /// Check recipes, each by itself, and show every mistake
    #[command(after_help = "\
Examples:
  casehard recipe check recipes/*.ini
  casehard recipe check ours.ini --set User=core --as-of 2026-12-31")]
    Check {
        /// The files of the recipes, or names of shipped ones
        #[arg(required = true, value_name = "RECIPE")]
        files: Vec<PathBuf>,

        /// Set a parameter of the recipes. Repeatable
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = set)]
        sets: Vec<(String, String)>,

        /// Warn of waivers that have expired on this day
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
        as_of: Option<Date>,
    },
    /// Explain a rule and its keys
    #[command(after_help = "Example: casehard recipe help Mask")]
    Help {
        /// The rule; without it, casehard lists all rules
        rule: Option<String>,
    },
}

fn compressions() -> impl TypedValueParser<Value = Compression> {
    PossibleValuesParser::new(Compression::ALL.map(Compression::name)).try_map(|name| {
        let named = |one: &Compression| one.name() == name;
        Compression::ALL.into_iter().find(named).ok_or("unknown")
    })
}

/// Lists the table of formats for clap.
fn formats() -> impl TypedValueParser<Value = Format> {
    let values = Format::ALL.map(|format| PossibleValue::new(format.name()).help(format.about()));
    PossibleValuesParser::new(values).try_map(|name| {
        let mut formats = Format::ALL.into_iter();
        formats.find(|f| f.name() == name).ok_or("unknown")
    })
}

fn limits() -> String {
    let all = Limits::default().all();
    let lines = all.map(|(name, value, what)| format!("\n  {name}: {what} [default: {value}]"));
    format!(
        "Change a limit on what an image may use. Repeatable. VALUE may end in K, M or G:\n{}",
        lines.concat()
    )
}

fn set(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE"),
    }
}

fn day(text: &str) -> Result<Date, &'static str> {
    const WRONG: &str = "write the day as 2026-12-31";
    // jiff accepts a time after the day, too.
    Some(text)
        .filter(|text| text.len() == "2026-12-31".len())
        .and_then(|text| text.parse().ok())
        .ok_or(WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn clap_finds_nothing_wrong_with_the_arguments() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn days_are_whole_dates() {
        assert_eq!(day("2026-02-03"), Ok(jiff::civil::date(2026, 2, 3)));
        for wrong in ["2026-02-30", "2026-2-3", "20260203", "2026-02-03T00:00"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_set_value_may_be_empty_or_have_an_equals_sign() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(set("User=core"), pair("User", "core"));
        assert_eq!(set("A=b=c"), pair("A", "b=c"));
        assert_eq!(set("A="), pair("A", ""));
        assert!(set("User").is_err() && set("=core").is_err());
    }
}
