//! What a plan or a comparison of two images comes to, for those who review it and for the tools
//! that they use.
//!
//! A [`Report`] is the comparison of the trees before and after, plus rules, edits and residuals.
//! The trees are compared rather than the edits followed, so that a report and the written image
//! cannot disagree. A format reads contents one file at a time.
//!
//! **Invariant: names, contents and recipe texts are foreign.** They are escaped wherever they
//! appear outside a hunk.

mod diff;
mod format;
mod html;
mod json;
mod markdown;
mod sarif;
mod txt;
mod view;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteVec as _};

use crate::diff::{Known, PathChange, Side, edited};
use crate::edit::{Outcome, Residual};
use crate::escape::escape;
use crate::inventory;
use crate::plan::{Plan, RuleResult, WaiverResult, WaiverState};
use crate::rootfs::InodeId;
use crate::write::digests::Digests;

pub use format::Format;

/// A plan as its readers see it.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let image = casehard::Image::open("rootfs.tar.gz")?;
/// let recipe = casehard::Recipe::load("site.ini")?;
/// let plan = image.plan(&recipe)?;
/// std::fs::write("rootfs.diff", plan.report().to_diff()?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Report<'a> {
    plan: &'a Plan<'a>,
    before: Side<'a>,
    after: Side<'a>,
    files: Vec<FileChange>,
    digests: Option<Digests>,
    color: bool,
    lock: Option<Lock>,
}

/// What the hardened image was compared with, and which privileges it gives beyond that.
#[derive(Clone, Debug)]
struct Lock {
    name: String,
    beyond: Vec<inventory::Change>,
}

/// A path that changed.
#[derive(Clone, Debug)]
struct FileChange {
    change: PathChange,
    /// The rules that touched it, in order.
    rules: BTreeSet<usize>,
}

impl Plan<'_> {
    /// Returns the report of the plan, which can be written in any [`Format`].
    pub fn report(&self) -> Report<'_> {
        let mut touched: BTreeMap<&BString, BTreeSet<usize>> = BTreeMap::new();
        for edit in &self.edits {
            touched.entry(&edit.path).or_default().insert(edit.rule);
        }
        let files = touched.into_iter().filter_map(|(path, rules)| {
            let change = edited(&self.before, &self.after, path)?;
            Some(FileChange { change, rules })
        });
        let known = Known::default();
        Report {
            plan: self,
            files: files.collect(),
            before: Side::new(self.image, self.before(), &known),
            after: Side::new(self.image, self.after(), &known),
            digests: None,
            color: false,
            lock: None,
        }
    }
}

impl FileChange {
    /// The same for the names of one file that the same rules touched: there is the same to say of
    /// them.
    fn twin_key(&self) -> Option<(InodeId, InodeId, &BTreeSet<usize>)> {
        Some((self.change.old?, self.change.new?, &self.rules))
    }
}

impl<'a> Report<'a> {
    /// Gives the JSON report the digests of what was read and written. Without them it reads the
    /// image for its digest and has no output.
    #[must_use]
    pub fn digests(mut self, digests: Digests) -> Self {
        self.digests = Some(digests);
        self
    }

    /// Names the lock that the image was compared with, and what
    /// [`Inventory::beyond`](inventory::Inventory::beyond) found. Each of these privileges is a
    /// failure in the report.
    #[must_use]
    pub fn lock(mut self, name: &str, beyond: &[inventory::Change]) -> Self {
        self.lock = Some(Lock {
            name: name.rsplit('/').next().unwrap_or(name).to_owned(),
            beyond: beyond.to_vec(),
        });
        self
    }

    /// Turns colours on or off in formats for terminals; they are off at first.
    #[must_use]
    pub fn color(mut self, color: bool) -> Self {
        self.color = color;
        self
    }

    /// Returns a few lines for a terminal: the rules that need a look, what stays open, probable slips, notes on
    /// the image as a whole, and how many rules came to each outcome.
    pub fn summary(&self) -> String {
        let quiet = |rule: &&RuleResult| matches!(rule.outcome, Outcome::Already | Outcome::Absent);
        let shown: Vec<_> = self.rules().iter().filter(|rule| !quiet(rule)).collect();
        let mut out: String = self
            .aligned(&shown)
            .into_iter()
            .map(|line| line + "\n")
            .collect();
        for residual in &self.plan.residuals {
            out.push_str(&format!("open     {}\n", escape(self.residual(residual))));
        }
        let used = |waiver: &&WaiverResult| waiver.state == WaiverState::Used;
        for waiver in self.plan.waivers.iter().filter(|waiver| !used(waiver)) {
            out.push_str(&format!("waiver   {}\n", escape(waiver.to_string())));
        }
        for rule in self.rules() {
            for warning in &rule.warnings {
                let line = format!("{warning} ({})", rule.section.label());
                out.push_str(&format!("warning  {}\n", escape(line)));
            }
        }
        for note in &self.plan.notes {
            out.push_str(&format!("note     {}\n", escape(note)));
        }
        out.push_str(&self.counts());
        out.push('\n');
        out
    }

    fn beyond_lock(&self) -> &[inventory::Change] {
        self.lock.as_ref().map_or(&[], |lock| &lock.beyond)
    }

    /// Returns a residual on a line, not escaped: its place, what stays open, and the rule.
    fn residual(&self, residual: &Residual) -> Vec<u8> {
        let mut text = residual.line();
        if let Some(rule) = residual.rule {
            text.push_str(format!(" ({})", self.rules()[rule].section.label()));
        }
        text
    }

    fn rules(&self) -> &'a [RuleResult] {
        &self.plan.rules
    }

    /// Returns each rule on a line: its outcome, its name, its place in the recipe, and why it
    /// failed.
    fn aligned(&self, rules: &[&RuleResult]) -> Vec<String> {
        /// A longer name is not worth moving all the others' columns for.
        const WIDEST: usize = 48;
        let labels: Vec<String> = rules.iter().map(|r| escape(r.section.label())).collect();
        let widths = labels.iter().map(|label| label.chars().count());
        let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or(0);
        rules
            .iter()
            .zip(&labels)
            .map(|(rule, label)| {
                let at = &rule.section.at;
                let place = escape(format!("{}:{}", at.source.name, at.line()));
                let why = rule.outcome.why().map(|why| format!(": {}", escape(why)));
                let why = why.unwrap_or_default();
                format!("{:7}  {label:width$}  {place}{why}", rule.outcome.name())
            })
            .collect()
    }

    fn counts(&self) -> String {
        let outcomes: Vec<String> = self
            .outcomes()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        let files = plural(self.files.len(), "path");
        let residuals = plural(self.plan.residuals.len(), "residual");
        let rules = if outcomes.is_empty() {
            "no rules".to_owned()
        } else {
            format!("rules: {}", outcomes.join(", "))
        };
        format!("{rules}; {files} touched; {residuals}")
    }

    /// Counts the rules of each outcome, in the order of reports.
    fn outcomes(&self) -> [(&'static str, usize); 5] {
        Outcome::NAMES.map(|name| {
            let is = |rule: &&RuleResult| rule.outcome.name() == name;
            (name, self.rules().iter().filter(is).count())
        })
    }
}

pub(crate) fn plural(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
