//! `SetKey`: one key of a `KEY=VALUE` file.

use bstr::{BString, ByteSlice};

use super::RuleKind;
use super::booted::booted;
use crate::edit::{Applied, Draft, Verdict, fail};
use crate::recipe::{ArgumentSchema, Check, KeySchema, OnMissing, RuleSchema, Section, Waivable};
use crate::selinux;

pub(super) static KIND: RuleKind = RuleKind {
    schema: &SCHEMA,
    apply,
};

static SCHEMA: RuleSchema = RuleSchema {
    kind: "SetKey",
    argument: Some(ArgumentSchema {
        name: "PATH",
        check: Check::AbsolutePath,
        about: "A file of KEY=VALUE lines; a symbolic link is followed.",
    }),
    summary: "keys of a KEY=VALUE file have these values",
    about: "Changes the value on every line that sets the key, and appends a line where none does. Comments, order and all other \
        bytes stay. Refused is a file that sets the key without a `=`, as /etc/login.defs does, or by more than one line, and one of \
        several sections none of which has the key. Edited are the file that the path \
        leads to, the copies of it from which the booted system fills /etc, and, where the image has no such path, the file that tmpfiles.d links or copies there at boot.\n\n\
        `SELINUX=enforcing` fails where the image lacks the policy, since it would not boot.",
    keys: &[KeySchema {
        name: "Set",
        value: "KEY=VALUE",
        check: Check::Assignment(key_value),
        list: true,
        required: true,
        about: "A key and its value.",
    }],
    needs_a_key: false,
    open_keys: None,
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    waived: Some(Waivable {
        what: "the path, or that of a copy",
        example: "/etc/selinux/config",
    }),
    example: "[SetKey /etc/selinux/config]\nSet=SELINUX=enforcing\nReason=a policy that only logs stops nobody\n",
};

fn key_value(text: &str) -> Result<(String, String), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && key.chars().all(plain) => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    let path = section.argument.as_str();
    let files = booted(draft, path)?;
    if files.is_empty() {
        return Ok(Verdict::Absent(format!(
            "the image has no {path}, nor a file that becomes it at boot"
        )));
    }
    let enforcing =
        selinux::is_config(path) && section.all("Set").any(|set| set == "SELINUX=enforcing");
    let form = if selinux::is_config(path) {
        Form::Bare
    } else {
        Form::Shell
    };
    for file in files {
        let old = draft.read(file)?;
        let new = section
            .all("Set")
            .filter_map(|set| set.split_once('='))
            .fold(old.clone(), |text, (key, value)| {
                with_key(&text, key, value, form)
            });
        let at = draft.rootfs().path(file);
        if let Some((line, key)) = spread(&old, section) {
            return fail(format!(
                "{at}:{line} sets {key} by more than one line, which cannot be changed"
            ));
        }
        if new == old || draft.waived_as(&[at.as_bstr(), path.into()]) {
            continue;
        }
        if let Some((line, key)) = without_equals(&old, section) {
            return fail(format!(
                "{at}:{line} sets {key} without a `=`; a line `{key}=` would not change that"
            ));
        }
        if let Some(why) = no_place(&old, section) {
            return fail(format!("{at}{why}"));
        }
        if let Some(why) = selinux::policy_missing(draft, &new).filter(|_| enforcing) {
            return fail(why);
        }
        draft.set_content(file, new);
    }
    if enforcing {
        draft.residual(None, None, "`selinux=0` or `enforcing=0` on the kernel command line overrides the file, and is not in the image");
    }
    Ok(Verdict::Holds)
}

/// The first line that gives one of the keys a value after a blank, as in login.defs, where no line has it with a `=`.
fn without_equals<'s>(text: &[u8], section: &'s Section) -> Option<(usize, &'s str)> {
    let assigned = |line: &[u8], key: &str| {
        let left = line.split_once_str("=").map(|(left, _)| left);
        left.is_some_and(|left| names(left, key))
    };
    let mut keys = keys(section).filter(|key| !text.lines().any(|line| assigned(line, key)));
    keys.find_map(|key| {
        let is_set = |line: &[u8]| {
            let mut words = line.fields();
            words.next() == Some(key.as_bytes()) && words.next().is_some()
        };
        let line = text.lines().position(is_set)?;
        Some((line + 1, key))
    })
}

/// A line that sets one of the keys together with others, or is a part of what another line sets.
fn spread<'s>(text: &[u8], section: &'s Section) -> Option<(usize, &'s str)> {
    let keys: Vec<&str> = keys(section).collect();
    let mut goes_on = false;
    (1..).zip(text.lines()).find_map(|(number, line)| {
        let within = std::mem::replace(&mut goes_on, joins_the_next(line));
        let (name, value) = line.split_once_str("=")?;
        let key = keys.iter().find(|key| names(name, key))?;
        (within || goes_on || is_cut(value)).then_some((number, *key))
    })
}

/// Why a line cannot be added for a key that none has, if so; it goes on behind the file's path.
fn no_place(text: &[u8], section: &Section) -> Option<String> {
    let is_set = |key: &str| {
        let mut names_of = text.lines().filter_map(|line| line.split_once_str("="));
        names_of.any(|(name, _)| names(name, key))
    };
    let key = keys(section).find(|key| !is_set(key))?;
    if text.lines().next_back().is_some_and(joins_the_next) {
        return Some(format!(
            " ends with a backslash, so that no line for {key} can be added"
        ));
    }
    (text.lines().filter(|line| is_header(line)).count() > 1).then(|| {
        format!(" has several sections, and no line that shows to which {key} belongs; add one")
    })
}

fn keys(section: &Section) -> impl Iterator<Item = &str> {
    let set = section.all("Set").filter_map(|set| set.split_once('='));
    set.map(|(key, _)| key)
}

/// Whether a line that is no comment ends with a backslash, which joins the next one to it.
fn joins_the_next(line: &[u8]) -> bool {
    let rest = line.trim_end_with(|c| c == '\\');
    (line.len() - rest.len()) % 2 == 1 && !line.trim_start().starts_with(b"#")
}

/// Whether a value begins with a quote that another line has to end.
fn is_cut(value: &[u8]) -> bool {
    let value = value.trim();
    let quote = value.first().copied().filter(|b| b"\"'".contains(b));
    quote.is_some_and(|quote| !value[1..].contains(&quote))
}

/// Whether a line begins a section of an INI file.
fn is_header(line: &[u8]) -> bool {
    let inner = line.trim().strip_prefix(b"[");
    let inner = inner.and_then(|inner| inner.strip_suffix(b"]"));
    // A shell's tests begin with brackets too.
    inner
        .is_some_and(|inner| !inner.is_empty() && inner.trim() == inner && !inner.contains_str("["))
}

/// How the programs that read a file take its lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As a shell does, more or less: with quotes, `export` and blanks.
    Shell,
    /// As old versions of libselinux do: nothing before the key or around the `=`, and no quotes.
    Bare,
}

/// The text with a key set on every line that sets it, or on one more at the end.
fn with_key(text: &[u8], key: &str, value: &str, form: Form) -> Vec<u8> {
    let mut out = BString::default();
    let mut found = false;
    for line in text.lines_with_terminator() {
        let (body, end) = line.split_at(line.trim_end_with(|c| c == '\n' || c == '\r').len());
        match body.split_once_str("=") {
            Some((left, right)) if names(left, key) => {
                found = true;
                let (left, blanks, is) = match form {
                    Form::Shell => {
                        let blanks = right.len() - right.trim_start().len();
                        (left, &right[..blanks], unquoted(right))
                    }
                    Form::Bare => (key.as_bytes(), &b""[..], right.trim_end()),
                };
                out.extend_from_slice(left);
                out.push(b'=');
                if is == value.as_bytes() {
                    out.extend_from_slice(right);
                } else {
                    out.extend_from_slice(blanks);
                    out.extend_from_slice(value.as_bytes());
                }
                out.extend_from_slice(end);
            }
            _ => out.extend_from_slice(line),
        }
    }
    if !found {
        if !out.is_empty() && !out.ends_with(b"\n") {
            out.push(b'\n');
        }
        out.extend_from_slice(format!("{key}={value}\n").as_bytes());
    }
    out.into()
}

/// Whether what stands before a `=` sets the key: it alone, or after `export`.
fn names(left: &[u8], key: &str) -> bool {
    let left = left.trim();
    let left = left.strip_prefix(b"export ").map_or(left, ByteSlice::trim);
    left == key.as_bytes()
}

fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.trim();
    let quoted = |q: &[u8]| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
    quoted(b"\"").or_else(|| quoted(b"'")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
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
        let linked =
            format!("{POLICY}symlink etc/selinux/config -> ../../usr/lib/selinux/config\n");
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
}
