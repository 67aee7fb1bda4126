//! What became of a path in words, without reading what files hold.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Comparison, Difference, PathChange, Side, walk};
use crate::error::Result;
use crate::report::{Data, mode};
use crate::rootfs::{Inode, InodeId, Meta};
use crate::system::capability;
use crate::write::digests::hex;

impl Comparison<'_> {
    /// A line for each difference but that of contents. Names and values in them are foreign and not escaped.
    pub(super) fn facts(&self, change: &PathChange) -> Result<Vec<BString>> {
        let (old, new) = (&self.old, &self.new);
        let (a, b) = match (change.old, change.new) {
            (Some(a), Some(b)) => (a, b),
            (Some(a), None) => return whole(old, a, &change.path).map(|fact| vec![fact]),
            (None, Some(b)) => return whole(new, b, &change.path).map(|fact| vec![fact]),
            (None, None) => return Ok(Vec::new()),
        };
        let (was, is) = (old.rootfs.inode(a), new.rootfs.inode(b));
        let mut facts: Vec<BString> = Vec::new();
        for difference in &change.differences {
            match difference {
                Difference::Added | Difference::Removed | Difference::Content => {}
                Difference::Renamed => {
                    let from = change.from.iter();
                    facts.extend(from.map(|from| BString::from([b"was ", &from[..]].concat())));
                }
                Difference::Type => {
                    let (was, is) = (described(old, was)?, described(new, is)?);
                    facts.push(arrow(b"", &was, &is));
                }
                Difference::Target => {
                    let target = |inode: &Inode| BString::from(inode.symlink().unwrap_or_default());
                    facts.push(arrow(b"link to ", &target(was), &target(is)));
                }
                Difference::Device => {
                    facts.push(arrow(b"", &described(old, was)?, &described(new, is)?));
                }
                Difference::Mode => {
                    let modes = |inode| said(inode, |meta| mode(meta.mode));
                    facts.push(arrow(b"mode ", &modes(was), &modes(is)));
                }
                Difference::Owner => {
                    let owners = |inode| said(inode, |meta| format!("{}:{}", meta.uid, meta.gid));
                    facts.push(arrow(b"owner ", &owners(was), &owners(is)));
                }
                Difference::Capability => {
                    let sets =
                        |inode| said(inode, |meta| capabilities(meta).unwrap_or("none".into()));
                    facts.push(arrow(b"capabilities ", &sets(was), &sets(is)));
                }
                Difference::Xattr => facts.extend(xattrs(&was.meta, &is.meta)),
                Difference::Links => {
                    let (was, is) = (others(old, a, &change.path), others(new, b, &change.path));
                    facts.push(arrow(b"one file with ", &was, &is));
                }
                Difference::Time => {
                    facts.push(arrow(b"time ", &time(was.mtime), &time(is.mtime)));
                }
                Difference::Order => {
                    facts.push("the first whose entry is elsewhere in the archive".into());
                }
            }
        }
        Ok(facts)
    }
}

fn arrow(what: &[u8], was: &[u8], is: &[u8]) -> BString {
    [what, was, " → ".as_bytes(), is].concat().into()
}

/// All that there is to say of a path that only one image has.
fn whole(side: &Side<'_>, id: InodeId, path: &[u8]) -> Result<BString> {
    let inode = side.rootfs.inode(id);
    let mut text = described(side, inode)?;
    let meta = &inode.meta;
    if inode.symlink().is_none() {
        text.extend_from_slice(format!(", {}", mode(meta.mode)).as_bytes());
    }
    if (meta.uid, meta.gid) != (0, 0) {
        text.extend_from_slice(format!(", owner {}:{}", meta.uid, meta.gid).as_bytes());
    }
    if let Some(capabilities) = capabilities(meta) {
        text.extend_from_slice(format!(", capabilities {capabilities}").as_bytes());
    }
    if inode.is_file() && inode.links() > 1 {
        text.extend_from_slice(b", one file with ");
        text.extend_from_slice(&others(side, id, path));
    }
    Ok(text)
}

/// What something is, with the little that tells one from another.
fn described(side: &Side<'_>, inode: &Inode) -> Result<BString> {
    let kind = inode.type_name();
    Ok(match (inode.symlink(), walk::device(side, inode)?) {
        (Some(target), _) => [b"link to ", target.as_bytes()].concat().into(),
        (None, Some((major, minor))) => format!("{kind} {major}:{minor}").into(),
        (None, None) => kind.into(),
    })
}

/// What the headers of an inode say of one thing; nearly always one.
fn said(inode: &Inode, of: impl Fn(&Meta) -> String) -> BString {
    let said: BTreeSet<String> = inode.metas().map(of).collect();
    let said: Vec<String> = said.into_iter().collect();
    said.join(" or ").into()
}

/// Contents that cannot be shown as lines.
pub(super) fn stored(data: &Data) -> String {
    let sparse = if data.sparse { " stored, sparse" } else { "" };
    let (len, sha256) = (data.len, hex(&data.sha256));
    format!("{len} bytes{sparse}, sha256 {sha256}")
}

pub(super) fn capabilities(meta: &Meta) -> Option<String> {
    let value = meta.xattr("security.capability")?;
    let odd = || format!("of no known form ({} bytes)", value.len());
    Some(capability::decode(value).unwrap_or_else(odd))
}

fn xattrs(was: &Meta, is: &Meta) -> Vec<BString> {
    let (was, is) = (walk::xattrs(was), walk::xattrs(is));
    let names: BTreeSet<&BString> = was.keys().chain(is.keys()).collect();
    let line = |name: &BString| {
        let shown = |values: &BTreeMap<BString, BString>| match values.get(name) {
            Some(value) => shown(value),
            None => "none".into(),
        };
        let differ = was.get(name) != is.get(name);
        differ.then(|| {
            arrow(
                &[b"xattr ", &name[..], b" "].concat(),
                &shown(&was),
                &shown(&is),
            )
        })
    };
    names.into_iter().filter_map(line).collect()
}

/// The value of an extended attribute, if it is a short text; SELinux ends its labels with a NUL.
fn shown(value: &BString) -> BString {
    let text = BString::from(value.trim_end_with(|c| c == '\0'));
    let plain = |text: &str| text.len() <= 80 && !text.contains(char::is_control);
    if text.to_str().is_ok_and(plain) {
        return text;
    }
    let digest = hex(&Sha256::digest(value)[..6]);
    format!("{} bytes, sha256 {digest}…", value.len()).into()
}

/// The other names of a file, as many as tell which file it is.
fn others(side: &Side<'_>, id: InodeId, path: &[u8]) -> BString {
    let (few, count) = side.rootfs.other_paths(id, path, 4);
    let mut text = bstr::join(b", ", &few);
    match (few.is_empty(), count - few.len()) {
        (true, _) => text.extend_from_slice(b"none"),
        (false, 0) => {}
        (false, more) => text.extend_from_slice(format!(" and {more} more").as_bytes()),
    }
    text.into()
}

fn time(seconds: u64) -> BString {
    let stamp = i64::try_from(seconds)
        .ok()
        .and_then(|s| Timestamp::from_second(s).ok());
    stamp
        .map_or_else(|| seconds.to_string(), |stamp| stamp.to_string())
        .into()
}
