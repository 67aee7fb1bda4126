//! What is to be disabled, and whether a start is one of it.

use crate::rootfs::Files;
use crate::system::boot::Start;

/// Where programs are.
const PROGRAMS: [&str; 9] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/libexec",
    "/usr/lib/systemd",
    "/opt/bin",
];

/// Where services are defined, enabled or not.
const SERVICES: [&str; 7] = [
    "/etc/init.d",
    "/etc/sv",
    "/usr/share/sv",
    "/etc/s6/sv",
    "/etc/s6-overlay/s6-rc.d",
    "/etc/dinit.d",
    "/usr/lib/dinit.d",
];

/// A service's or program's name, or a program's path.
#[derive(Debug)]
pub(super) struct Target {
    written: String,
}

impl Target {
    pub(super) fn new(written: &str) -> Self {
        Self {
            written: written.to_owned(),
        }
    }

    /// Returns it as the recipe has it.
    pub(super) fn name(&self) -> &str {
        &self.written
    }

    /// Returns whether it names this service; a path names none.
    pub(super) fn is_service(&self, name: &str) -> bool {
        !self.is_path() && !name.is_empty() && plain(name) == plain(&self.written)
    }

    /// Returns the name that a service of the program usually has.
    pub(super) fn base(&self) -> &str {
        plain(base(&self.written))
    }

    /// Returns whether this is the program, as a command names it.
    pub(super) fn is_program(&self, files: &Files<'_>, program: &str) -> bool {
        if !self.is_path() || !program.contains('/') {
            return plain(base(program)) == self.base();
        }
        let open = |path: &str| files.rootfs().open(path);
        program == self.written || open(program).is_some_and(|id| open(&self.written) == Some(id))
    }

    pub(super) fn is_started_by(&self, files: &Files<'_>, start: &Start) -> bool {
        let mut programs = start.runs.programs.iter();
        self.is_service(&start.name) || programs.any(|program| self.is_program(files, program))
    }

    /// Returns whether a start that is not understood may run it.
    pub(super) fn may_be_started_by(&self, start: &Start) -> bool {
        let mut words = start.runs.unclear.iter();
        words.any(|word| plain(word) == self.base())
    }

    /// Returns whether the image has the program, or a service of its name.
    pub(super) fn is_there(&self, files: &Files<'_>) -> bool {
        let rootfs = files.rootfs();
        if self.is_path() {
            return rootfs.exists(&self.written);
        }
        let name = plain(&self.written);
        let programs = PROGRAMS.iter().any(|directory| {
            [name.to_owned(), format!("in.{name}")]
                .iter()
                .any(|name| rootfs.exists(format!("{directory}/{name}")))
        });
        let mut services = SERVICES.iter();
        programs || services.any(|directory| rootfs.exists(format!("{directory}/{}", self.written)))
    }

    fn is_path(&self) -> bool {
        self.written.starts_with('/')
    }
}

/// Returns the last component of a path.
fn base(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns a name without what marks it as a program for inetd.
fn plain(name: &str) -> &str {
    name.strip_prefix("in.").unwrap_or(name)
}
