//! Export: everything held of a person, written while it is read: the answer is as long as their history, what is held in
//! memory is not.
//!
//! ```text
//! head ─► runs, each with its calls ─► messages, each with its attempts ─► events, each with its files
//! ```
//! Invariant: an answer that ends well is whole; one that cannot be read to its end is broken off.

use super::Who;
use super::people::named;
use super::view;
use crate::contact::{Contact, Line};
use crate::http::error::Refusal;
use crate::http::{App, hooks};
use crate::run::Run;
use crate::store::deliveries::DeliveryFilter;
use crate::store::runs::RunFilter;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Rows read at a time.
const PAGE: u32 = 50;
/// Written parts that wait for a slow reader, and how long a part gets.
const WAITING: usize = 2;
const PART: usize = 64 * 1024;

/// `POST /api/contacts/export`.
pub(super) async fn export(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Response, Refusal> {
    let (contact, lines) = named(&app, request).await?;
    let asked = app.engine().exported(&contact.id, &who).await;
    asked.map_err(|_| Refusal::busy(hooks::some_seconds()))?;
    let head = head(&app, &contact, &lines).await.map_err(|error| Refusal::store(&error))?;
    let (parts, written) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut writer = Writer { parts, text: String::new(), first: true };
        if let Err(error) = write(&app, &contact, &head, &mut writer).await {
            tracing::error!(error = format!("{error:#}"), "an export was broken off");
            let _ = writer.parts.send(Err(std::io::Error::other("it could not be read to its end"))).await;
        }
    });
    let stream = unfold(written, |mut written| async move { Some((written.recv().await?, written)) });
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(stream)).into_response())
}

async fn head(app: &App, contact: &Contact, lines: &[(String, Line)]) -> anyhow::Result<Value> {
    let consents = app.engine().consent_history(contact).await?;
    Ok(json!({
        "version": 1,
        "contact": view::contact(contact, lines),
        "names": app.engine().store().names_of(&contact.id).await?,
        "consents": consents.iter().map(view::consent).collect::<Vec<_>>(),
    }))
}

async fn write(app: &App, contact: &Contact, head: &Value, out: &mut Writer) -> anyhow::Result<()> {
    let head = head.to_string();
    out.text.push_str(head.strip_suffix('}').unwrap_or(&head));
    out.list("runs");
    runs(app, &contact.id, out).await?;
    out.text.push(']');
    out.list("messages");
    messages(app, &contact.id, out).await?;
    out.text.push(']');
    out.list("events");
    events(app, contact, out).await?;
    out.text.push_str("]}\n");
    out.hand_over().await
}

async fn runs(app: &App, contact: &str, out: &mut Writer) -> anyhow::Result<()> {
    let store = app.engine().store();
    let mut filter = RunFilter { contact: Some(contact.to_owned()), limit: PAGE, ..RunFilter::default() };
    loop {
        let page = store.list_runs(&filter).await?;
        for run in &page {
            let calls = store.calls_of_run(&run.id).await?;
            out.put(&shown(run, calls.iter().map(view::open_call).collect())).await?;
        }
        match page.last().filter(|_| page.len() == PAGE as usize) {
            Some(last) => filter.before = Some(last.id.clone()),
            None => return Ok(()),
        }
    }
}

fn shown(run: &Run, calls: Vec<Value>) -> Value {
    let mut shown = view::run(run);
    shown["reason"] = run.reason.as_str().into();
    shown["progress"] = json!(run.progress);
    shown["calls"] = calls.into();
    shown
}

async fn messages(app: &App, contact: &str, out: &mut Writer) -> anyhow::Result<()> {
    let store = app.engine().store();
    let mut filter = DeliveryFilter { contact: Some(contact.to_owned()), limit: PAGE, ..DeliveryFilter::default() };
    loop {
        let page = store.list_deliveries(&filter).await?;
        let ids: Vec<&str> = page.iter().map(|row| row.delivery.id.as_str()).collect();
        let mut attempts = view::by_delivery(store.attempts(&ids).await?);
        for row in &page {
            let mut shown = view::delivery(row, attempts.remove(&row.delivery.id).unwrap_or_default());
            shown["message"] = json!(row.delivery.message);
            out.put(&shown).await?;
        }
        match page.last().filter(|_| page.len() == PAGE as usize) {
            Some(last) => filter.before = Some(last.delivery.id.clone()),
            None => return Ok(()),
        }
    }
}

async fn events(app: &App, contact: &Contact, out: &mut Writer) -> anyhow::Result<()> {
    let store = app.engine().store();
    let traces = app.engine().traces_of(contact).await?;
    let mut after = Some(String::new());
    while let Some(behind) = after {
        let (found, next) = app.engine().events_about(contact, &traces, &behind).await?;
        for id in found {
            // One that was too old to be kept any longer may be gone since it was found.
            let Some(event) = store.event(&id).await? else { continue };
            let mut shown = view::open_event(&event);
            shown["attachments"] = store.attachments(&id).await?.iter().map(view::attachment).collect();
            out.put(&shown).await?;
        }
        after = next;
    }
    Ok(())
}

/// The answer on its way out.
struct Writer {
    parts: mpsc::Sender<std::io::Result<Bytes>>,
    /// Written and not handed over yet.
    text: String,
    /// Whether the list at hand is empty so far.
    first: bool,
}

impl Writer {
    fn list(&mut self, name: &str) {
        self.text.push_str(&format!(",\n\"{name}\":["));
        self.first = true;
    }

    async fn put(&mut self, value: &Value) -> anyhow::Result<()> {
        self.text.push_str(if self.first { "\n" } else { ",\n" });
        self.text.push_str(&value.to_string());
        self.first = false;
        if self.text.len() < PART { Ok(()) } else { self.hand_over().await }
    }

    /// Waits for the reader; fails when nobody reads any more.
    async fn hand_over(&mut self) -> anyhow::Result<()> {
        let part = std::mem::take(&mut self.text);
        self.parts.send(Ok(part.into())).await.map_err(|_| anyhow::anyhow!("nobody reads it any more"))
    }
}
