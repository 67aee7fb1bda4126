//! Users that cloud-init, Ignition and Kairos create, or add to groups, when the system boots.
//!
//! Every mapping with `name: USER`, or under the key USER, counts, wherever it is, with the `groups:`, `sudo:` and `doas:`
//! in it, and so does every group with the user in a mapping below `groups:`. Ignition's JSON is YAML, too. The files are
//! read event by event and never loaded as a tree, so that neither aliases nor nesting can take the memory. What a cloud
//! hands over is not known.

use std::borrow::Cow;

use bstr::ByteSlice;
use saphyr_parser::{Event, Parser};

use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};
use crate::system::boot_writes::{cloud_init_files, ignition_files, kairos_files};

const ALIAS: &str = "casehard does not follow the YAML alias here";

/// The deepest nesting that is read. Real configuration has about five levels.
const DEPTH: usize = 128;

/// How data for cloud-init begins that is neither its configuration nor a script.
const OTHER_PARTS: [&str; 3] = [
    "#cloud-config-archive",
    "#cloud-config-jsonp",
    "#part-handler",
];

/// What cloud-init gives a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// Rules of their own for sudo or doas.
    Rules(&'static str),
    Groups(Vec<String>),
    /// Perhaps something: why casehard does not know.
    Unknown(&'static str),
}

/// Something that makes accounts by a configuration in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Provisioner {
    pub(crate) name: &'static str,
    pub(crate) when: &'static str,
}

const FIRST: &str = "when the system first boots";
const CLOUD_INIT: Provisioner = Provisioner {
    name: "cloud-init",
    when: FIRST,
};
const IGNITION: Provisioner = Provisioner {
    name: "Ignition",
    when: FIRST,
};
const KAIROS: Provisioner = Provisioner {
    name: "Kairos",
    when: "at every boot",
};

/// Returns every configuration of a provisioner in the image.
pub(crate) fn sources(files: &Files<'_>) -> Vec<(Provisioner, String, InodeId)> {
    let of = |who, found: Vec<(String, InodeId)>| {
        found.into_iter().map(move |(path, id)| (who, path, id))
    };
    let mut all: Vec<_> = of(CLOUD_INIT, cloud_init_files(files)).collect();
    all.extend(of(IGNITION, ignition_files(files)));
    all.extend(of(KAIROS, kairos_files(files)));
    all
}

/// Returns what the image's configuration has for a user: of groups, those that `matter`.
pub(crate) fn given(
    files: &Files<'_>,
    user: &str,
    matter: &dyn Fn(&str) -> bool,
) -> Result<Vec<(Place, Provisioner, Given)>, Stop> {
    let mut found = Vec::new();
    for (who, path, id) in sources(files) {
        let text = files.text(id)?;
        let text = text.to_str_lossy();
        let given = match text.lines().next().unwrap_or_default() {
            first if first.starts_with("#!") => continue,
            first if first.starts_with("Content-Type:") || first.starts_with("MIME-Version:") => {
                vec![(
                    1,
                    Given::Unknown("casehard does not read data in several parts"),
                )]
            }
            first if first.starts_with("#include") => {
                vec![(
                    1,
                    Given::Unknown("casehard does not fetch what this includes"),
                )]
            }
            first if OTHER_PARTS.iter().any(|part| first.starts_with(part)) => {
                vec![(
                    1,
                    Given::Unknown("casehard does not read this kind of data"),
                )]
            }
            _ => read(&text, user, matter),
        };
        found.extend(
            given
                .into_iter()
                .map(|(line, given)| (Place::new(&path, line), who, given)),
        );
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
    /// Whether it is below a key `groups`: mappings there have groups as keys, and their members.
    of_groups: bool,
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
                let around = open.last();
                let key = around.and_then(|around| Some(&*around.key.as_ref()?.1));
                let is_list = matches!(event, Event::SequenceStart(..));
                open.push(Collection {
                    is_list,
                    of_groups: key == Some("groups")
                        || around.is_some_and(|around| around.is_list && around.of_groups),
                    is_user: !is_list && key == Some(user),
                    ..Collection::default()
                });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let ended = open.pop().unwrap_or_default();
                let around = open.last_mut().filter(|around| {
                    // In Ignition's second version groups are there.
                    around.key.as_ref().is_some_and(|(_, key)| key == "create")
                });
                match (ended.is_user, around) {
                    (true, _) => found.extend(ended.given),
                    (false, Some(around)) => around.given.extend(ended.given),
                    _ => {}
                }
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
            if around.of_groups {
                around.items.extend([&*key, "\n"]);
                if matter(&key) {
                    let is_member = items.any(|item| item == user);
                    let given = is_member.then(|| Given::Groups(vec![key.into_owned()]));
                    let unknown = is_alias.then_some(Given::Unknown(ALIAS));
                    found.extend(given.or(unknown).map(|given| (line, given)));
                }
                continue;
            }
            let given = match &*key {
                "name" => {
                    around.is_user |= items.eq([user]) || is_alias;
                    None
                }
                "user" if items.clone().eq([user]) => {
                    // cloud-init merges it with `default_user`.
                    let why = "this names the default user, who gets the groups and rules of that";
                    found.push((line, Given::Unknown(why)));
                    None
                }
                "groups" | "primary_group" | "primary-group" | "primaryGroup" => {
                    let groups: Vec<String> =
                        items.filter(|g| matter(g)).map(String::from).collect();
                    (!groups.is_empty()).then_some(Given::Groups(groups))
                }
                "sudo" => items.any(grants).then_some(Given::Rules("sudo")),
                "doas" => items.any(grants).then_some(Given::Rules("doas")),
                _ => None,
            };
            around.given.extend(given.map(|given| (line, given)));
            if is_alias
                && ["name", "groups", "primary_group", "sudo", "doas", "<<"].contains(&&*key)
            {
                around.given.push((line, Given::Unknown(ALIAS)));
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
