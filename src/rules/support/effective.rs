//! Drop-ins that take effect: written, then judged by what systemd reads for the unit.

use std::fmt::Write as _;

use bstr::ByteSlice;

use super::put_file;
use crate::edit::Draft;
use crate::error::{Stop, fail};
use crate::recipe::nearest;
use crate::system::systemd::{self, Kind, Loss, lost, merged, name, sections_of, words_of};

/// A drop-in that a rule wants.
pub(in crate::rules) struct DropIn<'a> {
    pub(in crate::rules) unit: &'a str,
    pub(in crate::rules) name: &'a str,
    /// Section, key and value.
    pub(in crate::rules) settings: &'a [(&'a str, &'a str, &'a str)],
    /// Whether another one may be added that wins where this one does not.
    pub(in crate::rules) ensure: bool,
}

/// A setting that does not come out as asked.
struct Defeat {
    section: String,
    key: String,
    /// The file that decides, unless none does.
    winner: Option<String>,
    why: String,
}

/// As many `z` as a name gets before it is given up.
const MOST_Z: usize = 16;

/// Sees to it that a unit has a drop-in, and that its settings are what systemd gives the unit.
pub(in crate::rules) fn put(draft: &mut Draft<'_>, drop_in: &DropIn<'_>) -> Result<(), Stop> {
    check_settings(draft, drop_in)?;
    let content = content(drop_in.settings.iter().copied());
    if !write(draft, drop_in.unit, drop_in.name, &content)? {
        return Ok(());
    }
    let defeats = defeats(draft, drop_in, drop_in.name)?;
    let Some(first) = defeats.first() else {
        return Ok(());
    };
    if !drop_in.ensure {
        return fail(format!(
            "{}; give the drop-in a name that sorts later, or write `Ensure=yes`",
            first.why
        ));
    }
    let winners: Vec<&str> = defeats.iter().filter_map(|d| d.winner.as_deref()).collect();
    let Some(name) = last_name(drop_in.name, &winners) else {
        return fail(format!("{}; no name sorts after it", first.why));
    };
    let again = drop_in
        .settings
        .iter()
        .copied()
        .filter(|(section, key, _)| {
            defeats
                .iter()
                .any(|d| d.section == *section && d.key == *key)
        });
    write(draft, drop_in.unit, &name, &self::content(again))?;
    match self::defeats(draft, drop_in, &name)?.first() {
        Some(defeat) => fail(defeat.why.clone()),
        None => Ok(()),
    }
}

/// Settings that systemd would not read at all.
fn check_settings(draft: &mut Draft<'_>, drop_in: &DropIn<'_>) -> Result<(), Stop> {
    for (section, key, value) in drop_in.settings {
        let own = name::own_section(drop_in.unit);
        if !["Unit", "Install"].contains(section)
            && own.as_deref() != Some(section)
            && !section.starts_with("X-")
        {
            return fail(format!(
                "systemd reads no [{section}] in a drop-in of {}",
                drop_in.unit
            ));
        }
        if let Err(why) = Kind::of(key).accepts(value) {
            return fail(format!(
                "systemd ignores the value of {section}.{key}: it is {why}"
            ));
        }
        if let Some(words) = words_of(key).filter(|_| !value.is_empty()) {
            let words: Vec<&str> = words.collect();
            let near = nearest(value, words.iter().copied()).filter(|near| near != value);
            if let Some(near) = near.filter(|_| !words.contains(value)) {
                return fail(format!(
                    "systemd ignores the value of {section}.{key}: did you mean `{near}`?"
                ));
            }
            if !words.contains(value) {
                draft.warn(format!(
                    "casehard does not know the value {value} of {section}.{key}, which takes one of {}",
                    words.join(", ")
                ));
            }
        }
        let is_own = key.starts_with("X-") || section.starts_with("X-");
        if !is_own && sections_of(key).is_none() {
            draft.warn(format!(
                "casehard knows no setting {section}.{key} of systemd; a version older than 259 passes over it"
            ));
        }
    }
    Ok(())
}

/// Writes a drop-in, and says whether it stands there now; a waiver of the unit, or of this file, may keep it from that.
pub(in crate::rules) fn write(
    draft: &mut Draft<'_>,
    unit: &str,
    name: &str,
    content: &str,
) -> Result<bool, Stop> {
    let path = format!("{}/{unit}.d/{name}", systemd::ETC);
    let waivers = [unit, &format!("{unit}/{name}")];
    put_file(draft, &path, &waivers, content.as_bytes(), None)?;
    let there = draft.text_at(&path)?;
    Ok(there.is_some_and(|there| there == content.as_bytes()))
}

/// The drop-in's text: a section header wherever the section changes.
fn content<'a>(settings: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> String {
    let (mut out, mut at) = (String::new(), "");
    for (name, key, value) in settings {
        if name != at {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}[{name}]");
            at = name;
        }
        let _ = writeln!(out, "{key}={value}");
    }
    out
}

/// The settings that the unit, or an instance of it that the image knows, does not get as asked. `name` is the drop-in that
/// should decide.
fn defeats(draft: &Draft<'_>, drop_in: &DropIn<'_>, name: &str) -> Result<Vec<Defeat>, Stop> {
    let unit = drop_in.unit;
    let units = draft.units();
    let mut judged = vec![unit.to_owned()];
    if name::is_template(unit) {
        // An instance of which the image knows nothing reads what all instances read.
        judged = units.instances(unit).into_iter().collect();
        judged.push(name::with_instance(unit, "casehard"));
    }
    let ours = format!("{}/{unit}.d/{name}", systemd::ETC);
    let ours = match draft.rootfs().locate(ours.as_bytes()) {
        Ok(place) => draft.rootfs().location_path(&place).to_string(),
        Err(_) => ours,
    };
    let mut found = Vec::new();
    for unit in judged {
        let merged = merged(draft, &units, &unit, |_| false)?;
        let stand_in = merged.drop_in(name).filter(|path| *path != ours);
        for &(section, key, _) in drop_in.settings {
            if section.starts_with("X-") {
                continue;
            }
            let same = drop_in
                .settings
                .iter()
                .filter(|(s, k, _)| (*s, *k) == (section, key));
            let asked: Vec<&str> = same.map(|(_, _, value)| *value).collect();
            let Some(loss) = lost(&merged, section, key, &asked) else {
                continue;
            };
            let (winner, why) = match (loss, stand_in) {
                (_, Some(stand_in)) => {
                    (None, format!("{stand_in} stands in for {ours}, for {unit}"))
                }
                (Loss::To { file, line, text }, None) => (
                    Some(file.to_owned()),
                    format!("{file}:{line} decides with {text}, not {name}, for {unit}"),
                ),
                (Loss::Unread, None) => (
                    None,
                    format!("{unit} does not get {section}.{key} from {ours}"),
                ),
            };
            found.push(Defeat {
                section: section.to_owned(),
                key: key.to_owned(),
                winner,
                why,
            });
        }
    }
    Ok(found)
}

/// The first name of `zz-NAME`, `zzz-NAME`… that sorts after all of these files.
fn last_name(name: &str, files: &[&str]) -> Option<String> {
    let names = files
        .iter()
        .map(|path| path.rsplit_once('/').map_or(*path, |(_, name)| name));
    let last = names.max().unwrap_or_default();
    let mut candidates = (2..MOST_Z).map(|count| format!("{}-{name}", "z".repeat(count)));
    // Of one name is what this rule wrote before.
    candidates.find(|candidate| candidate.as_bytes().as_bstr() >= last.as_bytes().as_bstr())
}
