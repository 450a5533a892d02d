//! The steps, each in words, with what follows an answer or a case moved in below it.

use super::words::{code, filled};
use super::{INDENT, Telling};
use crate::condition::Condition;
use crate::delivery::OutsideWindow;
use crate::message::{Bot, MediaKind};
use crate::workflow::{
    Action, HttpBody, HttpRequest, IfPast, JsonText, SendMessage, Shift, Step, TemplateChoice, UpdateContact, Wait,
    WaitForReply,
};

impl Telling<'_> {
    /// A numbered list of steps; an empty one says so.
    pub(super) fn steps(&mut self, steps: &[Step], columns: usize) {
        if steps.is_empty() {
            self.line(columns, self.phrases.nothing);
        }
        for (at, step) in steps.iter().enumerate() {
            let lead = self.lead(step);
            let (first, details) = self.action(&step.action);
            let tries = step.retry.map(|count| filled(self.phrases.tries, &[&count.to_string()])).unwrap_or_default();
            self.line(columns, &format!("{}. {lead}{first}{tries}", at + 1));
            details.iter().for_each(|detail| self.line(columns + INDENT, detail));
            self.inside(&step.action, columns + INDENT);
        }
    }

    /// The step's name and id, and its condition.
    fn lead(&self, step: &Step) -> String {
        let name = step.name.as_ref().map(|name| format!("{name}{}", self.phrases.colon)).unwrap_or_default();
        let id = step.id.as_ref().map(|id| format!("[{id}] ")).unwrap_or_default();
        let only = match &step.condition {
            Condition::Always => String::new(),
            condition => filled(self.phrases.step_if, &[&self.condition(condition)]),
        };
        format!("{id}{name}{only}")
    }

    /// What a step does, and the lines that belong to it.
    fn action(&self, action: &Action) -> (String, Vec<String>) {
        let p = self.phrases;
        match action {
            Action::SendMessage(message) => self.send(message),
            Action::Wait(wait) => (self.wait(wait), Vec::new()),
            Action::WaitForReply(question) => (filled(p.ask, &[&self.duration(question.lasts)]), Vec::new()),
            Action::Branch { .. } => (p.branch.to_owned(), Vec::new()),
            Action::HttpRequest(request) => self.http_request(request),
            Action::UpdateContact(change) => (p.update.to_owned(), self.changes(change)),
            Action::Set(values) => (filled(p.set, &[&self.notes(values)]), Vec::new()),
            Action::Stop(reason) => (filled(p.stop, &[&self.text(reason)]), Vec::new()),
        }
    }

    /// What stands inside a step.
    fn inside(&mut self, action: &Action, columns: usize) {
        let p = self.phrases;
        match action {
            Action::Branch { cases, otherwise } => {
                for case in cases {
                    let said = filled(p.case, &[&self.condition(&case.condition)]);
                    self.bullet(columns, &said);
                    self.steps(&case.steps, columns + INDENT);
                }
                self.rest(otherwise, p.else_case, p.else_on, columns);
            }
            Action::WaitForReply(question) => self.answers(question, columns),
            _ => {}
        }
    }

    fn answers(&mut self, question: &WaitForReply, columns: usize) {
        let p = self.phrases;
        for reply in &question.replies {
            let said = filled(p.answer, &[&self.pattern(&reply.pattern)]);
            self.bullet(columns, &said);
            self.steps(&reply.steps, columns + INDENT);
        }
        match &question.otherwise {
            Some(steps) => {
                self.bullet(columns, p.other_answer);
                self.steps(steps, columns + INDENT);
            }
            None => self.bullet(columns, p.keep_waiting),
        }
        self.rest(&question.no_reply, p.no_answer, p.no_answer_on, columns);
    }

    /// Steps behind a sentence; another sentence when there are none.
    fn rest(&mut self, steps: &[Step], before: &str, without: &str, columns: usize) {
        if steps.is_empty() {
            return self.bullet(columns, without);
        }
        self.bullet(columns, before);
        self.steps(steps, columns + INDENT);
    }

    // --- messages -------------------------------------------------------------------------------------------------------

    fn send(&self, message: &SendMessage) -> (String, Vec<String>) {
        let p = self.phrases;
        let to = message.to.as_ref().map(|to| filled(p.send_to, &[&self.text(to)])).unwrap_or_default();
        let by = message.channel.as_ref().map(|name| filled(p.send_by, &[name])).unwrap_or_default();
        let mut details = vec![self.forms(message)];
        for (language, text) in &message.text {
            let text = self.text(text);
            details.push(match language.as_str() {
                "" => filled(p.text_is, &[&text]),
                language => filled(p.text_in, &[language, &text]),
            });
        }
        if let Some((kind, url)) = &message.media {
            details.push(filled(p.media, &[self.kind(*kind), &self.text(url)]));
        }
        details.extend(message.template.iter().flat_map(|choice| self.template(choice)));
        details.extend(message.expires.map(|expires| filled(p.expires, &[&self.duration(expires)])));
        details.extend(message.assign_to.as_ref().map(|to| filled(p.assign_to, &[&self.text(to)])));
        details.extend(message.team.as_ref().map(|team| filled(p.team, &[&self.text(team)])));
        details.extend(message.bot.map(|bot| match bot {
            Bot::Start => p.bot_start.to_owned(),
            Bot::Stop => p.bot_stop.to_owned(),
        }));
        if !message.metadata.is_empty() {
            details.push(filled(p.metadata, &[&self.pairs(&message.metadata)]));
        }
        (format!("{}{to}{by}.", p.send), details)
    }

    /// When it leaves as text, and when as a template.
    fn forms(&self, message: &SendMessage) -> String {
        let p = self.phrases;
        match &message.template {
            Some(choice) if message.text.is_empty() && (message.media.is_none() || choice.carries_media()) => {
                filled(p.template_only, &[&choice.name])
            }
            Some(choice) => filled(p.plain_or_template, &[&choice.name]),
            None => match message.outside_window {
                OutsideWindow::Fail => p.plain_fail,
                OutsideWindow::Skip => p.plain_skip,
                OutsideWindow::Hold => p.plain_hold,
            }
            .to_owned(),
        }
    }

    fn template(&self, choice: &TemplateChoice) -> Vec<String> {
        let p = self.phrases;
        let reads =
            choice.variants.iter().filter(|(_, variant)| !variant.text.is_empty()).map(|(language, variant)| {
                let text = self.quoted(&variant.text);
                match language.as_str() {
                    "" => filled(p.template_is, &[choice.called(variant), &text]),
                    language => filled(p.template_in, &[choice.called(variant), language, &text]),
                }
            });
        let mut details: Vec<String> = reads.collect();
        if !choice.values.is_empty() {
            let values: Vec<String> = choice.values.iter().map(|value| self.text(value)).collect();
            details.push(filled(p.values, &[&values.join(", ")]));
        }
        details
    }

    fn kind(&self, kind: MediaKind) -> &'static str {
        match kind {
            MediaKind::Image => self.phrases.image,
            MediaKind::Document => self.phrases.document,
            MediaKind::Audio => self.phrases.audio,
            MediaKind::Video => self.phrases.video,
        }
    }

    // --- everything else ------------------------------------------------------------------------------------------------

    fn wait(&self, wait: &Wait) -> String {
        let p = self.phrases;
        match wait {
            Wait::For(duration) => filled(p.wait_for, &[&self.duration(*duration)]),
            Wait::Next(schedule) => filled(p.wait_next, &[&code(schedule.source()), self.zone()]),
            Wait::Until { time, shift, if_past } => {
                let time = code(time.source());
                let until = match shift {
                    Shift::None => filled(p.wait_until, &[&time]),
                    Shift::Before(duration) => filled(p.wait_before, &[&self.duration(*duration), &time]),
                    Shift::After(duration) => filled(p.wait_after, &[&self.duration(*duration), &time]),
                };
                let past = match if_past {
                    IfPast::Stop => p.past_stop,
                    IfPast::Continue => p.past_continue,
                };
                until + past
            }
        }
    }

    fn http_request(&self, request: &HttpRequest) -> (String, Vec<String>) {
        let p = self.phrases;
        let mut details = Vec::new();
        if !request.headers.is_empty() {
            details.push(filled(p.headers, &[&self.pairs(&request.headers)]));
        }
        if !request.query.is_empty() {
            details.push(filled(p.query, &[&self.pairs(&request.query)]));
        }
        match &request.body {
            HttpBody::None => {}
            HttpBody::Json(tree) => details.push(filled(p.body_json, &[&json(tree)])),
            HttpBody::Form(fields) => details.push(filled(p.body_form, &[&self.pairs(fields)])),
            HttpBody::Raw(text) => details.push(filled(p.body_raw, &[&self.text(text)])),
        }
        let expected: Vec<String> = request.expect.iter().map(u16::to_string).collect();
        let expected = if expected.is_empty() { p.any_success.to_owned() } else { expected.join(p.or) };
        details.push(filled(p.http_fails, &[&self.milliseconds(request.timeout_ms), &expected]));
        (filled(p.http, &[&request.method, &code(request.url.source())]), details)
    }

    fn changes(&self, change: &UpdateContact) -> Vec<String> {
        let p = self.phrases;
        let mut said = Vec::new();
        said.extend(change.name.as_ref().map(|name| filled(p.u_name, &[&self.text(name)])));
        if !change.add_tags.is_empty() {
            said.push(filled(p.u_add, &[&self.all(&change.add_tags)]));
        }
        if !change.remove_tags.is_empty() {
            said.push(filled(p.u_remove, &[&self.all(&change.remove_tags)]));
        }
        said.extend(
            change.fields.iter().map(|(name, text)| filled(p.u_field, &[&self.quoted(name), &self.text(text)])),
        );
        said.extend(change.note.as_ref().map(|note| filled(p.u_note, &[&self.text(note)])));
        said.extend(change.assign_to.as_ref().map(|to| filled(p.u_assign, &[&self.text(to)])));
        said.extend(change.team.as_ref().map(|team| filled(p.u_team, &[&self.text(team)])));
        said.extend(change.bot.map(|bot| match bot {
            Bot::Start => p.u_bot_start.to_owned(),
            Bot::Stop => p.u_bot_stop.to_owned(),
        }));
        said.extend(change.close_conversation.then(|| p.u_close.to_owned()));
        said.into_iter().map(|one| format!("- {one}")).collect()
    }

    /// `“a”, “b”`.
    fn all(&self, words: &[String]) -> String {
        words.iter().map(|word| self.quoted(word)).collect::<Vec<_>>().join(", ")
    }
}

/// A tree as it is sent, its texts not filled yet.
fn json(tree: &JsonText) -> String {
    match tree {
        JsonText::Text(text) => serde_json::Value::from(text.source()).to_string(),
        JsonText::Literal(value) => value.to_string(),
        JsonText::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        JsonText::Map(fields) => {
            let field = |(name, value): &(String, JsonText)| {
                format!("{}: {}", serde_json::Value::from(name.as_str()), json(value))
            };
            format!("{{ {} }}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}
