//! Settings that are lists of what is allowed or, after a `~`, of what is denied.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Read, Service, words};
use crate::system::capability;
use crate::system::systemd::Kind;

/// Names that are allowed, or that are denied. The first assignment, also after a reset, says which, even where it names none.
#[derive(Debug, Default)]
pub(in crate::system::systemd) struct Listed<T> {
    pub(in crate::system::systemd) allowed: bool,
    pub(in crate::system::systemd) listed: BTreeSet<T>,
}

pub(in crate::system::systemd) type SystemCalls = Listed<&'static str>;

const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "net", "mnt", "pid", "user", "uts"];

/// The address families that services name; the kernel has more.
const FAMILIES: [&str; 14] = [
    "AF_UNIX",
    "AF_INET",
    "AF_INET6",
    "AF_NETLINK",
    "AF_PACKET",
    "AF_ALG",
    "AF_BLUETOOTH",
    "AF_CAN",
    "AF_KEY",
    "AF_QIPCRTR",
    "AF_TIPC",
    "AF_VSOCK",
    "AF_X25",
    "AF_XDP",
];

/// The capabilities that settings take away.
const WITHOUT: [(&str, &[&str]); 4] = [
    ("PrivateDevices", &["mknod", "sys_rawio"]),
    ("ProtectKernelModules", &["sys_module"]),
    ("ProtectKernelLogs", &["syslog"]),
    ("ProtectClock", &["sys_time", "wake_alarm"]),
];

const ARCHITECTURES: [&str; 9] = [
    "native", "x86", "x86-64", "x32", "arm", "arm64", "ppc64-le", "riscv64", "s390x",
];

/// What services have calls answered with. systemd knows the name of every error, and ignores a call with another answer.
const ANSWERS: [&str; 5] = ["EPERM", "EACCES", "ENOSYS", "EINVAL", "kill"];

/// The groups of system calls.
const GROUPS: &str = include_str!("../syscalls.txt");

impl Service<'_> {
    pub(in crate::system::systemd) fn capabilities(&self) -> Read<BTreeSet<&'static str>> {
        let mut kept = self.capability_set("CapabilityBoundingSet", &capability::NAMES)?;
        for (key, names) in WITHOUT {
            if self.is(key) {
                kept.retain(|name| !names.contains(name));
            }
        }
        Ok(kept)
    }

    pub(in crate::system::systemd) fn has_ambient_capabilities(&self) -> Read<bool> {
        Ok(!self.capability_set("AmbientCapabilities", &[])?.is_empty())
    }

    /// An empty assignment, and the first one, replace what a service has by default; later ones add or take away.
    fn capability_set(&self, key: &str, default: &[&'static str]) -> Read<BTreeSet<&'static str>> {
        let default: BTreeSet<_> = default.iter().copied().collect();
        let mut set = default.clone();
        for found in self.all(key) {
            let (inverted, names) = inverted(words(found)?);
            let mut named = BTreeSet::new();
            for name in names {
                let name = name.to_ascii_lowercase();
                let known = capability::NAMES
                    .iter()
                    .find(|known| name.strip_prefix("cap_") == Some(known));
                named.insert(*known.ok_or(found)?);
            }
            let replaces = named.is_empty() || set == default;
            if replaces && inverted {
                set = capability::NAMES.into();
            } else if replaces {
                set.clear();
            }
            if inverted {
                set.retain(|name| !named.contains(name));
            } else {
                set.extend(named);
            }
        }
        Ok(set)
    }

    /// The namespaces that a service may make.
    pub(in crate::system::systemd) fn namespaces(&self) -> Read<BTreeSet<&'static str>> {
        let every = || BTreeSet::from(NAMESPACES);
        let mut left: Option<BTreeSet<_>> = None;
        for found in self.all("RestrictNamespaces") {
            let boolean = Kind::Boolean.canonical(found.value);
            if found.value.is_empty() {
                left = None;
                continue;
            }
            if let Some(yes) = boolean {
                left = Some(if yes == b"yes" {
                    BTreeSet::new()
                } else {
                    every()
                });
                continue;
            }
            let (inverted, names) = inverted(words(found)?);
            let mut named = BTreeSet::new();
            for name in names {
                named.insert(
                    *NAMESPACES
                        .iter()
                        .find(|known| **known == name)
                        .ok_or(found)?,
                );
            }
            let start = || if inverted { every() } else { BTreeSet::new() };
            let set = left.get_or_insert_with(start);
            if inverted {
                set.retain(|name| !named.contains(name));
            } else {
                set.extend(named);
            }
        }
        Ok(left.unwrap_or_else(every))
    }

    pub(in crate::system::systemd) fn address_families(&self) -> Read<Listed<&'static str>> {
        let mut families = Listed::default();
        let mut begun = false;
        for found in self.all("RestrictAddressFamilies") {
            if ["", "none"].iter().any(|reset| found.value == *reset) {
                families = Listed {
                    allowed: !found.value.is_empty(),
                    listed: BTreeSet::new(),
                };
                begun = false;
                continue;
            }
            let (inverted, names) = inverted(words(found)?);
            if !begun {
                (families.allowed, begun) = (!inverted, true);
            }
            for name in names {
                let known = *FAMILIES.iter().find(|known| **known == name).ok_or(found)?;
                families.take(known, inverted);
            }
        }
        Ok(families)
    }

    /// How bad it is by how many machines' system calls a service may call.
    pub(in crate::system::systemd) fn architectures(&self) -> Read<u64> {
        let mut listed = BTreeSet::new();
        for found in self.all("SystemCallArchitectures") {
            if found.value.is_empty() {
                listed.clear();
            }
            for name in words(found)? {
                listed.insert(
                    *ARCHITECTURES
                        .iter()
                        .find(|known| **known == name)
                        .ok_or(found)?,
                );
            }
        }
        let only_native = listed.len() == 1 && listed.contains("native");
        Ok(match listed.len() {
            0 => 10,
            _ if only_native => 0,
            _ => 8,
        })
    }

    pub(in crate::system::systemd) fn system_calls(&self) -> Read<SystemCalls> {
        let mut calls = SystemCalls::default();
        let mut begun = false;
        for found in self.all("SystemCallFilter") {
            if found.value.is_empty() {
                (calls, begun) = (SystemCalls::default(), false);
                continue;
            }
            let (inverted, names) = inverted(words(found)?);
            if !begun {
                (calls.allowed, begun) = (!inverted, true);
            }
            for name in names {
                // Without `~`, what is answered with an error is neither allowed nor denied by its name alone.
                let name = match name.split_once(':') {
                    None => name,
                    Some((name, answer)) if inverted && ANSWERS.contains(&answer) => name,
                    Some(_) => return Err(found.into()),
                };
                let mut named = SystemCalls::of(name).peekable();
                if named.peek().is_none() {
                    return Err(found.into());
                }
                named.for_each(|call| calls.take(call, inverted));
            }
        }
        Ok(calls)
    }

    /// How bad it is whom a service may talk to.
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
        let all = |v4: bool| {
            denied
                .iter()
                .any(|(address, bits)| address.is_ipv4() == v4 && *bits == 0)
        };
        let local = |(address, bits): &(IpAddr, u8)| {
            address.is_loopback() && *bits >= if address.is_ipv4() { 8 } else { 128 }
        };
        Ok(if !(all(true) && all(false)) {
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

impl<T: Ord> Listed<T> {
    /// Takes a name into the list, or out of it where the assignment means the opposite of the list.
    fn take(&mut self, name: T, inverted: bool) {
        if inverted == self.allowed {
            self.listed.remove(&name);
        } else {
            self.listed.insert(name);
        }
    }
}

impl SystemCalls {
    /// The calls of a group, or the one call of that name; none where x86-64 or systemd 252 has neither.
    pub(in crate::system::systemd) fn of(name: &str) -> impl Iterator<Item = &'static str> {
        let lines = || GROUPS.lines().filter_map(|line| line.split_once(": "));
        let mut open = Vec::new();
        if name.starts_with('@') {
            open.extend(
                lines()
                    .filter(|(group, _)| *group == name)
                    .flat_map(|(_, names)| names.split(' ')),
            );
        } else {
            let mut every = lines().flat_map(|(_, names)| names.split(' '));
            open.extend(every.find(|known| *known == name));
        }
        std::iter::from_fn(move || {
            while let Some(name) = open.pop() {
                if !name.starts_with('@') {
                    return Some(name);
                }
                let group = lines().filter(|(group, _)| *group == name);
                open.extend(group.flat_map(|(_, names)| names.split(' ')));
            }
            None
        })
    }
}

/// The names without the `~` before them, and whether there was one.
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
