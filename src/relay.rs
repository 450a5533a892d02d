//! Relay: one event of the account on its way to one target, beside relance's own use of it.
//!
//! Invariant: a target gets its events in the order in which they came; one that does not answer delays no other.

use sha2::{Digest as _, Sha256};

/// An entry of `relay` in `relance.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Absolute, `http` or `https`.
    pub url: String,
    pub signature: Signature,
    /// Name of the variable that holds the secret.
    pub secret: String,
}

/// How what is handed on is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// `X-Callbell-Signature`, as the account itself signs.
    Callbell,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    StandardWebhooks,
}

/// One event on its way to one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Sortable: the order in which a target gets them. It is the `webhook-id`, the same at every try.
    pub id: String,
    /// Key of the target.
    pub target: String,
    /// The event's id; of what relance itself tells about a message, the delivery's.
    pub event: String,
    /// The vendor's word.
    pub name: String,
    /// As it is posted, byte for byte.
    pub body: String,
    pub state: RelayState,
    /// Posts so far.
    pub attempts: u32,
    /// When it is posted next. Unix milliseconds.
    pub due_at_ms: i64,
    /// When it is given up.
    pub expires_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    /// Of the last post.
    pub http_status: Option<i64>,
    pub error: Option<String>,
    /// The dead one that this one repeats.
    pub redrive_of: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayState {
    Queued,
    Delivered,
    /// Given up; a person may have it sent again.
    Dead,
}

impl RelayState {
    pub const ALL: [Self; 3] = [Self::Queued, Self::Delivered, Self::Dead];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// Reads what [`RelayState::as_str`] wrote; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// How long a target may be away before its events are given up.
const LIFE_MS: i64 = 3 * 24 * 3_600_000;
/// Longest pause between two posts.
const BACKOFF_MS: i64 = 5 * 60_000;

impl Relay {
    /// One to be posted now.
    pub fn new(id: String, target: &str, event: &str, name: &str, body: String, now_ms: i64) -> Self {
        Self {
            id,
            target: target.to_owned(),
            event: event.to_owned(),
            name: name.to_owned(),
            body,
            state: RelayState::Queued,
            attempts: 0,
            due_at_ms: now_ms,
            expires_at_ms: now_ms.saturating_add(LIFE_MS),
            ended_at_ms: None,
            http_status: None,
            error: None,
            redrive_of: None,
        }
    }

    /// It after one more post. `told`: answered with 2xx, or why not; `wait_ms`: how long the target asked to wait.
    #[must_use]
    pub fn after(
        mut self,
        http_status: Option<u16>,
        told: Result<(), String>,
        wait_ms: Option<i64>,
        now_ms: i64,
    ) -> Self {
        self.attempts += 1;
        self.http_status = http_status.map(i64::from);
        self.error = told.as_ref().err().cloned();
        let pause_ms = self.backoff_ms().max(wait_ms.unwrap_or(0));
        self.due_at_ms = now_ms.saturating_add(pause_ms).min(self.expires_at_ms);
        match told {
            Ok(()) => self.end(RelayState::Delivered, now_ms),
            Err(_) if now_ms >= self.expires_at_ms => self.end(RelayState::Dead, now_ms),
            Err(_) => self,
        }
    }

    /// It, given up.
    #[must_use]
    pub fn dead(mut self, error: &str, now_ms: i64) -> Self {
        self.error.get_or_insert_with(|| error.to_owned());
        self.end(RelayState::Dead, now_ms)
    }

    fn end(mut self, state: RelayState, now_ms: i64) -> Self {
        self.state = state;
        self.ended_at_ms = Some(now_ms);
        self
    }

    /// Between half and all of 1 s, 2 s, 4 s … at most 5 minutes, drawn from its id: the same each time it is asked.
    fn backoff_ms(&self) -> i64 {
        let most = BACKOFF_MS.min(500_i64.saturating_mul(1 << self.attempts.min(20)));
        let drawn = Sha256::digest(format!("{} {}", self.id, self.attempts).as_bytes());
        let drawn = i64::from(u32::from_be_bytes([drawn[0], drawn[1], drawn[2], drawn[3]]));
        most / 2 + drawn % (most / 2 + 1)
    }
}

impl Target {
    /// What its events are kept under, and what people are shown: the address without what may be secret in it.
    pub fn key(&self) -> String {
        key_of(&self.url)
    }
}

fn key_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (plain, _) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let host = plain.find('/').unwrap_or(plain.len());
    let start = plain[..host].rfind('@').map_or(0, |at| at + 1);
    let shown = format!("{scheme}://{}", &plain[start..]);
    match shown == url {
        true => shown,
        false => format!("{shown} {}", &hex::encode(Sha256::digest(url.as_bytes()))[..8]),
    }
}

/// Key of a target that was subscribed through the gateway under this name.
pub fn subscribed_key(name: &str) -> String {
    format!("subscribed:{name}")
}

/// The name behind a key made by [`subscribed_key`].
pub fn subscribed_name(key: &str) -> Option<&str> {
    key.strip_prefix("subscribed:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay() -> Relay {
        Relay::new("01".into(), "t", "e", "message_created", "{}".into(), 0)
    }

    #[test]
    fn pauses_grow_from_a_second_to_five_minutes_and_are_the_same_each_time() {
        let mut one = relay();
        let mut pauses = Vec::new();
        for _ in 0..14 {
            one = one.after(None, Err("away".into()), None, 0);
            pauses.push(one.due_at_ms);
        }
        let bounds = (0..14).map(|n| BACKOFF_MS.min(1000 << n));
        for (pause, most) in pauses.iter().zip(bounds) {
            assert!((most / 2..=most).contains(pause), "{pauses:?}");
        }
        assert_eq!(pauses[0], relay().after(Some(500), Err("x".into()), None, 0).due_at_ms);
        assert!(pauses[13] >= 150_000 && pauses.iter().all(|pause| *pause <= 300_000));
    }

    #[test]
    fn a_target_may_ask_for_more_patience_but_not_beyond_the_event_s_life() {
        assert_eq!(relay().after(Some(429), Err("busy".into()), Some(60_000), 5).due_at_ms, 60_005);
        assert_eq!(relay().after(Some(429), Err("busy".into()), Some(i64::MAX), 5).due_at_ms, LIFE_MS);
        let given_up = relay().after(Some(500), Err("no".into()), None, LIFE_MS);
        assert_eq!((given_up.state, given_up.ended_at_ms), (RelayState::Dead, Some(LIFE_MS)));
        assert_eq!(relay().after(Some(204), Ok(()), None, 7).state, RelayState::Delivered);
        assert_eq!(relay().after(None, Err("away".into()), None, 1).dead("expired", 2).error.as_deref(), Some("away"));
    }

    #[test]
    fn a_key_shows_no_secret_and_differs_where_the_address_does() {
        let key = |url: &str| key_of(url);
        assert_eq!(key("https://crm.example.com/hook"), "https://crm.example.com/hook");
        let secret = ["https://crm.example.com/hook?key=canary", "https://me:canary@crm.example.com/hook"];
        for url in secret {
            assert!(
                key(url).starts_with("https://crm.example.com/hook ") && !key(url).contains("canary"),
                "{}",
                key(url)
            );
        }
        assert_ne!(key(secret[0]), key(secret[1]));
        assert_eq!(subscribed_name(&subscribed_key("crm")), Some("crm"));
        assert_eq!(subscribed_name("https://crm.example.com"), None);
    }
}
