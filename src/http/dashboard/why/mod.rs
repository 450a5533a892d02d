//! Why: the account of one person in a period, a line per occurrence, in words. For the page, and for `POST /api/why`.
//!
//! `engine::why` read what is kept; here it is told. Pure. Invariant: nothing that concerned the person is left out because
//! it led to nothing, and every line says why.

mod events;
mod facts;
mod rows;

use super::moment::Moments;
use super::words::{WhyWords, Words, word};
use crate::consent::source_and_proof;
use crate::contact::{Contact, Withdrawal, WithdrawalScope};
use crate::engine::deployed::Deployed;
use crate::engine::why::{Kept, Question};
use crate::http::mask::masked_text;
use crate::store::schedules::FiringRow;
use jiff::Timestamp;

/// One occurrence.
#[derive(Debug, Clone)]
pub(in crate::http) struct Line {
    /// Unix milliseconds.
    pub(in crate::http) at_ms: i64,
    /// The same as a person of the project reads it.
    pub(in crate::http) at: String,
    /// `event`, `run`, `message`, `consent`, `campaign`.
    pub(in crate::http) kind: &'static str,
    /// The run that is started, ended, or sends.
    pub(in crate::http) run: Option<String>,
    /// Id of the event, run, message, or campaign.
    pub(in crate::http) id: String,
    /// Id of the workflow; empty where none is concerned.
    pub(in crate::http) workflow: String,
    /// What its name is; empty as well.
    pub(in crate::http) name: String,
    pub(in crate::http) text: String,
    /// The reason as it is kept: one of the codes, or a sentence; empty when nothing stood in the way.
    pub(in crate::http) reason: String,
    /// What the reason rests on, and what followed.
    pub(in crate::http) facts: Vec<String>,
}

/// The whole account.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Told {
    /// In order of time.
    pub(in crate::http) lines: Vec<Line>,
    /// What follows from them, or why there are none.
    pub(in crate::http) conclusion: Vec<String>,
}

/// What every part of the telling needs.
struct Teller<'a> {
    kept: &'a Kept,
    question: &'a Question,
    deployed: &'a Deployed,
    moments: Moments,
    words: &'static Words,
    why: &'static WhyWords,
}

/// Tells what is kept. `open`: numbers are not masked.
pub(in crate::http) fn tell(
    kept: &Kept,
    question: &Question,
    deployed: &Deployed,
    now_ms: i64,
    lang: &str,
    open: bool,
) -> Told {
    let words = Words::of(lang);
    let moments = Moments::new(deployed.settings.zone().clone(), words, now_ms);
    let teller = Teller { kept, question, deployed, moments, words, why: words.why() };
    let lines = teller.lines();
    let mut told = Told { conclusion: teller.conclusion(&lines), lines };
    if !open {
        for line in &mut told.lines {
            line.text = masked_text(&line.text).into_owned();
            line.reason = masked_text(&line.reason).into_owned();
            line.facts.iter_mut().for_each(|fact| *fact = masked_text(fact).into_owned());
        }
    }
    told
}

impl Teller<'_> {
    fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.kept.events.iter().flat_map(|event| self.event(event)).collect();
        lines.extend(self.kept.runs.iter().map(|run| self.run(run)));
        lines.extend(self.kept.deliveries.iter().map(|row| self.message(row)));
        lines.extend(self.kept.consents.iter().map(|entry| self.consent(entry)));
        lines.extend(self.kept.campaigns.iter().filter(|firing| self.is_without(firing)).map(|one| self.campaign(one)));
        if let Some(wanted) = &self.question.workflow {
            lines.retain(|line| line.workflow == *wanted || line.kind == "consent");
        }
        // What came stands before what it led to, and how a run stands behind what it sent.
        let rank = |kind: &str| ["campaign", "event", "consent", "message", "run"].iter().position(|one| *one == kind);
        lines.sort_by(|a, b| (a.at_ms, rank(a.kind), &a.id).cmp(&(b.at_ms, rank(b.kind), &b.id)));
        lines
    }

    /// A campaign of which nothing of this person is on record.
    fn is_without(&self, firing: &FiringRow) -> bool {
        let known = self.kept.contact.is_some() || self.question.workflow.is_some();
        let run = self.kept.runs.iter().any(|run| run.firing.as_deref() == Some(&firing.id));
        let judged = |event: &crate::store::events::EventRow| {
            event.source == "schedule" && event.evaluations.contains(&format!("\"workflow\":\"{}\"", firing.workflow))
        };
        known && !run && !self.kept.events.iter().any(judged)
    }

    fn conclusion(&self, lines: &[Line]) -> Vec<String> {
        let why = self.why;
        let mut said = Vec::new();
        if self.kept.contact.is_none() {
            said.push(why.stranger.to_owned());
        }
        said.extend(self.kept.withdrawal.as_ref().map(|withdrawal| self.refusal(withdrawal)));
        if !self.kept.near.is_empty() {
            let near: Vec<String> = self.kept.near.iter().map(crate::contact::Phone::masked).collect();
            said.push(filled(why.near, &[&near.join(", ")]));
        }
        if lines.iter().all(|line| line.kind == "consent") {
            said.extend(self.nothing());
        } else if !self.kept.deliveries.iter().any(|row| row.delivery.handed_at_ms.is_some() || row.status.is_some()) {
            said.push(why.nothing_sent.to_owned());
        }
        if self.kept.more {
            said.push(why.more.to_owned());
        }
        said
    }

    /// What stands whatever consent came later.
    fn refusal(&self, withdrawal: &Withdrawal) -> String {
        let since = [&*self.moments.exactly_after(withdrawal.at_ms), &*self.said_by(withdrawal)];
        match withdrawal.scope {
            WithdrawalScope::All => filled(self.why.refuses_all, &since),
            WithdrawalScope::Marketing => filled(self.why.refuses_marketing, &since),
        }
    }

    /// `a word of the person: stop, event 01…`.
    fn said_by(&self, withdrawal: &Withdrawal) -> String {
        let (source, proof) = source_and_proof(&withdrawal.source);
        let proof = if proof.is_empty() { String::new() } else { format!(" ({proof})") };
        filled(self.why.said, &[word(&self.words.person_page().sources, source), &proof])
    }

    /// Why there is nothing to tell.
    fn nothing(&self) -> Vec<String> {
        let (why, from, to) = (self.why, self.dated(self.question.from_ms), self.dated(self.question.to_ms));
        let Some(id) = &self.question.workflow else { return vec![filled(why.nothing, &[&from, &to])] };
        let name = self.workflow(id);
        let mut said = vec![filled(why.nothing_of, &[&name, &from, &to])];
        if self.deployed.definitions.get(id).is_some_and(|definition| !definition.workflow.enabled) {
            said.push(filled(why.switched_off, &[&name]));
        }
        said.extend(self.kept.newest.iter().map(|(event, at_ms)| match at_ms {
            None => filled(why.never_came, &[event]),
            Some(at_ms) => filled(why.came_for_others, &[event, &self.moments.at_exactly(*at_ms)]),
        }));
        said
    }

    fn line(&self, at_ms: i64, kind: &'static str, id: &str, workflow: &str) -> Line {
        Line {
            at_ms,
            at: self.date(at_ms),
            kind,
            run: None,
            id: id.to_owned(),
            workflow: workflow.to_owned(),
            name: if workflow.is_empty() { String::new() } else { self.workflow(workflow) },
            text: String::new(),
            reason: String::new(),
            facts: Vec::new(),
        }
    }

    /// The workflow's name; its id when it is gone.
    fn workflow(&self, id: &str) -> String {
        self.deployed.definitions.get(id).map_or_else(|| id.to_owned(), |definition| definition.workflow.name.clone())
    }

    /// `2026-03-02 12:00:00`, in the project's zone: lines of several days stand below each other.
    fn date(&self, at_ms: i64) -> String {
        let [day, time] = self.day_and_time(at_ms);
        format!("{day} {time}")
    }

    /// The same within a sentence.
    fn dated(&self, at_ms: i64) -> String {
        let [day, time] = self.day_and_time(at_ms);
        filled(self.words.beside[1], &[&day, &time])
    }

    fn day_and_time(&self, at_ms: i64) -> [String; 2] {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned(self.deployed.settings.zone().clone());
        ["%Y-%m-%d", "%H:%M:%S"].map(|part| at.strftime(part).to_string())
    }

    /// The withdrawal that stood at an instant; when none did, the first to come after it.
    fn withdrawal(&self, at_ms: i64) -> Option<&Withdrawal> {
        let all = || self.kept.contact.iter().flat_map(Contact::withdrawals);
        let stood = all().filter(|one| one.at_ms <= at_ms).max_by_key(|one| one.scope);
        stood.or_else(|| all().min_by_key(|one| one.at_ms))
    }

    /// A reason in words. `at_ms`: when it was given.
    fn reason(&self, reason: &str, at_ms: i64) -> String {
        let marketing = || self.withdrawal(at_ms).is_some_and(|one| one.scope == WithdrawalScope::Marketing);
        match reason == "opted_out" && marketing() {
            true => self.why.opted_out_of_marketing.to_owned(),
            false => self.words.reason(reason),
        }
    }
}

/// A line of a trace in plain words of a language; numbers masked.
pub(in crate::http) fn told(written: &str, lang: &str) -> String {
    masked_text(&Words::of(lang).told(written)).into_owned()
}

/// A reason in plain words of a language; numbers masked.
pub(in crate::http) fn said(reason: &str, lang: &str) -> String {
    masked_text(&Words::of(lang).reason(reason)).into_owned()
}

/// A sentence with its gaps filled in order.
pub(super) fn filled(sentence: &str, parts: &[&str]) -> String {
    let mut pieces = sentence.split("{}");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for (at, piece) in pieces.enumerate() {
        out.push_str(parts.get(at).copied().unwrap_or_default());
        out.push_str(piece);
    }
    out
}
