//! Quadlets: files of which podman's generator makes units when the system boots
//! (podman-systemd.unit(5)).

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};

use super::has_generator;
use super::name::{is_template, is_unit, with_instance};
use super::unit_file::settings;
use super::units::Units;
use crate::rootfs::Files;

/// Where they are, first one first. Those in `users/` make units of user sessions.
const DIRECTORIES: [&str; 3] = [
    "/etc/containers/systemd",
    "/usr/local/share/containers/systemd",
    "/usr/share/containers/systemd",
];

/// The endings, and what the unit's name has before `.service`.
const TYPES: [(&str, &str); 8] = [
    (".container", ""),
    (".kube", ""),
    (".pod", "-pod"),
    (".volume", "-volume"),
    (".network", "-network"),
    (".image", "-image"),
    (".build", "-build"),
    (".artifact", "-artifact"),
];

/// A larger file is not a quadlet.
const LIMIT: u64 = 1 << 20;

/// A quadlet and what it asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quadlet {
    pub(crate) path: String,
    /// The units that pull it in when the system boots.
    pub(crate) wanted_by: Vec<BString>,
    /// The instance of a template that these pull in.
    default_instance: Option<String>,
    /// The ports of the host that lead into it, as they are written.
    pub(crate) ports: Vec<BString>,
}

/// Returns the quadlets of an image by the units that the generator makes of them; none where the
/// image has no such generator.
pub(super) fn quadlets(files: &Files<'_>) -> BTreeMap<String, Quadlet> {
    let (rootfs, mut found) = (files.rootfs(), BTreeMap::new());
    if !has_generator(rootfs, "podman-system-generator") {
        return found;
    }
    for directory in files.etc_directories(&DIRECTORIES) {
        let Some(id) = rootfs.open(&directory) else {
            continue;
        };
        let mut paths = Vec::new();
        rootfs.visit(id, |path, _| paths.extend(path.to_str().map(str::to_owned)));
        for path in paths
            .iter()
            .filter(|path| !path.contains("/containers/systemd/users/"))
        {
            if let Some((unit, quadlet)) = read(files, path) {
                found.entry(unit).or_insert(quadlet);
            }
        }
    }
    found
}

impl Units<'_> {
    /// Returns the quadlets whose units the image has and does not mask, each with the unit that
    /// starts: of a template its default instance, if it has one.
    pub(crate) fn quadlets(&self) -> Vec<(String, &Quadlet)> {
        let all = self.index.quadlets.iter();
        let made = all.filter(|(unit, quadlet)| self.script_of(unit) == Some(&quadlet.path));
        let started = made.filter_map(|(unit, quadlet)| match is_template(unit) {
            true => Some((
                with_instance(unit, quadlet.default_instance.as_ref()?),
                quadlet,
            )),
            false => Some((unit.clone(), quadlet)),
        });
        started.filter(|(unit, _)| !self.is_masked(unit)).collect()
    }
}

/// Reads a quadlet and its drop-ins; one that cannot be read has its usual name.
fn read(files: &Files<'_>, path: &str) -> Option<(String, Quadlet)> {
    let name = path.rsplit('/').next()?;
    let (stem, suffix) = TYPES.iter().find_map(|(ending, suffix)| {
        let stem = name.strip_suffix(ending).filter(|stem| !stem.is_empty())?;
        Some((stem, suffix))
    })?;
    let mut quadlet = Quadlet {
        path: path.to_owned(),
        ..Quadlet::default()
    };
    let mut service = None;
    let drop_ins = files.files_in(&format!("{path}.d"), ".conf");
    let texts = files.file(path).into_iter().chain(drop_ins);
    for (_, id) in texts {
        let text = files
            .text_up_to(LIMIT, id)
            .ok()
            .flatten()
            .unwrap_or_default();
        for setting in settings(&text) {
            let values = setting.value.fields().map(BString::from);
            // An empty value resets a list.
            let set = |list: &mut Vec<BString>, values: &mut dyn Iterator<Item = BString>| {
                if setting.value.is_empty() {
                    list.clear();
                }
                list.extend(values);
            };
            let whole = setting.value.to_str_lossy().into_owned();
            match (setting.section.as_slice(), setting.key.as_slice()) {
                (b"Install", b"WantedBy" | b"RequiredBy" | b"UpheldBy") => {
                    set(&mut quadlet.wanted_by, &mut values.into_iter());
                }
                (b"Install", b"DefaultInstance") => quadlet.default_instance = Some(whole),
                (_, b"PublishPort") => {
                    let one = (!whole.is_empty()).then(|| BString::from(whole));
                    set(&mut quadlet.ports, &mut one.into_iter());
                }
                (_, b"ServiceName") => service = Some(whole).filter(|name| !name.is_empty()),
                _ => {}
            }
        }
    }
    let stem = service.unwrap_or_else(|| format!("{stem}{suffix}"));
    let unit = format!("{stem}.service");
    is_unit(&unit).then_some((unit, quadlet))
}

#[cfg(test)]
mod tests {
    use super::super::units::Units;
    use crate::rules::harness::open;

    const IMAGE: &str = "
file usr/lib/systemd/system-generators/podman-system-generator mode=0755
file etc/containers/systemd/web.container
| [Container]
| PublishPort=80:80
| PublishPort=
| PublishPort=8080:80
| [Install]
| WantedBy=multi-user.target
file etc/containers/systemd/web.container.d/a.conf
| [Install]
| WantedBy=default.target
file etc/containers/systemd/over.container
| [Container]
| ServiceName=real
file etc/containers/systemd/t@.container
| [Install]
| WantedBy=multi-user.target
| DefaultInstance=one
file etc/containers/systemd/users/mine.container
file usr/share/containers/systemd/data.volume
";

    #[test]
    fn units_have_the_names_and_settings_that_the_generator_gives_them() {
        let image = open(IMAGE);
        let files = image.files().unwrap();
        let units = Units::of(&files);
        for (unit, want) in [
            ("web.service", true),
            ("real.service", true),
            ("over.service", false),
            ("t@one.service", true),
            ("mine.service", false),
            ("data-volume.service", true),
        ] {
            assert_eq!(units.has(unit), want, "{unit}");
        }
        let quadlets = units.quadlets().into_iter().map(|(unit, quadlet)| {
            let join = |list: &[bstr::BString]| bstr::join(" ", list);
            let (by, ports) = (join(&quadlet.wanted_by), join(&quadlet.ports));
            format!(
                "{unit}: {} | {}",
                String::from_utf8_lossy(&by),
                String::from_utf8_lossy(&ports)
            )
        });
        assert_eq!(
            quadlets.collect::<Vec<_>>(),
            [
                "data-volume.service:  | ",
                "real.service:  | ",
                "t@one.service: multi-user.target | ",
                "web.service: multi-user.target default.target | 8080:80",
            ]
        );
        let image = open(&IMAGE.replace("podman-system-generator mode=0755", "other mode=0755"));
        let files = image.files().unwrap();
        assert!(!Units::of(&files).has("web.service"));
    }
}
