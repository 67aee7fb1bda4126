//! systemd as the rootfs shows it: where units come from, which are masked, and what drop-ins say.

mod bus_activation;
mod confined;
mod dropin_dirs;
mod enabled;
mod enumerated;
mod exposure;
mod knows;
mod load_path;
mod mask_leftovers;
mod merged;
pub(crate) mod name;
pub(crate) mod presets;
mod quadlet;
mod sections;
mod setting;
mod sysv;
pub(crate) mod tmpfiles;
mod unit_file;
mod unit_index;
mod unit_starts;
mod units;

use bstr::ByteSlice;

use crate::rootfs::Rootfs;

pub(crate) use bus_activation::{left_to_bus, still_start};
pub(crate) use enumerated::words_of;
pub(crate) use exposure::exposure;
pub(crate) use knows::Knows;
pub(crate) use load_path::unread_copy;
pub(crate) use mask_leftovers::mask_leftovers;
pub(crate) use merged::{Found, Merged, merged};
pub(crate) use sections::{all_sections, sections_of, settings_in};
pub(crate) use setting::{Kind, Loss, lost};
pub(crate) use sysv::has_generator;
pub(crate) use unit_file::{settings, words};
pub(crate) use unit_index::UnitIndex;
pub(crate) use unit_starts::{UnitStart, commands, unit_starts};
pub(crate) use units::{Masks, Units};

/// Where the administrator's units are; a rule writes here.
pub(crate) const ETC: &str = "/etc/systemd/system";

/// Returns the names in a directory that are text, sorted; none where it is not there.
fn names_in<'r>(rootfs: &'r Rootfs, directory: &str) -> impl Iterator<Item = &'r str> {
    let children = rootfs.open(directory).map(|id| rootfs.children(id));
    let children = children.into_iter().flatten();
    children.filter_map(|(name, _)| name.to_str().ok())
}
