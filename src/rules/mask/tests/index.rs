//! The index of units that a draft keeps says what one read anew says.

use crate::edit::{Draft, Waivers};
use crate::recipe::Recipe;
use crate::rules::harness::open;
use crate::system::systemd::Units;

const UNITS: &str = "
dir etc/systemd/system
symlink lib -> usr/lib
file usr/lib/systemd/system/a.service
| [Service]
symlink usr/lib/systemd/system/b.service -> a.service
symlink etc/systemd/system/c.service -> /lib/systemd/system/b.service
file etc/systemd/system/local.service
| [Service]
symlink usr/lib/systemd/system/local.service -> a.service
file usr/lib/systemd/system/t@.service
| [Service]
symlink usr/lib/systemd/system/u@.service -> t@.service
symlink etc/systemd/system/x.target.wants/t@one.service -> /lib/systemd/system/t@.service
file usr/lib/systemd/system/x.target
| [Unit]
file usr/lib/systemd/system-generators/systemd-sysv-generator mode=0755
file etc/init.d/old mode=0755
file etc/init.d/a mode=0755
";

/// Everything that the units say.
fn all(units: &Units<'_>) -> Vec<String> {
    let say = |unit: String| {
        let names = units.names_of(&unit);
        let instances = units.instances(&unit);
        let masked = units.is_masked(&unit);
        format!("{unit} {masked} {names:?} {instances:?}")
    };
    units.all().map(say).collect()
}

#[test]
fn a_kept_index_says_what_one_read_anew_says() {
    let rules = "[Mask b.service]\n[DropIn t@two.service/x.conf]\nService.User=a\n[Mask t@three.service]\n\
        [DropIn local.service/x.conf]\nService.User=a\n[Mask local.service]\n[Remove /etc/systemd/system/c.service]\n\
        [Mask old.service]\n[Remove /etc/init.d/*]\n[Mask new.service]\nOnMissing=mask\n\
        [Remove /usr/lib/systemd/system/t@.service]\n[DropIn a.service/x.conf]\nService.User=a\n[Mask *.service]\n\
        [Remove /lib]\n[WriteFile /etc/systemd/system.control/n.service]\nLine=[Service]";
    let recipe = Recipe::parse("test", &format!("[Recipe]\nSchema=1\n{rules}\n")).unwrap();
    let image = open(UNITS);
    let mut draft = Draft::new(&image, image.rootfs().unwrap(), Waivers::default(), None);
    for (at, section) in recipe.rules().iter().enumerate() {
        draft.begin(at, section.kind());
        // Fills what is read when it is asked for.
        all(&draft.units());
        let before = draft.edits.len();
        section.rule.apply(&mut draft).unwrap();
        assert!(draft.edits.len() > before, "{}", section.label());
        let (kept, anew) = (draft.units(), Units::read(draft.rootfs()));
        assert_eq!(all(&kept), all(&anew), "{}", section.label());
    }
}
