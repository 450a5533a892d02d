//! Judge: what a test expects against what was sent, called and kept.
//!
//! Invariant: every message and every call since the last look is expected, or counted, or told as unexpected.

use super::people::mask_strangers;
use super::play::Failure;
use super::stage::Scene;
use super::systems::Called;
use super::why;
use crate::connector::request;
use crate::connector::sandbox::SandboxMessage;
use crate::connector::wire::message_of;
use crate::contact::Phone;
use crate::message::Form;
use crate::run::Run;
use crate::store::runs::RunFilter;
use crate::workflow::test_file::{Expected, Matcher, Place, Test, TestFile, Wanted, WantedMessage};
use serde_json::Value;

/// Runs of a workflow that are looked at.
const MOST_RUNS: u32 = 100;
/// Characters of a text that are shown.
const SHOWN: usize = 160;

/// One message as a test speaks of it.
struct Sent {
    message: SandboxMessage,
    template_uuid: Option<String>,
    values: Vec<String>,
}

/// What is not as expected; empty = all is.
///
/// # Errors
/// What the database said.
pub(super) fn judge(
    scene: &mut Scene<'_>,
    file: &TestFile,
    test: &Test,
    expected: &[Expected],
    place: Place,
) -> anyhow::Result<Vec<Failure>> {
    let (messages, calls) = scene.look();
    let mut looks = Looks {
        file,
        test,
        sent: messages.into_iter().map(|message| Some(sent(scene, message))).collect(),
        calls: calls.into_iter().map(Some).collect(),
        counted: false,
        failures: Vec::new(),
    };
    let all = looks.sent.len();
    for one in expected {
        match &one.wanted {
            Wanted::Message(wanted) => looks.message(scene, wanted, one.place)?,
            Wanted::Messages(count) => looks.count(scene, *count, all, one.place)?,
            Wanted::Run { state, because } => looks.run(scene, *state, because.as_ref(), one.place)?,
            Wanted::Http { method, url, json } => {
                looks.call(method.as_deref(), url.as_ref(), json.as_ref(), one.place);
            }
            Wanted::Contact { of, name, tags, team } => {
                looks.contact(scene, (of, name.as_str()), tags, team.as_deref(), one.place)
            }
        }
    }
    looks.unexpected(place);
    let mut failures = looks.failures;
    mask_strangers(scene, test, &mut failures)?;
    Ok(failures)
}

/// What nobody looked at when the test ended.
///
/// # Errors
/// What the database said.
pub(super) fn left_over(
    scene: &mut Scene<'_>,
    file: &TestFile,
    test: &Test,
    place: Place,
) -> anyhow::Result<Vec<Failure>> {
    let mut failures = judge(scene, file, test, &[], place)?;
    for failure in &mut failures {
        failure.hint = "end the test with an `expect` that says what was sent".into();
    }
    Ok(failures)
}

fn sent(scene: &Scene<'_>, message: SandboxMessage) -> Sent {
    let body = message.body.as_ref().map(|body| body.get().as_bytes().to_vec()).unwrap_or_default();
    let read = request::read(&body, "").ok();
    let template_uuid = read.as_ref().and_then(|request| request.template_uuid.clone());
    let lock = &scene.project().catalogue.lock;
    let locked = template_uuid.as_ref().and_then(|uuid| lock.get(uuid));
    let template = read.as_ref().and_then(|request| message_of(request, locked).template);
    Sent { message, template_uuid, values: template.map(|template| template.values).unwrap_or_default() }
}

/// One look under way: what was expected is taken out.
struct Looks<'a> {
    file: &'a TestFile,
    test: &'a Test,
    sent: Vec<Option<Sent>>,
    calls: Vec<Option<Called>>,
    /// Messages that are not described are counted.
    counted: bool,
    failures: Vec<Failure>,
}

impl Looks<'_> {
    fn fail(&mut self, place: Place, message: String, why: Vec<String>, hint: impl Into<String>) {
        self.failures.push(Failure { place, message, why, hint: hint.into() });
    }

    fn message(&mut self, scene: &Scene<'_>, wanted: &WantedMessage, place: Place) -> anyhow::Result<()> {
        let fits = |sent: &Option<Sent>| sent.as_ref().is_some_and(|sent| differences(sent, wanted).is_empty());
        if let Some(index) = self.sent.iter().position(fits) {
            self.sent[index] = None;
            return Ok(());
        }
        // The nearest one is what it was meant to be: it is told how it differs, and not as unexpected besides.
        let nearest = self.sent.iter().enumerate().filter_map(|(index, sent)| {
            let found = differences(sent.as_ref()?, wanted);
            (!found.iter().any(|difference| difference.starts_with("it went to"))).then_some((
                found.len(),
                index,
                found,
            ))
        });
        let nearest = nearest.min_by_key(|(count, ..)| *count);
        let wanted_words = self.wanted(wanted);
        match nearest {
            Some((_, index, found)) => {
                let told = self.sent[index].take().map(|sent| self.shown(&sent)).unwrap_or_default();
                let mut why = found;
                why.insert(0, format!("sent instead: {told}"));
                self.fail(
                    place,
                    format!("not this message was sent: {wanted_words}"),
                    why,
                    "mend the workflow, or the test",
                );
            }
            None => {
                let person = wanted.to.as_ref().map(|(_, phone)| phone);
                let told = why::nothing_sent(scene, self.file, person)?;
                self.fail(place, format!("no message was sent: {wanted_words}"), told.lines, told.hint);
            }
        }
        Ok(())
    }

    fn count(&mut self, scene: &Scene<'_>, count: usize, all: usize, place: Place) -> anyhow::Result<()> {
        self.counted = true;
        if count == all {
            return Ok(());
        }
        let mut lines: Vec<String> = self.sent.iter().flatten().map(|sent| self.shown(sent)).collect();
        let mut hint = String::from("mend the workflow, or the number");
        if all < count {
            let told = why::nothing_sent(scene, self.file, None)?;
            lines.extend(told.lines);
            hint = told.hint;
        }
        self.fail(place, format!("{count} messages were expected, {all} were sent"), lines, hint);
        Ok(())
    }

    fn run(
        &mut self,
        scene: &Scene<'_>,
        state: crate::run::RunState,
        because: Option<&Matcher>,
        place: Place,
    ) -> anyhow::Result<()> {
        let workflows = &self.file.workflows;
        let filter = RunFilter { limit: MOST_RUNS, ..RunFilter::default() };
        let runs = scene.read(async |store| store.list_runs(&filter).await)?;
        let newest = runs.iter().find(|run| workflows.contains(&run.workflow));
        let fits = |run: &Run| run.state == state && because.is_none_or(|because| because.fits(&run.reason));
        match newest {
            Some(run) if fits(run) => {}
            Some(run) => {
                let because = because.map(|because| format!(" because of {because}")).unwrap_or_default();
                let is = why::standing(run, self.file);
                let message = format!("the run is not {}{because}: {is}", state.as_str());
                self.fail(place, message, why::story(run, self.file), "the lines above are its trace, newest last");
            }
            None => {
                let told = why::nothing_sent(scene, self.file, None)?;
                self.fail(place, "no run was started".into(), told.lines, told.hint);
            }
        }
        Ok(())
    }

    fn call(&mut self, method: Option<&str>, url: Option<&Matcher>, json: Option<&Value>, place: Place) {
        let fits = |call: &Option<Called>| {
            call.as_ref().is_some_and(|call| {
                method.is_none_or(|method| call.method == method)
                    && url.is_none_or(|url| url.fits(&call.url))
                    && json.is_none_or(|json| call.json.as_ref().is_some_and(|body| holds(body, json)))
            })
        };
        if let Some(index) = self.calls.iter().position(fits) {
            // One that nothing describes is told besides.
            if self.calls[index].as_ref().is_some_and(|call| call.answered.is_some()) {
                self.calls[index] = None;
            }
            return;
        }
        let lines = self.calls.iter().flatten().map(shown_call).collect();
        let url = url.map(|url| format!(" to {url}")).unwrap_or_default();
        let body = json.map(|json| format!(" with {json}")).unwrap_or_default();
        let message = format!("no such call was made: {}{url}{body}", method.unwrap_or("any"));
        self.fail(place, message, lines, "the calls that were made stand above; mend the workflow, or the test");
    }

    fn contact(
        &mut self,
        scene: &Scene<'_>,
        (of, name): (&Phone, &str),
        tags: &[String],
        team: Option<&str>,
        place: Place,
    ) {
        let known = scene.sandbox().people().into_iter().find(|person| person.phone == of.e164());
        let Some(known) = known else {
            let hint = "nobody wrote to this person, and the person never wrote";
            self.fail(place, format!("the account does not know `{name}`"), Vec::new(), hint);
            return;
        };
        let missing: Vec<&String> = tags.iter().filter(|tag| !known.tags.contains(tag)).collect();
        let shown = |tags: &[String]| if tags.is_empty() { "no tags".to_owned() } else { tags.join(", ") };
        if let Some(tag) = missing.first() {
            let message = format!("`{name}` has no tag `{tag}`: {}", shown(&known.tags));
            self.fail(place, message, Vec::new(), "the step `update_contact` gives tags: was it reached?");
        }
        let has = known.team_uuid.as_deref().and_then(|uuid| scene.team(uuid));
        if let Some(team) = team.filter(|team| has.as_deref() != Some(*team)) {
            let has = has.map_or_else(|| "no team".to_owned(), |has| format!("`{has}`"));
            let message = format!("the conversation of `{name}` is not with the team `{team}`: {has}");
            self.fail(place, message, Vec::new(), "the key `team` of a step hands it over: was it reached?");
        }
    }

    fn unexpected(&mut self, place: Place) {
        let sent: Vec<String> = self.sent.iter().flatten().map(|sent| self.shown(sent)).collect();
        let unlooked = if self.counted { Vec::new() } else { sent };
        for told in unlooked {
            let hint = "describe it in this `expect`, or count it with `messages: N`";
            self.fail(place, format!("a message nobody expected: {told}"), Vec::new(), hint);
        }
        let mut calls: Vec<Called> = self.calls.iter().flatten().cloned().collect();
        // One that was tried again is told once.
        calls.dedup();
        for call in calls {
            let told = shown_call(&call);
            let (message, hint) = match call.answered {
                None => (
                    format!("nothing answers this call: {told}"),
                    format!(
                        "describe it in the test: `http: [{{ match: {} {}, reply: [200] }}]`",
                        call.method, call.url
                    ),
                ),
                Some(_) => (
                    format!("a call nobody expected: {told}"),
                    format!("describe it in this `expect`: `- http: {{ method: {}, url: {} }}`", call.method, call.url),
                ),
            };
            self.fail(place, message, Vec::new(), hint);
        }
    }

    /// `to ana: the template `cart_reminder``.
    fn wanted(&self, wanted: &WantedMessage) -> String {
        let mut parts = Vec::new();
        parts.extend(wanted.to.as_ref().map(|(name, _)| format!("to `{name}`")));
        parts.extend(wanted.text.as_ref().map(|text| format!("text {text}")));
        parts.extend(wanted.template.as_ref().map(|(name, _)| format!("template `{name}`")));
        let values = wanted.values.as_ref();
        parts.extend(values.map(|values| {
            let shown: Vec<String> = values.iter().map(ToString::to_string).collect();
            format!("values {}", shown.join(", "))
        }));
        parts.extend(wanted.media.as_ref().map(|media| format!("media {media}")));
        parts.extend(wanted.reads.as_ref().map(|reads| format!("that reads {reads}")));
        if parts.is_empty() { "any".to_owned() } else { parts.join(", ") }
    }

    /// `to `ana` at 2026-03-02 12:00, template `Cart reminder EN`: Hi Ana, …`.
    fn shown(&self, sent: &Sent) -> String {
        let message = &sent.message;
        let form = match (message.form, &message.template) {
            (Form::Template, Some(title)) => format!("template `{title}`"),
            _ => message.kind.clone(),
        };
        let at = why::clock_time(message.at_ms, self.file);
        format!("to `{}` at {at}, {form}: {}", self.named(&message.phone), cut(&message.text))
    }

    fn named(&self, phone: &str) -> String {
        let named = self.test.people.iter().find(|(_, person)| person.phone.e164() == phone);
        named.map_or_else(|| phone.to_owned(), |(name, _)| name.clone())
    }
}

/// How a message differs from what was expected; empty = it does not.
fn differences(sent: &Sent, wanted: &WantedMessage) -> Vec<String> {
    let message = &sent.message;
    let mut found = Vec::new();
    if let Some((name, phone)) = &wanted.to
        && phone.e164() != message.phone
    {
        found.push(format!("it went to {} and not to `{name}`", message.phone));
    }
    if let Some(text) = &wanted.text {
        match message.form {
            Form::Template => found
                .push("it is a template and not plain text: the window was closed, or the step has no `text`".into()),
            Form::Text if !text.fits(&message.text) => found.push(format!("the text is not {text}")),
            Form::Text => {}
        }
    }
    if let Some((name, uuids)) = &wanted.template {
        match &sent.template_uuid {
            None => found.push("it is plain text and not a template: the window was open".into()),
            Some(uuid) if !uuids.contains(uuid) => found.push(format!("the template is not `{name}`")),
            Some(_) => {}
        }
    }
    if let Some(values) = &wanted.values {
        let same =
            values.len() == sent.values.len() && values.iter().zip(&sent.values).all(|(one, value)| one.fits(value));
        if !same {
            found.push(format!("the values are {}", Value::from(sent.values.clone())));
        }
    }
    if let Some(media) =
        wanted.media.as_ref().filter(|media| !message.media.as_ref().is_some_and(|url| media.fits(url)))
    {
        let has = message.media.clone().unwrap_or_else(|| "none".to_owned());
        found.push(format!("the media is not {media}: {has}"));
    }
    if let Some(reads) = wanted.reads.as_ref().filter(|reads| !reads.fits(&message.text)) {
        found.push(format!("it does not read {reads}"));
    }
    found
}

/// Whether every field of `wanted` is in `body`.
fn holds(body: &Value, wanted: &Value) -> bool {
    match (body, wanted) {
        (Value::Object(body), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| body.get(name).is_some_and(|has| holds(has, value)))
        }
        (body, wanted) => body == wanted,
    }
}

fn shown_call(call: &Called) -> String {
    let body = call.json.as_ref().map(|json| format!(" with {}", cut(&json.to_string()))).unwrap_or_default();
    format!("{} {}{body}", call.method, call.url)
}

/// One line, not too long.
fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}
