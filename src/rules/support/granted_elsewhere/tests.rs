use crate::rules::harness::check;

const IMAGE: &str = "
dir ./
file etc/passwd
| core:x:500:500::/:/bin/sh
file etc/group
| wheel:x:10:core
| core:x:500:
file etc/sudoers
| %sudo ALL=ALL
";

#[track_caller]
fn removed_sudo(files: &str, residuals: &[&str]) {
    let open: String = residuals
        .iter()
        .map(|open| format!("  residual {open}\n"))
        .collect();
    check(
        &format!("{IMAGE}{files}"),
        "[RemoveSudo core]",
        &format!("already\n{open}"),
    );
}

#[test]
fn doas_is_read_to_the_last_line() {
    removed_sudo(
        "file etc/doas.conf
| # permit core
| permit nopass setenv { A=1 B } core as root \\
|   cmd reboot
| permit persist :wheel
| permit :adm
| permit \"500\"
| permit bob
file etc/doas.d/a.conf
| permit core
| deny core cmd ls
file etc/doas.d/b.conf
| permit :500
| deny :wheel
file etc/doas.d/other
| permit core
",
        &[
            "/etc/doas.conf:2: doas permits core by name to run programs as others",
            "/etc/doas.conf:4: doas permits wheel, in which core is, to run programs as others",
            "/etc/doas.conf:6: doas permits core by name to run programs as others",
            "/etc/doas.d/a.conf:1: doas permits core by name to run programs as others",
        ],
    );
}

#[test]
fn cloud_init_is_read_where_distributions_write_it() {
    removed_sudo(
        r#"file etc/cloud/cloud.cfg
| users:
|   - default
|   - name: bob
|     sudo: ALL=(ALL) ALL
|   - gecos: x
|     groups: adm, sudo  # both
|     name: "core"
|     sudo: false
| system_info:
|   default_user:
|     name: core
|     groups: [adm, audio]
|     sudo: ["ALL=(ALL) NOPASSWD:ALL"]
|   distro: debian
file etc/cloud/cloud.cfg.d/90.cfg
| users:
| - name: core
|   doas:
|     - permit nopass core
|   groups:
|     - sudo
"#,
        &[
            "/etc/cloud/cloud.cfg:6: cloud-init puts core into sudo when the system first boots",
            "/etc/cloud/cloud.cfg:13: cloud-init grants sudo to core when the system first boots",
            "/etc/cloud/cloud.cfg.d/90.cfg:3: cloud-init grants doas to core when the system first boots",
            "/etc/cloud/cloud.cfg.d/90.cfg:5: cloud-init puts core into sudo when the system first boots",
        ],
    );
}

#[test]
fn cloud_init_is_read_as_yaml() {
    removed_sudo(
        r#"file etc/cloud/cloud.cfg
| rules: &rules [ALL=(ALL) ALL]
| users:
| - {name: core, groups: "adm,sudo"}
| - {name: bob, sudo: ALL}
| - name: >-
|     core
|   sudo: *rules
| - {name: core, groups: [*rules, adm]}
| ---
| name: core
| "sudo": 'ALL=(ALL) ALL'
| sudo: null
file etc/cloud/cloud.cfg.d/90.cfg
| name: core
| sudo: yes
| users: ]
| name: core
"#,
        &[
            "/etc/cloud/cloud.cfg:3: cloud-init puts core into sudo when the system first boots",
            "/etc/cloud/cloud.cfg:7: casehard does not follow the YAML alias here; cloud-init may grant something to core",
            "/etc/cloud/cloud.cfg:8: casehard does not follow the YAML alias here; cloud-init may grant something to core",
            "/etc/cloud/cloud.cfg:11: cloud-init grants sudo to core when the system first boots",
            "/etc/cloud/cloud.cfg.d/90.cfg:2: cloud-init grants sudo to core when the system first boots",
            "/etc/cloud/cloud.cfg.d/90.cfg:3: cannot be read as YAML from here on; cloud-init may grant something to core",
        ],
    );
}

#[test]
fn pam_group_counts_where_a_service_asks_for_it() {
    let config = "file etc/security/group.conf
| # *;*;core;Al0000-2400;sudo
| login; tty*; core|bob ;Al0000-2400; audio, \\
|   sudo
| *;*;%wheel;Al0000-2400;sudo # all
| *;*;bob;Al0000-2400;sudo
| *;*;core;Al0000-2400;audio
";
    removed_sudo(
        &format!("{config}file etc/pam.d/login\n| # pam_group.so\n"),
        &[],
    );
    removed_sudo(
        &format!("{config}file etc/pam.d/login\n| auth optional pam_group.so\n"),
        &[
            "/etc/security/group.conf:2: pam_group adds core to sudo at logins",
            "/etc/security/group.conf:4: pam_group adds core to sudo at logins",
        ],
    );
}

#[track_caller]
fn left_wheel(files: &str, residuals: &[&str]) {
    let open: String = residuals
        .iter()
        .map(|open| format!("  residual {open}\n"))
        .collect();
    check(
        &format!("{IMAGE}{files}"),
        "[RemoveFromGroups core]\nGroup=wheel",
        &format!("changed\n  content /etc/group\n{open}"),
    );
}

#[test]
fn every_form_of_a_provisioner_is_read() {
    left_wheel(
        r#"file etc/cloud/cloud.cfg
| groups:
|   - wheel: [bob, core]
|   - adm: core
| users: {core: {groups: wheel}}
| user: core
file var/lib/cloud/seed/nocloud/user-data
| #cloud-config
| runcmd:
|   - [usermod, -aG, wheel, core]
|   - [usermod, -aG, wheel, bob]
file usr/lib/dracut/modules.d/40ignition-conf/base.ign
| {"passwd":{"users":[{"name":"core","groups":["adm","wheel"]},
|   {"name":"core","create":{"groups":["wheel"]}},{"name":"bob","groups":["wheel"]}]}}
file oem/10.yaml
| stages:
|   boot:
|     - users: {core: {groups: [wheel]}}
"#,
        &[
            "/etc/cloud/cloud.cfg:2: cloud-init puts core into wheel when the system first boots",
            "/etc/cloud/cloud.cfg:4: cloud-init puts core into wheel when the system first boots",
            "/etc/cloud/cloud.cfg:5: this names the default user, who gets the groups and rules of that; cloud-init may grant something to core",
            "/oem/10.yaml:3: Kairos puts core into wheel at every boot",
            "/usr/lib/dracut/modules.d/40ignition-conf/base.ign:1: Ignition puts core into wheel when the system first boots",
            "/usr/lib/dracut/modules.d/40ignition-conf/base.ign:2: Ignition puts core into wheel when the system first boots",
            "/var/lib/cloud/seed/nocloud/user-data:3: this command may put core into wheel when the system starts",
        ],
    );
}

#[test]
fn scripts_and_programs_of_the_first_start_are_named() {
    left_wheel(
        "file etc/rc.local
| #!/bin/sh
| gpasswd -a core wheel
| usermod -aG audio core
file etc/wsl-distribution.conf
| [shortcut]
| command=x
| [oobe]
| command = /usr/lib/wsl/setup
file usr/lib/oem-config/oem-config.py
file usr/libexec/gnome-initial-setup
",
        &[
            "/etc/rc.local:2: this command may put core into wheel when the system starts",
            "/etc/wsl-distribution.conf:4: WSL's first start makes or changes accounts, and may put core into groups that give root",
            "/usr/lib/oem-config/oem-config.py: Ubuntu's oem-config makes or changes accounts, and may put core into groups that give root",
        ],
    );
}

#[test]
fn pam_and_polkit_trust_groups_and_everybody() {
    left_wheel(
        "
file etc/pam.d/su
| auth sufficient pam_wheel.so trust use_uid
| auth sufficient pam_wheel.so trust group=core
| auth [success=done default=ignore] pam_succeed_if.so quiet user ingroup adm:core
| auth required pam_permit.so
| account sufficient pam_succeed_if.so user ingroup core
| auth sufficient pam_permit.so # open
file etc/polkit-1/rules.d/10.rules
| polkit.addRule(function(action, subject) {
|   // if (subject.isInGroup('x'))
|   if (subject.local) return polkit.Result.YES; });
| polkit.addRule(function(action, subject) {
|   if (action.id == 'a') return polkit.Result.YES; });
| polkit.addRule(function(action, subject) {
|   if (subject.isInGroup('core')) return polkit.Result.YES; });
file etc/polkit-1/localauthority/50/a.pkla
| [one]
| Identity=unix-user:*
| Action=org.x
| ResultAny=yes
| [all]
| Identity=unix-user:*
| Action=*
| ResultActive=yes
",
        &[
            "/etc/pam.d/su:2: PAM's su trusts core, in which core is, without a password",
            "/etc/pam.d/su:3: PAM's su trusts core, in which core is, without a password",
            "/etc/pam.d/su:6: PAM's su trusts everybody, and so core, without a password",
            "/etc/polkit-1/localauthority/50/a.pkla:8: a polkit rule says yes to everybody, and so to core",
            "/etc/polkit-1/rules.d/10.rules:3: a polkit rule says yes to everybody, and so to core",
            "/etc/polkit-1/rules.d/10.rules:7: a polkit rule names core, in which core stays",
        ],
    );
}

#[test]
fn other_forms_of_a_provisioner_and_what_it_writes() {
    left_wheel(
        r#"file etc/cloud/cloud.cfg
| users:
|   - name: core
|     primary_group: wheel
| write_files:
|   - path: /etc/sudoers.d/90-core
|     content: core ALL=(ALL) NOPASSWD:ALL
|   - path: /etc/motd
file var/lib/cloud/seed/nocloud/user-data
| #include
| https://site.example/users
file var/lib/cloud/seed/nocloud/vendor-data
| #cloud-config-archive
| - type: text/cloud-config
file usr/lib/ignition/user.ign
| {"passwd":{"users":[{"name":"core","primaryGroup":"wheel"}]},
|  "storage":{"files":[{"path":"/etc/doas.d/core.conf"}]}}
file etc/polkit-1/rules.d/10.rules
| polkit.addRule(function(action, subject) {
|   if (action.id == "org.freedesktop.systemd1.manage-units") return polkit.Result.YES; });
| polkit.addRule(function(action, subject) {
|   if (action.id == "org.freedesktop.systemd1.manage-units" && action.lookup("unit") == "a.service")
|     return polkit.Result.YES; });
"#,
        &[
            "/etc/cloud/cloud.cfg:3: cloud-init puts core into wheel when the system first boots",
            "/etc/cloud/cloud.cfg:5: cloud-init writes /etc/sudoers.d/90-core when the system first boots, which may \
                 grant something to core",
            "/etc/polkit-1/rules.d/10.rules:2: a polkit rule says yes to everybody, and so to core",
            "/usr/lib/ignition/user.ign:1: Ignition puts core into wheel when the system first boots",
            "/usr/lib/ignition/user.ign:2: Ignition writes /etc/doas.d/core.conf when the system first boots, which \
                 may grant something to core",
            "/var/lib/cloud/seed/nocloud/user-data:1: casehard does not fetch what this includes; cloud-init may \
                 grant something to core",
            "/var/lib/cloud/seed/nocloud/vendor-data:1: casehard does not read this kind of data; cloud-init may \
                 grant something to core",
        ],
    );
}

#[test]
fn memberships_are_found_in_every_directory_of_userdb() {
    for directory in ["run/host", "usr/local/lib", "lib", "usr/etc"] {
        check(
            &format!(
                "{IMAGE}dir {directory}/userdb\nfile {directory}/userdb/core:wheel.membership\n\
                     file {directory}/userdb/bob:wheel.membership\n"
            ),
            "[RemoveFromGroups core]\nGroup=wheel",
            &format!(
                "changed\n  content /etc/group\n  removed /{directory}/userdb/core:wheel.membership\n"
            ),
        );
    }
}

#[test]
fn nsswitch_decides_which_sources_count() {
    let extra = "file var/lib/extrausers/group\n| wheel:x:11:core\n";
    left_wheel(extra, &[]);
    let asks = "file etc/nsswitch.conf\n| group: files extrausers sss\n";
    check(
        &format!("{IMAGE}{extra}{asks}"),
        "[RemoveFromGroups core]\nGroup=wheel",
        "changed\n  content /etc/group\n  content /var/lib/extrausers/group\n  \
             residual /etc/nsswitch.conf:1: the C library asks sss for groups too, which casehard does not read\n",
    );
}

#[test]
fn groups_without_sudo_do_not_matter() {
    removed_sudo(
        "file var/lib/systemd/home/core.identity\n| {\"userName\":\"core\",\"memberOf\":[\"audio\"]}\n",
        &[],
    );
}

#[test]
fn groups_that_are_left_come_again() {
    check(
        &format!(
            "{IMAGE}file var/lib/systemd/home/core.identity\n| {{\"userName\":\"core\",\"memberOf\":[\"wheel\",\"audio\"]}}\n\
                 file etc/cloud/cloud.cfg\n| system_info:\n|   default_user:\n|     name: core\n|     groups: [wheel, adm]\n\
                 file etc/doas.conf\n| permit :wheel\n"
        ),
        "[RemoveFromGroups core]\nGroup=wheel",
        "changed\n  content /etc/group\n  residual /etc/cloud/cloud.cfg:4: cloud-init puts core into wheel when the system first \
             boots\n  residual /var/lib/systemd/home/core.identity: systemd-homed has core in wheel; the record is signed, so casehard \
             does not edit it\n",
    );
}
