//! Sandbox: a fake Callbell over real HTTP, for `relance sandbox`, for `dev` and for the tests.
//!
//! ```text
//! api ────┐                       ┌── request, fill, office (what the reference says)
//!         ├─→ account (one mutex) ┼── faults
//! control ┘                       └── mailbox ──→ pump ──→ the webhook
//! files: what customers sent, by addresses that expire
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
mod files;
mod fill;
mod hands;
mod log;
mod mailbox;
mod message;
mod office;
mod payload;
mod people;
mod pump;
mod send;
mod setup;

pub use account::{Card, FilePace, Inbound, Media, MediaFile, Place};
pub use control::NOTES;
pub use faults::{Fault, Rate};
pub use fill::fill_template;
pub use message::{SandboxMessage, Status, Timing, Way};
pub use office::{Bot, CustomField, CustomStatus, FieldKind, Funnel, Office, Owner, Plan, Team, User};
pub use people::{Behaviour, Line, LineKind};
pub use setup::SandboxConfig;

use crate::clock::Clock;
use crate::config::LockedTemplate;
use crate::connector::request;
use account::Account;
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header::HOST};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use faults::Asked;
use log::Log;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A fake account of Callbell. Cloning shares it.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    /// As given: `reset` begins with it again.
    config: SandboxConfig,
    clock: Clock,
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
    /// It came too fast: the 429 was earned, not asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rate_limited: bool,
    /// Id of the message that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// Body of a request that took no message, when it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
}

/// A person of the account.
#[derive(Debug, Clone, Serialize)]
pub struct SandboxPerson {
    pub uuid: String,
    /// With `+`; empty for a person who hides the number.
    pub phone: String,
    pub bsuid: Option<String>,
    pub source: LineKind,
    /// Of a person of another platform than WhatsApp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform_id: Option<String>,
    pub name: Option<String>,
    pub tags: Vec<String>,
    /// When the window closes on the main line of WhatsApp; `None` = the person never wrote there.
    pub window_until_ms: Option<i64>,
    /// The conversation is closed.
    pub closed: bool,
    /// E-mail.
    pub assigned_user: Option<String>,
    pub team_uuid: Option<String>,
    /// `in_progress`, `started`, `ended`.
    pub bot: &'static str,
    #[serde(flatten)]
    pub behaviour: Behaviour,
}

tokio::task_local! {
    /// What the request under way asked to go wrong; nothing outside of a request.
    static ASKED: Asked;
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
        let clock = config.clock.clone();
        Ok(Self(Arc::new(Inner {
            http: pump::client()?,
            account: Mutex::new(Account::new(&config, clock.new_id())),
            calls: Mutex::new(Log::new(config.keep)),
            settling: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            clock,
            config,
        })))
    }

    /// Forgets everyone and everything that happened, and puts all switches back. Templates, webhook, office and
    /// lines are those of the beginning again.
    pub fn reset(&self) {
        self.with(|account, _| {
            let base = account.base.take();
            *account = Account::new(&self.0.config, self.0.clock.new_id());
            account.base = base;
        });
        *self.calls_log() = Log::new(self.0.config.keep);
    }

    /// The vendor's API below `/v1`, and the switches below `/sandbox`.
    pub fn router(&self) -> Router {
        let routes = Router::new().nest("/v1", api::router(self)).nest("/sandbox", control::router(self));
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
        let media = media.map(|url| Media::Address(url.to_owned()));
        let (phone, channel_uuid) = (Some(phone.to_owned()), channel_uuid.map(str::to_owned));
        self.receive(&Inbound { phone, channel_uuid, text: text.to_owned(), media, ..Inbound::default() })
    }

    /// The customer writes anything that a customer can write.
    ///
    /// # Errors
    /// When the person is named wrongly, or there is no such line or message; when a file is to be served and
    /// [`Sandbox::set_base`] was never called.
    pub fn receive(&self, said: &Inbound) -> anyhow::Result<SandboxMessage> {
        let message = self.with(|account, now_ms| {
            let number = account.receive(said, now_ms)?;
            account.messages.get(number).cloned().ok_or_else(|| "forgotten at once".to_owned())
        });
        self.wake();
        message.map_err(anyhow::Error::msg)
    }

    /// Where this sandbox is reached, like `http://127.0.0.1:4100`: the beginning of the addresses of its files. Set
    /// by itself once anybody calls the control API.
    pub fn set_base(&self, base: &str) {
        self.with(|account, _| account.base = Some(base.trim_end_matches('/').to_owned()));
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
        self.set_rate(fault, Rate::Count(count));
    }

    /// Makes something go wrong at that rate.
    pub fn set_rate(&self, fault: Fault, rate: Rate) {
        self.with(|account, _| account.faults.set(fault, rate));
    }

    /// Sets switches as `POST /sandbox/faults` does: all of them or none.
    ///
    /// # Errors
    /// The first name or value that is wrong.
    pub fn set_faults(&self, wanted: &Value) -> anyhow::Result<()> {
        let Some(wanted) = wanted.as_object() else { anyhow::bail!("switches are an object") };
        self.with(|account, _| account.faults.apply(wanted)).map_err(anyhow::Error::msg)
    }

    /// Requests that were refused because they came faster than `rate_limit` allows.
    pub fn rate_limited(&self) -> u64 {
        self.with(|account, _| account.rate_limited)
    }

    /// Makes the next accepted messages fail with these codes of the platform, one each; 0 lets one arrive.
    pub fn fail_with(&self, codes: impl IntoIterator<Item = i64>) {
        self.with(|account, _| account.faults.fail_with(codes));
    }

    /// The account's templates from now on.
    pub fn set_templates(&self, templates: Vec<LockedTemplate>) {
        self.with(|account, _| account.set_templates(templates));
    }

    /// What the account's owner sets up besides what is there.
    pub fn add_to_office(&self, more: &Office) {
        self.with(|account, now_ms| {
            let mut office = account.office.clone();
            office.add(more);
            account.set_office(office, now_ms);
        });
    }

    /// Where events go from now on.
    pub fn set_webhook(&self, url: Option<String>) {
        self.with(|account, _| account.mailbox.url = url);
        self.wake();
    }

    /// Changes the account under its lock, at the clock's present instant.
    fn with<T>(&self, change: impl FnOnce(&mut Account, i64) -> T) -> T {
        let mut account = self.0.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.faults.asked = ASKED.try_with(Clone::clone).unwrap_or_default();
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
