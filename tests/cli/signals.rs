//! Ends that come from outside: signals, and readers that go away.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Bench, Run};

/// More than a pipe holds: once it is written, the command reads.
const CHUNK: usize = 256 << 10;

fn kill(child: &Child, signal: &str) {
    let line = format!("kill -{signal} {}", child.id());
    let killed = Command::new("sh").args(["-c", &line]).status();
    assert!(killed.is_ok_and(|status| status.success()));
}

#[test]
fn a_signal_while_stdin_is_read_leaves_nothing() {
    let bench = Bench::new();
    let before = bench.names();
    let large = casehard_testimages::build(&format!("file big fill={}\n", 2 * CHUNK)).unwrap();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut command =
            bench.command("apply - -r ours.ini -o out.tar --diff out.diff".split(' '));
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&large[..CHUNK]).unwrap();
        kill(&child, signal);
        // Stdin stays open: the command must not wait for more of it.
        let run = Run::of(child.wait_with_output());
        run.says(code, &["casehard: error: interrupted\n"]);
        assert_eq!(bench.names(), before);
        drop(stdin);
    }
}

#[test]
fn a_signal_while_nobody_reads_ends_the_wait() {
    let bench = Bench::new();
    let big = format!("file big fill={CHUNK}\n");
    bench.put("image.tar", casehard_testimages::build(&big).unwrap());
    bench.put("none.ini", "[Recipe]\nSchema=1\n");
    let mut command = bench.command("apply image.tar -r none.ini -o -".split(' '));
    let mut child = command.spawn().unwrap();
    // It writes, and then has to wait, as nobody reads on.
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    kill(&child, "TERM");
    assert_eq!(ends(&mut child), Some(143));
}

#[test]
fn a_signal_while_a_named_pipe_has_no_reader_ends_the_wait() {
    let bench = Bench::new();
    let made = Command::new("mkfifo").arg(bench.path("pipe.json")).status();
    assert!(made.unwrap().success());
    for line in [
        "apply image.tar -r ours.ini -o pipe.json --report first.json",
        "apply image.tar -r ours.ini -o out.tar --report first.json --report pipe.json",
        "apply image.tar -r ours.ini -o out.tar --report first.json --lock pipe.json",
        "diff image.tar image.tar --report first.json --report pipe.json",
    ] {
        let mut child = bench.command(line.split(' ')).spawn().unwrap();
        // What is written before shows that it waits, or is just about to.
        while !bench.path("first.json").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(child.try_wait().unwrap(), None, "{line}");
        kill(&child, "INT");
        assert_eq!(ends(&mut child), Some(130), "{line}");
        std::fs::remove_file(bench.path("first.json")).unwrap();
        let left = bench.names();
        assert!(
            !left.iter().any(|name| name.contains("out.tar")),
            "{left:?}"
        );
        assert!(
            !left.iter().any(|name| name.contains(".casehard-")),
            "{left:?}"
        );
    }
}

/// The exit code of a command that is about to end.
fn ends(child: &mut Child) -> Option<i32> {
    for _ in 0..600 {
        if let Some(status) = child.try_wait().expect("it is a child") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().expect("it still runs");
    panic!("it did not end");
}

#[test]
fn a_signal_while_a_named_pipe_is_waited_for_ends_the_wait() {
    let bench = Bench::new();
    let made = Command::new("mkfifo").arg(bench.path("pipe")).status();
    assert!(made.unwrap().success());
    let mut command = bench.command("apply pipe -r ours.ini -o out.tar".split(' '));
    let child = command.spawn().unwrap();
    // No sign tells that it waits; if it comes too early, the signal ends the command before it listens.
    std::thread::sleep(Duration::from_millis(500));
    kill(&child, "INT");
    Run::of(child.wait_with_output()).code(130);
}

#[test]
fn a_named_pipe_is_read_like_stdin() {
    let bench = Bench::new();
    let made = Command::new("mkfifo").arg(bench.path("pipe")).status();
    assert!(made.unwrap().success());
    let child = bench
        .command("check pipe -r ours.ini".split(' '))
        .spawn()
        .unwrap();
    std::fs::write(bench.path("pipe"), &bench.tar).unwrap();
    Run::of(child.wait_with_output()).code(1);
}

#[test]
fn a_reader_that_goes_away_gets_no_message() {
    let bench = Bench::new();
    let cases = [
        // What someone asked for in full was not delivered.
        ("apply image.tar -r ours.ini -o -", 5),
        ("check image.tar -r ours.ini --diff -", 5),
        // What is for people to look at may be looked at in part.
        ("check image.tar -r ours.ini", 1),
        ("apply image.tar -r ours.ini -o out.tar", 0),
        ("recipe help", 0),
        ("--help", 0),
    ];
    for (line, code) in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = bench.command(line.split(' '));
        let run = Run::of(command.stdout(writer).output());
        assert_eq!((run.code, run.stderr.as_str()), (code, ""), "{line}");
    }
}

#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    let bench = Bench::new();
    for line in ["apply image.tar -r ours.ini -o -", "recipe help"] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = bench.command(line.split(' '));
        let run = Run::of(command.stdout(full).output());
        run.says(5, &["cannot write the output"]);
    }
}
