//! Whom a request is about, and what an operator asks in the name of a person: to write to them no more, or again; to hand
//! out or erase what is held.
//!
//! A number is named in the body, not in the address, which ends in logs. Invariant: each of these is on record with who
//! asked for it.

use super::outbound::read_json;
use super::query::Query;
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

/// Whom a question is about, with what else stands behind its `?`: the person is named in a posted body, or there by
/// `uuid` or `id`.
pub(super) async fn asked(app: &App, request: Request, known: &[&str]) -> Result<(Whom, Query), Refusal> {
    if !request.method().is_safe() {
        let query = Query::read(request.uri(), known)?;
        let Named { phone, uuid, id } = read_json(app, request, HINT).await?;
        return Ok((Whom::read(app, phone, uuid, id)?, query));
    }
    let query = Query::read(request.uri(), &[known, &["phone", "uuid", "id"]].concat())?;
    if query.text("phone").is_some() {
        let hint = "post it as `{\"phone\": \"…\"}` to `/api/contacts/show` or `/api/why`";
        return Err(Refusal::unreadable("an address ends in logs: no number stands in it", hint));
    }
    Ok((Whom::read(app, None, query.text("uuid"), query.text("id"))?, query))
}

/// Whom a request names.
#[derive(Debug, Clone)]
pub(super) enum Whom {
    Number(Phone),
    Other(ContactKey),
}

impl Whom {
    /// One of the three.
    pub(super) fn read(
        app: &App,
        phone: Option<String>,
        uuid: Option<String>,
        id: Option<String>,
    ) -> Result<Self, Refusal> {
        let region = app.engine().deployed().settings.phone_region.clone();
        match (phone, uuid, id) {
            (Some(written), None, None) => Phone::parse(&written, region.as_deref())
                .map(Self::Number)
                .map_err(|_| Refusal::unreadable("the number cannot be read", "write it as `+34600000001`")),
            (None, Some(uuid), None) => Ok(Self::Other(ContactKey::Uuid(uuid))),
            (None, None, Some(id)) => Ok(Self::Other(ContactKey::Id(id))),
            _ => Err(Refusal::unreadable("nobody is named, or several are", HINT)),
        }
    }

    /// By what they are found.
    pub(super) fn keys(&self) -> Vec<ContactKey> {
        match self {
            Self::Number(phone) => ContactKey::of_phone(phone).collect(),
            Self::Other(key) => vec![key.clone()],
        }
    }

    /// The person, if anybody is known by this.
    pub(super) async fn known(&self, app: &App) -> Result<Option<(Contact, Vec<(String, Line)>)>, Refusal> {
        app.engine().store().contact(&self.keys()).await.map_err(|error| Refusal::store(&error))
    }
}

pub(super) async fn named(app: &App, request: Request) -> Result<(Contact, Vec<(String, Line)>), Refusal> {
    let Named { phone, uuid, id } = read_json(app, request, HINT).await?;
    Whom::read(app, phone, uuid, id)?.known(app).await?.ok_or_else(|| not_found("contact"))
}

fn done(contact: &Contact, there_is: bool) -> Result<Json<Value>, Refusal> {
    match there_is {
        true => {
            let number = contact.phone.as_ref().map(Phone::masked);
            Ok(Json(json!({ "version": 1, "contact": contact.id, "number": number })))
        }
        false => Err(not_found("contact")),
    }
}

/// The same of a number that nobody is known by.
fn done_for_stranger(phone: &Phone) -> Json<Value> {
    Json(json!({ "version": 1, "contact": null, "number": phone.masked() }))
}

fn busy<T>(_: T) -> Refusal {
    Refusal::busy(hooks::some_seconds())
}

/// `POST /api/contacts/withdraw`: with `"scope": "marketing"` of marketing only. Of a number that nobody is known by it is
/// kept under the number's hash, and `contact` is null.
async fn withdraw(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let Withdrawn { phone, uuid, id, scope } = read_json(&app, request, HINT).await?;
    let whom = Whom::read(&app, phone, uuid, id)?;
    match (whom.known(&app).await?, &whom) {
        (Some((contact, _)), _) => done(&contact, app.engine().withdraw(&contact.id, scope, &who).await.map_err(busy)?),
        (None, Whom::Number(phone)) => {
            app.engine().withdraw_number(phone, scope, &who).await.map_err(busy)?;
            // Another server may have come to know them in the same instant.
            if let Some((contact, _)) = whom.known(&app).await?.filter(|(contact, _)| !contact.opted_out(scope)) {
                app.engine().withdraw(&contact.id, scope, &who).await.map_err(busy)?;
            }
            Ok(done_for_stranger(phone))
        }
        (None, Whom::Other(_)) => Err(not_found("contact")),
    }
}

/// `POST /api/contacts/allow`.
async fn allow(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let Named { phone, uuid, id } = read_json(&app, request, HINT).await?;
    let whom = Whom::read(&app, phone, uuid, id)?;
    match (whom.known(&app).await?, &whom) {
        (Some((contact, _)), _) => done(&contact, app.engine().allow(&contact.id, &who).await.map_err(busy)?),
        (None, Whom::Number(phone)) if app.engine().allow_number(phone, &who).await.map_err(busy)? => {
            Ok(done_for_stranger(phone))
        }
        _ => Err(not_found("contact")),
    }
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
