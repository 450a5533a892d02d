//! Another system: an HTTP server that workflows call. It answers as it is told, and remembers what it was asked.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Real time after which calls that do not come will not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came in one request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// How it answers one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Status, headers, body.
    Says(u16, Vec<(&'static str, String)>, String),
    /// 200, and then a body that never ends, slowly or as fast as it is read.
    ForEver { fast: bool },
    /// Everything that it was asked.
    Echo,
}

pub(crate) fn says(status: u16, body: &str) -> Answer {
    Answer::Says(status, Vec::new(), body.to_owned())
}

#[derive(Clone)]
pub(crate) struct OtherSystem {
    pub(crate) port: u16,
    asked: Arc<watch::Sender<Vec<Asked>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    closed: Arc<watch::Sender<bool>>,
}

impl OtherSystem {
    /// On this machine, on a port of its own.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let system = Self {
            port: listener.local_addr().unwrap().port(),
            asked: Arc::default(),
            answers: Arc::default(),
            closed: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(system.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        system
    }

    /// The next answers, in order; after them, 200 and `{"ok": true}`.
    pub(crate) fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// From now on it takes what it gets and answers nothing.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(crate) fn open(&self) {
        self.closed.send_replace(false);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }

    /// Waits until so many calls came.
    pub(crate) async fn hears(&self, calls: usize) {
        let mut seen = self.asked.subscribe();
        let reached = seen.wait_for(|asked| asked.len() >= calls);
        tokio::time::timeout(PATIENCE, reached).await.expect("the calls come").unwrap();
    }
}

async fn answer(
    State(system): State<OtherSystem>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked { method, path: uri.to_string(), headers, body: String::from_utf8_lossy(&body).into_owned() };
    system.asked.send_modify(|all| all.push(asked.clone()));
    let _ = system.closed.subscribe().wait_for(|closed| !closed).await;
    let next = system.answers.lock().unwrap().pop_front();
    match next.unwrap_or_else(|| says(200, r#"{"ok": true}"#)) {
        Answer::Says(status, headers, body) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Answer::Echo => format!("{asked:?}").into_response(),
        Answer::ForEver { fast } => {
            let more = stream::unfold((), move |()| async move {
                if !fast {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Some((Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 4096])), ()))
            });
            Body::from_stream(more).into_response()
        }
    }
}
