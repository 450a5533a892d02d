//! `relance why`: what concerned one person, a line per occurrence, with the reason why something was sent or not.
//!
//! The server tells it (`POST /api/why`); here it is asked and printed.

use super::ask::Server;
use super::contacts::kind_of;
use super::language::Language;
use super::runs::escaped;
use super::{Exit, Global};
use crate::http::dashboard::Spoken;
use serde_json::{Value, json};
use std::io::Write as _;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number, Callbell uuid, or the id that relance shows
    contact: String,
    /// Only what concerns this workflow
    #[arg(long)]
    workflow: Option<String>,
    /// Only this day, in the project's zone: 2026-03-02
    #[arg(long, conflicts_with = "since")]
    date: Option<String>,
    /// How far back: 7d, 12h, or a day; 30 days when nothing is said
    #[arg(long)]
    since: Option<String>,
    /// Language of the answer, by default that of this machine
    #[arg(long)]
    language: Option<Language>,
    /// Show whole numbers
    #[arg(long)]
    show_pii: bool,
}

pub async fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let server = Server::of(global)?;
    let language = Language::or_of_machine(args.language);
    let mut path = format!("/api/why?lang={}", language.code());
    for (key, value) in [("workflow", &args.workflow), ("date", &args.date), ("since", &args.since)] {
        if let Some(value) = value {
            path.push_str(&format!("&{key}={}", escaped(value)));
        }
    }
    if args.show_pii {
        path.push_str("&show_pii=1");
    }
    let answer = server.post(&path, &json!({ kind_of(&args.contact): args.contact })).await?;
    let mut out = global.out();
    match global.json {
        true => writeln!(out, "{answer}")?,
        false => out.write_all(rendered(&answer, Spoken::of(language.code())).as_bytes())?,
    }
    Ok(Exit::Fine)
}

fn rendered(answer: &Value, spoken: Spoken) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = String::new();
    for line in list(&answer["lines"]) {
        let (name, run) = (word(&line["name"]), word(&line["run"]));
        let run = if run.is_empty() { run } else { format!(" [{run}]") };
        let name = if name.is_empty() { name } else { format!("{name}{run}{}", spoken.colon()) };
        let facts: Vec<String> = list(&line["facts"]).iter().map(word).collect();
        let facts = if facts.is_empty() { String::new() } else { format!("  ({})", facts.join(spoken.semicolon())) };
        out.push_str(&format!("{}  {name}{}{facts}\n", word(&line["local"]), word(&line["text"])));
    }
    for sentence in list(&answer["conclusion"]) {
        out.push_str(&format!("{}\n", word(&sentence)));
    }
    out
}
