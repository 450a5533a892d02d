//! What somebody sees who sits at a terminal, and what a program reads elsewhere: the binary is run at a pseudo-terminal,
//! which `script` of util-linux makes.

use crate::editor::Desk;
use regex::Regex;
use std::fs;
use std::process::{Command, Stdio};
use unicode_width::UnicodeWidthStr as _;

/// What a line of a shell shows at a terminal of so many columns; `relance` is the binary.
fn seen(desk: &Desk, columns: u16, variables: &[(&str, &str)], line: &str) -> String {
    let line = line.replace("relance ", &format!("{} ", env!("CARGO_BIN_EXE_relance")));
    let shell = format!("stty cols {columns} rows 24; {line}");
    let mut command = Command::new("script");
    command.args(["-qec", &shell, "/dev/null"]).current_dir(desk.0.path()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("SHELL", "/bin/sh").env("TERM", "xterm");
    let said = command.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(said.stdout).unwrap().replace("\r\n", "\n")
}

/// A project with tests.
fn shop() -> Desk {
    let desk = Desk::empty();
    assert_eq!(desk.run(&["init", "--from", "order"]).code, 0);
    desk
}

#[test]
fn progress_is_seen_at_a_terminal_and_nowhere_else() {
    let desk = shop();
    let seen = |line: &str| seen(&desk, 100, &[], line);
    assert!(seen("relance test").contains("tests played: "));
    assert!(seen("relance preview order").contains("playing ahead"));
    for silent in ["relance test -q", "relance test --json", "relance test 2>&1 | cat", "TERM=dumb relance test"] {
        let seen = seen(silent);
        assert!(!seen.contains("tests played: ") && !seen.contains('\u{1b}'), "{silent}: {seen:?}");
    }
}

/// A project with a mistake whose way out is long to tell.
fn told_at_length() -> Desk {
    let desk = shop();
    let workflow = "name: Hello\npurpose: service\nwhen: { webhook: order.paid }\ncontact: { phone: \"{{event.customer.phone}}\" }\n\
        do:\n  - send_message: { text: Hello and thank you for your order, which we have received and will look at soon }\n";
    fs::write(desk.path("workflows/hello.yaml"), workflow).unwrap();
    desk
}

fn widest(text: &str) -> usize {
    let bare = Regex::new("\u{1b}\\[[0-9;?]*[a-zA-Z]").unwrap().replace_all(text, "").into_owned();
    bare.lines().map(|line| line.rsplit('\r').next().unwrap_or_default().width()).max().unwrap_or_default()
}

#[test]
fn lines_are_as_long_as_the_terminal_is_wide_and_whole_where_a_program_reads_them() {
    let desk = told_at_length();
    let seen = |columns, line: &str| seen(&desk, columns, &[], line);
    let commands = [
        "check --offline",
        "explain order",
        "explain R401",
        "--help",
        "preview --help",
        "init --from",
        "schedule",
        "test nothing-of-that-name",
        "doctor",
    ];
    for command in commands {
        let narrow = seen(60, &format!("relance {command} -q"));
        assert!((20..=60).contains(&widest(&narrow)), "{command}: {narrow}");
    }
    let hint =
        "  hint: add a `template`, or say with `outside_window` what happens then: `skip` (nothing is sent), `hold`";
    assert!(!seen(60, "relance check --offline").contains(hint));
    assert!(seen(60, "relance check --offline | cat").contains(hint), "whole lines for grep");
    let code = seen(60, "relance explain R307 | cat");
    assert!(code.contains("the run would stop and wait for a person. Check the spelling, or bring"), "{code}");
    let code = seen(60, "relance explain R307");
    let why = code.lines().skip_while(|line| !line.starts_with("Why")).take_while(|line| !line.is_empty());
    assert_eq!(why.count(), 3, "folded once: {code}");
    assert!(widest(&seen(50, "relance check --offline")) <= 50);
    assert!(widest(&seen(60, "relance --help | cat")) > 60);
    assert!(widest(&seen(200, "relance check --offline")) <= 120);
    let wider = seen(60, "COLUMNS=90 relance check --offline");
    assert!((61..=90).contains(&widest(&wider)), "{wider}");
    let shown = seen(60, "relance explain R102 | head -n 1");
    assert!(!shown.contains("error"), "who stops reading is no error: {shown}");
}

#[test]
fn colours_are_where_people_ask_for_them() {
    let desk = told_at_length();
    let coloured = |variables: &[(&str, &str)], line: &str| seen(&desk, 100, variables, line).contains("\u{1b}[");
    for command in ["check --offline -q", "explain nothing -q", "runs lst", "--help"] {
        let line = format!("relance {command}");
        let piped = format!("{line} 2>&1 | cat");
        assert!(coloured(&[], &line), "{line}");
        assert!(!coloured(&[], &piped), "{piped}");
        assert!(!coloured(&[("NO_COLOR", "1")], &line), "{line}");
        assert!(!coloured(&[("CLICOLOR", "0")], &line), "{line}");
        assert!(coloured(&[("CLICOLOR_FORCE", "1")], &piped), "{piped}");
        assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &piped), "{piped}");
        assert!(!coloured(&[("CLICOLOR_FORCE", "1")], &format!("{line} --color never")), "{line}");
        assert!(coloured(&[("NO_COLOR", "1")], &format!("{line} --color always 2>&1 | cat")), "{line}");
    }
}
