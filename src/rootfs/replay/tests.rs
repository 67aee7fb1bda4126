//! Archives that are replayed as extractors would, and those that are refused.

use super::super::Rootfs;
use crate::image::{Damage, OpenOptions};

pub(in crate::rootfs) fn rootfs(description: &str) -> Rootfs {
    replay(description).unwrap_or_else(|message| panic!("{message}"))
}

fn replay(description: &str) -> Result<Rootfs, String> {
    let bytes = casehard_testimages::build(description).expect("the description is right");
    let image = OpenOptions::new()
        .read("test.tar", &bytes[..])
        .expect("the image opens");
    Rootfs::replay(&image).map_err(|damage| match damage {
        Damage::Tar { message, .. } => message,
        Damage::Io(error) => error.to_string(),
    })
}

/// Every path, with `=` and the first name of its inode where it has others.
fn tree(description: &str) -> String {
    let rootfs = rootfs(description);
    let shown = rootfs.walk(Rootfs::ROOT).into_iter().map(|(path, id)| {
        let first = rootfs.path(id);
        let mode = rootfs.inode(id).meta.mode;
        if first == path {
            format!("{path} {mode:o}")
        } else {
            format!("{path} = {first}")
        }
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[test]
fn entries_add_up_as_extraction_would_have_them() {
    assert_eq!(
        tree(
            "dir usr mode=0700\nfile ./usr/a mode=0644\nfile /usr/b mode=0600\nfile usr//c/./d mode=0640"
        ),
        "/usr 700\n/usr/a 644\n/usr/b 600\n/usr/c 755\n/usr/c/d 640"
    );
    assert_eq!(tree("file a mode=0600\nfile a mode=0644"), "/a 644");
    assert_eq!(
        tree("file a mode=0600\nhardlink b -> a\nfile a mode=0644\nhardlink c -> ./b"),
        "/a 644\n/b 600\n/c = /b"
    );
    assert_eq!(
        tree("symlink bin -> usr/bin\nfile bin/su mode=4755\nhardlink x -> bin/su"),
        "/bin 777\n/usr 755\n/usr/bin 755\n/usr/bin/su 4755\n/x = /usr/bin/su"
    );
    assert_eq!(tree("symlink a -> b\nfile a mode=0600"), "/a 600");
    assert_eq!(
        tree("symlink a -> b\ndir a mode=0700\nfile a/x mode=0600"),
        "/a 700\n/a/x 600"
    );
    assert_eq!(
        tree("dir a mode=0700\ndir a mode=0711\nfile a/x mode=0600\ndir a mode=0755"),
        "/a 755\n/a/x 600"
    );
    assert_eq!(
        tree("symlink out -> ../../outside\nfile out/x mode=0600"),
        "/out 777\n/outside 755\n/outside/x 600"
    );
}

#[test]
fn a_path_leads_where_it_leads_now() {
    // What one entry makes changes where the next one's path leads, though both are written alike.
    assert_eq!(
        tree(
            "dir d mode=0755\ndir e mode=0755\ndir e/f mode=0755\nsymlink x -> d/m/..\nfile x/a mode=0600\nsymlink x/m -> ../e/f\nfile x/b mode=0600"
        ),
        "/d 755\n/d/a 600\n/d/m 777\n/e 755\n/e/b 600\n/e/f 755\n/x 777"
    );
    assert_eq!(
        tree(
            "symlink x -> d/m\ndir d mode=0755\nsymlink d/m -> .\nfile x/a mode=0600\ndir x/m mode=0755\nfile x/b mode=0600"
        ),
        "/d 755\n/d/a 600\n/d/m 755\n/d/m/b 600\n/x 777"
    );
    assert_eq!(
        tree(
            "dir a/b mode=0755\nsymlink p -> a/b\nfile a/c mode=0600\nsymlink a/b/. -> ../z\ndir z mode=0755\nfile a/b/q mode=0600"
        ),
        "/a 755\n/a/b 777\n/a/c 600\n/p 777\n/z 755\n/z/q 600"
    );
}

#[test]
fn what_extractors_disagree_on_is_refused() {
    let refused = |description: &str, why: &str| {
        let message = replay(description).map(|_| ()).expect_err(description);
        assert!(message.contains(why), "{description}: {message}");
    };
    refused("file ../etc/passwd", "`..`");
    refused("file a\nhardlink b -> ../a", "`..`");
    refused("dir a\nfile a/x\nfile a", "stands in for a directory");
    refused("file a\nfile a/b", "not a directory");
    refused("symlink a -> a\nfile a/b", "more than 40");
    refused(
        "dir d\nsymlink x -> d/m/..\nfile x/m\nfile x/b",
        "not a directory",
    );
    refused("file .", "names the root");
    refused("symlink a -> /b\nfile a", "GNU tar leaves the link");
    refused(
        "symlink a -> ../b\nsymlink a -> c",
        "GNU tar leaves the link",
    );
}

#[test]
fn what_python_alone_reads_differently_is_noted() {
    let notes = |description: &str| rootfs(description).notes().len();
    assert_eq!(notes("symlink a -> b\nfile a"), 1);
    assert_eq!(notes("symlink a -> b\nsymlink a -> c"), 0);
    assert_eq!(notes("file b\nsymlink a -> /b\nhardlink a -> b"), 1);
    assert_eq!(notes("file a\nhardlink b -> a\nfile a"), 1);
    assert_eq!(notes("file a\nfile a"), 0);
}

#[test]
fn a_link_on_the_way_is_noted_once() {
    let rootfs =
        rootfs("dir usr\nsymlink u -> usr\nfile u/a\nfile u/b\nsymlink v -> /usr\nfile v/c");
    assert_eq!(rootfs.notes().len(), 2);
}

#[test]
fn a_hard_link_to_nothing_is_noted_and_makes_no_name() {
    let rootfs = rootfs("dir d\nhardlink b -> gone\nhardlink c -> d");
    assert_eq!(rootfs.notes().len(), 2);
    assert!(rootfs.open("/b").is_none() && rootfs.open("/c").is_none());
}
