//! What a plan comes to, in one word.

use super::Plan;
use crate::edit::Outcome;
use crate::system::boot::InitSystem;

/// What a plan comes to. Only [`Compliant`](Self::Compliant) means that the image is as the recipe
/// wants it; a plan that could not look at anything is never that.
///
/// ```
/// use casehard::PlanVerdict;
///
/// assert_eq!(PlanVerdict::NothingFound.id(), "nothing-found");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanVerdict {
    /// A rule failed; no image is written.
    Failed,
    /// Rules change the image.
    Changes,
    /// The recipe has no rules.
    NoRules,
    /// Nothing that the rules name is in the image.
    NothingFound,
    /// A rule is about what starts, and the image's init is one that casehard does not know.
    InitNotUnderstood,
    /// Every rule holds, and nothing changes.
    Compliant,
}

impl PlanVerdict {
    /// Every verdict.
    pub const ALL: [Self; 6] = [
        Self::Failed,
        Self::Changes,
        Self::NoRules,
        Self::NothingFound,
        Self::InitNotUnderstood,
        Self::Compliant,
    ];

    /// Returns its stable name, as reports have it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Changes => "changes",
            Self::NoRules => "no-rules",
            Self::NothingFound => "nothing-found",
            Self::InitNotUnderstood => "init-not-understood",
            Self::Compliant => "compliant",
        }
    }
}

/// The kinds of rules that are about what starts.
const ABOUT_STARTS: [&str; 5] = ["Mask", "Disable", "DropIn", "Sandbox", "Environment"];

impl Plan<'_> {
    /// Returns what the plan comes to.
    pub fn verdict(&self) -> PlanVerdict {
        let outcomes = || self.rules.iter().map(|rule| &rule.outcome);
        let is_about_starts = |kind: &str| ABOUT_STARTS.contains(&kind);
        if self.failed() {
            PlanVerdict::Failed
        } else if !self.edits.is_empty() {
            PlanVerdict::Changes
        } else if self.rules.is_empty() {
            PlanVerdict::NoRules
        } else if outcomes().all(|outcome| *outcome == Outcome::Absent) {
            PlanVerdict::NothingFound
        } else if matches!(self.init, InitSystem::Other(_))
            && self
                .rules
                .iter()
                .any(|rule| is_about_starts(rule.section.kind()))
        {
            PlanVerdict::InitNotUnderstood
        } else {
            PlanVerdict::Compliant
        }
    }

    /// Returns whether the image is as the recipe wants it: every rule holds, and at least one of them
    /// found what it is about.
    pub fn compliant(&self) -> bool {
        self.verdict() == PlanVerdict::Compliant
    }
}

#[cfg(test)]
mod tests {
    use super::PlanVerdict;
    use crate::recipe::Recipe;
    use crate::rules::harness::open;

    #[test]
    fn only_what_was_looked_at_is_compliant() {
        let mask = "[Mask a.service]\nOnMissing=skip\n";
        let unit = "file usr/lib/systemd/system/a.service\nsymlink etc/systemd/system/a.service -> /dev/null\n";
        for (image, rules, want) in [
            ("file etc/a\n", "", PlanVerdict::NoRules),
            ("file etc/a\n", mask, PlanVerdict::NothingFound),
            ("file etc/a\n", "[StripSetid]\n", PlanVerdict::Compliant),
            (
                "file etc/a mode=4755\n",
                "[StripSetid]\n",
                PlanVerdict::Changes,
            ),
            ("file etc/a\n", "[Mask a.service]\n", PlanVerdict::Failed),
            (unit, mask, PlanVerdict::Compliant),
            (
                &format!("{unit}file sbin/init\n| #!/bin/sh\n"),
                mask,
                PlanVerdict::InitNotUnderstood,
            ),
            (
                "file sbin/init\n| #!/bin/sh\n",
                "[StripSetid]\n",
                PlanVerdict::Compliant,
            ),
        ] {
            let recipe = Recipe::parse("test", &format!("[Recipe]\nSchema=1\n{rules}")).unwrap();
            let image = open(image);
            assert_eq!(image.plan(&recipe).unwrap().verdict(), want, "{rules}");
        }
    }
}
