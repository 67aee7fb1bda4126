//! The progress bar. Only long work has one.

use std::cell::RefCell;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ::console::Term;
use casehard::image::Phase;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arguments::When;
use super::signals::Signals;

/// How long the work lasts before a bar appears.
const PATIENCE: Duration = Duration::from_millis(300);

/// Shows how far the work is, and stops it when a signal came.
pub(crate) struct Progress<'a> {
    signals: &'a Signals,
    /// How long to wait for work to end without a bar; none if no bar is wanted.
    patience: Option<Duration>,
    started: Instant,
    shown: RefCell<Option<Shown>>,
}

/// The bar of the current phase.
struct Shown {
    phase: Phase,
    /// The bytes that were done when it appeared.
    from: u64,
    bar: ProgressBar,
}

impl<'a> Progress<'a> {
    /// Starts the clock of the work.
    pub(crate) fn new(when: When, signals: &'a Signals) -> Self {
        let patience = match when {
            When::Auto => io::stderr().is_terminal().then_some(PATIENCE),
            When::Always => Some(Duration::ZERO),
            When::Never => None,
        };
        Self {
            signals,
            patience,
            started: Instant::now(),
            shown: RefCell::new(None),
        }
    }

    /// Returns the callback for the library.
    pub(crate) fn callback(&self) -> impl Fn(Phase, u64, Option<u64>) -> ControlFlow<()> {
        |phase, done, total| {
            if self.signals.came() {
                return ControlFlow::Break(());
            }
            let elapsed = self.started.elapsed();
            if self.patience.is_some_and(|patience| elapsed >= patience) {
                self.show(phase, done, total);
            }
            ControlFlow::Continue(())
        }
    }

    /// Removes the bar, so that something else can be printed.
    pub(crate) fn clear(&self) {
        if let Some(shown) = self.shown.take() {
            shown.bar.finish_and_clear();
        }
    }

    fn show(&self, phase: Phase, done: u64, total: Option<u64>) {
        let mut current = self.shown.borrow_mut();
        if let Some(other) = current.take_if(|shown| shown.phase != phase) {
            other.bar.finish_and_clear();
        }
        let shown = current.get_or_insert_with(|| Shown {
            phase,
            from: done,
            bar: bar(phase, total),
        });
        let millis = u64::try_from(shown.bar.elapsed().as_millis()).unwrap_or(u64::MAX);
        if millis >= 100 {
            let rate = done.saturating_sub(shown.from).saturating_mul(1000) / millis;
            shown.bar.set_message(format!("{}/s", HumanBytes(rate)));
        }
        shown.bar.set_position(done);
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
    // `ProgressDrawTarget::stderr()` draws on terminals only, which `--progress always` overrides.
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
