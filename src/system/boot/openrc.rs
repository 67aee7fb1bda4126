//! OpenRC: links in runlevels, and services that others need.

use bstr::ByteSlice;

use super::{Close, Runs, Start, directories, names_in, text};
use crate::error::Stop;
use crate::rootfs::{Files, Place};

/// Where scripts of services are.
const SCRIPTS: [&str; 3] = ["/etc/init.d", "/usr/local/etc/init.d", "/usr/lib/rc/init.d"];

/// Adds each service of a runlevel, as `rc-update del` takes it out, and those that one of them
/// needs.
pub(super) fn add(files: &Files<'_>, found: &mut Vec<Start>) -> Result<(), Stop> {
    for runlevel in directories(files, &["/etc/runlevels/*"]) {
        for name in names_in(files, &runlevel) {
            let link = format!("{runlevel}/{name}");
            // A directory stacks another runlevel, which is read by itself.
            if files.rootfs().has_directory(&link) {
                continue;
            }
            let script = script_of(files, &name, &link);
            if let Some(id) = script.as_ref().and_then(|path| files.rootfs().open(path)) {
                let path = files.rootfs().path(id).to_str_lossy().into_owned();
                add_needed(files, &path, found)?;
            }
            found.push(Start {
                name,
                place: Place::new(&link, None),
                runs: Runs::of_file(files, script.as_deref().unwrap_or(&link))?,
                close: Close::Unlink(Vec::new()),
            });
        }
    }
    Ok(())
}

fn script_of(files: &Files<'_>, name: &str, link: &str) -> Option<String> {
    let own = SCRIPTS
        .iter()
        .map(|directory| format!("{directory}/{name}"));
    let mut candidates = std::iter::once(link.to_owned()).chain(own);
    candidates.find(|path| files.file(path).is_some())
}

/// Adds the services that a script of a runlevel starts before itself.
fn add_needed(files: &Files<'_>, script: &str, found: &mut Vec<Start>) -> Result<(), Stop> {
    let content = files.rootfs().open(script).map(|id| text(files, id));
    let content = content.transpose()?.flatten().unwrap_or_default();
    for (at, line) in content.lines().enumerate() {
        let line = line.to_str_lossy();
        let mut words = line.split_whitespace();
        if !words
            .next()
            .is_some_and(|word| ["need", "want"].contains(&word))
        {
            continue;
        }
        for needed in words.take_while(|word| !word.starts_with('#')) {
            let Some(path) = script_of(files, needed, "") else {
                continue;
            };
            found.push(Start {
                name: needed.to_owned(),
                place: Place::new(script, at + 1),
                runs: Runs::of_file(files, &path)?,
                close: Close::Never("is a service of a runlevel and needs it"),
            });
        }
    }
    Ok(())
}
