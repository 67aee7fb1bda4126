//! Commands as contenders: each runs once a round, in turn, since a machine's speed drifts.

use std::io;
use std::process::Command;
use std::time::Instant;

use wait4::Wait4;

/// What a run of a command took.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) seconds: f64,
    /// Peak resident memory in MiB.
    pub(super) mebibytes: f64,
}

/// Makes a contender's command anew for each round.
type Make<'a> = Box<dyn Fn() -> Command + 'a>;

/// Who takes part in the rounds, and what each of them took.
pub(super) struct Contest<'a> {
    contenders: Vec<(&'static str, Make<'a>)>,
    rounds: Vec<Vec<Cost>>,
}

impl<'a> Contest<'a> {
    pub(super) fn new() -> Self {
        Self {
            contenders: Vec::new(),
            rounds: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, name: &'static str, command: impl Fn() -> Command + 'a) {
        self.contenders.push((name, Box::new(command)));
    }

    /// Runs all in turn, a round more than is counted. Who fails takes no part and is named.
    pub(super) fn run(&mut self, rounds: usize) {
        for round in 0..=rounds.max(1) {
            let mut costs = Vec::new();
            self.contenders
                .retain(|(name, command)| match once(command()) {
                    Ok(cost) => {
                        costs.push(cost);
                        true
                    }
                    Err(why) => {
                        println!("not measured: {name}: {why}");
                        false
                    }
                });
            if round > 0 {
                self.rounds.push(costs);
            }
        }
        // Who failed in a later round would shift the others' places.
        let taking_part = self.contenders.len();
        self.rounds.retain(|costs| costs.len() == taking_part);
    }

    fn costs(&self, name: &str) -> Option<Vec<Cost>> {
        let at = self.contenders.iter().position(|(n, _)| *n == name)?;
        Some(self.rounds.iter().map(|costs| costs[at]).collect())
    }

    /// The median time of a contender.
    pub(super) fn seconds(&self, name: &str) -> Option<f64> {
        Some(median(
            self.costs(name)?.iter().map(|c| c.seconds).collect(),
        ))
    }

    /// The median, over the rounds, of one's time divided by the other's in the same round.
    pub(super) fn ratio(&self, ours: &str, theirs: &str) -> Option<f64> {
        let (ours, theirs) = (self.costs(ours)?, self.costs(theirs)?);
        let pairs = ours.iter().zip(&theirs);
        Some(median(pairs.map(|(a, b)| a.seconds / b.seconds).collect()))
    }

    /// The most memory that a contender took in any round, in MiB.
    pub(super) fn peak(&self, name: &str) -> Option<f64> {
        let costs = self.costs(name)?;
        costs.iter().map(|c| c.mebibytes).reduce(f64::max)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs a command once.
pub(super) fn once(mut command: Command) -> Result<Cost, String> {
    let start = Instant::now();
    let program = command.get_program().display().to_string();
    let failed = |e: io::Error| format!("cannot run {program}: {e}");
    let used = command.spawn().map_err(failed)?.wait4().map_err(failed)?;
    let seconds = start.elapsed().as_secs_f64();
    if !used.status.success() {
        return Err(format!("{command:?} failed"));
    }
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let mebibytes = used.rusage.maxrss as f64 / f64::from(1 << 20);
    Ok(Cost { seconds, mebibytes })
}
