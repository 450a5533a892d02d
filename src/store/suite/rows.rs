//! Values on their way to the database and back, and the store as a whole.

use super::{Database, NOON, Rig, on_both_databases};
use crate::clock::Clock;
use crate::store::dialect::{Dialect, Kind, Statement};
use crate::store::{Cell, OwnedCell, Rows, Store};

on_both_databases!(
    values_come_back_as_they_went,
    any_number_of_rows_goes_in_one_statement,
    a_null_before_a_number_and_a_number_before_a_null,
    a_transaction_that_is_not_committed_leaves_nothing,
    opening_again_finds_what_was_committed,
    a_file_has_one_process_and_a_server_has_many,
    a_writer_comes_back_after_its_connection_broke,
    readers_see_nothing_before_the_commit,
    an_address_without_a_scheme_is_refused,
);

static ECHO: Statement =
    Statement::new("select n, a, b, c from {rows: n bigint, a text, b bigint, c text} r order by n");

/// What the database makes of rows: a text, a number, a text.
async fn echo(rig: &mut Rig, rows: &[(Option<&str>, Option<i64>, &str)]) -> Vec<(Option<String>, Option<i64>, String)> {
    let mut sent = Rows::default();
    for (n, (a, b, c)) in rows.iter().enumerate() {
        sent.push(&[(n as i64).into(), (*a).into(), (*b).into(), Cell::Text(c)]);
    }
    let mut tx = rig.begin().await;
    let found = tx.fetch(&ECHO, sent).await.unwrap();
    tx.rollback().await.unwrap();
    found.iter().map(|row| (row.try_get(1).unwrap(), row.try_get(2).unwrap(), row.try_get(3).unwrap())).collect()
}

async fn values_come_back_as_they_went(database: Database) {
    let mut rig = Rig::new(database).await;
    let long = "né👩‍👩‍👧 ".repeat(20_000);
    let texts = [
        "",
        " ",
        "null",
        "0",
        "00",
        "1e9",
        "[1]",
        r#"{"a": "\u0041 \" \\ "}"#,
        "'; drop table event; --",
        "$1 {rows: x} ?",
        "line\r\nbreak\ttab\u{7f}\u{1b}",
        "𝔘𝔫𝔦 ﷽ \u{202e}עברית\u{feff}",
        &long,
    ];
    for text in texts {
        let found = echo(&mut rig, &[(Some(text), Some(1), text), (None, None, "x")]).await;
        assert_eq!(found, [(Some(text.to_owned()), Some(1), text.to_owned()), (None, None, "x".into())]);
    }
    for number in [i64::MIN, i64::MIN + 1, -1, 0, 1, 1 << 53, (1 << 53) + 1, i64::MAX - 1, i64::MAX] {
        let found = echo(&mut rig, &[(None, Some(number), "")]).await;
        assert_eq!(found, [(None, Some(number), String::new())]);
    }
    let found = echo(&mut rig, &[(Some("a\0b"), None, "\0")]).await;
    assert_eq!(found, [(Some("a\u{fffd}b".into()), None, "\u{fffd}".into())], "NUL is replaced, on both databases");
}

async fn any_number_of_rows_goes_in_one_statement(database: Database) {
    let mut rig = Rig::new(database).await;
    for count in [1, 2, 3, 4, 5, 63, 64, 65, 255, 256, 257, 600] {
        let texts: Vec<String> = (0..count).map(|n| format!("row {n}")).collect();
        let rows: Vec<_> = texts.iter().enumerate().map(|(n, text)| (None, Some(n as i64), text.as_str())).collect();
        let found = echo(&mut rig, &rows).await;
        assert_eq!(found.len(), count);
        assert!(found.iter().enumerate().all(|(n, (_, b, c))| *b == Some(n as i64) && *c == format!("row {n}")));
    }
    assert!(echo(&mut rig, &[]).await.is_empty());
}

/// A statement is prepared by its first execution: later ones may hold other kinds of values.
async fn a_null_before_a_number_and_a_number_before_a_null(database: Database) {
    let mut rig = Rig::new(database).await;
    let rows = [(None, None, "a"), (Some("text"), Some(258), "b"), (None, Some(-1), "c"), (Some("x"), None, "d")];
    for (a, b, c) in rows {
        assert_eq!(echo(&mut rig, &[(a, b, c)]).await, [(a.map(str::to_owned), b, c.to_owned())]);
    }
    for pair in [[rows[0], rows[1]], [rows[1], rows[0]], [rows[3], rows[2]]] {
        let expected = pair.map(|(a, b, c)| (a.map(str::to_owned), b, c.to_owned()));
        assert_eq!(echo(&mut rig, &pair).await, expected);
    }
}

async fn a_transaction_that_is_not_committed_leaves_nothing(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    tx.raise_buckets(&[("a".into(), 1)]).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = rig.begin().await;
    tx.raise_buckets(&[("b".into(), 1)]).await.unwrap();
    drop(tx);
    let mut tx = rig.begin().await;
    assert!(tx.read_scopes(&["a".into(), "b".into()]).await.unwrap().is_empty());
    tx.rollback().await.unwrap();
}

async fn opening_again_finds_what_was_committed(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    assert_eq!(tx.now_ms, NOON);
    let key = tx.installed("key", "first").await.unwrap();
    assert_eq!(key, "first");
    tx.commit().await.unwrap();
    let Rig { store, writer, database, .. } = rig;
    drop((store, writer));
    database.wait_until_free("").await;
    let mut rig = Rig::new(database).await;
    rig.store.ping().await.unwrap();
    let mut tx = rig.begin().await;
    assert_eq!(tx.installed("key", "second").await.unwrap(), "first");
    assert_eq!(tx.installed("other", "second").await.unwrap(), "second");
    tx.commit().await.unwrap();
}

async fn a_file_has_one_process_and_a_server_has_many(database: Database) {
    let mut rig = Rig::new(database).await;
    let second = Store::open(&rig.database.url).await;
    if rig.store.dialect() == Dialect::Sqlite {
        assert!(format!("{:#}", second.unwrap_err()).contains("another relance process"));
        return;
    }
    let mut other = second.unwrap().writer(Clock::still(NOON)).await.unwrap();
    let mut tx = rig.begin().await;
    let mut theirs = other.begin().await.unwrap();
    tx.raise_buckets(&[("a".into(), 1)]).await.unwrap();
    theirs.raise_buckets(&[("b".into(), 2)]).await.unwrap();
    theirs.commit().await.unwrap();
    tx.commit().await.unwrap();
}

async fn a_writer_comes_back_after_its_connection_broke(database: Database) {
    let mut rig = Rig::new(database).await;
    let store = rig.store.clone();
    for _ in 0..3 {
        rig.writer.reconnect(&store).await.unwrap();
        let mut tx = rig.begin().await;
        tx.raise_buckets(&[("a".into(), 1)]).await.unwrap();
        tx.commit().await.unwrap();
    }
    if rig.store.dialect() == Dialect::Postgres {
        static KILL: Statement = Statement::new(
            "select pg_terminate_backend(pid)::text from pg_stat_activity where datname = current_database()
             and pid <> pg_backend_pid() and $1 = $1 and $2 = $2",
        );
        let other = Store::open(&rig.database.url).await.unwrap();
        let no_matter = || (OwnedCell::Number(0), Kind::Number);
        other.readers.fetch(KILL.sql(Dialect::Postgres, 0), vec![no_matter(), no_matter()]).await.unwrap();
        assert!(rig.writer.begin().await.is_err());
        rig.writer.reconnect(&store).await.unwrap();
        let mut tx = rig.begin().await;
        assert_eq!(tx.read_scopes(&["a".into()]).await.unwrap()[0].tat_us, 1);
        tx.rollback().await.unwrap();
        rig.store.ping().await.unwrap();
    }
}

async fn readers_see_nothing_before_the_commit(database: Database) {
    let mut rig = Rig::new(database).await;
    let store = rig.store.clone();
    let mut tx = rig.begin().await;
    tx.upsert_contacts(&[super::contact("c1", 1)]).await.unwrap();
    assert!(store.contacts(10).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    assert_eq!(store.contacts(10).await.unwrap().len(), 1);
}

async fn an_address_without_a_scheme_is_refused(database: Database) {
    drop(database);
    for url in ["", "relance.db", "mysql://x/y"] {
        let error = Store::open(url).await.unwrap_err();
        assert!(error.to_string().contains("must start with `sqlite:` or `postgres://`"), "{error}");
    }
}
