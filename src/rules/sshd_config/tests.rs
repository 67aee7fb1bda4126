//! The rule on small images.

use crate::recipe::Recipe;
use crate::rules::harness::{check, content_after, open};

const PATH: &str = "/etc/ssh/sshd_config";
const RULE: &str = "[SshdConfig /etc/ssh/sshd_config]\nSet=PermitRootLogin no\nSet=MaxAuthTries 4";

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
    becomes(
        "MaxAuthTries 9\nPermitRootLogin yes\n",
        "MaxAuthTries 4\nPermitRootLogin no\n",
    );
    becomes("", "PermitRootLogin no\nMaxAuthTries 4\n");
    // Of lines for all, only the first counts.
    becomes(
        "PermitRootLogin yes\nPermitRootLogin without-password\nMaxAuthTries 4\n",
        "PermitRootLogin no\nPermitRootLogin without-password\nMaxAuthTries 4\n",
    );
    let blanks = "[SshdConfig /etc/ssh/sshd_config]\nSet=MaxAuthTries \t 4 ";
    let empty = "file etc/ssh/sshd_config\n";
    assert_eq!(content_after(empty, blanks, PATH), "MaxAuthTries 4\n");
    let block = "file etc/ssh/sshd_config eol=no\n| Match all\n|  X y\n";
    assert_eq!(
        content_after(block, RULE, PATH),
        "PermitRootLogin no\nMaxAuthTries 4\nMatch all\n X y"
    );
    let open_end = "file etc/ssh/sshd_config eol=no\n| X y\n";
    assert_eq!(
        content_after(open_end, RULE, PATH),
        "X y\nPermitRootLogin no\nMaxAuthTries 4\n"
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
fn a_limit_loosens_nothing() {
    let rule = "[SshdConfig /etc/ssh/sshd_config]\nSet=MaxAuthTries <=4\nSet=LoginGraceTime <=60";
    for (before, after) in [
        (
            "MaxAuthTries 2\nLoginGraceTime 1m",
            "MaxAuthTries 2\nLoginGraceTime 1m\n",
        ),
        (
            "MaxAuthTries 6\nLoginGraceTime 0",
            "MaxAuthTries 4\nLoginGraceTime 60\n",
        ),
        (
            "MaxAuthTries 0\nLoginGraceTime 60",
            "MaxAuthTries 0\nLoginGraceTime 60\n",
        ),
        ("#", "#\nMaxAuthTries 4\nLoginGraceTime 60\n"),
    ] {
        let image = format!(
            "file etc/ssh/sshd_config\n| {}\n",
            before.replace('\n', "\n| ")
        );
        assert_eq!(content_after(&image, rule, PATH), after);
    }
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
        let sets = section.settings.iter().map(|set| set.value.as_str());
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
        "Set=MaxAuthTries 3\nSet=MaxAuthTries  3",
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
         residual /usr/share/ssh/sshd_config:2: a file yet to come in sshd_config.d/*.conf would override PermitRootLogin\n",
    );
    assert_eq!(
        content_after(image, RULE, PATH),
        "MaxAuthTries 4\nInclude sshd_config.d/*.conf\nPermitRootLogin no\nMatch User x\nInclude /opt/x\n"
    );
}

#[test]
fn patterns_and_quotes_are_read_as_sshd_reads_them() {
    let rule = "[SshdConfig /etc/ssh/sshd_config]\nSet=PermitRootLogin no";
    // What a line and files come to: the file that is changed.
    for (line, files, changed) in [
        (
            "Include \"/etc/ssh/my conf/*\"",
            "file etc/ssh/my\\ conf/s\n| PermitRootLogin yes",
            "/etc/ssh/my conf/s",
        ),
        (
            "Include /etc/ssh/my\\ conf/s",
            "file etc/ssh/my\\ conf/s\n| PermitRootLogin yes",
            "/etc/ssh/my conf/s",
        ),
        (
            "Include /etc/ssh/*/s",
            "file etc/ssh/a/s\n| #\nfile etc/ssh/b/s\n| PermitRootLogin yes",
            "/etc/ssh/b/s",
        ),
        (
            "Include /etc/ssh/*/s",
            "file etc/ssh/b/s\n| #\nfile usr/etc/ssh/a/s\n| PermitRootLogin yes\n\
             file usr/etc/ssh/b/s\n| PermitRootLogin yes",
            "/usr/etc/ssh/a/s",
        ),
        (
            "Include /etc/ssh/l*/s",
            "symlink etc/ssh/l -> real\nfile etc/ssh/real/s\n| PermitRootLogin yes",
            "/etc/ssh/real/s",
        ),
        (
            "Include {a,b} d/**",
            "file etc/ssh/a\n| PermitRootLogin no\nfile etc/ssh/d/e/s\n| PermitRootLogin no",
            PATH,
        ),
        (
            "Include [[:digit:]]*",
            "file etc/ssh/1\n| PermitRootLogin yes",
            "/etc/ssh/1",
        ),
        ("\"PermitRootLogin\" yes", "", PATH),
    ] {
        let config = format!("{line}\nPermitRootLogin yes\n").replace('\n', "\n| ");
        let image = format!(
            "file etc/ssh/sshd_config\n| {}\n{files}\n",
            config.trim_end_matches("\n| ")
        );
        let after = content_after(&image, rule, changed);
        let first = after.lines().find(|line| line.contains("Permit"));
        let first = first.map(|line| line.replace('"', ""));
        assert_eq!(first.as_deref(), Some("PermitRootLogin no"), "{line}");
    }
    becomes(
        "MaxAuthTries 4\n\"Match\" user a\nPermitRootLogin yes\nMatch \"all\"\nPermitRootLogin yes\n",
        "MaxAuthTries 4\n\"Match\" user a\nPermitRootLogin yes\nMatch \"all\"\nPermitRootLogin no\n",
    );
}

#[test]
fn what_says_the_same_or_comes_too_late_is_no_residual() {
    check(
        "file etc/ssh/sshd_config\n| PermitRootLogin no\n| MaxAuthTries 4\n| Include later.d/*.conf\n| Match User a\n| PermitRootLogin no\n",
        RULE,
        "already\n",
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
| ExecStart=/usr/sbin/sshd -D -f /etc/ssh/sshd_config $SSHD_OPTS -oCiphers=x -Df /etc/other -oInclude=/x
file etc/default/ssh
| SSHD_OPTS=-o PermitRootLogin=yes
";
    check(
        image,
        RULE,
        "changed\n  content /usr/share/flatcar/etc/ssh/sshd_config\n  \
         residual /usr/lib/systemd/system/sshd.service:3: starts sshd with -o PermitRootLogin=yes, which wins over /etc/ssh/sshd_config\n  \
         residual /usr/lib/systemd/system/sshd.service:3: starts sshd with -f /etc/other, not with /etc/ssh/sshd_config; the image has no \
         such file, so its values are not known\n  \
         residual /usr/lib/systemd/system/sshd.service:3: starts sshd with -o Include=/x, which wins over /etc/ssh/sshd_config\n",
    );
    let waived =
        format!("{RULE}\n[Waive SshdConfig:PermitRootLogin]\nReason=x\nExpires=2030-01-01");
    check(
        "file etc/ssh/sshd_config\n| MaxAuthTries 4\n| PermitRootLogin yes\n",
        &waived,
        "waived\n",
    );
    check(
        "file etc/ssh/sshd_config\n| MaxAuthTries 4\n| PermitRootLogin no\n",
        &waived,
        "already\n",
    );
    check(
        "file etc/ssh/sshd_config\n| MaxAuthTries 4\n",
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
        (
            "Banner <=4",
            "`<=` is for the numbers of logingracetime, maxauthtries, maxsessions",
        ),
        ("Banner a # b", "Banner needs a value without `#`"),
        ("Banner  ", "Banner needs a value without `#`"),
        (
            "PermitRotLogin no",
            "`PermitRotLogin` is not a keyword of sshd_config, and sshd would not start (did you mean `permitrootlogin`?)",
        ),
        (
            "PermitRootLogin=no",
            "write it as a keyword, a blank and a value (write `PermitRootLogin no`)",
        ),
        (
            "UsePAM maybe",
            "sshd would not start with UsePAM maybe: the value has to be yes or no",
        ),
        (
            "MaxAuthTries <=none",
            "`<=` is for the numbers of logingracetime, maxauthtries, maxsessions",
        ),
    ] {
        let refusal = super::setting(set).unwrap_err();
        let help = refusal.help.map(|help| format!(" ({help})"));
        let said = refusal.message + &help.unwrap_or_default();
        assert_eq!(said, why, "{set}");
    }
}
