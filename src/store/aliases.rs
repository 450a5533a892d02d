//! Aliases: other ways to name a person. `phone:<digits>` is a number that the platform corrected, `telegram:<id>` a
//! person of another kind of channel.
//!
//! Invariant: a name belongs to one person for good; who has it first keeps it.

use super::contacts::{ContactKey, ContactRow, read_contact};
use super::dialect::Statement;
use super::{Rows, Store, Tx};
use sqlx::Row as _;

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

static BY_ALIAS: Statement = Statement::new(
    "select c.version, c.data, a.name from {rows: value text} r join alias a on a.name = r.value
     join contact c on c.id = a.contact",
);

static INSERT: Statement = Statement::new(
    "insert into alias (name, contact, source, at_ms) select name, contact, source, at_ms
     from {rows: name text, contact text, source text, at_ms bigint} r where true on conflict (name) do nothing",
);

impl Tx<'_> {
    /// The contacts that are known by another name, each with the key that found it.
    pub(super) async fn contacts_by_aliases(&mut self, keys: &[ContactKey]) -> anyhow::Result<Vec<ContactRow>> {
        let mut rows = Rows::default();
        keys.iter().filter_map(ContactKey::alias).for_each(|name| rows.push(&[name.as_str().into()]));
        let mut found = Vec::new();
        for row in self.fetch(&BY_ALIAS, rows).await? {
            let name: String = row.try_get(2)?;
            let found_as = keys.iter().find(|key| key.alias().as_ref() == Some(&name)).cloned();
            found.push(ContactRow { found_as, ..read_contact(&row)? });
        }
        Ok(found)
    }

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

impl Store {
    /// The person who is known by this other name.
    pub(super) async fn contact_by_alias(&self, key: &ContactKey) -> anyhow::Result<Option<ContactRow>> {
        let mut rows = Rows::default();
        key.alias().iter().for_each(|name| rows.push(&[name.as_str().into()]));
        self.read(&BY_ALIAS, rows).await?.first().map(read_contact).transpose()
    }
}

impl ContactKey {
    /// The name it has in the table; `None` for keys that a contact itself holds.
    fn alias(&self) -> Option<String> {
        match self {
            Self::Phone(digits) => Some(format!("phone:{digits}")),
            Self::Alias(name) => Some(name.clone()),
            Self::Uuid(_) | Self::Bsuid(_) | Self::Id(_) => None,
        }
    }
}
