//! Finds the items of each kind.

use std::collections::BTreeSet;

use bstr::BString;

use super::{Inventory, Kind, logins, members, writable};
use crate::error::Result;
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Rootfs};
use crate::system::accounts::doas;
use crate::system::accounts::sudoers::Policy;
use crate::system::boot;
use crate::system::busybox::{self, Binary, Busyboxes};
use crate::system::capability;
use crate::system::packages;
use crate::system::systemd::{self, Units};

const SETID: u32 = 0o6000;

/// Programs that anyone can use to fetch from the network, talk to it or listen on it.
const NETWORK_TOOLS: &str = "\
    aria2c curl elinks fetch ftp ftpget ftpput links lynx nc nc.openbsd nc.traditional ncat \
    netcat nmap rsync scp sftp socat ssh tcpdump telnet tftp w3m wget wget2";

/// Where shells look for programs.
const PROGRAMS: &str = "\
    /bin /sbin /usr/bin /usr/sbin /usr/local/bin /usr/local/sbin /opt/bin";

pub(super) fn collect(files: &Files<'_>) -> Result<Inventory> {
    let mut work = Collector {
        files,
        found: Inventory::default(),
    };
    work.files();
    let done = work.units().and_then(|()| {
        work.starts()?;
        members::members(&mut work)?;
        work.sudo()?;
        logins::logins(&mut work)?;
        writable::writable(&mut work)?;
        work.tools()?;
        work.packages()
    });
    match done {
        Ok(()) => Ok(work.found),
        Err(Stop::Fatal(error)) => Err(error),
        // A part that fails otherwise lists that itself.
        Err(Stop::Failed(why)) => {
            work.found.add(Kind::Unknown, "image", why);
            Ok(work.found)
        }
    }
}

pub(super) struct Collector<'d, 'i> {
    pub(super) files: &'d Files<'i>,
    pub(super) found: Inventory,
}

impl<'d> Collector<'d, '_> {
    fn rootfs(&self) -> &'d Rootfs {
        self.files.rootfs()
    }

    /// Returns the result of an attempt. If it failed, the reason becomes an item with this name.
    pub(super) fn known<T: Default>(
        &mut self,
        what: impl Into<BString>,
        attempt: Result<T, Stop>,
    ) -> Result<T, Stop> {
        match attempt {
            Err(Stop::Failed(why)) => {
                self.found.add(Kind::Unknown, what, why);
                Ok(T::default())
            }
            done => done,
        }
    }

    /// Returns a file's text; nothing where it is too large.
    pub(super) fn text(&mut self, id: InodeId) -> Result<Vec<u8>, Stop> {
        self.known(self.rootfs().path(id), self.files.text(id))
    }

    fn files(&mut self) {
        let rootfs = self.rootfs();
        let files = rootfs
            .inodes()
            .filter(|(_, inode)| inode.is_file() && inode.links() > 0);
        for (id, inode) in files {
            for meta in inode.metas() {
                let value = meta.xattr("security.capability");
                if meta.mode & SETID == 0 && value.is_none() {
                    continue;
                }
                for path in rootfs.paths(id) {
                    if meta.mode & SETID != 0 {
                        let detail = format!("{:04o} {}:{}", meta.mode, meta.uid, meta.gid);
                        self.found.add(Kind::SetId, path.clone(), detail);
                    }
                    if let Some(value) = value {
                        let odd = || format!("a value of {} bytes of no known form", value.len());
                        let detail = capability::decode(value).unwrap_or_else(odd);
                        self.found.add(Kind::Capability, path, detail);
                    }
                }
            }
        }
    }

    fn units(&mut self) -> Result<(), Stop> {
        let units = Units::of(self.files);
        for unit in units.all().filter(|unit| units.is_masked(unit)) {
            self.found.add(Kind::Masked, unit, "");
        }
        for (unit, quadlet) in units.quadlets() {
            for by in &quadlet.wanted_by {
                self.found.add(Kind::Unit, unit.as_str(), by.clone());
            }
            for port in &quadlet.ports {
                let port = format!("PublishPort={port}");
                self.found.add(Kind::Listener, unit.as_str(), port);
            }
        }
        let mut sockets = BTreeSet::new();
        for (unit, by) in units.enabled() {
            if systemd::name::kind(&unit) == "socket" {
                sockets.insert(unit.clone());
            }
            self.found.add(Kind::Unit, unit, by);
        }
        let preset = systemd::presets::enabled(self.files, &units);
        for (unit, by) in self.known("presets", preset)? {
            if systemd::name::kind(&unit) == "socket" {
                sockets.insert(unit.clone());
            }
            self.found.add(Kind::Unit, unit, by);
        }
        for socket in sockets {
            let merged = systemd::merged(self.files, &units, &socket, |_| false);
            let merged = self.known(socket.as_str(), merged)?;
            let mut addresses: Vec<BString> = Vec::new();
            let listens = merged.section("Socket");
            for found in listens.filter(|found| found.key.starts_with(b"Listen")) {
                if found.value.is_empty() {
                    // One list for all of them.
                    addresses.clear();
                } else {
                    addresses.push(format!("{}={}", found.key, found.value).into());
                }
            }
            for address in addresses {
                self.found.add(Kind::Listener, socket.as_str(), address);
            }
        }
        Ok(())
    }

    fn starts(&mut self) -> Result<(), Stop> {
        let starts = self.known("starts", boot::starts(self.files))?;
        for start in starts {
            let programs = start.runs.programs.iter().map(String::as_str);
            let detail: Vec<&str> = programs.collect();
            let detail = format!("{} {}", start.place.path, detail.join(" "));
            self.found.add(Kind::Start, start.name, detail.trim());
        }
        Ok(())
    }

    fn sudo(&mut self) -> Result<(), Stop> {
        let doas = self.known("doas", doas::lines(self.files))?;
        for (path, rule) in doas {
            self.found.add(Kind::Sudo, rule, path);
        }
        let policy = Policy::read(self.files).map(Some);
        let Some(policy) = self.known("sudoers", policy)? else {
            return Ok(());
        };
        for (path, line) in policy.lines() {
            self.found.add(Kind::Sudo, line, path);
        }
        for (place, what) in policy.unknown() {
            self.found
                .add(Kind::Unknown, place.path.clone(), what.as_str());
        }
        Ok(())
    }

    fn tools(&mut self) -> Result<(), Stop> {
        let mut busyboxes = Busyboxes::default();
        let rootfs = self.rootfs();
        for directory in PROGRAMS.split(' ').filter_map(|path| rootfs.open(path)) {
            for (name, _) in rootfs.children(directory) {
                let Some(tool) = NETWORK_TOOLS.split(' ').find(|tool| name == *tool) else {
                    continue;
                };
                let path = rootfs.path_in(directory, name);
                let Some(program) = rootfs.open(&path) else {
                    continue;
                };
                let runs = |inode: InodeId| {
                    let inode = rootfs.inode(inode);
                    inode.is_file() && inode.metas().any(|meta| meta.mode & 0o111 != 0)
                };
                if runs(program) && !busyboxes.is_one(self.files, program)? {
                    self.found.add(Kind::NetworkTool, tool, path);
                }
            }
        }
        for id in busyboxes.all(self.files)? {
            let binary = Binary::read(self.files, id)?;
            let path = busybox::path(self.files, id);
            for tool in NETWORK_TOOLS.split(' ') {
                if binary.runs(self.files, tool)? {
                    self.found
                        .add(Kind::NetworkTool, tool, format!("{path} {tool}"));
                }
            }
        }
        Ok(())
    }

    fn packages(&mut self) -> Result<(), Stop> {
        for database in packages::databases(self.files) {
            let text = self.text(database)?;
            for (name, version) in packages::installed(&text) {
                self.found.add(Kind::Package, name, version);
            }
        }
        for (path, of) in packages::unread(self.rootfs()) {
            let why = format!("{of}'s packages are not read");
            self.found.add(Kind::Unknown, path, why);
        }
        Ok(())
    }
}
