//! The view of a plan.

use std::collections::BTreeMap;

use super::{File, Name, Open, Rule, Surface, Tone, Verdict, View, Waiver};
use crate::edit::{Outcome, Residual};
use crate::error::{Result, Span};
use crate::escape::escape;
use crate::plan::{RuleResult, WaiverResult};
use crate::report::{FileChange, Report, plural};

impl Report<'_> {
    /// The plan for people.
    pub(in crate::report) fn view(&self) -> Result<View> {
        let plan = self.plan;
        Ok(View {
            verdict: self.verdict(),
            subject: [
                ("image", escape(self.image_name())),
                ("recipe", escape(plan.recipe.name())),
            ]
            .into_iter()
            .chain(self.lock.iter().map(|lock| ("lock", escape(&lock.name))))
            .collect(),
            beyond: self
                .beyond_lock()
                .iter()
                .map(|change| escape(change.line()))
                .collect(),
            rules: self.rules().iter().map(Rule::from).collect(),
            residuals: plan.residuals.iter().map(|r| self.open(r)).collect(),
            waivers: plan.waivers.iter().map(Waiver::from).collect(),
            notes: plan.notes.iter().map(escape).collect(),
            surface_title: "Attack surface",
            surface: self.surface()?,
            paths: self.files.len(),
            files: self.view_files()?,
        })
    }

    /// The attack surface before and after.
    pub(in crate::report) fn surface(&self) -> Result<Vec<Surface>> {
        let (before, after) = self.plan.inventories()?;
        Ok(Surface::between(&before, &after))
    }

    fn verdict(&self) -> Verdict {
        let failed = self
            .outcomes()
            .iter()
            .find(|(name, _)| *name == "failed")
            .map_or(0, |(_, count)| *count);
        let open = self.plan.residuals.len();
        let open = if open == 0 {
            "nothing is known to stay open".into()
        } else {
            format!(
                "{} open",
                if open == 1 {
                    "one thing stays".into()
                } else {
                    format!("{open} things stay")
                }
            )
        };
        let (tone, title, sentence) = if failed > 0 {
            let sentence = format!(
                "{failed} of {} could not be fulfilled, so no image is written.",
                plural(self.rules().len(), "rule")
            );
            (
                Tone::Bad,
                if failed == 1 {
                    "A rule failed"
                } else {
                    "Rules failed"
                },
                sentence,
            )
        } else if let (Some(lock), count @ 1..) = (&self.lock, self.beyond_lock().len()) {
            let privileges = if count == 1 {
                "privilege"
            } else {
                "privileges"
            };
            let sentence = format!(
                "The image would give {count} {privileges} that {} does not have, so none is written.",
                escape(&lock.name)
            );
            (Tone::Bad, "Not in the lock", sentence)
        } else if self.plan.compliant() {
            (
                Tone::Good,
                "Compliant",
                format!("The image is as the recipe wants it; {open}."),
            )
        } else {
            let sentence = format!(
                "{} to fulfil every rule, which the result was checked for; {open}.",
                match self.files.len() {
                    1 => "1 path changes".into(),
                    count => format!("{count} paths change"),
                }
            );
            (Tone::Changes, "Changes", sentence)
        };
        Verdict {
            tone,
            title: title.into(),
            sentence,
        }
    }

    fn open(&self, residual: &Residual) -> Open {
        Open {
            place: residual.place.as_ref().map(|place| match place.line {
                Some(line) => format!("{}:{line}", escape(&place.path)),
                None => escape(&place.path),
            }),
            message: escape(&residual.message),
            rule: residual
                .rule
                .map(|rule| escape(self.rules()[rule].section.label())),
        }
    }

    /// A file with many names is shown once, with all that the same rules touched.
    fn view_files(&self) -> Result<Vec<File>> {
        let mut shown = BTreeMap::new();
        let mut files: Vec<File> = Vec::new();
        for FileChange { path, rules } in &self.files {
            let key = self.file_on_both_sides(path).map(|both| (both, rules));
            if let Some(key) = key
                && let Some(at) = shown.get(&key)
            {
                let first: &mut File = &mut files[*at];
                first.twins.push(Name::new(path));
                continue;
            }
            let (old, new) = self.states(path)?;
            if let Some(key) = key {
                shown.insert(key, files.len());
            }
            files.push(File::new(
                path,
                rules.iter().copied().collect(),
                old.as_ref(),
                new.as_ref(),
            ));
        }
        Ok(files)
    }
}

impl From<&RuleResult> for Rule {
    fn from(rule: &RuleResult) -> Self {
        let section = &rule.section;
        Self {
            label: escape(section.label()),
            outcome: rule.outcome.name(),
            why: match &rule.outcome {
                Outcome::Failed(why) => Some(escape(why)),
                _ => None,
            },
            reason: section.reason.as_ref().map(escape),
            reference: section.reference.as_ref().map(escape),
            place: place(&section.at),
            notes: rule.notes.iter().map(escape).collect(),
        }
    }
}

impl From<&WaiverResult> for Waiver {
    fn from(result: &WaiverResult) -> Self {
        let waiver = &result.waiver;
        Self {
            label: escape(format!("{}:{}", waiver.kind, waiver.subject)),
            state: result.state,
            says: escape(result.reason()),
            place: place(&waiver.at),
        }
    }
}

fn place(at: &Span) -> String {
    escape(format!("{}:{}", at.source.name, at.line()))
}
