//! Rules on small images: a description, a recipe, and what they come to, as text.

use std::fmt::Write as _;

use crate::edit::{Change, Outcome};
use crate::image::{Image, OpenOptions};
use crate::plan::{Plan, PlanOptions};
use crate::recipe::Recipe;
use crate::rootfs::Node;

/// Plans the rules for an image, verification included, and compares outcomes, edits, notes and
/// residuals, a line each. The day is 2026-01-01.
#[track_caller]
pub(crate) fn check(image: &str, rules: &str, want: &str) {
    let (image, recipe) = (open(image), recipe(rules));
    assert_eq!(show(&plan(&image, &recipe)), want);
}

/// Plans the rules for an image, and returns what [`check`] compares.
#[track_caller]
pub(crate) fn planned(image: &str, rules: &str) -> String {
    let (image, recipe) = (open(image), recipe(rules));
    show(&plan(&image, &recipe))
}

/// The content of a file after the rules were applied.
#[track_caller]
pub(crate) fn content_after(image: &str, rules: &str, path: &str) -> String {
    let (image, recipe) = (open(image), recipe(rules));
    let plan = plan(&image, &recipe);
    let id = plan.after().rootfs().open(path).expect("the file is there");
    let content = plan.after().small(id, 1 << 20);
    String::from_utf8(content.unwrap().unwrap().to_vec()).unwrap()
}

pub(crate) fn open(image: &str) -> Image {
    let bytes = casehard_testimages::build(image).expect("the description is right");
    OpenOptions::new()
        .read("test.tar", &bytes[..])
        .expect("the image opens")
}

pub(crate) fn recipe(rules: &str) -> Recipe {
    Recipe::parse("test", &format!("[Recipe]\nSchema=1\n{rules}\n")).expect("the recipe is right")
}

#[track_caller]
fn plan<'a>(image: &'a Image, recipe: &'a Recipe) -> Plan<'a> {
    let options = PlanOptions::new().as_of(jiff::civil::date(2026, 1, 1));
    image.plan_with(recipe, &options).expect("the plan holds")
}

fn show(plan: &Plan<'_>) -> String {
    let mut out = String::new();
    for (at, rule) in plan.rules.iter().enumerate() {
        let why = match &rule.outcome {
            Outcome::Failed(why) => format!(": {why}"),
            _ => String::new(),
        };
        let _ = writeln!(out, "{}{why}", rule.outcome.name());
        for edit in plan.edits.iter().filter(|e| e.rule == at) {
            let path = &edit.path;
            let _ = match &edit.change {
                Change::Mode { before, after } => {
                    writeln!(out, "  mode {path} {before:04o} {after:04o}")
                }
                Change::Owner { before, after } => writeln!(
                    out,
                    "  owner {path} {}:{} {}:{}",
                    before.0, before.1, after.0, after.1
                ),
                Change::XattrRemoved { name, .. } => writeln!(out, "  xattr {path} {name}"),
                Change::Content => writeln!(out, "  content {path}"),
                Change::Removed => writeln!(out, "  removed {path}"),
                Change::Created => writeln!(out, "  created {path}{}", target(plan, path)),
            };
        }
        for note in &rule.notes {
            let _ = writeln!(out, "  note {note}");
        }
        for residual in plan.residuals.iter().filter(|r| r.rule == Some(at)) {
            let _ = writeln!(out, "  residual {residual}");
        }
    }
    out
}

fn target(plan: &Plan<'_>, path: &[u8]) -> String {
    match plan
        .after
        .locate(path)
        .ok()
        .and_then(|l| l.inode)
        .map(|id| &plan.after.inode(id).node)
    {
        Some(Node::Symlink(target)) => format!(" -> {target}"),
        _ => String::new(),
    }
}
