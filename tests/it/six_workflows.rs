//! The six workflows of the language's first release, each from its beginning to its ends, as they stand in
//! `tests/projects/six`: only the booking system is another one, on this machine.

use crate::database::{Database, on_both_databases};
use crate::engine_account::know_the_account;
use crate::harness::{BOOKING_SECRET, World, hours, minutes};
use crate::other_system::OtherSystem;
use relance::connector::sandbox::{Inbound, SandboxPerson};
use serde_json::{Value, json};

on_both_databases!(
    a_paid_order_gets_one_receipt_at_once_also_at_night,
    members_are_reminded_each_week_of_what_their_list_says,
    a_cart_is_reminded_of_two_hours_after_its_last_change_and_once_a_week,
    a_cart_is_not_reminded_of_when_it_was_bought_emptied_or_written_about,
    who_asks_for_prices_gets_the_list_and_a_person_on_demand,
    everybody_with_the_tag_is_wished_a_happy_birthday_on_the_day,
    the_reminder_of_an_appointment_moves_with_it,
    a_cancelled_appointment_is_not_reminded_of,
    an_appointment_booked_late_is_not_reminded_of,
    a_tap_on_confirm_is_told_to_the_booking_system,
    who_wants_to_change_or_answers_anything_else_gets_a_colleague,
    who_does_not_answer_the_reminder_is_marked,
);

const ANA: &str = "+34600000001";
const LUIS: &str = "+34600000002";
const MARTA: &str = "+34600000003";
const REMINDER: &str =
    "template: Hi Marta, a reminder of your appointment on Friday 6 March at 10:30. Reply Confirm or Change.";
/// The team `Front desk`.
const DESK: &str = "0123456789abcdef0123456789abcdef";

/// The shop at an instant, with the tags and the team that its workflows name, and its booking system.
async fn shop(database: Database, instant: &str) -> (World, OtherSystem) {
    let booking = OtherSystem::start().await;
    let address = format!("http://127.0.0.1:{}", booking.port);
    let elsewhere = [
        ("https://booking.example.com", address.as_str()),
        ("[booking.example.com]", "[127.0.0.1]"),
        ("secret.BOOKING_TOKEN", "secret.BOOKING_SECRET"),
    ];
    let world = World::on(database).folder("six", &elsewhere).at(instant).start().await;
    let desk = json!({"uuid": DESK, "name": "Front desk"});
    world.turn("account", json!({"tags": ["opted_in", "asked_price", "unconfirmed"], "teams": [desk]})).await;
    know_the_account(&world).await;
    (world, booking)
}

/// Somebody of the account who agreed to get messages.
async fn agreed(world: &World, phone: &str, name: &str, custom: Value) {
    world.turn("people", json!({"phone": phone, "name": name, "tags": ["opted_in"], "custom": custom})).await;
    world.settle().await;
}

fn person(world: &World, phone: &str) -> SandboxPerson {
    world.sandbox.people().into_iter().find(|person| person.phone == phone).expect("the account knows the person")
}

fn is_at_the_desk(world: &World, phone: &str) -> bool {
    person(world, phone).team_uuid.as_deref() == Some(DESK)
}

/// How the runs of one workflow are, oldest first: `done`, `stopped: past`.
async fn states_of(world: &World, workflow: &str) -> Vec<String> {
    let states = world.runs().await.into_iter().zip(world.run_states().await);
    states.filter(|(run, _)| run.workflow == workflow).map(|(_, state)| state).collect()
}

/// When each message left, in Madrid, and how it read.
fn left(world: &World) -> Vec<String> {
    let zone = jiff::tz::TimeZone::get("Europe/Madrid").unwrap();
    let at = |at_ms: i64| jiff::Timestamp::from_millisecond(at_ms).unwrap().to_zoned(zone.clone());
    let messages = world.messages();
    messages
        .iter()
        .zip(world.sent())
        .map(|(one, text)| format!("{} {text}", at(one.at_ms).strftime("%a %d %H:%M")))
        .collect()
}

fn order(id: &str, total: f64) -> Value {
    json!({"order_id": id, "order_number": 1042, "total": total, "currency": "EUR",
        "customer": {"first_name": "Ana", "phone": ANA}})
}

async fn a_paid_order_gets_one_receipt_at_once_also_at_night(database: Database) {
    let (world, _) = shop(database, "2026-03-02T22:30:00+01:00").await;
    agreed(&world, ANA, "Ana", json!({})).await;
    world.event("order.paid", order("ord_1", 129.9)).await;
    world.event("order.paid", order("ord_1", 129.9)).await;
    world.event("order.paid", order("ord_2", 0.0)).await;
    let receipt = "template: Hi Ana, we received your payment for order #1042: €129.90. It leaves our shop tomorrow.";
    assert_eq!(left(&world), [format!("Mon 02 22:30 {receipt}")]);
    world.says(ANA, "thanks").await;
    world.event("order.paid", order("ord_3", 5.0)).await;
    assert_eq!(
        world.sent()[1],
        "text: Hi Ana, we received your payment of €5.00 🎉\nOrder #1042: it leaves our shop tomorrow."
    );
}

async fn members_are_reminded_each_week_of_what_their_list_says(database: Database) {
    let (mut world, _) = shop(database, "2026-03-01T12:00:00+01:00").await;
    for (phone, name) in [("+34600000011", "Nora"), ("+34600000012", "Pablo"), ("+34600000013", "Inés")] {
        agreed(&world, phone, name, json!({})).await;
    }
    world.advance(hours(36)).await;
    let nora = "template: Hi Nora! Your yoga class is this week at 18:30. See you there!";
    let pablo = "template: Hi Pablo! Your boxing class is this week at 20:00. See you there!";
    let mut first = left(&world);
    first.sort();
    assert_eq!(first, [format!("Mon 02 10:00 {nora}"), format!("Mon 02 10:00 {pablo}")]);
    world.restart().await;
    world.advance(hours(7 * 24)).await;
    assert_eq!(world.sent().len(), 4, "and the week after");
}

fn cart(items: u32, url: &str) -> Value {
    json!({"cart_id": "cart_1", "items_count": items, "cart_url": url, "customer": {"first_name": "Luis", "phone": LUIS}})
}

async fn a_cart_is_reminded_of_two_hours_after_its_last_change_and_once_a_week(database: Database) {
    let (mut world, _) = shop(database, "2026-03-02T10:00:00+01:00").await;
    agreed(&world, LUIS, "Luis", json!({})).await;
    world.event("cart.updated", cart(1, "https://shop.example/c/1")).await;
    world.advance(hours(1)).await;
    world.event("cart.updated", cart(2, "https://shop.example/c/2")).await;
    world.restart().await;
    world.advance(minutes(119)).await;
    assert_eq!(world.sends(), 0);
    world.advance(minutes(1)).await;
    let reminder =
        "template: Hi Luis, your cart is waiting for you here: https://shop.example/c/2 – we keep it until Sunday.";
    assert_eq!(left(&world), [format!("Mon 02 13:00 {reminder}")]);
    world.event("cart.updated", cart(3, "https://shop.example/c/3")).await;
    world.advance(hours(24)).await;
    assert_eq!(world.sends(), 1, "one in seven days");
    world.advance(hours(7 * 24)).await;
    world.event("cart.updated", cart(3, "https://shop.example/c/3")).await;
    world.advance(hours(30)).await;
    assert_eq!(world.sends(), 2);
}

async fn a_cart_is_not_reminded_of_when_it_was_bought_emptied_or_written_about(database: Database) {
    let (world, _) = shop(database, "2026-03-02T10:00:00+01:00").await;
    agreed(&world, LUIS, "Luis", json!({})).await;
    let start = async || {
        world.event("cart.updated", cart(2, "https://shop.example/c/1")).await;
        world.advance(minutes(90)).await;
    };
    start().await;
    world.event("cart.updated", cart(0, "https://shop.example/c/1")).await;
    start().await;
    world.says(LUIS, "do you have it in blue?").await;
    start().await;
    let mut bought = order("ord_9", 10.0);
    bought["customer"] = json!({"first_name": "Luis", "phone": LUIS});
    world.event("order.paid", bought).await;
    world.advance(hours(12)).await;
    assert!(world.sent().iter().all(|text| !text.contains("cart")), "{:?}", world.sent());
    let ends = states_of(&world, "abandoned_cart").await;
    assert_eq!(ends, ["stopped: cart.updated", "stopped: message:any", "stopped: order.paid"]);
}

async fn who_asks_for_prices_gets_the_list_and_a_person_on_demand(database: Database) {
    let (world, _) = shop(database, "2026-03-02T10:00:00+01:00").await;
    world.says(ANA, "¿Precio?").await;
    let messages = world.messages();
    let list = messages.first().expect("the list was sent");
    assert_eq!((list.kind.as_str(), list.media.as_deref()), ("image", Some("https://cdn.example.com/prices.jpg")));
    assert_eq!(list.text, "Here is our price list 👇\nReply *agent* to talk to a person.");
    assert_eq!(person(&world, ANA).tags, ["asked_price"]);
    assert_eq!(world.run_states().await, ["waiting"]);
    world.says(ANA, "prices please").await;
    assert_eq!(world.messages().len(), 1, "one list in an hour");
    world.says(ANA, "agent, please").await;
    assert_eq!(world.run_states().await, ["done"]);
    assert!(is_at_the_desk(&world, ANA));
    world.advance(hours(2)).await;
    world.says(LUIS, "tarifa").await;
    world.advance(hours(2)).await;
    assert_eq!(world.run_states().await, ["done", "done"], "nobody is waited for longer than an hour");
}

async fn everybody_with_the_tag_is_wished_a_happy_birthday_on_the_day(database: Database) {
    let (world, _) = shop(database, "2026-03-01T12:00:00+01:00").await;
    agreed(&world, ANA, "Ana", json!({"birthday": "1990-03-02"})).await;
    agreed(&world, LUIS, "Luis", json!({"birthday": "1985-03-03"})).await;
    agreed(&world, MARTA, "Marta", json!({})).await;
    let stranger = json!({"phone": "+34600000004", "name": "Eva", "custom": {"birthday": "1990-03-02"}});
    world.turn("people", stranger).await;
    world.settle().await;
    world.advance(hours(3 * 24)).await;
    let wish = |name: &str| format!("template: Happy birthday {name}! A small present waits for you in our shop.");
    assert_eq!(left(&world), [format!("Mon 02 09:30 {}", wish("Ana")), format!("Tue 03 09:30 {}", wish("Luis"))]);
    assert!(world.messages().iter().all(|one| one.media.as_deref() == Some("https://cdn.example.com/birthday.jpg")));
}

fn appointment(starts_at: &str) -> Value {
    json!({"appointment_id": "apt_1", "starts_at": starts_at, "patient": {"first_name": "Marta", "phone": MARTA}})
}

/// An appointment on Friday at 10:30, booked on Monday.
async fn booked(database: Database) -> (World, OtherSystem) {
    let (world, booking) = shop(database, "2026-03-02T12:00:00+01:00").await;
    agreed(&world, MARTA, "Marta", json!({})).await;
    world.event("appointment.booked", appointment("2026-03-06T10:30:00+01:00")).await;
    (world, booking)
}

/// As [`booked`], a minute after the reminder.
async fn reminded(database: Database) -> (World, OtherSystem) {
    let (world, booking) = booked(database).await;
    world.advance(minutes(2 * 24 * 60 + 22 * 60 + 31)).await;
    assert_eq!(left(&world), [format!("Thu 05 10:30 {REMINDER}")]);
    assert_eq!(world.messages()[0].metadata["appointment"], "apt_1");
    (world, booking)
}

async fn the_reminder_of_an_appointment_moves_with_it(database: Database) {
    let (mut world, _) = booked(database).await;
    world.advance(hours(24)).await;
    world.event("appointment.rescheduled", appointment("2026-03-08T16:00:00+01:00")).await;
    world.restart().await;
    world.advance(hours(5 * 24)).await;
    let moved =
        "template: Hi Marta, a reminder of your appointment on Sunday 8 March at 16:00. Reply Confirm or Change.";
    assert_eq!(left(&world), [format!("Sat 07 16:00 {moved}")]);
    let states = world.run_states().await;
    assert_eq!(states[0], "stopped: restarted");
    // Brought forward to what is already near, there is nothing left to say.
    world.event("appointment.rescheduled", appointment("2026-03-09T09:00:00+01:00")).await;
    world.advance(hours(48)).await;
    assert_eq!(world.sends(), 1);
}

async fn a_cancelled_appointment_is_not_reminded_of(database: Database) {
    let (mut world, _) = booked(database).await;
    world.event("appointment.cancelled", json!({"appointment_id": "apt_2"})).await;
    assert_eq!(world.run_states().await, ["waiting"]);
    world.restart().await;
    world.event("appointment.cancelled", json!({"appointment_id": "apt_1", "reason": "by phone"})).await;
    assert_eq!(world.run_states().await, ["stopped: appointment.cancelled"]);
    world.advance(hours(5 * 24)).await;
    assert_eq!(world.sends(), 0);
}

async fn an_appointment_booked_late_is_not_reminded_of(database: Database) {
    let (world, _) = shop(database, "2026-03-05T12:00:00+01:00").await;
    agreed(&world, MARTA, "Marta", json!({})).await;
    world.event("appointment.booked", appointment("2026-03-06T10:30:00+01:00")).await;
    assert_eq!(world.run_states().await, ["stopped: past"]);
    world.advance(hours(48)).await;
    assert_eq!(world.sends(), 0);
}

async fn a_tap_on_confirm_is_told_to_the_booking_system(database: Database) {
    let (mut world, booking) = reminded(database).await;
    world.restart().await;
    let tap = Inbound { phone: Some(MARTA.into()), button: Some("Confirm".into()), ..Inbound::default() };
    world.sandbox.receive(&tap).unwrap();
    world.settle().await;
    world.advance(minutes(1)).await;
    assert_eq!(world.sent()[1], "text: Perfect, see you tomorrow at 10:30 👋");
    let [asked] = &booking.asked()[..] else { panic!("{:?}", booking.asked()) };
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/api/appointments/apt_1/confirm"));
    assert_eq!(asked.header("authorization"), format!("Bearer {BOOKING_SECRET}"));
    assert_eq!(world.run_states().await, ["done"]);
    world.advance(hours(24)).await;
    assert_eq!((world.sends(), booking.asked().len()), (2, 1));
    assert!(!person(&world, MARTA).tags.contains(&"unconfirmed".to_owned()));
}

async fn who_wants_to_change_or_answers_anything_else_gets_a_colleague(database: Database) {
    let (world, booking) = reminded(database).await;
    world.says(MARTA, "No!").await;
    world.advance(minutes(1)).await;
    assert_eq!(world.sent()[1], "text: No problem, a colleague will write to you in a moment.");
    assert!(is_at_the_desk(&world, MARTA));
    assert_eq!(world.run_states().await, ["done"]);
    let note = |world: &World| world.sandbox.calls().iter().filter(|(_, call)| call.path.ends_with("/note")).count();
    assert_eq!(note(&world), 1);
    // Another appointment, and an answer that is neither.
    world
        .event("appointment.booked", {
            let mut next = appointment("2026-03-20T10:30:00+01:00");
            next["appointment_id"] = json!("apt_7");
            next
        })
        .await;
    world.advance(hours(14 * 24)).await;
    world.says(MARTA, "where is it again?").await;
    world.advance(minutes(1)).await;
    assert_eq!(states_of(&world, "appointment_reminder").await, ["done", "done"]);
    assert_eq!((world.sends(), note(&world), booking.asked().len()), (3, 1, 0));
}

async fn who_does_not_answer_the_reminder_is_marked(database: Database) {
    let (mut world, booking) = reminded(database).await;
    world.advance(hours(19)).await;
    world.restart().await;
    assert_eq!(world.run_states().await, ["waiting"]);
    assert_eq!(person(&world, MARTA).tags, ["opted_in"]);
    world.advance(hours(1)).await;
    assert_eq!(world.run_states().await, ["done"]);
    assert_eq!(person(&world, MARTA).tags, ["opted_in", "unconfirmed"]);
    assert_eq!((world.sends(), booking.asked().len()), (1, 0));
}
