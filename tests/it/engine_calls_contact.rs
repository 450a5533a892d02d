//! `update_contact`: what changes in the account, how often it is asked for, and that relance does not hear itself.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, Plan, World, hours, minutes, seconds, unindent};
use relance::call::{CallState, Part};
use relance::connector::sandbox::{Fault, SandboxPerson};
use serde_json::{Value, json};

on_both_databases!(
    everything_of_a_person_is_changed_in_the_account_and_known_here,
    somebody_the_account_does_not_know_is_made_there_and_nobody_takes_that_for_news,
    what_the_account_refuses_fails_the_step_in_its_own_words,
    values_are_set_again_after_a_lost_answer_and_a_note_is_not_written_twice,
    a_kill_between_the_parts_repeats_only_what_may_be_repeated,
    what_relance_changes_starts_no_workflow_before_nor_after_the_answer,
    an_account_that_wants_silence_or_another_token_gets_it,
);

const CHANGE: &str = "
    name: Change
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - id: change
        update_contact: STEP
      - stop: '{{steps.change.outcome}}{{#each contact.tags}} {{this}}{{else}}{{/each}}'
";

fn change(step: &str) -> String {
    unindent(CHANGE).replace("STEP", step)
}

fn order() -> Value {
    json!({"phone": ANA, "name": "Ana María"})
}

/// A world whose account knows Ana already.
async fn knowing(plan: Plan) -> World {
    let world = plan.start().await;
    world.says(ANA, "hello").await;
    world
}

fn ana(world: &World) -> SandboxPerson {
    world.sandbox.people().into_iter().find(|person| person.phone == ANA).expect("the account knows her")
}

/// `PATCH /v1/contacts/…`, without what identifies anybody; what only reads is left out.
fn asked(world: &World) -> Vec<String> {
    let calls = world.sandbox.calls().into_iter().map(|(_, call)| call);
    let changes = calls.filter(|call| call.method != "GET" && !call.path.ends_with("/messages/send"));
    let uuid = world.sandbox.people().first().map(|person| person.uuid.clone()).unwrap_or_default();
    changes.map(|call| format!("{} {} {}", call.method, call.path.replace(&uuid, "ID"), call.status)).collect()
}

const ALL: &str = "{ name: '{{event.name}}', add_tags: [VIP], remove_tags: [Nobody], fields: { City: Lyon, Days: '[\"Monday\", \"Friday\"]' },
        note: 'Paid {{event.name}}', assign_to: marc@example.org, team: sales, bot: stop, close_conversation: true }";

async fn everything_of_a_person_is_changed_in_the_account_and_known_here(database: Database) {
    let plan = World::on(database).workflow("change", &change(ALL));
    let world = knowing(plan).await;
    world
        .turn(
            "account",
            json!({"tags": ["vip", "Nobody"], "custom_fields": [
        {"name": "City"}, {"name": "Days", "type": "checkbox", "options": ["Monday", "Friday"]}]}),
        )
        .await;
    world.event("order.paid", order()).await;
    assert_eq!(world.run_states().await, ["stopped: done vip"]);
    let person = ana(&world);
    assert_eq!((person.name.as_deref(), person.tags, person.closed), (Some("Ana María"), vec!["vip".to_owned()], true));
    assert_eq!(person.assigned_user.as_deref(), Some("marc@example.org"));
    let parts = [
        "PATCH /v1/contacts/ID 200",
        "POST /v1/contacts/ID/conversation/note 200",
        "POST /v1/contacts/ID/conversation/close 200",
    ];
    assert_eq!(asked(&world), parts);
    let run = world.runs().await.remove(0);
    let contact = run.contact.clone();
    let known = world.store(|store| async move { store.contacts_of(&[&contact]).await }).await.remove(0);
    assert_eq!((known.name.as_deref(), known.team.as_deref()), (Some("Ana María"), Some("Sales")));
    assert_eq!((&known.custom["City"], &known.custom["Days"]), (&json!("Lyon"), &json!(["Monday", "Friday"])));
    world.event("order.paid", order()).await;
    assert_eq!(world.run_states().await[1], "stopped: done vip");
    world.advance(minutes(1)).await;
}

async fn somebody_the_account_does_not_know_is_made_there_and_nobody_takes_that_for_news(database: Database) {
    let watch = "name: Watch\npurpose: utility\nwhen: [{ contact: created }, { contact: updated }, { contact: tagged }]\ndo:\n  - stop: seen\n";
    let world = World::on(database)
        .workflow("change", &change("{ add_tags: [vip], note: new }"))
        .workflow("watch", watch)
        .start()
        .await;
    world.turn("account", json!({"tags": ["vip"]})).await;
    world.event("order.paid", order()).await;
    world.advance(minutes(1)).await;
    assert_eq!(world.run_states().await, ["stopped: done vip"]);
    assert_eq!(ana(&world).tags, ["vip"]);
    assert_eq!(asked(&world), ["POST /v1/contacts 200", "POST /v1/contacts/ID/conversation/note 200"]);
}

async fn what_the_account_refuses_fails_the_step_in_its_own_words(database: Database) {
    let plan = World::on(database)
        .workflow("tag", &change("{ add_tags: [unheard_of] }"))
        .workflow("team", &change("{ team: Nobody knows }"))
        .workflow("user", &change("{ assign_to: stranger@example.org }"));
    let world = knowing(plan).await;
    world.event("order.paid", order()).await;
    let mut states = world.run_states().await;
    states.sort();
    let expected = [
        "needs_attention: Callbell answered 422: assigned_user: not found",
        "needs_attention: Callbell answered 422: tags: not found",
        "needs_attention: R405: the account has no team `Nobody knows`",
    ];
    assert_eq!(states, expected);
}

async fn values_are_set_again_after_a_lost_answer_and_a_note_is_not_written_twice(database: Database) {
    let plan = World::on(database)
        .workflow("change", &change("{ name: Ana }"))
        .workflow("note", &change("{ note: Paid }").replace("order.paid", "order.noted"));
    let world = knowing(plan).await;
    world.turn("faults", json!({"scope": "/contacts", "dropped_answer": 2})).await;
    world.event("order.paid", order()).await;
    world.advance(minutes(1)).await;
    assert_eq!(world.run_states().await[0], "stopped: done");
    world.turn("faults", json!({"scope": "/contacts/", "500_after": 1})).await;
    world.event("order.noted", order()).await;
    world.advance(hours(1)).await;
    assert_eq!(world.run_states().await[1], "needs_attention: uncertain");
    let notes = asked(&world).iter().filter(|call| call.contains("/note")).count();
    assert_eq!(notes, 1);
}

async fn a_kill_between_the_parts_repeats_only_what_may_be_repeated(database: Database) {
    let step = "{ name: Ana, note: Paid, close_conversation: true }";
    let mut world = knowing(World::on(database).workflow("change", &change(step))).await;
    // While the name is set: it is set again, and the rest follows once.
    world.gate.close();
    world.post(world.new_event("order.paid", order())).await;
    world.gate.holds(1).await;
    world.crash().await;
    world.gate.open();
    world.start_again().await;
    world.settle().await;
    assert_eq!(world.run_states().await, ["stopped: done"]);
    let [note, close] = ["POST /v1/contacts/ID/conversation/note 200", "POST /v1/contacts/ID/conversation/close 200"];
    assert_eq!(asked(&world)[1..], [note, close], "the name was there already");
    // While the note is written: nobody can tell.
    let before = asked(&world).len();
    world.gate.close();
    world.post(world.new_event("order.paid", order())).await;
    world.gate.holds(1).await;
    world.restart().await;
    world.gate.open();
    world.advance(hours(1)).await;
    assert_eq!(world.run_states().await[1], "needs_attention: uncertain");
    assert_eq!(asked(&world)[before..], [note], "neither noted again nor closed");
    let run = world.runs().await[1].id.clone();
    let made = world.store(|store| async move { store.calls_of_run(&run).await }).await.remove(0);
    assert_eq!((made.state, made.parts_done), (CallState::Uncertain, vec![Part::Set]));
}

async fn what_relance_changes_starts_no_workflow_before_nor_after_the_answer(database: Database) {
    let loops = "name: Loop\npurpose: utility\nwhen: [{ contact: updated }, { contact: tagged }]\ndo:\n  - update_contact: { name: '{{event.after.name}}!' }\n  - stop: heard\n";
    let plan = World::on(database)
        .workflow("change", &change("{ add_tags: [vip], name: Ana, assign_to: lea@example.org }"))
        .workflow("loop", loops);
    let world = knowing(plan).await;
    world.turn("account", json!({"tags": ["vip", "paid"]})).await;
    // The account tells of the change while its answer is kept back.
    world.gate.close();
    world.post(world.new_event("order.paid", order())).await;
    world.gate.holds(1).await;
    world.sandbox.settle().await;
    world.gate.open();
    world.advance(minutes(1)).await;
    assert_eq!(world.run_states().await, ["stopped: done vip"], "its own change");
    // And long after it, twice.
    world.sandbox.set_fault(Fault::Duplicate, u64::MAX);
    world.event("order.paid", order()).await;
    world.advance(minutes(1)).await;
    assert_eq!(world.run_states().await.len(), 2);
    // Somebody else's change is news, and what the loop changes then is not.
    let uuid = ana(&world).uuid;
    let changed = json!({"uuid": uuid, "phoneNumber": ANA, "name": "Ana", "tags": ["vip", "paid"], "assignedUser": "lea@example.org", "customFields": {}});
    world.told(json!({"event": "contact_updated", "payload": changed})).await;
    world.advance(minutes(1)).await;
    assert_eq!(world.run_states().await[2..], ["stopped: heard"]);
    assert_eq!(ana(&world).name.as_deref(), Some("Ana!"));
}

async fn an_account_that_wants_silence_or_another_token_gets_it(database: Database) {
    let world = knowing(
        World::on(database)
            .workflow("change", &change("{ name: Ana }").replace("update_contact:", "retry: 0\n    update_contact:")),
    )
    .await;
    world.turn("faults", json!({"scope": "/", "429": 1, "retry_after": 30})).await;
    world.event("order.paid", order()).await;
    assert_eq!(world.run_states().await, ["waiting: backoff"]);
    let calls = world.sandbox.calls().len();
    world.advance(seconds(29)).await;
    assert_eq!(world.sandbox.calls().len(), calls, "silence");
    world.advance(minutes(2)).await;
    assert_eq!(world.run_states().await, ["stopped: done"]);
    world.sandbox.set_fault(Fault::Unauthorised, 1);
    world.event("order.paid", order()).await;
    world.advance(hours(1)).await;
    assert_eq!(world.run_states().await[1], "waiting: backoff", "nothing is asked with a token that was refused");
    let engine = world.engine().clone();
    world.within(async move { engine.resume(vec![relance::delivery::Scope::Account], "test").await }).await.unwrap();
    world.advance(minutes(2)).await;
    assert_eq!(world.run_states().await[1], "stopped: done");
}
