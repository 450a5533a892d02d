//! What an operator asks in the name of a person: to write to them no more, or again; to hand out or erase what is held.
//!
//! The person is named in the body, not in the address, which ends in logs. Invariant: each of these is on record with who
//! asked for it.

use super::outbound::read_json;
use super::{Who, not_found, view};
use crate::contact::{Contact, Line, Phone, WithdrawalScope};
use crate::http::error::Refusal;
use crate::http::{App, hooks};
use crate::run::Run;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::{DeliveryFilter, DeliveryRow};
use crate::store::runs::RunFilter;
use axum::extract::{Request, State};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

/// Rows read at a time.
const PAGE: u32 = 500;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/contacts/withdraw", post(withdraw))
        .route("/api/contacts/allow", post(allow))
        .route("/api/contacts/export", post(export))
        .route("/api/contacts/forget", post(forget))
}

/// One person, by one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    phone: Option<String>,
    uuid: Option<String>,
    id: Option<String>,
    scope: Option<WithdrawalScope>,
}

const HINT: &str = "name the person by one of `phone`, `uuid`, `id`";

/// The person that a request names.
pub(super) async fn find(
    app: &App,
    phone: Option<String>,
    uuid: Option<String>,
    id: Option<String>,
) -> Result<(Contact, Vec<(String, Line)>), Refusal> {
    let region = app.engine().deployed().settings.phone_region.clone();
    let keys = match (phone, uuid, id) {
        (Some(written), None, None) => Phone::parse(&written, region.as_deref())
            .map(|phone| ContactKey::of_phone(&phone).collect())
            .map_err(|_| Refusal::unreadable("the number cannot be read", "write it as `+34600000001`"))?,
        (None, Some(uuid), None) => vec![ContactKey::Uuid(uuid)],
        (None, None, Some(id)) => vec![ContactKey::Id(id)],
        _ => return Err(Refusal::unreadable("nobody is named, or several are", HINT)),
    };
    let found = app.engine().store().contact(&keys).await.map_err(|error| Refusal::store(&error))?;
    found.ok_or_else(|| not_found("contact"))
}

async fn named(app: &App, request: Request) -> Result<(Contact, Vec<(String, Line)>, WithdrawalScope), Refusal> {
    let Named { phone, uuid, id, scope } = read_json(app, request, HINT).await?;
    let (contact, lines) = find(app, phone, uuid, id).await?;
    Ok((contact, lines, scope.unwrap_or(WithdrawalScope::All)))
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
    let (contact, _, scope) = named(&app, request).await?;
    let asked = app.engine().withdraw(&contact.id, scope, &who).await;
    done(&contact, asked.map_err(|_| Refusal::busy(hooks::some_seconds()))?)
}

/// `POST /api/contacts/allow`.
async fn allow(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (contact, ..) = named(&app, request).await?;
    let asked = app.engine().allow(&contact.id, &who).await;
    done(&contact, asked.map_err(|_| Refusal::busy(hooks::some_seconds()))?)
}

/// `POST /api/contacts/forget`. What has begun is ended, whether the caller waits or not.
async fn forget(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (contact, ..) = named(&app, request).await?;
    let (engine, id) = (app.engine().clone(), contact.id.clone());
    let asked = tokio::spawn(async move { engine.forget(&id, &who).await }).await;
    let forgotten = asked.map_err(anyhow::Error::from).flatten().map_err(|error| Refusal::store(&error))?;
    done(&contact, forgotten.is_some())
}

/// `POST /api/contacts/export`: everything held of a person.
async fn export(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (contact, lines, _) = named(&app, request).await?;
    let asked = app.engine().exported(&contact.id, &who).await;
    asked.map_err(|_| Refusal::busy(hooks::some_seconds()))?;
    let held = held(&app, &contact, &lines).await.map_err(|error| Refusal::store(&error))?;
    Ok(Json(held))
}

async fn held(app: &App, contact: &Contact, lines: &[(String, Line)]) -> anyhow::Result<Value> {
    let store = app.engine().store();
    let consents = app.engine().consent_history(contact).await?;
    let mut events = Vec::new();
    for id in app.engine().events_about(contact).await? {
        // One that was too old to be kept any longer may be gone since it was found.
        let Some(event) = store.event(&id).await? else { continue };
        let mut shown = view::open_event(&event);
        shown["attachments"] = store.attachments(&id).await?.iter().map(view::attachment).collect();
        events.push(shown);
    }
    Ok(json!({
        "version": 1,
        "contact": view::contact(contact, lines),
        "names": store.names_of(&contact.id).await?,
        "consents": consents.iter().map(view::consent).collect::<Vec<_>>(),
        "runs": runs(app, &contact.id).await?,
        "messages": messages(app, &contact.id).await?,
        "events": events,
    }))
}

async fn runs(app: &App, contact: &str) -> anyhow::Result<Vec<Value>> {
    let shown = |run: &Run| {
        let mut shown = view::run(run);
        shown["reason"] = run.reason.as_str().into();
        shown["progress"] = json!(run.progress);
        shown
    };
    let mut filter = RunFilter { contact: Some(contact.to_owned()), limit: PAGE, ..RunFilter::default() };
    let mut all = Vec::new();
    loop {
        let page = app.engine().store().list_runs(&filter).await?;
        all.extend(page.iter().map(shown));
        match page.last().filter(|_| page.len() == PAGE as usize) {
            Some(last) => filter.before = Some(last.id.clone()),
            None => return Ok(all),
        }
    }
}

async fn messages(app: &App, contact: &str) -> anyhow::Result<Vec<Value>> {
    let store = app.engine().store();
    let mut filter = DeliveryFilter { contact: Some(contact.to_owned()), limit: PAGE, ..DeliveryFilter::default() };
    let mut all = Vec::new();
    loop {
        let page = store.list_deliveries(&filter).await?;
        let ids: Vec<&str> = page.iter().map(|row| row.delivery.id.as_str()).collect();
        let mut attempts = view::by_delivery(store.attempts(&ids).await?);
        let shown = |row: &DeliveryRow| {
            let mut shown = view::delivery(row, attempts.remove(&row.delivery.id).unwrap_or_default());
            shown["message"] = json!(row.delivery.message);
            shown
        };
        all.extend(page.iter().map(shown));
        match page.last().filter(|_| page.len() == PAGE as usize) {
            Some(last) => filter.before = Some(last.delivery.id.clone()),
            None => return Ok(all),
        }
    }
}
