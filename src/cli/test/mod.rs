//! `relance test`: plays the tests of a project on as many workers as there are cores, and says what is not as expected.
//!
//! Decides nothing: `workflow::check` read the files, `rehearsal` plays them. Invariant: the report is the same whatever the
//! number of workers.

mod junit;
mod record;
mod report;

use super::exit::Failure;
use super::marks::{LOOK_EVERY, marks};
use super::progress::Progress;
use super::{Exit, Global, check, paint, project};
use crate::clock::Clock;
use crate::config::{Files, Loaded, Project};
use crate::rehearsal::{Outcome, Stage, coverage, play};
use crate::workflow;
use crate::workflow::diagnostic::Severity;
use crate::workflow::test_file::{Test, TestFile};
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Only tests whose file, workflow or name holds this
    filter: Option<String>,
    /// Write the results into this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Play them again each time a file of the project changes, until interrupted
    #[arg(long)]
    watch: bool,
    /// Write a test from this run of a running server into `workflows/`, and play it
    #[arg(long, value_name = "RUN", conflicts_with_all = ["filter", "watch", "junit"])]
    record: Option<String>,
    /// With `--record`: keep numbers, names and addresses as they are
    #[arg(long, requires = "record")]
    show_pii: bool,
    /// With `--record`: write over a file that is there
    #[arg(long, requires = "record")]
    force: bool,
}

/// One test, played.
struct Played<'a> {
    file: &'a TestFile,
    test: &'a Test,
    outcome: Outcome,
}

/// Everything of one go.
struct Results<'a> {
    files: &'a Files,
    /// In the order of files and tests.
    played: Vec<Played<'a>>,
    /// Branches of the workflows under test that no test took.
    untaken: Vec<String>,
    branches: usize,
}

/// Plays the tests.
///
/// # Errors
/// When the project cannot be read, nothing fits the filter, a run cannot be recorded, or a test cannot be played at all.
pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    if let Some(run) = &args.record {
        let path = record::record(global, run, args.show_pii, args.force).await?;
        let only = Args { filter: Some(path), ..Args::default() };
        return go(global, &only, &project::read_files(&global.project)?);
    }
    if !args.watch {
        return go(global, args, &project::read_files(&global.project)?);
    }
    let mut seen = None;
    loop {
        // Before the files are read: what is saved meanwhile is read again.
        let now = Some(marks(&global.project));
        if now != seen {
            seen = now;
            // A mistake is part of the work, and so is a file that is not there for an instant: it is told, and the next
            // change is awaited.
            let played = project::read_files(&global.project).and_then(|files| go(global, args, &files));
            if let Err(error) = played {
                super::exit::report(&error, global);
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn go(global: &Global, args: &Args, files: &Files) -> anyhow::Result<Exit> {
    let loaded = workflow::check(files, Clock::machine(0).now_ms());
    let Some(project) = usable(global, files, &loaded)? else { return Ok(Exit::Problems) };
    let chosen = chosen(&loaded.tests, args.filter.as_deref());
    if chosen.is_empty() {
        return Err(nothing(args));
    }
    let progress = Progress::of_so_many(global, "tests played", chosen.len());
    let played = play_all(project, &global.project, &chosen, &progress)?;
    drop(progress);
    let (untaken, branches) = untaken(project, &played);
    let results = Results { files, played, untaken, branches };
    if let Some(path) = &args.junit {
        let text = junit::render(&results);
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = if global.json { format!("{}\n", report::render_json(&results)) } else { report::render(&results) };
    let mut out = global.out();
    out.write_all(paint::report(&text, out.paints).as_bytes())?;
    if !global.quiet && !global.json {
        out.write_all(report::summary(&results).as_bytes())?;
    }
    drop(out);
    Ok(if results.failed() == 0 { Exit::Fine } else { Exit::Problems })
}

/// How many tests of the file at `path` fail, and of how many; `None` = the project has mistakes, or no such tests.
///
/// # Errors
/// When a test cannot be played at all.
pub(super) fn failing(
    global: &Global,
    root: &Path,
    files: &Files,
    path: &str,
) -> anyhow::Result<Option<(usize, usize)>> {
    let loaded = workflow::check(files, Clock::machine(0).now_ms());
    let (0, Some(project)) = (check::counts(&loaded.diagnostics).0, &loaded.project) else { return Ok(None) };
    let of_file = loaded.tests.iter().filter(|file| file.path == path);
    let chosen: Vec<_> = of_file.flat_map(|file| file.tests.iter().map(move |test| (file, test))).collect();
    if chosen.is_empty() {
        return Ok(None);
    }
    let progress = Progress::of_so_many(global, "tests played", chosen.len());
    let played = play_all(project, root, &chosen, &progress)?;
    let failed = played.iter().filter(|one| !one.outcome.failures.is_empty()).count();
    Ok(Some((failed, played.len())))
}

/// The project, when its files have no error: tests of what cannot run would prove nothing.
fn usable<'a>(global: &Global, files: &Files, loaded: &'a Loaded) -> anyhow::Result<Option<&'a Project>> {
    let errors: Vec<_> = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error).cloned().collect();
    if errors.is_empty() {
        return Ok(loaded.project.as_ref());
    }
    check::nothing_played(global, &errors, files)?;
    Ok(None)
}

fn nothing(args: &Args) -> anyhow::Error {
    match &args.filter {
        Some(filter) => Failure::error(
            Exit::Usage,
            format!("no test holds `{filter}` in its file, workflow or name"),
            "leave the filter out to play all of them",
        ),
        None => Failure::error(
            Exit::Usage,
            "the project has no tests",
            "write `workflows/<workflow>.test.yaml` with `workflow`, `contacts` and `tests`",
        ),
    }
}

fn chosen<'a>(files: &'a [TestFile], filter: Option<&str>) -> Vec<(&'a TestFile, &'a Test)> {
    let fits = |file: &TestFile, test: &Test| {
        filter.is_none_or(|part| {
            let workflow = file.workflows.iter().any(|id| id.contains(part));
            workflow || file.path.contains(part) || test.name.contains(part)
        })
    };
    let all = files.iter().flat_map(|file| file.tests.iter().map(move |test| (file, test)));
    all.filter(|(file, test)| fits(file, test)).collect()
}

/// Plays all of them, on a stage per worker; the results in their order.
fn play_all<'a>(
    project: &Project,
    root: &Path,
    chosen: &[(&'a TestFile, &'a Test)],
    progress: &Progress,
) -> anyhow::Result<Vec<Played<'a>>> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(chosen.len());
    let next = AtomicUsize::new(0);
    let (told, results) = mpsc::channel();
    let work = |told: mpsc::Sender<(usize, anyhow::Result<Outcome>)>| {
        let mut stage = match Stage::new(project.clone(), root.to_owned()) {
            Ok(stage) => stage,
            Err(error) => return drop(told.send((0, Err(error)))),
        };
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((file, test)) = chosen.get(index) else { return };
            let outcome = play(&mut stage, file, test);
            let outcome = outcome.with_context(|| format!("{}:{}: {}", file.path, test.place.line, test.name));
            if told.send((index, outcome)).is_err() {
                return;
            }
        }
    };
    let mut outcomes: Vec<Option<Outcome>> = chosen.iter().map(|_| None).collect();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (work, told) = (&work, told.clone());
            scope.spawn(move || work(told));
        }
        drop(told);
        for (index, outcome) in results {
            outcomes[index] = Some(outcome?);
            progress.add(1);
        }
        anyhow::Ok(())
    })?;
    let played = chosen.iter().zip(outcomes);
    let played = played.map(|((file, test), outcome)| Some(Played { file, test, outcome: outcome? }));
    played.collect::<Option<_>>().context("a worker ended before its tests")
}

/// Branches of the workflows under test that nothing took, and how many there are at all.
fn untaken(project: &Project, played: &[Played]) -> (Vec<String>, usize) {
    let tested: BTreeSet<&String> = played.iter().flat_map(|one| &one.file.workflows).collect();
    let workflows = tested.into_iter().filter_map(|id| project.workflows.get(id));
    let all: Vec<String> = workflows.flat_map(|workflow| coverage::branches(workflow)).collect();
    let count = all.len();
    let went = |branch: &String| played.iter().any(|one| one.outcome.went.contains(branch));
    (all.into_iter().filter(|branch| !went(branch)).collect(), count)
}

impl Results<'_> {
    fn failed(&self) -> usize {
        self.played.iter().filter(|one| !one.outcome.failures.is_empty()).count()
    }
}
