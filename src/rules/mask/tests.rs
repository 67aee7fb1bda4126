//! The rule on small images.

mod bus;
mod index;

use crate::edit::{ResidualKind, Severity};
use crate::rules::harness::{check, open, recipe};

const UNITS: &str = "
dir ./
symlink lib -> usr/lib
file usr/lib/systemd/system/sshd.socket
| [Socket]
| ListenStream=22
file usr/lib/systemd/system/sshd@.service
| [Service]
file usr/lib/systemd/system/rpcbind.service
| [Service]
symlink usr/lib/systemd/system/vendor.service -> /dev/null
file usr/lib/systemd/system/empty.service
file etc/systemd/system/local.service
| [Service]
hardlink etc/systemd/system/second.service -> etc/systemd/system/local.service
symlink etc/systemd/system/alias.service -> /usr/lib/systemd/system/rpcbind.service
";

#[test]
fn units_are_masked_wherever_they_come_from() {
    check(
        UNITS,
        "[Mask sshd.socket]",
        "changed\n  created /etc/systemd/system/sshd.socket -> /dev/null\n",
    );
    check(
        UNITS,
        "[Mask sshd@.service]",
        "changed\n  created /etc/systemd/system/sshd@.service -> /dev/null\n",
    );
    check(
        UNITS,
        "[Mask sshd@host.service]",
        "changed\n  created /etc/systemd/system/sshd@host.service -> /dev/null\n",
    );
    check(
        UNITS,
        "[Mask *.socket]\n[Mask *r*.service]",
        "changed\n  created /etc/systemd/system/sshd.socket -> /dev/null\n\
         changed\n  created /etc/systemd/system/rpcbind.service -> /dev/null\n  note 1 of 2 units were masked already\n",
    );
}

#[test]
fn an_instance_without_its_template_is_no_unit() {
    let absent = "absent\n  note the image has no unit other@a.service\n";
    check(UNITS, "[Mask other@a.service]\nOnMissing=warn", absent);
}

#[test]
fn what_is_masked_stays_as_it_is() {
    check(UNITS, "[Mask vendor.service]", "already\n");
    check(UNITS, "[Mask empty.service]", "already\n");
    let relative = format!("{UNITS}symlink etc/systemd/system/sshd.socket -> ../../../dev/null\n");
    check(&relative, "[Mask sshd.socket]", "already\n");
    let dangling = format!("{UNITS}symlink etc/systemd/system/sshd.socket -> /nowhere\n");
    check(
        &dangling,
        "[Mask sshd.socket]",
        "changed\n  removed /etc/systemd/system/sshd.socket\n  created /etc/systemd/system/sshd.socket -> /dev/null\n",
    );
}

#[test]
fn a_unit_or_alias_in_the_way_is_displaced() {
    for unit in ["local", "second", "alias"] {
        let also = match unit {
            "local" => {
                "  residual /etc/systemd/system/second.service: second.service is the same file as local.service was and can still be started\n"
            }
            "second" => {
                "  residual /etc/systemd/system/local.service: local.service is the same file as second.service was and can still be started\n"
            }
            _ => {
                "  residual /usr/lib/systemd/system/rpcbind.service: alias.service was only an alias of rpcbind.service, which can still be started\n"
            }
        };
        let want = format!(
            "changed\n  removed /etc/systemd/system/{unit}.service\n  created /etc/systemd/system/{unit}.service -> /dev/null\n{also}"
        );
        check(UNITS, &format!("[Mask {unit}.service]"), &want);
    }
    // What another rule masks is not open.
    for (unit, other) in [("local", "second"), ("alias", "rpcbind")] {
        let [removed, created] =
            ["removed", "created"].map(|what| format!("  {what} /etc/systemd/system"));
        let before = if unit == "local" {
            format!("{removed}/{other}.service\n")
        } else {
            String::new()
        };
        let want = format!(
            "changed\n{removed}/{unit}.service\n{created}/{unit}.service -> /dev/null\n\
             changed\n{before}{created}/{other}.service -> /dev/null\n"
        );
        check(
            UNITS,
            &format!("[Mask {unit}.service]\n[Mask {other}.service]"),
            &want,
        );
    }
    // Nor is what systemd does not load: no unit's place, or hidden by a file that is read first.
    check(
        "file etc/systemd/system/a.service\n| [Unit]\nhardlink root/b.service -> etc/systemd/system/a.service\n\
         hardlink usr/lib/systemd/system/c.service -> etc/systemd/system/a.service\n\
         file etc/systemd/system/c.service\n| [Service]\n",
        "[Mask a.service]",
        "changed\n  removed /etc/systemd/system/a.service\n  created /etc/systemd/system/a.service -> /dev/null\n",
    );
    let twice = format!("{UNITS}file etc/systemd/system/local.service\n| [Unit]\n");
    check(
        &twice,
        "[Mask local.service]",
        "changed\n  removed /etc/systemd/system/local.service\n  created /etc/systemd/system/local.service -> /dev/null\n",
    );
}

#[test]
fn an_absent_unit_is_what_on_missing_says() {
    check(
        UNITS,
        "[Mask ssh.socket]",
        "failed: the image has no unit ssh.socket; `OnMissing=skip` or `warn` allows that, and `OnMissing=mask` masks it all the same\n",
    );
    check(UNITS, "[Mask x*.socket]\nOnMissing=skip", "absent\n");
    check(
        UNITS,
        "[Mask docker.socket]\nOnMissing=mask",
        "changed\n  created /etc/systemd/system/docker.socket -> /dev/null\n",
    );
}

#[test]
fn a_service_that_has_only_a_script_is_a_unit_where_the_generator_is() {
    let scripts = "
file etc/init.d/xinetd mode=0755
| #!/bin/sh
file etc/init.d/tftpd-hpa mode=0755
| #!/bin/sh
file etc/init.d/README
| not a script
";
    let generator = "file usr/lib/systemd/system-generators/systemd-sysv-generator mode=0755\n";
    let image = format!("{scripts}{generator}");
    check(
        &image,
        "[Mask xinetd.service]\n[Mask t*.service]",
        "changed\n  created /etc/systemd\n  created /etc/systemd/system\n  created /etc/systemd/system/xinetd.service -> /dev/null\n\
         changed\n  created /etc/systemd/system/tftpd-hpa.service -> /dev/null\n",
    );
    check(&image, "[Mask README.service]\nOnMissing=skip", "absent\n");
    check(scripts, "[Mask xinetd.service]\nOnMissing=skip", "absent\n");
    let hidden = format!(
        "{image}symlink etc/systemd/system-generators/systemd-sysv-generator -> /dev/null\n"
    );
    check(&hidden, "[Mask xinetd.service]\nOnMissing=skip", "absent\n");
}

#[test]
fn links_on_the_way_are_followed_inside_the_root() {
    let linked = "dir ./\nfile usr/lib/systemd/system/a.service\n| [Unit]\nsymlink etc/systemd -> /usr/share/systemd\n";
    check(
        linked,
        "[Mask a.service]",
        "changed\n  created /usr/share\n  created /usr/share/systemd\n  created /usr/share/systemd/system\n  created /usr/share/systemd/system/a.service -> /dev/null\n",
    );
}

#[test]
fn a_unit_that_cannot_start_is_no_open_door() {
    let image = open(
        "file usr/lib/systemd/system/ssh.service\n| [Service]\n\
         file usr/lib/systemd/system/rescue.target\n| [Unit]\n| Requires=ssh.service\n",
    );
    let recipe = recipe("[Mask ssh.service]");
    let plan = image.plan(&recipe).unwrap();
    let kinds = plan.residuals().iter().map(|residual| residual.kind);
    assert_eq!(kinds.collect::<Vec<_>>(), [ResidualKind::CannotStart]);
    assert_eq!(ResidualKind::CannotStart.severity(), Severity::Medium);
}

#[test]
fn what_a_mask_leaves_open_is_a_residual() {
    let image = "
dir etc/systemd/system
file usr/lib/systemd/system/docker.socket
| [Socket]
| ListenStream=/run/docker.sock
file usr/lib/systemd/system/docker.service
| [Unit]
| After=x \\
|  y
| Requires=containerd.service \\
|   docker.socket
| [Service]
file usr/lib/systemd/system/other.socket
| [Socket]
| Service=docker.service
file usr/lib/systemd/system/api.service
| [Service]
| Sockets=docker.socket
symlink usr/lib/systemd/system/needs.target.requires/docker.socket -> ../docker.socket
file usr/lib/systemd/system/needs.target
| [Unit]
file usr/lib/systemd/system/tpl@.service
| [Service]
file usr/lib/systemd/system/tpl@z.service
| [Service]
| [broken
symlink usr/lib/systemd/system/tpl@y.service -> tpl@.service
symlink usr/lib/systemd/system/dbus-docker.service -> docker.service
file usr/lib/systemd/system/docker.socket.d/x.conf
| [Socket
";
    let usr = "/usr/lib/systemd/system";
    let made = "changed\n  created /etc/systemd/system";
    check(
        image,
        "[Mask docker.socket]",
        &format!(
            "{made}/docker.socket -> /dev/null\n  \
             residual {usr}/api.service:2: api.service can still be started without docker.socket; mask it as well\n  \
             residual {usr}/other.socket: other.socket still starts docker.service, as docker.socket did\n  \
             residual {usr}/docker.service:4: docker.service has Requires=docker.socket and cannot start while that is masked\n  \
             residual {usr}/needs.target.requires/docker.socket: needs.target requires docker.socket by this link and cannot start \
             while that is masked\n"
        ),
    );
    check(
        image,
        "[Mask tpl@.service]\n[Mask dbus-docker.service]",
        &format!(
            "{made}/tpl@.service -> /dev/null\n  residual {usr}/tpl@z.service: tpl@z.service has a file of its own, so that it can \
             still be started though tpl@.service is masked\n\
             {made}/dbus-docker.service -> /dev/null\n  residual {usr}/docker.service: dbus-docker.service is only an alias of \
             docker.service, which can still be started\n"
        ),
    );
    // What a later rule closes is not open.
    check(
        image,
        "[Mask docker.socket]\n[Mask docker.service]\n[Mask other.socket]\n[Mask api.service]\n[Mask needs.target]",
        &[
            "docker.socket",
            "docker.service",
            "other.socket",
            "api.service",
            "needs.target",
        ]
        .map(|unit| format!("{made}/{unit} -> /dev/null\n"))
        .concat(),
    );
}

#[test]
fn a_unit_that_comes_first_or_a_directory_in_the_way_fails() {
    let control = "file etc/systemd/system.control/a.service\n| [Service]\n";
    check(
        control,
        "[Mask a.service]",
        "failed: a.service still comes from /etc/systemd/system.control/a.service, which is read first\n  created \
         /etc/systemd/system\n  created /etc/systemd/system/a.service -> /dev/null\n",
    );
    check(
        "dir etc/systemd/system/a.service\n",
        "[Mask a.service]",
        "failed: /etc/systemd/system/a.service is a directory\n",
    );
}

#[test]
fn a_waived_unit_is_left() {
    check(
        UNITS,
        "[Mask sshd.socket]\n[Waive Mask:sshd.socket]\nReason=x\nExpires=2030-01-01",
        "waived\n",
    );
    check(
        UNITS,
        "[Mask sshd.socket]\n[Waive Mask:sshd.socket]\nReason=x\nExpires=2020-01-01",
        "failed: its waiver for sshd.socket expired on 2020-01-01; renew or delete it\n  created /etc/systemd/system/sshd.socket -> /dev/null\n",
    );
}

#[test]
fn what_still_starts_the_service_of_a_masked_socket_is_a_residual() {
    let image = "
dir etc/systemd/system
file usr/lib/systemd/system/a.socket
| [Socket]
| Accept=yes
file usr/lib/systemd/system/a@.service
| [Service]
file usr/lib/systemd/system/a.service
| [Unit]
| After=a.socket
| [Service]
| ExecStart=/bin/a a.socket
| Sockets=other.socket
file usr/lib/systemd/system/twin.socket
| [Socket]
| Service=a@.service
";
    let usr = "/usr/lib/systemd/system";
    let made = "changed\n  created /etc/systemd/system";
    check(
        image,
        "[Mask a.socket]",
        &format!(
            "{made}/a.socket -> /dev/null\n  residual {usr}/twin.socket: twin.socket still starts a@.service, as a.socket did\n"
        ),
    );
    check(
        image,
        "[Mask a.socket]\n[Mask a@.service]",
        &format!("{made}/a.socket -> /dev/null\n{made}/a@.service -> /dev/null\n"),
    );
    let absent = format!(
        "{image}file {usr}/b.socket\n| [Socket]\n| Service=none.service\n\
         file {usr}/c.socket\n| [Socket]\n| Service=none.service\n"
    );
    check(
        &absent,
        "[Mask b.socket]",
        &format!("{made}/b.socket -> /dev/null\n"),
    );
}

#[test]
fn another_name_of_the_file_and_what_requires_it_are_residuals() {
    let image = "
dir etc/systemd/system
file usr/lib/systemd/system/a.service
| [Service]
hardlink usr/lib/systemd/system/b.service -> usr/lib/systemd/system/a.service
symlink usr/lib/systemd/system/vendor.service -> /dev/null
file usr/lib/systemd/system/c.service
| [Unit]
| Requires=vendor.service
symlink usr/lib/systemd/system/d.target.requires/a.service -> ../a.service
symlink etc/systemd/system/d.target.requires/a.service -> /dev/null
file usr/lib/systemd/system/d.target
| [Unit]
";
    check(
        image,
        "[Mask a.service]",
        "changed\n  created /etc/systemd/system/a.service -> /dev/null\n  residual /usr/lib/systemd/system/b.service: b.service \
         is the same file as a.service and can still be started\n",
    );
}
