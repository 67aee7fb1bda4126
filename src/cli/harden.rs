//! `casehard apply` and `casehard check`.

use std::ffi::OsStr;
use std::path::Path;

use casehard::edit::Outcome;
use casehard::error::Diagnostic;
use casehard::image::Limits;
use casehard::{Error, Image, Plan, PlanOptions, Recipe, Result, WriteOptions};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Exit;
use super::arguments::{Apply, Planning, When};
use super::console::{Console, raw_stdout};
use super::input;
use super::outputs::{Outputs, Target};
use super::progress::Progress;
use super::signals::Signals;

/// Hardens an image.
pub(crate) fn apply(arguments: &Apply, progress: When, console: &Console) -> Result<Exit> {
    let planning = &arguments.planning;
    let outputs = outputs(planning, Some(&arguments.out))?;
    plan(planning, &outputs, progress, console, |plan, progress| {
        if plan.failed() {
            return Ok(Exit::Failed);
        }
        let callback = |phase, done, total| progress.advance(phase, done, total);
        let mut options = WriteOptions::new().progress(Some(&callback));
        if let Some(compression) = arguments.compress {
            options = options.compression(compression);
        }
        match outputs.image() {
            Some(Target::File(path)) => plan.write_with(path, &options)?,
            _ => plan.write_to(raw_stdout()?, &options)?,
        }
        Ok(Exit::Ok)
    })
}

/// Says what hardening would change.
pub(crate) fn check(arguments: &Planning, progress: When, console: &Console) -> Result<Exit> {
    let outputs = outputs(arguments, None)?;
    plan(arguments, &outputs, progress, console, |plan, _| {
        Ok(match plan {
            plan if plan.failed() => Exit::Failed,
            plan if plan.compliant() => Exit::Ok,
            _ => Exit::Found,
        })
    })
}

fn outputs(arguments: &Planning, out: Option<&Path>) -> Result<Outputs> {
    Outputs::new(out, arguments.diff.as_deref(), &arguments.reports)
}

/// What both commands do: whatever can be found wrong without the image first, then the plan, then diff and reports, and
/// only then `finish`, so that no image is there without the diff that was asked for.
fn plan(
    arguments: &Planning,
    outputs: &Outputs,
    progress: When,
    console: &Console,
    finish: impl FnOnce(&Plan<'_>, &Progress<'_>) -> Result<Exit>,
) -> Result<Exit> {
    let options = options(arguments, std::env::var_os(EPOCH).as_deref())?;
    let named = match &arguments.recipes[..] {
        [] => None,
        names => Some(Recipe::load_all(names, &arguments.sets)?),
    };
    let recipes = arguments.recipes.iter().map(AsRef::as_ref);
    let inputs: Vec<&Path> = recipes.chain([arguments.image.as_path()]).collect();
    outputs.check(&inputs)?;

    let signals = Signals::listen()?;
    let progress = Progress::new(progress, &signals);
    let work = || {
        let image = open(arguments, &progress, &signals)?;
        let recipe = match named {
            Some(recipe) => recipe,
            None => Recipe::matching(&image, &arguments.sets)?,
        };
        let plan = image.plan_with(&recipe, &options)?;
        progress.clear();
        signals.check()?;
        outputs.write_reports(&plan, console)?;
        let exit = finish(&plan, &progress)?;
        progress.clear();
        console.summary(&plan.report().summary(), !outputs.take_stdout())?;
        console.diagnostics(&failures(&plan));
        Ok(exit)
    };
    let done = work();
    progress.clear();
    match (done, signals.exit()) {
        (Err(_), Some(exit)) => {
            console.problem("interrupted");
            Ok(exit)
        }
        (done, _) => done,
    }
}

fn open(arguments: &Planning, progress: &Progress<'_>, signals: &Signals) -> Result<Image> {
    let callback = |phase, done, total| progress.advance(phase, done, total);
    let mut limits = Limits::default();
    for (name, value) in &arguments.limits {
        let set = limits.set(name, value);
        set.map_err(|why| Error::Usage(format!("--limit {name}={value}: {why}")))?;
    }
    input::open(
        &arguments.image,
        arguments.root_owned,
        limits,
        Some(&callback),
        signals,
    )
}

/// The rules that failed, shown where the recipe has them.
fn failures(plan: &Plan<'_>) -> Vec<Diagnostic> {
    let failed = plan.rules().iter().filter_map(|rule| match &rule.outcome {
        Outcome::Failed(why) => Some((&rule.section, why)),
        _ => None,
    });
    failed
        .map(|(section, why)| {
            Diagnostic::new(section.at.clone(), why.as_str()).label("this rule failed")
        })
        .collect()
}

const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The options, where they are not given from `SOURCE_DATE_EPOCH`.
fn options(arguments: &Planning, epoch: Option<&OsStr>) -> Result<PlanOptions> {
    let mut options = PlanOptions::new();
    let (mut day, mut mtime) = (arguments.as_of, arguments.mtime);
    if let (Some(text), true) = (epoch, day.is_none() || mtime.is_none()) {
        let wrong = || {
            let shown = text.to_string_lossy();
            Error::Usage(format!(
                "{EPOCH}={shown}: this has to be a number of seconds since 1970"
            ))
        };
        let seconds: u64 = text
            .to_str()
            .and_then(|t| t.parse().ok())
            .ok_or_else(wrong)?;
        let time = i64::try_from(seconds).map_err(|_| wrong())?;
        let time = Timestamp::from_second(time).map_err(|_| wrong())?;
        day.get_or_insert(time.to_zoned(TimeZone::UTC).date());
        mtime.get_or_insert(seconds);
    }
    if let Some(day) = day {
        options = options.as_of(day);
    }
    if let Some(mtime) = mtime {
        options = options.mtime(mtime);
    }
    Ok(options)
}
