//! What is played: the event with its sample, the message or the tag that starts the workflow, or the next instant of its
//! schedule; and who it is about. Pure.

use super::super::exit::{Exit, Failure};
use super::{Args, meant};
use crate::config::Project;
use crate::contact::Phone;
use crate::expr::{Scope, Text};
use crate::rehearsal::Cause;
use crate::trigger::contact::Change;
use crate::trigger::message::{Content, Matcher, Pattern};
use crate::trigger::{Trigger, TriggerKind};
use crate::workflow::Workflow;
use crate::workflow::test_file::Person;
use jiff::Timestamp;
use serde_json::Value;

/// What happens, and to whom.
pub(super) struct Chosen {
    pub(super) cause: Cause,
    /// For the first line of the report.
    pub(super) words: String,
    /// Unix milliseconds.
    pub(super) at_ms: i64,
    /// Whom the account knows.
    pub(super) people: Vec<Person>,
    /// Whom it is about, when that can be told before.
    pub(super) person: Option<Person>,
    /// What the sample says of its person although somebody else was asked for.
    pub(super) of_sample: Option<String>,
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Failure::error(Exit::Usage, message, hint)
}

/// What the arguments ask for.
///
/// # Errors
/// When the workflow cannot be started so: no such sample or contact, or what starts it has to be played by a test.
pub(super) fn choose(
    project: &Project,
    workflow: &Workflow,
    people: &[(String, Person)],
    args: &Args,
    now_ms: i64,
) -> anyhow::Result<Chosen> {
    if !workflow.enabled {
        return Err(usage(
            format!("`{}` is switched off: it starts nothing", workflow.id),
            "remove `enabled: false` from its file",
        ));
    }
    let asked = args.contact.as_deref().map(|written| contact(project, people, written)).transpose()?;
    let trigger = trigger(workflow, args)?;
    let choice = Choice { project, workflow, people, args, now_ms };
    match &trigger.kind {
        TriggerKind::Webhook { event, .. } => choice.webhook(event, asked),
        TriggerKind::Schedule { .. } => choice.schedule(asked),
        TriggerKind::Message { matcher, .. } => choice.says(matcher, asked),
        TriggerKind::Contact { change: Change::Tagged(tags) } => choice.tagged(tags, asked),
        TriggerKind::Contact { .. } | TriggerKind::MessageStatus { .. } => Err(usage(
            format!("`{}` starts by `{}`, which is not previewed", workflow.id, trigger.name),
            "write a test: `relance test` plays what leads to it",
        )),
    }
}

/// The trigger of the event that was asked for; else the first.
fn trigger<'w>(workflow: &'w Workflow, args: &Args) -> anyhow::Result<&'w Trigger> {
    let listens = |trigger: &&Trigger| match (&trigger.kind, &args.sample) {
        (TriggerKind::Webhook { event, .. }, Some(sample)) => event == sample,
        _ => false,
    };
    let takes_words = |trigger: &&Trigger| {
        args.sample.is_some() && matches!(trigger.kind, TriggerKind::Webhook { .. } | TriggerKind::Message { .. })
    };
    let all = &workflow.triggers;
    let found = all.iter().find(listens).or_else(|| all.iter().find(takes_words)).or_else(|| all.first());
    found.ok_or_else(|| usage("nothing starts it", "write what does under `when:`"))
}

/// The person of that name in the test files, or of that number.
fn contact(project: &Project, people: &[(String, Person)], written: &str) -> anyhow::Result<Person> {
    if let Some((_, person)) = people.iter().find(|(name, _)| name == written) {
        return Ok(person.clone());
    }
    if let Ok(phone) = Phone::parse(written, project.settings.phone_region.as_deref()) {
        return Ok(known(people, &phone).unwrap_or_else(|| Person::of(phone)));
    }
    let names = people.iter().map(|(name, _)| name.as_str());
    let hint = match people.is_empty() {
        true => "the test files name no contacts: write a number, `--contact +34600000001`".to_owned(),
        false => meant(written, names, "write a number, or a contact of the test files"),
    };
    Err(usage(format!("no contact `{written}`"), hint))
}

fn known(people: &[(String, Person)], phone: &Phone) -> Option<Person> {
    people.iter().find(|(_, person)| person.phone == *phone).map(|(_, person)| person.clone())
}

struct Choice<'a> {
    project: &'a Project,
    workflow: &'a Workflow,
    people: &'a [(String, Person)],
    args: &'a Args,
    now_ms: i64,
}

impl Choice<'_> {
    fn webhook(&self, event: &str, asked: Option<Person>) -> anyhow::Result<Chosen> {
        let mut data = self.sample(event)?;
        let mut person = self.person_of(&data);
        let (mut people, mut of_sample) = (Vec::new(), None);
        if let Some(asked) = asked {
            of_sample = person.as_ref().filter(|one| one.phone != asked.phone).and_then(|_| self.said_of_person(&data));
            person = Some(self.replaced(&mut data, person.as_ref(), asked)?);
            people.extend(person.clone());
        } else if let Some(one) = person.as_ref().and_then(|phone| known(self.people, &phone.phone)) {
            person = Some(one.clone());
            people.push(one);
        }
        let cause = Cause::Webhook { event: event.to_owned(), data };
        Ok(Chosen { cause, words: format!("`{event}` happens"), at_ms: self.now_ms, people, person, of_sample })
    }

    fn sample(&self, event: &str) -> anyhow::Result<Value> {
        let samples = &self.project.samples;
        let name = self.args.sample.as_deref().unwrap_or(event);
        match samples.get(name) {
            Some(data) => Ok(data.clone()),
            None if name == event => Err(usage(
                format!("no sample of `{event}`"),
                format!("write one into `workflows/samples/{event}.json`"),
            )),
            None => {
                let names = samples.keys().map(String::as_str);
                Err(usage(format!("no sample `{name}`"), meant(name, names, "there is")))
            }
        }
    }

    /// Whom the sample is about.
    fn person_of(&self, data: &Value) -> Option<Person> {
        let (zone, language) = (&self.workflow.settings.timezone, &self.project.settings.language);
        let scope = Scope::of_event(data, self.now_ms, zone, language);
        let written = self.workflow.contact.phone.as_ref().and_then(|text: &Text| text.render_optional(&scope))?;
        Phone::parse(&written, self.project.settings.phone_region.as_deref()).ok().map(Person::of)
    }

    /// What the workflow takes from the event of whomever it is about: it wins over what is known of the person.
    fn said_of_person(&self, data: &Value) -> Option<String> {
        let (zone, language) = (&self.workflow.settings.timezone, &self.project.settings.language);
        let scope = Scope::of_event(data, self.now_ms, zone, language);
        let told = |(field, text): (&str, &Text)| Some(format!("`{field}` is `{}`", text.render_optional(&scope)?));
        let said = self.workflow.contact.details().filter_map(told);
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| format!("as the sample says, not the contact: {}", said.join(", ")))
    }

    /// The sample is about somebody else: wherever the number of its person stands, theirs does.
    fn replaced(&self, data: &mut Value, before: Option<&Person>, asked: Person) -> anyhow::Result<Person> {
        if let Some(before) = before {
            replace_phone(data, &before.phone, &asked.phone, self.project.settings.phone_region.as_deref());
        }
        match self.person_of(data) {
            Some(person) if person.phone == asked.phone => Ok(asked),
            _ => Err(usage(
                "the sample cannot be made to be about somebody else",
                "`contact.phone` of the workflow takes its number from elsewhere: leave `--contact` out, or write a sample",
            )),
        }
    }

    fn schedule(&self, asked: Option<Person>) -> anyhow::Result<Chosen> {
        if asked.is_some() || self.args.sample.is_some() {
            let option = if asked.is_some() { "--contact" } else { "--sample" };
            return Err(usage(
                format!("`{}` starts by a schedule: `{option}` says nothing to it", self.workflow.id),
                "its list, or `contact`, says who; leave the option out",
            ));
        }
        let zone = &self.workflow.settings.timezone;
        let now = Timestamp::from_millisecond(self.now_ms).unwrap_or_default();
        let next = self.workflow.triggers.iter().filter_map(|trigger| match &trigger.kind {
            TriggerKind::Schedule { schedule, .. } => Some((schedule.fires_after(now, zone).next()?, &trigger.name)),
            _ => None,
        });
        let Some((at, name)) = next.min_by_key(|(at, _)| *at) else {
            let hint = "say an earlier time with `--at`; `relance schedule` shows what runs next";
            return Err(usage(format!("`{}` never fires again", self.workflow.id), hint));
        };
        let people = self.people.iter().map(|(_, person)| person.clone()).collect();
        let words = format!("`{name}` fires");
        Ok(Chosen { cause: Cause::Fires, words, at_ms: at.as_millisecond(), people, person: None, of_sample: None })
    }

    fn says(&self, matcher: &Matcher, asked: Option<Person>) -> anyhow::Result<Chosen> {
        let person = self.somebody(asked)?;
        let (text, media) = self.words(matcher)?;
        let words = format!("the person writes `{text}`");
        let cause = Cause::Says { from: person.phone.clone(), text, media };
        Ok(self.about(cause, words, person))
    }

    /// What the person writes: what was asked for, else what the trigger waits for.
    fn words(&self, matcher: &Matcher) -> anyhow::Result<(String, Option<String>)> {
        let said = self.args.sample.clone();
        let Matcher::Match(pattern) = matcher else { return Ok((said.unwrap_or_else(|| "Hello".into()), None)) };
        let kind = pattern.has.first().copied();
        let media = kind.and_then(file_of);
        let text = said.clone().unwrap_or_else(|| expected(pattern));
        let contents: Vec<Content> = std::iter::once(Content::Text).chain(kind).collect();
        if said.is_none() && !pattern.matches(&text, &contents) {
            return Err(usage(
                "what the person has to write cannot be told from the workflow",
                "say it: `--sample \"my order is AB1234\"`",
            ));
        }
        Ok((text, media))
    }

    fn tagged(&self, tags: &[String], asked: Option<Person>) -> anyhow::Result<Chosen> {
        if self.args.sample.is_some() {
            return Err(usage(
                format!("`{}` starts by a tag: `--sample` says nothing to it", self.workflow.id),
                "leave it out; `--contact` says who gets the tag",
            ));
        }
        let mut person = self.somebody(asked)?;
        let tag = tags.first().cloned().unwrap_or_else(|| "new".into());
        // A tag that is there already is no news.
        person.tags.retain(|known| known.to_lowercase() != tag.to_lowercase());
        let words = format!("the person gets the tag `{tag}`");
        let cause = Cause::Tagged { of: person.phone.clone(), tags: vec![tag] };
        Ok(self.about(cause, words, person))
    }

    /// Whom it is about, when no event says it: the one asked for, else the first contact of the test files.
    fn somebody(&self, asked: Option<Person>) -> anyhow::Result<Person> {
        let first = || self.people.first().map(|(_, person)| person.clone());
        asked.or_else(first).ok_or_else(|| {
            usage(
                "nothing says whom it is about",
                "name a person: `--contact +34600000001`, or a contact of a test file",
            )
        })
    }

    fn about(&self, cause: Cause, words: String, person: Person) -> Chosen {
        let people = vec![person.clone()];
        Chosen { cause, words, at_ms: self.now_ms, people, person: Some(person), of_sample: None }
    }
}

/// A text that fits, as far as the pattern says one.
fn expected(pattern: &Pattern) -> String {
    let first = |words: &[String]| words.first().cloned();
    let found = first(&pattern.is).or_else(|| {
        let parts = [first(&pattern.starts_with), first(&pattern.contains)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    });
    found.unwrap_or_else(|| "Hello".into())
}

/// The address of a file of that kind.
fn file_of(kind: Content) -> Option<String> {
    let name = match kind {
        Content::Image => "photo.jpg",
        Content::Video => "film.mp4",
        Content::Audio => "voice.ogg",
        Content::Document => "document.pdf",
        Content::Text | Content::Location | Content::Contact => return None,
    };
    Some(format!("https://files.example.com/{name}"))
}

fn replace_phone(value: &mut Value, from: &Phone, to: &Phone, region: Option<&str>) {
    let same = |written: &str| Phone::parse(written, region).is_ok_and(|phone| phone == *from);
    match value {
        Value::String(text) if same(text) => *text = to.e164(),
        Value::Number(number) if same(&format!("+{number}")) => *value = to.e164().into(),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_phone(item, from, to, region)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace_phone(field, from, to, region)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_number_of_a_sample_is_replaced_wherever_it_stands_however_it_is_written() {
        let phone = |written: &str| Phone::parse(written, None).unwrap();
        let mut data = json!({ "to": "600 000 001", "all": ["+34600000001", 34600000001u64], "order": "600000002" });
        replace_phone(&mut data, &phone("+34600000001"), &phone("+34600000009"), Some("ES"));
        assert_eq!(
            data,
            json!({ "to": "+34600000009", "all": ["+34600000009", "+34600000009"], "order": "600000002" })
        );
    }

    #[test]
    fn what_a_person_writes_is_what_the_trigger_waits_for() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let both = Pattern { starts_with: words(&["price"]), contains: words(&["list"]), ..Pattern::default() };
        assert_eq!(expected(&both), "price list");
        assert!(both.matches(&expected(&both), &[Content::Text]));
        assert_eq!(expected(&Pattern { is: words(&["menu", "start"]), ..Pattern::default() }), "menu");
    }
}
