//! The rule on small images.

use super::{Form, with_key};
use crate::rules::harness::{check, content_after};

const RULE: &str = "[SetKey /etc/selinux/config]\nSet=SELINUX=enforcing";
const POLICY: &str = "file usr/lib/selinux/mcs/policy/policy.31\nfile usr/lib/selinux/config\n| # c\n| SELINUX=permissive\n| SELINUXTYPE=mcs\n";
const BOOT: &str = "  residual `selinux=0` or `enforcing=0` on the kernel command line overrides the file, and is not in the image\n";

#[test]
fn a_key_changes_and_nothing_else() {
    let check = |text: &str, want: &str| {
        assert_eq!(
            String::from_utf8(with_key(text.as_bytes(), "A", "new", Form::Shell)).unwrap(),
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
        image,
        "[SetKey /etc/login.defs]\nSet=ENV=z\nSet=OTHER=1",
        "changed\n  content /etc/login.defs\n",
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
    for fine in [
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
