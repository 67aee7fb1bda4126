//! `RemoveApplets`: busybox does not answer to these names.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use super::RuleKind;
use crate::busybox::{self, Busyboxes};
use crate::edit::{Applied, Draft, Stop, Verdict, fail};
use crate::recipe::{Check, KeySchema, OnMissing, RuleSchema, Section};

pub(super) static KIND: RuleKind = RuleKind {
    schema: &SCHEMA,
    apply,
};

static SCHEMA: RuleSchema = RuleSchema {
    kind: "RemoveApplets",
    argument: None,
    summary: "busybox has no names for these applets",
    about: "Removes every name of the applet, in whatever directory, that is a symbolic or hard link to a busybox. If the name is \
        the entry that holds the binary's data, the data moves to the next name. A program of the same name that is no busybox \
        is left, and noted.\n\n\
        The binary itself still has the applet: `busybox wget` is reported as a residual.",
    keys: &[KeySchema {
        name: "Applet",
        value: "NAME",
        check: Check::Custom(name),
        list: true,
        required: true,
        about: "The applet's name, such as `wget`.",
    }],
    open_keys: None,
    on_missing: OnMissing::Fail,
    extra_on_missing: &[],
    example: "[RemoveApplets]\nApplet=wget\nApplet=nc\nReason=nothing in the image may fetch programs\n",
};

fn name(text: &str) -> Result<(), String> {
    let plain = !text.is_empty() && !text.contains(['/', '*', '?', ' ']);
    plain
        .then_some(())
        .ok_or_else(|| "an applet is a plain name, such as `wget`".to_owned())
}

fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    let applets: BTreeSet<&str> = section.all("Applet").collect();
    let mut busyboxes = Busyboxes::default();
    for applet in &applets {
        for path in busybox::paths_named(draft, applet) {
            remove(draft, &mut busyboxes, &path)?;
        }
    }
    let all = busyboxes.all(draft)?;
    if all.is_empty() {
        return Ok(Verdict::Absent("the image has no busybox".into()));
    }
    for id in all {
        let mut reachable = Vec::new();
        for applet in &applets {
            if busybox::has_applet(draft, id, applet)? {
                reachable.push(*applet);
            }
        }
        if !reachable.is_empty() {
            let path = busybox::path(draft, id);
            let message = format!(
                "the binary still has {}: `busybox {}` runs it",
                reachable.join(", "),
                reachable[0]
            );
            draft.residual(Some(path.as_bstr()), None, message);
        }
    }
    Ok(Verdict::Holds)
}

fn remove(draft: &mut Draft<'_>, busyboxes: &mut Busyboxes, path: &BString) -> Result<(), Stop> {
    let Some(id) = draft.rootfs().open(path) else {
        return Ok(());
    };
    if !draft.rootfs().inode(id).is_file() {
        return Ok(());
    }
    if !busyboxes.is_one(draft, id)? {
        let program = draft
            .rootfs()
            .inode(id)
            .metas()
            .any(|meta| meta.mode & 0o111 != 0);
        if program {
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
    let link = draft.rootfs().inode(id).names().len() > 1 || location.inode != Some(id);
    if !link {
        return fail(format!(
            "{path} is the only name of the busybox binary; removing it would remove every applet"
        ));
    }
    if !draft.waived(path.as_bstr()) {
        draft.remove(&location);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::check;

    const RULE: &str = "[RemoveApplets]\nApplet=wget\nApplet=nc";
    const STILL: &str = "the binary still has";

    #[test]
    fn symbolic_links_go() {
        let image = "
file bin/busybox mode=0755 content=busybox applets=false,nc,sh,wget
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
        check(
            image,
            RULE,
            &format!(
                "changed\n  removed /sbin/nc\n  removed /usr/bin/wget\n  note /usr/local/bin/wget is a program of its own, not busybox; it stays\n  \
                 residual /bin/busybox: {STILL} nc, wget: `busybox nc` runs it\n"
            ),
        );
    }

    #[test]
    fn the_data_entry_of_hard_links_moves_on() {
        let image = "
file bin/[ mode=0755 content=busybox applets=[,busybox,false,nc,wget
hardlink bin/busybox -> bin/[
hardlink bin/nc -> bin/[
hardlink bin/wget -> bin/[
";
        check(
            image,
            RULE,
            &format!(
                "changed\n  removed /bin/nc\n  removed /bin/wget\n  residual /bin/busybox: {STILL} nc, wget: `busybox nc` runs it\n"
            ),
        );
        let data = "file bin/wget mode=0755 content=busybox applets=false,wget\nhardlink bin/busybox -> bin/wget\nhardlink bin/x -> bin/wget\n";
        check(
            data,
            RULE,
            &format!(
                "changed\n  removed /bin/wget\n  residual /bin/busybox: {STILL} wget: `busybox wget` runs it\n"
            ),
        );
    }

    #[test]
    fn without_links_it_is_fulfilled_and_without_busybox_absent() {
        check(
            "file bin/busybox mode=0755 content=busybox applets=false,sh\n",
            RULE,
            "already\n",
        );
        check(
            "file bin/busybox mode=0755\n| fake\n",
            RULE,
            "failed: the image has no busybox; `OnMissing=skip` or `warn` allows that\n",
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
        let image = "
file bin/busybox mode=0755 content=busybox applets=sh,wget
file bin/wget mode=0755
| old
symlink bin/wget -> busybox
";
        check(
            image,
            RULE,
            &format!(
                "changed\n  removed /bin/wget\n  residual /bin/busybox: {STILL} wget: `busybox wget` runs it\n"
            ),
        );
    }
}
