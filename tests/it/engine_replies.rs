//! Questions to people: who gets an answer, what becomes of a run that waits for one, and what answers nothing.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, NOON, Plan, World, hours, minutes, seconds, words};
use relance::connector::sandbox::Inbound;
use relance::event::Evaluation;
use relance::run::Run;
use serde_json::{Value, json};

on_both_databases!(
    an_answer_goes_on_with_the_reply_that_matches_first,
    a_tap_on_a_button_is_an_answer,
    another_answer_goes_on_with_otherwise_or_is_no_answer,
    nobody_answers_and_the_run_goes_on_without,
    a_question_whose_message_was_not_sent_is_not_asked,
    an_answer_after_a_kill_finds_its_question,
    a_message_told_twice_answers_once,
    what_was_written_before_the_question_or_after_its_time_answers_nothing,
    who_writes_while_the_message_is_held_answers_nothing_yet,
    the_newest_question_that_matches_gets_the_answer,
    a_question_hears_its_own_person_on_its_own_channel_only,
    observers_see_an_answer_and_only_one_workflow_gets_what_no_question_takes,
    a_question_comes_before_workflows_and_otherwise_after_them,
    what_starts_a_run_does_not_answer_its_question,
    two_messages_at_once_answer_two_questions_of_one_run,
    a_reaction_is_no_answer,
    an_answer_of_64_kib_is_kept_whole,
    an_old_version_of_a_workflow_hears_its_answer,
);

/// Asks after an order; what it heard it says.
const ASK: &str = "
    name: Ask
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - send_message: { template: ask }
      - id: answer
        wait_for_reply:
          for: 2h
          replies:
            - is: ['yes', 'sí']
              do:
                - send_message: { text: 'Heard yes: {{steps.answer.text}}' }
            - contains: ['yes', price]
              do:
                - send_message: { text: 'Heard {{steps.answer.choice}}' }
          otherwise:
            - send_message: { text: 'Heard other: {{steps.answer.text}}' }
          no_reply:
            - send_message: { template: silence }
      - send_message: { template: after, values: ['{{steps.answer.outcome}}'] }
";

fn shop(database: Database) -> Plan {
    World::on(database).template("ask", "Is that right?", &[]).template("silence", "Nobody there?", &[]).template(
        "after",
        "It was {{1}}",
        &["outcome"],
    )
}

/// A workflow that answers messages of this kind with its own name.
fn answers(name: &str, when: &str) -> String {
    format!("name: N\nwhen: {{ message: {when} }}\ndo:\n  - send_message: {{ text: {name} }}\n")
}

async fn asked(database: Database) -> World {
    let world = shop(database).workflow("ask", ASK).start().await;
    world.event("order.paid", json!({"phone": ANA})).await;
    assert_eq!(world.sent(), ["template: Is that right?"]);
    world
}

/// What was sent since the question, when it is all out.
async fn since(world: &World, question: usize) -> Vec<String> {
    world.advance(seconds(10)).await;
    world.messages()[question..].iter().map(|message| message.text.clone()).collect()
}

/// A message of the account as it tells one, written at this instant.
fn told(uuid: &str, text: &str, at_ms: i64) -> Value {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap().to_string();
    json!({"event": "message_created", "payload": {
        "uuid": uuid, "status": "received", "text": text, "createdAt": at,
        "contact": {"uuid": "ana", "phoneNumber": ANA.trim_start_matches('+')},
    }})
}

/// What the workflows made of the newest message.
async fn made_of_the_last_message(world: &World) -> Vec<String> {
    let events = world.store(|store| async move { store.latest_events(100).await }).await;
    let last = events.iter().find(|event| event.evaluations != "[]").unwrap();
    let kept: Vec<Evaluation> = serde_json::from_str(&last.evaluations).unwrap();
    words(&kept)
}

fn trace(run: &Run) -> Vec<&str> {
    run.progress.trace.iter().map(|entry| entry.what.as_str()).collect()
}

async fn an_answer_goes_on_with_the_reply_that_matches_first(database: Database) {
    let world = asked(database).await;
    let run = world.runs().await.remove(0);
    assert_eq!((run.asks.as_deref(), run.wake_at_ms), (Some("main"), Some(NOON + 7_200_000)));
    world.advance(minutes(30)).await;
    world.says(ANA, "¡Sí!").await;
    assert_eq!(since(&world, 1).await, ["Heard yes: ¡Sí!", "It was replied"]);
    let run = world.runs().await.remove(0);
    let received_at = jiff::Timestamp::from_millisecond(NOON + 1_800_000).unwrap().to_string();
    assert_eq!(
        run.progress.steps["answer"],
        json!({"outcome": "replied", "text": "¡Sí!", "choice": 1, "received_at": received_at})
    );
    assert_eq!((run.asks.as_deref(), run.wake_at_ms), (None, None));
    assert!(trace(&run).contains(&"reply 1 came"), "{run:#?}");
    world.says(ANA, "yes").await;
    world.advance(hours(3)).await;
    assert_eq!(world.messages().len(), 3, "the question is over");
    world.event("order.paid", json!({"phone": ANA})).await;
    world.says(ANA, "yes, the price").await;
    assert_eq!(since(&world, 4).await, ["Heard 2", "It was replied"]);
}

async fn a_tap_on_a_button_is_an_answer(database: Database) {
    let world = asked(database).await;
    let tap = Inbound { phone: Some(ANA.into()), button: Some("Yes".into()), ..Inbound::default() };
    world.sandbox.receive(&tap).unwrap();
    world.settle().await;
    assert_eq!(since(&world, 1).await, ["Heard yes: Yes", "It was replied"]);
}

async fn another_answer_goes_on_with_otherwise_or_is_no_answer(database: Database) {
    let world = asked(database).await;
    world.says(ANA, "perhaps").await;
    assert_eq!(made_of_the_last_message(&world).await, ["ask woke: otherwise"]);
    assert_eq!(since(&world, 1).await, ["Heard other: perhaps", "It was otherwise"]);
    assert!(!world.runs().await[0].progress.steps["answer"].as_object().unwrap().contains_key("choice"));
    let strict = "
        name: Strict
        purpose: utility
        when: { webhook: order.checked }
        contact: { phone: '{{event.phone}}' }
        do:
          - send_message: { template: ask }
          - wait_for_reply:
              for: 1h
              replies: [{ is: ok, do: [{ send_message: { text: Fine } }] }]
    ";
    let mut world = world;
    world.change("strict", strict);
    world.deploy().await;
    world.event("order.checked", json!({"phone": ANA})).await;
    world.says(ANA, "perhaps").await;
    assert_eq!(world.run_states().await[1], "waiting");
    world.says(ANA, "OK").await;
    assert_eq!(since(&world, 4).await, ["Fine"]);
}

async fn nobody_answers_and_the_run_goes_on_without(database: Database) {
    let mut world = asked(database).await;
    world.advance(minutes(119)).await;
    world.restart().await;
    assert_eq!(world.messages().len(), 1);
    world.advance(minutes(1)).await;
    assert_eq!(since(&world, 1).await, ["Nobody there?", "It was no_reply"]);
    assert_eq!(world.run_states().await, ["done"]);
}

async fn a_question_whose_message_was_not_sent_is_not_asked(database: Database) {
    let closed = ASK.replace("send_message: { template: ask }", "send_message: { text: Hi, outside_window: skip }");
    let left_out =
        ASK.replace("- send_message: { template: ask }", "- if: false\n        send_message: { template: ask }");
    let world = shop(database)
        .workflow("closed", &closed)
        .workflow("left_out", &left_out.replace("order.paid", "order.sent"))
        .start()
        .await;
    for name in ["order.paid", "order.sent"] {
        world.event(name, json!({"phone": ANA})).await;
        world.advance(seconds(10)).await;
    }
    assert_eq!(
        world.sent(),
        ["Nobody there?", "It was not_asked", "Nobody there?", "It was not_asked"]
            .map(|text| format!("template: {text}"))
    );
    assert!(world.runs().await.iter().all(|run| run.progress.steps["answer"] == json!({"outcome": "not_asked"})));
}

async fn an_answer_after_a_kill_finds_its_question(database: Database) {
    let mut world = asked(database).await;
    world.crash().await;
    world.start_again().await;
    world.says(ANA, "yes").await;
    world.restart().await;
    assert_eq!(since(&world, 1).await, ["Heard yes: yes", "It was replied"]);
}

async fn a_message_told_twice_answers_once(database: Database) {
    let asks_twice = ASK.replace(
        "- send_message: { template: after, values: ['{{steps.answer.outcome}}'] }",
        "- wait_for_reply: { for: 1h, replies: [{ is: 'yes', do: [{ send_message: { text: Second } }] }] }",
    );
    let mut world = shop(database).workflow("ask", &asks_twice).start().await;
    world.event("order.paid", json!({"phone": ANA})).await;
    let yes = told("1", "yes", NOON);
    world.told(json!([yes, yes])).await;
    world.told(yes.clone()).await;
    world.restart().await;
    world.told(yes).await;
    assert_eq!(since(&world, 1).await, ["Heard yes: yes"]);
    assert_eq!(world.run_states().await, ["waiting"]);
    world.advance(hours(1)).await;
}

async fn what_was_written_before_the_question_or_after_its_time_answers_nothing(database: Database) {
    let mut world = asked(database).await;
    world.told(told("1", "yes", NOON - 60_000)).await;
    assert_eq!(world.messages().len(), 1, "it came late, and was written before");
    world.crash().await;
    // Nobody is there when the time is up.
    world.clock.move_to(NOON + 3 * 3_600_000);
    world.start_again().await;
    world.told(told("2", "yes", NOON + 2 * 3_600_000)).await;
    assert_eq!(since(&world, 1).await, ["Nobody there?", "It was no_reply"]);
    world.says(ANA, "yes").await;
    assert_eq!(world.run_states().await, ["done"]);
}

async fn who_writes_while_the_message_is_held_answers_nothing_yet(database: Database) {
    let held = ASK.replace("send_message: { template: ask }", "send_message: { text: Hi, outside_window: hold }");
    let world = shop(database).workflow("ask", &held).workflow("rest", &answers("Rest", "unmatched")).start().await;
    world.event("order.paid", json!({"phone": ANA})).await;
    assert_eq!(world.delivery_states().await, ["held: window_closed"]);
    world.says(ANA, "yes").await;
    let mut sent = since(&world, 0).await;
    sent.sort();
    assert_eq!(sent, ["Hi", "Rest"], "it opens the window, the question is asked now");
    world.says(ANA, "yes").await;
    assert_eq!(since(&world, 2).await, ["Heard yes: yes", "It was replied"]);
}

async fn the_newest_question_that_matches_gets_the_answer(database: Database) {
    let other = ASK
        .replace("order.paid", "order.sent")
        .replace("Heard yes", "Newer")
        .replace("contains: ['yes', price]", "is: maybe");
    let no_otherwise = "
        name: Newest
        purpose: utility
        when: { webhook: order.seen }
        contact: { phone: '{{event.phone}}' }
        do:
          - send_message: { template: ask }
          - wait_for_reply: { for: 1h, replies: [{ is: never, do: [{ stop: 'no' }] }] }
    ";
    let world =
        shop(database).workflow("older", ASK).workflow("newer", &other).workflow("newest", no_otherwise).start().await;
    for name in ["order.paid", "order.sent", "order.seen"] {
        world.event(name, json!({"phone": ANA})).await;
        world.advance(minutes(1)).await;
    }
    world.says(ANA, "the price").await;
    assert_eq!(since(&world, 3).await, ["Heard 2", "It was replied"], "the only one that matches, the oldest");
    world.event("order.paid", json!({"phone": ANA})).await;
    world.advance(minutes(1)).await;
    world.event("order.sent", json!({"phone": ANA})).await;
    world.says(ANA, "yes").await;
    assert_eq!(since(&world, 7).await, ["Newer: yes", "It was replied"]);
    world.says(ANA, "something").await;
    assert_eq!(since(&world, 9).await, ["Heard other: something", "It was otherwise"], "the newest that has one");
    world.advance(hours(3)).await;
}

async fn a_question_hears_its_own_person_on_its_own_channel_only(database: Database) {
    let (one, two) = ("a".repeat(32), "b".repeat(32));
    let on_two = ASK.replace("{ template: ask }", "{ template: ask, channel: two }");
    let world = shop(database)
        .project(&format!("channels: {{ one: {{ uuid: {one}, default: true }}, two: {{ uuid: {two} }} }}\n"))
        .workflow("ask", &on_two)
        .start()
        .await;
    world.event("order.paid", json!({"phone": ANA})).await;
    world.says(BOB, "yes").await;
    world.sandbox.reply_on(Some(&one), ANA, "yes", None).unwrap();
    world.settle().await;
    assert_eq!(world.messages().len(), 1);
    world.sandbox.reply_on(Some(&two), ANA, "yes", None).unwrap();
    world.settle().await;
    assert_eq!(world.runs().await[0].progress.steps["answer"]["choice"], 1);
    world.advance(hours(1)).await;
}

async fn observers_see_an_answer_and_only_one_workflow_gets_what_no_question_takes(database: Database) {
    let no_otherwise = ASK.replace(
        "otherwise:\n            - send_message: { text: 'Heard other: {{steps.answer.text}}' }\n          ",
        "",
    );
    let world = shop(database)
        .workflow("ask", &no_otherwise)
        .workflow("all", &answers("All", "any"))
        .workflow("hello", &answers("Hello", "{ is: hello }"))
        .workflow("rest", &answers("Rest", "unmatched"))
        .start()
        .await;
    world.event("order.paid", json!({"phone": ANA})).await;
    let taken = async |text: &str| {
        let before = world.messages().len();
        world.says(ANA, text).await;
        let mut sent = since(&world, before).await;
        sent.sort();
        sent
    };
    assert_eq!(taken("hello").await, ["All", "Hello"]);
    assert_eq!(taken("what?").await, ["All", "Rest"]);
    assert_eq!(taken("yes").await, ["All", "Heard yes: yes", "It was replied"]);
    let last = made_of_the_last_message(&world).await;
    assert!(last.contains(&"rest not_matched: a question took the message".to_owned()), "{last:?}");
    assert_eq!(taken("yes").await, ["All", "Rest"]);
}

async fn a_question_comes_before_workflows_and_otherwise_after_them(database: Database) {
    let picky = answers("Picky", "{ is: picky }").replace("do:", "if: event.text == 'Picky'\ndo:");
    let world = shop(database)
        .workflow("ask", ASK)
        .workflow("exact", &answers("Exact", "{ is: 'yes' }"))
        .workflow("hello", &answers("Hello", "{ is: hello }"))
        .workflow("picky", &picky)
        .start()
        .await;
    world.event("order.paid", json!({"phone": ANA})).await;
    world.says(ANA, "hello").await;
    assert_eq!(since(&world, 1).await, ["Hello"], "a workflow takes it before `otherwise`");
    world.says(ANA, "yes").await;
    assert_eq!(since(&world, 2).await, ["Heard yes: yes", "It was replied"], "a question takes it before a workflow");
    world.event("order.paid", json!({"phone": ANA})).await;
    world.says(ANA, "picky").await;
    assert_eq!(since(&world, 5).await, ["Heard other: picky", "It was otherwise"], "one that refuses takes nothing");
}

async fn what_starts_a_run_does_not_answer_its_question(database: Database) {
    let text = "
        name: Hello
        when: { message: { contains: price } }
        do:
          - id: first
            wait_for_reply:
              for: 1h
              replies: [{ contains: price, do: [{ send_message: { text: Again } }] }]
              otherwise: [{ send_message: { text: Other } }]
    ";
    let observes = text
        .replace("{ message: { contains: price } }", "{ message: any }")
        .replace("Again", "Observed")
        .replace("Other", "Saw");
    let world = World::on(database).workflow("hello", text).workflow("observes", &observes).start().await;
    world.says(ANA, "price").await;
    assert_eq!(world.run_states().await, ["waiting", "waiting"]);
    world.advance(minutes(1)).await;
    world.says(ANA, "the price").await;
    assert_eq!(world.run_states().await.iter().filter(|state| *state == "done").count(), 1, "one gets it");
    world.advance(hours(2)).await;
}

async fn two_messages_at_once_answer_two_questions_of_one_run(database: Database) {
    let text = "
        name: Two
        purpose: utility
        when: { message: { is: start } }
        do:
          - id: name
            wait_for_reply: { for: 1h, replies: [{ matches: '.', do: [{ set: { name: '{{steps.name.text}}' } }] }] }
          - id: city
            wait_for_reply: { for: 1h, replies: [{ matches: '.', do: [{ set: { city: '{{steps.city.text}}' } }] }] }
          - send_message: { text: '{{vars.name}} of {{vars.city}}', outside_window: skip }
    ";
    let world = World::on(database).workflow("two", text).start().await;
    world.says(ANA, "start").await;
    world.advance(minutes(1)).await;
    let now = world.clock.now_ms();
    world.told(json!([told("1", "Ana", now), told("2", "Madrid", now)])).await;
    assert_eq!(since(&world, 0).await, ["Ana of Madrid"]);
}

async fn a_reaction_is_no_answer(database: Database) {
    let world = asked(database).await;
    let mut reaction = told("1", "yes", NOON);
    reaction["payload"]["messageReaction"] = json!({"emoji": "👍"});
    world.told(reaction).await;
    assert_eq!(world.run_states().await, ["waiting"]);
    world.advance(hours(3)).await;
}

async fn an_answer_of_64_kib_is_kept_whole(database: Database) {
    let quiet = ASK.replace("send_message: { text: 'Heard other: {{steps.answer.text}}' }", "set: { heard: other }");
    let mut world = shop(database).workflow("ask", &quiet).start().await;
    world.event("order.paid", json!({"phone": ANA})).await;
    let long = "é".repeat(32 * 1024);
    world.told(told("1", &long, NOON)).await;
    world.restart().await;
    assert_eq!(world.runs().await[0].progress.steps["answer"]["text"], long);
    assert_eq!(since(&world, 1).await, ["It was otherwise"]);
}

async fn an_old_version_of_a_workflow_hears_its_answer(database: Database) {
    let mut world = asked(database).await;
    world.change("ask", &answers("Nothing asked", "{ is: never }"));
    world.deploy().await;
    world.restart().await;
    world.says(ANA, "yes").await;
    assert_eq!(since(&world, 1).await, ["Heard yes: yes", "It was replied"]);
}
