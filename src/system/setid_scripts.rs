//! Scripts of NixOS and Guix that make set-id programs or grant capabilities: their stores have none,
//! so each boot makes wrappers.

use bstr::{BString, ByteSlice};

use crate::rootfs::{Files, InodeId, Place};

/// Where scripts are that run at each boot.
const SCRIPTS: [&str; 5] = [
    "/nix/store/*/activate",
    "/nix/store/*suid-sgid-wrappers*/bin/*",
    "/gnu/store/*-activate-service*",
    "/gnu/store/*-activate.scm",
    "/gnu/store/*-activate",
];

/// A larger file is not a script.
const LIMIT: u64 = 1 << 20;

/// Returns where each such script first makes one.
pub(crate) fn setid_makers(files: &Files<'_>) -> Vec<Place> {
    let found = SCRIPTS.iter().flat_map(|glob| files.rootfs().glob(glob));
    let mut scripts: Vec<(InodeId, BString)> = found
        .filter_map(|(path, _)| {
            let id = files.rootfs().open(&path)?;
            files.rootfs().inode(id).is_file().then_some((id, path))
        })
        .collect();
    scripts.sort();
    scripts.dedup_by_key(|(id, _)| *id);
    let line = |(id, path): (InodeId, BString)| {
        let text = files.small(id, LIMIT).ok()??;
        let (number, _) = (1..)
            .zip(text.lines())
            .find(|(_, line)| makes_setid(line))?;
        Some(Place::new(path, number))
    };
    scripts.into_iter().filter_map(line).collect()
}

/// Returns whether a line of a script sets such a bit, as far as its words tell.
fn makes_setid(line: &[u8]) -> bool {
    let line = line.trim();
    if line.starts_with(b"#") || line.starts_with(b";") {
        return false;
    }
    if line.contains_str("setuid-programs") || line.contains_str("privileged-programs") {
        return true;
    }
    let mut words = line.fields().map(|word| {
        let quotes: &[char] = &['"', '\'', ';', '(', ')'];
        word.to_str().unwrap_or_default().trim_matches(quotes)
    });
    let base = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    while let Some(word) = words.next() {
        match base(word).as_str() {
            "setcap" => return true,
            "chmod" => {
                let mut modes = words.by_ref().skip_while(|word| word.starts_with('-'));
                if modes.next().is_some_and(gives_setid) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Returns whether a mode of chmod sets a set-id bit.
fn gives_setid(mode: &str) -> bool {
    if mode.bytes().all(|byte| byte.is_ascii_digit()) {
        let value = u32::from_str_radix(mode, 8).unwrap_or_default();
        return value & 0o6000 != 0;
    }
    mode.split(',').any(|clause| {
        clause.split_once(['+', '=']).is_some_and(|(who, what)| {
            who.bytes().all(|byte| b"ugoa".contains(&byte)) && what.contains('s')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::makes_setid;

    #[test]
    fn lines_that_set_a_bit_are_told_from_others() {
        for line in [
            r#"chmod "u+s,g-s,u+rx,g+x,o+x" "$wrapperDir/sudo""#,
            "chmod 4755 /usr/bin/su",
            "/bin/chmod -R ug+s /opt",
            "setcap cap_net_raw+ep /bin/ping",
        ] {
            assert!(makes_setid(line.as_bytes()), "{line}");
        }
        for line in [
            "# chmod 4755 /usr/bin/su",
            "chmod 0755 /usr/bin/su",
            "chmod u-s /usr/bin/su",
            "chmod g+x,o-s /usr/bin/sus",
            "echo setcapable",
        ] {
            assert!(!makes_setid(line.as_bytes()), "{line}");
        }
    }
}
