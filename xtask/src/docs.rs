//! `cargo xtask docs`

use std::fs;

use casehard::Recipe;

use crate::Outcome;

/// Build the documentation, with warnings as errors, and renew the rule reference in docs/recipes.md
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Check the rule reference, and change nothing
    #[arg(long)]
    check: bool,
}

/// Builds every part of the documentation.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    Ok(rule_reference(arguments.check)? && rustdoc()?)
}

/// Renews the part of docs/recipes.md that comes from the table of rules.
fn rule_reference(check: bool) -> Outcome {
    const BEGIN: &str = "<!-- rules:begin -->\n";
    const END: &str = "<!-- rules:end -->";
    let path = crate::workspace().join("docs/recipes.md");
    let failed = |what: &str| format!("cannot {what} {}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| failed(&format!("read ({error})")))?;
    let (before, rest) = text
        .split_once(BEGIN)
        .ok_or_else(|| failed("find rules:begin in"))?;
    let (_, after) = rest
        .split_once(END)
        .ok_or_else(|| failed("find rules:end in"))?;
    let renewed = format!(
        "{before}{BEGIN}\n{}\n{END}{after}",
        Recipe::reference().trim()
    );
    if renewed == text {
        return Ok(true);
    }
    if check {
        println!("docs/recipes.md is out of date: run `cargo xtask docs`");
        return Ok(false);
    }
    fs::write(&path, renewed).map_err(|error| failed(&format!("write ({error})")))?;
    println!("renewed the rule reference in docs/recipes.md");
    Ok(true)
}

/// Builds the documentation of the public items.
fn rustdoc() -> Outcome {
    let status = crate::cargo()
        .args(["doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .status()
        .map_err(|error| format!("cannot run cargo doc: {error}"))?;
    Ok(status.success())
}
