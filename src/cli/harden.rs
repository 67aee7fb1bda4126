//! `casehard apply` and `casehard check`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use casehard::error::Diagnostic;
use casehard::recipe::Waiver;
use casehard::report::Format;
use casehard::{
    Compression, Date, Error, Inventory, Plan, PlanOptions, Recipe, Result, RuleResult, Staged,
    WriteOptions,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::arguments::{Apply, Planning};
use super::console::{Console, raw_stdout};
use super::outputs::{Outputs, Target};
use super::signals::Signals;
use super::{Exit, failed, input, interruptible, usage};

/// Hardens an image.
pub(crate) fn apply(arguments: &Apply, console: &Console) -> Result<Exit> {
    let mut writing = WriteOptions::new();
    if let Some(compression) = arguments.compress {
        writing = writing.compression(compression);
    }
    let out = arguments.out.as_deref();
    run(&arguments.planning, out, writing, Exit::OK, console)
}

/// Reports what hardening would change.
pub(crate) fn check(arguments: &Planning, console: &Console) -> Result<Exit> {
    run(arguments, None, WriteOptions::new(), Exit::FOUND, console)
}

/// Does the work of both commands: first everything that can fail without the image, then the plan, then the reports.
///
/// The image is written before the reports and gets its name after them, so that they can have its digests, and no image is
/// there without the reports that were asked for. `changed` is the exit if a rule changes something.
fn run(
    arguments: &Planning,
    out: Option<&Path>,
    writing: WriteOptions<'_>,
    changed: Exit,
    console: &Console,
) -> Result<Exit> {
    let outputs = Outputs::new(
        out,
        arguments.diff.as_deref(),
        &arguments.reports.reports,
        arguments.reports.format,
        arguments.lock.as_deref(),
    )?;
    let (day, options) = options(arguments)?;
    let named = match &arguments.recipes[..] {
        [] => None,
        names => Some(Recipe::load_all(names, &arguments.sets)?),
    };
    let lock = arguments.locked.as_deref();
    let lock = lock.map(|path| Ok::<_, Error>((path, read_lock(path)?)));
    let lock = lock.transpose()?;
    if arguments.reading.root_owned && arguments.image.is_file() {
        let image = arguments.image.display();
        return usage(format!(
            "--root-owned is for a directory, and {image} is a file"
        ));
    }
    let recipes = arguments.recipes.iter().map(AsRef::as_ref);
    let extended = named.iter().flat_map(|recipe| recipe.sources());
    let inputs = recipes.chain(extended.map(|source| Path::new(&source.name)));
    let inputs = inputs.chain([arguments.image.as_path()]);
    let inputs: Vec<&Path> = inputs.chain(arguments.locked.as_deref()).collect();
    // From here on there may be files to clean up.
    let signals = Signals::listen()?;
    outputs.check(&inputs)?;

    interruptible(console, &signals, |progress| {
        let image = input::open(&arguments.image, &arguments.reading, progress, &signals)?;
        let recipe = match named {
            Some(recipe) => recipe,
            None => Recipe::matching(&image, &arguments.sets)?,
        };
        if day.is_none() {
            refuse_waivers(&recipe)?;
        }
        let plan = image.plan_with(&recipe, &options)?;
        progress.clear();
        signals.check()?;
        let gives = match lock.is_some() || outputs.lock.is_some() {
            true => plan.inventories()?.1,
            false => Inventory::default(),
        };
        let mut report = plan.report();
        let mut beyond = Vec::new();
        if let Some((path, lock)) = &lock {
            beyond = gives.beyond(lock);
            report = report.lock(&path.display().to_string(), &beyond);
        }
        let good = beyond.is_empty() && !plan.failed();
        let callback = progress.callback();
        let writing = writing.progress(Some(&callback));
        let staged = outputs.file().filter(|_| good);
        let staged = staged.map(|path| plan.stage(path, &writing)).transpose()?;
        if let Some(staged) = staged.as_ref().filter(|_| outputs.have_digests()) {
            let digests = plan.digests_with(staged.file(), Some(&callback))?;
            report = report.digests(digests);
        }
        progress.clear();
        let render = |format: Format, color, out: &mut dyn Write| {
            let bytes = report.clone().color(color).render(format)?;
            out.write_all(&bytes).map_err(Error::Output)
        };
        let has_name = staged.as_ref().is_some_and(Staged::has_name);
        signals.to_clean_up.set(has_name);
        // If a rule failed, no image is there to lock.
        let new_lock = (!plan.failed()).then(|| gives.to_lock());
        outputs.write_reports(&render, new_lock.as_deref(), console, &signals)?;
        signals.check()?;
        let misnamed = match (&staged, outputs.file()) {
            (Some(staged), Some(path)) => misnamed(path, staged.file())?,
            _ => None,
        };
        match (staged, outputs.image.as_ref().filter(|_| good)) {
            (Some(staged), _) => staged.publish()?,
            (None, Some(Target::File(path))) => {
                signals.while_waiting(|| plan.write_with(path, &writing))?;
            }
            (None, Some(Target::Stdout)) => {
                signals.while_waiting(|| plan.write_to(raw_stdout()?, &writing))?;
            }
            (None, None) => {}
        }
        progress.clear();
        console.summary(&report.summary(), !outputs.take_stdout())?;
        console.diagnostics(&failures(&plan));
        if let Some(warning) = misnamed {
            console.warning(&warning);
        }
        if let (Some((path, _)), false) = (&lock, beyond.is_empty()) {
            let lock = path.display();
            let message = format!(
                "the image would give privileges that {lock} lacks; to accept them, write the lock anew with --lock"
            );
            console.problem_with(&message, &beyond);
        }
        Ok(match good {
            false => Exit::FAILED,
            true if plan.compliant() => Exit::OK,
            true => changed,
        })
    })
}

/// Returns a warning if an image's extension names another compression than the image has.
fn misnamed(path: &Path, written: &Path) -> Result<Option<String>> {
    /// Formats that casehard does not write.
    const OTHERS: [&str; 8] = ["7z", "br", "lz", "lz4", "lzma", "lzo", "z", "zip"];
    let mut magic = Vec::new();
    let read = File::open(written).and_then(|file| file.take(64).read_to_end(&mut magic));
    read.map_err(failed("read", written))?;
    let is = Compression::detect(&magic);
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let extension = extension.to_ascii_lowercase();
    let fits = match Compression::from_name(&extension) {
        Compression::None if extension == "tar" => is == Compression::None,
        Compression::None => !OTHERS.contains(&extension.as_str()),
        named => named == is,
    };
    let is = match is {
        Compression::None => "not compressed",
        other => other.name(),
    };
    let path = path.display();
    let warning = || {
        format!(
            "{path} has the extension .{extension}, but the image is {is}; --compress changes that"
        )
    };
    Ok((!fits).then(warning))
}

fn read_lock(path: &Path) -> Result<Inventory> {
    let text = fs::read(path).map_err(failed("read", path))?;
    Inventory::parse(&path.display().to_string(), &text)
}

/// Returns the rules that failed, each at its place in the recipe; where a waiver has expired, at the
/// waiver's.
fn failures(plan: &Plan<'_>) -> Vec<Diagnostic> {
    let expired = |rule: &RuleResult, why: &str| {
        let mut waivers = plan.waivers().iter().map(|result| &result.waiver);
        let says = |waiver: &Waiver| why.contains(&format!("its waiver for {} ", waiver.subject));
        waivers.find(|waiver| waiver.kind == rule.section.kind() && says(waiver))
    };
    let failed = plan.rules().iter().filter_map(|rule| {
        let why = rule.outcome.why()?;
        let at = rule.section.at.clone();
        Some(match expired(rule, why) {
            Some(waiver) => Diagnostic::new(waiver.at.clone(), why)
                .label("this waiver expired")
                .related(at, "this rule failed"),
            None => Diagnostic::new(at, why).label("this rule failed"),
        })
    });
    failed.collect()
}

const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Returns the options of a plan, and the day among them. `SOURCE_DATE_EPOCH` fills in what the command line does not give.
fn options(arguments: &Planning) -> Result<(Option<Date>, PlanOptions)> {
    let (mut day, mut mtime) = (arguments.as_of, arguments.mtime);
    let epoch = std::env::var_os(EPOCH).filter(|text| !text.is_empty());
    if let (Some(text), true) = (epoch, day.is_none() || mtime.is_none()) {
        let text = text.to_string_lossy();
        let wrong = || {
            Error::Usage(format!(
                "{EPOCH}={text}: not a number of seconds since 1970"
            ))
        };
        let seconds: u64 = text.parse().map_err(|_| wrong())?;
        let time = i64::try_from(seconds).map_err(|_| wrong())?;
        let time = Timestamp::from_second(time).map_err(|_| wrong())?;
        day.get_or_insert(time.to_zoned(TimeZone::UTC).date());
        mtime.get_or_insert(seconds);
    }
    let mut options = PlanOptions::new().allow_nested(arguments.allow_nested);
    if let Some(day) = day {
        options = options.as_of(day);
    }
    if let Some(mtime) = mtime {
        options = options.mtime(mtime);
    }
    Ok((day, options))
}

/// Refuses a recipe with waivers, as no day is given. The library does so too, but does not know the command line's options.
fn refuse_waivers(recipe: &Recipe) -> Result<()> {
    let Some(waiver) = recipe.waivers().first() else {
        return Ok(());
    };
    let help = format!(
        "give --as-of YYYY-MM-DD or set {EPOCH}; casehard never asks the clock, so that a build can be repeated"
    );
    let mistake = Diagnostic::new(waiver.at.clone(), "a waiver needs a day to be judged by");
    Err(Error::Recipe(vec![mistake.help(help)]))
}
