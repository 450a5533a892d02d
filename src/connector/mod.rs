//! Connector: the Callbell client. A Message goes in, an Outcome comes out.
//!
//! `fetch` asks addresses that others named, past the `guard`; `relay` hands events on through it; `outgoing` makes the calls
//! of `http_request`, `person` those of `update_contact`.
//! `transport` says how requests travel: over the network, or within this process.
//! `wire` knows the JSON and what an answer proves, `account` asks what the account holds, `webhook` reads what it tells
//! us, `verdicts` judges the platform's codes; `request` reads a send as the vendor's server does, for the gateway and for
//! `sandbox`, a fake Callbell that shares nothing with this client.
//!
//! Invariant: a send is never retried or redirected here; what cannot be known is said to be `uncertain`.

pub mod account;
mod client;
pub mod fetch;
pub mod guard;
pub mod outgoing;
pub mod person;
pub mod relay;
pub(crate) mod request;
pub mod sandbox;
pub mod transport;
pub mod verdicts;
pub mod webhook;
pub mod wire;

pub(crate) use client::builder as http_client;
pub use client::install_crypto;

use crate::config::Secret;
use crate::delivery::Outcome;
use anyhow::{Context, bail};
use axum::Router;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, Url};
use serde_json::Value;
use std::time::Duration;
use transport::Transport;
use wire::Answer;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Short, so that a connection the vendor is about to close is not taken for a send.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);
/// The answer of a send is some hundred bytes; more is not read.
const MOST_OF_AN_ANSWER: usize = 64 * 1024;
/// The answer of a list, likewise.
const MOST_OF_A_LIST: usize = 4 * 1024 * 1024;
/// The vendor refuses pages beyond this one.
const LAST_PAGE: u64 = 500;

/// A client of one account. Cloning shares its connections.
#[derive(Debug, Clone)]
pub struct Callbell {
    http: Client,
    transport: Transport,
    base: Url,
    send: Url,
}

impl Callbell {
    /// A client for the account behind `token`. The token goes to `base_url`'s host only.
    ///
    /// # Errors
    /// When the address is unreadable, would carry the token in the clear, or the TLS set-up fails.
    pub fn new(base_url: &str, token: Option<Secret>) -> anyhow::Result<Self> {
        let base = read_base(base_url)?;
        let local = is_loopback(&base);
        if base.scheme() != "https" && !local && token.is_some() {
            bail!("`{base_url}` would carry the API token in the clear: only https, or http to this machine, may");
        }
        let mut builder = client::builder()?
            .default_headers(headers(token.as_ref())?)
            .user_agent(concat!("relance/", env!("CARGO_PKG_VERSION")))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT);
        if local {
            builder = builder.no_proxy();
        }
        let http = builder.build().context("cannot set up the HTTP client of Callbell")?;
        Ok(Self { http, transport: Transport::Network, send: below(&base, "messages/send"), base })
    }

    /// A client of an account that lives in this process: `router` answers, and no socket is opened.
    ///
    /// # Errors
    /// As [`Callbell::new`].
    pub fn here(router: Router, token: &Secret) -> anyhow::Result<Self> {
        let there = Self::new("http://localhost/v1", Some(token.clone()))?;
        Ok(Self { transport: Transport::with_headers(router, headers(Some(token))?), ..there })
    }

    /// Whether the account is on this machine: a sandbox.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// One call of `POST /messages/send` with a body made by [`wire::send_body`].
    pub async fn send(&self, body: impl Into<String>) -> Outcome {
        let request = self.http.post(self.send.clone()).body(body.into());
        match self.transport.carry(&self.http, request).await {
            Ok(response) => judge(response).await,
            Err(error) if error.is_connect() || error.is_builder() => {
                Outcome::NotSent { error: describe(error), status: None, retry_after_ms: None }
            }
            Err(error) => Outcome::Uncertain { status: None, error: describe(error) },
        }
    }

    /// One call of any endpoint but a send. `path` are the parts of the address behind the base, each escaped here.
    /// Never called again by itself.
    ///
    /// # Errors
    /// When no whole answer came, [`Unreached`] when nothing was asked; what the account answers, a refusal included, is a
    /// [`Reply`].
    pub async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Reply> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| anyhow::anyhow!("the address has no path"))?.pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let carried = self.transport.carry(&self.http, request).await;
        let response = carried.map_err(|error| match error.is_connect() || error.is_builder() {
            true => anyhow::Error::new(Unreached(describe(error))),
            false => anyhow::anyhow!(describe(error)),
        })?;
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (retry_after, date) = (header(RETRY_AFTER), header(DATE));
        let (body, end) = read_body(response, MOST_OF_A_LIST).await;
        match end {
            End::Whole => {}
            End::Long => bail!("the answer of Callbell is longer than {MOST_OF_A_LIST} bytes"),
            End::Broken => bail!("the answer of Callbell was cut off"),
        }
        Ok(Reply { status, retry_after, date, body })
    }
}

/// What the account answered to a call that is no send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// As it came: seconds or a date.
    pub retry_after: Option<String>,
    /// The account's time, as its header tells it.
    pub date: Option<String>,
    /// At most 4 MiB.
    pub body: Vec<u8>,
}

/// No connection took the request: it was surely not received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached(String);

impl std::fmt::Display for Unreached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreached {}

/// The account said no: the status, and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub error: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Callbell answered {}: {}", self.status, self.error)
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// The way out, where the status tells one; else empty.
    pub fn hint(&self) -> &'static str {
        match self.status {
            401 | 403 => "CALLBELL_TOKEN is wrong or was revoked: copy it again from the account, without changes",
            404 => "there is nothing at this address: CALLBELL_BASE_URL ends with `/v1`",
            429 => "the account is asked too often: try again in a minute",
            500.. => "the fault is the account's: try again later",
            _ => "",
        }
    }

    /// The refusal in an error's chain of causes.
    pub fn of(error: &anyhow::Error) -> Option<&Self> {
        error.chain().find_map(|cause| cause.downcast_ref())
    }
}

impl Reply {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The JSON of a success.
    ///
    /// # Errors
    /// [`Refused`] when the account refused; when the answer is no JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        if !self.is_success() {
            let answer = Answer { status: self.status, body: &self.body, complete: true, ..Answer::default() };
            let error = match wire::classify(&answer) {
                Outcome::Refused { error, .. } | Outcome::Uncertain { error, .. } | Outcome::NotSent { error, .. } => {
                    error
                }
                Outcome::Accepted { .. } => String::new(),
            };
            return Err(anyhow::Error::new(Refused { status: self.status, error }));
        }
        serde_json::from_slice(&self.body).context("Callbell's answer is not JSON")
    }
}

/// Reads the answer and says what it proves.
async fn judge(response: Response) -> Outcome {
    let status = response.status().as_u16();
    let header =
        |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let slow = matches!(status, 425 | 429);
    let (retry_after, date) = if slow { (header(RETRY_AFTER), header(DATE)) } else { (None, None) };
    let (body, end) = read_body(response, MOST_OF_AN_ANSWER).await;
    wire::classify(&Answer {
        status,
        retry_after: retry_after.as_deref(),
        date: date.as_deref(),
        body: &body,
        // A longer one was not cut by the network.
        complete: end != End::Broken,
    })
}

/// How the reading of a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// There is more than was read.
    Long,
    /// The network cut it.
    Broken,
}

/// The body up to `most` bytes.
async fn read_body(mut response: Response, most: usize) -> (Vec<u8>, End) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, End::Whole),
            Err(_) => return (body, End::Broken),
        }
        if body.len() > most {
            body.truncate(most);
            return (body, End::Long);
        }
    }
}

/// The error and its causes in one line, without the address.
fn describe(error: reqwest::Error) -> String {
    let error = anyhow::Error::new(error.without_url());
    format!("{error:#}")
}

fn headers(token: Option<&Secret>) -> anyhow::Result<HeaderMap> {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, json.clone()), (ACCEPT, json)]);
    if let Some(token) = token {
        let text = format!("Bearer {}", token.expose());
        let mut value = HeaderValue::try_from(text).context("CALLBELL_TOKEN holds characters no header may hold")?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

fn read_base(text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).with_context(|| format!("cannot read the address of Callbell: `{text}`"))?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || !plain {
        bail!("the address of Callbell must be `https://host/path`, without user, query or fragment");
    }
    Ok(url)
}

/// Whether an address names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `base` with `path` behind it, whether or not `base` ends in `/`.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_never_goes_out_in_the_clear() {
        let token = || Some(Secret::new("t"));
        assert!(Callbell::new("http://callbell.example/v1", token()).is_err());
        assert!(Callbell::new("http://callbell.example/v1", None).is_ok());
        for local in ["http://127.0.0.1:4100/v1", "http://localhost/v1", "http://[::1]:4100/v1"] {
            assert!(Callbell::new(local, token()).is_ok(), "{local}");
        }
        for wrong in ["", "callbell", "ftp://x/v1", "https://a:b@x/v1", "https://x/v1?page=1", "https://x/#a"] {
            assert!(Callbell::new(wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_are_appended_to_the_base_as_written() {
        for base in ["https://api.callbell.eu/v1", "https://api.callbell.eu/v1/"] {
            let url = below(&read_base(base).unwrap(), "messages/send");
            assert_eq!(url.as_str(), "https://api.callbell.eu/v1/messages/send");
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        let client = Callbell::new("https://api.callbell.eu/v1", Some(Secret::new("canary"))).unwrap();
        assert!(!format!("{client:?}").contains("canary"));
        assert!(Callbell::new("https://api.callbell.eu/v1", Some(Secret::new("a\nb"))).is_err());
    }

    /// Answers every connection with these bytes, whole, and closes it.
    async fn answering(bytes: Vec<u8>) -> Callbell {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = vec![0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            }
        });
        Callbell::new(&base, None).unwrap()
    }

    #[tokio::test]
    async fn an_answer_cut_anywhere_proves_no_more_than_what_came() {
        let answers = [
            ("200 OK", r#"{"message":{"uuid":"m","status":"enqueued"}}"#, "accepted", "accepted"),
            ("422 Unprocessable", r#"{"error":"no"}"#, "uncertain", "refused"),
            ("429 Too Many", r#"{"error":"too many requests"}"#, "uncertain", "not_sent"),
            ("503 Unavailable", "x", "uncertain", "uncertain"),
        ];
        for (line, body, cut, whole) in answers {
            let head = format!("HTTP/1.1 {line}\r\nContent-Length: {}\r\n\r\n", body.len());
            let all = format!("{head}{body}");
            for k in 0..=all.len() {
                let client = answering(all.as_bytes()[..k].to_vec()).await;
                let outcome = client.send("{}").await;
                let expected = match k {
                    _ if k < head.len() => "uncertain",
                    _ if k < all.len() => cut,
                    _ => whole,
                };
                assert_eq!(outcome.as_str(), expected, "{line} cut after {k}: {outcome:?}");
            }
        }
    }

    #[tokio::test]
    async fn redirects_are_refusals_and_long_answers_are_not_swallowed() {
        let moved = b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        let outcome = answering(moved.to_vec()).await.send("{}").await;
        assert_eq!(outcome, Outcome::Refused { status: 307, code: None, error: "status 307".into() });
        let mut long = b"HTTP/1.1 400 Bad\r\nContent-Length: 1000000\r\n\r\n".to_vec();
        long.resize(1_000_100, b'x');
        let Outcome::Refused { status: 400, error, .. } = answering(long).await.send("{}").await else { panic!() };
        assert_eq!(error, "x".repeat(500));
        let length = MOST_OF_A_LIST + 1;
        let mut list = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        list.resize(list.len() + length, b' ');
        let asked = answering(list).await.ask(Method::GET, &["templates"], &[], None).await;
        assert!(asked.unwrap_err().to_string().contains("longer"));
    }
}
