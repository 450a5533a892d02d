//! A target of the relay, over real HTTP: keeps what it is posted, and answers as a test wants it to.

use crate::harness::{CRM_SECRET, TOOL_SECRET};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use relance::config::{Secret, Signature, Source};
use relance::trigger::webhook::{SourceSecrets, verify_callbell};
use std::sync::{Arc, Mutex};

/// Cloning shares it. It ends with the runtime that made it.
#[derive(Clone)]
pub(crate) struct HttpTarget {
    pub(crate) url: String,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    posts: Vec<Post>,
    /// Answered instead of 200.
    refusal: Option<(StatusCode, Option<u32>)>,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) taken: bool,
}

impl HttpTarget {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let desk = Arc::new(Mutex::new(Desk::default()));
        let router = Router::new().route("/hook", any(take)).with_state(desk.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, desk }
    }

    /// From now on everything is answered so; `None` = 200.
    pub(crate) fn refuse(&self, status: Option<u16>, retry_after_s: Option<u32>) {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        self.desk.lock().unwrap().refusal = status.map(|status| (status, retry_after_s));
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.desk.lock().unwrap().posts.clone()
    }

    /// Bodies answered with 200, in order.
    pub(crate) fn taken(&self) -> Vec<String> {
        let posts = self.posts().into_iter().filter(|post| post.taken);
        posts.map(|post| String::from_utf8(post.body.to_vec()).unwrap()).collect()
    }
}

impl Post {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// Whether a target would find it signed.
pub(crate) fn has_callbell_signature(post: &Post, now_ms: i64) -> bool {
    let headers = HeaderMap::from_iter([(
        "x-callbell-signature".parse().unwrap(),
        post.header("x-callbell-signature").parse().unwrap(),
    )]);
    verify_callbell(&[Secret::new(CRM_SECRET)], &headers, &post.body, now_ms).is_ok()
}

pub(crate) fn has_standard_signature(post: &Post, now_ms: i64) -> bool {
    let source =
        Source { signature: Signature::StandardWebhooks, secret: Some("S".into()), path_token: None, id: None };
    let secrets = SourceSecrets::read(&source, &|_| Some(TOOL_SECRET.to_owned()));
    let request = relance::trigger::webhook::Request { headers: &post.headers, address: "/x", body: &post.body };
    relance::trigger::webhook::authenticate(&source, &secrets, &request, now_ms).is_ok()
}

async fn take(State(desk): State<Arc<Mutex<Desk>>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut desk = desk.lock().unwrap();
    let refusal = desk.refusal;
    desk.posts.push(Post { headers, body, taken: refusal.is_none() });
    let Some((status, retry_after_s)) = refusal else { return StatusCode::OK.into_response() };
    let mut response = status.into_response();
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    }
    response
}
