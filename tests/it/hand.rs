//! What a test does to the rows from outside: as a process of a name, and by hand.

use crate::database::Database;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

impl Database {
    fn is_shared(&self) -> bool {
        self.url.starts_with("postgres")
    }

    /// Its address for a process of this name.
    pub(crate) fn url_as(&self, name: &str) -> String {
        match self.is_shared() {
            false => self.url.clone(),
            true => format!("{}?application_name={name}", self.url),
        }
    }

    /// From now on it is as if nothing had been heard of a node for long: nobody waits whether it comes back. A file has
    /// one process at a time: whoever was before is dead.
    pub(crate) async fn silence(&self, node: &str) {
        if self.is_shared() {
            self.execute(&format!("update node set heartbeat_ms = 0 where id = '{node}'")).await;
        }
    }

    /// Does something to the rows from outside; how many were concerned.
    pub(crate) async fn execute(&self, statement: &str) -> u64 {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&self.url).await.unwrap();
        let done = connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    }
}
