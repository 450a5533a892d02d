//! Porter: fetches the files of received messages at once, because their addresses die after about ten minutes.
//!
//! ```text
//! group ─► rows of `attachment` ─► nudge ─► porter: a few at a time ─► state folder, by hash ─► Change::Attached
//! ```
//! Where a kill may fall: before the commit of a result its row still waits, and is fetched again while its address
//! lives; the file lies there already, under the same hash. Of several nodes one is on duty. Invariant: a row says `kept` only when its file is whole.

use super::board::Place;
use super::change::Change;
use super::inbound::Told;
use super::{Busy, Engine, Item, Shared};
use crate::attachment::{Attachment, AttachmentState};
use crate::connector::fetch::{Fetcher, NotFetched};
use crate::connector::guard::Guard;
use crate::connector::webhook::{Direction, Incoming};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Files fetched at once, and rows looked at together.
const AT_ONCE: usize = 4;
const LOOKED_AT: u32 = 32;
/// How long one file may take.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(60);
/// Pauses before a file that was not answered is asked for again; then it has failed.
const AGAIN_MS: [i64; 3] = [2_000, 10_000, 60_000];
const STORE_AGAIN_MS: i64 = 2_000;
const DRAFT: &str = "draft-";

/// The files that a received message brings.
pub(super) fn files(told: &Told, now_ms: i64) -> Vec<Attachment> {
    let Incoming::Message(message) = &told.incoming else { return Vec::new() };
    if message.direction != Direction::Received {
        return Vec::new();
    }
    let file = |(n, file): (u32, &crate::connector::webhook::Attachment)| Attachment {
        event: told.id.clone(),
        n,
        kind: file.kind.as_str().to_owned(),
        name: file.name.clone(),
        url: file.url.clone(),
        state: AttachmentState::Queued,
        reason: String::new(),
        content_type: None,
        size: None,
        hash: None,
        at_ms: now_ms,
    };
    (0..).zip(&message.attachments).map(file).collect()
}

pub(super) struct Porter {
    fetcher: Fetcher,
    folder: PathBuf,
    shared: Arc<Shared>,
    queue: mpsc::WeakSender<Item>,
    place: Place,
    /// Rows that are being fetched, or have to wait: how often they were asked for, and until when.
    known: HashMap<Row, Tries>,
    under_way: JoinSet<(Attachment, Result<Attachment, NotFetched>)>,
}

type Row = (String, u32);

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: usize,
    /// `i64::MAX` = it is under way.
    due_ms: i64,
}

impl Porter {
    /// `None`: files are not kept.
    pub(super) fn new(
        guard: Guard,
        shared: Arc<Shared>,
        queue: mpsc::WeakSender<Item>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(folder) = shared.outside.media.clone() else { return Ok(None) };
        Ok(Some(Self {
            fetcher: Fetcher::new(guard, TOTAL_TIMEOUT)?,
            folder,
            place: shared.board.enlist("files", queue.clone()),
            shared,
            queue,
            known: HashMap::new(),
            under_way: JoinSet::new(),
        }))
    }

    pub(super) async fn work(mut self) {
        self.clear_drafts().await;
        while !self.shared.draining.load(Ordering::SeqCst) && !self.place.has_ended() {
            self.place.look();
            let next_ms = self.step().await.unwrap_or_else(|error| {
                tracing::warn!(error = format!("{error:#}"), "files could not be kept: it is tried again soon");
                self.shared.clock.now_ms() + STORE_AGAIN_MS
            });
            if self.under_way.is_empty() {
                self.place.rest(&self.shared.clock, next_ms).await;
                continue;
            }
            tokio::select! {
                Some(ended) = self.under_way.join_next() => {
                    if let Ok((file, fetched)) = ended {
                        self.end(file, fetched).await;
                    }
                }
                () = self.place.nudged(), if self.under_way.len() < AT_ONCE => {}
            }
        }
    }

    /// What a killed process left half-written.
    async fn clear_drafts(&self) {
        let Ok(mut entries) = tokio::fs::read_dir(&self.folder).await else { return };
        while let Ok(Some(entry)) = entries.next_entry().await {
            if entry.file_name().to_string_lossy().starts_with(DRAFT) {
                let _ = tokio::fs::remove_file(entry.path()).await;
            }
        }
    }

    /// Begins what may begin; when the next one is due.
    async fn step(&mut self) -> anyhow::Result<i64> {
        if self.shared.stands() {
            return Ok(self.shared.clock.now_ms() + STORE_AGAIN_MS);
        }
        let open = self.shared.store.open_attachments(LOOKED_AT).await?;
        if open.is_empty() || !self.engine()?.on_duty("files").await? {
            return Ok(i64::MAX);
        }
        let now_ms = self.shared.clock.now_ms();
        let mut next_ms = i64::MAX;
        for file in open {
            let due_ms = self.known.get(&row(&file)).map_or(0, |tries| tries.due_ms);
            if file.is_expired(now_ms) {
                self.write(file.failed("expired")).await?;
            } else if due_ms == i64::MAX {
                // It is under way.
            } else if due_ms > now_ms {
                next_ms = next_ms.min(due_ms);
            } else if self.under_way.len() < AT_ONCE {
                self.begin(file).await?;
            }
        }
        Ok(next_ms)
    }

    async fn begin(&mut self, file: Attachment) -> anyhow::Result<()> {
        let folder = self.folder.clone();
        make_folder(&folder).await?;
        let tries = self.known.entry(row(&file)).or_insert(Tries { count: 0, due_ms: 0 });
        *tries = Tries { count: tries.count + 1, due_ms: i64::MAX };
        let fetcher = self.fetcher.clone();
        self.under_way.spawn(async move {
            let draft = format!("{DRAFT}{}-{}", file.event, file.n);
            let fetched = fetcher.fetch(&file.url, file.most_bytes(), &folder, &draft).await;
            let kept = fetched.map(|fetched| file.clone().kept(fetched.content_type, fetched.size, fetched.hash));
            (file, kept)
        });
        Ok(())
    }

    /// Notes how it went; what passes is asked for again.
    async fn end(&mut self, file: Attachment, fetched: Result<Attachment, NotFetched>) {
        let key = row(&file);
        let now_ms = self.shared.clock.now_ms();
        let count = self.known.get(&key).map_or(1, |tries| tries.count);
        let ended = match fetched {
            Ok(kept) => kept,
            Err(NotFetched { passing: true, .. }) if count <= AGAIN_MS.len() => {
                self.known.insert(key, Tries { count, due_ms: now_ms + AGAIN_MS[count - 1] });
                return;
            }
            Err(failure) => file.failed(failure.why),
        };
        if let Err(error) = self.write(ended).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "what became of a file could not be noted: it is fetched again"
            );
            self.known.insert(key, Tries { count, due_ms: now_ms + STORE_AGAIN_MS });
        }
    }

    fn engine(&self) -> anyhow::Result<Engine> {
        let queue = self.queue.upgrade().ok_or_else(|| anyhow::anyhow!("the engine has ended"))?;
        Ok(Engine { shared: self.shared.clone(), queue })
    }

    async fn write(&mut self, file: Attachment) -> anyhow::Result<()> {
        let key = row(&file);
        let written = self.engine()?.change(Change::Attached(Box::new(file))).await;
        written.map_err(|Busy| anyhow::anyhow!("the store did not take what became of a file"))?;
        self.known.remove(&key);
        Ok(())
    }
}

fn row(file: &Attachment) -> Row {
    (file.event.clone(), file.n)
}

/// Nobody but its owner may look into it.
async fn make_folder(folder: &std::path::Path) -> anyhow::Result<()> {
    Ok(tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?)
}
