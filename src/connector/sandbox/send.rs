//! One `POST /messages/send` from its bytes to its answer (reference §6.1).
//!
//! Pure. Invariant: a message is taken at most once per request, whatever the caller is told of it.

use super::account::Account;
use super::faults::Fault;
use super::payload;
use super::request::{Refusal, read};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A message that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) uuid: String,
    pub(super) body: Value,
}

impl Account {
    /// Answers a send.
    ///
    /// # Errors
    /// 400 with all faulty fields, 422 with all unknown references.
    pub(super) fn send(&mut self, raw: &[u8], query_fields: &str, now_ms: i64) -> Result<Taken, Refusal> {
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
        Ok(Taken { uuid: message.uuid.clone(), body: json!({ "message": said }) })
    }
}
