//! The timeline of a test: one happening or one look per entry, in the order of time.

use super::Reader;
use super::values::merge;
use crate::workflow::check::fields::{Fields, Shape};
use crate::workflow::check::samples::did_you_mean;
use crate::workflow::check::words::{listed, suggestion};
use crate::workflow::test_file::{Entry as Moment, Happening, StatusWord, Unheard, What};
use crate::workflow::yaml::{Entry, Kind, Node};
use serde_json::{Map, Value};

const ENTRY: Shape = Shape {
    what: "an entry of a timeline",
    keys: &["at", "webhook", "sample", "with", "message", "button", "status", "contact", "restart", "expect"],
    later: &[],
    elsewhere: &[("schedule", "schedules fire by themselves when their time comes")],
};
/// Of which an entry has exactly one.
const KINDS: [&str; 7] = ["webhook", "message", "button", "status", "contact", "restart", "expect"];
const MESSAGE: Shape =
    Shape { what: "a `message` of a timeline", keys: &["from", "text", "media"], later: &["channel"], elsewhere: &[] };
const BUTTON: Shape = Shape { what: "`button`", keys: &["from", "press"], later: &[], elsewhere: &[] };
const STATUS: Shape = Shape { what: "`status`", keys: &["of", "is", "code"], later: &[], elsewhere: &[] };
const CONTACT: Shape =
    Shape { what: "a `contact` of a timeline", keys: &["of", "tagged"], later: &["untagged"], elsewhere: &[] };
const STATUSES: [StatusWord; 3] = [StatusWord::Delivered, StatusWord::Read, StatusWord::Failed];
/// Entries of one test at most.
const MOST_ENTRIES: usize = 1_000;

impl<'a> Reader<'a> {
    pub(super) fn timeline(&mut self, entry: &'a Entry, start_ms: i64) -> Vec<Moment> {
        let items = match &entry.value.kind {
            Kind::List(items) if items.len() <= MOST_ENTRIES => items,
            Kind::List(_) => {
                let hint = "split the test";
                self.wrong(&entry.key_span, format!("more than {MOST_ENTRIES} entries in a test"), hint);
                return Vec::new();
            }
            _ => {
                let hint =
                    "write each entry after `- `, such as `- { at: 0m, webhook: order.paid, sample: order.paid }`";
                self.wrong(&entry.value.span, "`timeline` must be a list", hint);
                return Vec::new();
            }
        };
        let mut timeline: Vec<Moment> = Vec::new();
        for item in items {
            let Some(moment) = self.moment(item, start_ms) else { continue };
            if let Some(before) = timeline.last().filter(|before| before.at_ms > moment.at_ms) {
                let message =
                    format!("`{}` is before the entry above it, which is at `{}`", moment.written, before.written);
                let hint = "put the entries in the order of time; offsets count from the start of the test";
                self.wrong(&item.span, message, hint);
            }
            if moment.at_ms < start_ms {
                let hint = "let the test start earlier";
                self.wrong(&item.span, format!("`{}` is before the start of the test", moment.written), hint);
            }
            timeline.push(moment);
        }
        timeline
    }

    fn moment(&mut self, item: &'a Node, start_ms: i64) -> Option<Moment> {
        let fields = Fields::open(&mut self.report, item, None, &ENTRY)?;
        let hint = "write when, counted from the start of the test: `at: 2h`";
        let at = fields.required(&mut self.report, "at", hint);
        let at_ms = at.and_then(|entry| self.at(entry, start_ms));
        let kinds: Vec<&'a Entry> = fields.entries.iter().filter(|entry| KINDS.contains(&entry.key.as_str())).collect();
        let entry = match kinds[..] {
            [entry] => entry,
            // The key that was refused was meant to say it.
            [] if fields.refused => return None,
            [] => {
                let hint = format!("write one of {}", listed(&KINDS));
                self.wrong(&fields.place, "nothing happens here and nothing is expected", hint);
                return None;
            }
            [_, second, ..] => {
                let hint = "one entry, one thing: write the other one in an entry of its own, with the same `at`";
                self.wrong(&second.key_span, format!("`{}` stands beside `{}`", second.key, kinds[0].key), hint);
                return None;
            }
        };
        for further in fields.entries.iter().filter(|one| matches!(one.key.as_str(), "sample" | "with")) {
            if entry.key != "webhook" {
                let hint = "write it beside `webhook`, or remove it";
                self.wrong(&further.key_span, format!("`{}` belongs to a `webhook`", further.key), hint);
            }
        }
        let what = match entry.key.as_str() {
            "expect" => What::Expect(self.expect(entry)),
            _ => What::Happens(self.happening(entry, &fields)?),
        };
        let written = at.and_then(|entry| self.text(entry)).unwrap_or_default().to_owned();
        Some(Moment { place: self.place(&item.span), written, at_ms: at_ms?, what })
    }

    fn happening(&mut self, entry: &'a Entry, fields: &Fields<'a>) -> Option<Happening> {
        match entry.key.as_str() {
            "webhook" => self.webhook(entry, fields),
            "message" => self.message(entry),
            "button" => self.button(entry),
            "status" => self.status(entry),
            "contact" => self.tagged(entry),
            _ => self.restart(entry),
        }
    }

    fn webhook(&mut self, entry: &'a Entry, fields: &Fields<'a>) -> Option<Happening> {
        let event = self.text(entry)?.to_owned();
        if !crate::trigger::webhook::is_event_name(&event) {
            let hint = "write letters, digits and `_`, parts joined by full stops, such as `order.paid`; 200 characters at most";
            self.wrong(&entry.value.span, format!("badly formed name of an event: `{event}`"), hint);
            return None;
        }
        let unheard = self.unheard(entry, &event);
        let mut data = match fields.get("sample") {
            Some(sample) => self.sample(sample)?,
            None => Value::Object(Map::new()),
        };
        if let Some(with) = fields.get("with") {
            merge(&mut data, Value::Object(self.data(with)));
        }
        Some(Happening::Webhook { event, data, unheard })
    }

    /// Says so when no workflow hears the event and a slip of the hand away is one that was meant; `None` as well when a
    /// comment allows it.
    fn unheard(&mut self, entry: &Entry, event: &str) -> Option<Unheard> {
        let near = self.listens.meant(event, self.world.samples)?;
        let unheard = Unheard { message: format!("no workflow listens to `{event}`"), hint: did_you_mean(near, event) };
        self.report.warn("R307", &entry.value.span, unheard.message.clone(), unheard.hint.clone()).then_some(unheard)
    }

    fn sample(&mut self, entry: &'a Entry) -> Option<Value> {
        let name = self.text(entry)?;
        let samples = self.world.samples;
        let found = samples.events.get(name).cloned();
        if found.is_none() && !samples.unreadable.iter().any(|unreadable| unreadable == name) {
            let known: Vec<&str> = samples.events.keys().map(String::as_str).collect();
            let hint = format!("samples lie in `workflows/samples/<name>.json`: {}", suggestion(name, &known));
            self.wrong(&entry.value.span, format!("no sample `{name}`"), hint);
        }
        found
    }

    fn message(&mut self, entry: &'a Entry) -> Option<Happening> {
        let fields = Fields::open(&mut self.report, &entry.value, Some(entry), &MESSAGE)?;
        let from = fields.required(&mut self.report, "from", "write who writes: `from: ana`")?;
        let (_, from) = self.person(from)?;
        let text = fields.get("text").and_then(|entry| self.text(entry)).map(str::to_owned);
        let media = match fields.get("media") {
            Some(entry) => {
                let address = self.text(entry)?;
                if !address.starts_with("https://") {
                    let hint = "write the address of a file: `media: https://example.com/photo.jpg`";
                    self.wrong(&entry.value.span, format!("`{address}` is no https address"), hint);
                }
                Some(address.to_owned())
            }
            None => None,
        };
        if text.is_none() && media.is_none() {
            let hint = "write `text: …`, `media: https://…`, or both";
            self.wrong(&entry.key_span, "the message has neither text nor file", hint);
            return None;
        }
        Some(Happening::Message { from, text: text.unwrap_or_default(), media })
    }

    fn button(&mut self, entry: &'a Entry) -> Option<Happening> {
        let fields = Fields::open(&mut self.report, &entry.value, Some(entry), &BUTTON)?;
        let from = fields.required(&mut self.report, "from", "write who taps: `from: ana`")?;
        let (_, from) = self.person(from)?;
        let press = fields.required(&mut self.report, "press", "write what stands on the button: `press: Confirm`")?;
        Some(Happening::Button { from, press: self.text(press)?.to_owned() })
    }

    fn status(&mut self, entry: &'a Entry) -> Option<Happening> {
        let fields = Fields::open(&mut self.report, &entry.value, Some(entry), &STATUS)?;
        let of = fields.required(&mut self.report, "of", "write `of: last`: the newest message that was sent")?;
        if self.text(of)? != "last" {
            self.wrong(&of.value.span, "only the newest message gets a status here", "write `of: last`");
        }
        let is = fields.required(&mut self.report, "is", "write `is: delivered`, `is: read` or `is: failed`")?;
        let word = self.text(is)?;
        let Some(found) = STATUSES.into_iter().find(|status| status.as_str() == word) else {
            let hint = suggestion(word, &STATUSES.map(StatusWord::as_str));
            self.wrong(&is.value.span, format!("no status `{word}`"), hint);
            return None;
        };
        let code = match fields.get("code") {
            Some(code) if found == StatusWord::Failed => Some(self.number(code, 1..=999_999)?),
            Some(code) => {
                self.wrong(&code.key_span, "only what `failed` has a `code`", "remove `code`, or write `is: failed`");
                return None;
            }
            None => None,
        };
        Some(Happening::Status { is: found, code })
    }

    fn tagged(&mut self, entry: &'a Entry) -> Option<Happening> {
        let fields = Fields::open(&mut self.report, &entry.value, Some(entry), &CONTACT)?;
        let of = fields.required(&mut self.report, "of", "write whom: `of: ana`")?;
        let (_, of) = self.person(of)?;
        let tagged = fields.required(&mut self.report, "tagged", "write the tag that is given: `tagged: vip`")?;
        let tags = self.words(tagged);
        (!tags.is_empty()).then_some(Happening::Tagged { of, tags })
    }

    fn restart(&mut self, entry: &'a Entry) -> Option<Happening> {
        let yes = self.text(entry)? == "true";
        if !yes {
            self.wrong(&entry.value.span, "`restart` can only be `true`", "write `restart: true`, or remove the entry");
        }
        yes.then_some(Happening::Restart)
    }
}
