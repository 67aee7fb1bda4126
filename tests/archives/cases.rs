//! The odd archives, each with what is decided for it.

use casehard_testimages::build;

/// An archive that is odd in one way.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What is odd about it, for the table in docs/archives.md.
    pub(crate) what: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) decision: Decision,
}

/// What casehard does with an archive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decision {
    /// It reads what all others read who can.
    Alike,
    /// It reads it and says in a note, which has these words, that others differ.
    Noted(&'static str),
    /// It reads what all others read, and says in a note, which has these words, what none of them says.
    Told(&'static str),
    /// It refuses it, with a message that has these words.
    Refused(&'static str),
}

use Decision::{Alike, Noted, Refused, Told};

/// Changes fields of a header, counted in blocks, and makes its checksum right again.
fn patched(text: &str, block: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = built(text);
    let header = &mut bytes[block * 512..][..512];
    for (at, field) in fields {
        header[*at..at + field.len()].copy_from_slice(field);
    }
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    bytes
}

fn built(text: &str) -> Vec<u8> {
    build(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// A line that puts an extension header of some type before the next entry.
fn extension(typeflag: char, data: &[u8]) -> String {
    let hex: String = data.iter().map(|b| format!("{b:02x}")).collect();
    format!("file ext typeflag={typeflag} format=ustar content=hex:{hex}\n")
}

/// A PAX record with its length.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..).find(|n| rest + n.to_string().len() == *n);
    format!("{} {key}={value}\n", length.expect("there is one")).into_bytes()
}

fn x(records: &[(&str, &str)]) -> String {
    let data: Vec<u8> = records.iter().flat_map(|(k, v)| record(k, v)).collect();
    extension('x', &data)
}

/// A whole archive as the content of an entry, so that whoever takes the entry for empty finds its members.
fn smuggled() -> String {
    let inner = built("option trailer=none blocking=0\nfile smuggled mode=4755 content=x");
    let hex: String = inner.iter().map(|b| format!("{b:02x}")).collect();
    format!("content=hex:{hex}")
}

// One case, one line.
#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let mut case = |name, what, bytes, decision| { all.push(Case { name, what, bytes, decision }); };
    let pax_size = |size: &str| x(&[("size", size)]) + "file a content=abc\nfile b";

    // Sizes.
    case("pax-size-over-zero", "PAX size 1024, header size 0, a header in the data", built(&(x(&[("size", "1024")]) + "file a header-size=0 " + &smuggled() + "\nfile b")), Alike);
    case("pax-size-over-larger", "PAX size 1024, header size 8192", built(&(x(&[("size", "1024")]) + "file a header-size=8192 " + &smuggled() + "\nfile b")), Alike);
    case("pax-size-zero", "PAX size 0, header size 1024, a header in the data", built(&(x(&[("size", "0")]) + "file a " + &smuggled() + "\nfile b")), Alike);
    case("pax-size-negative", "PAX size -1", built(&pax_size("-1")), Refused("not a number"));
    case("pax-size-plus", "PAX size +3", built(&pax_size("+3")), Refused("not a number"));
    case("pax-size-blank", "PAX size with a blank before it", built(&pax_size(" 3")), Refused("not a number"));
    case("pax-size-hex", "PAX size 0x3", built(&pax_size("0x3")), Refused("not a number"));
    case("pax-size-fraction", "PAX size 3.0", built(&pax_size("3.0")), Refused("not a number"));
    case("pax-size-zeros", "PAX size 0003", built(&pax_size("0003")), Alike);
    case("pax-size-overflow", "PAX size 2^64", built(&pax_size("18446744073709551616")), Refused("not a number"));
    case("pax-size-huge", "PAX size 2^64-1", built(&pax_size("18446744073709551615")), Refused("cut short"));
    case("pax-size-empty", "an empty PAX size, which takes it back", built(&pax_size("")), Refused("not a number"));
    case("pax-size-twice", "two PAX sizes in one header", built(&(x(&[("size", "1024"), ("size", "3")]) + "file a content=abc\nfile b")), Alike);
    case("pax-size-of-directory", "a directory with PAX size 512", built(&(x(&[("size", "512")]) + "dir d\nfile b content=abc")), Refused("has a size"));
    case("pax-size-of-symlink", "a symbolic link with PAX size 512", built(&(x(&[("size", "512")]) + "symlink s -> t\nfile b content=abc")), Refused("has a size"));
    case("pax-size-of-hard-link", "a hard link with PAX size 512", built(&("file a content=abc\n".to_owned() + &x(&[("size", "512")]) + "hardlink l -> a\nfile b content=abc")), Refused("whether data follows"));
    case("size-of-directory", "a directory whose header has size 512", built("dir d header-size=512\nfile b content=abc"), Refused("has a size"));
    case("size-of-symlink", "a symbolic link whose header has size 512", built("symlink s -> t header-size=512\nfile b content=abc"), Refused("has a size"));
    case("size-of-device", "a device whose header has size 512", built("char n 1,3 header-size=512\nfile b content=abc"), Refused("has a size"));
    case("size-of-fifo", "a pipe whose header has size 512", built("fifo p header-size=512\nfile b content=abc"), Refused("has a size"));
    case("size-of-hard-link", "a hard link that repeats its file's size, without PAX", built("file a content=abc\nhardlink l -> a header-size=3\nfile b content=abc"), Alike);
    case("size-negative-base256", "size -1 in base 256", patched("file a content=abc\nfile b", 0, &[(124, &[0xff; 12])]), Refused("size field"));
    case("size-negative-octal", "size -3 in octal", patched("file a content=abc\nfile b", 0, &[(124, b"-0000000003\0")]), Refused("size field"));
    case("size-overflow-base256", "size 2^88 in base 256", patched("file a content=abc\nfile b", 0, &[(124, b"\x80\x01\0\0\0\0\0\0\0\0\0\x03")]), Refused("size field"));
    case("size-huge-base256", "size 2^64-1 in base 256", patched("file a content=abc\nfile b", 0, &[(124, b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff")]), Refused("cut short"));
    case("size-base256", "size 3 in base 256", patched("file a content=abc\nfile b", 0, &[(124, b"\x80\0\0\0\0\0\0\0\0\0\0\x03")]), Alike);
    case("size-base64", "size in the base 64 of old GNU tars", patched("file a content=abc\nfile b", 0, &[(124, b"+AAAAAAAAAAD")]), Refused("size field"));
    case("size-not-octal", "a size with the digit 8", patched("file a content=abc\nfile b", 0, &[(124, b"00000000008\0")]), Refused("size field"));
    case("size-junk-after", "a size with letters behind it", patched("file a content=abc\nfile b", 0, &[(124, b"3abc\0\0\0\0\0\0\0\0")]), Refused("size field"));
    case("size-cut", "a size, a NUL, then other digits", patched("file a content=abc\nfile b", 0, &[(124, b"3\x0000000017\0")]), Alike);
    case("size-blank", "a blank size", patched("file a\nfile b", 0, &[(124, b"            ")]), Alike);
    case("size-tab", "a size with a tab before it", patched("file a content=abc\nfile b", 0, &[(124, b"\t\t\t\t3\0\0\0\0\0\0\0")]), Refused("size field"));
    case("size-full", "a size of twelve digits without an end", patched("file a content=abc\nfile b", 0, &[(124, b"000000000003")]), Alike);
    case("mode-not-octal", "a mode with a letter", patched("file a content=abc\nfile b", 0, &[(100, b"000x755\0")]), Refused("mode field"));
    case("mode-base256", "a mode in base 256", patched("file a content=abc\nfile b", 0, &[(100, b"\x80\0\0\0\0\0\x09\xed")]), Refused("mode field"));
    case("mode-type-bits", "file type bits in the mode", patched("file a content=abc\nfile b", 0, &[(100, b"0104755\0")]), Alike);
    case("uid-negative", "owner -1 in base 256", patched("file a content=abc\nfile b", 0, &[(108, &[0xff; 8])]), Refused("more than Linux allows"));
    case("pax-uid-not-a-number", "PAX uid `root`", built(&(x(&[("uid", "root")]) + "file a")), Refused("not a number"));
    case("mtime-negative", "a PAX time before 1970", built(&(x(&[("mtime", "-5.5")]) + "file a")), Alike);

    // Checksums and what is around the entries.
    case("checksum-signed", "a checksum over signed bytes", signed_checksum(), Alike);
    case("checksum-wrong", "a wrong checksum", built("file a\nfile b checksum=bad\nfile c"), Refused("checksum fails"));
    case("checksum-wrong-first", "a wrong checksum in the first header", built("file a checksum=bad\nfile b"), Refused("not a tar archive"));
    case("checksum-blanks", "a checksum after blanks", checksum(|sum| format!("{sum:>6o}\0 ")), Alike);
    case("checksum-seven-digits", "a checksum of seven digits", checksum(|sum| format!("{sum:07o}\0")), Alike);
    case("checksum-no-end", "a checksum of eight digits", checksum(|sum| format!("{sum:08o}")), Alike);
    case("no-end-marker", "no zeros at the end", built("option trailer=none blocking=0\nfile a content=abc"), Told("without an end marker"));
    case("end-between-entries", "the file ends where another entry began", cut("option trailer=none blocking=0\nfile a content=abc\nfile b", 512), Told("without an end marker"));
    case("half-end-marker", "one block of zeros at the end", built("option trailer=1 blocking=0\nfile a content=abc"), Alike);
    case("end-inside-header", "the file ends inside a header", cut("option trailer=none blocking=0\nfile a content=abc\nfile b", 100), Refused("cut short inside a header"));
    case("end-inside-extension", "the file ends inside an extension header", cut(&format!("option trailer=none blocking=0\n{}file a", x(&[("path", "name")])), 1000), Refused("cut short inside an extension header"));
    case("end-inside-extension-padding", "the file ends right behind an extension header's data, unpadded", cut(&format!("option trailer=none blocking=0\n{}file a", x(&[("path", "name")])), 1012), Refused("cut short inside an extension header"));
    case("end-inside-data", "the file ends inside an entry's data", cut("option trailer=none blocking=0\nfile a fill=1024", 512), Refused("cut short"));
    case("end-inside-padding", "the file ends right behind the data, unpadded", cut("option trailer=none blocking=0\nfile a content=abc", 509), Refused("cut short"));
    case("junk-after-end", "bytes that are no zeros after the end", [built("option blocking=0\nfile a"), b"junk".to_vec()].concat(), Refused("data follows the end"));
    case("two-archives", "a second archive behind the end of the first", [built("option blocking=0\nfile a"), built("file smuggled mode=4755")].concat(), Refused("data follows the end"));
    case("lone-zero-block", "an entry after a single block of zeros", [built("option trailer=1 blocking=0\nfile a"), built("file smuggled mode=4755")].concat(), Refused("data follows the end"));
    case("two-archives-without-end", "two archives, the first without its zeros: one archive", [built("option trailer=none blocking=0\nfile a"), built("file b")].concat(), Alike);
    case("empty", "nothing but zeros", vec![0; 1024], Refused("nothing in it"));

    // Header formats.
    let gnu = "option format=gnu\nfile a content=abc\nfile b";
    case("gnu-real-size", "a size in the field that only files with holes have (GNU)", patched(gnu, 0, &[(483, b"00000002000\0")]), Refused("that its format leaves empty"));
    case("gnu-stray-map", "a map of holes in a file that has none (GNU)", patched(gnu, 0, &[(386, b"00000001000\x0000000000003\0")]), Refused("that its format leaves empty"));
    case("gnu-prefix", "a name prefix in a GNU header", patched(gnu, 0, &[(345, b"usr/bin")]), Refused("that its format leaves empty"));
    case("v7-prefix", "a name prefix in a header of 1979", patched("option format=v7\nfile a content=abc\nfile b", 0, &[(345, b"usr/bin")]), Refused("that its format leaves empty"));
    case("odd-magic-prefix", "a name prefix where the magic is nearly right", patched("option format=ustar\nfile a content=abc\nfile b", 0, &[(262, b"x"), (345, b"usr/bin")]), Refused("that its format leaves empty"));
    case("ustar-prefix", "a name prefix", patched("option format=ustar\nfile a content=abc\nfile b", 0, &[(345, b"usr/bin")]), Alike);
    case("ustar-version", "a name prefix, and no version", patched("option format=ustar\nfile a content=abc\nfile b", 0, &[(263, b"  "), (345, b"usr/bin")]), Alike);
    case("star-prefix", "a prefix longer than star's, in a header that says it is star's", patched("option format=ustar\nfile a content=abc\nfile b", 0, &[(345, &[b'p'; 140]), (508, b"tar\0")]), Refused("that its format leaves empty"));

    // Types.
    case("type-unknown", "an entry of type `Z`", built("file a typeflag=Z content=abc\nfile b"), Refused("unknown entry type"));
    case("type-vendor", "an entry of type `A` with data", built("file a typeflag=A content=abc\nfile b"), Refused("unknown entry type"));
    case("type-label", "a volume label (GNU)", built("file label typeflag=V\nfile b"), Noted("volume label"));
    case("type-multivolume", "the rest of a file from another volume (GNU)", built("file a typeflag=M content=abc\nfile b"), Refused("unknown entry type"));
    case("type-dumpdir", "a directory with its list of names (GNU incremental)", built("file d typeflag=D content=Ya\\x00\\x00\nfile b"), Refused("unknown entry type"));
    case("type-long-old", "a name for later links (old GNU, `N`)", built("file a typeflag=N content=abc\nfile b"), Refused("unknown entry type"));
    case("type-contiguous", "a contiguous file (`7`)", built("file a typeflag=7 content=abc\nfile b"), Alike);
    case("type-nul", "a file of type NUL, as before 1988", patched("option format=v7\nfile a content=abc\nfile b", 0, &[(156, b"\0")]), Alike);
    case("type-nul-slash", "a file of type NUL whose name ends in a slash: a directory", patched("option format=v7\ndir d\nfile b", 0, &[(156, b"\0")]), Alike);
    case("type-file-slash", "a file of type `0` whose name ends in a slash", patched("dir d\nfile b", 0, &[(156, b"0")]), Refused("ends in a slash"));
    case("type-file-slash-pax", "a file whose PAX path ends in a slash", built(&(x(&[("path", "d/")]) + "file a\nfile b")), Refused("ends in a slash"));
    case("type-file-slash-data", "a file with data whose name ends in a slash", built("file d/ content=abc\nfile b"), Refused("ends in a slash"));
    case("type-symlink-slash", "a symbolic link whose name ends in a slash", built("dir t\nsymlink s/ -> t\nfile b"), Alike);
    case("type-solaris", "a PAX header of type `X`, as Solaris wrote it", built(&(extension('X', &record("path", "name")) + "file a\nfile b")), Alike);

    // PAX records.
    case("pax-path", "a PAX path", built(&(x(&[("path", "name")]) + "file a")), Alike);
    case("pax-path-empty", "an empty PAX path, which takes it back", built(&(x(&[("path", "")]) + "file a")), Alike);
    case("pax-path-twice", "two PAX paths in one header", built(&(x(&[("path", "one"), ("path", "two")]) + "file a")), Alike);
    case("pax-out-of-order", "PAX records in no order, with a comment", built(&(x(&[("mtime", "5"), ("comment", "x"), ("path", "name"), ("uid", "7")]) + "file a")), Alike);
    case("pax-record-cut", "a PAX record that claims more than there is", built(&(extension('x', b"99 path=b\n") + "file a")), Refused("does not fit"));
    case("pax-record-short", "a PAX record that claims less than there is", built(&(extension('x', b"5 path=name\n") + "file a")), Refused("PAX record"));
    case("pax-record-no-newline", "a PAX record without its newline", built(&(extension('x', b"13 path=namex") + "file a")), Refused("newline"));
    case("pax-record-no-equals", "a PAX record without `=`", built(&(extension('x', b"9 pathxx\n") + "file a")), Refused("no `=`"));
    case("pax-record-length-zero", "a PAX record of length 0", built(&(extension('x', b"0 path=name\n") + "file a")), Refused("PAX record"));
    case("pax-record-length-negative", "a PAX record of length -9", built(&(extension('x', b"-9 path=b\n") + "file a")), Refused("PAX record"));
    case("pax-record-length-zeros", "a PAX record with zeros before its length", built(&(extension('x', b"00000000000000000000000000000000000000000000000052 path=name\n") + "file a")), Refused("PAX record"));
    case("pax-record-nul", "NULs behind the PAX records", built(&(extension('x', &[record("path", "name"), vec![0; 5]].concat()) + "file a")), Refused("PAX record"));
    case("pax-record-good-then-bad", "a good PAX record, then a bad one", built(&(extension('x', &[record("path", "name"), b"junk".to_vec()].concat()) + "file a")), Refused("PAX record"));
    case("pax-empty", "a PAX header without records", built(&(extension('x', b"") + "file a")), Alike);
    case("pax-unknown-key", "a PAX record of a vendor", built(&(x(&[("VENDOR.thing", "1")]) + "file a")), Alike);
    case("pax-charset", "PAX hdrcharset=BINARY", built(&(x(&[("hdrcharset", "BINARY"), ("path", "name")]) + "file a")), Alike);
    case("pax-not-utf8", "a PAX path that is not UTF-8", built(&(extension('x', b"11 path=\xff\xfe\n") + "file a")), Alike);
    case("pax-at-end", "a PAX header with no entry after it", built(&("file a\n".to_owned() + &x(&[("path", "name")]))), Refused("no entry after it"));
    case("pax-twice", "two PAX headers before one entry", built(&(x(&[("path", "one")]) + &x(&[("path", "two")]) + "file a")), Refused("two PAX headers"));
    case("pax-twice-other-keys", "two PAX headers before one entry that say different things", built(&(x(&[("path", "one")]) + &x(&[("size", "3")]) + "file a content=abc")), Refused("two PAX headers"));
    case("pax-too-large", "a PAX header of two megabytes", built(&(x(&[("comment", &"x".repeat(2 << 20))]) + "file a")), Refused("limit `extension`"));
    case("global-comment", "a global header with a comment, as git writes it", built("global comment=x\nfile a"), Alike);
    case("global-path", "a global header that sets the path", built("global path=x\nfile a\nfile b"), Refused("for all entries"));
    case("global-size", "a global header that sets the size", built("global size=3\nfile a content=abc\nfile b"), Refused("for all entries"));
    case("global-mtime", "a global header that sets the time", built("global mtime=5\nfile a\nfile b"), Alike);
    case("global-acl", "a global header with an access control list", built("global SCHILY.acl.access=user::rwx,group::rwx,other::rwx\nfile a mode=0600"), Refused("for all entries"));
    case("global-after-pax", "a global header between a PAX header and its entry", built(&(x(&[("path", "name")]) + "global comment=x\nfile a")), Refused("global PAX header stands between"));

    // PAX and GNU names together.
    let long = |name: &[u8]| extension('L', &[name, b"\0"].concat());
    case("gnu-name", "a GNU long name", built(&(long(b"name") + "file a")), Alike);
    case("gnu-name-no-nul", "a GNU long name without its NUL", built(&(extension('L', b"name") + "file a")), Alike);
    case("gnu-name-nul-inside", "a GNU long name with a NUL and more", built(&(extension('L', b"name\0more") + "file a")), Alike);
    case("gnu-name-twice", "two GNU long names before one entry", built(&(long(b"one") + &long(b"two") + "file a")), Refused("two long names"));
    case("gnu-name-empty", "an empty GNU long name", built(&(long(b"") + "file a")), Refused("no name"));
    case("gnu-name-at-end", "a GNU long name with no entry after it", built(&("file a\n".to_owned() + &long(b"name"))), Refused("no entry after it"));
    case("pax-size-then-gnu-name", "PAX size, then a GNU long name, then the file", built(&(x(&[("size", "1024")]) + &long(b"name") + "file a header-size=0 " + &smuggled() + "\nfile b")), Alike);
    case("gnu-name-then-pax-size", "a GNU long name, then PAX size, then the file", built(&(long(b"name") + &x(&[("size", "1024")]) + "file a header-size=0 " + &smuggled() + "\nfile b")), Alike);
    case("pax-path-then-gnu-name", "a PAX path and a GNU long name that differ", built(&(x(&[("path", "one")]) + &long(b"two") + "file a")), Refused("differ"));
    case("gnu-name-then-pax-path", "a GNU long name and a PAX path that differ", built(&(long(b"two") + &x(&[("path", "one")]) + "file a")), Refused("differ"));
    case("pax-path-and-gnu-name", "a PAX path and a GNU long name that agree", built(&(x(&[("path", "name")]) + &long(b"name") + "file a")), Alike);
    case("gnu-name-and-link", "a GNU long name and a GNU long link", built(&(long(b"name") + &extension('K', b"target\0") + "symlink a -> b")), Alike);

    // Names.
    case("nul-in-pax-path", "a PAX path with a NUL", built(&(extension('x', b"15 path=na\0me1\n") + "file a")), Refused("NUL"));
    case("nul-in-pax-link", "a PAX link name with a NUL", built(&(extension('x', b"19 linkpath=na\0me1\n") + "symlink a -> b")), Refused("NUL"));
    case("name-of-hundred", "a name of a hundred bytes without an end", built(&format!("file {}", "n".repeat(100))), Alike);
    case("name-empty", "an entry without a name", patched("file a content=abc\nfile b", 0, &[(0, &[0; 100])]), Refused("no name"));
    case("name-empty-directory", "a directory without a name", patched("dir a\nfile b", 0, &[(0, &[0; 100])]), Refused("no name"));
    case("name-absolute", "an absolute name", built("file /a/b content=abc"), Alike);
    case("name-slashes", "slashes and dots in a name", built("dir a\nfile .//a/./b content=abc"), Alike);
    case("name-up", "a name that begins with `..`", built("file ../a content=abc\nfile b"), Refused("`..`"));
    case("name-up-inside", "a name with `..` that stays inside", built("dir a\nfile a/../b content=abc"), Refused("`..`"));
    case("name-up-link", "a hard link to a name with `..`", built("file a content=abc\nhardlink b -> ../a"), Refused("`..`"));
    case("name-newline", "a newline and an escape in a name", built("file a\\nb\\x1b[2J content=abc"), Alike);

    // Links.
    case("through-relative-link", "an entry under a relative symbolic link", built("dir usr/bin\nsymlink bin -> usr/bin\nfile bin/su mode=4755"), Noted("through the symbolic link"));
    case("through-absolute-link", "an entry under an absolute symbolic link", built("dir etc\nsymlink a -> /etc\nfile a/passwd content=abc"), Noted("through the symbolic link"));
    case("through-climbing-link", "an entry under a symbolic link with `..`", built("dir etc\nsymlink a -> ../etc\nfile a/passwd content=abc"), Noted("through the symbolic link"));
    case("through-dangling-link", "an entry under a symbolic link to nothing", built("symlink a -> gone\nfile a/b content=abc"), Noted("through the symbolic link"));
    case("through-looping-link", "an entry under symbolic links that go in a circle", built("symlink a -> b\nsymlink b -> a\nfile a/c"), Refused("more than 40"));
    case("through-file", "an entry under a file", built("file a\nfile a/b"), Refused("not a directory"));
    case("symlink-loop", "symbolic links that go in a circle", built("symlink a -> b\nsymlink b -> a\nsymlink c -> c"), Alike);
    case("symlink-empty", "a symbolic link without a target", patched("symlink a -> b\nfile c", 0, &[(157, b"\0")]), Refused("target"));
    case("file-over-symlink", "a file where a relative symbolic link was", built("file b content=xyz\nsymlink a -> b\nfile a content=abc"), Noted("writes through"));
    case("file-over-absolute-symlink", "a file where an absolute symbolic link was", built("symlink a -> /nowhere/b\nfile a content=abc"), Refused("symbolic link"));
    case("file-over-climbing-symlink", "a file where a symbolic link with `..` was", built("symlink a -> ../b\nfile a content=abc"), Refused("symbolic link"));
    case("symlink-over-absolute-symlink", "a symbolic link where an absolute one was", built("symlink a -> /nowhere/b\nsymlink a -> c"), Refused("symbolic link"));
    case("directory-over-symlink", "a directory where a symbolic link to a directory was", built("dir b mode=0755\nsymlink a -> b\ndir a mode=0700\nfile a/x"), Noted("writes through"));
    case("directory-over-dangling-symlink", "a directory where a symbolic link to nothing was", built("symlink a -> b\ndir a mode=0700\nfile a/x"), Noted("writes through"));
    case("directory-over-absolute-symlink", "a directory where an absolute symbolic link was", built("symlink a -> /nowhere/b\ndir a mode=0700\nfile a/x"), Refused("symbolic link"));
    case("hard-link-over-absolute-symlink", "a hard link where an absolute symbolic link was", built("file b content=abc\nsymlink a -> /nowhere/c\nhardlink a -> b"), Noted("writes through"));
    case("device-over-symlink", "a device where a symbolic link was", built("file b content=abc\nsymlink a -> b\nchar a 1,3"), Alike);
    case("hard-link-over-symlink", "a hard link where a symbolic link was", built("file b content=abc\nsymlink a -> c\nhardlink a -> b"), Noted("writes through"));
    case("file-over-file", "a file twice", built("file a content=abc\nfile a content=xyz"), Alike);
    case("file-over-hard-link", "a file again that has a hard link", built("file a content=abc\nhardlink b -> a\nfile a content=xyz"), Noted("writes through"));
    case("file-over-directory", "a file where an empty directory was", built("dir a\nfile a content=abc"), Alike);
    case("file-over-full-directory", "a file where a directory with files was", built("dir a\nfile a/b\nfile a content=abc"), Refused("stands in for a directory"));
    case("directory-over-file", "a directory where a file was", built("file a content=abc\ndir a\nfile a/b"), Alike);
    case("directory-twice", "a directory twice", built("dir a mode=0700\nfile a/b\ndir a mode=0711"), Alike);
    case("hard-link-to-nothing", "a hard link to what is not there", built("file b\nhardlink a -> gone"), Noted("which the archive does not have"));
    case("hard-link-to-later", "a hard link to what comes later", built("hardlink a -> b\nfile b content=abc"), Noted("which the archive does not have"));
    case("hard-link-to-itself", "a hard link to itself", built("file b\nhardlink a -> a"), Noted("which the archive does not have"));
    case("hard-link-to-directory", "a hard link to a directory", built("dir d\nhardlink a -> d"), Noted("which the archive does not have"));
    case("hard-link-to-symlink", "a hard link to a symbolic link", built("file b content=abc\nsymlink s -> b\nhardlink a -> s"), Alike);
    case("hard-link-to-absolute-symlink", "a hard link to an absolute symbolic link", built("symlink s -> /nowhere/b\nhardlink a -> s"), Alike);
    case("hard-link-through-link", "a hard link whose target goes through a symbolic link", built("dir d\nfile d/f content=abc\nsymlink s -> d\nhardlink a -> s/f"), Alike);
    case("hard-link-circle", "hard links that name each other", built("hardlink a -> b\nhardlink b -> a\nfile c"), Noted("which the archive does not have"));
    case("devices", "devices and a pipe", built("char n 1,3 mode=0666\nblock d 8,0\nfifo p"), Alike);
    case("root-file", "a file that is the root", built("file . content=abc"), Refused("names the root"));
    case("root-directory", "the root itself", built("dir . mode=0755\nfile a"), Alike);

    // Holes.
    let old = |version: &str| {
        format!("file a format=pax fill=1K pax:GNU.sparse.size=9000 {version}\nfile b")
    };
    let v00 = "pax:GNU.sparse.numblocks=3 pax:GNU.sparse.offset=0 pax:GNU.sparse.numbytes=512 pax:GNU.sparse.offset=4096 pax:GNU.sparse.numbytes=512 pax:GNU.sparse.offset=9000 pax:GNU.sparse.numbytes=0";
    case("sparse-gnu", "a file with holes (GNU)", built("file a format=gnu sparse=gnu size=9000 map=0+512,4096+10 content=fill:522\nfile b"), Alike);
    case("sparse-1.0", "a file with holes (PAX 1.0)", built("file a format=pax sparse=pax size=9000 map=0+512,4096+10 content=fill:522\nfile b"), Alike);
    case("sparse-0.0", "a file with holes (PAX 0.0)", built(&old(v00)), Alike);
    case("sparse-0.1", "a file with holes (PAX 0.1)", built(&old("pax:GNU.sparse.numblocks=3 pax:GNU.sparse.map=0,512,4096,512,9000,0")), Alike);
    case("sparse-0.1-open-end", "a hole at the end that the map does not say", built(&old("pax:GNU.sparse.numblocks=2 pax:GNU.sparse.map=0,512,4096,512")), Refused("sparse map"));
    case("sparse-0.1-count", "a map with another number of ranges than is said", built(&old("pax:GNU.sparse.numblocks=7 pax:GNU.sparse.map=0,512,4096,512,9000,0")), Refused("sparse map"));
    case("sparse-more-than-stored", "a map that asks for more than is stored", patched(TWO_RANGES, 0, &[(422, b"00000002000\0")]), Refused("sparse map"));
    case("sparse-less-than-stored", "a map that asks for less than is stored", patched(TWO_RANGES, 0, &[(422, b"00000000012\0")]), Refused("sparse map"));
    case("sparse-overlap", "ranges that overlap", patched(TWO_RANGES, 0, &[(410, b"00000000400\0")]), Refused("sparse map"));
    case("sparse-backwards", "ranges in falling order", patched(TWO_RANGES, 0, &[(386, b"00000010000\0"), (410, b"00000000000\0")]), Refused("sparse map"));
    case("sparse-beyond-size", "a range beyond the file's size", patched(TWO_RANGES, 0, &[(483, b"00000001750\0")]), Refused("sparse map"));
    case("sparse-1.0-beyond-size", "a range beyond the file's size (PAX 1.0)", holes("1000", "2\n0\n512\n4096\n512\n", 1024), Refused("sparse map"));
    case("sparse-1.0-overlap", "ranges that overlap (PAX 1.0)", holes("9000", "2\n0\n512\n256\n512\n", 1024), Refused("sparse map"));
    case("sparse-1.0-no-map", "PAX 1.0 records without a map", built("file a format=pax content=abc pax:GNU.sparse.major=1 pax:GNU.sparse.minor=0 pax:GNU.sparse.realsize=9 pax:GNU.sparse.name=a\nfile b"), Refused("sparse map"));
    case("sparse-1.0-count", "a map of 2^60 ranges (PAX 1.0)", holes("9000", "1152921504606846976\n0\n512\n4096\n512\n", 1024), Refused("sparse map"));
    case("sparse-1.0-hole-only", "nothing but a hole, as libarchive says it (PAX 1.0)", holes("9000", "2\n0\n0\n9000\n0\n", 0), Alike);
    case("sparse-1.0-empty", "empty ranges between others (PAX 1.0)", holes("9000", "4\n0\n512\n512\n0\n512\n512\n9000\n0\n", 1024), Refused("sparse map"));
    case("sparse-size-missing", "PAX sparse records without the file's size", built("file a format=pax fill=512 pax:GNU.sparse.map=0,512\nfile b"), Refused("sparse map"));
    case("sparse-hole-only", "nothing but a hole", built("file a format=gnu sparse=gnu size=1M map=1M+0\nfile b"), Alike);
    case("sparse-terabyte", "a terabyte of holes", patched(TWO_RANGES, 0, &[(483, b"\x80\0\0\0\0\0\x01\0\0\0\0\0"), (434, b"\x80\0\0\0\0\0\x01\0\0\0\0\0")]), Alike);
    all
}

const TWO_RANGES: &str =
    "file a format=gnu sparse=gnu size=9000 map=0+512,4096+512 content=fill:1K\nfile b content=abc";

/// A file with a PAX 1.0 map and so many bytes of data.
fn holes(size: &str, map: &str, data: usize) -> Vec<u8> {
    let mut content = map.as_bytes().to_vec();
    content.resize(512, 0);
    content.resize(512 + data, b'x');
    let hex: String = content.iter().map(|b| format!("{b:02x}")).collect();
    let records = [
        ("major", "1"),
        ("minor", "0"),
        ("name", "a"),
        ("realsize", size),
    ];
    let records = records
        .map(|(key, value)| format!("pax:GNU.sparse.{key}={value}"))
        .join(" ");
    built(&format!(
        "file GNUSparseFile.0/a format=pax content=hex:{hex} {records}\nfile b content=abc"
    ))
}

fn cut(text: &str, bytes: usize) -> Vec<u8> {
    let mut archive = built(text);
    archive.truncate(archive.len() - bytes);
    archive
}

/// An archive of one file whose checksum is written in some other way.
fn checksum(write: impl Fn(u32) -> String) -> Vec<u8> {
    let mut bytes = patched("file a content=abc", 0, &[]);
    bytes[148..156].fill(b' ');
    let sum = bytes[..512].iter().map(|b| u32::from(*b)).sum();
    bytes[148..156].copy_from_slice(write(sum).as_bytes());
    bytes
}

fn signed_checksum() -> Vec<u8> {
    let mut bytes = built("file gr\\xc3\\xbcn content=abc");
    bytes[148..156].fill(b' ');
    let sum: i32 = bytes[..512]
        .iter()
        .map(|b| i32::from(b.cast_signed()))
        .sum();
    bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    bytes
}
