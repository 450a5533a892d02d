//! What happened to a run and what it did, in order, as the parts of a test file. Pure.
//!
//! What happens comes from the events; what is expected from the deliveries, the calls and how the run stands. Invariant: the
//! entries stand in the order of time, and each message is expected before the next thing happens.

use super::times::{length, start};
use super::{Kept, NotRecorded, data_of, evaluations_of};
use crate::call::CallState;
use crate::contact::{Consent, Contact};
use crate::delivery::DeliveryState;
use crate::engine::deployed::opted_in;
use crate::event::{EvaluationResult, is_own_message};
use crate::message::Form;
use crate::run::{RunState, Sentence};
use crate::store::deliveries::DeliveryRow;
use crate::store::events::EventRow;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Between the platform's time of a message and ours, at most.
const LINE_MARGIN_MS: i64 = 60_000;
/// How the person is called in the file.
pub(super) const PERSON: &str = "person";
/// A schedule's instant is not the first one of a project that begins to serve.
const BEFORE_FIRING_MS: i64 = 60_000;
/// After such a pause, a look before the next message says that nothing came earlier.
const PAUSE_S: i64 = 180;
const LOOK_S: i64 = 60;
/// What a person did with a run or its messages.
const BY_HAND: [Sentence; 6] = [
    Sentence::LeftOutBy,
    Sentence::SentAgain,
    Sentence::SentAgainInDoubt,
    Sentence::TriedAgain,
    Sentence::Paused,
    Sentence::Resumed,
];

/// An entry of the timeline: when, and what happens or is expected.
type Moment = (i64, Entry);

enum Entry {
    Happens(Value),
    Expect(Value),
}

type Told<T> = Result<T, NotRecorded>;

impl Kept {
    /// The test file; people, texts and numbers as they are.
    pub(super) fn story(&self) -> Told<Value> {
        self.refuse_by_hand()?;
        let (began_ms, mut moments) = self.beginning()?;
        let until_ms = self.until_ms();
        moments.extend(self.meanwhile(until_ms)?);
        for row in &self.deliveries {
            moments.extend(self.message(row)?);
        }
        let (replies, calls) = self.calls()?;
        moments.extend(calls);
        let end_ms = moments.iter().map(|(at_ms, _)| *at_ms).fold(until_ms, i64::max);
        moments.push((end_ms, Entry::Expect(self.end())));
        moments.sort_by_key(|(at_ms, _)| *at_ms);
        let zone = &self.definition.workflow.settings.timezone;
        let mut test = Map::new();
        test.insert("name".into(), format!("recorded from run {}", self.run.id).into());
        test.insert("start".into(), start(began_ms, zone).into());
        if let Some(row) = self.row() {
            test.insert("given".into(), json!({ "audience": [row] }));
        }
        if !replies.is_empty() {
            test.insert("http".into(), replies.into());
        }
        test.insert("timeline".into(), timeline(self.origin_ms(), began_ms, moments).into());
        Ok(json!({ "workflow": self.run.workflow, "contacts": self.contacts(), "tests": [test] }))
    }

    fn refuse_by_hand(&self) -> Told<()> {
        let lines = &self.run.progress.trace;
        let by_hand =
            lines.iter().any(|entry| Sentence::read(&entry.what).is_some_and(|(one, _)| BY_HAND.contains(&one)));
        if by_hand
            || self.run.redrive_of.is_some()
            || self.run.reason == "cancelled"
            || self.run.state == RunState::Paused
        {
            let hint = "take a run that nobody paused, cancelled or had done again";
            return Err(NotRecorded::Refused("a person took a hand in the run, which no test can play", hint));
        }
        if self.run.reason == "restarted" {
            let hint = "take the run that began in its place";
            return Err(NotRecorded::Refused("the run was ended by a newer one about the same", hint));
        }
        let template = self.deliveries.iter().any(|row| row.delivery.form == Some(Form::Template));
        if template && agreed_elsewhere(self) {
            let hint = "take a run about somebody who agreed by the project's rule, `consent` of `relance.yaml`";
            return Err(NotRecorded::Refused("the person agreed elsewhere, which no test can say", hint));
        }
        if self.run.is_in_line() {
            return Err(NotRecorded::Refused("the run has not begun", "wait until the run before it has ended"));
        }
        Ok(())
    }

    /// When what started the run came, or fired.
    fn origin_ms(&self) -> i64 {
        self.firing.as_ref().map_or(self.event.received_at_ms, |firing| firing.scheduled_at_ms)
    }

    /// When it ended, or when it last did something.
    fn until_ms(&self) -> i64 {
        self.run.ended_at_ms.unwrap_or_else(|| self.run.since_ms())
    }

    /// When the test starts, and what starts the run. A schedule fires by itself.
    fn beginning(&self) -> Told<(i64, Vec<Moment>)> {
        let at_ms = self.event.received_at_ms;
        let whole_ms = at_ms - at_ms.rem_euclid(1000);
        Ok(match self.event.source.as_str() {
            _ if self.firing.is_some() => (self.origin_ms() - BEFORE_FIRING_MS, Vec::new()),
            "schedule" => {
                let hint = "take a newer run";
                return Err(NotRecorded::Refused("when its schedule fired is not kept any more", hint));
            }
            "callbell" => (whole_ms, vec![(at_ms, Entry::Happens(self.told(&self.event)?))]),
            _ => {
                let happens = json!({ "webhook": self.event.name, "with": data_of(&self.event) });
                (whole_ms, vec![(at_ms, Entry::Happens(happens))])
            }
        })
    }

    /// The row of the audience.
    fn row(&self) -> Option<Value> {
        let file = self.firing.as_ref()?.audience.as_ref()?;
        let Value::Object(mut row) = data_of(&self.event) else { return None };
        row.remove("scheduled_at");
        (!file.starts_with("tag:")).then_some(Value::Object(row))
    }

    /// Something that the account told, as a person did it.
    fn told(&self, event: &EventRow) -> Told<Value> {
        let data = data_of(event);
        match event.name.as_str() {
            "message_created" => {
                let mut message = Map::from_iter([("from".to_owned(), PERSON.into())]);
                let text = data["text"].as_str().unwrap_or_default();
                let file = data["attachments"][0].is_object();
                if !text.is_empty() || !file {
                    message.insert("text".into(), text.into());
                }
                if file {
                    message.insert("media".into(), "https://example.com/file".into());
                }
                Ok(json!({ "message": message }))
            }
            "message_status_updated" if data["status"].as_str().is_some_and(|is| PLAYED.contains(&is)) => {
                let mut status = json!({ "of": "last", "is": data["status"] });
                if let (Some(code), "failed") = (data["code"].as_i64(), data["status"].as_str().unwrap_or_default()) {
                    status["code"] = code.into();
                }
                Ok(json!({ "status": status }))
            }
            _ => {
                let given = given_tags(&data);
                let hint = "a test plays webhooks, messages, statuses, tags that are given, and schedules";
                let refused = NotRecorded::Refused("what started or ended the run cannot be played in a test", hint);
                if given.is_empty() {
                    Err(refused)
                } else {
                    Ok(json!({ "contact": { "of": PERSON, "tagged": given } }))
                }
            }
        }
    }

    /// What the person wrote until then, and what ended the run.
    fn meanwhile(&self, until_ms: i64) -> Told<Vec<Moment>> {
        let mut moments = Vec::new();
        for event in self.events.iter().filter(|event| event.id != self.event.id) {
            let at_ms = event.received_at_ms;
            let evaluations = evaluations_of(event);
            let of_run =
                |result| evaluations.iter().any(|one| one.result == result && one.run.as_ref() == Some(&self.run.id));
            let writes = is_written(event);
            let stops = of_run(EvaluationResult::Stopped);
            let within = (self.event.received_at_ms..=until_ms).contains(&at_ms) && writes;
            if !within && !stops && !of_run(EvaluationResult::Woke) {
                continue;
            }
            let another = evaluations.iter().any(|one| {
                one.result == EvaluationResult::Started
                    && one.workflow == self.run.workflow
                    && one.run.as_ref() != Some(&self.run.id)
            });
            if another {
                let hint = "take a run during which no other one of its workflow began";
                return Err(NotRecorded::Refused("the same event began another run of the workflow", hint));
            }
            let happens = match event.source.as_str() {
                "callbell" => self.told(event)?,
                _ => json!({ "webhook": event.name, "with": data_of(event) }),
            };
            moments.push((at_ms, Entry::Happens(happens)));
        }
        Ok(moments)
    }

    /// A message that left, as it left.
    fn message(&self, row: &DeliveryRow) -> Told<Option<Moment>> {
        let delivery = &row.delivery;
        match delivery.state {
            DeliveryState::Accepted => {}
            DeliveryState::Rejected | DeliveryState::Uncertain | DeliveryState::Sending => {
                let hint = "take a run whose messages were all taken by the account";
                return Err(NotRecorded::Refused(
                    "the account refused a message, or left open whether it was taken",
                    hint,
                ));
            }
            _ => return Ok(None),
        }
        let mut wanted = Map::new();
        let to = if delivery.contact == self.run.contact { PERSON.to_owned() } else { self.other(&delivery.contact) };
        wanted.insert("to".into(), to.into());
        let (message, form) = (&delivery.message, delivery.form);
        match (&message.template, &message.plain) {
            (Some(template), _) if form == Some(Form::Template) => {
                wanted.insert("template".into(), template.name.clone().into());
                wanted.insert("values".into(), template.values.clone().into());
            }
            (_, Some(plain)) => {
                wanted.extend(plain.text.clone().map(|text| ("text".to_owned(), text.into())));
                wanted.extend(plain.media.as_ref().map(|media| ("media".to_owned(), media.url.clone().into())));
            }
            _ => {}
        }
        let attempts = self.attempts.iter().filter(|attempt| attempt.delivery == delivery.id);
        let at_ms = attempts.map(|attempt| attempt.started_at_ms).max().unwrap_or(delivery.planned_at_ms);
        Ok(Some((at_ms, Entry::Expect(json!({ "message": wanted })))))
    }

    /// What other systems answer, and that they were called. Of an address only the host: what fills the rest may be a
    /// secret, or about a person.
    fn calls(&self) -> Told<(Vec<Value>, Vec<Moment>)> {
        let mut answers: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
        let mut moments = Vec::new();
        for call in &self.calls {
            let Some(http) = call.ask.http() else { continue };
            let (Some(ended_ms), Some(status), CallState::Done | CallState::Failed) =
                (call.ended_at_ms, call.http_status(), call.state)
            else {
                let hint = "take a run whose calls were all answered";
                return Err(NotRecorded::Refused("a call to another system was not answered", hint));
            };
            let scheme = http.url.split_once("://").map_or("https", |(scheme, _)| scheme);
            let statuses = answers.entry((http.method.clone(), format!("{scheme}://{}", http.host()))).or_default();
            // What it answered before it answered at last is not kept: something after which it is asked again.
            let before = call.attempts.max(1) - 1;
            statuses.extend(std::iter::repeat_n(Value::from(503), before as usize));
            statuses.push(status.into());
            let wanted = json!({ "http": { "method": http.method, "url": { "contains": http.host() } } });
            moments.extend((0..=before).map(|_| (ended_ms, Entry::Expect(wanted.clone()))));
        }
        let reply = |((method, address), reply): ((String, String), Vec<Value>)| json!({ "match": format!("{method} {address}*"), "reply": reply });
        Ok((answers.into_iter().map(reply).collect(), moments))
    }

    /// How the run stands in the end.
    fn end(&self) -> Value {
        let mut wanted = json!({ "run": self.run.state.as_str() });
        let told = matches!(self.run.state, RunState::Stopped | RunState::Skipped);
        if told && !self.run.reason.is_empty() {
            wanted["because"] = self.run.reason.clone().into();
        }
        wanted
    }

    /// The name in the file of somebody else who got a message.
    fn other(&self, id: &str) -> String {
        let mut others: Vec<&str> =
            self.people.keys().map(String::as_str).filter(|one| *one != self.run.contact).collect();
        others.sort_unstable();
        format!("colleague{}", others.iter().position(|one| *one == id).unwrap_or_default() + 1)
    }

    fn contacts(&self) -> Value {
        let mut contacts = Map::new();
        let mut person = details(&self.contact);
        if let Some(wrote_ms) = self.last_message_ms() {
            person["last_message"] = format!("{} ago", length(((self.origin_ms() - wrote_ms) / 1000).max(1))).into();
        }
        contacts.insert(PERSON.into(), person);
        for (id, other) in self.people.iter().filter(|(id, _)| **id != self.run.contact) {
            contacts.insert(self.other(id), details(other));
        }
        Value::Object(contacts)
    }

    /// When the person last wrote before what started the run.
    fn last_message_ms(&self) -> Option<i64> {
        let events = self.events.iter().filter(|event| event.id != self.event.id && is_written(event));
        // The line may know the message that started the run by an earlier instant, the platform's.
        let margin_ms = if self.event.name == "message_created" { LINE_MARGIN_MS } else { 0 };
        let lines = self.lines.iter().filter_map(|(_, line)| line.last_inbound_ms.map(|at_ms| at_ms + margin_ms));
        let all = events.map(|event| event.received_at_ms).chain(lines);
        all.filter(|at_ms| *at_ms < self.origin_ms()).max()
    }
}

/// Whether consent rests on a file or a program: an event gives it again when it is played, and so does the project's rule.
fn agreed_elsewhere(kept: &Kept) -> bool {
    let by_event = |consent: &Consent| consent.proof.starts_with("event ");
    let without = Contact { consent: kept.contact.consent.clone().filter(by_event), ..kept.contact.clone() };
    kept.contact.consent.is_some() && !opted_in(&without, &kept.definition.settings.consent)
}

/// Whether the person wrote it.
fn is_written(event: &EventRow) -> bool {
    event.source == "callbell" && event.name == "message_created" && !is_own_message(&event.source, &data_of(event))
}

/// Statuses that a test plays.
const PLAYED: [&str; 3] = ["delivered", "read", "failed"];

fn given_tags(data: &Value) -> Vec<Value> {
    let tags = |side: &str| data[side]["tags"].as_array().cloned().unwrap_or_default();
    let before = tags("before");
    tags("after").into_iter().filter(|tag| !before.contains(tag)).collect()
}

fn details(contact: &Contact) -> Value {
    let mut shown = Map::new();
    let phone = contact.phone.as_ref().map(crate::contact::Phone::e164);
    let texts = [
        ("phone", &phone),
        ("name", &contact.name),
        ("first_name", &contact.first_name),
        ("email", &contact.email),
        ("language", &contact.language),
        ("timezone", &contact.timezone),
    ];
    for (key, text) in texts {
        shown.extend(text.clone().map(|text| (key.to_owned(), text.into())));
    }
    if !contact.tags.is_empty() {
        shown.insert("tags".into(), contact.tags.clone().into());
    }
    if !contact.custom.is_empty() {
        shown.insert("fields".into(), json!(contact.custom));
    }
    Value::Object(shown)
}

/// The entries, with what is expected at one instant together. `origin_ms` is when the first thing happened, which the
/// test has at a whole second.
fn timeline(origin_ms: i64, began_ms: i64, moments: Vec<Moment>) -> Vec<Value> {
    let head_s = (origin_ms - began_ms) / 1000;
    let seconds = |at_ms: i64| head_s + (at_ms - origin_ms).max(0).unsigned_abs().div_ceil(1000).cast_signed();
    let mut entries: Vec<Value> = Vec::new();
    let (mut last, mut together) = (0, false);
    for (at_ms, entry) in moments {
        let at = seconds(at_ms).max(last);
        match entry {
            Entry::Happens(Value::Object(mut what)) => {
                what.insert("at".into(), length(at).into());
                entries.push(Value::Object(what));
                together = false;
            }
            Entry::Happens(_) => {}
            Entry::Expect(wanted) if together && at == last => {
                if let Some(Value::Array(all)) = entries.last_mut().map(|entry| &mut entry["expect"]) {
                    all.push(wanted);
                }
            }
            Entry::Expect(wanted) => {
                if at - last > PAUSE_S && wanted["message"].is_object() {
                    entries.push(json!({ "at": length(at - LOOK_S), "expect": "nothing" }));
                }
                entries.push(json!({ "at": length(at), "expect": [wanted] }));
                together = true;
            }
        }
        last = at;
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_stands_before_what_happens_next_and_a_long_pause_is_looked_into() {
        let happens = |what: &str| Entry::Happens(json!({ "webhook": what }));
        let message = |text: &str| Entry::Expect(json!({ "message": { "text": text } }));
        let origin_ms = 1_772_449_200_400;
        let moments = vec![
            (origin_ms, happens("a")),
            (origin_ms + 700, message("1")),
            (origin_ms + 900, message("2")),
            (origin_ms + 950, happens("b")),
            (origin_ms + 3_600_020, message("3")),
            (origin_ms + 3_600_030, Entry::Expect(json!({ "run": "done" }))),
        ];
        let expected = json!([
            { "at": "0s", "webhook": "a" },
            { "at": "1s", "expect": [{ "message": { "text": "1" } }, { "message": { "text": "2" } }] },
            { "at": "1s", "webhook": "b" },
            { "at": "59m1s", "expect": "nothing" },
            { "at": "1h1s", "expect": [{ "message": { "text": "3" } }, { "run": "done" }] },
        ]);
        assert_eq!(Value::from(timeline(origin_ms, origin_ms - 400, moments)), expected);
    }
}
