//! The words for what became of a path.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bstr::{BString, ByteSlice, ByteVec};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::side::Data;
use super::text::mode;
use super::{Difference, PathChange, Side, State, walk};
use crate::error::Result;
use crate::escape;
use crate::rootfs::{Inode, InodeId, Meta};
use crate::system::capability;
use crate::write::digests::hex;

impl PathChange {
    /// Returns a line for each difference except that of contents, without reading what files hold.
    /// Names and values in them are foreign and not escaped.
    pub(crate) fn facts(&self, old: &Side<'_>, new: &Side<'_>) -> Result<Vec<BString>> {
        let (a, b) = match (self.old, self.new) {
            (Some(a), Some(b)) => (a, b),
            (Some(a), None) => return whole("removed ", old, a, self.old_path()),
            (None, Some(b)) => return whole("new ", new, b, &self.path),
            (None, None) => return Ok(Vec::new()),
        };
        let (was, is) = (old.inode(a), new.inode(b));
        let mut facts: Vec<BString> = Vec::new();
        if is.is_entered(was) {
            let whole = whole("gets an entry of its own: ", new, b, &self.path)?;
            facts.extend(whole.into_iter().take(1));
        }
        for difference in &self.differences {
            match difference {
                Difference::Added | Difference::Removed | Difference::Content => {}
                Difference::Renamed => {
                    let from = self.from.iter();
                    facts.extend(from.map(|from| BString::from([b"was ", &from[..]].concat())));
                }
                Difference::Type | Difference::Device => {
                    facts.push(arrow(b"", &described(old, was)?, &described(new, is)?));
                }
                Difference::Target => {
                    let target = |inode: &Inode| BString::from(inode.symlink().unwrap_or_default());
                    facts.push(arrow(b"link to ", &target(was), &target(is)));
                }
                Difference::Mode => {
                    facts.push(metas(b"mode ", was, is, |meta| mode(meta.mode)));
                }
                Difference::Owner => {
                    let owner = |meta: &Meta| format!("{}:{}", meta.uid, meta.gid);
                    facts.push(metas(b"owner ", was, is, owner));
                }
                Difference::Capability => {
                    let set = |meta: &Meta| capabilities(meta).unwrap_or("none".into());
                    facts.push(metas(b"capabilities ", was, is, set));
                }
                Difference::Xattr => facts.extend(xattrs(&was.meta, &is.meta)),
                Difference::Links => {
                    let was = others(old, a, &self.path);
                    let is = others(new, b, &self.path);
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

    /// Returns what there is to say of a file besides its lines once it was read: its other names,
    /// and the digests of contents that cannot be shown.
    pub(crate) fn details(&self, new: &Side<'_>, states: &[Option<State<'_>>; 2]) -> Vec<BString> {
        let mut details = Vec::new();
        if let (Some(_), Some(b), false) = (self.old, self.new, self.has(Difference::Links))
            && new.inode(b).is_file()
            && new.inode(b).links() > 1
        {
            let others = others(new, b, &self.path);
            details.push([b"one file with ".as_slice(), &others].concat().into());
        }
        let [was, is] = states.each_ref().map(|state| {
            let state = state.as_ref().filter(|state| state.inode.is_file());
            state.and_then(|state| state.data.as_ref())
        });
        let shown = |data: Option<&Data>| data.is_none_or(|data| data.text.is_some());
        if shown(was) && shown(is) {
            return details;
        }
        let digest = |data: Option<&Data>| data.map(|data| data.sha256);
        if digest(was) == digest(is) {
            details.extend(is.map(|is| format!("content unchanged: {}", stored(is)).into()));
            return details;
        }
        let filled = |data: &&Data| data.len > 0;
        details.extend(
            was.filter(filled)
                .map(|was| format!("held {}", stored(was)).into()),
        );
        details.extend(
            is.filter(filled)
                .map(|is| format!("holds {}", stored(is)).into()),
        );
        details
    }
}

/// Returns the text on either side, empty where there is no file. Nothing where a file cannot be
/// shown line by line.
pub(crate) fn lines(states: &[Option<State<'_>>; 2]) -> Option<[Arc<[u8]>; 2]> {
    let [old, new] = states.each_ref().map(|state| match state {
        Some(state) if state.inode.is_file() => state.data.as_ref()?.text.clone(),
        _ => Some([].into()),
    });
    Some([old?, new?])
}

/// Whether either content has characters that make it look different from what it is.
pub(crate) fn misleads(states: &[Option<State<'_>>; 2]) -> bool {
    let [old, new] = states.each_ref().map(|state| state.as_ref()?.data.as_ref());
    let digest = |data: Option<&Data>| data.map(|data| data.sha256);
    let mut texts = [old, new]
        .into_iter()
        .flatten()
        .filter_map(|data| data.text.as_deref());
    digest(old) != digest(new) && texts.any(escape::misleads)
}

fn arrow(what: &[u8], was: &[u8], is: &[u8]) -> BString {
    [what, was, " → ".as_bytes(), is].concat().into()
}

/// What a path is that only one side has: in one line, and a line for each extended attribute.
fn whole(what: &str, side: &Side<'_>, id: InodeId, path: &[u8]) -> Result<Vec<BString>> {
    let inode = side.inode(id);
    let mut text = BString::from(what);
    text.push_str(described(side, inode)?);
    let meta = &inode.meta;
    if inode.implied() {
        text.push_str(", without an entry that says its mode and owner");
        return Ok(vec![text]);
    }
    if inode.symlink().is_none() {
        text.push_str(format!(", {}", mode(meta.mode)));
    }
    if (meta.uid, meta.gid) != (0, 0) {
        text.push_str(format!(", owner {}:{}", meta.uid, meta.gid));
    }
    if let Some(capabilities) = capabilities(meta) {
        text.push_str(format!(", capabilities {capabilities}"));
    }
    if inode.is_file() && inode.links() > 1 {
        text.push_str(", one file with ");
        text.push_str(others(side, id, path));
    }
    let attributes = walk::xattrs(meta).into_iter().map(|(name, value)| {
        let parts = [b"xattr ", &name[..], b" ", &shown(&value)];
        BString::from(parts.concat())
    });
    Ok(std::iter::once(text).chain(attributes).collect())
}

/// Returns the type of an inode, with the target of a link and the numbers of a device.
fn described(side: &Side<'_>, inode: &Inode) -> Result<BString> {
    let kind = inode.type_name();
    Ok(match (inode.symlink(), walk::device(side, inode)?) {
        (Some(target), _) => [b"link to ", target.as_bytes()].concat().into(),
        (None, Some((major, minor))) => format!("{kind} {major}:{minor}").into(),
        (None, None) => kind.into(),
    })
}

/// Says how a property changed. Headers of one inode that disagree are rare; those that both sides
/// have are not named.
fn metas(what: &[u8], was: &Inode, is: &Inode, of: impl Fn(&Meta) -> String) -> BString {
    let all = |inode: &Inode| inode.metas().map(&of).collect::<BTreeSet<String>>();
    let (old, new) = (all(was), all(is));
    let said = |own: &BTreeSet<String>, other: &BTreeSet<String>| {
        let only: Vec<&str> = own.difference(other).map(String::as_str).collect();
        match only.is_empty() {
            true => own
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" or "),
            false => only.join(" or "),
        }
    };
    arrow(
        what,
        said(&old, &new).as_bytes(),
        said(&new, &old).as_bytes(),
    )
}

/// Describes a content that cannot be shown as lines.
fn stored(data: &Data) -> String {
    let sparse = if data.sparse { " stored, sparse" } else { "" };
    let (len, sha256) = (data.len, hex(&data.sha256));
    format!("{len} bytes{sparse}, sha256 {sha256}")
}

pub(crate) fn capabilities(meta: &Meta) -> Option<String> {
    let value = meta.xattr(walk::CAPABILITY)?;
    let odd = || format!("in an unknown form ({} bytes)", value.len());
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

/// Returns the value of an extended attribute if it is a short text; SELinux ends its labels with a
/// NUL.
fn shown(value: &BString) -> BString {
    let text = BString::from(value.trim_end_with(|c| c == '\0'));
    let plain = |text: &str| text.len() <= 80 && !text.contains(char::is_control);
    if text.to_str().is_ok_and(plain) {
        return text;
    }
    let digest = hex(&Sha256::digest(value)[..6]);
    format!("{} bytes, sha256 {digest}…", value.len()).into()
}

/// Returns the first other names of a file, and how many there are.
fn others(side: &Side<'_>, id: InodeId, path: &[u8]) -> BString {
    let (few, count) = side.rootfs().other_paths(id, path, 4);
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
