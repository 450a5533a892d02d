//! The vendor's API (reference §5, §9–§13.6), as far as relance or its users' programs call it.
//!
//! Invariant: every request leaves a row in the list of calls, refused ones too.

use super::faults::Fault;
use super::people::{Line, Person};
use super::request::digits;
use super::{Call, Sandbox, payload};
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Rows of a page of contacts and of messages.
const PAGE: usize = 20;
/// The vendor refuses contact pages beyond this one.
const LAST_PAGE: usize = 500;

pub(super) fn router(sandbox: &Sandbox) -> Router<Sandbox> {
    let asked = Router::new()
        .route("/messages/status/{uuid}", get(status))
        .route("/templates", get(templates))
        .route("/templates/{uuid}", get(template))
        .route("/contacts", get(contacts))
        .route("/contacts/{uuid}", get(contact))
        .route("/contacts/phone/{number}", get(contact_by_phone))
        .route("/contacts/bsuid/{bsuid}", get(contact_by_bsuid))
        .route("/contacts/{uuid}/messages", get(messages))
        .route("/channels", get(channels))
        .route("/channels/{uuid}", get(channel))
        .route("/teams", get(async || Json(json!({ "teams": [], "meta": { "page": 1, "pages": 1 } }))))
        .route("/auth/me", get(me))
        .route("/webhooks/subscribe", post(subscribe))
        .route("/webhooks/unsubscribe", delete(unsubscribe))
        .route("/webhooks/events", get(events))
        .fallback(any(async || not_found()))
        .route_layer(from_fn_with_state(sandbox.clone(), authorise));
    Router::new()
        .route("/messages/send", post(send))
        .merge(asked)
        .layer(from_fn_with_state(sandbox.clone(), see_through))
}

/// What `send` tells the list of calls.
#[derive(Debug, Clone)]
struct Note {
    accepted: Option<String>,
    dropped: bool,
    body: Option<Box<serde_json::value::RawValue>>,
}

/// A vendor goes on with what it has read when the caller is gone: the answer is lost, the message is not.
async fn see_through(State(sandbox): State<Sandbox>, request: Request, next: Next) -> Response {
    let answered = tokio::spawn(write_down(sandbox, request, next));
    answered.await.unwrap_or_else(|_| error(500, "internal error"))
}

async fn write_down(sandbox: Sandbox, request: Request, next: Next) -> Response {
    let at_ms = sandbox.0.clock.now_ms();
    let (method, path) = (request.method().to_string(), format!("/v1{}", request.uri().path()));
    let mut response = next.run(request).await;
    let note = response.extensions_mut().remove::<Note>();
    let (accepted, dropped, body) = note.map_or((None, false, None), |note| (note.accepted, note.dropped, note.body));
    let status = if dropped { 0 } else { response.status().as_u16() };
    sandbox.calls_log().push(Call { at_ms, method, path, status, accepted, body });
    response
}

async fn authorise(State(sandbox): State<Sandbox>, request: Request, next: Next) -> Response {
    match sandbox.is_authorised(request.headers()) {
        true => next.run(request).await,
        false => error(401, "not authorized"),
    }
}

impl Sandbox {
    /// `Authorization: Bearer <token>`, the prefix once.
    fn is_authorised(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.0.token else { return true };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.and_then(|given| given.strip_prefix("Bearer ")) == Some(token.expose())
    }
}

async fn send(State(sandbox): State<Sandbox>, uri: Uri, headers: HeaderMap, raw: Bytes) -> Response {
    let delay_ms = sandbox.with(|account, _| account.faults.delay_ms);
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
    let fields = Query::<Fields>::try_from_uri(&uri).map(|query| query.0.fields).unwrap_or_default();
    let authorised = sandbox.is_authorised(&headers);
    let reply = sandbox.with(|account, now_ms| account.send(authorised, &raw, &fields, now_ms));
    if reply.accepted.is_some() {
        sandbox.wake();
    }
    let body = if reply.accepted.is_none() { serde_json::from_slice(&raw).ok() } else { None };
    let mut response = match reply.dropped {
        true => hang_up(),
        false => answer(reply.status, &reply.body),
    };
    response.extensions_mut().insert(Note { accepted: reply.accepted, dropped: reply.dropped, body });
    response
}

#[derive(Deserialize, Default)]
struct Fields {
    #[serde(default)]
    fields: String,
}

/// A response whose body fails at once: the server closes the connection before it flushed a single byte of it.
fn hang_up() -> Response {
    Response::new(Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("dropped"))])))
}

fn answer(status: u16, body: &Value) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (code, Json(body)).into_response();
    if status == 429 {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

fn error(status: u16, text: &str) -> Response {
    answer(status, &json!({ "error": text }))
}

fn not_found() -> Response {
    error(404, "not found")
}

fn found(object: Option<Value>) -> Response {
    object.map_or_else(not_found, |object| answer(200, &object))
}

async fn status(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    found(sandbox.with(|account, _| {
        let message = account.sent(&uuid)?;
        let cloud = false;
        let payload = message.history.last().map(|step| payload::status_payload(message, step, cloud));
        Some(json!({ "message": {
            "uuid": message.uuid, "status": message.status(), "messageStatusPayload": payload, "metadata": message.metadata,
        } }))
    }))
}

#[derive(Deserialize)]
struct Paging {
    page: Option<usize>,
    items: Option<usize>,
    status: Option<String>,
}

impl Paging {
    /// One page of rows, and `meta`.
    fn cut(&self, rows: Vec<Value>, per_page: usize) -> (Vec<Value>, Value) {
        let page = self.page.unwrap_or(1).max(1);
        let pages = rows.len().div_ceil(per_page).max(1);
        let rows = rows.into_iter().skip((page - 1).saturating_mul(per_page)).take(per_page).collect();
        (rows, json!({ "page": page, "pages": pages }))
    }
}

async fn templates(State(sandbox): State<Sandbox>, Query(paging): Query<Paging>) -> Json<Value> {
    let rows = sandbox.with(|account, _| account.templates().iter().map(payload::template).collect());
    let (rows, meta) = paging.cut(rows, PAGE);
    Json(json!({ "templates": rows, "meta": meta }))
}

async fn template(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    found(sandbox.with(|account, _| Some(json!({ "template": payload::template(account.template(&uuid)?) }))))
}

async fn channels(State(sandbox): State<Sandbox>, Query(paging): Query<Paging>) -> Json<Value> {
    let rows = sandbox.with(|account, _| account.lines.iter().map(shown_channel).collect());
    let (rows, meta) = paging.cut(rows, PAGE);
    Json(json!({ "channels": rows, "meta": meta }))
}

async fn channel(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    found(sandbox.with(|account, _| Some(json!({ "channel": shown_channel(account.line(Some(&uuid))?) }))))
}

fn shown_channel(line: &Line) -> Value {
    let mut channel = payload::channel(line);
    channel["discardedAt"] = Value::Null;
    channel
}

async fn contacts(State(sandbox): State<Sandbox>, Query(paging): Query<Paging>) -> Response {
    if paging.page.is_some_and(|page| page > LAST_PAGE) {
        return error(400, "Pagination limit exceeded");
    }
    let rows = sandbox.with(|account, _| {
        let Some(line) = account.line(None) else { return Vec::new() };
        let mut people: Vec<&Person> = account.people.values().collect();
        people.sort_by_key(|person| {
            let newest = person.last_inbound_ms.values().copied().max().unwrap_or(person.created_ms);
            (std::cmp::Reverse(newest), person.uuid.clone())
        });
        people.into_iter().map(|person| payload::contact(person, line, true)).collect()
    });
    let (rows, meta) = paging.cut(rows, PAGE);
    answer(200, &json!({ "contacts": rows, "meta": meta }))
}

async fn contact(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    sandbox.show_contact(|person| person.uuid == uuid)
}

async fn contact_by_phone(State(sandbox): State<Sandbox>, Path(number): Path<String>) -> Response {
    let wanted = digits(&number);
    sandbox.show_contact(|person| person.phone.is_some() && person.phone == wanted)
}

async fn contact_by_bsuid(State(sandbox): State<Sandbox>, Path(bsuid): Path<String>) -> Response {
    sandbox.show_contact(|person| person.bsuid.as_ref() == Some(&bsuid))
}

impl Sandbox {
    fn show_contact(&self, wanted: impl Fn(&Person) -> bool) -> Response {
        found(self.with(|account, _| {
            let as_list = account.faults.take(Fault::ContactList);
            let line = account.line(None)?;
            let person = account.people.values().find(|person| wanted(person))?;
            let contact = payload::contact(person, line, true);
            Some(json!({ "contact": if as_list { json!([contact]) } else { contact } }))
        }))
    }
}

async fn messages(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, Query(paging): Query<Paging>) -> Response {
    let rows = sandbox.with(|account, _| {
        let (key, person) = account.people.iter().find(|(_, person)| person.uuid == uuid)?;
        let theirs = account.messages.iter().rev().filter(|(_, message)| &message.person == key);
        Some(theirs.map(|(_, message)| payload::message_row(message, person)).collect())
    });
    let Some(rows) = rows else { return not_found() };
    let (rows, meta) = paging.cut(rows, PAGE);
    answer(200, &json!({ "messages": rows, "meta": meta }))
}

async fn me() -> Json<Value> {
    Json(json!({ "status": "ok", "user_email": "sandbox@example.org", "user_name": "Sandbox", "api_key": "sandbox" }))
}

#[derive(Deserialize)]
struct Subscription {
    url: String,
    #[serde(default)]
    subscriptions: Value,
}

/// Creates or replaces the only webhook.
async fn subscribe(State(sandbox): State<Sandbox>, Json(wanted): Json<Subscription>) -> Response {
    let fits = reqwest::Url::parse(&wanted.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !fits {
        return answer(400, &json!({ "error": { "url": ["is invalid"] } }));
    }
    let names: Vec<String> = match &wanted.subscriptions {
        Value::String(list) => list.split(',').map(|name| name.trim().to_owned()).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let shown = json!({ "url": wanted.url, "subscriptions": names });
    let now_ms = sandbox.with(|account, now_ms| {
        account.mailbox.url = Some(wanted.url);
        account.mailbox.subscriptions = (!names.is_empty()).then(|| names.into_iter().collect());
        now_ms
    });
    let mut webhook = shown;
    webhook["createdAt"] = payload::spaced(now_ms).into();
    webhook["enabled"] = true.into();
    answer(200, &json!({ "webhook": webhook }))
}

async fn unsubscribe(State(sandbox): State<Sandbox>) -> Json<Value> {
    sandbox.set_webhook(None);
    Json(json!({ "status": "webhook was destroyed" }))
}

async fn events(State(sandbox): State<Sandbox>, Query(paging): Query<Paging>) -> Response {
    let wanted = |success: bool| match paging.status.as_deref() {
        Some("success") => success,
        Some("failed") => !success,
        _ => true,
    };
    let rows = sandbox.with(|account, _| {
        let rows = account.mailbox.log.iter().rev().filter(|(_, row)| wanted(row.success));
        rows.map(|(_, row)| {
            let (code, body) =
                row.answer.clone().map_or((Value::Null, Value::Null), |(code, body)| (code.into(), body.into()));
            let said: Value = serde_json::from_slice(&row.body).unwrap_or_default();
            let bare = said.get("payload").is_none();
            json!({
                "event": row.event,
                "payload": if bare { said } else { said["payload"].clone() },
                "response": { "body": body, "code": code, "headers": {} },
                "success": row.success,
                "createdAt": payload::iso(row.at_ms),
            })
        })
        .collect()
    });
    let (rows, meta) = paging.cut(rows, paging.items.unwrap_or(PAGE).clamp(1, 100));
    answer(200, &json!({ "webhook_events": rows, "meta": meta }))
}
