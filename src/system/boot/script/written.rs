//! The files that a shell script writes, as far as that can be told without running it.

use std::collections::BTreeMap;

use super::{KEYWORDS, Reader, Runs, UNKNOWN, Word, base, commands, is_assignment};

/// What a script does to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    Writes,
    Removes,
    /// It changes its mode, owner or capabilities.
    Adjusts,
    Unmasks,
}

/// A file that a script changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) line: usize,
    /// An absolute path, or what `systemctl` is given as a unit.
    pub(crate) path: String,
    pub(crate) how: How,
}

/// Commands that stand before the one that counts and take no words of their own.
const BEFORE: [&str; 7] = [
    "busybox", "command", "doas", "exec", "nohup", "sudo", "eval",
];

/// Returns the files that the commands of a script change, whatever the commands depend on. Text of
/// here-documents, wildcards and names that are not known until it runs are left out.
pub(crate) fn written(text: &str) -> Vec<Written> {
    let mut reader = Reader {
        variables: BTreeMap::new(),
        runs: Runs::default(),
        is_unclear: false,
        depth: 1,
    };
    let mut found = Vec::new();
    for command in commands(text) {
        reader.take(&command);
        add(&reader, &command, &mut found);
    }
    found
}

fn add(reader: &Reader, command: &[Word], found: &mut Vec<Written>) {
    let line = command.iter().map(|word| word.line).find(|line| *line > 0);
    let mut see = |path: &str, how: How| {
        let line = line.unwrap_or(1);
        if how == How::Unmasks || (path.starts_with('/') && !path.contains(UNKNOWN)) {
            let path = path.to_owned();
            found.push(Written { line, path, how });
        }
    };
    let (targets, words): (Vec<&Word>, Vec<&Word>) = command.iter().partition(|w| w.is_target);
    for target in targets {
        see(&reader.expand(&target.text), How::Writes);
    }
    let words: Vec<String> = words.iter().map(|word| reader.expand(&word.text)).collect();
    let is_before = |word: &&String| {
        let word = word.as_str();
        KEYWORDS.contains(&word) || BEFORE.contains(&base(word)) || is_assignment(word)
    };
    let words = &words[words.iter().take_while(is_before).count()..];
    let Some((program, rest)) = words.split_first() else {
        return;
    };
    let (options, operands): (Vec<&String>, Vec<&String>) =
        rest.iter().partition(|word| word.starts_with('-'));
    let in_place = || {
        let mut short = options.iter().filter(|option| !option.starts_with("--"));
        short.any(|option| option.contains('i'))
            || options
                .iter()
                .any(|option| option.starts_with("--in-place"))
    };
    match base(program) {
        "tee" | "sponge" | "truncate" | "crudini" => {
            operands.iter().for_each(|path| see(path, How::Writes));
        }
        "sed" | "perl" if in_place() => operands.iter().for_each(|path| see(path, How::Writes)),
        "cp" | "mv" | "install" | "ln" => {
            let Some((to, from)) = operands.split_last() else {
                return;
            };
            see(to, How::Writes);
            for from in from {
                let directory = to.trim_end_matches('/');
                see(&format!("{directory}/{}", base(from)), How::Writes);
                if base(program) == "mv" {
                    see(from, How::Removes);
                }
            }
        }
        "dd" => {
            let to = rest.iter().find_map(|word| word.strip_prefix("of="));
            to.iter().for_each(|path| see(path, How::Writes));
        }
        "rm" | "unlink" => operands.iter().for_each(|path| see(path, How::Removes)),
        "chmod" | "chown" | "chgrp" | "setcap" | "setfacl" => {
            operands.iter().for_each(|path| see(path, How::Adjusts));
        }
        "systemctl" if operands.first().is_some_and(|verb| *verb == "unmask") => {
            let units = operands.iter().skip(1);
            units.for_each(|unit| see(unit, How::Unmasks));
        }
        name if ["sh", "bash", "dash", "ash"].contains(&name) => {
            let is_text = |option: &&String| !option.starts_with("--") && option.ends_with('c');
            if options.iter().any(is_text)
                && let Some(text) = operands.first()
                && reader.depth > 0
            {
                for inner in commands(text) {
                    let mut inside = Reader {
                        variables: reader.variables.clone(),
                        runs: Runs::default(),
                        is_unclear: false,
                        depth: 0,
                    };
                    inside.take(&inner);
                    let at = found.len();
                    add(&inside, &inner, found);
                    let line = line.unwrap_or(1);
                    found[at..]
                        .iter_mut()
                        .for_each(|written| written.line = line);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{How, written};

    #[track_caller]
    fn check(text: &str, want: &str) {
        let found = written(text).into_iter().map(|written| {
            let sign = match written.how {
                How::Writes => '+',
                How::Removes => '-',
                How::Adjusts => '%',
                How::Unmasks => '!',
            };
            format!("{}{sign}{}", written.line, written.path)
        });
        assert_eq!(Vec::from_iter(found).join(" "), want, "{text}");
    }

    #[test]
    fn files_that_commands_write_are_found() {
        check(
            "echo a > /etc/a; echo b >>\"/etc/b\" 2>/dev/null",
            "1+/etc/a 1+/etc/b 1+/dev/null",
        );
        check(
            "#!/bin/sh\n\ncat <<EOF >/etc/a\necho > /etc/b\nEOF\ncat > /etc/c <<'E'\nE\n",
            "3+/etc/a 6+/etc/c",
        );
        check(
            "echo x | sudo tee -a /etc/a /etc/b >/dev/null",
            "1+/dev/null 1+/etc/a 1+/etc/b",
        );
        check(
            "F=/etc/ssh/sshd_config\nsed -i s/no/yes/ $F\nsed s/a/b/ $F",
            "2+/etc/ssh/sshd_config",
        );
        check(
            "if [ -e /a ]; then\n  cp /usr/share/a \\\n   /etc/b\nfi",
            "2+/etc/b 2+/etc/b/a",
        );
        check("mv /etc/a /etc/b/", "1+/etc/b/ 1+/etc/b/a 1-/etc/a");
        check("rm -f /etc/a; chmod u+s /bin/su", "1-/etc/a 1%/bin/su");
        check("systemctl unmask ssh x.socket", "1!ssh 1!x.socket");
        check("sh -c 'echo a > /etc/a'", "1+/etc/a");
        check("echo a > $X/a; echo > a; echo '> /etc/a'; # > /etc/b", "");
    }
}
