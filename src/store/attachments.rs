//! Attachments: the files of received messages, and where the keeping of each stands.
//!
//! Invariant: one that was kept or has failed stays so.

use super::dialect::Statement;
use super::row::Row;
use super::{Cell, Rows, Store, Tx};
use crate::attachment::{Attachment, AttachmentState};

macro_rules! attachment_columns {
    () => {
        "a.event, a.n, a.kind, a.name, a.url, a.state, a.reason, a.content_type, a.size, a.hash, a.at_ms"
    };
}

static INSERT: Statement = Statement::new(
    "insert into attachment (event, n, kind, name, url, state, reason, at_ms)
     select event, n, kind, name, url, 'queued', '', at_ms
     from {rows: event text, n bigint, kind text, name text, url text, at_ms bigint} r",
);

static NOTE: Statement = Statement::new(
    "update attachment set state = r.state, reason = r.reason, content_type = r.content_type, size = r.size,
        hash = r.hash
     from {rows: event text, n bigint, state text, reason text, content_type text, size bigint, hash text} r
     where attachment.event = r.event and attachment.n = r.n and attachment.state = 'queued'",
);

static OPEN: Statement = Statement::new(concat!(
    "select ",
    attachment_columns!(),
    " from attachment a where a.state = 'queued' order by a.at_ms, a.event, a.n
     limit (select most from {rows: most bigint} r)"
));

static OF_EVENT: Statement = Statement::new(concat!(
    "select ",
    attachment_columns!(),
    " from {rows: event text} r join attachment a on a.event = r.event order by a.event, a.n"
));

impl Tx<'_> {
    pub(crate) async fn insert_attachments(&mut self, attachments: &[Attachment]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for file in attachments {
            rows.push(&[
                (&file.event).into(),
                file.n.into(),
                (&file.kind).into(),
                (&file.name).into(),
                (&file.url).into(),
                file.at_ms.into(),
            ]);
        }
        self.write(&INSERT, rows).await.map(drop)
    }

    /// Writes what became of files.
    pub(crate) async fn note_attachments(&mut self, attachments: &[&Attachment]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for file in attachments {
            let size = file.size.map(i64::try_from).transpose()?;
            rows.push(&[
                (&file.event).into(),
                file.n.into(),
                file.state.as_str().into(),
                (&file.reason).into(),
                file.content_type.as_deref().into(),
                size.into(),
                file.hash.as_deref().into(),
            ]);
        }
        self.write(&NOTE, rows).await.map(drop)
    }
}

impl Store {
    /// Files that are still to be fetched, the oldest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn open_attachments(&self, most: u32) -> anyhow::Result<Vec<Attachment>> {
        let mut rows = Rows::default();
        rows.push(&[Cell::Number(most.into())]);
        self.read(&OPEN, rows).await?.iter().map(read_attachment).collect()
    }

    /// The files of an event, in order.
    ///
    /// # Errors
    /// What the database said.
    pub async fn attachments(&self, event: &str) -> anyhow::Result<Vec<Attachment>> {
        let mut rows = Rows::default();
        rows.push(&[event.into()]);
        self.read(&OF_EVENT, rows).await?.iter().map(read_attachment).collect()
    }
}

fn read_attachment(row: &Row) -> anyhow::Result<Attachment> {
    let state: String = row.try_get(5)?;
    Ok(Attachment {
        event: row.try_get(0)?,
        n: u32::try_from(row.try_get::<i64>(1)?)?,
        kind: row.try_get(2)?,
        name: row.try_get(3)?,
        url: row.try_get(4)?,
        state: AttachmentState::parse(&state).ok_or_else(|| anyhow::anyhow!("no state of a file: {state}"))?,
        reason: row.try_get(6)?,
        content_type: row.try_get(7)?,
        size: row.try_get::<Option<i64>>(8)?.map(u64::try_from).transpose()?,
        hash: row.try_get(9)?,
        at_ms: row.try_get(10)?,
    })
}
