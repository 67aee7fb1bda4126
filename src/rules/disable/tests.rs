//! `Disable` under each init; tests/inits.rs has the inits' own tools as judges.

use crate::rules::harness::{check, content_after};

const SSHD: &str = "[Disable sshd]";

#[test]
fn openrc_loses_the_links_of_its_runlevels() {
    check(
        "
file sbin/openrc mode=755
file etc/init.d/sshd mode=755
| #!/sbin/openrc-run
| command=/usr/sbin/sshd
file etc/init.d/second mode=755
| #!/sbin/openrc-run
| : ${SSHD:=/usr/sbin/sshd}
| start() { start-stop-daemon --start --exec \"${SSHD}\" -- -f /etc/ssh/second; }
file etc/init.d/guard mode=755
| #!/sbin/openrc-run
| depend() {
|   need net sshd
| }
symlink etc/runlevels/default/sshd -> /etc/init.d/sshd
symlink etc/runlevels/default/second -> /etc/init.d/second
symlink etc/runlevels/default/guard -> /etc/init.d/guard
symlink etc/runlevels/nonetwork/local -> /etc/init.d/local
",
        SSHD,
        "changed\n  removed /etc/runlevels/default/sshd\n  removed /etc/runlevels/default/second\n  \
         note /etc/runlevels/default/sshd started sshd\n  \
         note /etc/runlevels/default/second started sshd\n  \
         residual /etc/init.d/guard:3: is a service of a runlevel and needs it: sshd still starts\n",
    );
}

#[test]
fn a_copy_of_etc_is_closed_too() {
    check(
        "
file usr/etc/init.d/sshd mode=755
| #!/sbin/openrc-run
symlink usr/etc/runlevels/default/sshd -> /etc/init.d/sshd
dir etc
",
        SSHD,
        "changed\n  removed /usr/etc/runlevels/default/sshd\n  created /usr/etc/runlevels/default\n  \
         note /usr/etc/runlevels/default/sshd started sshd\n",
    );
}

const SYSV: &str = "
file sbin/init mode=755
file usr/lib/systemd/system/ssh.service
| [Service]
| ExecStart=/usr/sbin/sshd -D
file etc/init.d/ssh mode=755
| #!/bin/sh
| case $1 in
|   start) start-stop-daemon --start --pidfile /run/sshd.pid --exec /usr/sbin/sshd ;;
| esac
file etc/init.d/watch mode=755
| #!/bin/sh
| # starts nothing like sshd
| pidof sshd
symlink etc/rc2.d/S03ssh -> ../init.d/ssh
symlink etc/rc5.d/S03ssh -> ../init.d/ssh
symlink etc/rc0.d/K01ssh -> ../init.d/ssh
symlink etc/rc2.d/S04watch -> ../init.d/watch
";

#[test]
fn links_that_start_become_links_that_stop() {
    // Units that a package brings along mean nothing to sysvinit.
    check(
        SYSV,
        SSHD,
        "changed\n  created /etc/rc5.d/K03ssh -> ../init.d/ssh\n  removed /etc/rc5.d/S03ssh\n  \
         created /etc/rc2.d/K03ssh -> ../init.d/ssh\n  removed /etc/rc2.d/S03ssh\n  \
         note /etc/rc5.d/S03ssh started sshd\n  \
         note /etc/rc2.d/S03ssh started sshd\n",
    );
    check(
        SYSV,
        "[Disable sshd]\n[Waive Disable:/etc/rc2.d/S03ssh]\nReason=x\nExpires=2030-01-01",
        "changed\n  created /etc/rc5.d/K03ssh -> ../init.d/ssh\n  removed /etc/rc5.d/S03ssh\n  \
         note /etc/rc5.d/S03ssh started sshd\n",
    );
    // With a systemd that may be started instead, both are closed.
    check(
        &format!("{SYSV}dir etc/systemd/system\nfile usr/lib/systemd/systemd mode=755\n"),
        "[Disable /usr/sbin/sshd]",
        "changed\n  created /etc/systemd/system/ssh.service -> /dev/null\n  \
         created /etc/rc5.d/K03ssh -> ../init.d/ssh\n  removed /etc/rc5.d/S03ssh\n  \
         created /etc/rc2.d/K03ssh -> ../init.d/ssh\n  removed /etc/rc2.d/S03ssh\n  \
         note ssh.service would start /usr/sbin/sshd\n  \
         note /etc/rc5.d/S03ssh started /usr/sbin/sshd\n  \
         note /etc/rc2.d/S03ssh started /usr/sbin/sshd\n",
    );
}

const BUILDROOT: &str = "
file etc/init.d/rcS mode=755
| for i in /etc/init.d/S??* ; do $i start; done
file etc/init.d/S50dropbear mode=755
| DAEMON=dropbear
| start() { start-stop-daemon -S -q -x \"/usr/sbin/$DAEMON\"; }
symlink etc/init.d/S51again.sh -> S50dropbear
file etc/init.d/S50other mode=755
| other
";

#[test]
fn scripts_of_buildroot_get_a_name_that_rcs_passes_over() {
    check(
        BUILDROOT,
        "[Disable dropbear]",
        "changed\n  created /etc/init.d/K51again.sh -> S50dropbear\n  removed /etc/init.d/S51again.sh\n  \
         created /etc/init.d/K50dropbear\n  removed /etc/init.d/S50dropbear\n  \
         note /etc/init.d/S51again.sh started dropbear\n  \
         note /etc/init.d/S50dropbear started dropbear\n",
    );
    let text = content_after(BUILDROOT, "[Disable dropbear]", "/etc/init.d/K50dropbear");
    assert!(text.starts_with("DAEMON=dropbear\n"));
}

#[test]
fn openwrt_loses_its_links() {
    check(
        "
file sbin/procd mode=755
file etc/init.d/dropbear mode=755
| #!/bin/sh /etc/rc.common
| PROG=/usr/sbin/dropbear
| start_service() {
| 	procd_set_param command \"$PROG\" -F
| }
symlink etc/rc.d/S19dropbear -> ../init.d/dropbear
symlink etc/rc.d/K50dropbear -> ../init.d/dropbear
",
        "[Disable dropbear]",
        "changed\n  removed /etc/rc.d/S19dropbear\n  removed /etc/rc.d/K50dropbear\n  created /etc/rc.d\n  \
         note /etc/rc.d/S19dropbear started dropbear\n",
    );
}

#[test]
fn supervisors_lose_links_or_get_a_file_down() {
    check(
        "
file etc/sv/sshd/run mode=755
| #!/bin/sh
| exec /usr/sbin/sshd -D
symlink etc/runit/runsvdir/default/sshd -> /etc/sv/sshd
symlink etc/runit/runsvdir/current -> default
file etc/service/second/run mode=755
| #!/bin/sh
| exec chpst -e ./env sshd -D -f x
file etc/service/quiet/run mode=755
| #!/bin/sh
| exec sshd
file etc/service/quiet/down
",
        SSHD,
        "changed\n  created /etc/service/second/down\n  removed /etc/runit/runsvdir/default/sshd\n  \
         created /etc/runit/runsvdir/default\n  \
         note /etc/service/second started sshd\n  \
         note /etc/runit/runsvdir/current/sshd started sshd\n",
    );
    check(
        "
file etc/s6-overlay/s6-rc.d/user/contents.d/sshd
file etc/s6-overlay/s6-rc.d/sshd/run mode=755
| #!/command/execlineb -P
| /usr/sbin/sshd -D
file etc/dinit.d/sshd
| command = /usr/sbin/sshd -D
symlink etc/dinit.d/boot.d/remote -> ../sshd
file etc/dinit.d/remote
| command = /usr/bin/env sshd
file etc/s6/sv/default/contents
| cron
| sshd
",
        SSHD,
        "changed\n  content /etc/s6/sv/default/contents\n  \
         removed /etc/s6-overlay/s6-rc.d/user/contents.d/sshd\n  removed /etc/dinit.d/boot.d/remote\n  \
         created /etc/dinit.d/boot.d\n  created /etc/s6-overlay/s6-rc.d/user/contents.d\n  \
         note /etc/s6/sv/default/contents:2 started sshd\n  \
         note /etc/s6-overlay/s6-rc.d/user/contents.d/sshd started sshd\n  \
         note /etc/dinit.d/boot.d/remote started sshd\n",
    );
}

const LINES: &str = "
file etc/inittab
| # ::respawn:/usr/sbin/telnetd -F
| ::respawn:/usr/sbin/telnetd -F
| t1:2345:respawn:/sbin/getty 38400 tty1
file etc/inetd.conf
| login stream tcp nowait root /usr/sbin/tcpd /usr/sbin/in.rlogind
| telnet stream tcp nowait root /usr/sbin/tcpd /usr/sbin/in.telnetd
| 127.0.0.1:23 stream tcp nowait root /bin/busybox busybox telnetd -i
file etc/xinetd.d/telnet
| service telnet
| {
|   server = /usr/sbin/in.telnetd
|   disable = no
| }
| service telnets
| {
|   server = /usr/sbin/in.telnetd
| }
| service time
| {
|   type = INTERNAL
| }
";

#[test]
fn lines_become_comments_and_services_of_xinetd_are_disabled() {
    let rule = "[Disable telnetd]";
    check(
        LINES,
        rule,
        "changed\n  content /etc/xinetd.d/telnet\n  content /etc/xinetd.d/telnet\n  \
         content /etc/inittab\n  content /etc/inetd.conf\n  content /etc/inetd.conf\n  \
         note /etc/xinetd.d/telnet:6 started telnetd\n  note /etc/xinetd.d/telnet:1 started telnetd\n  \
         note /etc/inittab:2 started telnetd\n  note /etc/inetd.conf:3 started telnetd\n  \
         note /etc/inetd.conf:2 started telnetd\n",
    );
    let after = |path| content_after(LINES, rule, path);
    assert_eq!(
        after("/etc/inittab"),
        "# ::respawn:/usr/sbin/telnetd -F\n#::respawn:/usr/sbin/telnetd -F\n\
         t1:2345:respawn:/sbin/getty 38400 tty1\n"
    );
    assert_eq!(
        after("/etc/inetd.conf"),
        "login stream tcp nowait root /usr/sbin/tcpd /usr/sbin/in.rlogind\n\
         #<off># telnet stream tcp nowait root /usr/sbin/tcpd /usr/sbin/in.telnetd\n\
         #<off># 127.0.0.1:23 stream tcp nowait root /bin/busybox busybox telnetd -i\n"
    );
    assert_eq!(
        after("/etc/xinetd.d/telnet"),
        "service telnet\n{\n  server = /usr/sbin/in.telnetd\n  disable = yes\n}\n\
         service telnets\n{\n  server = /usr/sbin/in.telnetd\n\tdisable = yes\n}\n\
         service time\n{\n  type = INTERNAL\n}\n"
    );
}

#[test]
fn every_unit_that_starts_the_program_is_masked() {
    check(
        "
file usr/lib/systemd/system/ssh.service
| [Service]
| ExecStart=/usr/sbin/sshd -D
symlink etc/systemd/system/sshd.service -> /usr/lib/systemd/system/ssh.service
file usr/lib/systemd/system/ssh.socket
| [Socket]
| ListenStream=22
file usr/lib/systemd/system/second@.service
| [Service]
| ExecStart=@-/usr/bin/env other A=1 sshd -i
file usr/lib/systemd/system/second.socket
| [Socket]
| Accept=yes
file etc/systemd/system/nightly.timer
| [Timer]
| Unit=ssh.service
file usr/lib/systemd/system/check.service
| [Service]
| ExecStart=/usr/bin/true
| ExecStartPre=/usr/sbin/sshd -t
file usr/lib/systemd/system-generators/systemd-sysv-generator mode=755
file etc/init.d/own mode=755
| /usr/sbin/sshd
symlink etc/rc2.d/S01own -> ../init.d/own
",
        SSHD,
        "changed\n  removed /etc/systemd/system/nightly.timer\n  \
         created /etc/systemd/system/nightly.timer -> /dev/null\n  \
         created /etc/systemd/system/own.service -> /dev/null\n  \
         created /etc/systemd/system/second.socket -> /dev/null\n  \
         created /etc/systemd/system/second@.service -> /dev/null\n  \
         created /etc/systemd/system/ssh.service -> /dev/null\n  \
         created /etc/systemd/system/ssh.socket -> /dev/null\n  \
         note nightly.timer would start sshd\n  note own.service would start sshd\n  \
         note second.socket would start sshd\n  note second@.service would start sshd\n  \
         note ssh.service would start sshd\n  note ssh.socket would start sshd\n",
    );
}

#[test]
fn a_socket_that_accepts_is_closed_with_its_template() {
    check(
        "
dir etc/systemd/system
file usr/lib/systemd/system/dropbear.socket
| [Socket]
| Accept=yes
file usr/lib/systemd/system/dropbear@.service
| [Service]
| ExecStart=-/usr/sbin/dropbear -i
",
        "[Disable dropbear]",
        "changed\n  created /etc/systemd/system/dropbear.socket -> /dev/null\n  \
         created /etc/systemd/system/dropbear@.service -> /dev/null\n",
    );
}

#[test]
fn what_a_generator_would_make_is_masked() {
    let image = "
dir etc/systemd/system
file usr/sbin/sshd mode=755
file usr/lib/systemd/system-generators/systemd-ssh-generator mode=755
";
    let mask = "changed\n  created /etc/systemd/system/sshd@.service -> /dev/null\n";
    check(image, SSHD, mask);
    let by_path = format!("{mask}  note sshd@.service would start /usr/sbin/sshd\n");
    check(image, "[Disable /usr/sbin/sshd]", &by_path);
    check(image, "[Disable dropbear]\nOnMissing=skip", "absent\n");
}

#[test]
fn what_is_not_edited_is_said_by_its_line() {
    check(
        "
file etc/rc.local mode=755
| #!/bin/sh
| # /usr/sbin/sshd
| /usr/sbin/sshd -f /x
| exit 0
file etc/local.d/a.start mode=755
| $SERVER sshd
file etc/cron.d/a
| @reboot root /usr/sbin/sshd -p 23
| 5 5 * * * root /usr/sbin/sshd
file etc/supervisor/conf.d/a.conf
| [program:x]
| command=/usr/sbin/sshd -D
",
        SSHD,
        "already\n  residual /etc/cron.d/a:1: is a line of cron that starts it at boot: sshd still starts\n  \
         residual /etc/local.d/a.start: names sshd, and has a command that casehard cannot tell\n  \
         residual /etc/rc.local:3: is a script that runs at boot and starts it: sshd still starts\n  \
         residual /etc/supervisor/conf.d/a.conf:2: is a program of supervisord: sshd still starts\n",
    );
}

#[test]
fn what_nothing_starts_is_closed_already_and_what_is_not_there_absent() {
    check("file usr/sbin/sshd mode=755\n", SSHD, "already\n");
    check(
        "file usr/sbin/in.telnetd\n",
        "[Disable telnetd]",
        "already\n",
    );
    check(
        "dir etc\n",
        SSHD,
        "failed: the image has no sshd; `OnMissing=skip` or `warn` allows that, and `OnMissing=mask` masks it all the same\n",
    );
    let later = "[Disable sshd]\nOnMissing=mask";
    check(
        "dir etc/systemd/system\n",
        later,
        "changed\n  created /etc/systemd/system/sshd.service -> /dev/null\n",
    );
    check("dir etc/runlevels\n", later, "absent\n");
}
