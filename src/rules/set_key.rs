//! `SetKey`: one key of a `KEY=VALUE` file.

mod syntax;
mod text;

use bstr::ByteSlice;

use super::support::booted::booted;
use crate::edit::{Applied, Draft, ResidualKind, Verdict, absent};
use crate::error::{Stop, fail};
use crate::recipe::{
    Check, Fields, KeySchema, Rule, RuleKind,
    nearest::nearest,
    value::{self, Refusal, Value},
};
use crate::rootfs::{InodeId, Place};
use crate::system::{conf_files, kernel_command_line, selinux};
use syntax::other_syntax;
use text::{Form, no_place, sets, spread, with_key, without_equals};

pub(super) static KIND: RuleKind = RuleKind {
    name: "SetKey",
    argument: Some(
        KeySchema::argument("PATH", Check::Is(value::one_path))
            .about("A file of KEY=VALUE lines; a symbolic link is followed."),
    ),
    summary: "keys of a KEY=VALUE file have these values",
    about: "Changes the value on every line that sets the key, and appends a line where none does. \
        Comments, order and all other bytes stay. The rule refuses a file whose syntax is not lines \
        of KEY=VALUE (JSON, YAML, TOML, XML, UCI, one line of arguments, lines of KEY VALUE as in \
        /etc/login.defs), a value of more than one line, and a file of several sections none of \
        which has the key. It edits the file that the path leads to, the copies of it from which \
        the booted system fills /etc, and, where the image has no such path, the file that \
        tmpfiles.d links or copies there at boot, or systemd's own in /usr/lib/systemd.\n\n\
        A drop-in that is read later and sets a key is edited too: what `NAME.conf.d` of systemd's \
        programs, `sysctl.d`, and a directory `NAME.d`, `NAME.conf.d` or `conf.d` beside the file \
        have.\n\n\
        `SELINUX=enforcing` fails where the image lacks the policy, since it would not boot. Files of \
        boot loaders that turn SELinux off are residuals.",
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
        Some(("SELINUX", value)) if selinux::refused("SELINUX", value).is_some() => {
            // In whatever file: this is a slip if it is near a mode.
            match nearest(value, selinux::MODES) {
                Some(near) => {
                    let why = selinux::refused("SELINUX", value).unwrap_or_default();
                    Err(Refusal::new(why).help(format!("did you mean `{near}`?")))
                }
                None => Ok(Value::assignment("SELINUX", value, "SELINUX".to_owned())),
            }
        }
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
        let is_selinux = selinux::is_config(path);
        let of_selinux =
            |(key, value): &(String, String)| selinux::refused(key, value).filter(|_| is_selinux);
        if let Some(why) = self.set.iter().find_map(of_selinux) {
            return fail(why);
        }
        let mut own = booted(draft, path)?;
        if own.is_empty() {
            own.extend(conf_files::vendors(draft, path).map(|(_, id)| id));
        }
        let later = conf_files::read_after(draft, path, &own);
        let later = later.into_iter().map(|(_, id)| id);
        let mut drop_ins: Vec<InodeId> = Vec::new();
        for file in later {
            // A drop-in that cannot be read as text sets nothing by lines.
            if self.is_set_in(draft, file)? && !drop_ins.contains(&file) {
                drop_ins.push(file);
            }
        }
        if own.is_empty() && drop_ins.is_empty() {
            return absent(format!(
                "the image has no {path}, nor a file that becomes it at boot"
            ));
        }
        let enforcing = is_selinux
            && self
                .set
                .iter()
                .any(|(key, value)| key == "SELINUX" && value == "enforcing");
        let edits = draft.edits.len();
        for &file in &own {
            self.edit(draft, file, true, enforcing)?;
        }
        if draft.edits.len() > edits
            && let Some(what) = conf_files::takes_effect_once(path)
        {
            let message = format!("takes effect only once {what}");
            draft.residual(ResidualKind::NeedsRebuild, Place::new(path, None), message);
        }
        for file in drop_ins {
            self.edit(draft, file, false, false)?;
        }
        if conf_files::is_unread_sysctl(draft, path, &own) {
            draft.residual(ResidualKind::Override, Place::new(path, None), "systemd-sysctl does not read this file, and no link in sysctl.d leads to it; set the keys in /etc/sysctl.d");
        }
        if enforcing {
            for (place, argument) in
                kernel_command_line::arguments(draft, &["selinux=0", "enforcing=0"])?
            {
                let message = format!("`{argument}` for the kernel overrides SELINUX=enforcing");
                draft.open_so_far(ResidualKind::Override, place, message);
            }
            draft.residual(ResidualKind::OutsideImage, None::<Place>, "`selinux=0` or `enforcing=0` on the kernel command line overrides the file, and is not in the image");
        }
        Ok(Verdict::Holds)
    }
}

impl SetKey {
    /// Sets the keys in a file; those that it does not set, only in the file that the rule names.
    fn edit(
        &self,
        draft: &mut Draft<'_>,
        file: InodeId,
        is_own: bool,
        enforcing: bool,
    ) -> Result<(), Stop> {
        let path = self.path.as_str();
        let at = draft.rootfs().path(file);
        let old = draft.text(file)?;
        let set = self.set.iter().filter(|(key, _)| is_own || sets(&old, key));
        let set: Vec<(&str, &str)> = set.map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let keys: Vec<&str> = set.iter().map(|(key, _)| *key).collect();
        let section = conf_files::section(path);
        let form = if selinux::is_config(path) {
            Form::Bare
        } else {
            Form::Shell
        };
        let new = set.iter().fold(old.clone(), |text, (key, value)| {
            with_key(&text, key, value, form, section)
        });
        let syntax = || other_syntax(&at.to_str_lossy(), &old);
        let syntax = is_own.then(|| syntax().or_else(|| other_syntax(path, &old)));
        if let Some((syntax, advice)) = syntax.flatten() {
            if draft.waived_as(&[at.as_bstr(), path.into()]) {
                return Ok(());
            }
            if let Some((line, key)) = without_equals(&old, &keys) {
                return fail(format!(
                    "{at}:{line} sets {key} without a `=`; a line `{key}=` would not change that"
                ));
            }
            return fail(format!(
                "{at} is not a file of KEY=VALUE lines: its syntax is {syntax}; {advice}"
            ));
        }
        if let Some((line, key)) = spread(&old, &keys) {
            return fail(format!(
                "{at}:{line} sets {key} by more than one line, which cannot be changed"
            ));
        }
        if new == old {
            draft.keeps(file);
        }
        if new == old || draft.waived_as(&[at.as_bstr(), path.into()]) {
            return Ok(());
        }
        if let Some((line, key)) = without_equals(&old, &keys) {
            return fail(format!(
                "{at}:{line} sets {key} without a `=`; a line `{key}=` would not change that"
            ));
        }
        if let Some(why) = no_place(&old, &keys, section) {
            return fail(format!("{at}{why}"));
        }
        if let Some(why) = selinux::policy_missing(draft, &new).filter(|_| enforcing) {
            return fail(why);
        }
        draft.set_content(file, new);
        Ok(())
    }

    /// Returns whether a file sets one of the keys.
    fn is_set_in(&self, draft: &Draft<'_>, file: InodeId) -> Result<bool, Stop> {
        let text = match draft.text(file) {
            Ok(text) => text,
            Err(Stop::Failed(_)) => return Ok(false),
            Err(fatal) => return Err(fatal),
        };
        Ok(self.set.iter().any(|(key, _)| sets(&text, key)))
    }
}

#[cfg(test)]
mod tests;
