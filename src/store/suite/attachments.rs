//! Files of received messages.

use super::{Database, NOON, Rig, on_both_databases};
use crate::attachment::{Attachment, AttachmentState};

on_both_databases!(files_are_fetched_the_oldest_first_and_stay_as_they_ended);

fn file(event: &str, n: u32, at_ms: i64) -> Attachment {
    Attachment {
        event: event.into(),
        n,
        kind: "image".into(),
        name: "é.jpg".into(),
        url: "https://files.example.com/x?signature=y".into(),
        state: AttachmentState::Queued,
        reason: String::new(),
        content_type: None,
        size: None,
        hash: None,
        at_ms,
    }
}

async fn files_are_fetched_the_oldest_first_and_stay_as_they_ended(database: Database) {
    let mut rig = Rig::new(database).await;
    let files = [file("e2", 0, NOON + 1), file("e1", 1, NOON), file("e1", 0, NOON)];
    let mut tx = rig.begin().await;
    tx.insert_attachments(&files).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rig.store.open_attachments(2).await.unwrap(), [files[2].clone(), files[1].clone()]);
    let kept = files[2].clone().kept(Some("image/jpeg".into()), 7, "ab".into());
    let failed = files[1].clone().failed("too large");
    let mut tx = rig.begin().await;
    tx.note_attachments(&[&kept, &failed]).await.unwrap();
    tx.note_attachments(&[&files[2].clone().failed("late")]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rig.store.open_attachments(9).await.unwrap(), [files[0].clone()]);
    assert_eq!(rig.store.attachments("e1").await.unwrap(), [kept, failed]);
    assert!(rig.store.attachments("e3").await.unwrap().is_empty());
}
