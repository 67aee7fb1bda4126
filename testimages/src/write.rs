//! From a [`Description`] to bytes.

use crate::header::{self, BLOCK, Names, OCTAL_ID_MAX};
use crate::model::{Description, Entry, Format, Item, Kind, Record, SparseStyle};
use crate::sparse;

/// The whole archive.
pub(crate) fn archive(description: &Description) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for (line, item) in &description.items {
        match item {
            Item::Entry(entry) => {
                self::entry(&mut out, entry)
                    .map_err(|message| format!("line {line}: {message}"))?;
            }
            Item::Global(records) => {
                records_entry(&mut out, b'g', b"pax_global_header", 0, records);
            }
            Item::Raw(bytes) => out.extend(bytes),
        }
    }
    out.resize(out.len() + description.trailer * BLOCK, 0);
    if description.blocking > 0 && description.trailer > 0 {
        out.resize(out.len().next_multiple_of(description.blocking * BLOCK), 0);
    }
    Ok(out)
}

fn entry(out: &mut Vec<u8>, entry: &Entry) -> Result<(), String> {
    let mut records = Vec::new();
    let names = names(out, entry, &mut records)?;
    if entry.format == Format::Pax && !entry.owner.base256 {
        for (key, id) in [("uid", entry.owner.uid), ("gid", entry.owner.gid)] {
            if id > OCTAL_ID_MAX {
                records.push((key.into(), id.to_string().into_bytes()));
            }
        }
    }
    if let Some(exact) = &entry.mtime.exact {
        records.push(("mtime".into(), exact.clone().into_bytes()));
    }
    let mut map = Vec::new();
    if let Some(file) = &entry.sparse
        && file.style == SparseStyle::Pax
    {
        records.extend(sparse::pax_records(file, &entry.name));
        map = sparse::pax_map(file);
    }
    records.extend(entry.pax.iter().cloned());
    if !records.is_empty() {
        let seconds = entry.mtime.seconds;
        records_entry(out, b'x', &pax_header_name(&entry.name), seconds, &records);
    }

    let size = (map.len() + entry.content.len()) as u64;
    let mut header = header::of_entry(entry, &names, size)?;
    let mut blocks = Vec::new();
    if let Some(file) = &entry.sparse
        && file.style == SparseStyle::Gnu
    {
        if entry.format != Format::Gnu {
            return Err("sparse=gnu needs format=gnu".to_owned());
        }
        blocks = sparse::old_gnu(file, header.as_mut_bytes());
    }
    out.extend(header::seal(header, entry.wrong.checksum));
    out.extend(blocks);
    out.extend(map);
    padded(out, &entry.content);
    Ok(())
}

/// Fits the names into the header; what does not fit goes into GNU entries before it or into records.
fn names(out: &mut Vec<u8>, entry: &Entry, records: &mut Vec<Record>) -> Result<Names, String> {
    let pax_sparse = entry
        .sparse
        .as_ref()
        .is_some_and(|file| file.style == SparseStyle::Pax);
    let shown = if pax_sparse {
        sparse::pax_header_name(&entry.name)
    } else {
        entry.name.clone()
    };
    let mut names = match Names::fit(entry.format, &shown) {
        Some(names) => names,
        None => {
            if !pax_sparse {
                too_long(out, entry.format, b'L', &shown, records)?;
            }
            Names {
                name: Names::cut(&shown),
                ..Names::default()
            }
        }
    };
    if entry.format == Format::Pax && !pax_sparse && names.name == shown && foreign(&shown) {
        records.push(("path".into(), shown));
    }
    if entry.kind.links() {
        names.link = Names::cut(&entry.link);
        if names.link != entry.link {
            too_long(out, entry.format, b'K', &entry.link, records)?;
        } else if entry.format == Format::Pax && foreign(&entry.link) {
            records.push(("linkpath".into(), entry.link.clone()));
        }
    } else {
        debug_assert!(entry.link.is_empty() && entry.kind != Kind::Hardlink);
    }
    Ok(names)
}

/// Whether PAX writers put a name into a record for its characters: UTF-8 beyond ASCII.
fn foreign(name: &[u8]) -> bool {
    !name.is_ascii() && std::str::from_utf8(name).is_ok()
}

fn too_long(
    out: &mut Vec<u8>,
    format: Format,
    typeflag: u8,
    name: &[u8],
    records: &mut Vec<Record>,
) -> Result<(), String> {
    match format {
        Format::Gnu => {
            let content = [name, b"\0"].concat();
            let header = header::auxiliary(format, typeflag, b"././@LongLink", 0, content.len());
            out.extend(header);
            padded(out, &content);
        }
        Format::Pax => {
            let key = if typeflag == b'L' { "path" } else { "linkpath" };
            records.push((key.into(), name.to_vec()));
        }
        Format::Ustar | Format::V7 => {
            return Err("the name does not fit in this format: use gnu or pax".to_owned());
        }
    }
    Ok(())
}

fn records_entry(out: &mut Vec<u8>, typeflag: u8, name: &[u8], mtime: u64, records: &[Record]) {
    let content: Vec<u8> = records
        .iter()
        .flat_map(|(key, value)| record(key, value))
        .collect();
    out.extend(header::auxiliary(
        Format::Ustar,
        typeflag,
        name,
        mtime,
        content.len(),
    ));
    padded(out, &content);
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// `DIR/PaxHeaders/BASE`, as GNU tar calls the header of an entry's records.
fn pax_header_name(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let slash = name.iter().rposition(|&byte| byte == b'/');
    let (folder, base) = name.split_at(slash.map_or(0, |at| at + 1));
    [folder, b"PaxHeaders/", base].concat()
}

fn padded(out: &mut Vec<u8>, content: &[u8]) {
    out.extend(content);
    let padding = content.len().next_multiple_of(BLOCK) - content.len();
    out.resize(out.len() + padding, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_digits() {
        assert_eq!(record(b"a", b"b"), b"6 a=b\n");
        assert_eq!(record(b"path", b"12345"), b"14 path=12345\n");
        // 98 bytes beside the length would be 100 with it, and then 101.
        for value in 80..110 {
            let bytes = record(b"key", &vec![b'v'; value]);
            let text = String::from_utf8(bytes.clone()).unwrap();
            let (length, _) = text.split_once(' ').unwrap();
            assert_eq!(length.parse::<usize>().unwrap(), bytes.len());
        }
    }
}
