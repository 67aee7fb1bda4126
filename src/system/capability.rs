//! File capabilities by name, in the text form of libcap.

use std::sync::LazyLock;

/// The kernel's capabilities by number, without `cap_`.
const NAMES: &str = "\
    chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap \
    linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner \
    sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice \
    sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap \
    mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf \
    checkpoint_restore";

/// Returns the kernel's capabilities in the order of their numbers.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    static ALL: LazyLock<Vec<&str>> = LazyLock::new(|| NAMES.split(' ').collect());
    ALL.iter().copied()
}

/// Returns the value of `security.capability` as `getcap` writes it, or none if it has no known form.
pub(crate) fn decode(value: &[u8]) -> Option<String> {
    let mut words = value
        .chunks(4)
        .map(|word| Some(u32::from_le_bytes(word.try_into().ok()?)));
    let magic = words.next()??;
    let words: Vec<u32> = words.collect::<Option<_>>()?;
    let wide = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    let (permitted, inheritable, root) = match (magic >> 24, &words[..]) {
        (1, [p, i]) => (wide(*p, 0), wide(*i, 0), None),
        (2, [p, i, ph, ih]) => (wide(*p, *ph), wide(*i, *ih), None),
        (3, [p, i, ph, ih, root]) => (wide(*p, *ph), wide(*i, *ih), Some(root)),
        _ => return None,
    };
    let effective = if magic & 1 == 1 { "e" } else { "" };
    let clauses = [
        (permitted & inheritable, "ip"),
        (permitted & !inheritable, "p"),
        (inheritable & !permitted, "i"),
    ];
    let mut text = clauses
        .iter()
        .filter(|(set, _)| *set != 0)
        .map(|(set, flags)| format!("{}={effective}{flags}", names(*set)))
        .collect::<Vec<_>>()
        .join(" ");
    if text.is_empty() {
        text.push('=');
    }
    if let Some(root) = root {
        text.push_str(&format!(" [rootid={root}]"));
    }
    Some(text)
}

fn names(set: u64) -> String {
    (0..64)
        .filter(|bit| set >> bit & 1 == 1)
        .map(|bit| match all().nth(bit) {
            Some(name) => format!("cap_{name}"),
            None => bit.to_string(),
        })
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_each_version_read_as_getcap_shows_them() {
        let check = |words: &[u32], expect: Option<&str>| {
            let value: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            assert_eq!(decode(&value).as_deref(), expect, "{words:x?}");
        };
        check(&[0x0100_0001, 1 << 13, 0], Some("cap_net_raw=ep"));
        check(&[0x0200_0001, 1 << 13, 0, 0, 0], Some("cap_net_raw=ep"));
        check(
            &[0x0200_0000, 0x3000, 0, 0, 0],
            Some("cap_net_admin,cap_net_raw=p"),
        );
        check(
            &[0x0200_0001, 3, 6, 1 << 7, 0],
            Some("cap_dac_override=eip cap_chown,cap_bpf=ep cap_dac_read_search=ei"),
        );
        check(
            &[0x0300_0001, 1, 0, 0, 0, 1000],
            Some("cap_chown=ep [rootid=1000]"),
        );
        check(&[0x0200_0000, 0, 0, 0, 0], Some("="));
        check(&[0x0200_0000, 0, 0, 1 << 31, 0], Some("63=p"));
        check(&[0x0200_0000, 0, 0], None);
        check(&[0x0400_0000, 0, 0, 0, 0], None);
        check(&[], None);
        assert_eq!(decode(b"\x01\x00\x00\x02abc"), None);
    }
}
