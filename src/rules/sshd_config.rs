//! `SshdConfig`: what sshd does by its configuration.

use std::collections::BTreeMap;
use std::ops::Range;

use bstr::ByteSlice;

use super::RuleKind;
use super::service::Service;
use crate::edit::{Applied, Draft, Stop, Verdict};
use crate::lowerdir;
use crate::recipe::{ArgumentSchema, Check, KeySchema, OnMissing, RuleSchema, Section, Waivable};
use crate::rootfs::InodeId;
use crate::sshd::{ADDING, Config, KEYWORDS, Scope, Setting, decided, twin};

pub(super) static KIND: RuleKind = RuleKind {
    schema: &SCHEMA,
    apply,
};

static SCHEMA: RuleSchema = RuleSchema {
    kind: "SshdConfig",
    argument: Some(ArgumentSchema {
        name: "PATH",
        check: Check::AbsolutePath,
        about: "sshd's configuration, such as `/etc/ssh/sshd_config`; a symbolic link is followed.",
    }),
    summary: "sshd works with these values",
    about: "The first value that sshd reads for a keyword counts, in the order of lines and of the files that `Include` names. \
        The rule changes the value on that line, wherever it is, and on lines of `Match all` blocks; where no line sets the \
        keyword, one is put before the first `Include` or `Match`. All other bytes stay. Edited are the file that the path \
        leads to, the copies of it from which the booted system fills /etc, and, where the image has no such path, the file \
        that tmpfiles.d links or copies there at boot.\n\n\
        A `Match` block that says something else for some connections, an `Include` with a wildcard whose later files would \
        come first, and units that start sshd with another file or with options for these keywords, are reported as \
        residuals.",
    keys: &[KeySchema {
        name: "Set",
        value: "KEYWORD VALUE",
        check: Check::Assignment(setting),
        list: true,
        required: true,
        about: "A keyword of sshd_config(5) and its value. Keywords that add up, such as `Port` or `AllowUsers`, are refused.",
    }],
    needs_a_key: false,
    open_keys: None,
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    waived: Some(Waivable {
        what: "the keyword",
        example: "PermitRootLogin",
    }),
    example: "[SshdConfig /etc/ssh/sshd_config]\nSet=PermitRootLogin no\nSet=PasswordAuthentication no\n\
        Reason=passwords can be guessed from anywhere\n",
};

fn listed(words: &str, word: &str) -> bool {
    words.split(' ').any(|w| w == word)
}

fn setting(text: &str) -> Result<(String, String), String> {
    let Some((keyword, value)) = text.split_once(' ') else {
        return Err("write it as a keyword, a blank and a value".to_owned());
    };
    let name = keyword.to_ascii_lowercase();
    if listed(ADDING, &name) {
        return Err(format!(
            "lines of {keyword} add up or begin a block, so that no single one decides"
        ));
    }
    if !listed(KEYWORDS, &name) {
        return Err(format!(
            "`{keyword}` is no keyword of sshd_config, and sshd would not start"
        ));
    }
    if value.trim().is_empty() || value.contains(['#', '\0']) {
        return Err(format!("{keyword} needs a value without `#`"));
    }
    Ok((decided(keyword), value.trim().to_owned()))
}

fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    let path = section.argument.as_str();
    let files = lowerdir::booted(draft, path)?;
    if files.is_empty() {
        return Ok(Verdict::Absent(format!(
            "the image has no {path}, nor a file that becomes it at boot"
        )));
    }
    let wanted: Vec<(&str, &str)> = section
        .all("Set")
        .filter_map(|set| set.split_once(' '))
        .map(|(keyword, value)| (keyword, value.trim()))
        .collect();
    for file in &files {
        bring_about(draft, *file, &wanted)?;
    }
    for file in files {
        residuals(draft, &Config::read(draft, file)?, &wanted);
    }
    options(draft, path, &wanted)?;
    Ok(Verdict::Holds)
}

/// A range of a file and what replaces it.
type Edit = (Range<usize>, Vec<u8>);

fn bring_about(draft: &mut Draft<'_>, file: InodeId, wanted: &[(&str, &str)]) -> Result<(), Stop> {
    let config = Config::read(draft, file)?;
    let mut edits: BTreeMap<InodeId, Vec<Edit>> = BTreeMap::new();
    let mut missing = String::new();
    for (keyword, value) in wanted {
        let decide = |keyword: &str| -> Vec<&Setting> {
            let lines = config.of(keyword).map(|(_, setting)| setting);
            let mut lines = lines.filter(|s| !matches!(s.scope, Scope::Match(_)));
            let first = lines.next();
            first
                .into_iter()
                .chain(lines.filter(|s| s.scope == Scope::All))
                .collect()
        };
        let mut wrong = decide(keyword);
        let absent = wrong.is_empty();
        wrong.extend(twin(keyword).into_iter().flat_map(decide));
        wrong.retain(|setting| !setting.is(value));
        if (absent || !wrong.is_empty()) && draft.waived(keyword.as_bytes().as_bstr()) {
            continue;
        }
        if absent {
            missing += &format!("{keyword} {value}\n");
        }
        for setting in wrong {
            let edit = (setting.range.clone(), value.as_bytes().to_vec());
            let edits = edits.entry(setting.file).or_default();
            if !edits.contains(&edit) {
                edits.push(edit);
            }
        }
    }
    if !missing.is_empty() {
        let text = draft.read(file)?;
        let at = config.block.unwrap_or(text.len());
        if at == text.len() && !text.is_empty() && !text.ends_with(b"\n") {
            missing.insert(0, '\n');
        }
        edits
            .entry(file)
            .or_default()
            .push((at..at, missing.into_bytes()));
    }
    for (file, mut edits) in edits {
        let mut text = draft.read(file)?;
        edits.sort_by_key(|(range, _)| range.start);
        for (range, new) in edits.into_iter().rev() {
            text.splice(range, new);
        }
        draft.set_content(file, text);
    }
    Ok(())
}

fn residuals(draft: &mut Draft<'_>, config: &Config, wanted: &[(&str, &str)]) {
    for (keyword, value) in wanted {
        let settings: Vec<_> = config
            .of(keyword)
            .chain(twin(keyword).into_iter().flat_map(|twin| config.of(twin)))
            .collect();
        for (_, setting) in &settings {
            if let Scope::Match(criteria) = &setting.scope
                && !setting.is(value)
            {
                draft.residual(
                    Some(setting.path.as_bytes().as_bstr()),
                    Some(setting.line),
                    format!("`Match {criteria}` sets {keyword} to {}", setting.value),
                );
            }
        }
        let winner = settings.iter().find(|(_, s)| s.scope == Scope::Global);
        let place = winner.map_or(config.settings.len(), |(place, _)| *place);
        for open in config.open.iter().filter(|open| open.after <= place) {
            draft.residual(
                Some(open.path.as_bytes().as_bstr()),
                Some(open.line),
                format!(
                    "files that are yet to come at {} are read before what sets {keyword}",
                    open.pattern
                ),
            );
        }
    }
}

/// Units that hand sshd another configuration, or options which win over it.
fn options(draft: &mut Draft<'_>, path: &str, wanted: &[(&str, &str)]) -> Result<(), Stop> {
    for unit in [
        "ssh.service",
        "ssh@.service",
        "sshd.service",
        "sshd@.service",
    ] {
        let service = Service::read(draft, unit)?;
        let environment = service.environment(draft)?;
        for (file, words) in service.commands(&environment) {
            let mut given = words.into_iter();
            while let Some(word) = given.next() {
                let Some((option, value)) = word.split_at_checked(2) else {
                    continue;
                };
                let value = match (option, value) {
                    ("-o" | "-f", "") => given.next().unwrap_or_default(),
                    ("-o" | "-f", value) => value.to_owned(),
                    _ => continue,
                };
                let keyword = value.split(['=', ' ', '\t']).next().unwrap_or_default();
                let asked = |(set, _): &(&str, &str)| decided(set) == decided(keyword);
                if (option == "-f" && value != path) || (option == "-o" && wanted.iter().any(asked))
                {
                    draft.residual(
                        Some(file.as_bytes().as_bstr()),
                        None,
                        format!("starts sshd with {option} {value}, which wins over {path}"),
                    );
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::recipe::Recipe;
    use crate::rules::harness::{check, content_after, open};

    const PATH: &str = "/etc/ssh/sshd_config";
    const RULE: &str =
        "[SshdConfig /etc/ssh/sshd_config]\nSet=PermitRootLogin no\nSet=MaxAuthTries 4";

    fn becomes(before: &str, after: &str) {
        let lines: String = before.lines().map(|line| format!("| {line}\n")).collect();
        let image = format!("file etc/ssh/sshd_config mode=0600\n{lines}");
        assert_eq!(content_after(&image, RULE, PATH), after, "{before}");
    }

    #[test]
    fn the_line_that_wins_is_changed_or_one_put_where_it_wins() {
        becomes("# c\n", "# c\nPermitRootLogin no\nMaxAuthTries 4\n");
        becomes(
            "MaxAuthTries 4\nPermitRootLogin yes # x\nPermitRootLogin no\n",
            "MaxAuthTries 4\nPermitRootLogin no # x\nPermitRootLogin no\n",
        );
        becomes(
            "permitrootlogin=\"NO\"\nX y\nMatch User a\n  MaxAuthTries 9\n",
            "permitrootlogin=\"NO\"\nX y\nMaxAuthTries 4\nMatch User a\n  MaxAuthTries 9\n",
        );
        becomes(
            "MaxAuthTries 4\nMatch User a\nX y\nMatch all\nPermitRootLogin yes\nMaxAuthTries 9\n",
            "MaxAuthTries 4\nMatch User a\nX y\nMatch all\nPermitRootLogin no\nMaxAuthTries 4\n",
        );
    }

    #[test]
    fn case_counts_but_in_words() {
        let rule = "[SshdConfig /etc/ssh/sshd_config]\nSet=Banner /etc/issue\nSet=LogLevel INFO";
        let image = "file etc/ssh/sshd_config\n| Banner /etc/Issue\n| LogLevel info\n";
        let want = "Banner /etc/issue\nLogLevel info\n";
        assert_eq!(content_after(image, rule, PATH), want);
    }

    #[test]
    fn what_extends_replaces_a_value_and_two_in_one_section_are_a_mistake() {
        let parse = |rule: &str| {
            let text = format!("[Recipe]\nSchema=1\n{rule}");
            Recipe::parse("test", &text).map_err(|e| e.to_string())
        };
        let recipe = parse(
            "Extends=sshd-hardened\n[SshdConfig /etc/ssh/sshd_config]\n\
             Set=permitrootlogin prohibit-password\nSet=KbdInteractiveAuthentication yes\n",
        )
        .unwrap();
        let [section] = recipe.rules() else {
            panic!("{recipe:?}")
        };
        let sets = |start: &str| -> Vec<&str> {
            let sets = section.all("Set");
            sets.filter(|set| set.to_lowercase().starts_with(start))
                .collect()
        };
        assert_eq!(sets("permitroot"), ["permitrootlogin prohibit-password"]);
        assert_eq!(sets("kbd"), ["KbdInteractiveAuthentication yes"]);
        assert_eq!(sets("challenge"), [""; 0]);
        assert_eq!(sets("passwordauth"), ["PasswordAuthentication no"]);
        let image = open("file etc/ssh/sshd_config\n| PermitRootLogin yes\n");
        assert!(!image.plan(&recipe).unwrap().failed());

        for same in [
            "Set=MaxAuthTries 3\nSet=MaxAuthTries 3",
            "Set=UsePAM no\nSet=\nSet=UsePAM yes",
        ] {
            let recipe = parse(&format!("[SshdConfig /a]\n{same}")).unwrap();
            assert_eq!(recipe.rules()[0].settings.len(), 1, "{same}");
        }
        for two in [
            "Set=MaxAuthTries 3\nSet=maxauthtries 4",
            "Set=KbdInteractiveAuthentication no\nSet=ChallengeResponseAuthentication yes",
        ] {
            let why = parse(&format!("[SshdConfig /a]\n{two}")).unwrap_err();
            assert!(why.contains("is given two values"), "{why}");
        }
    }

    #[test]
    fn includes_are_read_where_they_stand() {
        let image = "
symlink etc/ssh/sshd_config -> ../../usr/share/ssh/sshd_config
file usr/share/ssh/sshd_config
| Include sshd_config.d/*.conf
| PermitRootLogin no
| Match User x
| Include /opt/x
file etc/ssh/sshd_config.d/b.conf
| PermitRootLogin yes
file etc/ssh/sshd_config.d/a.conf
| Match User a
| PermitRootLogin yes
file etc/ssh/sshd_config.d/.c.conf
| MaxAuthTries 9
file opt/x
| MaxAuthTries 9
";
        check(
            image,
            RULE,
            "changed\n  content /usr/share/ssh/sshd_config\n  content /etc/ssh/sshd_config.d/b.conf\n  \
             residual /etc/ssh/sshd_config.d/a.conf:2: `Match User a` sets PermitRootLogin to yes\n  \
             residual /opt/x:1: `Match User x` sets MaxAuthTries to 9\n  \
             residual /usr/share/ssh/sshd_config:2: files that are yet to come at sshd_config.d/*.conf are read before what sets PermitRootLogin\n",
        );
        assert_eq!(
            content_after(image, RULE, PATH),
            "MaxAuthTries 4\nInclude sshd_config.d/*.conf\nPermitRootLogin no\nMatch User x\nInclude /opt/x\n"
        );
    }

    #[test]
    fn copies_options_and_waivers() {
        let image = "
file usr/share/flatcar/etc/ssh/sshd_config
| PermitRootLogin yes
| MaxAuthTries 4
file usr/lib/systemd/system/sshd.service
| [Service]
| EnvironmentFile=-/etc/default/ssh
| ExecStart=/usr/sbin/sshd -D -f /etc/ssh/sshd_config $SSHD_OPTS -oCiphers=x -f /etc/other
file etc/default/ssh
| SSHD_OPTS=-o PermitRootLogin=yes
";
        check(
            image,
            RULE,
            "changed\n  content /usr/share/flatcar/etc/ssh/sshd_config\n  \
             residual /usr/lib/systemd/system/sshd.service: starts sshd with -o PermitRootLogin=yes, which wins over /etc/ssh/sshd_config\n  \
             residual /usr/lib/systemd/system/sshd.service: starts sshd with -f /etc/other, which wins over /etc/ssh/sshd_config\n",
        );
        let waived =
            format!("{RULE}\n[Waive SshdConfig:PermitRootLogin]\nReason=x\nExpires=2030-01-01");
        check(
            "file etc/ssh/sshd_config\n| MaxAuthTries 4\n| PermitRootLogin yes\n",
            &waived,
            "waived\n",
        );
        check(
            "dir ./\n",
            RULE,
            "failed: the image has no /etc/ssh/sshd_config, nor a file that becomes it at boot; `OnMissing=skip` or `warn` allows that\n",
        );
        check(
            "file etc/ssh/sshd_config\n| Include sshd_config\n",
            RULE,
            "failed: /etc/ssh/sshd_config is included too deep or too often; sshd would not start\n",
        );
    }

    #[test]
    fn both_names_of_keyboard_authentication_are_set() {
        let rule = "[SshdConfig /etc/ssh/sshd_config]\nSet=KbdInteractiveAuthentication no";
        let image = "file etc/ssh/sshd_config\n| ChallengeResponseAuthentication yes\n";
        let want = "ChallengeResponseAuthentication no\nKbdInteractiveAuthentication no\n";
        assert_eq!(content_after(image, rule, PATH), want);
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        for (set, why) in [
            (
                "PermitRootLogin",
                "write it as a keyword, a blank and a value",
            ),
            (
                "Port 22",
                "lines of Port add up or begin a block, so that no single one decides",
            ),
            (
                "match all",
                "lines of match add up or begin a block, so that no single one decides",
            ),
            ("Banner a # b", "Banner needs a value without `#`"),
            (
                "PermitRotLogin no",
                "`PermitRotLogin` is no keyword of sshd_config, and sshd would not start",
            ),
        ] {
            assert_eq!(super::setting(set), Err(why.to_owned()), "{set}");
        }
    }
}
