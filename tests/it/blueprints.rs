//! Blueprints: each is a project without a mistake as `relance init --from` writes it, its tests take every branch, and
//! whatever is changed in it turns `check` or a test red.

use crate::bad::NOW_MS;
use crate::editor::Desk;
use crate::mutations::{Mutation, OTHER, mutations};
use relance::cli::check::render_human;
use relance::cli::project::read_files;
use relance::config::Files;
use relance::rehearsal::{Stage, coverage, play};
use relance::workflow::check;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const NAMES: [&str; 10] = [
    "abandoned_cart",
    "appointment",
    "birthday",
    "delivery",
    "keyword_menu",
    "lead_follow_up",
    "order",
    "payment_reminder",
    "renewal",
    "review_request",
];

/// A project begun with a blueprint, below the desk.
struct Begun {
    folder: PathBuf,
    workflow: String,
    files: Files,
}

fn begun(desk: &Desk, language: &str, name: &str) -> Begun {
    let folder = format!("{language}_{name}");
    let said = desk.run(&["init", &folder, "--from", name, "--language", language]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
    let folder = desk.path(&folder);
    Begun { workflow: format!("workflows/{name}.yaml"), files: read_files(&folder).unwrap(), folder }
}

fn all(desk: &Desk) -> Vec<Begun> {
    ["en", "fr"].iter().flat_map(|language| NAMES.map(|name| begun(desk, language, name))).collect()
}

/// What is wrong: mistakes, else the first test that fails, with its number, else nothing. `first` is played first.
fn wrong(root: &Path, files: &Files, first: usize, went: &mut BTreeSet<String>) -> Option<(usize, String)> {
    let loaded = check(files, NOW_MS);
    if !loaded.diagnostics.is_empty() {
        return Some((first, render_human(&loaded.diagnostics, files)));
    }
    let mut stage = Stage::new(loaded.project.unwrap(), root.to_owned()).unwrap();
    let tests = loaded.tests.iter().flat_map(|file| file.tests.iter().map(move |test| (file, test)));
    let mut tests: Vec<_> = tests.enumerate().collect();
    tests.sort_by_key(|(index, _)| *index != first);
    for (index, (file, test)) in tests {
        let outcome = play(&mut stage, file, test).unwrap();
        went.extend(outcome.went);
        if !outcome.failures.is_empty() {
            return Some((index, format!("{}: {:#?}", test.name, outcome.failures)));
        }
    }
    None
}

#[test]
fn each_is_a_project_without_a_mistake_whose_tests_take_every_branch() {
    let desk = Desk::empty();
    for begun in all(&desk) {
        let mut went = BTreeSet::new();
        assert_eq!(wrong(&begun.folder, &begun.files, 0, &mut went), None, "{}", begun.folder.display());
        let project = check(&begun.files, NOW_MS).project.unwrap();
        let branches: Vec<String> =
            project.workflows.values().flat_map(|workflow| coverage::branches(workflow)).collect();
        let untaken: Vec<_> = branches.iter().filter(|branch| !went.contains(*branch)).collect();
        assert!(untaken.is_empty() && !branches.is_empty(), "{untaken:#?}");
    }
}

const RECEIPT: &str = "name: Receipt
purpose: utility
when: { webhook: receipt.asked }
contact: { phone: '+34600000009' }
do:
  - send_message: { template: TEMPLATE, values: { total: '7 €' } }
";

#[test]
fn one_more_in_a_project_that_names_its_templates_by_uuid_keeps_it_whole() {
    let entry = "receipt: { uuid: 0f7c, category: utility, values: [total] }\n";
    let in_place = "{ uuid: 0f7c, category: utility, values: [total] }";
    for (name, catalogue, template) in
        NAMES.map(|name| (name, entry, "receipt")).into_iter().chain([("order", "", in_place)])
    {
        let desk = Desk::empty();
        let write = |path: &str, text: &str| fs::write(desk.path(path), text).unwrap();
        assert_eq!(desk.run(&["init", "--yes"]).code, 0);
        write("templates.yaml", catalogue);
        write("workflows/receipt.yaml", &RECEIPT.replace("TEMPLATE", template));
        let said = desk.run(&["init", "--from", name, "--language", "en"]);
        assert_eq!(said.code, 0, "{said:?}");
        let files = read_files(desk.0.path()).unwrap();
        assert_eq!(wrong(desk.0.path(), &files, 0, &mut BTreeSet::new()), None, "{name}");
        assert!(files["templates.yaml"].starts_with(catalogue) && !files.contains_key("templates.lock.json"), "{name}");
        assert_eq!(
            said.stderr.contains("uuids of `templates.yaml` are examples"),
            files["templates.yaml"] != catalogue
        );
    }
}

/// The catalogue and its lock with another template of the same shape beside each.
fn with_others(files: &mut Files) {
    let Some(lock) = files.get("templates.lock.json") else { return };
    let mut list: Vec<Value> = serde_json::from_str(lock).unwrap();
    let others: Vec<Value> = list
        .iter()
        .map(|one| {
            let mut other = one.clone();
            other["title"] = json!(format!("Other {}", one["title"].as_str().unwrap()));
            other["uuid"] = json!(one["uuid"].as_str().unwrap().chars().rev().collect::<String>());
            other
        })
        .collect();
    list.extend(others);
    let catalogue = &files["templates.yaml"];
    let begins = |line: &&str| !line.starts_with('#');
    let others: String = catalogue.lines().filter(begins).fold(String::new(), |text, line| {
        let line = line.replace("title: ", "title: Other ");
        let entry = line.starts_with(|c: char| c.is_ascii_lowercase());
        text + if entry { OTHER } else { "" } + &line + "\n"
    });
    let both = format!("{catalogue}{others}");
    files.insert("templates.yaml".into(), both);
    files.insert("templates.lock.json".into(), Value::from(list).to_string());
}

#[test]
fn no_change_of_a_condition_a_value_a_duration_or_a_template_stays_green() {
    let desk = Desk::empty();
    let mut begun = all(&desk);
    begun.iter_mut().for_each(|one| with_others(&mut one.files));
    let changed: Vec<(&Begun, Option<Mutation>)> = begun
        .iter()
        .flat_map(|one| {
            let found = mutations(&one.files[&one.workflow]);
            assert!(found.len() > 5, "{}", one.folder.display());
            std::iter::once((one, None)).chain(found.into_iter().map(move |mutation| (one, Some(mutation))))
        })
        .collect();
    let (next, stayed_green) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let noticed: Mutex<BTreeMap<(&str, usize), usize>> = Mutex::default();
    let work = || {
        while let Some((one, mutation)) = changed.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut files = one.files.clone();
            let folder = one.folder.file_name().unwrap().display();
            let Some(mutation) = mutation else {
                // As it is, with the other templates beside its own.
                assert_eq!(wrong(&one.folder, &files, 0, &mut BTreeSet::new()), None, "{folder}");
                continue;
            };
            files.insert(one.workflow.clone(), mutation.text.clone());
            // What noticed a change of this line before, in the other language too, is asked first.
            let place = (one.workflow.as_str(), mutation.line);
            let first = noticed.lock().unwrap().get(&place).copied().unwrap_or(0);
            match wrong(&one.folder, &files, first, &mut BTreeSet::new()) {
                Some((test, _)) => drop(noticed.lock().unwrap().insert(place, test)),
                None => stayed_green.lock().unwrap().push(format!("{folder}:{}", mutation.what)),
            }
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    let stayed_green = stayed_green.into_inner().unwrap();
    eprintln!("{} changes, {} stayed green", changed.len() - begun.len(), stayed_green.len());
    assert!(stayed_green.is_empty(), "{stayed_green:#?}");
}

#[test]
fn they_are_offered_with_what_they_are_for_and_never_written_over_anything() {
    let desk = Desk::empty();
    let list = desk.run(&["init", "--from", "--language", "fr"]);
    let names: Vec<&str> = list.stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!((list.code, names), (0, NAMES.to_vec()), "{list:?}");
    assert!(list.stdout.contains("Une commande est payée"), "{list:?}");
    let shown: Value = serde_json::from_str(&desk.run(&["init", "--from", "--json"]).stdout).unwrap();
    assert_eq!(shown["blueprints"].as_array().map(Vec::len), Some(20), "{shown}");

    for wrong in [&["init", "x", "--from", "nonsense"][..], &["init", "x", "--from", "order", "--language", "xx"]] {
        let said = desk.run(wrong);
        assert!(said.code == 2 && !desk.path("x").exists(), "{said:?}");
    }

    // One is added to a project that is there, and leaves what it finds.
    begun(&desk, "en", "order");
    let project = desk.read("en_order/relance.yaml");
    let said = desk.run(&["-C", "en_order", "init", "--from", "abandoned_cart"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stderr.contains("left as it is: workflows/samples/order.paid.json"), "{said:?}");
    assert_eq!(desk.read("en_order/relance.yaml"), project);
    let catalogue = desk.read("en_order/templates.yaml");
    assert!(catalogue.contains("order_confirmed:") && catalogue.contains("cart_reminder:"), "{catalogue}");
    for command in [&["check", "--offline", "--strict"][..], &["test"]] {
        let said = desk.run(&[&["-C", "en_order"], command].concat());
        assert!(said.code == 0 && !said.stdout.contains("no test took"), "{said:?}");
    }
    fs::write(desk.path("en_order/workflows/order.yaml"), "name: Mine\n").unwrap();
    let again = desk.run(&["-C", "en_order", "init", "--from", "order", "--language", "fr"]);
    assert!(again.code == 2 && again.stderr.contains("is there already"), "{again:?}");
    assert_eq!(desk.read("en_order/workflows/order.yaml"), "name: Mine\n");
    assert_eq!(desk.read("en_order/templates.yaml"), catalogue);
}
