//! The store's contract, run on both databases: one list of tests per table, every statement on real rows.
//!
//! It stands here and not in `tests/it`, because statements are no part of what the crate shows. The databases are those
//! of `tests/it`: a file, and a database of its own on the server of `RELANCE_TEST_POSTGRES`.

mod account;
mod alerts;
mod aliases;
mod attachments;
mod audit;
mod calls;
mod consents;
mod contacts;
#[path = "../../../tests/it/database.rs"]
mod database;
mod deliveries;
mod events;
mod hints;
mod live;
mod nodes;
mod overdue;
mod people;
mod relay_targets;
mod relays;
mod rows;
mod runs;
mod schedules;
mod scopes;
mod sound;
mod waiting;
mod why;

use super::complaint::Complaint;
use super::{Moved, Store, Tx, Writer};
use crate::clock::Clock;
use crate::contact::Contact;
use crate::delivery::{Delivery, OutsideWindow, Purpose};
use crate::message::{Message, Plain};
use crate::run::{Progress, Run, RunState};
use contacts::contact;
use database::{Database, on_both_databases};

/// 2026-03-02 11:00 UTC.
const NOON: i64 = 1_772_449_200_000;

/// A store at noon, with its writer.
struct Rig {
    store: Store,
    writer: Writer,
    clock: Clock,
    /// Dropped last.
    database: Database,
}

impl Rig {
    async fn new(database: Database) -> Self {
        let clock = Clock::still(NOON);
        let store = Store::open(&database.url).await.unwrap();
        let writer = store.writer(clock.clone()).await.unwrap();
        Self { store, writer, clock, database }
    }

    async fn begin(&mut self) -> Tx<'_> {
        self.writer.begin().await.unwrap()
    }

    /// Stores the event and the contact that runs and deliveries stand on.
    async fn with_run(database: Database) -> Self {
        let mut rig = Self::new(database).await;
        let mut tx = rig.begin().await;
        tx.insert_events(&[events::event("e1", "k1")]).await.unwrap();
        tx.upsert_contacts(&[contact("c1", 1), contact("c2", 1), contact("c3", 1)]).await.unwrap();
        tx.commit().await.unwrap();
        rig
    }
}

/// Whether a guard of ours refused, or a constraint of the database.
fn is_refused(result: &anyhow::Result<()>) -> bool {
    let unique = |error| Complaint::within(error).is_some_and(|complaint| complaint.unique);
    result.as_ref().is_err_and(|error| error.is::<Moved>() || unique(error))
}

fn run(id: &str, contact: &str) -> Run {
    Run {
        id: id.into(),
        workflow: "w".into(),
        definition: "d1".into(),
        contact: contact.into(),
        event: "e1".into(),
        firing: None,
        state: RunState::Waiting,
        reason: String::new(),
        progress: Progress::default(),
        wake_at_ms: None,
        seed: 7,
        fence: 0,
        started_at_ms: NOON,
        ended_at_ms: None,
        asks: None,
        turn: None,
        reached_at_ms: None,
        redrive_of: None,
        redrive: 0,
    }
}

/// A delivery of run `r1`; its step is its id.
fn delivery(id: &str, contact: &str) -> Delivery {
    let message = Message { plain: Some(Plain { text: Some("hello".into()), media: None }), ..Message::default() };
    Delivery {
        run: "r1".into(),
        workflow: "w".into(),
        step: id.into(),
        purpose: Purpose::Utility,
        outside_window: OutsideWindow::Hold,
        expires_at_ms: NOON + 1000,
        retry_limit: 5,
        ..Delivery::queued(id.into(), contact.into(), "main".into(), message, NOON, i64::MAX)
    }
}

/// A person with this id, and a number made of its last character.
fn person(id: &str) -> Contact {
    let digits: u32 = id.bytes().map(u32::from).sum();
    let phone = crate::contact::Phone::from_vendor(&format!("336000{digits:05}")).unwrap();
    Contact { id: id.into(), phone: Some(phone), ..Contact::default() }
}
