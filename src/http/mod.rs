//! HTTP: everything that reaches relance from outside comes in here, and is answered after it is on disk.
//!
//! ```text
//! listen ─► front (host, headers of every answer) ─► hooks, callbell ─────► engine
//!                                                ├─► api (token) ─────────► engine, store
//!                                                ├─► dashboard (session) ─► engine, store
//!                                                └─► gateway (token) ─────► engine, store, the account
//! ```
//! Decides nothing about workflows: `trigger::webhook` and `connector::webhook` verify and read, `engine` does the rest.
//! Invariant: nothing of a request is interpreted before it is known who sent it, and no address, token, number or
//! text of a request is ever logged.

mod api;
pub mod auth;
mod callbell;
pub mod dashboard;
pub mod error;
pub mod front;
mod gateway;
mod hooks;
pub mod limits;
mod listen;
mod mask;
mod room;

pub use crate::engine::SecretLookup;
pub use listen::{serve, serve_behind};
pub use mask::masked_text;

use crate::clock::Clock;
use crate::config::{ConsentRule, Environment, PLAIN, ProjectSettings, Proxies, Secret, Token};
use crate::engine::Engine;
use crate::trigger::webhook::SourceSecrets;
use auth::{Gatekeeper, Key};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use error::Refusal;
use limits::Limits;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// How long `/readyz` waits for the store.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which of the two servers this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Serve,
    /// On loopback the API needs no token, and the source `local` neither a secret nor an entry in `relance.yaml`.
    Dev,
}

/// What the handlers share. Cloning shares it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    engine: Engine,
    environment: Arc<Environment>,
    gatekeeper: Gatekeeper,
    lookup: SecretLookup,
    mode: Mode,
    limits: Limits,
    room: room::Room,
    sources: RwLock<Option<Arc<Sources>>>,
    draining: watch::Sender<bool>,
    /// Ages of signatures and lock-outs are real, even when the engine's time is moved.
    wall: Clock,
}

/// Who may ask for what: the sources and tokens that serve, with the values of their secrets.
struct Sources {
    settings: Arc<ProjectSettings>,
    secrets: HashMap<String, SourceSecrets>,
    keys: Vec<Key>,
}

impl App {
    /// `token`: the admin token. `lookup` finds the secrets that the project's sources name.
    pub fn new(engine: Engine, environment: Arc<Environment>, token: Secret, lookup: SecretLookup, mode: Mode) -> Self {
        Self::with_limits(engine, environment, token, lookup, mode, Limits::default())
    }

    /// As [`App::new`], with limits of one's own.
    pub fn with_limits(
        engine: Engine,
        environment: Arc<Environment>,
        token: Secret,
        lookup: SecretLookup,
        mode: Mode,
        limits: Limits,
    ) -> Self {
        Self(Arc::new(Inner {
            engine,
            gatekeeper: Gatekeeper::new(&token, environment.proxies.clone()),
            environment,
            lookup,
            mode,
            limits,
            room: room::Room::default(),
            sources: RwLock::new(None),
            draining: watch::Sender::new(false),
            wall: Clock::machine(0),
        }))
    }

    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The machine's time, even when the engine's is moved. Unix milliseconds.
    fn wall_ms(&self) -> i64 {
        self.0.wall.now_ms()
    }

    /// The load balancers in front.
    pub fn proxies(&self) -> Proxies {
        self.0.environment.proxies.clone()
    }

    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// From now on `/readyz` says no; events are still taken in until the listener stops.
    pub fn start_draining(&self) {
        self.0.draining.send_replace(true);
    }

    /// Turns true when the server is about to stop: answers without an end should end then.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.0.draining.subscribe()
    }

    /// The sources of the project that serves now; looked up anew after each deploy.
    fn sources(&self) -> Arc<Sources> {
        let settings = self.engine().deployed().settings.clone();
        let known = self.0.sources.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.settings, &settings)) {
            return known;
        }
        let fresh = Arc::new(Sources::new(settings, &self.0.lookup));
        *self.0.sources.write().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
        fresh
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("mode", &self.0.mode).finish_non_exhaustive()
    }
}

impl Sources {
    fn new(settings: Arc<ProjectSettings>, lookup: &SecretLookup) -> Self {
        let value = |name: &str| lookup(name).map(|secret| secret.expose().to_owned());
        let read = |(name, source): (&String, _)| (name.clone(), SourceSecrets::read(source, &value));
        let secrets = settings.sources.iter().map(read).collect();
        let key = |(name, token): (&String, &Token)| {
            let secret = lookup(token.secret.as_deref()?).filter(|secret| !secret.expose().trim().is_empty())?;
            Some(Key::new(name, &secret, &token.scopes))
        };
        let keys = settings.tokens.iter().filter_map(key).collect();
        Self { settings, secrets, keys }
    }

    /// Tokens whose variable holds nothing: they open to nobody.
    fn unset_tokens(&self) -> impl Iterator<Item = String> {
        let unset = self.settings.tokens.iter().filter(|(name, _)| !self.keys.iter().any(|key| key.name == **name));
        unset.map(|(name, token)| {
            let variable = token.secret.as_deref().unwrap_or_default();
            format!("the token `{name}` is refused: `{variable}` is not set")
        })
    }
}

/// Everything but pages. Another router without a fallback of its own may be merged into it; [`serve`] gives every
/// answer its security headers.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/hooks/{*rest}", post(hooks::take))
        .route("/callbell", any(callbell::take))
        .route("/callbell/{secret}", any(callbell::take))
        .route("/healthz", get(async || ok()))
        .route("/readyz", get(ready))
        .merge(api::router(app.clone()))
        .merge(dashboard::operator::router(app.clone()))
        .merge(gateway::router())
        .fallback(nowhere)
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .with_state(app)
}

/// What the operator should know at start: who is refused, one sentence each.
pub fn warnings(app: &App) -> Vec<String> {
    let sources = app.sources();
    let problems = sources.settings.sources.iter().flat_map(|(name, source)| match sources.secrets.get(name) {
        Some(secrets) => secrets.problems(name, source),
        None => Vec::new(),
    });
    let mut all: Vec<String> = problems.chain(sources.unset_tokens()).collect();
    let unset = sources.settings.relay.iter().filter(|target| (app.0.lookup)(&target.secret).is_none());
    all.extend(
        unset.map(|target| {
            format!("a target of `relay` gets nothing until `{}` is set: {}", target.secret, target.key())
        }),
    );
    if matches!(sources.settings.consent, ConsentRule::Everyone) {
        all.push("`consent: everyone`: you vouch for each person that is addressed, and the ledger says so".to_owned());
    }
    let plain = sources.settings.allow_hosts.iter().filter(|host| host.starts_with(PLAIN));
    all.extend(plain.map(|host| {
        format!("`allow_hosts`: `{host}` is called without encryption, and whoever is on the way reads it")
    }));
    let environment = &app.0.environment;
    if environment.callbell_webhook_secret.is_none() && environment.callbell_signing_secrets.is_empty() {
        let unset = "Callbell's webhooks are all refused: neither `CALLBELL_WEBHOOK_SECRET` nor `CALLBELL_SIGNING_SECRET` is set";
        all.push(unset.to_owned());
    }
    all
}

/// Who asks the gateway is answered in the vendor's shape, wherever it is asked.
async fn nowhere(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match gateway::is_below(parts.uri.path()) {
        true => gateway::nowhere(&app, &parts).await,
        false => Refusal::not_found().into_response(),
    }
}

/// 200 and exactly `{"status":"ok"}`.
fn ok() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}").into_response()
}

async fn ready(State(app): State<App>) -> Result<Response, Refusal> {
    let not_ready = |why| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why, "ask again soon").retry_after(1);
    if *app.0.draining.borrow() {
        return Err(not_ready("the server is about to stop"));
    }
    if app.engine().is_full() {
        let why = "the database has no room: events are refused, nothing is sent";
        let hint = format!("make room ({}): it goes on by itself then", app.engine().store().disk().wants());
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why, hint).retry_after(5));
    }
    if app.engine().is_behind() {
        let why = "another server deployed what this one cannot read: events are refused, nothing is sent";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why, "update this server").retry_after(5));
    }
    match tokio::time::timeout(PATIENCE, app.engine().store().ping()).await {
        Ok(Ok(())) => Ok(ok()),
        _ => Err(not_ready("the database does not answer")),
    }
}
