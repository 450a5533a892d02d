use super::*;
use crate::contact::{Contact, Phone};
use serde_json::json;

const NOW: i64 = 1_772_357_402_000;
const AT: i64 = 1_772_357_400_000;
const MARK: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV.0123456789abcdef";

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/callbell/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn one(body: &Value) -> Incoming {
    let mut all = read(body.to_string().as_bytes(), NOW).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn message(body: &Value) -> InboundMessage {
    let Incoming::Message(message) = one(body) else { panic!("no message: {body}") };
    *message
}

fn status(body: &Value) -> StatusEvent {
    let Incoming::Status(status) = one(body) else { panic!("no status: {body}") };
    *status
}

#[test]
fn a_customer_s_message_is_read_whole() {
    let read = message(&fixture("message_received"));
    assert_eq!((read.direction, read.kind, read.text.as_str()), (Direction::Received, ContentKind::Text, "Bonjour"));
    assert_eq!((read.at_ms, read.at_flagged), (AT, false));
    assert_eq!(read.channel_uuid.as_deref(), Some("3b1f0c9d7a5e4f2286c4d0e9b7a1c3f5"));
    assert_eq!(read.channel_kind.as_deref(), Some("whatsapp"));
    assert_eq!(read.dedupe.key, "message_created aa11aa11aa11aa11aa11aa11aa11aa11");
    assert_eq!(read.dedupe.keep_ms, Dedupe::ID_MS);
    let expected = json!({ "text": "Bonjour", "kind": "text", "attachments": [], "channel": "main",
        "received_at": "2026-03-01T09:30:00Z", "reply_to": null });
    assert_eq!(read.event("main"), expected);
}

#[test]
fn bare_payloads_and_one_element_lists_say_the_same() {
    for name in ["message_received", "status_sent", "contact_updated"] {
        let event = fixture(name);
        let expected = one(&event);
        let in_payload = json!({ "event": event["event"], "payload": [event["payload"]] });
        let forms = [json!([event]), event["payload"].clone(), json!([event["payload"]]), in_payload];
        for form in forms {
            assert_eq!(one(&form), expected, "{form}");
        }
    }
}

#[test]
fn a_body_that_is_no_object_or_list_is_a_connection_check() {
    for check in ["", "  \r\n", "ping", "null", "17", "\"x\"", "[]"] {
        assert_eq!(read(check.as_bytes(), NOW).unwrap(), vec![Incoming::Check], "{check}");
    }
    assert!(is_check(b"") && !is_check(b" {}") && !is_check(b"["));
}

#[test]
fn broken_json_and_deep_nesting_are_refused_and_nothing_panics() {
    for broken in ["{", "[1,", "{\"event\":\"message_created\",\"payload\":{\"text\":\"\u{1}\"}}", "{}x"] {
        assert!(matches!(read(broken.as_bytes(), NOW), Err(ReadError::Json(_))), "{broken}");
    }
    assert!(matches!(read(b"{\"a\":\"\xff\"}", NOW), Err(ReadError::Json(_))));
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(read(deep(64).as_bytes(), NOW).is_ok());
    assert_eq!(read(deep(65).as_bytes(), NOW), Err(ReadError::Depth));
    assert!(matches!(read(deep(5000).as_bytes(), NOW), Err(ReadError::Json(_))));
}

#[test]
fn wrong_types_everywhere_leave_parts_out_and_never_fail() {
    let wrong =
        [json!(null), json!(1.5), json!("x"), json!([]), json!([1]), json!({}), json!({"uuid": []}), json!(true)];
    let keys = [
        "uuid",
        "status",
        "text",
        "attachments",
        "contact",
        "channel",
        "createdAt",
        "metadata",
        "messageLocation",
        "messageContactCard",
        "messageReplyButton",
        "messageInteractiveList",
        "messageContext",
        "messageStatusPayload",
        "messageReaction",
        "payload",
        "event",
        "phoneNumber",
        "tags",
        "customFields",
    ];
    for name in ["message_received", "status_failed_gupshup", "status_failed_cloud", "contact_updated"] {
        for key in keys {
            for value in &wrong {
                let mut event = fixture(name);
                event["payload"][key] = value.clone();
                read(event.to_string().as_bytes(), NOW).unwrap();
                read(event["payload"].to_string().as_bytes(), NOW).unwrap();
                event[key] = value.clone();
                read(event.to_string().as_bytes(), NOW).unwrap();
            }
        }
    }
}

#[test]
fn direction_comes_from_the_status_alone() {
    assert_eq!(message(&fixture("message_sent")).direction, Direction::Sent);
    let mut note = fixture("message_received");
    for word in [json!("note"), json!(null), json!(""), json!("delivered")] {
        note["payload"]["status"] = word;
        assert_eq!(message(&note).direction, Direction::Other);
    }
    note["payload"]["status"] = json!("received");
    note["payload"]["from"] = json!("33900000000");
    assert_eq!(message(&note).direction, Direction::Received);
}

#[test]
fn metadata_may_be_an_object_or_its_json_text() {
    for name in ["message_sent", "status_sent"] {
        let mut event = fixture(name);
        let metadata = event["payload"]["metadata"].to_string();
        let read_mark = |event: &Value| match one(event) {
            Incoming::Message(message) => message.relance_id,
            Incoming::Status(status) => status.relance_id,
            _ => None,
        };
        assert_eq!(read_mark(&event).as_deref(), Some(MARK));
        event["payload"]["metadata"] = json!(metadata);
        assert_eq!(read_mark(&event).as_deref(), Some(MARK));
        event["payload"]["metadata"] = json!("not json");
        assert_eq!(read_mark(&event), None);
    }
}

#[test]
fn files_are_addresses_or_objects_and_their_kind_is_derived() {
    let read = message(&fixture("message_received_media"));
    assert_eq!((read.kind, read.text.as_str()), (ContentKind::Audio, ""));
    assert_eq!(read.attachments[0].name, "voix du client.mp3");
    let mut event = fixture("message_received_media");
    event["payload"]["attachments"] =
        json!([{ "url": "https://m.example.org/x", "content_type": "image/png", "file_name": "a.bin" }, {}, 7]);
    let read = message(&event);
    assert_eq!(
        (read.kind, read.attachments.len(), read.attachments[0].name.as_str()),
        (ContentKind::Image, 1, "a.bin")
    );
}

#[test]
fn without_a_uuid_the_key_ignores_the_signature_of_the_file_s_address() {
    let mut event = fixture("message_received_media");
    event["payload"]["uuid"] = json!(null);
    let first = message(&event).dedupe;
    let url = event["payload"]["attachments"][0].as_str().unwrap().replace("Signature=abc", "Signature=def");
    event["payload"]["attachments"] = json!([url]);
    let second = message(&event).dedupe;
    assert_eq!((first.key == second.key, first.body_hash == second.body_hash), (true, false));
    event["payload"]["text"] = json!("other");
    assert_ne!(message(&event).dedupe.key, first.key);
}

#[test]
fn special_parts_are_read_in_either_spelling() {
    let place = message(&fixture("message_location"));
    assert_eq!(place.kind, ContentKind::Location);
    assert_eq!(place.event("main")["location"]["latitude"], 45.764);
    let cards = message(&fixture("message_cards"));
    assert_eq!(cards.event("main")["contacts"], json!([{ "name": "Léo", "phones": ["+33 6 00 00 00 09"] }]));
    let mut buttons = fixture("message_buttons");
    assert_eq!(message(&buttons).parts["buttons"]["options"], json!(["Oui", "Non"]));
    assert_eq!(message(&buttons).parts["list"]["header"], "Choix");
    let spelt = buttons["payload"]["messageReplyButton"]["metadata"].to_string();
    buttons["payload"]["messageReplyButton"]["metadata"] = json!(spelt);
    assert_eq!(message(&buttons).parts["buttons"]["options"], json!(["Oui", "Non"]));
}

#[test]
fn the_message_that_is_answered_is_read_under_both_names() {
    let mut event = fixture("message_reply");
    let reply = message(&event).reply_to;
    assert_eq!(reply.as_ref().map(|to| (to.text.as_str(), to.from_us)), Some(("Votre devis vous convient ?", true)));
    event["payload"]["messageContext"] = event["payload"]["mesageContext"].take();
    assert_eq!(message(&event).reply_to, reply);
    assert_eq!(message(&event).event("main")["reply_to"]["sent_at"], "2026-03-01T09:00:00Z");
}

#[test]
fn a_reaction_is_told_from_a_message() {
    let mut event = fixture("message_received");
    event["payload"]["messageReaction"] = json!({ "emoji": "👍", "createdAt": "2026-03-01T09:30:00Z" });
    assert_eq!(message(&event).kind, ContentKind::Reaction);
}

#[test]
fn the_status_belongs_to_the_key() {
    let keys = ["status_sent", "status_delivered", "status_read"].map(|name| status(&fixture(name)).dedupe.key);
    assert_eq!(keys[0], "message_status_updated 1e7b1e7b1e7b1e7b1e7b1e7b1e7b1e7b sent");
    assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    let mut nameless = fixture("status_sent");
    nameless["payload"]["uuid"] = json!("");
    assert_eq!(status(&nameless).dedupe.keep_ms, Dedupe::HASH_MS);
}

#[test]
fn both_providers_shapes_of_a_failure_are_read() {
    let read = status(&fixture("status_failed_gupshup"));
    assert_eq!((read.code, read.reason.as_deref()), (Some(131_047), Some("Re-engagement message")));
    assert_eq!((read.at_ms, read.at_flagged), (NOW, true));
    let read = status(&fixture("status_failed_cloud"));
    assert_eq!(read.code, Some(131_042));
    assert_eq!(read.reason.as_deref(), Some("Message failed to send because of payment"));
    assert_eq!((read.at_ms, read.at_flagged), (AT, false));
    let others = [
        json!({ "value": { "statuses": [{ "errors": [{ "code": 470 }] }] } }),
        json!({ "statuses": [{ "errors": [{ "code": "470" }] }] }),
        json!({ "errors": [{ "code": 470 }] }),
        json!({ "payload": { "code": "470", "reason": "x" } }),
        json!("{\"payload\":{\"code\":470}}"),
    ];
    for payload in others {
        let mut event = fixture("status_failed_cloud");
        event["payload"]["messageStatusPayload"] = payload.clone();
        assert_eq!(status(&event).code, Some(470), "{payload}");
    }
}

#[test]
fn a_failure_in_words_keeps_them_and_an_unknown_shape_is_kept_short() {
    let mut event = fixture("status_failed_cloud");
    event["payload"]["messageStatusPayload"] = json!({ "description": "QR line offline" });
    assert_eq!(status(&event).reason.as_deref(), Some("QR line offline"));
    event["payload"]["messageStatusPayload"] = json!({ "odd": "é".repeat(400) });
    let reason = status(&event).reason.unwrap();
    assert!(reason.starts_with("{\"odd\"") && reason.len() <= 300);
    event["payload"]["messageStatusPayload"].take();
    assert_eq!((status(&event).code, status(&event).reason), (None, None));
}

#[test]
fn a_mismatch_tells_the_corrected_number() {
    let read = status(&fixture("status_mismatch"));
    assert_eq!((read.status.as_str(), read.corrected), ("mismatch", Phone::from_vendor("5215550000001").ok()));
    assert_eq!(status(&fixture("status_sent")).corrected, None);
}

#[test]
fn a_contact_is_changed_by_what_was_told_and_by_nothing_else() {
    let Incoming::Contact(event) = one(&fixture("contact_updated")) else { panic!("no contact") };
    let mut known = Contact {
        email: Some("a@example.org".into()),
        team: Some("Front".into()),
        assigned_to: Some("b".into()),
        ..Contact::default()
    };
    event.contact.apply_to(&mut known);
    assert_eq!(known.phone, Phone::from_vendor("33600000001").ok());
    assert_eq!((known.email.as_deref(), &known.team, &known.assigned_to), (Some("a@example.org"), &None, &None));
    assert_eq!(known.tags, ["opted_in", "vip"]);
    assert_eq!((&known.custom["Ville"], &known.custom["Jours"]), (&json!("Lyon"), &json!(["lundi", "jeudi"])));
    assert!(known.told && !known.blocked);
    let before = known.clone();
    ContactFacts::default().apply_to(&mut known);
    assert_eq!(known, before);
    ContactFacts { blocked: Some(true), tags: Some(vec![]), ..ContactFacts::default() }.apply_to(&mut known);
    assert!(known.blocked && known.tags.is_empty());
}

#[test]
fn any_other_event_is_kept_with_what_it_tells_of_the_contact() {
    let Incoming::Other(event) = one(&fixture("conversation_opened")) else { panic!("not other") };
    assert_eq!((event.name.as_str(), event.dedupe.keep_ms), ("conversation_opened", Dedupe::HASH_MS));
    assert_eq!(event.contact.and_then(|contact| contact.name).as_deref(), Some("Aïcha Benali"));
    let Incoming::Other(event) = one(&json!({ "hello": 1 })) else { panic!("not other") };
    assert_eq!((event.name.as_str(), event.contact), ("unknown", None));
}

#[test]
fn the_order_of_keys_does_not_make_another_body() {
    let read = |raw: &str| match read(raw.as_bytes(), NOW).unwrap().remove(0) {
        Incoming::Other(event) => event.dedupe,
        other => panic!("{other:?}"),
    };
    assert_eq!(read(r#"{"b":1,"a":[{"d":1,"c":2}]}"#), read(r#"{ "a": [{"c":2,"d":1}], "b": 1 }"#));
}
