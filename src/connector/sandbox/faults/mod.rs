//! Fault switches (reference §15): what a test makes the fake vendor do wrong, how often, and for which request.
//!
//! Pure. `asked` reads what one request asks for by itself, `rate` says how often a switch goes off.
//! Invariant: what one request asked for happens to that request and what follows from it, and to no other.

mod asked;
mod rate;

pub(super) use asked::Asked;
pub use rate::Rate;

use rate::Switch;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Something that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fault {
    /// Requests are answered 401, unread.
    #[serde(rename = "401")]
    Unauthorised,
    /// Requests are answered 403, unread.
    #[serde(rename = "403")]
    Forbidden,
    /// Requests are answered 429 with `Retry-After: <retry_after>` in seconds, unread.
    #[serde(rename = "429")]
    TooMany,
    /// As `429`, `Retry-After` being a date.
    #[serde(rename = "429_date")]
    TooManyDate,
    /// As `429`, without `Retry-After`.
    #[serde(rename = "429_bare")]
    TooManyBare,
    /// Requests are answered 500 and not taken.
    #[serde(rename = "500_before")]
    ErrorBefore,
    /// Requests are taken and answered 500.
    #[serde(rename = "500_after")]
    ErrorAfter,
    /// Requests are not taken, and the connection is closed without an answer.
    #[serde(rename = "dropped_request")]
    DroppedRequest,
    /// Requests are taken, and the connection is closed without an answer.
    #[serde(rename = "dropped_answer")]
    DroppedAnswer,
    /// Events are posted twice.
    #[serde(rename = "duplicate")]
    Duplicate,
    /// An event is posted after the next one of its contact (or 5 s later).
    #[serde(rename = "reordered")]
    Reordered,
    /// Events of messages carry no `uuid`.
    #[serde(rename = "no_uuid")]
    NoUuid,
    /// The API answers `contact` as a list of one.
    #[serde(rename = "contact_list")]
    ContactList,
    /// Events carry `metadata` as JSON text.
    #[serde(rename = "metadata_string")]
    MetadataString,
    /// Events are posted without their envelope.
    #[serde(rename = "bare")]
    Bare,
    /// Events are posted inside a list of one.
    #[serde(rename = "listed")]
    Listed,
    /// Events are not posted at all; the log shows them as failed.
    #[serde(rename = "webhook_off")]
    WebhookOff,
    /// Events are posted `webhook_delay` milliseconds late, by the sandbox's clock.
    #[serde(rename = "webhook_slow")]
    WebhookSlow,
    /// Payloads of statuses have the shape of Cloud API channels instead of Gupshup's.
    #[serde(rename = "cloud_payload")]
    CloudPayload,
}

impl Fault {
    pub(super) const ALL: [Self; 19] = [
        Self::Unauthorised,
        Self::Forbidden,
        Self::TooMany,
        Self::TooManyDate,
        Self::TooManyBare,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::DroppedRequest,
        Self::DroppedAnswer,
        Self::Duplicate,
        Self::Reordered,
        Self::NoUuid,
        Self::ContactList,
        Self::MetadataString,
        Self::Bare,
        Self::Listed,
        Self::WebhookOff,
        Self::WebhookSlow,
        Self::CloudPayload,
    ];

    /// Those that end a request before it is read, in the order in which they are looked at.
    pub(super) const ON_THE_WAY_IN: [Self; 7] = [
        Self::Unauthorised,
        Self::Forbidden,
        Self::TooMany,
        Self::TooManyDate,
        Self::TooManyBare,
        Self::ErrorBefore,
        Self::DroppedRequest,
    ];

    fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(Value::from(name)).ok()
    }

    /// The word that sets it.
    pub(super) fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// The switches and their positions.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    switches: BTreeMap<Fault, Switch>,
    /// Codes with which the next accepted messages fail, one each; `0` lets one pass.
    fail: VecDeque<i64>,
    /// What the request under way, or the request behind the message under way, asked for by itself.
    pub(super) asked: Asked,
    pub(super) settings: Settings,
}

/// Positions that are no switches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Real milliseconds before a request is answered.
    pub(super) delay: u64,
    /// The switches of requests concern paths that begin with this; `/` = all.
    pub(super) scope: String,
    /// Seconds of `Retry-After`.
    pub(super) retry_after: u64,
    /// Milliseconds of `webhook_slow`.
    pub(super) webhook_delay: i64,
    /// Requests per second that are taken before one is answered 429; `null` = any number.
    pub(super) rate_limit: Option<usize>,
    /// Six hours without a success disable the webhook, as on the real service.
    pub(super) silence_rule: bool,
    /// What the generators of rates start from.
    pub(super) seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay: 0,
            scope: "/messages/send".into(),
            retry_after: 1,
            webhook_delay: 5000,
            rate_limit: None,
            silence_rule: false,
            seed: 1,
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        let settings = Settings::default();
        Self { switches: switches(settings.seed), fail: VecDeque::new(), asked: Asked::default(), settings }
    }
}

fn switches(seed: u64) -> BTreeMap<Fault, Switch> {
    // Each has its own generator: turning one on does not change what another one draws.
    let one = |(index, fault)| (fault, Switch::new(Rate::Count(0), seed.wrapping_mul(1000).wrapping_add(index)));
    (0..).zip(Fault::ALL).map(one).collect()
}

impl Faults {
    pub(super) fn set(&mut self, fault: Fault, rate: Rate) {
        if let Some(switch) = self.switches.get_mut(&fault) {
            switch.set(rate);
        }
    }

    /// Makes the next accepted messages fail with these codes, one each; 0 lets one arrive.
    pub(super) fn fail_with(&mut self, codes: impl IntoIterator<Item = i64>) {
        self.fail.extend(codes);
    }

    /// Whether a fault happens now: asked for by the request, or by its switch, which uses it up.
    pub(super) fn take(&mut self, fault: Fault) -> bool {
        self.asked.faults.contains(&fault) || self.switches.get_mut(&fault).is_some_and(Switch::take)
    }

    /// As [`Faults::take`], of a fault of requests: its switch concerns the paths of the scope only.
    pub(super) fn take_at(&mut self, path: &str, fault: Fault) -> bool {
        let concerned = path.starts_with(&self.settings.scope);
        self.asked.faults.contains(&fault) || (concerned && self.switches.get_mut(&fault).is_some_and(Switch::take))
    }

    /// Real milliseconds before the request under way is answered.
    pub(super) fn delay_ms(&self, path: &str) -> u64 {
        let set = if path.starts_with(&self.settings.scope) { self.settings.delay } else { 0 };
        self.asked.delay_ms.unwrap_or(set)
    }

    /// The code with which the message accepted now shall fail.
    pub(super) fn take_failure(&mut self) -> Option<i64> {
        match self.asked.fail {
            Some(code) => Some(code),
            None => self.fail.pop_front().filter(|code| *code != 0),
        }
    }

    /// Sets positions from `{"<name>": rate, "delay": ms, "fail": [code, …], …}`: all of them or none.
    ///
    /// # Errors
    /// The first name or value that is wrong.
    pub(super) fn apply(&mut self, wanted: &Map<String, Value>) -> Result<(), String> {
        let mut next = self.clone();
        // A seed first: it puts the generators back, whatever else is set with it.
        for (name, value) in wanted.iter().filter(|(name, _)| *name == "seed").chain(wanted) {
            next.apply_one(name, value).ok_or_else(|| complaint(name, value))?;
        }
        *self = next;
        Ok(())
    }

    fn apply_one(&mut self, name: &str, value: &Value) -> Option<()> {
        if name == "fail" {
            let codes: Option<Vec<i64>> = value.as_array()?.iter().map(Value::as_i64).collect();
            self.fail = codes?.into();
            return Some(());
        }
        if let Some(fault) = Fault::parse(name) {
            self.set(fault, Rate::read(value)?);
            return Some(());
        }
        let mut settings = serde_json::to_value(&self.settings).ok()?;
        *settings.get_mut(name)? = value.clone();
        let settings: Settings = serde_json::from_value(settings).ok()?;
        let fits = settings.delay <= 60_000 && (0..=86_400_000).contains(&settings.webhook_delay);
        if !fits || settings.rate_limit == Some(0) {
            return None;
        }
        if settings.seed != self.settings.seed {
            let positions: Vec<_> = self.switches.iter().map(|(fault, switch)| (*fault, switch.clone())).collect();
            self.switches = switches(settings.seed);
            for (fault, switch) in positions {
                self.set(fault, Rate::read(&switch.show())?);
            }
        }
        self.settings = settings;
        Some(())
    }

    /// The positions, in the form that [`Faults::apply`] reads.
    pub(super) fn show(&self) -> Value {
        let mut shown = json!(self.settings);
        shown["fail"] = json!(self.fail);
        for (fault, switch) in &self.switches {
            shown[fault.word()] = switch.show();
        }
        shown
    }

    /// How often each switch has gone off.
    pub(super) fn taken(&self) -> Value {
        let used = self.switches.iter().filter(|(_, switch)| switch.taken > 0);
        used.map(|(fault, switch)| (fault.word(), json!(switch.taken))).collect::<Map<_, _>>().into()
    }
}

fn complaint(name: &str, value: &Value) -> String {
    let names = Fault::ALL.map(Fault::word).join("`, `");
    format!(
        "cannot set `{name}` to `{value}`: `delay` and `webhook_delay` take milliseconds, `retry_after` seconds, \
         `fail` a list of codes, `scope` the beginning of a path, `rate_limit` a number or null, `silence_rule` true or \
         false, `seed` a number, and `{names}` true, false, a count, {{\"every\": n}} or {{\"percent\": p}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(faults: &mut Faults, wanted: Value) -> Result<(), String> {
        faults.apply(wanted.as_object().unwrap())
    }

    #[test]
    fn a_switch_goes_off_after_its_count() {
        let mut faults = Faults::default();
        apply(&mut faults, json!({"429": 2, "duplicate": true, "fail": [131_026, 0], "delay": 5})).unwrap();
        assert!(faults.take(Fault::TooMany) && faults.take(Fault::TooMany) && !faults.take(Fault::TooMany));
        assert!((0..100).all(|_| faults.take(Fault::Duplicate)));
        assert_eq!([faults.take_failure(), faults.take_failure(), faults.take_failure()], [Some(131_026), None, None]);
        assert_eq!((&faults.show()["duplicate"], faults.taken()), (&json!(true), json!({"429": 2, "duplicate": 100})));
        apply(&mut faults, json!({"duplicate": false})).unwrap();
        assert!(!faults.take(Fault::Duplicate));
    }

    #[test]
    fn what_is_shown_can_be_set_again_and_a_wrong_name_sets_nothing() {
        let mut faults = Faults::default();
        apply(&mut faults, json!({"429": {"every": 3}, "no_uuid": {"percent": 5}, "rate_limit": 300})).unwrap();
        let shown = faults.show();
        assert_eq!(shown.as_object().unwrap().len(), Fault::ALL.len() + 8);
        apply(&mut faults, shown.clone()).unwrap();
        assert_eq!(faults.show(), shown);
        let wrong = [
            json!({"bare": 1, "x": 1}),
            json!({"bare": -1}),
            json!({"fail": 3}),
            json!({"delay": 99_999}),
            json!({"rate_limit": 0}),
            json!({"seed": "a"}),
        ];
        for wrong in wrong {
            let error = apply(&mut faults, wrong.clone()).unwrap_err();
            assert!(error.starts_with("cannot set `"), "{wrong}: {error}");
        }
        assert!(!faults.take(Fault::Bare));
    }

    #[test]
    fn switches_of_requests_concern_their_scope_and_a_request_may_ask_for_itself() {
        let mut faults = Faults::default();
        faults.set(Fault::ErrorBefore, Rate::Count(1));
        assert!(!faults.take_at("/templates", Fault::ErrorBefore));
        assert!(faults.take_at("/messages/send", Fault::ErrorBefore));
        faults.asked = Asked::read("500_before, delay=7, fail=131026").unwrap();
        assert!(faults.take_at("/templates", Fault::ErrorBefore) && faults.take_at("/templates", Fault::ErrorBefore));
        assert_eq!((faults.delay_ms("/templates"), faults.take_failure()), (7, Some(131_026)));
        faults.asked = Asked::default();
        apply(&mut faults, json!({"scope": "/", "500_before": 1})).unwrap();
        assert!(faults.take_at("/templates", Fault::ErrorBefore));
    }
}
