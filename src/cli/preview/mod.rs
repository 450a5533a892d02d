//! `relance preview <workflow>`: who would get what and when, played ahead on the engine that serves; nothing leaves.
//!
//! `cause` chooses what happens and to whom, `rehearsal` plays it, `lines` and `report` tell it. Invariant: what is told
//! of a message is what the fake account took, or what the engine said of it.

mod cause;
mod languages;
mod lines;
mod report;

use super::exit::Failure;
use super::progress::Progress;
use super::{Exit, Global, check, completions, project};
use crate::clock::Clock;
use crate::config::{Files, Loaded, Project};
use crate::contact::Phone;
use crate::expr::nearest;
use crate::rehearsal::{Ahead, Asked, Cause, Stage, preview};
use crate::workflow::diagnostic::{Diagnostic, Severity};
use crate::workflow::test_file::{Person, TestFile};
use crate::workflow::{self, Duration, Workflow};
use clap_complete::engine::ArgValueCandidates;
use jiff::tz::TimeZone;
use std::io::Write as _;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A workflow, by the name of its file without `.yaml`
    #[arg(add = ArgValueCandidates::new(completions::workflows))]
    workflow: String,
    /// The event that happens, by its sample; of a workflow that a message starts, what the person writes
    #[arg(long, value_name = "SAMPLE", add = ArgValueCandidates::new(completions::events))]
    sample: Option<String>,
    /// Whom it is about: a contact of the test files, or a number
    #[arg(long, value_name = "NAME|PHONE", add = ArgValueCandidates::new(completions::contacts))]
    contact: Option<String>,
    /// Whether the person wrote in the last 24 hours; both are shown when nothing is said
    #[arg(long, value_enum)]
    window: Option<Window>,
    /// As if the people spoke this language; `all` shows one after the other each that the workflow speaks
    #[arg(long, value_name = "CODE|all")]
    language: Option<String>,
    /// When it happens, by default now: `2026-03-02 10:00` in the workflow's zone, or with an offset
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Show whole numbers
    #[arg(long)]
    show_pii: bool,
}

/// The 24 hours after a person's last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Window {
    Open,
    Closed,
}

/// Everything that is told: what was played, once for each window.
struct Told<'a> {
    project: &'a Project,
    workflow: &'a Workflow,
    cause: String,
    at_ms: i64,
    people: &'a [(String, Person)],
    show_pii: bool,
    /// What the workflow speaks, the project's language first.
    spoken: Vec<String>,
    /// The language that everybody is made to speak; `None` = each their own.
    language: Option<String>,
    played: Vec<(Window, Ahead)>,
    /// What the sample says of the person, whoever was asked for.
    of_sample: Option<String>,
    /// Why only one window was played, when both were asked for.
    note: Option<String>,
}

const DAY_MS: i64 = 24 * 3_600_000;
/// In an open window the person wrote so long ago, unless something else is known.
const AN_HOUR: Duration = Duration { days: 0, ms: 3_600_000 };
/// People of a list who are let write before it is played once more.
const MOST_WRITERS: usize = 300;

pub(super) fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let files = project::read_files(&global.project)?;
    let now_ms = Clock::machine(0).now_ms();
    // What a schedule's day is to be compared with is the instant that was asked for.
    let now_ms = match &args.at {
        Some(at) => read_instant(at, &zone_of(&files, &args.workflow))?,
        None => now_ms,
    };
    let loaded = workflow::check(&files, now_ms);
    let known = loaded.project.as_ref().and_then(|project| project.workflows.get(&args.workflow));
    let (Some(project), Some(workflow)) = (&loaded.project, known) else {
        return unusable(global, &args.workflow, &loaded.diagnostics, &files, loaded.project.as_ref());
    };
    let people = contacts(&loaded.tests, &args.workflow);
    let chosen =
        cause::choose(project, workflow, &people, args, now_ms).map_err(|error| told_why(error, args, &loaded))?;
    let spoken = languages::spoken(workflow, &project.settings.language);
    let asked_languages = languages::asked(args.language.as_deref(), &spoken, workflow)?;
    let progress = Progress::of(global, "playing ahead");
    let mut told = Told {
        project,
        workflow,
        cause: chosen.words,
        at_ms: chosen.at_ms,
        people: &people,
        show_pii: args.show_pii,
        spoken,
        language: None,
        played: Vec::new(),
        of_sample: chosen.of_sample,
        note: None,
    };
    let asked =
        Asked { workflow: args.workflow.clone(), cause: chosen.cause, people: chosen.people, at_ms: chosen.at_ms };
    let mut shown = report::Shown::new(&told, global.json);
    for language in asked_languages {
        told.language = language;
        play(&mut told, &global.project, asked.clone(), chosen.person.clone(), args.window)?;
        shown.add(&told);
    }
    drop(progress);
    global.out().write_all(shown.text().as_bytes())?;
    let hint = report::hint(&told).filter(|_| args.at.is_none() && !global.json && !global.quiet);
    hint.map_or(Ok(()), |hint| writeln!(global.err(), "hint: {hint}"))?;
    Ok(Exit::Fine)
}

/// A contact may be in a test file that cannot be read.
fn told_why(error: anyhow::Error, args: &Args, loaded: &Loaded) -> anyhow::Error {
    let faulty = |one: &&Diagnostic| one.severity == Severity::Error && one.file.ends_with(".test.yaml");
    let file = loaded.diagnostics.iter().find(faulty).map(|one| one.file.clone());
    match (error.downcast::<Failure>(), file, &args.contact) {
        (Ok(failure), Some(file), Some(_)) if failure.message.starts_with("no contact ") => {
            let hint = format!("`{file}` has mistakes, and its contacts are not read: `relance check` shows them");
            Failure { hint, ..failure }.into()
        }
        (Ok(failure), ..) => failure.into(),
        (Err(error), ..) => error,
    }
}

/// The file has mistakes, which are told; or there is no such workflow.
fn unusable(
    global: &Global,
    name: &str,
    diagnostics: &[Diagnostic],
    files: &Files,
    project: Option<&Project>,
) -> anyhow::Result<Exit> {
    let file = format!("workflows/{name}.yaml");
    let error = |one: &&Diagnostic| one.severity == Severity::Error;
    let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<Diagnostic> {
        diagnostics.iter().filter(error).filter(|one| wanted(&one.file)).cloned().collect()
    };
    // What the workflow rests on may be at fault, and not the workflow.
    let own = of(&|path| path == file || path == "relance.yaml");
    let mistakes = if own.is_empty() { of(&|path| !path.starts_with("workflows/")) } else { own };
    if !mistakes.is_empty() && (files.contains_key(&file) || project.is_none()) {
        check::nothing_played(global, &mistakes, files)?;
        return Ok(Exit::Problems);
    }
    let ids = || project.into_iter().flat_map(|project| project.workflows.keys()).map(String::as_str);
    let message = format!("there is no workflow `{name}`");
    Err(Failure::error(Exit::Usage, message, meant(name, ids(), "the project has")))
}

/// The nearest name, else all there are.
fn meant<'n>(written: &str, known: impl Iterator<Item = &'n str> + Clone, all: &str) -> String {
    match nearest(written, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("{all}: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// The contacts of the test files, by name: those of the workflow's own files first; each number once.
fn contacts(tests: &[TestFile], workflow: &str) -> Vec<(String, Person)> {
    let own = |file: &&TestFile| file.workflows.iter().any(|id| id == workflow);
    let files = tests.iter().filter(own).chain(tests.iter().filter(|file| !own(file)));
    let mut known: Vec<(String, Person)> = Vec::new();
    for (name, person) in files.flat_map(|file| &file.people) {
        if !known.iter().any(|(_, one)| one.phone == person.phone) {
            known.push((name.clone(), person.clone()));
        }
    }
    known
}

/// The workflow's zone, else the project's.
fn zone_of(files: &Files, workflow: &str) -> TimeZone {
    let Some(project) = workflow::load(files).project else { return TimeZone::UTC };
    let own = project.workflows.get(workflow).map(|workflow| workflow.settings.timezone.clone());
    own.unwrap_or_else(|| project.settings.zone().clone())
}

/// A time of `--at`: with an offset, or a clock time of the zone.
pub(super) fn read_instant(written: &str, zone: &TimeZone) -> anyhow::Result<i64> {
    let local = || written.parse::<jiff::civil::DateTime>().ok().and_then(|at| zone.to_timestamp(at).ok());
    let at = written.parse::<jiff::Timestamp>().ok().or_else(local);
    at.map(jiff::Timestamp::as_millisecond).ok_or_else(|| {
        let message = format!("cannot read the time of `--at`: `{written}`");
        Failure::error(Exit::Usage, message, "write it as `2026-03-02T10:00`, or with an offset")
    })
}

/// Plays it with each window. `person`: the one whom it is about, if one is known before.
fn play(
    told: &mut Told<'_>,
    root: &Path,
    asked: Asked,
    person: Option<Person>,
    only: Option<Window>,
) -> anyhow::Result<()> {
    let (mut project, root) = (told.project.clone(), root.to_owned());
    let speaks = told.language.clone();
    if let Some(code) = &speaks {
        languages::speaking(&mut project, &asked.workflow, code);
    }
    // A stage waits by itself, which a thread of this program's runtime may not.
    let played = std::thread::spawn(move || play_on_thread(project, root, asked, person, (only, speaks))).join();
    (told.played, told.note) = played.map_err(|_| anyhow::anyhow!("the preview ended unexpectedly"))??;
    Ok(())
}

type Played = (Vec<(Window, Ahead)>, Option<String>);

fn play_on_thread(
    project: Project,
    root: std::path::PathBuf,
    mut asked: Asked,
    person: Option<Person>,
    (only, speaks): (Option<Window>, Option<String>),
) -> anyhow::Result<Played> {
    let mut stage = Stage::new(project, root)?;
    let (mut played, mut note) = (Vec::new(), None);
    let mut known = std::mem::take(&mut asked.people);
    if let Some(code) = speaks {
        known.iter_mut().for_each(|person| drop(person.details.insert("language", code.clone())));
    }
    if only != Some(Window::Open) || matches!(asked.cause, Cause::Fires) {
        asked.people = known.iter().cloned().map(|one| wrote(one, Window::Closed)).collect();
        played.push((Window::Closed, preview(&mut stage, &asked)?));
    }
    if only != Some(Window::Closed) {
        // Whoever the list names is known after it was read once.
        let found = played.first().map(|(_, ahead)| ahead.phones.clone()).unwrap_or_default();
        let fresh = found.into_iter().chain(person.map(|person| person.phone)).map(Person::of);
        let mut people = known;
        for one in fresh {
            if !people.iter().any(|person| person.phone == one.phone) {
                people.push(one);
            }
        }
        if people.len() > MOST_WRITERS && only.is_none() {
            note = Some(format!(
                "{} people are on the list: only the closed window is shown; `--window open` shows the other",
                people.len()
            ));
        } else {
            asked.people = people.into_iter().map(|one| wrote(one, Window::Open)).collect();
            played.insert(0, (Window::Open, preview(&mut stage, &asked)?));
        }
    }
    played.retain(|(window, _)| only.is_none_or(|only| only == *window));
    Ok((played, note))
}

/// The person as this window has it: what is known of the last message stands where it fits.
fn wrote(mut person: Person, window: Window) -> Person {
    let ago_ms = |ago: Duration| i64::from(ago.days) * DAY_MS + ago.ms;
    let known = person.last_message;
    person.last_message = match window {
        Window::Open => known.filter(|ago| ago_ms(*ago) < DAY_MS).or(Some(AN_HOUR)),
        Window::Closed => known.filter(|ago| ago_ms(*ago) > DAY_MS),
    };
    person
}

impl Window {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

impl Told<'_> {
    /// A number as it is shown.
    fn phone(&self, phone: &Phone) -> String {
        if self.show_pii { phone.e164() } else { phone.masked() }
    }

    /// The contact of the test files that has this number.
    fn name(&self, phone: &Phone) -> Option<&str> {
        let found = self.people.iter().find(|(_, person)| person.phone == *phone);
        found.map(|(name, _)| name.as_str())
    }
}

/// The names of contacts of test files, for shells.
pub(super) fn contact_names(files: &Files) -> Vec<String> {
    let loaded = workflow::check(files, 0);
    contacts(&loaded.tests, "").into_iter().map(|(name, _)| name).collect()
}
