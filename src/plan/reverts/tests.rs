//! What takes edits back, on small images.

use crate::rules::harness::{check, content_after};

const IMAGE: &str = "
dir ./
symlink bin -> usr/bin
file usr/bin/su mode=4755
file usr/bin/mount mode=4755
file usr/bin/local mode=4755
file var/lib/dpkg/info/util-linux:amd64.list
| /.
| /bin
| /bin/su
| /bin/mount
";
const BACK: &str = "belongs, as does 1 more edited file, to the package util-linux, whose next upgrade brings them back; harden again after upgrades";
const STRIPPED: &str = "changed\n  mode /usr/bin/su 4755 0755\n  mode /usr/bin/mount 4755 0755\n  mode /usr/bin/local 4755 0755\n";

#[test]
fn what_a_package_owns_comes_back_with_it() {
    check(
        IMAGE,
        "[StripSetid]",
        &format!("{STRIPPED}  residual /usr/bin/mount: {BACK}\n"),
    );
    let two = format!("{IMAGE}file var/lib/dpkg/info/more.list\n| /usr/bin/local\n");
    let both = "belongs, as do 2 more edited files, to one of 2 packages, whose next upgrades bring them back: more, util-linux; \
        harden again after upgrades";
    check(
        &two,
        "[StripSetid]",
        &format!("{STRIPPED}  residual /usr/bin/local: {both}\n"),
    );
    // A container is not upgraded.
    check(&format!("{two}file usr/bin/sh\n"), "[StripSetid]", STRIPPED);
    let apk = "dir bin\nfile lib/apk/db/installed\n| P:busybox\n| F:bin\n| R:wget\nfile bin/wget\n";
    check(
        apk,
        "[Remove /bin/wget]",
        "changed\n  removed /bin/wget\n  residual /bin/wget: belongs to the package busybox, whose next upgrade brings it back; harden again after upgrades\n",
    );
}

#[test]
fn dpkg_keeps_what_was_edited_of_conffiles() {
    let image = "
dir ./
file etc/sudoers
| core ALL=ALL
file etc/issue
| Debian
file etc/old
file usr/lib/sudo.conf
| A=1
file var/lib/dpkg/info/sudo.list
| /etc/sudoers
| /etc/issue
| /etc/old
| /usr/lib/sudo.conf
file var/lib/dpkg/status
| Package: sudo
| Conffiles:
|  /etc/sudoers 3aabb
|  /etc/issue 3aabb obsolete
|  /etc/old 3aabb remove-on-upgrade
| Description: what keeps
|  /usr/lib/sudo.conf 3aabb
";
    let back = "belongs to the package sudo, whose next upgrade brings it back; harden again after upgrades";
    check(
        image,
        "[RemoveSudo core]\n[Remove /etc/issue]\n[Permissions /etc/sudoers]\nMode=0400\n[Remove /etc/old]\n[SetKey /usr/lib/sudo.conf]\nSet=A=2",
        &format!(
            "changed\n  content /etc/sudoers\nchanged\n  removed /etc/issue\nchanged\n  mode /etc/sudoers 0644 0400\n\
             changed\n  removed /etc/old\n  residual /etc/old: {back}\n\
             changed\n  content /usr/lib/sudo.conf\n  residual /usr/lib/sudo.conf: {back}\n"
        ),
    );
}

#[test]
fn copies_of_etc_and_alternatives_come_back() {
    let image = "
dir ./
dir etc/alternatives
dir usr/bin
file etc/motd
dir usr/share/flatcar/etc
file usr/share/flatcar/etc/motd
symlink usr/bin/nc -> /etc/alternatives/nc
symlink etc/alternatives/nc -> /usr/bin/nc.openbsd
file usr/bin/nc.openbsd
file var/lib/dpkg/alternatives/nc
| auto
| /usr/bin/nc
|
| /usr/bin/nc.openbsd
| 50
";
    let registry = "/var/lib/dpkg/alternatives/nc";
    check(
        image,
        "[Remove /etc/motd]\n[Remove /usr/bin/nc]\n[Remove /etc/alternatives/nc]\n[Remove /usr/bin/nc.openbsd]",
        &format!(
            "changed\n  removed /etc/motd\n  removed /usr/share/flatcar/etc/motd\n\
             changed\n  removed /usr/bin/nc\n  residual {registry}: update-alternatives makes /usr/bin/nc again, once /usr/bin/nc.openbsd is there again\n\
             changed\n  removed /etc/alternatives/nc\n  residual {registry}: update-alternatives makes /etc/alternatives/nc again, once /usr/bin/nc.openbsd is there again\n\
             changed\n  removed /usr/bin/nc.openbsd\n"
        ),
    );
}

#[test]
fn triggers_may_write_what_they_watch_anew() {
    check(
        "
dir ./
symlink lib -> usr/lib
dir usr/lib/initramfs
file usr/lib/initramfs/hook
file usr/lib/initramfs-other
file var/lib/dpkg/triggers/File
| /usr/share/fonts fontconfig/noawait
| /lib/initramfs initramfs-tools:all/noawait
",
        "[Remove /lib/initramfs/hook]\n[Remove /lib/initramfs-other]",
        "changed\n  removed /usr/lib/initramfs/hook\n  residual /var/lib/dpkg/triggers/File:2: /usr/lib/initramfs/hook: the \
         package initramfs-tools:all runs a script of its own when packages change what is in /usr/lib/initramfs, and may \
         write it anew\nchanged\n  removed /usr/lib/initramfs-other\n",
    );
}

#[test]
fn dpkg_can_be_told_to_keep_the_modes() {
    let rule = "[StripSetid]\nStatOverride=yes";
    check(
        IMAGE,
        rule,
        &format!("{STRIPPED}  created /var/lib/dpkg/statoverride\n"),
    );
    assert_eq!(
        content_after(IMAGE, rule, "/var/lib/dpkg/statoverride"),
        "root root 0755 /bin/mount\nroot root 0755 /bin/su\n"
    );
    let there = format!(
        "{IMAGE}file var/lib/dpkg/statoverride\n| root adm 4754 /bin/su\n| root crontab 2755 /usr/bin/crontab\n"
    );
    assert_eq!(
        content_after(&there, rule, "/var/lib/dpkg/statoverride"),
        "root crontab 2755 /usr/bin/crontab\nroot root 0755 /bin/mount\nroot root 0755 /bin/su\n"
    );
}

#[test]
fn what_is_there_in_the_end_does_not_come_back() {
    check(
        "file etc/systemd/system/a.service\n| [Unit]\nfile usr/share/flatcar/etc/systemd/system/a.service\n",
        "[Mask a.service]",
        "changed\n  removed /etc/systemd/system/a.service\n  created /etc/systemd/system/a.service -> /dev/null\n",
    );
    let motd =
        "dir etc\nfile etc/motd\ndir usr/share/flatcar/etc\nfile usr/share/flatcar/etc/motd\n";
    check(
        motd,
        "[Permissions /etc/motd]\nMode=0600\nOnMissing=skip\n[Remove /etc/motd]",
        "changed\n  mode /etc/motd 0644 0600\nchanged\n  removed /etc/motd\n  removed \
         /usr/share/flatcar/etc/motd\n",
    );
}

#[test]
fn a_rule_is_told_once_of_a_package_that_watches() {
    check(
        "dir usr/share/fonts\nfile usr/share/fonts/a\nfile usr/share/fonts/b\nfile var/lib/dpkg/triggers/File\n| /usr/share/fonts fontconfig\n",
        "[Remove /usr/share/fonts/*]",
        "changed\n  removed /usr/share/fonts/a\n  removed /usr/share/fonts/b\n  residual /var/lib/dpkg/triggers/File:1: \
         /usr/share/fonts/a: the package fontconfig runs a script of its own when packages change what is in \
         /usr/share/fonts, and may write it anew\n",
    );
}

#[test]
fn a_directory_that_was_missing_does_not_come_back() {
    let image = "
file usr/lib/systemd/system/a.service
| [Unit]
dir etc
file var/lib/dpkg/info/systemd.list
| /etc/systemd/system
";
    check(
        image,
        "[Mask a.service]",
        "changed\n  created /etc/systemd\n  created /etc/systemd/system\n  created /etc/systemd/system/a.service -> /dev/null\n",
    );
}

#[test]
fn a_kept_mode_keeps_no_content_and_counts_a_file_once() {
    let image = "
dir ./
file usr/lib/a.conf mode=0666
| A=1
file var/lib/dpkg/info/a.list
| /usr/lib/a.conf
";
    let back = "  residual /usr/lib/a.conf: belongs to the package a, whose next upgrade brings it back; harden again after upgrades\n";
    let set = "[SetKey /usr/lib/a.conf]\nSet=A=2";
    let permissions = "[Permissions /usr/lib/a.conf]\nMode=0600\nOwner=1";
    let changed = "changed\n  owner /usr/lib/a.conf 0:0 1:0\n  mode /usr/lib/a.conf 0666 0600\n";
    check(image, permissions, &format!("{changed}{back}"));
    let kept = format!("{image}file var/lib/dpkg/statoverride\n| root root 0600 /usr/lib/a.conf\n");
    check(&kept, permissions, changed);
    check(
        &kept,
        set,
        &format!("changed\n  content /usr/lib/a.conf\n{back}"),
    );
}

#[test]
fn what_dpkg_keeps_apk_does_not() {
    let image = "
dir etc
file etc/a
file lib/apk/db/installed
| P:base
| F:etc
| R:a
file var/lib/dpkg/status
| Conffiles:
|  /etc/a 3aabb
";
    check(
        image,
        "[Remove /etc/a]",
        "changed\n  removed /etc/a\n  residual /etc/a: belongs to the package base, whose next upgrade brings it back; harden again after upgrades\n",
    );
}

#[test]
fn packages_that_are_not_read_and_lists_of_modes_bring_bits_back() {
    let image = "
file usr/bin/su mode=4755
file usr/bin/ping cap=cap_net_raw+ep
file usr/lib/sysimage/rpm/rpmdb.sqlite
file usr/share/permissions/permissions.easy
| # PATH OWNER MODE
| /usr/bin/su root:root 4755
| /usr/bin/wall root:tty 2755
| %{bin}/ping root:root 0755
|  +capabilities cap_net_raw=ep
file usr/share/permissions/variables.conf
| bin = /usr/bin/ /opt/
file etc/permissions.local
| /usr/bin/su root:root 0755
file nix/store/a-nixos-system-host-24.05/activate
| #!/bin/sh
| chmod 0755 $wrapperDir/wall
| chmod u+s,g-s $wrapperDir/su
";
    check(
        image,
        "[StripSetid]\nStatOverride=yes",
        "changed\n  mode /usr/bin/su 4755 0755\n  xattr /usr/bin/ping security.capability\n  \
         note StatOverride=yes tells no package manager anything: the image has no dpkg\n  \
         residual /nix/store/a-nixos-system-host-24.05/activate:3: makes a set-id program or one with capabilities at boot\n  \
         residual /usr/lib/sysimage/rpm: rpm's packages are not read: those of the 2 edited files that belong to one come \
         back with its next upgrade; harden again after upgrades\n  \
         residual /usr/share/permissions/permissions.easy:2: chkstat gives /usr/bin/su and 1 more their set-id bits or \
         capabilities again\n",
    );
    let only_etc = "file etc/issue\n| old\nfile var/lib/opkg/status\n";
    check(
        only_etc,
        "[WriteFile /etc/issue]\nLine=x",
        "changed\n  content /etc/issue\n",
    );
}
