//! A database for one test: a file of its own, or a database of its own on the server of `RELANCE_TEST_POSTGRES`.
//!
//! Used by the tests of this folder and by the store's suite (`src/store/suite`). It is gone when it is dropped.

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

static MADE: AtomicU32 = AtomicU32::new(0);

/// Where a test keeps its rows.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder {
        folder: TempDir,
    },
    /// The server's address, and the name of the database.
    Server {
        admin: String,
        name: String,
    },
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}?mode=rwc", folder.path().join("test.db").display());
        Self { url, place: Place::Folder { folder } }
    }

    /// Fails when no server is named: the tests of one database are no test of the other.
    pub(crate) fn postgres() -> Self {
        let admin = std::env::var("RELANCE_TEST_POSTGRES")
            .expect("RELANCE_TEST_POSTGRES names no server: run the tests with `bash tests/run`");
        let name = format!("relance_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        administer(&admin, format!("create database {name}"));
        let (server, _) = admin.rsplit_once('/').expect("the server's address ends in a database");
        Self { url: format!("{server}/{name}"), place: Place::Server { admin: admin.clone(), name } }
    }

    /// Waits until the process of this name has let go of it: a dead one is noticed a moment later.
    pub(crate) async fn wait_until_free(&self, name: &str) {
        match &self.place {
            Place::Folder { folder } => {
                let path = folder.path().join("test.db.lock");
                let wait = move || std::fs::File::create(path).and_then(|file| file.lock());
                tokio::task::spawn_blocking(wait).await.unwrap().unwrap();
            }
            Place::Server { .. } => {
                sqlx::any::install_default_drivers();
                let mut connection = AnyConnection::connect(&self.url).await.unwrap();
                let left = "select count(*) from pg_stat_activity
                    where datname = current_database() and application_name = $1 and pid <> pg_backend_pid()";
                let begun = std::time::Instant::now();
                while sqlx::query_scalar::<_, i64>(left).bind(name).fetch_one(&mut connection).await.unwrap() > 0 {
                    assert!(begun.elapsed().as_secs() < 20, "`{name}` does not end");
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                connection.close().await.unwrap();
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Place::Server { admin, name } = &self.place {
            administer(admin, format!("drop database if exists {name} with (force)"));
        }
    }
}

/// On a thread of its own, because a test that fails drops its database inside its own runtime.
fn administer(admin: &str, statement: String) {
    let admin = admin.to_owned();
    let done = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sqlx::any::install_default_drivers();
            let mut connection =
                AnyConnection::connect(&admin).await.expect("the server of RELANCE_TEST_POSTGRES answers");
            connection.execute(AssertSqlSafe(statement)).await.unwrap();
            connection.close().await.unwrap();
        });
    });
    done.join().unwrap();
}

/// Runs a list of tests on both databases: `async fn name(database: Database)` becomes `sqlite::name` and
/// `postgres::name`. One that is forgotten in the list is dead code, which the lints refuse.
macro_rules! on_both_databases {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn $name() {
                Box::pin(super::$name(super::Database::sqlite())).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn $name() {
                Box::pin(super::$name(super::Database::postgres())).await;
            })*
        }
    };
}
pub(crate) use on_both_databases;
