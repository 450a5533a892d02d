//! Keys, schema and checker say the same: what `check` knows stands in the schema, and the reverse; what `check` takes
//! validates, what is mistaken in a way that a schema can see does not.
//!
//! Validated as editors do it, by the libraries of the language server (`tests/editor/validate.mjs`).

use crate::editor::validate;
use regex::Regex;
use relance::cli::project::read_files;
use relance::workflow::schema::{Kind, Names, schema};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// What the checker calls a map → its keys: the `Shape`s of its source.
fn shapes() -> BTreeMap<String, BTreeSet<String>> {
    let shape = Regex::new(r#"(?s): Shape =\s*Shape \{\s*what: "([^"]+)",\s*keys: &\[(.*?)\]"#).unwrap();
    let key = Regex::new(r#""([^"]+)""#).unwrap();
    let (mut found, mut declared) = (BTreeMap::new(), 0);
    for path in files_below("src/workflow/check") {
        let text = fs::read_to_string(path).unwrap();
        declared += text.matches(": Shape =").count();
        for part in shape.captures_iter(&text) {
            let keys = key.captures_iter(&part[2]).map(|key| key[1].to_owned()).collect();
            assert!(found.insert(part[1].to_owned(), keys).is_none(), "two maps are called {}", &part[1]);
        }
    }
    assert_eq!(found.len(), declared, "a map of the checker is written in a way that is not read here");
    found
}

/// The same, of the schema: its definitions carry the checker's name.
fn defined() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for kind in Kind::ALL {
        let schema = schema(kind, &Names::default());
        let definitions = schema["definitions"].as_object().unwrap().values().chain([&schema]);
        for definition in definitions {
            if let Some(what) = definition["$comment"].as_str() {
                let keys = definition["properties"].as_object().unwrap().keys().cloned().collect();
                found.insert(what.to_owned(), keys);
                assert_eq!(definition["additionalProperties"], false, "{what} takes unknown keys");
            }
        }
    }
    found
}

#[test]
fn every_key_the_checker_knows_is_in_the_schema_and_the_reverse() {
    let (shapes, defined) = (shapes(), defined());
    assert!(shapes.len() > 20, "{shapes:?}");
    assert_eq!(shapes, defined);
}

fn kind_of(path: &Path) -> Kind {
    match path.file_name().unwrap().to_str().unwrap() {
        "relance.yaml" => Kind::Project,
        "templates.yaml" => Kind::Catalogue,
        name if name.ends_with(".test.yaml") => Kind::Test,
        _ => Kind::Workflow,
    }
}

/// Everything that is to be validated, with the schemas it needs.
#[derive(Default)]
struct Asked {
    schemas: serde_json::Map<String, Value>,
    files: Vec<Value>,
}

impl Asked {
    fn file(&mut self, path: &Path, project: Option<&Path>) {
        let kind = kind_of(path);
        let name = format!("{} {}", kind.as_str(), project.unwrap_or(Path::new("")).display());
        self.schemas.entry(name.clone()).or_insert_with(|| {
            schema(kind, &project.map_or_else(Names::default, |project| Names::of(&read_files(project).unwrap())))
        });
        let text = fs::read_to_string(path).unwrap();
        self.files.push(json!({ "schema": name, "path": path.strip_prefix(root()).unwrap(), "text": text }));
    }

    fn answer(self) -> BTreeMap<String, Vec<String>> {
        validate(&json!({ "schemas": self.schemas, "files": self.files }))
    }
}

#[test]
fn every_good_file_of_the_repository_validates() {
    let mut asked = Asked::default();
    let folders = ["workflows", "tests", "benches", "blueprints"].iter().flat_map(|folder| files_below(folder));
    let good = folders.filter(|path| !path.starts_with(root().join("tests/bad")));
    for path in good.chain([root().join("relance.yaml"), root().join("templates.yaml")]) {
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let project = path.ancestors().skip(1).find(|folder| folder.join("relance.yaml").exists());
            // A blueprint is no part of the project it lies in.
            asked.file(&path, project.filter(|_| !path.starts_with(root().join("blueprints"))));
        }
    }
    assert!(asked.files.len() > 20, "{}", asked.files.len());
    let refused: Vec<_> = asked.answer().into_iter().filter(|(_, wrong)| !wrong.is_empty()).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Mistakes that a schema can see, in the checker's words.
const SEEN: [&str; 9] = [
    "unknown key in ",
    "this version cannot do ",
    " cannot be `",
    " must be `true` or `false`",
    " is out of range: ",
    "unknown template: ",
    "unknown channel: ",
    "unknown source: ",
    "unknown workflow: ",
];

#[test]
fn mistakes_that_a_schema_can_see_are_refused() {
    let mut asked = Asked::default();
    for path in files_below("tests/bad") {
        let single = path.parent().is_some_and(|folder| folder.ends_with("bad"));
        if single && path.extension().is_some_and(|extension| extension == "yaml") {
            let told = fs::read_to_string(path.with_extension("txt")).unwrap();
            if SEEN.iter().any(|words| told.lines().any(|line| line.contains(": error[") && line.contains(words))) {
                asked.file(&path, Some(&root()));
            }
        }
    }
    assert!(asked.files.len() >= 18, "{}", asked.files.len());
    let taken: Vec<_> =
        asked.answer().into_iter().filter(|(_, wrong)| wrong.is_empty()).map(|(path, _)| path).collect();
    assert!(taken.is_empty(), "{taken:#?}");
}
