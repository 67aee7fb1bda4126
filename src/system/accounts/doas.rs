//! doas: `permit` lines for a user, in doas.conf(5) and in the files that Alpine reads beside it.

use bstr::{BString, ByteSlice};

use super::{Account, number};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};

/// Returns the lines that permit a user something, each with the group for which it does, if it is one. A later line that
/// denies the user everything takes back what those before it in its file permit.
pub(crate) fn permits(
    files: &Files<'_>,
    account: &Account,
) -> Result<Vec<(Place, Option<String>)>, Stop> {
    let mut found = Vec::new();
    for (path, id) in sources(files) {
        let text = files.text(id)?;
        let mut open = Vec::new();
        for (line, words) in rules(&text) {
            let Some(rule) = DoasRule::of(&words).filter(|rule| rule.names(account)) else {
                continue;
            };
            if rule.permits {
                let group = rule.identity.strip_prefix(b":");
                let group = group.map(|group| group.to_str_lossy().into_owned());
                open.push((Place::new(&path, line), group));
            } else if rule.is_whole {
                open.clear();
            }
        }
        found.extend(open);
    }
    Ok(found)
}

/// Returns every rule, with its file and its words with one blank between them.
pub(crate) fn lines(files: &Files<'_>) -> Result<Vec<(String, BString)>, Stop> {
    let mut found = Vec::new();
    for (path, id) in sources(files) {
        let text = files.text(id)?;
        let rules = rules(&text).into_iter();
        found.extend(rules.map(|(_, words)| (path.clone(), bstr::join(b" ", words).into())));
    }
    Ok(found)
}

/// Returns the files that doas reads, in its order.
fn sources(files: &Files<'_>) -> Vec<(String, InodeId)> {
    let mut found = files.etc("/etc/doas.conf");
    found.extend(files.etc_files_in("/etc/doas.d", ".conf"));
    found
}

struct DoasRule<'t> {
    permits: bool,
    identity: &'t [u8],
    /// Whether it is for all commands and all targets.
    is_whole: bool,
}

impl<'t> DoasRule<'t> {
    fn of(words: &'t [BString]) -> Option<Self> {
        let (action, rest) = words.split_first()?;
        let permits = match action.as_slice() {
            b"permit" => true,
            b"deny" => false,
            _ => return None,
        };
        let mut rest = rest.iter();
        loop {
            match rest.next()?.as_slice() {
                b"nopass" | b"nolog" | b"persist" | b"keepenv" => {}
                b"setenv" => {
                    rest.find(|word| *word == "}")?;
                }
                identity => {
                    let is_whole = rest.next().is_none();
                    return Some(Self {
                        permits,
                        identity,
                        is_whole,
                    });
                }
            }
        }
    }

    fn names(&self, account: &Account) -> bool {
        match self.identity.strip_prefix(b":") {
            Some(group) => {
                group
                    .to_str()
                    .is_ok_and(|group| account.groups.contains(group))
                    || number(group).is_some_and(|gid| account.gids.contains(&gid))
            }
            None => {
                self.identity == account.name.as_bytes()
                    || number(self.identity).is_some_and(|uid| account.uids.contains(&uid))
            }
        }
    }
}

/// Returns the words of each rule, with the line on which it starts. Blanks and braces separate them, quotes hold them
/// together, and a backslash takes the next character as it is, or joins two lines.
fn rules(text: &[u8]) -> Vec<(usize, Vec<BString>)> {
    let (mut rules, mut words, mut word) = (Vec::new(), Vec::new(), None::<BString>);
    let (mut line, mut start, mut quoted) = (1, 1, false);
    let mut bytes = text.iter().copied().chain([b'\n']).peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'\n') => line += 1,
                Some(next) => word.get_or_insert_default().push(next),
                None => {}
            },
            b'"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            b'\n' => {
                words.extend(word.take());
                if !words.is_empty() {
                    rules.push((start, std::mem::take(&mut words)));
                }
                line += 1;
                (start, quoted) = (line, false);
            }
            _ if quoted => word.get_or_insert_default().push(byte),
            b' ' | b'\t' => words.extend(word.take()),
            b'{' | b'}' => {
                words.extend(word.take());
                words.push([byte][..].into());
            }
            b'#' => while bytes.next_if(|next| *next != b'\n').is_some() {},
            _ => word.get_or_insert_default().push(byte),
        }
    }
    rules
}
