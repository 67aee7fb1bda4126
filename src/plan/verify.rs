//! The second look: whether the result, read anew, is what was planned and fulfils every rule.

use bstr::{BStr, BString, ByteSlice};

use super::{Look, Plan, PlanOptions, run, waivers};
use crate::edit::{Change, Draft, Edit, Outcome};
use crate::error::{Diagnostic, Error, Result};
use crate::image::Image;
use crate::recipe::OnMissing;

impl Plan<'_> {
    /// Lets every rule look at the edited image, read anew.
    pub(super) fn verify(&mut self, edited: &Image, options: &PlanOptions) -> Result<()> {
        let rootfs = edited.rootfs()?;
        if let Some(path) = self.after.difference(&rootfs) {
            return Err(Error::Unfulfilled(format!(
                "the result, read again, is not what was planned at {path}; please report this with the image's name"
            )));
        }
        let mut draft = Draft::new(
            edited,
            rootfs,
            waivers::judge(self.recipe, options.as_of)?,
            options.mtime,
        );
        let outcomes = run(&mut draft, self.recipe, Look::Second)?;
        if let Some(wanted) = draft.edits.first() {
            return self.conflict(wanted);
        }
        for (at, again) in outcomes.into_iter().enumerate() {
            let rule = &mut self.rules[at];
            let expected = rule.section.on_missing == OnMissing::Fail;
            let why = match again {
                Outcome::Failed(why) => why,
                // A rule may itself have taken away what it goes by; another may not.
                Outcome::Absent if expected && rule.outcome == Outcome::Changed => {
                    match self.undone(at).cloned() {
                        Some(edit) => return self.conflict(&edit),
                        None => continue,
                    }
                }
                Outcome::Absent if expected => "nothing that it names is left".into(),
                _ => continue,
            };
            rule.outcome = Outcome::Failed(format!("not so in the result, read again: {why}"));
        }
        // The second look sees every edit in place, so what it finds open is open in the result.
        self.residuals.extend(draft.residuals);
        self.residuals.extend(draft.passing);
        self.residuals
            .sort_by(|a, b| (a.rule, &a.path, a.line).cmp(&(b.rule, &b.path, b.line)));
        Ok(())
    }

    /// An edit of a rule whose file another rule removed.
    fn undone(&self, rule: usize) -> Option<&Edit> {
        let removed = |other: &Edit, path: &BString| {
            other.rule != rule && other.change == Change::Removed && other.path == *path
        };
        let mut own = self.edits.iter().filter(|edit| edit.rule == rule);
        own.find(|edit| self.edits.iter().any(|other| removed(other, &edit.path)))
    }

    /// A rule wants an edit that another rule undid: shows both. Where there is no other, the rule failed.
    fn conflict(&mut self, wanted: &Edit) -> Result<()> {
        let section = &self.rules[wanted.rule].section;
        let touches = |path: &BStr| {
            path == wanted.path
                || is_below(path, wanted.path.as_bstr())
                || is_below(wanted.path.as_bstr(), path)
        };
        let other = self
            .edits
            .iter()
            .rfind(|e| e.rule != wanted.rule && touches(e.path.as_bstr()))
            // The result is what was planned, so else a later rule took away what this one went by.
            .or_else(|| self.edits.iter().rfind(|e| e.rule > wanted.rule))
            .map(|e| &self.rules[e.rule].section);
        match other {
            Some(other) => Err(Error::Recipe(vec![
                Diagnostic::new(
                    section.at.clone(),
                    format!("two rules want different things of {}", wanted.path),
                )
                .label(format!("`{}` wants one thing", section.label()))
                .related(other.at.clone(), format!("`{}` undoes it", other.label()))
                .help("delete one of them, or make them agree"),
            ])),
            None => {
                self.rules[wanted.rule].outcome = Outcome::Failed(format!(
                    "not so in the result, read again, at {}; please report this with the image's name",
                    wanted.path
                ));
                Ok(())
            }
        }
    }
}

fn is_below(path: &BStr, directory: &BStr) -> bool {
    path.strip_prefix(directory.as_bytes())
        .is_some_and(|rest| rest.starts_with(b"/"))
}
