//! Programs that write sshd's configuration anew when a system first boots.

use bstr::ByteSlice;
use saphyr_parser::{Event, Parser};

use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};
use crate::system::boot_writes::{cloud_init_files, ignition_files, kairos_files};

/// A larger file of these is not read.
const LIMIT: u64 = 1 << 20;

/// What such a program does, with the line that says so.
pub(crate) enum Writes {
    /// It sets `PasswordAuthentication` to yes.
    Passwords(Place),
    /// It writes something, of which the line tells no more.
    Something(Place, &'static str),
}

/// Returns what the image has programs do to sshd's configuration at the first boot: cloud-init,
/// Ignition, Kairos, and scripts that run at boot.
pub(crate) fn writes(files: &Files<'_>) -> Result<Vec<Writes>, Stop> {
    let mut found = Vec::new();
    cloud_init(files, &mut found)?;
    let others = kairos_files(files).into_iter().chain(ignition_files(files));
    for (path, id) in others {
        lines(
            files,
            &path,
            id,
            "is asked to write sshd's configuration",
            is_named,
            &mut found,
        )?;
    }
    // What Raspberry Pi's imager leaves on the boot partition.
    for path in ["/boot/custom.toml", "/boot/firmware/custom.toml"] {
        if let Some((path, id)) = files.file(path) {
            let text = files.text_up_to(LIMIT, id)?.unwrap_or_default();
            let asks = |line: &[u8]| {
                let value = line
                    .split_once_str("=")
                    .map(|(key, value)| (key.trim(), value.trim()));
                value == Some((b"password_authentication", b"true"))
            };
            if let Some(at) = text.lines().position(asks) {
                let what = "raspberrypi-sys-mods is asked to let users log in by passwords";
                found.push(Writes::Something(Place::new(&path, at + 1), what));
            }
        }
    }
    let mut scripts = files.etc("/etc/rc.local");
    for directory in ["/etc/init.d", "/etc/rc.d", "/etc/local.d"] {
        scripts.extend(files.etc_files_in(directory, ""));
    }
    for directory in files.etc_directories(&[
        "/etc/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ]) {
        scripts.extend(files.files_in(&directory, ".service"));
    }
    for (path, id) in scripts {
        lines(
            files,
            &path,
            id,
            "writes to sshd's configuration",
            is_written,
            &mut found,
        )?;
    }
    Ok(found)
}

/// The configuration of cloud-init, of which the last value of a key counts, and what stands in for a
/// cloud's user data.
fn cloud_init(files: &Files<'_>, found: &mut Vec<Writes>) -> Result<(), Stop> {
    let mut passwords = None;
    for (path, id) in cloud_init_files(files) {
        let Some(text) = files.text_up_to(LIMIT, id)? else {
            continue;
        };
        if let Some((line, value)) = top_level(&text.to_str_lossy(), "ssh_pwauth") {
            let place = Place::new(&path, line);
            passwords = Some((place, value));
        }
        lines(
            files,
            &path,
            id,
            "cloud-init is asked to write sshd's configuration",
            is_named,
            found,
        )?;
    }
    match passwords {
        Some((place, Some(value))) if says_yes(&value) => found.push(Writes::Passwords(place)),
        Some((place, None)) => found.push(Writes::Something(
            place,
            "casehard cannot read what cloud-init sets PasswordAuthentication to",
        )),
        _ => {}
    }
    Ok(())
}

/// Returns the last value of a key at the top of a YAML file, with its line; none for the value where
/// it is not a plain one or the file cannot be read that far.
fn top_level(text: &str, key: &str) -> Option<(usize, Option<String>)> {
    let (mut depth, mut at_key, mut open) = (0_usize, true, None::<usize>);
    let mut found = None;
    for next in Parser::new_from_str(text) {
        let Ok((event, span)) = next else {
            let line = text
                .lines()
                .position(|line| line.trim_start().starts_with(key));
            return found.or(line.map(|line| (line + 1, None)));
        };
        let line = span.start.line();
        let value = match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                depth += 1;
                if depth == 1 && matches!(event, Event::SequenceStart(..)) {
                    return None;
                }
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                depth = depth.saturating_sub(1);
                None
            }
            Event::Scalar(text, ..) => Some(text.into_owned()),
            Event::Alias(_) => None,
            _ => continue,
        };
        if depth != 1 {
            continue;
        }
        if at_key {
            open = (value.as_deref() == Some(key)).then_some(line);
        } else if let Some(line) = open.take() {
            found = Some((line, value));
        }
        at_key = !at_key;
    }
    found
}

/// As cloud-init takes words for yes.
fn says_yes(value: &str) -> bool {
    ["true", "1", "on", "yes", "y"].contains(&value.trim().to_lowercase().as_str())
}

fn lines(
    files: &Files<'_>,
    path: &str,
    id: InodeId,
    what: &'static str,
    is_one: fn(&[u8]) -> bool,
    found: &mut Vec<Writes>,
) -> Result<(), Stop> {
    let Some(text) = files.text_up_to(LIMIT, id)?.filter(|text| is_named(text)) else {
        return Ok(());
    };
    for (number, line) in (1..).zip(text.lines()) {
        if !line.trim_start().starts_with(b"#") && is_one(line) {
            found.push(Writes::Something(Place::new(path, number), what));
        }
    }
    Ok(())
}

fn is_named(line: &[u8]) -> bool {
    line.contains_str("sshd_config")
}

/// Whether a line of a script writes to a file of sshd's, rather than hand it to sshd.
fn is_written(line: &[u8]) -> bool {
    let Some(at) = line.find("sshd_config") else {
        return false;
    };
    let before = &line[..at];
    let path = before.rfind_byteset(b" \t\"'=>").map_or(0, |end| end + 1);
    let before = before[..path].trim_end_with(|c| " \t\"'".contains(c));
    let edits = |line: &[u8]| {
        let sed = line.contains_str("sed ") && line.contains_str(" -i");
        sed || line.contains_str("tee ") || line.contains_str("augtool")
    };
    before.ends_with(b">") || edits(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_writes_is_told_from_one_that_reads() {
        for line in [
            "echo 'PermitRootLogin yes' >> /etc/ssh/sshd_config",
            "ExecStart=/bin/sh -c 'sed -i s/no/yes/ /etc/ssh/sshd_config'",
            "cat <<E >\"/etc/ssh/sshd_config.d/x.conf\"",
            "echo x | tee -a /etc/ssh/sshd_config",
        ] {
            assert!(is_written(line.as_bytes()), "{line}");
        }
        for line in [
            "ExecStart=/usr/sbin/sshd -D -f /etc/ssh/sshd_config",
            "grep -q x /etc/ssh/sshd_config > /dev/null",
            "[ -e /etc/ssh/sshd_config ]",
        ] {
            assert!(!is_written(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn only_a_key_at_the_top_counts() {
        let value = |text: &str| top_level(text, "ssh_pwauth");
        let yes = Some("true".to_owned());
        assert_eq!(
            value("a: [b, {c: d}]\nssh_pwauth: true\n"),
            Some((2, yes.clone()))
        );
        assert_eq!(value("a:\n  ssh_pwauth: true\n"), None);
        assert_eq!(value("- ssh_pwauth\n- true\n"), None);
        assert_eq!(value("ssh_pwauth: &x true\n? [z]\n: 1\n"), Some((1, yes)));
        assert_eq!(value("ssh_pwauth: [1]\n"), Some((1, None)));
        assert_eq!(value("a: {\nssh_pwauth: true\n"), Some((2, None)));
    }
}
