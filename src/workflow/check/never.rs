//! Never: what no run gets to (R504), and runs that wait beside each other because nothing tells them apart (R501).

use super::fields::Fields;
use super::heard::Heard;
use super::lowering::Lowering;
use super::schedule::elapsed_ms;
use crate::condition::Condition;
use crate::trigger::message::{Content, Pattern};
use crate::workflow::yaml::{Entry, Kind, Node};
use crate::workflow::{Case, Reply, Wait};

const HOUR_MS: i64 = 3_600_000;

impl<'a> Lowering<'a> {
    /// The first step behind the end of every way.
    pub(super) fn after_the_end(&mut self, step: &Node) {
        if self.heard == Heard::Ended && !self.told_unreachable {
            self.told_unreachable = true;
            let span = match &step.kind {
                Kind::Map(lines) => lines.first().map_or(&step.span, |line| &line.key_span).clone(),
                _ => step.span.clone(),
            };
            let hint = "remove it, or give the `stop` before it an `if`";
            self.report.warn("R504", &span, "no run gets here: every way before it ends with `stop`", hint);
        }
    }

    /// A case behind one that always says yes.
    pub(super) fn after_always(&mut self, lowered: &[Case], items: &[Node], item: &Node) {
        let always = |case: &Case| match &case.condition {
            Condition::Question(question) => question.constant() == Some(true),
            _ => false,
        };
        if let (Some(at), Kind::Map(lines)) = (lowered.iter().position(always), &item.kind) {
            let (line, _) = self.report.document.place(items.get(at).map_or(0, |case| case.span.start));
            let case = at + 1;
            let message = format!("no run gets here: case {case}, at line {line}, always says yes");
            let span = lines.first().map_or(&item.span, |line| &line.key_span).clone();
            let hint = format!("put case {case} after this one, or move its steps to `otherwise:`");
            self.report.warn("R504", &span, message, hint);
        }
    }

    /// A reply whose every word an earlier one takes.
    pub(super) fn after_same_words(&mut self, replies: &[Reply], reply: &Reply, item: &Node) {
        let pattern = &reply.pattern;
        let only_words = pattern.starts_with.is_empty() && pattern.contains.is_empty() && pattern.matches.is_none();
        if !only_words || pattern.is.is_empty() || !pattern.has.is_empty() {
            return;
        }
        let taken = |word: &String| replies.iter().position(|other| takes(&other.pattern, word));
        let by: Option<Vec<usize>> = pattern.is.iter().map(taken).collect();
        if let (Some(by), Kind::Map(lines)) = (by, &item.kind) {
            let first = by.first().map_or(1, |at| at + 1);
            let span = lines.first().map_or(&item.span, |line| &line.key_span).clone();
            let message = format!("no answer gets here: reply {first} takes the same words");
            self.report.warn("R504", &span, message, "remove one of them, or put the more exact one first");
        }
    }

    /// A wait during which the same thing may start another run.
    pub(super) fn long_wait(&mut self, key: &Entry, wait: &Wait) {
        let long = match wait {
            Wait::For(duration) => elapsed_ms(*duration) >= HOUR_MS,
            Wait::Until { .. } | Wait::Next(_) => true,
        };
        // What a schedule starts is one of a kind: the instant, and the person.
        let again = !self.triggers.unknown && self.triggers.no_schedule;
        if long && again && !self.named_once && !self.told_waiting {
            self.told_waiting = true;
            let event = self.field_of_identity().unwrap_or_else(|| "order_id".to_owned());
            let hint = format!("write what makes it the same, below `settings:`, such as `once_per: event.{event}`");
            let message = "the workflow waits here, and the same event could start it once more: \
                           the person would get the messages twice";
            self.report.warn("R501", &key.key_span, message, hint);
        }
    }

    /// The field that tells one event of the first webhook from another, as far as its sample shows one.
    fn field_of_identity(&self) -> Option<String> {
        let sample = self.triggers.webhooks.first().and_then(|event| self.world.samples.events.get(event))?;
        let names = sample.as_object()?.iter().filter(|(_, value)| value.is_string() || value.is_number());
        let names: Vec<&String> = names.map(|(name, _)| name).collect();
        let fits: [fn(&str) -> bool; 3] = [
            |name| name == "id" || name == "uuid",
            |name| name.ends_with("_id") || name.ends_with("_uuid"),
            |name| ["number", "numero", "ref"].iter().any(|part| name.contains(part)),
        ];
        fits.iter().find_map(|fits| names.iter().find(|name| fits(name))).map(|name| (*name).clone())
    }

    /// Whether `once_per` is written, or was meant.
    pub(super) fn note_identity(&mut self, settings: Option<&Fields>) {
        let told = settings.is_some_and(|inner| inner.get("once_per").is_some() || inner.meant.contains(&"once_per"));
        self.named_once = told;
    }
}

/// Whether a message of these words alone is taken.
pub(super) fn takes(pattern: &Pattern, words: &str) -> bool {
    pattern.matches(words, &[Content::Text])
}
