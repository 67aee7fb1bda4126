//! The rule on small images.

use crate::rules::harness::check;

const RULE: &str = "[RemoveApplets]\nApplet=wget\nApplet=nc";
const LINKS: &str = "[RemoveApplets]\nApplet=wget\nApplet=nc\nBinary=no";
const TRY: &str = "[RemoveApplets]\nApplet=wget\nApplet=nc\nBinary=try";
const SHELL: &str = ", and so does its shell if built to find applets without links";
const FAKE: &str = "it has no table of applets with `false` and applets to recognise the table by";

/// The description of a busybox that has a table.
fn busybox(path: &str, applets: &str) -> String {
    format!("file {path} mode=0755 content=busybox applets=[,cat,false,ls,rm,test{applets}\n")
}

#[test]
fn symbolic_links_go_and_the_binary_changes() {
    let image = busybox("bin/busybox", ",nc,sh,wget")
        + "
dir sbin
dir usr/bin
symlink bin/sh -> /bin/busybox
symlink usr/bin/wget -> /bin/busybox
symlink usr/bin/wget2 -> wget
symlink sbin/nc -> ../bin/busybox
file usr/share/wget
| no program
symlink usr/local/bin/nc -> missing
file usr/local/bin/wget mode=0755
| #!/bin/sh
";
    const REMOVED: &str = "changed\n  removed /sbin/nc\n  removed /usr/bin/wget\n";
    const NOTE: &str =
        "  note /usr/local/bin/wget is a program of its own, not busybox; it stays\n";
    check(
        &image,
        RULE,
        &format!(
            "{REMOVED}  content /bin/busybox\n{NOTE}  note /bin/busybox runs `false` for nc, wget\n"
        ),
    );
    check(
        &image,
        LINKS,
        &format!(
            "{REMOVED}{NOTE}  residual /bin/busybox: the binary still has nc, wget: `busybox nc` runs it{SHELL}\n"
        ),
    );
}

#[test]
fn the_data_entry_of_hard_links_moves_on() {
    let image = busybox("bin/[", ",busybox,nc,wget")
        + "
hardlink bin/busybox -> bin/[
hardlink bin/nc -> bin/[
hardlink bin/wget -> bin/[
";
    check(
        &image,
        RULE,
        "changed\n  removed /bin/nc\n  removed /bin/wget\n  content /bin/[\n  content /bin/busybox\n  note /bin/busybox runs `false` for nc, wget\n",
    );
    let data = busybox("bin/wget", ",wget")
        + "hardlink bin/busybox -> bin/wget\nhardlink bin/x -> bin/wget\n";
    check(
        &data,
        RULE,
        "changed\n  removed /bin/wget\n  content /bin/busybox\n  content /bin/x\n  note /bin/busybox runs `false` for wget\n  note no busybox has nc\n",
    );
}

#[test]
fn without_links_the_binary_is_what_counts() {
    let image = busybox("bin/busybox", ",wget");
    check(
        &image,
        RULE,
        "changed\n  content /bin/busybox\n  note /bin/busybox runs `false` for wget\n  note no busybox has nc\n",
    );
    check(
        &busybox("bin/busybox", ""),
        RULE,
        "already\n  note no busybox has nc, wget\n",
    );
    check(
        "file bin/busybox mode=0755\n| fake\n",
        RULE,
        "failed: the image has no busybox; `OnMissing=skip` or `warn` allows that\n",
    );
}

#[test]
fn every_busybox_is_changed() {
    let image = busybox("bin/busybox", ",wget")
        + &busybox("usr/lib/initramfs-tools/bin/busybox", ",nc")
        + &busybox("opt/multi", ",nc,wget")
        + "dir usr/bin\nsymlink usr/bin/nc -> /opt/multi\n";
    check(
        &image,
        RULE,
        "changed\n  removed /usr/bin/nc\n  content /bin/busybox\n  \
         content /usr/lib/initramfs-tools/bin/busybox\n  content /opt/multi\n  note /bin/busybox runs `false` for wget\n  \
         note /usr/lib/initramfs-tools/bin/busybox runs `false` for nc\n  note /opt/multi runs `false` for nc, wget\n",
    );
}

#[test]
fn an_applet_is_a_plain_name() {
    for good in ["wget", "["] {
        assert!(super::name(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "/bin/wget",
        "w*",
        "w?et",
        "a b",
        "busybox",
        "busybox.static",
    ] {
        assert!(super::name(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_directory_of_an_applets_name_is_none() {
    let image = busybox("bin/busybox", "") + "dir usr/bin/wget\ndir usr/bin\n";
    check(&image, RULE, "already\n  note no busybox has nc, wget\n");
}

#[test]
fn a_link_without_an_applet_goes_too() {
    let image = busybox("bin/busybox", ",nc") + "symlink bin/netcat -> busybox\n";
    check(
        &image,
        "[RemoveApplets]\nApplet=netcat",
        "changed\n  removed /bin/netcat\n",
    );
}

#[test]
fn a_second_name_that_the_rule_forgets_is_told() {
    let image = busybox("bin/busybox", ",nc,netcat,wget");
    let told = "  residual /bin/busybox: nc is there as netcat too, which the rule does not name\n";
    check(
        &image,
        "[RemoveApplets]\nApplet=nc",
        &format!(
            "changed\n  content /bin/busybox\n  note /bin/busybox runs `false` for nc\n{told}"
        ),
    );
    check(
        &image,
        "[RemoveApplets]\nApplet=nc\nApplet=netcat",
        "changed\n  content /bin/busybox\n  note /bin/busybox runs `false` for nc, netcat\n",
    );
    check(
        &image,
        "[RemoveApplets]\nApplet=wget",
        "changed\n  content /bin/busybox\n  note /bin/busybox runs `false` for wget\n",
    );
}

#[test]
fn what_cannot_be_changed_fails_unless_it_is_only_tried() {
    let image = "file bin/busybox mode=0755 content=busybox applets=false,nc,wget\nsymlink bin/nc -> busybox\n";
    check(
        image,
        RULE,
        &format!(
            "failed: cannot neutralise nc, wget in /bin/busybox: {FAKE}; `Binary=try` removes links all the same\n  removed /bin/nc\n"
        ),
    );
    check(
        image,
        TRY,
        &format!(
            "changed\n  removed /bin/nc\n  residual /bin/busybox: the binary still has nc, wget: `busybox nc` runs it; \
             it cannot be neutralised: {FAKE}\n"
        ),
    );
    let signed = busybox("bin/busybox", ",wget")
        .replace("mode=0755", "mode=0755 xattr:security.ima=hex:0302");
    check(
        &signed,
        RULE,
        "failed: cannot neutralise wget in /bin/busybox: security.ima signs it as it is; `Binary=try` removes links all the same\n",
    );
}

#[test]
fn waivers_keep_a_link_with_its_applet_or_the_binary() {
    const WAIVER: &str = "Reason=the updater fetches with it\nOwner=platform\nExpires=2026-12-31";
    let image = busybox("bin/busybox", ",nc,wget")
        + "symlink bin/nc -> busybox\nsymlink bin/wget -> busybox\n";
    check(
        &image,
        &format!("{RULE}\n[Waive RemoveApplets:/bin/wget]\n{WAIVER}"),
        "changed\n  removed /bin/nc\n  content /bin/busybox\n  note /bin/busybox runs `false` for nc\n  \
         residual /bin/busybox: the binary still has wget: `busybox wget` runs it\n",
    );
    check(
        &image,
        &format!("{RULE}\n[Waive RemoveApplets:/bin/busybox]\n{WAIVER}"),
        "changed\n  removed /bin/nc\n  removed /bin/wget\n  \
         residual /bin/busybox: the binary still has nc, wget: `busybox nc` runs it\n",
    );
}

#[test]
fn apk_brings_links_back() {
    let image = busybox("bin/busybox", ",wget")
        + "dir usr/bin
symlink usr/bin/wget -> /bin/busybox
file lib/apk/db/installed
| C:Q1bb=
| P:busybox
|
file lib/apk/db/triggers
| Q1bb= /bin /usr/bin /sbin /usr/sbin
";
    let residual = "  residual /lib/apk/db/triggers:1: apk's trigger of busybox makes links for all applets again";
    let rule = "[RemoveApplets]\nApplet=wget";
    check(
        &image,
        rule,
        &format!(
            "changed\n  removed /usr/bin/wget\n  content /bin/busybox\n  note /bin/busybox runs `false` for wget\n{residual}; they lead to applets that end 1\n"
        ),
    );
    check(
        &image,
        &format!("{rule}\nBinary=no"),
        &format!(
            "changed\n  removed /usr/bin/wget\n  residual /bin/busybox: the binary still has wget: `busybox wget` runs it\n{residual}\n"
        ),
    );
    check(
        &image,
        "[RemoveApplets]\nApplet=nc",
        "already\n  note no busybox has nc\n",
    );
}

#[test]
fn the_only_name_of_a_binary_is_not_removed() {
    let image = "file bin/wget mode=0755 content=busybox applets=wget\n";
    check(
        image,
        RULE,
        "failed: /bin/wget is the only name of the busybox binary; removing it would remove every applet\n",
    );
}

#[test]
fn of_duplicates_the_last_counts() {
    let image = busybox("bin/busybox", ",sh,wget")
        + "
file bin/wget mode=0755
| old
symlink bin/wget -> busybox
";
    check(
        &image,
        "[RemoveApplets]\nApplet=wget",
        "changed\n  removed /bin/wget\n  content /bin/busybox\n  note /bin/busybox runs `false` for wget\n",
    );
}
