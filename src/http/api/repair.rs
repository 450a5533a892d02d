//! What people order through the API: what needs them, by cause, and the acts that repair it.
//!
//! Invariant: an order that is refused changes nothing, and says what stands in its way.

use super::mask::masked_text;
use super::outbound::read_json;
use super::query::Query;
use super::{Who, view};
use crate::engine::repair::{Act, CampaignAct, Refused, Tally};
use crate::http::App;
use crate::http::error::Refusal;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

const ACTS: &str = "send `{\"act\": \"retry\"}`, `skip`, `resume`, `pause` or `cancel`";
const ACTS_ON_ALL: &str = "send `{\"act\": \"retry\"}`, `skip` or `cancel`";
const NOTHING: &str = "send `{}`";
const CAMPAIGN_ACTS: &str = "send `{\"act\": \"pause\"}`, `resume` or `cancel`";

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/attention", get(attention))
        .route("/api/attention/{key}", post(act_on_cause))
        .route("/api/runs/{id}/act", post(act_on_run))
        .route("/api/runs/{id}/redrive", post(redrive_run))
        .route("/api/deliveries/{id}/redrive", post(redrive_delivery))
        .route("/api/evaluations/redrive", post(redrive_evaluation))
        .route("/api/campaigns/{id}", get(campaign))
        .route("/api/campaigns/{id}/act", post(act_on_campaign))
        .route("/api/audit", get(audit))
}

/// `GET /api/attention`: what needs a person, by cause.
async fn attention(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    Query::read(&uri, &[])?;
    let causes = app.engine().attention().await.map_err(|error| Refusal::store(&error))?;
    Ok(Json(json!({ "version": 1, "causes": causes.iter().map(view::cause).collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ordered<T> {
    act: T,
}

/// `POST /api/attention/<key>`: the same for everything of one cause.
async fn act_on_cause(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    Path(key): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let Ordered { act } = read_json::<Ordered<Act>>(&app, request, ACTS_ON_ALL).await?;
    let tally = app.engine().order_key(&key, act, &who).await.map_err(|_| Refusal::busy(1))?;
    Ok(Json(shown(&tally.map_err(refusal)?)))
}

fn shown(tally: &Tally) -> Value {
    let told = tally
        .told
        .iter()
        .map(|(id, refused)| json!({ "id": id, "error": masked_text(&refused.error()), "hint": refused.hint() }));
    json!({
        "version": 1,
        "done": tally.obeyed,
        "refused": tally.refused,
        "refusals": told.collect::<Vec<_>>(),
        "more": tally.more,
    })
}

/// `POST /api/runs/<id>/act`.
async fn act_on_run(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let Ordered { act } = read_json::<Ordered<Act>>(&app, request, ACTS).await?;
    app.engine().order(&id, act, &who).await.map_err(|_| Refusal::busy(1))?.map_err(refusal)?;
    // As it stands after everything that followed in the same commit.
    let stored = app.engine().store().run(&id).await.map_err(|error| Refusal::store(&error))?;
    let stored = stored.ok_or_else(|| refusal(Refused::Unknown))?;
    let (state, reason) = (stored.run.state, masked_text(&stored.run.reason));
    Ok(Json(json!({ "version": 1, "id": id, "state": state, "reason": reason })))
}

/// What says everything by its address still has to say that it is JSON, which no form of another page can.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `POST /api/runs/<id>/redrive`: begins an ended run anew.
async fn redrive_run(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let Nothing {} = read_json(&app, request, NOTHING).await?;
    let run = app.engine().redrive_run(&id, &who).await.map_err(|_| Refusal::busy(1))?.map_err(refusal)?;
    Ok(Json(json!({ "version": 1, "id": run, "redrive_of": id })))
}

/// `POST /api/deliveries/<id>/redrive`: sends a message again that did not arrive.
async fn redrive_delivery(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let Nothing {} = read_json(&app, request, NOTHING).await?;
    let new = app.engine().redrive_delivery(&id, &who).await.map_err(|_| Refusal::busy(1))?.map_err(refusal)?;
    Ok(Json(json!({ "version": 1, "id": new, "redrive_of": id })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judged {
    event: String,
    workflow: String,
}

/// `POST /api/evaluations/redrive`: has an event judged again by a workflow that could not.
async fn redrive_evaluation(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let hint = "send `{\"event\": \"<id>\", \"workflow\": \"<id>\"}`, as `GET /api/attention` shows them";
    let Judged { event, workflow } = read_json(&app, request, hint).await?;
    let result = app.engine().redrive_evaluation(&event, &workflow, &who).await.map_err(|_| Refusal::busy(1))?;
    let result = result.map_err(refusal)?;
    Ok(Json(json!({ "version": 1, "event": event, "workflow": workflow, "result": result })))
}

/// `GET /api/campaigns/<id>`: one campaign, with how its runs and messages stand.
async fn campaign(State(app): State<App>, Path(id): Path<String>, uri: Uri) -> Result<Json<Value>, Refusal> {
    Query::read(&uri, &[])?;
    let store = app.engine().store();
    let found = store.firing(&id).await.map_err(|error| Refusal::store(&error))?;
    let firing = found.filter(|firing| firing.audience.is_some()).ok_or_else(|| refusal(Refused::Unknown))?;
    let (runs, deliveries) = store.campaign_states(&id).await.map_err(|error| Refusal::store(&error))?;
    let counts = |counts: Vec<(String, i64)>| -> serde_json::Map<String, Value> {
        counts.into_iter().map(|(state, count)| (state, count.into())).collect()
    };
    Ok(Json(json!({
        "version": 1,
        "campaign": view::campaign(&firing),
        "runs": counts(runs),
        "deliveries": counts(deliveries),
    })))
}

/// `POST /api/campaigns/<id>/act`: answered when its runs have followed.
async fn act_on_campaign(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let Ordered { act } = read_json::<Ordered<CampaignAct>>(&app, request, CAMPAIGN_ACTS).await?;
    let state = app.engine().order_campaign(&id, act, &who).await.map_err(|_| Refusal::busy(1))?;
    Ok(Json(json!({ "version": 1, "id": id, "state": state.map_err(refusal)? })))
}

/// `GET /api/audit`: who did what by hand, newest first.
async fn audit(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    let limit = Query::read(&uri, &["limit"])?.limit()?;
    let rows = app.engine().store().audit(limit).await.map_err(|error| Refusal::store(&error))?;
    Ok(Json(json!({ "version": 1, "audit": rows.iter().map(view::audit).collect::<Vec<_>>() })))
}

/// Nothing of this id: 404; else something stands in the way: 409.
fn refusal(refused: Refused) -> Refusal {
    let status = match refused {
        Refused::Unknown => StatusCode::NOT_FOUND,
        _ => StatusCode::CONFLICT,
    };
    Refusal::new(status, masked_text(&refused.error()).into_owned(), refused.hint())
}
