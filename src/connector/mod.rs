//! Connector: the Callbell client. A Message goes in, an Outcome comes out.
//!
//! Invariant: a send is never retried or redirected here; what cannot be known is said to be `uncertain`.

pub mod wire;

use crate::config::Secret;
use crate::delivery::Outcome;

/// A client of one account.
#[derive(Debug, Clone)]
pub struct Callbell {
    base_url: String,
    token: Option<Secret>,
}

impl Callbell {
    /// A client for the account behind `token`. The token goes to `base_url`'s host only.
    ///
    /// # Errors
    /// When the address is unreadable or the TLS set-up fails.
    pub fn new(base_url: &str, token: Option<Secret>) -> anyhow::Result<Self> {
        Ok(Self { base_url: base_url.to_owned(), token })
    }

    /// One call of `POST /messages/send` with a body made by [`wire::send_body`].
    pub async fn send(&self, _body: &str) -> Outcome {
        let _ = (&self.base_url, &self.token);
        Outcome::NotSent { error: "not built yet".into(), status: None, retry_after_ms: None }
    }
}
