//! Sandbox: a fake Callbell over real HTTP, for `relance sandbox`, for `dev` and for the tests.
//!
//! ```text
//! api ──┐                       ┌── fill, request (what the reference says)
//!       ├─→ account (one mutex) ┤
//! control ┘        │            └── mailbox ──→ pump ──→ the webhook
//! ```
//!
//! It reads requests and writes events from its own reading of the reference; with the client it shares nothing.
//! Time comes from the clock it is given: when `dev` moves that clock, statuses move with it.
//!
//! Invariant: an accepted message is kept with its body and is counted once, whatever the caller was told.

mod account;
mod api;
mod control;
mod faults;
mod fill;
mod log;
mod mailbox;
mod message;
mod payload;
mod people;
mod pump;
mod send;

pub use faults::Fault;
pub use message::{SandboxMessage, Status, Timing, Way};

use crate::clock::Clock;
use crate::config::{Channel, LockedTemplate, Secret};
use crate::connector::request;
use account::Account;
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header::HOST};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use log::Log;
use request::{Recipient, digits};
use serde::Serialize;
use serde_json::value::RawValue;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What a sandbox is made of. Start from [`SandboxConfig::new`].
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Shared with the engine when embedded.
    pub clock: Clock,
    /// `POST /sandbox/clock` may move the clock: nobody else steps it.
    pub own_clock: bool,
    /// `None`: any token will do, and none.
    pub token: Option<Secret>,
    pub templates: Vec<LockedTemplate>,
    /// Without any, there is one line `main`.
    pub channels: Vec<Channel>,
    /// Where events go; `POST /v1/webhooks/subscribe` replaces it.
    pub webhook_url: Option<String>,
    /// Events are signed with it.
    pub signing_secret: Option<Secret>,
    pub timing: Timing,
    /// Messages, calls and people that are remembered.
    pub keep: usize,
    /// Events posted at the same time; 1 makes their order the same each time.
    pub posts_at_once: usize,
}

impl SandboxConfig {
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            own_clock: false,
            token: None,
            templates: Vec::new(),
            channels: Vec::new(),
            webhook_url: None,
            signing_secret: None,
            timing: Timing::default(),
            keep: 20_000,
            posts_at_once: 16,
        }
    }
}

/// A fake account of Callbell. Cloning shares it.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    clock: Clock,
    own_clock: bool,
    token: Option<Secret>,
    signing_secret: Option<Secret>,
    posts_at_once: usize,
    http: reqwest::Client,
    account: Mutex<Account>,
    calls: Mutex<Log<Call>>,
    /// One settles at a time.
    settling: tokio::sync::Mutex<()>,
    changed: Notify,
}

/// A request to the API, whatever was answered.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    pub at_ms: i64,
    pub method: String,
    pub path: String,
    /// 0 = the connection was closed without an answer.
    pub status: u16,
    /// Id of the message that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// Body of a send that was not taken, when it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
}

/// A person of the account.
#[derive(Debug, Clone, Serialize)]
pub struct SandboxPerson {
    pub uuid: String,
    /// With `+`; empty for a person who hides the number.
    pub phone: String,
    pub name: Option<String>,
    pub tags: Vec<String>,
    /// When the window closes on the main line; `None` = the person never wrote there.
    pub window_until_ms: Option<i64>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sandbox")
    }
}

impl Sandbox {
    /// A sandbox with nobody in it. Serve [`Sandbox::router`], and [`Sandbox::run`] or [`Sandbox::settle`] it.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(config: SandboxConfig) -> anyhow::Result<Self> {
        let SandboxConfig { clock, channels, timing, webhook_url, keep, .. } = config;
        let mut account = Account::new(&channels, timing, webhook_url, clock.new_id(), keep);
        account.set_templates(config.templates);
        Ok(Self(Arc::new(Inner {
            clock,
            own_clock: config.own_clock,
            token: config.token,
            signing_secret: config.signing_secret,
            posts_at_once: config.posts_at_once.max(1),
            http: pump::client()?,
            account: Mutex::new(account),
            calls: Mutex::new(Log::new(keep)),
            settling: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
        })))
    }

    /// The vendor's API below `/v1`, and the switches below `/sandbox`.
    pub fn router(&self) -> Router {
        let routes = Router::new().nest("/v1", api::router(self)).nest("/sandbox", control::router());
        routes.layer(from_fn(refuse_foreign_hosts)).with_state(self.clone())
    }

    /// The customer writes on the main line: opens the window, and the account tells its webhook. `media` is the
    /// address of a file.
    ///
    /// # Errors
    /// When `phone` is no international number.
    pub fn reply(&self, phone: &str, text: &str, media: Option<&str>) -> anyhow::Result<SandboxMessage> {
        self.reply_on(None, phone, text, media)
    }

    /// As [`Sandbox::reply`], on the line of that uuid.
    ///
    /// # Errors
    /// When `phone` is no international number, or there is no such line.
    pub fn reply_on(
        &self,
        channel_uuid: Option<&str>,
        phone: &str,
        text: &str,
        media: Option<&str>,
    ) -> anyhow::Result<SandboxMessage> {
        let Some(digits) = digits(phone) else { anyhow::bail!("not an international phone number") };
        let message = self.with(|account, now_ms| {
            let line = account.line(channel_uuid)?.uuid.clone();
            let number = account.receive(&Recipient::Phone(digits), &line, text, media, now_ms);
            account.messages.get(number).cloned()
        });
        self.wake();
        message.ok_or_else(|| anyhow::anyhow!("no such channel"))
    }

    /// Every message of both directions that is still remembered, oldest first.
    pub fn messages(&self) -> Vec<SandboxMessage> {
        self.with(|account, _| account.messages.iter().map(|(_, message)| message.clone()).collect())
    }

    /// The newest messages of both directions, newest first.
    pub fn latest_messages(&self, most: usize) -> Vec<SandboxMessage> {
        self.with(|account, _| account.messages.iter().rev().take(most).map(|(_, message)| message.clone()).collect())
    }

    /// Everyone who wrote or was written to.
    pub fn people(&self) -> Vec<SandboxPerson> {
        self.with(|account, _| account.directory())
    }

    /// Every call of the API that is still remembered, with its number, oldest first.
    pub fn calls(&self) -> Vec<(u64, Call)> {
        self.calls_log().iter().map(|(number, call)| (number, call.clone())).collect()
    }

    /// Makes something go wrong `count` times; 0 = not any more, `u64::MAX` = always.
    pub fn set_fault(&self, fault: Fault, count: u64) {
        self.with(|account, _| account.faults.set(fault, count));
    }

    /// Makes the next accepted messages fail with these codes of the platform, one each; 0 lets one arrive.
    pub fn fail_with(&self, codes: impl IntoIterator<Item = i64>) {
        self.with(|account, _| account.faults.fail_with(codes));
    }

    /// The account's templates from now on.
    pub fn set_templates(&self, templates: Vec<LockedTemplate>) {
        self.with(|account, _| account.set_templates(templates));
    }

    /// Where events go from now on.
    pub fn set_webhook(&self, url: Option<String>) {
        self.with(|account, _| account.mailbox.url = url);
        self.wake();
    }

    /// Changes the account under its lock, at the clock's present instant.
    fn with<T>(&self, change: impl FnOnce(&mut Account, i64) -> T) -> T {
        let mut account = self.0.account.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut account, self.0.clock.now_ms())
    }

    fn calls_log(&self) -> MutexGuard<'_, Log<Call>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A web page that makes its own name point to this machine gets nothing.
async fn refuse_foreign_hosts(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let local = name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if local { next.run(request).await } else { StatusCode::FORBIDDEN.into_response() }
}

#[cfg(test)]
mod tests;
