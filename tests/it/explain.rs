//! Promise: `relance explain` leaves nothing out: what a workflow holds stands in its explanation, in both languages.

use crate::process::{Said, Site};
use relance::condition::Condition;
use relance::config::{Files, Project};
use relance::expr::Text;
use relance::trigger::message::{Matcher, Pattern};
use relance::trigger::{Trigger, TriggerKind};
use relance::workflow::diagnostic::Severity;
use relance::workflow::{Action, HttpBody, JsonText, Step, Value, Wait, Workflow, explain};
use serde_json::Value as Json;
use std::path::Path;

/// Every construct of the language in two workflows.
fn everything() -> Project {
    let locked = r#"[{"uuid":"00000000000000000000000000000001","title":"Hello EN","text":"Hello {{1}}, look","type":"image","category":"utility","status":"approved","placeholders":1},
        {"uuid":"00000000000000000000000000000002","title":"Hello FR","text":"Bonjour {{1}}, voyez","type":"image","category":"utility","status":"approved","placeholders":1}]"#;
    let files = [
        (
            "relance.yaml",
            "version: 1\nname: Shop\nsettings: { timezone: Europe/Paris }\nphone_region: FR\nconsent: everyone\n\
          colleagues: { boss: \"+33612340009\" }\nchannels:\n  shop: { title: Shop, default: true }\n  desk: { title: Desk }\n\
          sources:\n  till: { signature: none, path_token: TILL_TOKEN }\nallow_hosts: [crm.example.com]\n",
        ),
        (
            "templates.yaml",
            "hello:\n  title: Hello EN\n  values: [name]\n  media: image\n  languages: { fr: { title: Hello FR } }\n",
        ),
        ("templates.lock.json", locked),
        (
            "workflows/samples/order.paid.json",
            r#"{"id":"A","phone":"0612340001","name":"Ana","total":12,"at":"2026-03-02T10:00:00Z","ok":true,"items":[]}"#,
        ),
        ("workflows/samples/order.cancelled.json", r#"{"order":"A","phone":"0612340001"}"#),
        ("workflows/audiences/list.csv", "phone,name\n"),
        ("workflows/all.yaml", ALL),
        ("workflows/campaign.yaml", CAMPAIGN),
    ];
    let files: Files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    let loaded = relance::workflow::load(&files);
    let errors: Vec<_> = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    loaded.project.unwrap()
}

const ALL: &str = r#"name: All of it
description: Shows everything
enabled: false
purpose: utility
when:
  - webhook: order.paid
    source: till
    if: event.ok == true
  - message: { is: [hello, hi], starts_with: dear, contains: price, matches: "^A-[0-9]+$", has: [text, image] }
    channel: desk
  - message: any
  - message: unmatched
  - message_status: failed
    of: campaign
  - contact: created
  - contact: updated
  - contact: tagged
    tag: [vip, gold]
contact:
  phone: "{{event.phone}}"
  name: "{{event.name}}"
  first_name: "{{event.name}}"
  email: "{{event.id}}@example.com"
  language: "fr"
  timezone: "Europe/Rome"
  consent: event.ok == true
if:
  all:
    - event.total > 3
    - any: [ "event.total < 90", "event.id == 'A'" ]
    - none: [ "event.total == 7" ]
vars: { greeting: "Hello {{event.name}}", most: 9 }
stop_when:
  - webhook: order.cancelled
    same: { order: id }
  - message: { is: enough }
settings:
  quiet_hours: 21:00-08:30
  once_per: event.id
  again: queue
  limit: [2 per contact per 3d, 5 per contact per 4w]
  pace: 30 per minute
  retry: 4
  expires: 5h
do:
  - id: first
    name: The first
    if: event.total > 4
    retry: 2
    send_message:
      text: { en: "Plain {{event.name}}", fr: "Simple {{event.name}}" }
      template: hello
      values: { name: "{{event.name}}!" }
      media: { image: "https://img.example.com/{{url event.id}}.png" }
      to: boss
      channel: desk
      expires: 11m
      assign_to: ann@example.com
      team: Sales
      bot: start
      metadata: { order: "{{event.id}}" }
  - send_message: { text: "Only plain", outside_window: hold, bot: stop }
  - send_message: { text: "Only skipped", outside_window: skip }
  - wait: 1d2h3m4s
  - wait: { until: event.at, before: 6h, if_past: continue }
  - wait: { until: event.at, after: 7h }
  - wait: { next: monday at 09:00 }
  - send_message: { text: "Question" }
  - wait_for_reply:
      for: 20h
      replies:
        - is: ["yes", ok]
          do:
            - set: { answer: "agreed {{event.id}}" }
      otherwise:
        - stop: "Strange {{event.id}}"
      no_reply:
        - set: { answer: 5 }
  - branch:
      cases:
        - if: event.total > 50
          do:
            - http_request:
                method: PUT
                url: https://crm.example.com/a/{{event.id}}
                headers: { X-Key: "{{secret.CRM_KEY}}" }
                query: { page: "p{{event.id}}" }
                json: { deep: ["{{event.name}}", 3, null], other: { x: true } }
                timeout: 7s
                expect: [201, 409]
      otherwise:
        - http_request: { url: "https://crm.example.com/b", form: { field: "f{{event.id}}" } }
        - http_request: { url: "https://crm.example.com/c", body: "raw {{event.id}}" }
  - update_contact:
      name: "New {{event.name}}"
      add_tags: [bought]
      remove_tags: [prospect]
      fields: { Size: "L{{event.id}}" }
      note: "A note {{event.id}}"
      assign_to: nobody
      team: Support
      bot: stop
      close_conversation: true
"#;

const CAMPAIGN: &str = "name: Campaign\npurpose: marketing\nwhen: { schedule: every monday at 10:00, missed: all, catch_up: 2h }\n\
audience: { file: audiences/list.csv }\nsettings: { quiet_hours: 20:00-09:00, once_per: contact.id, again: skip }\ndo:\n  \
- send_message: { text: Hello, outside_window: skip }\n";

/// What has to stand in an explanation, whatever its language.
#[derive(Default)]
struct Held(Vec<String>);

impl Held {
    fn of(workflow: &Workflow) -> Vec<String> {
        let mut held = Self(vec![workflow.name.clone(), workflow.id.clone(), workflow.description.trim().to_owned()]);
        for trigger in workflow.triggers.iter().chain(workflow.stop_when.iter().map(|entry| &entry.trigger)) {
            held.trigger(trigger);
        }
        held.0
            .extend(workflow.stop_when.iter().flat_map(|entry| &entry.same).flat_map(|(a, b)| [a.clone(), b.clone()]));
        let map = &workflow.contact;
        let parts =
            [&map.phone, &map.bsuid, &map.uuid, &map.name, &map.first_name, &map.email, &map.language, &map.timezone];
        parts.into_iter().flatten().for_each(|text| held.text(text));
        held.0.extend(map.consent.iter().map(|question| question.source().to_owned()));
        held.condition(&workflow.condition);
        workflow.vars.iter().for_each(|(name, value)| held.value(name, value));
        let settings = &workflow.settings;
        held.0.extend(settings.once_per.iter().map(|question| question.source().to_owned()));
        held.0.extend(settings.limit.iter().map(|limit| limit.count.to_string()));
        held.0.extend(settings.pace.iter().map(|pace| pace.count.to_string()));
        held.0.push(settings.retry.to_string());
        held.0.extend(settings.timezone.iana_name().map(str::to_owned));
        if let Some(hours) = settings.quiet_hours {
            held.0.extend([hours.from, hours.to].map(|time| time.strftime("%H:%M").to_string()));
        }
        held.steps(&workflow.steps);
        held.0
    }

    fn text(&mut self, text: &Text) {
        self.0.extend(text.source().lines().map(|line| line.trim_end().to_owned()));
    }

    fn value(&mut self, name: &str, value: &Value) {
        self.0.push(name.to_owned());
        match value {
            Value::Text(text) => self.text(text),
            Value::Number(number) => self.0.push(number.to_string()),
        }
    }

    fn condition(&mut self, condition: &Condition) {
        let one_line = |source: &str| source.split_whitespace().collect::<Vec<_>>().join(" ");
        self.0.extend(condition.questions().iter().map(|question| one_line(question.source())));
    }

    fn pattern(&mut self, pattern: &Pattern) {
        for words in [&pattern.is, &pattern.starts_with, &pattern.contains] {
            self.0.extend(words.iter().cloned());
        }
        self.0.extend(pattern.matches.iter().map(|regex| regex.as_str().to_owned()));
        self.0.extend(pattern.has.iter().map(|kind| format!("{kind:?}").to_lowercase()));
    }

    fn trigger(&mut self, trigger: &Trigger) {
        self.condition(&trigger.condition);
        match &trigger.kind {
            TriggerKind::Webhook { event, source } => self.0.extend(source.iter().chain([event]).cloned()),
            TriggerKind::Schedule { schedule, .. } => self.0.push(schedule.source().to_owned()),
            TriggerKind::Message { matcher, channel } => {
                self.0.extend(channel.clone());
                if let Matcher::Match(pattern) = matcher {
                    self.pattern(pattern);
                }
            }
            TriggerKind::MessageStatus { status, of } => {
                self.0.extend(of.iter().cloned().chain([status.as_str().to_owned()]));
            }
            TriggerKind::Contact { change } => {
                if let relance::trigger::contact::Change::Tagged(tags) = change {
                    self.0.extend(tags.iter().cloned());
                }
            }
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.0.extend(step.id.iter().chain(&step.name).cloned());
            self.0.extend(step.retry.map(|count| count.to_string()));
            self.condition(&step.condition);
            self.action(&step.action);
            step.inner().into_iter().for_each(|inner| self.steps(inner));
        }
    }

    fn action(&mut self, action: &Action) {
        match action {
            Action::SendMessage(message) => {
                let texts = message.text.iter().chain(&message.metadata);
                texts.for_each(|(name, text)| {
                    self.0.push(name.clone());
                    self.text(text);
                });
                for text in [&message.to, &message.assign_to, &message.team].into_iter().flatten() {
                    self.text(text);
                }
                self.0.extend(message.channel.clone());
                message.media.iter().for_each(|(_, url)| self.text(url));
                if let Some(choice) = &message.template {
                    self.0.push(choice.name.clone());
                    choice.values.iter().for_each(|value| self.text(value));
                    for (language, variant) in &choice.variants {
                        self.0.extend([language.clone(), variant.title.clone()]);
                        self.0.extend(variant.text.lines().map(str::to_owned));
                    }
                }
            }
            Action::Wait(Wait::Until { time, .. }) => self.0.push(time.source().to_owned()),
            Action::Wait(Wait::Next(schedule)) => self.0.push(schedule.source().to_owned()),
            Action::Wait(Wait::For(_)) => {}
            Action::WaitForReply(question) => question.replies.iter().for_each(|reply| self.pattern(&reply.pattern)),
            Action::Branch { cases, .. } => cases.iter().for_each(|case| self.condition(&case.condition)),
            Action::HttpRequest(request) => {
                self.0.push(request.method.clone());
                self.text(&request.url);
                self.0.extend(request.expect.iter().map(u16::to_string));
                let form = if let HttpBody::Form(fields) = &request.body { fields.as_slice() } else { &[] };
                for (name, text) in request.headers.iter().chain(&request.query).chain(form) {
                    self.0.push(name.clone());
                    self.text(text);
                }
                match &request.body {
                    HttpBody::Json(tree) => self.json(tree),
                    HttpBody::Raw(text) => self.text(text),
                    HttpBody::None | HttpBody::Form(_) => {}
                }
            }
            Action::UpdateContact(change) => {
                for text in [&change.name, &change.note, &change.assign_to, &change.team].into_iter().flatten() {
                    self.text(text);
                }
                self.0.extend(change.add_tags.iter().chain(&change.remove_tags).cloned());
                for (name, text) in &change.fields {
                    self.0.push(name.clone());
                    self.text(text);
                }
            }
            Action::Set(values) => values.iter().for_each(|(name, value)| self.value(name, value)),
            Action::Stop(reason) => self.text(reason),
        }
    }

    fn json(&mut self, tree: &JsonText) {
        match tree {
            JsonText::Text(text) => self.text(text),
            JsonText::Literal(value) => self.0.push(value.to_string()),
            JsonText::List(items) => items.iter().for_each(|item| self.json(item)),
            JsonText::Map(fields) => fields.iter().for_each(|(name, value)| {
                self.0.push(name.clone());
                self.json(value);
            }),
        }
    }
}

fn assert_whole(workflow: &Workflow) {
    for language in ["en", "fr"] {
        let told = explain(workflow, language);
        for held in Held::of(workflow) {
            assert!(told.contains(&held), "{}: `{held}` is missing in `{language}`:\n{told}", workflow.id);
        }
        assert!(!told.contains("{}"), "{told}");
    }
}

#[test]
fn everything_that_a_workflow_holds_stands_in_its_explanation() {
    let project = everything();
    assert_eq!(project.workflows.len(), 2);
    project.workflows.values().for_each(|workflow| assert_whole(workflow));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut explained = 0;
    for folder in [".", "tests/projects/six", "tests/projects/shop", "tests/projects/smallest"] {
        let files = relance::cli::project::read_files(&root.join(folder)).unwrap();
        for workflow in relance::workflow::load(&files).project.unwrap().workflows.values() {
            assert_whole(workflow);
            explained += 1;
        }
    }
    assert!(explained > 12, "{explained}");
}

#[test]
fn what_is_no_text_of_the_author_is_said_in_words() {
    let project = everything();
    let (all, campaign) = (&project.workflows["all"], &project.workflows["campaign"]);
    for (workflow, language, sentences) in [
        (
            all,
            "en",
            &[
                "It is switched off",
                "Between 21:00 and 08:30 where the person is, messages are held and leave afterwards, unless the person wrote",
                "Wait 1 day, 2 hours, 3 minutes, 4 seconds.",
                "Wait until 6 hours before `event.at`; if that moment has passed already, go on at once.",
                "Wait until 7 hours after `event.at`; if that moment has passed already, the run stops.",
                "Wait until the next `monday at 09:00`, time zone Europe/Paris.",
                "At most 30 messages in 1 minute leave.",
                "reached by at most 2 of its runs in 3 days",
                "A message that could not leave within 5 hours is given up.",
                "If it could not leave within 11 minutes, it is given up.",
                "the next one waits for its turn (`again: queue`)",
                "As text, while the person’s 24-hour window is open; if it is closed, the message is kept",
                "Wait up to 20 hours for the person’s answer.",
                "If the person answers anything else:",
                "If no answer comes in time, or no message was sent before:",
                "It has 7 seconds to answer with 201 or 409",
                "close the conversation, as the last thing",
                "for the run whose `id` (in the arriving event `order`) holds the same value",
                "for the same person",
            ][..],
        ),
        (
            all,
            "fr",
            &[
                "Il est désactivé",
                "Attendre 1 jour, 2 heures, 3 minutes, 4 secondes.",
                "Attendre la réponse de la personne, au plus 20 heures.",
                "Si la réponse est « yes » ou « ok » :",
                "Au plus 30 messages partent en 1 minute.",
            ][..],
        ),
        (
            campaign,
            "en",
            &[
                "Each person of the list `workflows/audiences/list.csv`: one run each.",
                "all run in order, unless they are older than 2 hours",
                "Its purpose is marketing",
                "nothing new starts (`again: skip`)",
                "and leave afterwards.\n",
            ][..],
        ),
    ] {
        let told = explain(workflow, language);
        for sentence in sentences {
            assert!(told.contains(sentence), "`{sentence}` is missing:\n{told}");
        }
    }
}

#[tokio::test]
async fn a_workflow_is_explained_at_the_terminal_in_the_language_of_the_reader() {
    let mut site = Site::of("six");
    let english = site.run(&["explain", "abandoned_cart"]).await;
    assert_eq!(english.code, 0, "{english:?}");
    assert!(english.stdout.contains("What stops it") && english.stdout.contains("Wait 2 hours."), "{english:?}");
    site.set("LANG", "fr_FR.UTF-8");
    let french = site.run(&["explain", "abandoned_cart"]).await;
    assert!(french.stdout.contains("Ce qui l’arrête") && french.stdout.contains("Attendre 2 heures."), "{french:?}");
    let asked = site.run(&["explain", "abandoned_cart", "--language", "en", "--json"]).await;
    let shape: Json = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!((&shape["version"], &shape["language"]), (&Json::from(1), &Json::from("en")));
    assert_eq!(shape["text"], english.stdout);
    let unknown = site.run(&["explain", "abandoned_card"]).await;
    assert!(unknown.code == 2 && unknown.stderr.contains("did you mean `abandoned_cart`?"), "{unknown:?}");
    site.write("workflows/slow.yaml", "name: Slow\nwhen: { message: { is: [hi] } }\nsettings: { pace: 1 per minute }\ndo: [{ send_message: { text: Hi } }]\n");
    for (language, one) in
        [("en", "At most 1 message in 1 minute leaves."), ("fr", "Au plus 1 message part en 1 minute.")]
    {
        let slow = site.run(&["explain", "slow", "--language", language]).await;
        assert!(slow.stdout.contains(one), "{slow:?}");
    }
    site.write("workflows/broken.yaml", "name: Broken\nwhen: { webhook: a.b }\n");
    let broken = site.run(&["explain", "broken"]).await;
    assert!(broken.code == 1 && broken.stderr.contains("workflows/broken.yaml:"), "{broken:?}");
}

#[tokio::test]
async fn a_reason_is_explained_and_a_workflow_of_its_name_comes_first() {
    let site = Site::of("smallest");
    let starts = |said: &Said, start: &str| assert!(said.code == 0 && said.stdout.starts_with(start), "{said:?}");
    starts(
        &site.run(&["explain", "already_done", "--language", "en"]).await,
        "already_done: this was already done once",
    );
    let french = site.run(&["explain", "opted_out", "--language", "fr"]).await;
    starts(&french, "opted_out : la personne s’est désinscrite\n");
    assert!(french.stdout.contains("\nQue faire : Respectez-le."), "{french:?}");
    let json = site.run(&["explain", "rejected:131026", "--json", "--language", "en"]).await;
    let shape: Json = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(shape["reason"], "rejected:131026");
    let unknown = site.run(&["explain", "opted_oud"]).await;
    assert!(unknown.code == 2 && unknown.stderr.contains("did you mean `opted_out`?"), "{unknown:?}");
    site.write(
        "workflows/past.yaml",
        "name: Past\nwhen: { message: { is: [hi] } }\ndo: [{ send_message: { text: Hi } }]\n",
    );
    let workflow = site.run(&["explain", "past", "--language", "en"]).await;
    starts(&workflow, "Past (`past`)\n");
    assert!(workflow.stderr.contains("`relance explain --reason past`"), "{workflow:?}");
    starts(
        &site.run(&["explain", "--reason", "past", "--language", "en"]).await,
        "past: the time has already passed\n",
    );
    let none = site.run(&["explain", "--reason", "soon"]).await;
    assert!(none.code == 2 && none.stderr.contains("there is no reason `soon`"), "{none:?}");
}

/// Without a lock file nobody knows the title that the account gave a template.
#[tokio::test]
async fn a_template_named_by_its_uuid_is_called_by_its_name_here() {
    let site = Site::of("smallest");
    let entry = "ready: { uuid: 0a1b, values: [n], text: \"Ready: {{1}}\", languages: { fr: { uuid: 0a1c, text: \"Prête : {{1}}\" } } }";
    site.write("templates.yaml", entry);
    let sends = "name: Ready\npurpose: utility\nwhen: { webhook: ready }\ncontact: { phone: \"+34600000001\", language: fr }\n\
                 do:\n  - send_message: { template: ready, values: [\"7\"] }\n";
    site.write("workflows/ready.yaml", sends);
    for (language, sentences) in [
        ("en", ["Template `ready` reads: “Ready: {{1}}”", "Template `ready` in `fr` reads: “Prête : {{1}}”"]),
        ("fr", ["Le modèle `ready` dit : « Ready: {{1}} »", "Le modèle `ready` en `fr` dit : « Prête : {{1}} »"]),
    ] {
        let told = site.run(&["explain", "ready", "--language", language]).await;
        for sentence in sentences {
            assert!(told.code == 0 && told.stdout.replace('\u{a0}', " ").contains(sentence), "{sentence}: {told:?}");
        }
    }
}
