//! The report for code scanning, as SARIF 2.1.0: what stays open, what failed, what is waived, and each privilege that a lock or
//! an older image does not have, each a result whose rule has a help text. Only the properties that casehard writes are modelled.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::view::anchor;
use super::{Format, Report, json_text};
use crate::edit::Outcome;
use crate::error::{Result, Span};
use crate::escape::escape;
use crate::inventory::{self, Change};
use crate::plan::{WaiverResult, WaiverState};
use crate::recipe::shipped;
use crate::write::digests::hex;

/// The report for code scanning as a format.
#[derive(Debug)]
pub(super) struct Sarif;

impl Format for Sarif {
    fn name(&self) -> &'static str {
        "sarif"
    }

    fn about(&self) -> &'static str {
        "for code scanning, SARIF 2.1.0"
    }

    fn render(&self, report: &Report<'_>) -> Result<Vec<u8>> {
        Ok(json_text::write(&log(report)).into_bytes())
    }
}

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    original_uri_base_ids: BTreeMap<&'static str, Described>,
    column_kind: &'static str,
    results: Vec<Finding>,
}

#[derive(Serialize)]
struct Described {
    description: Text,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: String,
    short_description: Text,
    full_description: Text,
    help: Help,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Place,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
}

/// What a result says of a kind of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Failed,
    Open,
    Waived,
    Unused,
    Expired,
    Beyond,
    Gained,
}

impl Topic {
    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Open => "open",
            Self::Waived => "waived",
            Self::Unused => "waiver-unused",
            Self::Expired => "waiver-expired",
            Self::Beyond => "not-in-lock",
            Self::Gained => "gained",
        }
    }

    fn level(self) -> &'static str {
        match self {
            Self::Failed | Self::Expired | Self::Beyond => "error",
            Self::Open | Self::Gained => "warning",
            Self::Waived | Self::Unused => "note",
        }
    }

    /// What such a result means and what to do about it.
    fn about(self) -> &'static str {
        match self {
            Self::Failed => {
                "The rule could not be fulfilled, so no image is written. The message says why; change the recipe or the image."
            }
            Self::Open => {
                "The rule did its work, and this stays open all the same: something grants it again later, or reaches around it. Close it by another rule, or know of it."
            }
            Self::Waived => {
                "The recipe leaves this open on purpose, for the reason given and until the day given."
            }
            Self::Unused => {
                "No rule would have changed what the waiver names. Delete the waiver, before it hides something else."
            }
            Self::Expired => {
                "The waiver's last day has passed, and a rule still needs it. Renew it with a new day, or delete it."
            }
            Self::Beyond => {
                "The hardened image would give a privilege that the lock does not have, so it is not written. Close it by a rule, or write the lock anew with --lock."
            }
            Self::Gained => {
                "The newer image gives a privilege that the older one did not. Find out what brought it; a recipe can take it away."
            }
        }
    }
}

const IMAGE: &str = "IMAGE";

/// The privileges that an image gained, for code scanning.
pub(crate) fn gained(image: &str, changes: &[Change]) -> String {
    let mut results = Results::default();
    let gained = changes.iter().filter(|change| change.is_privilege_gained());
    gained.for_each(|change| results.privilege(Topic::Gained, image, change));
    json_text::write(&results.log(image))
}

fn log(report: &Report<'_>) -> Log {
    let mut results = Results::default();
    for rule in report.rules() {
        if let Outcome::Failed(why) = &rule.outcome {
            let message = format!("{}: {why}", rule.section.label());
            results.add(
                Topic::Failed,
                rule.section.kind(),
                &message,
                recipe_place(&rule.section.at),
            );
        }
    }
    for residual in &report.plan.residuals {
        let rule = residual.rule.map(|rule| &report.rules()[rule].section);
        let place = match (&residual.place, rule) {
            (Some(place), _) => Place {
                region: place.line.map(|start_line| Region { start_line }),
                ..place_within(&place.path)
            },
            (None, Some(rule)) => recipe_place(&rule.at),
            (None, None) => image_place(report.image_name()),
        };
        let kind = rule.map_or("Image", |rule| rule.kind());
        let label = rule.map_or(String::new(), |rule| format!(" ({})", rule.label()));
        results.add(
            Topic::Open,
            kind,
            format!("{}{label}", residual.message),
            place,
        );
    }
    for waiver in &report.plan.waivers {
        results.waiver(waiver);
    }
    for change in report.beyond_lock() {
        results.privilege(Topic::Beyond, report.image_name(), change);
    }
    results.log(report.image_name())
}

/// Findings, and the rules that they name, each once.
#[derive(Default)]
struct Results {
    rules: Vec<Descriptor>,
    findings: Vec<Finding>,
}

impl Results {
    fn log(self, image: &str) -> Log {
        let version = env!("CARGO_PKG_VERSION");
        Log {
            schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            version: "2.1.0",
            runs: [Run {
                tool: Tool {
                    driver: Driver {
                        name: env!("CARGO_PKG_NAME"),
                        version,
                        semantic_version: version,
                        rules: self.rules,
                    },
                },
                original_uri_base_ids: BTreeMap::from([(
                    IMAGE,
                    Described {
                        description: Text {
                            text: format!("the root of {}", message(image)),
                        },
                    },
                )]),
                column_kind: "unicodeCodePoints",
                results: self.findings,
            }],
        }
    }

    fn add(&mut self, topic: Topic, kind: &str, text: impl AsRef<[u8]>, place: Place) {
        let id = format!("{kind}/{}", topic.name());
        let known = self.rules.iter().position(|rule| rule.id == id);
        let rule_index = known.unwrap_or_else(|| {
            self.rules.push(descriptor(&id, topic, kind));
            self.rules.len() - 1
        });
        let text = message(text);
        // Lines move when a recipe or an image grows, and the finding stays the same.
        let print = format!("{id}\n{}\n{text}", place.artifact_location.uri);
        self.findings.push(Finding {
            rule_id: id,
            rule_index,
            level: topic.level(),
            message: Text { text },
            locations: [Location {
                physical_location: place,
            }],
            partial_fingerprints: BTreeMap::from([("casehard/v1", hex(&Sha256::digest(print)))]),
            suppressions: Vec::new(),
        });
    }

    /// A privilege that is new. What it is about is a file nearly always, or a file has the line that grants it.
    fn privilege(&mut self, topic: Topic, image: &str, change: &Change) {
        let mut texts = [&change.name].into_iter().chain(&change.gained);
        let path = texts.find(|text| text.starts_with(b"/"));
        let place = path.map_or_else(|| image_place(image), |path| place_within(path));
        self.add(topic, change.kind.name(), change.line(), place);
    }

    fn waiver(&mut self, result: &WaiverResult) {
        let waiver = &result.waiver;
        let topic = match result.state {
            WaiverState::Used => Topic::Waived,
            WaiverState::Unused => Topic::Unused,
            WaiverState::Expired => Topic::Expired,
        };
        self.add(
            topic,
            &waiver.kind,
            result.to_string(),
            recipe_place(&waiver.at),
        );
        if topic == Topic::Waived
            && let Some(finding) = self.findings.last_mut()
        {
            finding.suppressions.push(Suppression {
                kind: "external",
                status: "accepted",
                justification: message(result.reason()),
            });
        }
    }
}

fn descriptor(id: &str, topic: Topic, kind: &str) -> Descriptor {
    let schema = shipped::kind(kind);
    let privilege = inventory::Kind::ALL
        .into_iter()
        .find(|one| one.name() == kind);
    let summary = match (schema, privilege) {
        (Some(schema), _) => schema.summary,
        (None, Some(privilege)) => privilege.title(),
        (None, None) => "what concerns the image as a whole",
    };
    let about = schema.map_or(String::new(), |schema| {
        format!("\n\n{}: {}", schema.usage(), schema.about.trim())
    });
    let text = format!("{}{about}", topic.about());
    Descriptor {
        id: id.into(),
        short_description: Text {
            text: format!("{kind}, {}: {summary}", topic.name()),
        },
        full_description: Text {
            text: topic.about().into(),
        },
        help: Help {
            markdown: text.clone(),
            text,
        },
        default_configuration: Configuration {
            level: topic.level(),
        },
    }
}

fn recipe_place(at: &Span) -> Place {
    Place {
        artifact_location: Artifact {
            uri: uri(at.source.name.as_bytes()),
            uri_base_id: None,
        },
        region: Some(Region {
            start_line: at.line(),
        }),
    }
}

/// A file of the image.
fn place_within(path: &[u8]) -> Place {
    Place {
        artifact_location: Artifact {
            uri: uri(path.strip_prefix(b"/").unwrap_or(path)),
            uri_base_id: Some(IMAGE),
        },
        region: None,
    }
}

/// The image as a whole.
fn image_place(name: &str) -> Place {
    Place {
        artifact_location: Artifact {
            uri: uri(name.as_bytes()),
            uri_base_id: None,
        },
        region: None,
    }
}

/// A path as a relative URI. A colon would make a scheme of what precedes it.
fn uri(path: &[u8]) -> String {
    anchor(path).replace(':', "%3A")
}

/// A message that prints, and in which nothing is a link.
fn message(text: impl AsRef<[u8]>) -> String {
    escape(text).replace("](", "] (")
}
