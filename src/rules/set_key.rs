//! `SetKey`: one key of a `KEY=VALUE` file.

use bstr::{BString, ByteSlice};

use super::support::booted::booted;
use crate::edit::{Applied, Draft, ResidualKind, Verdict, absent};
use crate::error::fail;
use crate::recipe::{
    Check, Fields, KeySchema, Rule, RuleKind,
    value::{self, Refusal, Value},
};
use crate::rootfs::Place;
use crate::system::selinux;

pub(super) static KIND: RuleKind = RuleKind {
    name: "SetKey",
    argument: Some(
        KeySchema::argument("PATH", Check::Is(value::absolute_path))
            .about("A file of KEY=VALUE lines; a symbolic link is followed."),
    ),
    summary: "keys of a KEY=VALUE file have these values",
    about: "Changes the value on every line that sets the key, and appends a line where none does. \
        Comments, order and all other bytes stay. The rule refuses a file that sets the key \
        without a `=`, as /etc/login.defs does, or by more than one line, and a file of several \
        sections none of which has the key. It edits the file that the path leads to, the copies \
        of it from which the booted system fills /etc, and, where the image has no such path, the \
        file that tmpfiles.d links or copies there at boot.\n\n\
        `SELINUX=enforcing` fails where the image lacks the policy, since it would not boot.",
    keys: &[KeySchema::new("Set", "KEY=VALUE", Check::Is(key_value))
        .list()
        .required()
        .about("A key and its value.")],
    waived: Some(("the path, or that of a copy", "/etc/selinux/config")),
    example: "[SetKey /etc/selinux/config]\n\
        Set=SELINUX=enforcing\n\
        Reason=a policy that only logs stops nobody\n\
        ",
    ..RuleKind::of::<SetKey>()
};

fn key_value(text: &str) -> Result<Value, Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && key.chars().all(plain) => {
            Ok(Value::assignment(key, value, key.to_owned()))
        }
        _ => Err("write it as KEY=VALUE".into()),
    }
}

/// A file, and the keys to set in it.
#[derive(Debug)]
struct SetKey {
    path: String,
    /// Keys and their values.
    set: Vec<(String, String)>,
}

impl Rule for SetKey {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            path: fields.argument.to_owned(),
            set: fields.pairs("Set"),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let path = self.path.as_str();
        let files = booted(draft, path)?;
        if files.is_empty() {
            return absent(format!(
                "the image has no {path}, nor a file that becomes it at boot"
            ));
        }
        let enforcing = selinux::is_config(path)
            && self
                .set
                .iter()
                .any(|(key, value)| key == "SELINUX" && value == "enforcing");
        let form = if selinux::is_config(path) {
            Form::Bare
        } else {
            Form::Shell
        };
        let keys: Vec<&str> = self.set.iter().map(|(key, _)| key.as_str()).collect();
        for file in files {
            let old = draft.text(file)?;
            let new = self.set.iter().fold(old.clone(), |text, (key, value)| {
                with_key(&text, key, value, form)
            });
            let at = draft.rootfs().path(file);
            if let Some((line, key)) = spread(&old, &keys) {
                return fail(format!(
                    "{at}:{line} sets {key} by more than one line, which cannot be changed"
                ));
            }
            if new == old || draft.waived_as(&[at.as_bstr(), path.into()]) {
                continue;
            }
            if let Some((line, key)) = without_equals(&old, &keys) {
                return fail(format!(
                    "{at}:{line} sets {key} without a `=`; a line `{key}=` would not change that"
                ));
            }
            if let Some(why) = no_place(&old, &keys) {
                return fail(format!("{at}{why}"));
            }
            if let Some(why) = selinux::policy_missing(draft, &new).filter(|_| enforcing) {
                return fail(why);
            }
            draft.set_content(file, new);
        }
        if enforcing {
            draft.residual(ResidualKind::OutsideImage, None::<Place>, "`selinux=0` or `enforcing=0` on the kernel command line overrides the file, and is not in the image");
        }
        Ok(Verdict::Holds)
    }
}

/// The first line that gives one of the keys a value after a blank, as in login.defs, where no line
/// has it with a `=`.
fn without_equals<'s>(text: &[u8], keys: &[&'s str]) -> Option<(usize, &'s str)> {
    let assigned = |line: &[u8], key: &str| {
        let left = line.split_once_str("=").map(|(left, _)| left);
        left.is_some_and(|left| names(left, key))
    };
    let mut keys = keys
        .iter()
        .filter(|key| !text.lines().any(|line| assigned(line, key)));
    keys.find_map(|&key| {
        let is_set = |line: &[u8]| {
            let mut words = line.fields();
            words.next() == Some(key.as_bytes()) && words.next().is_some()
        };
        let line = text.lines().position(is_set)?;
        Some((line + 1, key))
    })
}

/// A line that sets one of the keys together with others, or is a part of what another line sets.
fn spread<'s>(text: &[u8], keys: &[&'s str]) -> Option<(usize, &'s str)> {
    let mut goes_on = false;
    (1..).zip(text.lines()).find_map(|(number, line)| {
        let within = std::mem::replace(&mut goes_on, joins_the_next(line));
        let (name, value) = line.split_once_str("=")?;
        let key = keys.iter().find(|key| names(name, key))?;
        (within || goes_on || is_cut(value)).then_some((number, *key))
    })
}

/// Why a line cannot be added for a key that none has, if so; it goes on behind the file's path.
fn no_place(text: &[u8], keys: &[&str]) -> Option<String> {
    let is_set = |key: &str| {
        let mut names_of = text.lines().filter_map(|line| line.split_once_str("="));
        names_of.any(|(name, _)| names(name, key))
    };
    let key = keys.iter().find(|key| !is_set(key))?;
    if text.lines().next_back().is_some_and(joins_the_next) {
        return Some(format!(
            " ends with a backslash, so that no line for {key} can be added"
        ));
    }
    (text.lines().filter(|line| is_header(line)).count() > 1).then(|| {
        format!(" has several sections, and no line that shows to which {key} belongs; add one")
    })
}

/// Returns whether a line, unless it is a comment, ends with a backslash, which joins the next one to it.
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
mod tests;
