//! The rules: one file a kind, one row in [`KINDS`] each. The row drives the recipe parser, the help and the reference.

mod shipped;

use crate::edit::{Applied, Draft};
use crate::recipe::{RuleSchema, Section};

/// A rule kind: how recipes write it, and what it does.
pub(crate) struct RuleKind {
    pub(crate) schema: &'static RuleSchema,
    /// Brings about what the section asks for. On a rootfs that has it already it makes no edit.
    pub(crate) apply: fn(&Section, &mut Draft<'_>) -> Applied,
}

/// Every rule kind, in the order of the reference.
pub(crate) static KINDS: &[&RuleKind] = &[];

/// Applies a rule by its kind.
pub(crate) fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    let kind = KINDS
        .iter()
        .find(|k| k.schema.kind == section.kind)
        .expect("the parser knows only these kinds");
    (kind.apply)(section, draft)
}
