//! Who writes what root reads or runs, and who logs in.

use super::check;

#[test]
fn who_writes_what_root_reads_or_runs_is_listed() {
    check(
        "
dir etc/cron.d mode=0755
file etc/cron.d/job mode=0666
| 0 * * * * root cd /srv && /srv/job/run.sh /srv/job/data
dir srv/job mode=0775 gid=1000
file srv/job/run.sh mode=0755
file srv/job/data mode=0644 uid=33
file srv/other mode=0666
file etc/passwd mode=0664
| root:x:0:0::/root:/bin/sh
| www:x:33:33::/:/usr/sbin/nologin
| amy:x:1000:1000::/home/amy:/bin/sh
file etc/group
| root:x:0:
| amy:x:1000:
file etc/sudoers mode=0440 uid=1000
file etc/sudoers.d/x mode=0440 pax:SCHILY.acl.access=user::r--,user:33:rw-,group::r--,mask::rw-,other::---
file etc/redis/redis.conf mode=0660 uid=33 gid=33
file etc/redis/open.conf mode=0666
file etc/redis/mine.conf mode=0644 uid=1000
dir etc/profile.d mode=1777
dir usr/tmp mode=1777
dir usr/lib/mine mode=0755 uid=1000
file usr/lib/mine/a uid=1000
file usr/lib/mine/b mode=0646 uid=1000
file usr/share/factory/etc/shadow mode=0666
file home/amy/.profile mode=0666 uid=1000
dir var mode=0777
file usr/local/helper mode=4775 gid=33
",
        "set-id | /usr/local/helper | 4775 0:33
member | root | user number 0
writable | /etc/cron.d/job | anyone
writable | /etc/passwd | group root
writable | /etc/profile.d | anyone
writable | /etc/redis/mine.conf | user amy
writable | /etc/redis/open.conf | anyone
writable | /etc/sudoers | user amy
writable | /etc/sudoers.d/x | user www
writable | /srv/job | group amy
writable | /srv/job/data | user www
writable | /usr/lib/mine | user amy
writable | /usr/lib/mine/b | anyone
writable | /usr/local/helper | group 33
writable | /usr/share/factory/etc/shadow | anyone
writable | /var | anyone
",
    );
}

#[test]
fn programs_of_roots_services_are_followed_from_units_and_scripts() {
    check(
        "
file usr/lib/systemd/system/a.service
| [Service]
| ExecStart=-/bin/sh -c 'exec /srv/a'
| EnvironmentFile=-/srv/env
file usr/lib/systemd/system/b.service
| [Service]
| User=b
| ExecStartPre=+/srv/b-pre
| ExecStart=/srv/b
file usr/lib/systemd/system/c@.service
| [Service]
| ExecStart=/srv/%i/run
file usr/lib/systemd/system/t.timer
| [Timer]
| Unit=d.service
file usr/lib/systemd/system/d.service
| [Service]
| ExecStart=/srv/d
file usr/lib/systemd/system/idle.service
| [Service]
| ExecStart=/srv/idle
symlink etc/systemd/system/multi-user.target.wants/a.service -> /usr/lib/systemd/system/a.service
symlink etc/systemd/system/multi-user.target.wants/b.service -> /usr/lib/systemd/system/b.service
symlink etc/systemd/system/multi-user.target.wants/c@x.service -> /usr/lib/systemd/system/c@.service
symlink etc/systemd/system/timers.target.wants/t.timer -> /usr/lib/systemd/system/t.timer
file srv/a mode=0757
file srv/env mode=0646
file srv/b-pre mode=0757
file srv/b mode=0757
dir srv/x mode=0757
file srv/x/run mode=0755
file srv/d mode=0757
file srv/idle mode=0757
file etc/init.d/net mode=0755
| # /srv/note
| DAEMON=/srv/net
| LOG=/srv/net.log
file srv/net mode=0757
file srv/note mode=0757
file srv/net.log mode=0646
",
        "unit | a.service | multi-user.target
unit | b.service | multi-user.target
unit | c@x.service | multi-user.target
unit | t.timer | timers.target
writable | /srv/a | anyone
writable | /srv/b-pre | anyone
writable | /srv/d | anyone
writable | /srv/env | anyone
writable | /srv/net | anyone
writable | /srv/x | anyone
",
    );
}

#[test]
fn logins_are_accounts_that_someone_can_enter() {
    check(
        "
file etc/passwd
| root:x:0:0::/root:/bin/sh
| open::1:1::/:/usr/sbin/nologin
| locked:!:2:2::/:/bin/sh
| amy:x:1000:1000::/home/amy:/bin/bash
| daemon:x:3:3::/:/usr/sbin/nologin
| old:aaaaaaaaaaaaa:4:4::/:
file etc/shadow mode=0640
| root::1::::::
| amy:$6$x$yyyyyyyyyyyyyyyyyyyyyy:1::::::
| daemon:$6$x$yyyyyyyyyyyyyyyyyyyyyy:1::::::
| gone::1::::::
| open:*:1::::::
file etc/gshadow mode=0644
| wheel:$6$x$yyyyyyyyyyyyyyyyyyyyyy::
| users:!::
| x:::
file root/.ssh/authorized_keys mode=0600
| # mine
| command=\"x y\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBqAqk8Hl6tEbNjYZ3BHqzHIYI7xxB6yxvZYFqTDSvBG me
",
        "member | root | user number 0
login | /etc/gshadow | anyone may read the password hashes
login | amy | a password in /etc/shadow
login | group wheel | a password in /etc/gshadow, by which anyone joins
login | old | a password in /etc/passwd
login | open | no password is asked for: empty in /etc/passwd
login | root | no password is asked for: empty in /etc/shadow
login | root | the key SHA256:+Y8BcnVcq/PIXQPIpsA3YRmkLwj1ASrdJog4D4dZSwU in /root/.ssh/authorized_keys
",
    );
}
