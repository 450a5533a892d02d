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
use std::collections::BTreeSet;
use std::ops::Range;

impl<'a> Lowering<'a> {
    /// Every event says who it is about, in one of the ways that `contact` knows.
    pub(super) fn somebody_in_each(&mut self, inner: &Fields<'a>, map: &ContactMap) {
        let ways = [("phone", &map.phone), ("bsuid", &map.bsuid), ("uuid", &map.uuid)];
        let ways: Vec<(&'a Entry, &Text)> =
            ways.into_iter().filter_map(|(key, text)| Some((inner.get(key)?, text.as_ref()?))).collect();
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
        let details = [
            ("name", &map.name),
            ("first_name", &map.first_name),
            ("email", &map.email),
            ("language", &map.language),
            ("timezone", &map.timezone),
        ];
        for (_, sample) in self.samples_of_some() {
            let lacks = |text: &Text| text.paths().iter().any(|used| is_missing(used, &sample));
            for (name, _) in details.iter().filter(|(_, text)| text.as_ref().is_some_and(lacks)) {
                filled.remove(*name);
            }
        }
    }

    /// A question about a field that some events lack: of them it gets no answer.
    pub(super) fn asked_of_some(
        &mut self,
        node: &Node,
        used: &PathUse,
        span: &Range<usize>,
        reached: &[(&str, Reach)],
    ) {
        let lacking: Vec<(&str, Reach)> =
            reached.iter().filter(|(_, reach)| matches!(reach, Reach::Missing(..))).cloned().collect();
        let Some(told) = self.lacking(used, &lacking).filter(|_| !used.optional) else { return };
        let (path, samples) = (used.shown(), lacking.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        let hint = match told.near {
            true => told.hint,
            false => format!("ask `has({path})` first, if only some events have it; or bring the sample up to date"),
        };
        let message = format!("`{path}` is missing in {}", samples.join(" and in "));
        self.report.warn_in("R307", node, span, (message, hint));
    }

    /// The samples of webhooks, where there are several kinds of events: whom the others are about is known.
    fn samples_of_some(&self) -> Vec<(String, Value)> {
        let Events::Known(samples) = &self.seen.events else { return Vec::new() };
        let webhooks = samples.iter().filter(|(name, _)| samples.len() > 1 && name.starts_with("the sample"));
        webhooks.map(|(name, sample)| (name.clone(), sample.clone().into_owned())).collect()
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
