//! `casehard recipe …`: the shipped recipes, and the language.

use std::path::{Path, PathBuf};

use casehard::recipe::Shipped;
use casehard::{Recipe, Result};

use super::Exit;
use super::arguments::RecipeCommand;
use super::console::Console;

/// Runs one of the commands.
pub(crate) fn run(command: &RecipeCommand, console: &Console) -> Result<Exit> {
    let text = match command {
        RecipeCommand::List => list()?,
        RecipeCommand::Show { name } => Recipe::shipped(name)?.text.to_owned(),
        RecipeCommand::Check { files } => return check(files, console),
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

/// Reads each recipe by itself, and shows the mistakes of all.
fn check(files: &[PathBuf], console: &Console) -> Result<Exit> {
    let mut exit = Exit::OK;
    for file in files {
        match Recipe::load(path(file)) {
            Ok(recipe) => {
                let rules = match recipe.rules().len() {
                    1 => "1 rule".to_owned(),
                    n => format!("{n} rules"),
                };
                console.summary(&format!("{}: {rules}\n", recipe.name()), true)?;
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
