//! Deploy: a project begins to serve, and the definitions that others began with are read where they are needed.
//!
//! Several nodes may deploy at once, and not the same project while one after the other is restarted. Invariant: a live
//! run goes on by the definition it began with, whichever node deployed that.

use super::account::Account;
use super::deployed::{Definition, Deployed, Pinned};
use super::fire;
use super::group;
use super::learn;
use super::loops::{Loop, TRIES};
use super::redo::is_conflict;
use crate::delivery::Scope;
use crate::store::runs::DefinitionRow;
use std::sync::Arc;

impl Loop {
    /// Serves another project from now on.
    pub(super) async fn deploy(&mut self, deployed: Deployed) -> anyhow::Result<()> {
        let mut tries = 1;
        // Another node may deploy at this moment: both do.
        let (deployed, schedule_ms, open) = loop {
            match self.try_deploy(&deployed).await {
                Err(error) if is_conflict(&error) && tries < TRIES => tries += 1,
                done => break done?,
            }
        };
        self.pinned = Pinned::of(open, &deployed);
        self.schedule_ms = schedule_ms.unwrap_or(i64::MAX);
        self.alerted.clear();
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
        // A new start, a new configuration: what waited for a person to mend the account is tried again. Lines and
        // templates that the platform stopped stay paused; what they held is judged again.
        tx.resume(&[Scope::Account]).await?;
        self.others = tx.waiting_lanes(group::LANES).await?.into_iter().collect();
        // Whom an earlier life meant to ask the account about is asked for again.
        let reasons = ["channel_paused", "template_paused", "template_category", "template_changed", "contact_unknown"];
        tx.release_holds(&reasons).await?;
        tx.commit().await?;
        Ok((deployed, schedule_ms, open))
    }

    /// Reads those of these definitions that this node has not heard of.
    pub(super) async fn know_definitions(&mut self, hashes: Vec<String>) -> anyhow::Result<()> {
        let serving = self.shared.deployed();
        let served = |hash: &String| serving.definitions.values().any(|definition| definition.hash == *hash);
        let unknown: Vec<String> =
            hashes.into_iter().filter(|hash| !self.pinned.knows(hash) && !served(hash)).collect();
        self.read_definitions(&unknown).await
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
