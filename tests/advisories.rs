//! Advisories on tar readers, each with an archive that a reader with the flaw misreads and casehard does not.

use casehard::image::EntryKind;
use casehard::{Image, OpenOptions, Recipe};

/// A way to misread an archive, as an advisory describes it.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    /// The header's size counts although a PAX record gives another.
    HeaderSize,
    /// The PAX size counts only where the header's is zero.
    PaxSizeForZero,
    /// The PAX size counts for the header that follows, be that a GNU long name.
    PaxSizeForNextHeader,
    /// The first of two PAX sizes counts.
    FirstPaxSize,
}

/// The entries that a reader with a flaw sees, by where their headers are.
fn misread(bytes: &[u8], flaw: Flaw) -> Vec<(u64, String)> {
    let (mut at, mut names, mut pax, mut long) = (0, Vec::new(), None::<u64>, None::<String>);
    while let Some(header) = bytes.get(at..at + 512).filter(|h| h[0] != 0) {
        let text = |from: usize, to: usize| {
            let field = header[from..to].split(|b| *b == 0).next();
            String::from_utf8_lossy(field.unwrap_or_default()).into_owned()
        };
        let own = u64::from_str_radix(text(124, 136).trim(), 8).unwrap_or_default();
        let extension = matches!(header[156], b'x' | b'L');
        let size = match (pax, flaw) {
            (_, Flaw::HeaderSize) => own,
            (Some(size), Flaw::PaxSizeForZero) if own == 0 && !extension => size,
            (_, Flaw::PaxSizeForZero) => own,
            (Some(size), Flaw::PaxSizeForNextHeader) => size,
            (Some(size), Flaw::FirstPaxSize) if !extension => size,
            _ => own,
        };
        let data = &bytes[at + 512..][..usize::try_from(own)
            .unwrap_or_default()
            .min(bytes.len() - at - 512)];
        match header[156] {
            b'x' => {
                let records = String::from_utf8_lossy(data);
                let mut sizes = records
                    .lines()
                    .filter_map(|l| l.split_once("size=")?.1.parse().ok());
                pax = if flaw == Flaw::FirstPaxSize {
                    sizes.next()
                } else {
                    sizes.next_back()
                };
            }
            b'L' => {
                long = Some(
                    String::from_utf8_lossy(data)
                        .trim_end_matches('\0')
                        .to_owned(),
                );
                if flaw == Flaw::PaxSizeForNextHeader {
                    pax = None;
                }
            }
            _ => {
                names.push((at as u64, long.take().unwrap_or_else(|| text(0, 100))));
                pax = None;
            }
        }
        at += 512
            + usize::try_from(size)
                .unwrap_or_default()
                .next_multiple_of(512);
    }
    names
}

fn build(text: &str) -> Vec<u8> {
    casehard_testimages::build(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// An archive of one set-id file as the content of another entry.
fn smuggled() -> String {
    hex(&build(
        "option trailer=none blocking=0\nfile smuggled mode=4755 content=x",
    ))
}

fn extension(typeflag: char, data: &str) -> String {
    format!(
        "file ext format=ustar typeflag={typeflag} content=hex:{}\n",
        hex(data.as_bytes())
    )
}

fn open(bytes: &[u8]) -> Image {
    OpenOptions::new()
        .read("test.tar", bytes)
        .expect("it is read")
}

/// Holds that casehard sees these entries, no set-id file among them, and that a reader with the flaw sees others.
#[track_caller]
fn holds(text: &str, flaw: Flaw, names: &[&str]) {
    let bytes = build(text);
    let image = open(&bytes);
    let entries = image.entries();
    let seen: Vec<_> = entries.map(|e| (e.header, e.path.to_string())).collect();
    let shown: Vec<_> = seen.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(shown, names);
    assert_ne!(misread(&bytes, flaw), seen, "the archive shows the flaw");
    let recipe = "[Recipe]\nSchema=1\n[StripSetid]\nOnMissing=skip\n";
    let recipe = Recipe::parse("test", recipe).expect("the recipe is right");
    let plan = image.plan(&recipe).expect("it can be planned");
    let edits = usize::from(names.contains(&"smuggled"));
    assert_eq!(plan.edits().len(), edits);
}

#[test]
fn ghsa_j5gw_2vrg_8fgx_pax_size_against_a_header_of_zero() {
    let text = extension('x', "13 size=1024\n")
        + &format!("file a header-size=0 content=hex:{}\nfile b", smuggled());
    holds(&text, Flaw::HeaderSize, &["a", "b"]);
}

#[test]
fn rustsec_2026_0068_pax_size_against_a_header_that_is_not_zero() {
    // The reader with the flaw skips the set-id file that all others extract.
    let text = extension('x', "10 size=0\n")
        + "file a header-size=1024\nfile smuggled mode=4755 content=x\nfile b";
    holds(&text, Flaw::PaxSizeForZero, &["a", "smuggled", "b"]);
}

#[test]
fn ghsa_3pv8_6f4r_ffg2_pax_size_then_long_name() {
    // The reader with the flaw takes the file itself for a part of its long name, and goes on in the midst of its data.
    let text = extension('x', "13 size=2048\n")
        + &extension('L', "name\0")
        + &format!(
            "file a header-size=0 content=hex:{}{}\nfile b",
            smuggled(),
            smuggled()
        );
    holds(&text, Flaw::PaxSizeForNextHeader, &["name", "b"]);
}

#[test]
fn ghsa_3cv2_h65g_fgmm_a_long_name_swallows_its_file() {
    // RUSTSEC-2026-0145 in another tool: with the size for the long name, the file is gone and its data is read as headers.
    let text = extension('x', "13 size=1024\n")
        + &extension('L', "long\0")
        + &format!("file a content=hex:{}\nfile b", smuggled());
    holds(&text, Flaw::PaxSizeForNextHeader, &["long", "b"]);
}

#[test]
fn rustsec_2026_0112_entries_seen_by_one_reader_only() {
    // The advisory (GHSA-fp55-jw48-c537) gives no bytes; of two sizes in one header, the last counts for all others.
    let text = extension('x', "13 size=1024\n10 size=0\n")
        + "file a header-size=0\nfile smuggled mode=4755 content=x\nfile b";
    holds(&text, Flaw::FirstPaxSize, &["a", "smuggled", "b"]);
}

#[test]
fn rustsec_2026_0067_a_directory_over_a_link_changes_what_the_link_names() {
    let image = open(&build("dir b mode=0700\nsymlink a -> b\ndir a mode=0777"));
    // Who takes the link for the directory that is there already makes b world-writable.
    let mut entries = image.entries();
    let last = entries.rfind(|e| e.kind == EntryKind::Directory);
    assert_eq!(last.map(|e| e.meta.mode), Some(0o777));
    let recipe = "[Recipe]\nSchema=1\n[Permissions /b]\nMode=0700\n[Permissions /a]\nMode=0777\n";
    let recipe = Recipe::parse("test", recipe).expect("the recipe is right");
    let plan = image.plan(&recipe).expect("it can be planned");
    assert!(plan.compliant(), "{:?}", plan.edits());
    assert!(
        plan.notes()
            .iter()
            .any(|n| n.contains("takes the place of a symbolic link"))
    );
    let out = open(&build("symlink a -> ../../etc\ndir a mode=0777"));
    let error = out.plan(&recipe).expect_err("it leads out of the root");
    assert!(
        error.to_string().contains("follows a symbolic link"),
        "{error}"
    );
}
