//! cloud-init: users that it makes, or puts into groups, when the system first boots.
//!
//! Its configuration is YAML, of which only what distributions write is understood: a block with `name: USER`, and beside it
//! `groups:` and `sudo:` or `doas:`, each on a line or with a list of one item a line. What the cloud hands over is not known.

use bstr::ByteSlice;

use crate::error::Stop;
use crate::rootfs::Files;

/// What cloud-init gives a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Rules of his own for sudo or doas.
    Rules(&'static str),
    Groups(Vec<String>),
}

/// What the image's configuration has for a user.
pub(crate) fn given(files: &Files<'_>, user: &str) -> Result<Vec<Given>, Stop> {
    let mut sources = Vec::from_iter(files.file("/etc/cloud/cloud.cfg"));
    sources.extend(files.files_in("/etc/cloud/cloud.cfg.d", ".cfg"));
    let mut found = Vec::new();
    for (path, id) in sources {
        let text = files.text(id)?;
        let text = text.to_str_lossy();
        let lines: Vec<Line<'_>> = (1..)
            .zip(text.lines())
            .filter_map(|(n, l)| Line::of(n, l))
            .collect();
        for at in
            (0..lines.len()).filter(|at| lines[*at].key == "name" && values(&lines, *at) == [user])
        {
            for at in block(&lines, at) {
                let values = values(&lines, at);
                let what = match lines[at].key {
                    "groups" if !values.is_empty() => What::Groups(values),
                    "sudo" if grants(&values) => What::Rules("sudo"),
                    "doas" if grants(&values) => What::Rules("doas"),
                    _ => continue,
                };
                found.push(Given {
                    path: path.clone(),
                    line: lines[at].number,
                    what,
                });
            }
        }
    }
    Ok(found)
}

/// A line of YAML: how far it is indented, its key if it has one, and what follows.
struct Line<'t> {
    number: usize,
    /// Where the key, or the item without one, begins.
    column: usize,
    /// Whether it begins an item of a list.
    is_item: bool,
    key: &'t str,
    value: &'t str,
}

impl<'t> Line<'t> {
    fn of(number: usize, line: &'t str) -> Option<Self> {
        let text = line.trim_start();
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let item = text.strip_prefix("- ").map(str::trim_start);
        let rest = item.unwrap_or(text);
        let (key, value) = match rest.split_once(':') {
            Some((key, value)) if value.is_empty() || value.starts_with([' ', '\t']) => {
                (key, value)
            }
            _ => ("", rest),
        };
        let value = value.split(" #").next().unwrap_or_default();
        let column = line.len() - rest.len();
        Some(Self {
            number,
            column,
            is_item: item.is_some(),
            key: key.trim(),
            value: value.trim(),
        })
    }
}

/// The keys beside a key: those of its column, as far as none begins left of it or another item with it.
fn block<'l>(lines: &'l [Line<'_>], at: usize) -> impl Iterator<Item = usize> + 'l {
    let column = lines[at].column;
    let first = (0..=at)
        .rev()
        .find(|n| lines[*n].column < column || lines[*n].is_item && lines[*n].column == column);
    let first = first.map_or(0, |n| if lines[n].column < column { n + 1 } else { n });
    let ends =
        |n: &usize| lines[*n].column < column || lines[*n].is_item && lines[*n].column == column;
    let last = (at + 1..lines.len()).find(ends).unwrap_or(lines.len());
    (first..last).filter(move |n| lines[*n].column == column && !lines[*n].key.is_empty())
}

/// A key's values: what is on its line, in brackets or parted by commas, or the items that follow.
fn values(lines: &[Line<'_>], at: usize) -> Vec<String> {
    let key = &lines[at];
    let plain = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    if !key.value.is_empty() {
        let text = key.value.trim_start_matches('[').trim_end_matches(']');
        let parts: Vec<String> = text.split(',').map(plain).collect();
        return parts.into_iter().filter(|part| !part.is_empty()).collect();
    }
    let items = lines[at + 1..].iter();
    let items = items.take_while(|line| line.is_item && line.column > key.column);
    items.map(|line| plain(line.value)).collect()
}

fn grants(values: &[String]) -> bool {
    let nothing = ["false", "null", "~", "no", "off"];
    values
        .iter()
        .any(|value| !nothing.contains(&value.to_ascii_lowercase().as_str()))
}
