//! `casehard apply` and `casehard check`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use casehard::edit::Outcome;
use casehard::error::Diagnostic;
use casehard::report::Format;
use casehard::{
    Compression, Error, Image, Inventory, Plan, PlanOptions, Recipe, Result, Staged, WriteOptions,
};
use jiff::Timestamp;
use jiff::civil::Date;
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
    let outputs = Outputs::new(arguments.out.as_deref(), &planning.reports)?;
    let mut options = WriteOptions::new();
    if let Some(compression) = arguments.compress {
        options = options.compression(compression);
    }
    let verdict = |_: &Plan<'_>| Exit::Ok;
    plan(planning, &outputs, options, progress, console, verdict)
}

/// Says what hardening would change.
pub(crate) fn check(arguments: &Planning, progress: When, console: &Console) -> Result<Exit> {
    let outputs = Outputs::new(None, &arguments.reports)?;
    let options = WriteOptions::new();
    plan(
        arguments,
        &outputs,
        options,
        progress,
        console,
        |plan| match plan.compliant() {
            true => Exit::Ok,
            false => Exit::Found,
        },
    )
}

/// What both commands do: whatever can be found wrong without the image first, then the plan, then diff and reports. An image
/// is written before them and gets its name after them, so that they can have its digests and none is there without the diff
/// that was asked for.
fn plan(
    arguments: &Planning,
    outputs: &Outputs,
    writing: WriteOptions<'_>,
    progress: When,
    console: &Console,
    verdict: impl FnOnce(&Plan<'_>) -> Exit,
) -> Result<Exit> {
    let epoch = std::env::var_os(EPOCH).filter(|text| !text.is_empty());
    let times = times(arguments, epoch.as_deref())?;
    let named = match &arguments.recipes[..] {
        [] => None,
        names => Some(Recipe::load_all(names, &arguments.sets)?),
    };
    let lock = arguments.locked.as_deref().map(read_lock).transpose()?;
    let recipes = arguments.recipes.iter().map(AsRef::as_ref);
    let extended = named.iter().flat_map(|recipe| recipe.sources());
    let recipes = recipes.chain(extended.map(|source| Path::new(&source.name)));
    let inputs = recipes.chain([arguments.image.as_path()]);
    let inputs: Vec<&Path> = inputs.chain(arguments.locked.as_deref()).collect();
    // From here on there may be files to clean up.
    let signals = Signals::listen()?;
    outputs.check(&inputs)?;

    let progress = Progress::new(progress, &signals);
    let work = || {
        let image = open(arguments, &progress, &signals)?;
        let recipe = match named {
            Some(recipe) => recipe,
            None => Recipe::matching(&image, &arguments.sets)?,
        };
        let plan = image.plan_with(&recipe, &options(&recipe, times)?)?;
        progress.clear();
        signals.check()?;
        let after = match lock.is_some() || outputs.wants_lock() {
            true => plan.inventories()?.1,
            false => Inventory::default(),
        };
        // Of an image that is not written there is nothing to lock.
        let written = (!plan.failed()).then(|| after.to_lock());
        let mut report = plan.report();
        let beyond = lock.map_or_else(Vec::new, |lock| after.beyond(&lock));
        if let Some(path) = &arguments.locked {
            report = report.lock(&path.display().to_string(), &beyond);
        }
        let good = beyond.is_empty() && !plan.failed();
        let callback = |phase, done, total| progress.advance(phase, done, total);
        let writing = writing.progress(Some(&callback));
        let staged = match outputs.file() {
            Some(path) if good => Some(plan.stage(path, &writing)?),
            _ => None,
        };
        if let Some(staged) = staged.as_ref().filter(|_| outputs.have_digests()) {
            let digests = plan.digests_with(staged.file(), Some(&callback))?;
            report = report.digests(digests);
        }
        progress.clear();
        let render = |format: &dyn Format, color, out: &mut dyn Write| {
            let bytes = format.render(&report.clone().color(color))?;
            out.write_all(&bytes).map_err(Error::Output)
        };
        signals.to_clean_up(staged.as_ref().is_some_and(Staged::has_name));
        outputs.write_reports(&render, written, console, &signals)?;
        signals.check()?;
        let misnamed = match (&staged, outputs.file()) {
            (Some(staged), Some(path)) => misnamed(path, staged.file())?,
            _ => None,
        };
        match (staged, outputs.image()) {
            _ if !good => {}
            (Some(staged), _) => staged.publish()?,
            (None, Some(Target::File(path))) => {
                signals.while_waiting(|| plan.write_with(path, &writing))?;
            }
            (None, Some(Target::Stdout)) => {
                signals.while_waiting(|| plan.write_to(raw_stdout()?, &writing))?;
            }
            // A dry run.
            (None, None) => {}
        }
        let exit = if good { verdict(&plan) } else { Exit::Failed };
        progress.clear();
        console.summary(&report.summary(), !outputs.take_stdout())?;
        console.diagnostics(&failures(&plan));
        if let Some(warning) = misnamed {
            console.warning(&warning);
        }
        if let Some(path) = arguments.locked.as_deref().filter(|_| !beyond.is_empty()) {
            console.problem_of(
                &format!(
                    "the image would give what {} does not have; if that is meant, write the lock anew with --lock",
                    path.display()
                ),
                &beyond,
            );
        }
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

/// What is said where an image's name ends like that of something else than what was written.
fn misnamed(path: &Path, written: &Path) -> Result<Option<String>> {
    /// Those which are not written.
    const OTHERS: [&str; 8] = ["7z", "br", "lz", "lz4", "lzma", "lzo", "z", "zip"];
    let mut magic = Vec::new();
    let read = File::open(written).and_then(|file| file.take(64).read_to_end(&mut magic));
    read.map_err(|cause| Error::Io {
        action: "read",
        path: written.to_owned(),
        cause,
    })?;
    let is = Compression::detect(&magic);
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let ending = ending.to_ascii_lowercase();
    let says = Compression::from_name(&ending);
    let fits = match says {
        Compression::None => {
            !OTHERS.contains(&ending.as_str()) && (ending != "tar" || is == Compression::None)
        }
        says => says == is,
    };
    let shown = match is {
        Compression::None => "not compressed",
        other => other.name(),
    };
    Ok((!fits).then(|| {
        format!(
            "{} ends in .{ending}, but what is written is {shown}; `--compress` says what it shall be",
            path.display()
        )
    }))
}

fn read_lock(path: &Path) -> Result<Inventory> {
    let text = fs::read(path).map_err(|cause| Error::Io {
        action: "read",
        path: path.to_owned(),
        cause,
    })?;
    Inventory::parse(&path.display().to_string(), &text)
}

fn open(arguments: &Planning, progress: &Progress<'_>, signals: &Signals) -> Result<Image> {
    let callback = |phase, done, total| progress.advance(phase, done, total);
    let limits = input::limits(&arguments.limits)?;
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

/// The day by which waivers are judged, and the time of new and changed entries.
type Times = (Option<Date>, Option<u64>);

/// The times, where they are not given from `SOURCE_DATE_EPOCH`.
fn times(arguments: &Planning, epoch: Option<&OsStr>) -> Result<Times> {
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
    Ok((day, mtime))
}

/// The library says the same of a day that is missing, but not how the command line is given one.
fn options(recipe: &Recipe, (day, mtime): Times) -> Result<PlanOptions> {
    let mut options = PlanOptions::new();
    if let (Some(waiver), None) = (recipe.waivers().first(), day) {
        return Err(Error::Recipe(vec![
            Diagnostic::new(waiver.at.clone(), "a waiver needs a day by which it is judged").help(format!(
                "give --as-of YYYY-MM-DD or set {EPOCH}; the clock is never asked, so that a build can be repeated"
            )),
        ]));
    }
    if let Some(day) = day {
        options = options.as_of(day);
    }
    if let Some(mtime) = mtime {
        options = options.mtime(mtime);
    }
    Ok(options)
}
