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
#[derive(Debug, Clone, PartialEq)]
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

impl Environment {
    /// Reads every variable that relance knows.
    ///
    /// # Errors
    /// All that is wrong, each a sentence that names its variable and never shows a secret.
    pub fn read(lookup: Lookup) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut keep = |read: Result<Option<String>, String>| read.map_err(|mistake| mistakes.push(mistake)).ok().flatten();
        let callbell_base_url = keep(lookup("CALLBELL_BASE_URL").map(|url| read_url("CALLBELL_BASE_URL", &url)).transpose());
        let listen = lookup("RELANCE_LISTEN").unwrap_or_else(|| "127.0.0.1:4000".into());
        keep(read_listen(&listen).map(|()| None));
        let offset = lookup("RELANCE_CLOCK_OFFSET").map(|written| read_offset(&written)).transpose();
        let clock_offset_ms = offset.map_err(|mistake| mistakes.push(mistake)).ok().flatten().unwrap_or(0);
        let environment = Self {
            callbell_token: lookup("CALLBELL_TOKEN").map(|token| Secret::new(without_bearer(&token))),
            callbell_base_url,
            callbell_webhook_secret: lookup("CALLBELL_WEBHOOK_SECRET").map(Secret::new),
            callbell_signing_secrets: split_secrets(lookup("CALLBELL_SIGNING_SECRET").as_deref()),
            token: lookup("RELANCE_TOKEN").map(Secret::new),
            listen,
            database_url: lookup("RELANCE_DATABASE_URL"),
            clock_offset_ms,
        };
        if mistakes.is_empty() { Ok(environment) } else { Err(mistakes) }
    }
}

/// The dashboard shows the token with `Bearer ` in front, so people paste it whole.
fn without_bearer(token: &str) -> &str {
    let token = token.trim();
    match token.get(..7) {
        Some(start) if start.eq_ignore_ascii_case("bearer ") => token[7..].trim(),
        _ => token,
    }
}

fn split_secrets(written: Option<&str>) -> Vec<Secret> {
    let secrets = written.unwrap_or_default().split(',').map(str::trim).filter(|secret| !secret.is_empty());
    secrets.map(Secret::new).collect()
}

fn read_url(name: &str, url: &str) -> Result<String, String> {
    let url = url.trim().trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() => Ok(url.to_owned()),
        _ => Err(format!("{name} is no http(s) address")),
    }
}

fn read_listen(address: &str) -> Result<(), String> {
    let port = address.rsplit_once(':').and_then(|(host, port)| Some(port.parse::<u16>().ok().filter(|_| !host.is_empty())?));
    port.map(drop).ok_or_else(|| format!("RELANCE_LISTEN is no address with a port, like `127.0.0.1:4000`: `{address}`"))
}

/// `+26h`, `-30m`, `90s`, `1d`: milliseconds.
fn read_offset(written: &str) -> Result<i64, String> {
    let mistake = || format!("RELANCE_CLOCK_OFFSET is no duration like `+26h` or `-30m`: `{written}`");
    let text = written.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = rest.get(..rest.len().saturating_sub(1)).and_then(|number| number.parse::<i64>().ok()).ok_or_else(mistake)?;
    let unit_ms = match rest.chars().last() {
        Some('s') => 1000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => return Err(mistake()),
    };
    number.checked_mul(sign * unit_ms).ok_or_else(mistake)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Environment, Vec<String>> {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Environment::read(&lookup)
    }

    #[test]
    fn a_token_pasted_with_bearer_is_the_token_and_is_never_printed() {
        let environment = read(&[("CALLBELL_TOKEN", " bearer abc.def "), ("CALLBELL_SIGNING_SECRET", "one, two,")]).unwrap();
        assert_eq!(environment.callbell_token.as_ref().map(Secret::expose), Some("abc.def"));
        assert_eq!(environment.callbell_signing_secrets, [Secret::new("one"), Secret::new("two")]);
        assert!(!format!("{environment:?}").contains("abc"));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = [("CALLBELL_BASE_URL", "ftp://x"), ("RELANCE_LISTEN", "4000"), ("RELANCE_CLOCK_OFFSET", "soon")];
        assert_eq!(read(&wrong).unwrap_err().len(), 3);
    }

    #[test]
    fn an_offset_has_a_sign_and_a_unit() {
        let offset = |written: &str| read(&[("RELANCE_CLOCK_OFFSET", written)]).map(|environment| environment.clock_offset_ms);
        assert_eq!(offset("+26h"), Ok(26 * 3_600_000));
        assert_eq!(offset("-30m"), Ok(-30 * 60_000));
        assert_eq!(offset("90s"), Ok(90_000));
    }
}
