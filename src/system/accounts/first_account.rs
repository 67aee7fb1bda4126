//! What makes the login user, or changes its groups, when the system first starts: the first-start
//! programs that distributions ship, and commands in scripts.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::provisioned;
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};

/// A first-start program: its name, where it or its configuration is, and whether it starts only
/// while the image has no login user.
type Maker = (&'static str, &'static [&'static str], bool);

const MAKERS: [Maker; 12] = [
    (
        "live-config",
        &[
            "/etc/live/config.conf",
            "/etc/live/config.conf.d/*",
            "/{,usr/}lib/live/config/*user*",
            "/{,usr/}lib/live/config/*",
        ],
        false,
    ),
    (
        "casper",
        &[
            "/etc/casper.conf",
            "/usr/share/initramfs-tools/scripts/casper-bottom/*adduser*",
        ],
        false,
    ),
    (
        "Fedora's livesys",
        &[
            "/etc/sysconfig/livesys",
            "/usr/libexec/livesys/*",
            "/etc/init.d/livesys",
        ],
        false,
    ),
    (
        "Armbian's first login",
        &[
            "/root/.not_logged_in_yet",
            "/usr/lib/armbian/armbian-firstlogin",
        ],
        false,
    ),
    (
        "Raspberry Pi's userconf",
        &["/boot/{,firmware/}userconf*", "/usr/lib/userconf-pi/*"],
        false,
    ),
    (
        "DietPi's first boot",
        &["/boot/{,firmware/}dietpi.txt"],
        false,
    ),
    (
        "jeos-firstboot",
        &[
            "/usr/{bin,sbin}/jeos-firstboot",
            "/usr/{lib,share,libexec}/jeos-firstboot",
        ],
        false,
    ),
    (
        "Ubuntu's oem-config",
        &["/usr/sbin/oem-config-firstboot", "/usr/lib/oem-config/*"],
        false,
    ),
    (
        "initial-setup",
        &["/usr/libexec/initial-setup/*", "/usr/bin/initial-setup"],
        true,
    ),
    (
        "GNOME's initial setup",
        &["/usr/{libexec,lib/gnome-initial-setup}/gnome-initial-setup"],
        true,
    ),
    (
        "systemd-homed-firstboot",
        &["/{usr/,}lib/systemd/system/systemd-homed-firstboot.service"],
        true,
    ),
    (
        "mobile initial setup",
        &["/usr/bin/{phosh-initial-setup,plasma-setup,hyprland-initial-setup}"],
        true,
    ),
];

/// Returns each such program in the image, at the first of its files.
pub(crate) fn makers(
    files: &Files<'_>,
    has_user: bool,
) -> Result<Vec<(Place, &'static str)>, Stop> {
    let mut found = Vec::new();
    for (name, globs, without_user) in MAKERS {
        if without_user && has_user {
            continue;
        }
        let mut places = globs.iter().flat_map(|glob| files.rootfs().glob(glob));
        let place = places.find(|(path, _)| {
            let id = files.rootfs().open(path);
            id.is_some_and(|id| files.rootfs().inode(id).is_file())
        });
        found.extend(place.map(|(path, _)| (Place::new(path, None), name)));
    }
    for path in [
        "/etc/wsl-distribution.conf",
        "/usr/lib/wsl/wsl-distribution.conf",
    ] {
        for (path, id) in files.etc(path) {
            let mut within = false;
            for (number, line) in (1..).zip(files.text(id)?.lines()) {
                let line = line.trim();
                if line.starts_with(b"[") {
                    within = line == b"[oobe]";
                } else if within && line.starts_with(b"command") {
                    found.push((Place::new(&path, number), "WSL's first start"));
                }
            }
        }
    }
    Ok(found)
}

/// A larger file is not a script.
const LIMIT: u64 = 128 << 10;

/// Commands that can add someone to a group.
const COMMANDS: [&str; 6] = [
    "usermod",
    "useradd",
    "adduser",
    "addgroup",
    "gpasswd",
    "groupmems",
];

/// A command that adds someone to groups, or gives them a rule of sudo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Adds {
    /// As they are written: names, or variables.
    pub(crate) users: Vec<String>,
    pub(crate) groups: Vec<String>,
}

/// Returns every command in a text that adds someone to groups, with its line.
pub(crate) fn commands(text: &[u8]) -> Vec<(usize, Adds)> {
    let has_one = |text: &[u8]| COMMANDS.iter().any(|name| text.contains_str(name));
    // Most texts have none of them, and most lines.
    if !has_one(text) {
        return Vec::new();
    }
    let lines = (1..).zip(text.lines()).filter(|(_, line)| has_one(line));
    let all = lines.filter_map(|(number, line)| {
        let line = line.to_str_lossy();
        (!line.trim_start().starts_with('#')).then(|| Some((number, adds(&line)?)))?
    });
    all.collect()
}

/// Returns the commands of the provisioners' configurations and of these scripts that give a user
/// one of the groups that `matter`.
pub(crate) fn given_by_commands(
    files: &Files<'_>,
    scripts: &BTreeSet<InodeId>,
    user: &str,
    matter: &dyn Fn(&str) -> bool,
) -> Result<Vec<(Place, Vec<String>)>, Stop> {
    let configurations = provisioned::sources(files)
        .into_iter()
        .map(|(_, path, id)| (path.into(), id));
    let scripts = scripts.iter().map(|id| (files.rootfs().path(*id), *id));
    let mut found = Vec::new();
    for (path, id) in configurations.chain(scripts) {
        let text = files.text_up_to(LIMIT, id)?.unwrap_or_default();
        for (line, mut adds) in commands(&text) {
            let is_variable = |word: &String| word.starts_with('$') || word.starts_with("{{");
            let named = adds
                .users
                .iter()
                .any(|name| name == user || is_variable(name));
            adds.groups
                .retain(|group| matter(group) || is_variable(group));
            if named && !adds.groups.is_empty() {
                found.push((Place::new(path.clone(), line), adds.groups));
            }
        }
    }
    Ok(found)
}

/// Returns what one line of a shell, or a list of YAML, adds to groups.
fn adds(line: &str) -> Option<Adds> {
    let plain = line.replace(['[', ']', '"', '\'', ';', '(', ')', '&', '|'], " ");
    // A variable is one word however it is written.
    let plain = plain.replace("${", "$").replace('}', " ");
    let words: Vec<&str> = plain
        .split_whitespace()
        .map(|word| word.trim_end_matches(','))
        .filter(|word| !word.is_empty())
        .collect();
    let at = words.iter().position(|word| {
        let name = word.rsplit('/').next().unwrap_or_default();
        [
            "usermod",
            "useradd",
            "adduser",
            "addgroup",
            "gpasswd",
            "groupmems",
        ]
        .contains(&name)
    })?;
    let name = words[at].rsplit('/').next().unwrap_or_default();
    let (mut users, mut groups): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut plain = Vec::new();
    let mut rest = words[at + 1..].iter().copied();
    while let Some(word) = rest.next() {
        let (option, joined) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value)),
            _ => (word, None),
        };
        let short = option
            .strip_prefix('-')
            .filter(|rest| !rest.starts_with('-'));
        let last = short.and_then(|letters| letters.chars().last());
        let mut value = || joined.or_else(|| rest.next());
        match (name, option, last) {
            ("usermod" | "useradd" | "adduser", "--groups", _)
            | ("usermod" | "useradd" | "adduser", _, Some('G')) => {
                groups.extend(value().into_iter().flat_map(|list| list.split(',')));
            }
            ("gpasswd", "--add" | "--administrators", _)
            | ("gpasswd" | "groupmems", _, Some('a' | 'A'))
            | ("groupmems", "--add", _) => users.extend(value()),
            ("groupmems", "--group", _) | ("groupmems", _, Some('g')) => groups.extend(value()),
            // Options with a value that is neither.
            (
                "usermod" | "useradd" | "adduser" | "addgroup",
                "--shell" | "--home" | "--comment" | "--uid" | "--gid" | "--gecos" | "--password"
                | "--base-dir" | "--home-dir" | "--ingroup" | "--firstuid" | "--lastuid" | "--skel",
                _,
            )
            | (
                "usermod" | "useradd" | "adduser" | "addgroup",
                _,
                Some('s' | 'd' | 'c' | 'u' | 'g' | 'p' | 'h' | 'k' | 'b'),
            ) => {
                value();
            }
            _ if option.starts_with('-') => {}
            _ => plain.push(word),
        }
    }
    match name {
        "gpasswd" => groups.extend(plain.first()),
        "adduser" | "addgroup" => {
            users.extend(plain.first());
            groups.extend(plain.get(1));
        }
        _ => users.extend(plain.first()),
    }
    let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let found = Adds {
        users: owned(users),
        groups: owned(groups),
    };
    (!found.users.is_empty() && !found.groups.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::adds;

    #[test]
    fn commands_that_add_someone_to_a_group_are_told_from_others() {
        for (line, users, groups) in [
            ("usermod -aG docker,sudo core", "core", "docker sudo"),
            (
                "usermod \"$username\" -aG adm,sudo",
                "$username",
                "adm sudo",
            ),
            (
                "/usr/sbin/usermod --append --groups=wheel core",
                "core",
                "wheel",
            ),
            ("useradd -m -s /bin/bash -G sudo core", "core", "sudo"),
            ("adduser core sudo", "core", "sudo"),
            ("adduser --disabled-password --gecos x core", "", ""),
            ("addgroup core docker || true", "core", "docker"),
            ("gpasswd -a core wheel", "core", "wheel"),
            ("gpasswd --add core wheel", "core", "wheel"),
            ("groupmems -a core -g wheel", "core", "wheel"),
            (" - [usermod, -aG, docker, core]", "core", "docker"),
            (
                "for g in sudo; do usermod -aG ${g} ${RealUserName}; done",
                "$RealUserName",
                "$g",
            ),
            ("usermod -L core", "", ""),
            ("addgroup --system docker", "", ""),
            ("echo user", "", ""),
        ] {
            let found = adds(line);
            let shown = |words: &[String]| words.join(" ");
            let (has_users, has_groups) = found
                .map(|adds| (shown(&adds.users), shown(&adds.groups)))
                .unwrap_or_default();
            assert_eq!(
                (has_users.as_str(), has_groups.as_str()),
                (users, groups),
                "{line}"
            );
        }
    }
}
