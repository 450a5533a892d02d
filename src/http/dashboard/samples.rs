//! Samples: the events the page offers, each with a fresh value where a workflow looks for sameness. Pure.
//!
//! Without it the second press on the same button would start nothing, as `once_per` rightly wants.
//! Invariant: only the values at bare `once_per` paths differ from what was offered or posted before.

use crate::engine::deployed::Deployed;
use crate::trigger::TriggerKind;
use serde_json::{Number, Value};
use std::collections::BTreeSet;

/// Every event that a workflow listens to or that has a sample, in the order of names.
pub(super) fn events<'a>(deployed: &'a Deployed, sampled: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    let triggers = deployed.definitions.values().flat_map(|definition| &definition.workflow.triggers);
    let listened = triggers.filter_map(|trigger| match &trigger.kind {
        TriggerKind::Webhook { event, .. } => Some(event.clone()),
        _ => None,
    });
    listened.chain(sampled.cloned()).collect()
}

/// The text to offer after `posted`: the same with the next value at each path that tells one run from another.
pub(super) fn next(event: &str, posted: &str, deployed: &Deployed) -> String {
    let paths: BTreeSet<Vec<String>> = deployed
        .webhooks(event, "local")
        .filter_map(|(definition, _)| {
            let question = definition.workflow.settings.once_per.as_ref()?;
            bare_event_path(question.source())
        })
        .collect();
    paths.iter().fold(posted.to_owned(), |text, path| freshen(&text, path))
}

/// The fields of `event.order.id`; `None` for anything but such a path.
fn bare_event_path(question: &str) -> Option<Vec<String>> {
    let fields: Vec<String> = question.trim().strip_prefix("event.")?.split('.').map(str::to_owned).collect();
    let name = |field: &String| !field.is_empty() && field.chars().all(|c| c.is_alphanumeric() || c == '_');
    fields.iter().all(name).then_some(fields)
}

/// Replaces the value at a path by the next one. The text keeps its layout where the old value stands there once.
fn freshen(text: &str, path: &[String]) -> String {
    let Ok(mut data) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let found = path.iter().try_fold(&mut data, |value, field| value.get_mut(field));
    let Some((place, fresh)) =
        found.and_then(|place| Some((successor(place)?, place))).map(|(fresh, place)| (place, fresh))
    else {
        return text.to_owned();
    };
    let (old, new) = (place.to_string(), fresh.to_string());
    *place = fresh;
    if old.starts_with('"') && text.matches(old.as_str()).count() == 1 {
        return text.replace(&old, &new);
    }
    serde_json::to_string_pretty(&data).unwrap_or_else(|_| text.to_owned())
}

/// `C-2207` → `C-2208`, `42` → `43`, `abc` → `abc-2`; `None` for what is neither text nor a whole number.
fn successor(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) => Some(Value::Number(Number::from(number.as_i64()?.checked_add(1)?))),
        Value::String(text) => Some(Value::String(next_text(text))),
        _ => None,
    }
}

fn next_text(text: &str) -> String {
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (stem, number) = text.split_at(text.len() - digits);
    match number.parse::<u64>().ok().and_then(|number| number.checked_add(1)) {
        Some(next) => format!("{stem}{next:0digits$}"),
        None => format!("{text}-2"),
    }
}

#[cfg(test)]
mod tests {
    use super::{bare_event_path, freshen};

    fn fresh(text: &str, path: &str) -> String {
        freshen(text, &bare_event_path(path).unwrap())
    }

    #[test]
    fn only_a_bare_path_into_the_event_can_be_made_fresh() {
        assert_eq!(bare_event_path(" event.order.id ").unwrap(), ["order", "id"]);
        for other in ["contact.id", "event.a + event.b", "event.", "event", "string(event.id)", "event.a..b"] {
            assert_eq!(bare_event_path(other), None, "{other}");
        }
    }

    #[test]
    fn the_next_value_is_counted_up_and_the_text_keeps_its_layout() {
        assert_eq!(fresh("{ \"no\": \"C-2207\",\n \"x\": 1 }", "event.no"), "{ \"no\": \"C-2208\",\n \"x\": 1 }");
        assert_eq!(fresh(r#"{"no":"a09"}"#, "event.no"), r#"{"no":"a10"}"#);
        assert_eq!(fresh(r#"{"no":"abc"}"#, "event.no"), r#"{"no":"abc-2"}"#);
        assert_eq!(fresh(r#"{"o":{"id":41}}"#, "event.o.id"), "{\n  \"o\": {\n    \"id\": 42\n  }\n}");
        assert_eq!(fresh(r#"{"no":"7","x":"7"}"#, "event.no"), "{\n  \"no\": \"8\",\n  \"x\": \"7\"\n}");
        assert_eq!(fresh(&format!(r#"{{"no":"{}"}}"#, u64::MAX), "event.no"), format!(r#"{{"no":"{}-2"}}"#, u64::MAX));
    }

    #[test]
    fn what_cannot_be_counted_stays() {
        for text in ["not json", r#"{"no":true}"#, r#"{"no":1.5}"#, r#"{"other":"1"}"#, r#"{"no":9223372036854775807}"#]
        {
            assert_eq!(fresh(text, "event.no"), text);
        }
    }
}
