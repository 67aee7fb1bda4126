//! The servers that an image starts, and those of them that read another configuration than the one
//! that a rule edits, or have options that win over it.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::Wanted;
use crate::edit::{Draft, ResidualKind};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};
use crate::rules::support::service::Service;
use crate::system::sshd::{Config, Scope, decided, twin};
use crate::system::systemd::words;

/// The configuration that sshd reads unless it is told otherwise.
const DEFAULT: &str = "/etc/ssh/sshd_config";

/// Units that may start sshd by drop-ins alone.
const UNITS: [&str; 4] = [
    "ssh.service",
    "ssh@.service",
    "sshd.service",
    "sshd@.service",
];

/// Where scripts and tables are that start programs without systemd: init.d of all kinds, inittab,
/// inetd, supervisors. A `*` stands for one name.
const SCRIPTS: [&str; 14] = [
    "/etc/init.d",
    "/etc/rc.d",
    "/etc/rc.local",
    "/etc/inittab",
    "/etc/inetd.conf",
    "/etc/inetd.d",
    "/etc/xinetd.conf",
    "/etc/xinetd.d",
    "/etc/sv/*/run",
    "/etc/service/*/run",
    "/etc/runit",
    "/etc/s6-rc/source/*/run",
    "/etc/dinit.d",
    "/etc/supervisor/conf.d",
];

/// A larger script is not one that starts a server.
const LIMIT: u64 = 1 << 20;

/// An option that a start hands to sshd.
struct Given {
    place: Place,
    option: char,
    value: String,
}

/// Adds a residual for each start of sshd with another configuration than that at `path`, unless
/// the values hold there too, and for options that win over it.
pub(super) fn residuals(draft: &mut Draft<'_>, path: &str, wanted: &[Wanted]) -> Result<(), Stop> {
    let mut given = by_units(draft)?;
    given.extend(by_scripts(draft)?);
    let mut said = BTreeSet::new();
    for Given {
        place,
        option,
        value,
    } in given
    {
        let message = match option {
            'f' if is_default(draft, path) && !is_same(draft, path, &value) => {
                other_file(draft, path, &value, wanted)?
            }
            'o' => wins(&value, wanted)
                .then(|| format!("starts sshd with -o {value}, which wins over {path}")),
            _ => None,
        };
        let Some(message) = message else { continue };
        if said.insert((place.clone(), message.clone())) {
            draft.open_so_far(ResidualKind::Override, place, message);
        }
    }
    Ok(())
}

/// Whether an option sets one of the keywords, or may.
fn wins(option: &str, wanted: &[Wanted]) -> bool {
    let (keyword, value) = option.split_once(['=', ' ', '\t']).unwrap_or((option, ""));
    let asked = |wanted: &Wanted| {
        let same = value.trim().eq_ignore_ascii_case(&wanted.value);
        decided(&wanted.keyword) == decided(keyword.trim()) && !same
    };
    wanted.iter().any(asked) || keyword.eq_ignore_ascii_case("include")
}

/// What is open where a server reads another file; nothing if the values hold there.
fn other_file(
    files: &Files<'_>,
    path: &str,
    other: &str,
    wanted: &[Wanted],
) -> Result<Option<String>, Stop> {
    let start = format!("starts sshd with -f {other}, not with {path}");
    let read = files.etc(other);
    if read.is_empty() {
        return Ok(Some(format!(
            "{start}; the image has no such file, so its values are not known"
        )));
    }
    let mut wrong: Vec<&str> = Vec::new();
    for (_, id) in read {
        let config = match Config::read(files, id) {
            Ok(config) => config,
            Err(Stop::Failed(why)) => return Ok(Some(format!("{start}; {why}"))),
            Err(fatal) => return Err(fatal),
        };
        wrong.extend(
            wanted
                .iter()
                .filter(|w| !holds(&config, w))
                .map(|w| w.keyword.as_str()),
        );
    }
    wrong.dedup();
    Ok((!wrong.is_empty()).then(|| {
        format!(
            "{start}, and there the values asked for {} do not hold; add [SshdConfig {other}]",
            wrong.join(", ")
        )
    }))
}

/// Whether the values that a configuration gives all connections are as wanted.
fn holds(config: &Config, wanted: &Wanted) -> bool {
    let decides = |keyword: &str| {
        let settings = config.of(keyword).map(|(_, setting)| setting);
        settings
            .into_iter()
            .find(|s| !matches!(s.scope, Scope::Match(_)))
    };
    // Of a keyword with an old name, either may be set.
    let mut set = decides(&wanted.keyword)
        .into_iter()
        .chain(twin(&wanted.keyword).and_then(decides));
    set.next().is_some_and(|first| wanted.holds(first)) && set.all(|other| wanted.holds(other))
}

fn is_default(files: &Files<'_>, path: &str) -> bool {
    path == DEFAULT || is_same(files, path, DEFAULT)
}

fn is_same(files: &Files<'_>, one: &str, other: &str) -> bool {
    let open = |path: &str| files.rootfs().open(path);
    one == other || (open(one).is_some() && open(one) == open(other))
}

/// The options of services that are not masked.
fn by_units(draft: &Draft<'_>) -> Result<Vec<Given>, Stop> {
    let units = draft.units();
    let mut named = BTreeSet::from(UNITS.map(str::to_owned));
    for unit in units.all().filter(|unit| unit.ends_with(".service")) {
        let file = units
            .fragment(&unit)
            .and_then(|path| draft.rootfs().open(path));
        if let Some(text) = file
            .map(|id| draft.text_up_to(LIMIT, id))
            .transpose()?
            .flatten()
            && text.contains_str("sshd")
        {
            named.insert(unit);
        }
    }
    named.retain(|unit| !units.is_masked(unit) && units.alias_of(unit).is_none());
    let mut found = Vec::new();
    for unit in named {
        let service = Service::read(draft, &unit)?;
        let environment = service.environment(draft)?;
        for (file, line, words) in service.commands(&environment) {
            let is_sshd = words.first().is_some_and(|word| is_server(word));
            if !is_sshd && !UNITS.contains(&unit.as_str()) {
                continue;
            }
            found.extend(with_values(words).into_iter().map(|(option, value)| Given {
                place: Place::new(&file, line),
                option,
                value,
            }));
        }
    }
    Ok(found)
}

/// The options of scripts and tables that name sshd, and those in the files of variables that they
/// read.
fn by_scripts(files: &Files<'_>) -> Result<Vec<Given>, Stop> {
    let mut found = Vec::new();
    for (path, id) in scripts(files) {
        let Some(text) = files
            .text_up_to(LIMIT, id)?
            .filter(|text| text.contains_str("sshd"))
        else {
            continue;
        };
        let starts =
            |line: &[u8]| !line.trim_start().starts_with(b"#") && server_in(line).is_some();
        if !text.lines().any(starts) {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            let options = match server_in(line).filter(|_| starts(line)) {
                Some(options) => options,
                None => arguments_in(line).unwrap_or_default(),
            };
            found.extend(
                with_values(options)
                    .into_iter()
                    .map(|(option, value)| Given {
                        place: Place::new(&path, number),
                        option,
                        value,
                    }),
            );
        }
        for (path, id) in variables(files, &path, &text) {
            let values = files.text_up_to(LIMIT, id)?.unwrap_or_default();
            for (number, line) in (1..).zip(values.lines()) {
                let Some((name, value)) = assignment(line) else {
                    continue;
                };
                let given = match name.as_str() {
                    _ if !refers(&text, &name) => Vec::new(),
                    "SSHD_CONFIG" => vec![('f', value)],
                    "SSHD_CONFDIR" => vec![('f', format!("{value}/sshd_config"))],
                    _ => with_values(words(&value)),
                };
                found.extend(given.into_iter().map(|(option, value)| Given {
                    place: Place::new(&path, number),
                    option,
                    value,
                }));
            }
        }
    }
    Ok(found)
}

fn scripts(files: &Files<'_>) -> Vec<(String, InodeId)> {
    let mut found = Vec::new();
    for path in SCRIPTS {
        if let Some((directory, name)) = path.split_once("/*/") {
            let search = files.etc_directories(&[directory]);
            let below = search
                .iter()
                .flat_map(|directory| files.directories_in(directory));
            found.extend(below.filter_map(|below| files.file(&format!("{below}/{name}"))));
        } else {
            found.extend(files.etc(path));
            found.extend(files.etc_files_in(path, ""));
        }
    }
    let mut known = BTreeSet::new();
    found.retain(|(_, id)| known.insert(*id));
    found
}

/// The files of variables that a script reads: those of which it has the path, and OpenRC's for its
/// name.
fn variables(files: &Files<'_>, script: &str, text: &[u8]) -> Vec<(String, InodeId)> {
    let name = script.rsplit_once('/').map_or(script, |(_, name)| name);
    let own = ["/etc/conf.d", "/etc/default", "/etc/sysconfig"];
    let own = own.map(|directory| format!("{directory}/{name}"));
    let is_openrc = text
        .lines()
        .next()
        .is_some_and(|line| line.contains_str("openrc-run"));
    let mut found = Vec::new();
    for path in own
        .iter()
        .map(String::as_str)
        .chain(["/etc/default/ssh", "/etc/default/sshd"])
    {
        let is_read = text.contains_str(path) || (is_openrc && path.starts_with("/etc/conf.d/"));
        found.extend(files.etc(path).into_iter().filter(|_| is_read));
    }
    let mut known = BTreeSet::new();
    found.retain(|(_, id)| known.insert(*id));
    found
}

/// Whether a word is the path of a server: `sshd`, or Alpine's `sshd.pam` and its like.
fn is_server(word: &str) -> bool {
    let word = word.trim_start_matches(['-', '@', ':', '+', '!', '|']);
    let name = word.rsplit_once('/').map_or(word, |(_, name)| name);
    name == "sshd" || name == "sshd.pam" || name == "sshd.krb5"
}

/// The words behind a server's path in a line of a script.
fn server_in(line: &[u8]) -> Option<Vec<String>> {
    let mut words = words(&line.to_str_lossy()).into_iter();
    words.find(|word| word.contains('/') && is_server(word))?;
    Some(words.collect())
}

/// The words of a line that gives a server its arguments: xinetd's, OpenRC's.
fn arguments_in(line: &[u8]) -> Option<Vec<String>> {
    let (name, value) = assignment(line)?;
    ["server_args", "command_args"]
        .contains(&name.as_str())
        .then(|| words(&value))
}

fn assignment(line: &[u8]) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix(b"export ").unwrap_or(line);
    let (name, value) = line.split_once_str("=")?;
    let name = name.trim().to_str().ok()?;
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let value = value.trim().to_str_lossy();
    let value = match value.as_bytes().first() {
        Some(b'"' | b'\'') => words(&value).into_iter().next().unwrap_or_default(),
        _ => value.into_owned(),
    };
    (plain && !name.is_empty()).then(|| (name.to_owned(), value))
}

/// Whether a script uses a variable.
fn refers(text: &[u8], name: &str) -> bool {
    [format!("${name}"), format!("${{{name}")]
        .iter()
        .any(|used| text.contains_str(used))
}

/// The options of a command line of sshd's that have values; of several letters in a word the last
/// may be one. None where sshd only tests its configuration.
fn with_values(words: Vec<String>) -> Vec<(char, String)> {
    const WITH_VALUE: &str = "CEbcfghkopu";
    let mut found = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if [";", "&&", "||", "|"].contains(&word.as_str()) {
            break;
        }
        let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else {
            continue;
        };
        let at = letters.find(|letter| WITH_VALUE.contains(letter));
        if letters[..at.unwrap_or(letters.len())].contains(['t', 'T', 'G']) {
            return Vec::new();
        }
        if let Some(at) = at {
            let (option, value) = (letters.as_bytes()[at], &letters[at + 1..]);
            let value = match value {
                "" => words.next().unwrap_or_default(),
                value => value.to_owned(),
            };
            // A variable that the script fills in is looked up where it is set.
            if !value.is_empty() && !value.starts_with('$') {
                found.push((char::from(option), value));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
