//! Check: a project's files → everything that can run, and every mistake of all of them at once.
//!
//! Reads `relance.yaml`, the templates and the samples first, then each workflow against them. Pure: files come as
//! texts, and the present instant only as an argument for hints. Invariant: a workflow with an error is left out,
//! whatever else is wrong, and never stops another one.

mod account;
mod allow;
mod anywhere;
mod audience;
mod catalogue;
mod category;
mod channels;
mod contact;
mod duration;
mod expression;
mod fields;
mod heard;
mod hosts;
mod http_request;
mod json;
mod languages;
mod limits;
mod listens;
mod lock;
mod lowering;
mod media;
mod never;
mod one_of_several;
mod opt_out;
mod overlap;
mod paths;
mod pattern;
mod phone;
mod project;
mod relays;
mod report;
mod samples;
mod schedule;
mod secrets;
mod seen;
mod send_message;
mod sources;
mod steps;
mod stop_when;
mod template;
mod test_file;
#[cfg(test)]
mod tests;
mod tokens;
mod told;
mod trigger;
mod update_contact;
mod values;
mod vars;
mod wait_for_reply;
mod window;
mod wording;
mod words;

use super::Workflow;
use super::diagnostic::{Diagnostic, Severity};
use super::yaml::{Document, Node};
use crate::config::{Files, Loaded, Project, ProjectSettings};
pub use account::AccountNames;
use catalogue::Templates;
use languages::Speaks;
use listens::Listens;
use lock::Lock;
use lowering::Lowering;
use overlap::{Spoken, overlaps};
use report::Report;
use samples::Samples;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What every workflow is read against.
struct World<'a> {
    settings: &'a ProjectSettings,
    /// False when `relance.yaml` has mistakes: then nothing is said of what it may lack.
    usable: bool,
    templates: &'a Templates,
    samples: &'a Samples,
    /// Ids of the project's workflows, in order.
    workflows: Vec<&'a str>,
    asked: Asked<'a>,
}

/// How files are read.
#[derive(Debug, Clone, Copy, Default)]
struct Asked<'a> {
    /// For people: schedules are judged from this instant on, Unix milliseconds.
    now_ms: Option<i64>,
    account: Option<&'a AccountNames>,
    /// They were accepted before: what has become a mistake since is none in them.
    accepted: bool,
}

/// Reads a project.
pub fn load(files: &Files) -> Loaded {
    load_as(files, Asked::default())
}

/// Reads files that were accepted when they were stored, as they were read then: today and in years.
pub fn load_accepted(files: &Files) -> Loaded {
    load_as(files, Asked { accepted: true, ..Asked::default() })
}

/// As [`load`], for people: schedules are judged from `now_ms` on (Unix milliseconds), and hints say when they fire next.
pub fn check(files: &Files, now_ms: i64) -> Loaded {
    load_as(files, Asked { now_ms: Some(now_ms), ..Asked::default() })
}

/// As [`check`], and against what the account has.
pub fn check_with(files: &Files, now_ms: i64, account: &AccountNames) -> Loaded {
    load_as(files, Asked { now_ms: Some(now_ms), account: Some(account), ..Asked::default() })
}

fn load_as(files: &Files, asked: Asked<'_>) -> Loaded {
    let mut diagnostics = Vec::new();
    let (settings, usable) = read_project(files, asked, &mut diagnostics);
    let mut speaks = Vec::new();
    let templates = read_templates(files, usable.then_some(&settings.language), &mut speaks, &mut diagnostics);
    let samples = samples::read(files, &mut diagnostics);
    let workflows = files.keys().filter_map(|path| path.strip_prefix("workflows/")?.strip_suffix(".yaml"));
    let workflows = workflows.filter(|id| words::is_name(id)).collect();
    let world = World { settings: &settings, usable, templates: &templates, samples: &samples, workflows, asked };
    let mut workflows = BTreeMap::new();
    let mut spoken = Vec::new();
    let mut listens = Listens::default();
    for (path, text) in files {
        if let Some((workflow, words)) = read_workflow(path, text, &world, &mut speaks, &mut listens, &mut diagnostics)
        {
            workflows.insert(workflow.id.clone(), Arc::new(workflow));
            spoken.extend(words);
        }
    }
    diagnostics.extend(overlaps(&spoken));
    diagnostics.extend(languages::missing(&speaks, &settings.language));
    // Nothing that serves reads the tests: a mistake in one stops no server.
    let tests = match asked.now_ms {
        Some(_) => test_file::read_tests(files.iter(), &world, &workflows, &listens, &mut diagnostics),
        None => Vec::new(),
    };
    diagnostics.sort_by(|a, b| (&a.file, a.line, a.column, a.code).cmp(&(&b.file, b.line, b.column, b.code)));
    diagnostics.dedup();
    let catalogue = templates.catalogue;
    let project = Project { settings, catalogue, workflows, samples: samples.events, files: files.clone() };
    Loaded { project: usable.then_some(project), tests, diagnostics }
}

fn read_project(files: &Files, asked: Asked<'_>, diagnostics: &mut Vec<Diagnostic>) -> (ProjectSettings, bool) {
    let Some(text) = files.get("relance.yaml") else {
        diagnostics.push(Diagnostic {
            code: "R202",
            severity: Severity::Error,
            file: "relance.yaml".into(),
            line: 1,
            column: 1,
            width: 1,
            message: "`relance.yaml` is missing".into(),
            hint: "write it with `version: 1`, `name: …` and `settings: { timezone: Europe/Madrid }`".into(),
            fix: Vec::new(),
        });
        return (project::usual(), false);
    };
    let (document, found) = Document::read(text);
    let mut report = Report::new("relance.yaml", &document, found);
    (report.account, report.accepted) = (asked.account, asked.accepted);
    let settings = match usable_root(&document) {
        Some(root) => project::read(&mut report, root),
        None => project::usual(),
    };
    let usable = report.errors() == 0;
    diagnostics.extend(report.finish());
    (settings, usable)
}

/// The tree of a file that is empty or could be read at least in part; `None` when nothing can be said of its content.
fn usable_root(document: &Document) -> Option<Option<&Node>> {
    match (&document.root, document.broken_at) {
        (None, Some(_)) => None,
        (root, _) => Some(root.as_ref()),
    }
}

fn read_templates(
    files: &Files,
    usual: Option<&String>,
    speaks: &mut Vec<Speaks>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Templates {
    let lock = files.get("templates.lock.json").map_or_else(Lock::default, |text| {
        let document = Document::without_tree(text);
        let mut report = Report::new("templates.lock.json", &document, Vec::new());
        let lock = lock::read_lock(&mut report, text);
        diagnostics.extend(report.finish());
        lock
    });
    let text = files.get("templates.yaml").map_or("", String::as_str);
    let (document, found) = Document::read(text);
    let mut report = Report::new("templates.yaml", &document, found);
    let templates = catalogue::read(&mut report, document.root.as_ref(), lock, usual.map(String::as_str), speaks);
    diagnostics.extend(report.finish());
    templates
}

fn read_workflow<'a>(
    path: &str,
    text: &'a str,
    world: &World,
    speaks: &mut Vec<Speaks>,
    listens: &mut Listens<'a>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Workflow, Vec<Spoken>)> {
    let name = path.strip_prefix("workflows/")?;
    if name.ends_with(".test.yaml") || name.ends_with(".test.yml") {
        return None;
    }
    let (stem, extension) = name.rsplit_once('.').filter(|(_, extension)| matches!(*extension, "yaml" | "yml"))?;
    let (document, found) = Document::read(text);
    let mut report = Report::new(path, &document, found);
    (report.account, report.accepted) = (world.asked.account, world.asked.accepted);
    let named = check_path(&mut report, stem, extension);
    let mut lowering = Lowering::new(report, world);
    let workflow = match &document.root {
        Some(root) if named => lowering.workflow(stem, root),
        None if named && document.broken_at.is_none() => {
            let hint = "write `name`, `when` and `do`, or remove the file";
            lowering.report.error("R202", &(0..0), "the file is empty", hint);
            None
        }
        _ => None,
    };
    let spoken = std::mem::take(&mut lowering.spoken);
    speaks.append(&mut lowering.speaks);
    listens.events.append(&mut lowering.listens);
    listens.unread.extend(workflow.is_none().then_some(text));
    diagnostics.extend(lowering.report.finish());
    workflow.map(|workflow| (workflow, spoken))
}

/// The file's name is the workflow's id.
fn check_path(report: &mut Report, stem: &str, extension: &str) -> bool {
    if stem.starts_with("blocks/") {
        report.error("R206", &(0..0), "blocks come with a later release", "remove the file until then");
        return false;
    }
    if stem.contains('/') {
        let hint = "move it: workflows stand directly in `workflows/`";
        report.error("R201", &(0..0), "a workflow in a folder of its own is not read", hint);
        return false;
    }
    if extension != "yaml" || !words::is_name(stem) {
        let hint = format!("rename the file to `{}.yaml`: its name is the workflow's id", words::as_name(stem));
        report.error("R201", &(0..0), "badly formed name of a workflow file", hint);
    }
    true
}
