//! The three bundled images, hardened by the shipped recipes, give the reports in testimages/expected, in every format.
//!
//! After an intended change, `UPDATE_EXPECT=1 cargo test --test bundled` rewrites them; git then shows what changed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use casehard::report::Format;
use casehard::{Image, OpenOptions, Recipe};
use expect_test::expect_file;

#[test]
fn container_linux() {
    compare("container-linux", None);
}

#[test]
fn busybox_container() {
    compare("busybox-container", Some("container"));
}

#[test]
fn debian_host() {
    compare("debian-host", None);
}

#[test]
fn an_image_of_no_known_system_lists_the_recipes() {
    let bytes = casehard_testimages::build("file a\n").unwrap();
    let image = OpenOptions::new().read("a.tar", &bytes[..]).unwrap();
    let message = Recipe::matching(&image, &[]).unwrap_err().to_string();
    assert!(message.contains("no os-release"), "{message}");
    for shipped in Recipe::SHIPPED {
        assert!(message.contains(shipped.name), "{message}");
    }
}

#[test]
fn a_recipe_that_is_meant_for_another_system_is_noted() {
    let (image, recipe) = (
        open("debian-host"),
        Recipe::load("container-linux").unwrap(),
    );
    let plan = image.plan(&recipe).unwrap();
    let note = "recipe:container-linux is meant for coreos, flatcar, and the image has ID=debian, init systemd";
    assert!(
        plan.notes().iter().any(|n| n.starts_with(note)),
        "{:?}",
        plan.notes()
    );
}

/// `recipe` is none where os-release chooses it.
fn compare(name: &str, recipe: Option<&str>) {
    let image = open(name);
    let recipe = recipe.map_or_else(|| Recipe::matching(&image, &[]), Recipe::load);
    let recipe = recipe.unwrap();
    let plan = image.plan(&recipe).unwrap();
    assert!(!plan.failed() && !plan.compliant());
    for format in Format::ALL {
        let written = without_release(plan.report().render(format).unwrap());
        let file = format!("../testimages/expected/{name}.{}", format.name());
        expect_file![file].assert_eq(&written);
    }
}

/// A report without what another release of casehard, or another look of the page, would have otherwise.
fn without_release(report: Vec<u8>) -> String {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    let report = String::from_utf8(report).unwrap();
    let mut report = report
        .replace(
            include_str!("../src/report/html/style.css"),
            "/* style.css */",
        )
        .replace(include_str!("../src/report/html/script.js"), "// script.js");
    for named in [
        "casehard VERSION",
        "casehard <span class=\"muted\">VERSION",
        "ersion\": \"VERSION\"",
    ] {
        report = report.replace(&named.replace("VERSION", VERSION), named);
    }
    let mut parts = report.split("'sha256-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once('\'') {
        Some((_, rest)) => text + "'sha256-DIGEST'" + rest,
        None => text + part,
    })
}

fn open(name: &str) -> Image {
    let bundled = casehard_testimages::bundled();
    let image = bundled.iter().find(|image| image.name == name).unwrap();
    let bytes = casehard_testimages::build(image.description).unwrap();
    OpenOptions::new()
        .read(format!("{name}.tar"), &bytes[..])
        .unwrap()
}
