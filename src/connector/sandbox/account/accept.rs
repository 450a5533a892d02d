//! What becomes of a `POST /messages/send` whose fields are right: references, acceptance, and the platform's judgement.
//!
//! Pure. Invariant: whatever the platform will do with the message, the request is answered `enqueued` first.

use super::super::fill::fill;
use super::super::message::{Failure, SandboxMessage, Status, Timing, Way, real_kind};
use super::super::people::{BotState, Line, LineKind};
use super::super::request::{Refusal, SendRequest};
use super::Account;
use crate::config::LockedTemplate;
use crate::message::{Category, Form};
use serde_json::value::RawValue;
use serde_json::{Map, json};
use std::collections::BTreeMap;

/// What the platform does with an accepted message.
enum Fate {
    Arrives,
    /// Leaves, and nothing more is heard of it.
    Stays,
    Fails(Failure),
}

impl Account {
    /// Enqueues a request; its number.
    ///
    /// # Errors
    /// 422 for references that are unknown, all of them.
    pub(in super::super) fn accept(
        &mut self,
        request: SendRequest,
        body: Box<RawValue>,
        now_ms: i64,
    ) -> Result<u64, Refusal> {
        let (line, template) = self.references(&request)?;
        let person = self.meet(&request.to, &line.uuid, now_ms);
        self.converse(&person, &line.uuid, now_ms);
        self.hand_over(&person, &request, now_ms);
        let filled =
            template.as_ref().map(|template| fill(template, &request.kind, &request.text, &request.template_values));
        let fate = self.judge(&request, &line, &person, template.as_ref(), filled.as_ref(), now_ms);
        let text = filled.and_then(Result::ok).unwrap_or(request.text);
        let number = self.messages.next_number();
        let message = SandboxMessage {
            n: number,
            direction: Way::Sent,
            uuid: self.new_uuid(),
            event_uuid: self.new_uuid(),
            phone: self.people[&person].shown_phone(),
            corrected: self.people[&person].behaviour.corrected.clone(),
            person,
            channel: line.uuid,
            at_ms: now_ms,
            form: if template.is_some() { Form::Template } else { Form::Text },
            kind: real_kind(&request.kind, request.url.as_deref()),
            text,
            media: request.url,
            template: template.map(|template| template.title),
            metadata: request.metadata,
            body: Some(body),
            history: vec![enqueued(now_ms)],
            parts: Map::new(),
            deleted: false,
            asked: self.faults.asked.clone(),
            cloud: false,
        };
        self.by_uuid.insert(message.uuid.clone(), number);
        self.keep_message(message, now_ms);
        self.plan(number, fate, now_ms);
        Ok(number)
    }

    fn references(&self, request: &SendRequest) -> Result<(Line, Option<LockedTemplate>), Refusal> {
        let kind = LineKind::read(&request.from).filter(|kind| self.main_line(*kind).is_some());
        let Some(kind) = kind else { return Err(Refusal::field(422, "from", "has no channel")) };
        let line = self.working_line_of(kind, request.channel_uuid.as_deref()).cloned();
        let template = request.template_uuid.as_deref().map(|uuid| self.template(uuid).cloned());
        let team = request.team_uuid.as_deref().map(|uuid| self.office.team(uuid));
        let unknown = [
            ("channel_uuid", line.is_none()),
            ("team_uuid", team == Some(None)),
            ("template_uuid", template == Some(None)),
        ];
        let errors: Map<_, _> = unknown
            .iter()
            .filter(|(_, unknown)| *unknown)
            .map(|(field, _)| ((*field).into(), json!(["not found"])))
            .collect();
        match line {
            Some(line) if errors.is_empty() => Ok((line, template.flatten())),
            _ => Err(Refusal { status: 422, body: json!({ "error": errors }) }),
        }
    }

    /// `assigned_user`, `team_uuid` and `bot_status` of a send. A colleague outside the team is not assigned.
    fn hand_over(&mut self, key: &str, request: &SendRequest, now_ms: i64) {
        let Some(person) = self.people.get_mut(key) else { return };
        let before = (person.assigned.clone(), person.team.clone());
        if request.team_uuid.is_some() {
            person.team.clone_from(&request.team_uuid);
        }
        if let (Some(bot), Some(_)) = (request.bot, &self.office.bot) {
            person.bot = BotState::asked(bot, now_ms);
        }
        let user = request.assigned_user.as_deref();
        let user = user.filter(|email| self.office.may_have(email, person.team.as_deref()));
        if let Some(user) = user {
            person.assigned = Some(user.to_owned());
        }
        if before != (person.assigned.clone(), person.team.clone()) {
            self.note_assignment(key, before.0.as_deref(), now_ms);
            self.tell_contact(key, "contact_updated", now_ms);
        }
    }

    fn judge(
        &mut self,
        request: &SendRequest,
        line: &Line,
        person: &str,
        template: Option<&LockedTemplate>,
        filled: Option<&Result<String, Failure>>,
        now_ms: i64,
    ) -> Fate {
        if let Some(code) = self.faults.take_failure() {
            return Fate::Fails(Failure::code(code, "asked for by the test"));
        }
        let behaviour = self.people.get(person).map(|person| person.behaviour.clone()).unwrap_or_default();
        if behaviour.not_on_whatsapp {
            return Fate::Fails(Failure::code(131_026, "Message undeliverable"));
        }
        let kind = real_kind(&request.kind, request.url.as_deref());
        let loud = matches!(kind.as_str(), "audio" | "video");
        if (filled.is_some() && !line.is_official()) || (line.qr && loud) {
            return Fate::Fails(Failure::words("not available on this channel"));
        }
        let marketing = template.is_some_and(|template| template.category.is_none_or(|it| it == Category::Marketing));
        match filled {
            Some(Err(failure)) => return Fate::Fails(failure.clone()),
            Some(Ok(_)) if behaviour.opted_out && marketing => {
                return Fate::Fails(Failure::code(131_050, "User has stopped marketing messages"));
            }
            None if line.is_official() && !self.is_open(person, &line.uuid, now_ms) => {
                return Fate::Fails(Failure::code(131_047, "Re-engagement message"));
            }
            _ => {}
        }
        if behaviour.blocked { Fate::Stays } else { Fate::Arrives }
    }

    fn plan(&mut self, number: u64, fate: Fate, now_ms: i64) {
        let Timing { sent_ms, delivered_ms, read_ms } = self.timing;
        let step = |status, after_ms| Status { status, at_ms: now_ms + after_ms, code: None, reason: None };
        let corrected = self.messages.get(number).is_some_and(|message| message.corrected.is_some());
        let mut steps: Vec<Status> = corrected.then(|| step("mismatch", sent_ms)).into_iter().collect();
        match fate {
            Fate::Fails(Failure { code, reason }) => {
                steps = vec![Status { code, reason: Some(reason), ..step("failed", sent_ms) }];
            }
            Fate::Stays => steps.push(step("sent", sent_ms)),
            Fate::Arrives => {
                steps.extend([step("sent", sent_ms), step("delivered", delivered_ms)]);
                steps.extend(read_ms.map(|read_ms| step("read", read_ms)));
            }
        }
        for step in steps {
            self.drawn += 1;
            self.agenda.insert((step.at_ms, self.drawn), (number, step));
        }
    }

    /// That message has a further status now.
    pub(in super::super) fn move_on(&mut self, number: u64, step: Status) {
        self.drawn += 1;
        self.agenda.insert((step.at_ms, self.drawn), (number, step));
    }

    /// A colleague writes from the dashboard: a message of the account that no request asked for.
    pub(in super::super) fn write_by_hand(&mut self, key: &str, line: &str, text: &str, now_ms: i64) -> u64 {
        self.converse(key, line, now_ms);
        let number = self.messages.next_number();
        let uuid = self.new_uuid();
        let message = SandboxMessage {
            n: number,
            direction: Way::Sent,
            event_uuid: uuid.clone(),
            uuid,
            phone: self.people.get(key).map(|person| person.shown_phone()).unwrap_or_default(),
            person: key.to_owned(),
            channel: line.to_owned(),
            at_ms: now_ms,
            form: Form::Text,
            kind: "text".into(),
            text: text.to_owned(),
            media: None,
            template: None,
            metadata: BTreeMap::new(),
            body: None,
            history: vec![enqueued(now_ms)],
            parts: Map::new(),
            deleted: false,
            corrected: None,
            asked: self.faults.asked.clone(),
            cloud: false,
        };
        self.by_uuid.insert(message.uuid.clone(), number);
        self.keep_message(message, now_ms);
        self.plan(number, Fate::Arrives, now_ms);
        number
    }
}

fn enqueued(at_ms: i64) -> Status {
    Status { status: "enqueued", at_ms, code: None, reason: None }
}
