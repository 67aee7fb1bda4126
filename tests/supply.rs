//! What the binary is made of, and the sandbox that docs/threat-model.md puts around it.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

mod support;

use support::tools::{self, BWRAP, GZIP, NM, RealTest};

fn main() -> ExitCode {
    tools::main(&[
        RealTest {
            name: "no_crate_that_speaks_to_networks_is_linked",
            needs: &[],
            run: no_network_crate,
        },
        RealTest {
            name: "the_library_alone_needs_no_crate_of_the_command_line",
            needs: &[],
            run: library_alone,
        },
        RealTest {
            name: "no_network_call_is_linked",
            needs: &[NM],
            run: no_network,
        },
        RealTest {
            name: "the_documented_sandbox_works",
            needs: &[BWRAP, GZIP],
            run: sandbox,
        },
    ])
}

const CASEHARD: &str = env!("CARGO_BIN_EXE_casehard");

/// What a program that speaks to others takes from the C library.
const CALLS: [&str; 12] = [
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "sendto",
    "sendmsg",
    "recvfrom",
    "recvmsg",
    "getaddrinfo",
];

/// Returns the crates that casehard is built of, each with its features; `edges` and `options` are for `cargo tree`.
fn crates(edges: &str, options: &[&str]) -> Vec<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", "casehard"])
        .args(["--edges", edges, "--prefix", "none", "--format", "{p} {f}"])
        .args(options)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).expect("names are text");
    let named = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        Some((name.to_owned(), rest.to_owned()))
    };
    text.lines().filter_map(named).collect()
}

/// What deny.toml bans is not there, whether or not cargo-deny is; nor the part of rustix that calls the kernel's network, which
/// the next test would not see.
fn no_network_crate() {
    let deny = include_str!("../deny.toml");
    let banned: Vec<&str> = deny
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next())
        .collect();
    let found = |edges| -> Vec<_> {
        let all = crates(edges, &[]).into_iter();
        all.filter(|(name, features)| {
            let net = name == "rustix" && features.split([' ', ',']).any(|f| f == "net");
            net || banned.contains(&name.as_str())
        })
        .collect()
    };
    assert!(
        found("normal,build,dev")
            .iter()
            .any(|(name, _)| name == "tokio"),
        "the tests use it, so it is found"
    );
    assert_eq!(found("normal,build"), []);
}

/// Who depends on the library builds nothing of the feature `cli`.
fn library_alone() {
    let command_line = [
        "annotate-snippets",
        "clap",
        "console",
        "indicatif",
        "signal-hook",
    ];
    let found = |options: &[&str]| -> Vec<String> {
        let all = crates("normal,build", options)
            .into_iter()
            .map(|(name, _)| name);
        let mut found: Vec<_> = all.filter(|name| command_line.contains(&&**name)).collect();
        found.sort();
        found.dedup();
        found
    };
    assert_eq!(found(&[]), command_line, "the feature is on by default");
    assert!(found(&["--no-default-features"]).is_empty());
}

fn no_network() {
    let symbols = NM.output(["-D", "--undefined-only", CASEHARD]);
    let symbols = String::from_utf8_lossy(&symbols).into_owned();
    let names: Vec<&str> = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().last()?.split('@').next())
        .collect();
    assert!(
        names.contains(&"write") || names.contains(&"writev"),
        "nm lists what is taken from the C library"
    );
    let found: Vec<_> = names.iter().filter(|name| CALLS.contains(name)).collect();
    assert!(found.is_empty(), "{found:?}");
}

fn sandbox() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let image = casehard_testimages::bundled()
        .iter()
        .find(|image| image.name == "container-linux");
    let tar = casehard_testimages::build(image.expect("it is bundled").description)
        .expect("bundled images build");
    let plain = folder.path().join("rootfs.tar");
    fs::write(&plain, tar).expect("the folder is writable");
    GZIP.output([&plain]);
    let doc =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/threat-model.md"))
            .expect("it is there");
    let line = doc
        .split("```sh\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let path = format!(
        "{}:{}",
        Path::new(CASEHARD)
            .parent()
            .expect("it is in a folder")
            .display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let run = |script: &str| {
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(&folder)
            .env("PATH", &path)
            .output();
        let output = output.expect("the shell runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    run(line.expect("the page has a line to run"));
    run("casehard apply rootfs.tar.gz -o outside.tar.gz --quiet");
    let [inside, outside] = ["out/hardened.tar.gz", "outside.tar.gz"]
        .map(|name| fs::read(folder.path().join(name)).expect("it was written"));
    assert!(inside == outside, "the sandbox gives other bytes");
    let diff = fs::read_to_string(folder.path().join("out/hardened.diff")).expect("it was written");
    assert!(diff.contains("StripSetid"), "{diff}");
}
