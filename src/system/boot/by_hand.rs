//! Scripts and lists that people write, in which a program may start and which casehard leaves
//! alone: rc.local, OpenRC's local.d, `@reboot` of cron, supervisord.

use bstr::ByteSlice;

use super::{Close, Runs, Start, script, text};
use crate::error::Stop;
use crate::rootfs::{Files, Place};
use crate::system::systemd::words;

const SCRIPTS: [&str; 5] = [
    "/etc/rc.local",
    "/etc/rc.d/rc.local",
    "/etc/init.d/rc.local",
    "/etc/boot.d/rc.local",
    "/etc/rc.d/rc.sysinit",
];

pub(super) fn add(files: &Files<'_>, found: &mut Vec<Start>) -> Result<(), Stop> {
    let mut scripts: Vec<_> = SCRIPTS.iter().flat_map(|path| files.etc(path)).collect();
    scripts.extend(files.etc_files_in("/etc/local.d", ".start"));
    for (path, id) in scripts {
        let rootfs = files.rootfs();
        let runs = rootfs.inode(id).metas().any(|meta| meta.mode & 0o111 != 0);
        if !runs {
            continue;
        }
        let content = text(files, id)?.unwrap_or_default();
        add_script(&path, &content, found);
    }
    let mut tables: Vec<_> = files.etc("/etc/crontab");
    tables.extend(files.etc_files_in("/etc/cron.d", ""));
    for directory in [
        "/var/spool/cron/crontabs",
        "/var/spool/cron",
        "/etc/crontabs",
    ] {
        tables.extend(files.files_in(directory, ""));
    }
    for (path, id) in tables {
        let content = text(files, id)?.unwrap_or_default();
        let has_user = path.contains("/cron.d/") || path.ends_with("/crontab");
        add_reboots(&path, &content, has_user, found);
    }
    let mut lists = files.etc("/etc/supervisord.conf");
    lists.extend(files.etc("/etc/supervisor/supervisord.conf"));
    lists.extend(files.etc_files_in("/etc/supervisor/conf.d", ".conf"));
    lists.extend(files.etc_files_in("/etc/supervisord.d", ".ini"));
    for (path, id) in lists {
        let content = text(files, id)?.unwrap_or_default();
        add_programs(&path, &content, found);
    }
    Ok(())
}

/// Adds the programs of a script, each by its line.
fn add_script(path: &str, content: &[u8], found: &mut Vec<Start>) {
    let whole = script::read(&content.to_str_lossy());
    for program in &whole.programs {
        let name = super::base(program);
        let names = |line: &&[u8]| {
            let line = line.trim_start();
            !line.starts_with(b"#") && line.contains_str(name)
        };
        let line = content.lines().position(|line| names(&line));
        found.push(Start {
            name: String::new(),
            place: Place::new(path, line.map(|at| at + 1)),
            runs: Runs::of([program.clone()]),
            close: Close::Never("is a script that runs at boot and starts it"),
        });
    }
    if !whole.unclear.is_empty() {
        found.push(Start {
            name: String::new(),
            place: Place::new(path, None),
            runs: Runs {
                unclear: whole.unclear,
                ..Runs::default()
            },
            close: Close::Never("is a script that runs at boot"),
        });
    }
}

/// Adds the lines of a table that run when cron starts.
fn add_reboots(path: &str, content: &[u8], has_user: bool, found: &mut Vec<Start>) {
    for (at, line) in content.lines().enumerate() {
        let line = line.to_str_lossy();
        let Some(rest) = line.trim_start().strip_prefix("@reboot") else {
            continue;
        };
        let rest = rest.trim_start();
        let command = match rest.split_once(char::is_whitespace) {
            Some((_, command)) if has_user => command,
            _ => rest,
        };
        found.push(Start {
            name: String::new(),
            place: Place::new(path, at + 1),
            runs: script::read(command),
            close: Close::Never("is a line of cron that starts it at boot"),
        });
    }
}

/// Adds the programs of supervisord that start by themselves.
fn add_programs(path: &str, content: &[u8], found: &mut Vec<Start>) {
    let mut name = None;
    for (at, line) in content.lines().enumerate() {
        let line = line.to_str_lossy();
        if let Some(section) = line.trim().strip_prefix('[') {
            let section = section.trim_end_matches(']');
            name = section.strip_prefix("program:").map(str::to_owned);
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        if let Some(name) = &name
            && key.trim() == "command"
        {
            found.push(Start {
                name: name.clone(),
                place: Place::new(path, at + 1),
                runs: Runs::of_command(&words(value.trim())),
                close: Close::Never("is a program of supervisord"),
            });
        }
    }
}
