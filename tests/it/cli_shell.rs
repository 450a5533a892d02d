//! Completions as a real shell asks for them, and the manual pages.

use crate::editor::Desk;
use std::fs;
use std::process::{Command, Stdio};

/// What bash offers for the last of the words, by the script that `relance completions bash` prints.
const OFFER: &str = r#"
source <("$1" completions bash)
shift
COMP_WORDS=(relance "$@")
COMP_CWORD=$#
COMPREPLY=()
asked=$(complete -p relance | sed 's/.*-F \([^ ]*\).*/\1/')
"$asked" relance "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"#;

fn offered(desk: &Desk, words: &[&str]) -> Vec<String> {
    let mut bash = Command::new("bash");
    bash.current_dir(desk.0.path()).args(["-c", OFFER, "bash", env!("CARGO_BIN_EXE_relance")]).args(words);
    let said = bash.output().unwrap();
    String::from_utf8(said.stdout)
        .unwrap()
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn bash_completes_commands_and_the_names_of_the_project() {
    let desk = Desk::empty();
    assert_eq!(desk.run(&["init", "shop"]).code, 0);
    fs::write(desk.path("shop/templates.yaml"), "receipt: { uuid: abc }\nreminder: { uuid: def }\n").unwrap();
    assert_eq!(offered(&desk, &["comp"]), ["completions"]);
    assert_eq!(offered(&desk, &["-C", "shop", "trigger", ""])[0], "order.paid");
    assert_eq!(offered(&desk, &["-C", "shop", "runs", "list", "--workflow", "or"]), ["order_paid"]);
    assert_eq!(offered(&desk, &["-C", "shop", "templates", "show", "re"]), ["receipt", "reminder"]);
    assert_eq!(offered(&desk, &["init", "--from", "app"]), ["appointment"]);
    assert_eq!(offered(&desk, &["-C", "shop", "explain", "R10"])[..2], ["R101", "R102"]);
    assert!(!offered(&desk, &["-C", "nowhere", "trigger", ""]).contains(&"order.paid".to_owned()));
}

#[test]
fn the_help_of_a_command_has_no_option_that_it_refuses_or_that_means_nothing_to_it() {
    let desk = Desk::empty();
    let has = |words: &[&str], option: &str| desk.run(&[words, &["--help"]].concat()).stdout.contains(option);
    for (words, json, url) in [
        (&["dev"][..], false, false),
        (&["init"], true, false),
        (&["preview"], true, false),
        (&["templates", "pull"], true, false),
        (&["trigger"], true, true),
        (&["runs", "list"], true, true),
    ] {
        assert_eq!((has(words, "--json"), has(words, "--url")), (json, url), "{words:?}");
    }
    let refused = desk.run(&["dev", "--json"]);
    assert!(refused.code == 2 && refused.stderr.contains("prints no JSON"), "it is still read: {refused:?}");
    let named = desk.run(&["init", "--from", "appointmnt"]);
    assert!(named.code == 2 && named.stderr.contains("did you mean `appointment`?"), "{named:?}");
}

#[test]
fn zsh_and_fish_get_a_script_and_every_command_a_page_of_the_manual() {
    let desk = Desk::empty();
    for shell in ["zsh", "fish"] {
        let said = desk.run(&["completions", shell]);
        assert!(said.code == 0 && said.stdout.contains("COMPLETE"), "{said:?}");
    }
    assert_eq!(desk.run(&["man", "pages"]).code, 0);
    for page in ["relance.1", "relance-check.1", "relance-runs-list.1"] {
        assert!(desk.read(&format!("pages/{page}")).contains(".SH NAME"), "{page}");
    }
    assert!(desk.read("pages/relance-init.1").contains("Begin a project"));
}

#[test]
fn who_reads_no_further_than_the_first_lines_is_told_of_no_error() {
    let (reads, writes) = std::io::pipe().unwrap();
    drop(reads);
    let mut command = Command::new(env!("CARGO_BIN_EXE_relance"));
    let said = command.args(["explain", "R401"]).stdout(writes).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((said.status.code(), String::from_utf8(said.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn a_sample_is_read_as_the_project_has_it_and_from_nowhere_else() {
    let desk = Desk::empty();
    assert_eq!(desk.run(&["init"]).code, 0);
    let trigger =
        |sample: &str| desk.run(&["trigger", "order.paid", "--sample", sample, "--url", "http://127.0.0.1:9"]);
    fs::write(desk.path("workflows/samples/marked.json"), "\u{feff}{}").unwrap();
    assert_eq!(trigger("marked").code, 3, "it was read, and nobody answers");
    fs::write(desk.path("workflows/aside.json"), "{}").unwrap();
    let aside = trigger("../aside");
    assert!(aside.code == 2 && aside.stderr.contains("no sample `../aside`"), "{aside:?}");
    let slip = trigger("order.payd");
    assert!(slip.code == 2 && slip.stderr.contains("did you mean `order.paid`?"), "{slip:?}");
    fs::write(desk.path("workflows/samples/broken.json"), "{").unwrap();
    let broken = trigger("broken");
    assert!(broken.code == 2 && broken.stderr.contains("relance check"), "{broken:?}");
}
