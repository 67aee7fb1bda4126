//! What became of a path, in words: what git's headers cannot say, or not in words.

use bstr::BString;

use super::state::{Data, State};
use super::text::mode;
use crate::escape;
use crate::system::capability;
use crate::write::digests::hex;

/// Whether contents differ of which at least one cannot be shown line by line.
pub(super) fn binary_differs(old: &State<'_>, new: &State<'_>) -> bool {
    match (&old.data, &new.data) {
        (Some(a), Some(b)) => a.sha256 != b.sha256 && (a.text.is_none() || b.text.is_none()),
        _ => false,
    }
}

/// What became of a path beside its lines of text, a line each. They hold foreign names and are not escaped.
pub(super) fn facts(old: Option<&State<'_>>, new: Option<&State<'_>>) -> Vec<BString> {
    let mut out = Facts::default();
    match (old, new) {
        (Some(old), Some(new)) if old.type_bits() == new.type_bits() => changes(&mut out, old, new),
        _ => {
            for (what, state) in [("removed", old), ("new", new)] {
                if let Some(state) = state {
                    whole(&mut out, what, state);
                }
            }
        }
    }
    if let Some(state) = new.or(old)
        && state.inode.is_file()
        && state.others.1 > 0
    {
        let also = match (old, new) {
            (Some(old), Some(new)) if binary_differs(old, new) => "; they change with it",
            _ => "",
        };
        out.say([&hard_links(state), also.as_bytes()].concat());
    }
    out.0
}

/// Whether either content has characters that make it look other than it is.
pub(crate) fn misleads(old: Option<&State<'_>>, new: Option<&State<'_>>) -> bool {
    let digest = |state: Option<&State<'_>>| Some(state?.data.as_ref()?.sha256);
    let sides = [old, new].into_iter().flatten();
    let mut texts = sides.filter_map(|state| state.data.as_ref()?.text.as_deref());
    digest(old) != digest(new) && texts.any(escape::misleads)
}

#[derive(Default)]
struct Facts(Vec<BString>);

impl Facts {
    fn say(&mut self, fact: impl AsRef<[u8]>) {
        self.0.push(fact.as_ref().into());
    }
}

/// A name that is gone or new, with all that it stands for.
fn whole(out: &mut Facts, what: &str, state: &State<'_>) {
    let meta = state.meta;
    if state.inode.implied() {
        return out.say(format!(
            "{what} directory: the archive has no entry that says its mode and owner"
        ));
    }
    let mode = match state.inode.symlink() {
        Some(_) => String::new(),
        None => format!("mode {}, ", mode(meta.mode)),
    };
    out.say(format!(
        "{what} {}: {mode}owner {}:{}",
        state.inode.type_name(),
        meta.uid,
        meta.gid
    ));
    if let Some(data) = &state.data
        && data.text.is_none()
    {
        out.say(binary(data));
    }
    for (name, value) in &meta.xattrs {
        out.say([b"with ".as_slice(), &xattr(name, value)].concat());
    }
}

fn changes(out: &mut Facts, old: &State<'_>, new: &State<'_>) {
    if new.inode.is_entered(old.inode) {
        return whole(out, "new entry of its own for a", new);
    }
    let (was, is) = (old.meta, new.meta);
    if was.mode != is.mode {
        out.say(format!("mode {} → {}", mode(was.mode), mode(is.mode)));
    }
    if (was.uid, was.gid) != (is.uid, is.gid) {
        let (from, to) = ((was.uid, was.gid), (is.uid, is.gid));
        out.say(format!("owner {}:{} → {}:{}", from.0, from.1, to.0, to.1));
    }
    for (sign, here, there) in [("removed", was, is), ("added", is, was)] {
        for pair in here.xattrs.iter().filter(|x| !there.xattrs.contains(x)) {
            let text = xattr(&pair.0, &pair.1);
            out.say([sign.as_bytes(), b" ", &text].concat());
        }
    }
    if let (Some(a), Some(b)) = (&old.data, &new.data)
        && (a.text.is_none() || b.text.is_none())
    {
        out.say(if a.sha256 == b.sha256 {
            format!("content unchanged: {}", binary(a))
        } else {
            format!("{} → {}", binary(a), binary(b))
        });
    }
}

fn xattr(name: &[u8], value: &[u8]) -> Vec<u8> {
    let capabilities = (name == b"security.capability").then(|| capability::decode(value));
    match capabilities.flatten() {
        Some(text) => format!("capabilities {text}").into_bytes(),
        None => {
            let size = format!(", {} bytes", value.len());
            [b"xattr ", name, size.as_bytes()].concat()
        }
    }
}

fn binary(data: &Data) -> String {
    let kind = if data.text.is_some() {
        "text"
    } else {
        "binary"
    };
    let plural = if data.len == 1 { "" } else { "s" };
    let stored = if data.sparse { " stored, sparse" } else { "" };
    format!(
        "{kind}, {} byte{plural}{stored}, sha256 {}",
        data.len,
        hex(&data.sha256)
    )
}

/// The other names of a hard-linked file, as many as tell which file it is; busybox has hundreds.
fn hard_links(state: &State<'_>) -> Vec<u8> {
    let (few, count) = &state.others;
    let names = bstr::join(", ", few);
    let more = count - few.len();
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    [
        b"hard link, also named ".as_slice(),
        &names,
        rest.as_bytes(),
    ]
    .concat()
}
