//! What people write who know the file that a rule edits, and what a recipe has in its place.

use crate::recipe::lexer::Property;
use crate::recipe::nearest::quoted;
use crate::recipe::schema::RuleKind;

/// The sections of units.
const OF_UNITS: &[&str] = &[
    "Unit",
    "Install",
    "Service",
    "Socket",
    "Timer",
    "Path",
    "Mount",
    "Automount",
    "Swap",
    "Slice",
    "Scope",
    "Container",
];

/// Returns what to write for a section of a unit, which a recipe has before the key.
pub(super) fn section_of_a_unit(kinds: &[&'static RuleKind], name: &str) -> Option<String> {
    let takes_units = kinds.iter().any(|schema| schema.open_keys.is_some());
    (takes_units && OF_UNITS.contains(&name)).then(|| {
        format!(
            "this is a section of a unit: write `{name}.Key=value` below `[DropIn UNIT/NAME.conf]`"
        )
    })
}

/// Returns how a rule with `Set=` takes a line of the file that it edits.
pub(super) fn set(schema: &'static RuleKind, property: &Property) -> Option<String> {
    let set = schema.key("Set")?;
    let between = if set.value.contains('=') { "=" } else { " " };
    let (name, value) = (&property.key.text, &property.value.text);
    Some(format!(
        "write {}",
        quoted(&format!("Set={name}{between}{value}"))
    ))
}
