//! System calls that fail, or during which a signal comes, one after another: strace sees to that.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::site::{CASEHARD, Ended, IMAGES, Site, apply, compare, whole_or_absent};
use super::support::tools::STRACE;

/// Whether the tests may do this to their children.
pub(crate) fn can_trace() -> bool {
    let mut command = STRACE.command();
    let output = command.args(["-o", "/dev/null", "true"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// A call of the main thread: its name, and how many of that name have come by then.
struct Call {
    name: String,
    nth: usize,
}

/// The calls that hardening an image makes, in order: those of some names, about one file or any.
fn calls(site: &Site, names: &str, about: Option<&Path>, line: &str) -> Vec<Call> {
    let mut command = traced(site, "log", about);
    command.args(["-e", &format!("trace={names}"), "-e", "signal=none"]);
    run(command, line);
    site.clear();
    let log = fs::read_to_string(site.path("log")).unwrap();
    let main = log.split(' ').next().unwrap();
    let mut seen = BTreeMap::new();
    let call = |line: &str| {
        let (thread, call) = line.split_once(' ')?;
        let (name, _) = call.trim_start().split_once('(')?;
        if thread != main || name.starts_with('<') {
            return None;
        }
        let nth = seen.entry(name.to_owned()).or_insert(0);
        *nth += 1;
        let name = name.to_owned();
        Some(Call { name, nth: *nth })
    };
    log.lines().filter_map(call).collect()
}

/// Hardens an image with a fault in some calls, as strace says it.
fn with(site: &Site, names: &str, fault: &str, about: Option<&Path>, line: &str) -> Ended {
    let mut command = traced(site, "log", about);
    command.args(["-e", &format!("inject={names}:{fault}")]);
    run(command, line)
}

fn traced(site: &Site, log: &str, about: Option<&Path>) -> Command {
    let mut command = site.command(STRACE.find().unwrap());
    command.args(["-f", "-qq", "-o", log]);
    if let Some(path) = about {
        command.arg("-P").arg(path);
    }
    command
}

fn run(mut command: Command, line: &str) -> Ended {
    command.arg(CASEHARD).args(line.split(' '));
    Ended::of(&command.output().unwrap())
}

/// Some of them, and all of the last, where the outputs get their names.
fn some(calls: Vec<Call>, spread: usize, last: usize) -> impl Iterator<Item = Call> {
    let before = calls.len().saturating_sub(last);
    let step = before.div_ceil(spread).max(1);
    let chosen = move |(at, call)| (at >= before || at % step == 0).then_some(call);
    calls.into_iter().enumerate().filter_map(chosen)
}

pub(crate) fn reading() {
    let site = Site::new(&IMAGES, 2, "300K");
    for image in IMAGES {
        let whole = site.undisturbed(image);
        let path = site.path(image);
        let calls = calls(
            &site,
            "read,pread64,copy_file_range",
            Some(&path),
            &apply(image),
        );
        assert!(calls.len() > 3, "{image}: {}", calls.len());
        for Call { name, nth } in some(calls, 8, 4) {
            // From there on nothing can be read.
            let fault = format!("error=EIO:when={nth}+");
            let ended = with(&site, &name, &fault, Some(&path), &apply(image));
            let files = site.outputs();
            whole_or_absent(&files, &whole);
            // Which thread reads what of a gzip file is another each time.
            if image == "image.tar.gz" && ended.code() == Some(0) {
                assert_eq!(files, whole);
            } else {
                ended.says(5, &["cannot ", "Input/output error"]);
                assert!(!files.contains_key(image), "{image}: {name} {nth}");
            }
            site.clear();
        }
    }
}

pub(crate) fn writing() {
    let site = Site::new(&IMAGES[..3], 2, "300K");
    for image in &IMAGES[..3] {
        let whole = site.undisturbed(image);
        let calls = calls(
            &site,
            "write,copy_file_range,fsync,renameat",
            None,
            &apply(image),
        );
        // The folder's own fsync, and the summary.
        let (mut failed, mut harmless) = (0, 0);
        for Call { name, nth } in some(calls, 5, 12) {
            site.put_earlier(image);
            let ended = with(
                &site,
                &name,
                &format!("error=ENOSPC:when={nth}"),
                None,
                &apply(image),
            );
            let files = site.outputs();
            whole_or_absent(&files, &whole);
            if ended.code() == Some(0) {
                assert_eq!((&*name, &files), ("fsync", &whole));
                harmless += 1;
            } else if ended.stderr.is_empty() {
                // Calls are counted for each thread, so the fault met the message as well as what it was to tell.
                let log = fs::read_to_string(site.path("log")).unwrap();
                let mut faults = log.lines().filter(|line| line.ends_with("(INJECTED)"));
                assert!(faults.any(|line| line.contains(" write(2, ")), "{ended:?}");
                assert_eq!(ended.code(), Some(5));
            } else {
                ended.says(5, &["cannot ", "No space left on device"]);
                failed += 1;
            }
            site.clear();
        }
        assert!(failed > 6 && harmless < 2, "{image}: {failed}, {harmless}");
    }
}

pub(crate) fn threads() {
    let site = Site::new(&IMAGES, 2, "300K");
    let large = Site::new(&["image.tar.zst"], 12, "300K");
    // The encoder of xz cannot do without, nor that of zstd where it has more than one job's worth to compress.
    let all = IMAGES.map(|image| (&site, image, image == "image.tar.xz"));
    for (site, image, fails) in all.into_iter().chain([(&large, "image.tar.zst", true)]) {
        let whole = site.undisturbed(image);
        let ended = with(site, "clone,clone3", "error=EAGAIN", None, &apply(image));
        if fails {
            ended.says(5, &["cannot write"]);
            assert!(!site.outputs().contains_key(image));
        } else {
            assert_eq!(ended.code(), Some(0), "{ended:?}");
            assert_eq!(site.outputs(), whole);
        }
        site.clear();
    }
}

pub(crate) fn signals() {
    // Large enough that gzip is read by a few dozen calls.
    let site = Site::new(&IMAGES[..2], 3, "1M");
    for image in &IMAGES[..2] {
        let whole = site.undisturbed(image);
        let calls = calls(&site, "%file,%desc", None, &apply(image));
        let (mut stopped, mut done) = (0, 0);
        for (Call { name, nth }, at) in some(calls, 20, 40).zip(0..) {
            let (signal, number) = [("TERM", 15), ("KILL", 9), ("INT", 2)][at % 3];
            site.put_earlier(image);
            let fault = format!("signal={signal}:when={nth}");
            let ended = with(&site, &name, &fault, None, &apply(image));
            let mut files = site.outputs();
            if signal == "KILL" {
                files.retain(|file, _| !file.starts_with(".casehard-"));
            }
            whole_or_absent(&files, &whole);
            if ended.code() == Some(0) {
                assert_eq!(files, whole);
                done += 1;
            } else if ended.code() == Some(128 + number) && ended.stderr.is_empty() {
                // At once, while a report on stdout may have had to wait for its reader.
                assert_ne!(files.get(*image), whole.get(*image));
            } else if ended.code() == Some(128 + number) {
                ended.says(128 + number, &["casehard: error: interrupted"]);
                stopped += 1;
            } else {
                // Before casehard listens, or the one that it cannot hear.
                assert_eq!(ended.signal(), Some(number), "{ended:?}");
            }
            site.clear();
        }
        eprintln!("{image}: {stopped} stopped, {done} done");
        assert!(
            stopped > 5 && done > 0,
            "{image}: {stopped} stopped, {done} done"
        );
    }
}

pub(crate) fn comparing() {
    let site = Site::new(&["image.tar.gz"], 2, "300K");
    let line = compare("image.tar.gz");
    let whole = site.harden("image.tar.gz");
    let (mut failed, mut stopped, mut done) = (0, 0, 0);
    let written = calls(&site, "write,fsync,renameat", None, &line);
    for Call { name, nth } in some(written, 5, 20) {
        let fault = format!("error=ENOSPC:when={nth}");
        let ended = with(&site, &name, &fault, None, &line);
        whole_or_absent(&site.outputs(), &whole);
        // The summary on stdout comes last.
        ended.says(5, &["cannot write", "No space left on device"]);
        failed += 1;
        site.clear();
    }
    for (Call { name, nth }, at) in some(calls(&site, "%file,%desc", None, &line), 10, 30).zip(0..)
    {
        let (signal, number) = [("TERM", 15), ("INT", 2)][at % 2];
        let fault = format!("signal={signal}:when={nth}");
        let ended = with(&site, &name, &fault, None, &line);
        let files = site.outputs();
        whole_or_absent(&files, &whole);
        match ended.code() {
            Some(1) => {
                assert_eq!(files, whole);
                done += 1;
            }
            Some(code) => {
                assert_eq!(code, 128 + number);
                stopped += 1;
            }
            // Before casehard listens.
            None => assert_eq!(ended.signal(), Some(number), "{ended:?}"),
        }
        site.clear();
    }
    eprintln!("comparing: {failed} failed, {stopped} stopped, {done} done");
    assert!(
        failed > 10 && stopped > 1 && done > 3,
        "{failed}, {stopped}, {done}"
    );
}
