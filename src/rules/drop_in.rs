//! `DropIn`: settings that a unit gets on top of its own.

use super::support::effective::{self, put};
use crate::edit::{Applied, Draft, Verdict, absent};
use crate::error::fail;
use crate::recipe::{Check, Fields, KeySchema, Rule, RuleKind, nearest, value, value::Refusal};
use crate::system::systemd::{all_sections, sections_of, settings_in};

/// The key that has a drop-in win over others.
pub(super) const ENSURE: KeySchema = KeySchema::new("Ensure", "yes|no", Check::OneOf(&["yes", "no"])).about("Whether a second drop-in, `zz-NAME`, sets again what another file overrides. Default `no`: the rule fails then.");

pub(super) static KIND: RuleKind = RuleKind {
    name: "DropIn",
    argument: Some(
        KeySchema::argument("UNIT/NAME.conf", Check::Is(value::drop_in))
            .about("The unit (a template or glob too) and the drop-in's file name."),
    ),
    summary: "a unit has these settings, by a drop-in that wins",
    about: "Writes `/etc/systemd/system/UNIT.d/NAME.conf` with exactly the settings given, in \
        their order; a file of that name is replaced. Values are written as they stand, an empty \
        one too, since that resets systemd's lists.\n\n\
        Then the unit is read as systemd reads it: its file, the drop-ins of all its names, of its \
        template, its prefixes and its type, sorted by file name; what copies of /etc have, from \
        which the booted system fills it, too. The rule holds only if each setting comes out as \
        asked: the same value, or a list that has what was asked for, and nothing else if asking \
        began with an empty value. An allow-list such as `CapabilityBoundingSet=` must come last, \
        and after an empty value if the unit has one already. A boolean or mode that systemd would \
        ignore, with a comment or quotes, counts neither here nor there. Otherwise the rule fails \
        and names the file and line that win; with `Ensure=yes` it adds `zz-NAME.conf`, with as \
        many `z` as it takes to sort last, that sets them again. A template is judged by every \
        instance that the image knows.\n\n\
        A recipe is refused for a setting that is near one of systemd's and not one, or that \
        systemd does not read in that section. Any other setting that casehard does not know is a \
        warning. The rule fails for one that the image's systemd does not know.\n\n\
        What `/run` and generators hold when the system runs is not in the image, and a drop-in \
        there can still win. Drop-ins of a masked unit wait until it is unmasked.",
    keys: &[ENSURE],
    open_keys: Some(
        KeySchema::new("Section.Key", "VALUE", Check::Verbatim)
            .list()
            .about("A setting of the unit, such as `Socket.SocketMode=0600`."),
    ),
    open_slip: Some(slip),
    waived: Some((
        "the unit, or the unit and the file",
        "fleet.socket/10-root-only.conf",
    )),
    example: "[DropIn \
        fleet.socket/10-root-only.conf]\nSocket.SocketMode=0600\nSocket.SocketUser=root\nSocket.SocketGroup=root\nEnsure=yes\nReason=only \
        root may start units in the cluster\n",
    ..RuleKind::of::<DropIn>()
};

/// Returns why systemd would not read a setting, if that is sure: later versions have more of them.
fn slip(section: &str, key: &str) -> Option<Refusal> {
    if section.starts_with("X-") || key.starts_with("X-") {
        return None;
    }
    let all = all_sections();
    if !all.contains(section) {
        let refusal = Refusal::new(format!("systemd reads no section [{section}] of a unit"));
        return Some(match nearest(section, all) {
            Some(near) => refusal.help(format!("did you mean `{near}.{key}`?")),
            None => refusal,
        });
    }
    match sections_of(key) {
        Some(sections) if sections.contains(section) => None,
        Some(sections) => {
            let sections: Vec<&str> = sections.iter().copied().collect();
            let message = format!(
                "systemd reads {key} in [{}], not in [{section}]",
                sections.join("], [")
            );
            let one = sections.iter().find(|name| **name == "Service");
            let help = format!("write `{}.{key}`", one.or(sections.first())?);
            Some(Refusal::new(message).help(help))
        }
        None => {
            let near = nearest(key, settings_in(section))?;
            let distance = strsim::osa_distance(&key.to_lowercase(), &near.to_lowercase());
            // Names of a later version may be as near as that to those of an earlier one.
            let is_slip = distance <= if key.len() < 12 { 1 } else { 2 };
            let message = format!("systemd has no setting {section}.{key}");
            is_slip.then(|| Refusal::new(message).help(format!("did you mean `{section}.{near}`?")))
        }
    }
}

/// A unit, and the drop-in that it is to have.
#[derive(Debug)]
struct DropIn {
    unit: String,
    name: String,
    /// Sections, keys and values.
    settings: Vec<(String, String, String)>,
    ensure: bool,
}

impl Rule for DropIn {
    fn parse(fields: &Fields<'_>) -> Self {
        let (unit, name) = fields.argument_pair();
        Self {
            unit,
            name,
            settings: fields.open(),
            ensure: fields.is(ENSURE.name, "yes"),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let settings: Vec<(&str, &str, &str)> = self
            .settings
            .iter()
            .map(|(section, key, value)| (section.as_str(), key.as_str(), value.as_str()))
            .collect();
        if settings.is_empty() {
            return fail("it has no settings; write them as Section.Key=value");
        }
        let found = draft.units().present(&self.unit);
        if found.is_empty() {
            return absent(format!("the image has no unit {}", self.unit));
        }
        let read = settings.iter().map(|(section, key, _)| (*section, *key));
        if let Some(why) = draft.unread(read)? {
            return fail(why);
        }
        for unit in found {
            let drop_in = effective::DropIn {
                unit: &unit,
                name: &self.name,
                settings: &settings,
                ensure: self.ensure,
            };
            put(draft, &drop_in)?;
        }
        Ok(Verdict::Holds)
    }
}

#[cfg(test)]
mod tests;
