//! What `--json` prints: a shape for each command, as `relance schema --output` shows it; and the commands that print none.
//!
//! `files` holds those of a project's files, `account` those of the account and this machine, `server` those of a
//! running server, `rows` what these share. Nothing here prints: the commands do, and `tests/it/shapes.rs` holds what they print against what is
//! written here, with no further key allowed. Invariant: every command has a shape or stands in [`SILENT`], with the way out.

mod account;
mod files;
mod notation;
mod rows;
mod server;

use notation::Shape;
use serde_json::Value;

/// How versions change, in each schema.
const RULE: &str = "Fields are only added; where one goes away or means something else, `version` is raised.";

/// What one command prints.
pub(super) struct Printed {
    /// `runs list`; `error` is what any command prints on stderr when it fails.
    pub(super) command: &'static str,
    pub(super) about: &'static str,
    shape: fn() -> Shape,
}

impl Printed {
    const fn new(command: &'static str, about: &'static str, shape: fn() -> Shape) -> Self {
        Self { command, about, shape }
    }

    /// The JSON Schema, draft-07.
    pub(super) fn schema(&self) -> Value {
        let title = format!("relance {} --json", self.command);
        (self.shape)().schema(&title, &format!("{}. {RULE}", self.about))
    }
}

/// Commands that have nothing to say in JSON, and what to do instead of `--json`.
pub(super) const SILENT: [(&str, &str); 5] = [
    ("dev", "what runs is at `GET /api/…` of its address; `RELANCE_LOG_FORMAT=json` makes the log JSON"),
    ("serve", "what runs is at `GET /api/…` of its address; `RELANCE_LOG_FORMAT=json` makes the log JSON"),
    ("sandbox", "what it took is at `GET /sandbox/messages` of its address"),
    ("completions", "it prints a script for the shell: leave `--json` out"),
    ("man", "it writes pages into a folder: leave `--json` out"),
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Printed> {
    files::PRINTED.iter().chain(account::PRINTED).chain(server::PRINTED)
}

/// The one of a command, by its words.
pub(super) fn of(command: &str) -> Option<&'static Printed> {
    all().find(|one| one.command == command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_command_has_a_shape_or_says_why_it_has_none() {
        let mut commands = BTreeSet::from(["error".to_owned()]);
        let mut open = vec![(String::new(), super::super::command())];
        while let Some((path, command)) = open.pop() {
            let below = |one: &clap::Command| (format!("{path} {}", one.get_name()).trim().to_owned(), one.clone());
            match command.has_subcommands() {
                true => open.extend(command.get_subcommands().map(below)),
                false => assert!(commands.insert(path)),
            }
        }
        let told = all().map(|one| one.command).chain(SILENT.map(|(command, _)| command)).map(str::to_owned);
        assert_eq!(told.collect::<BTreeSet<_>>(), commands);
        assert_eq!(all().count() + SILENT.len(), commands.len(), "one is told twice");
    }
}
