//! What is told of one message: who, when in their own time, what they read, and why it is kept back or left out. Pure.

use super::{DAY_MS, Told, Window, languages};
use crate::delivery::DeliveryState;
use crate::http::masked_text;
use crate::message::Form;
use crate::outbox::zones;
use crate::rehearsal::{Ahead, Foreseen, Hold};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

const HOUR_MS: i64 = 3_600_000;
/// Reasons that last for moments: they only order what is sent.
const MOMENTS: [&str; 2] = ["contact_unknown", "rate_person"];

/// One message as it is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// Which one it is, whatever the window: number, step, and the how many-th of them.
    pub(super) key: (String, String, usize),
    pub(super) at_ms: i64,
    pub(super) to: String,
    /// Its name in the test files.
    pub(super) name: Option<String>,
    /// In the recipient's zone, `Mon 2026-03-02 12:00`.
    pub(super) local: String,
    /// IANA name, when it is not the workflow's.
    pub(super) zone: Option<String>,
    /// Its address.
    pub(super) step: String,
    /// `sent`, `held`, `skipped`, `rejected`, `cancelled` …
    pub(super) state: &'static str,
    pub(super) reason: String,
    /// When it is looked at again, of one that is kept back at the end.
    pub(super) until: Option<String>,
    /// `text`, `template`; of one that was not sent, the form that the window allows.
    pub(super) form: Form,
    pub(super) template: Option<String>,
    /// Of that form, where there were several to choose from.
    pub(super) language: Option<String>,
    pub(super) values: Vec<String>,
    pub(super) media: Option<String>,
    pub(super) reads: String,
    /// It has a text, and the window was closed at its instant.
    pub(super) closed: bool,
    /// Why it was kept back before it was sent, and until when.
    pub(super) held: Vec<(String, String)>,
}

/// All messages of one window, in the order of time.
pub(super) fn lines(told: &Told<'_>, window: Window, ahead: &Ahead) -> Vec<Line> {
    // What a workflow's `contact` gave holds for its run; else what is known of the person.
    let given = |run: &'_ crate::run::Run| Some(run.progress.contact.get("language")?.as_str()?.to_owned());
    let given: HashMap<&str, String> =
        ahead.runs.iter().filter_map(|run| Some((run.id.as_str(), given(run)?))).collect();
    let mut nth: HashMap<(String, String), usize> = HashMap::new();
    let mut line = |foreseen: &Foreseen| {
        let phone = foreseen.contact.phone.as_ref().map(crate::contact::Phone::e164).unwrap_or_default();
        let count = nth.entry((phone.clone(), foreseen.delivery.step.clone())).or_default();
        *count += 1;
        let person = given.get(foreseen.delivery.run.as_str()).or(foreseen.contact.language.as_ref());
        line(told, window, foreseen, person.map(String::as_str), (phone, foreseen.delivery.step.clone(), *count))
    };
    ahead.messages.iter().map(&mut line).collect()
}

/// `person`: the language of the run's person.
fn line(
    told: &Told<'_>,
    window: Window,
    foreseen: &Foreseen,
    person: Option<&str>,
    key: (String, String, usize),
) -> Line {
    let (delivery, contact) = (&foreseen.delivery, &foreseen.contact);
    let at_ms = foreseen.at_ms();
    let zone = zone_of(told, foreseen);
    let shown = |text: &str| if told.show_pii { text.to_owned() } else { masked_text(text).into_owned() };
    let would = || delivery.form.unwrap_or_else(|| form_of_unsent(told, window, foreseen));
    let form = foreseen.sent.as_ref().map_or_else(would, |sent| sent.form);
    let reads = match form {
        Form::Template if foreseen.sent.is_none() => &foreseen.as_template,
        _ => &foreseen.reads,
    };
    let template = delivery.message.template.as_ref().filter(|_| form == Form::Template);
    let step = told.workflow.step(&delivery.step);
    let usual = told.project.settings.language.as_str();
    let language = step.and_then(|step| languages::chosen(step, form, person, usual));
    let plain_media = delivery.message.plain.as_ref().and_then(|plain| plain.media.as_ref());
    let media = match form {
        Form::Text => plain_media.map(|media| media.url.clone()),
        Form::Template => template.and_then(|template| template.media_url.clone()),
    };
    let waits = matches!(delivery.state, DeliveryState::Held | DeliveryState::Queued);
    let lasting = foreseen.holds.iter().filter(|hold| lasts(hold, at_ms, foreseen.sent.is_some()));
    Line {
        to: contact.phone.as_ref().map_or_else(|| "no number".to_owned(), |phone| told.phone(phone)),
        name: contact.phone.as_ref().and_then(|phone| told.name(phone)).map(str::to_owned),
        local: clock_time(at_ms, &zone),
        zone: (zone != told.workflow.settings.timezone).then(|| zone.iana_name().unwrap_or("UTC").to_owned()),
        step: delivery.step.clone(),
        state: if foreseen.sent.is_some() { "sent" } else { delivery.state.as_str() },
        reason: delivery.reason.clone(),
        until: waits.then(|| clock_time(delivery.due_at_ms, &zone)),
        form,
        template: template.map(|template| template.name.clone()),
        language: language.map(str::to_owned),
        values: template.map(|template| template.values.iter().map(|value| shown(value)).collect()).unwrap_or_default(),
        media: media.as_deref().map(shown),
        reads: shown(reads),
        closed: delivery.message.plain.is_some()
            && (delivery.reason == "window_closed" || (foreseen.sent.is_some() && form == Form::Template)),
        held: lasting.map(|hold| (hold.reason.clone(), clock_time(hold.until_ms, &zone))).collect(),
        key,
        at_ms,
    }
}

/// The form that a message would have had: what the window at its instant allows, as far as it has that one.
fn form_of_unsent(told: &Told<'_>, window: Window, foreseen: &Foreseen) -> Form {
    let message = &foreseen.delivery.message;
    // Only a template asks for consent; in an open window the person wrote an hour before it begins.
    let closed = window == Window::Closed
        || foreseen.delivery.reason == "no_consent"
        || foreseen.at_ms() - told.at_ms >= DAY_MS - HOUR_MS;
    match (&message.plain, &message.template) {
        (None, _) => Form::Template,
        (Some(_), Some(_)) if closed => Form::Template,
        (Some(_), _) => Form::Text,
    }
}

/// Whether it is worth telling that it was kept back.
fn lasts(hold: &Hold, at_ms: i64, sent: bool) -> bool {
    sent && at_ms - hold.seen_ms >= 60_000 && !MOMENTS.contains(&hold.reason.as_str())
}

/// The recipient's zone when one is known, else the workflow's.
fn zone_of(told: &Told<'_>, foreseen: &Foreseen) -> TimeZone {
    let workflow = &told.workflow.settings.timezone;
    let mut rules = foreseen.delivery.rules.clone();
    if rules.zone.is_empty() {
        rules.zone = workflow.iana_name().unwrap_or("UTC").to_owned();
    }
    match zones::of_recipient(&rules, &foreseen.contact, foreseen.at_ms()).as_slice() {
        [one] => one.clone(),
        _ => workflow.clone(),
    }
}

/// `Mon 2026-03-02 12:00`, with seconds where they are not zero.
pub(super) fn clock_time(at_ms: i64, zone: &TimeZone) -> String {
    let Ok(at) = Timestamp::from_millisecond(at_ms) else { return at_ms.to_string() };
    let at = zone.to_datetime(at);
    let format = if at.second() == 0 { "%a %Y-%m-%d %H:%M" } else { "%a %Y-%m-%d %H:%M:%S" };
    at.strftime(format).to_string()
}

impl Line {
    /// What it counts as.
    pub(super) fn category(&self) -> String {
        match (self.state, self.reason.as_str()) {
            ("sent", _) => format!("sent as {}", self.form.as_str()),
            (state, "") => state.to_owned(),
            (state, reason) => format!("{state}: {reason}"),
        }
    }

    pub(super) fn json(&self) -> Value {
        let held: Vec<Value> =
            self.held.iter().map(|(reason, until)| json!({ "reason": reason, "until": until })).collect();
        json!({
            "to": self.to, "name": self.name, "at": instant(self.at_ms), "local": self.local, "zone": self.zone,
            "step": self.step, "state": self.state, "reason": self.reason, "until": self.until,
            "form": self.form.as_str(), "template": self.template, "language": self.language, "values": self.values, "media": self.media,
            "reads": self.reads, "held": held,
        })
    }
}

/// ISO 8601.
pub(super) fn instant(at_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(at_ms).ok().map(|at| at.to_string())
}

/// A message with what each window makes of it; nothing where it is not sent at all.
pub(super) struct Row<'l> {
    pub(super) sides: Vec<(Window, Option<&'l Line>)>,
}

/// The messages of all windows side by side, in the order of time.
pub(super) fn side_by_side(all: &[(Window, Vec<Line>)]) -> Vec<Row<'_>> {
    let mut first: BTreeMap<&(String, String, usize), i64> = BTreeMap::new();
    for line in all.iter().flat_map(|(_, lines)| lines) {
        let at = first.entry(&line.key).or_insert(line.at_ms);
        *at = line.at_ms.min(*at);
    }
    let mut keys: Vec<_> = first.into_iter().map(|(key, at_ms)| (at_ms, key)).collect();
    keys.sort();
    let by_key: Vec<(Window, HashMap<_, &Line>)> =
        all.iter().map(|(window, lines)| (*window, lines.iter().map(|line| (&line.key, line)).collect())).collect();
    let row = |key| Row { sides: by_key.iter().map(|(window, lines)| (*window, lines.get(key).copied())).collect() };
    keys.into_iter().map(|(_, key)| row(key)).collect()
}

impl<'l> Row<'l> {
    /// The message, when it is the same whatever the window.
    pub(super) fn same(&self) -> Option<&'l Line> {
        let first = self.sides.first()?.1?;
        self.sides.iter().all(|(_, line)| *line == Some(first)).then_some(first)
    }
}
