//! The fake vendor over loopback, against the client and against the reference: a file per noun.

mod contacts;
mod control;
mod conversations;
mod events;
mod faults;
mod lists;
mod people;
mod platforms;
mod sending;
mod webhooks;

use super::*;
use crate::config::{Channel, Secret};
use crate::connector::webhook::{self, Direction, Incoming};
use crate::connector::wire::{Envelope, send_body, sign_id};
use crate::connector::{Callbell, install_crypto};
use crate::contact::Phone;
use crate::delivery::Outcome;
use crate::message::{Category, Form, Message, Plain, Template, TemplateKind};
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::net::TcpListener;

const NOW: i64 = 1_772_357_400_000;
const PHONE: &str = "+33600000001";

/// A sandbox on a still clock, its address, and a webhook that remembers what it got.
struct Stand {
    sandbox: Sandbox,
    clock: Clock,
    base: String,
    inbox: Inbox,
}

#[derive(Clone, Default)]
struct Inbox {
    got: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    /// What it answers; 0 = 200.
    status: Arc<AtomicU16>,
    came: Arc<Notify>,
}

impl Inbox {
    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.got.lock().unwrap()).into_iter().map(|(_, body)| body).collect()
    }

    fn router(self) -> Router {
        let receive = move |headers: HeaderMap, body: Bytes| async move {
            self.got.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
            self.came.notify_one();
            let status = self.status.load(Ordering::SeqCst);
            StatusCode::from_u16(status).unwrap_or(StatusCode::OK)
        };
        Router::new().route("/hook", post(receive))
    }
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

fn template(uuid: &str, text: &str) -> LockedTemplate {
    LockedTemplate {
        uuid: uuid.into(),
        title: "Devis".into(),
        text: text.into(),
        kind: TemplateKind::Text,
        category: None,
        status: "approved".into(),
        placeholders: 1,
    }
}

async fn stand(change: impl FnOnce(&mut SandboxConfig)) -> Stand {
    install_crypto();
    let inbox = Inbox::default();
    let hook = serve(inbox.clone().router()).await;
    let clock = Clock::still(NOW);
    let mut config = SandboxConfig::new(clock.clone());
    config.token = Some(Secret::new("right"));
    config.webhook_url = Some(format!("{hook}/hook"));
    config.templates = vec![template("t1", "Bonjour {{1}}, votre devis est prêt")];
    config.posts_at_once = 1;
    change(&mut config);
    let sandbox = Sandbox::new(config).unwrap();
    let base = serve(sandbox.router()).await;
    Stand { sandbox, clock, base, inbox }
}

/// A stand whose webhook gets all ten kinds of events.
async fn open_stand() -> Stand {
    stand(|config| config.subscriptions = None).await
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

impl Stand {
    fn client(&self, token: &str) -> Callbell {
        Callbell::new(&format!("{}/v1", self.base), Some(Secret::new(token))).unwrap()
    }

    async fn send(&self, body: String) -> Outcome {
        self.client("right").send(body).await
    }

    async fn advance(&self, by_ms: i64) {
        self.clock.move_to(self.clock.now_ms() + by_ms);
        self.sandbox.settle().await;
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = reqwest::Client::new().get(format!("{}{path}", self.base)).bearer_auth("right");
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// Any call with the right token: its status and its JSON, `null` when there is none.
    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.base)).bearer_auth("right");
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// Everything posted so far, oldest first.
    async fn events(&self) -> Vec<Value> {
        self.sandbox.settle().await;
        self.inbox.take()
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = reqwest::Client::new().post(format!("{}{path}", self.base)).bearer_auth("right").json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// The statuses of the n-th message, in order.
    fn history(&self, n: usize) -> Vec<(&'static str, Option<i64>)> {
        self.sandbox.messages()[n].history.iter().map(|step| (step.status, step.code)).collect()
    }
}

fn plain(text: &str) -> String {
    body(&Message { plain: Some(Plain { text: Some(text.into()), media: None }), ..Message::default() }, Form::Text)
}

fn by_template(uuid: &str, values: &[&str]) -> String {
    let template = Template {
        name: "devis".into(),
        uuid: uuid.into(),
        kind: TemplateKind::Text,
        category: None,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        media_url: None,
    };
    body(&Message { template: Some(template), ..Message::default() }, Form::Template)
}

fn body(message: &Message, form: Form) -> String {
    let phone = Phone::from_vendor(PHONE).unwrap();
    let relance_id = sign_id(b"key", "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    let envelope = Envelope {
        form,
        phone: Some(&phone),
        bsuid: None,
        channel_uuid: None,
        relance_id: &relance_id,
        relance_run: "01ARZ3NDEKTSV4RRFFQ69G5FAW",
        ask_contact: true,
    };
    send_body(message, &envelope)
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/callbell/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
