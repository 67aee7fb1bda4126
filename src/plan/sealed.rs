//! What the image seals or packs, so that casehard cannot reseal it or look into it.

use std::collections::BTreeSet;

use bstr::BString;

use crate::edit::{Draft, Residual, ResidualKind};
use crate::rootfs::{Place, Rootfs};
use crate::system::os_release::OsRelease;
use crate::system::systemd;

/// Folders, and the globs by which images within the image are found in them: extensions of `/usr`
/// and `/etc`, packed, in versions or as directories, and torcx archives that Container Linux
/// unpacks.
const PACKED: [(&[&str], &[&str]); 4] = [
    (
        &[
            "/etc/extensions",
            "/var/lib/extensions",
            "/usr/lib/extensions",
        ],
        &["*.raw", "*.raw.v", "*/usr", "*/opt"],
    ),
    (
        &[
            "/etc/confexts",
            "/var/lib/confexts",
            "/usr/lib/confexts",
            "/usr/local/lib/confexts",
        ],
        &["*.raw", "*.raw.v", "*/etc"],
    ),
    (&["/usr/share"], &["*/sysext/*.raw"]),
    (&["/usr/share/torcx/store"], &["**/*.torcx.*"]),
];

/// Returns what stays open for the image as a whole, which was `before`.
pub(crate) fn residuals(draft: &Draft<'_>, before: &Rootfs, os: &OsRelease) -> Vec<Residual> {
    let whole = |kind, path: BString, message: &str| Residual {
        rule: None,
        place: Some(Place::new(path, None)),
        message: message.into(),
        kind,
    };
    let mut packed = BTreeSet::new();
    for (folders, globs) in PACKED {
        for (folder, glob) in folders
            .iter()
            .flat_map(|f| globs.iter().map(move |g| (f, g)))
        {
            let found = draft.rootfs().glob(&format!("{folder}/{glob}"));
            packed.extend(found.into_iter().map(|(path, _)| path));
        }
    }
    let message =
        "is a nested image that casehard did not look inside: what it adds at boot is unchanged";
    let mut found: Vec<Residual> = packed
        .into_iter()
        .map(|path| whole(ResidualKind::NotInspected, path, message))
        .collect();
    let mut edits = draft.edits.iter();
    if os.seals_usr() && edits.any(|edit| edit.path.starts_with(b"/usr/")) {
        let message = "dm-verity seals /usr on this system: rebuild its hashes, or the system with these edits will not boot";
        found.push(whole(ResidualKind::NeedsRebuild, "/usr".into(), message));
    }
    if let Some(path) = systemd::unread_copy(draft.rootfs()) {
        let message = "is one copy of /etc too many: casehard did not look at its units, nor at those of later copies";
        found.push(whole(ResidualKind::NotInspected, path.into(), message));
    }
    let is_new = draft.rootfs().has_directory("/etc") && !before.has_directory("/etc");
    if is_new && before.has_directory("/usr/etc") {
        let message = "is new, and ostree does not deploy a tree that has both /etc and /usr/etc: move the files written here to \
            /usr/etc";
        found.push(whole(ResidualKind::NeedsRebuild, "/etc".into(), message));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::plan::PlanOptions;
    use crate::recipe::Recipe;
    use crate::rules::harness::open;

    #[test]
    fn images_within_and_a_sealed_usr_are_said() {
        let image = "
file usr/lib/os-release
| ID=flatcar
file usr/bin/su mode=4755
file usr/lib/confexts/00-flatcar-default.raw
file usr/share/flatcar/sysext/docker-flatcar.raw
file usr/share/torcx/store/20.0/docker.torcx.tgz
file usr/share/other.raw
file var/lib/extensions/tree/usr/bin/a
file etc/confexts/b.raw.v/b_1.raw
";
        let recipe = Recipe::parse("test", "[Recipe]\nSchema=1\n[StripSetid]\n").unwrap();
        let image = open(image);
        let plan = image.plan_with(&recipe, &PlanOptions::new()).unwrap();
        let paths: Vec<String> = plan
            .residuals()
            .iter()
            .filter_map(|r| r.place.as_ref())
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            paths,
            [
                "/etc/confexts/b.raw.v",
                "/usr",
                "/usr/lib/confexts/00-flatcar-default.raw",
                "/usr/share/flatcar/sysext/docker-flatcar.raw",
                "/usr/share/torcx/store/20.0/docker.torcx.tgz",
                "/var/lib/extensions/tree/usr"
            ]
        );
    }

    #[test]
    fn copies_of_etc_that_are_not_read_are_said() {
        let copies: String = (10..30)
            .map(|n| format!("file usr/share/{n}/etc/systemd/system/a.service\n"))
            .collect();
        let recipe = Recipe::parse("test", "[Recipe]\nSchema=1\n[StripSetid]\n").unwrap();
        let image = open(&copies);
        let plan = image.plan_with(&recipe, &PlanOptions::new()).unwrap();
        let [residual] = plan.residuals() else {
            panic!("{:?}", plan.residuals())
        };
        let place = residual.place.as_ref().unwrap();
        assert_eq!(place.path, "/usr/share/26/etc/systemd/system");
    }

    #[test]
    fn what_ostree_would_not_deploy_is_said() {
        for (etc, want) in [("", 1), ("dir etc\n", 0)] {
            let image = open(&format!("{etc}file usr/etc/a\n"));
            let rule = "[Recipe]\nSchema=1\n[WriteFile /etc/issue]\n";
            let recipe = Recipe::parse("test", rule).unwrap();
            let plan = image.plan_with(&recipe, &PlanOptions::new()).unwrap();
            let residuals = plan.residuals().iter();
            let said = residuals.filter(|r| r.message.contains("ostree")).count();
            assert_eq!(said, want, "{etc}");
        }
    }
}
