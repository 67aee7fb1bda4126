//! SUSE's lists of modes, which `chkstat` sets whenever a package asks for it (chkstat(8)).

use std::collections::BTreeMap;

use bstr::ByteSlice;

use crate::error::Stop;
use crate::rootfs::{Files, InodeId};

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) file: String,
    pub(crate) line: usize,
    /// As it is written, with its variables replaced.
    pub(crate) path: String,
    pub(crate) mode: u32,
    /// Whether the line after it gives the file capabilities.
    pub(crate) capabilities: bool,
}

/// How many lines are kept, in all lists together.
const LINES: usize = 100_000;

/// Returns the lines of every list that an image has, of whichever security level.
pub(crate) fn listed(files: &Files<'_>) -> Result<Vec<Listed>, Stop> {
    const SHARED: &str = "/usr/share/permissions";
    let variables = variables(files)?;
    let mut lists = Vec::new();
    for (directory, named) in [
        (SHARED, true),
        ("/usr/share/permissions/permissions.d", false),
        ("/usr/share/permissions/packages.d", false),
        ("/etc", true),
        ("/etc/permissions.d", false),
    ] {
        let mut found: Vec<(String, InodeId)> = files.etc_files_in(directory, "");
        found.retain(|(path, _)| {
            let name = path.rsplit('/').next().unwrap_or_default();
            !named || name == "permissions" || name.starts_with("permissions.")
        });
        lists.extend(found);
    }
    let mut lines: Vec<Listed> = Vec::new();
    for (file, id) in lists {
        for (number, text) in (1..).zip(files.text(id)?.lines()) {
            let text = text.to_str_lossy();
            let mut words = text.split_whitespace();
            let (Some(path), Some(owner)) = (words.next(), words.next()) else {
                continue;
            };
            if path == "+capabilities" {
                let last = lines.last().map(|line| (line.file.clone(), line.line));
                let of = |line: &&mut Listed| last == Some((line.file.clone(), line.line));
                if lines.last().is_some_and(|line| line.file == file) {
                    let same = lines.iter_mut().rev().take_while(of);
                    same.for_each(|line| line.capabilities = true);
                }
                continue;
            }
            let mode = words
                .next()
                .and_then(|mode| u32::from_str_radix(mode, 8).ok());
            let Some(mode) = mode.filter(|_| !path.starts_with('#') && owner.contains([':', '.']))
            else {
                continue;
            };
            for path in expanded(path, &variables) {
                if lines.len() == LINES {
                    return Ok(lines);
                }
                lines.push(Listed {
                    file: file.clone(),
                    line: number,
                    path,
                    mode,
                    capabilities: false,
                });
            }
        }
    }
    Ok(lines)
}

/// Returns what the variables of paths stand for: one or more values each.
fn variables(files: &Files<'_>) -> Result<BTreeMap<String, Vec<String>>, Stop> {
    let text = files.text_at("/usr/share/permissions/variables.conf")?;
    let text = text.unwrap_or_default();
    let text = text.to_str_lossy();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let values = lines.filter_map(|line| {
        let (name, values) = line.split_once('=')?;
        let values = values
            .split_whitespace()
            .map(|value| value.trim_matches('/'));
        Some((name.trim().to_owned(), values.map(str::to_owned).collect()))
    });
    Ok(values.collect())
}

/// Returns the paths that one with `%{VARIABLE}` stands for; only the first variable may have
/// several values.
fn expanded(path: &str, variables: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let Some((start, (name, end))) = path
        .split_once("%{")
        .and_then(|(start, rest)| Some((start, rest.split_once('}')?)))
    else {
        return vec![path.to_owned()];
    };
    let values = variables.get(name).into_iter().flatten();
    values.map(|value| format!("{start}{value}{end}")).collect()
}
