//! Editors: what a person sees who opens a project in one, asked of the real `yaml-language-server` over its protocol
//! (`tests/editor/ask.mjs`), set up by nothing but what `relance init` wrote.

use crate::process::Said;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The folder of npm with the language server, which `tests/run` fills.
fn packages() -> String {
    std::env::var("RELANCE_TEST_EDITOR")
        .expect("`RELANCE_TEST_EDITOR` names the folder of yaml-language-server: see tests/run")
}

/// Runs a script of `tests/editor` and reads what it answers.
fn node(script: &str, args: &[&str], question: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/editor").join(script);
    let mut command = Command::new("node");
    command.arg(script).arg(packages()).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    serde_json::from_slice(&said.stdout).unwrap()
}

/// What is wrong with each file, by its path.
pub(crate) fn validate(question: &Value) -> BTreeMap<String, Vec<String>> {
    serde_json::from_value(node("validate.mjs", &[], question)).unwrap()
}

/// An empty folder where somebody begins.
pub(crate) struct Desk(pub(crate) TempDir);

impl Desk {
    pub(crate) fn empty() -> Self {
        Self(TempDir::with_prefix("relance-editor-").unwrap())
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// A command in this folder, with nothing on its standard input.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.run_in("Europe/Paris", args)
    }

    /// The same on a machine in this zone.
    pub(crate) fn run_in(&self, zone: &str, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relance"));
        command
            .current_dir(self.0.path())
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let said = command.env("TZ", zone).stdin(Stdio::null()).output().unwrap();
        Said {
            code: said.status.code().unwrap(),
            stdout: String::from_utf8(said.stdout).unwrap(),
            stderr: String::from_utf8(said.stderr).unwrap(),
        }
    }

    fn ask(&self, questions: &Value) -> Value {
        node("ask.mjs", &[self.0.path().to_str().unwrap()], questions)
    }
}

/// A question about the place of the last `|` in a text.
fn at(file: &str, text: &str) -> Value {
    let place = text.rfind('|').unwrap();
    let before = &text[..place];
    let (line, column) = (before.matches('\n').count(), before.len() - before.rfind('\n').map_or(0, |at| at + 1));
    json!({ "file": file, "text": format!("{before}{}", &text[place + 1..]), "line": line, "character": column })
}

const HEAD: &str =
    "name: Paid\npurpose: utility\nwhen: { webhook: order.paid }\ncontact: { phone: \"{{event.phone}}\" }\n";

fn list(answer: &Value, key: &str) -> Vec<String> {
    serde_json::from_value(answer[key].clone()).unwrap()
}

#[test]
fn a_new_project_is_known_to_the_editor_with_its_templates_keys_and_mistakes() {
    let desk = Desk::empty();
    assert_eq!(desk.run(&["init", "--yes"]).code, 0);
    fs::write(desk.path("templates.yaml"), "receipt: { uuid: abc }\nreminder: { uuid: def }\n").unwrap();
    assert_eq!(desk.run(&["schema", "--write"]).code, 0);
    let first = desk.read("workflows/order_paid.yaml");
    let answers = desk.ask(&json!([
        at("workflows/a.yaml", &format!("{HEAD}do:\n  - send_message:\n      template: |\n")),
        at("workflows/b.yaml", &format!("{HEAD}do:\n  - send_mess|age: {{ template: receipt }}\n")),
        at(
            "workflows/c.yaml",
            &format!("{HEAD}do:\n  - send_message: {{ template: reciept, outside: skip }}\n  - wait: 2|\n")
        ),
        at("workflows/d.yaml", "name: Paid\nwhen:\n  webhook: |\n"),
        at("workflows/order_paid.yaml", &format!("{first}|")),
        at("relance.yaml", &format!("{}|", desk.read("relance.yaml"))),
        at("templates.yaml", "receipt: { titel: Receipt| }\n"),
        at("workflows/a.test.yaml", "workflow: order_paid|\ntests: []\n"),
    ]));
    assert_eq!(list(&answers[0], "completion"), ["receipt", "reminder"]);
    let hover = answers[1]["hover"].as_str().unwrap();
    assert!(hover.contains("Sends a message: the text while the person's 24\\-hour window is open"), "{hover}");
    assert_eq!(list(&answers[1], "errors"), [""; 0]);
    let mut errors = list(&answers[2], "errors");
    errors.sort();
    assert!(errors[0].starts_with("5:30 Value is not accepted") && errors[0].contains("\"receipt\""), "{errors:?}");
    assert_eq!(errors[1], "5:39 Property outside is not allowed.");
    assert!(errors[2].starts_with("6:10 Incorrect type."), "{errors:?}");
    assert!(list(&answers[3], "completion").contains(&"order.paid".to_owned()), "{}", answers[3]);
    for good in [4, 5] {
        assert_eq!(list(&answers[good], "errors"), [""; 0], "{}", answers[good]);
    }
    assert_eq!(list(&answers[6], "errors"), ["0:11 Property titel is not allowed."]);
    let errors = list(&answers[7], "errors");
    assert!(errors.len() == 1 && errors[0].starts_with("1:7 "), "the schema of tests is another one: {errors:?}");
}
