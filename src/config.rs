//! Config: what `relance.yaml`, `templates.yaml` and `templates.lock.json` say, what the environment adds,
//! and secrets that cannot be printed.
//!
//! Reading and checking the files is `workflow::check`'s work; here is what comes out.

use crate::message::{Category, MediaKind, TemplateKind};
use crate::workflow::diagnostic::Diagnostic;
use crate::workflow::{Settings, Workflow};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A project folder, read and checked. Workflows with mistakes are left out of `workflows`.
#[derive(Debug, Clone)]
pub struct Project {
    pub settings: ProjectSettings,
    pub catalogue: Catalogue,
    /// By id.
    pub workflows: BTreeMap<String, Arc<Workflow>>,
    /// `workflows/samples/<event>.json`, by event name.
    pub samples: BTreeMap<String, Value>,
    /// The texts it was read from: a definition is stored with them, so that a run ends as it began.
    pub files: Files,
}

/// The texts of a project's files by path relative to its root (`relance.yaml`, `workflows/order_paid.yaml`).
/// Pure input of the checks: who reads the disk fills it (`cli`), tests write it by hand.
pub type Files = BTreeMap<String, String>;

/// Outcome of reading a project: everything that can run, and every mistake.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// `None` when `relance.yaml` itself cannot be used.
    pub project: Option<Project>,
    pub diagnostics: Vec<Diagnostic>,
}

/// `relance.yaml`.
#[derive(Debug, Clone)]
pub struct ProjectSettings {
    pub name: String,
    /// Dates, money, words when the contact has no language.
    pub language: String,
    /// Country of national numbers (`ES`).
    pub phone_region: Option<String>,
    /// Defaults of every workflow.
    pub defaults: Settings,
    /// At least one; without `channels` in the file the one line `main`, listed = false.
    pub channels: Vec<Channel>,
    pub consent: ConsentRule,
    pub callbell: CallbellSettings,
    /// By name.
    pub sources: BTreeMap<String, Source>,
    /// Name → phone as written.
    pub colleagues: BTreeMap<String, String>,
    pub vars: serde_json::Map<String, Value>,
}

/// A line of the account.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    pub name: String,
    pub uuid: Option<String>,
    pub title: Option<String>,
    pub default: bool,
    pub kind: ChannelKind,
    pub pace: Pace,
    /// False: the project lists no channels, `channel_uuid` is not sent and the account's main line sends.
    pub listed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelKind {
    /// Window and templates.
    #[default]
    Official,
    /// Neither.
    Qr,
}

/// Top speed: `count` per `per_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub count: u32,
    pub per_ms: i64,
}

/// What proves consent besides the `contact` map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ConsentRule {
    #[default]
    Nothing,
    Tag(String),
    Field(String),
    Everyone,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CallbellSettings {
    /// Without a final `/`. From the file; `CALLBELL_BASE_URL` wins.
    pub base_url: String,
    pub pace: Pace,
}

impl Default for CallbellSettings {
    fn default() -> Self {
        Self { base_url: "https://api.callbell.eu/v1".into(), pace: Pace { count: 240, per_ms: 1000 } }
    }
}

/// A system that may post events.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub signature: Signature,
    /// Name of the variable that holds the secret; needed by every signature but `none`.
    pub secret: Option<String>,
    /// Name of the variable that holds the token of the address.
    pub path_token: Option<String>,
    /// Dotted path of the event's own id in the body.
    pub id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    StandardWebhooks,
    Shopify,
    Stripe,
    Github,
    Hmac { header: String, prefix: String, encoding: Encoding },
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
}

/// `templates.yaml` and the lock together.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// By friendly name.
    pub entries: BTreeMap<String, CatalogueEntry>,
    /// By uuid: what the account approved.
    pub lock: BTreeMap<String, LockedTemplate>,
}

/// One entry of `templates.yaml`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CatalogueEntry {
    pub uuid: Option<String>,
    pub title: Option<String>,
    /// Names in the order of `{{1}}`, `{{2}}` …
    pub values: Vec<String>,
    pub media: Option<MediaKind>,
    pub category: Option<Category>,
    pub text: Option<String>,
    /// Language → uuid or title.
    pub languages: BTreeMap<String, (Option<String>, Option<String>)>,
}

/// One entry of `templates.lock.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockedTemplate {
    pub uuid: String,
    pub title: String,
    pub text: String,
    #[serde(rename = "type")]
    pub kind: TemplateKind,
    /// `None` when the account names none.
    pub category: Option<Category>,
    /// The vendor's word, lower case: `approved`, `paused` …
    pub status: String,
    /// Number of distinct `{{n}}` in `text`.
    pub placeholders: usize,
}

impl ProjectSettings {
    /// The channel of that name.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// The line that sends when nothing else is said.
    pub fn default_channel(&self) -> &Channel {
        self.channels.iter().find(|channel| channel.default).unwrap_or(&self.channels[0])
    }

    /// The zone of schedules and dates when a workflow names none.
    pub fn zone(&self) -> &TimeZone {
        &self.defaults.timezone
    }
}

/// A secret value: never printed, never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the wire and for comparison only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Reads a variable of the environment; set but empty counts as unset.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `CALLBELL_TOKEN`, a pasted `Bearer ` stripped.
    pub callbell_token: Option<Secret>,
    /// `CALLBELL_BASE_URL`, without a final `/`.
    pub callbell_base_url: Option<String>,
    /// `CALLBELL_WEBHOOK_SECRET`: the part of the URL.
    pub callbell_webhook_secret: Option<Secret>,
    /// `CALLBELL_SIGNING_SECRET`: one, or two while rotating.
    pub callbell_signing_secrets: Vec<Secret>,
    /// `RELANCE_TOKEN`: the admin token.
    pub token: Option<Secret>,
    /// `RELANCE_LISTEN`, default `127.0.0.1:4000`.
    pub listen: String,
    /// `RELANCE_DATABASE_URL`.
    pub database_url: Option<String>,
    /// `RELANCE_CLOCK_OFFSET`, milliseconds.
    pub clock_offset_ms: i64,
}
