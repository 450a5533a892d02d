//! What is refused before anything is written, and what is only told of.

use super::events::event;
use super::{Database, NOON, Rig};
use crate::clock::Clock;
use crate::store::{Store, Unsound, inspect};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use std::fs;
use std::path::Path;

fn unsound(opened: anyhow::Result<Store>) -> Option<Unsound> {
    opened.err().and_then(|error| error.downcast::<Unsound>().ok())
}

/// A copy of a database as a power cut would leave it: file and log.
fn cut_off(from: &Path, to: &Path) {
    for ending in ["", "-wal"] {
        let name = |path: &Path| format!("{}{ending}", path.display());
        fs::copy(name(from), name(to)).unwrap();
    }
}

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

#[tokio::test]
async fn a_file_is_looked_through_after_a_sudden_stop_and_a_damaged_one_is_refused() {
    let mut rig = Rig::new(Database::sqlite()).await;
    for n in 0..8 {
        let mut tx = rig.begin().await;
        let events: Vec<_> = (0..64).map(|row| event(&format!("e{n}-{row}"), &format!("k{n}-{row}"))).collect();
        tx.insert_events(&events).await.unwrap();
        tx.commit().await.unwrap();
    }
    let writer = rig.store.writer(rig.clock.clone()).await.unwrap();
    std::mem::replace(&mut rig.writer, writer).close().await;
    let mut tx = rig.begin().await;
    tx.insert_events(&[event("last", "last")]).await.unwrap();
    tx.commit().await.unwrap();
    let (folder, file) = (tempfile::tempdir().unwrap(), inspect::path_of(&rig.database.url).unwrap());
    let (whole, damaged) = (folder.path().join("whole.db"), folder.path().join("damaged.db"));
    cut_off(&file, &whole);
    cut_off(&file, &damaged);

    let store = Store::open(&url(&whole)).await.unwrap();
    assert!(store.event("last").await.unwrap().is_some(), "the log is part of it");
    store.writer(Clock::still(NOON)).await.unwrap().close().await;
    assert!(!store.disk().has_log(), "an orderly stop leaves an empty one");

    let mut bytes = fs::read(&damaged).unwrap();
    // Text in the middle of a row is read by nobody who looks through; a page's head is.
    let page = bytes.len() / 2 / 4096 * 4096;
    bytes[page..page + 16].fill(0xff);
    fs::write(&damaged, bytes).unwrap();
    let refused = unsound(Store::open(&url(&damaged)).await);
    assert!(matches!(refused, Some(Unsound::Damaged(_))), "{refused:?}");
}

async fn administer(database: &Database, statements: &[&str]) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&database.url).await.unwrap();
    for statement in statements {
        connection.execute(AssertSqlSafe(*statement)).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// Our functions answer before the server's own.
const OURS_FIRST: &str = "do $$ begin
    execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$";

#[tokio::test]
async fn a_server_that_forgets_and_a_replica_are_refused() {
    for (function, expected) in [
        (
            "create function public.current_setting(text) returns text language sql as
                $$ select case $1 when 'fsync' then 'off' else pg_catalog.current_setting($1) end $$",
            Unsound::NoSync,
        ),
        (
            "create function public.pg_is_in_recovery() returns boolean language sql as $$ select true $$",
            Unsound::Replica,
        ),
    ] {
        let database = Database::postgres();
        administer(&database, &[function, OURS_FIRST]).await;
        assert_eq!(unsound(Store::open(&database.url).await), Some(expected.clone()));
        let found = inspect::inspect(&database.url).await.unwrap();
        assert_eq!((found.refuses, found.schema), (Some(expected.to_string()), None), "nothing was written");
    }
}

#[tokio::test]
async fn a_server_that_may_forget_is_told_of() {
    let database = Database::postgres();
    assert_eq!(inspect::inspect(&database.url).await.unwrap().warning, None);
    let forgets = "do $$ begin
        execute format('alter database %I set synchronous_commit = off', current_database()); end $$";
    administer(&database, &[forgets]).await;
    assert!(Store::open(&database.url).await.is_ok());
    let warning = inspect::inspect(&database.url).await.unwrap().warning.unwrap();
    assert!(warning.contains("`synchronous_commit=off`"), "{warning}");
}
