//! Aliases: other ways to name a person. `phone:<digits>` is a number that the platform corrected, `telegram:<id>` a
//! person of another kind of channel.
//!
//! Invariant: a name belongs to one person for good; who has it first keeps it.

use super::contacts::ContactKey;
use super::dialect::Statement;
use super::{Rows, Tx};

/// Another name of a person, on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRow {
    /// What is found by it.
    pub key: ContactKey,
    /// Our id of the person.
    pub contact: String,
    /// What told it: `mismatch`, `gateway`.
    pub source: &'static str,
    /// Unix milliseconds.
    pub at_ms: i64,
}

static INSERT: Statement = Statement::new(
    "insert into alias (name, contact, source, at_ms) select name, contact, source, at_ms
     from {rows: name text, contact text, source text, at_ms bigint} r where true on conflict (name) do nothing",
);

impl Tx<'_> {
    /// Writes names; one that somebody has already stays theirs.
    pub(crate) async fn insert_aliases(&mut self, aliases: &[AliasRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for AliasRow { key, contact, source, at_ms } in aliases {
            if let Some(name) = key.alias() {
                rows.push(&[name.as_str().into(), contact.into(), (*source).into(), (*at_ms).into()]);
            }
        }
        self.write(&INSERT, rows).await.map(drop)
    }
}

impl ContactKey {
    /// The name it has in the table; `None` for keys that a contact itself holds.
    pub(super) fn alias(&self) -> Option<String> {
        match self {
            Self::Phone(digits) => Some(format!("phone:{digits}")),
            Self::Alias(name) => Some(name.clone()),
            Self::Uuid(_) | Self::Bsuid(_) | Self::Id(_) => None,
        }
    }
}
