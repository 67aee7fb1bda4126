//! What can be said on the command line, and the help for it.

use std::path::PathBuf;

use casehard::Compression;
use casehard::image::Limits;
use casehard::report::{FORMATS, Format};
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
  0  done, or the image complies         3  the image is damaged or unsafe
  1  there is something to change, or    4  a rule failed, or a privilege is
     a difference                           not in the lock
  2  wrong usage or recipe               5  reading or writing failed
  130, 143  ended by a signal";

const APPLY_EXAMPLES: &str = "\
Examples:
  casehard apply rootfs.tar.gz -o hardened.tar.gz --diff hardened.diff
  casehard apply rootfs.tar.zst -r ours.ini --set User=core -o hardened.tar.gz --compress gzip
  casehard apply ./rootfs --root-owned -r ours.ini -o rootfs.tar.xz --report rootfs.json --report rootfs.html
  casehard apply rootfs.tar.gz --dry-run --format txt
  curl -s https://example.org/rootfs.tar.gz | casehard apply - -r ours.ini -o - | docker import -

OUT is there whole or not at all. If a rule fails, or the image would give a privilege that the lock of --locked does not
have, it is not written, but diff and reports are, and the exit code is 4.";

const CHECK_EXAMPLES: &str = "\
Examples:
  casehard check rootfs.tar.gz
  casehard check rootfs.tar.gz -r ours.ini --diff - --quiet
  casehard check rootfs.tar.gz -r ours.ini --report findings.sarif --report review.md

Exit codes: 0 the image complies, 1 `apply` would change something, 4 a rule failed or a privilege is not in\nthe lock of --locked.";

const DIFF_EXAMPLES: &str = "\
Examples:
  casehard diff rootfs.tar.gz hardened.tar.gz
  casehard diff base-12.4.tar.zst ./rootfs --path /etc --exclude '*.pyc'
  casehard diff old.tar new.tar --kind set-id,capability,listener,member
  casehard diff old.tar new.tar --format diff > review.diff
  casehard diff old.tar new.tar --report review.html --report review.md --report gained.sarif

Order of entries, header formats, compression and times do not count.
Exit codes: 0 the images are the same, 1 they differ, 3 one of them is damaged or unsafe.";

/// Hardens an operating system image at build time, offline, and shows a reviewer exactly what it did
#[derive(Debug, Parser)]
#[command(name = "casehard", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Colour in messages; NO_COLOR turns it off too
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub(crate) color: When,

    /// A progress bar on stderr, if that is a terminal and the work takes long
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub(crate) progress: When,

    /// No summary, only errors
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// Whether to use what suits a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum When {
    // No comments that clap would show: the words say it.
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
    /// Say what `apply` would change
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Planning),
    /// Say what differs between two images
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(Diff),
    /// Read recipes and the language they are written in
    #[command(subcommand, disable_help_subcommand = true)]
    Recipe(RecipeCommand),
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Everything up to the plan.
    #[command(flatten)]
    pub(crate) planning: Planning,

    /// Where to write the hardened image; `-` is stdout
    #[arg(
        short,
        long = "output",
        value_name = "OUT",
        required_unless_present = "dry_run"
    )]
    pub(crate) out: Option<PathBuf>,

    /// Write the reports and no image
    #[arg(long, conflicts_with_all = ["out", "compress"])]
    pub(crate) dry_run: bool,

    /// How to compress OUT [default: as IMAGE is; for a directory, as OUT's name says]
    #[arg(long, value_name = "HOW", value_parser = compressions())]
    pub(crate) compress: Option<Compression>,
}

/// What `apply` and `check` share.
#[derive(Debug, Args)]
pub(crate) struct Planning {
    /// A tarball of any compression, or a directory; `-` is stdin
    pub(crate) image: PathBuf,

    /// A recipe's file, or the name of a shipped one; may repeat [default: the shipped one that is meant for IMAGE]
    #[arg(short, long = "recipe", value_name = "RECIPE")]
    pub(crate) recipes: Vec<PathBuf>,

    /// Give a parameter of the recipe a value; may repeat
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = set)]
    pub(crate) sets: Vec<(String, String)>,

    /// The day by which waivers are judged [default: SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(crate) as_of: Option<Date>,

    /// The time of new and changed entries, in seconds since 1970 [default: SOURCE_DATE_EPOCH, or the archive's own times]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) mtime: Option<u64>,

    /// Take every file of a directory as owned by root
    #[arg(long)]
    pub(crate) root_owned: bool,

    /// Raise or lower a limit on what the image may ask for; may repeat
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = set, long_help = limits())]
    pub(crate) limits: Vec<(String, String)>,

    /// What to write of it.
    #[command(flatten)]
    pub(crate) reports: Reports,

    /// Fail if the hardened image gives a privilege that this lock does not have
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Lock",
        conflicts_with = "lock"
    )]
    pub(crate) locked: Option<PathBuf>,
}

/// Which reports are written, and where.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reports")]
pub(crate) struct Reports {
    /// Write the changes as a diff, with the reasons; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) diff: Option<PathBuf>,

    /// Write a report in the format that the ending of its name says; may repeat; `-` is JSON on stdout
    #[arg(long = "report", value_name = "FILE")]
    pub(crate) reports: Vec<PathBuf>,

    /// Write what the hardened image gives its users, to compare with by --locked: set-id files, capabilities, enabled units,
    /// listeners, privileged members, sudo and doas rules
    #[arg(long, value_name = "FILE", help_heading = "Lock")]
    pub(crate) lock: Option<PathBuf>,

    /// Write a report in this format to stdout
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    pub(crate) format: Option<&'static dyn Format>,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// A tarball of any compression, or a directory; `-` is stdin
    pub(crate) old: PathBuf,

    /// What to compare it with
    pub(crate) new: PathBuf,

    /// Write it in this format to stdout [default: txt, unless there is a --report]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    pub(crate) format: Option<&'static dyn Format>,

    /// Write it to a file, in the format that the ending of its name says; may repeat; `-` is JSON on stdout
    #[arg(long = "report", value_name = "FILE")]
    pub(crate) reports: Vec<PathBuf>,

    /// Only these paths; `!GLOB` for none of these; may repeat. A glob without a slash matches last names, and what matches
    /// a directory matches what is in it
    #[arg(long = "path", value_name = "GLOB")]
    pub(crate) paths: Vec<String>,

    /// None of these paths; may repeat
    #[arg(long = "exclude", value_name = "GLOB")]
    pub(crate) excludes: Vec<String>,

    /// Only these kinds of difference; may repeat
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',', value_parser = PossibleValuesParser::new(casehard::KINDS))]
    pub(crate) kinds: Vec<String>,

    /// Modification times and the order of entries count too
    #[arg(long)]
    pub(crate) strict: bool,

    /// Take every file of a directory as owned by root
    #[arg(long)]
    pub(crate) root_owned: bool,

    /// Raise or lower a limit on what an image may ask for; may repeat
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = set, long_help = limits())]
    pub(crate) limits: Vec<(String, String)>,
}

/// `casehard recipe …`.
#[derive(Debug, Subcommand)]
pub(crate) enum RecipeCommand {
    /// List the shipped recipes
    List,
    /// Print a shipped recipe, to read or to start one's own from
    Show {
        /// Its name, as `recipe list` has it
        name: String,
    },
    /// Show all mistakes of recipes
    #[command(after_help = "Example: casehard recipe check recipes/*.ini")]
    Check {
        /// The recipes' files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Say what a rule does and which keys it has
    #[command(after_help = "Example: casehard recipe help Mask")]
    Help {
        /// The rule; without it, all rules are listed
        rule: Option<String>,
    },
}

fn compressions() -> impl TypedValueParser<Value = Compression> {
    PossibleValuesParser::new(Compression::ALL.map(Compression::name)).try_map(|name| {
        let named = |one: &Compression| one.name() == name;
        Compression::ALL.into_iter().find(named).ok_or("unknown")
    })
}

/// The table of formats as clap lists it.
fn formats() -> impl TypedValueParser<Value = &'static dyn Format> {
    let values = FORMATS.map(|format| PossibleValue::new(format.name()).help(format.about()));
    PossibleValuesParser::new(values).try_map(|name| {
        let mut formats = FORMATS.into_iter();
        formats.find(|f| f.name() == name).ok_or("unknown")
    })
}

fn limits() -> String {
    let all = Limits::default().all();
    let lines = all.map(|(name, value, what)| format!("\n  {name}: {what} [default: {value}]"));
    format!(
        "Raise or lower a limit on what the image may ask for; may repeat. VALUE may end in K, M or G:\n{}",
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
    const WRONG: &str = "write a day as 2026-12-31";
    // jiff would take a time behind the day, too.
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
