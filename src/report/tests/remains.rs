//! What a hardened image still has, and how severe each residual is.

use serde_json::Value;

use super::super::Format;
use super::super::fixture::{Fixture, Tar, fixture, harden};
use crate::edit::{Outcome, ResidualKind};
use crate::plan::Plan;
use crate::rootfs::Place;

fn render(plan: &Plan<'_>, format: Format) -> String {
    String::from_utf8(plan.report().render(format).unwrap()).unwrap()
}

fn results(plan: &Plan<'_>) -> Vec<Value> {
    let log: Value = serde_json::from_str(&render(plan, Format::Sarif)).unwrap();
    log["runs"][0]["results"].as_array().unwrap().clone()
}

#[test]
fn every_format_names_what_remains() {
    let tar = Tar::new().file(b"bin/su", 0o4755, b"\x7fELF\0su").file(
        b"bin/curl",
        0o755,
        b"\x7fELF\0curl",
    );
    let fixture = Fixture::new(tar, "[Touch all]\n");
    let plan = fixture.plan(|_, _| Outcome::Already);
    for format in Format::ALL.into_iter().filter(|f| *f != Format::Diff) {
        let text = render(&plan, format);
        for name in ["/bin/su 4755 0:0", "/bin/curl"] {
            assert!(text.contains(name), "{name} in {format:?}: {text}");
        }
    }
}

#[test]
fn without_an_image_it_would_remain() {
    let fixture = fixture();
    for (plan, title) in [
        (fixture.plan(harden), "hat would remain"),
        (fixture.plan(|_, _| Outcome::Already), "hat remains"),
    ] {
        for format in [Format::Text, Format::Markdown, Format::Html] {
            let text = render(&plan, format);
            assert!(text.contains(title), "{title} in {format:?}: {text}");
        }
    }
}

#[test]
fn code_scanning_counts_what_it_does_not_list() {
    let names: Vec<String> = (0..103).map(|at| format!("bin/tool-{at}")).collect();
    let tar = names.iter().fold(Tar::new(), |tar, name| {
        tar.file(name.as_bytes(), 0o4755, b"\x7fELF\0")
    });
    let fixture = Fixture::new(tar, "[Touch all]\n");
    let results = results(&fixture.plan(|_, _| Outcome::Already));
    let of_kind = results.iter().filter(|r| r["ruleId"] == "set-id/remains");
    assert_eq!(of_kind.count(), 101);
    let last = results.last().unwrap()["message"]["text"].as_str().unwrap();
    assert_eq!(last, "set-id files: 3 more, which the .json lists");
}

#[test]
fn code_scanning_has_the_sort_and_severity_of_each_residual() {
    let fixture = Fixture::new(Tar::new().directory(b"etc/"), "[Touch all]\n");
    let plan = fixture.plan(|_, draft| {
        for kind in ResidualKind::ALL {
            draft.residual(kind, None::<Place>, kind.id());
        }
        Outcome::Already
    });
    let results = results(&plan);
    assert_eq!(results.len(), ResidualKind::ALL.len());
    for (kind, result) in ResidualKind::ALL.iter().zip(&results) {
        let severity = kind.severity().id();
        assert_eq!(result["properties"]["id"], kind.id());
        assert_eq!(result["properties"]["severity"], severity);
        let (topic, level) = match severity {
            "high" => ("open", "warning"),
            "medium" => ("look", "warning"),
            _ => ("comes-back", "note"),
        };
        assert_eq!(result["ruleId"], format!("Touch/{topic}"));
        assert_eq!(result["level"], level);
    }
}
