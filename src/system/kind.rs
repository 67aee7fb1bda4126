//! What an image is: its operating system, and its init system or that it has none.

use std::fmt;

use super::boot::InitSystem;
use super::os_release::OsRelease;
use crate::error::{Result, Stop};
use crate::rootfs::Files;

/// What recipes are chosen by.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) os: OsRelease,
    pub(crate) init: InitSystem,
}

impl System {
    pub(crate) fn read(files: &Files<'_>) -> Result<Self> {
        let init = match InitSystem::of(files) {
            Ok(init) => init,
            Err(Stop::Failed(_)) => InitSystem::Unclear,
            Err(Stop::Fatal(error)) => return Err(error),
        };
        Ok(Self {
            os: OsRelease::read(files)?,
            init,
        })
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.os.id.as_str() {
            "" => f.write_str("no os-release")?,
            id => write!(f, "ID={id}")?,
        }
        match &self.init {
            InitSystem::None => f.write_str(", no init: a container"),
            InitSystem::Unclear => f.write_str(", and not clear whether it boots"),
            init => write!(f, ", init {init}: a host"),
        }
    }
}
