//! Promise: an old run computed once more from what is kept of it does the same, and a change of what it rests on is found.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, World, hours, minutes};
use relance::engine::replay::{NotReplayed, Replayed};
use relance::run::RunState;
use serde_json::json;

on_both_databases!(a_run_with_waits_answers_and_cases_is_computed_once_more,);

/// A bit of everything that can make a run go on.
const STORY: &str = "
    name: Story
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    vars: { first: 'n{{event.total}}' }
    do:
      - send_message: { template: ask, values: ['{{vars.first}}'] }
      - id: answer
        wait_for_reply:
          for: 2h
          replies:
            - is: 'yes'
              do:
                - send_message: { text: 'Heard {{steps.answer.text}}' }
          no_reply:
            - stop: silence
      - wait: 30m
      - branch:
          cases:
            - if: event.total > 10
              do:
                - set: { size: big }
          otherwise:
            - set: { size: small }
      - send_message: { template: ask, values: ['{{vars.size}}'] }
";

async fn replay(world: &World, run: &str) -> Result<Replayed, NotReplayed> {
    let (engine, run) = (world.engine().clone(), run.to_owned());
    world.within(async move { engine.replay(&run).await }).await.unwrap()
}

async fn a_run_with_waits_answers_and_cases_is_computed_once_more(database: Database) {
    let world =
        World::on(database).template("ask", "Is {{1}} right?", &["what"]).workflow("story", STORY).start().await;
    world.event("order.paid", json!({ "phone": ANA, "total": 50 })).await;
    let open = replay(&world, &world.runs().await[0].id).await.unwrap();
    assert_eq!((open.difference, open.messages), (None, 1), "a run under way, as far as it is");
    world.advance(minutes(5)).await;
    world.says(ANA, "Yes!").await;
    world.advance(hours(1)).await;
    world.event("order.paid", json!({ "phone": ANA, "total": 5 })).await;
    world.advance(hours(3)).await;
    let runs = world.runs().await;
    let told = runs.iter().find(|run| run.state == RunState::Done).expect("one run was answered");
    let silent = runs.iter().find(|run| run.state == RunState::Stopped).expect("one run was not");
    let same = |run: &relance::run::Run, messages| {
        Ok(Replayed { lines: run.progress.trace.len(), messages, calls: 0, difference: None })
    };
    assert_eq!(replay(&world, &told.id).await, same(told, 3));
    assert_eq!(replay(&world, &silent.id).await, same(silent, 1));
    assert_eq!(replay(&world, "nothing").await, Err(NotReplayed::Unknown));

    // What it rests on is not what it was.
    let event = &told.event;
    let changed = format!("update event set data = replace(data, '50', '5') where id = '{event}'");
    assert_eq!(world.execute(&changed).await, 1);
    let difference = replay(&world, &told.id).await.unwrap().difference.expect("the case is not taken any more");
    assert_eq!(difference.was, "case 1 taken");
    assert!(difference.now.contains("case 1 not taken: event.total > 10 is no"), "{difference:?}");
    assert_eq!(world.execute(&format!("update event set data = '{{}}' where id = '{event}'")).await, 1);
    assert_eq!(replay(&world, &told.id).await, Err(NotReplayed::Forgotten));
}
