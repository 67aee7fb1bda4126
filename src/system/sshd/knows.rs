//! What the sshd of an image knows: it does not start with a keyword or algorithm that its version
//! lacks. The names are in the program as strings.

use crate::error::Stop;
use crate::rootfs::{Files, InodeId};

const PROGRAMS: [&str; 4] = [
    "/usr/sbin/sshd",
    "/sbin/sshd",
    "/usr/bin/sshd",
    "/usr/local/sbin/sshd",
];

/// Keywords whose value is a list of algorithms.
const ALGORITHMS: [&str; 8] = [
    "casignaturealgorithms",
    "ciphers",
    "hostbasedacceptedalgorithms",
    "hostkeyalgorithms",
    "kexalgorithms",
    "macs",
    "pubkeyacceptedalgorithms",
    "pubkeyacceptedkeytypes",
];

/// Keywords of which later versions take more words.
const WORDS: [&str; 3] = ["ignorerhosts", "permitrootlogin", "pubkeyauthoptions"];

/// Returns why the image's sshd would not start with one of some settings, if that is sure. Without an
/// sshd in the image it is not.
pub(crate) fn unknown<'s>(
    files: &Files<'_>,
    settings: impl Iterator<Item = (&'s str, &'s str)>,
) -> Result<Option<String>, Stop> {
    let Some((path, program)) = PROGRAMS.iter().find_map(|path| files.file(path)) else {
        return Ok(None);
    };
    // A program that is packed, or a script that starts it, shows nothing.
    if !knows(files, program, "permitrootlogin")? {
        return Ok(None);
    }
    for (keyword, value) in settings {
        let name = keyword.to_ascii_lowercase();
        let mut needed = vec![name.as_str()];
        let value = value.trim_matches('"');
        let lower = value.to_ascii_lowercase();
        if WORDS.contains(&name.as_str()) {
            needed.extend(lower.split(' '));
        }
        // With a `-` before it, a list takes patterns away, whatever they match.
        if ALGORITHMS.contains(&name.as_str()) && !value.starts_with('-') {
            let list = value.trim_start_matches(['+', '^']).split(',');
            needed.extend(list.filter(|item| !item.contains(['*', '?'])));
        }
        for word in needed {
            if !knows(files, program, word)? {
                let what = if word == name { keyword } else { word };
                return Ok(Some(format!(
                    "{path} of the image does not know {what}, and would not start with it"
                )));
            }
        }
    }
    Ok(None)
}

/// Returns whether a program has a string that ends with a word.
fn knows(files: &Files<'_>, program: InodeId, word: &str) -> Result<bool, Stop> {
    files.contains(program, &[format!("{word}\0").as_bytes()])
}
