//! Own: what relance itself changed of a person in the account is no news when the account tells it, be it before the answer to
//! the call or long after it (`language.md` §4).
//!
//! Pure but for the reading. Invariant: only what a call of ours set, and as it set it, is left out; whatever else the account
//! tells at the same time still counts.

use crate::call::{Ask, Assign, ContactCall, StepCall};
use crate::connector::webhook::Incoming;
use crate::contact::Contact;
use crate::engine::inbound::{Told, facts_keys};
use crate::engine::unit::Unit;
use crate::store::Tx;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// How long after a call its change may be told.
const ECHO_MS: i64 = 10 * 60_000;

/// Calls of `update_contact` that are open or ended lately, by contact.
pub(in crate::engine) type Own = HashMap<String, Vec<StepCall>>;

/// Reads them for the people that the account tells of, where a workflow listens to that.
pub(in crate::engine) async fn load_own(tx: &mut Tx<'_>, unit: &mut Unit<'_>, told: &[&Told]) -> anyhow::Result<()> {
    if unit.deployed.contacts().next().is_none() {
        return Ok(());
    }
    let facts = told.iter().filter_map(|told| match &told.incoming {
        Incoming::Contact(event) => Some(&event.contact),
        _ => None,
    });
    let known = |facts| unit.contact_by(&facts_keys(facts)).map(|contact| contact.id.clone());
    let people: BTreeSet<String> = facts.filter_map(known).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    for call in tx.contact_calls(&people, unit.now_ms - ECHO_MS).await? {
        unit.calls.own.entry(call.contact.clone()).or_default().push(call);
    }
    Ok(())
}

impl Unit<'_> {
    /// Whether a call of ours may have made this person known in the account.
    pub(in crate::engine) fn was_called_for(&self, contact: &str) -> bool {
        self.calls.own.contains_key(contact)
    }

    /// What was known of a person, as if our own changes had been known as well.
    pub(in crate::engine) fn before_with_own(&self, before: &Contact, after: &Contact) -> Contact {
        let mut before = before.clone();
        for call in self.calls.own.get(&after.id).into_iter().flatten() {
            if let Ask::UpdateContact(call) = &call.ask {
                overlay(&mut before, after, call);
                let team = |name: &Option<String>| name.as_deref().and_then(|name| self.deployed.account.team(name));
                if call.team.is_some() && (call.team == after.team || team(&call.team) == team(&after.team)) {
                    before.team.clone_from(&after.team);
                }
            }
        }
        before
    }
}

/// Writes into `before` what is in `after` as the call set it.
fn overlay(before: &mut Contact, after: &Contact, call: &ContactCall) {
    if call.name.is_some() && call.name == after.name {
        before.name.clone_from(&after.name);
    }
    match &call.assign {
        Some(Assign::Nobody) if after.assigned_to.is_none() => before.assigned_to = None,
        Some(Assign::To(email)) if after.assigned_to.as_ref().is_some_and(|now| now.eq_ignore_ascii_case(email)) => {
            before.assigned_to.clone_from(&after.assigned_to);
        }
        _ => {}
    }
    for (name, text) in &call.fields {
        match after.custom.get(name) {
            Some(value) if shows(value, text) => drop(before.custom.insert(name.clone(), value.clone())),
            None if text.is_empty() => drop(before.custom.remove(name)),
            _ => {}
        }
    }
    overlay_tags(&mut before.tags, &after.tags, call);
}

fn overlay_tags(before: &mut Vec<String>, after: &[String], call: &ContactCall) {
    let has = |tags: &[String], tag: &str| tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase());
    let removed = |tag: &String| has(&call.remove_tags, tag) && !has(after, tag);
    let mut tags: Vec<String> = before.iter().filter(|tag| !removed(tag)).cloned().collect();
    tags.extend(after.iter().filter(|tag| has(&call.add_tags, tag) && !has(&tags, tag)).cloned().collect::<Vec<_>>());
    // The same tags in another order are the same.
    let same = tags.len() == after.len() && tags.iter().all(|tag| has(after, tag));
    *before = if same { after.to_vec() } else { tags };
}

/// Whether the account shows a field as it was set.
fn shows(value: &Value, text: &str) -> bool {
    let plain = |text: &str| text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    match value {
        Value::String(shown) => shown == text,
        Value::Array(_) if serde_json::from_str::<Value>(text).is_ok_and(|list| list == *value) => true,
        Value::Array(items) => plain(text) == items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        Value::Null => text.is_empty(),
        other => serde_json::from_str(text).is_ok_and(|written: Value| written == *other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_our_call_set_is_no_news() {
        let call = ContactCall {
            name: Some("Ana".into()),
            add_tags: vec!["vip".into()],
            remove_tags: vec!["new".into()],
            fields: vec![("Days".into(), "Monday, Friday".into()), ("City".into(), String::new())],
            assign: Some(Assign::To("lea@example.org".into())),
            ..ContactCall::default()
        };
        let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        let before = Contact {
            tags: tags(&["new", "old"]),
            custom: [("City".to_owned(), json!("Lyon"))].into(),
            ..Contact::default()
        };
        let after = Contact {
            name: Some("Ana".into()),
            tags: tags(&["Vip", "old"]),
            custom: [("Days".to_owned(), json!(["Monday", "Friday"]))].into(),
            assigned_to: Some("Lea@example.org".into()),
            ..Contact::default()
        };
        let with_own = |after: &Contact| {
            let mut before = before.clone();
            overlay(&mut before, after, &call);
            before
        };
        assert_eq!(with_own(&after), after, "told before its answer");
        let mut known = after.clone();
        overlay(&mut known, &after, &call);
        assert_eq!(known, after, "told after its answer");
        let more = Contact { tags: tags(&["Vip", "old", "paid"]), ..after.clone() };
        assert_eq!(with_own(&more).tags, tags(&["old", "Vip"]), "another tag is news");
        let renamed = Contact { name: Some("Anna".into()), ..after.clone() };
        assert_eq!(with_own(&renamed).name, None, "a name that somebody else wrote is news");
        let put_back = Contact { tags: tags(&["Vip", "old", "new"]), ..after };
        assert!(with_own(&put_back).tags.len() == 3, "what was there before is none");
    }
}
