//! Dashboard: the page of `relance dev`. Phones, a form to trigger events, the clock, the runs with their reasons.
//!
//! ```text
//! GET /            the whole page          POST /trigger  an event, through the engine
//! GET /live        what changes            POST /reply    the customer writes, through the sandbox
//! GET /changes     SSE: changed, clock     POST /clock    forward, through the mover of `cli::dev`
//! ```
//! It reads the store and writes nothing. Invariant: everything shown is text to the browser, whatever a message holds.

mod actions;
mod assets;
mod guard;
mod live;
mod mistakes;
mod moment;
pub(super) mod operator;
mod phones;
mod samples;
mod spoken;
mod story;
pub(super) mod why;
mod words;

pub use spoken::Spoken;

use crate::config::Files;
use crate::connector::sandbox::Sandbox;
use crate::engine::Engine;
use crate::store::deliveries::DeliveryFilter;
use crate::store::runs::RunFilter;
use crate::workflow::diagnostic::Diagnostic;
use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use moment::Moments;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};
use words::Words;

/// Bytes of an event's data at most.
const BODY_BYTES: usize = 512 * 1024;
/// Messages of the sandbox looked at for the phones.
const MESSAGES: usize = 2_000;
const CONTACTS: u32 = 500;
const RUNS: u32 = 30;
const DELIVERIES: u32 = 200;
const EVENTS: u32 = 200;
const CAMPAIGNS: u32 = 5;

/// What the page shows and moves. Handles only; cloning shares them.
#[derive(Debug, Clone)]
pub struct Dev {
    engine: Engine,
    sandbox: Sandbox,
    files: watch::Receiver<Arc<ProjectFiles>>,
    changes: watch::Receiver<u64>,
    mover: mpsc::Sender<Move>,
    token: Arc<str>,
    /// Texts to offer next, by event, where the sample has been used up.
    offers: Arc<Mutex<BTreeMap<String, String>>>,
}

/// The project's files as they were last read.
#[derive(Debug, Clone, Default)]
pub struct ProjectFiles {
    pub files: Files,
    pub diagnostics: Vec<Diagnostic>,
    /// `relance.yaml` cannot be used: what served before serves on.
    pub stale: bool,
    /// Text of each sample, by event.
    pub samples: BTreeMap<String, String>,
    /// Names of people in the samples, by the digits of their phones.
    pub names: BTreeMap<String, String>,
}

/// A wish to move the clock. Answered when everything due until then has happened.
#[derive(Debug)]
pub struct Move {
    /// Milliseconds; 0 = let happen what is due now.
    pub by_ms: i64,
    pub done: oneshot::Sender<()>,
}

impl Dev {
    /// `changes` counts up with each change; when its sender is dropped, open pages are let go. `token` is what shows
    /// that a change comes from the page: new at each start.
    pub fn new(
        engine: Engine,
        sandbox: Sandbox,
        files: watch::Receiver<Arc<ProjectFiles>>,
        changes: watch::Receiver<u64>,
        mover: mpsc::Sender<Move>,
        token: String,
    ) -> Self {
        Self { engine, sandbox, files, changes, mover, token: token.into(), offers: Arc::default() }
    }

    fn offer(&self, event: &str) -> String {
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = || self.files.borrow().samples.get(event).cloned();
        offers.get(event).cloned().or_else(sample).unwrap_or_else(|| "{\n}".into())
    }

    /// Kept for events of the project only, so that what is kept is bounded.
    fn remember_offer(&self, event: &str, text: String) {
        let known = samples::events(&self.engine.deployed(), self.files.borrow().samples.keys()).contains(event);
        if known {
            self.offers.lock().unwrap_or_else(PoisonError::into_inner).insert(event.to_owned(), text);
        }
    }
}

/// The page, its fragments, its events and its actions. Host and security headers are the business of `http`.
pub fn router(dev: Dev) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/live", get(fragment))
        .route("/changes", get(live::changes))
        .route("/offer", get(actions::offer))
        .route("/trigger", post(actions::trigger))
        .route("/reply", post(actions::reply))
        .route("/clock", post(actions::clock))
        .route("/assets/{name}", get(assets::serve))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn_with_state(dev.clone(), guard::refuse_foreign_changes))
        .with_state(dev)
}

/// In which language the page was asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    words: &'static Words,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
        let accepted = parts.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self { words: Words::choose(asked, accepted) })
    }
}

/// The whole page.
#[derive(Template)]
#[template(path = "index.html", config = "src/http/pages/askama.toml")]
struct Page {
    words: &'static Words,
    token: Arc<str>,
    project: String,
    clock: String,
    zone: String,
    events: Vec<String>,
    data: String,
    live: Live,
}

/// What changes by itself.
#[derive(Template)]
#[template(path = "live.html", config = "src/http/pages/askama.toml")]
struct Live {
    words: &'static Words,
    mistakes: Vec<mistakes::MistakeView>,
    mistakes_count: String,
    stale: bool,
    phones: Vec<phones::PhoneView>,
    more_phones: Option<String>,
    runs: Vec<story::RunView>,
    refusals: Vec<story::RefusalView>,
    campaigns: Vec<story::CampaignView>,
    schedules: Vec<(String, String, String)>,
}

async fn page(State(dev): State<Dev>, asked: Asked) -> Response {
    let live = match read_live(&dev, asked.words).await {
        Ok(live) => live,
        Err(error) => return broken(&error),
    };
    let deployed = dev.engine.deployed();
    let moments = Moments::new(deployed.settings.zone().clone(), asked.words, dev.engine.clock().now_ms());
    let (events, data) = Page::offers(&dev);
    let page = Page {
        words: asked.words,
        token: dev.token.clone(),
        project: deployed.settings.name.clone(),
        clock: moments.clock(),
        zone: moments.zone(),
        events,
        data,
        live,
    };
    show(StatusCode::OK, &page)
}

async fn fragment(State(dev): State<Dev>, asked: Asked) -> Response {
    match read_live(&dev, asked.words).await {
        Ok(live) => show(StatusCode::OK, &live),
        Err(error) => broken(&error),
    }
}

async fn read_live(dev: &Dev, words: &'static Words) -> anyhow::Result<Live> {
    let store = dev.engine.store();
    let contacts = store.contacts(CONTACTS).await?;
    let runs = store.list_runs(&RunFilter { limit: RUNS, ..RunFilter::default() }).await?;
    let deliveries = store.list_deliveries(&DeliveryFilter { limit: DELIVERIES, ..DeliveryFilter::default() }).await?;
    let events = store.latest_events(EVENTS).await?;
    let firings = store.firings(true, CAMPAIGNS).await?;
    let calls = store.calls_of_runs(&runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>()).await?;

    let deployed = dev.engine.deployed();
    let files = dev.files.borrow().clone();
    let now_ms = dev.engine.clock().now_ms();
    let moments = Moments::new(deployed.settings.zone().clone(), words, now_ms);
    let contacts: HashMap<_, _> = contacts.iter().map(|contact| (contact.id.as_str(), contact)).collect();
    let names = story::names(&files.names, &runs, &contacts);
    let known = story::Known { deployed: &deployed, contacts, names: &names };
    let (people, messages) = (dev.sandbox.people(), dev.sandbox.latest_messages(MESSAGES));
    let (phones, left_out) = phones::views(&people, &messages, &names, now_ms, &moments, words);
    Ok(Live {
        words,
        mistakes: mistakes::views(&files.diagnostics, &files.files),
        mistakes_count: mistakes::count(&files.diagnostics, words),
        stale: files.stale,
        phones,
        more_phones: (left_out > 0).then(|| words.more_phones.replace("{}", &left_out.to_string())),
        runs: story::runs(&runs, (&deliveries, &calls), &known, &moments, words),
        refusals: story::refusals(&events, &known, &moments, words),
        campaigns: story::campaigns(&firings, &known, &moments, words),
        schedules: story::schedules(&deployed, now_ms, &moments),
    })
}

fn show(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], html)
                .into_response()
        }
        Err(error) => broken(&error.into()),
    }
}

/// The store does not answer: said in the log with its cause, on the page in one line.
fn broken(error: &anyhow::Error) -> Response {
    tracing::error!(error = format!("{error:#}"), "the page could not be made");
    (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made: the log says why\n").into_response()
}
