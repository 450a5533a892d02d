//! `relance init` as somebody meets it who has nothing yet: an empty folder, and a minute later a run.

use crate::editor::Desk;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `relance dev` of a folder, ended by its id.
struct Dev(Child);

impl Dev {
    /// It, and the address of its page.
    fn of(desk: &Desk) -> (Self, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relance"));
        command.current_dir(desk.0.path()).args(["dev", "--no-open", "--port", "0"]);
        let mut child = command.env_clear().stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.by_ref().find_map(|line| line.strip_prefix("page: ").map(str::to_owned)).unwrap();
        // Somebody has to read on, else it waits to be heard.
        std::thread::spawn(move || lines.for_each(drop));
        (Self(child), address)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every file below a folder, hidden ones as well.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn an_empty_folder_becomes_a_project_without_a_mistake_that_sends_in_dev() {
    let desk = Desk::empty();
    let said = desk.run(&["init", "my_shop"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
    assert!(
        said.stderr.contains("written: workflows/order_paid.yaml") && said.stderr.contains("-C my_shop dev"),
        "{said:?}"
    );
    let project = desk.read("my_shop/relance.yaml");
    for line in ["name: my shop", "  timezone: Europe/Paris", "phone_region: FR"] {
        assert!(project.lines().any(|written| written.starts_with(line)), "{line}:\n{project}");
    }
    assert_eq!(desk.read("my_shop/.gitignore"), ".relance/\n.env\n");
    assert!(!said.stderr.contains(".gitignore` should"), "{}", said.stderr);
    let check = desk.run(&["-C", "my_shop", "check", "--strict"]);
    assert_eq!((check.code, check.stdout.as_str()), (0, ""), "{check:?}");

    let desk = Desk::empty();
    assert_eq!(desk.run(&["init"]).code, 0);
    let (_dev, address) = Dev::of(&desk);
    let run = desk.run(&[
        "trigger",
        "order.paid",
        "--sample",
        "--with",
        "total=12.5",
        "--wait",
        "--json",
        "--url",
        address.trim_end_matches('/'),
    ]);
    assert_eq!(run.code, 0, "{run:?}");
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(told["run"]["state"], "done", "{told}");
    assert_eq!(told["deliveries"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["deliveries"][0]["state"], "accepted", "{told}");
}

#[test]
fn nothing_that_is_there_is_written_over() {
    let desk = Desk::empty();
    fs::write(desk.path(".gitignore"), "mine\n").unwrap();
    assert_eq!(desk.run(&["init", "--yes"]).code, 0);
    assert_eq!(desk.read(".gitignore"), "mine\n");
    fs::write(desk.path("workflows/order_paid.yaml"), "name: Mine\n").unwrap();
    let before = files(desk.0.path());
    let again = desk.run(&["init", "--yes"]);
    assert_eq!(files(desk.0.path()), before);
    for path in ["templates.yaml", ".env.example", ".vscode/settings.json"] {
        assert!(again.stderr.contains(&format!("left as it is: {path}")), "{again:?}");
    }
    assert!(again.stderr.contains("`.gitignore` should hold") && again.code == 1, "its mistakes are told: {again:?}");
}
