//! What came, and what each workflow made of it.

use super::{Line, Teller, filled};
use crate::event::{Evaluation, EvaluationResult, is_own_message};
use crate::http::dashboard::story::nobody;
use crate::store::events::EventRow;
use serde_json::Value;

/// Characters of a message that are shown.
const SHOWN: usize = 80;

impl Teller<'_> {
    /// A line for each workflow that said something; one for the event alone when none did.
    pub(super) fn event(&self, event: &EventRow) -> Vec<Line> {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let evaluations: Vec<Evaluation> = serde_json::from_str(&event.evaluations).unwrap_or_default();
        let text = |mut line: Line| {
            line.facts.extend(self.written(event, &data));
            line
        };
        if evaluations.is_empty() {
            return self.unheard(event, &data).into_iter().map(text).collect();
        }
        let mut lines: Vec<Line> = evaluations.iter().map(|one| self.evaluation(event, &data, one)).collect();
        if let Some(first) = lines.first_mut() {
            *first = text(first.clone());
        }
        lines
    }

    fn evaluation(&self, event: &EventRow, data: &Value, one: &Evaluation) -> Line {
        let (why, came) = (self.why, self.name_of(event, data));
        let reason = self.words.reason(&one.reason);
        let text = match one.result {
            EvaluationResult::Started if one.reason.is_empty() => filled(why.started, &[&came]),
            EvaluationResult::Started => filled(why.waits_turn, &[&came]),
            EvaluationResult::Woke if one.reason == "otherwise" => filled(why.answered, &[why.otherwise]),
            EvaluationResult::Woke => filled(why.answered, &[&reason]),
            EvaluationResult::Stopped => filled(why.stopped, &[&came]),
            EvaluationResult::NotMatched => filled(why.not_for, &[&came, &reason]),
            EvaluationResult::Skipped => filled(why.refused, &[&came, &reason]),
            EvaluationResult::Failed => filled(why.failed, &[&came, &reason]),
        };
        let mut line = self.line(event.received_at_ms, "event", &event.id, &one.workflow);
        line.text = text;
        line.run.clone_from(&one.run);
        let refused =
            matches!(one.result, EvaluationResult::NotMatched | EvaluationResult::Skipped | EvaluationResult::Failed);
        if refused {
            line.reason.clone_from(&one.reason);
            line.facts = self.facts_of_evaluation(one, event, data);
        }
        line
    }

    /// What the account tells of messages and people is news to somebody only when a workflow listens; our own messages
    /// are told as such.
    fn unheard(&self, event: &EventRow, data: &Value) -> Option<Line> {
        let callbell = event.source == "callbell";
        let own = is_own_message(&event.source, data);
        // A word that stops everything, or brings it back, is told by the ledger.
        let word = self.kept.consents.iter().any(|entry| entry.proof.contains(&event.id));
        if own || word || event.source == "gateway" || (callbell && event.name != "message_created") {
            return None;
        }
        let heard = match callbell {
            true => self.why.nobody_took,
            false => nobody(&event.name, self.deployed, self.words),
        };
        let mut line = self.line(event.received_at_ms, "event", &event.id, "");
        line.text = filled(self.why.nobody, &[&self.name_of(event, data), heard]);
        Some(line)
    }

    fn name_of(&self, event: &EventRow, data: &Value) -> String {
        match (event.source.as_str(), event.name.as_str()) {
            ("callbell", "message_created") => self.why.a_message.to_owned(),
            ("callbell", "message_status_updated") => {
                filled(self.why.a_status, &[data["status"].as_str().unwrap_or_default()])
            }
            ("callbell", _) => self.why.a_change.to_owned(),
            ("schedule", _) => self.why.the_schedule.to_owned(),
            (_, name) => format!("`{name}`"),
        }
    }

    /// What the person wrote.
    fn written(&self, event: &EventRow, data: &Value) -> Option<String> {
        let text = data["text"].as_str().filter(|text| event.name == "message_created" && !text.trim().is_empty())?;
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let cut: String = line.chars().take(SHOWN).collect();
        let more = if line.chars().count() > SHOWN { "…" } else { "" };
        Some(filled(self.why.quoted, &[&format!("{cut}{more}")]))
    }
}
