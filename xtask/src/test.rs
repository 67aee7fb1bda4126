//! `cargo xtask test`

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::process::Stdio;

/// Run all tests, and count the passed, failed and skipped ones
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Fail a test whose program is missing, instead of skipping it
    #[arg(long)]
    require_tools: bool,

    /// Arguments for `cargo test`; put options for the tests after another `--`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs `cargo test`, passes its output on, and sums up.
pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let mut cargo = crate::cargo();
    cargo.args(["test", "--no-fail-fast"]);
    if !chooses_packages(&arguments.arguments) {
        cargo.arg("--workspace");
    }
    cargo.args(&arguments.arguments).stdout(Stdio::piped());
    if arguments.require_tools {
        cargo.env("CASEHARD_REQUIRE_TOOLS", "1");
    }
    let failure = |error: io::Error| format!("cannot run cargo test: {error}");
    let mut child = cargo.spawn().map_err(failure)?;
    let mut summary = Summary::default();
    if let Some(mut output) = child.stdout.take() {
        let mut line = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            let length = output.read(&mut buffer).map_err(failure)?;
            if length == 0 {
                break;
            }
            show(&buffer[..length]).map_err(failure)?;
            for part in buffer[..length].split_inclusive(|&byte| byte == b'\n') {
                line.extend(part);
                if part.ends_with(b"\n") {
                    summary.line(String::from_utf8_lossy(&line).trim_end());
                    line.clear();
                }
            }
        }
        summary.line(&String::from_utf8_lossy(&line));
    }
    let status = child.wait().map_err(failure)?;
    let well = status.success() && summary.failed == 0;
    if !status.success() && summary.failed == 0 {
        eprintln!("cargo test did not run to its end ({status})");
    }
    println!("{}", summary.closing());
    Ok(well)
}

fn show(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Returns true if the arguments for cargo name packages.
fn chooses_packages(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .take_while(|&argument| argument != "--")
        .filter_map(|argument| argument.to_str())
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
}

/// The results of the test programs.
#[derive(Default)]
struct Summary {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// The skipped tests, each with its reason.
    names: Vec<String>,
}

impl Summary {
    /// Reads a line of a test program.
    fn line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, " passed");
            self.failed += count(counts, " failed");
            self.skipped += count(counts, " ignored");
        } else if let Some((name, outcome)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
            && let Some(reason) = outcome.strip_prefix("ignored")
        {
            let name = name.trim();
            // `, REASON` from the built-in harness, ` (REASON)` from libtest-mimic.
            let reason = reason.strip_prefix(", ").or_else(|| {
                let reason = reason.strip_prefix(" (")?;
                reason.strip_suffix(')')
            });
            self.names.push(match reason {
                Some(reason) => format!("{name}: {reason}"),
                None => name.to_owned(),
            });
        }
    }

    /// Lists the skipped tests, then the sums in one line.
    fn closing(&self) -> String {
        let mut text = String::new();
        if !self.names.is_empty() {
            text += "skipped:\n";
            for name in &self.names {
                text += &format!("  {name}\n");
            }
            text += "\n";
        }
        text + &format!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Returns the number before a word, as in `ok. 3 passed; 0 failed`.
fn count(counts: &str, word: &str) -> u64 {
    counts
        .split_once(word)
        .and_then(|(before, _)| before.rsplit(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_harnesses_and_lists_what_was_skipped() {
        let mut summary = Summary::default();
        for line in "\
running 3 tests
test plain ... ok
test slow ... ignored
test with_reason ... ignored, takes an hour
test broken ... FAILED
test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 1 test
test bootstraps   ... ignored (needs mmdebstrap (Debian package mmdebstrap))

test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 1.00s"
            .lines()
        {
            summary.line(line);
        }
        assert_eq!(
            summary.closing(),
            "\
skipped:
  slow
  with_reason: takes an hour
  bootstraps: needs mmdebstrap (Debian package mmdebstrap)

41 passed, 1 failed, 3 skipped"
        );
    }

    #[test]
    fn a_run_without_skips_closes_with_one_line() {
        assert_eq!(
            Summary::default().closing(),
            "0 passed, 0 failed, 0 skipped"
        );
    }

    #[test]
    fn packages_are_chosen_before_the_dashes_only() {
        let os = |words: &[&str]| -> Vec<OsString> { words.iter().map(OsString::from).collect() };
        assert!(chooses_packages(&os(&["-p", "casehard"])));
        assert!(chooses_packages(&os(&["--package=casehard"])));
        assert!(!chooses_packages(&os(&["name", "--", "-p"])));
    }
}
