//! Files that something in the image writes when the system boots or someone logs in: cloud-init,
//! Ignition, Kairos, and scripts of every kind.
//!
//! **Invariant.** Only paths that are written out count. What a script puts together as it runs is
//! not known, and nothing is said of it.

mod cloud_config;
mod ignition;
mod scripts;

use std::collections::BTreeSet;

use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};
use crate::system::boot::script::{How, written};
use crate::system::systemd::Units;

pub(crate) use cloud_config::{cloud_init_files, kairos_files};
pub(crate) use ignition::ignition_files;

/// A larger file is not a configuration or script of these.
const LIMIT: u64 = 128 << 10;

/// A file that something will write.
#[derive(Clone, Debug)]
pub(crate) struct BootWrite {
    /// The line that says so.
    pub(crate) place: Place,
    /// The absolute path of the file; of [`How::Unmasks`] the unit.
    pub(crate) path: String,
    pub(crate) how: How,
    /// Who writes it.
    pub(crate) who: &'static str,
    pub(crate) when: &'static str,
}

/// What is written, and the files that could not be read for it.
#[derive(Default)]
pub(crate) struct BootWrites {
    pub(crate) writes: Vec<BootWrite>,
    /// Places from which on a file was not understood, and why.
    pub(crate) unread: Vec<(Place, &'static str)>,
    /// The scripts that were read.
    pub(crate) scripts: BTreeSet<InodeId>,
}

/// Returns all files that the image has something write.
pub(crate) fn boot_writes(files: &Files<'_>, units: &Units<'_>) -> Result<BootWrites, Stop> {
    let mut found = BootWrites::default();
    cloud_config::add(files, &mut found)?;
    ignition::add(files, &mut found)?;
    scripts::add(files, units, &mut found)?;
    Ok(found)
}

impl BootWrites {
    /// Adds what a text of a shell's commands writes. All of it counts as at `line`, if that is given.
    fn add_commands(
        &mut self,
        path: &str,
        text: &str,
        line: Option<usize>,
        who: &'static str,
        when: &'static str,
    ) {
        for written in written(text) {
            self.writes.push(BootWrite {
                place: Place::new(path, line.unwrap_or(written.line)),
                path: written.path,
                how: written.how,
                who,
                when,
            });
        }
    }
}

/// Returns a word as a shell reads it back.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
