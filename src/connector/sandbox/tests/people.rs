//! What people do: files, places, cards, taps, answers; and how the platform treats them.

use super::*;
use std::time::Duration;

async fn said(stand: &Stand, body: Value) -> Value {
    let (status, message) = stand.post("/sandbox/reply", body).await;
    assert_eq!(status, 200, "{message}");
    let events = stand.events().await;
    events.into_iter().find(|event| event["event"] == "message_created").unwrap()
}

fn read(event: &Value) -> Box<webhook::InboundMessage> {
    let Incoming::Message(message) = webhook::read(event.to_string().as_bytes(), NOW).unwrap().remove(0) else {
        panic!("{event}")
    };
    message
}

#[tokio::test]
async fn places_cards_and_answers_have_the_shape_of_the_fixtures_and_are_understood() {
    let stand = stand(|_| {}).await;
    let place = said(&stand, json!({"phone": PHONE, "location": {"latitude": 45.764, "longitude": 4.8357}})).await;
    assert_eq!(keys(&place["payload"]), keys(&fixture("message_location")["payload"]));
    assert_eq!(read(&place).parts["location"]["latitude"], 45.764);
    let cards = json!([{"name": "Léo", "phones": ["+33 6 00 00 00 09"]}]);
    let card = said(&stand, json!({"phone": PHONE, "contacts": cards})).await;
    let theirs = &fixture("message_cards")["payload"]["messageContactCard"]["contactsInfo"];
    assert_eq!(&card["payload"]["messageContactCard"]["contactsInfo"], theirs);
    stand.send(plain("Votre devis vous convient ?")).await;
    let uuid = stand.sandbox.messages()[2].uuid.clone();
    stand.events().await;
    let answer = said(&stand, json!({"phone": PHONE, "text": "oui", "reply_to": uuid})).await;
    assert_eq!(keys(&answer["payload"]), keys(&fixture("message_reply")["payload"]));
    let reply = read(&answer).reply_to.unwrap();
    assert_eq!((reply.text.as_str(), reply.at_ms, reply.from_us), ("Votre devis vous convient ?", Some(NOW), true));
    let nobody = stand.post("/sandbox/reply", json!({"phone": PHONE, "text": "x", "reply_to": "u"})).await;
    assert_eq!(nobody.0, 400);
}

#[tokio::test]
async fn a_tap_is_a_text_that_answers_the_template_and_a_reaction_opens_no_window() {
    let stand = stand(|_| {}).await;
    let (status, _) = stand.post("/sandbox/reply", json!({"phone": PHONE, "button": "Oui"})).await;
    assert_eq!(status, 400, "there is no template to tap on");
    stand.send(by_template("t1", &["Aïcha"])).await;
    stand.events().await;
    let reaction = read(&said(&stand, json!({"phone": PHONE, "reaction": "👍"})).await);
    assert_eq!(reaction.kind.as_str(), "reaction");
    assert_eq!(stand.sandbox.people()[0].window_until_ms, None);
    let tap = read(&said(&stand, json!({"phone": PHONE, "button": "Oui"})).await);
    assert_eq!(tap.text, "Oui");
    assert_eq!(tap.reply_to.unwrap().text, "Bonjour Aïcha, votre devis est prêt");
    assert!(stand.sandbox.people()[0].window_until_ms.is_some());
}

#[tokio::test]
async fn files_are_served_for_ten_minutes_to_who_has_the_address() {
    let stand = stand(|_| {}).await;
    let mut urls = Vec::new();
    let kinds =
        [("image", "image/jpeg"), ("audio", "audio/mpeg"), ("video", "video/mp4"), ("document", "application/pdf")];
    for (kind, content_type) in kinds {
        let event = said(&stand, json!({"phone": PHONE, "media": {"kind": kind, "size": 3000}})).await;
        let message = read(&event);
        let (url, read_kind) = (message.attachments[0].url.clone(), message.kind.as_str());
        let response = reqwest::get(&url).await.unwrap();
        let headers = (response.headers()["content-type"].to_str().unwrap().to_owned(), response.content_length());
        assert_eq!((read_kind, headers), (kind, (content_type.to_owned(), Some(3000))));
        assert_eq!(response.bytes().await.unwrap().len(), 3000);
        urls.push(url);
    }
    assert!(urls[0].contains("/photo.jpg?X-Amz-Expires=600&X-Amz-Signature="), "{}", urls[0]);
    let event = said(&stand, json!({"phone": PHONE, "media": {"kind": "audio", "name": "voix du client.mp3"}})).await;
    assert_eq!(read(&event).attachments[0].name, "voix du client.mp3");
    let guessed = urls[0].replace("Signature=", "Signature=0");
    assert_eq!(reqwest::get(guessed).await.unwrap().status(), 403);
    stand.advance(599_999).await;
    assert_eq!(reqwest::get(&urls[0]).await.unwrap().status(), 200);
    stand.advance(1).await;
    let late = reqwest::get(&urls[0]).await.unwrap();
    assert_eq!(late.status(), 403);
    assert!(late.text().await.unwrap().contains("Request has expired"));
}

#[tokio::test]
async fn a_file_may_be_slow_endless_or_cut_off() {
    let stand = stand(|_| {}).await;
    let address = async |pace: &str| {
        let media = json!({"kind": "image", "size": 100_000, "pace": pace});
        read(&said(&stand, json!({"phone": PHONE, "media": media})).await).attachments[0].url.clone()
    };
    let client = reqwest::Client::new();
    let slow = client.get(address("slow").await).send().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(400), slow.bytes()).await.is_err(), "it takes five seconds");
    let mut endless = client.get(address("endless").await).send().await.unwrap();
    assert_eq!(endless.content_length(), None);
    let mut read = 0;
    while read < 8_000_000 {
        read += endless.chunk().await.unwrap().unwrap().len();
    }
    drop(endless);
    assert!(client.get(address("cut").await).send().await.unwrap().bytes().await.is_err());
}

#[tokio::test]
async fn the_platform_treats_people_as_the_control_says() {
    let stand = stand(|config| {
        let of = |uuid: &str, category| LockedTemplate { category, ..template(uuid, "Bonjour {{1}}") };
        config.templates = vec![of("m", Some(Category::Marketing)), of("u", Some(Category::Utility))];
    })
    .await;
    let cases = [
        (json!({"opted_out": true}), "m", vec![("failed", Some(131_050))]),
        (json!({}), "u", vec![("sent", None), ("delivered", None)]),
        (json!({"not_on_whatsapp": true}), "u", vec![("failed", Some(131_026))]),
        (json!({"not_on_whatsapp": false, "opted_out": false, "blocked": true}), "m", vec![("sent", None)]),
        (
            json!({"blocked": false, "corrected": "+5215550000001"}),
            "m",
            vec![("mismatch", None), ("sent", None), ("delivered", None)],
        ),
        (json!({"corrected": null}), "m", vec![("sent", None), ("delivered", None)]),
    ];
    for (n, (mut person, uuid, mut expected)) in cases.into_iter().enumerate() {
        person["phone"] = json!(PHONE);
        assert_eq!(stand.post("/sandbox/people", person.clone()).await.0, 200);
        assert_eq!(stand.send(by_template(uuid, &["Aïcha"])).await.as_str(), "accepted");
        stand.advance(2000).await;
        expected.insert(0, ("enqueued", None));
        assert_eq!(stand.history(n), expected, "{person}");
    }
    let events = stand.inbox.take();
    let mismatch = events.iter().find(|event| event["payload"]["status"] == "mismatch").unwrap();
    let theirs = fixture("status_mismatch");
    let (ours, theirs) = (&mismatch["payload"]["messageStatusPayload"], &theirs["payload"]["messageStatusPayload"]);
    assert_eq!((keys(ours), keys(&ours["payload"])), (keys(theirs), keys(&theirs["payload"])));
    let Incoming::Status(read) = webhook::read(mismatch.to_string().as_bytes(), NOW).unwrap().remove(0) else {
        panic!()
    };
    assert_eq!(read.corrected, Phone::from_vendor("5215550000001").ok());
}

#[tokio::test]
async fn a_colleague_who_writes_by_hand_leaves_no_mark_of_ours() {
    let stand = stand(|_| {}).await;
    let (status, written) = stand.post("/sandbox/colleague", json!({"phone": PHONE, "text": "Je m'en occupe"})).await;
    assert_eq!((status, &written["direction"]), (200, &json!("sent")));
    let message = read(&stand.events().await[0]);
    assert_eq!(
        (message.direction, message.relance_id, message.text.as_str()),
        (Direction::Sent, None, "Je m'en occupe")
    );
    stand.advance(2000).await;
    assert_eq!(stand.history(0).last().unwrap(), &("delivered", None));
}
