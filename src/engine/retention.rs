//! Retention: what was kept long enough goes (`semantics.md` §8.3), beside the loop and some rows at a time.
//!
//! ```text
//! once a day ─► a reader looks rows through, by age ─► Change::Remove, at most 500 ─► group
//! ```
//! After 30 days: what events, messages and runs said, posts of the relay, files of customers. After 90 days: runs,
//! messages, events and firings themselves, and definitions that nothing goes by and that do not serve. After 400 days, as
//! long as a run may live: what is live still (`too_old`), and what served before; until then a folder that served is known
//! for an old one. For good: people, consent, what a workflow has been about, who did what by
//! hand. Of several nodes one is on duty; each looks after the files in its own folder. Invariant: nothing that a live
//! run or an open message needs is removed.

use super::change::Change;
use super::{Busy, Engine};
use crate::run::Progress;
use crate::store::retention::{Kept, Looked, Stretch};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

const DAY_MS: i64 = 24 * 3_600_000;
/// What was said.
pub(super) const PAYLOAD_MS: i64 = 30 * DAY_MS;
/// What happened.
const HISTORY_MS: i64 = 90 * DAY_MS;
/// Runs that reached somebody are counted by `limit`, which looks back as long as this; and no run lives longer.
const LIMIT_MS: i64 = 400 * DAY_MS;
/// Between the start and the first look: a start has other things to do.
const FIRST_MS: i64 = 10 * 60_000;
/// After so many looks everything is looked through from its beginning: what a live run needed may be over.
const WHOLE: u32 = 7;
/// Rows read together, and removed in one commit.
const LOOKED_AT: u32 = 2_000;
const PROGRESS_AT: u32 = 200;
const REMOVED: usize = 500;
/// Between two commits: whoever sends and receives comes first.
const PAUSE: Duration = Duration::from_millis(20);
const NAP: Duration = Duration::from_secs(30);
const DUTY: &str = "retention";

/// Rows whose time is over.
#[derive(Debug, Clone)]
pub(super) enum Removal {
    Rows(Kept, Vec<String>),
    /// What is left of runs that have ended: (run, progress).
    Progress(Vec<(String, String)>),
}

/// The task that removes.
#[derive(Debug)]
pub struct Retention {
    engine: Engine,
    due_ms: i64,
    looks: u32,
    /// Up to where rows that stay, and are only emptied, were looked through.
    after: HashMap<Kept, String>,
}

impl Retention {
    pub fn new(engine: Engine) -> Self {
        let due_ms = engine.clock().now_ms() + FIRST_MS;
        Self { engine, due_ms, looks: 0, after: HashMap::new() }
    }

    /// Removes until it is dropped.
    pub async fn run(mut self) {
        loop {
            let due_ms = self.turn().await;
            tokio::time::sleep(self.engine.clock().until(due_ms, NAP)).await;
        }
    }

    /// Does what is due now; when something is due next.
    pub async fn turn(&mut self) -> i64 {
        let now_ms = self.engine.clock().now_ms();
        if self.due_ms > now_ms {
            return self.due_ms;
        }
        self.due_ms = now_ms + DAY_MS;
        if let Err(error) = self.look(now_ms).await {
            self.due_ms = now_ms + DAY_MS / 24;
            tracing::warn!(error = format!("{error:#}"), "what was kept long enough could not be removed: tried again");
        }
        self.due_ms
    }

    async fn look(&mut self, now_ms: i64) -> anyhow::Result<()> {
        if self.engine.on_duty(DUTY).await? {
            if self.looks.is_multiple_of(WHOLE) {
                self.after.clear();
            }
            let stopped = self.engine.stop_what_is_too_old(now_ms).await?;
            if stopped > 0 {
                tracing::warn!(runs = stopped, "runs did not come to an end within 400 days: stopped");
            }
            let mut removed = 0;
            for kept in Kept::ALL {
                removed += self.remove(kept, now_ms).await?;
            }
            self.looks = self.looks.wrapping_add(1);
            if removed > 0 {
                tracing::info!(rows = removed, "what was kept long enough is removed");
            }
        }
        match self.engine.media().map(Path::to_owned) {
            Some(folder) => self.remove_files(&folder).await,
            None => Ok(()),
        }
    }

    async fn remove(&mut self, kept: Kept, now_ms: i64) -> anyhow::Result<usize> {
        let mut after = self.after.get(&kept).cloned().unwrap_or_default();
        let most = if kept == Kept::Progress { PROGRESS_AT } else { LOOKED_AT };
        let mut removed = 0;
        loop {
            let before_ms = now_ms - kept_for_ms(kept);
            let stretch = Stretch { after: &after, before_ms, limit_ms: now_ms - LIMIT_MS, most };
            let rows = self.engine.store().look_through(kept, stretch).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.id);
            for removal in removals(kept, self.but_serving(kept, rows)) {
                removed += removal.rows();
                let taken = self.engine.change(Change::Remove(removal)).await;
                taken.map_err(|Busy| anyhow::anyhow!("the store does not take it now"))?;
                tokio::time::sleep(PAUSE).await;
            }
        }
        if matches!(kept, Kept::EventData | Kept::Messages | Kept::Progress) {
            self.after.insert(kept, after);
        }
        Ok(removed)
    }

    /// What serves is needed, also as long as no run goes by it.
    fn but_serving(&self, kept: Kept, mut rows: Vec<Looked>) -> Vec<Looked> {
        if kept == Kept::Definitions {
            let deployed = self.engine.shared.deployed();
            let serving: HashSet<&str> = deployed.definitions.values().map(|one| one.hash.as_str()).collect();
            rows.retain(|row| !serving.contains(row.id.as_str()));
        }
        rows
    }

    /// Files that no row speaks of any more. While some are being fetched nobody knows which those are.
    async fn remove_files(&self, folder: &Path) -> anyhow::Result<()> {
        let files = listed(folder).await;
        if files.is_empty() || !self.engine.store().open_attachments(1).await?.is_empty() {
            return Ok(());
        }
        let kept: HashSet<String> = self.engine.store().kept_hashes(&files).await?.into_iter().collect();
        for name in files.iter().filter(|name| !kept.contains(*name)) {
            tokio::fs::remove_file(folder.join(name)).await?;
        }
        Ok(())
    }
}

fn kept_for_ms(kept: Kept) -> i64 {
    match kept {
        Kept::EventData | Kept::Messages | Kept::Progress | Kept::Relays | Kept::Attachments => PAYLOAD_MS,
        Kept::Deliveries | Kept::Runs | Kept::Events | Kept::Firings | Kept::Definitions => HISTORY_MS,
        Kept::Deploys => LIMIT_MS,
    }
}

impl Removal {
    fn rows(&self) -> usize {
        match self {
            Self::Rows(_, ids) => ids.len(),
            Self::Progress(runs) => runs.len(),
        }
    }
}

/// What is to be removed of rows that were looked through.
fn removals(kept: Kept, rows: Vec<Looked>) -> Vec<Removal> {
    let over = rows.into_iter().filter(|row| row.over);
    if kept == Kept::Progress {
        let cleared = |row: Looked| {
            let left = emptied(&row.text)?;
            (left != row.text).then_some((row.id, left))
        };
        let runs: Vec<_> = over.filter_map(cleared).collect();
        return runs.chunks(REMOVED).map(|runs| Removal::Progress(runs.to_vec())).collect();
    }
    let mut ids: Vec<String> = over.map(|row| row.id).collect();
    ids.dedup();
    ids.chunks(REMOVED).map(|ids| Removal::Rows(kept, ids.to_vec())).collect()
}

/// What a run has been, without what it held.
fn emptied(progress: &str) -> Option<String> {
    let Progress { cursor, of_status, of_stop, trace, channel, .. } = serde_json::from_str(progress).ok()?;
    serde_json::to_string(&Progress { cursor, of_status, of_stop, trace, channel, ..Progress::default() }).ok()
}

/// Names of whole files, which are hashes.
async fn listed(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let Ok(mut entries) = tokio::fs::read_dir(folder).await else { return names };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            names.push(name);
        }
    }
    names
}
