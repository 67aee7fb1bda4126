//! JSON that shows what it holds: what a terminal would obey, or show in another order, is written as `\u202e`.

use serde::Serialize;

use crate::escape::is_misleading;

/// A value as indented JSON, with a line feed at the end.
pub(super) fn write(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("text keys and plain values");
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
