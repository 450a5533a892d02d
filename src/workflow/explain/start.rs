//! What stands around the steps: what starts the workflow, for whom, how often, what stops it, what its messages respect.

use super::Telling;
use super::words::{code, filled};
use crate::condition::Condition;
use crate::delivery::Purpose;
use crate::trigger::contact::Change;
use crate::trigger::message::Matcher;
use crate::trigger::schedule::Missed;
use crate::trigger::{Trigger, TriggerKind};
use crate::workflow::{Again, Audience, StopWhen};

impl Telling<'_> {
    pub(super) fn start(&mut self) {
        let (workflow, p) = (self.workflow, self.phrases);
        self.heading(p.starts);
        if workflow.triggers.len() > 1 {
            self.line(0, p.any_of);
        }
        for trigger in &workflow.triggers {
            let said = format!("{}.", self.trigger(trigger));
            self.bullet(0, &said);
        }
        self.heading(p.who);
        self.who();
        if !matches!(workflow.condition, Condition::Always) {
            self.heading(p.only_if);
            let said = self.condition(&workflow.condition);
            self.line(0, &said);
            self.line(0, p.doubt);
        }
        self.heading(p.how_often);
        self.how_often();
        if !workflow.vars.is_empty() {
            self.heading(p.notes_first);
            for one in &workflow.vars {
                let said = self.notes(std::slice::from_ref(one));
                self.bullet(0, &said);
            }
        }
    }

    fn trigger(&self, trigger: &Trigger) -> String {
        let p = self.phrases;
        let mut said = match &trigger.kind {
            TriggerKind::Webhook { event, source } => {
                let from = source.as_ref().map(|source| filled(p.from_source, &[source]));
                filled(p.webhook, &[event]) + &from.unwrap_or_default()
            }
            TriggerKind::Schedule { schedule, missed, catch_up_ms } => {
                let late = match missed {
                    Missed::Latest => p.missed_latest,
                    Missed::All => p.missed_all,
                    Missed::Skip => p.missed_skip,
                };
                let late = filled(late, &[&self.milliseconds(*catch_up_ms)]);
                filled(p.on_schedule, &[schedule.source(), self.zone()]) + &late
            }
            TriggerKind::Message { matcher, channel } => {
                let by = channel.as_ref().map(|channel| filled(p.by_channel, &[channel]));
                let written = match matcher {
                    Matcher::Any => p.any_message.to_owned(),
                    Matcher::Unmatched => p.unmatched_message.to_owned(),
                    Matcher::Match(pattern) => filled(p.matching_message, &[&self.pattern(pattern)]),
                };
                written + &by.unwrap_or_default()
            }
            TriggerKind::MessageStatus { status, of } => {
                let of = of.as_ref().map(|of| filled(p.of_workflow, &[of]));
                filled(p.status, &[status.as_str()]) + &of.unwrap_or_default()
            }
            TriggerKind::Contact { change } => match change {
                Change::Created => p.created.to_owned(),
                Change::Updated => p.updated.to_owned(),
                Change::Tagged(tags) if tags.is_empty() => p.tagged.to_owned(),
                Change::Tagged(tags) => filled(p.tagged_with, &[&self.list(tags)]),
            },
        };
        if !matches!(trigger.condition, Condition::Always) {
            said += &filled(p.provided, &[&self.condition(&trigger.condition)]);
        }
        said
    }

    fn who(&mut self) {
        let (workflow, p) = (self.workflow, self.phrases);
        match &workflow.audience {
            Some(Audience::File(path)) => self.line(0, &filled(p.each_of_file, &[path])),
            Some(Audience::Tag(tags)) => {
                let tags = self.list(tags);
                self.line(0, &filled(p.each_of_tag, &[&tags]));
            }
            None => {}
        }
        let map = &workflow.contact;
        let fields = map.ways().chain(map.details());
        let given: Vec<String> = fields.map(|(name, text)| filled(p.field, &[&code(name), &self.text(text)])).collect();
        match (given.is_empty(), &workflow.audience) {
            (true, None) => self.line(0, p.the_writer),
            (true, Some(_)) => {}
            (false, _) => self.line(0, p.the_person),
        }
        given.iter().for_each(|field| self.bullet(0, field));
        if let Some(consent) = &map.consent {
            self.line(0, &filled(p.consent_if, &[&code(consent.source())]));
        }
    }

    fn how_often(&mut self) {
        let (settings, p) = (&self.workflow.settings, self.phrases);
        match &settings.once_per {
            None => self.line(0, p.once_per_event),
            Some(question) => {
                self.line(0, &filled(p.once_per, &[&code(question.source())]));
                self.line(
                    0,
                    match settings.again {
                        Again::Never => p.never,
                        Again::Restart => p.restart,
                        Again::Skip => p.skip,
                        Again::Queue => p.queue,
                    },
                );
            }
        }
        for limit in &settings.limit {
            let per = self.duration(limit.per);
            self.line(0, &filled(p.limit, &[&limit.count.to_string(), &per]));
        }
        if let Some(pace) = settings.pace {
            let per = self.milliseconds(pace.per_ms);
            self.line(0, &filled(p.pace[usize::from(pace.count != 1)], &[&pace.count.to_string(), &per]));
        }
    }

    pub(super) fn stops(&mut self) {
        let (workflow, p) = (self.workflow, self.phrases);
        self.heading(p.stops);
        for entry in &workflow.stop_when {
            let (when, whose) = (self.trigger(&entry.trigger), self.whose(entry));
            self.bullet(0, &filled(p.stop_line, &[&when, &whose]));
        }
        self.bullet(0, p.opt_out);
    }

    fn whose(&self, entry: &StopWhen) -> String {
        let p = self.phrases;
        let path = |(arriving, own): &(String, String)| match arriving == own {
            true => filled(p.same_path, &[own]),
            false => filled(p.same_other, &[own, arriving]),
        };
        match entry.same.is_empty() {
            true => p.same_person.to_owned(),
            false => filled(p.same, &[&entry.same.iter().map(path).collect::<Vec<_>>().join(p.and)]),
        }
    }

    pub(super) fn rules(&mut self) {
        let (settings, p) = (&self.workflow.settings, self.phrases);
        self.heading(p.rules);
        let zone = filled(p.zone, &[self.zone()]);
        self.bullet(0, &zone);
        let quiet = match &settings.quiet_hours {
            None => p.no_quiet.to_owned(),
            Some(hours) => {
                let clock = |time: &jiff::civil::Time| time.strftime("%H:%M").to_string();
                let held = match self.workflow.purpose {
                    Purpose::Marketing => p.quiet_held,
                    Purpose::Utility => p.quiet_utility,
                    Purpose::Service => p.quiet_service,
                };
                filled(held, &[&clock(&hours.from), &clock(&hours.to)])
            }
        };
        self.bullet(0, &quiet);
        let lives = filled(p.lives, &[&self.duration(settings.expires)]);
        self.bullet(0, &lives);
        self.bullet(0, &filled(p.retry, &[&settings.retry.to_string()]));
        self.bullet(0, p.hole);
    }
}
