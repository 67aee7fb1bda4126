//! Each reader of `/etc` finds the same in every place from which the booted system fills `/etc`.

use super::harness::planned;

/// Places that become `/etc`, and what the image has besides.
const PLACES: [(&str, &str); 6] = [
    ("usr/etc", ""),
    ("usr/share/flatcar/etc", ""),
    ("usr/share/factory/etc", ""),
    // A link leads there.
    ("usr/etc", "symlink etc -> usr/etc\n"),
    ("var/config", "symlink etc -> var/config\n"),
    ("etc", "symlink usr/etc -> ../etc\n"),
];

/// Returns a description with everything below `/etc` in another place.
fn moved(image: &str, place: &str) -> String {
    let lines = image.lines().map(|line| match line.split_once(" etc/") {
        Some((kind, rest)) if !kind.contains([' ', '|']) => format!("{kind} {place}/{rest}\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// Returns what comes of it, sorted and with the paths of `/etc`. Directories that a mask needs count
/// as there.
fn normal(planned: &str, place: &str) -> Vec<String> {
    let lines = planned.lines().map(|line| match place {
        "etc" => line.replace("/usr/etc/", "/etc/"),
        _ => line.replace(&format!("/{place}/"), "/etc/"),
    });
    let is_directory = |line: &String| {
        let path = line.strip_prefix("  created ");
        path.is_some_and(|path| "/etc/systemd/system".starts_with(path) || path == "/etc")
    };
    let mut lines: Vec<String> = lines.filter(|line| !is_directory(line)).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// Compares what rules come to, for an image with its files in `/etc`, with the same elsewhere. `says`
/// are parts of what they come to.
#[track_caller]
fn same_everywhere(image: &str, rules: &str, says: &[&str]) {
    let in_etc = planned(image, rules);
    for part in says {
        assert!(in_etc.contains(part), "{part} is not in\n{in_etc}");
    }
    for (place, more) in PLACES {
        let elsewhere = planned(&format!("{more}{}", moved(image, place)), rules);
        let (want, found) = (normal(&in_etc, "etc"), normal(&elsewhere, place));
        assert_eq!(found, want, "{place} {more}");
    }
}

#[test]
fn sshd() {
    same_everywhere(
        "file etc/ssh/sshd_config\n| Include /etc/ssh/sshd_config.d/*.conf\n| PermitRootLogin yes\n| Match User x\n| \
         PasswordAuthentication yes\nfile etc/ssh/sshd_config.d/10.conf\n| PasswordAuthentication yes\nfile \
         etc/cloud/cloud.cfg.d/a.cfg\n| ssh_pwauth: true\n| write_files:\n| - path: /etc/ssh/sshd_config\nfile etc/default/ssh\n| \
         SSHD_OPTS=\"-f /etc/ssh/other\"\nfile etc/ssh/other\n| PermitRootLogin yes\nfile etc/init.d/sshd mode=0755\n| . \
         /etc/default/ssh\n| /usr/sbin/sshd $SSHD_OPTS\nsymlink etc/rc5.d/S01sshd -> ../init.d/sshd\n",
        "[SshdConfig /etc/ssh/sshd_config]\nSet=PermitRootLogin no\nSet=PasswordAuthentication no",
        &[
            "sshd_config.d/10.conf",
            "Match User x",
            "cloud-init",
            "other",
        ],
    );
}

#[test]
fn settings_with_drop_ins() {
    same_everywhere(
        "file etc/systemd/resolved.conf\n| [Resolve]\n| LLMNR=yes\nfile etc/systemd/resolved.conf.d/1.conf\n| [Resolve]\n| \
         LLMNR=yes\nfile usr/lib/systemd/resolved.conf.d/0.conf\n| [Resolve]\n| LLMNR=yes\nfile etc/sysctl.d/1.conf\n| a.b=1\nfile \
         etc/sysctl.d/9.conf\n| a.b=1\nfile etc/app/app.conf\n| A=1\nfile etc/app/app.conf.d/x\n| A=1\nfile etc/app/conf.d/y\n| A=1\n",
        "[SetKey /etc/systemd/resolved.conf]\nSet=LLMNR=no\n[SetKey /etc/sysctl.d/1.conf]\nSet=a.b=0\n[SetKey \
         /etc/app/app.conf]\nSet=A=0",
        &[
            "resolved.conf.d/1.conf",
            "sysctl.d/9.conf",
            "app.conf.d/x",
            "conf.d/y",
        ],
    );
}

#[test]
fn what_the_boot_takes_back() {
    same_everywhere(
        "file usr/bin/su mode=4755\nfile etc/tmpfiles.d/a.conf\n| z /usr/bin/su 4755\nfile etc/credstore/tmpfiles.extra\n| z \
         /usr/bin/su 2755\nfile etc/rc.local mode=0755\n| chmod 4755 /usr/bin/su\nfile etc/profile.d/a.sh\n| chmod u+s /usr/bin/su\n",
        "[StripSetid]",
        &["a.conf:1", "tmpfiles.extra:1", "rc.local:1", "a.sh:1"],
    );
    same_everywhere(
        "dir etc/selinux\nfile etc/selinux/config\n| SELINUX=permissive\n| SELINUXTYPE=x\nfile etc/selinux/x/policy/policy.31\nfile \
         etc/default/grub\n| GRUB_CMDLINE_LINUX=enforcing=0\n",
        "[SetKey /etc/selinux/config]\nSet=SELINUX=enforcing",
        &["grub:1"],
    );
}

#[test]
fn starts_of_masked_services() {
    let image = "file usr/lib/systemd/systemd mode=0755\nfile usr/lib/systemd/system/avahi-daemon.service\n| [Service]\n| \
        BusName=org.freedesktop.Avahi\n| ExecStart=/usr/sbin/avahi-daemon -s\nfile \
        etc/dbus-1/system-services/org.freedesktop.Avahi.service\n| [D-BUS Service]\n| Name=org.freedesktop.Avahi\n| \
        Exec=/usr/sbin/avahi-daemon -s\n| User=root\nfile usr/lib/systemd/system/second.service\n| [Service]\n| \
        ExecStart=/usr/sbin/avahi-daemon\n";
    same_everywhere(
        image,
        "[Mask avahi-daemon.service]",
        &["org.freedesktop.Avahi.service"],
    );
    same_everywhere(
        &format!(
            "{image}file etc/crontab\n| @reboot root /usr/sbin/avahi-daemon\nfile etc/inetd.conf\n| x stream tcp nowait root \
                  /usr/sbin/avahi-daemon x\n"
        ),
        "[Disable avahi-daemon]",
        &["second.service", "crontab:1", "inetd.conf"],
    );
}

#[test]
fn plain_files() {
    same_everywhere(
        "dir etc/app\nfile etc/app/a mode=0644\nfile etc/app/b\nfile etc/app/c\n| x\n",
        "[Permissions /etc/app/a]\nMode=0600\n[Remove /etc/app/{b,none}]\n[WriteFile /etc/app/c]\nLine=y",
        &[
            "mode /etc/app/a",
            "removed /etc/app/b",
            "content /etc/app/c",
        ],
    );
}

#[test]
fn accounts() {
    same_everywhere(
        "file etc/passwd\n| core:x:1000:1000::/home/core:/bin/bash\nfile etc/group\n| core:x:1000:\n| wheel:x:10:core\nfile \
         etc/gshadow\n| wheel:!::core\nfile etc/sudoers\n| %wheel ALL=(ALL) ALL\n| core ALL=(ALL) ALL\n| @includedir \
         /etc/sudoers.d\nfile etc/sudoers.d/a\n| core ALL=(ALL) NOPASSWD: ALL\nfile etc/cloud/cloud.cfg\n| system_info:\n|   \
         default_user:\n|     name: core\n|     groups: [wheel]\nfile etc/doas.conf\n| permit nopass core\nfile etc/pam.d/login\n| \
         auth optional pam_group.so\nfile etc/security/group.conf\n| *;*;core;Al0000-2400;wheel\nfile etc/sysusers.d/a.conf\n| m \
         core wheel\n",
        "[RemoveFromGroups core]\nGroup=wheel\n[RemoveSudo core]",
        &[
            "cloud.cfg",
            "doas.conf:1",
            "group.conf:1",
            "sudoers.d/a",
            "sysusers.d/a.conf",
        ],
    );
}
