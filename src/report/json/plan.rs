//! The JSON of a plan's report.

use std::collections::BTreeMap;

use bstr::{BStr, ByteSlice};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{hard_links, inode, item, joined, octal, path, pretty, target, tool};
use crate::diff::{HardLinks, Side, State};
use crate::edit::{Change, Edit, Residual};
use crate::error::Result;
use crate::escape::escape;
use crate::plan::{RuleResult, WaiverResult};
use crate::report::{FileChange, Report};
use crate::rootfs::InodeId;
use crate::system::capability;
use crate::write::digests::{self, hex};

impl Report<'_> {
    /// The report for programs, as JSON. `docs/report.schema.json` describes it.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where the image cannot be read.
    pub fn to_json(&self) -> Result<String> {
        let plan = self.plan;
        let mut links = [HardLinks::default(), HardLinks::default()];
        let files = self.files.iter();
        let files: Result<Vec<_>> = files
            .map(|change| self.file_view(change, &mut links))
            .collect();
        let sources = plan.recipe.sources().iter().map(
            |source| json!({ "name": source.name, "sha256": hex(&Sha256::digest(&source.text)) }),
        );
        let output = self.digests.as_ref();
        let content = match output {
            Some(digests) => digests.image.clone(),
            None => digests::of_image(plan.image)?,
        };
        let written = output.map(|digests| {
            let tar = json!({ "tar": digests.tar });
            joined([json!(digests.output), tar])
        });
        let rules = self.rules().iter().enumerate();
        let surface = self.surface()?.into_iter().map(|part| {
            json!({
                "kind": part.kind.name(),
                "before": part.before,
                "after": part.after,
                "lost": part.lost,
                "gained": part.gained,
                "remaining": part.remaining,
            })
        });
        let lock = self.lock.as_ref().map(|lock| {
            let beyond = lock.beyond.iter();
            let beyond = beyond.map(|change| item(change, None, |text| escape(text)));
            json!({ "name": lock.name, "beyond": beyond.collect::<Value>() })
        });
        Ok(pretty(json!({
            "version": 1,
            "tool": tool(),
            "image": {
                "name": self.before.name(),
                "compression": plan.image.compression().name(),
                "sha256": content.sha256,
                "bytes": content.bytes,
            },
            "recipe": { "name": plan.recipe.name(), "sources": sources.collect::<Value>() },
            "outcomes": BTreeMap::from(self.outcomes()),
            "verdict": plan.verdict().id(),
            "compliant": plan.compliant(),
            "rules": rules.map(|(number, rule)| self.rule(number, rule)).collect::<Value>(),
            "edits": plan.edits.iter().map(|edit| self.edit(edit)).collect::<Value>(),
            "files": files?,
            "residuals": plan.residuals.iter().map(residual).collect::<Value>(),
            "surface": surface.collect::<Value>(),
            "waivers": plan.waivers.iter().map(waiver).collect::<Value>(),
            "lock": lock,
            "notes": plan.notes,
        "output": written,
        })))
    }

    fn rule(&self, number: usize, rule: &RuleResult) -> Value {
        let section = &rule.section;
        let residuals = self.plan.residuals.iter().enumerate();
        let own = residuals.filter(|(_, residual)| residual.rule == Some(number));
        json!({
            "kind": section.kind(),
            "argument": section.argument,
            "outcome": rule.outcome.name(),
            "why": rule.outcome.why(),
            "reason": section.reason,
            "reference": section.reference,
            "file": section.at.source.name,
            "line": section.at.line(),
            "column": section.at.column(),
            "notes": rule.notes,
            "residuals": own.map(|(at, _)| at).collect::<Value>(),
        })
    }

    fn edit(&self, edit: &Edit) -> Value {
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
        let what = json!({
            "change": change,
            "xattr": xattr,
            "before": before,
            "after": after,
            "reason": self.rules()[edit.rule].section.reason,
        });
        joined([json!({ "rule": edit.rule }), path(&edit.path), what])
    }

    fn file_view(&self, file: &FileChange, links: &mut [HardLinks; 2]) -> Result<Value> {
        let change = &file.change;
        let name = change.path.as_bstr();
        let [before, after] = change.states(&self.before, &self.after)?;
        let [was, is] = links;
        // The archive did not say what a directory is like that gets an entry.
        let before = before.filter(|state| !state.inode.implied() || after.is_none());
        let old = change.old.zip(before);
        let new = change.new.zip(after);
        let states = json!({
            "rules": file.rules,
            "before": old.map(|(id, is)| state(&is, was, name, id, &self.before)),
            "after": new.map(|(id, will)| state(&will, is, name, id, &self.after)),
        });
        Ok(joined([path(name), states]))
    }
}

fn state(
    state: &State<'_>,
    links: &mut HardLinks,
    path: &BStr,
    id: InodeId,
    side: &Side<'_>,
) -> Value {
    let file = state.data.as_ref().filter(|_| state.inode.is_file());
    let xattrs = state.meta.xattrs.iter();
    let xattrs: BTreeMap<_, _> = xattrs.map(|(n, v)| (n.to_string(), hex(v))).collect();
    let capability = state.meta.xattr("security.capability");
    joined([
        inode(state.inode, state.meta),
        json!({
            "size": file.map(|data| data.len),
            "sha256": file.map(|data| hex(&data.sha256)),
            "sparse": file.filter(|data| data.sparse).map(|_| true),
        }),
        target(state.inode),
        json!({
            "xattrs": xattrs,
            "capabilities": capability.and_then(|value| capability::decode(value)),
        }),
        hard_links(links, path, id, side.rootfs()),
    ])
}

fn residual(residual: &Residual) -> Value {
    let place = residual.place.as_ref();
    joined([
        json!({ "rule": residual.rule }),
        place.map_or(json!({}), |place| path(&place.path)),
        json!({
            "line": place.and_then(|place| place.line),
            "message": residual.message,
            "id": residual.id(),
            "severity": residual.severity().id(),
        }),
    ])
}

fn waiver(result: &WaiverResult) -> Value {
    let waiver = &result.waiver;
    json!({
        "kind": waiver.kind,
        "subject": waiver.subject,
        "state": result.state.name(),
        "reason": waiver.reason,
        "owner": waiver.owner,
        "expires": waiver.expires.to_string(),
        "file": waiver.at.source.name,
        "line": waiver.at.line(),
    })
}
