//! `casehard recipe …`: the shipped recipes, and the language.

use std::path::{Path, PathBuf};

use casehard::recipe::Shipped;
use casehard::{Date, Recipe, Result};

use super::Exit;
use super::arguments::RecipeCommand;
use super::console::Console;

/// Runs one of the commands.
pub(crate) fn run(command: &RecipeCommand, console: &Console) -> Result<Exit> {
    let text = match command {
        RecipeCommand::List => list()?,
        RecipeCommand::Show { name, merged, sets } => show(name, *merged, sets)?,
        RecipeCommand::Check { files, sets, as_of } => return check(files, sets, *as_of, console),
        RecipeCommand::Help { rule: Some(rule) } => Recipe::help(rule)?,
        RecipeCommand::Help { rule: None } => {
            let rows = Recipe::kinds().map(|(usage, summary)| (usage, summary.to_owned()));
            columns(&rows.collect::<Vec<_>>())
        }
    };
    console.text(&text)?;
    Ok(Exit::OK)
}

fn list() -> Result<String> {
    let row = |shipped: &Shipped| {
        let recipe = Recipe::load(shipped.name)?;
        let summary = recipe.summary().unwrap_or_default();
        Ok((shipped.name.to_owned(), summary.to_owned()))
    };
    let rows = Recipe::SHIPPED
        .iter()
        .map(row)
        .collect::<Result<Vec<_>>>()?;
    Ok(columns(&rows))
}

fn columns(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or_default();
    rows.iter()
        .map(|(name, summary)| format!("{name:width$}  {summary}").trim_end().to_owned() + "\n")
        .collect()
}

/// Returns a shipped recipe's own text, or a recipe merged with what it extends.
fn show(name: &Path, merged: bool, sets: &[(String, String)]) -> Result<String> {
    let shipped = name.to_str().filter(|_| !merged && sets.is_empty());
    if let Some(Ok(shipped)) = shipped
        .filter(|name| !Path::new(name).exists())
        .map(Recipe::shipped)
    {
        return Ok(shipped.text.to_owned());
    }
    Ok(Recipe::load_all(&[path(name)], sets)?.to_text())
}

/// Reads each recipe by itself, and shows the mistakes of all.
fn check(
    files: &[PathBuf],
    sets: &[(String, String)],
    as_of: Option<Date>,
    console: &Console,
) -> Result<Exit> {
    let mut exit = Exit::OK;
    let paths: Vec<PathBuf> = files.iter().map(|file| path(file)).collect();
    for read in Recipe::load_each(&paths, sets)? {
        match read {
            Ok(recipe) => {
                let name = recipe.name();
                let rules = match recipe.rules().len() {
                    1 => "1 rule".to_owned(),
                    n => format!("{n} rules"),
                };
                if recipe.rules().is_empty() {
                    console.warning(&format!("{name} has no rules, so it judges no image"));
                }
                let expired = recipe.waivers().iter();
                for waiver in expired.filter(|w| as_of.is_some_and(|day| w.expires < day)) {
                    console.warning(&format!(
                        "{}: the waiver for {}:{} expired on {}: renew or delete it",
                        waiver.at, waiver.kind, waiver.subject, waiver.expires
                    ));
                }
                console.summary(&format!("{name}: {rules}\n"), true)?;
            }
            Err(error) => {
                console.error(&error);
                exit = exit.max(Exit::of(&error));
            }
        }
    }
    Ok(exit)
}

/// A file is meant, even where its name alone would be a shipped recipe's.
fn path(file: &Path) -> PathBuf {
    if file.exists()
        && file.parent() == Some(Path::new(""))
        && file.extension().is_none_or(|e| e != "ini")
    {
        Path::new(".").join(file)
    } else {
        file.to_owned()
    }
}
