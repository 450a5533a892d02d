//! A person: what is known, the history of their consent with its proofs, their runs and their messages.
//!
//! Invariant: the number is masked unless somebody who operates asks for it.

use super::SignedIn;
use super::deliveries::{source, text_of};
use super::desk::{Desk, called, moments};
use crate::consent::Entry;
use crate::contact::{Contact, Line, WithdrawalScope};
use crate::http::App;
use crate::http::dashboard::moment::Moments;
use crate::http::dashboard::words::{Words, word};
use crate::http::dashboard::{Asked, broken, show};
use crate::http::mask::{asks_open, masked_text};
use crate::run::Run;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryRow;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

/// Runs, and messages, of one page.
const LISTED: u32 = 50;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    show_pii: String,
}

#[derive(Template)]
#[template(path = "person.html", config = "src/http/pages/askama.toml")]
struct Page {
    words: &'static Words,
    desk: Desk,
    id: String,
    name: String,
    /// Instead of everything else.
    notice: Option<&'static str>,
    number: String,
    open: bool,
    facts: Vec<(&'static str, String)>,
    stands: String,
    history: Vec<EntryView>,
    runs: Vec<RunView>,
    messages: Vec<MessageView>,
}

#[derive(Debug)]
struct EntryView {
    at: String,
    class: &'static str,
    act: String,
    scope: String,
    source: String,
    proof: String,
}

#[derive(Debug)]
struct RunView {
    id: String,
    started: String,
    workflow: String,
    class: &'static str,
    state: String,
    reason: String,
}

#[derive(Debug)]
struct MessageView {
    id: String,
    planned: String,
    source: String,
    class: &'static str,
    state: String,
    status: Option<&'static str>,
    reason: String,
    text: String,
}

pub(super) async fn page(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let open = signed_in.session.operates && asks_open(&wanted.show_pii).unwrap_or_default();
    match read(&app, asked.words, &id, &signed_in, open).await {
        Ok(page) if page.notice == Some(asked.words.person_page().nobody) => show(StatusCode::NOT_FOUND, &page),
        Ok(page) => show(StatusCode::OK, &page),
        Err(error) => broken(&error),
    }
}

async fn read(app: &App, words: &'static Words, id: &str, signed_in: &SignedIn, open: bool) -> anyhow::Result<Page> {
    let (engine, person) = (app.engine(), words.person_page());
    let store = engine.store();
    let deployed = engine.deployed();
    let moments = moments(app, words);
    let found = store.contact(&[ContactKey::Id(id.to_owned())]).await?;
    let notice = match &found {
        None => Some(person.nobody),
        Some((contact, _)) => contact.gone.then_some(person.forgotten),
    };
    let (contact, lines) = found.unwrap_or_default();
    let called_by = |workflow: &str| deployed.definitions.get(workflow).map(|known| known.workflow.name.clone());
    let run = |run: &Run| run_view(run, called_by(&run.workflow), &moments, words);
    let message = |row: &DeliveryRow| message_view(row, called_by(&row.delivery.workflow), open, &moments, words);
    Ok(Page {
        words,
        desk: Desk::new(app, signed_in, &moments, notice.map(str::to_owned), &format!("/contacts/{id}")),
        id: id.to_owned(),
        name: called(&contact),
        notice,
        number: contact
            .phone
            .as_ref()
            .map(|phone| if open { phone.e164() } else { phone.masked() })
            .unwrap_or_default(),
        open,
        facts: facts(&contact, &lines, &moments, words),
        stands: stands(&contact, words).to_owned(),
        history: engine
            .consent_history(&contact_of(contact, id))
            .await?
            .iter()
            .map(|one| entry_view(one, &moments, words))
            .collect(),
        runs: store.runs_of(id, LISTED).await?.iter().map(run).collect(),
        messages: store.deliveries_of(id, LISTED).await?.iter().map(message).collect(),
    })
}

/// Of somebody who is gone the ledger is found by the id.
fn contact_of(contact: Contact, id: &str) -> Contact {
    Contact { id: id.to_owned(), ..contact }
}

fn facts(
    contact: &Contact,
    lines: &[(String, Line)],
    moments: &Moments,
    words: &'static Words,
) -> Vec<(&'static str, String)> {
    let person = words.person_page();
    let wrote = |(channel, line): &(String, Line)| {
        let at = moments.exact(line.last_inbound_ms?);
        Some((person.wrote, format!("{at} · {channel}")))
    };
    let text = |label, value: &Option<String>| Some((label, value.clone()?));
    let known = [
        text(person.language, &contact.language),
        text(person.timezone, &contact.timezone),
        text(person.email, &contact.email),
        (!contact.tags.is_empty()).then(|| (person.tags, contact.tags.join(", "))),
        contact.blocked.then(|| (words.operator.state, person.blocked.to_owned())),
    ];
    known.into_iter().flatten().chain(lines.iter().filter_map(wrote)).collect()
}

fn stands(contact: &Contact, words: &'static Words) -> &'static str {
    let [nothing, agreed, no_marketing, no_messages] = words.person_page().stands;
    match contact.withdrawal.as_ref().map(|withdrawal| withdrawal.scope) {
        Some(WithdrawalScope::All) => no_messages,
        Some(WithdrawalScope::Marketing) => no_marketing,
        None if contact.consent.is_some() => agreed,
        None => nothing,
    }
}

fn entry_view(entry: &Entry, moments: &Moments, words: &'static Words) -> EntryView {
    let person = words.person_page();
    let scope = match entry.scope {
        WithdrawalScope::All => "all",
        WithdrawalScope::Marketing => "marketing",
    };
    EntryView {
        at: moments.exact(entry.at_ms),
        class: entry.act.as_str(),
        act: word(&person.acts, entry.act.as_str()).to_owned(),
        scope: word(&person.scopes, scope).to_owned(),
        source: word(&person.sources, &entry.source).to_owned(),
        proof: entry.proof.clone(),
    }
}

fn run_view(run: &Run, workflow: Option<String>, moments: &Moments, words: &'static Words) -> RunView {
    let state = run.state.as_str();
    RunView {
        id: run.id.clone(),
        started: moments.exact(run.started_at_ms),
        workflow: workflow.unwrap_or_else(|| run.workflow.clone()),
        class: state,
        state: word(&words.run_states, state).to_owned(),
        reason: masked_text(&words.reason(&run.reason)).into_owned(),
    }
}

fn message_view(
    row: &DeliveryRow,
    workflow: Option<String>,
    open: bool,
    moments: &Moments,
    words: &'static Words,
) -> MessageView {
    let delivery = &row.delivery;
    let state = delivery.state.as_str();
    let text = text_of(&delivery.message, delivery.form);
    MessageView {
        id: delivery.id.clone(),
        planned: moments.exact(delivery.planned_at_ms),
        source: source(delivery, workflow.as_deref(), words),
        class: state,
        state: word(&words.delivery_states, state).to_owned(),
        status: row.status.map(|status| words.status(status)),
        reason: masked_text(&words.reason(&delivery.reason)).into_owned(),
        text: if open { text } else { masked_text(&text).into_owned() },
    }
}
