//! The exposure that reports tell, compared with what `systemd-analyze security` finds, on services of random settings.

use std::collections::BTreeMap;

use casehard::{Image, Recipe};

use crate::extracted;
use crate::support::exposure::{asked, compare};
use crate::tree::{Dice, Tree, USR};

/// What systemd assesses, with values that it takes, ignores, adds up or resets by.
const SETTINGS: [(&str, &[&str]); 45] = [
    (
        "User",
        &["daemon", "root", "0", "nobody", "", "65534", "a-b_c"],
    ),
    ("DynamicUser", &["yes", "no"]),
    ("SupplementaryGroups", &["adm", "adm tty", ""]),
    ("PrivateDevices", &["yes", "no"]),
    ("PrivateMounts", &["yes", "1"]),
    ("PrivateNetwork", &["yes", "on"]),
    ("PrivateTmp", &["yes", "no", "disconnected"]),
    ("PrivateUsers", &["yes", "off"]),
    ("ProtectControlGroups", &["yes", "t"]),
    ("ProtectKernelModules", &["yes", "no"]),
    ("ProtectKernelTunables", &["yes", "no"]),
    ("ProtectKernelLogs", &["yes", "no"]),
    ("ProtectClock", &["yes", "no"]),
    ("ProtectHostname", &["yes", "no"]),
    (
        "ProtectHome",
        &["yes", "no", "read-only", "tmpfs", "sometimes"],
    ),
    ("ProtectSystem", &["yes", "no", "full", "strict", "0"]),
    ("RootDirectory", &["/", "", "/srv/root", "/./", "//srv"]),
    ("LockPersonality", &["yes", "no"]),
    ("MemoryDenyWriteExecute", &["yes", "no"]),
    ("NoNewPrivileges", &["yes", "no"]),
    (
        "CapabilityBoundingSet",
        &[
            "",
            "CAP_CHOWN CAP_KILL",
            "~CAP_SYS_ADMIN",
            "cap_net_raw",
            "~cap_mknod CAP_SYS_PACCT",
            "~",
        ],
    ),
    (
        "AmbientCapabilities",
        &["", "CAP_NET_BIND_SERVICE", "~CAP_NET_BIND_SERVICE", "~"],
    ),
    ("UMask", &["0077", "0027", "0", "0007", "037", "9", ""]),
    ("KeyringMode", &["private", "shared", "inherit", "x"]),
    (
        "ProtectProc",
        &["default", "noaccess", "invisible", "ptraceable", "yes"],
    ),
    ("ProcSubset", &["pid", "all", "x"]),
    ("NotifyAccess", &["all", "main", "none", "exec"]),
    ("RemoveIPC", &["yes", "no"]),
    ("Delegate", &["yes", "no", "cpu", ""]),
    ("RestrictRealtime", &["yes", "no"]),
    ("RestrictSUIDSGID", &["yes", "no"]),
    (
        "RestrictNamespaces",
        &["yes", "no", "", "user", "~user net", "pid ipc", "~cgroup"],
    ),
    (
        "RestrictAddressFamilies",
        &[
            "",
            "none",
            "~",
            "~AF_UNIX",
            "AF_UNIX",
            "~AF_INET",
            "AF_INET AF_INET6",
            "AF_NETLINK AF_ALG",
            "~AF_PACKET AF_X25",
        ],
    ),
    (
        "SystemCallArchitectures",
        &["native", "", "x86-64", "x86 x32"],
    ),
    (
        "SystemCallFilter",
        &[
            "",
            "@system-service",
            "~@privileged",
            "@basic-io read",
            "~@clock:EPERM @debug",
            "~personality",
            "@mount",
            "~@mount @swap",
            "~@obsolete @resources",
        ],
    ),
    (
        "SystemCallFilter",
        &[
            "@file-system @network-io",
            "~@cpu-emulation @module @raw-io",
            "~@reboot",
            "~reboot swapon",
            "mount umount2",
            "~",
            "~mount umount2",
            "~@default",
        ],
    ),
    (
        "IPAddressDeny",
        &["any", "", "0.0.0.0/0", "::/0", "10.0.0.0/8"],
    ),
    (
        "IPAddressAllow",
        &[
            "localhost",
            "",
            "127.0.0.1",
            "10.0.0.0/8",
            "link-local",
            "::1",
            "multicast any",
            "127.0.0.0/7",
            "::1/127",
            "127.0.0.1/8",
        ],
    ),
    ("DevicePolicy", &["closed", "strict", "auto", "x"]),
    (
        "DeviceAllow",
        &[
            "/dev/null rw",
            "",
            "char-pts r",
            "/dev/null x",
            "/etc/passwd",
            "/dev/../x",
            "//dev/./x",
            "block-",
        ],
    ),
    ("Type", &["notify", "oneshot", "simple"]),
    ("WatchdogSec", &["5"]),
    ("RootImage", &["", "/srv.img", "/.", "/"]),
    (
        "CapabilityBoundingSet",
        &[
            "~CAP_SETUID CAP_SETGID",
            "CAP_SYS_TIME",
            "CAP_SYS_RAWIO CAP_SYSLOG",
        ],
    ),
    (
        "RestrictAddressFamilies",
        &["AF_UNIX AF_NETLINK", "~AF_UNIX", "AF_PACKET"],
    ),
];

const TREES: u64 = 4;
const UNITS: usize = 60;

/// A rule for every service tells what systemd finds of it before and after.
pub(crate) fn as_systemd_finds() {
    let mut compared = 0;
    for seed in 0..TREES {
        let mut dice = Dice::new(900 + seed);
        let tree = Tree::new();
        let mut rules = String::from("[Recipe]\nSchema=1\n");
        for number in 0..UNITS {
            let early = if dice.once_in(6) {
                "[Unit]\nDefaultDependencies=no\n"
            } else {
                ""
            };
            let mut text = format!("{early}[Service]\nExecStart=/bin/true\n");
            for _ in 0..dice.roll(24) {
                let (key, values) = SETTINGS[dice.roll(SETTINGS.len())];
                text += &format!("{key}={}\n", dice.pick(values));
            }
            let level = dice.pick(&["basic", "strict"]);
            tree.file(&format!("{USR}/s{number}.service"), &text);
            rules += &format!("[Sandbox s{number}.service]\nLevel={level}\nEnsure=yes\n");
        }
        let image = Image::open(tree.root()).unwrap();
        let recipe = Recipe::parse("test", &rules).unwrap();
        let plan = image.plan(&recipe).unwrap();
        let output = extracted(&image, &recipe);
        compared += compare(&plan, tree.root(), output.path());
    }
    assert!(compared > 200, "{compared}");
}

/// The table by which the library is tested.
pub(crate) fn table() {
    let tree = Tree::new();
    let lines = include_str!("../../src/system/systemd/figures.txt").lines();
    let figures = lines.filter_map(|line| line.split_once(' ').filter(|(at, _)| *at != "#"));
    let wanted: BTreeMap<String, (&str, &str)> = figures
        .enumerate()
        .map(|(number, figure)| (format!("s{number}.service"), figure))
        .collect();
    for (unit, (_, settings)) in &wanted {
        let text = settings.replace("; ", "\n");
        let text = format!("[Service]\nExecStart=/bin/true\n{text}\n");
        tree.file(&format!("{USR}/{unit}"), &text);
    }
    let found = asked(tree.root(), wanted.keys());
    let wrong: Vec<_> = wanted
        .iter()
        .filter(|(unit, (figure, _))| found.get(*unit).is_none_or(|found| found != figure))
        .map(|(unit, line)| (line, found.get(unit)))
        .collect();
    assert!(wrong.is_empty() && wanted.len() > 150, "{wrong:#?}");
}
