//! What a plan comes to, for those who review it and for the tools that they use.
//!
//! A [`Report`] holds what every format shares: the files that differ, found by comparing the rootfs before and after
//! rather than by following the edits, so that a report and the written image cannot disagree. Contents are read, one file
//! at a time, when a format asks for them.
//!
//! **Invariant: names, contents and recipe texts are foreign.** Whatever of them stands outside a hunk is escaped.

mod describe;
mod diff;
mod format;
mod hard_links;
mod html;
mod hunks;
mod json;
mod json_text;
mod markdown;
mod sarif;
mod state;
mod text;
mod txt;
pub(crate) mod view;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteVec as _};

use crate::edit::{Outcome, Residual};
use crate::inventory;
use crate::plan::{Plan, RuleResult, WaiverResult, WaiverState};
use crate::rootfs::InodeId;
use crate::write::digests::Digests;

pub use format::{FORMATS, Format, of_name};

pub(crate) use describe::misleads as either_misleads;
pub(crate) use diff::{comments, path_diff, rename_diff};
pub(crate) use hard_links::HardLinks;
pub(crate) use html::write as write_html;
pub(crate) use hunks::{Hunk, Sign, of as text_hunks};
pub(crate) use markdown::write as write_markdown;
pub(crate) use sarif::gained as write_sarif;
pub(crate) use state::{Data, Known, State, Tree, pair};
pub(crate) use text::mode;

use crate::escape::escape;

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
    files: Vec<FileChange>,
    digests: Option<Digests>,
    color: bool,
    lock: Option<Lock>,
    known: Known,
}

/// What the hardened image was compared with, and what it would give beyond that.
#[derive(Clone, Debug)]
struct Lock {
    name: String,
    beyond: Vec<inventory::Change>,
}

/// A name that does not stand for the same as before.
#[derive(Clone, Debug)]
struct FileChange {
    path: BString,
    /// The rules that touched it, in order.
    rules: BTreeSet<usize>,
}

impl Plan<'_> {
    /// What the plan comes to, to be written in one format or another.
    pub fn report(&self) -> Report<'_> {
        let mut touched: BTreeMap<&BString, BTreeSet<usize>> = BTreeMap::new();
        for edit in &self.edits {
            touched.entry(&edit.path).or_default().insert(edit.rule);
        }
        let known = Known::default();
        let (before, after) = self.trees(&known);
        let files = touched
            .into_iter()
            .filter(|(path, _)| before.differs(&after, path))
            .map(|(path, rules)| FileChange {
                path: path.clone(),
                rules,
            })
            .collect();
        Report {
            plan: self,
            files,
            digests: None,
            color: false,
            lock: None,
            known,
        }
    }

    fn trees<'a>(&'a self, known: &'a Known) -> (Tree<'a>, Tree<'a>) {
        let tree = |rootfs| Tree {
            image: self.image,
            rootfs,
            known,
        };
        (tree(&self.before), tree(&self.after))
    }
}

impl<'a> Report<'a> {
    /// What was read and what was written, for the JSON report. Without them it reads the image for its digest, and says
    /// nothing of an output.
    #[must_use]
    pub fn digests(mut self, digests: Digests) -> Self {
        self.digests = Some(digests);
        self
    }

    /// The lock that the image was compared with, by its name, and what [`Inventory::beyond`](inventory::Inventory::beyond)
    /// found. Each of these privileges is a failure in the report.
    #[must_use]
    pub fn lock(mut self, name: &str, beyond: &[inventory::Change]) -> Self {
        self.lock = Some(Lock {
            name: name.rsplit('/').next().unwrap_or(name).to_owned(),
            beyond: beyond.to_vec(),
        });
        self
    }

    /// Whether formats for terminals have colours; without this they have none.
    #[must_use]
    pub fn color(mut self, color: bool) -> Self {
        self.color = color;
        self
    }

    /// A few lines for a terminal: the rules that need a look, what stays open, notes on the image as a whole, and how many came
    /// to what.
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

    /// A residual on a line, not escaped: its place, what stays open, and the rule.
    fn residual(&self, residual: &Residual) -> Vec<u8> {
        let mut text = residual.line();
        if let Some(rule) = residual.rule {
            text.push_str(format!(" ({})", self.rules()[rule].section.label()));
        }
        text
    }

    /// The image's file name; its folder says where a build ran, which is nothing that a report should depend on.
    fn image_name(&self) -> &'a str {
        let name = self.plan.image.name();
        name.rsplit('/').next().unwrap_or(name)
    }

    fn rules(&self) -> &'a [RuleResult] {
        &self.plan.rules
    }

    /// Each rule on a line: what it came to, its name, and where the recipe has it or why it failed.
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
                let why = match &rule.outcome {
                    Outcome::Failed(why) => format!(": {}", escape(why)),
                    _ => String::new(),
                };
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

    /// How many rules came to each outcome, in the order in which reports name them.
    fn outcomes(&self) -> [(&'static str, usize); 5] {
        Outcome::NAMES.map(|name| {
            let is = |rule: &&RuleResult| rule.outcome.name() == name;
            (name, self.rules().iter().filter(is).count())
        })
    }

    /// What a path stood for and stands for now.
    fn states(&self, path: &[u8]) -> crate::Result<(Option<State<'_>>, Option<State<'_>>)> {
        let (before, after) = self.plan.trees(&self.known);
        pair(before, after, path)
    }

    /// The file that a path stands for on both sides, if it does; its other names have the same.
    fn file_on_both_sides(&self, path: &[u8]) -> Option<(InodeId, InodeId)> {
        let (before, after) = (&self.plan.before, &self.plan.after);
        Some((before.at(path)?, after.at(path)?))
    }
}

pub(crate) fn plural(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
