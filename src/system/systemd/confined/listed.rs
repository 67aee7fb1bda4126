//! Settings that are lists of what is allowed or, after a `~`, of what is denied.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::LazyLock;

use super::{Found, Read, Service, words};
use crate::system::capability;
use crate::system::systemd::Kind;

/// Names that are allowed, or that are denied. The first assignment, also after a reset, says
/// which, even where it names none.
#[derive(Debug, Default)]
pub(in crate::system::systemd) struct Listed {
    pub(in crate::system::systemd) allowed: bool,
    pub(in crate::system::systemd) listed: BTreeSet<&'static str>,
    begun: bool,
}

const NAMESPACES: &str = "cgroup ipc net mnt pid user uts";

/// The address families that services name; the kernel has more.
const FAMILIES: &str = "AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_ALG AF_BLUETOOTH AF_CAN AF_KEY AF_QIPCRTR AF_TIPC \
    AF_VSOCK AF_X25 AF_XDP";

/// The capabilities that settings take away.
const WITHOUT: [(&str, &[&str]); 4] = [
    ("PrivateDevices", &["mknod", "sys_rawio"]),
    ("ProtectKernelModules", &["sys_module"]),
    ("ProtectKernelLogs", &["syslog"]),
    ("ProtectClock", &["sys_time", "wake_alarm"]),
];

const ARCHITECTURES: &str = "native x86 x86-64 x32 arm arm64 ppc64-le riscv64 s390x";

/// What services have calls answered with. systemd knows the name of every error, and ignores a
/// call with another answer.
const ANSWERS: [&str; 5] = ["EPERM", "EACCES", "ENOSYS", "EINVAL", "kill"];

/// The groups of system calls.
const GROUPS: &str = include_str!("../syscalls.txt");

impl Service<'_> {
    pub(in crate::system::systemd) fn capabilities(&self) -> Read<BTreeSet<&'static str>> {
        let mut kept =
            self.capability_set("CapabilityBoundingSet", &capability::all().collect())?;
        for (key, names) in WITHOUT {
            if self.is(key) {
                kept.retain(|name| !names.contains(name));
            }
        }
        Ok(kept)
    }

    pub(in crate::system::systemd) fn has_ambient_capabilities(&self) -> Read<bool> {
        Ok(!self
            .capability_set("AmbientCapabilities", &BTreeSet::new())?
            .is_empty())
    }

    /// Returns a set of capabilities. An empty assignment, and the first one, replace what a
    /// service has by default; later ones add or take away.
    fn capability_set(
        &self,
        key: &str,
        default: &BTreeSet<&'static str>,
    ) -> Read<BTreeSet<&'static str>> {
        let mut set = default.clone();
        for found in self.all(key) {
            let (inverted, names) = inverted(words(found)?);
            let names = names.iter().map(|name| name.to_ascii_lowercase());
            let known = |name: String| {
                capability::all().find(|known| name.strip_prefix("cap_") == Some(known))
            };
            let named = names.map(known).collect::<Option<BTreeSet<_>>>();
            let named = named.ok_or(found)?;
            if named.is_empty() || set == *default {
                set.clear();
                set.extend(capability::all().filter(|_| inverted));
            }
            change(&mut set, named, inverted);
        }
        Ok(set)
    }

    /// Returns the namespaces that a service may make.
    pub(in crate::system::systemd) fn namespaces(&self) -> Read<BTreeSet<&'static str>> {
        let every = || NAMESPACES.split(' ').collect();
        let mut left: Option<BTreeSet<_>> = None;
        for found in self.all("RestrictNamespaces") {
            if found.value.is_empty() {
                left = None;
            } else if let Some(yes) = Kind::Boolean.canonical(found.value) {
                left = (yes == b"yes").then(BTreeSet::new);
                left.get_or_insert_with(every);
            } else {
                let (inverted, names) = inverted(words(found)?);
                let set =
                    left.get_or_insert_with(|| if inverted { every() } else { BTreeSet::new() });
                change(set, known(NAMESPACES, names, found)?, inverted);
            }
        }
        Ok(left.unwrap_or_else(every))
    }

    pub(in crate::system::systemd) fn address_families(&self) -> Read<Listed> {
        let mut families = Listed::default();
        for found in self.all("RestrictAddressFamilies") {
            if found.value.is_empty() || found.value == "none" {
                families = Listed::default();
                families.allowed = !found.value.is_empty();
                continue;
            }
            let (inverted, names) = inverted(words(found)?);
            families.take(known(FAMILIES, names, found)?, inverted);
        }
        Ok(families)
    }

    /// Returns how bad it is by how many machines' system calls a service may call.
    pub(in crate::system::systemd) fn architectures(&self) -> Read<u64> {
        let mut listed = BTreeSet::new();
        for found in self.all("SystemCallArchitectures") {
            if found.value.is_empty() {
                listed.clear();
            }
            listed.extend(known(ARCHITECTURES, words(found)?, found)?);
        }
        let only_native = listed.len() == 1 && listed.contains("native");
        Ok(match listed.len() {
            0 => 10,
            _ if only_native => 0,
            _ => 8,
        })
    }

    pub(in crate::system::systemd) fn system_calls(&self) -> Read<Listed> {
        let mut calls = Listed::default();
        for found in self.all("SystemCallFilter") {
            if found.value.is_empty() {
                calls = Listed::default();
                continue;
            }
            let (inverted, names) = inverted(words(found)?);
            let mut named = BTreeSet::new();
            for name in names {
                // Without `~`, what is answered with an error is neither allowed nor denied by its
                // name alone.
                let name = match name.split_once(':') {
                    None => name,
                    Some((name, answer)) if inverted && ANSWERS.contains(&answer) => name,
                    Some(_) => return Err(found.into()),
                };
                let calls = system_calls(name);
                if calls.is_empty() {
                    return Err(found.into());
                }
                named.extend(calls.iter().copied());
            }
            calls.take(named, inverted);
        }
        Ok(calls)
    }

    /// Returns how bad it is whom a service may talk to.
    pub(in crate::system::systemd) fn addresses(&self) -> Read<u64> {
        if let Some(found) = ["IPIngressFilterPath", "IPEgressFilterPath"]
            .iter()
            .filter_map(|key| self.all(key).next_back())
            .find(|found| !found.value.is_empty())
        {
            return Err(found.into());
        }
        let [denied, allowed] = ["IPAddressDeny", "IPAddressAllow"].map(|key| self.networks(key));
        let (denied, allowed) = (denied?, allowed?);
        let mut whole = denied.iter().filter(|(_, bits)| *bits == 0);
        let is_v4 = |(address, _): &(IpAddr, u8)| address.is_ipv4();
        let all_denied = whole.clone().any(is_v4) && !whole.all(is_v4);
        let local = |(address, bits): &(IpAddr, u8)| {
            address.is_loopback() && *bits >= if address.is_ipv4() { 8 } else { 128 }
        };
        Ok(if !all_denied {
            10
        } else if !allowed.iter().all(local) {
            5
        } else if !allowed.is_empty() {
            2
        } else {
            0
        })
    }

    fn networks(&self, key: &str) -> Read<Vec<(IpAddr, u8)>> {
        let mut networks = Vec::new();
        for found in self.all(key) {
            if found.value.is_empty() {
                networks.clear();
            }
            for word in words(found)? {
                let named = match word {
                    "any" => "0.0.0.0/0 ::/0",
                    "localhost" => "127.0.0.0/8 ::1",
                    "link-local" => "169.254.0.0/16 fe80::/64",
                    "multicast" => "224.0.0.0/4 ff00::/8",
                    other => other,
                };
                for network in named.split(' ') {
                    networks.push(parse_network(network).ok_or(found)?);
                }
            }
        }
        Ok(networks)
    }
}

impl Listed {
    /// Takes names into the list, or out of it where the assignment means the opposite of the list.
    fn take(&mut self, names: BTreeSet<&'static str>, inverted: bool) {
        if !self.begun {
            (self.allowed, self.begun) = (!inverted, true);
        }
        change(&mut self.listed, names, inverted == self.allowed);
    }
}

/// Returns the calls of a group, or the one call of that name; none where x86-64 or systemd 252 has
/// neither.
pub(in crate::system::systemd) fn system_calls(name: &str) -> &'static BTreeSet<&'static str> {
    static NONE: BTreeSet<&str> = BTreeSet::new();
    SYSTEM_CALLS.get(name).unwrap_or(&NONE)
}

/// The calls of each group, and each call by its own name: a glob asks for thousands of services.
static SYSTEM_CALLS: LazyLock<BTreeMap<&str, BTreeSet<&str>>> = LazyLock::new(|| {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (group, names) in GROUPS.lines().filter_map(|line| line.split_once(": ")) {
        // A group may take several lines.
        groups.entry(group).or_default().extend(names.split(' '));
    }
    let calls = groups
        .values()
        .flatten()
        .filter(|name| !name.starts_with('@'));
    let mut table: BTreeMap<_, _> = calls.map(|call| (*call, BTreeSet::from([*call]))).collect();
    for group in groups.keys().filter(|name| name.starts_with('@')) {
        let (mut open, mut found) = (vec![*group], BTreeSet::new());
        while let Some(name) = open.pop() {
            match groups.get(name) {
                Some(names) if name.starts_with('@') => open.extend(names),
                _ => found.extend(Some(name).filter(|name| !name.starts_with('@'))),
            }
        }
        table.insert(*group, found);
    }
    table
});

/// Adds names to a set, or takes them away.
fn change(set: &mut BTreeSet<&'static str>, names: BTreeSet<&'static str>, away: bool) {
    if away {
        set.retain(|name| !names.contains(name));
    } else {
        set.extend(names);
    }
}

/// Returns names as a table has them, which has all of them.
fn known(table: &'static str, names: Vec<&str>, found: Found<'_>) -> Read<BTreeSet<&'static str>> {
    let known = |name| table.split(' ').find(|known| *known == name);
    let known: Option<BTreeSet<_>> = names.into_iter().map(known).collect();
    known.ok_or_else(|| found.into())
}

/// Returns the names without the `~` before them, and whether there was one.
fn inverted(mut names: Vec<&str>) -> (bool, Vec<&str>) {
    let rest = names.first().and_then(|first| first.strip_prefix('~'));
    let is = rest.is_some();
    if let (Some(rest), Some(first)) = (rest, names.first_mut()) {
        *first = rest;
    }
    names.retain(|name| !name.is_empty());
    (is, names)
}

fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text
        .split_once('/')
        .map_or((text, None), |(a, b)| (a, Some(b)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    // To systemd a number after a zero is octal.
    let plain = |text: &str| text.parse().ok().filter(|n: &u8| n.to_string() == text);
    let bits = bits.map_or(Some(most), plain)?;
    (bits <= most).then_some((address, bits))
}
