//! Real Debian images with a dozen services, booted before and after hardening: what was disabled
//! does not run, all else does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use casehard::inventory::{Inventory, Kind};
use casehard::{Image, Recipe};

mod support;

use support::booted::Booted;
use support::disk::extract;
use support::mmdebstrap;
use support::tools::{self, MMDEBSTRAP, NSENTER, RealTest, SYSTEMD_NSPAWN, TAR, Tool};

const NEEDS: &[Tool] = &[MMDEBSTRAP, TAR, SYSTEMD_NSPAWN, NSENTER];

fn main() -> ExitCode {
    tools::main_if(
        tools::as_root,
        &[
            RealTest {
                name: "debian_12_boots_hardened",
                needs: NEEDS,
                run: || boots_hardened("bookworm", "openbsd-inetd,inetutils-telnetd", "inetd"),
            },
            RealTest {
                name: "debian_13_boots_hardened",
                needs: NEEDS,
                run: || boots_hardened("trixie", "xinetd", "xinetd"),
            },
        ],
    )
}

const PACKAGES: &str = "systemd,systemd-sysv,dbus,sudo,iproute2,procps,openssh-server,rpcbind,avahi-daemon,cron,\
    nginx-light,redis-server,mosquitto,memcached,exim4-daemon-light,snmpd,tinyproxy,vsftpd,rsync,chrony";

const HOOKS: [&str; 1] = [r#"chroot "$1" useradd --create-home --groups sudo,adm core"#];

const RECIPE: &str = "[Recipe]
Schema=1
Extends=systemd-host
Extends=no-remote-login
Extends=unprivileged-core

[Mask mosquitto.service]
Reason=the broker is started by hand

[Disable /usr/sbin/nginx]
Reason=the load balancer of the host serves pages

[Disable exim4]
Reason=nothing sends mail

[Disable redis-server]
Reason=the cache is another machine
";

/// The programs of the services that the recipe closes, beside the super-server.
const CLOSED: [&str; 9] = [
    "sshd",
    "rpcbind",
    "avahi-daemon",
    "snmpd",
    "vsftpd",
    "mosquitto",
    "nginx",
    "exim4",
    "redis-server",
];
const LEFT: [&str; 3] = ["memcached", "tinyproxy", "cron"];

fn boots_hardened(release: &str, more_packages: &str, super_server: &str) {
    let packages = format!("{PACKAGES},{more_packages}");
    let image = mmdebstrap::image(release, &packages, &HOOKS).unwrap_or_else(|why| panic!("{why}"));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let [before, after, out] = ["before", "after", "out.tar"].map(|name| folder.path().join(name));
    harden(&image, &out);
    extract(TAR, &image, &before).expect("the image extracts");
    extract(TAR, &out, &after).expect("the output extracts");
    let (before, after) = (Observed::of(&before), Observed::of(&after));
    before.has_reasons(&image);
    after.has_reasons(&out);

    for program in CLOSED.into_iter().chain([super_server]) {
        assert!(before.programs.contains(program), "{program} never ran");
        assert!(!after.programs.contains(program), "{program} runs");
    }
    for program in LEFT {
        assert!(before.programs.contains(program), "{program} never ran");
        assert!(after.programs.contains(program), "{program} does not run");
    }
    assert_eq!(after.failed.difference(&before.failed).next(), None);
    let closed: BTreeSet<u16> = [21, 22, 23, 25, 80, 111, 161, 1883, 5353, 6379].into();
    let left = before
        .listeners
        .iter()
        .filter(|(_, port, _)| !closed.contains(port));
    assert_eq!(after.listeners, left.cloned().collect());
    assert!(
        before.core.contains("(sudo)") && !after.core.contains("(sudo)"),
        "{}",
        after.core
    );
    assert!(before.sudo.contains("(ALL : ALL) ALL"), "{}", before.sudo);
    assert!(
        after.sudo.contains("not allowed to run sudo"),
        "{}",
        after.sudo
    );
}

fn harden(image: &Path, out: &PathBuf) {
    let image = Image::open(image).expect("the image opens");
    let recipe = Recipe::parse("debian", RECIPE).expect("the recipe is right");
    let plan = image.plan(&recipe).expect("it can be planned");
    assert!(!plan.failed(), "{:?}", plan.rules());
    plan.write(out).expect("it can be written");
}

/// What was seen of a running system.
struct Observed {
    programs: BTreeSet<String>,
    failed: BTreeSet<String>,
    listeners: BTreeSet<(String, u16, String)>,
    core: String,
    sudo: String,
    /// What `systemctl show` says of all units.
    units: BTreeMap<String, BTreeMap<String, String>>,
}

impl Observed {
    fn of(root: &Path) -> Self {
        let booted = Booted::boot(root).unwrap_or_else(|why| panic!("{}: {why}", root.display()));
        Self {
            programs: booted.programs(),
            failed: booted.failed(),
            listeners: booted.listeners(),
            core: booted.try_output(&["id", "core"]),
            sudo: booted.try_output(&["sudo", "-l", "-U", "core"]),
            units: booted.units(),
        }
    }

    /// Checks that each unit that the inventory holds for enabled did start, or did not for a reason
    /// that systemd gives; and that the first boot enabled what presets enable.
    fn has_reasons(&self, image: &Path) {
        let image = Image::open(image).expect("the image opens");
        let inventory = Inventory::of(&image).expect("it can be read");
        let mut checked = 0;
        for item in inventory.of_kind(Kind::Unit) {
            let (name, by) = (item.name.to_string(), item.detail.to_string());
            let of = |unit: &str, property: &str| {
                let unit = self.units.get(unit)?;
                unit.get(property).cloned()
            };
            let is = |property: &str, value: &str| of(&name, property).as_deref() == Some(value);
            if by.starts_with("preset: ") {
                assert!(is("UnitFileState", "enabled"), "{name}: {by}");
            }
            let pulled =
                by.starts_with("preset: ") || of(&by, "ActiveState").as_deref() == Some("active");
            let reason = is("ActiveState", "active")
                // Nothing that wants it was started: another target is the default.
                || !pulled
                || is("ConditionResult", "no")
                // It has done its work, or waits for what triggers it.
                || (is("Type", "oneshot") && is("Result", "success"))
                || of(&name, "TriggeredBy").is_some_and(|by| !by.is_empty())
                // The container has no such device or kernel interface.
                || is("LoadState", "not-found");
            assert!(reason, "{name} by {by}: {:?}", self.units.get(&name));
            checked += 1;
        }
        assert!(checked > 20, "{checked} units were looked at");
    }
}
