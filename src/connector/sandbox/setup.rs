//! What a sandbox is made of.

use super::message::Timing;
use super::office::Office;
use super::people::LineKind;
use crate::clock::Clock;
use crate::config::{Channel, LockedTemplate, Secret};
use crate::connector::transport::Transport;

/// What a sandbox is made of. Start from [`SandboxConfig::new`].
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Shared with the engine when embedded.
    pub clock: Clock,
    /// `POST /sandbox/clock` may move the clock: nobody else steps it.
    pub own_clock: bool,
    /// `None`: any token will do, and none.
    pub token: Option<Secret>,
    pub templates: Vec<LockedTemplate>,
    /// Without any, there is one line `main`.
    pub channels: Vec<Channel>,
    /// Other kinds than WhatsApp of which the account has a line too.
    pub further: Vec<LineKind>,
    /// Teams, colleagues, tags, custom fields and the like.
    pub office: Office,
    /// Where events go; `POST /v1/webhooks/subscribe` replaces it.
    pub webhook_url: Option<String>,
    /// How its posts travel.
    pub posts: Transport,
    /// The events that `webhook_url` gets; `None` = all ten kinds.
    pub subscriptions: Option<Vec<String>>,
    /// Events are signed with it.
    pub signing_secret: Option<Secret>,
    pub timing: Timing,
    /// Messages, calls and people that are remembered.
    pub keep: usize,
    /// Events posted at the same time; 1 makes their order the same each time.
    pub posts_at_once: usize,
}

impl SandboxConfig {
    /// An account with one line, the usual office, and a webhook that gets messages, statuses and changes of contacts.
    pub fn new(clock: Clock) -> Self {
        let usual = ["message_created", "message_status_updated", "contact_updated"];
        Self {
            clock,
            own_clock: false,
            token: None,
            templates: Vec::new(),
            channels: Vec::new(),
            further: Vec::new(),
            office: Office::default(),
            webhook_url: None,
            posts: Transport::Network,
            subscriptions: Some(usual.map(str::to_owned).into()),
            signing_secret: None,
            timing: Timing::default(),
            keep: 20_000,
            posts_at_once: 16,
        }
    }
}
