//! Hints: what one server calls out to the others on a PostgreSQL database, in the transaction that gives the reason.
//!
//! A hint says that there is something to look for, never what: whoever hears none finds it at its next look.
//! Invariant: nothing rests on a hint.

use super::deadline::{self, answered};
use super::dialect::Dialect;
use super::{Store, Tx};
use sqlx::postgres::PgListener;
use std::time::Duration;

const CHANNEL: &str = "relance";
/// Without a hint for so long, the server is asked whether it is there.
const QUIET: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(5);

/// A connection that hears hints.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Store {
    /// Listens to the other servers; `None` where there are none.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn listen(&self) -> anyhow::Result<Option<Listener>> {
        if self.dialect != Dialect::Postgres {
            return Ok(None);
        }
        let connected = async {
            let mut listener = PgListener::connect(&self.url).await?;
            listener.listen(CHANNEL).await.map(|()| listener)
        };
        Ok(Some(Listener(answered(self.dialect, connected).await?)))
    }
}

impl Listener {
    /// The next hint: the node that gave it. While there is none, the server is asked now and then whether it is there: one
    /// that is gone without a word is as quiet as one that has nothing to say.
    ///
    /// # Errors
    /// When the connection is lost; what was called out meanwhile is not heard.
    pub async fn hint(&mut self) -> anyhow::Result<String> {
        self.next(QUIET, ANSWER).await
    }

    /// As [`Listener::hint`], with times of one's own.
    pub(super) async fn next(&mut self, quiet: Duration, answer: Duration) -> anyhow::Result<String> {
        loop {
            if let Ok(heard) = tokio::time::timeout(quiet, self.0.try_recv()).await {
                let lost = || anyhow::anyhow!("the connection is lost");
                return heard?.map(|hint| hint.payload().to_owned()).ok_or_else(lost);
            }
            deadline::within(answer, sqlx::query("select 1").execute(&mut self.0)).await?;
        }
    }

    /// Whether more has come already; it is dropped.
    pub fn drop_more(&mut self) {
        while self.0.next_buffered().is_some() {}
    }
}

impl Tx<'_> {
    /// Calls out to the other servers when this is committed.
    pub(crate) async fn hint(&mut self, node: &str) -> anyhow::Result<()> {
        let Some(statement) = self.dialect.notify() else { return Ok(()) };
        self.ask_for(statement, &[CHANNEL.into(), node.into()]).await
    }
}
