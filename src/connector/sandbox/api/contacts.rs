//! `/contacts`: listing, looking up, making, changing and deleting people (reference §10).

use super::super::Sandbox;
use super::super::account::{Account, ContactFilter, CursorError, Shape};
use super::super::people::{LineKind, Person, key_of};
use super::super::request::{Recipient, digits};
use super::{Fields, Paging, Said, answer, change, error, found, list_of, not_found, number, unknown};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/contacts", get(list).post(create))
        .route("/contacts/{uuid}", get(show).patch(update).delete(remove))
        .route("/contacts/phone/{number}", get(by_phone))
        .route("/contacts/bsuid/{bsuid}", get(by_bsuid))
        .route("/contacts/{uuid}/messages", get(messages))
}

#[derive(Deserialize, Default)]
struct Listing {
    page: Option<String>,
    after: Option<String>,
    source: Option<String>,
    tags: Option<String>,
    team_uuid: Option<String>,
    include_field_types: Option<String>,
    channel_uuid: Option<String>,
}

impl Listing {
    fn shape(&self) -> Shape {
        Shape { types: self.include_field_types.as_deref() == Some("true"), ..Shape::API }
    }

    fn filter(&self, query: &str) -> ContactFilter {
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().trim().to_owned()
        };
        // `tags[]=a&tags[]=b` works too.
        let many = query.split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (decoded(name) == "tags[]").then(|| decoded(value))
        });
        let tags = list_of(self.tags.as_deref().unwrap_or_default()).into_iter().chain(many).collect();
        ContactFilter { source: self.source.clone(), tags, team_uuid: self.team_uuid.clone() }
    }
}

async fn list(
    State(sandbox): State<Sandbox>,
    Query(wanted): Query<Listing>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Response {
    let filter = wanted.filter(query.as_deref().unwrap_or_default());
    let batch = sandbox.with(|account, _| {
        let (keys, meta) = match &wanted.after {
            Some(cursor) => account.contact_batch(&filter, cursor)?,
            None => account.contact_page(&filter, number(wanted.page.as_ref()).unwrap_or(1).max(1))?,
        };
        let people = keys.iter().filter_map(|key| account.people.get(key));
        let contacts: Vec<Value> = people.map(|person| account.contact(person, wanted.shape())).collect();
        Ok(json!({ "contacts": contacts, "meta": meta }))
    });
    match batch {
        Ok(batch) => answer(200, &batch),
        Err(CursorError::Limit) => error(400, "Pagination limit exceeded"),
        Err(CursorError::Cursor) => error(400, "Invalid pagination cursor"),
    }
}

async fn show(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, Query(wanted): Query<Listing>) -> Response {
    sandbox.show_contact(&wanted, |person, _| person.uuid == uuid)
}

async fn by_phone(
    State(sandbox): State<Sandbox>,
    Path(number): Path<String>,
    Query(wanted): Query<Listing>,
) -> Response {
    let digits = digits(&number);
    sandbox.show_contact(&wanted, |person, line| {
        person.phone.is_some() && person.phone == digits && person.lines.contains(line)
    })
}

async fn by_bsuid(
    State(sandbox): State<Sandbox>,
    Path(bsuid): Path<String>,
    Query(wanted): Query<Listing>,
) -> Response {
    sandbox.show_contact(&wanted, |person, _| person.bsuid.as_ref() == Some(&bsuid))
}

impl Sandbox {
    /// The first contact that fits; `fits` is told the line that the call names, or the main one.
    fn show_contact(&self, wanted: &Listing, fits: impl Fn(&Person, &str) -> bool) -> Response {
        found(self.with(|account, _| {
            let line = account.line(wanted.channel_uuid.as_deref())?.uuid.clone();
            let (key, _) = account.people.iter().find(|(_, person)| fits(person, &line))?;
            let key = key.clone();
            account.contact_answer(&key, wanted.shape())
        }))
    }
}

async fn create(State(sandbox): State<Sandbox>, raw: Bytes) -> Response {
    sandbox.change(&raw, create_contact)
}

fn create_contact(account: &mut Account, fields: &mut Fields, now_ms: i64) -> Said {
    let identifier = fields.needed("identifier");
    fields.needed("source");
    let source = fields.word("source", &["whatsapp", "facebook", "instagram", "telegram"]);
    if !fields.has("name") {
        fields.wrong("name", "can't be blank");
    }
    let kind = source.as_deref().and_then(LineKind::read).unwrap_or_default();
    // Only numbers are checked: an id of another platform is what it is.
    let number = if kind == LineKind::Whatsapp { digits(&identifier) } else { Some(identifier.clone()) };
    if source.is_some() && !identifier.is_empty() && number.is_none() {
        fields.wrong("identifier", "is invalid");
    }
    let line = fields.text("channel_uuid").filter(|uuid| !uuid.is_empty());
    let line = account.working_line_of(kind, line.as_deref()).map(|line| line.uuid.clone());
    if account.main_line(kind).is_none() {
        fields.unknown("source");
    } else if line.is_none() {
        fields.unknown("channel_uuid");
    }
    let change = change::read(fields, &account.office);
    fields.check()?;
    let (Some(to), Some(line)) = (number.map(Recipient::Phone), line) else { return Err(unknown()) };
    if account.people.get(&key_of(&to, kind)).is_some_and(|person| person.lines.contains(&line)) {
        fields.wrong("identifier", "has already been taken");
        return fields.check().map(|()| Value::Null).map_err(|refusal| super::Refusal { status: 422, ..refusal });
    }
    let key = account.add_contact(&to, &line, change, now_ms);
    account.contact_answer(&key, Shape::API).ok_or_else(unknown)
}

async fn update(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, now_ms| {
        let key = account.key_by_uuid(&uuid).ok_or_else(unknown)?;
        let change = change::read(fields, &account.office);
        fields.check()?;
        account.change_contact(&key, change, now_ms);
        account.contact_answer(&key, Shape::API).ok_or_else(unknown)
    })
}

async fn remove(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    let deleted = sandbox.with(|account, now_ms| {
        let key = account.key_by_uuid(&uuid)?;
        account.delete_contact(&key, now_ms);
        Some(json!({ "status": "contact was destroyed" }))
    });
    sandbox.wake();
    found(deleted)
}

async fn messages(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, Query(paging): Query<Paging>) -> Response {
    let Some(rows) = sandbox.with(|account, _| account.message_rows(&uuid)) else { return not_found() };
    let (rows, meta) = paging.cut(rows);
    answer(200, &json!({ "messages": rows, "meta": meta }))
}
