//! A gateway under test: a world with its engine, its fake vendor and its movable clock, and the gateway before it over
//! real HTTP.

use crate::harness::{Plan, World};
use relance::config::{Environment, Secret};
use relance::http::{self, App, Mode};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const ADMIN: &str = "canary-admin-token";
/// Tokens of the project, by what they are good for.
pub(crate) const READER: &str = "canary-reader-token";
pub(crate) const SENDER: &str = "canary-sender-token";
pub(crate) const OPERATOR: &str = "canary-operator-token";

const TOKENS: &str = "
    tokens:
      reader: { secret: READER, scopes: [read] }
      sender: { secret: SENDER, scopes: [send, read] }
      operator: { secret: OPERATOR, scopes: [operate, read, send] }
      nobody: { secret: NEVER_SET, scopes: [operate] }
";

pub(crate) struct Gateway {
    server: Option<(JoinHandle<()>, SocketAddr)>,
    client: reqwest::Client,
    /// Dropped last.
    pub(crate) world: World,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    /// The status, and the body with it.
    pub(crate) fn told(&self) -> (u16, Value) {
        (self.status, self.json())
    }

    /// The uuid of a message that was taken.
    pub(crate) fn uuid(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        let said = self.json();
        assert_eq!(said["message"]["status"], "enqueued", "{said}");
        said["message"]["uuid"].as_str().unwrap().to_owned()
    }
}

impl Gateway {
    pub(crate) async fn before(plan: Plan) -> Self {
        relance::connector::install_crypto();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut gateway = Self { server: None, client, world: plan.project(TOKENS).start().await };
        gateway.open().await;
        gateway
    }

    async fn open(&mut self) {
        let lookup = |name: &str| match name {
            "READER" => Some(Secret::new(READER)),
            "SENDER" => Some(Secret::new(format!("Bearer {SENDER}"))),
            "OPERATOR" => Some(Secret::new(OPERATOR)),
            _ => None,
        };
        let environment = Environment::read(&|_| None).unwrap();
        let engine = self.world.engine().clone();
        let app = App::new(engine, Arc::new(environment), Secret::new(ADMIN), Arc::new(lookup), Mode::Serve);
        let warnings = http::warnings(&app);
        assert!(warnings.iter().any(|warning| warning.contains("`nobody`") && warning.contains("`NEVER_SET`")));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = async { http::serve(listener, http::router(app), std::future::pending()).await.unwrap() };
        self.server = Some((tokio::spawn(serving), address));
    }

    /// The process dies, and is started again.
    pub(crate) async fn restart(&mut self) {
        let (server, _) = self.server.take().unwrap();
        server.abort();
        let _ = server.await;
        self.world.restart().await;
        self.open().await;
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let (_, address) = self.server.as_ref().unwrap();
        self.client.request(method, format!("http://{address}{path}"))
    }

    /// Asks with a token of all scopes.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method, path).bearer_auth(OPERATOR);
        send(match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    /// `POST /v1/messages/send`.
    pub(crate) async fn send(&self, body: &Value) -> Answer {
        self.ask(Method::POST, "/v1/messages/send", Some(body)).await
    }

    /// The same, with a key of the caller's.
    pub(crate) async fn send_as(&self, token: &str, key: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, "/v1/messages/send").bearer_auth(token);
        send(request.header("idempotency-key", key).body(body.to_string())).await
    }

    /// What the account says of a message, by our uuid.
    pub(crate) async fn status(&self, uuid: &str) -> Value {
        let answer = self.get(&format!("/v1/messages/status/{uuid}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["message"].take()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some((server, _)) = self.server.take() {
            server.abort();
        }
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}
