//! Contents that are made, not written out: patterns and capabilities.

use crate::words;

/// `SIZE`: a fixed pattern that does not compress; `SIZE:HH`: one byte repeated.
pub(crate) fn fill(word: &[u8]) -> Result<Vec<u8>, String> {
    match word.iter().position(|&byte| byte == b':') {
        None => Ok(pattern(words::length(word)?)),
        Some(colon) => {
            let byte = words::value(&[b"hex:", &word[colon + 1..]].concat())?;
            match byte[..] {
                [byte] => Ok(vec![byte; words::length(&word[..colon])?]),
                _ => Err("the byte to fill with is two hexadecimal digits".to_owned()),
            }
        }
    }
}

/// Bytes that look random and are always the same.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        })
        .collect()
}

/// The value of `security.capability` for text such as `cap_net_raw,cap_net_admin+ep`.
pub(crate) fn capabilities(text: &[u8], rootid: Option<u32>) -> Result<Vec<u8>, String> {
    let text = words::text(text)?;
    let (names, flags) = text
        .split_once(['+', '='])
        .ok_or_else(|| format!("`{text}` has no flags: write cap_net_raw+ep"))?;
    let mut set = 0u64;
    for name in names.split(',') {
        let bit = CAPABILITIES
            .iter()
            .position(|known| name.strip_prefix("cap_") == Some(known))
            .ok_or_else(|| format!("unknown capability `{name}`"))?;
        set |= 1 << bit;
    }
    let (mut effective, mut permitted, mut inheritable) = (0u32, 0, 0);
    for flag in flags.chars() {
        match flag {
            'e' => effective = 1,
            'p' => permitted = set,
            'i' => inheritable = set,
            _ => return Err(format!("unknown capability flag `{flag}`")),
        }
    }
    let revision: u32 = if rootid.is_some() { 3 } else { 2 };
    let mut value = (revision << 24 | effective).to_le_bytes().to_vec();
    for half in 0..2 {
        for set in [permitted, inheritable] {
            value.extend(&set.to_le_bytes()[half * 4..half * 4 + 4]);
        }
    }
    value.extend(rootid.into_iter().flat_map(u32::to_le_bytes));
    Ok(value)
}

/// The names of linux/capability.h, by number.
const CAPABILITIES: &[&str] = &[
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_what_setcap_writes() {
        let value = capabilities(b"cap_net_raw+ep", None).unwrap();
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "0100000200200000000000000000000000000000");
        let value = capabilities(b"cap_bpf=p", Some(1000)).unwrap();
        assert_eq!(value.len(), 24);
        assert_eq!(value[..4], [0, 0, 0, 3]);
        assert_eq!(value[12], 1 << 7);
        assert_eq!(value[20..], 1000u32.to_le_bytes());
        assert!(capabilities(b"cap_fly+ep", None).is_err());
        assert!(capabilities(b"cap_bpf", None).is_err());
    }

    #[test]
    fn fills_are_stable() {
        assert_eq!(fill(b"3:41").unwrap(), b"AAA");
        assert_eq!(fill(b"1K").unwrap(), pattern(1024));
        assert_eq!(fill(b"1K").unwrap()[..], pattern(4096)[..1024]);
        assert!(fill(b"1K:4").is_err());
    }
}
