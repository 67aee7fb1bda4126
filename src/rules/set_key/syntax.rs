//! Files whose syntax is not lines of `KEY=VALUE`: setting a key there would leave the old value, and
//! often a file that its program refuses.

use bstr::ByteSlice;

/// Returns which syntax a file has, if it is not lines of `KEY=VALUE`, and what to do about it.
pub(super) fn other_syntax(path: &str, text: &[u8]) -> Option<(&'static str, &'static str)> {
    const WHOLE: &str = "write the whole file with WriteFile";
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines = || text.lines().map(ByteSlice::trim).filter(|l| is_said(l));
    let (_, name) = path.rsplit_once('/').unwrap_or(("", path));
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known = by_name(path, name, extension);
    if known.is_some() {
        return known;
    }
    let first = lines().next().unwrap_or_default();
    if first.starts_with(b"{") || (first.starts_with(b"[") && !first.contains(&b']')) {
        return Some(("JSON, or something like it", WHOLE));
    }
    if first.starts_with(b"<") {
        return Some(("XML, or something like it", WHOLE));
    }
    if text.starts_with(b"# GRUB Environment Block") {
        return Some((
            "GRUB's environment block, of a fixed size",
            "use grub-editenv in the build",
        ));
    }
    let is_uci = |line: &[u8]| {
        let mut words = line.fields();
        let word = words.next().unwrap_or_default();
        ["config", "option", "list", "package"]
            .iter()
            .any(|uci| word == uci.as_bytes())
    };
    if lines().all(is_uci) && lines().next().is_some() {
        return Some(("UCI, with lines of `option KEY 'VALUE'`", WHOLE));
    }
    if is_toml(lines()) {
        return Some(("TOML, whose values have types and belong to tables", WHOLE));
    }
    if lines().any(|line| line == b"---") || (lines().any(is_mapping) && !lines().any(assigns)) {
        return Some(("YAML, or lines of `KEY: VALUE`", WHOLE));
    }
    if is_command_line(text) {
        return Some((
            "one line of arguments",
            "a line that is added would not be read; write the whole line with WriteFile",
        ));
    }
    if lines().next().is_some() && lines().all(|line| line.contains(&b':') && !assigns(line)) {
        return Some(("fields with colons between", WHOLE));
    }
    let is_script = text.starts_with(b"#!");
    if !is_script && lines().any(is_blank_separated) && !lines().any(assigns) {
        return Some(("lines of `KEY VALUE` without a `=`", WHOLE));
    }
    None
}

/// Returns what the file's name tells.
fn by_name(path: &str, name: &str, extension: &str) -> Option<(&'static str, &'static str)> {
    const WHOLE: &str = "write the whole file with WriteFile";
    let within = |directory: &str| path.contains(directory);
    Some(match (name, extension) {
        (_, "json" | "jsonc" | "json5") => ("JSON", WHOLE),
        (_, "yaml" | "yml") => ("YAML", WHOLE),
        (_, "toml") => ("TOML, whose values have types and belong to tables", WHOLE),
        (_, "xml") => ("XML", WHOLE),
        ("sshd_config", _) => (
            "sshd's, whose first line of a keyword counts",
            "use SshdConfig",
        ),
        _ if within("/sshd_config.d/") => (
            "sshd's, whose first line of a keyword counts",
            "use SshdConfig with /etc/ssh/sshd_config, which includes it",
        ),
        ("crontab" | "rsyslog.conf", _) => ("lines of words with blanks between", WHOLE),
        _ if ["/cron.d/", "/crontabs/", "/rsyslog.d/"]
            .into_iter()
            .any(within) =>
        {
            ("lines of words with blanks between", WHOLE)
        }
        (_, "nix") => ("Nix's", WHOLE),
        ("sudoers", _) => ("sudo's", "use RemoveSudo, or WriteFile"),
        _ if within("/sudoers.d/") => ("sudo's", "use RemoveSudo, or WriteFile"),
        ("login.defs", _) => ("lines of `KEY VALUE` without a `=`", WHOLE),
        _ if within("/login.defs.d/") => ("lines of `KEY VALUE` without a `=`", WHOLE),
        ("ssh_config" | "chrony.conf" | "ntp.conf" | "limits.conf" | "fstab" | "crypttab", _) => {
            ("lines of words with blanks between", WHOLE)
        }
        _ if within("/modprobe.d/") || within("/limits.d/") || within("/ssh_config.d/") => {
            ("lines of words with blanks between", WHOLE)
        }
        ("cmdline" | "cmdline.txt", _) | (_, "cmdline") => (
            "one line of arguments",
            "a line that is added would not be read; write the whole line with WriteFile",
        ),
        _ if within("/apt.conf.d/") || name == "apt.conf" => {
            ("apt's, with lines of `Scope::Key \"value\";`", WHOLE)
        }
        _ if within("/etc/containers/") && extension == "conf" => {
            ("TOML, whose values have types and belong to tables", WHOLE)
        }
        _ => return None,
    })
}

/// Returns whether a line is neither empty nor a comment.
fn is_said(line: &[u8]) -> bool {
    !line.is_empty()
        && !line.starts_with(b"#")
        && !line.starts_with(b";")
        && !line.starts_with(b"//")
}

fn is_word(word: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_.-".contains(b);
    word.iter().all(plain) && word.iter().any(u8::is_ascii_alphanumeric)
}

/// Returns whether a line sets something by a `=`.
fn assigns(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"export ").unwrap_or(line);
    let left = line.split_once_str("=").map(|(left, _)| left.trim());
    // sysctl.d takes slashes, and a `-` before the key.
    left.is_some_and(|left| is_word(&left.replace("/", ".")))
}

/// Returns whether a line is `KEY: VALUE`, or a `KEY:` above others.
fn is_mapping(line: &[u8]) -> bool {
    let Some((key, value)) = line.split_once_str(":") else {
        return false;
    };
    let key = key.trim_with(|c| "\"'- ".contains(c));
    is_word(key) && (value.is_empty() || value.starts_with(b" ") || value.starts_with(b"\t"))
}

/// Returns whether a line is a word and a value behind a blank.
fn is_blank_separated(line: &[u8]) -> bool {
    let mut words = line.fields();
    words.next().is_some_and(is_word) && words.next().is_some()
}

/// Returns whether what is said is one line of several arguments.
fn is_command_line(text: &[u8]) -> bool {
    let mut lines = text
        .lines()
        .map(ByteSlice::trim)
        .filter(|line| is_said(line));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let words: Vec<&[u8]> = line.fields().collect();
    let first = words.first().copied().unwrap_or_default();
    let assigned = words.iter().filter(|word| assigns(word)).count();
    let quoted = line.split_once_str("=").is_some_and(|(left, value)| {
        is_word(left.trim()) && value.trim_start().starts_with_str("\"")
    });
    first != b"export" && !line.ends_with(b"\\") && !quoted && words.len() > 1 && assigned > 1
}

/// Returns whether lines have what INI files lack: tables of a list, or values that are lists.
fn is_toml<'t>(mut lines: impl Iterator<Item = &'t [u8]>) -> bool {
    lines.any(|line| {
        let list = line
            .strip_prefix(b"[[")
            .and_then(|rest| rest.strip_suffix(b"]]"));
        let key = list.is_some_and(|key| is_word(key.trim()) && key.trim() == key);
        let value = line
            .split_once_str("=")
            .filter(|(left, _)| is_word(left.trim()));
        let array = value.is_some_and(|(_, value)| {
            let value = value.trim();
            value == b"[" || value == b"[]" || value.starts_with(b"[\"")
        });
        key || array
    })
}

#[cfg(test)]
mod tests {
    use super::other_syntax;

    #[test]
    fn a_syntax_is_known_by_name_or_content() {
        for (path, text, want) in [
            ("/etc/docker/daemon.json", "", "JSON"),
            ("/etc/a", "{\n  \"icc\": true\n}\n", "JSON"),
            ("/etc/a", "[\n 1\n]\n", "JSON"),
            ("/etc/a", "<busconfig>\n</busconfig>", "XML"),
            ("/etc/a.yml", "", "YAML"),
            ("/etc/a", "# c\nselinux: false\n", "YAML"),
            ("/etc/nsswitch.conf", "passwd:\tfiles\n", "YAML"),
            (
                "/etc/config/dropbear",
                "config dropbear\n\toption Port '22'\n",
                "UCI",
            ),
            ("/etc/containers/registries.conf", "", "TOML"),
            ("/etc/a", "[plugins]\ndisabled = [\"cri\"]\n", "TOML"),
            ("/etc/a", "[[registry]]\nlocation = \"x\"\n", "TOML"),
            ("/boot/cmdline.txt", "quiet\n", "one line"),
            ("/etc/kernel/x", "root=/dev/a ro selinux=0\n", "one line"),
            ("/etc/ssh/sshd_config", "", "sshd"),
            ("/etc/login.defs", "", "lines of"),
            ("/etc/a.conf", "driftfile /x\nmakestep 1 3\n", "lines of"),
            ("/etc/modprobe.d/a.conf", "options x y=1\n", "lines of"),
            ("/etc/crontab", "SHELL=/bin/sh\n", "lines of words"),
            ("/etc/rsyslog.d/a.conf", "", "lines of words"),
            ("/etc/passwd", "root:x:0:0::/:/bin/sh\n", "fields"),
            ("/etc/x", "::sysinit:/etc/rc\n", "fields"),
            ("/etc/apt/apt.conf.d/10x", "A::B \"1\";\n", "apt"),
            (
                "/boot/grub/grubenv",
                "# GRUB Environment Block\nx=1\n###",
                "GRUB",
            ),
        ] {
            let found = other_syntax(path, text.as_bytes()).map(|(syntax, _)| syntax);
            let is_it = found.is_some_and(|syntax| syntax.starts_with(want));
            assert!(is_it, "{path}: {text:?}: {found:?}");
        }
        for (path, text) in [
            ("/etc/a", ""),
            ("/etc/a", "# c\n"),
            ("/etc/a", "A=1\nB: 2\n"),
            ("/etc/a", "A=\"x=1 y=2\"\n"),
            ("/etc/a", "A = x\n"),
            ("/etc/a", "export A=1\n"),
            ("/etc/a", "[[ -n x ]]\n. /etc/b\n"),
            ("/etc/a", "#!/bin/sh\numask 022\n"),
            ("/etc/a.ini", "[one]\nkey = \"v\"\n"),
            ("/etc/systemd/resolved.conf", "[Resolve]\n"),
            ("/etc/sysctl.conf", "net/ipv4/ip_forward = 0\n"),
            ("/etc/sysconfig/sshd", "OPTIONS=-f x\n"),
        ] {
            assert_eq!(
                other_syntax(path, text.as_bytes()),
                None,
                "{path}: {text:?}"
            );
        }
    }
}
