//! The rule on small images.

use super::text::{Form, with_key};
use crate::rules::harness::{check, content_after};

const RULE: &str = "[SetKey /etc/selinux/config]\nSet=SELINUX=enforcing";
const POLICY: &str = "file usr/lib/selinux/mcs/policy/policy.31\nfile usr/lib/selinux/config\n| # c\n| SELINUX=permissive\n| SELINUXTYPE=mcs\n";
const BOOT: &str = "  residual `selinux=0` or `enforcing=0` on the kernel command line overrides the file, and is not in the image\n";

#[test]
fn a_key_changes_and_nothing_else() {
    let check = |text: &str, want: &str| {
        assert_eq!(
            String::from_utf8(with_key(text.as_bytes(), "A", "new", Form::Shell, None)).unwrap(),
            want,
            "{text:?}"
        );
    };
    check("A=old\nB=1\n", "A=new\nB=1\n");
    check("# A=old\n\nB=1", "# A=old\n\nB=1\nA=new\n");
    check("B=1\n", "B=1\nA=new\n");
    check("", "A=new\n");
    check(" A = old # x\r\nA=2\r\n", " A = new\r\nA=new\r\n");
    check("export A=old\nAA=1\nA\n", "export A=new\nAA=1\nA\n");
    check("A=\"new\"\nA='new'\n", "A=\"new\"\nA='new'\n");
    check("A=new=er\n", "A=new\n");
    check("A= \"new\" \n", "A= \"new\" \n");
}

#[test]
fn a_key_is_plain() {
    for good in ["A=", "a_b.c-d=x y"] {
        assert!(super::key_value(good).is_ok(), "{good}");
    }
    for bad in ["A", "=x", "a b=x", "#a=x"] {
        assert!(super::key_value(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_file_of_another_form_is_refused() {
    let image = "file etc/login.defs\n| # UMASK 1\n| UMASK\t\t022\n| ENV=x\n| ENV y\n";
    check(
        image,
        "[SetKey /etc/login.defs]\nSet=UMASK=027",
        "failed: /etc/login.defs:2 sets UMASK without a `=`; a line `UMASK=` would not change that\n",
    );
    check(
        "file etc/a\n| UMASK\t\t022\n| ENV=x\n| ENV y\n",
        "[SetKey /etc/a]\nSet=ENV=z\nSet=OTHER=1",
        "changed\n  content /etc/a\n",
    );
    check(
        "file etc/docker/daemon.json\n| {\n|  \"icc\": true\n| }\n",
        "[SetKey /etc/docker/daemon.json]\nSet=icc=false",
        "failed: /etc/docker/daemon.json is not a file of KEY=VALUE lines: its syntax is JSON; write the whole file \
         with WriteFile\n",
    );
    check(
        "file boot/cmdline.txt\n| quiet selinux=0\n",
        "[SetKey /boot/cmdline.txt]\nSet=selinux=1\n[Waive SetKey:/boot/cmdline.txt]\nReason=x\nExpires=2030-01-01",
        "waived\n",
    );
    check(
        "file etc/a fill=17M\n",
        "[SetKey /etc/a]\nSet=A=1",
        "failed: /etc/a has 17825792 bytes; files over 16777216 bytes are not edited as text\n",
    );
    // A word alone sets nothing.
    check(
        "file etc/a\n| UMASK\n",
        "[SetKey /etc/a]\nSet=UMASK=027",
        "changed\n  content /etc/a\n",
    );
}

#[test]
fn values_of_several_lines_and_unknown_sections_are_refused() {
    let fails = |text: &str, set: &str, why: &str| {
        let rule = format!("[SetKey /etc/a]\nSet={set}");
        check(
            &format!("file etc/a\n{text}"),
            &rule,
            &format!("failed: /etc/a{why}\n"),
        );
    };
    let lines = ":1 sets A by more than one line, which cannot be changed";
    fails("| A=\"x\n| y\"\n", "A=1", lines);
    fails("| A=x \\\n|  B=2\n", "A=1", lines);
    let inner = ":2 sets B by more than one line, which cannot be changed";
    fails("| A=x \\\n|  B=2\n", "B=1", inner);
    fails("| A=x \\\n|  B=2\n", "B=2", inner);
    let end = " ends with a backslash, so that no line for B can be added";
    fails("| A=x \\\n", "B=1", end);
    let sections = " has several sections, and no line that shows to which B belongs; add one";
    fails("| [one]\n| A=1\n| [two]\n", "B=1", sections);
    fails("| A=1\n| [pi4]\n| C=1\n", "B=1", sections);
    let blocks = " has blocks in braces, and no line that shows to which B belongs; add one";
    fails("| defaults\n| {\n|  A = 1\n| }\n", "B=1", blocks);
    fails("| A=1\n| network={\n|  C=1\n| }\n", "B=1", blocks);
    for fine in [
        "| listener x {\n|  B = 0\n| }\n",
        "| f()\n| {\n|  A=1\n| }\n| g() {\n|  A=1\n| }\n",
        "| # A=1\n| [one]\n| A=1\n",
        "| A=1 # \\\n| # x \\\n| B=0\n",
        "| A='x' \\\\\n",
        "| [one]\n| B=0\n| [two]\n",
        "| [one]\n",
        "| [[ -n x ]]\n| [[ -n y ]]\n",
    ] {
        let want = "changed\n  content /etc/a\n";
        check(
            &format!("file etc/a\n{fine}"),
            "[SetKey /etc/a]\nSet=B=1",
            want,
        );
    }
}

#[test]
fn what_libselinux_passes_over_is_written_so_that_it_does_not() {
    for line in [
        "SELINUX=\"enforcing\"",
        "SELINUX = enforcing",
        " SELINUX=permissive",
        "export SELINUX=enforcing",
        "SELINUX= permissive",
        "SELINUX= enforcing",
    ] {
        let image = POLICY.replace("usr/lib/selinux/config", "etc/selinux/config");
        let image = image.replace("SELINUX=permissive", line);
        let after = content_after(&image, RULE, "/etc/selinux/config");
        let set = after.lines().nth(1).unwrap();
        assert_eq!(set, "SELINUX=enforcing", "{line}");
    }
}

#[test]
fn selinux_is_set_through_its_link_and_in_copies() {
    let linked = format!("{POLICY}symlink etc/selinux/config -> ../../usr/lib/selinux/config\n");
    check(
        &linked,
        RULE,
        &format!("changed\n  content /usr/lib/selinux/config\n{BOOT}"),
    );
    assert_eq!(
        content_after(&linked, RULE, "/etc/selinux/config"),
        "# c\nSELINUX=enforcing\nSELINUXTYPE=mcs\n"
    );
    let copies = format!(
        "{linked}file usr/share/flatcar/etc/selinux/config\n| SELINUX=permissive\n| SELINUXTYPE=mcs\n"
    );
    check(
        &copies,
        RULE,
        &format!(
            "changed\n  content /usr/lib/selinux/config\n  content /usr/share/flatcar/etc/selinux/config\n{BOOT}"
        ),
    );
}

#[test]
fn without_etc_what_becomes_it_is_edited() {
    let image = format!(
        "{POLICY}file usr/lib/tmpfiles.d/selinux.conf\n| L /etc/selinux/config - - - - ../../usr/lib/selinux/config\n"
    );
    check(
        &image,
        RULE,
        &format!(
            "changed\n  content /usr/lib/selinux/config\n  note /usr/lib/tmpfiles.d/selinux.conf:1 makes /etc/selinux/config of \
             /etc/selinux/../../usr/lib/selinux/config when the system boots\n{BOOT}"
        ),
    );
}

#[test]
fn enforcing_without_a_policy_fails() {
    check(
        "file etc/selinux/config\n| SELINUX=disabled\n| SELINUXTYPE=default\n",
        RULE,
        "failed: the image has no SELinux policy `default`; with SELINUX=enforcing it would not boot\n",
    );
    check(
        "dir ./\n",
        RULE,
        "failed: the image has no /etc/selinux/config, nor a file that becomes it at boot; `OnMissing=skip` or `warn` allows that\n",
    );
}

#[test]
fn only_enforcing_asks_for_a_policy() {
    let changed = "changed\n  content /etc/selinux/config\n";
    let image = "file etc/selinux/config\n| SELINUX=disabled\n| SELINUXTYPE=default\n";
    check(
        image,
        "[SetKey /etc/selinux/config]\nSet=SELINUX=permissive",
        changed,
    );
    check(
        &image.replace("selinux/", "other/"),
        &RULE.replace("selinux/", "other/"),
        &changed.replace("selinux/", "other/"),
    );
}

#[test]
fn drop_ins_that_are_read_later_are_set_too() {
    let rule = |path: &str, set: &str| format!("[SetKey {path}]\nSet={set}");
    let changed = |paths: &[&str]| {
        let lines = paths.iter().map(|path| format!("  content {path}\n"));
        format!("changed\n{}", lines.collect::<String>())
    };
    // systemd's programs: a name in /etc hides it elsewhere, and any drop-in wins.
    let image = "
file etc/systemd/resolved.conf
| [Resolve]
file usr/lib/systemd/resolved.conf.d/10-vendor.conf
| [Resolve]
| LLMNR=yes
file usr/lib/systemd/resolved.conf.d/20-hidden.conf
| [Resolve]
| LLMNR=yes
symlink etc/systemd/resolved.conf.d/20-hidden.conf -> /dev/null
file usr/share/flatcar/etc/systemd/resolved.conf.d/30.conf
| [Resolve]
| LLMNR=resolve
";
    let path = "/etc/systemd/resolved.conf";
    let drop_ins = [
        path,
        "/usr/lib/systemd/resolved.conf.d/10-vendor.conf",
        "/usr/share/flatcar/etc/systemd/resolved.conf.d/30.conf",
    ];
    check(image, &rule(path, "LLMNR=no"), &changed(&drop_ins));
    // A later parameter of the kernel wins; an earlier one does not.
    let image = "
file etc/sysctl.d/50-a.conf
| kernel.x = 1
file usr/lib/sysctl.d/10-b.conf
| kernel.x = 0
file usr/lib/sysctl.d/60-c.conf
| -kernel/x = 0
file etc/sysctl.conf
| kernel.y = 0
";
    let path = "/etc/sysctl.d/50-a.conf";
    let both = changed(&["/usr/lib/sysctl.d/60-c.conf"]);
    check(image, &rule(path, "kernel.x=1"), &both);
    let unread = "file usr/lib/systemd/systemd-sysctl\n";
    check(
        &format!("{image}{unread}"),
        &rule("/etc/sysctl.conf", "kernel.y=1"),
        "changed\n  content /etc/sysctl.conf\n  residual /etc/sysctl.conf: systemd-sysctl does not read this file, and no \
         link in sysctl.d leads to it; set the keys in /etc/sysctl.d\n",
    );
    // Directories that by their names are drop-ins of the file.
    let image = "
file etc/default/grub
| A=1
file etc/default/grub.d/50.cfg
| A=0
file etc/default/grub.d/50.cfg.dpkg-old
| A=0
file etc/x/main.conf
| A=0
file etc/x/conf.d/a
| A = 0
| B=0
file etc/conf.d/grub
| A=0
";
    let path = "/etc/default/grub";
    check(
        image,
        &rule(path, "A=1"),
        &changed(&["/etc/default/grub.d/50.cfg"]),
    );
    let path = "/etc/x/main.conf";
    check(
        image,
        &rule(path, "A=1"),
        &changed(&[path, "/etc/x/conf.d/a"]),
    );
}

#[test]
fn systemd_reads_the_vendors_file_where_etc_has_none() {
    let rule = "[SetKey /etc/systemd/journald.conf]\nSet=Storage=none";
    let path = "/usr/lib/systemd/journald.conf";
    let image = "file usr/lib/systemd/journald.conf\n| [Journal]\n| #Storage=auto\n| [Other]\n";
    check(
        image,
        rule,
        "changed\n  content /usr/lib/systemd/journald.conf\n",
    );
    let after = "[Journal]\n#Storage=auto\nStorage=none\n[Other]\n";
    assert_eq!(content_after(image, rule, path), after);
    // A setting outside of its section is not read.
    let image = "file etc/systemd/journald.conf\n| # nothing\n";
    let after = content_after(image, rule, "/etc/systemd/journald.conf");
    assert_eq!(after, "# nothing\n[Journal]\nStorage=none\n");
}

#[test]
fn a_mode_that_selinux_does_not_have_is_refused() {
    check(
        POLICY,
        &RULE.replace("enforcing", "on"),
        "failed: SELINUX is one of enforcing, permissive and disabled, not `on`\n",
    );
}

#[test]
fn links_and_duplicates_are_one_file() {
    let rule = "[SetKey /etc/a]\nSet=X=1";
    check(
        "file etc/a\n| X=0\nhardlink etc/b -> etc/a\n",
        rule,
        "changed\n  content /etc/a\n  content /etc/b\n",
    );
    check("file etc/a\n| X=0\nfile etc/a\n| X=1\n", rule, "already\n");
    let linked = "file usr/a\n| X=0\nsymlink etc/a -> ../usr/a\n";
    for path in ["/etc/a", "/usr/a"] {
        let waiver = format!("[Waive SetKey:{path}]\nReason=x\nExpires=2030-01-01");
        check(
            linked,
            &format!("[SetKey /etc/a]\nSet=X=1\n{waiver}"),
            "waived\n",
        );
    }
}

#[test]
fn a_boot_loader_that_turns_selinux_off_is_a_residual() {
    check(
        &format!(
            "{POLICY}file etc/default/grub\n| GRUB_CMDLINE_LINUX=\"selinux=0\"\nsymlink etc/selinux/config -> \
             ../../usr/lib/selinux/config\n"
        ),
        RULE,
        &format!(
            "changed\n  content /usr/lib/selinux/config\n  residual /etc/default/grub:1: `selinux=0` for the kernel overrides \
             SELINUX=enforcing\n{BOOT}"
        ),
    );
}

#[test]
fn a_later_file_of_one_configuration_is_set_too() {
    check(
        "file etc/NetworkManager/conf.d/10.conf\n| [connection]\n| ipv6.ip6-privacy=0\nfile etc/NetworkManager/conf.d/05.conf\n| \
         [connection]\n| ipv6.ip6-privacy=0\nfile etc/NetworkManager/conf.d/90.conf\n| [connection]\n| ipv6.ip6-privacy=0\n",
        "[SetKey /etc/NetworkManager/conf.d/10.conf]\nSet=ipv6.ip6-privacy=2",
        "changed\n  content /etc/NetworkManager/conf.d/10.conf\n  content /etc/NetworkManager/conf.d/90.conf\n",
    );
    check(
        "file etc/profile.d/a.sh\n| TMOUT=0\nfile etc/profile.d/b.sh\n| export TMOUT=0\nfile etc/profile.d/b.sh~\n| TMOUT=0\n",
        "[SetKey /etc/profile.d/a.sh]\nSet=TMOUT=600",
        "changed\n  content /etc/profile.d/a.sh\n  content /etc/profile.d/b.sh\n",
    );
    check(
        "file etc/xinetd.d/a\n| disable = no\nfile etc/xinetd.d/b\n| disable = no\n",
        "[SetKey /etc/xinetd.d/a]\nSet=disable=yes",
        "changed\n  content /etc/xinetd.d/a\n",
    );
}

#[test]
fn what_is_made_of_a_file_has_to_be_made_anew() {
    check(
        "file etc/default/grub\n| GRUB_TIMEOUT=5\nfile etc/default/grub.d/a.cfg\n| GRUB_TIMEOUT=5\n",
        "[SetKey /etc/default/grub]\nSet=GRUB_TIMEOUT=0",
        "changed\n  content /etc/default/grub\n  content /etc/default/grub.d/a.cfg\n  residual /etc/default/grub: takes effect only \
         once update-grub or grub2-mkconfig makes grub.cfg anew\n",
    );
    check(
        "file etc/default/grub\n| GRUB_TIMEOUT=0\n",
        "[SetKey /etc/default/grub]\nSet=GRUB_TIMEOUT=0",
        "already\n",
    );
}

#[test]
fn the_vendor_may_have_drop_ins_of_an_administrators_file() {
    check(
        "file etc/systemd/network/a.network\n| [Network]\n| LLMNR=yes\nfile usr/lib/systemd/network/a.network.d/b.conf\n| \
         [Network]\n| LLMNR=yes\n",
        "[SetKey /etc/systemd/network/a.network]\nSet=LLMNR=no",
        "changed\n  content /etc/systemd/network/a.network\n  content /usr/lib/systemd/network/a.network.d/b.conf\n",
    );
}
