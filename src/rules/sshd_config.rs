//! `SshdConfig`: what sshd does by its configuration.

mod servers;

use std::collections::BTreeMap;
use std::ops::Range;

use bstr::ByteSlice;

use super::support::booted::booted;
use crate::edit::{Applied, Draft, ResidualKind, Verdict, absent};
use crate::error::{Stop, fail};
use crate::recipe::{
    Check, Fields, KeySchema, Rule, RuleKind, nearest,
    value::{self, Refusal, Value},
};
use crate::rootfs::{InodeId, Place};
use crate::system::sshd::first_boot::{self, Writes};
use crate::system::sshd::knows;
use crate::system::sshd::{
    ADDING, Config, KEYWORDS, LIMITS, Scope, Setting, decided, number, twin, values,
};

pub(super) static KIND: RuleKind = RuleKind {
    name: "SshdConfig",
    argument: Some(
        KeySchema::argument("PATH", Check::Is(value::one_path)).about(
            "sshd's configuration, such as `/etc/ssh/sshd_config`; a symbolic link is followed.",
        ),
    ),
    summary: "sshd works with these values",
    about: "The first value that sshd reads for a keyword counts, in the order of lines and of the \
        files that `Include` names. The rule changes the value on that line, wherever it is, and \
        on lines of `Match all` blocks; where no line sets the keyword, one is put before the \
        first `Include` or `Match`. All other bytes stay. The rule edits the file that the path \
        leads to, the copies of it from which the booted system fills /etc, and, where the image \
        has no such path, the file that tmpfiles.d links or copies there at boot.\n\n\
        A `Match` block that says something else for some connections, an `Include` with a \
        wildcard whose later files would come first, and units, init scripts, inetd and supervisors \
        that start sshd with another file, where the values do not hold, or with options for these \
        keywords, are reported as residuals. So is what writes the configuration anew at the first \
        boot: `ssh_pwauth` of cloud-init, Ignition, scripts.",
    keys: &[KeySchema::new("Set", "KEYWORD VALUE", Check::Is(setting))
        .list()
        .required()
        .about(
            "A keyword of sshd_config(5) and its value. Keywords that add up, such as `Port` or \
                `AllowUsers`, are refused, and so is a value with which sshd would not start. The rule fails where \
                the image's sshd is of a version that does not know the keyword or an algorithm. \
                `MaxAuthTries <=4` leaves a lower number as it is; so \
                do `MaxSessions` and `LoginGraceTime`.",
        )],
    waived: Some(("the keyword", "PermitRootLogin")),
    example: "[SshdConfig /etc/ssh/sshd_config]\nSet=PermitRootLogin \
        no\nSet=PasswordAuthentication no\nReason=passwords can be guessed from anywhere\n",
    ..RuleKind::of::<SshdConfig>()
};

fn listed(words: &str, word: &str) -> bool {
    words.split(' ').any(|w| w == word)
}

fn setting(text: &str) -> Result<Value, Refusal> {
    let Some((keyword, value)) = text.split_once(' ') else {
        if let Some((keyword, value)) = text.split_once('=') {
            return Err(
                Refusal::new("write it as a keyword, a blank and a value").help(format!(
                    "write `{} {}`",
                    keyword.trim(),
                    value.trim()
                )),
            );
        }
        return Err("write it as a keyword, a blank and a value".into());
    };
    let name = keyword.to_ascii_lowercase();
    if listed(ADDING, &name) {
        return Err(format!(
            "lines of {keyword} add up or begin a block, so that no single one decides"
        )
        .into());
    }
    if !listed(KEYWORDS, &name) {
        let refusal = Refusal::new(format!(
            "`{keyword}` is not a keyword of sshd_config, and sshd would not start"
        ));
        return Err(match nearest(&name, KEYWORDS.split_whitespace()) {
            Some(near) => refusal.help(format!("did you mean `{near}`?")),
            None => refusal,
        });
    }
    if let Some(limit) = value.trim().strip_prefix("<=")
        && (!listed(LIMITS, &name) || number(limit).is_none())
    {
        return Err(format!("`<=` is for the numbers of {}", LIMITS.replace(' ', ", ")).into());
    }
    if value.trim().is_empty() || value.contains(['#', '\0']) {
        return Err(format!("{keyword} needs a value without `#`").into());
    }
    let plain = value.trim().trim_start_matches("<=").trim();
    if let Some(why) = values::refused(keyword, plain) {
        return Err(why.into());
    }
    Ok(Value::assignment(keyword, value.trim(), decided(keyword)))
}

/// A configuration, and the values that it is to have.
#[derive(Debug)]
struct SshdConfig {
    path: String,
    wanted: Vec<Wanted>,
}

impl Rule for SshdConfig {
    fn parse(fields: &Fields<'_>) -> Self {
        let wanted = fields.pairs("Set").into_iter().map(Wanted::new);
        Self {
            path: fields.argument.to_owned(),
            wanted: wanted.collect(),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let path = self.path.as_str();
        let files = booted(draft, path)?;
        servers::residuals(draft, path, &self.wanted)?;
        if files.is_empty() {
            return absent(format!(
                "the image has no {path}, nor a file that becomes it at boot"
            ));
        }
        let settings = self.wanted.iter();
        let settings = settings.map(|wanted| (wanted.keyword.as_str(), wanted.value.as_str()));
        if let Some(why) = knows::unknown(draft, settings)? {
            return fail(why);
        }
        for file in &files {
            bring_about(draft, *file, &self.wanted)?;
            draft.keeps(*file);
        }
        for file in files {
            residuals(draft, &Config::read(draft, file)?, &self.wanted);
        }
        first_boot(draft, path, &self.wanted)?;
        Ok(Verdict::Holds)
    }
}

/// A value that a keyword is to have.
#[derive(Debug)]
struct Wanted {
    keyword: String,
    value: String,
    /// Whether a lower value is as good.
    at_most: bool,
}

impl Wanted {
    fn new((keyword, value): (String, String)) -> Self {
        let limit = value
            .strip_prefix("<=")
            .map(|limit| limit.trim().to_owned());
        Self {
            keyword,
            at_most: limit.is_some(),
            value: limit.unwrap_or(value),
        }
    }

    fn holds(&self, setting: &Setting) -> bool {
        setting.is(&self.value) || (self.at_most && setting.is_at_most(&self.value))
    }
}

/// A range of a file and what replaces it.
type Edit = (Range<usize>, Vec<u8>);

fn bring_about(draft: &mut Draft<'_>, file: InodeId, all: &[Wanted]) -> Result<(), Stop> {
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

fn residuals(draft: &mut Draft<'_>, config: &Config, all: &[Wanted]) {
    for wanted in all {
        let keyword = wanted.keyword.as_str();
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
                    "a file yet to come in {} would override {keyword}",
                    open.pattern
                ),
            );
        }
    }
}

/// Programs that write sshd's configuration anew when the system boots.
fn first_boot(draft: &mut Draft<'_>, path: &str, all: &[Wanted]) -> Result<(), Stop> {
    if path != "/etc/ssh/sshd_config" {
        return Ok(());
    }
    let password = all.iter().find(|wanted| {
        wanted
            .keyword
            .eq_ignore_ascii_case("PasswordAuthentication")
            && !wanted.value.eq_ignore_ascii_case("yes")
    });
    for found in first_boot::writes(draft)? {
        let (place, message) = match found {
            Writes::Something(place, what) => (
                place,
                format!("{what} when the system boots, and may override {path}"),
            ),
            Writes::Passwords(place) if password.is_some() => (
                place,
                "cloud-init sets PasswordAuthentication to yes when the system first boots".into(),
            ),
            Writes::Passwords(_) => continue,
        };
        draft.open_so_far(ResidualKind::RevertedAtBoot, place, message);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
