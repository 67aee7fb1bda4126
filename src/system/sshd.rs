//! sshd's configuration as sshd reads it: the first value of a keyword wins, includes count where
//! they stand, and what a `Match` block says holds for some connections only (sshd_config(5)).

pub(crate) mod first_boot;
pub(crate) mod knows;
mod line;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::ops::Range;

use bstr::ByteSlice;

use crate::error::{Stop, fail};
use crate::rootfs::Files;
use crate::rootfs::InodeId;
use crate::rootfs::expand::{Effort, escaped, is_pattern};
use crate::rootfs::lowerdir;
use line::{parse, words};

/// As deep as sshd follows includes; beyond that it does not start.
const DEPTH: usize = 16;

/// More files than any configuration includes; a file may be included again and again.
const FILES: usize = 1000;

/// Keywords of which each line counts, and those that are not settings, in lower case with blanks
/// between.
pub(crate) const ADDING: &str = "\
    acceptenv allowgroups allowusers denygroups denyusers hostcertificate hostkey include listenaddress match \
    persourcepenalties port setenv subsystem";

/// Keywords of which the first line counts. With one that it does not know sshd does not start.
pub(crate) const KEYWORDS: &str = "\
    addressfamily allowagentforwarding allowstreamlocalforwarding allowtcpforwarding authenticationmethods \
    authorizedkeyscommand authorizedkeyscommanduser authorizedkeysfile authorizedprincipalscommand \
    authorizedprincipalscommanduser authorizedprincipalsfile banner casignaturealgorithms \
    challengeresponseauthentication channeltimeout chrootdirectory ciphers clientalivecountmax clientaliveinterval \
    compression debianbanner disableforwarding exposeauthinfo fingerprinthash forcecommand gatewayports \
    gssapiauthentication gssapicleanupcredentials gssapikexalgorithms gssapikeyexchange \
    gssapistorecredentialsonrekey gssapistrictacceptorcheck hostbasedacceptedalgorithms hostbasedauthentication \
    hostbasedusesnamefrompacketonly hostkeyagent hostkeyalgorithms ignorerhosts ignoreuserknownhosts ipqos \
    kbdinteractiveauthentication kerberosauthentication kerberosgetafstoken kerberosorlocalpasswd \
    kerberosticketcleanup kexalgorithms logingracetime loglevel logverbose macs maxauthtries maxsessions maxstartups \
    modulifile passwordauthentication permitemptypasswords permitlisten permitopen permitrootlogin permittty \
    permittunnel permituserenvironment permituserrc persourcemaxstartups persourcenetblocksize pidfile printlastlog \
    printmotd pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication pubkeyauthoptions rdomain \
    refuseconnection rekeylimit requiredrsasize revokedkeys securitykeyprovider streamlocalbindmask \
    streamlocalbindunlink strictmodes syslogfacility tcpkeepalive trustedusercakeys unusedconnectiontimeout usedns \
    usepam useprivilegeseparation versionaddendum x11displayoffset x11forwarding x11uselocalhost xauthlocation";

/// What a configuration file and all that it includes say, in the order in which sshd reads it.
#[derive(Default)]
pub(crate) struct Config {
    pub(crate) settings: Vec<Setting>,
    /// Includes outside of `Match` with a wildcard: files may come that they stand for.
    pub(crate) open: Vec<Open>,
    /// Where the first `Include` or `Match` line of the file itself starts.
    pub(crate) block: Option<usize>,
    files: usize,
    effort: Effort,
}

/// A keyword with its value.
pub(crate) struct Setting {
    pub(crate) file: InodeId,
    pub(crate) path: String,
    pub(crate) line: usize,
    /// In lower case, an old name replaced by today's.
    pub(crate) keyword: String,
    /// As [`plain`] gives it.
    pub(crate) value: String,
    /// Where the value is in the file.
    pub(crate) range: Range<usize>,
    pub(crate) scope: Scope,
}

/// For which connections a setting holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All, unless a `Match` block says something else.
    Global,
    /// All, before what is global: it is in a `Match all` block.
    All,
    /// Those that fit; the criteria as they are written.
    Match(String),
}

/// An include that files may be added to.
pub(crate) struct Open {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) pattern: String,
    /// How many settings stand before it.
    pub(crate) after: usize,
}

impl Config {
    /// Reads a file and what it includes.
    pub(crate) fn read(files: &Files<'_>, file: InodeId) -> Result<Self, Stop> {
        let mut config = Self::default();
        config.add(files, file, &Scope::Global, 0)?;
        Ok(config)
    }

    /// Returns the settings of a keyword, in order.
    pub(crate) fn of<'a>(&'a self, keyword: &str) -> impl Iterator<Item = (usize, &'a Setting)> {
        let keyword = canonical(keyword.as_bytes());
        let settings = self.settings.iter().enumerate();
        settings.filter(move |(_, setting)| setting.keyword == keyword)
    }

    fn add(
        &mut self,
        files: &Files<'_>,
        file: InodeId,
        within: &Scope,
        depth: usize,
    ) -> Result<(), Stop> {
        let path = files.rootfs().path(file).to_string();
        self.files += 1;
        if depth > DEPTH || self.files > FILES {
            return fail(format!(
                "{path} is included too deep or too often; sshd would not start"
            ));
        }
        let text = files.text(file)?;
        let (mut scope, mut at) = (within.clone(), 0);
        for (number, line) in (1..).zip(text.lines_with_terminator()) {
            let start = at;
            at += line.len();
            let Some((keyword, range)) = parse(line) else {
                continue;
            };
            let keyword = canonical(&keyword);
            let written = &line[range.clone()];
            if depth == 0 && matches!(&*keyword, "include" | "match") {
                self.block.get_or_insert(start);
            }
            match &*keyword {
                "match" => scope = matching(within, written),
                "include" => {
                    for pattern in words(written).0 {
                        if scope == Scope::Global && is_pattern(&pattern) {
                            self.open.push(Open {
                                path: path.clone(),
                                line: number,
                                pattern: pattern.to_str_lossy().into_owned(),
                                after: self.settings.len(),
                            });
                        }
                        let Some(found) = included(files, &pattern, &mut self.effort) else {
                            return fail(format!(
                                "{path}:{number} includes by a pattern that stands for too much"
                            ));
                        };
                        for file in found {
                            self.add(files, file, &scope, depth + 1)?;
                        }
                    }
                }
                _ => self.settings.push(Setting {
                    file,
                    path: path.clone(),
                    line: number,
                    value: plain(written),
                    keyword,
                    range: start + range.start..start + range.end,
                    scope: scope.clone(),
                }),
            }
        }
        Ok(())
    }
}

/// Returns the scope that a `Match` line begins, in a file included within another.
fn matching(within: &Scope, criteria: &[u8]) -> Scope {
    let text = criteria.to_str_lossy().into_owned();
    let all = matches!(&*words(criteria).0, [word] if word.eq_ignore_ascii_case(b"all"));
    match within {
        Scope::Match(outer) => Scope::Match(format!("{outer}, {text}")),
        _ if all => Scope::All,
        _ => Scope::Match(text),
    }
}

/// Returns the files that an `Include` stands for, in sshd's order, as it would be on the booted
/// system: a copy of /etc adds those that /etc itself does not have. None where the pattern stands
/// for too much.
fn included(files: &Files<'_>, pattern: &[u8], effort: &mut Effort) -> Option<Vec<InodeId>> {
    let rootfs = files.rootfs();
    let pattern = match pattern {
        [b'/', ..] => pattern.to_vec(),
        _ => [b"/etc/ssh/", pattern].concat(),
    };
    // The glob(3) that OpenSSH brings along takes these for plain bytes: `[^x]` is `^` or `x`.
    let pattern = pattern
        .replace("[^", "[\\^")
        .replace("[.", "[\\.")
        .replace("[=", "[\\=");
    let mut found = BTreeMap::new();
    for path in rootfs.expand(&pattern, effort)? {
        found.insert(path.clone(), path);
    }
    if let Some(rest) = pattern.strip_prefix(b"/etc/") {
        for copy in lowerdir::directories(rootfs) {
            let pattern = [&escaped(copy.as_bytes()), &b"/"[..], rest].concat();
            for path in rootfs.expand(&pattern, effort)? {
                let at = [b"/etc", &path[copy.len()..]].concat();
                found.entry(at.into()).or_insert(path);
            }
        }
    }
    let files = found.into_values().filter_map(|path| rootfs.open(&path));
    Some(files.filter(|id| rootfs.inode(*id).is_file()).collect())
}

/// Returns a value in one form: words without quotes, one blank between them.
pub(crate) fn plain(value: &[u8]) -> String {
    bstr::join(" ", words(value).0).to_str_lossy().into_owned()
}

/// Words that sshd takes in any case, where it takes them at all. Paths, names, commands and
/// algorithms are not.
const WORDS: &str = "\
    all any clientspecified debug debug1 debug2 debug3 delayed error fatal forced-commands-only inet inet6 info local no \
    prohibit-password quiet remote shosts-only verbose without-password yes";

/// Keywords of which a lower value is the tighter one.
pub(crate) const LIMITS: &str = "logingracetime maxauthtries maxsessions";

/// Returns a number, or a time in seconds (sshd_config(5), TIME FORMATS).
pub(crate) fn number(text: &str) -> Option<u64> {
    let (mut sum, mut digits) = (0_u64, String::new());
    for c in text.chars() {
        let unit = match c.to_ascii_lowercase() {
            '0'..='9' => {
                digits.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return None,
        };
        let amount: u64 = std::mem::take(&mut digits).parse().ok()?;
        sum = sum.checked_add(amount.checked_mul(unit)?)?;
    }
    if digits.is_empty() {
        return (!text.is_empty()).then_some(sum);
    }
    sum.checked_add(digits.parse().ok()?)
}

impl Setting {
    /// Returns whether the value is a limit as tight as another. A time of 0 means that there is
    /// none.
    pub(crate) fn is_at_most(&self, limit: &str) -> bool {
        let value = number(&self.value);
        let value = value.filter(|value| *value > 0 || self.keyword != "logingracetime");
        value.is_some_and(|value| number(limit).is_some_and(|limit| value <= limit))
    }

    /// Returns whether sshd takes the value for the same as another.
    pub(crate) fn is(&self, other: &str) -> bool {
        let other = plain(other.as_bytes());
        let is_word = || {
            WORDS
                .split(' ')
                .any(|word| other.eq_ignore_ascii_case(word))
        };
        self.value == other || (self.value.eq_ignore_ascii_case(&other) && is_word())
    }
}

/// Returns the keyword that decides the same where it is given. Before version 8.7 of OpenSSH,
/// `ChallengeResponseAuthentication` was a setting of its own, on by default, that turned the other
/// on; since then it is an alias.
pub(crate) fn twin(keyword: &str) -> Option<&'static str> {
    match &*canonical(keyword.as_bytes()) {
        "challengeresponseauthentication" => Some("kbdinteractiveauthentication"),
        "kbdinteractiveauthentication" => Some("challengeresponseauthentication"),
        _ => None,
    }
}

/// Returns what a keyword decides, by the same name for keywords that decide the same.
pub(crate) fn decided(keyword: &str) -> String {
    match canonical(keyword.as_bytes()) {
        old if old == "challengeresponseauthentication" => "kbdinteractiveauthentication".into(),
        keyword => keyword,
    }
}

/// Returns a keyword in lower case; an alias by the name that it stands for.
fn canonical(keyword: &[u8]) -> String {
    let keyword = keyword.to_str_lossy().to_lowercase();
    let known = match &*keyword {
        "skeyauthentication" => "challengeresponseauthentication",
        "dsaauthentication" => "pubkeyauthentication",
        "keepalive" => "tcpkeepalive",
        "pubkeyacceptedkeytypes" => "pubkeyacceptedalgorithms",
        "hostbasedacceptedkeytypes" => "hostbasedacceptedalgorithms",
        _ => return keyword,
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_one_form() {
        for (text, want) in [
            ("60", Some(60)),
            ("1m30", Some(90)),
            ("1H2m", Some(3720)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(number(text), want, "{text}");
        }
        assert_eq!(plain(b"\"No\"  'b'"), "No b");
    }
}
