//! Care: what has to be done so that the account and relance know of each other, beside the loop.
//!
//! ```text
//! refresh   asks templates, lines, teams ──► learn        at start, daily; hourly while something waits for the answer
//! watch     nothing heard for ten minutes ──► alert; subscribe again what the account disabled           each minute
//! repair    what the account could not hand over ──► the same ingest     at start, in and after silence, at each refresh
//! ```
//! One task, by the engine's clock. Decisions are pure (`watch`). Invariant: a webhook is replaced only when it was surely
//! relance's own, and surely disabled; what fails is tried again later, and never stops the server.

mod repair;
mod watch;

use super::account::AccountFacts;
use super::{Engine, drift};
use crate::config::Secret;
use crate::connector::account::Posts;
use crate::connector::{Callbell, Refused};
use crate::delivery::Scope;
use sha2::{Digest as _, Sha256};
use std::sync::atomic::Ordering;
use std::time::Duration;
use watch::{DAY_MS, HOUR_MS, MINUTE_MS, Ours, SILENCE_MS, Says, Signs};

/// Where the account's events are kept under.
const SOURCE: &str = super::inbound::SOURCE;
/// Under which the installation remembers the address that it subscribed: a hash, as it holds a secret.
const CONNECTED: &str = "webhook connected";
/// Under which it remembers when the account last posted something itself: Unix milliseconds.
const POSTED: &str = "webhook posted";
/// Names of alerts.
const SILENCE: &str = "webhook:silence";
const ELSEWHERE: &str = "webhook:elsewhere";
/// Tries to subscribe again during one silence.
const MOST_TRIES: u32 = 8;
/// Longest sleep: suspends and steps of the clock are noticed after it.
const NAP: Duration = Duration::from_secs(30);

/// The task that cares.
#[derive(Debug)]
pub struct Care {
    engine: Engine,
    callbell: Callbell,
    /// Where the account should post its events; `None` = nobody said how relance is reached.
    address: Option<Secret>,
    started_ms: i64,
    jitter: i64,
    refresh: Duty,
    watch: Duty,
    repair: Duty,
    asked_ms: i64,
    silent_since_ms: Option<i64>,
    /// When events of the log were taken in last: those are no sign that the webhook lives.
    replayed_ms: Option<i64>,
    /// What is remembered of the account's newest post.
    kept_ms: i64,
    /// When the store was last asked for events of the account, and the newest of them.
    looked_ms: Option<i64>,
    told_ms: Option<i64>,
    /// When the log is looked at during a silence, and how often it was subscribed.
    subscribe: Duty,
}

/// Something that is done at an instant, and again later when it failed.
#[derive(Debug, Clone, Copy)]
struct Duty {
    due_ms: i64,
    failures: u32,
}

impl Duty {
    const NOW: Self = Self { due_ms: 0, failures: 0 };

    fn failed(&mut self, now_ms: i64, first_ms: i64) {
        self.due_ms = now_ms + watch::pause_ms(first_ms, self.failures);
        self.failures = self.failures.saturating_add(1);
    }
}

impl Care {
    /// `address`: `<public address>/callbell/<secret>`.
    pub fn new(engine: Engine, callbell: Callbell, address: Option<Secret>) -> Self {
        Self {
            started_ms: engine.clock().now_ms(),
            jitter: engine.clock().new_seed(),
            engine,
            callbell,
            address,
            refresh: Duty::NOW,
            watch: Duty::NOW,
            repair: Duty::NOW,
            asked_ms: 0,
            silent_since_ms: None,
            replayed_ms: None,
            kept_ms: 0,
            looked_ms: None,
            told_ms: None,
            subscribe: Duty::NOW,
        }
    }

    /// Cares until it is dropped.
    pub async fn run(mut self) {
        loop {
            let due_ms = self.turn().await;
            tokio::time::sleep(self.engine.clock().until(due_ms, NAP)).await;
        }
    }

    /// Does what is due now; when something is due next.
    pub async fn turn(&mut self) -> i64 {
        let now_ms = self.engine.clock().now_ms();
        if self.watch.due_ms <= now_ms {
            self.watch(now_ms).await;
        }
        if self.refresh.due_ms <= now_ms {
            self.refresh(now_ms).await;
        }
        if self.repair.due_ms <= now_ms {
            self.repair(now_ms).await;
        }
        self.watch.due_ms.min(self.refresh.due_ms).min(self.repair.due_ms)
    }

    // --- what the account holds -----------------------------------------------------------------------------------

    async fn refresh(&mut self, now_ms: i64) {
        self.asked_ms = now_ms;
        match self.learn(now_ms).await {
            Ok(()) => {
                let waits = self.waits().await;
                self.refresh = Duty { due_ms: watch::next_refresh_ms(now_ms, waits, self.jitter), failures: 0 };
                self.repair.due_ms = self.repair.due_ms.min(now_ms);
            }
            Err(error) => {
                self.refresh.failed(now_ms, MINUTE_MS);
                let hint = Refused::of(&error).map(Refused::hint).unwrap_or_default();
                tracing::warn!(
                    error = format!("{error:#}"),
                    hint,
                    "the account could not be asked what it holds: tried again"
                );
            }
        }
    }

    /// Each part is asked whatever became of the others, and what was told is kept.
    async fn learn(&self, now_ms: i64) -> anyhow::Result<()> {
        let (templates, channels, teams) =
            (self.callbell.templates().await, self.callbell.channels().await, self.callbell.teams().await);
        let mut first = None;
        let templates = note(templates, &mut first).filter(|all| !all.is_empty() || self.may_be_empty());
        // An account without a line could not have been asked.
        let channels = note(channels, &mut first).filter(|all| !all.is_empty());
        let facts = AccountFacts { templates, channels, teams: note(teams, &mut first), asked_at_ms: now_ms };
        if facts.templates.is_some() || facts.channels.is_some() || facts.teams.is_some() {
            self.engine.learn_account(facts).await.map_err(|_| anyhow::anyhow!("the store does not take it now"))?;
        }
        first.map_or(Ok(()), Err)
    }

    /// An empty list would give up every message that waits: it is believed only where there never was a template.
    fn may_be_empty(&self) -> bool {
        let deployed = self.engine.deployed();
        let known = deployed.account.templates.as_ref().is_some_and(|all| !all.is_empty());
        !known && deployed.catalogue.lock.is_empty()
    }

    /// Whether something waits for the account's word.
    async fn waits(&self) -> bool {
        !drift::drift(&self.engine.deployed()).is_empty() || self.template_is_paused().await
    }

    async fn template_is_paused(&self) -> bool {
        let pauses = self.engine.store().pauses().await.unwrap_or_default();
        pauses.iter().any(|(scope, _)| matches!(scope, Scope::Template(_)))
    }

    // --- the webhook ----------------------------------------------------------------------------------------------

    async fn watch(&mut self, now_ms: i64) {
        self.watch.due_ms = now_ms + MINUTE_MS;
        self.keep_posted().await;
        if self.refresh.due_ms > self.asked_ms + HOUR_MS && self.template_is_paused().await {
            self.refresh.due_ms = self.asked_ms + HOUR_MS;
        }
        let silent = match self.signs(now_ms).await {
            Ok(signs) => {
                let still = self.silent_since_ms.filter(|_| signs.heard_ms <= self.replayed_ms);
                watch::silent_since(signs, now_ms).or(still)
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "nobody can tell when the account was last heard");
                return;
            }
        };
        match silent {
            Some(since_ms) => self.silent(since_ms, now_ms).await,
            None => self.heard(now_ms).await,
        }
    }

    /// A later life has to know, too, whether the webhook was its own.
    async fn keep_posted(&mut self) {
        let posted_ms = self.engine.shared.posted_ms.load(Ordering::Relaxed);
        if posted_ms > self.kept_ms {
            let kept = self.engine.remember(vec![(POSTED.to_owned(), posted_ms.to_string())]).await;
            self.kept_ms = kept.map_or(self.kept_ms, |_| posted_ms);
        }
    }

    async fn signs(&mut self, now_ms: i64) -> anyhow::Result<Signs> {
        let store = self.engine.store();
        // Only what came since the last look is read, and a little more: ids are drawn before their commit.
        let since_ms = self.looked_ms.map_or(now_ms - DAY_MS, |looked_ms| looked_ms - MINUTE_MS);
        let told_ms = store.heard_since(SOURCE, since_ms).await?.max(self.told_ms).filter(|ms| *ms > now_ms - DAY_MS);
        (self.looked_ms, self.told_ms) = (Some(now_ms), told_ms);
        let checked_ms = Some(self.engine.shared.checked_ms.load(Ordering::Relaxed)).filter(|ms| *ms > now_ms - DAY_MS);
        let heard_ms = told_ms.max(checked_ms);
        let sent_ms = store.first_accepted_since(heard_ms.unwrap_or(now_ms - DAY_MS)).await?;
        Ok(Signs { started_ms: self.started_ms, heard_ms, sent_ms })
    }

    async fn heard(&mut self, now_ms: i64) {
        let was_silent = self.silent_since_ms.take().is_some();
        self.subscribe = Duty::NOW;
        if was_silent {
            tracing::info!("the account is heard again: what it could not hand over is read from its log");
            self.repair = Duty { due_ms: now_ms, failures: 0 };
        }
        let standing = self.engine.store().alerts().await.unwrap_or_default();
        let over = standing.into_iter().map(|alert| alert.name).filter(|name| [SILENCE, ELSEWHERE].contains(&&**name));
        let over: Vec<String> = over.collect();
        if !over.is_empty() {
            let _ = self.engine.alert(Vec::new(), over).await;
        }
    }

    async fn silent(&mut self, since_ms: i64, now_ms: i64) {
        if self.silent_since_ms.replace(since_ms).is_none() {
            self.repair.due_ms = self.repair.due_ms.min(now_ms);
            let minutes = (now_ms - since_ms) / MINUTE_MS;
            tracing::warn!(minutes, "nothing was heard from the account, which should be alive");
            let what =
                "for ten minutes and longer nothing was heard from the account, which should be alive".to_owned();
            let _ = self.engine.alert(vec![(SILENCE.to_owned(), what)], Vec::new()).await;
        }
        if self.subscribe.due_ms > now_ms {
            return;
        }
        self.subscribe.due_ms = now_ms + SILENCE_MS;
        if let Err(error) = self.look_after(since_ms, now_ms).await {
            tracing::warn!(error = format!("{error:#}"), "the webhook could not be looked after: tried again later");
        }
    }

    /// Subscribes again what was relance's own until the account disabled it, and tells of what is somebody else's.
    async fn look_after(&mut self, silent_since_ms: i64, now_ms: i64) -> anyhow::Result<()> {
        let Some(address) = &self.address else { return Ok(()) };
        let webhook = self.engine.webhook(address).await?;
        let ours = Ours { connected_ms: webhook.connected_ms, posted_ms: webhook.posted_ms, silent_since_ms };
        let taken = self.callbell.posted(Posts::Taken, 1).await?;
        let failed = self.callbell.posted(Posts::Failed, 1).await?;
        match watch::says(taken.rows.first(), failed.rows.first(), ours, now_ms) {
            Says::Disabled if self.subscribe.failures < MOST_TRIES => {
                self.subscribe.failed(now_ms, SILENCE_MS);
                self.callbell.subscribe(address.expose()).await?;
                tracing::info!("the account's webhook was subscribed again");
                self.repair = Duty::NOW;
            }
            Says::Disabled | Says::Quiet => {}
            Says::Elsewhere => {
                let what =
                    "the account posts its events to another address; `relance webhooks connect` takes them back";
                tracing::warn!("{what}");
                let _ = self.engine.alert(vec![(ELSEWHERE.to_owned(), what.to_owned())], Vec::new()).await;
            }
        }
        Ok(())
    }

    async fn repair(&mut self, now_ms: i64) {
        match repair::repair(&self.engine, &self.callbell).await {
            Ok(events) => {
                let again_ms = self.silent_since_ms.map_or(i64::MAX, |_| now_ms + SILENCE_MS);
                self.repair = Duty { due_ms: again_ms, failures: 0 };
                if events > 0 {
                    self.replayed_ms = Some(self.engine.clock().now_ms());
                    tracing::info!(events, "events that the account could not hand over were taken in again");
                }
            }
            Err(error) => {
                self.repair.failed(now_ms, MINUTE_MS);
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the account's log could not be read to its end: tried again"
                );
            }
        }
    }
}

/// Keeps the first error of several questions.
fn note<T>(told: anyhow::Result<T>, first: &mut Option<anyhow::Error>) -> Option<T> {
    told.map_err(|error| first.get_or_insert(error)).ok()
}

/// What relance knows of an address as the account's webhook, Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Webhook {
    /// When relance itself made it the account's webhook; `None` = it did not, or another one since.
    pub connected_ms: Option<i64>,
    /// When the account last posted something here that was taken in.
    pub posted_ms: Option<i64>,
}

impl Engine {
    /// Remembers that relance itself made this address the account's webhook now.
    ///
    /// # Errors
    /// [`super::Busy`] when the store did not take it.
    pub async fn webhook_connected(&self, address: &Secret) -> Result<(), super::Busy> {
        let connected = format!("{} {}", fingerprint(address), self.clock().now_ms());
        self.remember(vec![(CONNECTED.to_owned(), connected)]).await
    }

    /// What is known of this address as the account's webhook.
    ///
    /// # Errors
    /// What the database said.
    pub async fn webhook(&self, address: &Secret) -> anyhow::Result<Webhook> {
        let (connected, posted) = (self.store().remembered(CONNECTED).await?, self.store().remembered(POSTED).await?);
        let connected = connected.as_deref().and_then(|written| written.split_once(' '));
        let of_it = connected.filter(|(of, _)| *of == fingerprint(address));
        let in_this_life = Some(self.shared.posted_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0);
        Ok(Webhook {
            connected_ms: of_it.and_then(|(_, at_ms)| at_ms.parse().ok()),
            posted_ms: in_this_life.or(posted.and_then(|posted| posted.parse().ok())),
        })
    }
}

fn fingerprint(address: &Secret) -> String {
    hex::encode(Sha256::digest(address.expose().as_bytes()))
}
