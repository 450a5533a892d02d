//! Alerts.

use super::{Database, NOON, Rig, on_both_databases};
use crate::store::alerts::Alert;

on_both_databases!(an_alert_keeps_its_beginning_until_it_is_cleared,);

async fn an_alert_keeps_its_beginning_until_it_is_cleared(database: Database) {
    let mut rig = Rig::new(database).await;
    let raised = |name: &str, what: &str| (name.to_owned(), what.to_owned());
    let mut tx = rig.begin().await;
    tx.raise_alerts(&[raised("silence", "10 min"), raised("template:t", "paused")]).await.unwrap();
    tx.commit().await.unwrap();
    let later_ms = NOON + 60_000;
    rig.clock.move_to(later_ms);
    let mut tx = rig.begin().await;
    tx.raise_alerts(&[raised("silence", "11 min"), raised("webhook", "elsewhere")]).await.unwrap();
    assert_eq!(tx.clear_alerts(&["template:t".into(), "nothing".into()]).await.unwrap(), 1);
    tx.commit().await.unwrap();
    let alert = |name: &str, what: &str, since_ms| Alert { name: name.into(), what: what.into(), since_ms };
    let standing = [alert("silence", "11 min", NOON), alert("webhook", "elsewhere", later_ms)];
    assert_eq!(rig.store.alerts().await.unwrap(), standing);
}
