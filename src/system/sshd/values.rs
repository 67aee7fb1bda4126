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
const WORDS: [(&str, &str); 11] = [
    ("addressfamily", "any inet inet6"),
    ("allowstreamlocalforwarding", "yes all no remote local"),
    ("allowtcpforwarding", "yes all no remote local"),
    ("compression", "yes delayed no"),
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
    let name = canonical(keyword.as_bytes());
    let value = plain(value.as_bytes());
    let lower = value.to_ascii_lowercase();
    let because = |what: &str| {
        Some(format!(
            "sshd would not start with {keyword} {value}: the value is {what}"
        ))
    };
    if has(FLAGS, &name) && !has("yes no", &lower) {
        return because("yes or no");
    }
    if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == name) {
        let several = name == "pubkeyauthoptions";
        let mut given = lower.split(' ');
        let count = given.clone().count();
        if !given.all(|word| has(words, word)) || (count > 1 && !several) {
            return because(&format!("one of {}", words.replace(' ', ", ")));
        }
    }
    if has(NUMBERS, &name) {
        let is_number = value.bytes().all(|b| b.is_ascii_digit()) && value.parse::<i32>().is_ok();
        return (!is_number).then(|| because("a whole number")).flatten();
    }
    if has(TIMES, &name) && number(&value).is_none_or(|seconds| i32::try_from(seconds).is_err()) {
        return because("a time, such as 60 or 2m");
    }
    if name == "unusedconnectiontimeout" && lower != "none" && number(&value).is_none() {
        return because("a time, such as 60 or 2m, or none");
    }
    if name == "streamlocalbindmask" {
        let octal = u32::from_str_radix(&value, 8).is_ok_and(|mode| mode <= 0o777);
        return (!octal)
            .then(|| because("an octal mode up to 0777"))
            .flatten();
    }
    if name == "maxstartups" {
        return (!is_startups(&value))
            .then(|| {
                because("a number, or START:RATE:FULL with a RATE up to 100 and START up to FULL")
            })
            .flatten();
    }
    if name == "persourcemaxstartups" && lower != "none" && value.parse::<i32>().is_err() {
        return because("a whole number or none");
    }
    None
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
