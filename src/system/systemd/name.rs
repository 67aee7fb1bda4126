//! The names of units, taken apart.

use std::collections::BTreeSet;

/// The types of units that are loaded from files.
const TYPES: &str = "\
    service socket target timer mount automount path slice scope swap device";

/// Returns the types of units that are loaded from files.
pub(crate) fn types() -> impl Iterator<Item = &'static str> {
    TYPES.split(' ')
}

/// Returns whether this can be a unit's name: plain, template or instance.
pub(crate) fn is_unit(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    name.len() < 256
        && name.rsplit_once('.').is_some_and(|(stem, kind)| {
            !stem.is_empty() && !stem.starts_with('@') && types().any(|known| known == kind)
        })
        && name.chars().all(plain)
}

/// Returns what follows the last dot: `service`.
pub(crate) fn kind(unit: &str) -> &str {
    unit.rsplit_once('.').map_or("", |(_, kind)| kind)
}

/// Returns the section that holds what is particular to a unit's type, if that type has one.
pub(crate) fn own_section(unit: &str) -> Option<String> {
    let kind = kind(unit);
    let (first, rest) = kind.split_at_checked(1)?;
    let has_one = types().any(|known| known == kind) && kind != "target" && kind != "device";
    has_one.then(|| first.to_ascii_uppercase() + rest)
}

/// Returns what stands before the `@`, or before the type.
pub(crate) fn prefix(unit: &str) -> &str {
    let end = unit.find('@').or_else(|| unit.rfind('.'));
    end.map_or(unit, |end| &unit[..end])
}

/// `tty1` of `getty@tty1.service`, nothing of a template, none of a plain unit.
pub(crate) fn instance(unit: &str) -> Option<&str> {
    let (_, rest) = unit.split_once('@')?;
    rest.rsplit_once('.').map(|(instance, _)| instance)
}

pub(crate) fn is_template(unit: &str) -> bool {
    instance(unit).is_some_and(str::is_empty)
}

pub(crate) fn is_instance(unit: &str) -> bool {
    instance(unit).is_some_and(|i| !i.is_empty())
}

/// `getty@.service` of `getty@tty1.service`.
pub(crate) fn template(unit: &str) -> Option<String> {
    is_instance(unit).then(|| with_instance(unit, ""))
}

/// `getty@tty1.service` of `getty@.service`.
pub(crate) fn with_instance(unit: &str, instance: &str) -> String {
    format!("{}@{instance}.{}", prefix(unit), kind(unit))
}

/// Returns a text with the specifiers that a unit's name decides (systemd.unit(5)). Others stay as
/// they are, and so do those of an instance in a text of its template.
pub(crate) fn expanded(unit: &str, text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out += before;
        let known = match after.chars().next() {
            Some('%') => Some("%"),
            Some('p') => Some(prefix(unit)),
            Some('n') if !is_template(unit) => Some(unit),
            Some('N') if !is_template(unit) => unit.rsplit_once('.').map(|(stem, _)| stem),
            Some('i') if !is_template(unit) => Some(instance(unit).unwrap_or_default()),
            _ => None,
        };
        out += known.unwrap_or("%");
        rest = if known.is_some() { &after[1..] } else { after };
    }
    out + rest
}

/// Returns the names under which drop-in directories of a unit's name are looked for, most specific
/// first: its own, its template's, and those of its prefixes at dashes. The type's own comes after
/// those of all names.
pub(crate) fn levels(unit: &str) -> Vec<String> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    add_levels(unit, &mut found, &mut seen);
    found
}

fn add_levels(unit: &str, found: &mut Vec<String>, seen: &mut BTreeSet<String>) {
    if !seen.insert(unit.to_owned()) {
        return;
    }
    found.push(unit.to_owned());
    if let Some(template) = template(unit) {
        add_levels(&template, found, seen);
    }
    let prefix = prefix(unit);
    // One trailing dash is taken off, so that `foo-bar-` leads to `foo-`.
    let inner = prefix.strip_suffix('-').unwrap_or(prefix);
    let Some(dash) = inner.rfind('-').filter(|dash| *dash > 0) else {
        return;
    };
    let shorter = &inner[..=dash];
    let kind = kind(unit);
    let up = match instance(unit).filter(|i| !i.is_empty()) {
        Some(instance) => format!("{shorter}@{instance}.{kind}"),
        None => format!("{shorter}.{kind}"),
    };
    add_levels(&up, found, seen);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for good in [
            "a.service",
            "a@.socket",
            "a@b@c.d.service",
            r"dev-\x2d.device",
            "-.mount",
        ] {
            assert!(is_unit(good), "{good}");
        }
        for bad in [
            "a",
            "a.conf",
            ".service",
            "@.service",
            "a/b.service",
            "a b.service",
            "ä.service",
            "",
        ] {
            assert!(!is_unit(bad), "{bad}");
        }
        assert_eq!(template("a@b@c.d.service").as_deref(), Some("a@.service"));
        assert_eq!(instance("a@b@c.d.service"), Some("b@c.d"));
        assert_eq!(
            (template("a@.service"), template("a.service")),
            (None, None)
        );
    }

    #[test]
    fn specifiers_of_the_name_are_expanded() {
        let text = "%%/%n/%N/%p/%i/%H%";
        let check = |unit, want: &str| assert_eq!(expanded(unit, text), want);
        check("a.b@c-d.service", "%/a.b@c-d.service/a.b@c-d/a.b/c-d/%H%");
        check("a@.service", "%/%n/%N/a/%i/%H%");
        check("a.service", "%/a.service/a/a//%H%");
    }

    #[test]
    fn levels_go_from_the_name_to_its_shortest_prefix() {
        let check = |unit: &str, want: &str| assert_eq!(levels(unit).join(" "), want);
        check("a.service", "a.service");
        check("a-b-c.service", "a-b-c.service a-b-.service a-.service");
        check("a-.service", "a-.service");
        check("-a.service", "-a.service");
        check(
            "a-b@i-j.service",
            "a-b@i-j.service a-b@.service a-.service a-@i-j.service a-@.service",
        );
    }
}
