//! API: events from `relance trigger`, and what became of them, as JSON in envelopes with a version.
//!
//! Invariant: every address below `/api` asks for a token with the scope first; phone numbers leave it masked.

mod account;
mod attachments;
mod deploy;
mod export;
mod outbound;
mod people;
mod query;
mod record;
mod relay;
mod repair;
mod view;
mod why;

use super::dashboard::why::{said, told};
use super::error::Refusal;
use super::hooks::{self, NO_SECRETS};
use super::room::Sender;
use super::{App, auth, limits, mask};
use crate::config::Scope;
use crate::run::Run;
use crate::store::deliveries::DeliveryFilter;
use crate::store::runs::RunFilter;
use crate::trigger::webhook;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use query::Query;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

/// The source of events posted here.
const API: &str = "api";
/// A caller's own id of an event; without it each post is a new event.
const ID_HEADER: &str = "idempotency-key";

/// The name of the token that a request came with.
#[derive(Debug, Clone)]
struct Who(String);

pub(super) fn router(app: App) -> Router<App> {
    Router::new()
        .route("/api/events/{event}", post(post_event).get(event))
        .route("/api/events/{event}/record", get(record::sample))
        .route("/api/runs", get(runs))
        .route("/api/runs/{id}", get(run))
        .route("/api/deliveries", get(deliveries))
        .route("/api/deliveries/{id}/settle", post(outbound::settle))
        .route("/api/pauses", get(outbound::pauses))
        .route("/api/resume", post(outbound::resume))
        .route("/api/campaigns", get(campaigns))
        .route("/api/load", get(load))
        .route("/api/why", get(why::why).post(why::why))
        .route("/api/runs/{id}/replay", get(why::replay))
        .route("/api/runs/{id}/record", get(record::record))
        .route("/api/deploy", get(deploy::deploy))
        .route("/api/attachments/{event}/{n}", get(attachments::file))
        .route("/api/relay", get(relay::list))
        .route("/api/relay/redrive", post(relay::redrive))
        .merge(account::router())
        .merge(people::router())
        .merge(repair::router())
        .route_layer(from_fn_with_state(app, admitted))
}

async fn admitted(State(app): State<App>, request: Request, next: Next) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    // A question about somebody is posted, so that no number stands in an address.
    let asks = parts.method.is_safe() || ["/api/why", "/api/contacts/show"].contains(&parts.uri.path());
    let scope = match asks {
        true if query::names(&parts.uri, "show_pii") => Scope::Operate,
        true => Scope::Read,
        false if parts.uri.path().starts_with("/api/events/") => Scope::Send,
        false => Scope::Operate,
    };
    let who = auth::admit(&app, &parts, scope)?;
    parts.extensions.insert(Who(who));
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// `POST /api/events/<event>`: the body is the event's data.
async fn post_event(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (parts, body) = request.into_parts();
    let body = limits::read_body(&parts, body, &app.0, Sender::Known).await?;
    let clock = app.engine().clock();
    let mut event = webhook::read_event(API, &NO_SECRETS, &parts.headers, Some(&name), &body, clock.now_ms())?;
    if !parts.headers.contains_key(ID_HEADER) {
        event.dedupe.key = clock.new_id();
    }
    let accepted = hooks::accept(&app, event).await?;
    Ok(Json(json!({
        "version": 1,
        "event_id": accepted.event,
        "duplicate": accepted.duplicate,
        "evaluations": view::evaluations(&accepted.evaluations),
    })))
}

/// `GET /api/events/<id>`.
async fn event(State(app): State<App>, Path(id): Path<String>, uri: Uri) -> Result<Json<Value>, Refusal> {
    Query::read(&uri, &[])?;
    let found = app.engine().store().event(&id).await.map_err(|error| Refusal::store(&error))?;
    let event = found.ok_or_else(|| not_found("event"))?;
    let files = app.engine().store().attachments(&id).await.map_err(|error| Refusal::store(&error))?;
    let files: Vec<Value> = files.iter().map(view::attachment).collect();
    Ok(Json(json!({ "version": 1, "event": view::event(&event), "attachments": files })))
}

/// `GET /api/runs`: newest first.
async fn runs(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    let query = Query::read(&uri, &["workflow", "state", "contact", "before", "limit"])?;
    let filter = RunFilter {
        workflow: query.text("workflow"),
        state: query.run_state()?,
        contact: query.text("contact"),
        before: query.text("before"),
        limit: query.limit()?,
    };
    let runs = app.engine().store().list_runs(&filter).await.map_err(|error| Refusal::store(&error))?;
    let numbers = numbers(&app, &runs).await.map_err(|error| Refusal::store(&error))?;
    let shown = runs.iter().map(|run| with_number(view::run(run), numbers.get(&run.contact)));
    Ok(Json(json!({ "version": 1, "zone": zone(&app), "runs": shown.collect::<Vec<_>>() })))
}

/// The masked numbers of the people of runs, by our id of the person.
async fn numbers(app: &App, runs: &[Run]) -> anyhow::Result<HashMap<String, String>> {
    let ids: BTreeSet<&str> = runs.iter().map(|run| run.contact.as_str()).collect();
    let people = app.engine().store().contacts_of(&ids.into_iter().collect::<Vec<_>>()).await?;
    Ok(people.into_iter().filter_map(|person| Some((person.id, person.phone?.masked()))).collect())
}

fn with_number(mut run: Value, number: Option<&String>) -> Value {
    run["number"] = json!(number);
    run
}

/// The project's zone, in which people read times.
fn zone(app: &App) -> String {
    app.engine().deployed().settings.zone().iana_name().unwrap_or("UTC").to_owned()
}

/// `GET /api/runs/<id>`: with its event, its story, its messages and its calls. With `lang` in words of that language.
async fn run(State(app): State<App>, Path(id): Path<String>, uri: Uri) -> Result<Json<Value>, Refusal> {
    let lang = Query::read(&uri, &["lang"])?.text("lang").unwrap_or_default();
    let store = app.engine().store();
    let found = store.run(&id).await.map_err(|error| Refusal::store(&error))?;
    let run = found.ok_or_else(|| not_found("run"))?.run;
    let event = store.event(&run.event).await.map_err(|error| Refusal::store(&error))?;
    let event = event.as_ref().map_or(Value::Null, view::event);
    let calls = store.calls_of_run(&id).await.map_err(|error| Refusal::store(&error))?;
    let numbers = numbers(&app, std::slice::from_ref(&run)).await.map_err(|error| Refusal::store(&error))?;
    let filter = DeliveryFilter { run: Some(id), limit: query::MOST_LISTED, ..DeliveryFilter::default() };
    Ok(Json(json!({
        "version": 1,
        "zone": zone(&app),
        "run": with_number(view::run(&run), numbers.get(&run.contact)),
        "because": said(&run.reason, &lang),
        "vars": mask::masked(Value::Object(run.progress.vars.clone())),
        "steps": mask::masked(Value::Object(run.progress.steps.clone())),
        "trace": view::trace(&run, |what| told(what, &lang)),
        "deliveries": list_deliveries(&app, &filter).await?,
        "calls": calls.iter().map(view::call).collect::<Vec<_>>(),
        "evaluations": event["evaluations"],
        "event": event,
    })))
}

/// `GET /api/deliveries`: newest first, each with its attempts.
async fn deliveries(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    let query = Query::read(&uri, &["state", "run", "contact", "before", "limit"])?;
    let filter = DeliveryFilter {
        states: query.delivery_states()?,
        run: query.text("run"),
        contact: query.text("contact"),
        before: query.text("before"),
        limit: query.limit()?,
    };
    Ok(Json(json!({ "version": 1, "deliveries": list_deliveries(&app, &filter).await? })))
}

async fn list_deliveries(app: &App, filter: &DeliveryFilter) -> Result<Vec<Value>, Refusal> {
    let store = app.engine().store();
    let rows = store.list_deliveries(filter).await.map_err(|error| Refusal::store(&error))?;
    let ids: Vec<&str> = rows.iter().map(|row| row.delivery.id.as_str()).collect();
    let attempts = store.attempts(&ids).await.map_err(|error| Refusal::store(&error))?;
    let mut attempts = view::by_delivery(attempts);
    Ok(rows.iter().map(|row| view::delivery(row, attempts.remove(&row.delivery.id).unwrap_or_default())).collect())
}

/// `GET /api/campaigns`: newest first, how far each is.
async fn campaigns(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    let limit = Query::read(&uri, &["limit"])?.limit()?;
    let firings = app.engine().store().firings(true, limit).await.map_err(|error| Refusal::store(&error))?;
    Ok(Json(json!({ "version": 1, "campaigns": firings.iter().map(view::campaign).collect::<Vec<_>>() })))
}

/// `GET /api/load`: what the engine's loop did so far, and for how long the oldest work has been due.
async fn load(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    Query::read(&uri, &[])?;
    let oldest = app.engine().oldest_due().await.map_err(|error| Refusal::store(&error))?;
    let now_ms = app.engine().clock().now_ms();
    let age = |due_ms: Option<i64>| due_ms.map(|due_ms| now_ms - due_ms);
    Ok(Json(json!({
        "version": 1,
        "load": app.engine().load(),
        "oldest_due_ms": { "run": age(oldest.run_ms), "call": age(oldest.call_ms), "message": age(oldest.message_ms) },
    })))
}

fn not_found(what: &str) -> Refusal {
    let (error, hint) = match what {
        "contact" => ("nobody is known by this", "the server knows who wrote, was written to or was imported"),
        "event" => ("there is no event of this id", "`GET /api/events` lists what came"),
        "file" => ("the event has no such file", "`GET /api/events/<id>` lists its files"),
        _ => ("there is no run of this id", "`GET /api/runs` or `relance runs list` lists what there is"),
    };
    Refusal::new(StatusCode::NOT_FOUND, error, hint)
}
