//! Languages: each person reads text, template and answer in their own, as far as the project speaks it.

use crate::database::{Database, on_both_databases};
use crate::engine_account::know_the_account;
use crate::harness::{ANA, BOB, Plan, World, minutes};
use serde_json::{Value, json};

on_both_databases!(
    each_person_gets_text_and_template_in_their_language,
    a_template_that_is_paused_in_one_language_holds_only_who_speaks_it,
    a_withdrawal_is_answered_in_the_language_of_the_person,
);

const CARL: &str = "+33612340003";
const ENGLISH: &str = "0000000000000000000000000000000e";
const FRENCH: &str = "0000000000000000000000000000000f";
const PAID: &str = "
    name: Paid
    purpose: utility
    when: { webhook: paid }
    contact: { phone: '{{event.phone}}', language: '{{event.language}}' }
    do:
      - send_message:
          text:
            en: 'Paid on {{date event.at}}: {{money event.total \"EUR\"}} for {{plural event.items \"item\" \"items\"}}'
            fr: 'Payé le {{date event.at}} : {{money event.total \"EUR\"}} pour {{plural event.items \"article\" \"articles\"}}'
          template:
            uuid: 0000000000000000000000000000000e
            values: [total]
            languages: { fr: { uuid: 0000000000000000000000000000000f } }
          values: ['{{money event.total \"EUR\"}}']
";

fn shop(database: Database) -> Plan {
    let plan = World::on(database).locked(ENGLISH, "text", "You paid {{1}} today");
    plan.locked(FRENCH, "text", "Vous avez payé {{1}} ce jour").workflow("paid", PAID)
}

fn paid(phone: &str, language: &str) -> Value {
    json!({ "phone": phone, "language": language, "total": 1234.5, "items": 0, "at": "2026-03-02" })
}

/// What was sent since the last look, with plain spaces.
fn fresh(world: &World, seen: &mut usize) -> Vec<String> {
    let sent = world.sent().split_off(*seen);
    *seen += sent.len();
    sent.iter().map(|text| text.replace(['\u{a0}', '\u{202f}'], " ")).collect()
}

async fn each_person_gets_text_and_template_in_their_language(database: Database) {
    let colleague = "
        name: Colleague
        purpose: utility
        when: { webhook: told }
        contact: { phone: '{{event.phone}}', language: '{{event.language}}' }
        do:
          - send_message:
              to: '+33612340009'
              text: { en: 'A payment of {{money event.total \"EUR\"}}', fr: 'Un paiement' }
              outside_window: hold
    ";
    let world = shop(database).workflow("colleague", colleague).start().await;
    let mut seen = 0;
    for (phone, language) in [(ANA, "fr_CA"), (BOB, "en"), (CARL, "it")] {
        world.event("paid", paid(phone, language)).await;
    }
    let french = "template: Vous avez payé 1 234,50 € ce jour";
    let english = "template: You paid €1,234.50 today";
    assert_eq!(fresh(&world, &mut seen), [french, english, english]);
    for phone in [ANA, BOB, CARL] {
        world.says(phone, "Hello").await;
    }
    for (phone, language) in [(ANA, "FR"), (BOB, ""), (CARL, "xx")] {
        world.event("paid", paid(phone, language)).await;
    }
    let french = "text: Payé le 2 mars 2026 : 1 234,50 € pour 0 article";
    let english = "text: Paid on 2 March 2026: €1,234.50 for 0 items";
    assert_eq!(fresh(&world, &mut seen), [french, english, english]);
    world.says("+33612340009", "Hello").await;
    world.event("told", paid(ANA, "fr")).await;
    assert_eq!(fresh(&world, &mut seen), ["text: A payment of €1,234.50"], "whose language is not known");
    let told: Vec<Vec<String>> = world
        .runs()
        .await
        .iter()
        .map(|run| run.progress.trace.iter().map(|entry| entry.what.clone()).take(2).collect())
        .collect();
    let template = |what: &str| what.replace("FR", FRENCH).replace("EN", ENGLISH);
    assert_eq!(
        told[..3],
        [
            [
                "text in `fr`: the person's language".to_owned(),
                template("template `FR`, in `fr`: the person's language")
            ],
            [
                "text in `en`: the person's language".to_owned(),
                template("template `EN`, in `en`: the person's language")
            ],
            ["text in `en`: it is not written in `it`".to_owned(), template("template `EN`: there is none in `it`")],
        ]
    );
    assert_eq!(told[4][0], "text in `en`: the person's language is not known");
}

async fn a_template_that_is_paused_in_one_language_holds_only_who_speaks_it(database: Database) {
    let plan = shop(database);
    let mut templates: Vec<relance::config::LockedTemplate> =
        serde_json::from_str(&plan.files()["templates.lock.json"]).unwrap();
    let world = plan.start().await;
    templates.iter_mut().find(|one| one.uuid == FRENCH).unwrap().status = "paused".into();
    world.sandbox.set_templates(templates);
    know_the_account(&world).await;
    world.event("paid", paid(ANA, "fr")).await;
    world.event("paid", paid(BOB, "en")).await;
    world.advance(minutes(1)).await;
    assert_eq!(world.delivery_states().await, ["held: template_paused", "accepted template"]);
}

async fn a_withdrawal_is_answered_in_the_language_of_the_person(database: Database) {
    let reply = "opt_out: { reply: { en: Done, fr: C'est fait } }\n";
    let world = shop(database).project(reply).start().await;
    let mut seen = 0;
    world.says(ANA, "Stop").await;
    world.says(BOB, "désabonner").await;
    world.advance(minutes(1)).await;
    assert_eq!(fresh(&world, &mut seen), ["text: Done", "text: C'est fait"]);
}
