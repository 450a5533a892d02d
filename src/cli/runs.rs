//! `relance runs list|show`: what a running server did, and why.

use super::ask::Server;
use super::{Exit, Global};
use serde_json::Value;
use std::io::Write as _;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The newest runs
    List {
        /// Only this workflow
        #[arg(long)]
        workflow: Option<String>,
        /// Only this state: waiting, needs_attention, done, stopped, skipped
        #[arg(long)]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// One run with its trace and its messages
    Show { run: String },
}

pub async fn run(global: &Global, command: &Command) -> anyhow::Result<Exit> {
    let server = Server::of(global)?;
    match command {
        Command::List { workflow, state, limit } => {
            let mut path = format!("/api/runs?limit={limit}");
            for (key, value) in [("workflow", workflow), ("state", state)] {
                if let Some(value) = value {
                    let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
                    path.push_str(&format!("&{key}={value}"));
                }
            }
            print_list(global, &server.get(&path).await?)?;
        }
        Command::Show { run } => print_run(global, &server.get(&format!("/api/runs/{run}")).await?)?,
    }
    Ok(Exit::Fine)
}

fn print_list(global: &Global, answer: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if global.json {
        return Ok(writeln!(out, "{answer}")?);
    }
    let runs = answer["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    for run in runs {
        let word = |key: &str| run[key].as_str().unwrap_or_default();
        let reason = if word("reason").is_empty() { String::new() } else { format!("  {}", word("reason")) };
        writeln!(out, "{}  {:<20}  {:<15}{reason}", word("id"), word("workflow"), word("state"))?;
    }
    if runs.is_empty() {
        eprintln!("no runs");
    }
    Ok(())
}

/// One run as `GET /api/runs/<id>` gives it.
pub(super) fn print_run(global: &Global, answer: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if global.json {
        return Ok(writeln!(out, "{answer}")?);
    }
    let run = &answer["run"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let reason = word(&run["reason"]);
    let reason = if reason.is_empty() { reason } else { format!(" ({reason})") };
    writeln!(out, "run {}  {}  {}{reason}", word(&run["id"]), word(&run["workflow"]), word(&run["state"]))?;
    for entry in list(&answer["trace"]) {
        let step = word(&entry["step"]);
        let step = if step.is_empty() { String::new() } else { format!("  [step {step}]") };
        writeln!(out, "  {}  {}{step}", word(&entry["at"]), word(&entry["what"]))?;
    }
    for delivery in list(&answer["deliveries"]) {
        let last = list(&delivery["attempts"]).pop().unwrap_or_default();
        let detail =
            [word(&delivery["form"]), word(&delivery["status"]), word(&delivery["reason"]), word(&last["error"])];
        let detail: Vec<_> = detail.into_iter().filter(|part| !part.is_empty()).collect();
        writeln!(out, "  message {}  {}  {}", word(&delivery["id"]), word(&delivery["state"]), detail.join(", "))?;
    }
    Ok(())
}
