//! What a test expects: messages, how many, runs, calls to other systems, people; or nothing.

use super::Reader;
use super::values::plain_json;
use crate::run::RunState;
use crate::workflow::check::fields::{Fields, Shape};
use crate::workflow::check::words::{listed, suggestion};
use crate::workflow::test_file::{Expected, Matcher, Wanted, WantedMessage};
use crate::workflow::yaml::{Entry, Kind, Node};

const EXPECTED: Shape = Shape {
    what: "an expectation",
    keys: &["message", "messages", "run", "because", "http", "contact"],
    later: &[],
    elsewhere: &[
        ("to", "write it inside `message:`"),
        ("text", "write it inside `message:`"),
        ("template", "write it inside `message:`"),
    ],
};
/// Of which an expectation has exactly one.
const KINDS: [&str; 5] = ["message", "messages", "run", "http", "contact"];
const MESSAGE: Shape = Shape {
    what: "an expected `message`",
    keys: &["to", "text", "template", "values", "media", "reads"],
    later: &["channel"],
    elsewhere: &[],
};
const HTTP: Shape = Shape { what: "an expected `http`", keys: &["method", "url", "json"], later: &[], elsewhere: &[] };
const CONTACT: Shape =
    Shape { what: "an expected `contact`", keys: &["of", "tags", "team"], later: &[], elsewhere: &[] };
const HINT: &str = "write `nothing`, or a list such as `[{ message: { to: ana, text: Hello } }]`";

impl<'a> Reader<'a> {
    /// An empty list is `nothing`.
    pub(super) fn expect(&mut self, entry: &'a Entry) -> Vec<Expected> {
        match &entry.value.kind {
            Kind::Scalar { text, .. } if text == "nothing" => Vec::new(),
            Kind::List(items) if !items.is_empty() => items.iter().filter_map(|item| self.expected(item)).collect(),
            _ => {
                self.wrong(&entry.value.span, "`expect` must be `nothing` or a list", HINT);
                Vec::new()
            }
        }
    }

    fn expected(&mut self, item: &'a Node) -> Option<Expected> {
        let fields = Fields::open(&mut self.report, item, None, &EXPECTED)?;
        let kinds: Vec<&'a Entry> = fields.entries.iter().filter(|entry| KINDS.contains(&entry.key.as_str())).collect();
        let [entry] = kinds[..] else {
            let hint = format!("write exactly one of {} after `- `", listed(&KINDS));
            self.wrong(&fields.place, "an expectation is about one thing", hint);
            return None;
        };
        let because = fields.get("because");
        if let Some(because) = because.filter(|_| entry.key != "run") {
            self.wrong(&because.key_span, "`because` belongs to a `run`", "write it beside `run:`, or remove it");
        }
        let wanted = match entry.key.as_str() {
            "message" => Wanted::Message(Box::new(self.wanted_message(entry)?)),
            "messages" => Wanted::Messages(usize::try_from(self.number(entry, 0..=100_000)?).ok()?),
            "run" => self.run(entry, because)?,
            "http" => self.http(entry)?,
            _ => self.contact(entry)?,
        };
        Some(Expected { place: self.place(&item.span), wanted })
    }

    fn wanted_message(&mut self, entry: &'a Entry) -> Option<WantedMessage> {
        let fields = Fields::open(&mut self.report, &entry.value, Some(entry), &MESSAGE)?;
        let mut wanted = WantedMessage::default();
        if let Some(entry) = fields.get("to") {
            wanted.to = Some(self.person(entry)?);
        }
        wanted.text = self.compared(&fields, "text")?;
        wanted.media = self.compared(&fields, "media")?;
        wanted.reads = self.compared(&fields, "reads")?;
        if let Some(entry) = fields.get("template") {
            wanted.template = Some(self.template(entry)?);
        }
        if let Some(entry) = fields.get("values") {
            wanted.values = Some(self.values(entry)?);
        }
        if let (Some(text), Some(_)) = (fields.get("text"), fields.get("template")) {
            let hint = "a message is either plain `text` or a `template`; `reads` is what the person reads of either";
            self.wrong(&text.key_span, "`text` stands beside `template`", hint);
        }
        Some(wanted)
    }

    /// `None` = it is wrong; `Some(None)` = it is not there.
    #[expect(clippy::option_option, reason = "wrong and absent differ, and both end here")]
    fn compared(&mut self, fields: &Fields<'a>, key: &str) -> Option<Option<Matcher>> {
        match fields.get(key) {
            Some(entry) => self.matcher(&entry.value, key).map(Some),
            None => Some(None),
        }
    }

    fn template(&mut self, entry: &'a Entry) -> Option<(String, Vec<String>)> {
        let name = self.text(entry)?;
        let templates = self.world.templates;
        let found = match templates.ready.get(name) {
            Some(Some(ready)) => {
                let others = ready.languages.iter().map(|(_, variant)| variant.uuid.clone());
                Some(std::iter::once(ready.own.uuid.clone()).chain(others).collect())
            }
            // Its mistakes are told in the catalogue.
            Some(None) => return None,
            None => templates.catalogue.lock.get(name).map(|locked| vec![locked.uuid.clone()]),
        };
        if found.is_none() && !templates.incomplete {
            let known: Vec<&str> = templates.ready.keys().map(String::as_str).collect();
            self.wrong(&entry.value.span, format!("no template `{name}`"), suggestion(name, &known));
        }
        Some((name.to_owned(), found?))
    }

    fn values(&mut self, entry: &'a Entry) -> Option<Vec<Matcher>> {
        match &entry.value.kind {
            Kind::List(items) => items.iter().map(|item| self.matcher(item, "values")).collect(),
            _ => {
                let hint = "write them in the order of the placeholders: `values: [Ana, \"1042\"]`";
                self.wrong(&entry.value.span, "`values` must be a list", hint);
                None
            }
        }
    }

    fn run(&mut self, entry: &'a Entry, because: Option<&'a Entry>) -> Option<Wanted> {
        let word = self.text(entry)?;
        let Some(state) = RunState::parse(word) else {
            let hint = suggestion(word, &RunState::ALL.map(RunState::as_str));
            self.wrong(&entry.value.span, format!("a run is never `{word}`"), hint);
            return None;
        };
        let because = match because {
            Some(entry) => Some(self.matcher(&entry.value, "because")?),
            None => None,
        };
        Some(Wanted::Run { state, because })
    }

    fn http(&mut self, entry: &'a Entry) -> Option<Wanted> {
        let fields = Fields::open(&mut self.report, &entry.value, Some(entry), &HTTP)?;
        let method = match fields.get("method") {
            Some(entry) => Some(self.text(entry)?.to_uppercase()),
            None => None,
        };
        let url = self.compared(&fields, "url")?;
        let json = fields.get("json").map(|entry| plain_json(&entry.value));
        Some(Wanted::Http { method, url, json })
    }

    fn contact(&mut self, entry: &'a Entry) -> Option<Wanted> {
        let fields = Fields::open(&mut self.report, &entry.value, Some(entry), &CONTACT)?;
        let of = fields.required(&mut self.report, "of", "write whom: `of: ana`")?;
        let (name, of) = self.person(of)?;
        let tags = fields.get("tags").map(|entry| self.words(entry)).unwrap_or_default();
        let team = match fields.get("team") {
            Some(entry) => Some(self.text(entry)?.to_owned()),
            None => None,
        };
        Some(Wanted::Contact { of, name, tags, team })
    }
}
