//! Messages of `serve`: each with its state, the vendor's status, the reason and every attempt; what is paused; and the
//! three answers to an uncertain one.

use super::desk::{Desk, Filled, called, moments, sentence};
use super::health::Health;
use super::repair::is_unsent;
use super::{SignedIn, to};
use crate::contact::Contact;
use crate::delivery::{Delivery, DeliveryState, Pause, Scope};
use crate::engine::{Answer, Busy};
use crate::http::App;
use crate::http::dashboard::moment::Moments;
use crate::http::dashboard::words::{Words, word};
use crate::http::dashboard::{Asked, broken, show};
use crate::http::mask::masked_text;
use crate::message::{Form as Shape, Message};
use crate::store::attempts::AttemptRow;
use crate::store::deliveries::{DeliveryFilter, DeliveryRow};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};

/// Messages of one page.
const LISTED: u32 = 50;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    state: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

#[derive(Template)]
#[template(path = "deliveries.html", config = "src/http/pages/askama.toml")]
struct Page {
    words: &'static Words,
    desk: Desk,
    state: &'static str,
    states: Vec<(&'static str, &'static str)>,
    health: Health,
    pauses: Vec<PauseView>,
    rows: Vec<Row>,
    older: Option<String>,
    paged: bool,
}

#[derive(Debug)]
struct PauseView {
    scope: String,
    what: String,
    why: String,
    since: String,
    until: Option<String>,
}

#[derive(Debug)]
struct Row {
    id: String,
    planned: String,
    person: String,
    contact: String,
    /// Empty for a message of the gateway.
    run: String,
    source: String,
    channel: String,
    class: &'static str,
    state: String,
    status: Option<&'static str>,
    reason: String,
    form: &'static str,
    text: String,
    marks: Vec<String>,
    uncertain: bool,
    unsent: bool,
    /// Nothing more will be tried.
    over: bool,
    attempts: Vec<AttemptView>,
}

#[derive(Debug)]
struct AttemptView {
    at: String,
    form: &'static str,
    outcome: String,
    said: String,
    statuses: String,
}

pub(super) async fn page(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Query(wanted): Query<Wanted>,
) -> Response {
    match read(&app, asked.words, &signed_in, &wanted).await {
        Ok(page) => show(StatusCode::OK, &page),
        Err(error) => broken(&error),
    }
}

async fn read(app: &App, words: &'static Words, signed_in: &SignedIn, wanted: &Wanted) -> anyhow::Result<Page> {
    let store = app.engine().store();
    let state = DeliveryState::parse(&wanted.state);
    let before = Some(wanted.before.clone()).filter(|before| !before.is_empty());
    let filter =
        DeliveryFilter { states: state.into_iter().collect(), before, limit: LISTED + 1, ..DeliveryFilter::default() };
    let mut deliveries = store.list_deliveries(&filter).await?;
    let more = deliveries.len() > LISTED as usize;
    deliveries.truncate(LISTED as usize);
    let ids: Vec<&str> = deliveries.iter().map(|row| row.delivery.id.as_str()).collect();
    let mut attempts = HashMap::<String, Vec<AttemptRow>>::new();
    for attempt in store.attempts(&ids).await? {
        attempts.entry(attempt.delivery.clone()).or_default().push(attempt);
    }
    let people: BTreeSet<&str> = deliveries.iter().map(|row| row.delivery.contact.as_str()).collect();
    let people = store.contacts_of(&people.into_iter().collect::<Vec<_>>()).await?;
    let people: HashMap<&str, &Contact> = people.iter().map(|contact| (contact.id.as_str(), contact)).collect();

    let deployed = app.engine().deployed();
    let moments = moments(app, words);
    let view = |row: &DeliveryRow| {
        let person = people.get(row.delivery.contact.as_str()).copied();
        let own = attempts.get(&row.delivery.id).map_or(&[][..], Vec::as_slice);
        let workflow = deployed.definitions.get(&row.delivery.workflow).map(|known| known.workflow.name.as_str());
        row_view(row, person, workflow, own, &moments, words)
    };
    Ok(Page {
        words,
        desk: Desk::new(app, signed_in, &moments, sentence(&wanted.said, words), "/deliveries"),
        state: state.map_or("", DeliveryState::as_str),
        states: words.delivery_states.to_vec(),
        health: Health::read(app.engine(), &moments, words).await?,
        pauses: app
            .engine()
            .pauses()
            .await?
            .iter()
            .map(|(scope, pause)| pause_view(scope, pause, &moments, words))
            .collect(),
        older: deliveries.last().filter(|_| more).map(|row| row.delivery.id.clone()),
        rows: deliveries.iter().map(view).collect(),
        paged: !wanted.before.is_empty(),
    })
}

fn pause_view(scope: &Scope, pause: &Pause, moments: &Moments, words: &'static Words) -> PauseView {
    let operator = words.operator;
    let written = scope.to_string();
    let (kind, name) = written.split_once(':').unwrap_or((&written, ""));
    let told = masked_text(&pause.why).into_owned();
    let why = words.failure(pause.code, &told);
    PauseView {
        what: format!("{} {name}", word(&operator.scopes, kind)).trim().to_owned(),
        why: if pause.code.is_some() { why } else { told },
        since: operator.since.replace("{}", &moments.after(pause.since_ms)),
        until: pause.until_ms.map(|until_ms| moments.until(until_ms)),
        scope: written,
    }
}

fn row_view(
    row: &DeliveryRow,
    person: Option<&Contact>,
    workflow: Option<&str>,
    attempts: &[AttemptRow],
    moments: &Moments,
    words: &'static Words,
) -> Row {
    let delivery = &row.delivery;
    let state = delivery.state.as_str();
    Row {
        id: delivery.id.clone(),
        planned: moments.exact(delivery.planned_at_ms),
        person: person.map(called).unwrap_or_default(),
        contact: delivery.contact.clone(),
        run: delivery.run.clone(),
        source: source(delivery, workflow, words),
        channel: delivery.channel.clone(),
        class: state,
        state: word(&words.delivery_states, state).to_owned(),
        status: row.status.map(|status| words.status(status)),
        reason: masked_text(&words.reason(&delivery.reason)).into_owned(),
        form: form_word(delivery.form, words),
        text: masked_text(&text_of(&delivery.message, delivery.form)).into_owned(),
        marks: marks(delivery, words),
        uncertain: delivery.state == DeliveryState::Uncertain,
        unsent: is_unsent(delivery.state),
        over: matches!(delivery.state, DeliveryState::Skipped | DeliveryState::Cancelled | DeliveryState::Rejected),
        attempts: attempts.iter().map(|attempt| attempt_view(attempt, moments, words)).collect(),
    }
}

pub(super) fn source(delivery: &Delivery, workflow: Option<&str>, words: &'static Words) -> String {
    match &delivery.caller {
        Some(caller) => format!("{} · {caller}", words.operator.gateway),
        None if delivery.run.is_empty() => words.person_page().confirmation.to_owned(),
        None => workflow.unwrap_or(&delivery.workflow).to_owned(),
    }
}

pub(super) fn form_word(form: Option<Shape>, words: &'static Words) -> &'static str {
    match form {
        Some(Shape::Template) => words.template,
        Some(Shape::Text) => words.text_form,
        None => "",
    }
}

/// What the person reads: of both forms the one that left, else the plain one.
pub(super) fn text_of(message: &Message, form: Option<Shape>) -> String {
    let template = message.template.as_ref().map(|template| {
        let values = template.values.join(" · ");
        format!("{} {values}", template.name).trim().to_owned()
    });
    let plain = message
        .plain
        .as_ref()
        .and_then(|plain| plain.text.clone().or_else(|| plain.media.as_ref().map(|media| media.url.clone())));
    match form {
        Some(Shape::Template) => template.or(plain),
        _ => plain.or(template),
    }
    .unwrap_or_default()
}

pub(super) fn marks(delivery: &Delivery, words: &'static Words) -> Vec<String> {
    let operator = words.operator;
    let probable = delivery.probable.as_ref().map(|uuid| operator.probable.replace("{}", uuid));
    let possible = delivery.possible_duplicate.then(|| operator.possible_duplicate.to_owned());
    let confirmed = delivery.duplicate_confirmed.then(|| operator.duplicate_confirmed.to_owned());
    [probable, possible, confirmed].into_iter().flatten().collect()
}

fn attempt_view(attempt: &AttemptRow, moments: &Moments, words: &'static Words) -> AttemptView {
    let outcome = attempt.outcome.as_deref();
    let told = attempt.error.as_deref().unwrap_or_default();
    let said = masked_text(&words.failure(attempt.code, told)).into_owned();
    let status = attempt.http_status.map(|status| format!("HTTP {status}"));
    AttemptView {
        at: moments.exact(attempt.started_at_ms),
        form: form_word(Some(attempt.form), words),
        outcome: outcome.map_or(words.operator.open_call, |outcome| word(&words.operator.outcomes, outcome)).to_owned(),
        said: [status.unwrap_or_default(), said]
            .iter()
            .filter(|part| !part.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join(" · "),
        statuses: attempt.statuses.join(" → "),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Answered {
    answer: Answer,
}

pub(super) async fn settle(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Filled(Answered { answer }): Filled<Answered>,
) -> Response {
    let said = match app.engine().settle(&id, answer, &signed_in.session.who).await {
        Ok(Ok(_)) => "settled",
        Ok(Err(_)) => "moved_on",
        Err(Busy) => "busy",
    };
    to(&format!("/deliveries?lang={}&state=uncertain&said={said}", asked.words.lang))
}

#[derive(Debug, Deserialize)]
pub(super) struct Resumed {
    scope: String,
}

pub(super) async fn resume(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Filled(Resumed { scope }): Filled<Resumed>,
) -> Response {
    let Some(scope) = Scope::parse(&scope) else { return to(&format!("/deliveries?lang={}", asked.words.lang)) };
    let said = match app.engine().resume(vec![scope], &signed_in.session.who).await {
        Ok(_) => "resumed",
        Err(_) => "busy",
    };
    to(&format!("/deliveries?lang={}&said={said}", asked.words.lang))
}
