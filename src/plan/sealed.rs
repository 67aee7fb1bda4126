//! What the image seals or packs, so that casehard cannot seal it again or look into it.

mod inside;
mod stores;

use bstr::{BString, ByteSlice};

use crate::edit::{Draft, Residual, ResidualKind};
use crate::recipe::Recipe;
use crate::rootfs::{Place, Rootfs};
use crate::system::os_release::OsRelease;
use crate::system::systemd;

/// Returns what stays open for the image as a whole, which was `before`.
pub(crate) fn residuals(
    draft: &Draft<'_>,
    before: &Rootfs,
    recipe: &Recipe,
    os: &OsRelease,
) -> Vec<Residual> {
    let whole = |kind, path: BString, message: &str| Residual {
        rule: None,
        place: Some(Place::new(path, None)),
        message: message.into(),
        kind,
    };
    let mut found: Vec<Residual> = inside::packed(draft)
        .into_iter()
        .map(|(path, message)| whole(ResidualKind::NotInspected, path, message))
        .collect();
    for (rule, path) in inside::early_logins(draft, recipe.rules()) {
        let message =
            "puts a server of logins into the initramfs, which starts before the root is mounted";
        let (kind, place) = (ResidualKind::OtherStart, Place::new(path, None));
        found.push(Residual::of(rule, kind, place, message));
    }
    found.extend(stores::residuals(draft, before));
    found.extend(stores::signed(draft, before));
    let mut edits = draft.edits.iter();
    if os.seals_usr() && edits.any(|edit| edit.path.starts_with(b"/usr/")) {
        let message = "dm-verity seals /usr on this system: rebuild its hashes, or the system with these edits will not boot";
        found.push(whole(ResidualKind::NeedsRebuild, "/usr".into(), message));
    }
    let edits_usr = draft
        .edits
        .iter()
        .any(|edit| edit.path.starts_with(b"/usr/"));
    if let Some(place) = composefs(draft).filter(|_| edits_usr) {
        found.push(Residual {
            place: Some(place),
            ..whole(
                ResidualKind::NeedsRebuild,
                "".into(),
                "composefs mounts /usr by the checksums of its files on this system: commit the hardened tree anew, or the system \
                 with these edits will not boot",
            )
        });
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

/// Returns the line that has ostree deploy by composefs (ostree-prepare-root(1)).
fn composefs(draft: &Draft<'_>) -> Option<Place> {
    for path in [
        "/etc/ostree/prepare-root.conf",
        "/usr/lib/ostree/prepare-root.conf",
    ] {
        let Ok(Some(text)) = draft.text_at(path) else {
            continue;
        };
        let mut within = false;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.to_str_lossy();
            let line = line.trim();
            if line.starts_with('[') {
                within = line == "[composefs]";
            } else if let Some((key, value)) = line.split_once('=').filter(|_| within)
                && key.trim() == "enabled"
            {
                let is_on = ["yes", "true", "1", "signed", "verity"].contains(&value.trim());
                return is_on.then(|| Place::new(path, number));
            }
        }
    }
    None
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

    /// The residuals of a plan, a line each.
    fn residuals(image: &str, rule: &str) -> Vec<String> {
        let recipe = Recipe::parse("test", &format!("[Recipe]\nSchema=1\n{rule}\n")).unwrap();
        let image = open(image);
        let plan = image.plan(&recipe).unwrap();
        plan.residuals().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn roots_within_and_logins_of_the_initramfs_are_said() {
        let image = "
file usr/lib/systemd/system/ssh.service
| [Service]
| ExecStart=/usr/sbin/sshd -D
file var/lib/snapd/snaps/core22_1.snap
file boot/initrd.img-6.1
dir var/lib/machines
file etc/dropbear/initramfs/authorized_keys
file usr/lib/dracut/modules.d/46sshd/module-setup.sh
file usr/lib/dracut/modules.d/95ssh-client/module-setup.sh
file opt/app/x.squashfs
";
        let early =
            "puts a server of logins into the initramfs, which starts before the root is mounted";
        assert_eq!(
            residuals(image, "[Mask ssh.service]"),
            [
                format!("/etc/dropbear/initramfs/authorized_keys: {early}"),
                format!("/usr/lib/dracut/modules.d/46sshd/module-setup.sh: {early}"),
                "/boot/initrd.img-6.1: is an initramfs that casehard did not look inside: its programs run before the root is mounted".into(),
                "/opt/app/x.squashfs: is another root file system that casehard did not look inside: what starts from it is unchanged".into(),
                "/var/lib/snapd/snaps/core22_1.snap: is a snap that casehard did not look inside: snapd mounts it with its set-id programs and services".into(),
            ]
        );
        assert_eq!(residuals(image, "[StripSetid]").len(), 3);
    }

    #[test]
    fn what_a_store_knows_by_its_checksum_is_said() {
        let link =
            "symlink etc/issue -> /nix/store/a-etc/issue\nfile nix/store/a-etc/issue\n| old\n";
        let said = residuals(link, "[WriteFile /etc/issue]\nLine=x");
        assert!(
            said[0].starts_with("/nix/store: 1 edited file is in the store of Nix"),
            "{said:?}"
        );

        let object = "
file usr/bin/su mode=4755
hardlink sysroot/ostree/repo/objects/ab/c.file -> usr/bin/su
file usr/bin/wall mode=2755
";
        let said = residuals(object, "[StripSetid]\nKeep=/usr/bin/wall");
        assert!(
            said[0].starts_with("/sysroot/ostree/repo/objects: 1 edited file is in"),
            "{said:?}"
        );
        let said = residuals(object, "[StripSetid]\nKeep=/usr/bin/su");
        assert!(
            said[0].contains("does not have the edits of this rule"),
            "{said:?}"
        );
        let said = residuals(object, "[WriteFile /etc/issue]\nLine=x");
        assert_eq!(said, [""; 0]);

        let composefs = "file usr/bin/su mode=4755\nfile usr/lib/ostree/prepare-root.conf\n| [composefs]\n| enabled = signed\n";
        let said = residuals(composefs, "[StripSetid]");
        assert!(
            said[0].starts_with("/usr/lib/ostree/prepare-root.conf:2: composefs mounts"),
            "{said:?}"
        );

        let signed = "file usr/bin/a xattr:security.ima=abc\n| A=1\nfile usr/bin/b\n| B=1\n";
        let rules = "[SetKey /usr/bin/a]\nSet=A=2\n[SetKey /usr/bin/b]\nSet=B=2";
        let said = residuals(signed, rules);
        assert!(
            said.len() == 1 && said[0].starts_with("/usr/bin/a: has a signature"),
            "{said:?}"
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
