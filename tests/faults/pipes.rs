//! Pipes whose other end goes away.

use std::fs::{self, File};
use std::io::{Read as _, Write};
use std::process::Stdio;
use std::thread;

use super::site::{Ended, IMAGES, Site, apply, pipe};

pub(crate) fn ending_early() {
    let site = Site::new(&IMAGES, 1, "300K");
    for image in IMAGES {
        let bytes = fs::read(site.path(image)).unwrap();
        for part in [bytes.len() / 3, bytes.len() * 9 / 10] {
            let line = apply("-").replace("out/-", "out/image.tar");
            let mut child = site.casehard(&line).stdin(Stdio::piped()).spawn().unwrap();
            feed(child.stdin.take().unwrap(), &bytes[..part]);
            let ended = Ended::of(&child.wait_with_output().unwrap());
            ended.says(3, &["-: "]);
            assert!(site.outputs().is_empty(), "{image} cut at {part}");

            let path = pipe(&site, "pipe");
            let line = apply("pipe").replace("out/pipe", "out/image.tar");
            let child = site.casehard(&line).spawn().unwrap();
            feed(
                File::options().write(true).open(&path).unwrap(),
                &bytes[..part],
            );
            Ended::of(&child.wait_with_output().unwrap()).says(3, &["pipe: "]);
            assert!(site.outputs().is_empty(), "{image} cut at {part}");
            fs::remove_file(path).unwrap();
            site.clear();
        }
    }
}

pub(crate) fn reader_gone() {
    let site = Site::new(&IMAGES[..3], 2, "300K");
    for image in &IMAGES[..3] {
        let line = apply(image).replace(&format!("out/{image}"), "-");
        assert_eq!(site.run(&line).code(), Some(0), "{image}");
        let reports = site.outputs();
        site.clear();
        // More than a pipe holds is left unread, or nothing but the end.
        for part in [0, 1, 100_000] {
            let mut child = site.casehard(&line).spawn().unwrap();
            let mut out = child.stdout.take().unwrap();
            out.read_exact(&mut vec![0; part]).unwrap();
            drop(out);
            let ended = Ended::of(&child.wait_with_output().unwrap());
            assert_eq!(
                (ended.code(), &*ended.stderr),
                (Some(5), ""),
                "{image}, {part}"
            );
            assert!(site.outputs() == reports, "{image}, {part}");
            site.clear();
        }
        let path = pipe(&site, "pipe");
        let line = apply(image).replace(&format!("out/{image}"), "pipe");
        let child = site.casehard(&line).spawn().unwrap();
        let reader = thread::spawn({
            let path = path.clone();
            move || File::open(path).unwrap().read_exact(&mut [0; 10])
        });
        let ended = Ended::of(&child.wait_with_output().unwrap());
        reader.join().unwrap().unwrap();
        ended.says(5, &["cannot write pipe: Broken pipe"]);
        fs::remove_file(path).unwrap();
        site.clear();
    }
}

/// Writes as much as the reader takes.
fn feed(mut to: impl Write, bytes: &[u8]) {
    let _ = to.write_all(bytes);
}
