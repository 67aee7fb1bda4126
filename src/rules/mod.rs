//! The rules: one file a kind, one row in [`KINDS`] each. The row drives the recipe parser, the help
//! and the reference. What several rules share is in `support/`.

mod disable;
mod drop_in;
mod environment;
mod mask;
mod permissions;
mod remove;
mod remove_applets;
mod remove_from_groups;
mod remove_sudo;
mod sandbox;
mod set_key;
mod sshd_config;
mod strip_setid;
mod support;
mod write_file;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::harness;

use crate::recipe::RuleKind;

/// Every rule kind, in the order of the reference.
pub(crate) static KINDS: &[&RuleKind] = &[
    &mask::KIND,
    &disable::KIND,
    &drop_in::KIND,
    &environment::KIND,
    &sandbox::KIND,
    &remove_from_groups::KIND,
    &remove_sudo::KIND,
    &strip_setid::KIND,
    &remove_applets::KIND,
    &remove::KIND,
    &permissions::KIND,
    &write_file::KIND,
    &set_key::KIND,
    &sshd_config::KIND,
];
