//! A rootfs booted by systemd-nspawn, asked by the programs that are in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::tools::{NSENTER, SYSTEMD_NSPAWN};

/// As long as a start may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running system. It ends when this is dropped.
pub(crate) struct Booted {
    nspawn: Child,
    /// The process that is its PID 1, as the machine numbers it.
    init: String,
}

impl Booted {
    /// Boots an extracted rootfs, which is not changed by it, and waits until all jobs of the boot
    /// are done.
    ///
    /// # Errors
    /// Says how far the boot came.
    pub(crate) fn boot(root: &Path) -> Result<Self, String> {
        let mut command = SYSTEMD_NSPAWN.command();
        command.args([
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--private-network",
        ]);
        command.args([
            "--volatile=overlay",
            "--console=pipe",
            "--boot",
            "--directory",
        ]);
        command.arg(root);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let nspawn = command.stderr(Stdio::null()).spawn();
        let mut booted = Self {
            nspawn: nspawn.map_err(|e| e.to_string())?,
            init: String::new(),
        };
        let start = Instant::now();
        let mut state = "systemd-nspawn has no child".to_owned();
        while start.elapsed() < PATIENCE {
            if let Ok(Some(ended)) = booted.nspawn.try_wait() {
                return Err(format!("systemd-nspawn ended: {ended}"));
            }
            if booted.find_init() {
                state = booted.try_output(&["systemctl", "is-system-running"]);
                if ["running", "degraded"].contains(&state.trim()) {
                    booted.settle();
                    return Ok(booted);
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(format!("the boot does not end: {state}"))
    }

    /// Waits until the sockets stay the same: systemd does not wait for a `Type=simple` service to
    /// open its own.
    fn settle(&self) {
        let sockets = || self.try_output(&["ss", "-tulpnH"]);
        let mut last = sockets();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_secs(1));
            let now = sockets();
            if now == last {
                return;
            }
            last = now;
        }
    }

    fn find_init(&mut self) -> bool {
        let id = self.nspawn.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        self.init = children.split(' ').next().unwrap_or_default().to_owned();
        !self.init.is_empty()
    }

    /// What a program in the system writes to standard output, whether it succeeds or not.
    pub(crate) fn try_output(&self, program: &[&str]) -> String {
        let mut command = NSENTER.command();
        command
            .args(["--target", &self.init, "--all"])
            .args(program);
        let output = command.output().expect("nsenter runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The sockets that accept connections or packets from anywhere: protocol, port and program.
    /// Ports that the kernel picks are left out, as they differ from boot to boot.
    pub(crate) fn listeners(&self) -> BTreeSet<(String, u16, String)> {
        const FIRST_PICKED: u16 = 32768;
        let text = self.try_output(&["ss", "-tulpnH"]);
        let listener = |line: &str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port: u16 = fields.get(4)?.rsplit(':').next()?.parse().ok()?;
            let program = fields.get(6)?.split('"').nth(1)?;
            Some((fields[0].to_owned(), port, program.to_owned()))
        };
        let all = text.lines().filter_map(listener);
        all.filter(|(_, port, _)| *port < FIRST_PICKED).collect()
    }

    /// The units that failed.
    pub(crate) fn failed(&self) -> BTreeSet<String> {
        let text = self.try_output(&["systemctl", "--failed", "--no-legend", "--plain"]);
        let first = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        text.lines().map(first).collect()
    }

    /// The properties of all units that are loaded or have a file, by their names.
    pub(crate) fn units(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let list =
            |of: &str| self.try_output(&["systemctl", of, "--all", "--no-legend", "--plain"]);
        let lists = [list("list-units"), list("list-unit-files")].concat();
        let names = lists
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        let names: BTreeSet<&str> = names.filter(|name| !name.contains("@.")).collect();
        let mut command = vec!["systemctl", "show", "--property"];
        command.push(
            "Id,Names,ActiveState,LoadState,UnitFileState,ConditionResult,Type,Result,TriggeredBy",
        );
        command.extend(names);
        let mut found = BTreeMap::new();
        for unit in self.try_output(&command).split("\n\n") {
            let pairs = unit.lines().filter_map(|line| line.split_once('='));
            let pairs: BTreeMap<String, String> = pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            let names = pairs.get("Names").cloned().unwrap_or_default();
            for name in names.split_whitespace() {
                found.insert(name.to_owned(), pairs.clone());
            }
        }
        found
    }

    /// The programs of all processes, by their names.
    pub(crate) fn programs(&self) -> BTreeSet<String> {
        let text = self.try_output(&["ps", "-eo", "comm="]);
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        if !self.init.is_empty() {
            self.try_output(&["systemctl", "--no-block", "poweroff"]);
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if matches!(self.nspawn.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
    }
}
