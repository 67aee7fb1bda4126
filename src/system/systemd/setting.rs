//! What a setting comes to when several files assign it.

use bstr::{BStr, ByteSlice};

use super::merged::{Found, Merged};

/// How systemd takes several assignments of one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The last valid one counts: a truth value; anything else, an empty one too, leaves the old value.
    Boolean,
    /// The same for an octal mode.
    Mode,
    /// The same for a truth value or one of these words.
    Words(&'static [&'static str]),
    /// The last one counts, whatever it is.
    Scalar,
    /// `NAME=VALUE` words, of which the last of a name counts; an empty one resets.
    Environment,
    /// They add up; an empty one resets.
    List,
    /// They add up, and an empty one does nothing.
    Dependency,
    /// They add up or take away, depending on those before, as filters do; so only the last ones can be relied on.
    Set,
    /// systemd 252 does not know it, so only the last ones can be relied on.
    Unknown,
}

/// The names of settings by kind; written down from `systemd --dump-configuration-items`.
const SETTINGS: &str = include_str!("settings.txt");

const WORDS: [(&str, &[&str]); 4] = [
    ("ProtectSystem", &["full", "strict"]),
    ("ProtectHome", &["read-only", "tmpfs"]),
    (
        "ProtectProc",
        &["noaccess", "invisible", "ptraceable", "default"],
    ),
    ("ProcSubset", &["all", "pid"]),
];

impl Kind {
    pub(crate) fn of(key: &str) -> Self {
        if let Some((_, words)) = WORDS.iter().find(|(name, _)| *name == key) {
            return Self::Words(words);
        }
        let line = SETTINGS.lines().filter_map(|line| line.split_once(": "));
        let kind = line
            .filter(|(_, keys)| keys.split(' ').any(|k| k == key))
            .map(|(kind, _)| kind)
            .next();
        match kind {
            Some("boolean") => Self::Boolean,
            Some("mode") => Self::Mode,
            Some("scalar") => Self::Scalar,
            Some("environment") => Self::Environment,
            Some("list") => Self::List,
            Some("dependency") => Self::Dependency,
            Some("set") => Self::Set,
            _ => Self::Unknown,
        }
    }

    /// Says what is wrong with a value that systemd would ignore.
    pub(crate) fn accepts(self, value: &str) -> Result<(), &'static str> {
        self.canonical(value.as_bytes())
            .map(drop)
            .ok_or(match self {
                Self::Boolean => "no truth value",
                Self::Mode => "no octal mode",
                Self::Dependency => "empty, and dependencies cannot be reset",
                _ => "none that it knows",
            })
    }

    /// Whether a value says yes.
    pub(crate) fn is_yes(self, value: &[u8]) -> bool {
        self.canonical(value).as_deref() == Some(b"yes")
    }

    /// The value in the one form that equal values share; none where systemd ignores it and keeps the old one.
    pub(crate) fn canonical(self, value: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Boolean => boolean(value).map(<[u8]>::to_vec),
            Self::Mode => mode(value),
            Self::Words(words) => match boolean(value) {
                Some(value) => Some(value.to_vec()),
                None => words
                    .iter()
                    .any(|w| w.as_bytes() == value)
                    .then(|| value.to_vec()),
            },
            Self::Dependency if value.is_empty() => None,
            _ => Some(value.to_vec()),
        }
    }
}

fn boolean(value: &[u8]) -> Option<&'static [u8]> {
    match value.to_ascii_lowercase().as_slice() {
        b"1" | b"yes" | b"y" | b"true" | b"t" | b"on" => Some(b"yes"),
        b"0" | b"no" | b"n" | b"false" | b"f" | b"off" => Some(b"no"),
        _ => None,
    }
}

fn mode(value: &[u8]) -> Option<Vec<u8>> {
    let octal = !value.is_empty() && value.iter().all(|b| (b'0'..=b'7').contains(b));
    let digits = value.trim_start_with(|c| c == '0');
    (octal && digits.len() <= 4).then(|| digits.to_vec())
}

/// What keeps a setting from being what was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Loss<'m> {
    /// This assignment decides.
    To {
        file: &'m str,
        line: usize,
        /// As it stands, key and value.
        text: String,
    },
    /// No file that systemd reads has it.
    Unread,
}

/// Compares what was asked of a setting, value by value, with what the merged unit has. Nothing is lost where they agree: the
/// same value, or a list that contains what was asked for; exactly that, if asking began with a reset.
pub(crate) fn lost<'m>(
    merged: &'m Merged,
    section: &'m str,
    key: &str,
    asked: &[&str],
) -> Option<Loss<'m>> {
    let kind = Kind::of(key);
    let asked: Vec<Vec<u8>> = asked
        .iter()
        .filter_map(|v| kind.canonical(v.as_bytes()))
        .collect();
    let last = asked.last()?;
    let found = found(merged, section, key, kind);
    let values: Vec<&[u8]> = found.iter().map(|(value, _)| value.as_slice()).collect();
    let to = |at: usize| {
        found
            .get(at)
            .map(|(_, found)| *found)
            .map_or(Loss::Unread, Loss::to)
    };
    match kind {
        Kind::Boolean | Kind::Mode | Kind::Words(_) | Kind::Scalar => match values.last() {
            Some(value) if value == last => None,
            Some(_) => Some(to(values.len() - 1)),
            None => Some(Loss::Unread),
        },
        Kind::List | Kind::Dependency | Kind::Environment => {
            let start = |values: &mut dyn DoubleEndedIterator<Item = bool>, len: usize| {
                values.rev().position(|empty| empty).map(|back| len - back)
            };
            let reset = start(&mut values.iter().map(|v| v.is_empty()), values.len());
            let asked_reset = start(&mut asked.iter().map(Vec::is_empty), asked.len());
            let tail = &values[reset.unwrap_or(0)..];
            let wanted = &asked[asked_reset.unwrap_or(0)..];
            if let Some(missing) = wanted.iter().find(|w| !tail.contains(&w.as_slice())) {
                let there = values.contains(&missing.as_slice());
                return Some(
                    reset
                        .filter(|_| there)
                        .map_or(Loss::Unread, |at| to(at - 1)),
                );
            }
            if asked_reset.is_some() {
                let reset = reset.map_or_else(|| values.first().map(|_| 0), |_| None);
                if let Some(at) = reset {
                    return Some(to(at));
                }
                let base = values.len() - tail.len();
                let extra = tail.iter().rposition(|v| wanted.iter().all(|w| w != v));
                return extra.map(|at| to(base + at));
            }
            (kind == Kind::Environment)
                .then(|| overridden(&values, wanted))
                .flatten()
                .map(to)
        }
        Kind::Set | Kind::Unknown => {
            if !values.ends_with(&asked.iter().map(Vec::as_slice).collect::<Vec<_>>()) {
                let stranger = values.iter().rposition(|v| asked.iter().all(|a| a != v));
                return Some(if values.iter().any(|v| v == last) {
                    stranger.map_or_else(|| to(values.len() - 1), to)
                } else {
                    Loss::Unread
                });
            }
            // An allow-list adds to what stands before it.
            let before = &values[..values.len() - asked.len()];
            let from = before
                .iter()
                .rposition(|v| v.is_empty())
                .map_or(0, |at| at + 1);
            let adds = asked
                .first()
                .is_some_and(|a| !a.is_empty() && !a.starts_with(b"~"));
            let more = before[from..]
                .iter()
                .rposition(|v| asked.iter().all(|a| a != v));
            more.filter(|_| adds && kind == Kind::Set)
                .map(|at| to(from + at))
        }
    }
}

/// The valid assignments of a key, in their one form, and empty ones of other keys that reset it too.
fn found<'m>(
    merged: &'m Merged,
    section: &'m str,
    key: &str,
    kind: Kind,
) -> Vec<(Vec<u8>, Found<'m>)> {
    let found = merged.section(section).filter(|f| {
        f.key == key
            || (f.value.is_empty()
                && group(key).is_some_and(|g| group(&f.key.to_str_lossy()) == Some(g)))
    });
    found
        .filter_map(|f| kind.canonical(f.value).map(|value| (value, f)))
        .collect()
}

/// Settings that share one list, which an empty value of any of them resets.
fn group(key: &str) -> Option<&'static str> {
    const TIMERS: [&str; 6] = [
        "OnActiveSec",
        "OnBootSec",
        "OnStartupSec",
        "OnUnitActiveSec",
        "OnUnitInactiveSec",
        "OnCalendar",
    ];
    const PATHS: [&str; 5] = [
        "PathExists",
        "PathExistsGlob",
        "PathChanged",
        "PathModified",
        "DirectoryNotEmpty",
    ];
    match key {
        _ if key.starts_with("Listen") => Some("Listen"),
        _ if key.starts_with("Condition") => Some("Condition"),
        _ if key.starts_with("Assert") => Some("Assert"),
        _ if TIMERS.contains(&key) => Some("On"),
        _ if PATHS.contains(&key) => Some("Path"),
        _ => None,
    }
}

/// The last assignment after those wanted that sets one of their variables.
fn overridden(values: &[&[u8]], wanted: &[Vec<u8>]) -> Option<usize> {
    let after = values.iter().rposition(|v| wanted.iter().any(|w| w == v))? + 1;
    let names = wanted
        .iter()
        .flat_map(|w| w.split(|b| *b == b' '))
        .filter_map(|word| {
            let word = word.trim_start_with(|c| c == '"' || c == '\'');
            word.find_byte(b'=').map(|end| &word[..=end])
        });
    let names: Vec<&[u8]> = names.filter(|name| name.len() > 1).collect();
    // A name counts where a word may begin, so that `PATH=` is not found in `MANPATH=`.
    let begins = |before: &[u8]| {
        let last = before.last();
        last.is_none_or(|b| b.is_ascii_whitespace() || b"\"'".contains(b))
    };
    let sets = |value: &[u8]| {
        let mut found = names.iter().flat_map(|name| value.find_iter(name));
        found.any(|at| begins(&value[..at]))
    };
    values[after..]
        .iter()
        .rposition(|v| sets(v))
        .map(|at| after + at)
}

impl<'m> Loss<'m> {
    fn to(found: Found<'m>) -> Self {
        Self::To {
            file: found.file,
            line: found.line,
            text: format!("{}={}", found.key, short(found.value)),
        }
    }
}

/// A value as a message can show it.
fn short(value: &BStr) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_one_form() {
        let check = |key: &str, value: &str, want: Option<&str>| {
            let found = Kind::of(key).canonical(value.as_bytes());
            assert_eq!(found.as_deref(), want.map(str::as_bytes), "{key}={value}");
        };
        check("SocketMode", "0600", Some("600"));
        check("SocketMode", "00600", Some("600"));
        check("SocketMode", "0", Some(""));
        for bad in ["", "0600 # tight", "\"0600\"", "0800", "77777", "u=rw"] {
            check("SocketMode", bad, None);
        }
        check("NoNewPrivileges", "ON", Some("yes"));
        check("NoNewPrivileges", "", None);
        check("ProtectSystem", "true", Some("yes"));
        check("ProtectSystem", "strict", Some("strict"));
        check("ProtectSystem", "stric", None);
        check("SocketUser", "", Some(""));
        check("After", "", None);
        assert_eq!(Kind::of("Sockt"), Kind::Unknown);
        assert_eq!(Kind::of("SystemCallFilter"), Kind::Set);
    }

    #[test]
    fn each_name_has_one_kind() {
        let mut names: Vec<_> = SETTINGS
            .lines()
            .filter_map(|l| l.split_once(": "))
            .flat_map(|(_, names)| names.split(' '))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), all > 400), (all, true));
    }
}
