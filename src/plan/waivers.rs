//! Waivers: what rules may leave open until a day, and whether any rule needed that.

use std::fmt;

use jiff::civil::Date;

use crate::edit::{Waived, Waivers};
use crate::error::{Diagnostic, Error, Result};
use crate::recipe::{Recipe, Waiver};

/// What became of one waiver.
#[derive(Clone, Debug)]
pub struct WaiverResult {
    /// The waiver as the recipe says it.
    pub waiver: Waiver,
    /// What it came to.
    pub state: WaiverState,
    /// Whether its day has passed, also if nothing used it.
    pub expired: bool,
}

/// What a waiver came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaiverState {
    /// It kept a rule from changing something.
    Used,
    /// No rule would have changed what it names: it can be deleted.
    Unused,
    /// A rule needed it, and its day has passed: the rule failed.
    Expired,
}

impl fmt::Display for WaiverResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiver = &self.waiver;
        write!(f, "{}:{}: {}", waiver.kind, waiver.subject, self.reason())
    }
}

impl WaiverResult {
    /// Why, who answers for it and until when, and what is to be done about it.
    pub fn reason(&self) -> String {
        let Waiver {
            reason,
            owner,
            expires,
            ..
        } = &self.waiver;
        let owner = match owner {
            Some(owner) => format!("owner {owner}"),
            None => "no owner".into(),
        };
        match self.state {
            WaiverState::Used => format!("{reason} ({owner}, until {expires})"),
            WaiverState::Unused => {
                let until = if self.expired { "expired on" } else { "until" };
                format!("{reason} ({owner}, {until} {expires}); nothing used it: delete it")
            }
            WaiverState::Expired => {
                format!("{reason} ({owner}); expired on {expires}: renew or delete it")
            }
        }
    }
}

impl WaiverState {
    /// One word for it, as reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Unused => "unused",
            Self::Expired => "expired",
        }
    }
}

/// The recipe's waivers, judged by a day.
pub(super) fn judge(recipe: &Recipe, as_of: Option<Date>) -> Result<Waivers> {
    let Some(first) = recipe.waivers().first() else {
        return Ok(Waivers::default());
    };
    let Some(day) = as_of else {
        return Err(Error::Recipe(vec![
            Diagnostic::new(first.at.clone(), "a waiver needs a day to be judged by")
                .help("give one with `PlanOptions::as_of`; casehard never asks the clock, so that a build can be repeated"),
        ]));
    };
    let waived = recipe.waivers().iter().map(|w| {
        let key = (w.kind.clone(), w.subject.clone());
        (key, Waived::new(w.expires, day))
    });
    Ok(waived.collect())
}

/// What the rules made of the waivers.
pub(super) fn results(after: &Waivers, recipe: &Recipe) -> Vec<WaiverResult> {
    let waivers = recipe.waivers().iter().cloned();
    waivers
        .map(|waiver| {
            let found = after.get(&(waiver.kind.clone(), waiver.subject.clone()));
            let expired = found.is_some_and(Waived::expired);
            let state = match found.is_some_and(|waived| waived.used) {
                true if expired => WaiverState::Expired,
                true => WaiverState::Used,
                false => WaiverState::Unused,
            };
            WaiverResult {
                waiver,
                state,
                expired,
            }
        })
        .collect()
}
