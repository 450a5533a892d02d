//! Overlap: messages that two workflows wait for, of which one never gets them (`language.md` §9.3, R503).

use super::lowering::Lowering;
use super::never::takes;
use crate::condition::Condition;
use crate::trigger::message::{Matcher, Pattern};
use crate::trigger::{Trigger, TriggerKind};
use crate::workflow::Workflow;
use crate::workflow::diagnostic::Diagnostic;
use crate::workflow::yaml::{Entry, Kind};

/// The words of one trigger, and how it is said that they go to another workflow.
#[derive(Debug)]
pub(super) struct Spoken {
    workflow: String,
    pattern: Pattern,
    channel: Option<String>,
    /// Some question stands before it: who is refused leaves the message to the next.
    asks: bool,
    /// With the winner's name to be put in; `None` = silenced.
    told: Option<Diagnostic>,
}

impl<'a> Lowering<'a> {
    /// The matchers of a workflow that can run, with their places.
    pub(super) fn spoken(&self, workflow: &Workflow, when: Option<&Entry>) -> Vec<Spoken> {
        let places = matchers(when);
        let words = workflow.triggers.iter().filter_map(words_of);
        let asks = |trigger: &Trigger| !always(&trigger.condition) || !always(&workflow.condition);
        let told = |entry: &&Entry| self.report.warning("R503", &entry.value.span, "", "");
        let spoken = words.zip(places).map(|((trigger, pattern, channel), entry)| Spoken {
            workflow: workflow.id.clone(),
            pattern: pattern.clone(),
            channel: channel.clone(),
            asks: asks(trigger),
            told: told(&entry),
        });
        spoken.filter(|_| workflow.enabled).collect()
    }
}

fn words_of(trigger: &Trigger) -> Option<(&Trigger, &Pattern, &Option<String>)> {
    match &trigger.kind {
        TriggerKind::Message { matcher: Matcher::Match(pattern), channel } => Some((trigger, pattern, channel)),
        _ => None,
    }
}

/// The `message:` entries of `when` that hold a matcher, in order.
fn matchers(when: Option<&Entry>) -> Vec<&Entry> {
    let Some(when) = when else { return Vec::new() };
    let maps: Vec<_> = match &when.value.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![&when.value],
    };
    let lines = maps.into_iter().filter_map(|node| match &node.kind {
        Kind::Map(lines) => lines.iter().find(|line| line.key == "message"),
        _ => None,
    });
    lines.filter(|line| matches!(line.value.kind, Kind::Map(_))).collect()
}

fn always(condition: &Condition) -> bool {
    matches!(condition, Condition::Always)
}

/// Each workflow that another one leaves without messages it waits for, told once for each of them.
pub(super) fn overlaps(spoken: &[Spoken]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for loser in spoken {
        let mut told: Vec<&str> = Vec::new();
        for winner in spoken.iter().filter(|other| wins(other, loser)) {
            let Some(word) = common_word(winner, loser).filter(|_| !told.contains(&winner.workflow.as_str())) else {
                continue;
            };
            told.push(&winner.workflow);
            found.extend(loser.told.clone().map(|diagnostic| Diagnostic {
                message: format!("`{}` answers a message `{word}` first, so this workflow never gets it", winner.workflow),
                hint: format!("take `{word}` out of one of them, or give `{}` an `if`; \
                 the more exact wins: `is`, then `starts_with`, `contains`, `matches`, `has`, then the order of the alphabet", winner.workflow),
                ..diagnostic
            }));
        }
    }
    found
}

fn wins(winner: &Spoken, loser: &Spoken) -> bool {
    let rank = |spoken: &Spoken| (spoken.pattern.rank(), spoken.workflow.clone());
    let one_line = winner.channel.is_none() || winner.channel == loser.channel;
    winner.workflow != loser.workflow && !winner.asks && one_line && rank(winner) < rank(loser)
}

/// A message, of the words of one of them, that both take.
fn common_word<'s>(winner: &'s Spoken, loser: &'s Spoken) -> Option<&'s str> {
    let words = |pattern: &'s Pattern| pattern.is.iter().chain(&pattern.starts_with).chain(&pattern.contains);
    let mut all = words(&winner.pattern).chain(words(&loser.pattern));
    all.find(|word| takes(&winner.pattern, word) && takes(&loser.pattern, word)).map(String::as_str)
}
