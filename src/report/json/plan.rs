//! The JSON of a plan's report.

use std::collections::BTreeMap;

use bstr::{BStr, ByteSlice};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{InodeView, Item, LinksView, PathView, TOOL, Target, Tool, octal, pretty};
use crate::diff::{HardLinks, Side, State};
use crate::edit::{Change, Edit, Outcome, Residual};
use crate::error::Result;
use crate::escape::escape;
use crate::plan::{RuleResult, WaiverResult};
use crate::report::view::Surface;
use crate::report::{FileChange, Lock, Report};
use crate::rootfs::InodeId;
use crate::system::capability;
use crate::write::digests::{self, Digest, hex};

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    tool: Tool,
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
    #[serde(flatten)]
    inode: InodeView,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sparse: bool,
    #[serde(flatten)]
    target: Option<Target>,
    xattrs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<String>,
    #[serde(flatten)]
    links: LinksView,
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
    beyond: Vec<Item>,
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
            tool: TOOL,
            image: ImageView {
                name: self.before.name(),
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
        Ok(pretty(&json))
    }

    fn rule<'a>(&'a self, number: usize, rule: &'a RuleResult) -> RuleView<'a> {
        let section = &rule.section;
        let residuals = self.plan.residuals.iter().enumerate();
        RuleView {
            kind: section.kind,
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
        let change = &file.change;
        let path = change.path.as_bstr();
        let [before, after] = change.states(&self.before, &self.after)?;
        let [was, is] = links;
        // The archive did not say what a directory is like that gets an entry.
        let before = before.filter(|state| !state.inode.implied() || after.is_none());
        let old = change.old.zip(before);
        let new = change.new.zip(after);
        Ok(FileView {
            path: PathView::of(path),
            rules: file.rules.iter().copied().collect(),
            before: old.map(|(id, state)| StateView::of(&state, was, path, id, &self.before)),
            after: new.map(|(id, state)| StateView::of(&state, is, path, id, &self.after)),
        })
    }
}

impl StateView {
    fn of(
        state: &State<'_>,
        links: &mut HardLinks,
        path: &BStr,
        id: InodeId,
        side: &Side<'_>,
    ) -> Self {
        let (inode, meta) = (state.inode, state.meta);
        let file = state.data.as_ref().filter(|_| inode.is_file());
        let xattrs = meta.xattrs.iter();
        Self {
            inode: InodeView::of(inode, meta),
            size: file.map(|data| data.len),
            sha256: file.map(|data| hex(&data.sha256)),
            sparse: file.is_some_and(|data| data.sparse),
            target: Target::of(inode),
            xattrs: xattrs.map(|(n, v)| (n.to_string(), hex(v))).collect(),
            capabilities: meta
                .xattr("security.capability")
                .and_then(|value| capability::decode(value)),
            links: LinksView::of(links, path, id, side.rootfs()),
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
        Self {
            name: &lock.name,
            beyond: lock
                .beyond
                .iter()
                .map(|change| Item::of(change, |text| escape(text)))
                .collect(),
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
