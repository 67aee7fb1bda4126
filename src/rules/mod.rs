//! The rules: one file a kind, one row in [`KINDS`] each. The row drives the recipe parser, the help and the reference.

mod booted;
mod drop_in;
mod effective;
mod environment;
mod granted_elsewhere;
mod mask;
mod permissions;
mod remove;
mod remove_applets;
mod remove_from_groups;
mod remove_sudo;
mod sandbox;
mod service;
mod set_key;
mod shipped;
mod sshd_config;
mod strip_setid;
mod write_file;

#[cfg(test)]
pub(crate) mod harness;

use bstr::BStr;

use crate::edit::{Applied, Draft};
use crate::error::{Stop, fail};
use crate::recipe::{OnMissing, RuleSchema, Section};

/// A rule kind: how recipes write it, and what it does.
pub(crate) struct RuleKind {
    pub(crate) schema: &'static RuleSchema,
    /// Brings about what the section asks for. On a rootfs that has it already it makes no edit.
    pub(crate) apply: fn(&Section, &mut Draft<'_>) -> Applied,
}

/// Every rule kind, in the order of the reference.
pub(crate) static KINDS: &[&RuleKind] = &[
    &mask::KIND,
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

/// Applies a rule by its kind.
pub(crate) fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    (kind(section).apply)(section, draft)
}

/// Whether nothing of what a rule names may be left once it has done its work.
pub(crate) fn leaves_no_trace(section: &Section) -> bool {
    kind(section).schema.on_missing != OnMissing::Fail
}

fn kind(section: &Section) -> &'static RuleKind {
    let mut kinds = KINDS.iter();
    let kind = kinds.find(|kind| kind.schema.kind == section.kind);
    kind.expect("the parser knows only these kinds")
}

/// Sees to it that the file which a path leads to has this content, and this mode where one is given. What leads nowhere,
/// or to something that is no file, gives way to a new file. A waiver of one of the subjects prevents it.
fn put_file(
    draft: &mut Draft<'_>,
    path: &str,
    subjects: &[&str],
    content: &[u8],
    mode: Option<u32>,
) -> Result<(), Stop> {
    let subjects: Vec<&BStr> = subjects.iter().map(|subject| (*subject).into()).collect();
    let waived = |draft: &mut Draft<'_>| draft.waived_as(&subjects);
    let location = match draft.rootfs().follow(path.as_bytes()) {
        Ok(location) => location,
        Err(error) => return fail(error.to_string()),
    };
    if draft.rootfs().leads_to(path.as_bytes(), "/dev/null") {
        // A mask; writing through it would make a file of the device.
        let Ok(link) = draft.rootfs().locate(path.as_bytes()) else {
            return fail(format!("{path} cannot be replaced"));
        };
        if draft.rootfs().location_path(&link) == "/dev/null" {
            return fail(format!(
                "{path} is the device that masks lead to, and cannot be a file"
            ));
        }
        if !waived(draft) {
            draft.create_file(&link, content.to_vec(), mode.unwrap_or(0o644));
        }
        return Ok(());
    }
    match location.inode {
        Some(id) if draft.rootfs().inode(id).is_directory() => {
            return fail(format!("{path} is a directory"));
        }
        Some(id) if draft.rootfs().inode(id).is_file() => {
            let same_mode = mode.is_none_or(|mode| draft.has_mode(id, mode));
            let same_content = draft.text(id)? == content;
            if (same_mode && same_content) || waived(draft) {
                return Ok(());
            }
            if !same_content {
                draft.set_content(id, content.to_vec());
            }
            if let Some(mode) = mode {
                draft.set_mode(id, mode);
            }
        }
        _ if waived(draft) => {}
        _ => draft.create_file(&location, content.to_vec(), mode.unwrap_or(0o644)),
    }
    Ok(())
}
