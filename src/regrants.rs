//! What the booted system, or an upgrade, does to what was edited: found once for all rules, and said as residuals.

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};

use crate::edit::{Change, Draft, Edit, Stop};
use crate::packages::{self, Owner};
use crate::rootfs::Rootfs;

/// Adds a residual for each edit that something in the image takes back. `before` is the rootfs as it was.
pub(crate) fn residuals(draft: &mut Draft<'_>, before: &Rootfs) -> Result<(), Stop> {
    upgrades(draft, before)
}

/// A package's own files come back with its next version, unless dpkg was told to keep their modes.
fn upgrades(draft: &mut Draft<'_>, before: &Rootfs) -> Result<(), Stop> {
    let edits: Vec<Edit> = draft
        .edits
        .iter()
        .filter(|edit| edit.change != Change::Created)
        .cloned()
        .collect();
    let mut paths: Vec<BString> = edits.iter().map(|edit| edit.path.clone()).collect();
    paths.sort();
    paths.dedup();
    if paths.is_empty() {
        return Ok(());
    }
    let owners = packages::owners(draft, before, &paths)?;
    let kept = draft.read_path(packages::STATOVERRIDE)?.unwrap_or_default();
    let is_kept = |edit: &Edit, owner: &Owner| {
        owner.dpkg
            && matches!(edit.change, Change::Mode { .. } | Change::Owner { .. })
            && kept
                .lines()
                .any(|line| line.fields().nth(3) == Some(owner.listed.as_slice()))
    };
    // One residual for each rule and package, at the first file; a list of all would bury the others.
    let mut restored: BTreeMap<(usize, &str), Vec<&BString>> = BTreeMap::new();
    for edit in &edits {
        if let Some(owner) = owners.get(&edit.path).filter(|owner| !is_kept(edit, owner)) {
            let files = restored.entry((edit.rule, &owner.package)).or_default();
            if !files.contains(&&edit.path) {
                files.push(&edit.path);
            }
        }
    }
    for ((rule, package), files) in restored {
        let more = match files.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        let message = format!(
            "belongs to the package {package}{more}, whose next upgrade brings it back; harden again after upgrades"
        );
        draft.begin(rule, "");
        draft.residual(Some(files[0].as_bstr()), None, message);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::{check, content_after};

    const IMAGE: &str = "
dir ./
symlink bin -> usr/bin
file usr/bin/su mode=4755
file usr/bin/mount mode=4755
file usr/bin/local mode=4755
file var/lib/dpkg/info/util-linux:amd64.list
| /.
| /bin
| /bin/su
| /bin/mount
";
    const BACK: &str = "belongs to the package util-linux (and 1 more), whose next upgrade brings it back; harden again after upgrades";
    const STRIPPED: &str = "changed\n  mode /usr/bin/su 4755 0755\n  mode /usr/bin/mount 4755 0755\n  mode /usr/bin/local 4755 0755\n";

    #[test]
    fn what_a_package_owns_comes_back_with_it() {
        check(
            IMAGE,
            "[StripSetid]",
            &format!("{STRIPPED}  residual /usr/bin/su: {BACK}\n"),
        );
        let apk = "file lib/apk/db/installed\n| P:busybox\n| F:bin\n| R:wget\nfile bin/wget\n";
        check(
            apk,
            "[Remove /bin/wget]",
            "changed\n  removed /bin/wget\n  residual /bin/wget: belongs to the package busybox, whose next upgrade brings it back; harden again after upgrades\n",
        );
    }

    #[test]
    fn dpkg_can_be_told_to_keep_the_modes() {
        let rule = "[StripSetid]\nStatOverride=yes";
        check(
            IMAGE,
            rule,
            &format!("{STRIPPED}  created /var/lib/dpkg/statoverride\n"),
        );
        assert_eq!(
            content_after(IMAGE, rule, "/var/lib/dpkg/statoverride"),
            "root root 0755 /bin/mount\nroot root 0755 /bin/su\n"
        );
        let there = format!(
            "{IMAGE}file var/lib/dpkg/statoverride\n| root adm 4754 /bin/su\n| root crontab 2755 /usr/bin/crontab\n"
        );
        assert_eq!(
            content_after(&there, rule, "/var/lib/dpkg/statoverride"),
            "root crontab 2755 /usr/bin/crontab\nroot root 0755 /bin/mount\nroot root 0755 /bin/su\n"
        );
    }
}
