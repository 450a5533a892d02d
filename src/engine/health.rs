//! Health: what an operator should know, and how far behind the work is.
//!
//! Alerts that stand in the store were raised by groups; those told here from what is seen now are of a store that takes
//! nothing, of a server that cannot read what serves, and of a loop that does nothing: none could be written. Invariant:
//! asking changes nothing.

use super::Engine;
use crate::store::alerts::Alert;
use crate::store::overdue::OldestDue;
use std::sync::atomic::Ordering;

/// Timers go at once but for a long outage, after which they go at a rate: an operator wants to know of that too.
const OVERDUE_MS: i64 = 5 * 60_000;

impl Engine {
    /// What an operator should know, oldest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn alerts(&self) -> anyhow::Result<Vec<Alert>> {
        let mut alerts = self.store().alerts().await?;
        alerts.extend(self.full());
        alerts.extend(self.behind());
        let now_ms = self.clock().now_ms();
        alerts.extend(self.oldest_due().await?.run_ms.filter(|due_ms| now_ms - due_ms >= OVERDUE_MS).map(overdue));
        alerts.sort_by_key(|alert| alert.since_ms);
        Ok(alerts)
    }

    /// Since when the oldest work has been due.
    ///
    /// # Errors
    /// What the database said.
    pub async fn oldest_due(&self) -> anyhow::Result<OldestDue> {
        self.store().oldest_due(self.clock().now_ms()).await
    }

    fn full(&self) -> Option<Alert> {
        let since_ms = self.shared.full_ms.load(Ordering::SeqCst);
        let wants = self.store().disk().wants();
        let what =
            format!("the database has no room ({wants}): events are refused and nothing is sent until there is some");
        (since_ms != 0).then(|| Alert { name: "disk".into(), what, since_ms })
    }

    fn behind(&self) -> Option<Alert> {
        let since_ms = self.shared.behind_ms.load(Ordering::SeqCst);
        let what = "another server deployed what this one cannot read: it does nothing until it is updated";
        (since_ms != 0).then(|| Alert { name: "behind".into(), what: what.into(), since_ms })
    }
}

fn overdue(since_ms: i64) -> Alert {
    let what = "runs are due and not taken: the servers are behind, or stand still; their logs say why";
    Alert { name: "overdue".into(), what: what.into(), since_ms }
}
