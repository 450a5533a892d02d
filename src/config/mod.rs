//! Config: what `relance.yaml`, `templates.yaml` and `templates.lock.json` say. What the environment adds is read in
//! `environment`.
//!
//! Reading and checking the files is `workflow::check`'s work; here is what comes out.

mod environment;
mod hosts;
mod proxies;

pub(crate) use environment::read_url;
pub use environment::{Environment, Lookup, Secret};
pub use hosts::{PLAIN, allows_scheme, is_listed, is_listed_plain, is_this_machine};
pub use proxies::Proxies;

use crate::message::{Category, MediaKind, TemplateKind};
use crate::workflow::diagnostic::Diagnostic;
use crate::workflow::test_file::TestFile;
use crate::workflow::{Settings, Workflow};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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
    /// What can be played of `workflows/*.test.yaml`; read for people only, by `workflow::check`.
    pub tests: Vec<TestFile>,
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
    /// Bearer tokens beside `RELANCE_TOKEN`, by name.
    pub tokens: BTreeMap<String, Token>,
    pub vars: serde_json::Map<String, Value>,
    /// Who gets the account's events handed on.
    pub relay: Vec<crate::relay::Target>,
    /// Whom `http_request` may call: host names, `*.example.com` for all below one; behind `http://` without encryption too.
    pub allow_hosts: Vec<String>,
    pub opt_out: OptOut,
}

/// The words by which people say that they want no more, and that they want again. Compared as whole messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptOut {
    /// `None` = the usual ones of seven languages.
    pub words: Option<Vec<String>>,
    pub back_words: Option<Vec<String>>,
    /// What answers a withdrawal, by language; the empty key is a text without languages. Empty = the usual sentence in the
    /// person's language.
    pub reply: Vec<(String, String)>,
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

impl Channel {
    /// Top speed of a line that names none: the platform's default.
    pub const PACE: Pace = Pace { count: 80, per_ms: 1000 };
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
    /// How fast one person gets messages on one line; `None` = as fast as they come. The platform's limit, no setting of
    /// the file: tests and load programs, which talk to nobody, may lift it.
    pub person: Option<PersonPace>,
}

/// The platform's limit between a line and one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonPace {
    /// Milliseconds from one message to the next, in the long run.
    pub every_ms: i64,
    /// Messages that may go ahead of that pace.
    pub burst: u32,
    /// Milliseconds between two messages even so: sent closer together they may arrive swapped.
    pub apart_ms: i64,
}

impl Default for PersonPace {
    fn default() -> Self {
        Self { every_ms: 6000, burst: 3, apart_ms: 1000 }
    }
}

impl Default for CallbellSettings {
    fn default() -> Self {
        let (base_url, pace) = ("https://api.callbell.eu/v1".into(), Pace { count: 240, per_ms: 1000 });
        Self { base_url, pace, person: Some(PersonPace::default()) }
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

/// Who may use the API and the gateway, beside the holder of `RELANCE_TOKEN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Name of the variable that holds it.
    pub secret: Option<String>,
    pub scopes: BTreeSet<Scope>,
}

/// What a token is good for; none holds another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// See what there is.
    Read,
    /// Post events, send messages.
    Send,
    /// Change what is there.
    Operate,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Send, Self::Operate];

    /// As it is written in `relance.yaml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Operate => "operate",
        }
    }
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
    /// By the code of the language.
    pub languages: BTreeMap<String, CatalogueLanguage>,
}

impl CatalogueEntry {
    /// The key that says which template of the account it is.
    pub fn named_by(&self) -> &'static str {
        if self.uuid.is_some() { "uuid" } else { "title" }
    }
}

/// The template of one language, named by one of the two.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CatalogueLanguage {
    pub uuid: Option<String>,
    pub title: Option<String>,
    /// As the account approved it; without a lock file nobody else knows it.
    pub text: Option<String>,
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
    /// Whether `http_request` may call a host, by name or address.
    pub fn allows_host(&self, host: &str) -> bool {
        is_listed(&self.allow_hosts, host)
    }

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
