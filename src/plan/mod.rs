//! From an image and a recipe to a plan: what each rule came to, the edits with their reasons, and
//! the verified result.
//!
//! **Invariant: a plan is a fixpoint.** Rules work one after another on a draft. The edited tar
//! stream is then indexed and resolved afresh, and every rule looks at it once more. A rule that
//! still wants an edit conflicts with a rule that undid it, or lowering went wrong. So "applying
//! twice is applying once" and "the output fulfils every rule" are checked on each run.

mod labels;
pub(crate) mod lower;
mod nested;
mod reverts;
mod sealed;
mod verdict;
mod verify;
mod waivers;

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::civil::Date;

use self::lower::lower;
use crate::edit::{Draft, Edit, Outcome, Residual, Verdict};
use crate::error::{Error, Result, Stop};
use crate::image::{Image, TarStream};
use crate::recipe::{OnMissing, Recipe, Section};
use crate::rootfs::{Files, Rootfs};
use crate::system::System;
use crate::system::boot::InitSystem;
use crate::system::os_release::OsRelease;

pub use verdict::PlanVerdict;
pub use waivers::{WaiverResult, WaiverState};

/// What a plan depends on besides image and recipe. Nothing is taken from the clock or the environment.
///
/// ```
/// # fn main() -> casehard::Result<()> {
/// let options = casehard::PlanOptions::new().mtime(1_700_000_000);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanOptions {
    as_of: Option<Date>,
    mtime: Option<u64>,
    allow_nested: bool,
}

impl PlanOptions {
    /// The defaults: no date, times from the archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The day by which waivers are judged; needed where the recipe has any.
    #[must_use]
    pub fn as_of(mut self, day: Date) -> Self {
        self.as_of = Some(day);
        self
    }

    /// Whether an image is planned whose root file system seems to be one folder down; by default that
    /// is refused, since no rule would find anything.
    #[must_use]
    pub fn allow_nested(mut self, yes: bool) -> Self {
        self.allow_nested = yes;
        self
    }

    /// The modification time of new and changed entries, in seconds since 1970. Without it a new
    /// entry takes that of its directory, and a changed one keeps its own.
    #[must_use]
    pub fn mtime(mut self, seconds: u64) -> Self {
        self.mtime = Some(seconds);
        self
    }
}

/// What hardening an image would do. Nothing is written yet.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(crate) image: &'a Image,
    pub(crate) recipe: &'a Recipe,
    pub(crate) before: Rootfs,
    pub(crate) after: Rootfs,
    pub(crate) rules: Vec<RuleResult>,
    pub(crate) edits: Vec<Edit>,
    pub(crate) residuals: Vec<Residual>,
    pub(crate) waivers: Vec<WaiverResult>,
    pub(crate) notes: Vec<String>,
    /// The edited tar stream of each layer.
    pub(crate) output: Vec<TarStream>,
    pub(crate) init: InitSystem,
}

/// What became of one rule.
#[derive(Clone, Debug)]
pub struct RuleResult {
    /// The rule as the recipe says it.
    pub section: Section,
    /// What it came to.
    pub outcome: Outcome,
    /// What the reader should know of it.
    pub notes: Vec<String>,
    /// Those of the notes that tell of a probable slip in the recipe.
    pub warnings: Vec<String>,
}

impl Image {
    /// Plans what a recipe changes, and verifies the result. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Image`] where the archive cannot be resolved to one file tree;
    /// [`Error::Recipe`] where two rules want different things, or where the
    /// recipe has waivers, which need a date (see [`plan_with`](Self::plan_with));
    /// [`Error::Unfulfilled`] where the result is not what was planned. A
    /// rule that cannot be fulfilled is not an error here: its outcome is [`Outcome::Failed`], and
    /// [`Plan::failed`] is true.
    pub fn plan<'a>(&'a self, recipe: &'a Recipe) -> Result<Plan<'a>> {
        self.plan_with(recipe, &PlanOptions::new())
    }

    /// As [`plan`](Self::plan), with options.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub fn plan_with<'a>(&'a self, recipe: &'a Recipe, options: &PlanOptions) -> Result<Plan<'a>> {
        let before = self.rootfs()?;
        if let Some(folder) = nested::folder(&before).filter(|_| !options.allow_nested) {
            return Err(Error::image(self.name(), nested::message(&folder)));
        }
        let waivers = waivers::judge(recipe, options.as_of)?;
        let mut draft = Draft::new(self, before.clone(), waivers, options.mtime);
        let mut outcomes = run(&mut draft, recipe, Look::First)?;
        draft.settle();
        let mut notes = before.doubts();
        notes.extend(general_notes(&draft, recipe)?);
        notes.extend(find_reverts(&mut draft, &before)?);
        let mut residuals = std::mem::take(&mut draft.residuals);
        let os = OsRelease::read(&draft)?;
        residuals.extend(sealed::residuals(&draft, &before, recipe, &os));
        // Not an edit of a rule, so not one to look for reverts of.
        draft.settle_emptied(&before);
        let doubtful = readable(labels::label_new(&mut draft, &before))?;
        notes.extend(
            doubtful
                .map(|why| format!("SELinux labels of new files may not be the policy's: {why}")),
        );
        let passing = std::mem::take(&mut draft.passing);
        let edits = std::mem::take(&mut draft.edits);
        let rule_notes = std::mem::take(&mut draft.notes);
        let warnings = std::mem::take(&mut draft.warnings);
        let waivers = waivers::results(&draft.waivers, recipe);
        let after = draft.into_rootfs();

        if !edits.is_empty() {
            notes.extend(self.invalid_when_changed());
        }

        let splices = lower(self, &before, &after).map_err(|damage| damage.of(self.name()))?;
        let edited = self.spliced(&splices)?;
        let empty = |tree: &Rootfs| tree.children(Rootfs::ROOT).next().is_none();
        if let Some(last) = edits.last()
            && empty(&after)
        {
            outcomes[last.rule] = Outcome::Failed("this would leave an empty image".into());
        }
        let rules = rule_results(recipe, outcomes, &rule_notes, &warnings);
        let mut plan = Plan {
            image: self,
            recipe,
            before,
            after,
            rules,
            edits,
            residuals,
            waivers,
            notes,
            output: edited.streams(),
            init: System::read(&self.files()?)?.init,
        };
        if plan.failed() {
            plan.residuals.extend(passing);
        } else {
            plan.verify(&edited, options)?;
        }
        plan.residuals.sort_by(|a, b| a.rank().cmp(&b.rank()));
        keep_first(&mut plan.residuals);
        Ok(plan)
    }
}

/// Which time the rules look at the image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// To harden it.
    First,
    /// To see that the result holds. What was removed is absent now, which is not a failure.
    Second,
}

/// Applies the rules in order and says what each came to.
fn run(draft: &mut Draft<'_>, recipe: &Recipe, look: Look) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (at, section) in recipe.rules().iter().enumerate() {
        draft.begin(at, section.kind());
        outcomes.push(match section.rule.apply(draft) {
            Ok(verdict) => judge(draft, section, &verdict, look),
            Err(Stop::Failed(why)) => Outcome::Failed(why),
            Err(Stop::Fatal(error)) => return Err(error),
        });
    }
    // What masks leave open shows in the result, which is not made where a rule failed.
    let failed = outcomes.iter().any(|o| matches!(o, Outcome::Failed(_)));
    if failed || look == Look::Second {
        readable(draft.find_mask_leftovers())?;
    }
    Ok(outcomes)
}

fn judge(draft: &mut Draft<'_>, section: &Section, verdict: &Verdict, look: Look) -> Outcome {
    match verdict {
        Verdict::Absent(what) if section.on_missing == OnMissing::Fail && look == Look::First => {
            let masks = section
                .kind
                .on_missing_values()
                .any(|value| value == OnMissing::Mask);
            let all_the_same = match masks {
                true => ", and `OnMissing=mask` masks it all the same",
                false => "",
            };
            Outcome::Failed(format!(
                "{what}; `OnMissing=skip` or `warn` allows that{all_the_same}"
            ))
        }
        Verdict::Absent(what) => {
            if section.on_missing == OnMissing::Warn {
                draft.note(what.clone());
            }
            draft.outcome(verdict)
        }
        Verdict::Holds => draft.outcome(verdict),
    }
}

fn rule_results(
    recipe: &Recipe,
    outcomes: Vec<Outcome>,
    notes: &[(usize, String)],
    warnings: &BTreeSet<(usize, String)>,
) -> Vec<RuleResult> {
    let rules = recipe.rules().iter().zip(outcomes).enumerate();
    let result = |(at, (section, outcome)): (usize, (&Section, Outcome))| {
        let own = notes.iter().filter(|(rule, _)| *rule == at);
        let slips = warnings.iter().filter(|(rule, _)| *rule == at);
        let additions = section.additions.iter().map(ToString::to_string);
        RuleResult {
            section: section.clone(),
            outcome,
            notes: additions.chain(own.map(|(_, note)| note.clone())).collect(),
            warnings: slips.map(|(_, warning)| warning.clone()).collect(),
        }
    };
    rules.map(result).collect()
}

/// Returns what concerns the image and the recipe as a whole.
fn general_notes(draft: &Draft<'_>, recipe: &Recipe) -> Result<Vec<String>> {
    let mut notes = draft.rootfs().notes().to_vec();
    let system = System::read(draft)?;
    notes.extend(
        recipe
            .chosen_for()
            .map(|system| format!("{} was chosen for this image ({system})", recipe.name())),
    );
    for part in recipe.parts() {
        let is_clear = !part.os_ids.is_empty() || system.init.is_host().is_some();
        if part.is_choosy() && is_clear && part.rank(&system).is_none() {
            notes.push(format!(
                "{} is meant for {}, and the image has {system}; it applies because it was named",
                part.name,
                part.meant_for()
            ));
        }
    }
    Ok(notes)
}

/// Adds residuals for everything that reverts an edit. Returns notes where that is not known.
fn find_reverts(draft: &mut Draft<'_>, before: &Rootfs) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for searched in reverts::residuals(draft, before) {
        let why = readable(searched)?;
        notes.extend(why.map(|why| format!("not everything that reverts an edit is known: {why}")));
    }
    Ok(notes)
}

/// Returns why a file of the image was not understood, if so. That does not stop the plan.
fn readable(found: Result<(), Stop>) -> Result<Option<String>> {
    match found {
        Ok(()) => Ok(None),
        Err(Stop::Failed(why)) => Ok(Some(why)),
        Err(Stop::Fatal(error)) => Err(error),
    }
}

/// Keeps the first of equal residuals.
fn keep_first(residuals: &mut Vec<Residual>) {
    let mut seen = BTreeSet::new();
    residuals.retain(|one| seen.insert(one.clone()));
}

impl Plan<'_> {
    /// Returns what became of each rule, in the recipe's order.
    pub fn rules(&self) -> &[RuleResult] {
        &self.rules
    }

    /// Returns every edit, in the order in which they were made.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Returns what stays open although every rule did its work, the most severe first.
    pub fn residuals(&self) -> &[Residual] {
        &self.residuals
    }

    /// Returns what became of each of the recipe's waivers.
    pub fn waivers(&self) -> &[WaiverResult] {
        &self.waivers
    }

    /// Returns what the reader should know of image and recipe as a whole.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the image as it is, with the contents of its files.
    pub fn before(&self) -> Files<'_> {
        Files::new(self.image, Cow::Borrowed(&self.before))
    }

    /// Returns the image as it will be, with the contents of its files.
    ///
    /// ```no_run
    /// # fn main() -> casehard::Result<()> {
    /// let image = casehard::Image::open("rootfs.tar.gz")?;
    /// let recipe = casehard::Recipe::load("site.ini")?;
    /// let plan = image.plan(&recipe)?;
    /// assert!(plan.after().read("/etc/securetty")?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn after(&self) -> Files<'_> {
        Files::new(self.image, Cow::Borrowed(&self.after))
    }

    /// Returns whether a rule failed; such a plan is not written.
    pub fn failed(&self) -> bool {
        self.rules
            .iter()
            .any(|r| matches!(r.outcome, Outcome::Failed(_)))
    }
}
