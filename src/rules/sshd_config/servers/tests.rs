//! Servers and first boots on small images.

use crate::rules::harness::check;

const RULE: &str =
    "[SshdConfig /etc/ssh/sshd_config]\nSet=PermitRootLogin no\nSet=PasswordAuthentication no";
const FINE: &str =
    "\nfile etc/ssh/sshd_config\n| PermitRootLogin no\n| PasswordAuthentication no\n";
const OPEN: &str = "\nfile etc/ssh/other\n| PermitRootLogin yes\n| PasswordAuthentication yes\n";

/// Checks that a start of sshd with /etc/ssh/other is told of at a place, as long as the values do not
/// hold there.
#[track_caller]
fn is_said(image: &str, at: &str) {
    let said = "starts sshd with -f /etc/ssh/other, not with /etc/ssh/sshd_config, and there the values asked for \
        PermitRootLogin, PasswordAuthentication do not hold; add [SshdConfig /etc/ssh/other]";
    let want = format!("already\n  residual {at}: {said}\n");
    check(&format!("{image}{FINE}{OPEN}"), RULE, &want);
    let closed = OPEN.replace("yes", "no");
    check(&format!("{image}{FINE}{closed}"), RULE, "already\n");
}

#[test]
fn every_way_to_start_sshd_with_another_file_is_found() {
    let unit = "| [Service]\n| ExecStartPre=/usr/sbin/sshd -t -f /x\n| ExecStart=/usr/sbin/sshd -D -f /etc/ssh/other\n";
    let second = format!("file etc/systemd/system/sshd-second.service\n{unit}");
    is_said(&second, "/etc/systemd/system/sshd-second.service:3");
    let script = "file etc/init.d/sshd mode=0755\n| #!/bin/sh\n| . /etc/default/ssh\n| # /usr/sbin/sshd -f /x\n\
        | /usr/sbin/sshd $SSHD_OPTS\n";
    let options = "file etc/default/ssh\n| OTHER='-f /x'\n| SSHD_OPTS='-f /etc/ssh/other'\n";
    is_said(&format!("{script}{options}"), "/etc/default/ssh:2");
    let openrc = "file etc/init.d/sshd mode=0755\n| #!/sbin/openrc-run\n| : ${SSHD_CONFIG:=x}\n| command=/usr/sbin/sshd\n\
        file etc/conf.d/sshd\n| SSHD_CONFIG=\"/etc/ssh/other\"\n";
    is_said(openrc, "/etc/conf.d/sshd:1");
    let inetd = "file etc/inetd.conf\n| ssh stream tcp nowait root /usr/sbin/sshd sshd -i -f /etc/ssh/other\n";
    is_said(inetd, "/etc/inetd.conf:1");
    let xinetd =
        "file etc/xinetd.d/ssh\n| server = /usr/sbin/sshd\n| server_args = -i -f /etc/ssh/other\n";
    is_said(xinetd, "/etc/xinetd.d/ssh:2");
    let inittab = "file etc/inittab\n| null::respawn:/usr/sbin/sshd -D -f /etc/ssh/other\n";
    is_said(inittab, "/etc/inittab:1");
    let runit =
        "file etc/sv/sshd/run mode=0755\n| #!/bin/sh\n| exec /usr/sbin/sshd -Df /etc/ssh/other\n";
    is_said(runit, "/etc/sv/sshd/run:2");
    // A masked unit starts nothing, nor does what is masked by a later rule.
    check(
        &format!("{second}{FINE}{OPEN}"),
        &format!("{RULE}\n[Mask sshd-second.service]"),
        "already\nchanged\n  removed /etc/systemd/system/sshd-second.service\n  \
         created /etc/systemd/system/sshd-second.service -> /dev/null\n",
    );
}

#[test]
fn without_the_usual_file_other_servers_are_found() {
    let image = "
file usr/lib/systemd/system/ssh.service
| [Service]
| ExecStart=/usr/sbin/sshd -D -f /usr/share/site/sshd_config
file usr/share/site/sshd_config
| PermitRootLogin yes
";
    check(
        image,
        &format!("{RULE}\nOnMissing=skip"),
        "absent\n  \
         residual /usr/lib/systemd/system/ssh.service:2: starts sshd with -f /usr/share/site/sshd_config, not with \
         /etc/ssh/sshd_config, and there the values asked for PermitRootLogin, PasswordAuthentication do not hold; add \
         [SshdConfig /usr/share/site/sshd_config]\n",
    );
}

#[test]
fn what_writes_sshds_configuration_at_the_first_boot_is_found() {
    let said = |image: &str, residual: &str| {
        check(
            &format!("{image}{FINE}"),
            RULE,
            &format!("already\n{residual}"),
        );
    };
    let cloud = "file etc/cloud/cloud.cfg\n| users: [default]\n| ssh_pwauth: true\n";
    let residual = "  residual /etc/cloud/cloud.cfg:2: cloud-init sets PasswordAuthentication to yes when the system \
        first boots\n";
    said(cloud, residual);
    said(&cloud.replace("true", "'Yes'"), residual);
    said(
        &cloud.replace("etc/", "usr/etc/"),
        &residual.replace("/etc/", "/usr/etc/"),
    );
    for none in ["false", "unchanged", "no"] {
        said(&cloud.replace("true", none), "");
    }
    said(
        &format!("{cloud}file etc/cloud/cloud.cfg.d/9.cfg\n| ssh_pwauth: 0\n"),
        "",
    );
    said(&format!("{cloud}file etc/cloud/cloud-init.disabled\n"), "");
    let seed = "file var/lib/cloud/seed/nocloud/user-data\n| #cloud-config\n| write_files:\n| - path: /etc/ssh/sshd_config.d/a.conf\n";
    said(
        seed,
        "  residual /var/lib/cloud/seed/nocloud/user-data:3: cloud-init is asked to write sshd's configuration when the \
         system boots, and may override /etc/ssh/sshd_config\n",
    );
    let imager = "file boot/firmware/custom.toml\n| [ssh]\n| enabled = true\n| password_authentication = true\n";
    said(
        imager,
        "  residual /boot/firmware/custom.toml:3: raspberrypi-sys-mods is asked to let users log in by passwords when the \
         system boots, and may override /etc/ssh/sshd_config\n",
    );
    said(&imager.replace("cation = true", "cation = false"), "");
    let unit = "file usr/lib/systemd/system/first.service\n| [Service]\n| ExecStart=/bin/sed -i s/no/yes/ /etc/ssh/sshd_config\n";
    said(
        unit,
        "  residual /usr/lib/systemd/system/first.service:2: writes to sshd's configuration when the system boots, and may \
         override /etc/ssh/sshd_config\n",
    );
}
