//! Person: the calls of an `update_contact`, one part at a time: values that are set, a note, the end of the conversation.
//!
//! Values are set over what the account says at that moment, so that setting them twice changes nothing, and who is not known
//! there is made known first. Invariant: after a note may have been taken, nothing is said but that nobody can tell.

use super::webhook::ContactFacts;
use super::{Callbell, Refused, Reply, Unreached, wire};
use crate::call::{Assign, ContactCall, Outcome, Part};
use crate::contact::Phone;
use crate::message::Bot;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long all calls of one part may take.
const MOST: Duration = Duration::from_secs(15);
/// Silence after a refusal for haste that names none.
const SILENCE_MS: i64 = 1_000;

/// Who is changed, as far as is known.
#[derive(Debug, Clone, Default)]
pub struct Whom {
    pub uuid: Option<String>,
    pub phone: Option<Phone>,
    pub bsuid: Option<String>,
    /// Of the line they write to; `None` = the main one.
    pub channel_uuid: Option<String>,
    /// Of the team that is meant, when it is known.
    pub team_uuid: Option<String>,
}

/// What came of a part.
#[derive(Debug, Clone)]
pub struct Said {
    pub outcome: Outcome,
    /// What the account tells of the person now.
    pub facts: Option<Box<ContactFacts>>,
    /// It refused whoever asks: the status, and for how long it wants silence.
    pub refuses: Option<(u16, Option<i64>)>,
}

impl Callbell {
    /// Makes the calls of one part, never again by itself.
    pub async fn change_person(&self, call: &ContactCall, part: Part, whom: &Whom) -> Said {
        let timed = tokio::time::timeout(MOST, self.change_part(call, part, whom)).await;
        match timed {
            Ok(Ok(contact)) => {
                let facts = ContactFacts::read(&contact);
                let facts = facts.identifies().then(|| Box::new(facts));
                Said { outcome: Outcome::Done(json!({"outcome": "done"})), facts, refuses: None }
            }
            Ok(Err(no)) => no.said(),
            Err(_) => {
                let lost = No::Lost("no whole answer within 15 s".into());
                // The note itself may have been on its way.
                if part == Part::Note { lost.of_a_note().said() } else { lost.said() }
            }
        }
    }

    /// The contact as the account shows it after that; null after a note.
    async fn change_part(&self, call: &ContactCall, part: Part, whom: &Whom) -> Result<Value, No> {
        if part == Part::Set {
            return self.set(call, whom).await;
        }
        let uuid = match &whom.uuid {
            Some(uuid) => uuid.clone(),
            None => uuid_of(&self.found_or_made(call, whom).await?)?,
        };
        match part {
            Part::Note => {
                let body = json!({ "text": call.note });
                let noted = self.asked(Method::POST, &["contacts", &uuid, "conversation", "note"], Some(&body)).await;
                noted.map(|_| Value::Null).map_err(No::of_a_note)
            }
            Part::Close | Part::Set => {
                let said = self.asked(Method::POST, &["contacts", &uuid, "conversation", "close"], None).await?;
                Ok(only(&said["contact"]))
            }
        }
    }

    async fn set(&self, call: &ContactCall, whom: &Whom) -> Result<Value, No> {
        let team = match (&call.team, &whom.team_uuid) {
            (None, _) => None,
            (Some(_), Some(uuid)) => Some(uuid.clone()),
            (Some(name), None) => Some(self.team_of(name).await?),
        };
        let Some(contact) = self.find(whom).await? else {
            return self.make(call, whom, &changes(&Value::Null, call, team.as_deref())).await;
        };
        let changes = changes(&contact, call, team.as_deref());
        if changes.is_empty() {
            return Ok(contact);
        }
        let uuid = uuid_of(&contact)?;
        let said = self.asked(Method::PATCH, &["contacts", &uuid], Some(&changes.into())).await?;
        Ok(only(&said["contact"]))
    }

    /// The team of this name, which the account was not known to have.
    async fn team_of(&self, name: &str) -> Result<String, No> {
        let teams = self.teams().await.map_err(No::of)?;
        let plain = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
        let found = teams.into_iter().find(|team| team.uuid == name || plain(&team.name) == plain(name));
        found.map(|team| team.uuid).ok_or_else(|| No::Failed(format!("R405: the account has no team `{name}`")))
    }

    async fn found_or_made(&self, call: &ContactCall, whom: &Whom) -> Result<Value, No> {
        match self.find(whom).await? {
            Some(contact) => Ok(contact),
            None => self.make(call, whom, &Map::new()).await,
        }
    }

    /// The contact as the account shows it now. One that was deleted there is looked for by number.
    async fn find(&self, whom: &Whom) -> Result<Option<Value>, No> {
        let phone = whom.phone.as_ref().map(Phone::e164);
        let ways = [
            whom.uuid.as_deref().map(|uuid| vec!["contacts", uuid]),
            phone.as_deref().map(|phone| vec!["contacts", "phone", phone]),
            whom.bsuid.as_deref().map(|bsuid| vec!["contacts", "bsuid", bsuid]),
        ];
        for way in ways.into_iter().flatten() {
            let mut query = vec![("include_field_types", "true")];
            let line = whom.channel_uuid.as_deref().filter(|_| way.contains(&"phone"));
            query.extend(line.map(|uuid| ("channel_uuid", uuid)));
            let reply = self.ask(Method::GET, &way, &query, None).await.map_err(No::of)?;
            if reply.status != 404 {
                let contact = only(&read(&reply)?["contact"]);
                return Ok(Some(contact).filter(|contact| !contact.is_null()));
            }
        }
        Ok(None)
    }

    async fn make(&self, call: &ContactCall, whom: &Whom, changes: &Map<String, Value>) -> Result<Value, No> {
        let nobody =
            || No::Failed("the account does not know this person, and a contact is made by number only".into());
        let phone = whom.phone.as_ref().ok_or_else(nobody)?.e164();
        let mut body = changes.clone();
        body.remove("unassign_user");
        let name = call.name.as_ref().or(call.called.as_ref()).unwrap_or(&phone).clone();
        body.insert("name".into(), name.into());
        body.insert("source".into(), "whatsapp".into());
        if let Some(uuid) = &whom.channel_uuid {
            body.insert("channel_uuid".into(), uuid.as_str().into());
        }
        body.insert("identifier".into(), phone.into());
        let said = self.asked(Method::POST, &["contacts"], Some(&body.into())).await?;
        Ok(only(&said["contact"]))
    }

    async fn asked(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<Value, No> {
        read(&self.ask(method, path, &[], body).await.map_err(No::of)?)
    }
}

/// Why a part is not done.
#[derive(Debug)]
enum No {
    Failed(String),
    /// Whoever asks is refused for now.
    Refuses {
        reason: String,
        status: u16,
        wait_ms: Option<i64>,
    },
    /// It was surely not taken, and may be later.
    Passing(String),
    /// Nobody can tell whether it was taken.
    Lost(String),
    /// As `Lost`, of what may not be done twice.
    Doubt(String),
}

impl No {
    fn of(error: anyhow::Error) -> Self {
        let words = format!("{error:#}");
        match (error.downcast_ref::<Refused>(), error.is::<Unreached>()) {
            (Some(refused), _) => Self::refused(refused.status, None, words),
            (None, true) => Self::Passing(words),
            (None, false) => Self::Lost(words),
        }
    }

    fn refused(status: u16, wait_ms: Option<i64>, reason: String) -> Self {
        match status {
            401 | 403 => Self::Refuses { reason, status, wait_ms: None },
            425 | 429 => Self::Refuses { reason, status, wait_ms: Some(wait_ms.unwrap_or(SILENCE_MS)) },
            408 | 500.. => Self::Lost(reason),
            _ => Self::Failed(reason),
        }
    }

    fn of_a_note(self) -> Self {
        match self {
            Self::Lost(reason) => Self::Doubt(reason),
            other => other,
        }
    }

    fn said(self) -> Said {
        let passing = |reason, wait_ms, counted| Outcome::Passing { reason, left: Value::Null, wait_ms, counted };
        let mut refuses = None;
        let outcome = match self {
            Self::Failed(reason) => Outcome::Failed { reason, left: Value::Null },
            Self::Refuses { reason, status, wait_ms } => {
                refuses = Some((status, wait_ms));
                passing(reason, wait_ms, false)
            }
            Self::Passing(reason) | Self::Lost(reason) => passing(reason, None, true),
            Self::Doubt(reason) => Outcome::Doubt { reason },
        };
        Said { outcome, facts: None, refuses }
    }
}

fn read(reply: &Reply) -> Result<Value, No> {
    if reply.is_success() {
        // What cannot be read was done all the same.
        return Ok(reply.json().unwrap_or(Value::Null));
    }
    let reason = reply.json().err().map(|error| format!("{error:#}")).unwrap_or_default();
    let wait_ms = wire::wait_ms(reply.retry_after.as_deref(), reply.date.as_deref());
    Err(No::refused(reply.status, wait_ms, reason))
}

/// The object itself, or the only one of a list.
fn only(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.first().cloned().unwrap_or_default(),
        one => one.clone(),
    }
}

fn uuid_of(contact: &Value) -> Result<String, No> {
    let uuid = contact["uuid"].as_str().filter(|uuid| !uuid.is_empty());
    uuid.map(str::to_owned).ok_or_else(|| No::Lost("the account did not say who the contact is".into()))
}

/// What has to be said so that the contact is as the step wants: nothing that is so already. `contact`: as the account shows
/// it, null for one that is made.
fn changes(contact: &Value, call: &ContactCall, team: Option<&str>) -> Map<String, Value> {
    let mut changes = Map::new();
    let mut put = |key: &str, value: Value| drop(changes.insert(key.to_owned(), value));
    if let Some(name) = call.name.as_ref().filter(|name| contact["name"] != name.as_str()) {
        put("name", name.as_str().into());
    }
    if let Some(tags) = tags(contact, call) {
        put("tags", tags.into());
    }
    let fields: Map<String, Value> = call.fields.iter().map(|(name, text)| field(contact, name, text)).collect();
    if !fields.is_empty() {
        put("custom_fields", fields.into());
    }
    let assigned = contact["assignedUser"].as_str().or_else(|| contact["assignedUser"]["email"].as_str());
    let assigned = assigned.filter(|email| !email.is_empty());
    match &call.assign {
        Some(Assign::Nobody) if assigned.is_some() => put("unassign_user", true.into()),
        Some(Assign::To(email)) if assigned.is_none_or(|now| !now.eq_ignore_ascii_case(email)) => {
            put("assigned_user", email.as_str().into());
        }
        _ => {}
    }
    if let Some(uuid) = team.filter(|uuid| contact["team"]["uuid"] != **uuid) {
        put("team_uuid", uuid.into());
    }
    if let Some(bot) = call.bot {
        put("bot_status", if bot == Bot::Start { "bot_start" } else { "bot_end" }.into());
    }
    changes
}

/// The whole list, which replaces the one that is there; `None` = it is as it should be.
fn tags(contact: &Value, call: &ContactCall) -> Option<Vec<String>> {
    let now = ContactFacts::read(contact).tags.unwrap_or_default();
    let has = |tags: &[String], tag: &str| tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase());
    let mut tags: Vec<String> = now.iter().filter(|tag| !has(&call.remove_tags, tag)).cloned().collect();
    for tag in &call.add_tags {
        if !has(&tags, tag) {
            tags.push(tag.clone());
        }
    }
    (tags != now).then_some(tags)
}

/// A field as its type wants it: checkboxes take a list, written as one, or with commas where the account tells the type. An
/// empty text empties it.
fn field(contact: &Value, name: &str, text: &str) -> (String, Value) {
    let list = || text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect::<Vec<_>>();
    let value = match contact["customFieldsMetadata"][name]["type"].as_str() {
        _ if text.is_empty() => Value::Null,
        _ if text.starts_with('[')
            && let Ok(items) = serde_json::from_str::<Vec<String>>(text) =>
        {
            json!(items)
        }
        Some("checkbox") => json!(list()),
        _ => text.into(),
    };
    (name.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_said() {
        let contact = json!({"uuid": "u", "name": "Ana", "tags": ["VIP", "old"], "assignedUser": "lea@example.org",
            "team": {"uuid": "t1"}, "customFieldsMetadata": {"Days": {"type": "checkbox"}}});
        let call = ContactCall {
            name: Some("Ana".into()),
            add_tags: vec!["vip".into(), "new".into()],
            remove_tags: vec!["OLD".into()],
            fields: vec![("Days".into(), "Monday, Friday".into()), ("City".into(), String::new())],
            assign: Some(Assign::To("LEA@example.org".into())),
            bot: Some(Bot::Stop),
            ..ContactCall::default()
        };
        let said = Value::from(changes(&contact, &call, Some("t2")));
        let expected = json!({"tags": ["VIP", "new"], "custom_fields": {"Days": ["Monday", "Friday"], "City": null},
            "team_uuid": "t2", "bot_status": "bot_end"});
        assert_eq!(said, expected);
        let same = ContactCall { add_tags: vec!["old".into()], assign: Some(Assign::Nobody), ..ContactCall::default() };
        assert_eq!(Value::from(changes(&contact, &same, Some("t1"))), json!({"unassign_user": true}));
        let nobody = json!({"assignedUser": "", "team": {}});
        assert!(changes(&nobody, &ContactCall { add_tags: Vec::new(), ..same }, None).is_empty());
    }

    #[test]
    fn a_note_that_may_have_been_taken_is_in_doubt_and_everything_else_is_asked_again() {
        let word = |no: No| match no.said().outcome {
            Outcome::Failed { .. } => "failed",
            Outcome::Passing { counted: true, .. } => "again",
            Outcome::Passing { .. } => "later",
            Outcome::Doubt { .. } => "doubt",
            _ => "?",
        };
        let refused = |status| No::refused(status, None, "x".into());
        for (status, value, note) in [
            (400, "failed", "failed"),
            (404, "failed", "failed"),
            (422, "failed", "failed"),
            (401, "later", "later"),
            (429, "later", "later"),
            (408, "again", "doubt"),
            (503, "again", "doubt"),
        ] {
            assert_eq!(word(refused(status)), value, "{status}");
            assert_eq!(word(refused(status).of_a_note()), note, "{status}");
        }
        assert_eq!(word(No::of(anyhow::anyhow!("reset")).of_a_note()), "doubt");
        assert_eq!(word(No::of(Unreached("refused".into()).into()).of_a_note()), "again");
        assert_eq!(word(No::of(anyhow::anyhow!("reset"))), "again", "it was not asked for yet");
    }
}
