//! Relay: one post of one event to one target, signed as the target expects it.
//!
//! Invariant: the body leaves byte for byte as it was kept, and each post is signed anew with its own time.

use super::fetch::{Fetcher, wait_ms, words};
use super::guard::Guard;
use crate::config::Secret;
use crate::relay::{Relay, Signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url};
use sha2::Sha256;
use std::time::Duration;

/// The vendor counts its own bots' calls as failed after ten seconds; a target gets a little more.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);

/// Posts events to targets. Cloning shares its connections.
#[derive(Debug, Clone)]
pub struct Poster {
    guarded: Fetcher,
    /// For targets that relance.yaml itself puts on this machine.
    local: Fetcher,
}

/// How a post ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    pub http_status: Option<u16>,
    /// Answered with 2xx, or why not.
    pub told: Result<(), String>,
    /// How long the target asked to wait.
    pub wait_ms: Option<i64>,
}

/// Where an event goes, and by which secret it is signed; `None` = unsigned.
#[derive(Debug, Clone)]
pub struct Destination {
    pub url: String,
    pub signing: Option<(Signature, Secret)>,
    /// Written in relance.yaml: its operator may name this machine.
    pub trusted: bool,
}

impl Poster {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(guard: Guard) -> anyhow::Result<Self> {
        let local = Fetcher::new(Guard { loopback: true }, TOTAL_TIMEOUT)?;
        Ok(Self { guarded: Fetcher::new(guard, TOTAL_TIMEOUT)?, local })
    }

    /// One post. Never made again by itself.
    pub async fn post(&self, relay: &Relay, to: &Destination, now_ms: i64) -> Posted {
        let failed = |error| Posted { http_status: None, told: Err(error), wait_ms: None };
        let headers = match headers(relay, to, now_ms) {
            Ok(headers) => headers,
            Err(error) => return failed(error),
        };
        let (http, url) = match self.open(to) {
            Ok(open) => open,
            Err(error) => return failed(error),
        };
        match http.post(url).headers(headers).body(relay.body.clone()).send().await {
            Err(error) => failed(words(error)),
            Ok(response) if response.status().is_success() => {
                Posted { http_status: Some(response.status().as_u16()), told: Ok(()), wait_ms: None }
            }
            Ok(response) => {
                let status = response.status().as_u16();
                let wait_ms = wait_ms(response.headers().get(RETRY_AFTER));
                Posted { http_status: Some(status), told: Err(format!("the target answered {status}")), wait_ms }
            }
        }
    }

    fn open(&self, to: &Destination) -> Result<(&Client, Url), String> {
        let names_this_machine = Url::parse(&to.url).is_ok_and(|url| super::is_loopback(&url));
        if to.trusted && names_this_machine { self.local.open(&to.url) } else { self.guarded.open(&to.url) }
    }
}

fn headers(relay: &Relay, to: &Destination, now_ms: i64) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let Some((signature, secret)) = &to.signing else { return Ok(headers) };
    let seconds = now_ms.div_euclid(1000).to_string();
    let mut put = |name: &'static str, value: String| {
        let value = HeaderValue::try_from(value).map_err(|_| "the event's id cannot stand in a header".to_owned())?;
        headers.insert(HeaderName::from_static(name), value);
        Ok::<_, String>(())
    };
    match signature {
        Signature::Callbell => {
            let signed = sign(secret.expose().as_bytes(), &[&seconds, ".", &relay.body]);
            put("x-callbell-signature", format!("t={seconds},v1={}", hex::encode(signed)))?;
        }
        Signature::StandardWebhooks => {
            let key = standard_key(secret).ok_or("its secret is not `whsec_` and base64")?;
            let signed = sign(&key, &[&relay.id, ".", &seconds, ".", &relay.body]);
            put("webhook-id", relay.id.clone())?;
            put("webhook-timestamp", seconds)?;
            put("webhook-signature", format!("v1,{}", BASE64.encode(signed)))?;
        }
    }
    Ok(headers)
}

fn sign(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

/// The key inside `whsec_<base64>`.
fn standard_key(secret: &Secret) -> Option<Vec<u8>> {
    let written = secret.expose();
    BASE64.decode(written.strip_prefix("whsec_").unwrap_or(written)).ok().filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the API reference §13.2.
    #[test]
    fn the_vendor_s_way_is_signed_as_its_test_vector_says() {
        let body = r#"{"event":"message_created","payload":{"text":"Bonjour été","status":"received"}}"#;
        let relay = Relay::new("01".into(), "t", "e", "message_created", body.into(), 0);
        let secret = Secret::new("whsec_relance_test_vector_0001");
        let to = Destination { url: String::new(), signing: Some((Signature::Callbell, secret)), trusted: true };
        let headers = headers(&relay, &to, 1_790_000_123_999).unwrap();
        let expected = "t=1790000123,v1=51618168e60929297e68d104df1875296ca09f75c388f47c223b1f43f7fc1ad0";
        assert_eq!(headers["x-callbell-signature"], expected);
    }

    /// The example of the Standard Webhooks libraries.
    #[test]
    fn standard_webhooks_are_signed_as_their_libraries_expect() {
        let body = r#"{"test": 2432232314}"#;
        let relay = Relay::new("msg_p5jXN8AQM9LWM0D4loKWxJek".into(), "t", "e", "x", body.into(), 0);
        let signing = Some((Signature::StandardWebhooks, Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")));
        let mut to = Destination { url: String::new(), signing, trusted: true };
        let signed = headers(&relay, &to, 1_614_265_330_000).unwrap();
        assert_eq!(signed["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(
            (&signed["webhook-timestamp"], &signed["webhook-id"]),
            (&"1614265330".parse().unwrap(), &"msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap())
        );
        to.signing = Some((Signature::StandardWebhooks, Secret::new("not base64!")));
        assert!(headers(&relay, &to, 0).is_err());
        to.signing = None;
        assert_eq!(headers(&relay, &to, 0).unwrap().len(), 1);
    }

    #[tokio::test]
    async fn only_relance_yaml_may_name_this_machine() {
        let relay = Relay::new("01".into(), "t", "e", "x", "{}".into(), 0);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let poster = Poster::new(Guard::default()).unwrap();
        let ask = async |url: &str, trusted| {
            let to = Destination { url: url.to_owned(), signing: None, trusted };
            poster.post(&relay, &to, 0).await.told.unwrap_err()
        };
        assert_eq!(ask(&url, false).await, super::super::guard::REFUSED);
        assert_ne!(ask(&url, true).await, super::super::guard::REFUSED);
        assert_eq!(ask("http://10.0.0.1/", true).await, super::super::guard::REFUSED);
    }
}
