//! `relance trigger <event>`: posts an event to a running server. Each call is a new event, whatever its data.

use super::ask::Server;
use super::exit::{Exit, Failure};
use super::runs::escaped;
use super::{Global, completions, project, runs};
use crate::expr::nearest;
use crate::trigger::TriggerKind;
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Map, Value};
use std::io::Write as _;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the event, `order.paid`
    #[arg(add = ArgValueCandidates::new(completions::events))]
    event: String,
    /// Take the data of `workflows/samples/<SAMPLE>.json`; without a name the event's own
    #[arg(long, value_name = "SAMPLE", num_args = 0..=1, default_missing_value = "", add = ArgValueCandidates::new(completions::events))]
    sample: Option<String>,
    /// The data as JSON
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// Set one field, `customer.phone=+34600000001`; may be repeated
    #[arg(long = "with", value_name = "KEY=VALUE")]
    with: Vec<String>,
    /// Wait until the runs it started have ended or wait for something later
    #[arg(long)]
    wait: bool,
}

/// How long `--wait` waits at most.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let data = read_data(global, args)?;
    let server = Server::of(global)?;
    let answer = server.post(&format!("/api/events/{}", escaped(&args.event)), &data).await?;
    let started: Vec<String> = started_runs(&answer);
    if args.wait && !started.is_empty() {
        return wait_for(global, &server, &started, exit_of(args, &answer)).await;
    }
    let mut out = global.out();
    match global.json {
        true => writeln!(out, "{answer}")?,
        false => print_answer(&mut out, &answer)?,
    }
    if let Some(near) = meant(global, args, &answer) {
        eprintln!("hint: did you mean `{near}`?");
    }
    Ok(exit_of(args, &answer))
}

/// That nothing starts is an answer like any other; who waits is told when a workflow could not judge the event.
fn exit_of(args: &Args, answer: &Value) -> Exit {
    let evaluations = answer["evaluations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failed = evaluations.iter().any(|evaluation| evaluation["result"] == "failed");
    if args.wait && failed { Exit::Problems } else { Exit::Fine }
}

/// The event that was probably meant by one to which nothing listens, as far as there is a project here.
fn meant(global: &Global, args: &Args, answer: &Value) -> Option<String> {
    let unheard = answer["evaluations"].as_array().is_some_and(Vec::is_empty) && !global.json && !global.quiet;
    let files = unheard.then(|| project::read_files(&global.project).ok())??;
    let workflows = crate::workflow::load(&files).project?.workflows;
    let stops = workflows.values().flat_map(|workflow| &workflow.stop_when).map(|stop| &stop.trigger);
    let triggers = workflows.values().flat_map(|workflow| &workflow.triggers).chain(stops);
    let heard = triggers.filter_map(|trigger| match &trigger.kind {
        TriggerKind::Webhook { event, .. } => Some(event.as_str()),
        _ => None,
    });
    nearest(&args.event, heard).filter(|near| *near != args.event).map(str::to_owned)
}

fn read_data(global: &Global, args: &Args) -> anyhow::Result<Value> {
    let mut data = match &args.sample {
        Some(sample) => read_sample(global, if sample.is_empty() { &args.event } else { sample })?,
        None => Value::Object(Map::new()),
    };
    if let Some(text) = &args.data {
        let given = serde_json::from_str(text).map_err(|error| {
            usage(format!("`--data` is no JSON: {error}"), "write it as `--data '{\"total\": 12}'`")
        })?;
        merge(&mut data, given);
    }
    for pair in &args.with {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            usage(format!("`--with {pair}` has no `=`"), "write it as `--with customer.phone=+34600000001`")
        })?;
        if let Some(warning) = args.sample.as_ref().and_then(|_| unknown(&data, key)).filter(|_| !global.quiet) {
            eprintln!("warning: {warning}");
        }
        set(&mut data, key, value);
    }
    Ok(data)
}

fn usage(message: String, hint: impl Into<String>) -> anyhow::Error {
    Failure::error(Exit::Usage, message, hint)
}

/// As the project has it: inside its folder, within the bounds of its files.
fn read_sample(global: &Global, sample: &str) -> anyhow::Result<Value> {
    let read = project::read_files(&global.project)
        .map_err(|error| usage(format!("{error:#}"), "name the project with `-C`"))?;
    let samples = crate::workflow::load(&read).project.map(|project| project.samples).unwrap_or_default();
    samples.get(sample).cloned().ok_or_else(|| match read.contains_key(&format!("workflows/samples/{sample}.json")) {
        true => usage(format!("the sample `{sample}` cannot be used"), "`relance check` says why"),
        false => {
            let hint = match nearest(sample, samples.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "samples lie in `workflows/samples/<event>.json`".to_owned(),
            };
            usage(format!("no sample `{sample}`"), hint)
        }
    })
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// A value that reads as JSON number, yes/no or null is one; anything else is text. A phone stays text.
fn set(data: &mut Value, path: &str, value: &str) {
    let parsed = serde_json::from_str(value).ok().filter(|_| !value.starts_with('+'));
    let mut place = data;
    for key in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[key];
    }
    *place = parsed.unwrap_or_else(|| value.into());
}

/// What is said of a field that the sample does not have: a typing mistake changes nothing that anybody reads.
fn unknown(data: &Value, path: &str) -> Option<String> {
    let (mut place, mut before) = (data, String::new());
    for key in path.split('.') {
        match place.get(key) {
            Some(inner) => place = inner,
            None => {
                let known = place.as_object().into_iter().flat_map(|fields| fields.keys()).map(String::as_str);
                let way_out = match nearest(key, known) {
                    Some(meant) => format!("did you mean `{before}{meant}`?"),
                    None => "it is added".to_owned(),
                };
                return Some(format!("the sample has no `{path}`: {way_out}"));
            }
        }
        before.push_str(&format!("{key}."));
    }
    None
}

fn started_runs(answer: &Value) -> Vec<String> {
    let evaluations = answer["evaluations"].as_array().map(Vec::as_slice).unwrap_or_default();
    evaluations.iter().filter_map(|evaluation| evaluation["run"].as_str().map(str::to_owned)).collect()
}

fn print_answer(out: &mut impl std::io::Write, answer: &Value) -> anyhow::Result<()> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    writeln!(out, "event {}", word(&answer["event_id"]))?;
    let evaluations = answer["evaluations"].as_array().map(Vec::as_slice).unwrap_or_default();
    for evaluation in evaluations {
        let detail = match (evaluation["run"].as_str(), evaluation["reason"].as_str()) {
            (Some(run), _) => format!("  run {run}"),
            (None, Some(reason)) => format!("  {reason}"),
            (None, None) => String::new(),
        };
        writeln!(out, "{}: {}{detail}", word(&evaluation["workflow"]), word(&evaluation["result"]).replace('_', " "))?;
    }
    if evaluations.is_empty() {
        writeln!(out, "no workflow listens to it")?;
    }
    Ok(())
}

async fn wait_for(global: &Global, server: &Server, started: &[String], mut exit: Exit) -> anyhow::Result<Exit> {
    let (begun, spoken) = (Instant::now(), runs::spoken());
    for id in started {
        loop {
            let run = server.get(&format!("/api/runs/{id}?lang={}", spoken.lang())).await?;
            let settled = settled(&run);
            if settled || begun.elapsed() > PATIENCE {
                runs::print_run(global, &run, spoken)?;
                exit = if failed(&run) || !settled { Exit::Problems } else { exit };
                if !settled {
                    eprintln!("the run {id} is still under way: it was waited for no longer than a minute");
                }
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(exit)
}

/// It ended, or its messages are handed over and it waits for a later time.
fn settled(run: &Value) -> bool {
    let moving = |delivery: &Value| match delivery["state"].as_str() {
        Some("queued" | "sending") => true,
        // Over in seconds.
        Some("held") => matches!(delivery["reason"].as_str(), Some("rate_person" | "contact_unknown")),
        _ => false,
    };
    let deliveries = run["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
    // The run was read first: one that waits for a message while none is open has gone on since.
    let open =
        |delivery: &Value| matches!(delivery["state"].as_str(), Some("queued" | "sending" | "held" | "uncertain"));
    let behind = run["run"]["waiting_for"] == "delivery" && !deliveries.iter().any(open);
    match run["run"]["state"].as_str() {
        // A step calls out, unless another run has to end first.
        Some("queued" | "running") => run["run"]["waiting_for"] == "turn",
        Some("waiting") => !(behind || deliveries.iter().any(moving)),
        _ => true,
    }
}

fn failed(run: &Value) -> bool {
    let bad = |delivery: &Value| matches!(delivery["state"].as_str(), Some("rejected" | "uncertain"));
    let deliveries = run["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
    run["run"]["state"] == "needs_attention" || deliveries.iter().any(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_whose_step_calls_out_is_under_way_and_one_that_stands_in_line_is_not() {
        let run = |state: &str, waits: &str| json!({ "run": { "state": state, "waiting_for": waits } });
        for state in ["queued", "running"] {
            assert!(!settled(&run(state, "call")), "{state}");
        }
        assert!(settled(&run("queued", "turn")));
        assert!(settled(&run("waiting", "timer")) && settled(&run("done", "")));
    }
}
