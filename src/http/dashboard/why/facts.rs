//! What a reason rests on: the values that a condition read, the last message, a withdrawal, a pause, an earlier run.
//!
//! Invariant: what the event said is told as it was then; what is known of the person is told as it is today, and says so.

use super::{Teller, filled};
use crate::contact::{Line as Window, WithdrawalScope};
use crate::delivery::{Delivery, Pause, Scope};
use crate::event::{Evaluation, EvaluationResult};
use crate::expr::{PathUse, Question, printed};
use crate::http::dashboard::words::word;
use crate::store::events::EventRow;
use crate::workflow::Workflow;
use serde_json::Value;

/// Values told of one condition.
const VALUES: usize = 8;

impl Teller<'_> {
    pub(super) fn facts_of_evaluation(&self, one: &Evaluation, event: &EventRow, data: &Value) -> Vec<String> {
        let Some(definition) = self.deployed.definitions.get(&one.workflow) else { return Vec::new() };
        let workflow = &definition.workflow;
        let mut facts = match one.reason.as_str() {
            "already_running" | "already_done" => one.held_by.iter().map(|run| self.holder(run)).collect(),
            "limit" => self.reached(&one.workflow, event.received_at_ms),
            _ => Vec::new(),
        };
        if one.reason == "limit" {
            let limits = workflow.settings.limit.iter();
            facts.extend(limits.map(|limit| self.limit(limit.count, limit.per.days, limit.per.ms)));
        }
        let questions = asked(workflow, one);
        facts.extend(self.values(questions.iter().flat_map(|question| question.paths()), data));
        facts
    }

    /// What conditions read.
    fn values(&self, paths: impl Iterator<Item = PathUse>, data: &Value) -> Vec<String> {
        let person = self.kept.contact.as_ref().map(|contact| Value::Object(contact.to_value()));
        let mut facts = Vec::new();
        for path in paths {
            let (name, fields) = (format!("{}.{}", path.root, path.fields.join(".")), path.fields.join("."));
            let fact = match (path.root.as_str(), &person) {
                ("event", _) => match shown(data, &fields) {
                    Some(value) => format!("{name} = {value}"),
                    None => filled(self.why.missing, &[&name]),
                },
                ("contact", Some(person)) => match shown(person, &fields) {
                    Some(value) => filled(self.why.today, &[&name, &value]),
                    None => filled(self.why.missing_today, &[&name]),
                },
                _ => continue,
            };
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
        facts.truncate(VALUES);
        facts
    }

    /// The run that was there first: whoever it is about, as it stands now.
    fn holder(&self, id: &str) -> String {
        let Some(run) = self.kept.holders.iter().find(|run| run.id == id) else {
            return filled(self.why.gone_run, &[id]);
        };
        let said =
            [&*run.id, &*self.moments.at_exactly(run.started_at_ms), word(&self.words.run_states, run.state.as_str())];
        match self.kept.contact.as_ref().is_some_and(|person| person.id == run.contact) {
            true => filled(self.why.earlier_run, &said),
            false => filled(self.why.other_run, &said),
        }
    }

    /// When runs of the workflow reached the person before.
    fn reached(&self, workflow: &str, before_ms: i64) -> Vec<String> {
        let of_it = self.kept.runs.iter().filter(|run| run.workflow == workflow);
        let mut reached: Vec<i64> = of_it.filter_map(|run| run.reached_at_ms).filter(|at| *at <= before_ms).collect();
        reached.sort_unstable();
        let latest = reached.into_iter().rev().take(3);
        latest.map(|at_ms| filled(self.why.reached, &[&self.moments.at_exactly(at_ms)])).collect()
    }

    fn limit(&self, count: u32, days: i32, ms: i64) -> String {
        filled(self.why.limit, &[&count.to_string(), &length(days, ms)])
    }

    pub(super) fn facts_of_message(&self, delivery: &Delivery) -> Vec<String> {
        let mut facts = match delivery.reason.as_str() {
            "opted_out" | "no_consent" => self.consent_facts(delivery.planned_at_ms),
            "window_closed" => vec![self.window(&delivery.channel)],
            "quiet_hours" => delivery.rules.quiet.iter().map(|quiet| self.quiet(quiet)).collect(),
            "limit" => {
                let limits = delivery.rules.limit.iter().map(|limit| self.limit(limit.count, limit.days, limit.ms));
                limits.chain(self.reached(&delivery.workflow, i64::MAX)).collect()
            }
            "expired" => vec![filled(self.why.expired_at, &[&self.moments.exactly_after(delivery.expires_at_ms)])],
            "channel_paused" | "template_paused" | "breaker_open" => self.pauses(delivery),
            _ => Vec::new(),
        };
        let waits =
            matches!(delivery.state, crate::delivery::DeliveryState::Held | crate::delivery::DeliveryState::Queued);
        if waits {
            facts.push(filled(self.why.expires_at, &[&self.moments.at_exactly(delivery.expires_at_ms)]));
        }
        let last = self.kept.attempts.iter().filter(|attempt| attempt.delivery == delivery.id).max_by_key(|one| one.n);
        if let Some(error) = last.and_then(|attempt| attempt.error.as_deref()).filter(|error| !error.is_empty()) {
            facts.push(filled(self.why.api_said, &[error]));
        }
        facts
    }

    fn consent_facts(&self, at_ms: i64) -> Vec<String> {
        let Some(contact) = &self.kept.contact else { return Vec::new() };
        let sources = &self.words.person_page().sources;
        let withdrawn = self.withdrawal(at_ms).map(|withdrawal| {
            let (source, proof) = crate::consent::source_and_proof(&withdrawal.source);
            let said = format!("{} {proof}", word(sources, source));
            let withdrew = match withdrawal.scope {
                WithdrawalScope::All => self.why.withdrew,
                WithdrawalScope::Marketing => self.why.withdrew_marketing,
            };
            filled(withdrew, &[&self.moments.at_exactly(withdrawal.at_ms), said.trim()])
        });
        let nothing = contact.consent.is_none().then(|| self.why.no_consent_known.to_owned());
        withdrawn.or(nothing).into_iter().collect()
    }

    fn window(&self, channel: &str) -> String {
        let line: Option<&Window> = self.kept.lines.iter().find(|(name, _)| name == channel).map(|(_, line)| line);
        match line.and_then(|line| line.last_inbound_ms) {
            Some(at_ms) => filled(self.why.last_wrote, &[&self.moments.at_exactly(at_ms), channel]),
            None => filled(self.why.never_wrote, &[channel]),
        }
    }

    fn quiet(&self, quiet: &crate::rules::Quiet) -> String {
        let clock = |time: &jiff::civil::Time| time.strftime("%H:%M").to_string();
        filled(self.why.quiet, &[&clock(&quiet.from), &clock(&quiet.to)])
    }

    fn pauses(&self, delivery: &Delivery) -> Vec<String> {
        let template = delivery.message.template.as_ref().map(|template| template.uuid.as_str());
        let stands = self.kept.pauses.iter().filter(|(scope, _)| match scope {
            Scope::Account => true,
            Scope::Channel(name) => *name == delivery.channel,
            Scope::Template(uuid) => Some(uuid.as_str()) == template,
            Scope::Workflow(_) => false,
        });
        let told = |(_, pause): &(Scope, Pause)| {
            let why = if pause.code.is_some() { self.words.failure(pause.code, &pause.why) } else { pause.why.clone() };
            filled(self.why.paused, &[&self.moments.exactly_after(pause.since_ms), &why])
        };
        stands.map(told).collect()
    }
}

/// The questions that decided: those whose line the reason names, else all of the place that said no.
fn asked<'a>(workflow: &'a Workflow, one: &Evaluation) -> Vec<&'a Question> {
    let trigger = workflow.triggers.iter().find(|trigger| trigger.name == one.trigger);
    let all: Vec<&Question> = match one.result {
        EvaluationResult::NotMatched => trigger.map(|trigger| trigger.condition.questions()).unwrap_or_default(),
        EvaluationResult::Skipped if is_code(&one.reason) => {
            workflow.settings.once_per.iter().filter(|_| one.reason.starts_with("already_")).collect()
        }
        EvaluationResult::Skipped => workflow.condition.questions(),
        EvaluationResult::Failed => workflow.settings.once_per.iter().collect(),
        _ => Vec::new(),
    };
    let named = |question: &&&Question| {
        let line = question.source().split_whitespace().collect::<Vec<_>>().join(" ");
        one.reason.contains(&line)
    };
    let decided: Vec<&Question> = all.iter().filter(named).copied().collect();
    if decided.is_empty() { all } else { decided }
}

fn is_code(reason: &str) -> bool {
    !reason.contains(' ')
}

/// A value in a few words; `None` = missing or null.
fn shown(value: &Value, path: &str) -> Option<String> {
    if let Some(text) = printed(value, path) {
        return Some(text.chars().take(60).collect());
    }
    match path.split('.').try_fold(value, crate::expr::field)? {
        Value::Null => None,
        Value::String(_) => Some("\"\"".to_owned()),
        other => Some(other.to_string().chars().take(60).collect()),
    }
}

/// `7d`, `2h`, `1d12h`.
fn length(days: i32, ms: i64) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    let parts = [(i64::from(days), "d"), (hours, "h"), (minutes, "m"), (seconds, "s")];
    parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect()
}
