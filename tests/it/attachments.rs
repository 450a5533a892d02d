//! Promise: files of customers are fetched at once and kept whole, within bounds, or it is said why not.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, World, minutes, seconds};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use relance::attachment::{Attachment, AttachmentState};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

on_both_databases!(
    files_are_kept_under_their_hash_and_without_our_token,
    a_file_that_is_too_large_or_refused_is_not_kept_and_says_why,
    a_file_that_is_not_answered_is_asked_for_again,
    what_was_not_fetched_before_a_kill_is_fetched_after_it_while_its_address_lives,
);

/// Where the account's files lie.
#[derive(Clone)]
struct Files {
    base: String,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    asked: Vec<(String, HeaderMap)>,
    /// Requests answered with 503 first.
    away: usize,
}

impl Files {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/files", listener.local_addr().unwrap());
        let desk = Arc::new(Mutex::new(Desk::default()));
        let router = Router::new().route("/files/{name}", get(give)).with_state(desk.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { base, desk }
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{name}?Expires=600&Signature=abc", self.base)
    }

    fn asked(&self) -> usize {
        self.desk.lock().unwrap().asked.len()
    }
}

async fn give(State(desk): State<Arc<Mutex<Desk>>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let mut desk = desk.lock().unwrap();
    desk.asked.push((name.clone(), headers));
    if desk.away > 0 {
        desk.away -= 1;
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match name.as_str() {
        "gone.jpg" => StatusCode::FORBIDDEN.into_response(),
        "moved.jpg" => (StatusCode::FOUND, [("location", "http://10.0.0.1/")]).into_response(),
        "announced.jpg" => Body::from(vec![0; 6 * 1024 * 1024]).into_response(),
        // Without a length: only counting tells.
        "endless.jpg" => {
            let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[7; 65_536]));
            Body::from_stream(futures_util::stream::iter((0..1000).map(move |_| chunk()))).into_response()
        }
        name => ([("content-type", "image/jpeg")], format!("bytes of {name}")).into_response(),
    }
}

fn message(uuid: &str, status: &str, urls: &[String]) -> Value {
    json!({"event": "message_created", "payload": {
        "uuid": uuid, "status": status, "text": "", "createdAt": "2026-03-02T11:00:00Z", "attachments": urls,
        "contact": {"uuid": "ana", "phoneNumber": ANA.trim_start_matches('+')},
    }})
}

async fn kept(world: &World) -> Vec<Attachment> {
    let event = world.store(|store| async move { store.latest_events(1).await }).await[0].id.clone();
    world.store(|store| async move { store.attachments(&event).await }).await
}

fn drafts(world: &World) -> usize {
    let Ok(entries) = std::fs::read_dir(world.media_folder()) else { return 0 };
    entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("draft-")).count()
}

async fn files_are_kept_under_their_hash_and_without_our_token(database: Database) {
    let (files, world) = (Files::start().await, World::on(database).start().await);
    let urls = ["photo%20d%27%C3%A9t%C3%A9.jpg", "voice.mp3", "voice.mp3"].map(|name| files.url(name));
    world.told(message("1", "received", &urls)).await;
    let rows = kept(&world).await;
    for (row, (name, content)) in
        rows.iter().zip([("photo d'été.jpg", "bytes of photo d'été.jpg"), ("voice.mp3", "bytes of voice.mp3")])
    {
        let hash = hex::encode(Sha256::digest(content.as_bytes()));
        assert_eq!((row.state, row.name.as_str(), row.hash.as_ref()), (AttachmentState::Kept, name, Some(&hash)));
        assert_eq!((row.size, row.content_type.as_deref()), (Some(content.len() as u64), Some("image/jpeg")));
        assert_eq!(std::fs::read_to_string(world.media_folder().join(hash)).unwrap(), content);
    }
    assert_eq!((rows.len(), rows[1].hash == rows[2].hash, drafts(&world)), (3, true, 0));
    assert_eq!(std::fs::metadata(world.media_folder()).unwrap().permissions().mode() & 0o777, 0o700);
    let with_token = |(_, headers): &(String, HeaderMap)| headers.contains_key("authorization");
    assert!(!files.desk.lock().unwrap().asked.iter().any(with_token));
    // A second delivery, and what we ourselves sent, are not fetched.
    world.told(message("1", "received", &urls)).await;
    world.told(message("2", "sent", &urls)).await;
    assert_eq!(files.asked(), 3);
}

async fn a_file_that_is_too_large_or_refused_is_not_kept_and_says_why(database: Database) {
    let (files, world) = (Files::start().await, World::on(database).start().await);
    let mut urls = ["announced.jpg", "endless.jpg", "gone.jpg", "moved.jpg"].map(|name| files.url(name)).to_vec();
    urls.extend(
        ["http://10.0.0.1/x.jpg", "http://169.254.169.254/latest/x.jpg", "file:///etc/passwd"].map(String::from),
    );
    world.told(message("1", "received", &urls)).await;
    let rows = kept(&world).await;
    let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
    let closed = "the address is not public: only hosts of the open network are asked";
    let expected = [
        "larger than 5 MiB",
        "larger than 5 MiB",
        "answered 403",
        "answered 302",
        closed,
        closed,
        "only http and https addresses are asked",
    ];
    assert_eq!(reasons, expected);
    assert!(rows.iter().all(|row| row.state == AttachmentState::Failed && row.hash.is_none()));
    assert_eq!(drafts(&world), 0);
    world.advance(minutes(5)).await;
    assert_eq!(files.asked(), 4, "what was refused is not asked for again");
}

async fn a_file_that_is_not_answered_is_asked_for_again(database: Database) {
    let (files, world) = (Files::start().await, World::on(database).start().await);
    files.desk.lock().unwrap().away = 2;
    world.told(message("1", "received", &[files.url("photo.jpg")])).await;
    assert_eq!(kept(&world).await[0].state, AttachmentState::Queued);
    world.advance(seconds(12)).await;
    assert_eq!((kept(&world).await[0].state, files.asked()), (AttachmentState::Kept, 3));
    files.desk.lock().unwrap().away = 9;
    world.told(message("2", "received", &[files.url("photo.jpg")])).await;
    world.advance(minutes(5)).await;
    let row = &kept(&world).await[0];
    assert_eq!((row.state, row.reason.as_str(), files.asked()), (AttachmentState::Failed, "answered 503", 7));
}

async fn what_was_not_fetched_before_a_kill_is_fetched_after_it_while_its_address_lives(database: Database) {
    let (files, mut world) = (Files::start().await, World::on(database).start().await);
    for (uuid, pause, expected) in [("1", 9, ""), ("2", 11, "expired")] {
        files.desk.lock().unwrap().away = 1;
        world.told(message(uuid, "received", &[files.url("photo.jpg")])).await;
        world.crash().await;
        std::fs::create_dir_all(world.media_folder()).unwrap();
        std::fs::write(world.media_folder().join("draft-x-0"), "half").unwrap();
        world.clock.move_to(world.clock.now_ms() + minutes(pause).as_millis() as i64);
        world.start_again().await;
        world.settle().await;
        let row = &kept(&world).await[0];
        assert_eq!((row.reason.as_str(), row.hash.is_some()), (expected, expected.is_empty()));
        assert_eq!(drafts(&world), 0);
    }
    assert_eq!(files.asked(), 3);
}
