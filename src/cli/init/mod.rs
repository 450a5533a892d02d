//! `relance init`: a project that can be tried at once, and what its editors need; or one more workflow from a blueprint.
//!
//! `answers` asks a person, or guesses; `blueprints` are the ready workflows inside the binary. Invariant: a file that is
//! there is never written over, but for the schemas, which follow from the others; lists of templates only get longer.

mod answers;
mod blueprints;
mod differs;

use super::counted::counted;
use super::exit::Failure;
use super::language::Language;
use super::replace::replace_file;
use super::{Exit, Global, check, project, schema, test};
use crate::clock::Clock;
use crate::config::{CatalogueEntry, Files};
use crate::workflow::{self, Action, Step, schema::Kind};
use answers::Answers;
use anyhow::Context as _;
use blueprints::Blueprint;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use differs::Differs;
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; made when it is not there
    #[arg(value_hint = clap::ValueHint::DirPath)]
    folder: Option<PathBuf>,
    /// Begin with a ready workflow, or add it to the project; without a name, list them
    #[arg(long, value_name = "BLUEPRINT", num_args = 0..=1, default_missing_value = "", add = ArgValueCandidates::new(names))]
    from: Option<String>,
    /// Language of the workflow and of dates and amounts; without it the project's, else that of this machine
    #[arg(long, value_name = "LANGUAGE", value_parser = blueprints::LANGUAGES)]
    language: Option<String>,
    /// Ask nothing
    #[arg(short, long)]
    yes: bool,
}

/// The blueprints, for shells.
fn names() -> Vec<CompletionCandidate> {
    blueprints::all(Some(blueprints::LANGUAGES[0])).into_iter().map(|one| CompletionCandidate::new(one.name)).collect()
}

/// A file that may be written: its path in the project, and its text.
type Planned = (String, String);

/// What became of the plan.
#[derive(Debug, Default)]
struct Outcome {
    written: Vec<String>,
    /// Was there already.
    kept: Vec<String>,
    /// The project does without a lock: its templates are named by their uuid, and so are those of a blueprint.
    by_uuid: bool,
    /// What was kept and is not the blueprint's.
    differs: Vec<Differs>,
    /// Tests of the blueprint that fail with what was kept, of so many; `None` = there is nothing to play.
    failing: Option<(usize, usize)>,
    /// The zone of a new project whose machine tells no country: most likely it is not the customers' one.
    bare_zone: Option<String>,
}

pub(super) fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let root = args.folder.clone().unwrap_or_else(|| global.project.clone());
    let language = args.language.clone().or_else(|| language_of(&root));
    let language = language.as_deref().map_or_else(|| Language::or_of_machine(None).code(), blueprints::spoken);
    let blueprint = match args.from.as_deref() {
        Some("") => return list(global, args.language.as_deref(), language),
        Some(name) => Some(usable(&root, blueprints::find(name, language)?)?),
        None => None,
    };
    let fresh = !root.join("relance.yaml").exists();
    let by_uuid = !fresh && blueprint.is_some() && names_by_uuid(&project::read_files(&root)?);
    let mut plan = Vec::new();
    let answers = if fresh { Some(answers::of(&root, args.yes)?) } else { None };
    plan.extend(answers.iter().flat_map(|answers| new_project(answers, language)));
    plan.extend(around());
    match &blueprint {
        Some(blueprint) => plan.extend(blueprint.files()),
        None if fresh => plan.extend(first_workflow(language)),
        None => {}
    }
    let bare_zone = answers.filter(|answers| answers.region.is_none()).map(|answers| answers.zone);
    let mut outcome = Outcome { by_uuid, bare_zone, ..write(&root, &plan)? };
    if let Some(blueprint) = &blueprint {
        add_templates(&root, blueprint, &mut outcome)?;
    }
    let files = project::read_files(&root)?;
    outcome.written.extend(schema::write(&root, &files)?);
    if let Some(blueprint) = &blueprint {
        outcome.differs = differs::found(blueprint, &outcome.kept, &root, &files);
        if !outcome.differs.is_empty() {
            outcome.failing = test::failing(global, &root, &files, &blueprint.tests())?;
        }
    }
    tell(global, &root, &outcome, fresh, blueprint.as_ref())?;
    Ok(told_mistakes(&files, global))
}

/// What blueprints there are and what for: all for programs, those of one language for people.
fn list(global: &Global, only: Option<&str>, language: &str) -> anyhow::Result<Exit> {
    let mut out = global.out();
    if global.json {
        let list: Vec<Value> = blueprints::all(only).iter().map(Blueprint::shown).collect();
        writeln!(out, "{}", json!({ "version": 1, "blueprints": list }))?;
        return Ok(Exit::Fine);
    }
    let all = blueprints::all(Some(language));
    let widest = all.iter().map(|one| one.name.len()).max().unwrap_or(0);
    for one in &all {
        writeln!(out, "{:widest$}  {}", one.name, one.about())?;
    }
    Ok(Exit::Fine)
}

/// The language of a project that is there, when it can be read.
fn language_of(root: &Path) -> Option<String> {
    let files = project::read_files(root).ok()?;
    Some(workflow::load(&files).project?.settings.language)
}

/// Whether the project names its templates by their uuid, without a lock.
fn names_by_uuid(files: &Files) -> bool {
    if files.contains_key("templates.lock.json") {
        return false;
    }
    let Some(project) = workflow::load(files).project else { return false };
    let spoken = |entry: &CatalogueEntry| entry.languages.values().any(|spoken| spoken.uuid.is_some());
    let in_catalogue = project.catalogue.entries.values().any(|entry| entry.uuid.is_some() || spoken(entry));
    // Without a lock a workflow with a template is whole only when it says the uuid.
    in_catalogue || project.workflows.values().any(|workflow| sends_template(&workflow.steps))
}

fn sends_template(steps: &[Step]) -> bool {
    steps.iter().any(|step| {
        let sends = matches!(&step.action, Action::SendMessage(message) if message.template.is_some());
        sends || step.inner().into_iter().any(sends_template)
    })
}

/// A blueprint whose workflow is not there yet: its tests beside another one would only confuse.
fn usable(root: &Path, blueprint: Blueprint) -> anyhow::Result<Blueprint> {
    let path = blueprint.workflow();
    match root.join(&path).exists() {
        false => Ok(blueprint),
        true => Err(usage(
            format!("`{path}` is there already, and nothing was written"),
            "give that file another name first",
        )),
    }
}

fn new_project(answers: &Answers, language: &str) -> Vec<Planned> {
    let region = match &answers.region {
        Some(region) => {
            format!("phone_region: {region}                    # the country of numbers without a country code\n")
        }
        None => "# phone_region: ES                  # the country of numbers without a country code\n".to_owned(),
    };
    let text = format!(
        "# yaml-language-server: $schema=.schema/project.json\n\
         # No `channels`: the account's main WhatsApp line sends.\n\
         version: 1\n\
         name: {}\n\
         settings:\n  timezone: {}\n\
         {region}\
         language: {language}                        # dates and amounts, when the person's language is not known\n\n\
         # What proves that a person agreed to receive messages, beside `contact.consent` in the workflows:\n\
         # consent: {{ tag: opted_in }}\n\n\
         # Who may post events to a running `relance serve`; the secret is named, never written here:\n\
         # sources:\n\
         #   shop: {{ signature: standard_webhooks, secret: SHOP_WEBHOOK_SECRET }}\n",
        answers::scalar(&answers.name),
        answers.zone,
    );
    vec![("relance.yaml".to_owned(), text)]
}

/// What belongs to every project: what is never committed, the secrets it needs, and what editors read.
fn around() -> Vec<Planned> {
    let files = [
        ("templates.yaml", include_str!("start/templates.yaml").to_owned()),
        (".env.example", include_str!("start/env.example").to_owned()),
        (".gitignore", include_str!("start/gitignore").to_owned()),
        (".vscode/settings.json", editor_settings()),
        (".vscode/extensions.json", include_str!("start/extensions.json").to_owned()),
    ];
    files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect()
}

/// Names of events and fields are what the shop's system calls them, in whatever language people are written to.
fn first_workflow(language: &str) -> Vec<Planned> {
    let (name, text) = match language {
        "fr" => ("commande_payee", include_str!("start/commande_payee.yaml")),
        _ => ("order_paid", include_str!("start/order_paid.yaml")),
    };
    vec![
        (format!("workflows/{name}.yaml"), text.to_owned()),
        ("workflows/samples/order.paid.json".to_owned(), include_str!("start/order.paid.json").to_owned()),
    ]
}

/// Which schema is for which files.
fn editor_settings() -> String {
    let schemas = Kind::ALL.map(|kind| (format!("./{}", schema::path_of(kind)), json!(kind.files())));
    let settings = json!({
        "yaml.schemas": serde_json::Map::from_iter(schemas),
        "[yaml]": { "editor.insertSpaces": true, "editor.tabSize": 2 },
    });
    format!("{settings:#}\n")
}

fn write(root: &Path, plan: &[Planned]) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    for (path, text) in plan {
        let place = root.join(path);
        let folder = place.parent().unwrap_or(root);
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        match OpenOptions::new().write(true).create_new(true).open(&place) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", place.display()))?;
                outcome.written.push(path.clone());
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => outcome.kept.push(path.clone()),
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", place.display())),
        }
    }
    Ok(outcome)
}

/// Puts the blueprint's templates below those that are there; a name that is taken stays what it is.
fn add_templates(root: &Path, blueprint: &Blueprint, outcome: &mut Outcome) -> anyhow::Result<()> {
    let read = |path: &str| match fs::read_to_string(root.join(path)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read `{path}`")),
    };
    let (catalogue, lock) = (read("templates.yaml")?, read("templates.lock.json")?);
    let longer = blueprint.with_templates(&catalogue.unwrap_or_default(), lock.as_deref(), outcome.by_uuid)?;
    for (path, text) in [("templates.yaml", longer.0), ("templates.lock.json", longer.1)] {
        let Some(text) = text else { continue };
        replace_file(&root.join(path), &text).with_context(|| format!("cannot write `{path}`"))?;
        outcome.kept.retain(|kept| kept != path);
        if !outcome.written.iter().any(|written| written == path) {
            outcome.written.push(path.to_owned());
        }
    }
    Ok(())
}

fn tell(
    global: &Global,
    root: &Path,
    outcome: &Outcome,
    fresh: bool,
    blueprint: Option<&Blueprint>,
) -> anyhow::Result<()> {
    if global.json {
        let row = |one: &Differs| json!({ "path": one.path, "what": one.what, "hint": one.hint });
        let differs: Vec<Value> = outcome.differs.iter().map(row).collect();
        let failing = outcome.failing.map(|(failing, _)| failing);
        let said = json!({
            "version": 1, "written": outcome.written, "kept": outcome.kept, "differs": differs, "failing": failing,
        });
        writeln!(global.out(), "{said}")?;
        return Ok(());
    }
    if global.quiet {
        return Ok(());
    }
    for path in &outcome.written {
        eprintln!("written: {path}");
    }
    for path in &outcome.kept {
        eprintln!("left as it is: {path}");
    }
    for Differs { path, what, hint } in &outcome.differs {
        eprintln!("warning: `{path}` was there before and {what}");
        eprintln!("hint: {hint}");
    }
    match outcome.failing {
        None if !outcome.differs.is_empty() => {
            eprintln!("warning: its tests cannot be played before the mistakes below are mended");
        }
        Some((failing, all)) if failing > 0 => {
            eprintln!("warning: of {} of the blueprint {failing} fail with what was kept", counted(all, "test"));
        }
        _ => {}
    }
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    if [".relance/", ".env"].iter().any(|entry| !ignored.lines().any(|line| line.trim() == *entry)) {
        eprintln!("hint: `.gitignore` should hold `.relance/` and `.env`");
    }
    if let Some(zone) = &outcome.bare_zone {
        eprintln!(
            "hint: the time zone is `{zone}`: is it where your customers are? `relance.yaml` has it, and dates are written in it"
        );
    }
    if let Some(blueprint) = blueprint {
        eprintln!("{}: `relance test {}` plays its tests", blueprint.title(), blueprint.name);
    }
    if outcome.written.iter().any(|path| path == "templates.lock.json") {
        eprintln!(
            "hint: have the templates of `templates.yaml` approved in your account, then run `relance templates pull`: \
             until then `templates.lock.json` holds examples"
        );
    } else if outcome.by_uuid && outcome.written.iter().any(|path| path == "templates.yaml") {
        eprintln!(
            "hint: the new uuids of `templates.yaml` are examples: put those of your approved templates in their place"
        );
    }
    if fresh {
        let folder = root.display().to_string();
        let there = if folder == "." { String::new() } else { format!(" -C {folder}") };
        eprintln!("next: `relance{there} dev` shows it in a page with sandbox phones; nothing leaves this machine");
    }
    Ok(())
}

/// What `check` says of the project now: what was there already may have mistakes.
fn told_mistakes(files: &Files, global: &Global) -> Exit {
    let diagnostics = workflow::check(files, Clock::machine(0).now_ms()).diagnostics;
    if !diagnostics.is_empty() && !global.json {
        eprintln!();
        // Talk that cannot be written stops nothing.
        let _ = check::show(global.err(), &diagnostics, files);
    }
    match check::counts(&diagnostics) {
        (0, _) => Exit::Fine,
        _ => Exit::Problems,
    }
}

/// Wrong usage, with the way out.
fn usage(message: String, hint: impl Into<String>) -> anyhow::Error {
    Failure::error(Exit::Usage, message, hint)
}
