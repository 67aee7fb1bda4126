//! The program that a command line runs in the end, behind all that only prepares it.

use super::{base, script};

/// Commands that run another: their name, their options that take a value, and how many operands
/// stand before the other command.
const WRAPPERS: &[(&str, &str, usize)] = &[
    ("builtin", "", 0),
    ("cgexec", "g", 0),
    ("chpst", "uUbe/CnlLmdopfcrts", 0),
    ("chroot", "", 1),
    ("chrt", "TPD", 1),
    ("command", "", 0),
    ("daemon", "", 0),
    ("daemonize", "acelpouE", 0),
    ("doas", "uC", 0),
    ("env", "uCS", 0),
    ("envdir", "", 1),
    ("exec", "a", 0),
    ("fdmove", "", 2),
    ("gosu", "", 1),
    ("ionice", "cnpPu", 0),
    ("nice", "n", 0),
    ("nohup", "", 0),
    ("procd_append_param", "", 1),
    ("procd_set_param", "", 1),
    ("runsv", "", 0),
    ("s6-envdir", "", 1),
    ("s6-setuidgid", "", 1),
    ("service_start", "", 0),
    ("setpriv", "", 0),
    ("setsid", "", 0),
    ("setuidgid", "", 1),
    ("softlimit", "adflmnoprst", 0),
    ("stdbuf", "ioe", 0),
    ("su-exec", "", 1),
    ("sudo", "ughCTRD", 0),
    ("taskset", "", 1),
    ("tcpd", "", 0),
    ("time", "", 0),
    ("timeout", "ks", 1),
    ("unshare", "", 0),
    ("with-contenv", "", 0),
];

/// Long options of these that take a value as a word of its own.
const LONG: [&str; 7] = [
    "--reuid",
    "--regid",
    "--groups",
    "--user",
    "--pidfile",
    "--unset",
    "--adjustment",
];

const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "ksh", "zsh"];

/// How many commands may stand before the one that counts.
const DEPTH: usize = 8;

/// Returns the programs that a command runs, as they are written. A shell's `-c` may run several.
pub(crate) fn programs(words: &[String]) -> Vec<String> {
    inner(words, DEPTH)
}

pub(super) fn inner(words: &[String], depth: usize) -> Vec<String> {
    let set = |word: &&String| is_assignment(word);
    let words = &words[words.iter().take_while(set).count()..];
    let Some((first, rest)) = words.split_first() else {
        return Vec::new();
    };
    let Some(depth) = depth.checked_sub(1) else {
        return vec![first.clone()];
    };
    let name = base(first);
    if let Some((_, values, operands)) = WRAPPERS.iter().find(|(known, _, _)| *known == name) {
        let is_param = name.starts_with("procd_");
        if is_param && rest.first().is_none_or(|kind| kind != "command") {
            return Vec::new();
        }
        return inner(after_options(rest, values, *operands), depth);
    }
    match name {
        "start-stop-daemon" | "supervise-daemon" => daemon(name, rest),
        "su" | "runuser" => shell(rest, "c", depth),
        "busybox" | "toybox" => match rest.first().is_some_and(|word| !word.starts_with('-')) {
            true => inner(rest, depth),
            false => vec![first.clone()],
        },
        _ if SHELLS.contains(&name) => match shell(rest, "c", depth) {
            found if !found.is_empty() => found,
            _ => match rest.iter().find(|word| !word.starts_with('-')) {
                Some(file) => vec![file.clone()],
                None => vec![first.clone()],
            },
        },
        _ => vec![first.clone()],
    }
}

/// Returns whether a word sets a variable for the command after it.
pub(super) fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        name.bytes().all(plain)
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
    })
}

/// Returns the words of the command that stands behind options and operands.
fn after_options<'w>(words: &'w [String], values: &str, operands: usize) -> &'w [String] {
    let mut at = 0;
    let mut left = operands;
    while let Some(word) = words.get(at) {
        if word == "--" {
            at += 1;
            break;
        }
        let takes_value = match word.strip_prefix('-') {
            Some(option) if !option.starts_with('-') => {
                option.len() == 1 && values.contains(option)
            }
            Some(_) => LONG.contains(&word.as_str()),
            None if is_assignment(word) => false,
            None if left > 0 => {
                left -= 1;
                false
            }
            None => break,
        };
        at += 1 + usize::from(takes_value);
    }
    words.get(at + left..).unwrap_or_default()
}

/// Returns what start-stop-daemon starts, if it is to start something.
fn daemon(name: &str, words: &[String]) -> Vec<String> {
    let own: Vec<&String> = words.iter().take_while(|word| *word != "--").collect();
    let is = |long: &str, short: char| {
        own.iter().any(|word| {
            let short = |rest: &str| !rest.starts_with('-') && rest.starts_with(short);
            *word == long || word.strip_prefix('-').is_some_and(short)
        })
    };
    if name == "start-stop-daemon" && !is("--start", 'S') {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (at, word) in own.iter().enumerate() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (word.as_str(), own.get(at + 1).map(|next| (*next).clone())),
        };
        if ["--exec", "--startas", "-x", "-a"].contains(&option) {
            found.extend(value);
        }
    }
    if name == "supervise-daemon" && found.is_empty() {
        found.extend(
            own.iter()
                .skip(1)
                .find(|word| word.starts_with('/'))
                .map(|w| (*w).clone()),
        );
    }
    found
}

/// Returns what the text behind a shell's `-c` runs.
fn shell(words: &[String], option: &str, depth: usize) -> Vec<String> {
    let is_text = |word: &&String| {
        let short = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        short.is_some_and(|rest| rest.ends_with(option))
    };
    let Some(at) = words.iter().position(|word| is_text(&word)) else {
        return Vec::new();
    };
    let text = words.get(at + 1).map(String::as_str).unwrap_or_default();
    let runs = script::read_within(text, depth);
    runs.programs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::programs;

    #[track_caller]
    fn check(command: &str, want: &str) {
        let words = crate::system::systemd::words(command);
        assert_eq!(programs(&words).join(" "), want, "{command}");
    }

    #[test]
    fn the_program_behind_what_prepares_it_is_found() {
        check("/usr/sbin/sshd -D", "/usr/sbin/sshd");
        check("A=1 exec -a x env -u B C=2 nice -n 5 sshd", "sshd");
        check(
            "/usr/sbin/tcpd /usr/sbin/in.telnetd -a",
            "/usr/sbin/in.telnetd",
        );
        check("chpst -u nobody:x -e ./env /bin/d", "/bin/d");
        check("chroot /srv /bin/d", "/bin/d");
        check("setpriv --reuid x --clear-groups -- d", "d");
        check("busybox telnetd -F", "telnetd");
        check(
            "/bin/sh -ec 'cd / && exec dropbear -F; true'",
            "cd dropbear true",
        );
        check("sh /etc/x start", "/etc/x");
        check("su -s /bin/sh -c 'sshd -D' root", "sshd");
        check(
            "procd_set_param command /usr/sbin/dropbear -F",
            "/usr/sbin/dropbear",
        );
        check("procd_set_param respawn 1", "");
        check(
            "start-stop-daemon -S -q -x /usr/sbin/d -- -x no",
            "/usr/sbin/d",
        );
        check("start-stop-daemon --start --exec=/a --startas /b", "/a /b");
        check("start-stop-daemon --stop --exec /usr/sbin/d", "");
        check("exec", "");
        check("killall sshd", "killall");
        check(&"exec ".repeat(100), "exec");
    }
}
