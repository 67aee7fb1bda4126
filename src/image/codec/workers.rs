//! How many threads compress.

use std::thread;

/// Returns one worker for each core. More than eight would wait for what they are to compress, and each
/// takes its memory.
pub(super) fn workers() -> u32 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores.min(8)).expect("at most eight")
}
