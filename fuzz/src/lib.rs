//! What the fuzz targets share. They go through the public API alone, as whoever meets a hostile image does.

#![warn(missing_docs)]

use casehard::{Compression, Error, Image, OpenOptions, Recipe, WriteOptions};

/// Hardens an image of a few files, each with the bytes given, and holds what casehard promises of the outcome.
///
/// # Panics
/// Where a promise is broken, which is what fuzzing looks for.
pub fn harden_files(files: &[(&str, &[u8])], recipe: &Recipe) {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o4755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        archive
            .append_data(&mut header, name, *content)
            .expect("memory does not fill up");
    }
    let bytes = archive.into_inner().expect("memory does not fill up");
    let image = open(&bytes).expect("the archive is a plain one");
    harden(&image, recipe);
}

/// Opens an image from memory.
///
/// # Errors
/// Where casehard refuses it.
pub fn open(bytes: &[u8]) -> Result<Image, Error> {
    OpenOptions::new().read("fuzz", bytes)
}

/// Plans, reports and writes, and applies the recipe to the output again.
///
/// # Panics
/// Where a promise is broken.
pub fn harden(image: &Image, recipe: &Recipe) {
    let plan = match image.plan(recipe) {
        Ok(plan) => plan,
        Err(Error::Image { .. } | Error::Recipe(_) | Error::Unfulfilled(_)) => return,
        Err(other) => panic!("{other}"),
    };
    plan.report().to_diff().expect("a plan has a diff");
    if plan.failed() {
        return;
    }
    let mut out = Vec::new();
    let options = WriteOptions::new().compression(Compression::None);
    plan.write_to(&mut out, &options)
        .expect("memory does not fill up");
    let hardened = open(&out).expect("the output opens");
    let second = hardened.plan(recipe).expect("the output can be planned");
    assert!(
        second.edits().is_empty() && !second.failed(),
        "the output wants {} more edits",
        second.edits().len()
    );
}

/// A recipe from its rules.
///
/// # Panics
/// Where it is wrong.
pub fn recipe(rules: &str) -> Recipe {
    Recipe::parse("fuzz", &format!("[Recipe]\nSchema=1\n{rules}")).expect("the recipe is right")
}
