//! `WriteFile`: a file with exactly this content.

use super::support::put_file;
use crate::edit::{Applied, Draft, Verdict};
use crate::recipe::{Check, Fields, KeySchema, Rule, RuleKind, value};

pub(super) static KIND: RuleKind = RuleKind {
    name: "WriteFile",
    argument: Some(
        KeySchema::argument("PATH", Check::Is(value::one_path))
            .about("The file; a symbolic link is written through."),
    ),
    summary: "a file has exactly these lines",
    about: "Creates the file, and the directories above it where they are missing, owned by root \
        with mode 0644; or replaces the content of the file that is there, whose mode and owner \
        stay unless `Mode=` says otherwise. Where the image has no /etc, but a copy of the file from \
        which the booted system fills /etc, that copy is the file.",
    keys: &[
        KeySchema::new("Line", "TEXT", Check::Verbatim)
            .list()
            .about("A line of the file. Without any the file is empty."),
        KeySchema::new("Mode", "MODE", Check::Is(value::mode)).about(
            "The mode in octal, with no access control list beside it; 0644 for a new file.",
        ),
    ],
    waived: Some(("the path", "/etc/issue.net")),
    example: "[WriteFile /etc/issue.net]\n\
        Line=Authorised use only.\n\
        Reason=the banner must not tell the version\n\
        ",
    ..RuleKind::of::<WriteFile>()
};

/// A file, and what it is to be.
#[derive(Debug)]
struct WriteFile {
    path: String,
    content: String,
    mode: Option<u32>,
}

impl Rule for WriteFile {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            path: fields.argument.to_owned(),
            content: fields
                .texts("Line")
                .into_iter()
                .map(|line| line + "\n")
                .collect(),
            mode: fields.mode("Mode"),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let path = self.path.as_str();
        for place in places(draft, path) {
            put_file(draft, &place, &[path], self.content.as_bytes(), self.mode)?;
        }
        Ok(Verdict::Holds)
    }
}

/// Returns where a file is written: at its path; in an image without /etc where a copy is from which the
/// booted system fills it.
fn places(draft: &Draft<'_>, path: &str) -> Vec<String> {
    let mut places = draft.with_copies(path);
    let own = places.remove(0);
    let rootfs = draft.rootfs();
    places.retain(|path| rootfs.open(path).is_some());
    if places.is_empty() || rootfs.has_directory("/etc") {
        return vec![own];
    }
    places
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::{check, content_after};

    const RULE: &str = "[WriteFile /etc/issue]\nLine=one\nLine=two";

    #[test]
    fn blanks_before_a_line_stay() {
        let rule = "[WriteFile /etc/a.yaml]\nLine=network:\nLine=  version: 2\nLine = plain\nLine =  set off\nLine=\nLine= ${A}";
        let rule = format!("{rule}\n[Params]\nA= x ");
        assert_eq!(
            content_after("dir ./\n", &rule, "/etc/a.yaml"),
            "network:\n  version: 2\nplain\n set off\n\n x\n"
        );
    }

    #[test]
    fn dev_null_cannot_be_a_file() {
        let why = "failed: /dev/null is the device that masks lead to, and cannot be a file\n";
        check("dir ./\n", "[WriteFile /dev/null]\nLine=x", why);
        check(
            "symlink d -> dev\ndir dev\n",
            "[WriteFile /d/null]",
            &why.replace("/dev/null", "/d/null"),
        );
    }

    #[test]
    fn a_file_is_made_or_its_content_replaced() {
        check(
            "dir ./\n",
            RULE,
            "changed\n  created /etc\n  created /etc/issue\n",
        );
        assert_eq!(content_after("dir ./\n", RULE, "/etc/issue"), "one\ntwo\n");
        check(
            "file etc/issue mode=0600\n| x\n",
            RULE,
            "changed\n  content /etc/issue\n",
        );
        check(
            "file etc/issue mode=0600\n| one\n| two\n",
            RULE,
            "already\n",
        );
        check(
            "file etc/issue mode=0600\n| one\n| two\n",
            &format!("{RULE}\nMode=0640"),
            "changed\n  mode /etc/issue 0600 0640\n",
        );
        let list = "file etc/issue mode=0640 pax:SCHILY.acl.access=user::rw-,group::r--,other::rw-\n| one\n| two\n";
        check(list, RULE, "already\n");
        check(
            list,
            &format!("{RULE}\nMode=0640"),
            "changed\n  xattr /etc/issue SCHILY.acl.access\n",
        );
        check(
            "file etc/issue\n| x\n",
            "[WriteFile /etc/issue]",
            "changed\n  content /etc/issue\n",
        );
    }

    #[test]
    fn links_are_written_through() {
        check(
            "symlink etc/issue -> ../usr/lib/issue\nfile usr/lib/issue\n| x\n",
            RULE,
            "changed\n  content /usr/lib/issue\n",
        );
        check(
            "symlink etc -> usr/etc\nsymlink usr/etc/issue -> ../lib/issue\n",
            RULE,
            "changed\n  created /usr/lib\n  created /usr/lib/issue\n",
        );
        check(
            "file etc/issue\n| x\nhardlink etc/b -> etc/issue\n",
            RULE,
            "changed\n  content /etc/b\n  content /etc/issue\n",
        );
        check(
            "file etc/issue\n| one\n| two\nfile etc/issue\n| x\n",
            RULE,
            "changed\n  content /etc/issue\n",
        );
    }

    #[test]
    fn a_directory_or_loop_in_the_way_is_said() {
        check(
            "dir etc/issue\n",
            RULE,
            "failed: /etc/issue is a directory\n",
        );
        check(
            "symlink etc/issue -> issue\n",
            RULE,
            "failed: /etc/issue leads through more than 40 symbolic links\n",
        );
        check(
            "file etc\n| x\n",
            RULE,
            "failed: /etc/issue leads through /etc, which is not a directory\n",
        );
    }

    #[test]
    fn what_is_no_file_gives_way() {
        check(
            "fifo etc/issue\n",
            RULE,
            "changed\n  removed /etc/issue\n  created /etc/issue\n",
        );
    }

    #[test]
    fn a_waiver_counts_only_where_something_is_not_so() {
        let waived = format!(
            "{RULE}\nMode=0640\n[Waive WriteFile:/etc/issue]\nReason=x\nExpires=2030-01-01"
        );
        for image in [
            "dir ./\n",
            "file etc/issue mode=0640\n| x\n",
            "file etc/issue mode=0600\n| one\n| two\n",
            "symlink etc/issue -> /dev/null\n",
        ] {
            check(image, &waived, "waived\n");
        }
        check(
            "file etc/issue mode=0640\n| one\n| two\n",
            &waived,
            "already\n",
        );
    }

    #[test]
    fn an_edit_of_one_rule_is_no_change_by_the_next() {
        check(
            "file etc/issue\n| x\n",
            &format!("{RULE}\n[StripSetid]"),
            "changed\n  content /etc/issue\nalready\n",
        );
    }
}
