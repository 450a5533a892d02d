//! One `POST /messages/send` from its bytes to its answer, faults included (reference §6.1).
//!
//! Pure. Invariant: a message is taken at most once per request, whatever the answer says.

use super::account::Account;
use super::faults::Fault;
use super::payload;
use super::request::{Refusal, read};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What goes back, and what a test may want to know.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    /// The connection is closed instead of answering.
    pub(super) dropped: bool,
    /// Id of the message that was taken.
    pub(super) accepted: Option<String>,
}

impl Account {
    /// Answers a send. `authorised`: the token is right.
    pub(super) fn send(&mut self, authorised: bool, raw: &[u8], query_fields: &str, now_ms: i64) -> Reply {
        if !authorised {
            return refused(Refusal::plain(401, "not authorized"));
        }
        if self.faults.take(Fault::TooMany) {
            return refused(Refusal::plain(429, "too many requests"));
        }
        if self.faults.take(Fault::ErrorBefore) {
            return refused(Refusal::plain(500, "internal error"));
        }
        if self.faults.take(Fault::DroppedRequest) {
            return Reply { dropped: true, ..refused(Refusal::plain(500, "dropped")) };
        }
        match self.take(raw, query_fields, now_ms) {
            Ok(reply) => self.spoil(reply),
            Err(refusal) => refused(refusal),
        }
    }

    fn take(&mut self, raw: &[u8], query_fields: &str, now_ms: i64) -> Result<Reply, Refusal> {
        let request = read(raw, query_fields)?;
        let (wants_contact, wants_conversation) = (request.wants_contact, request.wants_conversation);
        let body: Box<RawValue> =
            serde_json::from_slice(raw).map_err(|_| Refusal::field(400, "base", "invalid JSON"))?;
        let number = self.accept(request, body, now_ms)?;
        let as_list = wants_contact && self.faults.take(Fault::ContactList);
        let (message, person, _) = self.around(number).ok_or_else(|| Refusal::plain(500, "internal error"))?;
        let mut said = json!({ "uuid": message.uuid, "status": "enqueued" });
        if wants_contact {
            let contact = payload::answer_contact(person);
            said["contact"] = if as_list { json!([contact]) } else { contact };
        }
        if wants_conversation {
            said["conversation"] = payload::conversation(person);
        }
        let accepted = Some(message.uuid.clone());
        Ok(Reply { status: 200, body: json!({ "message": said }), dropped: false, accepted })
    }

    /// The message is taken; whether the caller learns it is another matter.
    fn spoil(&mut self, reply: Reply) -> Reply {
        if self.faults.take(Fault::ErrorAfter) {
            return Reply { status: 500, body: json!({ "error": "internal error" }), ..reply };
        }
        Reply { dropped: self.faults.take(Fault::DroppedAnswer), ..reply }
    }
}

fn refused(refusal: Refusal) -> Reply {
    Reply { status: refusal.status, body: refusal.body, dropped: false, accepted: None }
}
