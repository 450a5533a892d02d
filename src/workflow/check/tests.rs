use super::{check, load, load_accepted};
use crate::condition::Condition;
use crate::config::{ChannelKind, ConsentRule, Encoding, Files, Loaded, Project, Signature};
use crate::delivery::{OutsideWindow, Purpose};
use crate::message::{Bot, MediaKind};
use crate::trigger::TriggerKind;
use crate::trigger::message::Matcher;
use crate::workflow::diagnostic::Severity;
use crate::workflow::{Action, Again, Audience, Duration, HttpBody, IfPast, JsonText, Shift, Value, Wait};

const PROJECT: &str = "version: 1\nname: Shop\nsettings: { timezone: Europe/Madrid, retry: 3, expires: 2d }\nphone_region: ES\nlanguage: es\nchannels:\n  shop: { uuid: c1, default: true }\n  desk: { title: Desk, kind: qr, pace: 10 per minute }\nconsent: { field: agreed }\ncallbell: { base_url: \"http://127.0.0.1:4100/v1/\", pace: 5 per second }\nsources:\n  forms: { signature: hmac, header: X-Signature, encoding: base64, secret: FORMS_SECRET, id: event.id }\n  open: { signature: none, path_token: OPEN_TOKEN }\ncolleagues: { ana: 600 000 002 }\nvars: { shop: Zapatos, floor: 2, code: 007 }\n";
const TEMPLATES: &str = "paid:\n  title: Paid EN\n  values: [name, total]\n  languages: { es: { uuid: u-es }, en: { uuid: u-en } }\nphoto: { uuid: u-img, media: image }\n";
const LOCK: &str = r#"[
  {"uuid":"u-en","title":"Paid EN","text":"Hi {{1}}, {{2}}.","type":"text","category":"utility","status":"approved","placeholders":2},
  {"uuid":"u-es","title":"Paid ES","text":"Hola {{1}}, {{2}}.","type":"text","category":"utility","status":"approved","placeholders":2},
  {"uuid":"u-img","title":"Photo","text":"Look","type":"image","category":"marketing","status":"approved","placeholders":0}]"#;
const SAMPLE: &str = r#"{"id":"o1","total":12.5,"starts_at":"2026-03-02T10:00:00+01:00","note":null,"items":[{"name":"Shoe"}],"customer":{"name":"Ana","phone":"+34600000001"}}"#;

fn project(workflow: &str) -> Files {
    [
        ("relance.yaml", PROJECT),
        ("templates.yaml", TEMPLATES),
        ("templates.lock.json", LOCK),
        ("workflows/samples/order.paid.json", SAMPLE),
        ("workflows/audiences/people.csv", "Phone;first_name;Fin de contrat\n"),
        ("workflows/test.yaml", workflow),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into()
}

/// A workflow around some steps.
fn with_steps(steps: &str) -> String {
    format!(
        "name: Test\npurpose: utility\nwhen: {{ webhook: order.paid }}\ncontact: {{ phone: \"{{{{event.customer.phone}}}}\" }}\ndo:\n{steps}"
    )
}

fn told(files: &Files) -> Vec<String> {
    let found = check(files, 1_772_442_000_000).diagnostics;
    found.iter().map(|found| format!("{} {}:{} {}", found.code, found.line, found.column, found.message)).collect()
}

fn codes(workflow: &str) -> Vec<String> {
    let places = told(&project(workflow)).into_iter();
    places.map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

fn loaded(workflow: &str) -> Project {
    let files = project(workflow);
    assert_eq!(told(&files), Vec::<String>::new());
    load(&files).project.unwrap()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one workflow that has every part")]
fn a_workflow_is_lowered_with_all_its_parts() {
    let project = loaded(
        r#"
name: Everything
description: All keys
enabled: false
purpose: marketing
when:
  - webhook: order.paid
    source: forms
    if: event.total > 1
  - { message: { contains: [precio, "¿cuánto?"], has: [text] }, channel: shop }
  - message: any
contact: { phone: "{{event.customer.phone}}", name: "{{event.customer.name}}", consent: event.total > 0 }
if:
  any: [event.total > 100, { none: [has(event.note)] }]
vars: { who: "{{contact.name}}", rate: 1.50, old: 007 }
settings: { timezone: Europe/Paris, once_per: event.id, again: skip, retry: 0, expires: 90m, quiet_hours: none }
do:
  - id: first
    name: The first
    if: contact.opted_in
    retry: 7
    send_message:
      text: { es: "Hola {{contact.name}}", en: Hi }
      template: paid # allow R407
      values: [Ana, "{{vars.rate}}"]
      to: ana
      channel: shop
      expires: 1h
      assign_to: a@example.com
      team: Front desk
      bot: stop
      metadata: { order: "{{vars.old}}" }
  - wait: 1d
  - wait: { until: event.starts_at, before: 24h, if_past: continue }
  - wait: { next: monday at 09:00 }
  - branch:
      cases:
        - if: steps.first.outcome == "sent"
          do:
            - set: { done: yes it is, count: 3 }
            - send_message: { media: { image: https://example.com/a.jpg }, template: photo }
      otherwise:
        - stop: nothing to say
  - send_message: { text: "{{vars.done}}", outside_window: hold }
"#
        .replace("  - { message: { contains", "  # comment\n  - { message: { contains")
        .as_str(),
    );
    let workflow = &project.workflows["test"];
    assert_eq!((workflow.id.as_str(), workflow.enabled, workflow.purpose), ("test", false, Purpose::Marketing));
    let names: Vec<&str> = workflow.triggers.iter().map(|trigger| trigger.name.as_str()).collect();
    assert_eq!(names, ["webhook:order.paid", "message:contains=precio|¿cuánto?,has=text", "message:any"]);
    assert!(
        matches!(&workflow.triggers[0].kind, TriggerKind::Webhook { source: Some(source), .. } if source == "forms")
    );
    assert!(matches!(&workflow.triggers[0].condition, Condition::Question(_)));
    assert!(matches!(
        &workflow.triggers[1].kind,
        TriggerKind::Message { matcher: Matcher::Match(_), channel: Some(_) }
    ));
    assert!(workflow.contact.consent.is_some() && workflow.contact.email.is_none());
    let Condition::Any(items) = &workflow.condition else { panic!("{:?}", workflow.condition) };
    assert!(matches!(&items[1], Condition::None(_)));
    assert!(matches!(&workflow.vars[1].1, Value::Number(number) if number.as_f64() == Some(1.5)));
    assert!(matches!(&workflow.vars[2].1, Value::Text(text) if text.source() == "007"));
    let settings = &workflow.settings;
    assert_eq!(settings.timezone.iana_name(), Some("Europe/Paris"));
    assert_eq!((settings.again, settings.retry), (Again::Skip, 0));
    assert_eq!(settings.expires, Duration { days: 0, ms: 5_400_000 });
    let paths: Vec<&str> = workflow.steps.iter().map(|step| step.path.as_str()).collect();
    assert_eq!(paths, ["0", "1", "2", "3", "4", "5"]);
    let Action::SendMessage(message) = &workflow.steps[0].action else { panic!() };
    assert_eq!(message.text.iter().map(|(language, _)| language.as_str()).collect::<Vec<_>>(), ["es", "en"]);
    let template = message.template.as_ref().unwrap();
    let variants: Vec<(&str, &str)> = template.variants.iter().map(|(l, v)| (l.as_str(), v.uuid.as_str())).collect();
    assert_eq!((template.name.as_str(), variants), ("paid", vec![("es", "u-es"), ("en", "u-en"), ("", "u-es")]));
    assert_eq!(template.values.iter().map(|value| value.source()).collect::<Vec<_>>(), ["Ana", "{{vars.rate}}"]);
    assert_eq!(message.to.as_ref().unwrap().source(), "600 000 002");
    assert_eq!((message.bot, message.expires), (Some(Bot::Stop), Some(Duration { days: 0, ms: 3_600_000 })));
    assert!(matches!(workflow.steps[1].action, Action::Wait(Wait::For(Duration { days: 1, ms: 0 }))));
    let Action::Wait(Wait::Until { shift, if_past, .. }) = &workflow.steps[2].action else { panic!() };
    assert_eq!((*shift, *if_past), (Shift::Before(Duration { days: 0, ms: 86_400_000 }), IfPast::Continue));
    assert!(matches!(workflow.steps[3].action, Action::Wait(Wait::Next(_))));
    assert_eq!(workflow.step("4.cases.0.do.1").map(|step| step.path.as_str()), Some("4.cases.0.do.1"));
    assert_eq!(workflow.next_after("4.cases.0.do.1").as_deref(), Some("5"));
    let Action::SendMessage(photo) = &workflow.step("4.cases.0.do.1").unwrap().action else { panic!() };
    assert!(matches!(photo.media, Some((MediaKind::Image, _))));
    let Action::SendMessage(last) = &workflow.steps[5].action else { panic!() };
    assert_eq!(last.outside_window, OutsideWindow::Hold);
}

#[test]
fn a_workflow_that_listens_calls_and_stops_is_lowered_with_all_its_parts() {
    let mut files = project(
        r#"
name: Everything that waits
purpose: utility
when: { schedule: every day at 09:00 }
audience: { tag: [vip, gold] }
stop_when:
  - { webhook: order.paid, source: forms, if: event.total > 1, same: { id: scheduled_at } }
  - { message: { is: [enough] }, channel: shop }
  - { contact: tagged, tag: gone }
settings: { limit: [1 per contact per 7d, 3 per contact per 24h], pace: 60 per minute, quiet_hours: 21:30-8:00, once_per: contact.id, again: queue }
do:
  - id: ask
    wait_for_reply:
      for: 20h
      replies:
        - { is: ["yes", ok], do: [{ set: { said: "{{steps.ask.text}}" } }] }
        - { has: image, do: [{ stop: a picture }] }
      otherwise: [{ stop: something else }]
      no_reply:
        - branch: { cases: [{ if: contact.opted_in, do: [{ stop: silence }] }] }
  - http_request:
      method: PUT
      url: https://api.shop.example/a/{{url contact.phone}}
      headers: { Authorization: "Bearer {{secret.KEY}}" }
      query: { a: "1" }
      json: { n: [1, 007, true, null, "2"], who: "{{contact.phone}}" }
      timeout: 1500ms
      expect: [200, 404]
  - update_contact:
      name: Ana
      add_tags: vip
      remove_tags: [old]
      fields: { Shoe size: "38" }
      note: Hello
      assign_to: nobody
      team: Front desk
      bot: start
      close_conversation: true
"#
        .replace("1500ms", "15s")
        .as_str(),
    );
    let more = "opt_out: { words: [basta], back_words: [vuelvo], reply: Hecho }\nallow_hosts: [\"*.Shop.example\"]\n";
    files.insert("relance.yaml".into(), format!("{PROJECT}{more}"));
    assert_eq!(told(&files), Vec::<String>::new());
    let project = load(&files).project.unwrap();
    assert_eq!(project.settings.opt_out.back_words, Some(vec!["vuelvo".into()]));
    assert!(project.settings.allows_host("api.shop.example") && !project.settings.allows_host("shop.example"));
    let workflow = &project.workflows["test"];
    assert_eq!(workflow.audience, Some(Audience::Tag(vec!["vip".into(), "gold".into()])));
    let names: Vec<&str> = workflow.stop_when.iter().map(|stop| stop.trigger.name.as_str()).collect();
    assert_eq!(names, ["webhook:order.paid", "message:is=enough", "contact:tagged=gone"]);
    assert_eq!(workflow.stop_when[0].same, [("id".to_owned(), "scheduled_at".to_owned())]);
    assert!(matches!(workflow.stop_when[0].trigger.condition, Condition::Question(_)));
    let settings = &workflow.settings;
    assert_eq!((settings.again, settings.limit.len(), settings.limit[1].count), (Again::Queue, 2, 3));
    let night = settings.quiet_hours.unwrap();
    assert_eq!((night.from.minute(), night.to.hour(), settings.pace.unwrap().count), (30, 8, 60));
    assert!(workflow.step("0.no_reply.0.cases.0.do.0").is_some() && workflow.step("0.otherwise.0").is_some());
    assert_eq!(workflow.next_after("0.replies.0.do.0").as_deref(), Some("1"));
    let Action::WaitForReply(question) = &workflow.steps[0].action else { panic!() };
    assert_eq!((question.lasts.ms, question.replies[1].pattern.has.len()), (72_000_000, 1));
    let Action::HttpRequest(request) = &workflow.steps[1].action else { panic!() };
    assert_eq!((request.method.as_str(), request.timeout_ms, &request.expect[..]), ("PUT", 15_000, &[200, 404][..]));
    let HttpBody::Json(JsonText::Map(fields)) = &request.body else { panic!() };
    let JsonText::List(items) = &fields[0].1 else { panic!() };
    let literals = items.iter().filter(|item| matches!(item, JsonText::Literal(_))).count();
    assert_eq!((items.len(), literals), (5, 3), "007 and what is in quotes stay text");
    let Action::UpdateContact(update) = &workflow.steps[2].action else { panic!() };
    assert_eq!((update.add_tags.as_slice(), update.fields[0].0.as_str()), (&["vip".to_owned()][..], "Shoe size"));
    assert!(update.close_conversation && update.assign_to.is_some());
}

#[test]
fn the_window_is_open_after_an_answer_and_closed_without_one() {
    let ask = |after: &str| {
        format!(
            "name: T\nwhen: {{ message: any }}\ndo:\n  - wait_for_reply:\n      for: 9m\n{after}  - send_message: {{ text: Hi }}\n"
        )
    };
    let reply = "      replies: [{ is: ok, do: [{ send_message: { text: Good } }] }]\n";
    let stops = "      no_reply: [{ stop: silence }]\n";
    assert_eq!(codes(&ask(reply)), ["R203 1:1", "R401 7:5"], "nobody may have answered");
    assert_eq!(codes(&ask(&format!("{reply}{stops}"))), Vec::<String>::new(), "only an answer leads on");
    let waits = "      otherwise: [{ wait: 9m }]\n";
    assert_eq!(codes(&ask(&format!("{reply}{waits}{stops}"))), ["R203 1:1", "R401 9:5"]);
    let stopped = "      replies: [{ is: ok, do: [{ stop: fine }] }]\n";
    assert_eq!(codes(&ask(&format!("{stopped}{stops}"))), ["R504 8:5"], "no way leads on");
}

#[test]
fn the_project_file_is_read_whole() {
    let settings = loaded(&with_steps("  - wait: 9m\n")).settings;
    assert_eq!((settings.language.as_str(), settings.phone_region.as_deref()), ("es", Some("ES")));
    assert_eq!((settings.defaults.retry, settings.defaults.expires), (3, Duration { days: 2, ms: 0 }));
    let desk = settings.channel("desk").unwrap();
    assert_eq!((desk.kind, desk.pace.count, desk.pace.per_ms, desk.listed), (ChannelKind::Qr, 10, 60_000, true));
    assert_eq!(settings.default_channel().name, "shop");
    assert_eq!(settings.consent, ConsentRule::Field("agreed".into()));
    assert_eq!((settings.callbell.base_url.as_str(), settings.callbell.pace.count), ("http://127.0.0.1:4100/v1", 5));
    let forms = &settings.sources["forms"];
    let hmac = Signature::Hmac { header: "X-Signature".into(), prefix: String::new(), encoding: Encoding::Base64 };
    assert_eq!(
        (&forms.signature, forms.id.as_deref(), forms.secret.as_deref()),
        (&hmac, Some("id"), Some("FORMS_SECRET"))
    );
    assert_eq!(settings.vars["floor"], 2);
    assert_eq!(settings.vars["code"], "007");
}

#[test]
fn the_smallest_project_is_two_files() {
    let files: Files = [
        ("relance.yaml", "version: 1\nname: My shop\nsettings: { timezone: Europe/Madrid }\n"),
        (
            "workflows/hello.yaml",
            "name: Hello\npurpose: utility\nwhen: { webhook: hello.asked }\ncontact: { phone: \"+34600000001\" }\ndo:\n  - send_message: { text: Hello 👋 }\n",
        ),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();
    let loaded = check(&files, 0);
    let project = loaded.project.unwrap();
    assert_eq!(project.settings.channels[0].name, "main");
    assert!(!project.settings.channels[0].listed);
    assert!(project.workflows.contains_key("hello"));
    assert_eq!(loaded.diagnostics.len(), 1, "only that the window may be closed: {:?}", loaded.diagnostics);
}

#[test]
fn what_became_a_mistake_after_it_was_accepted_is_read_as_it_was() {
    let accepted = "  - wait: 3M\n  - wait: 400d\n  - wait: 0m\n\
                    \x20 - send_message: { text: \"{{date event.starts_at 'dya'}}\", expires: 0s }\n";
    let mut files = project(&format!("{}settings: {{ limit: 1 per contact per 3M }}\n", with_steps(accepted)));
    files.insert("relance.yaml".into(), PROJECT.replace("expires: 2d", "expires: 0s"));
    let errors = |loaded: &Loaded| loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    assert_eq!(errors(&load(&files)), 7, "{:#?}", load(&files).diagnostics);
    let loaded = load_accepted(&files);
    assert_eq!(errors(&loaded), 0, "{:?}", loaded.diagnostics);
    let project = loaded.project.unwrap();
    let Action::Wait(Wait::For(lasts)) = &project.workflows["test"].steps[0].action else { panic!() };
    assert_eq!(lasts.ms, 180_000);
    assert_eq!((project.settings.defaults.expires.days, project.settings.defaults.expires.ms), (0, 0));
}

#[test]
fn a_broken_workflow_stops_no_other() {
    let mut files = project("name: Broken\nwhen: [\n");
    files.insert("workflows/fine.yaml".into(), with_steps("  - wait: 9m\n"));
    let loaded = check(&files, 0);
    assert_eq!(loaded.project.unwrap().workflows.keys().collect::<Vec<_>>(), ["fine"]);
    assert!(loaded.diagnostics.iter().all(|found| found.file == "workflows/test.yaml"));
    assert!(!loaded.diagnostics.is_empty());
}

#[test]
fn after_a_line_that_yaml_cannot_read_earlier_mistakes_are_still_told() {
    let found = codes("name: Test\nwhem: { webhook: order.paid }\nenabled: maybe\n   odd: 1\ndo: []\n");
    assert_eq!(found, ["R201 2:1", "R205 3:10", "R104 4:4"]);
}

#[test]
fn mistakes_of_steps_have_codes_and_places() {
    let mut wrong = String::new();
    for (steps, expected) in [
        ("  - stop\n", vec!["R205 6:5"]),
        ("  - id: a\n", vec!["R202 6:5"]),
        ("  wait: 2h\n", vec!["R205 6:3"]),
        ("  - wait: monday at 09:00\n", vec!["R205 6:11"]),
        ("  - wait: { until: event.starts_at, before: 1h, after: 1h }\n", vec!["R204 6:49"]),
        ("  - wait: { next: every monday }\n", vec!["R502 6:19"]),
        ("  - wait: { for: 2h }\n", vec!["R204 6:13"]),
        ("  - send_message: Hello\n", vec!["R205 6:19"]),
        ("  - send_message: { text: Hi, how are you, outside_window: skip }\n", vec!["R104 6:31"]),
        ("  - send_message: { text: Hi, prefer: text, outside_window: skip }\n", vec!["R206 6:31"]),
        ("  - send_message: { text: , outside_window: skip }\n", vec!["R202 6:21"]),
        ("  - send_message: { image: https://x.example/a.jpg, outside_window: skip }\n", vec!["R204 6:21"]),
        ("  - send_message: { text: Hi, channel: shpo, outside_window: skip }\n", vec!["R201 6:40"]),
        ("  - send_message: { text: Hi, to: anna, outside_window: skip }\n", vec!["R201 6:35"]),
        ("  - send_message: { text: Hi, to: 12, outside_window: skip }\n", vec!["R205 6:35"]),
        ("  - send_message: { text: { en: Hi }, outside_window: skip }\n", vec!["R202 6:21"]),
        ("  - send_message: { text: {event.total}, outside_window: skip }\n", vec!["R305 6:27"]),
        ("  - send_message: { template: { uuid: nope, values: [a] }, values: [x] }\n", vec!["R404 6:39"]),
        ("  - send_message: { text: \"{{secret.KEY}}\", outside_window: skip }\n", vec!["R601 6:30"]),
        ("  - send_message: { text: \"{{event.items}}\", outside_window: skip } # allow R309\n", vec![]),
        ("  - send_message:\n      outside_window: skip\n      text: | # allow R309\n        {{event.note}}\n", vec![]),
        ("  - send_message: { text: \"{{event.items}}\" } # allow R309, R401\n", vec![]),
        ("  - send_message: { text: Hi, channel: desk }\n", vec![]),
        ("  - set: { a: 1 }\n  - stop: \"{{vars.a}} {{vars.b}}\"\n", vec!["R307 7:25"]),
        (
            "  - branch:\n      cases:\n        - if: event.total > 1\n          do:\n            - { id: a, wait: 9m }\n        - if: steps.a.outcome == \"x\"\n          do: [{ wait: 9m }]\n  - stop: \"{{steps.a.reason}}\"\n",
            vec!["R307 11:15", "R307 13:14"],
        ),
        ("  - branch: [{ if: event.total > 1, do: [] }]\n", vec!["R205 6:13"]),
        ("  - if: { any: [event.total > 1], all: [event.total > 2] }\n    wait: 9m\n", vec!["R201 6:35"]),
        ("  - if: event.items\n    wait: 9m\n", vec![]),
    ] {
        if codes(&with_steps(steps)) != expected {
            wrong.push_str(&format!("{steps}expected {expected:?}, told {:#?}\n", told(&project(&with_steps(steps)))));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn mistakes_of_triggers_and_contacts_have_codes_and_places() {
    let mut wrong = String::new();
    let end = "purpose: utility\ndo: [{ wait: 9m }]\n";
    for (head, expected) in [
        ("when: order.paid\n", vec!["R205 2:7"]),
        ("when: {}\n", vec!["R202 2:1"]),
        ("when: []\n", vec!["R202 2:1"]),
        ("when: { webhook: order.paid, source: shop }\ncontact: { phone: \"+34600000001\" }\n", vec!["R201 2:38"]),
        ("when: { message: hello }\n", vec!["R205 2:18"]),
        ("when: { message: { has: [picture] } }\n", vec!["R205 2:25"]),
        ("when: { message: {} }\n", vec!["R202 2:9"]),
        ("when: { schedule: every day at 09:00 }\n", vec!["R202 2:9"]),
        (
            "when: { schedule: every day at 09:00, missed: never }\ncontact: { phone: \"1\" }\n",
            vec!["R205 2:47", "R205 3:19"],
        ),
        ("when: { schedule: on 2020-01-01 at 10:00 }\ncontact: { phone: \"+34600000001\" }\n", vec!["R502 2:19"]),
        ("when: { cron: \"0 9 * * MON\" }\naudience: { file: ../people.csv }\n", vec!["R205 3:19"]),
        (
            "when: { cron: \"0 9 * * MON\" }\naudience: { file: audiences/people.csv }\nif: event.Fin_de_contrat == \"x\" && event.Fin > 1\n",
            vec!["R307 4:36"],
        ),
        (
            "when: { cron: \"0 9 * * MON\" }\naudience: { file: audiences/others.csv }\nif: event.age == \"x\" && event.b == \"y\"\n",
            vec!["R307 4:5"],
        ),
        (
            "when: { webhook: no.sample }\ncontact: { phone: \"{{event.phone}}\", name: \"{{event.name}}\" }\n",
            vec!["R307 3:22"],
        ),
        ("when: { webhook: order.paid }\ncontact: { name: \"{{event.customer.name}}\" }\n", vec!["R202 3:1"]),
        (
            "when: { webhook: order.paid }\ncontact: { phone: \"+34600000001\" }\nvars: { a: 1 }\nif: vars.a == 1 || vars.shop == \"x\"\n",
            vec!["R307 5:5"],
        ),
        (
            "when: { webhook: order.paid }\ncontact: { phone: \"+34600000001\" }\nsettings: { once_per: event.items.size() > 0, timezone: }\n",
            vec!["R202 4:47"],
        ),
        (
            "when: [{ webhook: order.paid }, { message: any }]\ncontact: { phone: \"{{event.customer.phone}}\", name: \"{{event.text}}\", email: \"{{event.x}}\" }\n",
            vec!["R307 3:81"],
        ),
    ] {
        let workflow = format!("name: Test\n{head}{end}");
        if codes(&workflow) != expected {
            wrong.push_str(&format!("{head}expected {expected:?}, told {:#?}\n", told(&project(&workflow))));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn mistakes_of_the_project_file_do_not_show_again_in_workflows() {
    let mut files = project(&with_steps("  - send_message: { text: Hi, channel: desk, to: bob }\n"));
    let broken = PROJECT
        .replace("colleagues: { ana: 600 000 002 }", "colleagues: { ana: 12 }")
        .replace("secret: FORMS_SECRET", "secret: whsec_c2VjcmV0LXZhbHVlLTEyMzQ1")
        .replace("timezone: Europe/Madrid", "timezone: Madrid")
        .replace("kind: qr", "kind: web");
    files.insert("relance.yaml".into(), broken);
    let told: Vec<String> =
        told(&files).iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(told, ["R205 3:23", "R205 8:30", "R601 12:76", "R205 14:20"]);
    assert!(load(&files).project.is_none());
}

#[test]
fn templates_without_a_lock_work_by_uuid_only() {
    let mut files =
        project(&with_steps("  - send_message: { template: photo, media: { image: https://example.com/a.jpg } }\n"));
    files.remove("templates.lock.json");
    let found = told(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("R404 2:10"), "{found:?}");
    assert!(load(&files).project.unwrap().workflows.contains_key("test"));
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let mut files = project(&with_steps("  - wait: 9m\n"));
    for (path, text) in [
        ("workflows/Order-Paid.yaml", "name: x\n"),
        ("workflows/a.yml", "name: x\n"),
        ("workflows/blocks/footer.yaml", "x: 1\n"),
        ("workflows/fr/x.yaml", "x: 1\n"),
        ("workflows/empty.yaml", "# nothing\n"),
        ("workflows/latin.yaml", "name: Caf\u{fffd}\nwhen: { message: any }\ndo: [{ wait: 9m }]\n"),
        ("workflows/x.test.yaml", "workflow: test\ntests: []\n"),
        ("workflows/samples/bad.json", "{\n  \"a\": 1,\n}"),
    ] {
        files.insert(path.into(), text.into());
    }
    let found: Vec<String> = check(&files, 0)
        .diagnostics
        .iter()
        .filter(|found| !matches!(found.message.as_str(), "`when` is missing" | "`do` is missing"))
        .map(|found| format!("{} {} {}:{}", found.file, found.code, found.line, found.column))
        .collect();
    assert_eq!(
        found,
        [
            "workflows/Order-Paid.yaml R201 1:1",
            "workflows/a.yml R201 1:1",
            "workflows/blocks/footer.yaml R206 1:1",
            "workflows/empty.yaml R202 1:1",
            "workflows/fr/x.yaml R201 1:1",
            "workflows/latin.yaml R104 1:10",
            "workflows/samples/bad.json R205 3:1",
        ]
    );
}

#[test]
fn nothing_that_is_typed_makes_it_panic() {
    let source = with_steps(
        "  - id: a\n    send_message:\n      text: |\n        Hi {{contact.name}} {{#each event.items}}{{this.name}}{{/each}}\n      template: paid\n      values: { name: 'it''s', total: \"{{money event.total 'EUR'}}\" }\n  - wait: { until: event.starts_at, before: 24h }\n  - branch:\n      cases: [{ if: event.total > 1, do: [{ stop: no }] }]\n",
    );
    let pieces = [
        "{{", "}}", "\"", "'", "\n", ":", ": ", "#", " #", "- ", "{", "}", "[", "]", "|", "\t", "é", "🎉", "&a ", "*a",
        "!", ",", "  ", "null", "\u{a0}", "\\",
    ];
    let mut state = 7_u64;
    let mut random = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for _ in 0..1_500 {
        let mut text = source.clone();
        for _ in 0..=random(3) {
            let at = (0..=random(text.len().max(1))).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            match random(3) {
                0 => text.insert_str(at, pieces[random(pieces.len())]),
                1 => text.truncate(at),
                _ => drop(text.get(at..at + 1).is_some().then(|| text.remove(at))),
            }
        }
        let files = project(&text);
        let found = load(&files);
        let lines = text.lines().count().max(1);
        for found in found.diagnostics.iter().filter(|found| found.file == "workflows/test.yaml") {
            assert!(found.line <= lines + 1 && !found.message.is_empty() && found.width > 0, "{found:?}\n{text}");
        }
        if found.project.is_some_and(|project| !project.workflows.contains_key("test")) {
            assert!(!found.diagnostics.is_empty(), "left out without a word:\n{text}");
        }
    }
}
