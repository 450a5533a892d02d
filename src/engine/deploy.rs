//! Deploy: a project begins to serve, and the definitions that others began with are read where they are needed.
//!
//! ```text
//! serve starts, SIGHUP ─► folder ─┬─ as what serves ────────► serves
//!                                 ├─ served before, not now ► what serves is read from the store  (`--deploy` overrules)
//!                                 └─ new ───────────────────► the next number, for every node
//! look around ─► a higher number ─► read from the store
//! ```
//! What serves is a row with a number, not a folder: of several nodes that are restarted one after the other, one with
//! the folder of yesterday neither takes the others back nor touches their schedules. A node of an older release that cannot
//! read what serves takes nothing and begins nothing until it is updated: it would start runs of yesterday, and stop none
//! of today. Invariant: a live run goes on by the definition it began with, whichever node deployed that.

use super::account::Account;
use super::deployed::{Definition, Deployed, Pinned};
use super::fire;
use super::group;
use super::in_flight::InFlight;
use super::learn;
use super::load::Unread;
use super::loops::{Loop, TRIES};
use super::outbound::UNREADABLE;
use super::redo::is_conflict;
use crate::config::{Files, Project};
use crate::delivery::Scope;
use crate::store::Tx;
use crate::store::audit::AuditRow;
use crate::store::deploys::DeployRow;
use crate::store::runs::DefinitionRow;
use crate::workflow::diagnostic::Severity;
use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::JoinHandle;

/// How this node deploys.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// What becomes of live runs of a workflow that changed.
    pub in_flight: InFlight,
    /// The folder serves at the start, even if it served before and another does since.
    pub goes_back: bool,
}

/// Why it is looked at what serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Start,
    /// A person has the folder read again.
    Read,
    /// Another node deployed.
    Follow,
}

/// What this node has of deploys.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// The number it serves.
    pub(super) number: i64,
    /// Hash of its folder as it read it last.
    read: String,
    /// The last number that it cannot serve, and has said so.
    refused: i64,
    /// The task that does what a deploy asks for live runs, with that one's number.
    pub(super) mover: Option<(i64, JoinHandle<()>)>,
}

/// Another node deployed since this one looked around: the group is done again once that is served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Behind(i64);

impl std::fmt::Display for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "deploy {} serves, and is not read yet", self.0)
    }
}

impl std::error::Error for Behind {}

impl Versions {
    /// Whether this node serves what serves: what a live run goes by, and what stops it, is known then.
    ///
    /// # Errors
    /// What [`Loop::read_up`] mends.
    pub(super) fn keep_up(&self, number: i64) -> anyhow::Result<()> {
        anyhow::ensure!(number <= self.number.max(self.refused), Behind(number));
        Ok(())
    }

    /// Whether what serves is something that it cannot serve.
    pub(super) fn is_behind(&self) -> bool {
        self.refused > self.number
    }
}

/// What serves cannot be read by this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable(i64);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "deploy {} serves, and this release of relance cannot read it", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// A project with the texts it was read from.
struct Folder {
    deployed: Deployed,
    hash: String,
    /// JSON.
    files: String,
}

/// What a deploy came to.
struct Begun {
    deployed: Deployed,
    row: DeployRow,
    /// Under which number the folder served before; it does not now.
    older: Option<i64>,
    schedule_ms: Option<i64>,
    open: Vec<DefinitionRow>,
}

#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// The folder is what serves.
    Same,
    /// What serves is read from the store.
    Stored,
    /// The folder serves from now on.
    Next,
}

impl Folder {
    fn of(project: &Project) -> anyhow::Result<Self> {
        let files = serde_json::to_string(&project.files)?;
        Ok(Self { deployed: Deployed::new(project), hash: hash_of(&project.files)?, files })
    }

    /// What was accepted as a whole: a part that this release cannot read is not left out in silence.
    fn stored(row: &DeployRow) -> anyhow::Result<Self> {
        let unreadable = || Unreadable(row.number);
        let files: Files = serde_json::from_str(&row.files).with_context(unreadable)?;
        let loaded = crate::workflow::load_accepted(&files);
        let sound = loaded.diagnostics.iter().all(|one| one.severity != Severity::Error);
        let project = loaded.project.filter(|_| sound).with_context(unreadable)?;
        Ok(Self { deployed: Deployed::new(&project), hash: row.hash.clone(), files: row.files.clone() })
    }
}

/// The texts that decide what a project does: samples, lists of people and tests do not.
pub fn decisive(files: &Files) -> Files {
    let is_test = |path: &str| path.ends_with(".test.yaml");
    let is_yaml = |path: &str| path.ends_with(".yaml") || path.ends_with(".yml");
    let decides = |path: &str| is_yaml(path) && !is_test(path) || path == "templates.lock.json";
    files.iter().filter(|(path, _)| decides(path)).map(|(path, text)| (path.clone(), text.clone())).collect()
}

/// SHA-256 of them, hex.
fn hash_of(files: &Files) -> anyhow::Result<String> {
    Ok(hex::encode(Sha256::digest(serde_json::to_string(&decisive(files))?)))
}

/// `before`: the folder served at some time. `read`: what the folder held when this process read it last.
fn choose(folder: &str, current: Option<&str>, before: bool, read: &str, cause: Cause, goes_back: bool) -> Choice {
    match current {
        None => Choice::Next,
        Some(current) if current == folder => Choice::Same,
        Some(_) => match cause {
            Cause::Start if before && !goes_back => Choice::Stored,
            // Nobody changed this folder: another node's did.
            Cause::Read if folder == read => Choice::Stored,
            Cause::Start | Cause::Read => Choice::Next,
            Cause::Follow => Choice::Stored,
        },
    }
}

impl Loop {
    /// Serves what is to serve, from now on: the project of a folder, or what another node deployed.
    pub(super) async fn deploy(&mut self, project: Option<&Project>, cause: Cause) -> anyhow::Result<()> {
        let folder = project.map(Folder::of).transpose()?;
        let mut tries = 1;
        // Another node may deploy at this moment: one after the other.
        let begun = loop {
            match self.try_deploy(folder.as_ref(), cause).await {
                Err(error) if is_conflict(&error) && tries < TRIES => tries += 1,
                done => break done?,
            }
        };
        begun.log(cause, self.versions.number);
        if let Some(folder) = folder {
            self.versions.read = folder.hash;
        }
        self.versions.number = begun.row.number;
        self.shared.behind_ms.store(0, Ordering::SeqCst);
        self.pinned = Pinned::of(begun.open, &begun.deployed);
        // A group of another node that began before this deploy may still begin runs on what served until now.
        self.pinned.keep(&self.shared.deployed(), &begun.deployed);
        self.schedule_ms = begun.schedule_ms.unwrap_or(i64::MAX);
        self.alerted.clear();
        self.due_ms = 0;
        self.feed_again = true;
        self.shared.replace(Arc::new(begun.deployed));
        self.see_to_in_flight(&begun.row);
        // Targets may have gone.
        self.shared.board.nudge();
        Ok(())
    }

    async fn try_deploy(&mut self, folder: Option<&Folder>, cause: Cause) -> anyhow::Result<Begun> {
        let Self { writer, setup, node, versions, others, .. } = self;
        let mut tx = writer.begin().await?;
        let current = tx.lock_deploys().await?;
        let hash = folder.map_or("", |folder| &folder.hash);
        let before = tx.deployed_before(hash).await?;
        let serving = current.as_ref().map(|row| row.hash.as_str());
        let choice = choose(hash, serving, before.is_some(), &versions.read, cause, setup.manner.goes_back);
        let (stored, row) = match (&choice, current, folder) {
            (Choice::Next, current, Some(folder)) => {
                let row = next_row(folder, current.as_ref(), setup.manner.in_flight, &node.id, tx.now_ms);
                tx.insert_deploy(&row).await?;
                if setup.outside.hints {
                    tx.hint(&node.id).await?;
                }
                tx.insert_audit(&[audit(&row, setup.clock.new_id(), setup.manner.in_flight)]).await?;
                (None, row)
            }
            (Choice::Same, Some(row), Some(_)) => (None, row),
            (_, Some(row), _) => (Some(Folder::stored(&row)?), row),
            (_, None, _) => anyhow::bail!("nothing was deployed yet"),
        };
        let written = stored.as_ref().or(folder).context("something serves")?;
        let deployed = written.deployed.with_account(Arc::new(Account::read(&tx.holdings().await?)));
        learn::review(&mut tx, &deployed).await?;
        keep_definitions(&mut tx, &deployed).await?;
        let schedule_ms = fire::deploy(&mut tx, &deployed).await?;
        let open = tx.open_definitions().await?;
        *others = tx.waiting_lanes(group::LANES).await?.into_iter().collect();
        if cause != Cause::Follow {
            try_again(&mut tx).await?;
        }
        tx.commit().await?;
        let older = before.filter(|_| choice == Choice::Stored && cause != Cause::Follow);
        Ok(Begun { deployed, row, older, schedule_ms, open })
    }

    /// Serves what another node deployed meanwhile. One that this release cannot read is told of once, and not served:
    /// from then on only what was begun goes on.
    pub(super) async fn follow(&mut self, number: i64) -> anyhow::Result<()> {
        if number <= self.versions.number.max(self.versions.refused) {
            return Ok(());
        }
        match self.deploy(None, Cause::Follow).await {
            Err(error) if error.is::<Unreadable>() => {
                self.versions.refused = number;
                self.shared.behind_ms.store(self.setup.clock.now_ms().max(1), Ordering::SeqCst);
                tracing::error!(
                    error = format!("{error:#}"),
                    "another server deployed what cannot be served here: events are refused and nothing is sent. \
                     Update this one"
                );
                Ok(())
            }
            done => done,
        }
    }

    /// Reads those of these definitions that this node has not heard of.
    pub(super) async fn know_definitions(&mut self, hashes: Vec<String>) -> anyhow::Result<()> {
        let serving = self.shared.deployed();
        let served = |hash: &String| serving.definitions.values().any(|definition| definition.hash == *hash);
        let unknown: Vec<String> =
            hashes.into_iter().filter(|hash| !self.pinned.knows(hash) && !served(hash)).collect();
        self.read_definitions(&unknown).await
    }

    /// Reads what a group was lacking that another node deployed. Any other error comes back.
    pub(super) async fn read_up(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        if let Some(Behind(number)) = error.downcast_ref() {
            self.follow(*number).await?;
            anyhow::ensure!(!self.versions.is_behind(), Unreadable(*number));
            return Ok(());
        }
        let Unread(hashes) = error.downcast()?;
        self.read_definitions(&hashes).await
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

impl Begun {
    fn log(&self, cause: Cause, was: i64) {
        let number = self.row.number;
        match self.older {
            Some(older) => tracing::warn!(
                folder = older,
                serves = number,
                hint = "bring the folder up to date; `relance serve --deploy` serves it all the same, on every server",
                "the folder is an older one: what was deployed after it is served, from the database"
            ),
            None if cause == Cause::Follow => {
                tracing::info!(deploy = number, "another server deployed: served here too")
            }
            None if number > was && self.row.number > 1 => tracing::info!(deploy = number, "deployed"),
            None => {}
        }
    }
}

fn next_row(folder: &Folder, current: Option<&DeployRow>, in_flight: InFlight, node: &str, now_ms: i64) -> DeployRow {
    DeployRow {
        number: current.map_or(0, |row| row.number) + 1,
        hash: folder.hash.clone(),
        files: folder.files.clone(),
        node: node.to_owned(),
        at_ms: now_ms,
        in_flight: in_flight.stored().to_owned(),
    }
}

fn audit(row: &DeployRow, id: String, in_flight: InFlight) -> AuditRow {
    AuditRow {
        id,
        at_ms: row.at_ms,
        who: "serve".into(),
        act: "deploy".into(),
        subject: format!("deploy {}", row.number),
        detail: format!("{}, in flight: {}", &row.hash[..row.hash.len().min(12)], in_flight.as_str()),
    }
}

async fn keep_definitions(tx: &mut Tx<'_>, deployed: &Deployed) -> anyhow::Result<()> {
    let row = |definition: &Arc<Definition>| DefinitionRow {
        hash: definition.hash.clone(),
        workflow: definition.workflow.id.clone(),
        files: definition.files.clone(),
    };
    tx.insert_definitions(&deployed.definitions.values().map(row).collect::<Vec<_>>()).await
}

/// A new start, a new configuration: what waited for a person to mend the account is tried again. Lines and templates
/// that the platform stopped stay paused; what they held is judged again.
async fn try_again(tx: &mut Tx<'_>) -> anyhow::Result<()> {
    tx.resume(&[Scope::Account]).await?;
    // A newer release may be able to read what the one before could not.
    tx.clear_alerts(&[UNREADABLE.to_owned()]).await?;
    // Whom an earlier life meant to ask the account about is asked for again.
    let reasons = ["channel_paused", "template_paused", "template_category", "template_changed", "contact_unknown"];
    tx.release_holds(&reasons).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_served_before_serves_again_only_when_somebody_wants_it() {
        for (words, folder, current, before, read, cause, goes_back, expected) in [
            ("the first of all", "a", None, false, "", Cause::Start, false, Choice::Next),
            ("a restart", "a", Some("a"), true, "", Cause::Start, false, Choice::Same),
            ("a new folder", "b", Some("a"), false, "", Cause::Start, false, Choice::Next),
            ("an older folder", "a", Some("b"), true, "", Cause::Start, false, Choice::Stored),
            ("an older folder, on purpose", "a", Some("b"), true, "", Cause::Start, true, Choice::Next),
            ("a folder taken back under a server", "a", Some("b"), true, "b", Cause::Read, false, Choice::Next),
            ("a folder that nobody touched", "a", Some("b"), true, "a", Cause::Read, false, Choice::Stored),
            ("another node's", "", Some("b"), false, "a", Cause::Follow, false, Choice::Stored),
        ] {
            assert_eq!(choose(folder, current, before, read, cause, goes_back), expected, "{words}");
        }
    }

    #[test]
    fn samples_and_lists_of_people_do_not_make_another_version() {
        let files = |list: &[(&str, &str)]| -> Files {
            list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
        };
        let plain = files(&[("relance.yaml", "version: 1"), ("workflows/a.yaml", "name: A")]);
        let mut more = plain.clone();
        more.extend(files(&[("workflows/samples/a.json", "{}"), ("workflows/audiences/a.csv", "phone")]));
        assert_eq!(hash_of(&plain).unwrap(), hash_of(&more).unwrap());
        for (path, text) in [("workflows/a.yaml", "name: B"), ("templates.lock.json", "[]"), ("workflows/b.yaml", "")] {
            let mut other = plain.clone();
            other.extend(files(&[(path, text)]));
            assert_ne!(hash_of(&plain).unwrap(), hash_of(&other).unwrap(), "{path}");
        }
    }
}
