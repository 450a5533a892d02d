//! A test file, `workflows/<name>.test.yaml`: read against the project that it is about, every mistake at its place.
//!
//! `timeline` reads what happens, `expect` what is looked for, `audience` the rows of a list, `values` the scalars of all. Everything that is wrong is
//! R701, but mistakes of the notation and keys of a later release. Invariant: what is not understood is never played.

mod audience;
mod expect;
mod timeline;
mod values;

use super::fields::{Fields, Shape};
use super::languages::refuse_language;
use super::listens::Listens;
use super::phone::nobodys;
use super::report::Report;
use super::values::word_place;
use super::words::suggestion;
use super::{World, duration};
use crate::contact::Phone;
use crate::language;
use crate::workflow::Workflow;
use crate::workflow::diagnostic::Diagnostic;
use crate::workflow::test_file::{HttpReply, Person, Place, Test, TestFile};
use crate::workflow::yaml::{Document, Entry, Kind, Node};
use jiff::tz::TimeZone;
use regex::Regex;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

const FILE: Shape = Shape { what: "a test file", keys: &["workflow", "contacts", "tests"], later: &[], elsewhere: &[] };
const TEST: Shape = Shape {
    what: "a test",
    keys: &["name", "start", "given", "http", "timeline"],
    later: &[],
    elsewhere: &[("contacts", "write it at the top of the file; what differs for one test under `given:`")],
};
const PERSON: Shape = Shape {
    what: "a contact of a test",
    keys: &["phone", "name", "first_name", "email", "language", "timezone", "tags", "fields", "last_message"],
    later: &["team", "assigned_to", "window_open"],
    elsewhere: &[],
};
const REPLY: Shape = Shape { what: "an entry of `http`", keys: &["match", "reply"], later: &[], elsewhere: &[] };
/// Details of a person that are imported, as `contacts import` does.
const DETAILS: [&str; 4] = ["first_name", "email", "language", "timezone"];
/// Entries of one file at most.
const MOST_TESTS: usize = 1_000;

/// One file under way.
pub(super) struct Reader<'a> {
    report: Report<'a>,
    world: &'a World<'a>,
    zone: TimeZone,
    /// Numbers of the file's contacts; `None` = the number is wrong, which is told.
    phones: BTreeMap<String, Option<Phone>>,
    /// What the workflows under test are; `None` = not all of them can be read.
    tested: Option<Vec<Arc<Workflow>>>,
    /// What the project's workflows hear.
    listens: &'a Listens<'a>,
}

/// Reads every test file of the project.
pub(super) fn read_tests<'a>(
    files: impl Iterator<Item = (&'a String, &'a String)>,
    world: &World<'_>,
    workflows: &BTreeMap<String, Arc<Workflow>>,
    listens: &Listens<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<TestFile> {
    let mut tests = Vec::new();
    for (path, text) in files.filter(|(path, _)| is_test_file(path)) {
        let (document, found) = Document::read(text);
        let unread = !found.is_empty();
        let report = Report::new(path, &document, found).all_as("R701");
        let zone = world.settings.zone().clone();
        let mut reader = Reader { report, world, zone, phones: BTreeMap::new(), tested: None, listens };
        match &document.root {
            Some(root) => tests.extend(reader.file(path, root, workflows)),
            None if document.broken_at.is_none() && !unread => {
                reader.wrong(
                    &(0..0),
                    "the file is empty",
                    "write `workflow:`, `contacts:` and `tests:`, or remove the file",
                );
            }
            None => {}
        }
        diagnostics.extend(reader.report.finish());
    }
    tests
}

/// Whether the path is that of a test file.
fn is_test_file(path: &str) -> bool {
    path.strip_prefix("workflows/").is_some_and(|name| !name.contains('/') && name.ends_with(".test.yaml"))
}

impl<'a> Reader<'a> {
    fn wrong(&mut self, span: &Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.report.error("R701", span, message, hint);
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let (line, column) = self.report.document.place(span.start);
        Place { line, column }
    }

    /// The whole file; `None` when something of it cannot be played.
    fn file(&mut self, path: &str, root: &'a Node, known: &BTreeMap<String, Arc<Workflow>>) -> Option<TestFile> {
        let fields = Fields::open(&mut self.report, root, None, &FILE)?;
        let hint = "write the workflow that is tested: `workflow: order_paid`";
        let workflows = match fields.required(&mut self.report, "workflow", hint) {
            Some(entry) => self.workflows(entry),
            None => Vec::new(),
        };
        let first = workflows.first().and_then(|id| known.get(id));
        if let Some(workflow) = first {
            self.zone = workflow.settings.timezone.clone();
        }
        self.tested = workflows.iter().map(|id| known.get(id).cloned()).collect();
        let people = fields.get("contacts").map(|entry| self.people(entry, &BTreeMap::new())).unwrap_or_default();
        let tests = match fields.required(&mut self.report, "tests", "write the tests below it, each after `- `") {
            Some(entry) => self.tests(entry, &people),
            None => Vec::new(),
        };
        let whole = self.report.errors() == 0 && self.report.document.broken_at.is_none();
        let zone = self.zone.clone();
        whole.then(|| TestFile { path: path.to_owned(), workflows, zone, people, tests })
    }

    fn workflows(&mut self, entry: &'a Entry) -> Vec<String> {
        let ids = self.words(entry);
        for id in ids.iter().filter(|id| !self.world.workflows.contains(&id.as_str())) {
            let hint = suggestion(id, &self.world.workflows);
            self.report.error("R701", word_place(entry, id), format!("no workflow `{id}`"), hint);
        }
        ids
    }

    /// People by name; what `before` says of one stands unless it is written anew.
    fn people(&mut self, entry: &'a Entry, before: &BTreeMap<String, Person>) -> BTreeMap<String, Person> {
        let mut people = before.clone();
        let Kind::Map(entries) = &entry.value.kind else {
            let hint = format!("write `{}: {{ ana: {{ phone: \"+34600000001\" }} }}`", entry.key);
            self.wrong(&entry.value.span, format!("`{}` must be a map of people", entry.key), hint);
            return people;
        };
        let given = entry.key == "given";
        for named in entries {
            let known = before.get(&named.key);
            if given && named.key == audience::KEY {
                continue;
            }
            if given && known.is_none() && !self.phones.contains_key(&named.key) {
                let names: Vec<&str> = before.keys().map(String::as_str).collect();
                let hint = suggestion(&named.key, &names);
                self.wrong(&named.key_span, format!("no contact `{}`", named.key), hint);
            } else {
                let person = self.one(named, known);
                if !given {
                    self.phones.insert(named.key.clone(), person.as_ref().map(|person| person.phone.clone()));
                }
                people.extend(person.map(|person| (named.key.clone(), person)));
            }
        }
        people
    }

    fn one(&mut self, entry: &'a Entry, before: Option<&Person>) -> Option<Person> {
        let fields = Fields::open(&mut self.report, &entry.value, Some(entry), &PERSON)?;
        let phone = match (fields.get("phone"), before) {
            (Some(written), _) => self.phone(written),
            (None, Some(before)) => Some(before.phone.clone()),
            (None, None) => {
                let hint = "write `phone: \"+34600000001\"`, in quotes";
                self.wrong(&fields.place, format!("`{}` has no `phone`", entry.key), hint);
                None
            }
        };
        let mut person = match before {
            Some(before) => before.clone(),
            None => Person::of(phone.clone()?),
        };
        person.phone = phone?;
        if let Some(entry) = fields.get("name") {
            person.name = self.text(entry).map(str::to_owned);
        }
        for name in DETAILS {
            if let Some(entry) = fields.get(name)
                && let Some(value) = self.text(entry)
            {
                if name == "language" && !language::is_known(value) {
                    refuse_language(&mut self.report, &entry.value.span, value);
                }
                person.details.insert(name, value.to_owned());
            }
        }
        if let Some(entry) = fields.get("tags") {
            person.tags = self.words(entry);
        }
        if let Some(entry) = fields.get("fields") {
            person.custom = self.data(entry);
        }
        if let Some(entry) = fields.get("last_message") {
            person.last_message = self.ago(entry);
        }
        Some(person)
    }

    fn phone(&mut self, entry: &'a Entry) -> Option<Phone> {
        let written = self.text(entry)?;
        let phone = Phone::parse(written, self.world.settings.phone_region.as_deref());
        if phone.is_err() {
            let hint = "write it with its country, in quotes: `\"+34600000001\"`";
            match nobodys(written, self.world.settings.phone_region.as_deref(), "a test may use") {
                Some((message, hint)) => self.wrong(&entry.value.span, message, hint),
                None => self.wrong(&entry.value.span, format!("`{written}` is no phone number"), hint),
            }
        }
        phone.ok()
    }

    /// `3d ago`, or `never`.
    fn ago(&mut self, entry: &'a Entry) -> Option<crate::workflow::Duration> {
        let written = self.text(entry)?;
        if written == "never" {
            return None;
        }
        let found = written.strip_suffix("ago").and_then(|rest| duration::sure(rest.trim()));
        if found.is_none() {
            let hint = "write how long before the start of the test: `3d ago`, `1h ago`, or `never`";
            self.wrong(&entry.value.span, format!("`{written}` says no time before the start"), hint);
        }
        found
    }

    fn tests(&mut self, entry: &'a Entry, people: &BTreeMap<String, Person>) -> Vec<Test> {
        let Kind::List(items) = &entry.value.kind else {
            let hint = "write each test after `- `, with `name`, `start` and `timeline`";
            self.wrong(&entry.value.span, "`tests` must be a list", hint);
            return Vec::new();
        };
        if items.len() > MOST_TESTS {
            self.wrong(&entry.key_span, format!("more than {MOST_TESTS} tests in a file"), "split the file");
            return Vec::new();
        }
        items.iter().filter_map(|item| self.test(item, people)).collect()
    }

    fn test(&mut self, item: &'a Node, people: &BTreeMap<String, Person>) -> Option<Test> {
        let fields = Fields::open(&mut self.report, item, None, &TEST)?;
        let hint = "write `name: …`, what the test shows";
        let name = fields.required(&mut self.report, "name", hint).and_then(|entry| self.text(entry));
        let hint = "write `start: 2026-03-02 10:00`, in the workflow's zone";
        let start_ms = fields.required(&mut self.report, "start", hint).and_then(|entry| self.start(entry));
        let people = match fields.get("given") {
            Some(entry) => self.people(entry, people),
            None => people.clone(),
        };
        let audience = fields.get("given").and_then(|given| self.audience(given));
        let replies = fields.get("http").map(|entry| self.replies(entry)).unwrap_or_default();
        let hint = "write what happens and what is expected, each after `- `";
        let timeline = match fields.required(&mut self.report, "timeline", hint) {
            // Without a start, nothing can be said of its times.
            Some(entry) => self.timeline(entry, start_ms.unwrap_or_default()),
            None => Vec::new(),
        };
        let place = self.place(&item.span);
        Some(Test { name: name?.to_owned(), place, start_ms: start_ms?, people, audience, replies, timeline })
    }

    fn replies(&mut self, entry: &'a Entry) -> Vec<HttpReply> {
        let Kind::List(items) = &entry.value.kind else {
            let hint = "write `http: [{ match: POST https://shop.example/*, reply: [200] }]`";
            self.wrong(&entry.value.span, "`http` must be a list", hint);
            return Vec::new();
        };
        items.iter().filter_map(|item| self.reply(item)).collect()
    }

    fn reply(&mut self, item: &'a Node) -> Option<HttpReply> {
        let fields = Fields::open(&mut self.report, item, None, &REPLY)?;
        let hint = "write a method and an address: `match: POST https://shop.example/*`";
        let address = fields.required(&mut self.report, "match", hint)?;
        let written = self.text(address)?;
        let Some((method, url)) = written.split_once(' ').filter(|(_, url)| url.contains("://")) else {
            self.wrong(&address.value.span, format!("`{written}` is no method and address"), hint);
            return None;
        };
        let parts: Vec<String> = url.trim().split('*').map(regex::escape).collect();
        let pattern = Regex::new(&format!("^{}$", parts.join(".*"))).ok()?;
        let hint = "write the status that is answered, or one for each call: `reply: [503, 200]`";
        let reply = fields.required(&mut self.report, "reply", hint)?;
        let words = self.words(reply);
        let statuses: Vec<u16> = words.iter().filter_map(|word| word.parse().ok()).collect();
        if statuses.is_empty() || statuses.len() != words.len() || statuses.iter().any(|s| !(200..600).contains(s)) {
            self.wrong(&reply.value.span, "`reply` takes status codes from 200 to 599", hint);
            return None;
        }
        Some(HttpReply { method: method.to_uppercase(), address: pattern, statuses })
    }
}
