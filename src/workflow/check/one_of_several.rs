//! One of several: what the events of a workflow with several triggers do not share.
//!
//! Neighbours: `paths` judges a field that none of them has; here it is there in one sample and missing in another. Invariant:
//! an event that names nobody is told before it starts a run that reaches nobody.

use super::fields::Fields;
use super::lowering::Lowering;
use super::seen::{Events, Reach, phone_of, reach};
use crate::expr::{PathUse, Text};
use crate::workflow::ContactMap;
use crate::workflow::yaml::{Entry, Node};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

impl<'a> Lowering<'a> {
    /// Every event says who it is about, in one of the ways that `contact` knows.
    pub(super) fn somebody_in_each(&mut self, inner: &Fields<'a>, map: &ContactMap) {
        let ways: Vec<(&'a Entry, &Text)> =
            map.ways().filter_map(|(key, text)| Some((inner.get(key)?, text))).collect();
        for (name, sample) in self.samples_of_some() {
            let lacks = |text: &Text| text.paths().into_iter().find(|used| is_missing(used, &sample));
            let Some((entry, used)) = ways.first().and_then(|(entry, text)| Some((*entry, lacks(text)?))) else {
                continue;
            };
            if ways.iter().any(|(_, text)| lacks(text).is_none()) || !self.is_in_another(&used) {
                continue;
            }
            let Some(told) = self.lacking(&used, &[(&name, reach(&sample, &used.fields))]) else { continue };
            let hint = match phone_of(&sample).filter(|_| entry.key == "phone") {
                Some(field) => format!("write `\"{{{{default {} event.{field}}}}}\"`", used.shown()),
                None => format!("{}; or give that event a workflow of its own", told.hint),
            };
            let span = self.report.document.part_of(&entry.value, used.offset, used.len);
            self.report.stricter("R307", &span, told.message, hint);
        }
    }

    /// What `contact` fills only for some of the events may be unknown in a text.
    pub(super) fn filled_by_all(&self, map: &ContactMap, filled: &mut BTreeSet<String>) {
        for (_, sample) in self.samples_of_some() {
            let lacks = |text: &Text| text.paths().iter().any(|used| is_missing(used, &sample));
            for (name, _) in map.details().filter(|(_, text)| lacks(text)) {
                filled.remove(name);
            }
        }
    }

    /// A question about a field that some webhooks lack: of them it gets no answer. One that asks `has` tells the events apart
    /// itself, and nobody takes a message or a schedule for a webhook.
    pub(super) fn asked_of_some(&mut self, node: &Node, paths: &[PathUse]) {
        let samples = self.samples_of_some();
        if samples.len() < 2 || paths.iter().any(|used| used.root == "event" && used.optional) {
            return;
        }
        let mut told = Vec::new();
        for used in paths {
            let missing: Vec<(&str, Reach)> = samples
                .iter()
                .filter(|(_, sample)| is_missing(used, sample))
                .map(|(name, sample)| (name.as_str(), reach(sample, &used.fields)))
                .collect();
            let Some(lacking) = self.lacking(used, &missing).filter(|_| missing.len() < samples.len()) else {
                continue;
            };
            let (path, names) = (used.shown(), missing.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            let hint = match lacking.near {
                true => lacking.hint,
                false => {
                    format!("ask `has({path})` first, if only some events have it; or bring the sample up to date")
                }
            };
            told.push((used, (format!("`{path}` is missing in {}", names.join(" and in ")), hint)));
        }
        for (used, told) in told {
            let span = self.report.document.part_of(node, used.offset, used.len);
            self.report.warn_in("R307", node, &span, told);
        }
    }

    /// The samples of webhooks, where there are several kinds of events: whom the others are about is known.
    fn samples_of_some(&self) -> Vec<(String, Cow<'a, Value>)> {
        match &self.seen.events {
            Events::Known(samples) if samples.len() > 1 => {
                self.triggers.webhooks.iter().filter_map(|event| self.sample_of(event)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Else it is told where the path is read.
    fn is_in_another(&self, used: &PathUse) -> bool {
        let Events::Known(samples) = &self.seen.events else { return false };
        samples.iter().any(|(_, sample)| !is_missing(used, sample))
    }
}

fn is_missing(used: &PathUse, sample: &Value) -> bool {
    used.root == "event" && !used.optional && matches!(reach(sample, &used.fields), Reach::Missing(..))
}
