//! System calls that fail, or during which a signal comes, one after another: strace sees to that.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::site::{CASEHARD, Ended, IMAGES, Site, apply, whole_or_absent};
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
fn calls(site: &Site, names: &str, about: Option<&Path>, image: &str) -> Vec<Call> {
    let mut command = traced(site, "log", about);
    command.args(["-e", &format!("trace={names}"), "-e", "signal=none"]);
    run(command, image);
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
fn with(site: &Site, names: &str, fault: &str, about: Option<&Path>, image: &str) -> Ended {
    let mut command = traced(site, "/dev/null", about);
    command.args(["-e", &format!("inject={names}:{fault}")]);
    run(command, image)
}

fn traced(site: &Site, log: &str, about: Option<&Path>) -> Command {
    let mut command = site.command(STRACE.find().unwrap());
    command.args(["-f", "-qq", "-o", log]);
    if let Some(path) = about {
        command.arg("-P").arg(path);
    }
    command
}

fn run(mut command: Command, image: &str) -> Ended {
    command.arg(CASEHARD).args(apply(image).split(' '));
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
        let calls = calls(&site, "read,pread64,copy_file_range", Some(&path), image);
        assert!(calls.len() > 3, "{image}: {}", calls.len());
        for Call { name, nth } in some(calls, 8, 4) {
            // From there on nothing can be read.
            let fault = format!("error=EIO:when={nth}+");
            let ended = with(&site, &name, &fault, Some(&path), image);
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
        let calls = calls(&site, "write,copy_file_range,fsync,renameat", None, image);
        // The folder's own fsync, and the summary.
        let (mut failed, mut harmless) = (0, 0);
        for Call { name, nth } in some(calls, 5, 12) {
            site.put_earlier(image);
            let ended = with(
                &site,
                &name,
                &format!("error=ENOSPC:when={nth}"),
                None,
                image,
            );
            let files = site.outputs();
            whole_or_absent(&files, &whole);
            if ended.code() == Some(0) {
                assert_eq!((&*name, &files), ("fsync", &whole));
                harmless += 1;
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
        let ended = with(site, "clone,clone3", "error=EAGAIN", None, image);
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
        let calls = calls(&site, "%file,%desc", None, image);
        let (mut stopped, mut done) = (0, 0);
        for (Call { name, nth }, at) in some(calls, 20, 40).zip(0..) {
            let (signal, number) = [("TERM", 15), ("KILL", 9), ("INT", 2)][at % 3];
            site.put_earlier(image);
            let fault = format!("signal={signal}:when={nth}");
            let ended = with(&site, &name, &fault, None, image);
            let mut files = site.outputs();
            if signal == "KILL" {
                files.retain(|file, _| !file.starts_with(".casehard-"));
            }
            whole_or_absent(&files, &whole);
            if ended.code() == Some(0) {
                assert_eq!(files, whole);
                done += 1;
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
