//! `Remove`: a path that is not there.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice};

use crate::edit::{Applied, Draft, ResidualKind, Verdict, absent};
use crate::recipe::{Check, Fields, KeySchema, OnMissing, Rule, RuleKind, value};
use crate::rootfs::InodeId;

pub(super) static KIND: RuleKind = RuleKind {
    name: "Remove",
    argument: Some(
        KeySchema::argument("PATH-OR-GLOB", Check::Is(value::path_or_glob))
            .about("What to remove. `*` stays within one directory, `**` does not."),
    ),
    summary: "nothing is at this path",
    about: "Removes what the path or glob names, a directory with all that is in it, and the same in \
        directories from which the booted system fills /etc. A symbolic \
        link at the end is removed itself, not what it leads to. If the data of a hard-linked \
        file, in a removed directory too, has other names left, it moves to the first of them, and \
        those names are a residual of the hardening, which a check of the result cannot find \
        again. A directory that the archive has no entry for gets one where its last file goes; in \
        a layer of an image it goes along.",
    on_missing: OnMissing::Warn,
    leaves_no_trace: true,
    waived: Some(("a path", "/usr/bin/ssl_client")),
    example: "[Remove /usr/bin/ssl_client]\nReason=it is half of wget\n",
    ..RuleKind::of::<Remove>()
};

/// What is to be gone.
#[derive(Debug)]
struct Remove {
    /// A path or a glob.
    path: String,
}

impl Rule for Remove {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            path: fields.argument.to_owned(),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let mut found = Vec::new();
        for pattern in draft.with_copies(&self.path) {
            found.extend(draft.rootfs().glob(&pattern));
        }
        if found.is_empty() {
            return absent(format!("nothing is at {}", self.path));
        }
        // What has other names, by the first path by which it went.
        let mut linked: BTreeMap<InodeId, BString> = BTreeMap::new();
        for (path, location) in found {
            // A directory that went before takes what is in it along.
            let Ok(Some(id)) = draft.rootfs().locate(&path).map(|l| l.inode) else {
                continue;
            };
            if draft.waived(path.as_bstr()) {
                continue;
            }
            let rootfs = draft.rootfs();
            let mut add = |path: &BStr, id: InodeId| {
                if rootfs.inode(id).links() > 1 {
                    linked.entry(id).or_insert_with(|| path.into());
                }
            };
            add(path.as_bstr(), id);
            rootfs.visit(id, add);
            draft.remove(&location);
        }
        let (mut left, mut places) = (Vec::new(), Vec::new());
        for (id, path) in linked {
            for other in draft.rootfs().paths(id) {
                left.push((other.clone(), format!("is a hard link to what {path} was")));
                places.push((other, id));
            }
        }
        draft.left_open(ResidualKind::OtherName, left, move |rootfs| {
            let same = places.iter().map(|(path, id)| rootfs.at(path) == Some(*id));
            same.collect()
        });
        Ok(Verdict::Holds)
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::check;

    const IMAGE: &str = "
dir ./
symlink bin -> usr/bin
file usr/bin/nc
file usr/bin/ncat
file usr/bin/ls
hardlink usr/bin/dir -> usr/bin/ls
symlink usr/bin/netcat -> nc
dir opt
dir opt/tool
file opt/tool/a
file opt/tool/sub/b
";

    #[test]
    fn files_links_and_trees_go() {
        check(
            IMAGE,
            "[Remove /bin/nc]",
            "changed\n  removed /usr/bin/nc\n",
        );
        check(
            IMAGE,
            "[Remove /bin/netcat]",
            "changed\n  removed /usr/bin/netcat\n",
        );
        check(
            IMAGE,
            "[Remove /bin/nc*]",
            "changed\n  removed /usr/bin/nc\n  removed /usr/bin/ncat\n",
        );
        check(IMAGE, "[Remove /bin]", "changed\n  removed /bin\n");
        check(
            IMAGE,
            "[Remove /opt/**]",
            "changed\n  removed /opt/tool/a\n  removed /opt/tool/sub/b\n  removed /opt/tool/sub\n  removed /opt/tool\n",
        );
        check(
            "file a\n| 1\nfile a\n| 2\nfile b\n",
            "[Remove /a]",
            "changed\n  removed /a\n",
        );
    }

    #[test]
    fn a_directory_without_an_entry_gets_one_when_its_last_file_goes() {
        check(
            "dir etc\nfile opt/a/b/f\nfile opt/g\n",
            "[Remove /opt/a/b/*]",
            "changed\n  removed /opt/a/b/f\n  created /opt/a/b\n",
        );
        check(
            "dir etc\nfile opt/a/f\nfile opt/a/g\n",
            "[Remove /opt/a/f]\n[Remove /opt/a/g]",
            "changed\n  removed /opt/a/f\nchanged\n  removed /opt/a/g\n  created /opt/a\n",
        );
        check(
            "file etc/motd.d/a\nfile usr/lib/tmpfiles.d/a.conf\n| d /etc/motd.d 0777 - - -\n",
            "[Remove /etc/motd.d/a]",
            "changed\n  removed /etc/motd.d/a\n  created /etc/motd.d\n",
        );
        check(
            "dir etc\nfile opt/a/f\n",
            "[Remove /opt/a/f]\n[WriteFile /opt/a/g]\nLine=1",
            "changed\n  removed /opt/a/f\nchanged\n  created /opt/a/g\n",
        );
        check(
            "dir etc\nfile etc/.wh.a\nfile opt/a/b/f\nfile usr/f\n",
            "[Remove /opt/a/b/f]",
            "changed\n  removed /opt/a/b/f\n  removed /opt/a/b\n  removed /opt/a\n  removed /opt\n",
        );
        check(
            "dir etc\nfile etc/.wh.a\nfile opt/f\nfile usr/f\n",
            "[Remove /etc/.wh.a]\n[Remove /opt/f]",
            "changed\n  removed /etc/.wh.a\nchanged\n  removed /opt/f\n  removed /opt\n",
        );
    }

    #[test]
    fn other_names_of_the_file_are_a_residual() {
        check(
            IMAGE,
            "[Remove /usr/bin/ls]",
            "changed\n  removed /usr/bin/ls\n  residual /usr/bin/dir: is a hard link to what /usr/bin/ls was\n",
        );
        check(
            IMAGE,
            "[Remove /usr/bin/{ls,dir}]",
            "changed\n  removed /usr/bin/dir\n  removed /usr/bin/ls\n",
        );
        check(
            IMAGE,
            "[Remove /usr/bin/ls]\n[Remove /usr/bin/dir]",
            "changed\n  removed /usr/bin/ls\nchanged\n  removed /usr/bin/dir\n",
        );
        let tree = format!(
            "{IMAGE}hardlink usr/bin/a -> opt/tool/a\nhardlink opt/tool/sub/c -> opt/tool/sub/b\n"
        );
        check(
            &tree,
            "[Remove /opt/tool]",
            "changed\n  removed /opt/tool/a\n  removed /opt/tool/sub/b\n  removed /opt/tool/sub/c\n  removed /opt/tool/sub\n  \
             removed /opt/tool\n  residual /usr/bin/a: is a hard link to what /opt/tool/a was\n",
        );
    }

    #[test]
    fn what_is_not_there_is_absent() {
        check(
            IMAGE,
            "[Remove /nope]",
            "absent\n  note nothing is at /nope\n",
        );
        check(
            IMAGE,
            "[Remove /nope/*]\nOnMissing=fail",
            "failed: nothing is at /nope/*; `OnMissing=skip` or `warn` allows that\n",
        );
        check(
            IMAGE,
            "[Remove /usr/bin/nc]\n[Waive Remove:/usr/bin/nc]\nReason=x\nExpires=2030-01-01",
            "waived\n",
        );
        // Of what is waived nothing need be left.
        check(
            IMAGE,
            "[Permissions /usr/bin/nc]\nMode=0700\n[Remove /usr/bin/nc]\n[Waive Permissions:/usr/bin/nc]\nReason=x\nExpires=2030-01-01",
            "waived\nchanged\n  removed /usr/bin/nc\n",
        );
    }
}
