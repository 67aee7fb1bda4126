//! What a waiver's header names.

use crate::recipe::nearest::{quoted, suggest};
use crate::recipe::schema::RuleKind;
use crate::recipe::value::{Refusal, Value};

/// The rule kind that a waiver names must be one.
pub(super) fn waived_kind(
    schema: &RuleKind,
    argument: Value,
    kinds: &[&'static RuleKind],
) -> Result<Value, Refusal> {
    let Value::Pair { name, value, .. } = &argument else {
        return Ok(argument);
    };
    if !schema.is_waiver() {
        return Ok(argument);
    }
    let Some(kind) = kinds.iter().find(|kind| kind.name == name) else {
        return Err(Refusal {
            message: format!("no rule is called {}", quoted(name)),
            help: suggest(name, kinds.iter().map(|kind| kind.name)),
        });
    };
    match kind.waived {
        Some((what, example)) if example.starts_with('/') && !value.starts_with('/') => {
            let message = format!(
                "a waiver of {name} names {what}, and {} does not start at the root",
                quoted(value)
            );
            let named = quoted(&format!("[Waive {name}:/{value}]"));
            let refusal = Refusal::new(message);
            Err(match value.contains('/') {
                true => refusal.help(format!("write {named}")),
                false => refusal.help(format!("write it as `[Waive {name}:{example}]`")),
            })
        }
        _ => Ok(argument),
    }
}
