//! Person: whom an event is about, as far as the event says, and the contact that this comes to. Pure.
//!
//! Invariant: an identifier that another person has is not taken from them.

use super::evaluate::first_scope;
use super::unit::{Unit, keys_of, nothing};
use crate::config::ProjectSettings;
use crate::contact::{Consent, Contact, Phone};
use crate::expr::{Scope, Text};
use crate::language;
use crate::store::contacts::ContactKey;
use crate::workflow::{ContactMap, Workflow};
use serde_json::{Map, Value};

/// The person an event is about, as far as the event says.
#[derive(Debug, Clone, Default)]
pub(super) struct Person {
    /// Ours, when it is already known (the sender of a message).
    pub(super) id: Option<String>,
    pub(super) uuid: Option<String>,
    pub(super) phone: Option<Phone>,
    pub(super) bsuid: Option<String>,
    /// Name, language …: used for this run only.
    pub(super) given: Map<String, Value>,
    /// The event itself proves consent.
    pub(super) consents: bool,
}

/// Reads the `contact` map from an event.
pub(super) fn person(
    workflow: &Workflow,
    project: &ProjectSettings,
    event: &Value,
    now_ms: i64,
) -> Result<Person, &'static str> {
    let ContactMap { phone, bsuid, uuid, .. } = &workflow.contact;
    let empty = nothing();
    let scope = first_scope(workflow, project, event, &empty, now_ms);
    let read = |text: &Option<crate::expr::Text>| text.as_ref().and_then(|text| text.render_optional(&scope));
    let uuid = read(uuid);
    let written = read(phone);
    let region = project.phone_region.as_deref();
    let phone = written.as_deref().and_then(|written| Phone::parse(written, region).ok());
    let bsuid = read(bsuid);
    if uuid.is_none() && phone.is_none() && bsuid.is_none() {
        return Err(if written.is_some() { "bad_number" } else { "no_contact" });
    }
    Ok(Person {
        id: None,
        uuid,
        phone,
        bsuid,
        given: given(&workflow.contact, &scope),
        consents: consents(workflow, &scope),
    })
}

fn given(map: &ContactMap, scope: &Scope) -> Map<String, Value> {
    let read =
        |(name, text): (&'static str, &Text)| Some((name.to_owned(), Value::String(text.render_optional(scope)?)));
    map.details().filter_map(read).filter(|(name, value)| usable(name, value)).collect()
}

/// No such language code or zone = unknown.
pub(super) fn usable(name: &str, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    match name {
        "language" => language::is_known(text),
        "timezone" => jiff::tz::TimeZone::get(text).is_ok(),
        _ => true,
    }
}

fn consents(workflow: &Workflow, scope: &Scope) -> bool {
    let question = workflow.contact.consent.as_ref();
    question.is_some_and(|question| question.evaluate(scope) == Ok(Value::Bool(true)))
}

impl Person {
    /// `uuid` wins, then `phone`.
    pub(super) fn keys(&self) -> Vec<ContactKey> {
        let id = self.id.clone().map(ContactKey::Id);
        let uuid = self.uuid.clone().map(ContactKey::Uuid);
        let phone = self.phone.iter().flat_map(ContactKey::of_phone);
        let bsuid = self.bsuid.clone().map(ContactKey::Bsuid);
        id.into_iter().chain(uuid).chain(phone).chain(bsuid).collect()
    }

    /// The known contact, or a new one; what identifies the person is added where it was unknown.
    pub(super) fn contact(&self, unit: &Unit, proof: &str) -> Contact {
        let known = unit.contact_by(&self.keys()).cloned();
        let mut contact = known.unwrap_or_else(|| Contact { id: unit.clock.new_id(), ..Contact::default() });
        if contact.phone.is_none()
            && self.is_free(unit, self.phone.as_ref().map(|p| ContactKey::Phone(p.digits().into())))
        {
            contact.phone = self.phone.clone();
        }
        if contact.uuid.is_none() && self.is_free(unit, self.uuid.clone().map(ContactKey::Uuid)) {
            contact.uuid = self.uuid.clone();
        }
        if contact.bsuid.is_none() && self.is_free(unit, self.bsuid.clone().map(ContactKey::Bsuid)) {
            contact.bsuid = self.bsuid.clone();
        }
        if self.consents && contact.consent.is_none() {
            contact.consent = Some(Consent { proof: proof.to_owned(), at_ms: unit.now_ms });
        }
        unit.remind(&mut contact);
        contact
    }

    /// An identifier that another person has is not taken from them.
    fn is_free(&self, unit: &Unit, key: Option<ContactKey>) -> bool {
        key.is_none_or(|key| unit.contact_by(&[key]).is_none())
    }
}

/// The person behind a known contact.
pub(super) fn known_person(contact: &Contact) -> Person {
    debug_assert!(!keys_of(contact).is_empty());
    Person { id: Some(contact.id.clone()), ..Person::default() }
}
