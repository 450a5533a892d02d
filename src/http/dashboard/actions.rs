//! Actions: what the buttons of the page do. Everything goes through the engine, the sandbox and the clock's mover.

use super::words::Words;
use super::{Asked, Dev, Page, samples, story};
use crate::event::{Dedupe, NewEvent};
use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the page waits for the clock to arrive; the clock goes on without it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Characters of a customer's message.
const MESSAGE_CHARS: usize = 4096;

#[derive(Debug, Deserialize)]
pub(super) struct Trigger {
    event: String,
    data: String,
}

/// What became of an event, and the text to offer next.
#[derive(Template)]
#[template(path = "triggered.html", config = "src/http/pages/askama.toml")]
struct Triggered {
    error: Option<String>,
    event: String,
    outcome: Vec<(bool, String, String)>,
    nobody: Option<&'static str>,
    words: &'static Words,
    data: Option<String>,
}

pub(super) async fn trigger(State(dev): State<Dev>, asked: Asked, Form(form): Form<Trigger>) -> Response {
    let data: Value = match serde_json::from_str(&form.data) {
        Ok(data) => data,
        Err(error) => {
            let error = asked.words.not_json.replace("{}", &error.to_string());
            return super::show(StatusCode::UNPROCESSABLE_ENTITY, &failed(&asked, form.event, error));
        }
    };
    let clock = dev.engine.clock();
    let dedupe = Dedupe { key: clock.new_id(), keep_ms: Dedupe::ID_MS, body_hash: String::new() };
    let event = NewEvent { source: "local".into(), name: form.event.clone(), data, at_ms: clock.now_ms(), dedupe };
    let Ok(accepted) = dev.engine.accept(event).await else {
        let error = asked.words.not_taken.to_owned();
        return super::show(StatusCode::UNPROCESSABLE_ENTITY, &failed(&asked, form.event, error));
    };
    let deployed = dev.engine.deployed();
    let names = Default::default();
    let known = story::Known { deployed: &deployed, contacts: Default::default(), names: &names };
    let next = samples::next(&form.event, &form.data, &deployed);
    dev.remember_offer(&form.event, next.clone());
    super::show(
        StatusCode::OK,
        &Triggered {
            error: None,
            nobody: accepted.evaluations.is_empty().then(|| story::nobody(&form.event, &deployed, asked.words)),
            outcome: story::outcome(&accepted.evaluations, &known, asked.words),
            event: form.event,
            words: asked.words,
            data: Some(next),
        },
    )
}

fn failed(asked: &Asked, event: String, error: String) -> Triggered {
    Triggered { error: Some(error), event, outcome: Vec::new(), nobody: None, words: asked.words, data: None }
}

#[derive(Debug, Deserialize)]
pub(super) struct Offered {
    event: String,
}

/// The field with the text to offer for an event.
#[derive(Template)]
#[template(path = "offered.html", config = "src/http/pages/askama.toml")]
struct Offer {
    label: &'static str,
    data: String,
}

pub(super) async fn offer(State(dev): State<Dev>, asked: Asked, Query(wanted): Query<Offered>) -> Response {
    super::show(StatusCode::OK, &Offer { label: asked.words.data, data: dev.offer(&wanted.event) })
}

#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    phone: String,
    text: String,
}

/// The customer writes.
pub(super) async fn reply(State(dev): State<Dev>, Form(reply): Form<Reply>) -> Response {
    let text: String = reply.text.trim().chars().take(MESSAGE_CHARS).collect();
    if text.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    match dev.sandbox.reply(&reply.phone, &text, None) {
        Ok(_) => {
            move_clock(&dev, 0).await;
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Ahead {
    minutes: u32,
}

/// Longest move of one press: what the buttons offer, and some room.
const MOST_MINUTES: u32 = 31 * 24 * 60;

/// Moves the clock, and answers when everything due until then has happened.
pub(super) async fn clock(State(dev): State<Dev>, Form(ahead): Form<Ahead>) -> Response {
    if ahead.minutes > MOST_MINUTES {
        return (StatusCode::UNPROCESSABLE_ENTITY, "at most 31 days at once\n").into_response();
    }
    move_clock(&dev, i64::from(ahead.minutes) * 60_000).await;
    StatusCode::NO_CONTENT.into_response()
}

/// Asks the mover; 0 = let happen what is due now.
async fn move_clock(dev: &Dev, by_ms: i64) {
    let (done, arrived) = oneshot::channel();
    if dev.mover.try_send(super::Move { by_ms, done }).is_ok() {
        let _ = tokio::time::timeout(PATIENCE, arrived).await;
    }
}

impl Page {
    /// Events that can be triggered, the chosen one, and its text.
    pub(super) fn offers(dev: &Dev) -> (Vec<String>, String) {
        let shown = dev.files.borrow().clone();
        let events: Vec<String> = samples::events(&dev.engine.deployed(), shown.samples.keys()).into_iter().collect();
        let text = events.first().map(|event| dev.offer(event)).unwrap_or_default();
        (events, text)
    }
}
