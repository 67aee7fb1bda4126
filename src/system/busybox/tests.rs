//! Tables in executables of every kind, and in what only looks like one.

use casehard_testimages::{Layout, busybox};
use proptest::prelude::*;

use super::Table;

const APPLETS: &[&str] = &[
    "[", "[[", "ash", "cat", "egrep", "false", "ftpget", "ftpput", "grep", "ls", "nc", "rm", "sh",
    "test", "true", "wget",
];

#[track_caller]
fn refused(data: &[u8], why: &str) {
    match Table::find(data) {
        Ok(_) => panic!("a table was found"),
        Err(refusal) => assert_eq!(refusal.to_string(), why),
    }
}

/// Replaces bytes at the only place where they stand.
#[track_caller]
fn replace(data: &mut Vec<u8>, from: &[u8], to: &[u8]) {
    let mut places = data
        .windows(from.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == from);
    let (at, _) = places.next().expect("the bytes are there");
    assert!(places.next().is_none(), "the bytes are there once");
    data.splice(at..at + from.len(), to.iter().copied());
}

#[test]
fn applets_run_false_in_every_layout() {
    for layout in Layout::ALL {
        let before = busybox(*layout, APPLETS);
        let table = Table::find(&before).unwrap();
        assert_eq!(table.applets().collect::<Vec<_>>(), APPLETS, "{layout:?}");
        let after = table
            .neutralise(&before, &["wget", "nc", "netcat"])
            .unwrap();
        let again = Table::find(&after).unwrap();
        for applet in APPLETS {
            let inert = ["false", "nc", "wget"].contains(applet);
            assert_eq!(again.neutralised(applet), inert, "{layout:?} {applet}");
            assert_eq!(
                table.neutralised(applet),
                *applet == "false",
                "{layout:?} {applet}"
            );
        }
        let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert!((2..=6).contains(&changed), "{layout:?} {changed}");
        assert_eq!(again.neutralise(&after, &["nc", "wget"]).unwrap(), after);
        let more = again.neutralise(&after, &["ftpget"]).unwrap();
        assert!(Table::find(&more).unwrap().neutralised("ftpget"));
    }
}

#[test]
fn arm_keeps_the_bit_of_thumb_code() {
    for layout in [Layout::Arm, Layout::ArmRel] {
        let before = busybox(layout, APPLETS);
        let table = Table::find(&before).unwrap();
        let after = table.neutralise(&before, &["wget"]).unwrap();
        let differing = before.chunks(4).zip(after.chunks(4)).find(|(a, b)| a != b);
        let (was, is) = differing.unwrap();
        assert_eq!((was[0] & 1, is[0] & 1), (1, 1));
    }
}

#[test]
fn what_is_no_busybox_is_refused() {
    refused(b"", "it is not an ELF file");
    refused(b"#!/bin/sh\n", "it is not an ELF file");
    refused(
        &[b"\x7fELF\x02\x01\x01", &[0; 40][..]].concat(),
        "its ELF header is broken: Invalid ELF header size or alignment",
    );
    const UNKNOWN: &str =
        "it has no table of applets with `false` and applets to recognise the table by";
    for applets in [
        &["false"][..],
        &["false", "wget"],
        &["[", "cat", "ls", "nc", "test", "true", "wget"],
    ] {
        refused(&busybox(Layout::X86_64, applets), UNKNOWN);
    }
    let mut data = busybox(Layout::X86_64, APPLETS);
    replace(&mut data, b"wget\0\0", b"wget\0x");
    refused(&data, UNKNOWN);
}

#[test]
fn other_machines_are_refused() {
    const MACHINE: &str =
        "it is not for x86-64, i386, arm64 or arm, the machines whose relocations are understood";
    let good = busybox(Layout::X86_64, APPLETS);
    // s390x, powerpc64le, big-endian.
    for (at, byte) in [(18, 22), (18, 21), (5, 2)] {
        let mut data = good.clone();
        data[at] = byte;
        refused(&data, MACHINE);
    }
    let mut data = good;
    data[16] = 1;
    refused(&data, "it is not an executable");
}

#[test]
fn broken_files_are_refused() {
    let good = busybox(Layout::X86_64Rela, APPLETS);
    refused(&good[..good.len() - 1], "it is cut short");
    // The second segment's header, and its place in memory.
    let memory = 64 + 56 + 16;
    let mut data = good.clone();
    data[memory..memory + 8].copy_from_slice(&[0; 8]);
    refused(&data, "its segments overlap");
    let mut data = good.clone();
    data[memory..memory + 8].copy_from_slice(&[0xff; 8]);
    refused(&data, "its segments have absurd sizes");
    let mut data = good.clone();
    data[64 + 112] = 0;
    refused(
        &data,
        "its relocations cannot be found: it has no dynamic segment",
    );
    let mut data = good.clone();
    data[64 + 112 + 16] ^= 8;
    refused(&data, "its dynamic segment is not where its addresses say");
    let mut data = good;
    data[56] = 200;
    refused(
        &data,
        "its ELF header is broken: Invalid ELF program header size or alignment",
    );
}

#[test]
fn relocations_that_are_not_understood_are_refused() {
    const NOWHERE: &str = "nowhere do addresses of code fit the names of its applets, or their relocations are not understood";
    let good = busybox(Layout::X86_64Rela, APPLETS);
    let at = relocations(&good);
    let mut data = good.clone();
    data[at + 24 + 8] = 1;
    refused(&data, NOWHERE);
    // The same word twice.
    let mut data = good.clone();
    data.copy_within(at..at + 8, at + 24);
    refused(&data, NOWHERE);
    // A table for one that has addends in place.
    let mut data = good.clone();
    let dynamic = dynamic(&good);
    for (n, tag) in [17, 18, 19].into_iter().enumerate() {
        data[dynamic + n * 16] = tag;
    }
    refused(
        &data,
        "its relocations are not of the kind that its machine uses",
    );
    let mut data = good.clone();
    data[dynamic + 16 + 8 + 4] = 1;
    refused(
        &data,
        "its relocations are not where its dynamic segment says",
    );
    let mut data = good.clone();
    data[dynamic + 16] = 7;
    refused(
        &data,
        "its dynamic segment names a table of relocations twice",
    );
    let mut data = good;
    data[dynamic + 32 + 8] = 23;
    refused(&data, "its relocations have a size that is not understood");
    let mut data = busybox(Layout::X86_64Relr, APPLETS);
    let at = relocations(&data);
    data[at] |= 1;
    refused(&data, "its packed relocations begin in the middle");
}

/// Where the dynamic segment is in the file.
fn dynamic(data: &[u8]) -> usize {
    usize::from(data[64 + 112 + 8]) | usize::from(data[64 + 112 + 9]) << 8
}

/// Where the file has its relocations.
fn relocations(data: &[u8]) -> usize {
    let at = dynamic(data) + 8;
    usize::from(data[at]) | usize::from(data[at + 1]) << 8
}

#[test]
fn words_that_do_not_fit_are_refused() {
    const NOWHERE: &str = "nowhere do addresses of code fit the names of its applets, or their relocations are not understood";
    let good = busybox(Layout::I386, APPLETS);
    let table = Table::find(&good).unwrap();
    let place = |name: &str| table.slots[APPLETS.iter().position(|n| *n == name).unwrap()].file;
    let copy = |from: &str, to: &str| {
        let mut data = good.clone();
        data.copy_within(place(from)..place(from) + 4, place(to));
        data
    };
    // An alias with code of its own, and two applets with the same.
    refused(&copy("ls", "egrep"), NOWHERE);
    refused(&copy("ls", "cat"), NOWHERE);
    // What runs `false` already is as good as removed.
    Table::find(&copy("false", "egrep")).unwrap();
    Table::find(&copy("false", "cat")).unwrap();
    let mut data = good.clone();
    data[place("ls")..place("ls") + 4].fill(0);
    refused(&data, NOWHERE);
    // A second table, in the bytes behind the first.
    let mut data = good.clone();
    let (start, end) = (place("["), place("wget") + 4);
    data.copy_within(start..end, end + 4);
    refused(
        &data,
        "in more than one place, addresses of code fit the names of its applets",
    );
}

#[test]
fn enough_is_left_to_recognise_the_table_by() {
    let before = busybox(Layout::X86_64, APPLETS);
    let table = Table::find(&before).unwrap();
    let refusal = table.neutralise(&before, APPLETS).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "without these applets its table could not be recognised again"
    );
}

#[test]
fn a_great_many_runs_of_names_do_not_keep_it_busy() {
    let mut data = busybox(Layout::X86_64, APPLETS);
    let names: Vec<u8> = APPLETS
        .iter()
        .flat_map(|name| [name.as_bytes(), b"\0"].concat())
        .collect();
    for _ in 0..1000 {
        data.extend(&names);
        data.push(0);
    }
    refused(
        &data,
        "it has too many runs of names that could be the table's",
    );
}

fn layouts() -> impl Strategy<Value = Layout> {
    proptest::sample::select(Layout::ALL)
}

proptest! {
    #[test]
    fn any_bytes_are_judged(mut data in proptest::collection::vec(any::<u8>(), 0..512), elf in any::<bool>()) {
        if elf {
            data.splice(0..0, *b"\x7fELF\x02\x01\x01");
        }
        prop_assert!(Table::find(&data).is_err());
    }

    #[test]
    fn changed_executables_are_judged(
        layout in layouts(),
        changes in proptest::collection::vec((0..5000usize, any::<u8>()), 1..8),
        headers in proptest::collection::vec((0..240usize, any::<u8>()), 0..4),
        length in proptest::option::of(0..5000usize),
    ) {
        let mut data = busybox(layout, APPLETS);
        for (at, byte) in changes.into_iter().chain(headers) {
            let at = at % data.len();
            data[at] = byte;
        }
        data.truncate(length.unwrap_or(data.len()));
        if let Ok(table) = Table::find(&data)
            && let Ok(patched) = table.neutralise(&data, &["wget", "nc"])
        {
            prop_assert_eq!(patched.len(), data.len());
            let again = Table::find(&patched).unwrap();
            prop_assert!(!again.has("wget") || again.neutralised("wget"));
        }
    }
}
