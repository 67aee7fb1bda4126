//! `Disable`: a program that nothing starts, whatever init the image has.

mod close;
mod target;
mod units;

use std::collections::BTreeSet;

use bstr::ByteSlice;

use crate::edit::{Applied, Draft, ResidualKind, Verdict, absent};
use crate::error::Stop;
use crate::recipe::{Check, Fields, KeySchema, OnMissing, Rule, RuleKind, value};
use crate::system::boot::{self, Close, Start};
use target::Target;

pub(super) static KIND: RuleKind = RuleKind {
    name: "Disable",
    argument: Some(
        KeySchema::argument("NAME-OR-PROGRAM", Check::Is(value::service_or_program)).about(
            "A service's name, which is the name of a program too, such as `sshd`; or a program's \
            absolute path. `in.telnetd` and `telnetd` are one name.",
        ),
    ),
    summary: "nothing starts a program or service, whatever init the image has",
    about: "Finds every start of a service of this name, or of a program of this name or path, and \
        takes each back as the tool of its init does:\n\n\
        - systemd: the service, its sockets, timers and paths are masked, and so are units of any \
        other name whose `ExecStart=` runs the program, templates among them, and scripts of \
        `/etc/init.d` for which the image has systemd-sysv-generator. Where systemd-ssh-generator \
        would start `sshd`, `sshd@.service` is masked.\n\n\
        - OpenRC: the link in each runlevel goes, as by `rc-update del`.\n\n\
        - System V: links `S50NAME` become `K50NAME`, as by `update-rc.d NAME disable`; so do the \
        scripts that `rcS` of busybox and Buildroot runs.\n\n\
        - OpenWrt: the links in `/etc/rc.d` go, as by `/etc/init.d/NAME disable`.\n\n\
        - runit: the link to the service goes; a service that stands there itself gets a file \
        `down`. s6-rc and dinit: the file, link or line that lists the service goes.\n\n\
        - `inittab` and `inetd.conf`: the line becomes a comment, for inetd with `#<off># ` as by \
        `update-inetd --disable`. xinetd: the service gets `disable = yes`.\n\n\
        The program behind `exec`, `env`, `nice`, `tcpd`, `start-stop-daemon`, `sh -c`, \
        `busybox` and their like counts, and scripts are read for what they start. What casehard \
        does not edit is a residual with its line: `rc.local`, `@reboot` of cron, supervisord, a \
        service of OpenRC that another one needs, a compiled database of s6-rc, and a script that \
        names the program and has a command that cannot be told. If the program or the service's \
        script is there and nothing starts it, the rule holds already.\n\n\
        Not looked at are programs that start others by configuration of their own, jobs of cron \
        at other times, and what is copied to the machine later. Scripts keep what they source out \
        of sight.",
    extra_on_missing: &[OnMissing::Mask],
    leaves_no_trace: true,
    waived: Some((
        "the unit, the service, or the file that starts it",
        "sshd.socket",
    )),
    example: "[Disable sshd]\nReason=nobody logs in to an immutable image over the network\n",
    ..RuleKind::of::<Disable>()
};

/// What is not to start.
#[derive(Debug)]
struct Disable {
    target: Target,
    /// Whether to mask a service that the image does not have yet.
    waits: bool,
}

impl Rule for Disable {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            target: Target::new(fields.argument),
            waits: fields.on_missing == OnMissing::Mask,
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let mut found = false;
        if boot::may_be_systemd(draft) {
            found |= units::mask(draft, &self.target, self.waits)?;
        }
        found |= self.close_others(draft)?;
        if found || self.target.is_there(draft) {
            return Ok(Verdict::Holds);
        }
        absent(format!("the image has no {}", self.target.name()))
    }
}

impl Disable {
    /// Closes the starts that are not systemd's, and returns whether there are any.
    fn close_others(&self, draft: &mut Draft<'_>) -> Result<bool, Stop> {
        let (mut open, mut found) = (Vec::new(), false);
        for start in boot::starts(draft)? {
            if self.target.is_started_by(draft, &start) {
                open.push(start);
            } else if self.target.may_be_started_by(&start) {
                let message = format!(
                    "names {}, and has a command that casehard cannot tell",
                    self.target.name()
                );
                draft.open_so_far(ResidualKind::OtherStart, start.place, message);
                found = true;
            }
        }
        found |= !open.is_empty();
        // From the end, so that lines keep their numbers.
        open.reverse();
        let mut said = BTreeSet::new();
        for start in open {
            if let Close::Never(what) = start.close {
                if said.insert(start.place.clone()) {
                    self.say(draft, start, what);
                }
                continue;
            }
            let path = start.place.path.clone();
            let name = start.name.clone();
            if !draft.waived_as(&[name.as_bytes().as_bstr(), path.as_bstr()]) {
                close::close(draft, &start)?;
                draft.note(format!("{} started {}", start.place, self.target.name()));
            }
        }
        Ok(found)
    }

    fn say(&self, draft: &mut Draft<'_>, start: Start, what: &str) {
        let message = format!("{what}: {} still starts", self.target.name());
        draft.open_so_far(ResidualKind::OtherStart, start.place, message);
    }
}

#[cfg(test)]
mod tests;
