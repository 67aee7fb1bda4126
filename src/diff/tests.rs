//! Comparisons of small images, as text.

mod told;

use super::*;
use crate::rules::harness::open;

fn txt(old: &str, new: &str, options: &CompareOptions) -> String {
    let (old, new) = (open(old), open(new));
    let comparison = old.compare_with(&new, options).unwrap();
    let mut out = Vec::new();
    comparison.write_txt(&mut out, false).unwrap();
    String::from_utf8(out).unwrap()
}

/// Compares what is said of two images, without the two lines that name them.
#[track_caller]
fn check_with(old: &str, new: &str, options: &CompareOptions, want: &str) {
    let text = txt(old, new, options);
    let text = text
        .split_once("new      test.tar\n")
        .unwrap()
        .1
        .trim_start();
    assert_eq!(text, want);
}

#[track_caller]
fn check(old: &str, new: &str, want: &str) {
    check_with(old, new, &CompareOptions::new(), want);
}

#[test]
fn order_time_and_format_do_not_count_unless_asked_for() {
    let old = "dir a/ mtime=1\nfile a/x mtime=1\n| hi\nfile a/y mtime=1 xattr:user.a=1 xattr:user.b=2\nsymlink l -> a\n";
    let new = "symlink ./l -> a\ndir ./a mtime=2\nfile ./a/y mtime=1 format=pax xattr:user.b=2 xattr:user.a=1\nfile ./a/x mtime=2\n| hi\n";
    check(old, new, "no differences\n");
    let strict = CompareOptions::new().strict(true);
    check_with(old, old, &strict, "no differences\n");
    check_with(
        old,
        new,
        &strict,
        "paths
  ~ /a
      time 1970-01-01T00:00:01Z → 1970-01-01T00:00:02Z
  ~ /a/x
      time 1970-01-01T00:00:01Z → 1970-01-01T00:00:02Z
  ~ /l
      the first whose entry is elsewhere in the archive

paths: 3 changed; attack surface and packages: 0 gained, 0 lost
",
    );
}

#[test]
fn a_name_that_is_a_symbolic_link_now_regroups_no_others() {
    check(
        "file a\nhardlink b -> a\n",
        "file a\nsymlink b -> a\n",
        "paths\n  ~ /b\n      file → link to a\n\npaths: 1 changed; attack surface and packages: 0 gained, 0 lost\n",
    );
}

pub(crate) const OLD: &str = "
dir d mode=0755
file gone mode=0644
file moved mode=0644
| some content
file kept mode=0644
| one
| two
file mode mode=0644
file owner mode=0644
file cap mode=0755 cap=cap_net_raw+ep
file attr mode=0644 xattr:user.a=old pax:SCHILY.acl.access=user::rw-\\x0auser:core:rw-\\x0amask::rw-\\x0a\\x0a
file type mode=0644
symlink target -> old
char null 1,3
file one mode=0644
| x
hardlink two -> one
file three mode=0644
| x
file bin mode=0644 fill=3000
";
pub(crate) const NEW: &str = "
dir d mode=0700
file new mode=0644
| hello
file else/where mode=0600
| some content
file kept mode=0644
| one
| 2
file mode mode=4755
file owner mode=0644 uid=1 gid=2
file cap mode=0755
file attr mode=0644 xattr:user.a=new
symlink type -> d
symlink target -> new
char null 1,5
file one mode=0644
| x
file two mode=0644
| x
hardlink three -> one
file bin mode=0644 fill=3001
";

#[test]
fn every_kind_of_difference_is_told() {
    check(
        OLD,
        NEW,
        "set-id files
  + /mode  4755 0:0

file capabilities
  - /cap  cap_net_raw=ep

paths
  ~ /attr
      xattr SCHILY.acl.access mask::rw-,user::rw-,user:core:rw- → none
      xattr user.a old → new
  ~ /bin
      held 3000 bytes, sha256 658bfba0a19faeedda77321736da460db848ff22df8f3682eae8691c03c47c55
      holds 3001 bytes, sha256 21a7797a94c41928446611172d3279e41b760bac739e5d126c1e0df5a4a1bb11
  ~ /cap
      capabilities cap_net_raw=ep → none
  ~ /d
      mode 0755 (rwxr-xr-x) → 0700 (rwx------)
  + /else  new directory, without an entry that says its mode and owner
  > /else/where
      was /moved
      mode 0644 (rw-r--r--) → 0600 (rw-------)
  - /gone  removed file, 0644 (rw-r--r--)
  ~ /kept
      @@ -1,2 +1,2 @@
       one
      -two
      +2
  ~ /mode
      mode 0644 (rw-r--r--) → 4755 (rwsr-xr-x)
  + /new  new file, 0644 (rw-r--r--)
      @@ -0,0 +1 @@
      +hello
  ~ /null
      char-device 1:3 → char-device 1:5
  ~ /one
      one file with /two → /three
  ~ /owner
      owner 0:0 → 1:2
  ~ /target
      link to old → new
  ~ /three
      one file with none → /one
  ~ /two
      one file with /one → none
  ~ /type
      file → link to d

paths: 2 added, 1 removed, 1 renamed, 13 changed; attack surface and packages: 1 gained, 1 lost
",
    );
}

#[test]
fn json_is_as_the_schema_says() {
    let schema = serde_json::from_str(include_str!("../../docs/diff.schema.json")).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let odd = "file a\\xff\nsymlink b\\xff -> c\\xff\nfile u mode=4755\n";
    for (old, new) in [(OLD, NEW), (NEW, OLD), (OLD, OLD), (odd, OLD)] {
        let (old, new) = (open(old), open(new));
        let comparison = old.compare(&new).unwrap();
        let mut text = Vec::new();
        comparison.write_json(&mut text).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let mistakes: Vec<_> = validator
            .iter_errors(&value)
            .map(|e| e.to_string())
            .collect();
        assert!(mistakes.is_empty(), "{mistakes:#?}\n{value:#}");
        assert_eq!(
            value["paths"].as_array().unwrap().len(),
            comparison.paths().len()
        );
        assert_eq!(value["same"], comparison.is_same());
    }
}

#[test]
fn what_it_means_comes_first() {
    let units = "
file usr/lib/systemd/system/ssh.socket
| [Socket]
| ListenStream=22
file usr/lib/systemd/system/x.service
| [Service]
";
    let old = format!(
        "{units}symlink etc/systemd/system/sockets.target.wants/ssh.socket -> /usr/lib/systemd/system/ssh.socket
file etc/group
| wheel:x:10:core
file var/lib/dpkg/status
| Package: a
| Version: 1
| 
| Package: b
| Version: 1
"
    );
    let new = format!(
        "{units}symlink etc/systemd/system/sockets.target.wants/ssh.socket -> /usr/lib/systemd/system/ssh.socket
symlink etc/systemd/system/ssh.socket -> /dev/null
file etc/group
| wheel:x:10:
| docker:x:11:core
file var/lib/dpkg/status
| Package: a
| Version: 2
"
    );
    let text = txt(&old, &new, &CompareOptions::new());
    let (meaning, _) = text.split_once("\npaths\n").unwrap();
    assert_eq!(
        meaning,
        "old      test.tar
new      test.tar

enabled units
  - ssh.socket  sockets.target

listening sockets
  - ssh.socket  ListenStream=22

masked units
  + ssh.socket

privileged members
  ~ core  wheel → docker

packages
  ~ a  1 → 2
  - b  1
"
    );
    let units = CompareOptions::new().kind("unit").unwrap();
    let units = units.kind("masked").unwrap();
    check_with(
        &old,
        &new,
        &units,
        "enabled units
  - ssh.socket  sockets.target

masked units
  + ssh.socket

note: only some paths or kinds of difference were asked for
no paths; attack surface and packages: 1 gained, 1 lost
",
    );
}

#[test]
fn much_of_the_same_is_one_line_but_never_what_gives_power() {
    let many = |mode: &str, owner: &str| -> String {
        let file = |n| format!("file d/f{n} mode={mode} uid={owner}\n");
        (0..9).map(file).collect()
    };
    check(
        &many("0644", "0"),
        &many("0644", "1"),
        "paths
  ~ /d/f0 and 8 more paths
      owner 0:0 → 1:0

paths: 9 changed; attack surface and packages: 0 gained, 0 lost
",
    );
    let text = txt(
        &many("0755", "0"),
        &many("4755", "0"),
        &CompareOptions::new(),
    );
    assert_eq!(
        text.matches("0755 (rwxr-xr-x) → 4755 (rwsr-xr-x)").count(),
        9
    );
    let text = txt(
        "file x\n",
        &format!("file x\n{}", many("0644", "0")),
        &CompareOptions::new(),
    );
    assert!(
        text.contains("  + /d/  with 9 paths below it\n") && !text.contains("/d/f0"),
        "{text}"
    );
}

#[test]
fn what_nothing_says_of_a_directory_is_said_to_be_unknown() {
    check(
        "dir d mode=0700\nfile d/f\n",
        "file d/f\n",
        "note: the newer image has no entry for 1 of the directories that both have; their modes and owners are not compared
no differences
",
    );
}

#[test]
fn filters_choose_paths() {
    let old = "dir etc\nfile etc/a\n| 1\ndir usr\nfile usr/a\n| 1\nfile usr/b mode=0755\n";
    let new = "dir etc\nfile etc/a\n| 2\ndir usr\nfile usr/a\n| 2\nfile usr/b mode=4755\n";
    let shown = |options: CompareOptions| -> Vec<String> {
        let (old, new) = (open(old), open(new));
        let comparison = old.compare_with(&new, &options).unwrap();
        let paths = comparison
            .paths()
            .iter()
            .map(|change| change.path.to_string());
        let surface = comparison
            .surface()
            .iter()
            .map(|change| change.name.to_string());
        paths.chain(surface).collect()
    };
    let all = CompareOptions::new;
    assert_eq!(shown(all()), ["/etc/a", "/usr/a", "/usr/b", "/usr/b"]);
    assert_eq!(shown(all().path("/etc").unwrap()), ["/etc/a"]);
    assert_eq!(shown(all().path("!/usr").unwrap()), ["/etc/a"]);
    assert_eq!(shown(all().path("b").unwrap()), ["/usr/b", "/usr/b"]);
    assert_eq!(shown(all().kind("mode").unwrap()), ["/usr/b"]);
    assert!(all().kind("nope").is_err() && all().path("").is_err());
}

#[test]
fn sparse_and_plain_files_of_the_same_content_are_the_same() {
    let map = "size=9000 map=0+512,4096+512";
    let gnu = format!("file f sparse=gnu {map}\n");
    let pax = format!("file f sparse=pax format=pax {map}\n");
    check(&gnu, &pax, "no differences\n");
    let text = txt(&gnu, &gnu.replace("4096", "4608"), &CompareOptions::new());
    assert!(text.contains("~ /f\n"), "{text}");
}

#[test]
fn hostile_names_and_contents_never_reach_a_terminal_raw() {
    let old = r"file etc/\x1b[2J\n\xe2\x80\xaex mode=0755
file etc/text
| a
";
    let new = "symlink etc/l -> \\x1b]0;x\\x07\\xe2\\x80\\xae
file etc/text
| \u{202e}b
";
    let text = txt(old, new, &CompareOptions::new());
    let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(odd), "{text:?}");
}

proptest::proptest! {
    #[test]
    fn any_bytes_in_what_is_read_for_its_meaning_stop_nothing(bytes: Vec<u8>, at in 0..8usize) {
        let places = [
            "etc/passwd", "etc/group", "etc/sudoers", "etc/systemd/system/a.socket", "var/lib/dpkg/status",
            "lib/apk/db/installed", "usr/lib/sysusers.d/a.conf", "usr/lib/userdb/a.user",
        ];
        let file = |bytes: &[u8]| {
            let mut tar = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, places[at], bytes).unwrap();
            tar.append_data(&mut header, "usr/bin/busybox", bytes).unwrap();
            let link = "etc/systemd/system/sockets.target.wants/a.socket";
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, link, "../a.socket").unwrap();
            let bytes = tar.into_inner().unwrap();
            crate::OpenOptions::new().read("t.tar", &bytes[..]).unwrap()
        };
        let (old, new) = (file(b""), file(&bytes));
        let comparison = old.compare(&new).unwrap();
        assert_eq!(comparison.is_same(), bytes.is_empty());
        for color in [false, true] {
            comparison.write_txt(&mut Vec::new(), color).unwrap();
        }
        for format in crate::report::Format::ALL {
            comparison.write(format, &mut Vec::new(), false).unwrap();
        }
        let mut json = Vec::new();
        comparison.write_json(&mut json).unwrap();
        serde_json::from_slice::<serde_json::Value>(&json).unwrap();
        new.compare(&old).unwrap();
    }
}

#[test]
fn access_lists_are_compared_whatever_their_order_and_what_pretends_to_be_one() {
    let tar = |list: &str| {
        format!(
            "file a mode=0600 pax:SCHILY.acl.access={list} pax:SCHILY.xattr.SCHILY.acl.access=user::r--\n"
        )
    };
    let differ = |old: &str, new: &str| {
        let (old, new) = (open(&tar(old)), open(&tar(new)));
        let comparison = old.compare(&new).unwrap();
        comparison.paths().len()
    };
    assert_eq!(differ("user::rw-,other::---", "other::---,user::rw-"), 0);
    assert_eq!(differ("user::rw-,other::---", "user::rw-,other::rwx"), 1);
}
