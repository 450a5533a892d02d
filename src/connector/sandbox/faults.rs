//! Fault switches (reference §15): what a test makes the fake vendor do wrong, and how often.
//!
//! Pure. Invariant: a switch with a count goes off by itself after that many uses.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Something that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fault {
    /// Sends are answered 429 with `Retry-After: 1`, unread.
    #[serde(rename = "429")]
    TooMany,
    /// Sends are answered 500 and not taken.
    #[serde(rename = "500_before")]
    ErrorBefore,
    /// Sends are taken and answered 500.
    #[serde(rename = "500_after")]
    ErrorAfter,
    /// Sends are not taken, and the connection is closed without an answer.
    #[serde(rename = "dropped_request")]
    DroppedRequest,
    /// Sends are taken, and the connection is closed without an answer.
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
    /// Events are not posted at all; the log shows them as failed.
    #[serde(rename = "webhook_off")]
    WebhookOff,
    /// Payloads of statuses have the shape of Cloud API channels instead of Gupshup's.
    #[serde(rename = "cloud_payload")]
    CloudPayload,
}

impl Fault {
    const ALL: [Self; 13] = [
        Self::TooMany,
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
        Self::WebhookOff,
        Self::CloudPayload,
    ];

    fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(Value::from(name)).ok()
    }
}

/// The switches and their positions.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// Real milliseconds before a send is answered.
    pub(super) delay_ms: u64,
    left: BTreeMap<Fault, u64>,
    /// Codes with which the next accepted messages fail, one each; `0` lets one pass.
    fail: VecDeque<i64>,
}

impl Faults {
    /// Sets a switch to go off after `count` uses: 0 = off, `u64::MAX` = never.
    pub(super) fn set(&mut self, fault: Fault, count: u64) {
        match count {
            0 => self.left.remove(&fault),
            _ => self.left.insert(fault, count),
        };
    }

    /// Whether a fault happens now; uses it up.
    pub(super) fn take(&mut self, fault: Fault) -> bool {
        let Some(count) = self.left.get_mut(&fault) else { return false };
        if *count != u64::MAX {
            *count -= 1;
        }
        if *count == 0 {
            self.left.remove(&fault);
        }
        true
    }

    /// The code with which the message accepted now shall fail.
    pub(super) fn take_failure(&mut self) -> Option<i64> {
        self.fail.pop_front().filter(|code| *code != 0)
    }

    /// Makes the next accepted messages fail with these codes.
    pub(super) fn fail_with(&mut self, codes: impl IntoIterator<Item = i64>) {
        self.fail.extend(codes);
    }

    /// Sets switches from `{"<name>": true | false | count, "delay": ms, "fail": [code, …]}`: all of them or none.
    ///
    /// # Errors
    /// The first name or value that is wrong.
    pub(super) fn apply(&mut self, wanted: &Map<String, Value>) -> Result<(), String> {
        let mut next = self.clone();
        for (name, value) in wanted {
            next.apply_one(name, value).ok_or_else(|| {
                let names: Vec<String> = Fault::ALL.iter().filter_map(|fault| word(*fault)).collect();
                let names = names.join("`, `");
                format!("cannot set `{name}` to `{value}`: `delay` takes milliseconds, `fail` a list of codes, and `{names}` true, false or a count")
            })?;
        }
        *self = next;
        Ok(())
    }

    fn apply_one(&mut self, name: &str, value: &Value) -> Option<()> {
        match name {
            "delay" => self.delay_ms = value.as_u64().filter(|ms| *ms <= 60_000)?,
            "fail" => {
                let codes: Option<Vec<i64>> = value.as_array()?.iter().map(Value::as_i64).collect();
                self.fail = codes?.into();
            }
            _ => {
                let count = match value {
                    Value::Bool(on) => u64::from(*on) * u64::MAX,
                    other => other.as_u64()?,
                };
                self.set(Fault::parse(name)?, count);
            }
        }
        Some(())
    }

    /// The positions, in the form that [`Faults::apply`] reads.
    pub(super) fn show(&self) -> Value {
        let mut shown = json!({ "delay": self.delay_ms, "fail": self.fail });
        for fault in Fault::ALL {
            let left = self.left.get(&fault).copied().unwrap_or(0);
            let value = match left {
                u64::MAX => json!(true),
                0 => json!(false),
                count => json!(count),
            };
            if let Some(name) = word(fault) {
                shown[name] = value;
            }
        }
        shown
    }
}

fn word(fault: Fault) -> Option<String> {
    serde_json::to_value(fault).ok()?.as_str().map(str::to_owned)
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
        assert_eq!(faults.show()["duplicate"], true);
        apply(&mut faults, json!({"duplicate": false})).unwrap();
        assert!(!faults.take(Fault::Duplicate));
    }

    #[test]
    fn what_is_shown_can_be_set_again_and_a_wrong_name_sets_nothing() {
        let mut faults = Faults::default();
        let shown = faults.show();
        assert_eq!(shown.as_object().unwrap().len(), Fault::ALL.len() + 2);
        apply(&mut faults, shown).unwrap();
        for wrong in [json!({"bare": 1, "x": 1}), json!({"bare": -1}), json!({"fail": 3}), json!({"delay": 99_999})] {
            assert!(apply(&mut faults, wrong).is_err());
        }
        assert!(!faults.take(Fault::Bare));
    }
}
