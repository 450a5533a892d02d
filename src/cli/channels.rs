//! `relance channels list`: the lines of the account, and which of them the project names.

use super::account::{Account, told};
use super::{Exit, Global};
use crate::config::Channel;
use crate::connector::account::AccountChannel;
use serde_json::json;
use std::io::Write as _;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The lines of the account
    List,
}

pub(super) async fn run(global: &Global, command: &Command) -> anyhow::Result<Exit> {
    let Command::List = command;
    let account = Account::of(global)?;
    let lines = told(account.callbell.channels().await)?;
    let listed = account.project.iter().flat_map(|project| &project.settings.channels).filter(|channel| channel.listed);
    let listed: Vec<&Channel> = listed.collect();
    let name = |line: &AccountChannel| {
        let same = |channel: &&&Channel| {
            channel.uuid.as_ref() == Some(&line.uuid)
                || (channel.uuid.is_none() && channel.title.as_ref() == Some(&line.title))
        };
        listed.iter().find(same).map(|channel| channel.name.as_str())
    };
    let mut out = global.out();
    if global.json {
        let row = |line: &AccountChannel| {
            json!({ "uuid": line.uuid, "title": line.title, "type": line.kind, "main": line.main,
                "discarded": line.discarded, "channel": name(line) })
        };
        let rows: Vec<_> = lines.iter().map(row).collect();
        writeln!(out, "{}", json!({ "version": 1, "channels": rows }))?;
        return Ok(Exit::Fine);
    }
    for line in &lines {
        let marks = [(line.main, "main"), (line.discarded, "removed")];
        let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        let known = name(line).map(|name| format!("  = `{name}` of relance.yaml")).unwrap_or_default();
        writeln!(out, "{}  {:<10}  {:<8}  {}{known}", line.uuid, line.kind, marks.join(", "), line.title)?;
    }
    if lines.is_empty() {
        writeln!(out, "the account has no channel")?;
    }
    Ok(Exit::Fine)
}
