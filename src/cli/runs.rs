//! `relance runs`: what a running server did, and why; what needs a person, and the orders that repair it.
//!
//! Invariant: an order that leaves a run in need of a person, or that some runs refused, ends with exit 1.

use super::ask::Server;
use super::counted::counted;
use super::language::Language;
use super::moment::Moments;
use super::{Exit, Global, completions};
use crate::http::dashboard::Spoken;
use crate::workflow::place::place;
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};
use std::io::Write as _;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The newest runs
    List {
        /// Only this workflow
        #[arg(long, add = ArgValueCandidates::new(completions::workflows))]
        workflow: Option<String>,
        /// Only this state: queued, running, waiting, paused, needs_attention, done, stopped, skipped
        #[arg(long)]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Language of states and reasons, by default that of this machine
        #[arg(long)]
        language: Option<Language>,
    },
    /// One run with its trace in plain words, its messages and its calls
    Show {
        run: String,
        /// Language of the trace, by default that of this machine
        #[arg(long)]
        language: Option<Language>,
    },
    /// What needs a person, by cause, each with its key
    Attention,
    /// Take the step again at which a run failed
    Retry(Which),
    /// Go on behind the step at which a run failed
    Skip(Which),
    /// Let a paused run go on; one that needs a person takes its step again
    Resume { run: String },
    /// Let a run take no further step until it is resumed
    Pause { run: String },
    /// End runs; what was not sent yet is not sent
    Cancel(Which),
    /// Begin an ended run anew, if nothing of it was sent
    Redrive { run: String },
    /// Compute a run once more from what is kept of it, and say whether it does the same; nothing is sent
    Replay { run: String },
}

/// One run, or all of a cause.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    run: Option<String>,
    /// All runs of this cause, as `relance runs attention` names it
    #[arg(long, value_name = "KEY")]
    cause: Option<String>,
}

pub async fn run(global: &Global, command: &Command) -> anyhow::Result<Exit> {
    let server = Server::of(global)?;
    match command {
        Command::List { workflow, state, limit, language } => {
            let mut path = format!("/api/runs?limit={limit}");
            for (key, value) in [("workflow", workflow), ("state", state)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{key}={}", escaped(value)));
                }
            }
            print_list(global, &server.get(&path).await?, spoken_in(*language))?;
        }
        Command::Show { run, language } => {
            let spoken = spoken_in(*language);
            let path = format!("/api/runs/{}?lang={}", escaped(run), spoken.lang());
            print_run(global, &server.get(&path).await?, spoken)?;
        }
        Command::Attention => print_causes(global, &server.get("/api/attention").await?)?,
        Command::Retry(which) => return order(global, &server, "retry", which).await,
        Command::Skip(which) => return order(global, &server, "skip", which).await,
        Command::Cancel(which) => return order(global, &server, "cancel", which).await,
        Command::Resume { run } => return order_one(global, &server, "resume", run).await,
        Command::Pause { run } => return order_one(global, &server, "pause", run).await,
        Command::Replay { run } => return replay(global, &server, run).await,
        Command::Redrive { run } => {
            let answer = server.post(&format!("/api/runs/{}/redrive", escaped(run)), &json!({})).await?;
            say(global, &answer, &format!("begun anew as {}", answer["id"].as_str().unwrap_or_default()))?;
        }
    }
    Ok(Exit::Fine)
}

async fn replay(global: &Global, server: &Server, run: &str) -> anyhow::Result<Exit> {
    let answer = server.get(&format!("/api/runs/{}/replay", escaped(run))).await?;
    let same = answer["identical"] == true;
    let count = |key: &str, noun: &str| counted(usize::try_from(answer[key].as_u64().unwrap_or(0)).unwrap_or(0), noun);
    let counts = format!(
        "{} of its trace, {}, {}",
        count("lines", "line"),
        count("messages", "message"),
        count("calls", "call")
    );
    let word = |key: &str| match answer["difference"][key].as_str().unwrap_or_default() {
        "" => "nothing".to_owned(),
        path if key == "step" => place(path, "en"),
        text => text.to_owned(),
    };
    let line = match same {
        true => format!("identical: {counts}"),
        false => format!(
            "different after {counts}\n  {}\n  then: {}\n  now:  {}\nhint: what is known of the person is taken as it is today",
            word("step"),
            word("was"),
            word("now")
        ),
    };
    say(global, &answer, &line)?;
    Ok(if same { Exit::Fine } else { Exit::Problems })
}

async fn order(global: &Global, server: &Server, act: &str, which: &Which) -> anyhow::Result<Exit> {
    match (&which.run, &which.cause) {
        (Some(run), _) => order_one(global, server, act, run).await,
        (None, Some(key)) => order_cause(global, server, act, key).await,
        (None, None) => Ok(Exit::Usage),
    }
}

async fn order_one(global: &Global, server: &Server, act: &str, run: &str) -> anyhow::Result<Exit> {
    let answer = server.post(&format!("/api/runs/{}/act", escaped(run)), &json!({ "act": act })).await?;
    let (state, reason) = (answer["state"].as_str().unwrap_or_default(), answer["reason"].as_str().unwrap_or_default());
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    say(global, &answer, &format!("{state}{reason}"))?;
    Ok(if state == "needs_attention" { Exit::Problems } else { Exit::Fine })
}

async fn order_cause(global: &Global, server: &Server, act: &str, key: &str) -> anyhow::Result<Exit> {
    let answer = server.post(&format!("/api/attention/{}", escaped(key)), &json!({ "act": act })).await?;
    for refusal in answer["refusals"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let word = |key: &str| refusal[key].as_str().unwrap_or_default();
        eprintln!("{}: {}\nhint: {}", word("id"), word("error"), word("hint"));
    }
    let (done, refused) = (&answer["done"], answer["refused"].as_u64().unwrap_or_default());
    let more = if answer["more"] == true { "; there are more: give the order again" } else { "" };
    say(global, &answer, &format!("{done} done, {refused} refused{more}"))?;
    Ok(if refused > 0 { Exit::Problems } else { Exit::Fine })
}

/// The whole answer for programs, one line for people.
pub(super) fn say(global: &Global, answer: &Value, line: &str) -> anyhow::Result<()> {
    let mut out = global.out();
    match global.json {
        true => writeln!(out, "{answer}")?,
        false => writeln!(out, "{line}")?,
    }
    Ok(())
}

/// An id as part of an address.
pub(super) fn escaped(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// What is printed is in the language of this machine.
pub(super) fn spoken() -> Spoken {
    spoken_in(None)
}

/// But where another one is asked for.
fn spoken_in(language: Option<Language>) -> Spoken {
    Spoken::of(Language::or_of_machine(language).code())
}

fn print_causes(global: &Global, answer: &Value) -> anyhow::Result<()> {
    let mut out = global.out();
    if global.json {
        return Ok(writeln!(out, "{answer}")?);
    }
    let spoken = spoken();
    let causes = answer["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    for cause in causes {
        let word = |key: &str| cause[key].as_str().unwrap_or_default();
        let step = place(word("step"), spoken.lang());
        let step = if step.is_empty() { step } else { format!(" {step}") };
        let (place, reason) = (format!("{}{step}", word("workflow")), spoken.reason(word("reason")));
        let example = cause["examples"][0].as_str().unwrap_or_default();
        let (key, count, kind) = (word("key"), &cause["count"], word("kind"));
        writeln!(out, "{key}  {count:>5} {kind:<10}  {place}{}{reason}  (for instance {example})", spoken.colon())?;
    }
    if causes.is_empty() {
        writeln!(out, "nothing needs a person")?;
    }
    Ok(())
}

fn print_list(global: &Global, answer: &Value, spoken: Spoken) -> anyhow::Result<()> {
    let mut out = global.out();
    if global.json {
        return Ok(writeln!(out, "{answer}")?);
    }
    let moments = Moments::of(answer);
    let runs = answer["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    for run in runs {
        let word = |key: &str| run[key].as_str().unwrap_or_default();
        let (started, state) = (moments.at(&run["started_at"]), spoken.run_state(word("state")));
        let (id, number, workflow) = (word("id"), word("number"), word("workflow"));
        let reason = spoken.reason(word("reason"));
        let line = format!("{id}  {started}  {number:<12}  {workflow:<20}  {state:<15}  {reason}");
        writeln!(out, "{}", line.trim_end())?;
    }
    if runs.is_empty() {
        writeln!(out, "no runs")?;
    }
    Ok(())
}

/// One run as `GET /api/runs/<id>` gives it.
pub(super) fn print_run(global: &Global, answer: &Value, spoken: Spoken) -> anyhow::Result<()> {
    let mut out = global.out();
    if global.json {
        return Ok(writeln!(out, "{answer}")?);
    }
    let (run, moments) = (&answer["run"], Moments::of(answer));
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    // As the trace: the first is told first.
    let in_order = |value: &Value| {
        let mut all = list(value);
        all.sort_by_key(|one| (word(&one["planned_at"]), word(&one["id"])));
        all
    };
    let step = |value: &Value| match place(value.as_str().unwrap_or_default(), spoken.lang()) {
        step if step.is_empty() => step,
        step => format!("  [{step}]"),
    };
    let joined = |parts: Vec<String>| parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    let reason = word(&answer["because"]);
    let reason = if reason.is_empty() { reason } else { format!(" ({reason})") };
    let (id, state, number) = (word(&run["id"]), word(&run["state"]), word(&run["number"]));
    let number = if number.is_empty() { number } else { format!("  {number}") };
    writeln!(
        out,
        "{} {id}  {}{number}  {}{reason}",
        spoken.part("run"),
        word(&run["workflow"]),
        spoken.run_state(&state)
    )?;
    for entry in list(&answer["trace"]) {
        writeln!(out, "  {}  {}{}", moments.at(&entry["at"]), word(&entry["text"]), step(&entry["step"]))?;
    }
    for delivery in in_order(&answer["deliveries"]) {
        let last = list(&delivery["attempts"]).pop().unwrap_or_default();
        let (id, state) = (word(&delivery["id"]), word(&delivery["state"]));
        let detail = joined(vec![
            spoken.form(&word(&delivery["form"])).to_owned(),
            spoken.status(&word(&delivery["status"])).to_owned(),
            spoken.reason(&word(&delivery["reason"])),
            word(&last["error"]),
        ]);
        writeln!(out, "  message {id}  {}  {detail}", spoken.message_state(&state))?;
    }
    for call in in_order(&answer["calls"]) {
        let asked = format!("{} {}", word(&call["method"]), word(&call["host"]));
        let asked = if call["host"].is_null() { word(&call["kind"]) } else { asked };
        let status = call["http_status"].as_u64().map(|status| format!("HTTP {status}")).unwrap_or_default();
        let attempts = format!("{}{}{}", spoken.part("attempts"), spoken.colon(), call["attempts"]);
        let detail = joined(vec![status, spoken.reason(&word(&call["reason"])), attempts]);
        let when = moments.at(if call["ended_at"].is_null() { &call["planned_at"] } else { &call["ended_at"] });
        let state = word(&call["state"]);
        let (part, state) = (spoken.part("call"), spoken.call_state(&state));
        writeln!(out, "  {part} {asked}  {state}  {when}  {detail}{}", step(&call["step"]))?;
    }
    Ok(())
}
