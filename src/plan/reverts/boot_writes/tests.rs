use crate::rules::harness::check;

const RULE: &str = "[SetKey /etc/login.conf]\nSet=A=no\n";
const FILE: &str = "file etc/login.conf\n| A=yes\n";

/// Hardens a file beside one that writes to it, and compares what is said.
#[track_caller]
fn said(image: &str, residuals: &[&str]) {
    let lines = residuals.iter().map(|one| format!("  residual {one}\n"));
    let want = format!(
        "changed\n  content /etc/login.conf\n{}",
        String::from_iter(lines)
    );
    check(&format!("{FILE}{image}"), RULE, &want);
}

#[test]
fn cloud_init_writes_files_over_edits() {
    let at = "/etc/cloud/cloud.cfg.d/90.cfg";
    let file = format!("file {}\n", &at[1..]);
    let said_at = |line: usize, does: &str| {
        format!("{at}:{line}: /etc/login.conf: cloud-init {does} when the system first boots")
    };
    for (text, line, does) in [
        (
            "| write_files:\n| - path: /etc/login.conf\n|   content: x\n",
            2,
            "writes over it",
        ),
        (
            "| write_files: [{content: x, path: /etc/login.conf}]\n",
            1,
            "writes over it",
        ),
        (
            "| runcmd:\n| - echo A=yes > /etc/login.conf\n",
            2,
            "writes over it",
        ),
        (
            "| bootcmd:\n| - [sh, -c, \"echo A >/etc/login.conf\"]\n",
            2,
            "writes over it",
        ),
        (
            "| runcmd:\n| - [rm, -f, /etc/login.conf]\n",
            2,
            "removes it",
        ),
        (
            "| #!/bin/sh\n| sed -i s/no/yes/ /etc/login.conf\n",
            2,
            "writes over it",
        ),
    ] {
        said(&format!("{file}{text}"), &[&said_at(line, does)]);
    }
    for text in [
        "| write_files:\n| - path: /etc/other.conf\n",
        "| a:\n|   write_files: [{path: /etc/login.conf}]\n",
        "| runcmd: [cat /etc/login.conf, \"grep A </etc/login.conf >/dev/null\"]\n",
        "| # write_files: [{path: /etc/login.conf}]\n",
    ] {
        said(&format!("{file}{text}"), &[]);
        said(
            &format!("{file}{text}file etc/cloud/cloud-init.disabled\n"),
            &[],
        );
    }
    said(
        &format!("{file}| write_files:\n| - path: /etc/login.conf\n| x: [\n"),
        &[
            &said_at(2, "writes over it"),
            &format!(
                "{at}:4: cannot be read as YAML from here on, so what is written at the first boot is not known"
            ),
        ],
    );
    said(
        "file var/lib/cloud/seed/nocloud/user-data\n| Content-Type: multipart/mixed; boundary=x\n",
        &[
            "/var/lib/cloud/seed/nocloud/user-data:1: casehard does not read cloud-init's data in several parts, so what \
           it writes is not known",
        ],
    );
}

#[test]
fn a_setting_of_cloud_init_stands_for_a_file() {
    check(
        "file etc/hosts\n| a\nfile etc/cloud/cloud.cfg\n| manage_etc_hosts: localhost\n| timezone: x\n",
        "[WriteFile /etc/hosts]",
        "changed\n  content /etc/hosts\n  residual /etc/cloud/cloud.cfg:1: /etc/hosts: cloud-init writes over it when the system \
         first boots\n",
    );
}

#[test]
fn other_provisioners_write_over_edits() {
    said(
        "file usr/lib/ignition/base.d/a.ign\n| {\"storage\": {\"files\": [\n|  {\"path\": \"/etc/login.conf\"}]}}\n",
        &[
            "/usr/lib/ignition/base.d/a.ign:2: /etc/login.conf: Ignition writes over it when the system first boots",
        ],
    );
    said(
        "file usr/lib/ignition/user.ign\n| {\"storage\":\n",
        &[
            "/usr/lib/ignition/user.ign:2: cannot be read as JSON from here on, so what Ignition writes is not known",
        ],
    );
    said(
        "file system/oem/a.yaml\n| stages:\n|   initramfs:\n|   - files:\n|     - path: /etc/login.conf\n|     commands:\n|     - rm \
         /etc/login.conf\n",
        &[
            "/system/oem/a.yaml:4: /etc/login.conf: Kairos writes over it when the system first boots",
            "/system/oem/a.yaml:6: /etc/login.conf: Kairos removes it when the system first boots",
        ],
    );
}

#[test]
fn scripts_write_over_edits() {
    for (path, head, does) in [
        (
            "etc/rc.local",
            "",
            "this script writes over it when the system boots",
        ),
        (
            "etc/uci-defaults/10-x",
            "",
            "this script writes over it when the system boots",
        ),
        (
            "etc/rpm-postinsts/100-x",
            "",
            "this script writes over it when the system boots",
        ),
        (
            "boot/firmware/firstrun.sh",
            "",
            "this script writes over it when the system boots",
        ),
        (
            "usr/lib/live/config/0030-x",
            "",
            "this script writes over it when the system boots",
        ),
        (
            "etc/profile.d/x.sh",
            "",
            "this script writes over it when someone logs in",
        ),
        (
            "etc/cron.d/x",
            "@reboot root ",
            "this line writes over it when the system boots",
        ),
        (
            "etc/wsl-distribution.conf",
            "command = sh -c '",
            "this command writes over it when WSL starts it",
        ),
    ] {
        let tail = if head.ends_with('\'') { "'" } else { "" };
        said(
            &format!("file {path} mode=0755\n| # x\n| {head}echo A=yes >> /etc/login.conf{tail}\n"),
            &[&format!("/{path}:2: /etc/login.conf: {does}")],
        );
    }
}

#[test]
fn commands_of_units_and_their_scripts_write_over_edits() {
    let unit = "file usr/lib/systemd/system/first.service\n| [Service]\n| Type=oneshot\n";
    let at = "/usr/lib/systemd/system/first.service:3";
    said(
        &format!("{unit}| ExecStartPre=-/bin/sh -c 'cp /usr/share/x /etc/login.conf'\n"),
        &[&format!(
            "{at}: /etc/login.conf: this command writes over it when its unit starts"
        )],
    );
    said(
        &format!("{unit}| ExecStart=/bin/echo > /etc/login.conf\n"),
        &[],
    );
    let script = "file usr/libexec/first mode=0755\n| #!/bin/sh\n| F=/etc/login.conf\n| cat >$F <<E\n| A=yes\n| E\n";
    let told =
        "/usr/libexec/first:3: /etc/login.conf: this script writes over it when its unit starts";
    said(
        &format!("{script}{unit}| ExecStart=/usr/libexec/first --now\n"),
        &[told],
    );
    said(
        &format!("{script}{unit}| ExecStart=/bin/sh -e /usr/libexec/first\n"),
        &[told],
    );
    said(
        &format!(
            "{script}{unit}| ExecStart=/usr/libexec/first\nsymlink etc/systemd/system/first.service -> /dev/null\n"
        ),
        &[],
    );
}

#[test]
fn what_becomes_etc_is_written_over_as_well() {
    check(
        "file usr/etc/login.conf\n| A=yes\nfile etc/rc.local mode=0755\n| echo > /etc/login.conf\n",
        RULE,
        "changed\n  content /usr/etc/login.conf\n  residual /etc/rc.local:1: /usr/etc/login.conf: this script writes over it when the \
         system boots\n",
    );
}

#[test]
fn masks_modes_and_removals_are_taken_back_too() {
    check(
        "file usr/lib/systemd/system/x.service\n| [Service]\ndir etc/systemd/system\nfile etc/rc.local mode=0755\n\
         | systemctl unmask x\n| chmod u+s /bin/su\n| cp /bin/a /bin/b\n| chmod 755 /bin/b\nfile bin/su mode=4755\nfile bin/b\n",
        "[Mask x.service]\n[StripSetid]\n[Remove /bin/b]",
        "changed\n  created /etc/systemd/system/x.service -> /dev/null\n  residual /etc/rc.local:1: /etc/systemd/system/x.service: this \
         script unmasks the unit when the system boots\n\
         changed\n  mode /bin/su 4755 0755\n  residual /etc/rc.local:2: /bin/su: this script changes its mode, owner or \
         capabilities when the system boots\n\
         changed\n  removed /bin/b\n  residual /etc/rc.local:3: /bin/b: this script writes over it when the system boots\n",
    );
}

#[test]
fn what_the_image_has_already_is_taken_back_as_well() {
    check(
        "file etc/login.conf\n| A=no\nfile etc/rc.local mode=0755\n| echo > /etc/login.conf\nfile usr/lib/tmpfiles.d/a.conf\n| F \
         /etc/login.conf\n",
        RULE,
        "already\n  residual /etc/rc.local:1: /etc/login.conf: this script writes over it when the system boots\n  residual \
         /usr/lib/tmpfiles.d/a.conf:1: /etc/login.conf: writes over it at boot\n",
    );
}

#[test]
fn a_mask_that_is_there_is_taken_back_as_well() {
    check(
        "file usr/lib/systemd/system/x.service\n| [Service]\nsymlink etc/systemd/system/x.service -> /dev/null\nfile \
         usr/lib/systemd/system/y.service\n| [Service]\nsymlink usr/lib/systemd/system/z.service -> /dev/null\nfile etc/rc.local \
         mode=0755\n| systemctl unmask x y z\n",
        "[Mask x.service]\n[Mask z.service]",
        "already\n  residual /etc/rc.local:1: /etc/systemd/system/x.service: this script unmasks the unit when the system \
         boots\nalready\n",
    );
}
