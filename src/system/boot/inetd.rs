//! `inetd.conf` and `inetd.d`, which the inetds of OpenBSD, GNU and busybox read.

use bstr::ByteSlice;

use super::{Close, Runs, Start, text};
use crate::error::Stop;
use crate::rootfs::{Files, Place};

/// What `update-inetd --disable` puts before a line.
const OFF: &str = "#<off># ";

pub(super) fn add(files: &Files<'_>, found: &mut Vec<Start>) -> Result<(), Stop> {
    let mut lists = files.etc("/etc/inetd.conf");
    lists.extend(files.etc_files_in("/etc/inetd.d", ""));
    for (path, id) in lists {
        let content = text(files, id)?.unwrap_or_default();
        for (at, line) in content.lines().enumerate() {
            let line = line.to_str_lossy();
            let fields: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let [service, _, protocol, _, _, command @ ..] = &fields[..] else {
                continue;
            };
            if service.starts_with('#') || command.is_empty() {
                continue;
            }
            // A line of Sun RPC has its versions behind a slash, one for an address that before a
            // colon.
            let end = if protocol.starts_with("rpc/") {
                '/'
            } else {
                '\0'
            };
            let name = service.rsplit(':').next().unwrap_or(service);
            let name = name.split(end).next().unwrap_or(name).to_owned();
            found.push(Start {
                name,
                place: Place::new(&path, at + 1),
                runs: runs(command),
                close: Close::Comment(OFF),
            });
        }
    }
    Ok(())
}

/// Reads the program of a line, which is followed by its name and arguments. What a wrapper or a
/// program of many runs is in these.
fn runs(command: &[String]) -> Runs {
    let mut runs = Runs::of(command.first().cloned());
    runs.programs.extend(super::programs(command));
    if let Some((program, named)) = command.split_first()
        && ["busybox", "toybox", "tcpd"].contains(&super::base(program))
    {
        runs.programs.extend(named.first().cloned());
        if named
            .first()
            .is_some_and(|name| super::base(name) == super::base(program))
        {
            runs.programs.extend(named.get(1).cloned());
        }
    }
    runs
}
