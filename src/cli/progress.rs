//! The progress bar, which only long work has.

use std::cell::RefCell;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ::console::Term;
use casehard::image::Phase;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arguments::When;
use super::signals::Signals;

/// How long work has to last before a bar appears.
const PATIENCE: Duration = Duration::from_millis(300);

/// Hears how far the work has come, shows it, and says whether to go on.
pub(crate) struct Progress<'a> {
    signals: &'a Signals,
    enabled: bool,
    patience: Duration,
    started: Instant,
    shown: RefCell<Option<Shown>>,
}

/// The bar of the phase at work.
struct Shown {
    phase: Phase,
    since: Instant,
    /// The bytes that were done when it appeared.
    from: u64,
    bar: ProgressBar,
}

impl<'a> Progress<'a> {
    /// Time counts from now on.
    pub(crate) fn new(when: When, signals: &'a Signals) -> Self {
        let (enabled, patience) = match when {
            When::Auto => (io::stderr().is_terminal(), PATIENCE),
            When::Always => (true, Duration::ZERO),
            When::Never => (false, PATIENCE),
        };
        Self {
            signals,
            enabled,
            patience,
            started: Instant::now(),
            shown: RefCell::new(None),
        }
    }

    /// What the library calls back.
    pub(crate) fn advance(&self, phase: Phase, done: u64, total: Option<u64>) -> ControlFlow<()> {
        if self.signals.came() {
            return ControlFlow::Break(());
        }
        if self.enabled && self.started.elapsed() >= self.patience {
            self.show(phase, done, total);
        }
        ControlFlow::Continue(())
    }

    /// Takes the bar away, so that something else can be printed.
    pub(crate) fn clear(&self) {
        if let Some(shown) = self.shown.take() {
            shown.bar.finish_and_clear();
        }
    }

    fn show(&self, phase: Phase, done: u64, total: Option<u64>) {
        if self
            .shown
            .borrow()
            .as_ref()
            .is_none_or(|s| s.phase != phase)
        {
            self.clear();
        }
        let mut shown = self.shown.borrow_mut();
        let Shown {
            since, from, bar, ..
        } = shown.get_or_insert_with(|| Shown {
            phase,
            since: Instant::now(),
            from: done,
            bar: bar(phase, total),
        });
        let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if millis >= 100 {
            let rate = done.saturating_sub(*from).saturating_mul(1000) / millis;
            bar.set_message(format!("{}/s", HumanBytes(rate)));
        }
        bar.set_position(done);
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar(phase: Phase, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{prefix:>13} [{bar:30}] {bytes}/{total_bytes} {msg}",
        None => "{prefix:>13} {bytes} {msg}",
    };
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    // Not `stderr()`, which draws on terminals only: whether to draw is decided already.
    let target = ProgressDrawTarget::term_like(Box::new(Term::stderr()));
    ProgressBar::with_draw_target(total, target)
        .with_style(style)
        .with_prefix(match phase {
            Phase::Read => "reading",
            Phase::Decompress => "decompressing",
            Phase::Write => "writing",
            Phase::Digest => "hashing",
            _ => "working",
        })
}
