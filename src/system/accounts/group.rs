//! Taking a member out of group and gshadow, everything else byte for byte as it was.

use bstr::ByteSlice;

use super::past_blanks;

/// Which of the two files a text is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// `name:password:gid:members`
    Group,
    /// `name:password:administrators:members`
    Gshadow,
}

impl Database {
    /// The file's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Gshadow => "gshadow",
        }
    }

    /// The fields that list users. gpasswd leaves administrators, who could add themselves again, so they go too.
    pub(crate) fn lists(self) -> &'static [usize] {
        match self {
            Self::Group => &[3],
            Self::Gshadow => &[2, 3],
        }
    }
}

/// The text with a user taken out of every line of the groups that `wanted` picks, duplicates of a group included, and the
/// groups that lost him. Short lines are left as they are.
pub(crate) fn without_member(
    text: &[u8],
    database: Database,
    user: &str,
    mut wanted: impl FnMut(&str) -> bool,
) -> (Vec<u8>, Vec<String>) {
    let (mut out, mut left) = (Vec::with_capacity(text.len()), Vec::new());
    for line in text.lines_with_terminator() {
        let (body, end) = line.split_at(body_length(line));
        let fields: Vec<&[u8]> = body.splitn(4, |byte| *byte == b':').collect();
        let name = past_blanks(fields[0]);
        let mentions = fields.len() == 4
            && !name.starts_with(b"#")
            && database
                .lists()
                .iter()
                .any(|at| members(fields[*at]).any(|m| names(m, user)));
        if mentions && wanted(&name.to_str_lossy()) {
            let fields = fields.iter().enumerate().map(|(at, field)| {
                if database.lists().contains(&at) {
                    bstr::join(b",", members(field).filter(|m| !names(m, user)))
                } else {
                    field.to_vec()
                }
            });
            out.extend_from_slice(&bstr::join(b":", fields));
            out.extend_from_slice(end);
            left.push(name.to_str_lossy().into_owned());
        } else {
            out.extend_from_slice(line);
        }
    }
    (out, left)
}

/// The groups that a user administers: he may add himself to them.
pub(crate) fn administered(gshadow: &[u8], user: &str) -> Vec<(usize, String)> {
    let records = super::records(gshadow)
        .filter(|(_, fields)| fields.len() == 4 && members(fields[2]).any(|m| names(m, user)));
    records
        .map(|(line, fields)| (line, fields[0].to_str_lossy().into_owned()))
        .collect()
}

/// Whether the fields of a group's line list the user.
pub(super) fn lists(fields: &[&[u8]], user: &str) -> bool {
    fields
        .get(3)
        .is_some_and(|list| members(list).any(|m| names(m, user)))
}

/// How much of a line counts: it ends at its newline, and for the C library at a NUL.
fn body_length(line: &[u8]) -> usize {
    let line = line.trim_end_with(|c| c == '\n' || c == '\r');
    line.find_byte(0).unwrap_or(line.len())
}

fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',')
}

/// Whether an item of a list is the user; glibc passes over blanks before it.
fn names(item: &[u8], user: &str) -> bool {
    past_blanks(item) == user.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_go_and_all_else_stays() {
        let check = |database, text: &str, want: &str| {
            let (got, _) = without_member(text.as_bytes(), database, "core", |group| {
                ["wheel", "docker"].contains(&group)
            });
            assert_eq!(got.to_str_lossy(), want);
        };
        check(
            Database::Group,
            "wheel:x:10:root,core\ndocker:x:233:core\ncore:x:500:\n",
            "wheel:x:10:root\ndocker:x:233:\ncore:x:500:\n",
        );
        check(
            Database::Group,
            "wheel:x:10:core,core,root",
            "wheel:x:10:root",
        );
        check(
            Database::Group,
            "wheel:x:10:core\r\nwheel:x:10:core\n",
            "wheel:x:10:\r\nwheel:x:10:\n",
        );
        check(
            Database::Group,
            "sudo:x:150:core\nwheel:x:10:corey,ucore\n",
            "sudo:x:150:core\nwheel:x:10:corey,ucore\n",
        );
        check(
            Database::Group,
            "wheel:x:10\nwheel\n\n+:::\n#wheel:x:10:core\n",
            "wheel:x:10\nwheel\n\n+:::\n#wheel:x:10:core\n",
        );
        check(
            Database::Group,
            "wheel:x:10:root,,core\n",
            "wheel:x:10:root,\n",
        );
        // The C library passes over blanks at the start of a line and of a name, and stops at a NUL; it does not mind colons.
        check(
            Database::Group,
            " wheel:x:10:root, core\nwheel:x:10:core\0,core\nwheel:x:10:core,a:b\n #wheel:x:10:core\n",
            " wheel:x:10:root\nwheel:x:10:\0,core\nwheel:x:10:a:b\n #wheel:x:10:core\n",
        );
        check(
            Database::Gshadow,
            "wheel:*:core:root,core\n",
            "wheel:*::root\n",
        );
    }

    #[test]
    fn the_groups_that_lost_the_user_are_named() {
        let (_, left) = without_member(
            b"a:x:1:core\nb:x:2:root\nc:x:3:core\n",
            Database::Group,
            "core",
            |_| true,
        );
        assert_eq!(left, ["a", "c"]);
    }
}
