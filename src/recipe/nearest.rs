//! The right name for a wrong one.

/// Returns the candidate that `name` is most likely a slip of, if one is close.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::osa_distance(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            *distance <= (candidate.chars().count().min(lower.chars().count()) / 3).max(1)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns what to write instead of `name`: the nearest candidate, else all of them if they are
/// few.
pub(crate) fn suggest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    const FEW: usize = 12;
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(near) = nearest(name, candidates.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    match candidates.as_slice() {
        [] => None,
        [only] => Some(format!("it can only be `{only}`")),
        some if some.len() <= FEW => Some(format!("it is one of {}", list(some))),
        _ => None,
    }
}

/// Returns what to write instead of `name`: the nearest candidate, else all of them after
/// `they_are`.
pub(crate) fn nearest_or_all<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
    they_are: &str,
) -> Option<String> {
    let all: Vec<&str> = candidates.collect();
    match nearest(name, all.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => (!all.is_empty()).then(|| format!("{they_are} {}", list(&all))),
    }
}

/// Returns names in backquotes, with commas between them.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns a text in backquotes, cut where it would fill a screen.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_close_name_is_suggested() {
        let names = ["Mask", "DropIn", "StripSetid"];
        assert_eq!(nearest("Maks", names), Some("Mask"));
        assert_eq!(nearest("mask", names), Some("Mask"));
        assert_eq!(nearest("StripSuid", names), Some("StripSetid"));
        assert_eq!(nearest("Permissions", names), None);
        assert_eq!(nearest(&"Mask".repeat(100), names), None);
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn a_far_name_gets_the_list_if_it_is_short() {
        assert_eq!(
            suggest("Permissions", ["Mask", "DropIn"]).as_deref(),
            Some("it is one of `Mask`, `DropIn`")
        );
        let many: Vec<String> = (0..20).map(|n| format!("name-number-{n}")).collect();
        assert_eq!(suggest("x", many.iter().map(String::as_str)), None);
        assert_eq!(suggest("x", []), None);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(quoted("ö"), "`ö`");
        assert_eq!(quoted(&"ö".repeat(90)), format!("`{}…`", "ö".repeat(80)));
    }
}
