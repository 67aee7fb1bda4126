//! What casehard promises of every image, tried on images that are as odd as archives can be.

use std::collections::BTreeSet;
use std::io::Write as _;

use casehard::edit::Outcome;
use casehard::image::EntryKind;
use casehard::{Compression, Error, Image, Recipe, WriteOptions};
use lzma_rust2::{XzOptions, XzWriter};
use proptest::prelude::*;

mod support;

use support::model::{self, open, written};

fn recipe(rules: &str) -> Recipe {
    let text = if rules.starts_with("[Recipe]") {
        rules.to_owned()
    } else {
        format!("[Recipe]\nSchema=1\n{rules}\n")
    };
    Recipe::parse("test", &text).expect("the recipe is right")
}

fn build(description: &str) -> Vec<u8> {
    casehard_testimages::build(description).unwrap_or_else(|e| panic!("{e}\n{description}"))
}

/// Hardens an image, holds every promise, and gives the names of the output with types and link targets, one a line.
#[track_caller]
fn hardened(description: &str, rules: &str) -> String {
    let (out, _) = model::harden(&build(description), &recipe(rules)).expect("it can be hardened");
    let image = open(&out).expect("it was opened before");
    let entries = image.entries();
    entries
        .map(|e| {
            format!(
                "{:?} {}{}{} {:o}\n",
                e.kind,
                e.path,
                if e.link.is_empty() { "" } else { " -> " },
                e.link,
                e.meta.mode
            )
        })
        .collect()
}

#[test]
fn the_first_hard_link_left_takes_the_data() {
    let image = "file a mode=0755 fill=700\nhardlink b -> a\nhardlink c -> a\nhardlink d -> b";
    assert_eq!(
        hardened(image, "[Remove /a]"),
        "File b 755\nHardLink c -> b 644\nHardLink d -> b 644\n"
    );
    assert_eq!(
        hardened(image, "[Remove /b]"),
        "File a 755\nHardLink c -> a 644\nHardLink d -> a 644\n"
    );
    assert_eq!(hardened(image, "[Remove /{a,b,c}]"), "File d 755\n");
}

#[test]
fn the_first_name_left_takes_over_a_link_or_device_too() {
    let image = "symlink s -> x\nhardlink t -> s\nhardlink u -> s\nchar n 1,3\nhardlink m -> n";
    assert_eq!(
        hardened(image, "[Remove /{s,n}]"),
        "Symlink t -> x 777\nHardLink u -> t 644\nCharDevice m 644\n"
    );
}

#[test]
fn a_shadowed_hard_link_does_not_lose_what_it_names() {
    // `b` is another file in the end, but on the way there it is a link to what goes.
    let image = "file a fill=1\nhardlink b -> a\nhardlink c -> b\nfile b fill=2";
    assert_eq!(hardened(image, "[Remove /a]"), "File c 644\nFile b 644\n");
    let alone = "file a fill=1\nhardlink b -> a\nfile b fill=2";
    assert_eq!(hardened(alone, "[Remove /a]"), "File b 644\n");
    let twice = "file a fill=1\nhardlink b -> a\nfile a fill=2\nfile b fill=3";
    assert_eq!(hardened(twice, "[Remove /a]"), "File b 644\n");
    let late = "file b fill=1\nhardlink a -> b\nfile b fill=2\nhardlink c -> a";
    assert_eq!(hardened(late, "[Remove /a]"), "File b 644\nFile c 644\n");
}

#[test]
fn a_link_to_its_own_name_is_not_made() {
    let image = "file b fill=1\nhardlink a -> b\nhardlink b -> a";
    assert_eq!(hardened(image, "[Remove /a]"), "File b 644\n");
}

#[test]
fn shadowed_headers_of_a_hard_link_are_stripped_too() {
    let image = "file a mode=0755\nhardlink b -> a mode=4755\nhardlink b -> a mode=0755";
    assert!(!hardened(image, "[StripSetid]").contains("4755"));
    let image = "file a mode=0755\nhardlink b -> a mode=4755\nfile b mode=0644";
    assert!(!hardened(image, "[StripSetid]").contains("4755"));
}

#[test]
fn hard_links_through_a_removed_directory_link_still_resolve() {
    let image = "dir usr/bin\nsymlink bin -> usr/bin\nfile usr/bin/busybox fill=1\nhardlink usr/bin/sh -> bin/busybox\nfile bin/su mode=4755";
    assert_eq!(
        hardened(image, "[Remove /bin]"),
        "Directory usr/bin/ 755\nFile usr/bin/busybox 644\nHardLink usr/bin/sh -> usr/bin/busybox 644\nFile usr/bin/su 4755\n"
    );
}

#[test]
fn a_dangling_hard_link_does_not_bring_back_a_removed_directory() {
    assert_eq!(
        hardened(
            "dir opt\nfile opt/a\nhardlink opt/b -> gone\nfile c",
            "[Remove /opt]"
        ),
        "File c 644\n"
    );
}

#[test]
fn a_directory_without_an_entry_outlives_its_last_file() {
    assert_eq!(
        hardened(
            "option prefix=./\nfile run/lock/a\nfile etc/b",
            "[Remove /run/lock/a]"
        ),
        "File ./etc/b 644\nDirectory ./run/lock/ 755\n"
    );
}

#[test]
fn what_would_have_nothing_in_it_is_not_made() {
    for image in [
        "option trailer=none\nfile a",
        "global comment=x\nfile a\nhardlink b -> a",
        "hardlink a/b -> gone",
        "dir ./\nfile a",
    ] {
        let (image, recipe) = (open(&build(image)), recipe("[StripSetid]\n[Remove /*]"));
        let image = image.expect("it opens");
        let plan = image.plan(&recipe).expect("reports can be made");
        let outcome = &plan.rules()[1].outcome;
        assert!(
            matches!(outcome, Outcome::Failed(why) if why.contains("this would leave an empty image")),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_sparse_file_keeps_its_name_and_map() {
    for sparse in [
        "file a format=gnu sparse=gnu size=300000 map=0+512,4096+512,8192+512,16384+512,32768+512,65536+20 content=fill:2580",
        "file a format=pax sparse=pax size=9000 map=0+512,4096+10 content=fill:522",
    ] {
        let image = format!("{sparse}\nhardlink b -> a");
        assert_eq!(hardened(&image, "[Remove /a]"), "SparseFile b 644\n");
    }
}

/// Changes header fields of the archive's first block, or of a later one, and makes the checksum right again.
fn patched(mut bytes: Vec<u8>, block: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let header = &mut bytes[block * 512..][..512];
    for (at, field) in fields {
        header[*at..at + field.len()].copy_from_slice(field);
    }
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    bytes
}

#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    let nothing = recipe("[StripSetid]");
    let error = open(bytes).and_then(|image| image.plan(&nothing).map(drop));
    let error = error.expect_err(why).to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_prefix_counts_whatever_the_version_of_ustar() {
    let image = build("option format=ustar\nfile su mode=4755");
    for version in [&b"\0\0"[..], b"  "] {
        let image = open(&patched(
            image.clone(),
            0,
            &[(263, version), (345, b"usr/bin")],
        ));
        let image = image.expect("it opens");
        let entry = image.entries().next();
        assert_eq!(entry.expect("it has one").path, "usr/bin/su");
    }
}

#[test]
fn sizes_that_extractors_read_differently_are_refused() {
    let image = build("file a fill=512\nfile b");
    for size in [
        &b"+0000001000\0"[..],
        b"\x80\x01\0\0\0\0\0\0\0\0\x02\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        refused(
            &patched(image.clone(), 0, &[(124, size)]),
            "the size field is not a number",
        );
    }
    let big = b"\x80\0\0\0\0\0\0\0\0\0\x02\0";
    assert!(open(&patched(image, 0, &[(124, big)])).is_ok());
}

#[test]
fn blank_numbers_are_zero() {
    let image = patched(
        build("file a mode=4755\nfile b"),
        0,
        &[
            (108, &[0; 8]),
            (116, b"       \0"),
            (124, &[0; 12]),
            (136, &[0; 12]),
        ],
    );
    let opened = open(&image).expect("it opens");
    assert_eq!(opened.entries().count(), 2);
    model::harden(&image, &recipe("[StripSetid]")).expect("it can be hardened");
}

#[test]
fn a_hard_link_with_a_size_is_refused_where_data_may_follow() {
    let plain = build("file a fill=3\nhardlink b -> a header-size=3\nfile c");
    assert_eq!(open(&plain).expect("it opens").entries().count(), 3);
    // libarchive believes the size once an archive has a PAX header, GNU tar never does.
    refused(
        &build("file a fill=3 pax:comment=x\nhardlink b -> a header-size=512\nfile c"),
        "whether data follows",
    );
    refused(
        &build("global comment=x\nfile a fill=3\nhardlink b -> a header-size=512\nfile c"),
        "whether data follows",
    );
}

#[test]
fn a_sparse_map_that_asks_for_more_than_is_stored_is_refused() {
    // GNU tar reads whole blocks for each range, and would take the entries that follow for data.
    let why = "a sparse map";
    refused(
        &build("file a sparse=gnu size=9000 map=0+100,4096+10 content=fill:110\nfile b"),
        why,
    );
    refused(
        &build("file a format=pax sparse=pax size=9000 map=0+100,4096+10 content=fill:110\nfile b"),
        why,
    );
    let many = "map=0+1,1K+1,2K+1,3K+1,4K+1,5K+1,6K+1 content=fill:7";
    refused(&build(&format!("file a sparse=gnu size=9000 {many}")), why);
    for records in [
        "pax:GNU.sparse.size=4608 pax:GNU.sparse.numblocks=2 pax:GNU.sparse.map=0,512,4096,512",
        "pax:GNU.sparse.size=4608 pax:GNU.sparse.numblocks=2 pax:GNU.sparse.offset=0 pax:GNU.sparse.numbytes=512 pax:GNU.sparse.offset=4096 pax:GNU.sparse.numbytes=512",
    ] {
        assert!(
            open(&build(&format!(
                "file a format=pax fill=1K {records}\nfile b"
            )))
            .is_ok()
        );
        refused(
            &build(&format!("file a format=pax fill=512 {records}\nfile b")),
            why,
        );
    }
    let both = "file a format=pax sparse=pax size=9000 map=0+512 content=fill:512 pax:GNU.sparse.map=0,1024";
    refused(&build(both), why);
    refused(
        &build(
            "file a format=gnu sparse=gnu size=9000 map=0+512 content=fill:512 pax:GNU.sparse.map=0,1024",
        ),
        why,
    );
    refused(
        &build(
            "file a format=pax fill=9 pax:GNU.sparse.major=1 pax:GNU.sparse.minor=0 pax:GNU.sparse.realsize=9",
        ),
        why,
    );
}

#[test]
fn names_that_linux_cannot_hold_are_refused() {
    let name = "d/".repeat(2047);
    assert!(open(&build(&format!("file {name}f"))).is_ok());
    refused(&build(&format!("file {name}ff")), "4095");
    refused(
        &build(&format!("symlink s -> {}", "x".repeat(4096))),
        "4095",
    );
    let deeper = format!("dir {name}\nsymlink s -> {name}\nfile s/d/d");
    refused(&build(&deeper), "4095");
    let pax = "a/".repeat(400_000);
    refused(&build(&format!("option format=pax\nfile {pax}f")), "4095");
}

#[test]
fn a_time_before_1970_is_not_handed_on() {
    let image = build("dir etc pax:mtime=-5.5\nfile etc/a");
    let (out, _) =
        model::harden(&image, &recipe("[WriteFile /etc/b]\nLine=x")).expect("it can be hardened");
    let image = patched(build("dir etc\nfile etc/a"), 0, &[(136, &[0xff; 12])]);
    let (other, _) =
        model::harden(&image, &recipe("[WriteFile /etc/b]\nLine=x")).expect("it can be hardened");
    for out in [out, other] {
        let image = open(&out).expect("it opens");
        assert_eq!(image.entries().last().map(|e| e.mtime), Some(0));
    }
}

#[test]
fn a_link_to_a_directory_is_that_directory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("rootfs")).expect("the folder is writable");
    std::fs::write(folder.path().join("rootfs/a"), "a").expect("the folder is writable");
    std::os::unix::fs::symlink("rootfs", folder.path().join("link"))
        .expect("the folder is writable");
    let image = Image::open(folder.path().join("link")).expect("it opens");
    let entries = image.entries();
    let entries: Vec<_> = entries.map(|e| (e.path.to_string(), e.kind)).collect();
    let made = [("./", EntryKind::Directory), ("./a", EntryKind::File)];
    assert_eq!(entries, made.map(|(name, kind)| (name.to_owned(), kind)));
}

/// Packs by the compressors' own crates, in more members or frames than one where the format has them.
fn packed() -> Vec<(&'static str, Compression, Vec<u8>)> {
    let tar = build(
        "option prefix=./ format=pax\ndir .\nfile a mode=4755 fill=9000\nhardlink b -> a\nfile c fill=70K:00",
    );
    let (one, two) = tar.split_at(5000);
    let gzip = |data: &[u8], name: &str| {
        let builder = flate2::GzBuilder::new()
            .filename(name)
            .comment("by hand")
            .extra(&b"ab\x01\0x"[..])
            .mtime(1_500_000_000);
        let mut out = builder.write(Vec::new(), flate2::Compression::fast());
        out.write_all(data)
            .and_then(|()| out.finish())
            .expect("memory does not fill up")
    };
    let zstd = |data: &[u8], level| zstd::encode_all(data, level).expect("memory does not fill up");
    let xz = |data: &[u8]| {
        let mut out = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).expect("a preset");
        out.write_all(data)
            .and_then(|()| out.finish())
            .expect("memory does not fill up")
    };
    let bzip2 = |data: &[u8]| {
        let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        out.write_all(data)
            .and_then(|()| out.finish())
            .expect("memory does not fill up")
    };
    let skipped = b"P*M\x18\x04\0\0\0skip";
    vec![
        ("gzip", Compression::Gzip, gzip(&tar, "image.tar")),
        (
            "gzip of two members",
            Compression::Gzip,
            [gzip(one, "a"), gzip(two, "b")].concat(),
        ),
        (
            "gzip with zeros behind",
            Compression::Gzip,
            [gzip(&tar, "a"), vec![0; 10_000]].concat(),
        ),
        (
            "gzip with an empty member",
            Compression::Gzip,
            [gzip(&tar, "a"), gzip(b"", "b")].concat(),
        ),
        (
            "zstd of two frames",
            Compression::Zstd,
            [zstd(one, 1), zstd(two, 19)].concat(),
        ),
        (
            "zstd with skippable frames",
            Compression::Zstd,
            [skipped.to_vec(), zstd(&tar, 3), skipped.to_vec()].concat(),
        ),
        (
            "xz of two streams with padding",
            Compression::Xz,
            [xz(one), vec![0; 8], xz(two), vec![0; 4]].concat(),
        ),
        (
            "bzip2 of two streams",
            Compression::Bzip2,
            [bzip2(one), bzip2(two)].concat(),
        ),
        (
            "a tar with much behind it",
            Compression::None,
            [tar.clone(), vec![0; 100_001]].concat(),
        ),
        ("a tar", Compression::None, tar),
    ]
}

#[test]
fn without_edits_the_output_is_the_input() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (nothing, strip) = (recipe("[StripSetid]\nKeep=/a"), recipe("[StripSetid]"));
    let mut streams = BTreeSet::new();
    for (what, compression, bytes) in packed() {
        let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
        std::fs::write(&input, &bytes).expect("the folder is writable");
        let images = [Image::open(&input).expect(what), open(&bytes).expect(what)];
        for image in images {
            assert_eq!(image.compression(), compression, "{what}");
            let plan = image.plan(&nothing).expect(what);
            plan.write(&output).expect(what);
            assert!(
                std::fs::read(&output).expect(what) == bytes,
                "{what}: as a file"
            );
            assert!(
                written(&plan, &WriteOptions::new()) == bytes,
                "{what}: as a stream"
            );
            let plan = image.plan(&strip).expect(what);
            let (out, tar) = (
                written(&plan, &WriteOptions::new()),
                written(&plan, &WriteOptions::new().compression(Compression::None)),
            );
            let hardened = open(&out).expect(what);
            assert_eq!(hardened.compression(), compression, "{what}");
            assert!(hardened.plan(&strip).expect(what).compliant(), "{what}");
            assert!(
                model::raw(&hardened, 0..hardened.layers()[0].stream().len()) == tar,
                "{what}"
            );
            if !what.contains("behind") || compression != Compression::None {
                streams.insert(tar);
            }
        }
    }
    assert_eq!(
        streams.len(),
        1,
        "the tar inside does not depend on what is around it"
    );
}

#[test]
fn a_name_that_looks_like_bzip2_is_none() {
    let image = open(&build("file BZh91AY")).expect("it is a tar");
    assert_eq!(image.compression(), Compression::None);
}

#[test]
fn a_window_that_takes_too_much_memory_is_said() {
    // A frame header with a window of 2 GiB and a size that is not told.
    let error = open(b"\x28\xb5\x2f\xfd\x00\xa8\x01\0\0").expect_err("zstd refuses it as well");
    assert!(error.to_string().contains("window"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_archives_keep_every_promise(archive in support::archives::archive(), rules in support::archives::recipe()) {
        match model::harden(&build(&archive), &recipe(&rules)) {
            // Refused archives and recipes that contradict themselves are no concern here.
            Ok(_) | Err(Error::Image { .. } | Error::Recipe(_)) => {}
            Err(Error::Unfulfilled(why)) if why == "a rule failed" => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
