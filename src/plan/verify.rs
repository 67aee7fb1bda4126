//! The second look: the result, read anew, must be what was planned and satisfy every rule.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, ByteSlice};

use super::{Look, Plan, PlanOptions, RuleResult, run, waivers};
use crate::edit::{Change, Draft, Edit, Outcome};
use crate::error::{Diagnostic, Error, Result};
use crate::image::Image;
use crate::recipe::{OnMissing, Setting};

impl Plan<'_> {
    /// Lets every rule look at the edited image, read anew.
    pub(super) fn verify(&mut self, edited: &Image, options: &PlanOptions) -> Result<()> {
        let rootfs = edited.rootfs()?;
        if let Some(path) = self.after.difference(&rootfs) {
            return Err(Error::Unfulfilled(format!(
                "the result, read again, is not what was planned at {path}; please report this with the image's name"
            )));
        }
        let waivers = waivers::judge(self.recipe, options.as_of)?;
        let mut draft = Draft::new(edited, rootfs, waivers, options.mtime);
        let outcomes = run(&mut draft, self.recipe, Look::Second)?;
        if let Some(wanted) = draft.edits.first() {
            return self.conflict(wanted);
        }
        let mut robbed = BTreeSet::new();
        for (at, again) in outcomes.into_iter().enumerate() {
            match again {
                Outcome::Failed(why) => self.fail(at, &why),
                Outcome::Absent if !self.may_be_absent(at) => {
                    robbed.insert(at);
                }
                _ => {}
            }
        }
        if let Some(edit) = self.undone(&robbed).cloned() {
            return self.conflict(&edit);
        }
        for at in robbed {
            let why = self.removed_by_another(at);
            self.rules[at].outcome = Outcome::Failed(why);
        }
        // The second look sees every edit in place, so what it finds open is open in the result.
        self.residuals.extend(draft.residuals);
        self.residuals.extend(draft.passing);
        Ok(())
    }

    fn fail(&mut self, rule: usize, why: &str) {
        let why = format!("the result does not satisfy this rule: {why}");
        self.rules[rule].outcome = Outcome::Failed(why);
    }

    /// Says why the result has nothing of what a rule names. Names the rule that removed it if only one
    /// other rule removes anything: a rule does not say which paths it looked for.
    fn removed_by_another(&self, rule: usize) -> String {
        let removals = self.edits.iter().filter(|e| e.change == Change::Removed);
        let others = removals.map(|e| e.rule).filter(|by| *by != rule);
        let others: BTreeSet<usize> = others.collect();
        let by = match (others.first(), others.len()) {
            (Some(by), 1) => {
                let section = &self.rules[*by].section;
                format!("`[{}]` ({})", section.label(), section.at)
            }
            _ => "another rule".into(),
        };
        format!("{by} removes everything this rule names")
    }

    /// Returns whether the result need not have anything that a rule names: the rule removes it
    /// itself, or does not ask for it.
    fn may_be_absent(&self, rule: usize) -> bool {
        let RuleResult {
            section, outcome, ..
        } = &self.rules[rule];
        match outcome {
            _ if section.on_missing != OnMissing::Fail => true,
            Outcome::Changed => section.kind.leaves_no_trace,
            outcome => *outcome == Outcome::Waived,
        }
    }

    /// An edit of one of these rules whose file another rule removed.
    fn undone(&self, rules: &BTreeSet<usize>) -> Option<&Edit> {
        let removals = self.edits.iter().filter(|e| e.change == Change::Removed);
        let removed: BTreeMap<_, _> = removals.map(|e| (&e.path, e.rule)).collect();
        let mut own = self.edits.iter().filter(|e| rules.contains(&e.rule));
        own.find(|e| removed.get(&e.path).is_some_and(|by| *by != e.rule))
    }

    /// A rule wants an edit that another rule undid: shows both. Where there is no other, the rule
    /// failed.
    fn conflict(&mut self, wanted: &Edit) -> Result<()> {
        let section = &self.rules[wanted.rule].section;
        let touches = |edit: &&Edit| {
            let (path, wanted) = (edit.path.as_bstr(), wanted.path.as_bstr());
            path == wanted
                || is_below(path, wanted)
                || (edit.change == Change::Removed && is_below(wanted, path))
        };
        let other = self
            .edits
            .iter()
            .rfind(|e| e.rule != wanted.rule && touches(e))
            // The result is what was planned, so a later rule must have changed what this one looks
            // at.
            .or_else(|| self.edits.iter().rfind(|e| e.rule > wanted.rule))
            .map(|e| &self.rules[e.rule].section);
        match other {
            Some(other) => {
                let message = format!("two rules want different things of {}", wanted.path);
                let (one, two) = (section.label(), other.label());
                let mistake = match section.clash(other) {
                    // The lines themselves say it best.
                    Some((a, b)) => Diagnostic::new(
                        a.at.clone(),
                        format!("{message}: `{}` and `{}`", shown(a), shown(b)),
                    )
                    .label(format!("`{one}` wants this"))
                    .related(b.at.clone(), format!("`{two}` undoes it")),
                    None => Diagnostic::new(section.at.clone(), message)
                        .label(format!("`{one}` wants one thing"))
                        .related(other.at.clone(), format!("`{two}` undoes it")),
                };
                Err(Error::Recipe(vec![
                    mistake.help("delete one of them, or make them agree"),
                ]))
            }
            None => {
                self.rules[wanted.rule].outcome = Outcome::Failed(format!(
                    "the result does not satisfy this rule at {}; please report this with the image's name",
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

fn shown(setting: &Setting) -> String {
    format!("{}={}", setting.key, setting.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;
    use crate::rules::harness::open;

    fn recipe(rules: &str) -> Recipe {
        Recipe::parse("test", &format!("[Recipe]\nSchema=1\n{rules}\n")).unwrap()
    }

    #[test]
    fn a_rule_that_takes_away_what_another_goes_by_is_a_conflict() {
        let image = open(
            "file usr/bin/a mode=4755\nhardlink usr/bin/b -> usr/bin/a\ndir usr/bin\nfile etc/c\n\
         file opt/g\nfile usr/lib/a",
        );
        for (rules, culprit) in [
            ("[StripSetid]\nKeep=/usr/bin/a\n[Remove /usr/bin/a]", 5),
            (
                "[Permissions /usr/bin/a]\nMode=0755\n[Remove /usr/bin/a]",
                5,
            ),
            ("[Permissions /usr/bin]\nMode=0700\n[Remove /usr]", 5),
            (
                "[Permissions /opt/g]\nMode=0700\n[Remove /opt/*]\n[Permissions /opt]\nMode=0700",
                5,
            ),
            (
                "[Permissions /usr/bin]\nMode=0700\n[Remove /usr/lib/a]\n[Remove /usr/bin]",
                6,
            ),
        ] {
            let recipe = recipe(rules);
            let error = image.plan(&recipe).expect_err("what a rule names is gone");
            let Error::Recipe(mistakes) = error else {
                panic!("{rules}: {error}");
            };
            let (by, _) = &mistakes[0].related[0];
            assert_eq!(by.line(), culprit, "{rules}");
        }
        let unit = open("file usr/lib/systemd/system/a.service\nfile etc/c");
        let recipe = recipe(
            "[DropIn a.service/b.conf]\nService.NoNewPrivileges=yes\n[Remove /usr/lib/systemd/system/*]",
        );
        let plan = unit.plan(&recipe).expect("reports can be made");
        let outcome = &plan.rules()[0].outcome;
        assert!(
            matches!(outcome, Outcome::Failed(why) if why.contains("removes everything this rule names")),
            "{outcome:?}"
        );
    }

    #[test]
    fn a_rule_may_take_away_what_it_goes_by_itself() {
        for (image, rule) in [
            (
                "file etc/sudoers\n| core ALL=(ALL) ALL\n",
                "[RemoveSudo core]\nOnMissing=fail",
            ),
            (
                "file usr/bin/nc\nfile etc/b",
                "[Remove /usr/bin/nc]\nOnMissing=fail",
            ),
        ] {
            let (image, recipe) = (open(image), recipe(rule));
            let plan = image.plan(&recipe).expect("nothing undoes it");
            let outcome = &plan.rules()[0].outcome;
            assert!(matches!(outcome, Outcome::Changed), "{rule}: {outcome:?}");
        }
    }
}
