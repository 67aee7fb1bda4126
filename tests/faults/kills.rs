//! A hundred kills at random times.

use std::thread;
use std::time::Instant;

use super::site::{Ended, Site, apply, kill, whole_or_absent};
use super::support::rootfs::Dice;

const KILLS: usize = 100;

/// How the kills found the command.
#[derive(Debug, Default)]
struct Tally {
    /// Nothing had its name yet.
    before_reports: usize,
    /// The reports were there.
    before_image: usize,
    /// All was written.
    after: usize,
    /// Parts that only a KILL may leave, and only between a file's first name and its own.
    left: usize,
}

pub(crate) fn hundred() {
    let images = ["image.tar", "image.tar.gz"];
    let site = Site::new(&images, 48, "16K");
    let mut dice = Dice::new(6);
    let mut tally = Tally::default();
    for image in images {
        let whole = site.undisturbed(image);
        // The quickest of a few, so that most kills come in time.
        let run = |_| {
            let started = Instant::now();
            site.undisturbed(image);
            started.elapsed()
        };
        let lasts = (0..3).map(run).min().unwrap();
        for round in 0..KILLS / images.len() {
            let (name, number) = [("INT", 2), ("TERM", 15), ("KILL", 9)][round % 3];
            if round % 2 == 0 {
                site.put_earlier(image);
            }
            let child = site.casehard(&apply(image)).spawn().unwrap();
            thread::sleep(lasts.mul_f64(dice.roll(1000) as f64 / 900.0));
            kill(child.id(), name);
            let ended = Ended::of(&child.wait_with_output().unwrap());

            let mut files = site.outputs();
            let named = files.len();
            if name == "KILL" {
                files.retain(|file, _| !file.starts_with(".casehard-"));
            }
            tally.left += named - files.len();
            whole_or_absent(&files, &whole);
            let written = files.get(image) == whole.get(image);
            match ended.code() {
                Some(0) => assert_eq!(files, whole),
                Some(code) => {
                    assert!(!written);
                    ended.says(128 + number, &["casehard: error: interrupted"]);
                    assert_eq!(code, 128 + number);
                }
                // Too early to be heard, or not to be heard at all.
                None => assert_eq!(ended.signal(), Some(number)),
            }
            match (written, files.contains_key("x.json")) {
                (true, _) => tally.after += 1,
                (false, true) => tally.before_image += 1,
                (false, false) => tally.before_reports += 1,
            }
            site.clear();
        }
    }
    eprintln!("{KILLS} kills: {tally:?}");
    assert!(
        tally.before_reports >= 15 && tally.before_image >= 5,
        "{tally:?}"
    );
    // Where no file can be without a name, each KILL may find several.
    if site.has_unnamed_files() {
        assert!(tally.left <= 2, "{tally:?}");
    }
}
