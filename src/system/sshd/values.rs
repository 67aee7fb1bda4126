//! What sshd takes as a value: with another one it does not start (servconf.c of OpenSSH).

use super::{canonical, number, plain};

/// Keywords that are on or off.
const FLAGS: &str = "\
    allowagentforwarding challengeresponseauthentication debianbanner disableforwarding exposeauthinfo \
    gssapiauthentication gssapicleanupcredentials gssapikeyexchange gssapistorecredentialsonrekey \
    gssapistrictacceptorcheck hostbasedauthentication hostbasedusesnamefrompacketonly ignoreuserknownhosts \
    kbdinteractiveauthentication kerberosauthentication kerberosgetafstoken kerberosorlocalpasswd \
    kerberosticketcleanup passwordauthentication permitemptypasswords permittty permituserrc printlastlog printmotd \
    pubkeyauthentication refuseconnection streamlocalbindunlink strictmodes tcpkeepalive usedns usepam \
    x11forwarding x11uselocalhost";

/// Keywords that take one of a few words, in any case.
const WORDS: [(&str, &str); 12] = [
    ("addressfamily", "any inet inet6"),
    ("allowstreamlocalforwarding", "yes all no remote local"),
    ("allowtcpforwarding", "yes all no remote local"),
    ("compression", "yes delayed no"),
    ("fingerprinthash", "md5 sha1 sha256 sha384 sha512"),
    ("gatewayports", "yes clientspecified no"),
    ("ignorerhosts", "yes no shosts-only"),
    (
        "loglevel",
        "quiet fatal error info verbose debug debug1 debug2 debug3",
    ),
    (
        "permitrootlogin",
        "yes no prohibit-password without-password forced-commands-only",
    ),
    ("permittunnel", "yes no point-to-point ethernet"),
    (
        "syslogfacility",
        "daemon user auth authpriv local0 local1 local2 local3 local4 local5 local6 local7",
    ),
    ("pubkeyauthoptions", "none touch-required verify-required"),
];

/// Keywords that take a whole number.
const NUMBERS: &str =
    "clientalivecountmax maxauthtries maxsessions requiredrsasize x11displayoffset";

/// Keywords that take a time in seconds, or with units.
const TIMES: &str = "clientaliveinterval logingracetime";

fn has(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
}

/// Returns why sshd would not start with a value, if that is sure.
pub(crate) fn refused(keyword: &str, value: &str) -> Option<String> {
    let value = plain(value.as_bytes());
    let expected = expected(&canonical(keyword.as_bytes()), &value)?;
    Some(format!(
        "sshd would not start with {keyword} {value}: the value has to be {expected}"
    ))
}

/// Returns what the value of a keyword has to be, where this one is not that.
fn expected(name: &str, value: &str) -> Option<String> {
    let lower = value.to_ascii_lowercase();
    let is_number = || value.bytes().all(|b| b.is_ascii_digit()) && value.parse::<i32>().is_ok();
    let is_time = || number(value).is_some_and(|seconds| i32::try_from(seconds).is_ok());
    let is_mode = || u32::from_str_radix(value, 8).is_ok_and(|mode| mode <= 0o777);
    let (is_good, expected) = match name {
        _ if has(FLAGS, name) => (has("yes no", &lower), "yes or no"),
        _ if has(NUMBERS, name) => (is_number(), "a whole number"),
        _ if has(TIMES, name) => (is_time(), "a time, such as 60 or 2m"),
        "unusedconnectiontimeout" => (
            lower == "none" || is_time(),
            "a time, such as 60 or 2m, or none",
        ),
        "streamlocalbindmask" => (is_mode(), "an octal mode up to 0777"),
        "maxstartups" => (
            is_startups(value),
            "a number, or START:RATE:FULL with a RATE up to 100 and a START up to FULL",
        ),
        "persourcemaxstartups" => (lower == "none" || is_number(), "a whole number or none"),
        "authenticationmethods" => (
            value == "any" || value.split([' ', ',']).all(is_method),
            "any, or lists of publickey, password, keyboard-interactive, hostbased, gssapi-with-mic",
        ),
        _ => {
            let (_, words) = WORDS.iter().find(|(known, _)| *known == name)?;
            let mut given = lower.split(' ');
            let is_one = given.clone().count() == 1 || name == "pubkeyauthoptions";
            let known = is_one && given.all(|word| has(words, word));
            return (!known).then(|| format!("one of {}", words.replace(' ', ", ")));
        }
    };
    (!is_good).then(|| expected.to_owned())
}

fn is_method(word: &str) -> bool {
    let (method, device) = word.split_once(':').unwrap_or((word, ""));
    match method {
        "publickey" | "password" | "hostbased" | "gssapi-with-mic" | "gssapi-keyex" => {
            device.is_empty()
        }
        "keyboard-interactive" => true,
        _ => false,
    }
}

fn is_startups(value: &str) -> bool {
    let parts: Option<Vec<i32>> = value.split(':').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([number]) => *number > 0,
        Some([start, rate, full]) => *start > 0 && start <= full && (1..=100).contains(rate),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::sshd::KEYWORDS;

    #[test]
    fn each_keyword_of_the_table_is_one_of_sshds() {
        let words = WORDS.iter().map(|(keyword, _)| *keyword);
        for keyword in FLAGS
            .split(' ')
            .chain(words)
            .chain(NUMBERS.split(' '))
            .chain(TIMES.split(' '))
        {
            assert!(has(KEYWORDS, keyword), "{keyword}");
        }
    }
}
