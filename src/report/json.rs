//! The report for programs: a view of its own, so that the internals can change without it. `docs/report.schema.json` says
//! what it holds; a field that is added there is no new version, one that is taken away or means something else is.

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::hard_links::HardLinks;
use super::state::State;
use super::view::Surface;
use super::{FileChange, Format, Lock, Report, json_text};
use crate::edit::{Change, Edit, Outcome, Residual};
use crate::error::Result;
use crate::escape::escape;
use crate::plan::{RuleResult, WaiverResult};
use crate::system::capability;
use crate::write::digests::{self, Digest, hex};

/// The report for programs as a format.
#[derive(Debug)]
pub(super) struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "for programs, with a schema in docs/"
    }

    fn has_digests(&self) -> bool {
        true
    }

    fn render(&self, report: &Report<'_>) -> Result<Vec<u8>> {
        report.to_json().map(String::into_bytes)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    tool: ToolView,
    image: ImageView<'a>,
    recipe: RecipeView<'a>,
    outcomes: BTreeMap<&'static str, usize>,
    compliant: bool,
    rules: Vec<RuleView<'a>>,
    edits: Vec<EditView<'a>>,
    files: Vec<FileView>,
    residuals: Vec<ResidualView<'a>>,
    surface: Vec<SurfaceView>,
    waivers: Vec<WaiverView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<LockView<'a>>,
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<OutputView<'a>>,
}

#[derive(Serialize)]
struct ToolView {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct ImageView<'a> {
    name: &'a str,
    compression: &'static str,
    #[serde(flatten)]
    content: Digest,
}

#[derive(Serialize)]
struct OutputView<'a> {
    #[serde(flatten)]
    content: &'a Digest,
    tar: &'a Digest,
}

#[derive(Serialize)]
struct RecipeView<'a> {
    name: String,
    sources: Vec<SourceView<'a>>,
}

#[derive(Serialize)]
struct SourceView<'a> {
    name: &'a str,
    sha256: String,
}

#[derive(Serialize)]
struct RuleView<'a> {
    kind: &'a str,
    argument: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    file: &'a str,
    line: usize,
    column: usize,
    notes: &'a [String],
    /// Places in the report's `residuals`.
    residuals: Vec<usize>,
}

/// A path is text nearly always; `path_bytes` is there where it is not, and `path` then only resembles it.
#[derive(Serialize)]
struct PathView {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
}

#[derive(Serialize)]
struct EditView<'a> {
    rule: usize,
    #[serde(flatten)]
    path: PathView,
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    xattr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct FileView {
    #[serde(flatten)]
    path: PathView,
    rules: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<StateView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<StateView>,
}

#[derive(Serialize)]
struct StateView {
    r#type: &'static str,
    mode: String,
    uid: u64,
    gid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sparse: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_bytes: Option<String>,
    xattrs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hard_links: Vec<PathView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hard_links_at: Option<PathView>,
}

#[derive(Serialize)]
struct ResidualView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<usize>,
    #[serde(flatten)]
    path: Option<PathView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    message: &'a str,
}

#[derive(Serialize)]
struct SurfaceView {
    kind: &'static str,
    before: usize,
    after: usize,
    lost: Vec<String>,
    gained: Vec<String>,
}

#[derive(Serialize)]
struct WaiverView<'a> {
    kind: &'a str,
    subject: &'a str,
    state: &'static str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    expires: String,
    file: &'a str,
    line: usize,
}

#[derive(Serialize)]
struct LockView<'a> {
    name: &'a str,
    beyond: Vec<PrivilegeView>,
}

#[derive(Serialize)]
struct PrivilegeView {
    kind: &'static str,
    name: String,
    lost: Vec<String>,
    gained: Vec<String>,
}

impl Report<'_> {
    /// The report for programs, as JSON. `docs/report.schema.json` describes it.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where the image cannot be read.
    pub fn to_json(&self) -> Result<String> {
        let plan = self.plan;
        let mut links = [HardLinks::default(), HardLinks::default()];
        let files = self.files.iter();
        let files: Result<Vec<_>> = files.map(|file| self.file_view(file, &mut links)).collect();
        let sources = plan.recipe.sources().iter().map(|source| SourceView {
            name: &source.name,
            sha256: hex(&Sha256::digest(&source.text)),
        });
        let output = self.digests.as_ref();
        let content = match output {
            Some(digests) => digests.image.clone(),
            None => digests::of_image(plan.image)?,
        };
        let json = Document {
            version: 1,
            tool: ToolView {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
            },
            image: ImageView {
                name: self.image_name(),
                compression: plan.image.compression().name(),
                content,
            },
            recipe: RecipeView {
                name: plan.recipe.name(),
                sources: sources.collect(),
            },
            outcomes: self.outcomes().into(),
            compliant: plan.compliant(),
            rules: (0..)
                .zip(self.rules())
                .map(|(n, r)| self.rule(n, r))
                .collect(),
            edits: plan.edits.iter().map(|edit| self.edit(edit)).collect(),
            files: files?,
            residuals: plan.residuals.iter().map(ResidualView::from).collect(),
            surface: self.surface()?.into_iter().map(SurfaceView::from).collect(),
            waivers: plan.waivers.iter().map(WaiverView::from).collect(),
            lock: self.lock.as_ref().map(LockView::from),
            notes: &plan.notes,
            output: output.map(|digests| OutputView {
                content: &digests.output,
                tar: &digests.tar,
            }),
        };
        Ok(json_text::write(&json))
    }

    fn rule<'a>(&'a self, number: usize, rule: &'a RuleResult) -> RuleView<'a> {
        let section = &rule.section;
        let residuals = self.plan.residuals.iter().enumerate();
        RuleView {
            kind: section.kind(),
            argument: &section.argument,
            outcome: rule.outcome.name(),
            why: match &rule.outcome {
                Outcome::Failed(why) => Some(why),
                _ => None,
            },
            reason: section.reason.as_deref(),
            reference: section.reference.as_deref(),
            file: &section.at.source.name,
            line: section.at.line(),
            column: section.at.column(),
            notes: &rule.notes,
            residuals: residuals
                .filter(|(_, residual)| residual.rule == Some(number))
                .map(|(at, _)| at)
                .collect(),
        }
    }

    fn edit(&self, edit: &Edit) -> EditView<'_> {
        let mode = |bits: &u32| Some(octal(*bits));
        let owner = |(uid, gid): &(u64, u64)| Some(format!("{uid}:{gid}"));
        let (change, xattr, before, after) = match &edit.change {
            Change::Mode { before, after } => ("mode", None, mode(before), mode(after)),
            Change::Owner { before, after } => ("owner", None, owner(before), owner(after)),
            Change::XattrRemoved { name, before } => {
                let name = Some(name.to_string());
                ("xattr-removed", name, Some(hex(before)), None)
            }
            Change::Content => ("content", None, None, None),
            Change::Removed => ("removed", None, None, None),
            Change::Created => ("created", None, None, None),
        };
        EditView {
            rule: edit.rule,
            path: PathView::of(&edit.path),
            change,
            xattr,
            before,
            after,
            reason: self.rules()[edit.rule].section.reason.as_deref(),
        }
    }

    fn file_view(&self, file: &FileChange, links: &mut [HardLinks; 2]) -> Result<FileView> {
        let path = &file.path[..];
        let (before, after) = self.states(path)?;
        let [was, is] = links;
        let view = |state: &State<'_>, links: &mut HardLinks, rootfs| {
            let names = links.at(path, state.id, rootfs);
            StateView {
                hard_links: names.all.iter().map(|p| PathView::of(p)).collect(),
                hard_links_at: names.told_at.map(|p| PathView::of(&p)),
                ..StateView::from(state)
            }
        };
        Ok(FileView {
            path: PathView::of(path),
            rules: file.rules.iter().copied().collect(),
            // Of a directory that gets an entry, nothing said what it is like.
            before: before
                .filter(|state| !state.inode.implied() || after.is_none())
                .map(|state| view(&state, was, &self.plan.before)),
            after: after.map(|state| view(&state, is, &self.plan.after)),
        })
    }
}

impl PathView {
    fn of(path: &[u8]) -> Self {
        Self {
            path: path.as_bstr().to_string(),
            path_bytes: path.to_str().is_err().then(|| hex(path)),
        }
    }
}

impl From<&State<'_>> for StateView {
    fn from(state: &State<'_>) -> Self {
        let meta = state.meta;
        let target = state.inode.symlink().map(|target| PathView::of(target));
        let data = state.data.as_ref();
        let file = data.filter(|_| target.is_none());
        let (target, target_bytes) = target.map(|t| (t.path, t.path_bytes)).unzip();
        let xattrs = meta.xattrs.iter();
        Self {
            r#type: state.inode.type_name(),
            mode: octal(meta.mode),
            uid: meta.uid,
            gid: meta.gid,
            size: file.map(|data| data.len),
            sha256: file.map(|data| hex(&data.sha256)),
            sparse: file.is_some_and(|data| data.sparse),
            target,
            target_bytes: target_bytes.flatten(),
            xattrs: xattrs.map(|(n, v)| (n.to_string(), hex(v))).collect(),
            capabilities: meta
                .xattr("security.capability")
                .and_then(|value| capability::decode(value)),
            hard_links: Vec::new(),
            hard_links_at: None,
        }
    }
}

impl<'a> From<&'a Residual> for ResidualView<'a> {
    fn from(residual: &'a Residual) -> Self {
        Self {
            rule: residual.rule,
            path: residual
                .place
                .as_ref()
                .map(|place| PathView::of(&place.path)),
            line: residual.place.as_ref().and_then(|place| place.line),
            message: &residual.message,
        }
    }
}

impl From<Surface> for SurfaceView {
    fn from(part: Surface) -> Self {
        Self {
            kind: part.kind.name(),
            before: part.before,
            after: part.after,
            lost: part.lost,
            gained: part.gained,
        }
    }
}

impl<'a> From<&'a Lock> for LockView<'a> {
    fn from(lock: &'a Lock) -> Self {
        let texts = |details: &[BString]| details.iter().map(escape).collect();
        let beyond = lock.beyond.iter().map(|change| PrivilegeView {
            kind: change.kind.name(),
            name: escape(&change.name),
            lost: texts(&change.lost),
            gained: texts(&change.gained),
        });
        Self {
            name: &lock.name,
            beyond: beyond.collect(),
        }
    }
}

impl<'a> From<&'a WaiverResult> for WaiverView<'a> {
    fn from(result: &'a WaiverResult) -> Self {
        let waiver = &result.waiver;
        Self {
            kind: &waiver.kind,
            subject: &waiver.subject,
            state: result.state.name(),
            reason: &waiver.reason,
            owner: waiver.owner.as_deref(),
            expires: waiver.expires.to_string(),
            file: &waiver.at.source.name,
            line: waiver.at.line(),
        }
    }
}

fn octal(bits: u32) -> String {
    format!("{bits:04o}")
}
