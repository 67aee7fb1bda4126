//! Other starts of a program whose unit is masked: a second unit with another configuration, a line
//! of inetd, a script.

use std::collections::{BTreeMap, BTreeSet};

use super::{base, programs, starts};
use crate::error::Stop;
use crate::rootfs::{Files, Place};
use crate::system::systemd::{Masks, UnitStart, Units, commands, name, presets};

/// Programs that say nothing of what a unit is for: those that run others, and small tools.
const GENERAL: &str = "\
    sh bash ash dash ksh zsh python python2 python3 perl ruby node java php lua env busybox true false sleep echo cat mkdir rm ln \
    cp mv touch chmod chown test install mount umount modprobe sysctl ip systemctl systemd-run systemd-cat systemd-notify \
    systemd-tmpfiles docker podman rkt runc crun ctr nerdctl nsenter setfont loadkeys logger start-stop-daemon openrc-run";

/// A start that a mask leaves.
pub(crate) struct OtherStart {
    pub(crate) rule: usize,
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Returns the starts of programs of masked units that the image still has, for each rule that
/// masked one.
pub(crate) fn other_starts(
    files: &Files<'_>,
    units: &Units<'_>,
    known: &[UnitStart],
    masked: &[(usize, BTreeSet<String>)],
) -> Result<Vec<OtherStart>, Stop> {
    let mut found = Vec::new();
    // The program, then each rule with the first of its units that runs it.
    let mut wanted: BTreeMap<String, BTreeMap<usize, &str>> = BTreeMap::new();
    for (rule, names) in masked {
        let unmasked = units.with(Masks::Without(names));
        for unit in names.iter().filter(|unit| name::kind(unit) == "service") {
            for (command, _) in commands(files, &unmasked, unit)? {
                for program in programs(&command) {
                    let program = base(&program).to_owned();
                    if !GENERAL.split_whitespace().any(|general| general == program) {
                        wanted
                            .entry(program)
                            .or_default()
                            .entry(*rule)
                            .or_insert(unit);
                    }
                }
            }
        }
    }
    if wanted.is_empty() {
        return Ok(found);
    }
    let mut add = |program: &str, place: Place, who: Option<&str>| {
        for (rule, unit) in wanted.get(base(program)).into_iter().flatten() {
            let same = who.and_then(name::template);
            if same.is_none() || same != name::template(unit) {
                let who = who.map_or_else(|| "this".to_owned(), str::to_owned);
                let message =
                    format!("{who} starts {program}, the program of {unit}, in another way");
                found.push(OtherStart {
                    rule: *rule,
                    place: place.clone(),
                    message,
                });
            }
        }
    };
    let mut started: BTreeSet<String> = units.enabled().into_iter().map(|(unit, _)| unit).collect();
    started.extend(
        presets::enabled(files, units)?
            .into_iter()
            .map(|(unit, _)| unit),
    );
    let is_started = |unit: &str, started: &BTreeSet<String>| {
        started.contains(unit)
            || (unit.contains("@.")
                && started
                    .iter()
                    .any(|one| name::template(one).as_deref() == Some(unit)))
    };
    let triggered: Vec<String> = known
        .iter()
        .filter(|start| is_started(&start.unit, &started) && !units.is_masked(&start.unit))
        .flat_map(|start| start.triggers.iter().cloned())
        .collect();
    started.extend(triggered);
    for start in known {
        if units.is_masked(&start.unit) || !is_started(&start.unit, &started) {
            continue;
        }
        for (command, place) in commands(files, units, &start.unit)? {
            for program in programs(&command) {
                add(&program, place.clone(), Some(&start.unit));
            }
        }
    }
    for start in starts(files)? {
        for program in &start.runs.programs {
            add(program, start.place.clone(), None);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::check;

    #[test]
    fn other_starts_of_a_masked_program_are_said() {
        let image = "
file usr/sbin/sshd mode=0755
file usr/lib/systemd/system/ssh.service
| [Service]
| ExecStart=/usr/sbin/sshd -D
file usr/lib/systemd/system/second.service
| [Service]
| ExecStart=/usr/bin/env A=1 /usr/sbin/sshd -f /etc/second
file usr/lib/systemd/system/idle.service
| [Service]
| ExecStart=/usr/sbin/sshd -f /etc/third
file usr/lib/systemd/system/other.service
| [Service]
| ExecStart=/bin/sh -c true
dir etc/systemd/system/multi-user.target.wants
symlink etc/systemd/system/multi-user.target.wants/second.service -> /usr/lib/systemd/system/second.service
symlink etc/systemd/system/multi-user.target.wants/other.service -> /usr/lib/systemd/system/other.service
file etc/machine-id
file etc/inetd.conf
| ssh stream tcp nowait root /usr/sbin/sshd sshd -i
";
        let created = "changed\n  created /etc/systemd/system/ssh.service -> /dev/null\n";
        let second = "residual /usr/lib/systemd/system/second.service:2: second.service starts /usr/sbin/sshd, the program of \
            ssh.service, in another way";
        let inetd = "residual /etc/inetd.conf:1: this starts /usr/sbin/sshd, the program of ssh.service, in another way";
        check(
            image,
            "[Mask ssh.service]",
            &format!("{created}  {inetd}\n  {second}\n"),
        );
        check(
            image,
            "[Mask ssh.service]\n[Mask second.service]",
            &format!(
                "{created}  {inetd}\nchanged\n  created /etc/systemd/system/second.service -> /dev/null\n  {}\n",
                inetd.replace("ssh.service", "second.service")
            ),
        );
    }
}
