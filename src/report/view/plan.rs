//! The view of a plan.

use std::collections::BTreeMap;

use super::{File, Name, Open, Rule, Surface, Tone, Verdict, View, Waiver};
use crate::edit::Residual;
use crate::error::{Result, Span};
use crate::escape::escape;
use crate::plan::{PlanVerdict, RuleResult, WaiverResult};
use crate::report::{Report, plural};

impl Report<'_> {
    /// The plan for people.
    pub(in crate::report) fn view(&self) -> Result<View> {
        let plan = self.plan;
        Ok(View {
            verdict: self.verdict(),
            subject: [
                ("image", escape(self.before.name())),
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
            // No image is written where a rule failed.
            remains_title: match self.is_written() {
                true => "What remains",
                false => "What would remain",
            },
            paths: self.files.len(),
            files: self.view_files()?,
        })
    }

    /// Returns whether nothing keeps the hardened image from being written.
    fn is_written(&self) -> bool {
        let failed = |rule: &RuleResult| rule.outcome.why().is_some();
        self.beyond_lock().is_empty() && !self.rules().iter().any(failed)
    }

    /// The attack surface before and after.
    pub(in crate::report) fn surface(&self) -> Result<Vec<Surface>> {
        let (before, after) = self.plan.inventories()?;
        Ok(Surface::between(&before, &after))
    }

    fn verdict(&self) -> Verdict {
        let failed = self
            .rules()
            .iter()
            .filter(|rule| rule.outcome.why().is_some());
        let failed = failed.count();
        let open = match self.plan.residuals.len() {
            0 => "casehard knows of nothing that stays open".into(),
            1 => "1 item stays open".into(),
            count => format!("{count} items stay open"),
        };
        let (tone, title, sentence) = if failed > 0 {
            let rules = plural(self.rules().len(), "rule");
            let sentence = format!("{failed} of {rules} failed. No image is written.");
            let title = match failed {
                1 => "A rule failed",
                _ => "Rules failed",
            };
            (Tone::Bad, title, sentence)
        } else if let (Some(lock), count @ 1..) = (&self.lock, self.beyond_lock().len()) {
            let sentence = format!(
                "The hardened image would give {} that {} does not list. No image is written.",
                plural(count, "privilege"),
                escape(&lock.name)
            );
            (Tone::Bad, "Not in the lock", sentence)
        } else if let Some((title, sentence)) = self.nothing_changes(&open) {
            let tone = match self.plan.compliant() {
                true => Tone::Good,
                false => Tone::Changes,
            };
            (tone, title, sentence)
        } else {
            let paths = match self.files.len() {
                1 => "1 path changes".into(),
                count => format!("{count} paths change"),
            };
            let sentence = format!("{paths}. Every rule holds in the result. {open}.");
            (Tone::Changes, "Changes", sentence)
        };
        Verdict {
            tone,
            title: title.into(),
            sentence,
        }
    }

    /// Returns the title and the sentence where no rule failed and nothing changes.
    fn nothing_changes(&self, open: &str) -> Option<(&'static str, String)> {
        let none = "The image stays as it is, and nothing is known of it.";
        Some(match self.plan.verdict() {
            PlanVerdict::NoRules => ("No rules", format!("The recipe has no rules. {none}")),
            PlanVerdict::NothingFound => (
                "Nothing found",
                format!(
                    "Nothing that the {} name is in the image. {none}",
                    plural(self.rules().len(), "rule")
                ),
            ),
            PlanVerdict::InitNotUnderstood => (
                "Init not understood",
                format!(
                    "Nothing changes, but {} starts the image's programs, and casehard does not know what it starts. {open}.",
                    escape(self.plan.init.to_string())
                ),
            ),
            PlanVerdict::Compliant => (
                "Compliant",
                format!("Every rule holds in the image, and nothing changes. {open}."),
            ),
            _ => return None,
        })
    }

    fn open(&self, residual: &Residual) -> Open {
        Open {
            severity: residual.severity(),
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

    /// A file with several names is shown once, with all names that the same rules touched.
    fn view_files(&self) -> Result<Vec<File>> {
        let mut shown = BTreeMap::new();
        let mut files: Vec<File> = Vec::new();
        for file in &self.files {
            let key = file.twin_key();
            if let Some(at) = key.and_then(|key| shown.get(&key)) {
                let first: &mut File = &mut files[*at];
                first.twins.push(Name::new(&file.change.path));
                continue;
            }
            shown.extend(key.map(|key| (key, files.len())));
            let mut view = File::new(&file.change, &self.before, &self.after)?;
            view.read(&file.change, &self.before, &self.after, usize::MAX)?;
            view.rules = file.rules.iter().copied().collect();
            files.push(view);
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
            why: rule.outcome.why().map(escape),
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
