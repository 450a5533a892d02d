//! What was done by hand.

use super::{Database, NOON, Rig, on_both_databases};
use crate::store::audit::AuditRow;

on_both_databases!(what_was_done_is_kept_newest_first,);

async fn what_was_done_is_kept_newest_first(database: Database) {
    let mut rig = Rig::new(database).await;
    let row = |id: &str| AuditRow {
        id: id.into(),
        at_ms: NOON,
        who: "né".into(),
        act: "settle".into(),
        subject: "d1".into(),
        detail: "resend".into(),
    };
    let mut tx = rig.begin().await;
    tx.insert_audit(&[row("a1"), row("a2")]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rig.store.audit(10).await.unwrap(), [row("a2"), row("a1")]);
    assert_eq!(rig.store.audit(1).await.unwrap(), [row("a2")]);
}
