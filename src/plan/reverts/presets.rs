//! What the presets of the first boot do to removed links that enable units.

use bstr::ByteSlice;

use crate::edit::{Draft, ResidualKind};
use crate::error::Stop;
use crate::rootfs::Place;
use crate::system::systemd::presets::{Presets, is_first_boot};
use crate::system::systemd::{merged, name};

/// Adds a residual for each removed link of a unit that a preset enables again.
pub(super) fn residuals(draft: &mut Draft<'_>) -> Result<(), Stop> {
    let mut links = super::removals(draft);
    links.retain(|edit| edit.path.contains_str("/systemd/system/"));
    if links.is_empty() || !is_first_boot(draft)? {
        return Ok(());
    }
    let presets = Presets::read(draft)?;
    for edit in links {
        let Ok(path) = edit.path.to_str() else {
            continue;
        };
        let unit = path.rsplit('/').next().unwrap_or_default().to_owned();
        let in_folder = path.rsplit('/').nth(1).unwrap_or_default().to_owned();
        let is_link = [".wants", ".requires", ".upholds"]
            .iter()
            .any(|end| in_folder.ends_with(end));
        let units = draft.units();
        if !is_link || !name::is_unit(&unit) || !units.has(&unit) || units.is_masked(&unit) {
            continue;
        }
        let installs = merged(draft, &units, &unit, |_| false)?;
        let can_be_enabled = installs.section("Install").next().is_some();
        let default = installs.value("Install", "DefaultInstance");
        let default = default.map(|name| name.to_str_lossy().into_owned());
        drop(units);
        let (enables, place) = presets.enables(&unit, default.as_deref());
        if can_be_enabled && enables {
            let by = match place {
                Some(_) => "this preset enables",
                None => "no preset is about it, which enables",
            };
            let message = format!(
                "{by} {unit} again when the system first boots; mask it to keep it from starting"
            );
            let place = place
                .cloned()
                .unwrap_or_else(|| Place::new(&edit.path, None));
            draft.residual_of(edit.rule, ResidualKind::RevertedAtBoot, place, message);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::check;

    const IMAGE: &str = "
file usr/lib/systemd/system/a.service
| [Install]
| WantedBy=multi-user.target
dir etc/systemd/system/multi-user.target.wants
symlink etc/systemd/system/multi-user.target.wants/a.service -> /usr/lib/systemd/system/a.service
";

    #[test]
    fn presets_enable_again_what_a_rule_disabled() {
        let rule = "[Remove /etc/systemd/system/multi-user.target.wants/a.service]";
        let link = "/etc/systemd/system/multi-user.target.wants/a.service";
        let removed = format!("changed\n  removed {link}\n");
        let again = "a.service again when the system first boots; mask it to keep it from starting";
        let preset = "file usr/lib/systemd/system-preset/90.preset\n| disable b.service\n| enable a*\n| disable *\n";
        for (more, open) in [
            (
                "",
                format!("  residual {link}: no preset is about it, which enables {again}\n"),
            ),
            (
                preset,
                format!(
                    "  residual /usr/lib/systemd/system-preset/90.preset:2: this preset enables {again}\n"
                ),
            ),
            (
                "file usr/lib/systemd/system-preset/9.preset\n| disable *\n",
                String::new(),
            ),
            ("file etc/machine-id\n", String::new()),
            (
                "file etc/machine-id\n| 0123456789abcdef0123456789abcdef\n",
                String::new(),
            ),
        ] {
            check(&format!("{IMAGE}{more}"), rule, &format!("{removed}{open}"));
        }
        check(
            &format!("{IMAGE}symlink etc/systemd/system/a.service -> /dev/null\n"),
            rule,
            &removed,
        );
    }
}
