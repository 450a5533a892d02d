//! What an operator asks in the name of a person: to write to them no more, or again; to hand out or erase what is held.
//!
//! The person is named in the body, not in the address, which ends in logs. Invariant: each of these is on record with who
//! asked for it.

use super::outbound::read_json;
use super::{Who, export, not_found};
use crate::contact::{Contact, Line, Phone, WithdrawalScope};
use crate::engine::Busy;
use crate::http::error::Refusal;
use crate::http::{App, hooks};
use crate::store::contacts::ContactKey;
use axum::extract::{Request, State};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/contacts/withdraw", post(withdraw))
        .route("/api/contacts/allow", post(allow))
        .route("/api/contacts/export", post(export::export))
        .route("/api/contacts/forget", post(forget))
}

/// One person, by one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    phone: Option<String>,
    uuid: Option<String>,
    id: Option<String>,
}

/// As [`Named`], and what the person wants no more of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdrawn {
    phone: Option<String>,
    uuid: Option<String>,
    id: Option<String>,
    #[serde(default = "everything")]
    scope: WithdrawalScope,
}

fn everything() -> WithdrawalScope {
    WithdrawalScope::All
}

const HINT: &str = "name the person by one of `phone`, `uuid`, `id`";

/// By what the person is found that a request names.
pub(super) fn keys(
    app: &App,
    phone: Option<String>,
    uuid: Option<String>,
    id: Option<String>,
) -> Result<Vec<ContactKey>, Refusal> {
    let region = app.engine().deployed().settings.phone_region.clone();
    match (phone, uuid, id) {
        (Some(written), None, None) => Phone::parse(&written, region.as_deref())
            .map(|phone| ContactKey::of_phone(&phone).collect())
            .map_err(|_| Refusal::unreadable("the number cannot be read", "write it as `+34600000001`")),
        (None, Some(uuid), None) => Ok(vec![ContactKey::Uuid(uuid)]),
        (None, None, Some(id)) => Ok(vec![ContactKey::Id(id)]),
        _ => Err(Refusal::unreadable("nobody is named, or several are", HINT)),
    }
}

/// The person that a request names.
pub(super) async fn find(
    app: &App,
    phone: Option<String>,
    uuid: Option<String>,
    id: Option<String>,
) -> Result<(Contact, Vec<(String, Line)>), Refusal> {
    let keys = keys(app, phone, uuid, id)?;
    let found = app.engine().store().contact(&keys).await.map_err(|error| Refusal::store(&error))?;
    found.ok_or_else(|| not_found("contact"))
}

pub(super) async fn named(app: &App, request: Request) -> Result<(Contact, Vec<(String, Line)>), Refusal> {
    let Named { phone, uuid, id } = read_json(app, request, HINT).await?;
    find(app, phone, uuid, id).await
}

fn done(contact: &Contact, there_is: bool) -> Result<Json<Value>, Refusal> {
    match there_is {
        true => Ok(Json(json!({ "version": 1, "contact": contact.id }))),
        false => Err(not_found("contact")),
    }
}

/// `POST /api/contacts/withdraw`: with `"scope": "marketing"` of marketing only.
async fn withdraw(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let Withdrawn { phone, uuid, id, scope } = read_json(&app, request, HINT).await?;
    let (contact, _) = find(&app, phone, uuid, id).await?;
    let asked = app.engine().withdraw(&contact.id, scope, &who).await;
    done(&contact, asked.map_err(|_| Refusal::busy(hooks::some_seconds()))?)
}

/// `POST /api/contacts/allow`.
async fn allow(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (contact, _) = named(&app, request).await?;
    let asked = app.engine().allow(&contact.id, &who).await;
    done(&contact, asked.map_err(|_| Refusal::busy(hooks::some_seconds()))?)
}

/// `POST /api/contacts/forget`. What has begun is ended, whether the caller waits or not.
async fn forget(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (contact, _) = named(&app, request).await?;
    let (engine, id) = (app.engine().clone(), contact.id.clone());
    let asked = tokio::spawn(async move { engine.forget(&id, &who).await }).await;
    let forgotten = asked.map_err(anyhow::Error::from).flatten().map_err(|error| not_forgotten(&error))?;
    done(&contact, forgotten.is_some())
}

fn not_forgotten(error: &anyhow::Error) -> Refusal {
    if !error.is::<Busy>() {
        return Refusal::store(error);
    }
    let hint = "part of it may be erased: ask again after the seconds of `Retry-After`, what is left is erased then";
    Refusal { hint: hint.into(), ..Refusal::busy(hooks::some_seconds()) }
}
