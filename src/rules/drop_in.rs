//! `DropIn`: settings that a unit gets on top of its own.

use std::fmt::Write as _;

use bstr::ByteSlice;

use super::{RuleKind, put_file};
use crate::edit::{Applied, Draft, Verdict, fail};
use crate::recipe::{ArgumentSchema, Check, OnMissing, OpenKeys, RuleSchema, Section};
use crate::systemd;

pub(super) static KIND: RuleKind = RuleKind {
    schema: &SCHEMA,
    apply,
};

static SCHEMA: RuleSchema = RuleSchema {
    kind: "DropIn",
    argument: Some(ArgumentSchema {
        name: "UNIT/NAME.conf",
        check: Check::DropIn,
        about: "The unit (a template or glob too) and the drop-in's file name.",
    }),
    summary: "a unit has a drop-in with these settings",
    about: "Writes `/etc/systemd/system/UNIT.d/NAME.conf` with exactly the settings given, in their order; a file of that name is \
        replaced. Values are written as they stand, an empty one too, since that resets systemd's lists.\n\n\
        systemd merges drop-ins by file name and the last wins: one that sorts after NAME and sets the same key is reported \
        as a residual with its path. Aliases of the unit and `PREFIX-.d` directories are not looked at.",
    keys: &[],
    open_keys: Some(OpenKeys {
        name: "Section.Key",
        value: "VALUE",
        about: "A setting of the unit, such as `Socket.SocketMode=0600`.",
    }),
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    example: "[DropIn fleet.socket/10-root-only.conf]\nSocket.SocketMode=0600\nSocket.SocketUser=root\nSocket.SocketGroup=root\n\
        Reason=only root may start units in the cluster\n",
};

fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    let Some((unit, name)) = section.argument.rsplit_once('/') else {
        return fail("the argument is not UNIT/NAME.conf");
    };
    let content = content(section);
    if content.is_empty() {
        return fail("it has no settings; write them as Section.Key=value");
    }
    let mut found = false;
    for unit in systemd::named(draft.rootfs(), unit) {
        if !systemd::exists(draft.rootfs(), &unit) {
            continue;
        }
        found = true;
        let path = format!("{}/{unit}.d/{name}", systemd::ETC);
        put_file(
            draft,
            &path,
            unit.as_bytes().as_bstr(),
            content.as_bytes(),
            None,
        )?;
        for setting in &section.settings {
            let Some(key) = setting.key.split_once('.') else {
                continue;
            };
            for other in systemd::overriding(draft, &unit, name, key)? {
                draft.residual(
                    Some(other.as_bstr()),
                    None,
                    format!("sets {} after {name} and wins", setting.key),
                );
            }
        }
    }
    if !found {
        return Ok(Verdict::Absent(format!("the image has no unit {unit}")));
    }
    Ok(Verdict::Holds)
}

/// The drop-in's text: a section header wherever the section changes.
fn content(section: &Section) -> String {
    let (mut out, mut at) = (String::new(), "");
    for setting in &section.settings {
        let Some((name, key)) = setting.key.split_once('.') else {
            continue;
        };
        if name != at {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}[{name}]");
            at = name;
        }
        let _ = writeln!(out, "{key}={}", setting.value);
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::{check, content_after};

    const FLEET: &str = "
dir ./
dir etc/systemd/system
file usr/lib/systemd/system/fleet.socket
| [Socket]
| SocketMode=0660
";
    const RULE: &str = "[DropIn fleet.socket/10-root-only.conf]\nSocket.SocketMode=0600\nSocket.ListenStream=\nUnit.PartOf=x\nSocket.SocketUser=root";
    const PATH: &str = "/etc/systemd/system/fleet.socket.d/10-root-only.conf";
    const TEXT: &str = "[Socket]\nSocketMode=0600\nListenStream=\n\n[Unit]\nPartOf=x\n\n[Socket]\nSocketUser=root\n";

    #[test]
    fn settings_are_written_in_their_order() {
        check(
            FLEET,
            RULE,
            &format!("changed\n  created /etc/systemd/system/fleet.socket.d\n  created {PATH}\n"),
        );
        assert_eq!(content_after(FLEET, RULE, PATH), TEXT);
    }

    #[test]
    fn a_file_of_the_name_is_replaced_unless_it_is_the_same() {
        let lines: String = TEXT.lines().map(|l| format!("| {l}\n")).collect();
        check(&format!("{FLEET}file {PATH}\n{lines}"), RULE, "already\n");
        check(
            &format!("{FLEET}file {PATH}\n| [Socket]\n"),
            RULE,
            &format!("changed\n  content {PATH}\n"),
        );
        check(
            &format!(
                "{FLEET}file {PATH}\n| old\nfile {PATH}\n| [Socket]\nhardlink etc/second -> {PATH}\n"
            ),
            RULE,
            &format!("changed\n  content /etc/second\n  content {PATH}\n"),
        );
        check(
            &format!("{FLEET}symlink {PATH} -> /dev/null\n"),
            RULE,
            &format!("changed\n  removed {PATH}\n  created {PATH}\n"),
        );
    }

    #[test]
    fn a_later_drop_in_that_wins_is_a_residual() {
        let vendor = "/usr/lib/systemd/system/fleet.socket.d/50-vendor.conf";
        let image = format!("{FLEET}file {vendor}\n| [Socket]\n| SocketMode=0666\n");
        let want = format!(
            "changed\n  created /etc/systemd/system/fleet.socket.d\n  created {PATH}\n  residual {vendor}: sets Socket.SocketMode after 10-root-only.conf and wins\n"
        );
        check(&image, RULE, &want);
        let hidden = format!(
            "{image}symlink etc/systemd/system/fleet.socket.d/50-vendor.conf -> /dev/null\n"
        );
        check(&hidden, RULE, &format!("changed\n  created {PATH}\n"));
        let earlier = format!(
            "{FLEET}file usr/lib/systemd/system/fleet.socket.d/05-vendor.conf\n| [Socket]\n| SocketMode=0666\n"
        );
        check(
            &earlier,
            RULE,
            &format!("changed\n  created /etc/systemd/system/fleet.socket.d\n  created {PATH}\n"),
        );
    }

    #[test]
    fn an_absent_unit_is_what_on_missing_says() {
        check(
            "dir ./\n",
            RULE,
            "failed: the image has no unit fleet.socket; `OnMissing=skip` or `warn` allows that\n",
        );
        check(
            "dir ./\n",
            &format!("{RULE}\nOnMissing=warn"),
            "absent\n  note the image has no unit fleet.socket\n",
        );
        check(
            FLEET,
            "[DropIn fleet.socket/a.conf]",
            "failed: it has no settings; write them as Section.Key=value\n",
        );
    }
}
