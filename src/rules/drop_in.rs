//! `DropIn`: settings that a unit gets on top of its own.

use super::RuleKind;
use super::effective::{DropIn, put};
use crate::edit::{Applied, Draft, Verdict};
use crate::error::fail;
use crate::recipe::{
    ArgumentSchema, Check, KeySchema, OnMissing, OpenKeys, RuleSchema, Section, Waivable,
};

pub(super) static KIND: RuleKind = RuleKind {
    schema: &SCHEMA,
    apply,
};

/// The key that has a drop-in win over others.
pub(super) const ENSURE: KeySchema = KeySchema {
    name: "Ensure",
    value: "yes|no",
    check: Check::OneOf(&["yes", "no"]),
    list: false,
    required: false,
    about: "Whether a second drop-in, `zz-NAME`, sets again what another file overrides. Default `no`: the rule fails then.",
};

static SCHEMA: RuleSchema = RuleSchema {
    kind: "DropIn",
    argument: Some(ArgumentSchema {
        name: "UNIT/NAME.conf",
        check: Check::DropIn,
        about: "The unit (a template or glob too) and the drop-in's file name.",
    }),
    summary: "a unit has these settings, by a drop-in that wins",
    about: "Writes `/etc/systemd/system/UNIT.d/NAME.conf` with exactly the settings given, in their order; a file of that name is \
        replaced. Values are written as they stand, an empty one too, since that resets systemd's lists.\n\n\
        Then the unit is read as systemd reads it: its file, the drop-ins of all its names, of its template, its prefixes and \
        its type, sorted by file name; what copies of /etc have, from which the booted system fills it, too. The rule holds \
        only if each setting comes out as asked: the same value, or a list that has what was asked for, and nothing else if \
        asking began with an empty value. An allow-list such as `CapabilityBoundingSet=` must come last, and after an empty \
        value if the unit has one already. A truth value or mode \
        that systemd would ignore, with a comment or quotes, counts neither here nor there. Otherwise the rule fails and names \
        the file and line that win; with `Ensure=yes` it adds `zz-NAME.conf`, with as many `z` as it takes to sort last, \
        that sets them again. A template is judged by every instance that the image knows.\n\n\
        What `/run` and generators hold when the system runs is not in the image, and a drop-in there can still win. Drop-ins \
        of a masked unit wait until it is unmasked.",
    keys: &[ENSURE],
    needs_a_key: false,
    open_keys: Some(OpenKeys {
        name: "Section.Key",
        value: "VALUE",
        about: "A setting of the unit, such as `Socket.SocketMode=0600`.",
    }),
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    waived: Some(Waivable {
        what: "the unit, or the unit and the file",
        example: "fleet.socket/10-root-only.conf",
    }),
    example: "[DropIn fleet.socket/10-root-only.conf]\nSocket.SocketMode=0600\nSocket.SocketUser=root\nSocket.SocketGroup=root\n\
        Ensure=yes\nReason=only root may start units in the cluster\n",
};

fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    let Some((unit, name)) = section.argument.rsplit_once('/') else {
        return fail("the argument is not UNIT/NAME.conf");
    };
    let settings: Vec<(&str, &str, &str)> = section
        .settings
        .iter()
        .filter_map(|setting| {
            let (section, key) = setting.key.split_once('.')?;
            Some((section, key, setting.value.as_str()))
        })
        .collect();
    if settings.is_empty() {
        return fail("it has no settings; write them as Section.Key=value");
    }
    let found = draft.units().present(unit);
    if found.is_empty() {
        return Ok(Verdict::Absent(format!("the image has no unit {unit}")));
    }
    for unit in found {
        let drop_in = DropIn {
            unit: &unit,
            name,
            settings: &settings,
            ensure: section.one(ENSURE.name) == Some("yes"),
        };
        put(draft, &drop_in)?;
    }
    Ok(Verdict::Holds)
}

#[cfg(test)]
mod tests;
