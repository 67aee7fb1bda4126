//! What a setting comes to when several files assign it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bstr::{BStr, ByteSlice};

use super::merged::{Found, Merged};

/// How systemd takes several assignments of one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The last valid one counts: a boolean; anything else, an empty one too, leaves the old
    /// value.
    Boolean,
    /// The same for an octal mode.
    Mode,
    /// The same for a boolean or one of these words.
    Words(&'static [&'static str]),
    /// The last one counts, whatever it is.
    Scalar,
    /// `NAME=VALUE` words, of which the last of a name counts; an empty one resets.
    Environment,
    /// They add up; an empty one resets.
    List,
    /// They add up, and an empty one does nothing.
    Dependency,
    /// They add up or take away, depending on those before, as filters do; so only the last ones
    /// can be relied on.
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

/// The kind of each setting, looked up for every line of every unit.
static KINDS: LazyLock<BTreeMap<&str, Kind>> = LazyLock::new(|| {
    let mut kinds = BTreeMap::new();
    for (kind, keys) in SETTINGS.lines().filter_map(|line| line.split_once(": ")) {
        let kind = match kind {
            "boolean" => Kind::Boolean,
            "mode" => Kind::Mode,
            "scalar" => Kind::Scalar,
            "environment" => Kind::Environment,
            "list" => Kind::List,
            "dependency" => Kind::Dependency,
            "set" => Kind::Set,
            _ => Kind::Unknown,
        };
        for key in keys.split(' ') {
            kinds.entry(key).or_insert(kind);
        }
    }
    kinds.extend(WORDS.iter().map(|(key, words)| (*key, Kind::Words(words))));
    kinds
});

impl Kind {
    pub(crate) fn of(key: &str) -> Self {
        KINDS.get(key).copied().unwrap_or(Self::Unknown)
    }

    /// Says what is wrong with a value that systemd would ignore.
    pub(crate) fn accepts(self, value: &str) -> Result<(), &'static str> {
        self.canonical(value.as_bytes())
            .map(drop)
            .ok_or(match self {
                Self::Boolean => "not a boolean: write yes or no",
                Self::Mode => "not an octal mode",
                Self::Dependency => "empty, and dependencies cannot be reset",
                _ => "not one that it knows",
            })
    }

    /// Returns whether a value says yes.
    pub(crate) fn is_yes(self, value: &[u8]) -> bool {
        self.canonical(value).as_deref() == Some(b"yes")
    }

    /// Returns the value in the one form that equal values share; none where systemd ignores it and
    /// keeps the old one.
    pub(crate) fn canonical(self, value: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Boolean => boolean(value).map(<[u8]>::to_vec),
            Self::Mode => mode(value),
            Self::Words(words) => {
                let word = || words.iter().find(|word| word.as_bytes() == value);
                let value = boolean(value).or_else(|| Some(word()?.as_bytes()));
                value.map(<[u8]>::to_vec)
            }
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

/// Compares what was asked of a setting, value by value, with what the merged unit has. Nothing is
/// lost where they agree: the same value, or a list that contains what was asked for; exactly that,
/// if asking began with a reset.
pub(crate) fn lost<'m>(
    merged: &'m Merged,
    section: &'m str,
    key: &str,
    asked: &[&str],
) -> Option<Loss<'m>> {
    let kind = Kind::of(key);
    let asked = asked.iter().filter_map(|v| kind.canonical(v.as_bytes()));
    let asked: Vec<Vec<u8>> = asked.collect();
    let last = asked.last()?;
    let found = found(merged, section, key, kind);
    let values: Vec<&[u8]> = found.iter().map(|(value, _)| value.as_slice()).collect();
    let is_asked = |value: &[u8]| asked.iter().any(|asked| asked == value);
    let to = |at: usize| {
        found
            .get(at)
            .map_or(Loss::Unread, |(_, found)| Loss::to(*found))
    };
    match kind {
        Kind::Boolean | Kind::Mode | Kind::Words(_) | Kind::Scalar => match values.last() {
            Some(value) if value == last => None,
            Some(_) => Some(to(values.len() - 1)),
            None => Some(Loss::Unread),
        },
        Kind::List | Kind::Dependency | Kind::Environment => {
            let reset = values.iter().rposition(|value| value.is_empty());
            let asked_reset = asked.iter().rposition(Vec::is_empty);
            let start = reset.map_or(0, |at| at + 1);
            let tail = &values[start..];
            let wanted = &asked[asked_reset.map_or(0, |at| at + 1)..];
            if let Some(missing) = wanted.iter().find(|w| !tail.contains(&w.as_slice())) {
                let there = values.contains(&missing.as_slice());
                return Some(reset.filter(|_| there).map_or(Loss::Unread, to));
            }
            if asked_reset.is_none() {
                let others = kind == Kind::Environment;
                return others
                    .then(|| overridden(&values, wanted))
                    .flatten()
                    .map(to);
            }
            if reset.is_none() {
                return values.first().map(|_| to(0));
            }
            let extra = tail.iter().rposition(|v| wanted.iter().all(|w| w != v));
            extra.map(|at| to(start + at))
        }
        Kind::Set | Kind::Unknown => {
            let stranger = |values: &[&[u8]]| values.iter().rposition(|value| !is_asked(value));
            let end = values.len().checked_sub(asked.len());
            let Some(end) = end.filter(|end| values[*end..].iter().eq(&asked)) else {
                let there = values.iter().any(|value| value == last);
                let at = || to(stranger(&values).unwrap_or(values.len() - 1));
                return Some(if there { at() } else { Loss::Unread });
            };
            // An allow-list adds to what stands before it.
            let adds = |first: &Vec<u8>| !first.is_empty() && !first.starts_with(b"~");
            if kind == Kind::Unknown || !asked.first().is_some_and(adds) {
                return None;
            }
            let before = &values[..end];
            let reset = before.iter().rposition(|value| value.is_empty());
            let from = reset.map_or(0, |at| at + 1);
            stranger(&before[from..]).map(|at| to(from + at))
        }
    }
}

/// Returns the valid assignments of a key, in their one form, and empty ones of other keys that
/// reset it too.
fn found<'m>(
    merged: &'m Merged,
    section: &'m str,
    key: &str,
    kind: Kind,
) -> Vec<(Vec<u8>, Found<'m>)> {
    let shared = group(key);
    let shares = |f: &Found<'_>| shared.is_some() && group(&f.key.to_str_lossy()) == shared;
    let found = merged.section(section);
    let found = found.filter(|f| f.key == key || (f.value.is_empty() && shares(f)));
    found
        .filter_map(|f| Some((kind.canonical(f.value)?, f)))
        .collect()
}

/// Returns what settings that share one list have in common: an empty value of any of them resets
/// it.
fn group(key: &str) -> Option<&'static str> {
    const PREFIXES: [&str; 3] = ["Listen", "Condition", "Assert"];
    const LISTS: [&str; 2] = [
        "OnActiveSec OnBootSec OnStartupSec OnUnitActiveSec OnUnitInactiveSec OnCalendar",
        "PathExists PathExistsGlob PathChanged PathModified DirectoryNotEmpty",
    ];
    let prefix = PREFIXES.into_iter().find(|prefix| key.starts_with(prefix));
    let has_key = |list: &&str| list.split(' ').any(|known| known == key);
    prefix.or_else(|| LISTS.into_iter().find(has_key))
}

/// Returns the last assignment after those wanted that sets one of their variables.
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

/// Returns a value as a message can show it.
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
