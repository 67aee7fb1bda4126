//! What is told of paths that take several facts to tell, as text.

use super::{CompareOptions, check, check_with, open, txt};

#[test]
fn a_directory_that_is_none_any_more_takes_what_was_in_it_along() {
    let (full, plain) = ("dir d\nfile d/f mode=0644\n", "file d mode=0644\n");
    check(
        full,
        plain,
        "paths
  ~ /d
      directory → file
  - /d/f  removed file, 0644 (rw-r--r--)

paths: 1 removed, 1 changed; attack surface and packages: 0 gained, 0 lost
",
    );
    check(
        plain,
        full,
        "paths
  ~ /d
      file → directory
  + /d/f  new file, 0644 (rw-r--r--)

paths: 1 added, 1 changed; attack surface and packages: 0 gained, 0 lost
",
    );
}

#[test]
fn all_is_said_of_what_only_one_image_has() {
    check(
        "file x\n",
        "file x\nfile a mode=0755 uid=1 gid=2 cap=cap_net_raw+ep\nhardlink b -> a\n",
        "file capabilities
  + /a  cap_net_raw=ep
  + /b  cap_net_raw=ep

files of root that others write
  + /a  user 1
  + /b  user 1

paths
  + /a  new file, 0755 (rwxr-xr-x), owner 1:2, capabilities cap_net_raw=ep, one file with /b
  + /b  new file, 0755 (rwxr-xr-x), owner 1:2, capabilities cap_net_raw=ep, one file with /a

paths: 2 added; attack surface and packages: 4 gained, 0 lost
",
    );
}

#[test]
fn lines_are_shown_as_they_end_and_as_many_as_fit() {
    let shown = |old: &str, new: &str| -> String {
        let text = txt(old, new, &CompareOptions::new());
        let (_, paths) = text.split_once("\npaths\n").unwrap();
        paths.split_once("\n\n").unwrap().0.to_owned()
    };
    assert_eq!(
        shown("file a\n| one\n", "file a eol=no\n| one\n"),
        "  ~ /a
      @@ -1 +1 @@
      -one
      +one
      \\ No newline at end of file"
    );
    assert_eq!(
        shown("file a\n| \u{202e}good\n", "file a\n| bad\n"),
        "  ~ /a
      caution: characters that would make it look different are spelled out
      @@ -1 +1 @@
      -\\u{202e}good
      +bad"
    );
    const LINES: usize = 60;
    for (lines, more) in [(LINES, "1 more line"), (LINES + 1, "2 more lines")] {
        let many: String = (0..lines).map(|at| format!("| line {at}\n")).collect();
        let text = shown("file a\n| x\n", &format!("file a\n{many}"));
        assert_eq!(text.matches("+line").count(), LINES - 1);
        let (_, last) = text.rsplit_once('\n').unwrap();
        assert_eq!(
            last,
            format!("      … {more}: --format diff has all of them")
        );
    }
}

#[test]
fn of_files_with_one_content_names_tell_which_went_where() {
    let file = |path: &str| format!("file {path} mode=0644\n| same\n");
    let text = txt(
        &(file("a/x") + &file("b/y") + &file("b/z")),
        &(file("c/y") + &file("d/x") + &file("e/w")),
        &CompareOptions::new(),
    );
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for (to, from) in [("/c/y", "/b/y"), ("/d/x", "/a/x"), ("/e/w", "/b/z")] {
        let told = [format!("> {to}"), format!("was {from}")];
        assert!(lines.windows(2).any(|pair| pair == told), "{text}");
    }
}

#[test]
fn time_counts_beside_other_differences_when_asked_for() {
    check_with(
        "dir . mtime=1\nfile a mtime=1 mode=0644\nfile b mtime=1\nfile c mtime=1 mode=0600\n",
        "dir . mtime=2\nfile a mtime=2 mode=0600\nfile b mtime=1\nfile c mtime=1 mode=0644\n",
        &CompareOptions::new().strict(true),
        "paths
  ~ /
      time 1970-01-01T00:00:01Z → 1970-01-01T00:00:02Z
  ~ /a
      mode 0644 (rw-r--r--) → 0600 (rw-------)
      time 1970-01-01T00:00:01Z → 1970-01-01T00:00:02Z
  ~ /c
      mode 0600 (rw-------) → 0644 (rw-r--r--)

paths: 3 changed; attack surface and packages: 0 gained, 0 lost
",
    );
}

#[test]
fn a_patch_says_in_comments_what_it_cannot_hold() {
    let (old, new) = (
        open("file a\nhardlink b -> a\nhardlink none -> nothing\nchar n 1,3\nfile m\n| kept\n"),
        open("file a\nfile b\nchar n 1,5\nfile moved\n| kept\n"),
    );
    let mut out = Vec::new();
    old.compare(&new).unwrap().write_diff(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let (_, text) = text.split_once('\n').unwrap();
    assert_eq!(text, "# old  test.tar
# new  test.tar
# paths: 1 renamed, 3 changed; attack surface and packages: 0 gained, 0 lost
# note: the older image: the hard link none names nothing, which the archive does not have; extraction skips it

# /a
# links
# one file with /b → none
diff --git a/a b/a
old mode 100644
new mode 100644

# /b
# links
# one file with /a → none
diff --git a/b b/b
old mode 100644
new mode 100644

# /moved
# renamed
# was /m
diff --git a/m b/moved
similarity index 100%
rename from m
rename to moved

# /n
# device
# char-device 1:3 → char-device 1:5
");
}

#[test]
fn asking_for_a_path_that_is_nowhere_is_noted() {
    let image = "file a mode=4755\n";
    let path = |glob| CompareOptions::new().path(glob).unwrap();
    let only = "note: only some paths or kinds of difference were asked for\n";
    check_with(
        image,
        image,
        &path("/a"),
        &format!("{only}no differences\n"),
    );
    check_with(
        image,
        image,
        &path("/b"),
        &format!(
            "{only}note: neither image has any of the paths that were asked for\nno differences\n"
        ),
    );
    let units = "file usr/lib/systemd/system/a.service\n| [Service]\n";
    let masked = format!("{units}symlink etc/systemd/system/a.service -> /dev/null\n");
    // Left out is what has such a path; what has none stays.
    check_with(
        units,
        &masked,
        &path("!/etc"),
        "masked units
  + a.service

note: only some paths or kinds of difference were asked for
no paths; attack surface and packages: 1 gained, 0 lost
",
    );
    check_with(
        units,
        &masked,
        &path("/usr"),
        &format!("{only}no differences\n"),
    );
}
