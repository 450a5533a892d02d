//! What somebody sees who sits at a terminal, and what a program reads elsewhere: the binary is run at a pseudo-terminal,
//! which `script` of util-linux makes.

use crate::editor::Desk;
use std::process::{Command, Stdio};

/// What a line of a shell shows at a terminal of so many columns; `relance` is the binary.
fn seen(desk: &Desk, columns: u16, variables: &[(&str, &str)], line: &str) -> String {
    let shell =
        format!("stty cols {columns} rows 24; relance() {{ {} \"$@\"; }}; {line}", env!("CARGO_BIN_EXE_relance"));
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
