//! Disks that are full or read-only, made of memory in a mount namespace of the command's own.

use std::fs;

use super::site::{CASEHARD, EARLIER, Ended, IMAGES, Site, apply, compare, files, whole_or_absent};
use super::support::tools;

/// Mounts a file system of memory with these options on a folder, runs the command, and copies what is there to `found`.
const ON_TMPFS: &str = "\
    mount -t tmpfs -o \"size=$1\" none \"$2\" || exit 99
    [ -z \"$3\" ] || sh -c \"$3\" || exit 98
    folder=$2; shift 3
    \"$@\"; code=$?
    cp -a \"$folder\" found || exit 97
    exit $code";

/// Runs casehard where a folder has a size; `before` prepares it.
fn with_tmpfs(site: &Site, folder: &str, size: &str, before: &str, line: &str) -> Ended {
    let found = site.path("found");
    if found.exists() {
        fs::remove_dir_all(&found).unwrap();
    }
    let unshare = tools::unshare();
    let mut command = site.command(unshare.get_program());
    command
        .args(unshare.get_args())
        .args(["sh", "-c", ON_TMPFS, "sh", size, folder, before])
        .arg(CASEHARD)
        .args(line.split(' '));
    Ended::of(&command.output().unwrap())
}

pub(crate) fn full() {
    let site = Site::new(&IMAGES[..3], 2, "300K");
    for image in &IMAGES[..3] {
        let whole = site.undisturbed(image);
        let needed: usize = whole
            .values()
            .map(|bytes| bytes.len().div_ceil(4096) + 1)
            .sum();
        let mut fitted = 0;
        // In pages: from more than enough to too little for a report.
        for pages in [needed + 8, needed - 2, needed / 2, needed / 5, 5, 3, 2, 1] {
            let before = format!("printf earlier >out/{image}");
            let size = (pages * 4096).to_string();
            let ended = with_tmpfs(&site, "out", &size, &before, &apply(image));
            let files = files(&site.path("found"));
            whole_or_absent(&files, &whole);
            if ended.code() == Some(0) {
                assert_eq!(files, whole);
                fitted += 1;
            } else {
                ended.says(5, &["cannot ", "out", "No space left on device"]);
                assert_eq!(files[*image], EARLIER, "{image}, {pages} pages");
            }
        }
        assert!((1..=2).contains(&fitted), "{image}: {fitted}");
    }
}

pub(crate) fn full_for_comparisons() {
    let site = Site::new(&[], 2, "300K");
    let whole = site.harden("image.tar");
    let needed: usize = whole.values().map(|b| b.len().div_ceil(4096) + 1).sum();
    let mut fitted = 0;
    for pages in [needed + 8, needed - 2, needed / 2, 3, 1] {
        let size = (pages * 4096).to_string();
        let ended = with_tmpfs(&site, "out", &size, "", &compare("image.tar"));
        let files = files(&site.path("found"));
        whole_or_absent(&files, &whole);
        if ended.code() == Some(1) {
            assert_eq!(files, whole);
            fitted += 1;
        } else {
            ended.says(5, &["cannot ", "out", "No space left on device"]);
        }
    }
    assert!((1..=2).contains(&fitted), "{fitted}");
    let ended = with_tmpfs(&site, "out", "1m,ro", "", &compare("image.tar"));
    ended.says(5, &["cannot create a file in out", "Read-only file system"]);
}

pub(crate) fn full_for_temporary_files() {
    let site = Site::new(&IMAGES, 2, "300K");
    let folder = site.path("tmp");
    let named = folder.to_str().unwrap();
    for image in IMAGES {
        let ended = with_tmpfs(&site, "tmp", "64k", "", &apply(image));
        if ["image.tar", "image.tar.gz"].contains(&image) {
            // These are read where they are.
            assert_eq!(ended.code(), Some(0), "{ended:?}");
            site.clear();
        } else {
            ended.says(
                5,
                &["cannot write a temporary file in", named, "No space left"],
            );
            assert!(site.outputs().is_empty());
        }
    }
    fs::create_dir(site.path("root")).unwrap();
    fs::copy(site.path("image.tar"), site.path("root/file")).unwrap();
    let ended = with_tmpfs(
        &site,
        "tmp",
        "64k",
        "",
        &apply("root").replace("out/root", "out/image.tar"),
    );
    ended.says(
        5,
        &["cannot write a temporary file in", named, "No space left"],
    );
    assert!(site.outputs().is_empty());
}

pub(crate) fn read_only() {
    let site = Site::new(&IMAGES[..1], 1, "1K");
    // Were the image looked at first, that would be the error.
    fs::write(site.path("image.tar"), "no tar").unwrap();
    let ended = with_tmpfs(&site, "out", "1m,ro", "", &apply("image.tar"));
    ended.says(5, &["cannot create a file in out", "Read-only file system"]);
}

pub(crate) fn limited() {
    let site = Site::new(&IMAGES, 2, "300K");
    for image in IMAGES {
        let mut command = site.command("sh");
        command.args(["-c", "ulimit -f 16; exec \"$@\"", "sh", CASEHARD]);
        let ended = Ended::of(&command.args(apply(image).split(' ')).output().unwrap());
        ended.says(5, &["cannot write ", "File too large"]);
        assert!(!site.outputs().contains_key(image));
        site.clear();
    }
}
