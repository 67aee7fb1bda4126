//! The rule on small images.

use crate::rules::harness::{check, content_after};

const RULE: &str = "[Environment etcd.service/20-tls.conf]\nSet=ETCD_CERT_FILE=/a b\nSet=ETCD_LISTEN_CLIENT_URLS=https://h:1\nSet=ETCD_ADVERTISE_CLIENT_URLS=https://h:1\nSet=X=1%\"\\";
const ETCD: &str = "file a\\ b\ndir etc/systemd/system\nfile usr/lib/systemd/system/etcd.service\n| [Service]\n| Environment=ETCD_CERT_FILE=/old\n";
const PATH: &str = "/etc/systemd/system/etcd.service.d/20-tls.conf";
const DONE: &str = "changed\n  created /etc/systemd/system/etcd.service.d\n  created /etc/systemd/system/etcd.service.d/20-tls.conf\n";

fn with(lines: &str) -> String {
    format!("{ETCD}{lines}")
}

#[test]
fn variables_are_written_and_quoted() {
    check(ETCD, RULE, DONE);
    let want = "[Service]\nEnvironment=\"ETCD_CERT_FILE=/a b\"\nEnvironment=\"ETCD_LISTEN_CLIENT_URLS=https://h:1\"\n\
        Environment=\"ETCD_ADVERTISE_CLIENT_URLS=https://h:1\"\nEnvironment=\"X=1%%\\\"\\\\\"\n";
    assert_eq!(content_after(ETCD, RULE, PATH), want);
    check(
        "dir ./\n",
        RULE,
        "failed: the image has no unit etcd.service; `OnMissing=skip` or `warn` allows that\n",
    );
}

#[test]
fn what_wins_over_it_fails_the_rule() {
    let fails = |lines: &str, why: &str| {
        let created = DONE.strip_prefix("changed\n").unwrap();
        check(&with(lines), RULE, &format!("failed: {why}\n{created}"));
    };
    fails(
        "| EnvironmentFile=-/etc/etcd.env\nfile etc/etcd.env\n| # c\n| X=\"2\"\n",
        "/etc/etcd.env sets X to `2` for etcd.service and wins",
    );
    fails(
        "| EnvironmentFile=/etc/l*/[[:alpha:]]\nsymlink etc/lnk -> real\nfile etc/real/e\n| X=2\n",
        "/etc/lnk/e sets X to `2` for etcd.service and wins",
    );
    fails(
        "| UnsetEnvironment=Y X\n",
        "/usr/lib/systemd/system/etcd.service takes X from etcd.service again",
    );
    fails(
        "| ExecStart=/usr/bin/etcd $OPTS --name x\n| Environment=\"OPTS=-a --cert-file=/x\"\n",
        "/usr/lib/systemd/system/etcd.service starts etcd.service with --cert-file=/x, which clashes with ETCD_CERT_FILE: \
         the flag wins, or the program stops",
    );
    fails(
        "| ExecStart=/usr/bin/etcd ${OPTS}\n| Environment=\"OPTS=-cert-file /x\"\n",
        "/usr/lib/systemd/system/etcd.service starts etcd.service with -cert-file, which clashes with ETCD_CERT_FILE: \
         the flag wins, or the program stops",
    );
    fails(
        "| ExecStart=/bin/bash -c \"exec /usr/bin/etcd --cert-file=\\\"/x\\\"\"\n",
        "/usr/lib/systemd/system/etcd.service starts etcd.service with --cert-file=/x, which clashes with ETCD_CERT_FILE: \
         the flag wins, or the program stops",
    );
    fails(
        "| ExecStart=/usr/bin/etcd --config-file /etc/etcd.yml\n",
        "/usr/lib/systemd/system/etcd.service starts etcd.service with --config-file, which clashes with ETCD_ADVERTISE_CLIENT_URLS: \
         the flag wins, or the program stops",
    );
    fails(
        "| EnvironmentFile=-/etc/etcd.env\nfile etc/etcd.env\n| ETCD_CONFIG_FILE=/etc/etcd.yml\n",
        "/etc/etcd.env gives etcd.service the settings of /etc/etcd.yml, with which it passes over ETCD_ADVERTISE_CLIENT_URLS",
    );
    fails(
        "| UnsetEnvironment=X=1%\\\"\\\\\n",
        "/usr/lib/systemd/system/etcd.service takes X from etcd.service again",
    );
}

#[test]
fn what_only_looks_as_if_it_won_is_no_failure() {
    for lines in [
        "| ExecStart=/usr/bin/etcd --name x --cert\n",
        "| UnsetEnvironment=X=2\n",
        "| UnsetEnvironment=X\n| UnsetEnvironment=\n",
        "| EnvironmentFile=/etc/etcd.env\nfile etc/etcd.env\n| #X=2\n| ;X=2\n",
    ] {
        check(&with(lines), RULE, DONE);
    }
}

#[test]
fn what_is_waived_is_not_judged() {
    let image = format!("{ETCD}| UnsetEnvironment=X\nfile {PATH}\n| [Service]\n");
    check(
        &image,
        &format!("{RULE}\n[Waive Environment:etcd.service]\nReason=x\nExpires=2030-01-01"),
        "waived\n",
    );
}

#[test]
fn a_certificate_needs_https() {
    let rule = "[Environment etcd.service/20-tls.conf]\nSet=ETCD_CERT_FILE=/a b";
    let created = DONE.strip_prefix("changed\n").unwrap();
    check(
        ETCD,
        rule,
        &format!(
            "failed: etcd.service has ETCD_CERT_FILE, but ETCD_LISTEN_CLIENT_URLS is not set, which means http://; certificates are passed over without https://\n{created}"
        ),
    );
    check(
        &with("| Environment=ETCD_LISTEN_CLIENT_URLS=http://h:1\n"),
        rule,
        &format!(
            "failed: etcd.service has ETCD_CERT_FILE, but ETCD_LISTEN_CLIENT_URLS is `http://h:1`; certificates are passed over without https://\n{created}"
        ),
    );
}

#[test]
fn what_is_not_there_yet_is_said() {
    check(
        &with("| EnvironmentFile=-/run/etcd.env\n"),
        &RULE.replace("/a b", "/none"),
        &format!(
            "{DONE}  note /none, which ETCD_CERT_FILE of etcd.service names, is not in the image and has to come before it starts\n  \
             residual /run/etcd.env: etcd.service reads its environment from there, where the image has no file yet; what it sets wins\n"
        ),
    );
    // Only a file by its whole path, of a program that is known, is looked for.
    check(
        ETCD,
        "[Environment etcd.service/20-tls.conf]\nSet=ETCD_DATA_DIR=/none\nSet=ETCD_TRUSTED_CA_FILE=none\nSet=MY_FILE=/none",
        DONE,
    );
}

#[test]
fn a_template_is_judged_by_its_instances_and_their_files() {
    let image = "dir etc/systemd/system\nfile usr/lib/systemd/system/t@.service\n| [Service]\n| EnvironmentFile=-/etc/t/%i.env\n\
                 file usr/lib/systemd/system/t@a.service.d/10.conf\n| [Service]\nfile etc/t/a.env\n| A=file\n";
    let rule = "[Environment t@.service/50.conf]\nSet=A=b";
    let created = "  created /etc/systemd/system/t@.service.d\n  created /etc/systemd/system/t@.service.d/50.conf\n";
    let residual = "  residual /etc/t/%i.env: t@.service reads its environment from there, where the image has no file yet; what it sets wins\n";
    check(
        image,
        rule,
        &format!(
            "failed: /etc/t/a.env sets A to `file` for t@a.service and wins\n{created}{residual}"
        ),
    );
    for (pulls, to) in [
        ("wants", "x"),
        ("requires", "x"),
        ("upholds", "../t@.service"),
    ] {
        let link = format!("symlink etc/systemd/system/b.target.{pulls}/t@a.service -> {to}\n");
        let linked = image.replace(
            "file usr/lib/systemd/system/t@a.service.d/10.conf\n| [Service]\n",
            &link,
        );
        check(
            &linked,
            rule,
            &format!(
                "failed: /etc/t/a.env sets A to `file` for t@a.service and wins\n{created}{residual}"
            ),
        );
    }
    let later = image.replace(
        "t@a.service.d/10.conf\n| [Service]\n",
        "t@a.service.d/90.conf\n| [Service]\n| Environment=A=c\n",
    );
    check(
        &later.replace("A=file", "B=file"),
        rule,
        &format!(
            "failed: /usr/lib/systemd/system/t@a.service.d/90.conf sets A to `c` for t@a.service and wins\n{created}{residual}"
        ),
    );
}

#[test]
fn only_services_have_an_environment() {
    check(
        "file usr/lib/systemd/system/ssh.socket\n| [Socket]\n",
        "[Environment ssh.*/a.conf]\nSet=A=b",
        "failed: ssh.socket is not a service; only the processes of a service have an environment\n",
    );
}

#[test]
fn http_and_nonsense_are_refused() {
    for (set, part) in [
        (
            "ETCD_LISTEN_CLIENT_URLS=https://a,HTTP://b",
            "has an http:// URL",
        ),
        ("LOCKSMITHD_ENDPOINT=http://a", "has an http:// URL"),
        ("ETCD_AUTO_TLS=true", "makes certificates"),
        ("1=2", "is not a name"),
        ("=2", "is not a name"),
        ("A-B=2", "is not a name"),
        ("A", "NAME=VALUE"),
        ("A=\t", "control character"),
    ] {
        let refused = super::variable(set).unwrap_err();
        assert!(refused.contains(part), "{set}: {refused}");
    }
    for good in ["HTTP_PROXY=http://a", "ETCD_AUTO_TLS=false"] {
        assert!(super::variable(good).is_ok(), "{good}");
    }
}
