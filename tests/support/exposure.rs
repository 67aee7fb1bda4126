//! What `systemd-analyze security` says of services, beside what a report says.

use std::collections::BTreeMap;
use std::path::Path;

use casehard::Plan;

use super::tools::SYSTEMD_ANALYZE;

/// The exposure before and after, for each service of which the plan tells it. What it cannot tell it names as such.
pub(crate) fn told(plan: &Plan<'_>) -> BTreeMap<String, Option<(String, String)>> {
    let notes = plan.rules().iter().flat_map(|rule| &rule.notes);
    notes
        .filter_map(|note| {
            if let Some((unit, figures)) = note.split_once(": exposure ") {
                let (before, after) = figures.split_once(" → ").expect("two figures");
                return Some((unit.to_owned(), Some((before.to_owned(), after.to_owned()))));
            }
            let (unit, _) = note.split_once(": its exposure is not known")?;
            Some((unit.to_owned(), None))
        })
        .collect()
}

/// What systemd finds in a tree, for those of the services that it loads.
pub(crate) fn asked<'a>(
    root: &Path,
    units: impl Iterator<Item = &'a String>,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for unit in units {
        let mut command = SYSTEMD_ANALYZE.command();
        command.args(["security", "--offline=true", "--no-pager"]);
        command.arg(format!("--root={}", root.display())).arg(unit);
        let output = command.output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text
            .lines()
            .find_map(|line| line.split_once("Overall exposure level for "));
        let figure = line.and_then(|(_, rest)| rest.split_once(": ")?.1.split(' ').next());
        found.extend(figure.map(|figure| (unit.clone(), figure.to_owned())));
    }
    found
}

/// Fails where what a plan tells is not what systemd finds before and after. Gives how many were compared.
#[allow(clippy::print_stdout, reason = "the figures say how much was compared")]
pub(crate) fn compare(plan: &Plan<'_>, before: &Path, after: &Path) -> usize {
    let told = told(plan);
    let known = || {
        told.iter()
            .filter_map(|(unit, figures)| Some((unit, figures.as_ref()?)))
    };
    let sides = [before, after].map(|root| asked(root, known().map(|(unit, _)| unit)));
    let (mut compared, root) = (0, before);
    let mut wrong = Vec::new();
    for (unit, (before, after)) in known() {
        let [Some(found), Some(then)] = sides.each_ref().map(|side| side.get(unit)) else {
            continue;
        };
        compared += 1;
        if (before, after) != (found, then) {
            let text = std::fs::read_to_string(root.join("usr/lib/systemd/system").join(unit));
            wrong.push(format!(
                "{unit}: told {before} → {after}, systemd finds {found} → {then}: {text:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let unknown = told.values().filter(|figures| figures.is_none()).count();
    println!(
        "{compared} services compared, {unknown} of {} not figured",
        told.len()
    );
    compared
}
