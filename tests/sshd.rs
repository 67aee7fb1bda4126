//! `SshdConfig`, judged by sshd.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use casehard::{OpenOptions, Recipe};

mod support;

use support::rootfs::{Dice, Files, LINK, archive, file, harden, text, unpack};
use support::tools::{self, RealTest, SSH_KEYGEN, SSHD, UNSHARE};

/// What a keyword comes to, for a connection that no `Match` block means and for one of the user `bob`.
type Effective = [BTreeMap<String, String>; 2];

const ASKED: [(&str, &str); 4] = [
    ("PermitRootLogin", "no"),
    ("MaxAuthTries", "4"),
    ("X11Forwarding", "no"),
    ("KbdInteractiveAuthentication", "no"),
];

fn main() -> ExitCode {
    tools::main_if(
        tools::own_mounts,
        &[
            RealTest {
                name: "sshd_works_with_what_was_asked",
                needs: &[SSHD, SSH_KEYGEN, UNSHARE],
                run: sshd_works_with_what_was_asked,
            },
            RealTest {
                name: "sshd_accepts_the_shipped_recipe",
                needs: &[SSHD, SSH_KEYGEN, UNSHARE],
                run: sshd_accepts_the_shipped_recipe,
            },
            RealTest {
                name: "sshd_takes_old_names_for_the_same",
                needs: &[SSHD, SSH_KEYGEN, UNSHARE],
                run: sshd_takes_old_names_for_the_same,
            },
            RealTest {
                name: "values_are_refused_that_keep_sshd_from_starting",
                needs: &[SSHD, SSH_KEYGEN, UNSHARE],
                run: values_are_refused_that_keep_sshd_from_starting,
            },
            RealTest {
                name: "what_the_images_sshd_does_not_know_fails",
                needs: &[SSHD, SSH_KEYGEN, UNSHARE],
                run: what_the_images_sshd_does_not_know_fails,
            },
            RealTest {
                name: "sshd_reads_patterns_and_quotes_alike",
                needs: &[SSHD, SSH_KEYGEN, UNSHARE],
                run: sshd_reads_patterns_and_quotes_alike,
            },
        ],
    )
}

fn rule() -> String {
    let sets = ASKED
        .iter()
        .map(|(keyword, value)| format!("\nSet={keyword} {value}"));
    format!(
        "[SshdConfig /etc/ssh/sshd_config]{}",
        sets.collect::<String>()
    )
}

/// Lines of a configuration that sets some of what is asked for, in all the ways there are.
fn lines(dice: &mut Dice, includes: &[&str]) -> String {
    const LINES: &[&str] = &[
        "PermitRootLogin yes",
        "permitrootlogin=prohibit-password # why",
        "PermitRootLogin \"no\"",
        "  MaxAuthTries 6",
        "MaxAuthTries = 2",
        "X11Forwarding yes",
        "\tX11Forwarding\tno",
        "#PermitRootLogin yes",
        "ChallengeResponseAuthentication yes",
        "KbdInteractiveAuthentication yes",
        "LogLevel INFO",
        "",
        "# Match all",
        "Match user bob",
        "Match user carol,bob",
        "Match all",
        "Match address 192.0.2.0/24",
    ];
    let mut text = String::new();
    for _ in 0..dice.roll(9) {
        text += if dice.roll(5) == 0 && !includes.is_empty() {
            dice.pick(includes)
        } else {
            dice.pick(LINES)
        };
        text += dice.pick(&["\n", "\n", "\r\n"]);
    }
    text += dice.pick(&["", "X11DisplayOffset 12"]);
    text
}

fn sshd_works_with_what_was_asked() {
    let (mut changed, mut matched) = (0, 0);
    for seed in 0..70 {
        let mut dice = Dice::new(seed);
        let includes = [
            "Include sshd_config.d/*.conf",
            "Include /etc/ssh/more sshd_config.d/a.conf",
            "Include absent",
        ];
        let files = Files::from([
            file("etc/ssh/sshd_config", lines(&mut dice, &includes)),
            file("etc/ssh/sshd_config.d/a.conf", lines(&mut dice, &[])),
            file(
                "etc/ssh/sshd_config.d/b.conf",
                lines(&mut dice, &["Include /etc/ssh/more"]),
            ),
            file("etc/ssh/sshd_config.d/b.conf.off", "PermitRootLogin yes\n"),
            file("etc/ssh/more", lines(&mut dice, &[])),
        ]);
        let Ok(before) = effective(&files) else {
            continue;
        };
        let hardened = harden(&files, &rule());
        let texts: String = hardened
            .files
            .keys()
            .map(|path| {
                format!(
                    "== {path}\n{}--- now\n{}",
                    text(&files, path),
                    text(&hardened.files, path)
                )
            })
            .collect();
        let after =
            effective(&hardened.files).unwrap_or_else(|why| panic!("seed {seed}: {why}\n{texts}"));
        for (keyword, value) in ASKED {
            let name = keyword.to_lowercase();
            assert_eq!(after[0][&name], value, "{keyword} of seed {seed}\n{texts}");
            // A connection that differs is one that a residual speaks of.
            if after[1][&name] != value {
                matched += 1;
                let said = hardened
                    .residuals
                    .iter()
                    .any(|r| r.contains("Match user") && r.contains(keyword));
                assert!(
                    said,
                    "{keyword} of seed {seed}: {:?}\n{texts}",
                    hardened.residuals
                );
            }
        }
        let others = |of: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let mut of = of.clone();
            of.retain(|name, _| {
                !ASKED
                    .iter()
                    .any(|(keyword, _)| keyword.to_lowercase() == *name)
            });
            of
        };
        assert_eq!(
            others(&before[0]),
            others(&after[0]),
            "other settings of seed {seed}\n{texts}"
        );
        changed += usize::from(before[0] != after[0]);
    }
    assert!(
        changed > 30 && matched > 5,
        "{changed} changed, {matched} matched"
    );
}

fn sshd_accepts_the_shipped_recipe() {
    let shipped = Recipe::SHIPPED
        .iter()
        .find(|s| s.name == "sshd-hardened")
        .unwrap();
    let rules = &shipped.text[shipped.text.find("[SshdConfig").unwrap()..];
    for config in [
        "",
        "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\nX11Forwarding yes\nSubsystem sftp internal-sftp\n",
    ] {
        let files = Files::from([file("etc/ssh/sshd_config", config)]);
        let [global, _] = effective(&harden(&files, rules).files).unwrap();
        for set in rules.lines().filter_map(|line| line.strip_prefix("Set=")) {
            let (keyword, value) = set.split_once(' ').unwrap();
            if keyword != "ChallengeResponseAuthentication" {
                let value = value.trim_start_matches("<=");
                assert_eq!(global[&keyword.to_lowercase()], value, "{keyword}");
            }
        }
    }
}

fn values_are_refused_that_keep_sshd_from_starting() {
    for settings in [
        "PermitRootLogin yes|YES|no|prohibit-password|without-password|forced-commands-only|nope|true|yes no",
        "PasswordAuthentication yes|No|true|1|\"no\"",
        "UsePAM yes|x",
        "TCPKeepAlive yes|x",
        "AddressFamily inet|inet6|any|ipv4",
        "AllowTcpForwarding yes|all|no|remote|local|maybe",
        "Compression yes|delayed|no|zlib",
        "GatewayPorts clientspecified|x",
        "IgnoreRhosts shosts-only|x",
        "LogLevel QUIET|info|debug3|loud",
        "PermitTunnel ethernet|point-to-point|x",
        "PubkeyAuthOptions none|touch-required|touch-required verify-required|x",
        "SyslogFacility AUTHPRIV|local7|local8",
        "LoginGraceTime 0|60|1m30|m|-1|none|3000000000",
        "ClientAliveInterval 5m|x",
        "ClientAliveCountMax 0|-1|x|99999999999",
        "MaxAuthTries 4|4x",
        "MaxStartups 10|10:30:100|0|10:30|10:300:100|100:30:10|x",
        "PerSourceMaxStartups none|5|x",
        "StreamLocalBindMask 0777|177|9|01777",
        "UnusedConnectionTimeout none|5m|x",
        "FingerprintHash sha256|md5|sha512|SHA1|sha3|x",
        "AuthenticationMethods any|publickey,password|publickey password|keyboard-interactive:pam|pubkey|publickey;password",
        "PermitUserEnvironment yes|LANG,LC_*",
        "Banner none|/etc/issue",
        "PermitRootLogn yes",
    ] {
        let (keyword, values) = settings.split_once(' ').unwrap();
        for value in values.split('|') {
            let config = format!("{keyword} {value}\n");
            let starts = effective(&Files::from([file("etc/ssh/sshd_config", config)]));
            let recipe = format!(
                "[Recipe]\nSchema=1\n[SshdConfig /etc/ssh/sshd_config]\nSet={keyword} {value}\n"
            );
            let taken = Recipe::parse("test", &recipe);
            assert_eq!(
                taken.is_ok(),
                starts.is_ok(),
                "{keyword} {value}: {starts:?}"
            );
        }
    }
}

fn what_the_images_sshd_does_not_know_fails() {
    let program = fs::read(SSHD.find().unwrap()).unwrap();
    let mut refused = 0;
    for settings in [
        "PermitRootLogin no|prohibit-password",
        "DebianBanner no",
        "RefuseConnection yes",
        "RequiredRSASize 2048",
        "UnusedConnectionTimeout 5m",
        "UsePAM yes",
        "KbdInteractiveAuthentication no",
        "GSSAPIKeyExchange no",
        "PubkeyAuthOptions verify-required|none",
        "Ciphers aes256-ctr|+aes128-cbc|aes256-ctr,aes999-ctr|-aes*|chacha20-poly1305|AES256-CTR",
        "KexAlgorithms curve25519-sha256|mlkem768x25519-sha256|^sntrup761x25519-sha512@openssh.com|-none-such",
        "MACs hmac-sha2-256-etm@openssh.com|hmac-x,hmac-sha2-256",
        "HostKeyAlgorithms ssh-ed25519|rsa-sha2-512,ssh-x|ssh-*",
        "PubkeyAcceptedAlgorithms +ssh-rsa|webauthn-sk-ecdsa-sha2-nistp256@openssh.com|ecdsa-sha2",
        "CASignatureAlgorithms ssh-ed25519",
    ] {
        let (keyword, values) = settings.split_once(' ').unwrap();
        for value in values.split('|') {
            let setting = format!("{keyword} {value}");
            let config = file("etc/ssh/sshd_config", format!("{setting}\n"));
            let starts = effective(&Files::from([config]));
            let mut image = Files::from([file("etc/ssh/sshd_config", "")]);
            image.insert("usr/sbin/sshd".to_owned(), (0o755, program.clone()));
            let image = OpenOptions::new().read("test.tar", &archive(&image)[..]);
            let recipe =
                format!("[Recipe]\nSchema=1\n[SshdConfig /etc/ssh/sshd_config]\nSet={setting}\n");
            let (image, recipe) = (image.unwrap(), Recipe::parse("test", &recipe).unwrap());
            let failed = image.plan(&recipe).unwrap().failed();
            assert_eq!(failed, starts.is_err(), "{setting}: {starts:?}");
            refused += usize::from(failed);
        }
    }
    assert!(refused > 4, "{refused}");
}

fn sshd_takes_old_names_for_the_same() {
    for (old, keyword, value) in [
        (
            "SkeyAuthentication yes",
            "KbdInteractiveAuthentication",
            "no",
        ),
        ("DSAAuthentication yes", "PubkeyAuthentication", "no"),
        ("KeepAlive yes", "TCPKeepAlive", "no"),
        (
            "PubkeyAcceptedKeyTypes ssh-ed25519",
            "PubkeyAcceptedAlgorithms",
            "rsa-sha2-512",
        ),
        (
            "HostbasedAcceptedKeyTypes ssh-ed25519",
            "HostbasedAcceptedAlgorithms",
            "rsa-sha2-512",
        ),
    ] {
        let files = Files::from([file("etc/ssh/sshd_config", format!("{old}\n"))]);
        let rule = format!("[SshdConfig /etc/ssh/sshd_config]\nSet={keyword} {value}");
        let [global, _] = effective(&harden(&files, &rule).files).unwrap();
        assert_eq!(global[&keyword.to_lowercase()], value, "after {old}");
    }
}

/// What a line before the one that says no does, by the files that it may include: what sshd says before and after.
fn sshd_reads_patterns_and_quotes_alike() {
    const YES: &str = "PermitRootLogin yes\n";
    let mut won = 0;
    for (line, more) in [
        (
            "Include \"/etc/ssh/my conf/*.conf\"",
            &["my conf/s.conf"][..],
        ),
        ("Include '/etc/ssh/my conf/s.conf'", &["my conf/s.conf"]),
        ("Include /etc/ssh/my\\ conf/s.conf", &["my conf/s.conf"]),
        (
            "Include nothing \"my conf\"/s.conf # c",
            &["my conf/s.conf"],
        ),
        ("Include /etc/ssh/*/s.conf", &["b/s.conf"]),
        ("Include /etc/ssh/l*/x.conf", &["real/x.conf"]),
        ("Include lnk/x.conf", &["real/x.conf"]),
        ("Include d/{a,b}.conf", &["d/a.conf", "d/b.conf"]),
        ("Include d/{a,b}.conf", &["d/{a,b}.conf"]),
        ("Include d/**", &["d/a/s.conf"]),
        ("Include d/**", &["d/s.conf"]),
        ("Include d/**/s.conf", &["d/a/s.conf"]),
        ("Include d/**/s.conf", &["d/s.conf"]),
        ("Include d/[[:digit:]]*.conf", &["d/1.conf"]),
        ("Include d/[![:digit:]]*.conf", &["d/1.conf"]),
        ("Include d/[!x]*.conf", &["d/a.conf"]),
        ("Include d/[^x]*.conf", &["d/x.conf"]),
        ("Include d/[^x]*.conf", &["d/a.conf"]),
        ("Include d/[[.a.]b]*.conf", &["d/a.conf", "d/b.conf"]),
        ("Include d/[[=a=]b]*.conf", &["d/[b].conf"]),
        ("Include d/[[:none:]a]*.conf", &["d/a.conf"]),
        ("Include d/[[:alpha:]-a]*.conf", &["d/-.conf"]),
        ("Include d/[b-]*.conf", &["d/-.conf"]),
        ("Include d/[x\\]]*.conf", &["d/].conf"]),
        ("Include d/[!]x]*.conf", &["d/].conf"]),
        ("Include d/[!]x]*.conf", &["d/a.conf"]),
        ("Include d/[^x]*.conf", &["d/.conf"]),
        ("Include d/*.conf", &["d/.x.conf", "d/..x.conf"]),
        ("Include d/.*.conf", &["d/.x.conf"]),
        ("Include */s.conf", &[".d/s.conf"]),
        ("Include .*/s.conf", &["s.conf"]),
        ("Include d/\\*.conf", &["d/x.conf"]),
        ("Include d/\\*.conf", &["d/*.conf"]),
        ("Include d/[a.conf", &["d/[a.conf"]),
        ("Include d/[]a].conf", &["d/].conf"]),
        ("Include ./d//*.conf ../ssh/e/*", &["d/x.conf"]),
        ("Include \"d/*.conf", &["d/x.conf"]),
        ("\"PermitRootLogin\" yes", &[]),
        ("Permit\"RootLogin\"yes", &[]),
        ("PermitRootLogin 'yes'", &[]),
        (
            "\"Match\" user bob\nPermitRootLogin yes\nMatch \"all\"",
            &[],
        ),
        ("Match \"all\"\nPermitRootLogin yes", &[]),
    ] {
        let config = format!("{line}\nPermitRootLogin no\n");
        let mut files = Files::from([
            file("etc/ssh/sshd_config", config),
            file("etc/ssh/a/s.conf", "# nothing\n"),
            ("etc/ssh/lnk".to_owned(), (LINK, b"real".to_vec())),
        ]);
        files.extend(
            more.iter()
                .map(|name| file(&format!("etc/ssh/{name}"), YES)),
        );
        let Ok(before) = effective(&files) else {
            assert!(line.ends_with("\"d/*.conf"), "{line}");
            continue;
        };
        let loose = before[0]["permitrootlogin"] == "yes";
        won += usize::from(loose);
        let rule = "[SshdConfig /etc/ssh/sshd_config]\nSet=PermitRootLogin no";
        let mut after = harden(&files, rule).files;
        let changed = files.iter().any(|(path, (mode, content))| {
            *mode != LINK && after.get(path).is_none_or(|(_, now)| now != content)
        });
        assert_eq!(changed, loose, "{line} with {more:?}");
        after.extend(files.into_iter().filter(|(_, (mode, _))| *mode == LINK));
        let after = effective(&after).unwrap_or_else(|why| panic!("{line}: {why}"));
        assert_eq!(after[0]["permitrootlogin"], "no", "{line} with {more:?}");
    }
    assert!(won > 12, "{won} of them let root in");
}

/// What sshd says it would do with these files as its own; or why it does not start.
fn effective(files: &Files) -> Result<Effective, String> {
    const SCRIPT: &str = r#"
        mount --bind "$1/etc/ssh" /etc/ssh && mount -t tmpfs none /run && mkdir -m 755 /run/sshd || exit 9
        "$2" -t -f /etc/ssh/sshd_config 2>&1 || exit 1
        for user in nobody bob; do echo "== "; "$2" -T -C "user=$user,host=h,addr=198.51.100.1" 2>&1 || exit 1; done"#;
    let folder = tempfile::tempdir().unwrap();
    unpack(files, folder.path());
    let key = folder.path().join("etc/ssh/ssh_host_ed25519_key");
    let arguments = [
        "-q".as_ref(),
        "-t".as_ref(),
        "ed25519".as_ref(),
        "-N".as_ref(),
        "".as_ref(),
        "-f".as_ref(),
        key.as_os_str(),
    ];
    SSH_KEYGEN.output(arguments);
    let mut command = tools::unshare();
    command
        .args(["sh", "-c", SCRIPT, "sh"])
        .arg(folder.path())
        .arg(SSHD.find().unwrap());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_ne!(
        output.status.code(),
        Some(9),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    if !output.status.success() {
        return Err(text);
    }
    let parse = |part: &str| -> BTreeMap<String, String> {
        let pairs = part.lines().filter_map(|line| line.split_once(' '));
        pairs
            .map(|(keyword, value)| (keyword.to_owned(), value.to_owned()))
            .collect()
    };
    let mut parts = text.split("== \n").skip(1).map(parse);
    Ok([parts.next().unwrap(), parts.next().unwrap()])
}
