//! The moving part: lets due statuses happen and posts due events to the webhook, signed (reference §13.1, §13.2).
//!
//! Invariant: an event taken from the mailbox is always settled there, even when the task that posts it is dropped.

use super::Sandbox;
use super::mailbox::{Answer, Answered, Outgoing};
use crate::clock::Clock;
use crate::config::Secret;
use crate::connector::client;
use anyhow::Context;
use hmac::{Hmac, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response};
use sha2::Sha256;
use std::time::Duration;
use tokio::task::JoinSet;

/// The vendor's own calls wait ten seconds.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// What is kept of a receiver's answer: bytes of its body, headers.
const MOST_OF_AN_ANSWER: usize = 500;
const MOST_HEADERS: usize = 20;
/// The loop looks at the clock at least this often, because it may be moved by hand.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// The client that posts events: to this machine as a rule, hence without proxies.
pub(super) fn client() -> anyhow::Result<Client> {
    let client = client::builder()?
        .user_agent("Callbell sandbox")
        .no_proxy()
        .pool_idle_timeout(Duration::from_secs(2))
        .timeout(POST_TIMEOUT);
    client.build().context("cannot set up the HTTP client of the sandbox")
}

impl Sandbox {
    /// When something happens next without anyone's doing; `None` = never. Events on their way do not count.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.with(|account, _| account.next_due_ms())
    }

    /// Does everything that is due at the clock's present time: statuses move, events are posted and answered, until
    /// nothing is left. An event that is refused is due again later.
    pub async fn settle(&self) {
        let _turn = self.0.settling.lock().await;
        let mut posts = JoinSet::new();
        loop {
            while posts.len() < self.0.config.posts_at_once.max(1) {
                let next = self.with(|account, now_ms| {
                    account.tick(now_ms);
                    account.mailbox.take(now_ms)
                });
                let Some(event) = next else { break };
                let taken = Taken { sandbox: self.clone(), key: event.key.clone(), answer: None };
                posts.spawn(post(taken, event));
            }
            if posts.join_next().await.is_none() {
                return;
            }
        }
    }

    /// Settles for ever, each time something is due.
    pub async fn run(&self) {
        loop {
            self.settle().await;
            let wait = match self.next_due_ms() {
                Some(at_ms) => self.0.clock.until(at_ms, LONGEST_SLEEP).max(Duration::from_millis(1)),
                None => LONGEST_SLEEP,
            };
            // Woken, or slept enough: either way it looks again.
            let _ = tokio::time::timeout(wait, self.0.changed.notified()).await;
        }
    }

    /// Makes [`Sandbox::run`] look at once, for whoever moved the clock.
    pub fn wake(&self) {
        self.0.changed.notify_one();
    }
}

/// An event on its way. Settles it when dropped.
struct Taken {
    sandbox: Sandbox,
    key: String,
    answer: Answer,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let answer = self.answer.take();
        self.sandbox.with(|account, now_ms| account.mailbox.done(&self.key, answer, now_ms));
    }
}

async fn post(mut taken: Taken, event: Outgoing) {
    let inner = &taken.sandbox.0;
    let mut request = inner.http.post(&event.url).header(CONTENT_TYPE, "application/json");
    if let Some(secret) = &inner.config.signing_secret {
        request = request.header("X-Callbell-Signature", sign(secret, &event.body));
    }
    if let Ok(response) = inner.config.posts.carry(&inner.http, request.body(event.body)).await {
        let status = response.status().as_u16();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().take(MOST_HEADERS);
        let headers = headers.map(|(name, value)| (name.to_string(), text(value).into())).collect();
        taken.answer = Some(Answered { status, body: beginning(response).await, headers });
    }
}

/// The first bytes of a receiver's answer; the rest is never read.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await
        && bytes.len() < MOST_OF_AN_ANSWER
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(MOST_OF_AN_ANSWER);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `t=<unix seconds>,v1=<hex>`. Signed by the machine's time, even when the sandbox's own time is moved.
fn sign(secret: &Secret, body: &[u8]) -> String {
    let seconds = Clock::machine(0).now_ms() / 1000;
    format!("t={seconds},v1={}", signature(secret, seconds, body))
}

fn signature(secret: &Secret, seconds: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_reference() {
        let secret = Secret::new("whsec_relance_test_vector_0001");
        let body = r#"{"event":"message_created","payload":{"text":"Bonjour été","status":"received"}}"#;
        let expected = "51618168e60929297e68d104df1875296ca09f75c388f47c223b1f43f7fc1ad0";
        assert_eq!((body.len(), signature(&secret, 1_790_000_123, body.as_bytes())), (82, expected.to_owned()));
    }
}
