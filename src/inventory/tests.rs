//! Inventories of small images, as text.

mod power;

use super::*;
use crate::rules::harness::open;

/// The lines of an image's inventory, but for the lock file's first two.
fn lines(image: &str) -> String {
    let text = Inventory::of(&open(image)).unwrap().to_text();
    text.lines().skip(2).map(|l| l.to_owned() + "\n").collect()
}

#[track_caller]
fn check(image: &str, want: &str) {
    assert_eq!(lines(image), want.replace(" | ", "\t"));
}

#[test]
fn privileged_files_are_found_under_each_name_and_header() {
    check(
        "
dir var/log mode=2755
file usr/bin/su mode=4755
hardlink usr/bin/us -> usr/bin/su mode=4755
file usr/bin/wall mode=2755 gid=5
file usr/bin/ping mode=0755 cap=cap_net_raw+ep
file usr/bin/late mode=0755
hardlink usr/bin/l -> usr/bin/late mode=4711
file usr/bin/ls mode=0755
",
        "set-id | /usr/bin/l | 4711 0:0
set-id | /usr/bin/late | 4711 0:0
set-id | /usr/bin/su | 4755 0:0
set-id | /usr/bin/us | 4755 0:0
set-id | /usr/bin/wall | 2755 0:5
capability | /usr/bin/ping | cap_net_raw=ep
",
    );
}

#[test]
fn units_count_where_a_link_starts_them_and_nothing_masks_them() {
    check(
        "
file usr/lib/systemd/system/ssh.socket
| [Socket]
| SocketMode=0600
| ListenStream=22
| ListenDatagram=/run/x
file etc/systemd/system/ssh.socket.d/a.conf
| [Socket]
| ListenStream=
| ListenStream=[::1]:2222
| Accept=yes
file usr/lib/systemd/system/idle.socket
| [Socket]
| ListenStream=23
file usr/lib/systemd/system/a.service
| [Service]
| [Socket]
| ListenStream=9
file usr/lib/systemd/system/b.service
| [Service]
file usr/lib/systemd/system/c.service
| [Service]
symlink etc/systemd/system/b.service -> /dev/null
symlink etc/systemd/system/sockets.target.wants/ssh.socket -> /usr/lib/systemd/system/ssh.socket
symlink etc/systemd/system/multi-user.target.wants/a.service -> /usr/lib/systemd/system/a.service
symlink etc/systemd/system/graphical.target.requires/a.service -> /usr/lib/systemd/system/a.service
symlink etc/systemd/system/multi-user.target.wants/b.service -> /usr/lib/systemd/system/b.service
symlink etc/systemd/system/multi-user.target.wants/gone.service -> /usr/lib/systemd/system/gone.service
symlink usr/lib/systemd/system/multi-user.target.wants/c.service -> ../c.service
symlink etc/systemd/system/multi-user.target.wants/c.service -> /dev/null
symlink usr/lib/systemd/system/multi-user.target.wants/no-unit -> ../c.service
file usr/lib/systemd/system/multi-user.target
| [Unit]
symlink usr/lib/systemd/system/runlevel2.target -> multi-user.target
symlink usr/lib/systemd/system/runlevel3.target -> multi-user.target
symlink etc/systemd/system/alias.service -> /usr/lib/systemd/system/a.service
symlink etc/systemd/system/runlevel2.target.wants/alias.service -> ../alias.service
symlink etc/systemd/system/b.service.wants/idle.socket -> /usr/lib/systemd/system/idle.socket
",
        "unit | a.service | graphical.target
unit | a.service | multi-user.target
unit | ssh.socket | sockets.target
listener | ssh.socket | ListenStream=[::1]:2222
masked | b.service
",
    );
}

#[test]
fn services_of_scripts_count_where_a_runlevel_starts_them() {
    check(
        "
file usr/lib/systemd/system-generators/systemd-sysv-generator mode=0755
file usr/lib/systemd/system/ssh.service
| [Service]
symlink etc/systemd/system/masked.service -> /dev/null
file etc/init.d/ssh mode=0755
file etc/init.d/masked mode=0755
file etc/init.d/xinetd mode=0755
file etc/init.d/hw.sh mode=0755
file etc/init.d/idle mode=0755
file etc/init.d/never mode=0644
symlink etc/rc2.d/S01ssh -> ../init.d/ssh
symlink etc/rc2.d/S01masked -> ../init.d/masked
symlink etc/rc2.d/S01xinetd -> ../init.d/xinetd
symlink etc/rc5.d/S20xinetd -> ../init.d/xinetd
symlink etc/rc3.d/S02hw.sh -> ../init.d/hw.sh
symlink etc/rc2.d/K01idle -> ../init.d/idle
symlink etc/rc2.d/S01never -> ../init.d/never
symlink etc/rc2.d/S01gone -> ../init.d/gone
",
        "unit | hw.service | multi-user.target
unit | xinetd.service | graphical.target
unit | xinetd.service | multi-user.target
masked | masked.service
",
    );
}

#[test]
fn members_come_from_every_source() {
    check(
        "
file etc/passwd
| root:x:0:0:root:/root:/bin/sh
| toor:x:0:0::/root:/bin/sh
| core:x:500:500::/home/core:/bin/sh
| dave:x:501:10::/home/dave:/bin/sh
| eve:x:502:0::/home/eve:/bin/sh
| short
| :::
file etc/group
| root:x:0:
| wheel:x:10:root,core
| users:x:100:core
| short
| other:x:10:zoe
file etc/gshadow
| docker:!:frank:
file usr/lib/sysusers.d/x.conf
| m gina sudo
| u henry 0
| u kim 33:10
| g lp 11
| m lou lp
file usr/lib/userdb/ida.user
| {\"userName\":\"ida\",\"uid\":7,\"gid\":10,\"memberOf\":[\"lxd\"]}
file usr/lib/userdb/bad.user
| {
file usr/lib/userdb/jo:disk.membership
| {}
file usr/lib/userdb/staff.group
| {\"groupName\":\"staff\",\"gid\":11,\"members\":[\"mia\"]}
file usr/lib/userdb/docker.group
| {\"groupName\":\"docker\",\"gid\":11}
",
        "member | core | wheel
member | dave | other
member | dave | wheel
member | eve | root
member | frank | docker
member | gina | sudo
member | henry | user number 0
member | ida | lxd
member | ida | other
member | ida | wheel
member | jo | disk
member | kim | other
member | kim | wheel
member | lou | lp
member | mia | staff
member | root | user number 0
member | toor | user number 0
member | zoe | other
",
    );
}

#[test]
fn sudo_lines_are_folded_and_includes_followed() {
    check(
        "
file etc/sudoers
| # comment
| Defaults env_reset
| User_Alias ADMINS = a, \\
|   b
| @includedir /etc/sudoers.d
file etc/sudoers.d/x
| %wheel   ALL=(ALL)  NOPASSWD: ALL
| not = = sudoers (
file etc/doas.conf
| permit nopass  :wheel # all of them
file etc/nsswitch.conf
| sudoers: files ldap
",
        "sudo | %wheel ALL=(ALL) NOPASSWD: ALL | /etc/sudoers.d/x
sudo | Defaults env_reset | /etc/sudoers
sudo | User_Alias ADMINS = a, b | /etc/sudoers
sudo | not = = sudoers ( | /etc/sudoers.d/x
sudo | permit nopass :wheel | /etc/doas.conf
unknown | /etc/nsswitch.conf | sudo asks ldap too, whose rules are not in the image
",
    );
}

#[test]
fn packages_and_tools_are_found() {
    check(
        "
symlink bin -> usr/bin
file usr/bin/curl mode=0755
file usr/bin/wget mode=0644
file usr/bin/nc.openbsd mode=0755
symlink etc/alternatives/nc -> /bin/nc.openbsd
symlink usr/bin/nc -> /etc/alternatives/nc
symlink usr/bin/telnet -> /nowhere
dir usr/bin/ncat mode=0755
file usr/bin/busybox mode=0755 content=busybox applets=[,cat,false,ls,rm,test,wget
symlink usr/local/bin/wget -> ../../bin/busybox
file var/lib/dpkg/status
| Package: curl
| Status: install ok installed
| Version: 8.1
| 
| Package: old
| Status: deinstall ok config-files
| Version: 1
| 
| Package: odd
file var/lib/dpkg/status.d/base
| Package: base
| Version: 12
file lib/apk/db/installed
| P:musl
| V:1.2
| F:lib
file var/lib/rpm/Packages
",
        "network-tool | curl | /usr/bin/curl
network-tool | nc | /usr/bin/nc
network-tool | nc.openbsd | /usr/bin/nc.openbsd
network-tool | wget | /usr/bin/busybox wget
package | base | 12
package | curl | 8.1
package | musl | 1.2
unknown | /var/lib/rpm | rpm's packages are not read
",
    );
}

#[test]
fn what_is_broken_is_said_and_stops_nothing() {
    let huge = "0".repeat(64);
    let image = format!(
        "
dir etc/passwd
symlink etc/group -> group
file etc/sudoers
| {huge}
symlink etc/systemd/system/loop.service -> loop.service
symlink etc/systemd/system/multi-user.target.wants/loop.service -> loop.service
file usr/bin/ping mode=0755 cap=cap_net_raw+ep
dir lib/apk/db/installed
"
    );
    check(
        &image,
        &format!("capability | /usr/bin/ping | cap_net_raw=ep\nsudo | {huge} | /etc/sudoers\n"),
    );
}

#[test]
fn root_by_number_needs_no_name() {
    let passwd = "file etc/passwd\n| eve:x:502:0::/:/bin/sh\n";
    check(passwd, "member | eve | root\n");
    let named = format!("{passwd}file etc/group\n| wheel:x:10: amy ,\n| other:x:0:zoe\n");
    check(
        &named,
        "member | amy | wheel\nmember | eve | other\nmember | zoe | other\n",
    );
}

#[test]
fn what_cannot_be_read_is_unknown_and_the_rest_is_not() {
    check(
        "
file etc/passwd sparse=gnu size=1K map=0+0
file etc/group
| wheel:x:10:core
",
        "member | core | wheel\nunknown | /etc/passwd | /etc/passwd is stored as a sparse file, whose text cannot be edited; store it plainly\n",
    );
}

#[test]
fn a_difference_is_a_line() {
    let inventory = |image| Inventory::of(&open(image)).unwrap();
    let old = inventory(
        "file b mode=4755\nfile c\\xff mode=4755\nsymlink etc/systemd/system/x.service -> /dev/null\n",
    );
    let new = inventory(
        "file b mode=4711\nfile d mode=2755\nsymlink etc/systemd/system/y.service -> /dev/null\n",
    );
    let lines: Vec<String> = old.diff(&new).iter().map(Change::to_string).collect();
    assert_eq!(
        lines,
        [
            "~ set-id /b  4755 0:0 → 4711 0:0",
            "- set-id /c\\xff  4755 0:0",
            "+ set-id /d  2755 0:0",
            "- masked x.service",
            "+ masked y.service"
        ]
    );
}

#[test]
fn a_difference_says_what_came_and_what_went() {
    let inventory = |image| Inventory::of(&open(image)).unwrap();
    let old = inventory("file a mode=4755\nfile b mode=4755\nfile c mode=4755\n");
    let new = inventory("file a mode=4755\nfile b mode=4711\nfile d mode=2755\n");
    let show = |old: &Inventory, new: &Inventory| -> Vec<String> {
        let shown =
            |change: &Change| format!("{} -{:?} +{:?}", change.name, change.lost, change.gained);
        old.diff(new).iter().map(shown).collect()
    };
    assert_eq!(
        show(&old, &new),
        [
            "/b -[\"4755 0:0\"] +[\"4711 0:0\"]",
            "/c -[\"4755 0:0\"] +[]",
            "/d -[] +[\"2755 0:0\"]"
        ]
    );
    assert_eq!(show(&new, &new), [""; 0]);
    assert_eq!((old.count(Kind::SetId), old.count(Kind::Unit)), (3, 0));
    let rules = inventory(
        "file etc/sudoers\n| @includedir /etc/sudoers.d\n| amy ALL=ALL\nfile etc/sudoers.d/a\n| amy ALL=ALL\n",
    );
    assert_eq!(rules.count(Kind::Sudo), 2);
}
