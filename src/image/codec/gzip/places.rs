//! Places in a gzip file from which decoding can go on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::guess;
use super::inflate::Stand;

/// A place from which decoding can go on.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    pub(super) stand: Stand,
    pub(super) output: u64,
    /// What stands before the place.
    pub(super) window: Arc<[u8]>,
}

/// The places that are known. They are bounded whatever the file holds.
#[derive(Debug)]
pub(super) struct Places {
    /// Evenly spread. Where they are many, every other of them is dropped.
    even: Vec<Checkpoint>,
    /// How far those lie apart, in bytes of output.
    spacing: u64,
    /// The last ones that the pass over the file has come by.
    passed: Vec<Checkpoint>,
    /// Shortly before what is read again and lies far from any other: it is read to plan, and where
    /// it changes, to verify and to write.
    near: Mutex<Vec<Checkpoint>>,
}

/// 2 to 5 MiB of windows for any larger image.
const EVEN: usize = 144;
const SPACING: u64 = 4 << 20;
/// How far apart those lie that were passed, and how many are held: the pass may be that far, a
/// guess, behind the entry that is looked at.
const FINE: u64 = 512 << 10;
const PASSED: usize = 6;

const _: () = assert!(FINE * (PASSED as u64 - 1) >= guess::BUFFER as u64 + BEFORE);
/// How many of those the pass leaves, a mebibyte of windows, and how many there are at most.
const NEAR_PASSED: usize = 32;
const NEAR: usize = 2 * NEAR_PASSED;
/// How far decoding must go otherwise to keep one.
pub(super) const FAR: u64 = 1 << 20;
/// How far before what is read it lies: a block and its window, which are read again if a change is
/// made there.
pub(super) const BEFORE: u64 = 256 << 10;

impl Checkpoint {
    pub(super) fn new(stand: Stand, output: u64, window: &[u8]) -> Self {
        Self {
            stand,
            output,
            window: window.into(),
        }
    }
}

impl Places {
    pub(super) fn new() -> Self {
        Self {
            even: Vec::new(),
            spacing: SPACING,
            passed: Vec::new(),
            near: Mutex::default(),
        }
    }

    /// The pass over the file has come by a place, which is left out where it lies close to the
    /// last.
    pub(super) fn pass(&mut self, stand: Stand, output: u64, window: &[u8]) {
        let last = self.passed.last();
        if last.is_some_and(|last| output < last.output + FINE) {
            return;
        }
        let place = Checkpoint::new(stand, output, window);
        let last = self.even.last();
        if last.is_none_or(|last| place.output >= last.output + self.spacing) {
            if self.even.len() == EVEN {
                every_other(&mut self.even);
                self.spacing *= 2;
            }
            self.even.push(place.clone());
        }
        if self.passed.len() == PASSED {
            self.passed.remove(0);
        }
        self.passed.push(place);
    }

    /// Keeps a place that the pass has come by shortly before `output`, which will be read again.
    pub(super) fn keep_before(&mut self, output: u64) {
        let Some(place) = last_before(&self.passed, output.saturating_sub(BEFORE)) else {
            return;
        };
        let near = self.near.get_mut().unwrap_or_else(PoisonError::into_inner);
        let is_known = [&self.even, &*near].into_iter().any(|known| {
            last_before(known, place.output).is_some_and(|last| last.output == place.output)
        });
        if !is_known && near.len() < NEAR_PASSED {
            near.push(place.clone());
        }
    }

    /// Keeps another place, as long as there are few.
    pub(super) fn keep(&self, place: Checkpoint) {
        let mut near = self.near();
        if near.len() < NEAR {
            let at = near.partition_point(|other| other.output < place.output);
            near.insert(at, place);
        }
    }

    /// Returns the last place that does not lie behind `output`. There is one at the beginning.
    pub(super) fn before(&self, output: u64) -> Checkpoint {
        let near = self.near();
        let places = [&self.even, &*near].map(|places| last_before(places, output));
        let places = places.into_iter().flatten();
        let last = places.max_by_key(|place| place.output);
        last.expect("there is one at the beginning").clone()
    }

    /// Returns where those lie that are evenly spread, in bytes of output.
    pub(super) fn even(&self) -> impl Iterator<Item = u64> {
        self.even.iter().map(|place| place.output)
    }

    pub(super) fn near(&self) -> MutexGuard<'_, Vec<Checkpoint>> {
        self.near.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the last of some places, which ascend, that does not lie behind `output`.
fn last_before(places: &[Checkpoint], output: u64) -> Option<&Checkpoint> {
    let after = places.partition_point(|place| place.output <= output);
    places[..after].last()
}

fn every_other<T>(list: &mut Vec<T>) {
    let mut odd = true;
    list.retain(|_| {
        odd = !odd;
        !odd
    });
}
