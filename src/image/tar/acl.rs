//! Access control lists as Linux keeps them in an attribute, as the text that tar has in a record.

use super::xattrs::SCHILY_ACL;

/// Of an extended attribute that is an access control list, what a tar has in its place: extractors
/// that restore lists look for the text, which has users and groups by number here.
pub(super) fn in_tar(name: &[u8], value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let which = name.strip_prefix(b"system.posix_acl_")?;
    let text = as_text(value)?;
    Some(([SCHILY_ACL, which].concat(), text.into_bytes()))
}

/// Returns the text of an access control list as Linux keeps it; nothing if it is not one.
pub(crate) fn as_text(value: &[u8]) -> Option<String> {
    let entries = value.strip_prefix(&VERSION.to_le_bytes())?;
    let (entries, []) = entries.as_chunks::<ENTRY>() else {
        return None;
    };
    let entries = entries.iter().map(entry).collect::<Option<Vec<_>>>()?;
    Some(entries.join(","))
}

const VERSION: u32 = 2;
const ENTRY: usize = 8;

/// Returns a tag, permissions, and the number of the user or group where the tag speaks of one.
fn entry(bytes: &[u8; ENTRY]) -> Option<String> {
    let [tag, .., i0, i1, i2, i3] = *bytes;
    let [_, high, permissions, 0, ..] = *bytes else {
        return None;
    };
    let number = u32::from_le_bytes([i0, i1, i2, i3]).to_string();
    let (kind, whom) = match (tag, high) {
        (0x01, 0) => ("user", ""),
        (0x02, 0) => ("user", &*number),
        (0x04, 0) => ("group", ""),
        (0x08, 0) => ("group", &*number),
        (0x10, 0) => ("mask", ""),
        (0x20, 0) => ("other", ""),
        _ => return None,
    };
    let bit = |bit: u8, name| if permissions & bit != 0 { name } else { '-' };
    let permissions: String = [bit(4, 'r'), bit(2, 'w'), bit(1, 'x')].iter().collect();
    Some(format!("{kind}:{whom}:{permissions}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = b"\x02\0\0\0\
        \x01\0\x07\0\xff\xff\xff\xff\x02\0\x05\0\xe8\x03\0\0\x04\0\x04\0\xff\xff\xff\xff\
        \x08\0\x02\0\0\0\x01\0\x10\0\x07\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";

    #[test]
    fn a_list_is_the_text_that_tar_writes() {
        let text = "user::rwx,user:1000:r-x,group::r--,group:65536:-w-,mask::rwx,other::---";
        for which in ["access", "default"] {
            let name = format!("system.posix_acl_{which}");
            let (key, value) = in_tar(name.as_bytes(), LIST).unwrap();
            assert_eq!(key, format!("SCHILY.acl.{which}").as_bytes());
            assert_eq!(String::from_utf8(value).unwrap(), text);
        }
        assert_eq!(in_tar(b"user.posix_acl_access", LIST), None);
    }

    #[test]
    fn what_is_no_list_stays_an_attribute() {
        let name = b"system.posix_acl_access";
        let changed = |at: usize, byte| {
            let mut list = LIST.to_vec();
            list[at] = byte;
            list
        };
        for odd in [&changed(0, 3), &changed(4, 3), &changed(7, 1), &LIST[..11]] {
            assert_eq!(in_tar(name, odd), None);
        }
    }
}
