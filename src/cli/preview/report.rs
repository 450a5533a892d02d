//! What was played, for people and for programs: most messages one by one, all of them counted. Pure.

use super::lines::{self, Line, Row};
use super::{Told, Window};
use crate::expr::readable_marks;
use crate::http::masked_text;
use crate::rehearsal::Ahead;
use crate::run::RunState;
use crate::workflow::place::place;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Messages that people are shown one by one, and programs.
const MOST_SHOWN: usize = 40;
const MOST_IN_JSON: usize = 1_000;
/// Rows, runs and calls that are named one by one.
const MOST_NAMED: usize = 10;
/// Characters of a text that are shown.
const SHOWN: usize = 600;

/// What is written at the end: one report, or one for each language.
pub(super) enum Shown {
    Text(String),
    Json(Value),
}

impl Shown {
    pub(super) fn new(told: &Told<'_>, json: bool) -> Self {
        if json { Self::Json(head_json(told)) } else { Self::Text(String::new()) }
    }

    /// Adds what was played.
    pub(super) fn add(&mut self, told: &Told<'_>) {
        match self {
            Self::Text(out) => {
                if !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(&render(told));
            }
            Self::Json(all) => {
                let notes: Vec<String> =
                    told.of_sample.iter().chain(&told.note).map(|note| shown(told, note)).collect();
                if !notes.is_empty() {
                    all["note"] = notes.join("; ").into();
                }
                let previews = previews_json(told);
                if let Some(known) = all["previews"].as_array_mut() {
                    known.extend(previews);
                }
            }
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::Text(out) => out,
            Self::Json(all) => format!("{all}\n"),
        }
    }
}

/// For people.
fn render(told: &Told<'_>) -> String {
    let zone = &told.workflow.settings.timezone;
    let name = zone.iana_name().unwrap_or("UTC");
    let speaks = told.language.as_ref().map(|code| format!(", to people who speak `{code}`")).unwrap_or_default();
    let at = lines::clock_time(told.at_ms, zone);
    let mut out = format!("{}: {} at {at} ({name}){speaks}\n", told.workflow.id, told.cause);
    if told.language.is_none() && told.spoken.len() > 1 {
        let codes: Vec<String> = told.spoken.iter().map(|code| format!("`{code}`")).collect();
        let _ = writeln!(out, "written in {}: `--language all` shows each", codes.join(", "));
    }
    for note in told.of_sample.iter().chain(&told.note) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", shown(told, note));
    }
    let all: Vec<(Window, Vec<Line>)> =
        told.played.iter().map(|(window, ahead)| (*window, lines::lines(told, *window, ahead))).collect();
    let rows = lines::side_by_side(&all);
    for row in rows.iter().take(MOST_SHOWN) {
        out.push('\n');
        render_row(&mut out, row);
    }
    if rows.len() > MOST_SHOWN {
        let _ = writeln!(out, "\n… and {} more messages, counted below", rows.len() - MOST_SHOWN);
    }
    let endings: Vec<(Window, String)> = all
        .iter()
        .zip(&told.played)
        .map(|((window, lines), (_, ahead))| (*window, ending(told, lines, ahead)))
        .collect();
    out.push('\n');
    match endings.as_slice() {
        [(_, first), (_, second)] if first == second => out.push_str(first),
        [(_, only)] => out.push_str(only),
        both => both.iter().for_each(|(window, text)| {
            let _ = write!(out, "window {}\n{}", window.as_str(), indented(text));
        }),
    }
    out
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn render_row(out: &mut String, row: &Row<'_>) {
    if let Some(line) = row.same() {
        let open = row.sides.iter().any(|(window, _)| *window == Window::Open);
        let _ = write!(out, "{}\n{}", headline(line), indented(&said_in(line, open)));
        return;
    }
    let known = row.sides.iter().find_map(|(_, line)| *line);
    let same_time = row.sides.iter().all(|(_, line)| line.map(|line| &line.local) == known.map(|line| &line.local));
    if let Some(line) = known {
        let head = if same_time { headline(line) } else { format!("{}  {}", whom(line), place(&line.step, "en")) };
        let _ = writeln!(out, "{head}");
    }
    for (window, line) in &row.sides {
        let open = *window == Window::Open;
        let text = match line {
            None => "no message\n".to_owned(),
            Some(line) if same_time => said_in(line, open),
            Some(line) => format!("{}\n{}", when(line), said_in(line, open)),
        };
        let mut text = text.lines();
        let label = format!("window {}", window.as_str());
        let _ = writeln!(out, "  {label:<15}{}", text.next().unwrap_or_default());
        text.for_each(|further| {
            let _ = writeln!(out, "  {:<15}{further}", "");
        });
    }
}

/// As [`said`]; of a window that was open, that it is not any more.
fn said_in(line: &Line, open: bool) -> String {
    let over = if open && line.closed { "the window has closed by then\n" } else { "" };
    format!("{over}{}", said(line))
}

/// `Mon 2026-03-02 12:00  ana +346…01  step 2`.
fn headline(line: &Line) -> String {
    format!("{}  {}  {}", when(line), whom(line), place(&line.step, "en"))
}

fn when(line: &Line) -> String {
    let zone = line.zone.as_ref().map(|zone| format!(" ({zone})")).unwrap_or_default();
    format!("{}{zone}", line.local)
}

fn whom(line: &Line) -> String {
    line.name.as_ref().map_or_else(|| line.to.clone(), |name| format!("{name} {}", line.to))
}

/// What becomes of it, and what the person reads.
fn said(line: &Line) -> String {
    let mut out = String::new();
    for (reason, until) in &line.held {
        let _ = writeln!(out, "held until {until}: {reason}");
    }
    let state = match (line.state, &line.until) {
        ("sent", _) => String::new(),
        (state, Some(until)) => format!("{state} until {until}: {}\nwould read, as ", line.reason),
        (state, None) => format!("{state}: {}\nwould read, as ", line.reason),
    };
    let form = match &line.template {
        Some(name) => format!("template `{name}`"),
        None => "text".to_owned(),
    };
    let language = line.language.as_ref().map(|code| format!(" in `{code}`")).unwrap_or_default();
    let _ = writeln!(out, "{state}{form}{language}: {}", cut(&line.reads));
    if let Some(media) = &line.media {
        let _ = writeln!(out, "with {media}");
    }
    out
}

fn cut(text: &str) -> String {
    let text = text.trim_end();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

/// How many by category, then what else is to be known.
fn ending(told: &Told<'_>, lines: &[Line], ahead: &Ahead) -> String {
    let mut out = String::new();
    for (category, count) in counts(lines, ahead) {
        let _ = writeln!(out, "{count:>6}  {}", shown(told, &in_number(count, &category)));
    }
    for row in ahead.bad_rows().iter().take(MOST_NAMED) {
        let list = ahead.campaign.as_ref().and_then(|campaign| campaign.audience.as_deref()).unwrap_or_default();
        let _ = writeln!(out, "workflows/{list}:{}: the row cannot be used: {}", row.line, row.reason);
    }
    if let Some(campaign) = ahead.campaign.as_ref().filter(|campaign| campaign.state == "needs_attention") {
        let _ = writeln!(out, "the list is not gone through: {}", campaign.reason);
    }
    let silent = silent(ahead);
    for run in silent.iter().take(MOST_NAMED) {
        let zone = &told.workflow.settings.timezone;
        for entry in run.progress.trace.iter().rev().take(MOST_NAMED).rev() {
            let _ = writeln!(out, "{}  {}", lines::clock_time(entry.at_ms, zone), shown(told, &entry.what));
        }
    }
    let mut calls: Vec<String> =
        ahead.calls.iter().map(|call| format!("{} {}", call.method, readable_marks(&call.address()))).collect();
    calls.dedup();
    for call in calls.iter().take(MOST_NAMED) {
        let _ = writeln!(out, "calls {}; here it is answered 200, with nothing in it", shown(told, call));
    }
    out
}

fn shown(told: &Told<'_>, text: &str) -> String {
    if told.show_pii { text.to_owned() } else { masked_text(text).into_owned() }
}

/// Runs that sent nothing and were asked for nothing, when they are few enough to be told one by one.
fn silent(ahead: &Ahead) -> Vec<&crate::run::Run> {
    let spoke = |id: &str| ahead.messages.iter().any(|message| message.delivery.run == id);
    match ahead.runs.len() {
        0..=MOST_NAMED => ahead.runs.iter().filter(|run| !spoke(&run.id)).collect(),
        _ => Vec::new(),
    }
}

/// How many of what: messages first, then what was not started.
fn counts(lines: &[Line], ahead: &Ahead) -> Vec<(String, usize)> {
    let mut of_messages: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines {
        *of_messages.entry(line.category()).or_default() += 1;
        if !line.held.is_empty() {
            *of_messages.entry("sent late, as it was held".into()).or_default() += 1;
        }
    }
    let mut all: Vec<(String, usize)> = of_messages.into_iter().collect();
    if all.is_empty() {
        all.push(("messages".into(), 0));
    }
    let mut of_runs: BTreeMap<String, usize> = BTreeMap::new();
    for run in &ahead.runs {
        let words = match (run.state, run.reason.as_str()) {
            (RunState::Done, _) => continue,
            (RunState::Waiting | RunState::Queued | RunState::Running, _) => "runs still wait".to_owned(),
            (RunState::Stopped, reason) => format!("runs stopped: {reason}"),
            (RunState::NeedsAttention, reason) => format!("runs need attention: {reason}"),
            (state, reason) => format!("runs {}: {reason}", state.as_str()),
        };
        *of_runs.entry(words).or_default() += 1;
    }
    all.extend(of_runs);
    all.extend(ahead.refused.iter().map(|(reason, count)| (format!("not started: {reason}"), *count)));
    let counted = |count: i64| usize::try_from(count).unwrap_or_default();
    if let Some(campaign) = &ahead.campaign {
        let rows =
            [(campaign.counts.bad, "rows cannot be used"), (campaign.counts.duplicates, "rows name a person again")];
        all.extend(
            rows.into_iter().filter(|(count, _)| *count > 0).map(|(count, words)| (words.into(), counted(count))),
        );
    }
    all
}

/// `1  run needs attention`, `2  runs need attention`.
fn in_number(count: usize, category: &str) -> String {
    const PLURALS: [(&str, &str); 6] = [
        ("runs still wait", "run still waits"),
        ("runs need attention", "run needs attention"),
        ("runs ", "run "),
        ("rows cannot be used", "row cannot be used"),
        ("rows name a person again", "row names a person again"),
        ("messages", "message"),
    ];
    let found = PLURALS.iter().filter(|_| count == 1);
    let one = found.filter_map(|(many, one)| Some(format!("{one}{}", category.strip_prefix(many)?))).next();
    one.unwrap_or_else(|| category.to_owned())
}

/// What to try when nothing comes of it at the present moment, which somebody who names none may not mean.
pub(super) fn hint(told: &Told<'_>) -> Option<&'static str> {
    let all = || told.played.iter().map(|(_, ahead)| ahead);
    if all().flat_map(|ahead| &ahead.runs).any(|run| run.reason == "past") {
        return Some("the dates of the sample are over: `--at <time>` plays it at a moment before them");
    }
    let silent = all().all(|ahead| ahead.messages.is_empty());
    let fires = all().any(|ahead| ahead.campaign.is_some());
    (silent && fires).then_some("`--at <time>` plays the first firing after another moment")
}

/// For programs: one object; its shape is versioned.
fn head_json(told: &Told<'_>) -> Value {
    json!({
        "version": 1,
        "workflow": told.workflow.id,
        "cause": told.cause,
        "at": lines::instant(told.at_ms),
        "zone": told.workflow.settings.timezone.iana_name(),
        "languages": told.spoken,
        "note": told.note,
        "previews": [],
    })
}

fn previews_json(told: &Told<'_>) -> Vec<Value> {
    let window = |(window, ahead): &(Window, Ahead)| {
        let lines = lines::lines(told, *window, ahead);
        let calls = ahead.calls.iter().take(MOST_IN_JSON);
        let counts = counts(&lines, ahead);
        let counts = counts.into_iter().map(|(what, count)| json!({ "what": shown(told, &what), "count": count }));
        json!({
            "window": window.as_str(),
            "language": told.language,
            "messages": lines.iter().take(MOST_IN_JSON).map(Line::json).collect::<Vec<_>>(),
            "all": lines.len(),
            "counts": counts.collect::<Vec<_>>(),
            "bad_rows": ahead.bad_rows(),
            "list": ahead.campaign.as_ref().map(|list| json!({ "file": list.audience, "state": list.state, "reason": list.reason })),
            "calls": calls.map(|call| json!({ "method": call.method, "url": shown(told, &readable_marks(&call.address())) })).collect::<Vec<_>>(),
            "until": lines::instant(ahead.until_ms),
        })
    };
    told.played.iter().map(window).collect()
}
