//! Older: what servers of the release before wrote is brought into the form of this one, at the start and now and then
//! as long as such servers live.

use super::loops::Loop;

/// Rows of one transaction.
const PART: usize = 500;

impl Loop {
    /// Brings everything of an older release that nobody has in hand into the form of this one.
    pub(super) async fn adopt_older(&mut self) -> anyhow::Result<()> {
        let mut adopted = 0;
        loop {
            let mut tx = self.writer.begin().await?;
            let lanes = tx.put_into_lanes(PART).await?;
            let causes = tx.put_causes(PART).await? as u64;
            tx.commit().await?;
            adopted += lanes + causes;
            if lanes.max(causes) < PART as u64 {
                break;
            }
        }
        if adopted > 0 {
            tracing::info!(rows = adopted, "what an older release wrote is brought into the form of this one");
            self.due_ms = 0;
        }
        Ok(())
    }
}
