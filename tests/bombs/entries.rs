//! Entries that are too many, too large or lead nowhere.

use std::fs;
use std::io::Write;

use crate::compressed::gzip;
use crate::{check, header, put, refused};

/// An entry whose name, link target and PAX records may be of any length.
fn entry(out: &mut dyn Write, name: &str, typeflag: u8, link: &str, xattr: usize) {
    let mut put = |bytes: &[u8]| {
        put(out, bytes);
        put(
            out,
            &vec![0; bytes.len().next_multiple_of(512) - bytes.len()],
        );
    };
    for (flag, text) in [(b'L', name), (b'K', link)] {
        if text.len() > 99 {
            put(header("long", flag, text.len() as u64).as_bytes());
            put(text.as_bytes());
        }
    }
    if xattr > 0 {
        let rest = " SCHILY.xattr.user.x=".len() + xattr + 1;
        let length = (rest..)
            .find(|n| rest + n.to_string().len() == *n)
            .expect("there is one");
        let record = format!("{length} SCHILY.xattr.user.x={}\n", "x".repeat(xattr));
        put(header("pax", b'x', record.len() as u64).as_bytes());
        put(record.as_bytes());
    }
    let mut head = header(&name[..name.len().min(99)], typeflag, 0);
    let cut = link.len().min(99);
    head.as_mut_bytes()[157..][..cut].copy_from_slice(&link.as_bytes()[..cut]);
    head.set_cksum();
    put(head.as_bytes());
}

/// A PAX header with records of one kind, about as many as it may hold, and the entry that it speaks of.
fn records(record: impl Fn(usize) -> String) -> Vec<u8> {
    let all = (0..).map(record).map(|rest| {
        let length = (rest.len()..).find(|n| rest.len() + n.to_string().len() == *n);
        format!("{}{rest}", length.expect("there is one"))
    });
    let mut text = String::new();
    for record in all {
        if text.len() + record.len() > 1_000_000 {
            break;
        }
        text += &record;
    }
    let mut out = header("pax", b'x', text.len() as u64).as_bytes().to_vec();
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len().next_multiple_of(512), 0);
    out.extend_from_slice(header("a", b'0', 0).as_bytes());
    out
}

#[test]
fn more_entries_than_any_image_has_are_refused() {
    let thousand: Vec<u8> = (0..1000)
        .flat_map(|_| header("a", b'0', 0).as_bytes().to_vec())
        .collect();
    let packed = gzip(&[(&thousand, 1)]);
    refused(
        "501000 entries",
        |out| (0..501).for_each(|_| put(out, &packed)),
        "raise the limit `entries`",
    );
}

#[test]
fn records_without_end_are_refused() {
    let empty = gzip(&[(&records(|_| " a=\n".to_owned()), 1)]);
    refused(
        "empty PAX records",
        |out| (0..250).for_each(|_| put(out, &empty)),
        "raise the limit `records`",
    );
    let attributes = gzip(&[(&records(|n| format!(" SCHILY.xattr.{n:x}=v\n")), 1)]);
    refused(
        "attributes of a few bytes",
        |out| (0..100).for_each(|_| put(out, &attributes)),
        "raise the limit `names`",
    );
}

#[test]
fn a_sparse_map_without_end_is_refused() {
    let mut head = header("a", b'S', 0);
    head.as_mut_bytes()[482] = 1;
    head.set_cksum();
    let mut more = [0; 512];
    more[504] = 1;
    let (start, more) = (gzip(&[(head.as_bytes(), 1)]), gzip(&[(&more, 2048)]));
    refused(
        "a sparse map of blocks without end",
        |out| {
            put(out, &start);
            (0..300).for_each(|_| put(out, &more));
        },
        "raise the limit `ratio`",
    );
}

#[test]
fn paths_that_imply_a_tree_without_end_are_refused() {
    refused(
        "600000 directories that 300 paths imply",
        |out| (0..300).for_each(|n| entry(out, &format!("{n}{}f", "/d".repeat(2000)), b'0', "", 0)),
        "raise the limit `implied`",
    );
}

#[test]
fn attributes_without_end_are_refused() {
    refused(
        "70 attributes of a megabyte",
        |out| (0..70).for_each(|n| entry(out, &n.to_string(), b'0', "", 1_000_000)),
        "raise the limit `names`",
    );
    refused(
        "a PAX header of two megabytes",
        |out| entry(out, "a", b'0', "", 2 << 20),
        "raise the limit `extension`",
    );
}

#[test]
fn a_header_that_claims_what_is_not_there_is_refused() {
    refused(
        "a PAX header of a terabyte",
        |out| put(out, header("x", b'x', 1 << 40).as_bytes()),
        "raise the limit `extension`",
    );
    refused(
        "a file of a terabyte",
        |out| put(out, header("a", b'0', 1 << 40).as_bytes()),
        "cut short",
    );
}

#[test]
fn a_terabyte_of_holes_takes_no_memory() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let image = folder.path().join("holes.tar");
    let text = "file a mode=4755 format=pax pax:GNU.sparse.size=1099511627776 pax:GNU.sparse.numblocks=1 pax:GNU.sparse.map=1099511627776,0";
    fs::write(
        &image,
        casehard_testimages::build(text).expect("the description is right"),
    )
    .expect("the folder is writable");
    let run = check(&image, &[]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    run.is_bounded("an honest image");
}

#[test]
fn links_that_take_for_ever_to_follow_are_refused() {
    // Each leads to the next by way of a thousand names.
    refused(
        "40 links of a thousand names each",
        |out| {
            entry(out, "d", b'5', "", 0);
            for n in 0..40 {
                entry(
                    out,
                    &format!("l{n}"),
                    b'2',
                    &format!("{}l{}", "d/../".repeat(500), n + 1),
                    0,
                );
            }
            entry(out, "l40", b'2', "d", 0);
            (0..20_000).for_each(|n| entry(out, &format!("l0/{n}"), b'0', "", 0));
        },
        "symbolic links of more than 4096 names",
    );
    refused(
        "a circle of links",
        |out| {
            entry(out, "a", b'2', "b", 0);
            entry(out, "b", b'2', "a", 0);
            entry(out, "a/c", b'0', "", 0);
        },
        "more than 40 symbolic links",
    );
}

#[test]
fn hard_links_without_end_are_refused() {
    let entries = |out: &mut dyn Write, mode: &dyn Fn(u32) -> u32| {
        entry(out, "a", b'0', "", 0);
        for n in 0..70_000 {
            let mut link = header(&n.to_string(), b'1', 0);
            link.as_mut_bytes()[157] = b'a';
            link.set_uid(mode(n).into());
            link.set_cksum();
            put(out, link.as_bytes());
        }
    };
    refused(
        "hard links with other owners each",
        |out| entries(out, &|n| n),
        "yet another mode",
    );
    refused(
        "70000 hard links to one file",
        |out| entries(out, &|_| 0),
        "hard link number 65000",
    );
}
