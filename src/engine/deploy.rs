//! Deploy: another project serves from now on, over what the account holds; live runs end on the definition they began
//! with.
//!
//! Invariant: what serves is stored before it serves, so that any node can read the definition of any run.

use super::account::Account;
use super::deployed::{Definition, Deployed, Pinned};
use super::loops::{Loop, TRIES};
use super::redo::is_conflict;
use super::{fire, learn};
use crate::store::runs::DefinitionRow;
use std::collections::HashSet;
use std::sync::Arc;

impl Loop {
    /// Has a project serve from now on.
    pub(super) async fn deploy(&mut self, deployed: Deployed) -> anyhow::Result<()> {
        let mut tries = 1;
        // Another node may deploy at this moment: both do.
        let (deployed, schedule_ms, open) = loop {
            match self.try_deploy(&deployed).await {
                Err(error) if is_conflict(&error) && tries < TRIES => tries += 1,
                done => break done?,
            }
        };
        self.pinned = pinned(open, &deployed);
        self.schedule_ms = schedule_ms.unwrap_or(i64::MAX);
        self.suspended = false;
        self.due_ms = 0;
        self.feed_again = true;
        self.shared.replace(Arc::new(deployed));
        // Targets may have gone.
        self.shared.board.nudge();
        Ok(())
    }

    /// The project over what the account holds, when its next schedule is due, and the definitions of live runs.
    async fn try_deploy(&mut self, deployed: &Deployed) -> anyhow::Result<(Deployed, Option<i64>, Vec<DefinitionRow>)> {
        let mut tx = self.writer.begin().await?;
        let deployed = deployed.with_account(Arc::new(Account::read(&tx.holdings().await?)));
        learn::review(&mut tx, &deployed).await?;
        let row = |definition: &Arc<Definition>| DefinitionRow {
            hash: definition.hash.clone(),
            workflow: definition.workflow.id.clone(),
            files: definition.files.clone(),
        };
        tx.insert_definitions(&deployed.definitions.values().map(row).collect::<Vec<_>>()).await?;
        let schedule_ms = fire::deploy(&mut tx, &deployed).await?;
        let open = tx.open_definitions().await?;
        // A new start, a new configuration: what waited for a person to mend the account is tried again.
        tx.release_holds(&["channel_paused", "template_paused", "template_category", "template_changed"]).await?;
        tx.commit().await?;
        Ok((deployed, schedule_ms, open))
    }

    /// Reads definitions that another node deployed.
    pub(super) async fn read_definitions(&mut self, hashes: &[String]) -> anyhow::Result<()> {
        for hash in hashes {
            let stored = self.setup.store.definition(hash).await?;
            self.pinned.put(hash.clone(), stored.and_then(Definition::stored));
        }
        Ok(())
    }
}

fn pinned(open: Vec<DefinitionRow>, deployed: &Deployed) -> Pinned {
    let current: HashSet<&str> = deployed.definitions.values().map(|definition| definition.hash.as_str()).collect();
    let mut pinned = Pinned::default();
    for row in open.into_iter().filter(|row| !current.contains(row.hash.as_str())) {
        pinned.put(row.hash.clone(), Definition::stored(row));
    }
    pinned
}
