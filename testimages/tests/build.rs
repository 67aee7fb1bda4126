//! What the tar crate reads back from what descriptions say, and what mistakes in them say.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeMap;
use std::io::Read as _;

use casehard_testimages::{build, bundled, names};
use tar::{Archive, EntryType};

struct Read {
    name: Vec<u8>,
    link: Option<Vec<u8>>,
    kind: EntryType,
    mode: u32,
    uid: u64,
    size: u64,
    content: Vec<u8>,
    pax: BTreeMap<String, Vec<u8>>,
}

fn read(text: &str) -> Vec<Read> {
    let bytes = build(text).unwrap();
    let mut archive = Archive::new(bytes.as_slice());
    let mut all = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let mut pax = BTreeMap::new();
        if let Some(records) = entry.pax_extensions().unwrap() {
            for record in records {
                let record = record.unwrap();
                let key = record.key().unwrap().to_owned();
                pax.insert(key, record.value_bytes().to_vec());
            }
        }
        all.push(Read {
            name: entry.path_bytes().to_vec(),
            link: entry.link_name_bytes().map(|link| link.to_vec()),
            kind: entry.header().entry_type(),
            mode: entry.header().mode().unwrap(),
            uid: entry.header().uid().unwrap(),
            size: entry.size(),
            content,
            pax,
        });
    }
    all
}

fn mistake(text: &str) -> String {
    build(text).unwrap_err()
}

#[test]
fn every_kind_of_entry() {
    let all = read(
        "
        option prefix=./ uid=7
        dir      .
        dir      etc
        file     etc/motd mode=0600 uid=0
        | hello
        |
        |  world
        symlink  etc/link -> ../a
        hardlink etc/hard -> etc/motd
        char     null 1,3
        block    loop 7,0
        fifo     pipe
        file     /abs/olute eol=no
        | x
        file     plain prefix= content=hex:00ff
        ",
    );
    let names: Vec<_> = all
        .iter()
        .map(|e| String::from_utf8_lossy(&e.name))
        .collect();
    let expected = [
        "./",
        "./etc/",
        "./etc/motd",
        "./etc/link",
        "./etc/hard",
        "./null",
        "./loop",
        "./pipe",
        "/abs/olute",
        "plain",
    ];
    assert_eq!(names, expected);
    assert_eq!((all[2].mode, all[2].uid), (0o600, 0));
    assert_eq!(all[2].content, b"hello\n\n world\n");
    assert_eq!(all[3].link.as_deref(), Some(&b"../a"[..]));
    assert_eq!(all[4].link.as_deref(), Some(&b"./etc/motd"[..]));
    let kinds: Vec<_> = all[3..8].iter().map(|entry| entry.kind).collect();
    assert_eq!(
        kinds,
        [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Char,
            EntryType::Block,
            EntryType::Fifo
        ]
    );
    assert_eq!(all[8].content, b"x");
    assert_eq!(all[9].content, [0, 255]);
}

#[test]
fn names_that_do_not_fit_a_header() {
    let splits = format!("{}/{}", "d".repeat(90), "f".repeat(60));
    let whole = "n".repeat(180);
    for (format, name) in [
        ("gnu", &splits),
        ("pax", &splits),
        ("ustar", &splits),
        ("gnu", &whole),
        ("pax", &whole),
    ] {
        let all = read(&format!(
            "option format={format}\nfile {name}\n| x\nfile next"
        ));
        assert_eq!(all[0].name, name.as_bytes(), "{format}");
        assert_eq!(all[0].content, b"x\n");
        assert_eq!(all[1].name, b"next");
    }
    for format in ["gnu", "pax"] {
        let all = read(&format!("symlink l -> {whole} format={format}"));
        assert_eq!(all[0].link.as_deref(), Some(whole.as_bytes()));
    }
    assert!(
        mistake(&format!("file {whole} format=ustar")).starts_with("line 1: the name does not")
    );
    assert!(mistake(&format!("symlink l -> {whole} format=ustar")).contains("does not fit"));
    assert!(mistake(&format!("file {splits} format=v7")).contains("does not fit"));
}

#[test]
fn numbers_that_do_not_fit_a_header() {
    let all = read(
        "
        file a uid=4294000001
        file b uid=1001 base256
        file c uid=4294000001 format=pax
        file d mtime=1.5 format=pax
        ",
    );
    assert_eq!(all[0].uid, 4_294_000_001);
    assert_eq!(all[1].uid, 1001);
    assert_eq!(all[2].pax["uid"], b"4294000001");
    assert_eq!(all[3].pax["mtime"], b"1.5");
    assert!(mistake("file a uid=4294000001 format=ustar").contains("needs format gnu or pax"));
}

#[test]
fn records_and_attributes() {
    let all = read(
        "
        option format=pax
        global comment=hello
        file both cap=cap_net_raw+ep xattr-style=both
        file one xattr:user.a=hex:00ff pax:comment=x=y
        file \\xc3\\xa9
        file \\xe9
        ",
    );
    assert_eq!(all[0].kind, EntryType::XGlobalHeader);
    assert_eq!(all[0].content, b"17 comment=hello\n");
    let capability = &all[1].pax["SCHILY.xattr.security.capability"];
    assert_eq!(capability[..8], [1, 0, 0, 2, 0, 32, 0, 0]);
    assert_eq!(
        all[1].pax["LIBARCHIVE.xattr.security.capability"],
        b"AQAAAgAgAAAAAAAAAAAAAAAAAAA"
    );
    assert_eq!(all[2].pax["SCHILY.xattr.user.a"], [0, 255]);
    assert_eq!(all[2].pax["comment"], b"x=y");
    assert_eq!(all[3].pax["path"], "é".as_bytes());
    assert_eq!(all[4].name, b"\xe9");
    assert!(all[4].pax.is_empty());
}

#[test]
fn sparse_files() {
    let all = read(
        "
        file gnu sparse=gnu size=8K map=1K+512,4K+2 fill=514:42
        file many sparse=gnu size=64K map=0+512,2K+512,4K+512,6K+512,8K+512,10K+512 fill=3K:41
        file pax sparse=pax format=pax size=8K map=1K+3,4K+2
        | abcd
        file next
        ",
    );
    assert_eq!(all[0].size, 8192);
    assert_eq!(all[0].content.len(), 8192);
    assert_eq!(all[0].content[1023..1537], {
        let mut data = [b'B'; 514];
        data[0] = 0;
        data[513] = 0;
        data
    });
    assert_eq!(all[0].content[4096..4099], *b"BB\0");
    assert_eq!(all[1].content[10240..10752], [b'A'; 512]);
    assert_eq!(all[1].content.len(), 65536);
    assert_eq!(all[2].pax["GNU.sparse.realsize"], b"8192");
    assert_eq!(all[2].name, b"GNUSparseFile.0/pax");
    assert!(
        all[2]
            .content
            .starts_with(b"3\n1024\n3\n4096\n2\n8192\n0\n\0")
    );
    assert!(all[2].content.ends_with(b"\0abcd\n"));
    assert_eq!(all[3].name, b"next");

    assert!(mistake("file a sparse=gnu size=1K").contains("all of sparse, size and map"));
    assert!(mistake("file a sparse=gnu size=1K map=0+2K").contains("beyond the size"));
    assert!(mistake("file a sparse=gnu size=1K map=5+5,0+5").contains("not in order"));
    assert!(mistake("file a sparse=gnu size=1K map=0+5\n| x").contains("stores 5 bytes"));
    assert!(mistake("file a sparse=gnu size=1K map=0+5 format=pax").contains("needs format=gnu"));
}

#[test]
fn archives_end_as_they_are_told() {
    assert_eq!(build("file a").unwrap().len(), 10240);
    assert_eq!(build("option blocking=0\nfile a").unwrap().len(), 3 * 512);
    assert_eq!(build("option trailer=none\nfile a").unwrap().len(), 512);
    assert_eq!(build("option blocking=4 trailer=1").unwrap().len(), 2048);
    let raw = build("option trailer=none\nraw hex:0102 zero:1K fill:2:41 text").unwrap();
    assert_eq!(raw.len(), 2 + 1024 + 2 + 4);
    assert!(raw.ends_with(b"\0AAtext"));
}

#[test]
fn headers_that_lie() {
    let all = read(
        "
        file payload header-size=0 pax:size=4
        | abc
        file next typeflag=7
        ",
    );
    assert_eq!(all[0].size, 4);
    assert_eq!(all[1].kind, EntryType::Continuous);

    let bytes = build("file a checksum=bad").unwrap();
    let mut archive = Archive::new(bytes.as_slice());
    assert!(archive.entries().unwrap().next().unwrap().is_err());
}

#[test]
fn mistakes_name_their_line() {
    for (text, expected) in [
        (
            "\nfil a",
            "line 2: unknown entry `fil`; known are file, dir,",
        ),
        ("file", "line 1: the entry has no name"),
        (
            "file a mod=1",
            "line 1: unknown attribute `mod`; known are mode,",
        ),
        ("file a mode=9", "line 1: `9` is not an octal mode"),
        ("file a base64", "line 1: `base64` wants a value"),
        (
            "option colour=red",
            "line 1: unknown option `colour`; known",
        ),
        ("symlink a b", "line 1: a link is NAME -> TARGET"),
        ("char a 1", "line 1: a device is NAME MAJOR,MINOR"),
        ("| x", "line 1: a content line belongs to a file"),
        ("dir a\n| x", "line 2: a content line belongs to a file"),
        (
            "file a fill=1\n| x",
            "line 2: a content line belongs to a file",
        ),
        ("file a\n|x", "line 2: put a blank behind `|`"),
        ("file a eol=no\n\ndir b", "line 1: there is no newline"),
        ("dir a fill=1", "line 1: only a file has content"),
        ("file a cap=cap_x+p", "line 1: unknown capability `cap_x`"),
        ("file a applets=x", "line 1: `applets` goes with"),
        ("file a\\", "line 1: a backslash at the end"),
        ("char a 1,3 format=v7", "line 1: a v7 header has no device"),
    ] {
        let message = mistake(text);
        assert!(message.starts_with(expected), "{text:?} says {message:?}");
    }
}

#[test]
fn the_bundled_images_read_back() {
    let all: Vec<_> = bundled().iter().map(|image| image.name).collect();
    assert!(all.is_sorted(), "{all:?}");
    for image in bundled() {
        assert_eq!(
            build(image.description).unwrap(),
            build(image.description).unwrap()
        );
        let entries = read(image.description);
        let names = names(image.description).unwrap();
        assert_eq!(entries.len(), names.len(), "{}", image.name);
        for (entry, name) in entries.iter().zip(names) {
            // The tar crate does not know PAX sparse files; it shows the header's name.
            let shown = entry.pax.get("GNU.sparse.name").unwrap_or(&entry.name);
            assert_eq!(*shown, name, "{}", image.name);
        }
    }
}
