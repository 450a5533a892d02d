//! `relance campaigns list|show|pause|resume|cancel`: firings over a list of people, how far each is, and its orders.
//!
//! Invariant: an order is answered when the campaign's runs have followed it.

use super::ask::Server;
use super::runs::{escaped, say};
use super::{Exit, Global};
use serde_json::{Value, json};
use std::io::Write as _;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The newest campaigns
    List {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// One campaign: how its rows, its runs and its messages stand
    Show { campaign: String },
    /// Send nothing more of it until it is resumed
    Pause { campaign: String },
    /// Let a paused one go on; one that was stopped by its file is read again
    Resume { campaign: String },
    /// End it and its runs; what was not sent yet is not sent
    Cancel { campaign: String },
}

pub async fn run(global: &Global, command: &Command) -> anyhow::Result<Exit> {
    let server = Server::of(global)?;
    match command {
        Command::List { limit } => list(global, &server.get(&format!("/api/campaigns?limit={limit}")).await?)?,
        Command::Show { campaign } => {
            show(global, &server.get(&format!("/api/campaigns/{}", escaped(campaign))).await?)?;
        }
        Command::Pause { campaign } => order(global, &server, "pause", campaign).await?,
        Command::Resume { campaign } => order(global, &server, "resume", campaign).await?,
        Command::Cancel { campaign } => order(global, &server, "cancel", campaign).await?,
    }
    Ok(Exit::Fine)
}

async fn order(global: &Global, server: &Server, act: &str, campaign: &str) -> anyhow::Result<()> {
    let answer = server.post(&format!("/api/campaigns/{}/act", escaped(campaign)), &json!({ "act": act })).await?;
    say(global, &answer, answer["state"].as_str().unwrap_or_default())
}

fn list(global: &Global, answer: &Value) -> anyhow::Result<()> {
    let mut out = global.out();
    if global.json {
        return Ok(writeln!(out, "{answer}")?);
    }
    let campaigns = answer["campaigns"].as_array().map(Vec::as_slice).unwrap_or_default();
    campaigns.iter().try_for_each(|campaign| writeln!(out, "{}", line(campaign)))?;
    if campaigns.is_empty() {
        writeln!(out, "no campaigns")?;
    }
    Ok(())
}

fn line(campaign: &Value) -> String {
    let word = |key: &str| campaign[key].as_str().unwrap_or_default();
    let reason = if word("reason").is_empty() { String::new() } else { format!("  {}", word("reason")) };
    let rows = format!("{} of {} rows", campaign["done"], campaign["total"]);
    format!("{}  {:<20}  {:<15}  {rows}{reason}", word("id"), word("workflow"), word("state"))
}

fn show(global: &Global, answer: &Value) -> anyhow::Result<()> {
    let mut out = global.out();
    if global.json {
        return Ok(writeln!(out, "{answer}")?);
    }
    let campaign = &answer["campaign"];
    writeln!(out, "{}", line(campaign))?;
    let count = |key: &str| format!("{} {key}", campaign[key]);
    writeln!(out, "  rows      {}", ["started", "refused", "duplicates", "bad"].map(count).join(", "))?;
    for (title, counts) in [("runs", &answer["runs"]), ("messages", &answer["deliveries"])] {
        let counts = counts.as_object().into_iter().flatten().map(|(state, count)| format!("{count} {state}"));
        writeln!(out, "  {title:<8}  {}", counts.collect::<Vec<_>>().join(", "))?;
    }
    for row in campaign["bad_rows"].as_array().map(Vec::as_slice).unwrap_or_default() {
        writeln!(out, "  line {}: {}", row["line"], row["reason"].as_str().unwrap_or_default())?;
    }
    Ok(())
}
