//! `SshdConfig`: what sshd does by its configuration.

use std::collections::BTreeMap;
use std::ops::Range;

use bstr::ByteSlice;

use super::RuleKind;
use super::booted::booted;
use super::service::Service;
use crate::edit::{Applied, Draft, ResidualKind, Verdict};
use crate::error::Stop;
use crate::recipe::{ArgumentSchema, Check, KeySchema, OnMissing, RuleSchema, Section, Waivable};
use crate::rootfs::{InodeId, Place};
use crate::system::sshd::{
    ADDING, Config, KEYWORDS, LIMITS, Scope, Setting, decided, number, twin,
};

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
        come first, and units that start sshd with another file or with options for these keywords, are reported as \
        residuals.",
    keys: &[KeySchema {
        name: "Set",
        value: "KEYWORD VALUE",
        check: Check::Assignment(setting),
        list: true,
        required: true,
        about: "A keyword of sshd_config(5) and its value. Keywords that add up, such as `Port` or `AllowUsers`, are refused. \
            `MaxAuthTries <=4` leaves a lower number as it is; so do `MaxSessions` and `LoginGraceTime`.",
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
    if let Some(limit) = value.trim().strip_prefix("<=")
        && (!listed(LIMITS, &name) || number(limit).is_none())
    {
        return Err(format!(
            "`<=` is for the numbers of {}",
            LIMITS.replace(' ', ", ")
        ));
    }
    if value.trim().is_empty() || value.contains(['#', '\0']) {
        return Err(format!("{keyword} needs a value without `#`"));
    }
    Ok((decided(keyword), value.trim().to_owned()))
}

fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    let path = section.argument.as_str();
    let files = booted(draft, path)?;
    if files.is_empty() {
        return Ok(Verdict::Absent(format!(
            "the image has no {path}, nor a file that becomes it at boot"
        )));
    }
    let wanted: Vec<Wanted<'_>> = section.all("Set").filter_map(Wanted::of).collect();
    for file in &files {
        bring_about(draft, *file, &wanted)?;
    }
    for file in files {
        residuals(draft, &Config::read(draft, file)?, &wanted);
    }
    options(draft, path, &wanted)?;
    Ok(Verdict::Holds)
}

/// A value that a keyword is to have.
struct Wanted<'s> {
    keyword: &'s str,
    value: &'s str,
    /// Whether a lower value is as good.
    at_most: bool,
}

impl<'s> Wanted<'s> {
    fn of(set: &'s str) -> Option<Self> {
        let (keyword, value) = set.split_once(' ')?;
        let limit = value.trim().strip_prefix("<=");
        Some(Self {
            keyword,
            value: limit.unwrap_or(value).trim(),
            at_most: limit.is_some(),
        })
    }

    fn holds(&self, setting: &Setting) -> bool {
        setting.is(self.value) || (self.at_most && setting.is_at_most(self.value))
    }
}

/// A range of a file and what replaces it.
type Edit = (Range<usize>, Vec<u8>);

fn bring_about(draft: &mut Draft<'_>, file: InodeId, all: &[Wanted<'_>]) -> Result<(), Stop> {
    let config = Config::read(draft, file)?;
    let mut edits: BTreeMap<InodeId, Vec<Edit>> = BTreeMap::new();
    let mut missing = String::new();
    for wanted in all {
        let Wanted { keyword, value, .. } = wanted;
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
        wrong.retain(|setting| !wanted.holds(setting));
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
        let text = draft.text(file)?;
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
        let mut text = draft.text(file)?;
        edits.sort_by_key(|(range, _)| range.start);
        for (range, new) in edits.into_iter().rev() {
            text.splice(range, new);
        }
        draft.set_content(file, text);
    }
    Ok(())
}

fn residuals(draft: &mut Draft<'_>, config: &Config, all: &[Wanted<'_>]) {
    for wanted in all {
        let keyword = wanted.keyword;
        let settings: Vec<_> = config
            .of(keyword)
            .chain(twin(keyword).into_iter().flat_map(|twin| config.of(twin)))
            .collect();
        for (_, setting) in &settings {
            if let Scope::Match(criteria) = &setting.scope
                && !wanted.holds(setting)
            {
                draft.residual(
                    ResidualKind::Override,
                    Place::new(&setting.path, setting.line),
                    format!("`Match {criteria}` sets {keyword} to {}", setting.value),
                );
            }
        }
        let winner = settings.iter().find(|(_, s)| s.scope == Scope::Global);
        let place = winner.map_or(config.settings.len(), |(place, _)| *place);
        for open in config.open.iter().filter(|open| open.after <= place) {
            draft.residual(
                ResidualKind::Override,
                Place::new(&open.path, open.line),
                format!(
                    "files that are yet to come at {} are read before what sets {keyword}",
                    open.pattern
                ),
            );
        }
    }
}

/// Units that hand sshd another configuration, or options which win over it.
fn options(draft: &mut Draft<'_>, path: &str, wanted: &[Wanted<'_>]) -> Result<(), Stop> {
    for unit in [
        "ssh.service",
        "ssh@.service",
        "sshd.service",
        "sshd@.service",
    ] {
        let service = Service::read(draft, unit)?;
        let environment = service.environment(draft)?;
        for (file, words) in service.commands(&environment) {
            for (option, value) in with_values(words) {
                let keyword = value.split(['=', ' ', '\t']).next().unwrap_or_default();
                let asked = |wanted: &Wanted<'_>| decided(wanted.keyword) == decided(keyword);
                let wins = match option {
                    'f' => value != path,
                    'o' => wanted.iter().any(asked) || keyword.eq_ignore_ascii_case("include"),
                    _ => false,
                };
                if wins {
                    draft.residual(
                        ResidualKind::Override,
                        Place::new(&file, None),
                        format!("starts sshd with -{option} {value}, which wins over {path}"),
                    );
                }
            }
        }
    }
    Ok(())
}

/// The options of a command line of sshd's that have values; of several letters in a word the last may be one.
fn with_values(words: Vec<String>) -> Vec<(char, String)> {
    const WITH_VALUE: &str = "CEbcfghkopu";
    let mut found = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-') else {
            continue;
        };
        if let Some(at) = letters.find(|letter| WITH_VALUE.contains(letter)) {
            let (option, value) = (letters.as_bytes()[at], &letters[at + 1..]);
            let value = match value {
                "" => words.next().unwrap_or_default(),
                value => value.to_owned(),
            };
            found.push((char::from(option), value));
        }
    }
    found
}

#[cfg(test)]
mod tests;
