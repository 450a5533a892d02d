//! What a test does to the rows from outside: as a process of a name, and by hand.

use crate::database::Database;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, Row as _};

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
        execute(&self.url, statement).await
    }

    /// Every row of every table, as text.
    pub(crate) async fn dump(&self) -> String {
        dump(&self.url).await
    }
}

/// Does something to the rows of the database of this address; how many were concerned.
pub(crate) async fn execute(url: &str, statement: &str) -> u64 {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let done = connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    connection.close().await.unwrap();
    done.rows_affected()
}

/// Every row of every table of the database of this address, as text.
pub(crate) async fn dump(url: &str) -> String {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let columns = match url.starts_with("postgres") {
        true => {
            "select table_name::text, string_agg('coalesce(' || column_name || '::text, '''')', ' || ''|'' || ' order by column_name)
                 from information_schema.columns where table_schema = current_schema() and table_name not like '\\_%'
                 group by table_name order by 1"
        }
        false => {
            "select m.name, group_concat('coalesce(cast(\"' || c.name || '\" as text), '''')', ' || ''|'' || ' order by c.name)
                 from sqlite_master m join pragma_table_info(m.name) c
                 where m.type = 'table' and m.name not like '\\_%' escape '\\' group by m.name order by 1"
        }
    };
    let mut dump = String::new();
    for row in sqlx::query(columns).fetch_all(&mut connection).await.unwrap() {
        let (table, columns): (String, String) = (row.get(0), row.get(1));
        let rows = sqlx::query(AssertSqlSafe(format!("select {columns} from \"{table}\"")));
        for row in rows.fetch_all(&mut connection).await.unwrap() {
            dump += &format!("{table}: {}\n", row.get::<String, _>(0));
        }
    }
    connection.close().await.unwrap();
    dump
}
