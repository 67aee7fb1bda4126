//! The report for programs: views of its own, so that the internals can change without it.
//! `docs/report.schema.json` and `docs/diff.schema.json` say what they hold; a field that is added
//! there is not a new version, one that is taken away or means something else is.

mod comparison;
mod plan;

use bstr::{BStr, BString, ByteSlice};
use serde_json::{Value, json};

use crate::diff::HardLinks;
use crate::escape::is_misleading;
use crate::inventory::Change;
use crate::rootfs::{Inode, InodeId, Meta, Rootfs};
use crate::write::digests::hex;

/// Returns the program that writes the report.
fn tool() -> Value {
    json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") })
}

/// Returns a part of the attack surface that changed; its texts take the form that `text` gives.
fn item(change: &Change, name_bytes: Option<&str>, text: fn(&BString) -> String) -> Value {
    json!({
        "kind": change.kind.name(),
        "name": text(&change.name),
        "name_bytes": name_bytes,
        "lost": change.lost.iter().map(text).collect::<Value>(),
        "gained": change.gained.iter().map(text).collect::<Value>(),
    })
}

/// Returns a text under `key`. It is nearly always UTF-8; where it is not, `key_bytes` has the bytes
/// in hexadecimal digits, and `key` only resembles them.
fn text(key: &str, bytes: &[u8]) -> Value {
    let odd = bytes.to_str().is_err();
    json!({
        key: bytes.as_bstr().to_string(),
        (format!("{key}_bytes")): odd.then(|| hex(bytes)),
    })
}

fn path(path: &[u8]) -> Value {
    text("path", path)
}

/// Returns what an inode is.
fn inode(inode: &Inode, meta: &Meta) -> Value {
    json!({
        "type": inode.type_name(),
        "mode": octal(meta.mode),
        "uid": meta.uid,
        "gid": meta.gid,
    })
}

/// Returns where a symbolic link leads.
fn target(inode: &Inode) -> Value {
    let target = inode.symlink();
    target.map_or(json!({}), |target| text("target", target))
}

/// Returns the other names of a file, at the first of them; at the others, where they are listed.
fn hard_links(links: &mut HardLinks, at: &BStr, id: InodeId, rootfs: &Rootfs) -> Value {
    let names = links.at(at, id, rootfs);
    let all: Vec<_> = names.all.iter().map(|name| path(name)).collect();
    json!({
        "hard_links": (!all.is_empty()).then_some(all),
        "hard_links_at": names.told_at.map(|name| path(&name)),
    })
}

/// Returns one object with the properties of several.
fn joined<const N: usize>(objects: [Value; N]) -> Value {
    let properties = objects.into_iter().filter_map(|object| match object {
        Value::Object(properties) => Some(properties),
        _ => None,
    });
    Value::Object(properties.flatten().collect())
}

/// Removes the properties that have no value.
fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(properties) => {
            properties.retain(|_, value| !value.is_null());
            properties.values_mut().for_each(remove_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

fn octal(bits: u32) -> String {
    format!("{bits:04o}")
}

/// Returns a value as indented JSON with a line feed at the end, without the properties that are
/// null. Characters that a terminal would obey, or show in another order, are written as `\u202e`.
pub(super) fn pretty(mut value: Value) -> String {
    remove_nulls(&mut value);
    let text = format!("{value:#}");
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // Outside strings there is nothing of the kind but line feeds.
        match c {
            '\n' => out.push(c),
            _ if is_misleading(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('\n');
    out
}
