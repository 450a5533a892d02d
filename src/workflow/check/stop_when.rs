//! `stop_when`: what ends a live run, and how an arriving event tells whose (`language.md` §6.5).

use super::expression::is_bare_path;
use super::fields::{Fields, Shape};
use super::lowering::Lowering;
use super::seen::{Events, Reach, reach};
use super::trigger::named_apart;
use crate::expr::{PathUse, Wants};
use crate::trigger::TriggerKind;
use crate::workflow::yaml::{Entry, Kind, Node};
use crate::workflow::{ContactMap, StopWhen};
use serde_json::Value as Json;
use std::ops::Range;

const STOP: Shape = Shape {
    what: "`stop_when`",
    keys: &["webhook", "message", "message_status", "contact", "if", "source", "channel", "of", "tag", "same"],
    later: &["conversation"],
    elsewhere: &[
        ("schedule", "a run is ended by what happens; a time to end it is a step: `wait: …`, then `stop: …`"),
        ("cron", "a run is ended by what happens; a time to end it is a step: `wait: …`, then `stop: …`"),
        ("missed", "remove it: it is only for `schedule` and `cron` in `when:`"),
        ("catch_up", "remove it: it is only for `schedule` and `cron` in `when:`"),
    ],
};

impl<'a> Lowering<'a> {
    pub(super) fn stop_when(&mut self, fields: &Fields<'a>, contact: &ContactMap) -> Vec<StopWhen> {
        let Some(entry) = fields.get("stop_when") else { return Vec::new() };
        let started_by = std::mem::take(&mut self.triggers);
        let before = self.seen.clone();
        let own = before.events.clone();
        if let Some(steps) = fields.get("do") {
            self.seen.steps_anywhere(&steps.value);
        }
        let mut stops = Vec::new();
        match &entry.value.kind {
            Kind::List(items) if !items.is_empty() => {
                for item in items {
                    stops.extend(self.stop_entry(item, None, contact, &own));
                }
            }
            Kind::List(_) | Kind::Null => {
                let hint = "write what ends a run, such as `stop_when: { message: any }`";
                self.report.error("R202", &entry.key_span, "`stop_when` is empty", hint);
            }
            _ => stops.extend(self.stop_entry(&entry.value, Some(entry), contact, &own)),
        }
        self.triggers = started_by;
        self.seen = before;
        let (triggers, same): (Vec<_>, Vec<_>) = stops.into_iter().map(|stop| (stop.trigger, stop.same)).unzip();
        let pairs = named_apart(triggers).into_iter().zip(same);
        pairs.map(|(trigger, same)| StopWhen { trigger, same }).collect()
    }

    fn stop_entry(
        &mut self,
        node: &'a Node,
        holder: Option<&Entry>,
        contact: &ContactMap,
        own: &Events<'a>,
    ) -> Option<StopWhen> {
        let trigger = self.trigger(node, holder, &STOP)?;
        let Kind::Map(lines) = &node.kind else { return None };
        let same = lines.iter().find(|line| line.key == "same");
        let pairs = same.map(|entry| self.same(entry, own)).unwrap_or_default();
        if let (TriggerKind::Webhook { event, .. }, None) = (&trigger.kind, same) {
            let place = lines.iter().find(|line| line.key == "webhook").map(|line| line.value.span.clone());
            self.about_somebody(event, &place.unwrap_or_default(), contact, own);
        }
        Some(StopWhen { trigger, same: pairs })
    }

    /// Without `same` the `contact` map is filled from the arriving event, whose shape `seen` holds now.
    fn about_somebody(&mut self, event: &str, place: &Range<usize>, contact: &ContactMap, own: &Events) {
        let identities = [&contact.phone, &contact.bsuid, &contact.uuid];
        let mut texts = identities.into_iter().flatten().peekable();
        let known = matches!(self.seen.events, Events::Known(_));
        let hint = match self.both_phones(own) {
            Some(same) => {
                format!("name the field of each event that must be the same: `{same}`, first that of `{event}`")
            }
            None => format!(
                "name the field of each event that must be the same: \
                 `same: {{ <field of {event}>: <field of what started the run> }}`"
            ),
        };
        if texts.peek().is_none() {
            let message = format!("nothing tells whom `{event}` is about: this workflow has no `contact`");
            self.report.warn("R505", place, message, hint);
        } else if known && !texts.any(|text| self.fill(text, &Json::Null).is_some()) {
            let message = format!(
                "`{event}` does not say about whom it is: \
                 the fields of `contact` are not in its sample, so it stops nothing"
            );
            self.report.warn("R505", place, message, format!("{hint}; or bring its sample up to date"));
        }
    }

    /// `same` with the numbers of the arriving event, which `seen` holds now, and of the run's.
    fn both_phones(&self, own: &Events) -> Option<String> {
        let (arriving, ours) = (self.seen.events.phone()?, own.phone()?);
        Some(match arriving == ours {
            true => format!("same: [{ours}]"),
            false => format!("same: {{ {arriving}: {ours} }}"),
        })
    }

    /// A path, a list of them, or a map from the arriving event's path to that of the run's event.
    fn same(&mut self, entry: &'a Entry, own: &Events<'a>) -> Vec<(String, String)> {
        let hint = "write the field that both events hold: `same: [order_id]`; \
                 or two that hold the same, first that of the event here: `same: { cart_id: order_id }`";
        let mut pairs = Vec::new();
        match &entry.value.kind {
            Kind::Scalar { .. } => pairs.extend(self.same_path(&entry.value, own)),
            Kind::List(items) if !items.is_empty() => {
                for item in items {
                    pairs.extend(self.same_path(item, own));
                }
            }
            Kind::Map(lines) => {
                for line in lines {
                    let arriving = self.field_path(&line.key, &line.key_span);
                    let ours = self.own_path(&line.value, own);
                    let (Some(arriving), Some((ours, found))) = (arriving, ours) else { continue };
                    if found {
                        self.in_arriving(&arriving, &line.key_span, own);
                    }
                    pairs.push((arriving, ours));
                }
            }
            Kind::List(_) | Kind::Null => self.report.error("R202", &entry.key_span, "`same` is empty", hint),
        }
        pairs
    }

    /// One name for both events.
    fn same_path(&mut self, node: &Node, own: &Events<'a>) -> Option<(String, String)> {
        let (path, found) = self.own_path(node, own)?;
        if found {
            self.in_arriving(&path, &node.span, own);
        }
        Some((path.clone(), path))
    }

    /// A path of the run's event, and whether nothing speaks against it.
    fn own_path(&mut self, node: &Node, own: &Events<'a>) -> Option<(String, bool)> {
        let Kind::Scalar { text, .. } = &node.kind else {
            let hint = "write the name of a field, such as `order_id`, or `payment.order`";
            self.report.error("R205", &node.span, "`same` takes names of fields", hint);
            return None;
        };
        let path = self.field_path(text, &node.span)?;
        let used = PathUse {
            root: "event".into(),
            fields: path.split('.').map(str::to_owned).collect(),
            offset: 0,
            len: text.len(),
            optional: false,
            wants: Wants::Scalar,
        };
        let arriving = std::mem::replace(&mut self.seen.events, own.clone());
        let before = self.report.errors();
        self.check_path(node, &used, None);
        self.seen.events = arriving;
        Some((path, self.report.errors() == before))
    }

    /// A dotted path without its root; `event.` in front of it is forgiven.
    fn field_path(&mut self, text: &str, span: &Range<usize>) -> Option<String> {
        let path = text.trim();
        let path = if is_bare_path(path) { path.strip_prefix("event.").unwrap_or(path) } else { path };
        let formed =
            path.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'));
        if !formed {
            let hint = "write the name of a field, such as `order_id`, or `payment.order`";
            self.report.error("R205", span, format!("`{text}` is not a field"), hint);
        }
        formed.then(|| path.to_owned())
    }

    fn in_arriving(&mut self, path: &str, span: &Range<usize>, own: &Events) {
        let fields: Vec<String> = path.split('.').map(str::to_owned).collect();
        let Events::Known(samples) = &self.seen.events else { return };
        let lacking = samples.iter().find(|(_, sample)| matches!(reach(sample, &fields), Reach::Missing(..)));
        if let Some((sample, _)) = lacking {
            let message = format!("`{path}` is not in {sample}, so nothing is ever the same");
            let hint = match self.both_phones(own) {
                Some(same) => {
                    format!("name two fields that hold the same, such as `{same}`; or bring the sample up to date")
                }
                None => format!(
                    "name the field that holds the same there: `same: {{ <field of this event>: {path} }}`; or bring the sample up to date"
                ),
            };
            self.report.warn("R505", span, message, hint);
        }
    }
}
