//! `contact` and what is known of events: who a run is about, and which fields its `event` has.

use super::expression::{Expected, Holes};
use super::fields::{Fields, Shape};
use super::languages::refuse_language;
use super::lowering::Lowering;
use super::phone::check_phone;
use super::seen::Events;
use crate::expr::{Scope, Text};
use crate::language;
use crate::trigger::TriggerKind;
use crate::workflow::yaml::Kind;
use crate::workflow::{Audience, ContactMap};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;

const CONTACT: Shape = Shape {
    what: "`contact`",
    keys: &["phone", "bsuid", "uuid", "name", "first_name", "email", "language", "timezone", "consent"],
    later: &[],
    elsewhere: &[
        ("last_name", "write the whole name: `name: \"{{event.first_name}} {{event.last_name}}\"`"),
        ("tags", "tags come from the account"),
        ("custom", "custom fields come from the account"),
        ("id", "write `phone`, `bsuid` or `uuid`"),
    ],
};
/// What identifies a person.
const IDENTITIES: [&str; 3] = ["phone", "bsuid", "uuid"];
/// An instant for examples, so that the same files always give the same answers.
const EXAMPLE_MS: i64 = 1_772_442_000_000;

/// The list that says how its people are known; those of a tag need none.
fn file_of(audience: Option<&Audience>) -> Option<&str> {
    audience.and_then(|audience| match audience {
        Audience::File(path) => Some(path.as_str()),
        Audience::Tag(_) => None,
    })
}

impl<'a> Lowering<'a> {
    /// After `when`: the shapes of the events of all triggers together.
    pub(super) fn know_events(&mut self, audience: Option<&Audience>) {
        let audience = file_of(audience);
        if self.triggers.unknown {
            self.seen.events = Events::Silent;
            return;
        }
        let (webhooks, samples) = (self.triggers.webhooks.clone(), self.world.samples);
        let mut known: Vec<(String, Cow<'a, Value>)> = Vec::new();
        let mut lacks = None;
        for event in &webhooks {
            match self.sample_of(event) {
                Some(sample) => known.push(sample),
                // What is to be mended first was told.
                None if samples.unreadable.contains(event) || samples.near(event).is_some() => {
                    self.seen.events = Events::Silent;
                    return;
                }
                None => lacks = lacks.or(Some(format!("`workflows/samples/{event}.json`"))),
            }
        }
        if self.triggers.messages > 0 {
            known.push(("a message".into(), Cow::Borrowed(&self.world.samples.message)));
        }
        known.extend(self.triggers.told.iter().map(|(name, sample)| (name.clone(), Cow::Owned(sample.clone()))));
        if self.triggers.schedules > 0 {
            match self.world.samples.schedule_event(audience) {
                Some(event) => {
                    let name =
                        audience.map_or("a schedule's event".to_owned(), |file| format!("the columns of `{file}`"));
                    known.push((name, Cow::Owned(event)));
                }
                None => lacks = lacks.or(audience.map(|file| format!("`workflows/{file}`"))),
            }
        }
        self.seen.events = lacks.map_or(Events::Known(known), Events::NoSample);
    }

    /// While a trigger's own `if` is read: the shape of its event alone.
    pub(super) fn know_event_of(&mut self, kind: Option<&TriggerKind>) {
        self.seen.events = match kind {
            Some(TriggerKind::Webhook { event, .. }) => match self.sample_of(event) {
                Some(sample) => Events::Known(vec![sample]),
                None => Events::Silent,
            },
            Some(TriggerKind::Message { .. }) => {
                Events::Known(vec![("a message".into(), Cow::Borrowed(&self.world.samples.message))])
            }
            Some(TriggerKind::MessageStatus { .. } | TriggerKind::Contact { .. }) => {
                let (name, sample) = self.triggers.told.last().cloned().unwrap_or_default();
                Events::Known(vec![(name, Cow::Owned(sample))])
            }
            // Its audience is read later.
            Some(TriggerKind::Schedule { .. }) | None => Events::Silent,
        };
    }

    pub(super) fn sample_of(&self, event: &str) -> Option<(String, Cow<'a, Value>)> {
        let sample = self.world.samples.events.get(event)?;
        Some((format!("the sample `{event}`"), Cow::Borrowed(sample)))
    }

    /// The `contact` map; says so when nothing tells who the run is about.
    pub(super) fn contact(&mut self, fields: &Fields<'a>, audience: Option<&Audience>) -> ContactMap {
        let by_tag = matches!(audience, Some(Audience::Tag(_)));
        let audience = file_of(audience);
        let columns = audience.and_then(|file| self.world.samples.audiences.get(file));
        let mut filled: BTreeSet<String> = columns.into_iter().flatten().map(|name| name.to_lowercase()).collect();
        let mut map = ContactMap::default();
        let entry = fields.get("contact");
        let inner = entry.and_then(|entry| Fields::open(&mut self.report, &entry.value, Some(entry), &CONTACT));
        if let Some(inner) = &inner {
            filled.extend(inner.entries.iter().map(|entry| entry.key.clone()));
            self.read_contact(inner, &mut map);
            self.known_by_tag(inner, by_tag);
            self.somebody_in_each(inner, &map);
            self.filled_by_all(&map, &mut filled);
        }
        let identified = IDENTITIES.iter().any(|name| filled.contains(*name));
        let hidden = audience.is_some() && columns.is_none();
        let told = fields.meant.contains(&"contact") || self.triggers.unknown;
        match (entry, &self.triggers.needs_contact) {
            _ if identified || hidden || told => {}
            (None, Some(trigger)) => {
                let hint = match audience {
                    Some(file) => format!(
                        "`{file}` has no column `phone`: write `contact: {{ phone: \"{{{{event.<column>}}}}\" }}`"
                    ),
                    None => match self.seen.events.phone() {
                        Some(field) => {
                            format!("write who it is about: `contact: {{ phone: \"{{{{event.{field}}}}}\" }}`")
                        }
                        None => "write who it is about: `contact: { phone: \"{{event.phone}}\" }`, \
                 with the field of your event that holds the number"
                            .to_owned(),
                    },
                };
                let trigger = trigger.clone();
                self.report.error("R202", &trigger, "nothing tells who the run is about: `contact` is missing", hint);
            }
            (Some(entry), Some(_)) if inner.as_ref().is_some_and(|inner| !inner.refused) => {
                let hint = "write at least one of `phone`, `bsuid` and `uuid`";
                self.report.error("R202", &entry.key_span, "`contact` does not identify anybody", hint);
            }
            _ => {}
        }
        let unknown = hidden || told || (self.triggers.needs_contact.is_some() && !identified);
        self.seen.filled = (!unknown).then_some(filled);
        self.example = Some(self.example_contact(&map));
        map
    }

    /// Whoever has the tag is a person of the account: nothing else says who it is.
    fn known_by_tag(&mut self, inner: &Fields<'a>, by_tag: bool) {
        let identity = IDENTITIES.iter().find_map(|key| inner.get(key)).filter(|_| by_tag);
        if let Some(entry) = identity {
            let message = format!("`{}` is not allowed with `audience: {{ tag: … }}`", entry.key);
            self.report.error("R204", &entry.key_span, message, "remove it: the account knows the people of a tag");
        }
    }

    fn read_contact(&mut self, inner: &Fields<'a>, map: &mut ContactMap) {
        map.phone = self.contact_text(inner, "phone");
        map.bsuid = self.contact_text(inner, "bsuid");
        map.uuid = self.contact_text(inner, "uuid");
        map.name = self.contact_text(inner, "name");
        map.first_name = self.contact_text(inner, "first_name");
        map.email = self.contact_text(inner, "email");
        map.language = self.contact_text(inner, "language");
        map.timezone = self.contact_text(inner, "timezone");
        map.consent = inner.get("consent").and_then(|entry| self.question(&entry.value, Expected::YesNo));
        if let (Some(entry), Some(phone)) = (inner.get("phone"), map.phone.as_ref().and_then(Text::literal)) {
            let region = self.world.settings.phone_region.as_deref();
            check_phone(&mut self.report, &entry.value.span, phone, region);
        }
        if let (Some(entry), Some(code)) = (inner.get("language"), map.language.as_ref().and_then(Text::literal))
            && !language::is_known(code)
        {
            refuse_language(&mut self.report, &entry.value.span, code);
        }
    }

    fn contact_text(&mut self, inner: &Fields<'a>, key: &str) -> Option<Text> {
        let entry = inner.get(key)?;
        if matches!(entry.value.kind, Kind::Null) {
            let message = format!("`{key}` has no value");
            let field = self.seen.events.phone().filter(|_| key == "phone");
            let hint = match field {
                Some(field) => format!("write `\"{{{{event.{field}}}}}\"`, or remove it"),
                None => "write the field of your event that holds it, such as `\"{{event.email}}\"`, or remove it"
                    .to_owned(),
            };
            self.report.error("R202", &entry.key_span, message, hint);
            return None;
        }
        let what = if key == "phone" { "phone number" } else { key };
        if IDENTITIES.contains(&key) && self.names_nobody(&entry.value, what) {
            return None;
        }
        self.text(&entry.value, Holes::Fair)
    }

    /// A person as the samples describe one; what they do not tell is of common length.
    fn example_contact(&self, map: &ContactMap) -> Value {
        let filled = |text: &Option<Text>, usual: &str| {
            let told = text.as_ref().and_then(|text| self.fill(text, &json!({})));
            Value::String(told.unwrap_or_else(|| usual.to_owned()))
        };
        json!({
            "id": "01KJ0000000000000000000000",
            "uuid": "0f7e6d5c4b3a29180f7e6d5c4b3a2918",
            "phone": "+34600000001",
            "name": filled(&map.name, "Alexandra García"),
            "first_name": filled(&map.first_name, "Alexandra"),
            "email": filled(&map.email, "alexandra@example.com"),
            "language": filled(&map.language, "en"),
            "timezone": filled(&map.timezone, "Europe/Madrid"),
            "tags": [],
            "custom": {},
        })
    }

    /// A text filled with the samples; `None` when something in it is not known here.
    pub(super) fn fill(&self, text: &Text, contact: &Value) -> Option<String> {
        let nothing = json!({});
        let event = match &self.seen.events {
            Events::Known(samples) => samples.first().map_or(&nothing, |(_, sample)| sample),
            _ => &nothing,
        };
        let scope = Scope {
            event,
            contact,
            steps: &nothing,
            vars: &nothing,
            workflow: &nothing,
            now_ms: EXAMPLE_MS,
            zone: &self.settings.timezone,
            language: &self.world.settings.language,
        };
        text.render(&scope).ok()
    }
}
