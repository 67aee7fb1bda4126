//! `RemoveApplets`: busybox does not answer to these names.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use crate::edit::{Applied, Draft, ResidualKind, Verdict, absent};
use crate::error::{Stop, fail};
use crate::recipe::{
    Check, Fields, KeySchema, Rule, RuleKind,
    nearest::nearest,
    value::{Refusal, Value},
};
use crate::rootfs::{InodeId, Place};
use crate::system::busybox::{self, Binary, Busyboxes, applets};

pub(super) static KIND: RuleKind = RuleKind {
    name: "RemoveApplets",
    summary: "busybox does not run these applets, under any name",
    about: "Removes every name of the applet, in whatever directory, that is a symbolic or hard \
        link to a busybox. If the name is the entry that holds the binary's data, the data moves \
        to the next name. A program of the same name that is not a busybox stays, with a note.\n\n\
        Links are not what makes an applet run: `busybox wget` needs none, nor do shells that find \
        applets by themselves. So each busybox is changed too: in its table of applets, the entry \
        of the unwanted one leads to the code of `false`, which does nothing and ends 1. `busybox \
        --list` still names it. Nothing else in the binary changes.\n\n\
        This works for x86-64, i386, arm64 and arm, and where the table is recognised beyond \
        doubt; where it is not, the rule fails and says why, unless `Binary=` says otherwise. A \
        binary over 16 MiB, one that is stored as a sparse file or one that `security.ima` signs \
        is not changed either.",
    keys: &[
        KeySchema::new("Applet", "NAME", Check::Is(name))
            .list()
            .required()
            .about("The applet's name, such as `wget`."),
        KeySchema::new(
            "Binary",
            "required|try|no",
            Check::OneOf(&["required", "try", "no"]),
        )
        .about(
            "Whether the applets must be closed off in the binary itself: `required`, which is the \
                default, fails where that cannot be done; `try` reports it as a residual; `no` \
                removes links only.",
        ),
    ],
    waived: Some(("a link's path, or that of a binary", "/bin/wget")),
    example: "[RemoveApplets]\nApplet=wget\nApplet=nc\nReason=nothing in the image may fetch \
        programs\n",
    ..RuleKind::of::<RemoveApplets>()
};

fn name(text: &str) -> Result<Value, Refusal> {
    let plain = !text.is_empty() && !text.contains(['/', '*', '?', ' ']);
    if !plain {
        return Err("an applet is a plain name, such as `wget`".into());
    }
    if text.starts_with("busybox") {
        return Err(
            "busybox runs the applets and is not one: name applets, or use `[Remove PATH]`".into(),
        );
    }
    // A build of busybox may have applets of its own, so a name that is near none is one.
    let is_known = applets::known().any(|known| known == text);
    match nearest(text, applets::known()).filter(|_| !is_known) {
        Some(near) => {
            let why = format!("busybox has never had an applet `{text}`");
            Err(Refusal::new(why).help(format!("did you mean `{near}`?")))
        }
        None => Ok(Value::Text),
    }
}

/// Names of the same applet, where a recipe could know one and forget the other.
const SAME: &[[&str; 2]] = &[["ash", "sh"], ["nc", "netcat"]];

/// Applets that may find other applets without links.
const SHELLS: &[&str] = &["ash", "hush", "sh"];

/// Applets, and whether busybox itself must change.
#[derive(Debug)]
struct RemoveApplets {
    applets: Vec<String>,
    binary: Closing,
}

impl Rule for RemoveApplets {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            applets: fields.texts("Applet"),
            binary: match fields.text("Binary") {
                Some("try") => Closing::Try,
                Some("no") => Closing::No,
                _ => Closing::Required,
            },
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let mut work = Work {
            applets: self.applets.iter().map(String::as_str).collect(),
            binary: self.binary,
            busyboxes: Busyboxes::default(),
            kept: BTreeSet::new(),
            seen: BTreeSet::new(),
        };
        for applet in work.applets.clone() {
            for path in busybox::paths_named(draft, applet) {
                work.unlink(draft, applet, &path)?;
            }
        }
        let all = work.busyboxes.all(draft)?;
        if all.is_empty() {
            return absent("the image has no busybox");
        }
        let mut open = false;
        for id in all {
            open |= work.close(draft, id)?;
        }
        let unknown: Vec<&str> = work.applets.difference(&work.seen).copied().collect();
        if !unknown.is_empty() {
            draft.note(format!("no busybox has {}", unknown.join(", ")));
        }
        if !work.seen.is_empty()
            && let Some((path, line)) = busybox::link_trigger(draft)?
        {
            let but = if open {
                ""
            } else {
                "; they lead to applets that end 1"
            };
            let message =
                format!("apk's trigger of busybox makes links for all applets again{but}");
            draft.residual(
                ResidualKind::RevertedByPackages,
                Place::new(&path, line),
                message,
            );
        }
        Ok(Verdict::Holds)
    }
}

/// Whether applets must be closed off in the binary itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Required,
    Try,
    No,
}

struct Work<'s> {
    applets: BTreeSet<&'s str>,
    binary: Closing,
    busyboxes: Busyboxes,
    /// Applets that a waiver lets keep a name, by their busybox.
    kept: BTreeSet<(InodeId, &'s str)>,
    /// Applets that some busybox has, or had a link for.
    seen: BTreeSet<&'s str>,
}

impl<'s> Work<'s> {
    /// Removes a name that leads to a busybox.
    fn unlink(
        &mut self,
        draft: &mut Draft<'_>,
        applet: &'s str,
        path: &BString,
    ) -> Result<(), Stop> {
        let Some(id) = draft.rootfs().open(path) else {
            return Ok(());
        };
        let inode = draft.rootfs().inode(id);
        if !inode.is_file() {
            return Ok(());
        }
        if !self.busyboxes.is_one(draft, id)? {
            if draft
                .rootfs()
                .inode(id)
                .metas()
                .any(|meta| meta.mode & 0o111 != 0)
            {
                draft.note(format!(
                    "{path} is a program of its own, not busybox; it stays"
                ));
            }
            return Ok(());
        }
        let location = match draft.rootfs().locate(path) {
            Ok(location) => location,
            Err(error) => return fail(error.to_string()),
        };
        let link = draft.rootfs().inode(id).links() > 1 || location.inode != Some(id);
        if !link {
            return fail(format!(
                "{path} is the only name of the busybox binary; removing it would remove every applet"
            ));
        }
        self.seen.insert(applet);
        if draft.waived(path.as_bstr()) {
            self.kept.insert((id, applet));
        } else {
            draft.remove(&location);
        }
        Ok(())
    }

    /// Closes the applets off in the binary itself; says whether any of them still runs.
    fn close(&mut self, draft: &mut Draft<'_>, id: InodeId) -> Result<bool, Stop> {
        let binary = Binary::read(draft, id)?;
        let path = busybox::path(draft, id);
        let mut open = Vec::new();
        for applet in &self.applets {
            if binary.has(draft, applet)? {
                self.seen.insert(applet);
            }
            if binary.runs(draft, applet)? {
                open.push(*applet);
            }
        }
        self.same(draft, &binary, &path)?;
        let kept = |applet: &&str| self.kept.contains(&(id, *applet));
        let wanted: Vec<&str> = open.iter().copied().filter(|a| !kept(a)).collect();
        let mut refusal = None;
        if !wanted.is_empty() && self.binary != Closing::No && !draft.waived(path.as_bstr()) {
            match neutralised(draft, &binary, &wanted) {
                Ok(content) => {
                    draft.set_content(id, content);
                    draft.note(format!("{path} runs `false` for {}", wanted.join(", ")));
                    open.retain(kept);
                }
                Err(why) if self.binary == Closing::Required => {
                    return fail(format!(
                        "cannot neutralise {} in {path}: {why}; `Binary=try` removes links all the same",
                        wanted.join(", ")
                    ));
                }
                Err(why) => refusal = Some(why),
            }
        }
        let Some(first) = open.first() else {
            return Ok(false);
        };
        let mut shell = false;
        for name in SHELLS {
            shell |= binary.runs(draft, name)?;
        }
        let message = format!(
            "the binary still has {}: `busybox {first}` runs it{}{}",
            open.join(", "),
            if shell {
                ", and so does its shell if built to find applets without links"
            } else {
                ""
            },
            refusal.map_or(String::new(), |why| format!(
                "; it cannot be neutralised: {why}"
            )),
        );
        draft.residual(ResidualKind::OtherName, Place::new(&path, None), message);
        Ok(true)
    }

    /// Says where an applet runs by a second name.
    fn same(&self, draft: &mut Draft<'_>, binary: &Binary, path: &BString) -> Result<(), Stop> {
        for (one, other) in SAME.iter().flat_map(|[a, b]| [(*a, *b), (*b, *a)]) {
            let named = |applet| self.applets.contains(applet);
            if named(one)
                && !named(other)
                && binary.has(draft, one)?
                && binary.runs(draft, other)?
            {
                let message =
                    format!("{one} is there as {other} too, which the rule does not name");
                draft.residual(ResidualKind::OtherName, Place::new(path, None), message);
            }
        }
        Ok(())
    }
}

/// The binary's content once the applets run `false`, or why that cannot be had.
fn neutralised(draft: &Draft<'_>, binary: &Binary, applets: &[&str]) -> Result<Vec<u8>, String> {
    let mut metas = draft.rootfs().inode(binary.id()).metas();
    if metas.any(|meta| meta.xattr("security.ima").is_some()) {
        return Err("security.ima signs it as it is".to_owned());
    }
    binary
        .neutralise(applets)
        .map_err(|refusal| refusal.to_string())
}

#[cfg(test)]
mod tests;
