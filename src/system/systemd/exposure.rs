//! How exposed a service is, by the weights of `systemd-analyze security --offline=true` of systemd
//! 252 on x86-64.
//!
//! The program adds up how bad each trait of a service is, by the trait's weight, and divides by
//! the weights of all traits that matter for it. Each step rounds up. Where a setting cannot be
//! read as the program reads it, there is no figure.

use std::fmt;
use std::sync::LazyLock;

use super::Merged;
use super::confined::{Listed, Service, Unread, User, system_calls};

/// From 0, not exposed at all, to 10; counted in tenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exposure(u64);

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// Returns how exposed a service is by all that systemd reads for it.
pub(crate) fn exposure(unit: &Merged) -> Result<Exposure, Unread> {
    let (mut sum, mut most) = (0, 0);
    for Trait { weight, bad, of } in traits(&Service(unit))? {
        sum += (bad * weight).div_ceil(of);
        most += weight;
    }
    Ok(Exposure((sum * 100).div_ceil(most)))
}

/// A trait is bad to the part `bad` in `of`.
struct Trait {
    weight: u64,
    bad: u64,
    of: u64,
}

/// A weight, and the names that have it each, separated by blanks. Of names that `|` joins, one is
/// as bad as all of them.
type Weights = &'static [(u64, &'static str)];

/// Settings that are good where they say yes.
const FLAGS: Weights = &[
    (2500, "PrivateNetwork"),
    (
        1000,
        "PrivateDevices PrivateMounts PrivateUsers ProtectControlGroups ProtectKernelModules \
         ProtectKernelTunables ProtectKernelLogs ProtectClock NoNewPrivileges RestrictSUIDSGID",
    ),
    (500, "RestrictRealtime"),
    (100, "LockPersonality MemoryDenyWriteExecute"),
    (50, "ProtectHostname"),
];

const CAPABILITIES: Weights = &[
    (1500, "sys_admin setuid|setgid|setpcap sys_ptrace"),
    (
        1000,
        "sys_time net_admin sys_rawio sys_module chown|fsetid|setfcap \
         dac_override|dac_read_search|fowner|ipc_owner",
    ),
    (
        500,
        "audit_control|audit_read|audit_write syslog sys_nice|sys_resource mknod kill \
         net_bind_service|net_broadcast|net_raw",
    ),
    (100, "sys_boot mac_admin|mac_override"),
    (75, "linux_immutable"),
    (50, "ipc_lock sys_chroot"),
    (
        25,
        "block_suspend wake_alarm lease sys_tty_config bpf sys_pacct",
    ),
];

/// [`CAPABILITIES`] taken apart: a glob may ask for thousands of services.
static CAPABILITY_GROUPS: LazyLock<Vec<(u64, Vec<&str>)>> = LazyLock::new(|| {
    let groups = weighted(CAPABILITIES);
    groups
        .map(|(weight, names)| (weight, names.split('|').collect()))
        .collect()
});

const NAMESPACES: Weights = &[
    (1500, "user"),
    (500, "mnt ipc pid cgroup net"),
    (100, "uts"),
];

const FAMILIES: Weights = &[
    (1500, "AF_INET|AF_INET6"),
    (25, "AF_UNIX"),
    (200, "AF_NETLINK"),
    (1000, "AF_PACKET"),
];
const OTHER_FAMILIES: u64 = 1250;

const SYSTEM_CALLS: Weights = &[
    (1000, "@swap @clock @debug @mount @module @raw-io @reboot"),
    (700, "@privileged @resources"),
    (250, "@obsolete @cpu-emulation"),
];

fn weighted(weights: Weights) -> impl Iterator<Item = (u64, &'static str)> {
    weights
        .iter()
        .flat_map(|(weight, names)| names.split(' ').map(|name| (*weight, name)))
}

/// Returns whether one of the names that `|` joins is this one.
fn is_one_of(names: &str, name: &str) -> bool {
    names.split('|').any(|one| one == name)
}

fn traits(service: &Service<'_>) -> Result<Vec<Trait>, Unread> {
    let mut traits: Vec<Trait> = Vec::new();
    let mut add = |weight, bad: u64, of| traits.push(Trait { weight, bad, of });
    let user = service.user()?;
    add(
        2000,
        match user {
            User::Root => 10,
            User::Nobody => 9,
            User::Other => 0,
        },
        10,
    );
    if user != User::Root {
        add(200, service.has_groups()?.into(), 1);
        add(100, (!service.is("RemoveIPC")).into(), 1);
    }
    for (weight, key) in weighted(FLAGS) {
        add(weight, (!service.is(key)).into(), 1);
    }
    // What starts early cannot have these.
    if service.has_default_dependencies() {
        add(1000, (!service.is("PrivateTmp")).into(), 1);
        add(1000, service.home(), 10);
        add(1000, service.system(), 10);
        add(200, (!service.has_own_root()?).into(), 1);
    }
    let kept = service.capabilities()?;
    for (weight, names) in &*CAPABILITY_GROUPS {
        add(
            *weight,
            names.iter().any(|name| kept.contains(name)).into(),
            1,
        );
    }
    add(500, service.has_ambient_capabilities()?.into(), 1);
    add(100, service.umask(), 10);
    add(1000, (service.word("KeyringMode") != "private").into(), 1);
    let proc = match service.word("ProtectProc") {
        "noaccess" => 1,
        "invisible" | "ptraceable" => 0,
        _ => 3,
    };
    add(1000, proc, 3);
    add(10, (service.word("ProcSubset") != "pid").into(), 1);
    add(1000, (service.word("NotifyAccess") == "all").into(), 1);
    add(100, service.is_delegate().into(), 1);
    let namespaces = service.namespaces()?;
    for (weight, name) in weighted(NAMESPACES) {
        add(weight, namespaces.contains(name).into(), 1);
    }
    let families = service.address_families()?;
    let named = |family: &str| weighted(FAMILIES).any(|(_, names)| is_one_of(names, family));
    let open = |among: &dyn Fn(&str) -> bool| {
        let listed = families.listed.iter().any(|family| among(family));
        u64::from(listed == families.allowed)
    };
    for (weight, names) in weighted(FAMILIES) {
        add(weight, open(&|family| is_one_of(names, family)), 1);
    }
    add(OTHER_FAMILIES, open(&|family| !named(family)), 1);
    add(1000, service.architectures()?, 10);
    let calls = service.system_calls()?;
    for (weight, group) in weighted(SYSTEM_CALLS) {
        add(weight, reached(&calls, group), 10);
    }
    add(1000, service.addresses()?, 10);
    add(1000, service.devices()?, 10);
    Ok(traits)
}

/// Returns how bad it is that a service may make system calls of a group: an allow list with one of
/// them is a list after all.
fn reached(calls: &Listed, group: &str) -> u64 {
    let group = system_calls(group);
    let any = |open: bool| group.iter().any(|call| calls.listed.contains(call) == open);
    match (calls.allowed, calls.listed.is_empty()) {
        (true, _) => 9 * u64::from(any(true)),
        (false, true) => 10,
        (false, false) => 10 * u64::from(any(false)),
    }
}

#[cfg(test)]
mod tests {
    use crate::edit::{Draft, Waivers};
    use crate::rules::harness::open;
    use crate::system::systemd::{Units, merged};

    /// Returns what the program finds of a service with these settings: a figure, or what stands in
    /// the way of one.
    fn found(settings: &str) -> String {
        let lines = settings.split("; ").map(|line| format!("| {line}\n"));
        let file = format!(
            "file etc/systemd/system/d.service\n| [Service]\n{}",
            lines.collect::<String>()
        );
        let image = open(&file);
        let files = Draft::new(&image, image.rootfs().unwrap(), Waivers::default(), None);
        let unit = merged(&files, &Units::read(files.rootfs()), "d.service", |_| false).unwrap();
        super::exposure(&unit).map_or_else(|unread| unread.to_string(), |e| e.to_string())
    }

    #[test]
    fn figures_are_those_of_systemd_252() {
        let lines = include_str!("figures.txt").lines();
        let wrong: Vec<_> = lines
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
            .filter_map(|line| {
                let (want, settings) = line.split_once(' ').unwrap();
                let found = found(settings);
                (found != want).then(|| format!("{line}: {found}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn what_only_systemd_can_read_has_no_figure() {
        let at = "/etc/systemd/system/d.service:2:";
        for settings in [
            "User=%i",
            "User=-d",
            "User=d.e",
            "User=1d",
            "User=007",
            "User=65535",
            "User=4294967295",
            "CapabilityBoundingSet=CAP_NEW",
            "CapabilityBoundingSet=\"CAP_KILL\"",
            "SystemCallFilter=@new",
            "SystemCallFilter=read:EPERM",
            "SystemCallFilter=~read:ENEW",
            "RestrictAddressFamilies=AF_NEW",
            "RestrictNamespaces=time",
            "SystemCallArchitectures=new",
            "AmbientCapabilities=CAP_KILL ~CAP_BPF",
            "IPAddressDeny=example",
            "IPAddressDeny=10.0.0.0/33",
            "IPAddressDeny=10.0.0.0/08",
            "IPIngressFilterPath=/f",
            "IPEgressFilterPath=/f",
            "RootDirectory=%t/root",
            "RootDirectory=srv",
            "RootImage=/srv/../d.img",
            "RootDirectory=/%i",
        ] {
            assert_eq!(found(settings), format!("{at} {settings}"));
        }
    }

    #[test]
    fn what_does_not_count_may_be_unread() {
        // Groups are nothing to root, and images bring no devices to what may open all.
        assert_eq!(
            found("SupplementaryGroups=%i; MountImages=/a:/b; DeviceAllow=/dev/%i"),
            "9.6"
        );
        let unread = found("User=d; SupplementaryGroups=%i");
        assert!(unread.ends_with(":3: SupplementaryGroups=%i"), "{unread}");
        let unread = found("DevicePolicy=closed; DeviceAllow=/dev/%i");
        assert!(unread.ends_with(":3: DeviceAllow=/dev/%i"), "{unread}");
        let unread = found("DevicePolicy=closed; MountImages=/a:/b");
        assert!(unread.ends_with(":3: MountImages=/a:/b"), "{unread}");
    }
}
