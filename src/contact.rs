//! Contact: a person, as webhooks and events last told; and the phone number that identifies one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Our id of a person.
pub type ContactId = String;

/// What is known of a person. Unknown parts are `None` or empty, never guessed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    pub id: ContactId,
    /// Callbell's id.
    pub uuid: Option<String>,
    pub phone: Option<Phone>,
    /// WhatsApp id of a person who hides the number.
    pub bsuid: Option<String>,
    pub name: Option<String>,
    pub first_name: Option<String>,
    pub email: Option<String>,
    /// `es`, `es-MX`.
    pub language: Option<String>,
    /// IANA name.
    pub timezone: Option<String>,
    pub tags: Vec<String>,
    /// The account's custom fields, by their names there.
    pub custom: BTreeMap<String, Value>,
    pub assigned_to: Option<String>,
    pub team: Option<String>,
    pub blocked: bool,
    /// Whether the account ever told of this person (else tags and fields are unknown, not absent).
    pub told: bool,
    /// Proof that the person agreed to receive messages: which event, file or rule said so; `None` = none on record.
    pub consent: Option<Consent>,
}

/// One positive entry of the consent record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// `event <id>`, `audience <file>` …: what proves it.
    pub proof: String,
    pub at_ms: i64,
}

impl Contact {
    /// What is written to `first_name`, else the first word of the name.
    pub fn first_name(&self) -> Option<&str> {
        let said = self.first_name.as_deref().filter(|name| !name.trim().is_empty());
        said.or_else(|| self.name.as_deref().and_then(|name| name.split_whitespace().next()))
    }

    /// What `contact` is in questions and texts. `opted_in` and `window_open` are added by who knows them.
    pub fn to_value(&self) -> Map<String, Value> {
        let text = |value: Option<&str>| value.map_or(Value::Null, |text| Value::String(text.to_owned()));
        let mut fields = Map::new();
        fields.insert("id".into(), Value::String(self.id.clone()));
        fields.insert("uuid".into(), text(self.uuid.as_deref()));
        fields.insert("phone".into(), self.phone.as_ref().map_or(Value::Null, |phone| phone.e164().into()));
        fields.insert("name".into(), text(self.name.as_deref()));
        fields.insert("first_name".into(), text(self.first_name()));
        fields.insert("email".into(), text(self.email.as_deref()));
        fields.insert("language".into(), text(self.language.as_deref()));
        fields.insert("timezone".into(), text(self.timezone.as_deref()));
        fields.insert("tags".into(), self.tags.clone().into());
        fields.insert("custom".into(), Value::Object(self.custom.clone().into_iter().collect()));
        fields.insert("assigned_to".into(), text(self.assigned_to.as_deref()));
        fields.insert("team".into(), text(self.team.as_deref()));
        fields
    }
}

/// A phone number in international form: 7 to 15 digits, no `+`. Printed masked, so that it never reaches a log.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phone(String);

/// Why a number could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneError {
    /// Not a number that exists in any country.
    Invalid,
    /// A national number, and the project has no `phone_region`.
    National,
}

impl Phone {
    /// Reads an international number (`+33…`, `0033…`), or a national one of `region` (`ES`).
    ///
    /// # Errors
    /// [`PhoneError::National`] without a region for a national number; [`PhoneError::Invalid`] otherwise.
    pub fn parse(written: &str, region: Option<&str>) -> Result<Self, PhoneError> {
        let trimmed = written.trim();
        let international = match trimmed.strip_prefix("00") {
            Some(rest) => format!("+{rest}"),
            None => trimmed.to_owned(),
        };
        if !international.starts_with('+') && region.is_none() {
            return Err(PhoneError::National);
        }
        let region = if international.starts_with('+') { None } else { region };
        parse_number(&international, region).map(Self)
    }

    /// Reads digits as the vendor writes them: international, with or without `+` and spaces.
    ///
    /// # Errors
    /// [`PhoneError::Invalid`] unless there are 7 to 15 digits and nothing but separators beside them.
    pub fn from_vendor(written: &str) -> Result<Self, PhoneError> {
        let digits: String = written.chars().filter(char::is_ascii_digit).collect();
        let clean = written.chars().all(|c| c.is_ascii_digit() || " +-.()\u{a0}".contains(c));
        match (7..=15).contains(&digits.len()) && clean {
            true => Ok(Self(digits)),
            false => Err(PhoneError::Invalid),
        }
    }

    /// `+33600000001`.
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }

    /// `33600000001`.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// `+336…01`: enough to recognise one's own number, not enough to call it.
    pub fn masked(&self) -> String {
        let end = &self.0[self.0.len() - 2..];
        format!("+{}…{end}", &self.0[..3])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

fn parse_number(written: &str, region: Option<&str>) -> Result<String, PhoneError> {
    let _ = (written, region);
    unimplemented!("filled in with the phone library")
}
