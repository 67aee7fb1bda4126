//! That every format stays what it is, whatever names, contents and recipes hold.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;

use super::super::fixture::{Fixture, Tar, fixture, harden, open};
use super::super::view::spans;
use super::super::{Format, markdown};
use super::{beyond, content, name, schema};
use crate::edit::{Draft, Outcome, ResidualKind};
use crate::escape::{escape, is_misleading};
use crate::plan::Plan;
use crate::rootfs::Place;

fn render(plan: &Plan<'_>, format: &str) -> String {
    let format = Format::of_name(&format!("report.{format}")).unwrap();
    String::from_utf8(plan.report().render(format).unwrap()).unwrap()
}

/// What a validator objects to.
fn mistakes(schema: &Value, text: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(text).unwrap();
    let validator = jsonschema::validator_for(schema).unwrap();
    validator
        .iter_errors(&value)
        .map(|e| e.to_string())
        .collect()
}

fn sarif_schema() -> Value {
    serde_json::from_str(include_str!("../../../tests/schemas/sarif-2.1.0.json")).unwrap()
}

/// Whether a terminal would do something else with a text than show it.
fn obeyed(text: &str) -> Option<char> {
    text.chars()
        .find(|c| is_misleading(*c) && !matches!(c, '\n' | '\t'))
}

#[test]
fn every_format_names_each_waiver() {
    let fixture = fixture();
    let plan = fixture.plan(|_, _| Outcome::Already);
    for format in Format::ALL {
        let text = render(&plan, format.name());
        for said in ["break-glass", "once", "late", "2025-12-31"] {
            assert!(text.contains(said), "{said} in {format:?}: {text}");
        }
    }
}

/// What a Markdown text says once it is rendered, without folds' titles.
fn markdown_says(text: &str) -> String {
    Parser::new_ext(text, Options::ENABLE_TABLES)
        .map(|event| match event {
            Event::Text(part) | Event::Code(part) => part.to_string(),
            _ => String::new(),
        })
        .collect()
}

/// The HTML that a Markdown text has in it, and how many tables and code blocks.
fn markdown_of(text: &str) -> (Vec<String>, usize, usize) {
    let (mut html, mut tables, mut blocks) = (Vec::new(), 0, 0);
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Html(part) | Event::InlineHtml(part) => html.push(part.to_string()),
            Event::Start(Tag::Table(_)) => tables += 1,
            Event::Start(Tag::CodeBlock(_)) => blocks += 1,
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => html.push("a link".into()),
            _ => {}
        }
    }
    (html, tables, blocks)
}

/// The tags in HTML, without what stands between them.
fn tags(html: &str) -> Vec<&str> {
    let tags = html.split('<').skip(1);
    tags.map(|tag| tag.split('>').next().unwrap_or(tag))
        .collect()
}

const MARKDOWN_TAGS: [&str; 13] = [
    "details",
    "details open",
    "/details",
    "summary",
    "/summary",
    "b",
    "/b",
    "code",
    "/code",
    "br",
    "!-- --",
    "",
    "/",
];

#[test]
fn sarif_is_as_oasis_says() {
    let schema = sarif_schema();
    let fixture = fixture();
    let plan = fixture.plan(harden);
    let text = render(&plan, "sarif");
    assert_eq!(mistakes(&schema, &text), Vec::<String>::new());
    let log: Value = serde_json::from_str(&text).unwrap();
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    let found: Vec<_> = results
        .iter()
        .map(|result| {
            (
                result["ruleId"].as_str().unwrap(),
                result["level"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("Touch/failed", "error"),
            ("Touch/open", "warning"),
            ("Touch/look", "warning"),
            ("Touch/waived", "note"),
            ("Touch/waiver-unused", "note"),
            ("Touch/waiver-expired", "error"),
            ("writable/remains", "note"),
            ("writable/remains", "note"),
        ]
    );
    for result in results {
        let rule = &run["tool"]["driver"]["rules"]
            [usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(
            rule["help"]["text"]
                .as_str()
                .is_some_and(|text| text.len() > 40)
        );
    }
    let place = &results[1]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "etc/%FF");
    assert_eq!(place["region"]["startLine"], 3);
    assert_eq!(results[3]["suppressions"][0]["status"], "accepted");
    let justification = results[3]["suppressions"][0]["justification"]
        .as_str()
        .unwrap();
    assert!(justification.contains("platform") && justification.contains("2026-12-31"));
}

#[test]
fn what_a_lock_does_not_have_fails_in_every_format() {
    let fixture = Fixture::new(Tar::new().directory(b"etc/"), "[Touch all]\n");
    let plan = fixture.plan(|_, _| Outcome::Already);
    let report = plan.report().lock("locks/site.lock", &beyond());
    for format in Format::ALL {
        let text = String::from_utf8(report.render(format).unwrap()).unwrap();
        assert!(text.contains("4755 0:0"), "{format:?}: {text}");
        assert!(!text.contains('\x1b'), "{format:?}");
        let name = text.contains("locks");
        assert!(!name, "{format:?} names the folder");
        match format.name() {
            "sarif" => {
                assert_eq!(mistakes(&sarif_schema(), &text), Vec::<String>::new());
                let log: Value = serde_json::from_str(&text).unwrap();
                let results = log["runs"][0]["results"].as_array().unwrap();
                assert_eq!(results.len(), 3);
                for result in results {
                    assert_eq!(result["level"], "error");
                    let rule = result["ruleId"].as_str().unwrap();
                    assert!(rule.ends_with("/not-in-lock"), "{rule}");
                }
            }
            "json" => {
                let json: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(json["lock"]["name"], "site.lock");
                assert_eq!(json["lock"]["beyond"].as_array().unwrap().len(), 3);
            }
            "diff" => assert!(text.contains("# not in site.lock:\n"), "{text}"),
            _ => assert!(text.contains("Not in the lock"), "{format:?}: {text}"),
        }
    }
    // An image that gives nothing beyond its lock passes, and the report says with which.
    let held = plan.report().lock("site.lock", &[]);
    let text = String::from_utf8(held.render(Format::Text).unwrap()).unwrap();
    assert!(
        text.contains("Compliant") && text.contains("lock     site.lock"),
        "{text}"
    );
}

#[test]
fn a_comment_has_its_table_and_folds() {
    let fixture = fixture();
    let text = render(&fixture.plan(harden), "md");
    let (html, tables, blocks) = markdown_of(&text);
    let html = html.concat();
    // The summary, failed rules, rules, rules that changed nothing, the attack surface, what went
    // from it and what remains, waivers and paths.
    assert_eq!(tables, 9, "{text}");
    assert!(blocks > 10, "{text}");
    let opened = html.matches("<details").count();
    let closed = html.matches("</details>").count();
    let folds = 12 + blocks;
    assert_eq!(
        (opened, closed),
        (folds, folds),
        "twelve sections, and each file's lines"
    );
    for shown in ["break-glass", "owner platform", "2026-12-31"] {
        assert!(text.contains(shown), "{shown}");
    }
    assert!(!text.contains("Left out"));
}

#[test]
fn no_line_ends_its_code_block() {
    let (before, after) = (b"```\n~~~\nx\n", b"```\n~~~\ny\n");
    let fixture = Fixture::new(Tar::new().file(b"f", 0o644, before), "[Touch all]\n");
    let plan = fixture.plan(|_, draft| {
        draft.set_content(open(draft, "f"), after.to_vec());
        Outcome::Changed
    });
    let text = render(&plan, "md");
    assert!(
        markdown_says(&text).contains("@@ -1,3 +1,3 @@\n ```\n ~~~\n-x\n+y\n"),
        "{text}"
    );
    assert_eq!(markdown_of(&text).2, 1, "{text}");
}

#[test]
fn a_comment_that_is_too_long_leaves_out_the_least_important() {
    let content = "a line of some length that is taken away\n".repeat(20);
    let names: Vec<String> = (0..600).map(|at| format!("etc/file-{at}")).collect();
    let tar = names.iter().fold(Tar::new(), |tar, name| {
        tar.file(name.as_bytes(), 0o644, content.as_bytes())
    });
    let fixture = Fixture::new(tar, "[Touch all]\nReason=they must\n[Touch none]\n");
    let plan = fixture.plan(|rule, draft| {
        if rule == 1 {
            draft.residual(ResidualKind::OutsideImage, None::<Place>, "something stays");
            return Outcome::Already;
        }
        for name in &names {
            draft.set_content(open(draft, name), b"x\n".to_vec());
        }
        Outcome::Changed
    });
    let text = render(&plan, "md");
    assert!(
        text.len() <= markdown::LIMIT && text.len() > markdown::LIMIT - 2000,
        "{}",
        text.len()
    );
    let (_, tail) = text.split_once("**Left out").unwrap();
    let shown = text.matches("```diff").count();
    assert!(
        tail.contains(&format!("- Lines: {}\n", 600 - shown)),
        "{tail}"
    );
    assert_eq!(
        tail.lines().filter(|line| line.starts_with("- ")).count(),
        1 + usize::from(tail.contains("changed nothing"))
    );
    for name in &names {
        assert!(
            text.contains(&format!("<code>{name}</code>")),
            "{name} among the paths"
        );
    }
    assert!(text.contains("something stays"));
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let fixture = fixture();
    let plan = fixture.plan(harden);
    let plain = plan.report().render(Format::Text).unwrap();
    let colored = plan.report().color(true).render(Format::Text).unwrap();
    let colored = String::from_utf8(colored).unwrap();
    assert!(colored.contains("\x1b[31mfailed"));
    let mut stripped = colored;
    for code in ["0", "1", "2", "31", "32", "33", "36"] {
        stripped = stripped.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(stripped.into_bytes(), plain);
}

#[test]
fn the_terminals_list_is_as_gits() {
    let fixture = fixture();
    let text = render(&fixture.plan(harden), "txt");
    for line in [
        "  ~ etc/group                   | +1 −1 +-",
        "  + etc/new.d/10.conf           | new file, 0600 (rw-------), +1 −0 +",
        "  - etc/old                     | removed file, 0644 (rw-r--r--), +0 −2 --",
        "  ~ bin/ping                    | capabilities cap_net_raw=ep → none (and 1 other name)",
        "  ~ lib/sshd.service            | file → link to /dev/null, +0 −2 --",
        "  33 paths, 15 lines added, 19 lines removed",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
}

/// All that a page may have, whatever it shows.
fn page_problem(page: &str) -> Option<String> {
    let script = page.find("<script>")?;
    let (before, after) = (page.find("<style>")?, page.find("</style>")?);
    let body = format!(
        "{}{}",
        &page[..before],
        &page[after + "</style>".len()..script]
    );
    const KNOWN: &str = " !doctype html head meta title body a header p svg path span div button main section circle h1 \
        dl dt dd code ul li b h2 h3 rect details summary table thead tr th tbody td small input label output pre ins del \
        footer dialog kbd form ";
    tags(&body)
        .iter()
        .map(|tag| {
            tag.trim_start_matches('/')
                .split([' ', '\n', '/'])
                .next()
                .unwrap_or_default()
        })
        .find(|name| !KNOWN.contains(&format!(" {name} ")))
        .map(str::to_owned)
        .or_else(|| (page.matches("<script").count() != 1).then(|| "a script".into()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_name_or_content_breaks_a_format(
        files in prop::collection::btree_map(hostile_name(), (hostile(), hostile()), 1..6),
        said in "[^\u{0}]{0,30}|.*[<>`|@#\\[\\]!*_&]{1,6}.*",
    ) {
        let tar = files.iter().fold(Tar::new(), |tar, (name, (before, _))| {
            tar.file(&[b"./".as_slice(), name].concat(), 0o4755, before)
        });
        let fixture = Fixture::new(tar, "[Touch all]\n[Touch more]\n");
        let work = |rule: usize, draft: &mut Draft<'_>| {
            if rule == 1 {
                return Outcome::Failed(said.clone());
            }
            for (name, (_, after)) in &files {
                let id = open(draft, name);
                draft.set_content(id, after.clone());
                draft.set_mode(id, 0o755);
                draft.residual(ResidualKind::OtherGrant, Place::new(name, 1), said.clone());
                draft.note(said.clone());
            }
            Outcome::Changed
        };
        let plan = fixture.plan(work);
        for format in Format::ALL.into_iter().filter(|format| format.name() != "diff") {
            let text = render(&plan, format.name());
            prop_assert_eq!(obeyed(&text), None, "{}", format.name());
        }
        prop_assert_eq!(mistakes(&schema(), &render(&plan, "json")), Vec::<String>::new());
        prop_assert_eq!(mistakes(&sarif_schema(), &render(&plan, "sarif")), Vec::<String>::new());
        prop_assert_eq!(page_problem(&render(&plan, "html")), None);
        let text = render(&plan, "md");
        let (html, tables, _) = markdown_of(&text);
        prop_assert_eq!(tables, 6, "{}", text);
        let says = markdown_says(&text);
        let prose: String = spans(&escape(&said)).iter().map(|(_, part)| *part).collect();
        let times = |part: &str| says.matches(part).count();
        // As the reason of a failure, and for each file as a note and as what stays open.
        if !prose.trim().is_empty() {
            prop_assert!(times(prose.trim()) > 2 * files.len(), "{:?} in {}", said, text);
        }
        for name in files.keys() {
            prop_assert!(times(&escape(name)) >= 2, "{:?} in {}", name, text);
        }
        for html in &html {
            for tag in tags(html) {
                prop_assert!(MARKDOWN_TAGS.contains(&tag), "{:?} in {}", tag, text);
            }
        }
    }
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::collection::vec(prop::sample::select(LINES), 0..6);
    prop_oneof![
        content(),
        lines.prop_map(|lines| lines.join("\n").into_bytes())
    ]
}

fn hostile_name() -> impl Strategy<Value = Vec<u8>> {
    let sample = prop::sample::select(LINES).prop_map(|line| line.replace('/', "").into_bytes());
    let sample = sample.prop_filter("a name in a tar", |name| {
        !name.is_empty() && name.len() < 90
    });
    prop_oneof![name(), sample]
}

const LINES: &[&str] = &[
    "<script>alert(1)</script>",
    "</style></script></pre></details>",
    "```",
    "~~~~~~~~",
    "````` `` ```",
    "</summary></details>",
    "| a | b |",
    "|---|",
    "- # [x](http://example.org)",
    "![x](y) <http://a.b> www.a.b @someone #1",
    "&lt;&#x3c;",
    "\u{202e}abc\u{2066}",
    "\"'><b onclick=x>",
    "{{ x }} {% x %}",
    "\u{85}\u{9b}31m",
    "1. x",
    "    x",
    "===",
    "<!--",
    "]]>",
];
