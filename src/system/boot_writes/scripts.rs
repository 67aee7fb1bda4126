//! Scripts that run when the system boots or someone logs in.

use bstr::ByteSlice;

use super::{BootWrites, LIMIT, quoted};
use crate::error::Stop;
use crate::rootfs::Files;
use crate::system::systemd::{Units, settings, words};

const BOOT: &str = "when the system boots";

/// Files and directories of scripts that run at boot, or at the first one: System V's and OpenRC's, a
/// list of Yocto's, OpenWrt's and live systems', and what Raspberry Pi's imager leaves.
const AT_BOOT: [&str; 21] = [
    "/etc/rc.local",
    "/etc/rc.d",
    "/etc/init.d",
    "/etc/local.d",
    "/etc/boot.d",
    "/etc/firstboot.d",
    "/etc/uci-defaults",
    "/etc/rpm-postinsts",
    "/etc/deb-postinsts",
    "/etc/ipk-postinsts",
    "/etc/cont-init.d",
    "/etc/runit",
    "/etc/runit/core-services",
    "/lib/live/config",
    "/usr/lib/live/config",
    "/boot/firstrun.sh",
    "/boot/firmware/firstrun.sh",
    "/usr/lib/cloud/scripts/per-boot",
    "/var/lib/cloud/scripts/per-once",
    "/var/lib/cloud/scripts/per-boot",
    "/var/lib/cloud/scripts/per-instance",
];

/// Those that run when someone logs in.
const AT_LOGIN: [&str; 7] = [
    "/etc/profile",
    "/etc/profile.d",
    "/etc/bash.bashrc",
    "/root/.profile",
    "/root/.bash_profile",
    "/root/.bashrc",
    "/etc/zprofile",
];

/// Tables of cron: files and directories.
const CRON: [&str; 5] = [
    "/etc/crontab",
    "/etc/cron.d",
    "/var/spool/cron/crontabs",
    "/var/spool/cron",
    "/etc/crontabs",
];

pub(super) fn add(
    files: &Files<'_>,
    units: &Units<'_>,
    found: &mut BootWrites,
) -> Result<(), Stop> {
    add_units(files, units, found)?;
    for (all, when) in [
        (AT_BOOT.as_slice(), BOOT),
        (AT_LOGIN.as_slice(), "when someone logs in"),
    ] {
        for (path, _) in all.iter().flat_map(|path| files_at(files, path)) {
            add_script(files, &path, when, found)?;
        }
    }
    for (path, id) in CRON.iter().flat_map(|path| files_at(files, path)) {
        let text = files.text_up_to(LIMIT, id)?.unwrap_or_default();
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(command) = line.trim_start().strip_prefix(b"@reboot") {
                let command = command.to_str_lossy();
                let has_user = path.contains("/cron.d/") || path.ends_with("/crontab");
                let command = match command.trim_start().split_once(char::is_whitespace) {
                    Some((_, command)) if has_user => command,
                    _ => &command,
                };
                found.add_commands(&path, command, Some(number), "this line", BOOT);
            }
        }
    }
    for path in files
        .etc("/etc/wsl.conf")
        .into_iter()
        .chain(files.etc("/etc/wsl-distribution.conf"))
    {
        add_wsl(files, &path.0, found)?;
    }
    Ok(())
}

/// Returns the file at a path, or those in the directory there, and in copies of it.
fn files_at(files: &Files<'_>, path: &str) -> Vec<(String, crate::rootfs::InodeId)> {
    let mut found = files.etc(path);
    found.extend(files.etc_files_in(path, ""));
    found
}

/// Adds what a script writes; nothing of a program.
fn add_script(
    files: &Files<'_>,
    path: &str,
    when: &'static str,
    found: &mut BootWrites,
) -> Result<(), Stop> {
    let Some((_, id)) = files.file(path) else {
        return Ok(());
    };
    if !found.scripts.insert(id) {
        return Ok(());
    }
    if let Some(text) = files.text_up_to(LIMIT, id)?
        && !text.starts_with(b"\x7fELF")
    {
        found.add_commands(path, &text.to_str_lossy(), None, "this script", when);
    }
    Ok(())
}

/// Adds what commands of units write, and scripts that they run. A masked unit runs nothing.
fn add_units(files: &Files<'_>, units: &Units<'_>, found: &mut BootWrites) -> Result<(), Stop> {
    const WHEN: &str = "when its unit starts";
    let directories = files.etc_directories(&[
        "/etc/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ]);
    let mut texts = Vec::new();
    for directory in &directories {
        texts.extend(files.files_in(directory, ".service"));
        let drop_ins = files.directories_in(directory).into_iter();
        let drop_ins = drop_ins.filter(|path| path.ends_with(".service.d"));
        texts.extend(drop_ins.flat_map(|path| files.files_in(&path, ".conf")));
    }
    for (path, id) in texts {
        let mut names = path.rsplit('/').map(|name| name.trim_end_matches(".d"));
        let unit = names.find(|name| name.ends_with(".service"));
        if unit.is_none_or(|unit| units.is_masked(unit)) || !found.scripts.insert(id) {
            continue;
        }
        let text = files.text_up_to(LIMIT, id)?.unwrap_or_default();
        for setting in settings(&text) {
            if setting.section != "Service" || !setting.key.starts_with(b"Exec") {
                continue;
            }
            let value = setting.value.to_str_lossy();
            let command = value.trim_start_matches(|c| "-@:+!|".contains(c));
            let words = words(command);
            // systemd is not a shell: its words are not looked into.
            let quoted = words.iter().map(|word| quoted(word));
            let command = Vec::from_iter(quoted).join(" ");
            found.add_commands(&path, &command, Some(setting.line), "this command", WHEN);
            let is_option = |word: &&String| word.starts_with('-');
            let script = words.iter().filter(|word| !is_option(word)).take(2);
            for script in script.filter(|word| word.starts_with('/')) {
                add_script(files, script, WHEN, found)?;
            }
        }
    }
    Ok(())
}

/// Adds what WSL runs when it starts a distribution, or opens it for the first time.
fn add_wsl(files: &Files<'_>, path: &str, found: &mut BootWrites) -> Result<(), Stop> {
    let text = files.text_at(path)?.unwrap_or_default();
    for (number, line) in (1..).zip(text.lines()) {
        let Some((key, command)) = line.split_once_str("=") else {
            continue;
        };
        if key.trim() != b"command" {
            continue;
        }
        let command = command.to_str_lossy();
        let command = command.trim().trim_matches('"');
        let when = "when WSL starts it";
        found.add_commands(path, command, Some(number), "this command", when);
        for script in words(command).iter().filter(|word| word.starts_with('/')) {
            add_script(files, script, when, found)?;
        }
    }
    Ok(())
}
