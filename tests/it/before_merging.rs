//! Before merging: what the action of GitHub and the hooks of git run, on a folder without a mistake, with one, and with a
//! test that fails.

use crate::editor::Desk;
use std::fs;
use std::path::Path;
use std::process::Command;

const RELANCE: &str = env!("CARGO_BIN_EXE_relance");
const WORKFLOW: &str = "automations/workflows/order.yaml";

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// A repository with the project `automations`, everything staged.
fn repository() -> Desk {
    let desk = Desk::empty();
    let said = desk.run(&["init", "automations", "--from", "order", "--language", "en"]);
    assert_eq!(said.code, 0, "{said:?}");
    let git = "git init -q . && git config user.name Ana && git config user.email ana@example.com && git add -A";
    assert_eq!(bash(&desk, git, &[]).0, 0);
    desk
}

/// Exit code, and everything that was said.
fn bash(desk: &Desk, script: &str, variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new("bash");
    command.current_dir(desk.0.path()).args(["-c", script]).env_clear().envs(variables.iter().copied());
    let folder = Path::new(RELANCE).parent().unwrap().display();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let said = command.env("PATH", path).env("HOME", desk.0.path()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (said.status.code().unwrap(), text(&said.stdout) + &text(&said.stderr))
}

/// A condition that cannot be read, and one that is not what the tests say.
fn changed(desk: &Desk, condition: &str) {
    let text = desk.read(WORKFLOW);
    assert!(text.contains("event.total > 0"));
    fs::write(desk.path(WORKFLOW), text.replace("event.total > 0", condition)).unwrap();
}

/// The last step of the action, as GitHub runs it with these inputs.
fn action(desk: &Desk, inputs: &[(&str, &str)]) -> (i32, String) {
    let text = read("action.yml");
    let run = text.lines().rev().find_map(|line| line.trim_start().strip_prefix("run: ")).unwrap();
    let given = |name: &str| inputs.iter().find(|(input, _)| *input == name).map_or("", |(_, value)| value);
    let variables: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| {
            line.trim().split_once(": ${{ inputs.").map(|(variable, rest)| (variable, rest.trim_end_matches(" }}")))
        })
        .map(|(variable, input)| (variable, given(input)))
        .chain([("GITHUB_ACTION_PATH", env!("CARGO_MANIFEST_DIR"))])
        .collect();
    assert_eq!(variables.len(), 6, "{variables:?}");
    bash(desk, run, &variables)
}

#[test]
fn the_action_of_github_tells_what_is_wrong_beside_its_line() {
    let desk = repository();
    let inputs = [("relance", RELANCE), ("folder", "automations"), ("offline", "true"), ("junit", "out.xml")];
    let (code, said) = action(&desk, &inputs);
    assert!(code == 0 && said.contains("4 tests passed") && !said.contains("::error"), "{said}");
    assert!(desk.read("out.xml").contains("tests=\"4\" failures=\"0\""));

    changed(&desk, "event.total > 200");
    let (code, said) = action(&desk, &inputs);
    let annotation = "::error file=automations/workflows/order.test.yaml,line=";
    assert!(code == 1 && said.contains(annotation) && said.contains("title=relance test::at once"), "{said}");

    let desk = repository();
    changed(&desk, "event.totl > 0");
    let (code, said) = action(&desk, &inputs);
    assert!(code == 1 && said.contains("::error file=automations/workflows/order.yaml,line="), "{said}");
    assert!(said.contains("R307"), "{said}");

    // A warning is one only when nobody is strict.
    let desk = repository();
    let warned = "name: Warned\nwhen: { message: { is: [yes] } }\ndo:\n  - send_message: { text: pong }\n";
    fs::write(desk.path("automations/workflows/warned.yaml"), warned).unwrap();
    let strict = [&inputs[..3], &[("strict", "true")]].concat();
    assert_eq!((action(&desk, &inputs[..3]).0, action(&desk, &strict).0), (0, 1), "{}", action(&desk, &strict).1);
}

#[test]
fn the_hook_of_git_lets_nothing_wrong_be_committed() {
    let desk = repository();
    fs::write(desk.path(".git/hooks/pre-commit"), read("deploy/pre-commit")).unwrap();
    let commit = "chmod +x .git/hooks/pre-commit && git commit -q -m changed";
    let (code, said) = bash(&desk, commit, &[]);
    assert!(code == 0 && said.contains("4 tests passed"), "{said}");

    changed(&desk, "event.totl > 0");
    fs::write(desk.path("notes.txt"), "another thing\n").unwrap();
    let (code, said) = bash(&desk, &format!("git add notes.txt && {commit}"), &[]);
    assert!(code == 0 && said.is_empty(), "what is not committed is not looked at: {said}");
    let (code, said) = bash(&desk, &format!("git add -A && {commit}"), &[]);
    assert!(code == 1 && said.contains("R307") && said.contains("nothing was committed"), "{said}");

    let (code, said) =
        bash(&desk, &format!("sed -i 's/event.totl > 0/event.total > 200/' {WORKFLOW} && git add -A && {commit}"), &[]);
    assert!(code == 1 && said.contains("tests failed"), "{said}");
    let (_, log) = bash(&desk, "git log --oneline | wc -l", &[]);
    assert_eq!(log.trim(), "2");
}

#[test]
fn each_hook_of_pre_commit_refuses_what_it_is_for() {
    let hooks = read(".pre-commit-hooks.yaml");
    let entries: Vec<String> = hooks
        .lines()
        .filter_map(|line| line.trim().strip_prefix("entry: "))
        .map(|entry| format!("{entry} -C automations"))
        .collect();
    assert_eq!(entries.len(), 2);
    for (condition, codes) in [("event.total > 0", [0, 0]), ("event.total > 200", [0, 1]), ("event.totl > 0", [1, 1])] {
        let desk = repository();
        changed(&desk, condition);
        for (entry, wanted) in entries.iter().zip(codes) {
            let (code, said) = bash(&desk, entry, &[]);
            assert_eq!(code, wanted, "{entry}: {said}");
        }
    }
}
