//! `Permissions`: mode and owner of a path.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use crate::edit::{Applied, Draft, Verdict, absent};
use crate::error::{Stop, fail};
use crate::recipe::{
    Check, Fields, KeySchema, Rule, RuleKind,
    value::{self, Refusal, Value},
};
use crate::rootfs::{InodeId, Meta};
use crate::system::accounts;

pub(super) static KIND: RuleKind = RuleKind {
    name: "Permissions",
    argument: Some(
        KeySchema::argument("PATH", Check::Is(value::one_path))
            .about("A file or directory; symbolic links are followed."),
    ),
    summary: "a path has this mode and owner",
    about: "Sets mode, owner and group in every header of the file, and removes an access control \
        list, which could allow more than the mode does. Where the image has nothing at a path of \
        /etc, the rule sets the copies from which the booted system fills /etc. Names are looked \
        up in the image's own passwd and group files. A directory that the archive has no entry for, only files below it, gets one, \
        with mode 0755 and root as its owner where the rule does not say otherwise: else whoever \
        extracts it decides, by their umask. In a layer of an image, which takes files of those \
        below it away, the rule must say all three then, since an entry replaces what those say.",
    keys: &[
        KeySchema::new("Mode", "MODE", Check::Is(value::mode))
            .about("The mode in octal, such as `0600`."),
        KeySchema::new("Owner", "USER", Check::Is(account)).about("The owner, by name or number."),
        KeySchema::new("Group", "GROUP", Check::Is(account)).about("The group, by name or number."),
    ],
    needs_a_key: true,
    waived: Some(("the path", "/etc/ssh/sshd_config")),
    example: "[Permissions /etc/ssh/sshd_config]\n\
        Mode=0600\n\
        Owner=root\n\
        Reason=it names the users that may log in\n\
        ",
    ..RuleKind::of::<Permissions>()
};

/// Accepts the name or the number of a user or group.
fn account(text: &str) -> Result<Value, Refusal> {
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.parse().is_ok_and(|id: u32| id < u32::MAX)
    {
        return Err("the highest number of a user or group is 4294967294".into());
    }
    let plain = !text.starts_with('-')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.$".contains(c));
    if plain {
        return Ok(Value::Text);
    }
    let refusal = Refusal::new(format!("`{text}` is neither a name nor a number"));
    Err(match text.split_once(':') {
        // As chown takes both.
        Some((owner, group)) if account(owner).is_ok() && account(group).is_ok() => refusal.help(
            format!("write two lines: `Owner={owner}` and `Group={group}`"),
        ),
        _ => refusal,
    })
}

/// A path, and what it is to have.
#[derive(Debug)]
struct Permissions {
    path: String,
    mode: Option<u32>,
    owner: Option<String>,
    group: Option<String>,
}

impl Rule for Permissions {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            path: fields.argument.to_owned(),
            mode: fields.mode("Mode"),
            owner: fields.text("Owner").map(String::from),
            group: fields.text("Group").map(String::from),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let path = self.path.as_str();
        if draft.rootfs().leads_to(path.as_bytes(), "/dev/null") && path != "/dev/null" {
            return fail(format!(
                "{path} leads to /dev/null, which every program must be able to write to"
            ));
        }
        let mut found: Vec<InodeId> = draft.rootfs().open(path).into_iter().collect();
        if found.is_empty() {
            // What the booted system fills /etc from.
            let copies = draft.with_copies(path);
            let copies = copies.iter().filter_map(|copy| draft.rootfs().open(copy));
            found.extend(copies.collect::<BTreeSet<_>>());
        }
        if found.is_empty() {
            return absent(format!("nothing is at {path}"));
        }
        let number = |database, name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => match accounts::id(draft, database, name)? {
                Some(id) => Ok(Some(id)),
                None => fail(format!(
                    "the image's {database} files have no {name}; give a number"
                )),
            },
        };
        let (uid, gid) = (
            number("passwd", &self.owner)?,
            number("group", &self.group)?,
        );
        if draft.waived(path.as_bytes().as_bstr()) {
            return Ok(Verdict::Holds);
        }
        for id in found {
            self.set(draft, id, uid, gid)?;
        }
        Ok(Verdict::Holds)
    }
}

impl Permissions {
    fn set(
        &self,
        draft: &mut Draft<'_>,
        id: InodeId,
        uid: Option<u64>,
        gid: Option<u64>,
    ) -> Result<(), Stop> {
        let (path, mode) = (self.path.as_str(), self.mode);
        let inode = draft.rootfs().inode(id);
        if inode.implied() {
            let all = mode.is_some() && uid.is_some() && gid.is_some();
            if !all && draft.rootfs().is_layer() {
                return fail(format!(
                    "this layer has no entry for {path}, and a new one replaces all that the layers below say of it; give Mode, Owner and Group"
                ));
            }
            // Even what is usual is only certain once the archive says it.
            let meta = Meta {
                mode: mode.unwrap_or(inode.meta.mode),
                uid: uid.unwrap_or(inode.meta.uid),
                gid: gid.unwrap_or(inode.meta.gid),
                ..Meta::default()
            };
            draft.create_entry(id, meta.into());
            return Ok(());
        }
        draft.set_owner(id, uid, gid);
        if let Some(mode) = mode {
            draft.set_mode(id, mode);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::check;

    const IMAGE: &str = "
dir ./
dir etc mode=0755
file etc/passwd
| app:x:1000:1000::/:/bin/sh
file etc/group
| staff:x:50:
file etc/key mode=0644 uid=1000 gid=1000
symlink key -> etc/key
hardlink etc/key2 -> etc/key uid=1000 gid=1000
symlink loop -> loop
";

    #[test]
    fn numbers_are_those_that_linux_has() {
        for good in ["0", "4294967294", "app", "_x"] {
            assert!(super::account(good).is_ok(), "{good}");
        }
        let both = super::account("root:adm").unwrap_err();
        assert_eq!(both.message, "`root:adm` is neither a name nor a number");
        for bad in ["", "-1", "4294967295", "99999999999999999999", "a b"] {
            assert!(super::account(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_link_to_the_null_device_is_refused() {
        check(
            "symlink etc/motd -> /dev/null\n",
            "[Permissions /etc/motd]\nMode=0600",
            "failed: /etc/motd leads to /dev/null, which every program must be able to write to\n",
        );
        check(
            "char dev/null 1,3 mode=0600\n",
            "[Permissions /dev/null]\nMode=0666",
            "changed\n  mode /dev/null 0600 0666\n",
        );
    }

    #[test]
    fn a_waiver_leaves_what_is_there() {
        check(
            IMAGE,
            "[Permissions /etc/key]\nMode=0600\n[Waive Permissions:/etc/key]\nReason=x\nExpires=2030-01-01",
            "waived\n",
        );
    }

    #[test]
    fn mode_and_owner_are_set_through_links() {
        check(
            IMAGE,
            "[Permissions /key]\nMode=0600",
            "changed\n  mode /etc/key 0644 0600\n  mode /etc/key2 0644 0600\n",
        );
        check(
            IMAGE,
            "[Permissions /etc/key2]\nOwner=root\nGroup=staff",
            "changed\n  owner /etc/key 1000:1000 0:50\n  owner /etc/key2 1000:1000 0:50\n",
        );
        check(
            IMAGE,
            "[Permissions /etc]\nMode=0700\nGroup=7",
            "changed\n  owner /etc 0:0 0:7\n  mode /etc 0755 0700\n",
        );
        check(
            IMAGE,
            "[Permissions /etc/key]\nMode=0644\nOwner=app\nGroup=1000",
            "already\n",
        );
    }

    #[test]
    fn every_header_is_brought_to_the_mode() {
        let image = "file a mode=0600\nhardlink b -> a mode=0666\n";
        check(
            image,
            "[Permissions /a]\nMode=0600",
            "changed\n  mode /a 0666 0600\n  mode /b 0666 0600\n",
        );
        check(
            "file a mode=0666\nfile a mode=0600\n",
            "[Permissions /a]\nMode=0600",
            "already\n",
        );
    }

    #[test]
    fn a_list_that_says_more_than_the_mode_goes_in_every_spelling() {
        let image = "
file a mode=0600 pax:SCHILY.acl.access=user::rwx,group::rwx,other::rwx
hardlink b -> a mode=0600 xattr-style=both xattr:system.posix_acl_access=hex:02000000
dir d mode=0700 pax:SCHILY.acl.default=user::rwx,group::rwx,other::rwx
";
        check(
            image,
            "[Permissions /a]\nMode=0600",
            "changed\n  xattr /a SCHILY.acl.access\n  xattr /b SCHILY.acl.access\n  \
             xattr /a system.posix_acl_access\n  xattr /b system.posix_acl_access\n",
        );
        check(
            image,
            "[Permissions /a]\nOwner=0\n[Permissions /d]\nMode=0700",
            "already\nalready\n",
        );
    }

    #[test]
    fn what_cannot_be_is_said() {
        check(
            IMAGE,
            "[Permissions /nope]\nMode=0600",
            "failed: nothing is at /nope; `OnMissing=skip` or `warn` allows that\n",
        );
        check(
            IMAGE,
            "[Permissions /loop]\nMode=0600\nOnMissing=skip",
            "absent\n",
        );
        check(
            IMAGE,
            "[Permissions /etc]\nOwner=nobody",
            "failed: the image's passwd files have no nobody; give a number\n",
        );
    }

    #[test]
    fn a_directory_that_only_paths_imply_gets_an_entry() {
        let image = "file var/lib/x\nsymlink top -> .\n";
        for keys in ["Mode=0700", "Mode=0755", "Owner=0", "Group=7"] {
            for (path, at) in [("/var/lib", "/var/lib"), ("/top", "/")] {
                check(
                    image,
                    &format!("[Permissions {path}]\n{keys}"),
                    &format!("changed\n  created {at}\n"),
                );
            }
        }
        let both = "[Permissions /var/lib]\nMode=0755\n[Permissions /var/lib]\nGroup=7";
        check(
            image,
            both,
            "changed\n  created /var/lib\nchanged\n  owner /var/lib 0:0 0:7\n",
        );
        check(
            "dir var/lib mode=0755\nfile var/lib/x\n",
            "[Permissions /var/lib]\nMode=0755\nOwner=0",
            "already\n",
        );
    }

    #[test]
    fn an_entry_in_a_layer_needs_all_three() {
        let layer = "file tmp/.wh..wh..opq\nfile tmp/x\n";
        for some in ["Owner=0", "Mode=0700", "Mode=0700\nGroup=0"] {
            check(
                layer,
                &format!("[Permissions /tmp]\n{some}"),
                "failed: this layer has no entry for /tmp, and a new one replaces all that the layers below say of it; give \
                 Mode, Owner and Group\n",
            );
        }
        check(
            layer,
            "[Permissions /tmp]\nMode=1777\nOwner=0\nGroup=0",
            "changed\n  created /tmp\n",
        );
    }
}
