//! `POST /api/why`: a line for each thing that concerned one person in a period, with its reason. And an old run computed
//! once more.
//!
//! Invariant: somebody nobody knows gets an account as well: what came that named them, and what came near.

use super::query::Query;
use super::view::iso;
use super::{not_found, people};
use crate::engine::replay::NotReplayed;
use crate::engine::why::Question;
use crate::expr::nearest;
use crate::http::App;
use crate::http::dashboard::why::{Line, tell};
use crate::http::error::Refusal;
use crate::http::mask::masked_text;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};
use serde_json::{Value, json};

/// How far back is looked when nothing is said.
const DAYS: i64 = 30;
const TIMES: &str = "write `date=2026-03-02`, or `since=7d`, `since=12h`, `since=2026-03-01`";

/// `POST /api/why`, the person named in the body, and `GET /api/why?uuid=|id=`; with `workflow`, `date` or `since`, and
/// `lang` behind `?`. With `show_pii=1` numbers are not masked.
pub(super) async fn why(State(app): State<App>, request: Request) -> Result<Json<Value>, Refusal> {
    let (whom, query) = people::asked(&app, request, &["workflow", "date", "since", "lang", "show_pii"]).await?;
    let open = query.open()?;
    let engine = app.engine();
    let (deployed, now_ms) = (engine.deployed(), engine.clock().now_ms());
    let zone = deployed.settings.zone();
    let (from_ms, to_ms) = period(query.text("date"), query.text("since"), zone, now_ms)?;
    let workflow = query.text("workflow");
    if let Some(id) = workflow.as_ref().filter(|id| !deployed.definitions.contains_key(*id)) {
        return Err(no_workflow(id, deployed.definitions.keys().map(String::as_str)));
    }
    let question = Question { keys: whom.keys(), from_ms, to_ms, workflow };
    let kept = engine.why(&question).await.map_err(|error| Refusal::store(&error))?;
    let told = tell(&kept, &question, &deployed, now_ms, &query.text("lang").unwrap_or_default(), open);
    let number = kept.contact.as_ref().and_then(|contact| contact.phone.as_ref());
    Ok(Json(json!({
        "version": 1,
        "contact": kept.contact.as_ref().map(|contact| &contact.id),
        "number": number.map(|phone| if open { phone.e164() } else { phone.masked() }),
        "from": iso(from_ms),
        "to": iso(to_ms),
        "workflow": question.workflow,
        "lines": told.lines.iter().map(shown).collect::<Vec<_>>(),
        "conclusion": told.conclusion,
        "near": kept.near.iter().map(crate::contact::Phone::masked).collect::<Vec<_>>(),
        "more": kept.more,
    })))
}

/// `GET /api/runs/<id>/replay`: whether the run, computed once more from what is kept, does the same.
pub(super) async fn replay(State(app): State<App>, Path(id): Path<String>, uri: Uri) -> Result<Json<Value>, Refusal> {
    Query::read(&uri, &[])?;
    let replayed = app.engine().replay(&id).await.map_err(|error| Refusal::store(&error))?;
    let refused = |error: &'static str, hint: &'static str| Refusal::new(StatusCode::CONFLICT, error, hint);
    let replayed = replayed.map_err(|why| match why {
        NotReplayed::Unknown => not_found("run"),
        NotReplayed::Forgotten => {
            refused("what the run was made of is not kept any more", "events and messages are kept 30 days")
        }
        NotReplayed::NoDefinition => {
            refused("the workflow as it was then is not kept any more", "it is kept as long as its runs are")
        }
    })?;
    let difference = replayed
        .difference
        .as_ref()
        .map(|one| json!({ "step": one.step, "was": masked_text(&one.was), "now": masked_text(&one.now) }));
    Ok(Json(json!({
        "version": 1,
        "run": id,
        "identical": replayed.difference.is_none(),
        "lines": replayed.lines,
        "messages": replayed.messages,
        "calls": replayed.calls,
        "difference": difference,
    })))
}

fn shown(line: &Line) -> Value {
    let word = |text: &String| (!text.is_empty()).then(|| text.clone());
    json!({
        "at": iso(line.at_ms),
        "local": line.at,
        "kind": line.kind,
        "id": line.id,
        "run": line.run,
        "workflow": word(&line.workflow),
        "name": word(&line.name),
        "text": line.text,
        "reason": word(&line.reason),
        "facts": line.facts,
    })
}

fn no_workflow<'a>(id: &str, known: impl Iterator<Item = &'a str>) -> Refusal {
    let hint = match nearest(id, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "it is the name of its file below `workflows/`, without `.yaml`".to_owned(),
    };
    Refusal::new(StatusCode::NOT_FOUND, "no workflow of this name serves", hint)
}

/// One day of the project's zone, or everything since; the end is excluded.
fn period(date: Option<String>, since: Option<String>, zone: &TimeZone, now_ms: i64) -> Result<(i64, i64), Refusal> {
    let unreadable = |what: &str| Refusal::unreadable(format!("{what} cannot be read"), TIMES);
    // What happens at this very instant counts.
    let end_ms = now_ms + 1;
    match (date, since) {
        (Some(_), Some(_)) => Err(Refusal::unreadable("`date` and `since` are both given", TIMES)),
        (Some(day), None) => {
            let day: Date = day.parse().map_err(|_| unreadable("`date`"))?;
            let next = day.tomorrow().map_err(|_| unreadable("`date`"))?;
            let of = |day: Date| Some(day.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond());
            of(day).zip(of(next)).ok_or_else(|| unreadable("`date`"))
        }
        (None, Some(since)) => Ok((start(&since, zone, now_ms).ok_or_else(|| unreadable("`since`"))?, end_ms)),
        (None, None) => Ok((before(DAYS.days(), zone, now_ms).unwrap_or_default(), end_ms)),
    }
}

/// A day, an instant, or how long ago.
fn start(since: &str, zone: &TimeZone, now_ms: i64) -> Option<i64> {
    if let Ok(at) = since.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    if let Ok(day) = since.parse::<Date>() {
        return Some(day.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond());
    }
    before(since.parse().ok()?, zone, now_ms)
}

fn before(span: Span, zone: &TimeZone, now_ms: i64) -> Option<i64> {
    let now = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(zone.clone());
    Some(now.checked_sub(span.abs()).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_day_of_the_projects_zone_or_everything_since() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let now_ms = 1_772_449_200_000; // 2026-03-02 12:00 in Paris
        let read = |date: &str, since: &str| {
            let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            period(given(date), given(since), &zone, now_ms).ok().map(|(from, to)| (iso(from), iso(to)))
        };
        let between = |from: &str, to: &str| Some((from.to_owned(), to.to_owned()));
        assert_eq!(read("2026-03-29", ""), between("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"));
        assert_eq!(read("", "2d"), between("2026-02-28T11:00:00Z", "2026-03-02T11:00:00.001Z"));
        assert_eq!(read("", "2026-03-01"), between("2026-02-28T23:00:00Z", "2026-03-02T11:00:00.001Z"));
        assert_eq!(read("", ""), between("2026-01-31T11:00:00Z", "2026-03-02T11:00:00.001Z"));
        for (date, since) in [("soon", ""), ("", "soon"), ("2026-03-02", "2d")] {
            assert_eq!(read(date, since), None, "{date} {since}");
        }
    }
}
