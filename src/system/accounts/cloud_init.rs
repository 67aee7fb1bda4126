//! cloud-init: users that it creates, or adds to groups, when the system first boots.
//!
//! Every mapping with `name: USER` counts, wherever it is, with the `groups:`, `sudo:` and `doas:` beside it. The files are
//! read event by event and never loaded as a tree, so that neither aliases nor nesting can take the memory. What the cloud
//! hands over is not known.

use std::borrow::Cow;

use bstr::ByteSlice;
use saphyr_parser::{Event, Parser};

use crate::error::Stop;
use crate::rootfs::{Files, Place};

/// The deepest nesting that is read. Real configuration has about five levels.
const DEPTH: usize = 128;

/// What cloud-init gives a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// Rules of their own for sudo or doas.
    Rules(&'static str),
    Groups(Vec<String>),
    /// Perhaps something: why casehard does not know.
    Unknown(&'static str),
}

/// Returns what the image's configuration has for a user: of groups, those that `matter`.
pub(crate) fn given(
    files: &Files<'_>,
    user: &str,
    matter: &dyn Fn(&str) -> bool,
) -> Result<Vec<(Place, Given)>, Stop> {
    let mut sources = Vec::from_iter(files.file("/etc/cloud/cloud.cfg"));
    sources.extend(files.files_in("/etc/cloud/cloud.cfg.d", ".cfg"));
    let mut found = Vec::new();
    for (path, id) in sources {
        let text = files.text(id)?;
        let given = read(&text.to_str_lossy(), user, matter).into_iter();
        found.extend(given.map(|(line, given)| (Place::new(&path, line), given)));
    }
    Ok(found)
}

/// A mapping or list that is being read.
#[derive(Default)]
struct Collection<'t> {
    is_list: bool,
    /// The scalars of a list, each with a newline behind it.
    items: String,
    /// Whether an item of a list is an alias.
    has_alias: bool,
    /// Whether a mapping has the user's name.
    is_user: bool,
    /// A key without its value so far, and its line.
    key: Option<(usize, Cow<'t, str>)>,
    given: Vec<(usize, Given)>,
}

fn read(text: &str, user: &str, matter: &dyn Fn(&str) -> bool) -> Vec<(usize, Given)> {
    let (mut found, mut open) = (Vec::new(), Vec::<Collection<'_>>::new());
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, line) = match next {
            Ok((event, span)) if open.len() <= DEPTH => (event, span.start.line()),
            Ok((_, span)) => {
                let why = "the YAML from here on is nested too deeply to be read";
                found.push((span.start.line(), Given::Unknown(why)));
                break;
            }
            Err(error) => {
                let why = "cannot be read as YAML from here on";
                found.push((error.marker().line(), Given::Unknown(why)));
                break;
            }
        };
        // The text of a value, and what separates its items.
        let (value, separator, is_alias) = match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                open.push(Collection {
                    is_list: matches!(event, Event::SequenceStart(..)),
                    ..Collection::default()
                });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let ended = open.pop().unwrap_or_default();
                found.extend(ended.given.into_iter().filter(|_| ended.is_user));
                (ended.items.into(), '\n', ended.has_alias)
            }
            Event::Scalar(text, ..) => (text, ',', false),
            Event::Alias(_) => ("".into(), ',', true),
            _ => continue,
        };
        let Some(around) = open.last_mut() else {
            continue;
        };
        if around.is_list {
            around.items.extend([&*value, "\n"]);
            around.has_alias |= is_alias;
        } else if let Some((line, key)) = around.key.take() {
            let mut items = value
                .split(separator)
                .map(str::trim)
                .filter(|item| !item.is_empty());
            let given = match &*key {
                "name" => {
                    around.is_user |= items.eq([user]);
                    None
                }
                "groups" => {
                    let groups: Vec<String> =
                        items.filter(|g| matter(g)).map(String::from).collect();
                    (!groups.is_empty()).then_some(Given::Groups(groups))
                }
                "sudo" => items.any(grants).then_some(Given::Rules("sudo")),
                "doas" => items.any(grants).then_some(Given::Rules("doas")),
                _ => None,
            };
            around.given.extend(given.map(|given| (line, given)));
            if is_alias && ["groups", "sudo", "doas", "<<"].contains(&&*key) {
                let why = "casehard does not follow the YAML alias here";
                around.given.push((line, Given::Unknown(why)));
            }
        } else {
            around.key = Some((line, value));
        }
    }
    let unended = open.into_iter().filter(|around| around.is_user);
    found.extend(unended.flat_map(|around| around.given));
    found
}

/// Returns whether a value of `sudo:` or `doas:` is more than a way to say nothing.
fn grants(value: &str) -> bool {
    let nothing = ["false", "null", "~", "no", "off"];
    !nothing.contains(&value.to_ascii_lowercase().as_str())
}
