//! `cargo xtask docs`

/// Build the documentation, with warnings as errors
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Makes every part of the documentation.
pub(crate) fn run(_: &Arguments) -> crate::Outcome {
    rustdoc()
}

/// The documentation of the crates' public items.
fn rustdoc() -> crate::Outcome {
    let status = crate::cargo()
        .args(["doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .status()
        .map_err(|error| format!("cannot run cargo doc: {error}"))?;
    Ok(status.success())
}
