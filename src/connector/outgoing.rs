//! Outgoing: one HTTP call of an `http_request`, to a host that the project lists.
//!
//! ```text
//! address ─► listed host? ─► resolver ─► every address public, or itself listed ─► the very addresses that are dialled
//! ```
//! The account's token never goes this way. Invariants: no redirect is followed and no proxy is asked, so the host that was
//! checked is the host that answers; what is read, and how long, is bounded; nothing that is returned holds a secret.

use super::fetch::words;
use super::guard::{REFUSED, is_public};
use super::transport::Transport;
use super::{client, wire};
use crate::call::{Body, HttpCall, Outcome};
use crate::config::{PLAIN, Secret, allows_scheme, is_listed};
use anyhow::Context as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, Url};
use serde_json::{Map, Value, json};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest a whole exchange may take, whatever the step says: a call must end before its node's right to make it does.
const MOST_MS: i64 = 15_000;
/// Bytes of an answer that are read, and those of them that are kept.
const MOST_READ: usize = 1024 * 1024;
const MOST_KEPT: usize = 256 * 1024;
/// Headers of an answer that are kept, and characters of each.
const MOST_HEADERS: usize = 64;
const MOST_OF_A_HEADER: usize = 2_000;
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A client for the hosts that a project lists. Cloning shares its connections.
#[derive(Debug, Clone)]
pub struct Outgoing {
    http: Client,
    transport: Transport,
    hosts: Arc<[String]>,
}

impl Outgoing {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(allow_hosts: &[String]) -> anyhow::Result<Self> {
        let bare = |host: &String| host.trim_start_matches(PLAIN).trim_matches(['[', ']']).to_owned();
        let address = |host: &String| bare(host).parse().ok();
        let listed: Arc<[IpAddr]> = allow_hosts.iter().filter_map(address).collect();
        let http = client::builder()?
            .user_agent(concat!("relance/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .dns_resolver(Arc::new(Listed(listed)))
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .context("cannot set up the HTTP client of `http_request`")?;
        Ok(Self { http, transport: Transport::Network, hosts: allow_hosts.into() })
    }

    /// The same, with calls that travel so.
    pub fn by(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Whether it was made for this list.
    pub fn is_for(&self, allow_hosts: &[String]) -> bool {
        *self.hosts == *allow_hosts
    }

    /// One call, never made again by itself. `call` is filled with its `secrets`, whose values are taken out of whatever
    /// comes back; `key` is its `Idempotency-Key`.
    pub async fn call(&self, call: &HttpCall, key: &str, secrets: &[(String, Secret)]) -> Outcome {
        let redact = Redact(secrets);
        let request = match self.request(call, key) {
            Ok(request) => request,
            Err(reason) => return Outcome::Failed { reason: redact.text(&reason), left: Value::Null },
        };
        let most_ms = call.timeout_ms.clamp(1, MOST_MS);
        let exchange = async {
            match self.transport.carry_built(&self.http, request).await {
                Ok(response) => answered(call, response, &redact).await,
                Err(error) => not_answered(&words(error), &redact),
            }
        };
        let timed = tokio::time::timeout(Duration::from_millis(most_ms.unsigned_abs()), exchange).await;
        timed.unwrap_or_else(|_| {
            let reason = format!("no whole answer within {}", shown_ms(most_ms));
            Outcome::Passing { reason, left: Value::Null, wait_ms: None, counted: true }
        })
    }

    /// The request, once its host is found in the list. Errors are sentences without the address.
    fn request(&self, call: &HttpCall, key: &str) -> Result<reqwest::Request, String> {
        let mut url = Url::parse(&call.url).map_err(|_| "the address cannot be read".to_owned())?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err("only http and https addresses are called".into());
        }
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        if !is_listed(&self.hosts, host) {
            return Err(format!("R602: the host `{host}` is not in `allow_hosts`"));
        }
        if !allows_scheme(&self.hosts, url.scheme(), host) {
            return Err(format!(
                "R602: `{host}` is not called without encryption: `allow_hosts` would say `{PLAIN}{host}`"
            ));
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let method = Method::from_bytes(call.method.as_bytes()).map_err(|_| "the method cannot be read".to_owned())?;
        let (kind, body) = match &call.body {
            Body::None => (None, None),
            Body::Json(value) => (Some("application/json"), Some(value.to_string())),
            Body::Form(pairs) => (Some("application/x-www-form-urlencoded"), Some(form(pairs)?)),
            Body::Raw(text) => (Some("text/plain; charset=utf-8"), Some(text.clone())),
        };
        let mut request = self.http.request(method, url).headers(headers(call, key, kind)?);
        if let Some(body) = body {
            request = request.body(body);
        }
        request.build().map_err(words)
    }
}

fn headers(call: &HttpCall, key: &str, kind: Option<&'static str>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.extend(kind.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind))));
    headers.insert(KEY, HeaderValue::try_from(key).map_err(|_| "the key cannot stand in a header".to_owned())?);
    for (name, value) in &call.headers {
        let refused = || format!("the header `{name}` cannot be written");
        let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| refused())?;
        value.set_sensitive(true);
        headers.insert(HeaderName::try_from(name.as_str()).map_err(|_| refused())?, value);
    }
    Ok(headers)
}

fn form(pairs: &[(String, String)]) -> Result<String, String> {
    let mut url = Url::parse("http://form/").map_err(|error| error.to_string())?;
    url.query_pairs_mut().extend_pairs(pairs);
    Ok(url.query().unwrap_or_default().to_owned())
}

/// No answer: what the network says, or that the address may not be dialled, which will not change.
fn not_answered(said: &str, redact: &Redact) -> Outcome {
    if said == REFUSED {
        let reason = "the host leads to an address that is not public: list the address itself in `allow_hosts`, \
                      if it may be called"
            .to_owned();
        return Outcome::Failed { reason, left: Value::Null };
    }
    Outcome::Passing { reason: redact.text(said), left: Value::Null, wait_ms: None, counted: true }
}

async fn answered(call: &HttpCall, mut response: Response, redact: &Redact<'_>) -> Outcome {
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let wait_ms = wire::wait_ms(header(RETRY_AFTER), header(DATE));
    let headers = shown_headers(response.headers(), redact);
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return not_answered(&words(error), redact),
        }
        if body.len() >= MOST_READ {
            break;
        }
    }
    let left = json!({ "outcome": "done", "status": status, "headers": headers, "body": shown_body(&body, redact) });
    let reason = format!("answered {status}");
    match status {
        _ if call.expects(status) => Outcome::Done(left),
        429 | 500.. => Outcome::Passing { reason, left, wait_ms, counted: true },
        _ => Outcome::Failed { reason, left },
    }
}

fn shown_headers(headers: &HeaderMap, redact: &Redact) -> Map<String, Value> {
    let shown = |(name, value): (&HeaderName, &HeaderValue)| {
        let value: String = String::from_utf8_lossy(value.as_bytes()).chars().take(MOST_OF_A_HEADER).collect();
        (name.as_str().to_owned(), Value::String(redact.text(&value)))
    };
    headers.iter().take(MOST_HEADERS).map(shown).collect()
}

/// JSON as a value; anything else, and what is cut, as text.
fn shown_body(body: &[u8], redact: &Redact) -> Value {
    let kept = &body[..body.len().min(MOST_KEPT)];
    let text = redact.text(&String::from_utf8_lossy(kept));
    if kept.len() < body.len() {
        // The cut may go through a secret or a character: neither half is kept.
        let end = text.floor_char_boundary(text.len().saturating_sub(redact.longest()));
        return Value::String(text[..end].to_owned());
    }
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

fn shown_ms(ms: i64) -> String {
    if ms % 1000 == 0 { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}

/// Takes secrets out of what others say: many servers answer with what they were sent.
struct Redact<'a>(&'a [(String, Secret)]);

impl Redact<'_> {
    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, secret) in self.0 {
            for form in forms(secret.expose()) {
                if text.contains(&form) {
                    text = text.replace(&form, &format!("[secret {name}]"));
                }
            }
        }
        text
    }

    /// Bytes of the longest form in which a secret may stand somewhere.
    fn longest(&self) -> usize {
        self.0.iter().flat_map(|(_, secret)| forms(secret.expose())).map(|form| form.len()).max().unwrap_or_default()
    }
}

/// A secret as it may stand in an answer: itself, in the text of a JSON, in an address.
fn forms(secret: &str) -> Vec<String> {
    let json = Value::from(secret).to_string();
    let json = json.trim_matches('"').to_owned();
    let address = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    let query = form(&[(String::new(), secret.to_owned())]).unwrap_or_default();
    let query = query.trim_start_matches('=').to_owned();
    let mut forms = vec![secret.to_owned(), json, address, query];
    forms.retain(|form| !form.is_empty());
    forms.dedup();
    forms
}

/// Resolves a name, and refuses it when any of its addresses is neither public nor listed itself.
struct Listed(Arc<[IpAddr]>);

impl Resolve for Listed {
    fn resolve(&self, name: Name) -> Resolving {
        let listed = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let open = |address: &SocketAddr| is_public(address.ip()) || listed.contains(&address.ip().to_canonical());
            if found.iter().all(open) {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            Err(REFUSED.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(url: &str) -> HttpCall {
        HttpCall {
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            query: Vec::new(),
            body: Body::None,
            timeout_ms: 10_000,
            expect: Vec::new(),
        }
    }

    fn outgoing(hosts: &[&str]) -> Outgoing {
        Outgoing::new(&hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn only_listed_hosts_are_called_however_an_address_is_written() {
        let outgoing = outgoing(&[
            "api.example.com",
            "*.shop.example",
            "10.0.0.7",
            "[fd00::1]",
            "http://old.example.com",
            "1.1.1.1",
            "http://[2606:4700::1]",
        ]);
        let open = [
            "https://api.example.com/x",
            "https://API.example.com.:8080/",
            "http://OLD.example.com.:8080/",
            "https://old.example.com/",
            "http://[2606:4700::1]/",
            "https://1.1.1.1/",
            "https://a.b.shop.example/",
            "http://10.0.0.7/",
            "http://0x0a.0.0.7/",
            "http://[fd00:0::1]:80/",
        ];
        for url in open {
            assert!(outgoing.request(&call(url), "k").is_ok(), "{url}");
        }
        let closed = [
            "http://api.example.com/",
            "http://a.shop.example/",
            "http://1.1.1.1/",
            "http://old.example.com.evil.example/",
            "https://example.com/",
            "https://xapi.example.com/",
            "https://api.example.com.evil.example/",
            "https://api.example.com@evil.example/",
            "https://evil.example\\@api.example.com/",
            "https://shop.example/",
            "https://.shop.example/",
            "https://xshop.example/",
            "http://10.0.0.8/",
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://[::1]/",
            "ftp://api.example.com/",
            "api.example.com",
        ];
        for url in closed {
            assert!(outgoing.request(&call(url), "k").is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_listed_name_that_leads_into_the_own_network_is_not_dialled_unless_that_address_is_listed_too() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let dialled = tokio::spawn(async move { listener.accept().await.map(drop) });
        let refused = outgoing(&["localhost"]).call(&call(&url), "k", &[]).await;
        assert!(matches!(&refused, Outcome::Failed { reason, .. } if reason.contains("not public")), "{refused:?}");
        assert!(!dialled.is_finished());
        let closed = outgoing(&["localhost", "127.0.0.1", "::1"]).call(&call(&url), "k", &[]).await;
        assert!(matches!(closed, Outcome::Passing { .. }), "dialled, and nothing was answered: {closed:?}");
        dialled.await.unwrap().unwrap();
    }

    #[test]
    fn a_secret_is_taken_out_of_an_answer_in_every_form_it_may_have() {
        let secrets = [("KEY".to_owned(), Secret::new("a\"b c&é"))];
        let redact = Redact(&secrets);
        let echoed = r#"{"plain": "a\"b c&é", "path": "a%22b%20c%26%C3%A9", "query": "a%22b+c%26%C3%A9"}"#;
        let shown = shown_body(echoed.as_bytes(), &redact);
        let hidden = "[secret KEY]";
        assert_eq!(shown, json!({"plain": hidden, "path": hidden, "query": hidden}));
        let long = format!("{}a\"b c&é{}", "x".repeat(MOST_KEPT - 4), "y".repeat(100));
        let Value::String(cut) = shown_body(long.as_bytes(), &redact) else { panic!() };
        assert!(cut.len() < MOST_KEPT && cut.bytes().all(|byte| byte == b'x'));
    }
}
