//! Promise: who wants no more gets no more, whatever proves the opposite, and is forgotten on demand.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, minutes, seconds, unindent};
use relance::connector::sandbox::Fault;
use relance::contact::{Contact, Phone, WithdrawalScope};
use relance::engine::import::{Import, ImportRow};
use relance::store::contacts::ContactKey;
use serde_json::{Value, json};

on_both_databases!(
    a_stop_word_ends_everything_under_way_and_is_answered_once,
    a_withdrawal_wins_over_every_proof_until_a_back_word,
    two_stops_in_one_group_are_one_withdrawal_and_one_answer,
    what_was_written_just_before_the_stop_word_starts_nothing,
    a_step_to_somebody_who_stops_is_skipped_and_its_run_goes_on,
    a_withdrawal_outlives_the_person_whoever_makes_them_again,
    a_back_word_lifts_no_withdrawal_of_the_provider,
    the_last_word_counts_in_whatever_order_words_come,
    a_stop_word_repeated_before_it_is_confirmed_is_confirmed,
    every_proof_is_entered_once,
    nothing_of_a_forgotten_person_is_left,
    a_person_who_writes_while_being_forgotten_is_another,
    an_operator_withdraws_and_allows_with_a_trace,
    rows_of_a_campaign_hold_no_number_beside_their_data,
);

const ORDER: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}', name: '{{event.name}}', consent: 'event.agreed == true' }
    vars: { greeting: 'Dear {{event.name}}' }
    do:
      - send_message: { template: paid, values: ['{{event.name}}'] }
      - wait: 3d
      - send_message: { template: paid, values: ['{{event.name}}'] }
";
const ECHO: &str = "
    name: Echo
    when: { message: any }
    do:
      - send_message: { text: 'You wrote {{event.text}}' }
";

fn shop(database: Database) -> Plan {
    let (order, echo) = (unindent(ORDER), unindent(ECHO));
    World::on(database).template("paid", "Thank you {{1}}", &["name"]).workflow("order", &order).workflow("echo", &echo)
}

fn order(phone: &str) -> Value {
    json!({ "phone": phone, "name": "Anabelle", "agreed": true })
}

async fn person(world: &World, phone: &str) -> Contact {
    let key = ContactKey::Phone(Phone::parse(phone, None).unwrap().digits().to_owned());
    world.store(|store| async move { store.contact(&[key]).await }).await.unwrap().0
}

/// `withdrawn all: word`, the oldest first.
pub(crate) async fn history(world: &World, phone: &str) -> Vec<String> {
    let (engine, person) = (world.engine().clone(), person(world, phone).await);
    let entries = world.within(async move { engine.consent_history(&person).await }).await.unwrap();
    let word = |value: Value| value.as_str().unwrap().to_owned();
    let words = |entry: &relance::consent::Entry| {
        let scope = word(serde_json::to_value(entry.scope).unwrap());
        format!("{} {scope}: {}", entry.act.as_str(), entry.source)
    };
    entries.iter().map(words).collect()
}

async fn import(world: &World, phone: &str) {
    let columns = json!({ "phone": phone, "name": "Anabelle", "consent": "yes" });
    let row = ImportRow::read(2, columns.as_object().unwrap(), None).unwrap();
    let engine = world.engine().clone();
    let import = Import { rows: vec![row], source: "people.csv".into() };
    world.within(async move { engine.import(import).await }).await.unwrap();
    world.settle().await;
}

async fn forget(world: &World, phone: &str) -> Option<usize> {
    let (engine, person) = (world.engine().clone(), person(world, phone).await);
    let forgotten = world.within(async move { engine.forget(&person.id, "root").await }).await.unwrap();
    world.settle().await;
    forgotten
}

fn received(uuid: &str, phone: &str, text: &str) -> Value {
    json!({"event": "message_created", "payload": {
        "uuid": uuid, "status": "received", "text": text, "createdAt": "2026-03-02T11:00:00Z",
        "contact": {"phoneNumber": phone.trim_start_matches('+')},
    }})
}

async fn a_stop_word_ends_everything_under_way_and_is_answered_once(database: Database) {
    let later = "
        name: Later
        purpose: utility
        when: { webhook: asked }
        contact: { phone: '{{event.phone}}' }
        do:
          - send_message: { text: When you write, outside_window: hold }
    ";
    let world = shop(database).project("language: fr\n").workflow("later", later).start().await;
    world.event("asked", json!({ "phone": ANA })).await;
    world.event("order.paid", order(ANA)).await;
    world.event("order.paid", order(BOB)).await;
    assert_eq!(world.delivery_states().await[0], "held: window_closed");
    world.says(ANA, "  Arrêt ! ").await;
    world.advance(seconds(10)).await;
    // Who observes every message has seen it, and told nobody anything.
    assert_eq!(world.run_states().await, ["stopped: opted_out", "stopped: opted_out", "waiting", "done"]);
    let states = world.delivery_states().await;
    assert_eq!(states, ["cancelled: opted_out", "accepted template", "accepted template", "accepted text"]);
    let answer = "text: C’est noté : vous ne recevrez plus de messages de notre part. \
                  Pour en recevoir à nouveau, écrivez : REPRENDRE";
    assert_eq!(world.sent().last().unwrap(), answer);
    // Whoever repeats it is heard, and answered once a day.
    world.says(ANA, "STOP").await;
    world.advance(hours(23)).await;
    world.says(ANA, "stop").await;
    assert_eq!(world.sends(), 3);
    world.advance(hours(2)).await;
    world.says(ANA, "désabonner").await;
    world.advance(seconds(5)).await;
    assert_eq!((world.sends(), world.sent().last().unwrap().as_str()), (4, answer));
    assert_eq!(history(&world, ANA).await, ["given all: event", "withdrawn all: word"]);
    world.event("order.paid", order(ANA)).await;
    assert_eq!(world.delivery_states().await.last().unwrap(), "skipped: opted_out");
    world.advance(hours(72)).await;
    assert_eq!(world.sends(), 5, "the second message of the other person");
}

async fn a_withdrawal_wins_over_every_proof_until_a_back_word(database: Database) {
    let world = shop(database).start().await;
    world.says(ANA, "start").await;
    assert_eq!(world.sent(), ["text: You wrote start"], "who never withdrew means something else by it");
    world.says(ANA, "stop").await;
    world.advance(seconds(5)).await;
    // Consent of an event, of a file, and the rule `everyone`.
    world.event("order.paid", order(ANA)).await;
    import(&world, ANA).await;
    world.event("order.paid", order(ANA)).await;
    assert_eq!(world.delivery_states().await[2..], ["skipped: opted_out", "skipped: opted_out"]);
    world.says(ANA, "hello").await;
    world.advance(seconds(5)).await;
    assert_eq!(world.sent().last().unwrap(), "text: You wrote hello", "an answer in the open window");
    world.says(ANA, "Start!").await;
    world.advance(seconds(5)).await;
    let welcome = "text: Welcome back: you will get our messages again.";
    let sent = world.sent();
    assert_eq!(sent[sent.len() - 2..], [welcome, "text: You wrote Start!"]);
    world.event("order.paid", order(ANA)).await;
    world.advance(seconds(5)).await;
    assert_eq!(world.sent().last().unwrap(), "template: Thank you Anabelle");
    assert_eq!(history(&world, ANA).await, ["withdrawn all: word", "given all: event", "back all: word"]);
    world.may_leave_work();
}

async fn two_stops_in_one_group_are_one_withdrawal_and_one_answer(database: Database) {
    let world = shop(database).start().await;
    world.event("order.paid", order(ANA)).await;
    let both = [received("1", ANA, "stop"), received("2", ANA, "baja")];
    world.told(json!(both)).await;
    world.advance(seconds(10)).await;
    assert_eq!(world.delivery_states().await, ["accepted template", "accepted text"]);
    assert_eq!(history(&world, ANA).await, ["given all: event", "withdrawn all: word"]);
    world.told(received("1", ANA, "stop")).await;
    assert_eq!(world.sends(), 2, "a second delivery of the same event");
}

async fn what_was_written_just_before_the_stop_word_starts_nothing(database: Database) {
    let world = shop(database).start().await;
    let all = [received("1", ANA, "hello"), received("2", BOB, "hello"), received("3", ANA, "stop")];
    world.told(json!(all)).await;
    world.advance(seconds(10)).await;
    let mut sent = world.sent();
    sent.sort();
    let answer = "text: You will get no more messages from us. To get them again, write: START";
    assert_eq!(sent, [answer, "text: You wrote hello"]);
}

async fn a_step_to_somebody_who_stops_is_skipped_and_its_run_goes_on(database: Database) {
    let both = format!(
        "
        name: Both
        purpose: utility
        when: {{ webhook: both }}
        contact: {{ phone: '{{{{event.phone}}}}' }}
        do:
          - id: other
            send_message: {{ to: '{BOB}', text: to another, outside_window: hold }}
          - stop: 'it was {{{{steps.other.reason}}}}'
        "
    );
    let world = shop(database).workflow("both", &both).start().await;
    world.event("both", json!({ "phone": ANA })).await;
    assert_eq!(world.delivery_states().await, ["held: window_closed"]);
    world.says(BOB, "stop").await;
    world.advance(seconds(5)).await;
    assert_eq!(world.run_states().await, ["stopped: it was opted_out", "done"]);
    assert_eq!(world.delivery_states().await, ["cancelled: opted_out", "accepted text"]);
}

async fn a_withdrawal_outlives_the_person_whoever_makes_them_again(database: Database) {
    let question = "
        name: Question
        purpose: utility
        when: { webhook: asked }
        contact: { phone: '{{event.phone}}' }
        do:
          - stop: '{{contact.opted_in}} {{contact.opted_out}}'
    ";
    let mut world = shop(database).workflow("question", question).start().await;
    world.says(ANA, "stop").await;
    world.advance(seconds(5)).await;
    let first = person(&world, ANA).await.id;
    // Made again by a file, by an event, by a message, by a question.
    for _ in 0..2 {
        forget(&world, ANA).await.unwrap();
        import(&world, ANA).await;
        assert!(person(&world, ANA).await.opted_out(WithdrawalScope::All));
        assert_ne!(person(&world, ANA).await.id, first);
    }
    forget(&world, ANA).await.unwrap();
    world.restart().await;
    world.event("order.paid", order(ANA)).await;
    assert_eq!(world.delivery_states().await.last().unwrap(), "skipped: opted_out");
    forget(&world, ANA).await.unwrap();
    world.event("asked", json!({ "phone": ANA })).await;
    assert_eq!(world.run_states().await.last().unwrap(), "stopped: false true");
    forget(&world, ANA).await.unwrap();
    world.says(ANA, "hello").await;
    assert!(person(&world, ANA).await.opted_out(WithdrawalScope::All));
    world.says(ANA, "start").await;
    world.advance(seconds(5)).await;
    world.event("asked", json!({ "phone": ANA })).await;
    assert_eq!(world.run_states().await.last().unwrap(), "stopped: true false");
    forget(&world, ANA).await.unwrap();
    world.event("asked", json!({ "phone": ANA })).await;
    assert_eq!(world.run_states().await.last().unwrap(), "stopped: true false", "what was taken back stays so");
    world.may_leave_work();
}

async fn a_back_word_lifts_no_withdrawal_of_the_provider(database: Database) {
    let world = shop(database).start().await;
    world.sandbox.fail_with([131_050]);
    world.event("order.paid", order(ANA)).await;
    world.advance(seconds(2)).await;
    world.says(ANA, "stop").await;
    world.says(ANA, "start").await;
    world.advance(seconds(10)).await;
    let person = person(&world, ANA).await;
    assert!(person.opted_out(WithdrawalScope::Marketing) && !person.opted_out(WithdrawalScope::All));
    let entries = ["given all: event", "withdrawn marketing: code", "withdrawn all: word", "back all: word"];
    assert_eq!(history(&world, ANA).await, entries);
    world.says(ANA, "start").await;
    world.advance(seconds(5)).await;
    assert_eq!(world.sent().last().unwrap(), "text: You wrote start", "there was nothing left to take back");
}

async fn the_last_word_counts_in_whatever_order_words_come(database: Database) {
    let world = shop(database).start().await;
    let say = async |text: &str, at: &str| {
        let mut said = received(&format!("{text} {at}"), ANA, text);
        said["payload"]["createdAt"] = format!("2026-03-02T{at}:00Z").into();
        world.told(said).await;
        world.advance(minutes(1)).await;
        person(&world, ANA).await.opted_out(WithdrawalScope::All)
    };
    world.advance(hours(2)).await;
    world.says(ANA, "hello").await;
    assert!(say("stop", "12:00").await);
    assert!(say("start", "11:00").await, "it was written before");
    assert!(say("stop", "12:20").await);
    assert!(say("start", "12:10").await, "between the two");
    let confirmed = || world.sent().iter().filter(|sent| !sent.contains("You wrote")).count();
    assert_eq!(confirmed(), 1, "what is not done is not confirmed");
    assert!(!say("start", "12:30").await);
    assert!(!say("stop", "12:25").await);
    assert!(say("stop", "12:40").await);
    assert_eq!(confirmed(), 3);
    let entries = ["withdrawn all: word", "back all: word", "withdrawn all: word"];
    assert_eq!(history(&world, ANA).await, entries);
}

async fn a_stop_word_repeated_before_it_is_confirmed_is_confirmed(database: Database) {
    let world = shop(database).start().await;
    world.sandbox.set_fault(Fault::TooMany, 1);
    world.says(ANA, "stop").await;
    assert_eq!(world.sent().len(), 0, "the account takes nothing at the moment");
    world.says(ANA, "stop").await;
    world.advance(minutes(10)).await;
    assert_eq!(world.sent(), ["text: You will get no more messages from us. To get them again, write: START"]);
}

async fn every_proof_is_entered_once(database: Database) {
    let world = shop(database).start().await;
    for _ in 0..3 {
        world.event("order.paid", order(ANA)).await;
        import(&world, ANA).await;
    }
    import(&world, BOB).await;
    import(&world, BOB).await;
    assert_eq!(history(&world, ANA).await, ["given all: event"]);
    assert_eq!(history(&world, BOB).await, ["given all: import"]);
    world.may_leave_work();
}

async fn nothing_of_a_forgotten_person_is_left(database: Database) {
    let world = shop(database).project(RELAYED).start().await;
    // An order that nobody took, of somebody nobody knew.
    world.event("order.lost", json!({ "customer": { "mobile": ANA } })).await;
    world.event("order.paid", order(ANA)).await;
    world.event("order.paid", json!({ "phone": BOB, "name": "Bobby", "agreed": true })).await;
    world.says(ANA, "my private question").await;
    world.says(ANA, "stop").await;
    world.event("order.paid", order(ANA)).await;
    world.advance(minutes(1)).await;
    let id = person(&world, ANA).await.id;
    assert!(forget(&world, ANA).await.unwrap() >= 4);
    let dump = world.dump().await;
    for trace in ["33612340001", "612340001", "Anabelle", "private question"] {
        let line = dump.lines().find(|line| line.contains(trace));
        assert_eq!(line, None, "{trace} is left");
    }
    assert!(dump.contains("Bobby") && dump.contains("33612340002"), "others are left alone");
    assert!(dump.contains(&id), "ids stay");
    let states = world.delivery_states().await;
    assert_eq!(states.iter().filter(|state| *state == "accepted text").count(), 2, "{states:?}");
    assert_eq!(world.run_states().await.iter().filter(|state| *state == "waiting").count(), 1);
    let mut audit = world.store(|store| async move { store.audit(10).await }).await;
    let entry = audit.remove(0);
    assert_eq!((entry.act.as_str(), entry.who.as_str(), entry.subject), ("forget", "root", id));
    world.may_leave_work();
}

/// A target of the relay that nobody answers for: bodies wait for it.
pub(crate) const RELAYED: &str =
    "relay: [{ url: 'http://127.0.0.1:9/none', signature: callbell, secret: CRM_SECRET }]\n";

async fn a_person_who_writes_while_being_forgotten_is_another(database: Database) {
    let world = shop(database).start().await;
    world.says(ANA, "stop").await;
    world.advance(seconds(5)).await;
    let first = person(&world, ANA).await.id;
    let engine = world.engine().clone();
    let id = first.clone();
    let told = world.told(received("now", ANA, "and another thing"));
    let (forgotten, ()) = tokio::join!(engine.forget(&id, "root"), told);
    assert!(forgotten.unwrap().is_some());
    world.settle().await;
    world.says(ANA, "hello again").await;
    world.advance(seconds(5)).await;
    let now = person(&world, ANA).await;
    assert_ne!(now.id, first);
    assert!(now.opted_out(WithdrawalScope::All));
    let again = engine.forget(&first, "root").await.unwrap();
    assert!(again.is_some(), "what a killed process left can be erased by the id");
    assert_eq!(engine.forget("nobody", "root").await.unwrap(), None);
}

async fn an_operator_withdraws_and_allows_with_a_trace(database: Database) {
    let world = shop(database).start().await;
    world.event("order.paid", order(ANA)).await;
    let (engine, id) = (world.engine().clone(), person(&world, ANA).await.id);
    assert!(engine.withdraw(&id, WithdrawalScope::Marketing, "crm").await.unwrap());
    world.settle().await;
    assert_eq!(world.run_states().await, ["waiting"], "it is no marketing");
    assert!(engine.withdraw(&id, WithdrawalScope::All, "crm").await.unwrap());
    assert!(!engine.withdraw("nobody", WithdrawalScope::All, "crm").await.unwrap());
    world.settle().await;
    assert_eq!(world.run_states().await, ["stopped: opted_out"]);
    world.says(ANA, "start").await;
    world.advance(seconds(5)).await;
    assert_eq!(world.sent().last().unwrap(), "text: You wrote start", "it lifts what was said by word only");
    assert!(engine.allow(&id, "crm").await.unwrap());
    assert!(person(&world, ANA).await.withdrawal.is_none());
    let entries =
        ["given all: event", "withdrawn marketing: operator", "withdrawn all: operator", "back all: operator"];
    assert_eq!(history(&world, ANA).await, entries);
    let audit = world.store(|store| async move { store.audit(10).await }).await;
    let by_hand = audit.iter().rev().filter(|entry| entry.act != "deploy");
    let acts: Vec<_> = by_hand.map(|entry| format!("{} {}", entry.act, entry.detail)).collect();
    assert_eq!(acts, ["withdraw marketing", "withdraw all", "allow "]);
}

async fn rows_of_a_campaign_hold_no_number_beside_their_data(database: Database) {
    let news = "
        name: News
        purpose: utility
        when: { schedule: every day at 13:00 }
        audience: { file: audiences/people.csv }
        contact: { phone: '{{event.phone}}' }
        do:
          - send_message: { template: paid, values: ['{{event.name}}'] }
    ";
    let csv = format!("phone,name,consent\n{ANA},Anabelle,yes\n{BOB},Bobby,yes\n{ANA},Anabelle,yes\n");
    let world = shop(database).workflow("news", news).audience("people.csv", csv).start().await;
    world.advance(hours(2)).await;
    assert_eq!(world.sends(), 2, "one person listed twice counts once");
    forget(&world, ANA).await.unwrap();
    let dump = world.dump().await;
    assert!(!dump.contains("33612340001") && !dump.contains("Anabelle"));
    assert!(dump.contains("33612340002"));
    let data_only = dump.lines().filter(|line| line.starts_with("event: ") && line.contains("33612340002"));
    for line in data_only {
        assert_eq!(line.matches("33612340002").count(), 1, "{line}");
    }
}
