//! `SshdConfig`: what sshd does by its configuration.

use std::collections::BTreeMap;
use std::ops::Range;

use bstr::ByteSlice;

use super::RuleKind;
use super::service::{Service, words};
use crate::edit::{Applied, Draft, Stop, Verdict};
use crate::lowerdir;
use crate::recipe::{ArgumentSchema, Check, KeySchema, OnMissing, RuleSchema, Section, Waivable};
use crate::rootfs::InodeId;
use crate::sshd::{ADDING, Config, KEYWORDS, Scope, Setting, decided, plain, twin};

pub(super) static KIND: RuleKind = RuleKind {
    schema: &SCHEMA,
    apply,
};

static SCHEMA: RuleSchema = RuleSchema {
    kind: "SshdConfig",
    argument: Some(ArgumentSchema {
        name: "PATH",
        check: Check::AbsolutePath,
        about: "sshd's configuration, such as `/etc/ssh/sshd_config`; a symbolic link is followed.",
    }),
    summary: "sshd works with these values",
    about: "The first value that sshd reads for a keyword counts, in the order of lines and of the files that `Include` names. \
        The rule changes the value on that line, wherever it is, and on lines of `Match all` blocks; where no line sets the \
        keyword, one is put before the first `Include` or `Match`. All other bytes stay. Edited are the file that the path \
        leads to, the copies of it from which the booted system fills /etc, and, where the image has no such path, the file \
        that tmpfiles.d links or copies there at boot.\n\n\
        A `Match` block that says something else for some connections, an `Include` with a wildcard whose later files would \
        come first, and units that start sshd with options of their own, are reported as residuals.",
    keys: &[KeySchema {
        name: "Set",
        value: "KEYWORD VALUE",
        check: Check::Assignment(setting),
        list: true,
        required: true,
        about: "A keyword of sshd_config(5) and its value. Keywords that add up, such as `Port` or `AllowUsers`, are refused.",
    }],
    needs_a_key: false,
    open_keys: None,
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    waived: Some(Waivable {
        what: "the keyword",
        example: "PermitRootLogin",
    }),
    example: "[SshdConfig /etc/ssh/sshd_config]\nSet=PermitRootLogin no\nSet=PasswordAuthentication no\n\
        Reason=passwords can be guessed from anywhere\n",
};

fn listed(words: &str, word: &str) -> bool {
    words.split(' ').any(|w| w == word)
}

fn setting(text: &str) -> Result<(String, String), String> {
    let Some((keyword, value)) = text.split_once(' ') else {
        return Err("write it as a keyword, a blank and a value".to_owned());
    };
    let name = keyword.to_ascii_lowercase();
    if listed(ADDING, &name) {
        return Err(format!(
            "lines of {keyword} add up or begin a block, so that no single one decides"
        ));
    }
    if !listed(KEYWORDS, &name) {
        return Err(format!(
            "`{keyword}` is no keyword of sshd_config, and sshd would not start"
        ));
    }
    if value.trim().is_empty() || value.contains(['#', '\0']) {
        return Err(format!("{keyword} needs a value without `#`"));
    }
    Ok((decided(keyword), value.trim().to_owned()))
}

fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    let path = section.argument.as_str();
    let files = lowerdir::booted(draft, path)?;
    if files.is_empty() {
        return Ok(Verdict::Absent(format!(
            "the image has no {path}, nor a file that becomes it at boot"
        )));
    }
    let wanted: Vec<(&str, &str)> = section
        .all("Set")
        .filter_map(|set| set.split_once(' '))
        .map(|(keyword, value)| (keyword, value.trim()))
        .collect();
    for file in &files {
        bring_about(draft, *file, &wanted)?;
    }
    for file in files {
        residuals(draft, &Config::read(draft, file)?, &wanted);
    }
    options(draft)?;
    Ok(Verdict::Holds)
}

/// A range of a file and what replaces it.
type Edit = (Range<usize>, Vec<u8>);

fn bring_about(draft: &mut Draft<'_>, file: InodeId, wanted: &[(&str, &str)]) -> Result<(), Stop> {
    let config = Config::read(draft, file)?;
    let mut edits: BTreeMap<InodeId, Vec<Edit>> = BTreeMap::new();
    let mut missing = String::new();
    for (keyword, value) in wanted {
        let decide = |keyword: &str| -> Vec<&Setting> {
            let lines = config.of(keyword).map(|(_, setting)| setting);
            let mut lines = lines.filter(|s| !matches!(s.scope, Scope::Match(_)));
            let first = lines.next();
            first
                .into_iter()
                .chain(lines.filter(|s| s.scope == Scope::All))
                .collect()
        };
        let mut wrong = decide(keyword);
        let absent = wrong.is_empty();
        wrong.extend(twin(keyword).into_iter().flat_map(decide));
        wrong.retain(|setting| setting.value != plain(value.as_bytes()));
        if (absent || !wrong.is_empty()) && draft.waived(keyword.as_bytes().as_bstr()) {
            continue;
        }
        if absent {
            missing += &format!("{keyword} {value}\n");
        }
        for setting in wrong {
            let edit = (setting.range.clone(), value.as_bytes().to_vec());
            let edits = edits.entry(setting.file).or_default();
            if !edits.contains(&edit) {
                edits.push(edit);
            }
        }
    }
    if !missing.is_empty() {
        let text = draft.read(file)?;
        let at = config.block.unwrap_or(text.len());
        if at == text.len() && !text.is_empty() && !text.ends_with(b"\n") {
            missing.insert(0, '\n');
        }
        edits
            .entry(file)
            .or_default()
            .push((at..at, missing.into_bytes()));
    }
    for (file, mut edits) in edits {
        let mut text = draft.read(file)?;
        edits.sort_by_key(|(range, _)| range.start);
        for (range, new) in edits.into_iter().rev() {
            text.splice(range, new);
        }
        draft.set_content(file, text);
    }
    Ok(())
}

fn residuals(draft: &mut Draft<'_>, config: &Config, wanted: &[(&str, &str)]) {
    for (keyword, value) in wanted {
        let settings: Vec<_> = config
            .of(keyword)
            .chain(twin(keyword).into_iter().flat_map(|twin| config.of(twin)))
            .collect();
        for (_, setting) in &settings {
            if let Scope::Match(criteria) = &setting.scope
                && setting.value != plain(value.as_bytes())
            {
                draft.residual(
                    Some(setting.path.as_bytes().as_bstr()),
                    Some(setting.line),
                    format!("`Match {criteria}` sets {keyword} to {}", setting.value),
                );
            }
        }
        let winner = settings.iter().find(|(_, s)| s.scope == Scope::Global);
        let place = winner.map_or(config.settings.len(), |(place, _)| *place);
        for open in config.open.iter().filter(|open| open.after <= place) {
            draft.residual(
                Some(open.path.as_bytes().as_bstr()),
                Some(open.line),
                format!(
                    "files that are yet to come at {} are read before what sets {keyword}",
                    open.pattern
                ),
            );
        }
    }
}

/// Units that hand sshd options, which win over its configuration.
fn options(draft: &mut Draft<'_>) -> Result<(), Stop> {
    for unit in [
        "ssh.service",
        "ssh@.service",
        "sshd.service",
        "sshd@.service",
    ] {
        let service = Service::read(draft, unit)?;
        let environment = service.environment(draft)?;
        for (file, command) in service.commands() {
            let expand = |word: String| {
                let variable = word.strip_prefix('$').map(|v| v.trim_matches(['{', '}']));
                let value = variable.and_then(|v| environment.variables.get(v));
                value.map_or(vec![word.clone()], |(value, _)| words(value))
            };
            let given = words(&command).into_iter().flat_map(expand);
            for option in given.filter(|w| w.starts_with("-o") || w.starts_with("-f")) {
                draft.residual(
                    Some(file.as_bytes().as_bstr()),
                    None,
                    format!("starts sshd with {option}, which wins over its configuration"),
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
