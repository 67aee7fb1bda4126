//! The report for code scanning, as SARIF 2.1.0: what stays open, what failed, what is waived, and
//! each privilege that a lock or an older image does not have. Each is a result whose rule has a
//! help text. The model has only the properties that casehard writes.

use bstr::{BString, ByteSlice};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::view::{Surface, anchor};
use super::{Report, json};
use crate::diff::Comparison;
use crate::edit::Severity;
use crate::error::{Result, Span};
use crate::escape::escape;
use crate::inventory::{self, Change};
use crate::plan::{WaiverResult, WaiverState};
use crate::recipe::shipped;
use crate::write::digests::hex;

/// What a result says of a kind of rules.
struct Topic {
    name: &'static str,
    level: &'static str,
    /// What such a result means and what to do about it.
    about: &'static str,
}

const FAILED: Topic = Topic {
    name: "failed",
    level: "error",
    about: "The rule failed, so casehard writes no image. The message says why; change the recipe or the image.",
};

const OPEN: Topic = Topic {
    name: "open",
    level: "warning",
    about: "The rule did its work, and this stays open all the same: something grants it again later, or works around the rule. Close it by another rule, or accept it.",
};

const LOOK: Topic = Topic {
    name: "look",
    level: "warning",
    about: "The rule did its work, and someone has to look at this: it may be open, which casehard cannot tell, or something does not work without a further step. The message says which.",
};

const LATER: Topic = Topic {
    name: "comes-back",
    level: "note",
    about: "The rule did its work, and something such as an upgrade of a package takes it back later. Harden the image again then.",
};

const WAIVED: Topic = Topic {
    name: "waived",
    level: "note",
    about: "The recipe leaves this open on purpose, for the reason given and until the day given.",
};

const UNUSED: Topic = Topic {
    name: "waiver-unused",
    level: "note",
    about: "No rule would have changed what the waiver names. Delete the waiver before it hides something else.",
};

const EXPIRED: Topic = Topic {
    name: "waiver-expired",
    level: "error",
    about: "The waiver's last day has passed, and a rule still needs it. Renew it with a new day, or delete it.",
};

const BEYOND: Topic = Topic {
    name: "not-in-lock",
    level: "error",
    about: "The hardened image would give a privilege that the lock does not list, so casehard writes no image. Close it by a rule, or renew the lock with --lock.",
};

const GAINED: Topic = Topic {
    name: "gained",
    level: "warning",
    about: "The newer image gives a privilege that the older one did not. Find out what brought it; a recipe can take it away.",
};

const REMAINS: Topic = Topic {
    name: "remains",
    level: "note",
    about: "The hardened image still has this. Where nobody needs it, a recipe can take it away.",
};

const IMAGE: &str = "IMAGE";

impl Comparison<'_> {
    /// The privileges that the newer image gained, for code scanning.
    pub(super) fn to_sarif(&self) -> String {
        let mut results = Results::default();
        let gained = self.surface().iter().filter(|c| c.is_privilege_gained());
        gained.for_each(|change| results.privilege(&GAINED, self.new.name(), change));
        results.write(self.new.name())
    }
}

impl Report<'_> {
    /// The report for code scanning.
    pub(super) fn to_sarif(&self) -> Result<String> {
        let image = self.before.name();
        let mut results = Results::default();
        for rule in self.rules() {
            if let Some(why) = rule.outcome.why() {
                let message = format!("{}: {why}", rule.section.label());
                let place = Place::in_recipe(&rule.section.at);
                results.add(&FAILED, rule.section.kind(), &message, &place);
            }
        }
        for residual in &self.plan.residuals {
            let rule = residual.rule.map(|rule| &self.rules()[rule].section);
            let place = match (&residual.place, rule) {
                (Some(place), _) => Place::within_image(&place.path, place.line),
                (None, Some(rule)) => Place::in_recipe(&rule.at),
                (None, None) => Place::image(image),
            };
            let kind = rule.map_or("Image", |rule| rule.kind());
            let label = rule.map_or(String::new(), |rule| format!(" ({})", rule.label()));
            let message = format!("{}{label}", residual.message);
            let topic = match residual.severity() {
                Severity::High => &OPEN,
                Severity::Medium => &LOOK,
                Severity::Low => &LATER,
            };
            results.add(topic, kind, message, &place);
            results.last(
                "properties",
                json!({ "id": residual.id(), "severity": residual.severity().id() }),
            );
        }
        for waiver in &self.plan.waivers {
            results.waiver(waiver);
        }
        for change in self.beyond_lock() {
            results.privilege(&BEYOND, image, change);
        }
        let (_, after) = self.plan.inventories()?;
        for kind in Surface::KINDS {
            for item in after.of_kind(kind).take(REMAINING) {
                let line = bstr::join(b" ", [&item.name, &item.detail]);
                let line = [kind.title().as_bytes(), b": ", line.trim()].concat();
                results.add(
                    &REMAINS,
                    kind.name(),
                    line,
                    &Place::of_privilege(image, [&item.name, &item.detail]),
                );
            }
            let more = after.of_kind(kind).count().saturating_sub(REMAINING);
            if more > 0 {
                let text = format!("{}: {more} more, which the .json lists", kind.title());
                results.add(&REMAINS, kind.name(), text, &Place::image(image));
            }
        }
        Ok(results.write(image))
    }
}

/// How many privileges of one kind are listed.
const REMAINING: usize = 100;

/// Findings, and the rules that they name, each once.
#[derive(Default)]
struct Results {
    rules: Vec<Value>,
    findings: Vec<Value>,
}

impl Results {
    fn write(self, image: &str) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let root = format!("the root of {}", message(image));
        json::pretty(json!({
            "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": env!("CARGO_PKG_NAME"),
                    "version": version,
                    "semanticVersion": version,
                    "rules": self.rules,
                } },
                "originalUriBaseIds": { IMAGE: { "description": { "text": root } } },
                "columnKind": "unicodeCodePoints",
                "results": self.findings,
            }],
        }))
    }

    fn add(&mut self, topic: &Topic, kind: &str, text: impl AsRef<[u8]>, place: &Place) {
        let id = format!("{kind}/{}", topic.name);
        let known = self.rules.iter().position(|rule| rule["id"] == id);
        let index = known.unwrap_or_else(|| {
            self.rules.push(descriptor(&id, topic, kind));
            self.rules.len() - 1
        });
        let text = message(text);
        // Lines move when a recipe or an image grows, and the finding stays the same.
        let print = format!("{id}\n{}\n{text}", place.uri);
        self.findings.push(json!({
            "ruleId": id,
            "ruleIndex": index,
            "level": topic.level,
            "message": { "text": text },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": place.uri, "uriBaseId": place.base },
                "region": place.line.map(|line| json!({ "startLine": line })),
            } }],
            "partialFingerprints": { "casehard/v1": hex(&Sha256::digest(print)) },
        }));
    }

    /// A privilege that is new. What it is about is a file nearly always, or a file has the line
    /// that grants it.
    fn privilege(&mut self, topic: &Topic, image: &str, change: &Change) {
        let texts = [&change.name].into_iter().chain(&change.gained);
        let place = Place::of_privilege(image, texts);
        self.add(topic, change.kind.name(), change.line(), &place);
    }

    fn waiver(&mut self, result: &WaiverResult) {
        let waiver = &result.waiver;
        let topic = match result.state {
            WaiverState::Used => &WAIVED,
            WaiverState::Unused => &UNUSED,
            WaiverState::Expired => &EXPIRED,
        };
        let place = Place::in_recipe(&waiver.at);
        self.add(topic, &waiver.kind, result.to_string(), &place);
        if result.state == WaiverState::Used {
            let accepted = json!([{
                "kind": "external",
                "status": "accepted",
                "justification": message(result.reason()),
            }]);
            self.last("suppressions", accepted);
        }
    }

    /// Gives the last finding one more property.
    fn last(&mut self, key: &str, value: Value) {
        if let Some(finding) = self.findings.last_mut() {
            finding[key] = value;
        }
    }
}

fn descriptor(id: &str, topic: &Topic, kind: &str) -> Value {
    let schema = shipped::kind(kind);
    let privilege = inventory::Kind::ALL
        .into_iter()
        .find(|one| one.name() == kind);
    let summary = match (schema, privilege) {
        (Some(schema), _) => schema.summary,
        (None, Some(privilege)) => privilege.title(),
        (None, None) => "about the image as a whole",
    };
    let about = schema.map_or(String::new(), |schema| {
        format!("\n\n{}: {}", schema.usage(), schema.about.trim())
    });
    let text = format!("{}{about}", topic.about);
    json!({
        "id": id,
        "shortDescription": { "text": format!("{kind}, {}: {summary}", topic.name) },
        "fullDescription": { "text": topic.about },
        "help": { "text": text, "markdown": text },
        "defaultConfiguration": { "level": topic.level },
    })
}

/// What a finding is about.
struct Place {
    uri: String,
    base: Option<&'static str>,
    line: Option<usize>,
}

impl Place {
    fn new(path: &[u8], base: Option<&'static str>, line: Option<usize>) -> Self {
        // A colon would make a scheme of the text before it.
        let uri = anchor(path).replace(':', "%3A");
        Self { uri, base, line }
    }

    fn in_recipe(at: &Span) -> Self {
        Self::new(at.source.name.as_bytes(), None, Some(at.line()))
    }

    /// Returns the first path in what is said of a privilege, else the image.
    fn of_privilege<'t>(image: &str, texts: impl IntoIterator<Item = &'t BString>) -> Self {
        let path = texts.into_iter().find(|text| text.starts_with(b"/"));
        match path {
            Some(path) => Self::within_image(path, None),
            None => Self::image(image),
        }
    }

    /// A file of the image.
    fn within_image(path: &[u8], line: Option<usize>) -> Self {
        Self::new(path.strip_prefix(b"/").unwrap_or(path), Some(IMAGE), line)
    }

    /// The image as a whole.
    fn image(name: &str) -> Self {
        Self::new(name.as_bytes(), None, None)
    }
}

/// Returns a message that prints, and in which nothing is a link.
fn message(text: impl AsRef<[u8]>) -> String {
    escape(text).replace("](", "] (")
}
