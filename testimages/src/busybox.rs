//! Executables shaped like busybox: headers that a loader accepts, the banner, the sorted names and, in the same order, the
//! addresses of each applet's code. On x86-64 and i386 `true` and `false` end 0 and 1; there is nothing more to run.

use crate::content::pattern;

/// The kinds of executable in which busybox comes: how big an address is and how the loader is told to move it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// x86-64, linked to a fixed address.
    X86_64,
    /// i386, linked to a fixed address.
    I386,
    /// arm in Thumb code, linked to a fixed address.
    Arm,
    /// x86-64, position-independent: addends in the relocations.
    X86_64Rela,
    /// arm64, position-independent: addends in the relocations.
    Arm64Rela,
    /// x86-64, position-independent: packed relocations, addends in place.
    X86_64Relr,
    /// i386, position-independent: addends in place.
    I386Rel,
    /// arm in Thumb code, position-independent: addends in place.
    ArmRel,
}

impl Layout {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::X86_64,
        Self::I386,
        Self::Arm,
        Self::X86_64Rela,
        Self::Arm64Rela,
        Self::X86_64Relr,
        Self::I386Rel,
        Self::ArmRel,
    ];

    fn machine(self) -> u16 {
        match self {
            Self::X86_64 | Self::X86_64Rela | Self::X86_64Relr => 62,
            Self::I386 | Self::I386Rel => 3,
            Self::Arm | Self::ArmRel => 40,
            Self::Arm64Rela => 183,
        }
    }

    fn word(self) -> usize {
        match self.machine() {
            62 | 183 => 8,
            _ => 4,
        }
    }

    fn fixed(self) -> bool {
        matches!(self, Self::X86_64 | Self::I386 | Self::Arm)
    }

    /// Where it is linked to.
    fn base(self) -> usize {
        if self.fixed() { 0x40_0000 } else { 0 }
    }

    /// The relocation that adds the address of loading.
    fn relative(self) -> usize {
        match self.machine() {
            183 => 1027,
            40 => 23,
            _ => 8,
        }
    }
}

/// Names that run the same code.
const ALIASES: &[&[&str]] = &[
    &["[", "[[", "test"],
    &["ash", "sh"],
    &["egrep", "fgrep", "grep"],
    &["ftpget", "ftpput"],
    &["gunzip", "zcat"],
    &["halt", "poweroff", "reboot"],
    &["md5sum", "sha1sum", "sha256sum", "sha512sum"],
];

/// How far from the file's place the data is in memory.
const SHIFT: usize = 0x1000;

/// An executable with these applets; they are sorted, and doubles left out.
#[must_use]
pub fn busybox(layout: Layout, applets: &[&str]) -> Vec<u8> {
    let mut names = applets.to_vec();
    names.sort_unstable();
    names.dedup();
    let word = layout.word();
    let headers = if word == 8 { (64, 56) } else { (52, 32) };
    let segments = if layout.fixed() { 2 } else { 3 };

    let mut text = vec![0; headers.0 + segments * headers.1];
    text.extend(pattern(1024));
    text.extend(b"\0BusyBox v1.36.1 (2023-05-18 22:34:17 UTC) multi-call binary.\0");
    for name in &names {
        text.extend(name.as_bytes());
        text.push(0);
    }
    text.push(0);
    pad(&mut text, 16);
    let relocations_at = text.len();
    text.resize(relocations_at + relocations_size(layout, names.len()), 0);
    pad(&mut text, 16);
    let mut addresses = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let group = ALIASES.iter().find(|group| group.contains(name));
        let first = group.and_then(|group| names.iter().position(|name| group.contains(name)));
        let address = match first {
            Some(first) if first < at => addresses[first],
            _ => {
                let address = layout.base() + text.len() + usize::from(layout.machine() == 40);
                code(&mut text, name, at);
                address
            }
        };
        addresses.push(address);
    }

    let dynamic_at = text.len();
    let mut file = text;
    if !layout.fixed() {
        dynamic(&mut file, layout, relocations_at, names.len());
    }
    let dynamic_size = file.len() - dynamic_at;
    put(&mut file, word, 0);
    let table = file.len();
    let in_place = layout != Layout::X86_64Rela && layout != Layout::Arm64Rela;
    for address in &addresses {
        put(&mut file, word, if in_place { *address } else { 0 });
    }
    put(&mut file, word, 0);
    file.extend(pattern(512));
    let moved = relocations(layout, table + SHIFT, &addresses);
    file[relocations_at..relocations_at + moved.len()].copy_from_slice(&moved);

    let entry = layout.base() + relocations_at;
    let mut start = header(layout, entry, segments);
    let base = layout.base();
    segment(&mut start, word, [1, 5, 0, base, dynamic_at]);
    let data = [
        1,
        6,
        dynamic_at,
        base + dynamic_at + SHIFT,
        file.len() - dynamic_at,
    ];
    segment(&mut start, word, data);
    if !layout.fixed() {
        segment(&mut start, word, [2, 6, data[2], data[3], dynamic_size]);
    }
    file[..start.len()].copy_from_slice(&start);
    file
}

/// `mov eax, N; ret`, in sixteen bytes.
fn code(text: &mut Vec<u8>, name: &str, at: usize) {
    let status = match name {
        "true" => 0,
        "false" => 1,
        _ => at + 2,
    };
    text.push(0xb8);
    put(text, 4, status);
    text.push(0xc3);
    pad(text, 16);
}

fn relocations_size(layout: Layout, count: usize) -> usize {
    match layout {
        _ if layout.fixed() => 0,
        Layout::X86_64Rela | Layout::Arm64Rela => 24 * count,
        // The first has an address, the others a bit.
        Layout::X86_64Relr => 8 + 8 * count.saturating_sub(1).div_ceil(63),
        _ => 8 * count,
    }
}

fn relocations(layout: Layout, table: usize, addresses: &[usize]) -> Vec<u8> {
    let (word, count) = (layout.word(), addresses.len());
    let mut bytes = Vec::new();
    if layout == Layout::X86_64Relr {
        put(&mut bytes, 8, table);
        for first in (1..count).step_by(63) {
            let bits = (count - first).min(63);
            let ones = usize::MAX >> (63 - bits);
            put(&mut bytes, 8, ones);
        }
    } else if !layout.fixed() {
        for (at, address) in addresses.iter().enumerate() {
            put(&mut bytes, word, table + at * word);
            put(&mut bytes, word, layout.relative());
            if word == 8 {
                put(&mut bytes, word, *address);
            }
        }
    }
    bytes
}

fn dynamic(file: &mut Vec<u8>, layout: Layout, at: usize, count: usize) {
    // The tags of a table's place, its size and the size of an entry.
    let (tags, entry) = match layout {
        Layout::X86_64Rela | Layout::Arm64Rela => ([7, 8, 9], 24),
        Layout::X86_64Relr => ([36, 35, 37], 8),
        _ => ([17, 18, 19], 8),
    };
    for (tag, value) in tags
        .into_iter()
        .zip([at, relocations_size(layout, count), entry])
    {
        put(file, layout.word(), tag);
        put(file, layout.word(), value);
    }
    put(file, layout.word(), 0);
    put(file, layout.word(), 0);
}

fn header(layout: Layout, entry: usize, segments: usize) -> Vec<u8> {
    let word = layout.word();
    let mut bytes = b"\x7fELF".to_vec();
    bytes.extend([if word == 8 { 2 } else { 1 }, 1, 1]);
    bytes.resize(16, 0);
    put(&mut bytes, 2, if layout.fixed() { 2 } else { 3 });
    put(&mut bytes, 2, layout.machine().into());
    put(&mut bytes, 4, 1);
    let sizes = if word == 8 { (64, 56) } else { (52, 32) };
    for value in [entry, sizes.0, 0] {
        put(&mut bytes, word, value);
    }
    put(&mut bytes, 4, 0);
    for value in [sizes.0, sizes.1, segments, 0, 0, 0] {
        put(&mut bytes, 2, value);
    }
    bytes
}

/// A program header: type, flags, and where it is in the file and in memory, and its size.
fn segment(bytes: &mut Vec<u8>, word: usize, [kind, flags, file, memory, size]: [usize; 5]) {
    put(bytes, 4, kind);
    if word == 8 {
        put(bytes, 4, flags);
    }
    for value in [file, memory, memory, size, size] {
        put(bytes, word, value);
    }
    if word == 4 {
        put(bytes, 4, flags);
    }
    put(bytes, word, if kind == 1 { SHIFT } else { word });
}

fn put(bytes: &mut Vec<u8>, size: usize, value: usize) {
    bytes.extend(&(value as u64).to_le_bytes()[..size]);
}

fn pad(bytes: &mut Vec<u8>, multiple: usize) {
    bytes.resize(bytes.len().next_multiple_of(multiple), 0xcc);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        for layout in Layout::ALL {
            let bytes = busybox(*layout, &["wget", "[", "ash", "[[", "ash"]);
            assert!(bytes.starts_with(b"\x7fELF"));
            let names = b"[\0[[\0ash\0wget\0\0";
            assert!(bytes.windows(names.len()).any(|window| window == names));
        }
    }

    #[test]
    fn aliases_have_one_address() {
        let bytes = busybox(Layout::I386, &["[", "ls", "test"]);
        let words: Vec<&[u8]> = bytes.chunks(4).collect();
        let code = |word: &[u8]| word[2..] == [0x40, 0] && word[1] >= 4;
        let table = words.windows(3).find(|w| w.iter().all(|word| code(word)));
        let table = table.expect("three addresses in a row");
        assert_eq!(table[0], table[2]);
        assert_ne!(table[0], table[1]);
    }
}
